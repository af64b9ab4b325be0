/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections: their beginning, the stream's events, and their end.  A connection is freed when
 * its stream has ended and no job of it runs any more; until then it is kept
 * with `closing` set and does nothing.
 */
#include "base/log.h"
#include "imap/conn_int.h"
#include "imap/errand.h"
#include "imap/tell.h"
#include "net/tally.h"

/* ---- its end */

static void
log_end(const struct imap_conn *conn)
{
	struct log_event e;

	if (!log_wants(LOG_INFO))
		return;
	imap_event(conn, &e, STR("end"));
	log_event_str(&e, "how", str_of(conn->ending));
	log_event_u64(&e, "commands", conn->commands);
	log_event_u64(&e, "bytes_in", conn->bytes_in);
	log_event_u64(&e, "bytes_out", conn->bytes_out);
	log_event_put(&e, LOG_INFO);
}

/* Frees it if nothing holds it any more. */
static void
conn_release(struct imap_conn *conn)
{
	struct arena *a = conn->arena;

	if (conn->stream != NULL || conn->task.queued || pace_waits(conn) ||
	    conn->errands != NULL || (conn->cmd != NULL && conn->cmd->job != NULL))
		return;
	if (conn->cmd != NULL)
		cmd_free(conn);
	imap_turn_free(conn, &conn->turn);
	log_end(conn);
	list_remove(&conn->link);
	tally_leave(conn->server->addresses, &conn->address_place);
	conn->il->stats.conns--;
	conn->il->stats.bytes_in += conn->bytes_in;
	conn->il->stats.bytes_out += conn->bytes_out;
	conn->server->conns--;
	arena_free(&a);
}

/* ---- the stream's events */

static void
drained(void *arg)
{
	struct imap_conn *conn = arg;

	if (conn->closing)
		return;
	if (conn->cmd == NULL)
		conn_input_update(conn); /* the next command was held back */
	if (conn->cmd != NULL && conn->cmd->yielded)
		pace_ask(conn);
	else
		imap_tell_now(conn);
}

static void
turn_of_task(struct loop_task *task)
{
	struct imap_conn *conn =
	    (struct imap_conn *)(void *)((char *)task - offsetof(struct imap_conn, task));

	if (conn->closing)
		conn_release(conn);
	else if (conn->cmd != NULL && conn->cmd->yielded)
		imap_resume(conn->cmd);
	else {
		if (pace_give_input(conn))
			conn_input_update(conn);
		imap_tell_now(conn);
	}
}

/* Why somebody who shows a certificate is nobody by it. */
static void
log_identity(const struct imap_conn *conn, const struct tls_identity *id)
{
	struct log_event e;

	if (id->standing == TLS_PEER_NONE || !log_wants(LOG_WARNING))
		return;
	imap_event(conn, &e,
	    id->standing == TLS_PEER_KNOWN ? STR("certificate") : STR("certificate not accepted"));
	log_event_str(&e, "address", imap_client_address(conn));
	imap_event_certificate(conn, &e);
	log_event_put(&e, id->standing == TLS_PEER_KNOWN ? LOG_INFO : LOG_WARNING);
}

/*
 * Who is known by the certificate is logged in before the greeting (RFC 9051 section 7.1.4); the
 * command that does it has a name that no client can send.
 */
static void
preauth(struct imap_conn *conn)
{
	struct imap_cmd *cmd = cmd_new(conn);

	cmd->def = imap_registry_find(&conn->server->reg, STR("(PREAUTH)"));
	cmd->greeting = true;
	TS_ASSERT(cmd->def != NULL);
	imap_resume(cmd);
}

static void
secured(void *arg)
{
	struct imap_conn *conn = arg;
	const struct tls_identity *id;
	struct stream_tls_info info;

	if (conn->closing)
		return;
	if (stream_tls_info(conn->stream, &info))
		imap_log(conn, LOG_DEBUG, "TLS %s %s", info.version, info.cipher);
	id = imap_identity(conn);
	log_identity(conn, id);
	conn->input = CONN_COMMAND;
	if (!conn->greeted && conn->entrance->preauth && id->standing == TLS_PEER_KNOWN) {
		preauth(conn);
		return;
	}
	if (!conn->greeted)
		imap_greet(conn);
	conn_input_update(conn);
}

