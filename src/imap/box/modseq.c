/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which MODSEQs a client may see (RFC 7162).
 *
 * A client takes the highest MODSEQ in the FETCH responses before a tagged reply as the point up to
 * which it knows all changes (section 6).  So while an EXPUNGE with a lower MODSEQ has to wait, the
 * server announces an earlier point (section 3.2): box->complete.
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
imap_modseq_before_reply(const struct imap_cmd *cmd)
{
	struct imap_box *box = imap_box(cmd->conn);
	bool delayed;

	if (box == NULL || !imap_dialect(cmd->conn)->condstore)
		return;
	delayed = box->complete < box->modseq;
	if (!cmd->tell_modseq && (delayed ? box->modseq_told : box->behind))
		imap_say_modseq(cmd->conn);
	box->behind = delayed && (box->behind || box->modseq_told);
	box->modseq_told = false;
}
