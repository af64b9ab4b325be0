/* SPDX-License-Identifier: Apache-2.0 */
/* See tell.h. */
#include "imap/tell.h"

#include "imap/cmd.h"

void
imap_teller_add(struct imap_login *login, struct imap_teller *teller, bool first)
{
	if (first)
		list_push_front(&login->tellers, &teller->link);
	else
		list_push_back(&login->tellers, &teller->link);
}

void
imap_teller_remove(struct imap_teller *teller)
{
	if (teller->link.next != NULL)
		list_remove(&teller->link);
}

bool
imap_tell(struct imap_conn *conn, enum imap_tell_when when, bool expunge)
{
	struct imap_teller *teller, *next;

	LIST_EACH_SAFE (teller, next, &imap_login(conn)->tellers, link)
		if ((teller->when & when) != 0 && !teller->tell(teller, conn, expunge))
			return false;
	return true;
}

bool
imap_tell_due(const struct imap_conn *conn, enum imap_tell_when when)
{
	const struct imap_teller *teller;

	LIST_EACH (teller, &imap_login(conn)->tellers, link)
		if ((teller->when & when) != 0 && teller->due)
			return true;
	return false;
}

/* Returns the current kind of time; 0: nothing may be told now. */
static unsigned
time_now(const struct imap_conn *conn)
{
	const struct imap_cmd *cmd = conn->cmd;

	if (conn->session.closing || conn->session.in_data || imap_login(conn) == NULL)
		return 0;
	if (cmd == NULL)
		return IMAP_TELL_QUIET;
	return cmd->lets_tell && !cmd->running ? IMAP_TELL_WAITING : 0;
}

void
imap_tell_now(struct imap_conn *conn)
{
	enum imap_tell_when when = (enum imap_tell_when)time_now(conn);
	size_t before;

	if (when == 0 || !imap_tell_due(conn, when))
		return;
	/* A client that does not read is told once, when it does: drained() comes back here. */
	if (stream_out_pending(conn->session.stream) > conn->turn->rules->stream_limits.high)
		return;
	before = imap_out(conn)->n;
	slice_begin(conn->il);
	(void)imap_tell(conn, when, true);
	pace_ran(conn);
	if (imap_out(conn)->n > before) {
		conn->session.bytes_out += imap_out(conn)->n - before;
		stream_kick(conn->session.stream);
	}
	/* One call tells a bounded piece. */
	if (!conn->session.closing && imap_tell_due(conn, when))
		pace_ask(conn);
}

void
imap_tell_soon(struct imap_conn *conn)
{
	if (time_now(conn) == 0)
		return;
	if (pace_holds(conn))
		pace_ask(conn);
	else
		imap_tell_now(conn);
}
