/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which MODSEQs a client may see (RFC 7162).
 *
 * A client takes the highest MODSEQ in the FETCH responses before a tagged reply as the point up to
 * which it knows all changes (section 6).  So while an EXPUNGE with a lower MODSEQ has to wait, the
 * server announces an earlier point (section 3.2): box->complete.  It does the same after flags
 * that were changed again between the look at the mailbox and the response: other messages may have
 * been changed with them.
 */
#include "imap/cmd.h"

void
imap_say_modseq(struct imap_conn *conn)
{
	struct buf *out = imap_out(conn);

	wire_out_ok_begin(out);
	wire_out_code_number(out, "HIGHESTMODSEQ", imap_box(conn)->complete);
	imap_say_end(conn, "Highest MODSEQ");
}

struct str
imap_modseq_code(const struct imap_cmd *cmd)
{
	struct buf code = {0};
	struct str s;

	wire_out_code_number(&code, "HIGHESTMODSEQ", imap_box(cmd->conn)->complete);
	s = arena_str(cmd->arena, buf_as_str(&code));
	buf_fini(&code);
	return s;
}

void
imap_condstore_on(struct imap_conn *conn)
{
	struct wire_dialect *d = &imap_login(conn)->dialect;

	if (d->condstore)
		return;
	d->condstore = true;
	if (imap_box(conn) != NULL)
		imap_say_modseq(conn);
}

void
imap_modseq_tell(struct imap_box *box, uint64_t modseq)
{
	if (box->modseq_told < modseq)
		box->modseq_told = modseq;
}

void
imap_modseq_before_reply(const struct imap_cmd *cmd)
{
	struct imap_box *box = imap_box(cmd->conn);
	bool delayed, beyond;

	if (box == NULL || !imap_dialect(cmd->conn)->condstore)
		return;
	delayed = box->complete < box->modseq;
	beyond = box->complete < box->modseq_told || (delayed && box->modseq_told > 0);
	if (!cmd->tell_modseq && (beyond || (box->behind && !delayed)))
		imap_say_modseq(cmd->conn);
	box->behind = beyond || (box->behind && delayed);
	box->modseq_told = 0;
}
