/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections: input, time-outs, end.  A connection is freed when its stream
 * has ended and no job of it runs.
 */
#include <stdarg.h>
#include <unistd.h>

#include "lmtp/conn_int.h"

const char lmtp_going_down[] = "421 4.3.2 The server is going down";

void
lmtp_server_init(struct lmtp_server *server)
{
	server->addresses = tally_new();
}

void
lmtp_server_fini(struct lmtp_server *server)
{
	tally_free(&server->addresses);
}

void
lmtp_loop_configure(struct lmtp_loop *ll, struct conf *conf)
{
	const struct lmtp_settings *s = conf_get(conf, &lmtp_conf);

	conf_ref(conf);
	conf_unref(&ll->conf);
	ll->conf = conf;
	ll->settings = s;
	ll->stream_limits = stream_default_limits;
	ll->stream_limits.handshake_ms = (uint32_t)s->handshake_time;
	ll->stream_limits.stall_ms = (uint32_t)s->output_time;
}

void
lmtp_loop_init(struct lmtp_loop *ll, struct lmtp_server *server, unsigned index, unsigned count,
    struct loop *loop, struct conf *conf)
{
	*ll = (struct lmtp_loop){
	    .server = server, .loop = loop, .next_conn_id = index + 1, .conn_id_step = count};
	list_init(&ll->conns);
	lmtp_loop_configure(ll, conf);
}

void
lmtp_loop_shutdown(struct lmtp_loop *ll)
{
	struct lmtp_conn *conn;

	LIST_EACH (conn, &ll->conns, link) {
		if (conn->storing) /* or the message comes again: tell() says it */
			conn->leaving = true;
		else
			lmtp_bye(conn, lmtp_going_down);
	}
}

void
lmtp_loop_fini(struct lmtp_loop *ll)
{
	TS_ASSERT(list_empty(&ll->conns));
	conf_unref(&ll->conf);
}

/* ---- output */

void
lmtp_reply(struct lmtp_conn *conn, const char *fmt, ...)
{
	struct buf *out = stream_out(conn->stream);
	va_list ap;

	if (conn->closing)
		return;
	va_start(ap, fmt);
	buf_vprintf(out, fmt, ap);
	va_end(ap);
	buf_puts(out, "\r\n");
	stream_kick(conn->stream);
}

void
lmtp_bye(struct lmtp_conn *conn, const char *text)
{
	if (conn->closing)
		return;
	lmtp_reply(conn, "%s", text);
	lmtp_log(conn, LOG_INFO, "%s", text);
	if (conn->ending == NULL)
		conn->ending = text;
	conn->closing = true;
	lmtp_rcpt_cancel(conn);
	loop_timer_clear(&conn->timer);
	stream_close(conn->stream);
}

void
lmtp_reply_error(struct lmtp_conn *conn, const char *text)
{
	lmtp_reply(conn, "%s", text);
	if (++conn->errors >= (unsigned)conn->settings->errors)
		lmtp_bye(conn, "421 4.7.0 Too many bad commands");
}

void
lmtp_log(const struct lmtp_conn *conn, enum log_level level, const char *fmt, ...)
{
	struct log_event e;
	va_list ap;

	if (!log_wants(level))
		return;
	lmtp_event(conn, &e, "");
	va_start(ap, fmt);
	log_event_vput(&e, level, fmt, ap);
	va_end(ap);
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

/* ---- input */

static bool
blocked(const struct lmtp_conn *conn)
{
	return conn->closing || conn->job != NULL || conn->held || conn->storing ||
	       conn->input == LMTP_TLS ||
	       stream_out_pending(conn->stream) > conn->ll->stream_limits.high;
}

static bool
waits_for_store(const struct lmtp_conn *conn)
{
	return conn->job != NULL || conn->storing || conn->held;
}

static void
set_timer(struct lmtp_conn *conn)
{
	const struct lmtp_settings *s = conn->settings;
	uint64_t wait = s->command_time, now = loop_now(conn->ll->loop);

	if (conn->closing)
		return;
	if (waits_for_store(conn)) {
		loop_timer_set(&conn->timer, s->store_time);
		return;
	}
	if (conn->input == LMTP_DATA || conn->input == LMTP_CHUNK)
		wait = s->data_time;
	if (conn->message_by_ms < now + wait)
		wait = conn->message_by_ms > now ? conn->message_by_ms - now : 0;
	loop_timer_set(&conn->timer, wait);
}

static void
timed_out(void *arg)
{
	struct lmtp_conn *conn = arg;

	if (waits_for_store(conn)) {
		lmtp_log(conn, LOG_WARNING, "no answer from the store: closed");
		lmtp_bye(conn, "421 4.3.0 The mail store does not answer");
	} else if (loop_now(conn->ll->loop) >= conn->message_by_ms)
		lmtp_bye(conn, "421 4.4.2 No message has come for too long");
	else
		lmtp_bye(conn, "421 4.4.2 Nothing came for too long");
}

void
lmtp_next_message(struct lmtp_conn *conn)
{
	conn->message_by_ms = loop_now(conn->ll->loop) + conn->settings->message_time;
}

void
lmtp_go_on(struct lmtp_conn *conn)
{
	if (conn->in_data || conn->closing)
		return;
	set_timer(conn);
	if (blocked(conn))
		stream_pause(conn->stream);
	else
		stream_resume(conn->stream);
}

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

	if (end == NULL && in.p[n - 1] == '\r') /* perhaps the first half of its end */
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
	size_t used = 0;
	bool more = true;

	conn->in_data = true;
	while (more && !blocked(conn) && used < in.n) {
		struct str rest = {in.p + used, in.n - used};

		if (conn->input == LMTP_DATA)
			used += take_message_data(conn, rest);
		else if (conn->input == LMTP_CHUNK)
			used += take_chunk(conn, rest);
		else
			used += take_command_line(conn, rest, &more);
	}
	conn->in_data = false;
	if (conn->closing || conn->input == LMTP_TLS)
		used = in.n;
	else if (conn->input != LMTP_COMMAND)
		stream_expect_more(conn->stream);
	if (used > 0) /* else the time for the rest of a line goes on */
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

	conn->greeted = true;
	lmtp_reply(conn, "220 %.*s LMTP Turnstone ready",
	    STR_ARG(lmtp_hostname(conn, name, sizeof(name))));
}

