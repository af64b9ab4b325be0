/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether input is accepted, and as what: paused while a command runs that wants none, held back
 * while the disk or the peer's own reading is too slow; a literal's bytes go to the command that
 * streams them, or nowhere.  What happens to the bytes is decided in input.c.
 */
#include "base/log.h"
#include "imap/conn/conn_int.h"

/* A literal that a client sends without waiting, and that is refused, is read and dropped up to
 * this many times the largest message; beyond that the connection is closed (RFC 7888 section
 * 4). */
#define SKIP_MESSAGES 4u

bool
conn_input_blocked(const struct imap_conn *conn)
{
	const struct imap_cmd *cmd = conn->cmd;

	if (conn->session.closing || conn->input == CONN_TLS)
		return true;
	if (conn->input == CONN_SKIP || conn->input == CONN_DISCARD)
		return false;
	/* What a peer requests and does not read must not pile up. */
	if (cmd == NULL &&
	    stream_out_pending(conn->session.stream) > conn->turn->rules->stream_limits.high)
		return true;
	if (cmd != NULL && cmd->held)
		return true;
	if (conn->input == CONN_STREAM)
		return false;
	return cmd != NULL && cmd->line == NULL && !cmd->wants_input;
}

void
conn_input_update(struct imap_conn *conn)
{
	if (conn->session.stream == NULL)
		return;
	if (conn_input_blocked(conn))
		stream_pause(conn->session.stream);
	else if (stream_is_paused(conn->session.stream))
		stream_resume(conn->session.stream);
}

/* ---- streamed literals */

static void
answer_literal(struct imap_cmd *cmd, const struct imap_step *next)
{
	struct imap_conn *conn = cmd->conn;

	TS_ASSERT(cmd->streaming && !cmd->segment_last && conn->frame.lit.data > 0);
	if (conn->frame.lit.sync) {
		imap_say_continue(conn, "Go ahead");
		stream_kick(conn->session.stream);
	}
	cmd->next = next;
	cmd->wants_input = true;
}

enum imap_next
cmd_literal_inline(struct imap_cmd *cmd, const struct imap_step *next)
{
	TS_ASSERT(!cmd->literal_too_big);
	answer_literal(cmd, next);
	wire_frame_accept(&cmd->conn->frame);
	return IMAP_WAIT;
}

enum imap_next
cmd_literal_stream(struct imap_cmd *cmd, void (*sink)(struct imap_cmd *cmd, struct str bytes),
    const struct imap_step *next)
{
	struct imap_conn *conn = cmd->conn;

	answer_literal(cmd, next);
	cmd->sink = sink;
	conn->drop = conn->frame.lit.data;
	conn->stream_left = conn->frame.lit.size;
	conn->segment_at = 0;
	cmd->transcribed = 0;
	conn->input = CONN_STREAM;
	return IMAP_WAIT;
}

void
cmd_hold(struct imap_cmd *cmd)
{
	cmd->held = true;
}

void
cmd_unhold(struct imap_cmd *cmd)
{
	cmd->held = false;
	if (!cmd->conn->session.in_data && !cmd->conn->session.closing) {
		conn_set_timer(cmd->conn);
		conn_input_update(cmd->conn);
	}
}

bool
conn_input_skip(struct imap_conn *conn)
{
	struct imap_cmd *cmd = conn->cmd;
	const struct wire_frame_literal *lit = &conn->frame.lit;

	if (!cmd->streaming || cmd->segment_last)
		return false;
	cmd->wants_input = false;
	if (conn->input == CONN_STREAM) {
		conn->input = CONN_DISCARD;
		return true;
	}
	if (lit->data > 0 && !lit->sync &&
	    (lit->size > INT64_MAX ||
	        lit->size / SKIP_MESSAGES > imap_settings(conn)->append_limit)) {
		imap_log(conn, LOG_INFO, "literal of %llu bytes refused: closed",
		    (unsigned long long)lit->size);
		imap_bye(conn, "TOOBIG", "Literal too large");
		return true;
	}
	wire_frame_refuse(&conn->frame);
	conn->input = CONN_SKIP;
	return true;
}
