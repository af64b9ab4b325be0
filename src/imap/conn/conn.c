/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections: their start, the stream's events, and their end.  A connection is freed when its
 * stream has ended and no job of it runs any more; until then it is kept with `closing` set and
 * does nothing.
 */
#include "base/clock.h"
#include "base/log.h"
#include "imap/conn/conn_int.h"
#include "imap/errand.h"
#include "imap/tell.h"

/* ---- end */

static void
log_end(const struct imap_conn *conn)
{
	struct log_event e;

	if (!session_end_event(&conn->session, &e))
		return;
	log_event_u64(&e, "commands", conn->commands);
	log_event_u64(&e, "bytes_in", conn->session.bytes_in);
	log_event_u64(&e, "bytes_out", conn->session.bytes_out);
	log_event_put(&e, LOG_INFO);
}

/* Frees it if nothing holds it any more. */
static void
conn_release(struct imap_conn *conn)
{
	if (conn->session.stream != NULL || conn->task.queued || pace_waits(conn) ||
	    conn->errands != NULL || (conn->cmd != NULL && conn->cmd->job != NULL))
		return;
	if (conn->cmd != NULL)
		cmd_free(conn);
	imap_turn_free(conn, &conn->turn);
	log_end(conn);
	session_free(&conn->session);
}

/* ---- the stream's events */

static void
drained(void *arg)
{
	struct imap_conn *conn = arg;

	if (conn->session.closing)
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

	if (conn->session.closing)
		conn_release(conn);
	else if (conn->cmd != NULL && conn->cmd->yielded)
		imap_resume(conn->cmd);
	else {
		if (pace_give_input(conn))
			conn_input_update(conn);
		imap_tell_now(conn);
	}
}

/* Logs why a certificate that was shown stands for nobody. */
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
 * Logs in a client known by its certificate before the greeting (RFC 9051 section 7.1.4); the
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

	if (conn->session.closing)
		return;
	if (stream_tls_info(conn->session.stream, &info))
		imap_log(conn, LOG_DEBUG, "TLS %s %s", info.version, info.cipher);
	id = imap_identity(conn);
	log_identity(conn, id);
	conn->input = CONN_COMMAND;
	if (!conn->session.greeted && conn->entrance->preauth && id->standing == TLS_PEER_KNOWN) {
		preauth(conn);
		return;
	}
	if (!conn->session.greeted)
		imap_greet(conn);
	conn_input_update(conn);
}

static void
broken(void *arg)
{
	struct imap_conn *conn = arg;

	if (conn->session.ending == NULL)
		conn->session.ending = stream_end_name(STREAM_END_LAYER);
	imap_bye(conn, NULL, "What you sent cannot be decompressed");
}

/* Compression costs as much as many a command. */
static void
working(void *arg, bool begins)
{
	struct imap_conn *conn = arg;

	if (begins)
		pace_begins(conn->il, clock_mono_ns());
	else
		pace_worked(conn);
}

static void
closed(void *arg, enum stream_end why)
{
	struct imap_conn *conn = arg;

	session_ended(&conn->session, why);
	conn_cancel_job(conn);
	imap_errands_leave(conn, false);
	if (conn->cmd != NULL && conn->cmd->job == NULL)
		cmd_free(conn);
	conn_release(conn);
}

static const struct stream_events events = {.data = conn_data,
    .drained = drained,
    .closed = closed,
    .secured = secured,
    .broken = broken,
    .working = working};

const struct stream_events *
imap_conn_events(void)
{
	return &events;
}

/* ---- life */

struct imap_conn *
imap_conn_new(struct imap_loop *il, struct str address, const char *front)
{
	struct arena *a = arena_new(&il->pool, ARENA_CONN, 640);
	struct imap_conn *conn = arena_new_object(a, struct imap_conn);

	conn->il = il;
	conn->server = il->server;
	session_begin(&conn->session, &il->sessions, a, address, conn_timed_out, conn);
	session_set_front(&conn->session, front);
	conn->task.fn = turn_of_task;
	conn->turn = imap_turn_new(conn);
	return conn;
}

/* Returns false if it told the connection that there are too many. */
static bool
admit(struct imap_conn *conn)
{
	const struct imap_settings *s = imap_settings(conn);
	const struct session_limits limits = {.connections = (unsigned)s->connections,
	    .per_address = (unsigned)s->address_connections,
	    .v6_bits = (unsigned)s->address_v6_bits,
	    .options = "limits"};

	switch (session_admit(&conn->session, &limits)) {
	case SESSION_ADMITTED:
		return true;
	case SESSION_TOO_MANY:
		imap_bye(conn, "UNAVAILABLE", "Too many connections");
		return false;
	case SESSION_TOO_MANY_OF_ADDRESS:
		imap_bye(conn, "LIMIT", "Too many connections from your address");
		return false;
	}
	TS_WRONG("no such admission");
}

void
imap_conn_start(struct imap_conn *conn, struct stream *stream, const struct imap_entrance *entrance)
{
	conn->entrance = entrance;
	stream_set_terms(stream, &entrance->terms);
	session_start(
	    &conn->session, stream, &conn->turn->rules->stream_limits, entrance->implicit_tls);
	session_set_deadline(&conn->session, imap_settings(conn)->login_time);
	if (!admit(conn))
		return;
	conn_set_timer(conn);
	if (entrance->implicit_tls)
		conn->input = CONN_TLS;
	else
		imap_greet(conn);
}
