/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections: start, input and end; and the state per process and per loop.  A connection is freed
 * when its stream has ended and no look-up of it runs.
 */
#include "lmtp/conn_int.h"

enum { COMMANDS_A_TURN = 100 }; /* that arrived together; then others on the loop get a turn */

void
lmtp_server_init(struct lmtp_server *server)
{
	session_server_init(&server->sessions);
}

void
lmtp_server_fini(struct lmtp_server *server)
{
	session_server_fini(&server->sessions);
}

void
lmtp_loop_configure(struct lmtp_loop *ll, struct conf *conf)
{
	const struct lmtp_settings *s = conf_get(conf, &lmtp_conf);

	conf_ref(conf);
	conf_unref(&ll->conf);
	ll->conf = conf;
	ll->settings = s;
	ll->sharing = conf_get(conf, &auth_sharing_conf);
	ll->stream_limits = stream_default_limits;
	ll->stream_limits.handshake_ms = (uint32_t)s->handshake_time;
	ll->stream_limits.stall_ms = (uint32_t)s->output_time;
}

void
lmtp_loop_init(struct lmtp_loop *ll, struct lmtp_server *server, unsigned index, unsigned count,
    struct loop *loop, struct conf *conf)
{
	*ll = (struct lmtp_loop){.server = server,
	    .loop = loop,
	    .sessions = {.server = &server->sessions,
	        .loop = loop,
	        .source = "lmtp",
	        .stats = &ll->stats.sessions}};
	session_loop_init(&ll->sessions, index, count);
	lmtp_loop_configure(ll, conf);
}

void
lmtp_loop_shutdown(struct lmtp_loop *ll)
{
	struct lmtp_conn *conn;

	LIST_EACH (conn, &ll->sessions.list, session.link) {
		if (conn->storing) /* or the message would be sent again; tell() sends the 421 */
			conn->leaving = true;
		else
			lmtp_bye(conn, lmtp_going_down);
	}
}

void
lmtp_loop_fini(struct lmtp_loop *ll)
{
	TS_ASSERT(session_loop_is_empty(&ll->sessions));
	conf_unref(&ll->conf);
}

/* ---- input */

static void
chunk_end(struct lmtp_conn *conn)
{
	struct lmtp_txn *txn = conn->txn;

	conn->input = LMTP_COMMAND;
	if (txn == NULL || !txn->chunked)
		return; /* it was refused, and answered */
	if (txn->last)
		lmtp_message_end(conn);
	else if (txn->fault == LMTP_TOO_BIG)
		lmtp_reply(conn, "552 5.3.4 The message is too large");
	else
		lmtp_reply(conn, "250 2.0.0 OK");
}

static size_t
take_command_line(struct lmtp_conn *conn, struct str in, bool *more_r)
{
	const char *end = str_find(in, STR("\r\n"));
	size_t n = end != NULL ? (size_t)(end - in.p) : in.n;
	bool too_long;

	if (end == NULL && in.p[n - 1] == '\r') /* perhaps the first half of the line end */
		n--;
	too_long = n + 2 > conn->settings->line;
	if (conn->input == LMTP_SKIP_LINE) {
		*more_r = end != NULL;
		if (end == NULL)
			return n;
		conn->input = LMTP_COMMAND;
		return n + 2;
	}
	if (too_long) {
		lmtp_reply_error(conn, "500 5.5.2 The line is too long");
		conn->input = LMTP_SKIP_LINE;
		return 0;
	}
	*more_r = end != NULL;
	if (end == NULL)
		return 0;
	lmtp_command(conn, (struct str){in.p, n});
	if (conn->input == LMTP_CHUNK && conn->chunk_left == 0)
		chunk_end(conn);
	return n + 2;
}

static size_t
take_message_data(struct lmtp_conn *conn, struct str in)
{
	struct str text;
	bool end;
	size_t n = lmtp_body_next(&conn->txn->body, in, &text, &end);

	if (text.n > 0)
		lmtp_message_bytes(conn, text);
	if (end) {
		conn->input = LMTP_COMMAND;
		lmtp_message_end(conn);
	}
	return n;
}

static size_t
take_chunk(struct lmtp_conn *conn, struct str in)
{
	size_t n = in.n < conn->chunk_left ? in.n : (size_t)conn->chunk_left;

	conn->chunk_left -= n;
	if (conn->txn != NULL && conn->txn->chunked) {
		lmtp_body_look(&conn->txn->body, (struct str){in.p, n});
		lmtp_message_bytes(conn, (struct str){in.p, n});
	}
	if (conn->chunk_left == 0)
		chunk_end(conn);
	return n;
}