static void
secured(void *arg)
{
	struct lmtp_conn *conn = arg;

	if (conn->closing)
		return;
	if (!conn->greeted)
		greet(conn);
	conn->input = LMTP_COMMAND;
	lmtp_go_on(conn);
}

static void
log_end(const struct lmtp_conn *conn)
{
	struct log_event e;

	if (!log_wants(LOG_INFO))
		return;
	lmtp_event(conn, &e, "end");
	log_event_str(&e, "how", str_of(conn->ending));
	log_event_u64(&e, "messages", conn->messages);
	log_event_u64(&e, "bytes", conn->bytes);
	log_event_put(&e, LOG_INFO);
}

static void
closed(void *arg, enum stream_end why)
{
	struct lmtp_conn *conn = arg;

	if (conn->ending == NULL)
		conn->ending = stream_end_name(why);
	if (stream_refusal(conn->stream) != NULL)
		lmtp_log(conn, LOG_WARNING, "TLS refused: %s", stream_refusal(conn->stream));
	log_end(conn);
	conn->stream = NULL;
	conn->closing = true;
	lmtp_rcpt_cancel(conn);
	loop_timer_clear(&conn->timer);
	lmtp_release(conn);
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
lmtp_conn_new(struct lmtp_loop *ll, struct str address)
{
	struct arena *a = arena_new(&ll->pool, ARENA_CONN, 640);
	struct lmtp_conn *conn = arena_new_object(a, struct lmtp_conn);

	conn->arena = a;
	conn->ll = ll;
	conn->server = ll->server;
	conn->conf = conf_ref(ll->conf);
	conn->settings = ll->settings;
	conn->id = ll->next_conn_id;
	ll->next_conn_id += ll->conn_id_step;
	conn->address = arena_str(a, address);
	loop_timer_init(&conn->timer, ll->loop, timed_out, conn);
	list_push_back(&ll->conns, &conn->link);
	ll->stats.conns++;
	ll->stats.conns_total++;
	ll->server->conns++;
	return conn;
}

/* False: the connection was told that there are too many. */
static bool
admit(struct lmtp_conn *conn)
{
	const struct lmtp_settings *s = conn->settings;
	char text[TALLY_NETWORK_MAX];

	if (conn->server->conns > (unsigned)s->connections) {
		lmtp_log(conn, LOG_WARNING, "more than lmtp.limits.connections: closed");
		lmtp_bye(conn, "421 4.3.2 Too many connections");
		return false;
	}
	if (str_eq(conn->address, STR("unix"))) /* all of them are one address */
		return true;
	conn->address_place = tally_enter(conn->server->addresses,
	    tally_network(conn->address, (unsigned)s->address_v6_bits, text),
	    (unsigned)s->address_connections);
	if (conn->address_place == NULL) {
		lmtp_log(
		    conn, LOG_WARNING, "more than lmtp.limits.connections_per_address: closed");
		lmtp_bye(conn, "421 4.7.0 Too many connections from your address");
	}
	return conn->address_place != NULL;
}

static void
log_start(const struct lmtp_conn *conn)
{
	struct log_event e;

	if (!log_wants(LOG_INFO))
		return;
	lmtp_event(conn, &e, "connection");
	log_event_str(&e, "address", conn->address);
	log_event_str(&e, "tls", conn->tls == LMTP_TLS_IMPLICIT ? STR("yes") : STR("no"));
	log_event_put(&e, LOG_INFO);
}

void
lmtp_conn_start(struct lmtp_conn *conn, struct stream *stream, enum lmtp_tls tls)
{
	conn->stream = stream;
	conn->tls = tls;
	stream_set_limits(stream, &conn->ll->stream_limits);
	log_start(conn);
	if (!admit(conn))
		return;
	lmtp_next_message(conn);
	set_timer(conn);
	if (tls == LMTP_TLS_IMPLICIT)
		conn->input = LMTP_TLS;
	else
		greet(conn);
}

void
lmtp_release(struct lmtp_conn *conn)
{
	struct arena *a = conn->arena;

	if (conn->stream != NULL || conn->job != NULL)
		return;
	lmtp_txn_free(conn);
	buf_fini(&conn->helo);
	list_remove(&conn->link);
	tally_leave(conn->server->addresses, &conn->address_place);
	conn->ll->stats.conns--;
	conn->server->conns--;
	conf_unref(&conn->conf);
	arena_free(&a);
}
