/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections: their beginning, time-outs and end.  A connection is freed when
 * its stream has ended and no job of it runs any more; until then it is kept
 * with `closing` set and does nothing.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "imap/conn_int.h"
#include "imap/transcript.h"
#include "net/tally.h"

void
imap_server_init(struct imap_server *server)
{
	server->addresses = tally_new();
	server->users = tally_new();
	server->failures = failures_new();
	server->failed_accounts = failures_new();
}

void
imap_server_fini(struct imap_server *server)
{
	tally_free(&server->addresses);
	tally_free(&server->users);
	failures_free(&server->failures);
	failures_free(&server->failed_accounts);
}

/* Who is not on the list any more is followed no further. */
static void
end_transcripts(struct imap_loop *il)
{
	struct imap_conn *conn;

	LIST_EACH (conn, &il->conns, link)
		if (transcript_of(conn) != NULL && !transcript_wanted(conn))
			transcript_end(&imap_login(conn)->transcript, "not asked for any more");
}

static struct imap_rules *
rules_new(struct conf *conf)
{
	const struct imap_settings *s = conf_get(conf, &imap_conf);
	struct imap_rules *rules = mem_zalloc(sizeof(*rules));

	rules->refs = 1;
	rules->conf = conf_ref(conf);
	rules->settings = s;
	rules->stream_limits = (struct stream_limits){
	    .pending = s->pipeline,
	    .high = s->out_high,
	    .low = s->out_low,
	    .handshake_ms = (uint32_t)s->handshake_time,
	    .close_ms = stream_default_limits.close_ms,
	    .stall_ms = (uint32_t)s->output_time,
	};
	rules->limits = (struct wire_frame_limits){
	    .line = s->line,
	    .literal = s->literal,
	    .command = s->command,
	    .literals = (uint32_t)s->literals,
	};
	rules->login_limits = (struct wire_frame_limits){
	    .line = s->login_command,
	    .literal = s->login_command,
	    .command = s->login_command,
	    .literals = 8,
	};
	rules->wire_limits = (struct wire_limits){
	    .set_ranges = (uint32_t)s->set_ranges,
	    .search_keys = (uint32_t)s->search_keys,
	    .search_depth = (uint32_t)s->nesting,
	    .list_depth = (uint32_t)s->nesting,
	    .items = (uint32_t)s->items,
	};
	return rules;
}

void
imap_rules_unref(struct imap_rules **rules)
{
	struct imap_rules *r = *rules;

	*rules = NULL;
	if (r == NULL || --r->refs > 0)
		return;
	imap_forget_capabilities(r);
	conf_unref(&r->conf);
	mem_free(r);
}

void
imap_loop_configure(struct imap_loop *il, struct conf *conf)
{
	imap_rules_unref(&il->rules);
	il->rules = rules_new(conf);
	end_transcripts(il);
}

/* A command that computes longer lets other connections run. */
#define SLICE_NS 2000000u

void
imap_loop_init(struct imap_loop *il, struct imap_server *server, unsigned index, struct loop *loop,
    struct conf *conf)
{
	*il = (struct imap_loop){
	    .server = server,
	    .loop = loop,
	    .next_conn_id = index + 1,
	    .conn_id_step = server->loop_count > 0 ? server->loop_count : 1,
	    .slice_ns = SLICE_NS,
	};
	list_init(&il->conns);
	pace_init(il);
	imap_loop_configure(il, conf);
}

void
imap_loop_shutdown(struct imap_loop *il, const char *text)
{
	struct imap_conn *conn;

	LIST_EACH (conn, &il->conns, link)
		imap_bye(conn, NULL, text);
}

void
imap_loop_fini(struct imap_loop *il)
{
	TS_ASSERT(list_empty(&il->conns));
	pace_fini(il);
	imap_rules_unref(&il->rules);
}

/* Nobody waits for it any more. */
static void
cancel_job(struct imap_conn *conn)
{
	if (conn->cmd != NULL && conn->cmd->job != NULL)
		work_cancel(&conn->cmd->job->work);
}

/* ---- time-outs */

/* Bytes that it has are to be written, and are not yet. */
static bool
waits_for_disk(const struct imap_cmd *cmd)
{
	return cmd->change_waits ||
	       (cmd->result == IMAP_RESULT_NONE && (cmd->held || cmd->upload_waits));
}

void
conn_set_timer(struct imap_conn *conn)
{
	const struct imap_settings *s = imap_settings(conn);
	const struct imap_cmd *cmd = conn->cmd;
	uint64_t now, ms;

	if (conn->closing)
		return;
	if (cmd != NULL && waits_for_disk(cmd))
		ms = s->store_time;
	else if (cmd != NULL && cmd->job != NULL)
		ms = s->job_time;
	else if (imap_login(conn) != NULL)
		ms = s->idle_time;
	else if (conn->turns > 0)
		ms = s->turn_time;
	else {
		/* A time for the whole way to the login, however busy the client is. */
		now = loop_now(conn->il->loop);
		ms = conn->login_deadline > now ? conn->login_deadline - now : 0;
	}
	loop_timer_set(&conn->timer, ms);
}