static size_t
data(void *arg, struct str in)
{
	struct lmtp_conn *conn = arg;
	unsigned commands = 0;
	size_t used = 0;
	bool more = true;

	conn->session.in_data = true;
	while (more && !lmtp_input_blocked(conn) && used < in.n && commands < COMMANDS_A_TURN) {
		struct str rest = {in.p + used, in.n - used};

		if (conn->input == LMTP_DATA)
			used += take_message_data(conn, rest);
		else if (conn->input == LMTP_CHUNK)
			used += take_chunk(conn, rest);
		else {
			used += take_command_line(conn, rest, &more);
			commands++;
		}
	}
	conn->session.in_data = false;
	if (conn->session.closing || conn->input == LMTP_TLS)
		used = in.n;
	else if (conn->input != LMTP_COMMAND)
		stream_expect_more(conn->session.stream);
	conn->session.bytes_in += used;
	if (used > 0) /* else the time for the rest of a line keeps running */
		lmtp_go_on(conn);
	return used;
}

/* ---- the stream's other events */

static void
drained(void *arg)
{
	lmtp_go_on(arg);
}

static void
greet(struct lmtp_conn *conn)
{
	char name[256];

	conn->session.greeted = true;
	lmtp_reply(conn, "220 %.*s LMTP Turnstone ready",
	    STR_ARG(lmtp_hostname(conn, name, sizeof(name))));
}

static void
secured(void *arg)
{
	struct lmtp_conn *conn = arg;

	if (conn->session.closing)
		return;
	if (!conn->session.greeted)
		greet(conn);
	conn->input = LMTP_COMMAND;
	lmtp_go_on(conn);
}

static void
log_end(const struct lmtp_conn *conn)
{
	struct log_event e;

	if (!session_end_event(&conn->session, &e))
		return;
	log_event_u64(&e, "messages", conn->messages);
	log_event_u64(&e, "bytes", conn->bytes);
	log_event_u64(&e, "bytes_in", conn->session.bytes_in);
	log_event_u64(&e, "bytes_out", conn->session.bytes_out);
	log_event_put(&e, LOG_INFO);
}

/* Frees it if nothing holds it any more. */
static void
conn_release(struct lmtp_conn *conn)
{
	if (conn->session.stream != NULL || conn->lookup != NULL)
		return;
	lmtp_txn_free(conn);
	buf_fini(&conn->helo);
	log_end(conn);
	conf_unref(&conn->conf);
	session_free(&conn->session);
}

static void
lookup_is_over(struct loop_task *task)
{
	conn_release(list_entry(task, struct lmtp_conn, last_task));
}

static void
closed(void *arg, enum stream_end why)
{
	struct lmtp_conn *conn = arg;

	session_ended(&conn->session, why);
	lmtp_cancel_lookup(conn);
	conn_release(conn);
}

static const struct stream_events events = {
    .data = data, .drained = drained, .closed = closed, .secured = secured};

const struct stream_events *
lmtp_conn_events(void)
{
	return &events;
}

/* ---- life */

struct lmtp_conn *
lmtp_conn_new(struct lmtp_loop *ll, struct str address, const char *front)
{
	struct arena *a = arena_new(&ll->pool, ARENA_CONN, 640);
	struct lmtp_conn *conn = arena_new_object(a, struct lmtp_conn);

	conn->ll = ll;
	conn->server = ll->server;
	conn->conf = conf_ref(ll->conf);
	conn->settings = ll->settings;
	conn->sharing = ll->sharing;
	conn->last_task.fn = lookup_is_over;
	session_begin(&conn->session, &ll->sessions, a, address, lmtp_timed_out, conn);
	session_set_front(&conn->session, front);
	return conn;
}

/* Returns false if it told the connection that there are too many. */
static bool
admit(struct lmtp_conn *conn)
{
	const struct lmtp_settings *s = conn->settings;
	const struct session_limits limits = {.connections = (unsigned)s->connections,
	    .per_address = (unsigned)s->address_connections,
	    .v6_bits = (unsigned)s->address_v6_bits,
	    .options = "lmtp.limits"};

	switch (session_admit(&conn->session, &limits)) {
	case SESSION_ADMITTED:
		return true;
	case SESSION_TOO_MANY:
		lmtp_bye(conn, "421 4.3.2 Too many connections");
		return false;
	case SESSION_TOO_MANY_OF_ADDRESS:
		lmtp_bye(conn, "421 4.7.0 Too many connections from your address");
		return false;
	}
	TS_WRONG("no such admission");
}

void
lmtp_conn_start(struct lmtp_conn *conn, struct stream *stream, enum lmtp_tls tls)
{
	conn->tls = tls;
	session_start(&conn->session, stream, &conn->ll->stream_limits, tls == LMTP_TLS_IMPLICIT);
	if (!admit(conn))
		return;
	lmtp_next_message(conn);
	lmtp_set_timer(conn);
	if (tls == LMTP_TLS_IMPLICIT)
		conn->input = LMTP_TLS;
	else
		greet(conn);
}