/* Who has not said yet how it ends, learns it from the stream. */
static const char *
ending(const struct imap_conn *conn, enum stream_end why)
{
	return conn->ending != NULL ? conn->ending : stream_end_name(why);
}

static void
closed(void *arg, enum stream_end why)
{
	struct imap_conn *conn = arg;

	conn->ending = ending(conn, why);
	if (stream_refusal(conn->stream) != NULL)
		imap_log(conn, LOG_WARNING, "TLS refused: %s", stream_refusal(conn->stream));
	conn->stream = NULL;
	conn->closing = true;
	conn_cancel_job(conn);
	imap_errands_leave(conn, false);
	loop_timer_clear(&conn->timer);
	if (conn->cmd != NULL && conn->cmd->job == NULL)
		cmd_free(conn);
	conn_release(conn);
}

static const struct stream_events events = {
    .data = conn_data, .drained = drained, .closed = closed, .secured = secured};

const struct stream_events *
imap_conn_events(void)
{
	return &events;
}

/* ---- life */

struct imap_conn *
imap_conn_new(struct imap_loop *il, struct str address)
{
	struct arena *a = arena_new(&il->pool, ARENA_CONN, 640);
	struct imap_conn *conn = arena_new_object(a, struct imap_conn);

	conn->arena = a;
	conn->il = il;
	conn->server = il->server;
	conn->id = il->next_conn_id;
	conn->since_ms = conn->heard_ms = loop_now(il->loop);
	il->next_conn_id += il->conn_id_step;
	conn->address = arena_str(a, address);
	conn->task.fn = turn_of_task;
	loop_timer_init(&conn->timer, il->loop, conn_timed_out, conn);
	conn->turn = imap_turn_new(conn);
	list_push_back(&il->conns, &conn->link);
	il->stats.conns++;
	il->stats.conns_total++;
	il->server->conns++;
	return conn;
}

static void
log_begin(const struct imap_conn *conn)
{
	struct log_event e;

	if (!log_wants(LOG_INFO))
		return;
	imap_event(conn, &e, STR("connection"));
	log_event_str(&e, "address", conn->address);
	if (conn->front.n > 0)
		log_event_str(&e, "front", conn->front);
	log_event_str(&e, "tls", conn->entrance->implicit_tls ? STR("yes") : STR("no"));
	log_event_put(&e, LOG_INFO);
}

/* False: the connection was told that there are too many. */
static bool
admit(struct imap_conn *conn)
{
	const struct imap_settings *s = imap_settings(conn);
	char text[TALLY_NETWORK_MAX];

	if (conn->server->conns > (unsigned)s->connections) {
		imap_log(conn, LOG_WARNING, "more than limits.connections: closed");
		imap_bye(conn, "UNAVAILABLE", "Too many connections");
		return false;
	}
	conn->address_place = tally_enter(conn->server->addresses,
	    tally_network(conn->address, (unsigned)s->address_v6_bits, text),
	    (unsigned)s->address_connections);
	if (conn->address_place == NULL) {
		imap_log(conn, LOG_WARNING, "more than limits.connections_per_address: closed");
		imap_bye(conn, "LIMIT", "Too many connections from your address");
		return false;
	}
	return true;
}

void
imap_conn_start(struct imap_conn *conn, struct stream *stream, const struct imap_entrance *entrance)
{
	conn->stream = stream;
	conn->entrance = entrance;
	stream_set_terms(stream, &entrance->terms);
	conn->login_deadline = loop_now(conn->il->loop) + imap_settings(conn)->login_time;
	stream_set_limits(stream, &conn->turn->rules->stream_limits);
	log_begin(conn);
	if (!admit(conn))
		return;
	conn_set_timer(conn);
	if (entrance->implicit_tls)
		conn->input = CONN_TLS;
	else
		imap_greet(conn);
}