static void
timed_out(void *arg)
{
	struct imap_conn *conn = arg;
	const struct imap_cmd *cmd = conn->cmd;

	if (cmd != NULL && (waits_for_disk(cmd) || cmd->job != NULL)) {
		imap_log(conn, LOG_WARNING, "no answer from the store: closed");
		imap_bye(conn, "UNAVAILABLE", "The mail store does not answer");
	} else if (cmd != NULL && cmd->yielded)
		conn_set_timer(conn); /* it waits for the client to read: the stream's affair */
	else {
		conn->ending = "timeout";
		imap_bye(conn, NULL,
		    imap_login(conn) == NULL ? "Too long without a login" : "Idle for too long");
	}
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
	else if (conn->cmd->yielded)
		pace_ask(conn);
	else
		imap_box_tell(conn);
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
		imap_box_tell(conn);
	}
}

void
imap_greet(struct imap_conn *conn)
{
	wire_out_cond(
	    imap_out(conn), STR_NONE, WIRE_OK, imap_capabilities(conn), STR("Turnstone ready"));
	conn->greeted = true;
	stream_kick(conn->stream);
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

static void
closed(void *arg, enum stream_end why)
{
	struct imap_conn *conn = arg;

	conn->ending = ending(conn, why);
	if (stream_refusal(conn->stream) != NULL)
		imap_log(conn, LOG_WARNING, "TLS refused: %s", stream_refusal(conn->stream));
	conn->stream = NULL;
	conn->closing = true;
	cancel_job(conn);
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
	loop_timer_init(&conn->timer, il->loop, timed_out, conn);
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

void
conn_release(struct imap_conn *conn)
{
	struct arena *a = conn->arena;

	if (conn->stream != NULL || conn->task.queued || pace_waits(conn) ||
	    (conn->cmd != NULL && conn->cmd->job != NULL))
		return;
	if (conn->cmd != NULL)
		cmd_free(conn);
	imap_turn_free(conn);
	log_end(conn);
	list_remove(&conn->link);
	tally_leave(conn->server->addresses, &conn->address_place);
	conn->il->stats.conns--;
	conn->il->stats.bytes_in += conn->bytes_in;
	conn->il->stats.bytes_out += conn->bytes_out;
	conn->server->conns--;
	arena_free(&a);
}

void
imap_bye(struct imap_conn *conn, const char *code, const char *text)
{
	if (conn->closing)
		return;
	imap_check_code(conn, str_of(code));
	if (conn->cmd == NULL || !conn->cmd->midway)
		wire_out_cond(imap_out(conn), STR_NONE, WIRE_BYE, str_of(code), str_of(text));
	imap_log(conn, LOG_INFO, "BYE %s", text);
	if (conn->ending == NULL)
		conn->ending = "BYE";
	conn->closing = true;
	cancel_job(conn);
	loop_timer_clear(&conn->timer);
	stream_kick(conn->stream);
	stream_close(conn->stream);
}

const struct tls_identity *
imap_identity(const struct imap_conn *conn)
{
	if (conn->stream == NULL)
		return &tls_identity_none;
	return stream_identity(conn->stream, conn->server->tls);
}

struct str
imap_client_address(const struct imap_conn *conn)
{
	if (conn->turn != NULL && conn->turn->told != NULL)
		return str_of(conn->turn->told->address);
	return conn->address;
}

void
imap_event_certificate(const struct imap_conn *conn, struct log_event *e)
{
	const struct tls_identity *id = imap_identity(conn);

	if (id->standing == TLS_PEER_NONE)
		return;
	if (id->standing == TLS_PEER_KNOWN) {
		log_event_str(e, "certificate_user", id->user);
		log_event_str(e, "certificate_map", id->rule);
	} else
		log_event_str(e, "certificate_why", str_of(id->why));
	log_event_str(e, "subject", id->subject);
	log_event_str(e, "issuer", id->issuer);
	log_event_str(e, "certificate", id->fingerprint);
}

struct buf *
imap_out(struct imap_conn *conn)
{
	return stream_out(conn->stream);
}

void
imap_event(const struct imap_conn *conn, struct log_event *e, struct str message)
{
	const struct imap_login *login = conn->turn != NULL ? conn->turn->login : NULL;
	const struct imap_cmd *cmd = conn->cmd;

	log_event_init(e, NULL, message);
	log_event_u64(e, "conn", conn->id);
	if (login != NULL) {
		log_event_str(e, "user", login->user);
		if (!str_eq(login->user, login->authcid))
			log_event_str(e, "authcid", login->authcid);
	}
	if (cmd == NULL || cmd->tag.n == 0)
		return;
	log_event_str(e, "tag", cmd->tag);
	log_event_str(e, "command", str_of(cmd->def != NULL ? cmd->def->name : "unknown"));
	log_event_u64(e, "ms", (clock_mono_ns() - cmd->started_ns) / 1000000);
}

void
imap_log(const struct imap_conn *conn, int level, const char *fmt, ...)
{
	struct log_event e;
	va_list ap;

	if (!log_wants((enum log_level)level))
		return;
	imap_event(conn, &e, STR_NONE);
	va_start(ap, fmt);
	log_event_vput(&e, (enum log_level)level, fmt, ap);
	va_end(ap);
}
