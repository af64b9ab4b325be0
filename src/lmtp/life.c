/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of a connection at any moment: replies to it, whether its input is accepted, how long
 * it may be silent, and how it is told to leave.  The other files of this folder build on this one.
 */
#include <stdarg.h>
#include <unistd.h>

#include "lmtp/conn_int.h"

const char lmtp_going_down[] = "421 4.3.2 The server is going down";

/* ---- output */

void
lmtp_reply(struct lmtp_conn *conn, const char *fmt, ...)
{
	struct session *session = &conn->session;
	struct buf *out;
	size_t before;
	va_list ap;

	if (session->closing)
		return;
	out = stream_out(session->stream);
	before = out->n;
	va_start(ap, fmt);
	buf_vprintf(out, fmt, ap);
	va_end(ap);
	buf_puts(out, "\r\n");
	session->bytes_out += out->n - before;
	stream_kick(session->stream);
}

void
lmtp_cancel_lookup(struct lmtp_conn *conn)
{
	if (conn->lookup != NULL)
		conn->lookup->cancel(conn->lookup);
}

void
lmtp_bye(struct lmtp_conn *conn, const char *text)
{
	if (conn->session.closing)
		return;
	lmtp_reply(conn, "%s", text);
	session_log(&conn->session, LOG_INFO, "%s", text);
	session_close(&conn->session, text);
	lmtp_cancel_lookup(conn);
}

void
lmtp_reply_error(struct lmtp_conn *conn, const char *text)
{
	lmtp_reply(conn, "%s", text);
	if (++conn->errors >= (unsigned)conn->settings->errors)
		lmtp_bye(conn, "421 4.7.0 Too many bad commands");
}

struct str
lmtp_hostname(const struct lmtp_conn *conn, char *buf, size_t size)
{
	if (conn->settings->hostname.n > 0)
		return conn->settings->hostname;
	if (gethostname(buf, size) != 0 || buf[0] == '\0')
		return STR("localhost");
	buf[size - 1] = '\0';
	return str_of(buf);
}

/* ---- input, and how long it may take */

bool
lmtp_input_blocked(const struct lmtp_conn *conn)
{
	return conn->session.closing || conn->lookup != NULL || conn->held || conn->storing ||
	       conn->input == LMTP_TLS ||
	       stream_out_pending(conn->session.stream) > conn->ll->stream_limits.high;
}

static bool
waits_for_store(const struct lmtp_conn *conn)
{
	return conn->lookup != NULL || conn->storing || conn->held;
}

void
lmtp_set_timer(struct lmtp_conn *conn)
{
	const struct lmtp_settings *s = conn->settings;
	bool in_message = conn->input == LMTP_DATA || conn->input == LMTP_CHUNK;

	if (waits_for_store(conn))
		session_wait(&conn->session, s->store_time);
	else
		session_wait_by_deadline(
		    &conn->session, in_message ? s->data_time : s->command_time);
}

void
lmtp_timed_out(void *arg)
{
	struct lmtp_conn *conn = arg;

	if (waits_for_store(conn)) {
		session_log(&conn->session, LOG_WARNING, "no answer from the store: closed");
		lmtp_bye(conn, "421 4.3.0 The mail store is not responding");
	} else if (session_is_late(&conn->session))
		lmtp_bye(conn, "421 4.4.2 No message has come for too long");
	else
		lmtp_bye(conn, "421 4.4.2 Nothing came for too long");
}

void
lmtp_next_message(struct lmtp_conn *conn)
{
	session_set_deadline(&conn->session, conn->settings->message_time);
}

void
lmtp_go_on(struct lmtp_conn *conn)
{
	if (conn->session.in_data || conn->session.closing)
		return;
	lmtp_set_timer(conn);
	if (lmtp_input_blocked(conn))
		stream_pause(conn->session.stream);
	else
		stream_resume(conn->session.stream);
}
