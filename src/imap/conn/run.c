/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runner of steps.  One loop runs a command's steps until it is finished or
 * waits; the tagged reply is printed in one place, and its consequences (a new
 * turn, STARTTLS, closing) follow right there.
 *
 * Invariants
 *  1. A connection has at most one command; the next one is looked at when
 *     cmd_free() was called for it.
 *  2. What a command waits for (job, change, timer, input, its turn) is ended
 *     or cancelled before the command is freed; only a job cannot be
 *     cancelled, so a closing connection outlives it.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "imap/conn/conn_int.h"
#include "imap/layer.h"
#include "imap/log/transcript.h"
#include "imap/tell.h"
#include "net/tally.h"

/* The arena and its first chunk take less than 1 KiB, which malloc keeps ready (base/mem.c). */
#define CMD_FIRST 896
#define OUT_FIRST 512

struct imap_cmd *
cmd_new(struct imap_conn *conn)
{
	struct arena *a = arena_new(&conn->il->pool, ARENA_CMD, CMD_FIRST);
	struct imap_cmd *cmd = arena_new_object(a, struct imap_cmd);

	TS_ASSERT(conn->cmd == NULL);
	cmd->arena = a;
	cmd->conn = conn;
	cmd->started_ns = clock_mono_ns();
	conn->cmd = cmd;
	conn->commands++;
	conn->il->stats.commands++;
	/* Room for usual replies at once, instead of doubling from 64 bytes each time. */
	(void)buf_room(imap_out(conn), OUT_FIRST);
	return cmd;
}

void
cmd_free(struct imap_conn *conn)
{
	struct arena *a = conn->cmd->arena;

	TS_ASSERT(conn->cmd->job == NULL);
	loop_timer_clear(&conn->cmd->timer);
	store_change_free(&conn->cmd->change);
	conn->cmd = NULL;
	conn->segment_at = 0;
	arena_free(&a);
}

static void
trace(const struct imap_cmd *cmd, const char *what)
{
	if (log_wants(LOG_DEBUG))
		imap_log(cmd->conn, LOG_DEBUG, "step %s", what);
}

/* ---- the tagged reply */

void
imap_greet(struct imap_conn *conn)
{
	imap_say_ok(conn, imap_capabilities(conn), "Turnstone ready");
	conn->session.greeted = true;
	stream_kick(conn->session.stream);
}

/* What preceded the greeting is over; clients not logged in by it can still use a command. */
static void
print_greeting(struct imap_cmd *cmd)
{
	struct imap_conn *conn = cmd->conn;

	if (cmd->result != IMAP_RESULT_OK && cmd->after == IMAP_AFTER_NOTHING) {
		imap_greet(conn);
	} else if (cmd->result == IMAP_RESULT_OK) {
		cmd->code = imap_capabilities(conn);
		imap_print_reply(cmd);
		conn->session.greeted = true;
	}
}

static void
print_reply(struct imap_cmd *cmd)
{
	if (cmd->tell_capabilities && cmd->result == IMAP_RESULT_OK)
		cmd->code = imap_capabilities(cmd->conn);
	if (cmd->tell_modseq && cmd->result == IMAP_RESULT_OK)
		cmd->code = imap_modseq_code(cmd);
	transcript_reply_begin(transcript_of(cmd->conn), cmd);
	imap_print_reply(cmd);
	transcript_reply_end(transcript_of(cmd->conn), cmd);
}

static void
count_bad(struct imap_conn *conn, bool bad)
{
	if (!bad)
		conn->bad_commands = 0;
	else if (++conn->bad_commands >= (unsigned)imap_settings(conn)->bad_commands) {
		imap_log(conn, LOG_INFO, "%u wrong commands in a row: closed", conn->bad_commands);
		imap_bye(conn, NULL, "Too many invalid commands");
	}
}

/* No plaintext is used after the handshake (RFC 9051 section 6.2.1). */
static void
start_tls(struct imap_conn *conn)
{
	struct tls_ctx *tls = tls_slot_get(conn->server->tls);

	conn->input = CONN_TLS;
	conn->id_name = conn->id_client = STR_NONE;
	arena_free(&conn->id_arena);
	imap_turn_free(conn, &conn->turn);
	conn->turn = imap_turn_new(conn);
	if (tls == NULL || stream_starttls(conn->session.stream, tls) != TS_OK) {
		imap_log(conn, LOG_INFO, "plaintext followed STARTTLS: closed");
		conn->session.closing = true;
		stream_abort(conn->session.stream);
	}
	tls_ctx_free(&tls);
}

static bool
may_expunge(const struct imap_cmd *cmd)
{
	return cmd->may_expunge || cmd->uid ||
	       (cmd->def != NULL && (cmd->def->traits & IMAP_TRAIT_MAY_EXPUNGE) != 0);
}

static void
yield(struct imap_cmd *cmd)
{
	struct imap_conn *conn = cmd->conn;

	cmd->yielded = true;
	stream_kick(conn->session.stream);
	/* Above the mark drained() will be called; below it just wait for the others. */
	if (stream_out_pending(conn->session.stream) <= conn->turn->rules->stream_limits.high)
		pace_ask(conn);
}

/* Tells updates before the reply.  Returns false if there is more to tell, or the mailbox is gone
 * (BYE). */
static bool
all_told(struct imap_cmd *cmd)
{
	struct imap_conn *conn = cmd->conn;

	if (!imap_tell(conn, IMAP_TELL_REPLY, may_expunge(cmd)))
		return false; /* freed when the stream has ended */
	if (!imap_tell_due(conn, IMAP_TELL_REPLY) || cmd->streaming)
		return true;
	/* RFC 3501 sections 6.4.3 and 6.4.6: responses to EXPUNGE and STORE come before the OK. */
	yield(cmd);
	return false;
}

const uint32_t imap_times_us[IMAP_TIMES] = {
    50, 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 500000, 1000000, 5000000};

static void
count_command(const struct imap_cmd *cmd)
{
	const struct imap_registry *reg = &cmd->conn->server->reg;
	uint64_t ns = clock_mono_ns() - cmd->started_ns;
	struct imap_command_stats *c;
	unsigned i = 0, t = 0;

	while (i < reg->cmd_count && reg->cmds[i] != cmd->def)
		i++;
	while (t < IMAP_TIMES && ns > (uint64_t)imap_times_us[t] * 1000)
		t++;
	c = &cmd->conn->il->commands[i];
	c->results[cmd->result]++;
	c->times[t]++;
	c->ns += ns;
}

static struct imap_turn *
next_turn(struct imap_cmd *cmd)
{
	struct imap_conn *conn = cmd->conn;

	conn->session.ending = cmd->def->name;
	conn->turns++;
	return imap_turn_next(conn, cmd->entry);
}

/* The OK of UNAUTHENTICATE is the last in its transcript and its layers, and counts as its work. */
static void
end_last_turn(struct imap_conn *conn, struct imap_turn *old)
{
	uint64_t user = old->login->who.user;

	imap_turn_free(conn, &old);
	conn->session.ending = NULL;
	pace_leave(conn, user);
}

void
cmd_reply(struct imap_cmd *cmd)
{
	struct imap_conn *conn = cmd->conn;
	enum imap_after after = cmd->after;
	bool bad = cmd->result == IMAP_RESULT_BAD;
	struct imap_turn *old = NULL;

	if (!cmd->no_sync && imap_login(conn) != NULL && after != IMAP_AFTER_NEW_TURN) {
		if (!all_told(cmd))
			return;
		imap_modseq_before_reply(cmd);
	}
	if (after == IMAP_AFTER_NEW_TURN)
		old = next_turn(cmd);
	if (cmd->greeting)
		print_greeting(cmd);
	else
		print_reply(cmd);
	if (old != NULL)
		end_last_turn(conn, old);
	count_command(cmd);
	trace(cmd, bad ? "BAD" : cmd->result == IMAP_RESULT_NO ? "NO" : "OK");
	cmd_free(conn);
	count_bad(conn, bad);
	stream_kick(conn->session.stream);
	if (conn->session.closing)
		return;
	if (after == IMAP_AFTER_LAYER)
		imap_layers_begin(conn);
	if (after == IMAP_AFTER_STARTTLS)
		start_tls(conn);
	if (after == IMAP_AFTER_CLOSE) {
		session_close(&conn->session, "LOGOUT");
	}
}

/* ---- steps */

static enum imap_next
one_step(struct imap_cmd *cmd)
{
	enum imap_next next;

	trace(cmd, cmd->step != NULL ? cmd->step->name : "start");
	cmd->running = true;
	next = cmd->step != NULL ? cmd->step->run(cmd) : cmd->def->start(cmd);
	cmd->running = false;
	return next;
}

void
cmd_run(struct imap_cmd *cmd)
{
	struct imap_conn *conn = cmd->conn;
	size_t before = imap_out(conn)->n;
	enum imap_next next = IMAP_DONE;

	while (cmd->result == IMAP_RESULT_NONE) {
		next = one_step(cmd);
		if (conn->session.closing || next != IMAP_GO)
			break;
		if (slice_over(conn->il)) {
			next = IMAP_YIELD;
			break;
		}
	}
	if (!conn->session.closing && next == IMAP_DONE) {
		TS_ASSERT(cmd->result != IMAP_RESULT_NONE);
		if (!conn_input_skip(conn))
			cmd_reply(cmd);
	} else if (!conn->session.closing && next == IMAP_YIELD)
		yield(cmd);
	else if (!conn->session.closing && cmd->lets_tell && imap_tell_due(conn, IMAP_TELL_WAITING))
		pace_ask(conn);
	if (imap_out(conn)->n > before) {
		conn->session.bytes_out += imap_out(conn)->n - before;
		stream_kick(conn->session.stream);
	}
}

void
imap_resume(struct imap_cmd *cmd)
{
	struct imap_conn *conn = cmd->conn;

	TS_ASSERT(conn->cmd == cmd && !cmd->running);
	if (conn->session.closing)
		return;
	cmd->yielded = false;
	if (conn->session.in_data) { /* in its slice */
		cmd_run(cmd);
		return;
	}
	slice_begin(conn->il);
	cmd_run(cmd);
	pace_ran(conn);
	if (!conn->session.closing) {
		conn_input_update(conn);
		conn_set_timer(conn);
	}
}

/* Continues when what it waited for is there. */
static void
go_on(struct imap_cmd *cmd)
{
	if (pace_holds(cmd->conn)) {
		cmd->yielded = true;
		pace_ask(cmd->conn);
	} else
		imap_resume(cmd);
}

bool
cmd_should_yield(const struct imap_cmd *cmd)
{
	const struct imap_conn *conn = cmd->conn;

	return stream_out_pending(conn->session.stream) > conn->turn->rules->stream_limits.high ||
	       slice_over(conn->il);
}

/* ---- what a command may wait for */

static enum work_end
job_run(struct work *work)
{
	struct imap_job *job =
	    (struct imap_job *)(void *)((char *)work - offsetof(struct imap_job, work));

	return job->run(job);
}

static void
job_done(struct work *work)
{
	struct imap_job *job =
	    (struct imap_job *)(void *)((char *)work - offsetof(struct imap_job, work));
	struct imap_cmd *cmd = job->cmd;
	struct imap_conn *conn = cmd->conn;

	cmd->job = NULL;
	cmd->step = job->next;
	if (conn->session.closing)
		loop_post(conn->il->loop, &conn->task); /* which frees it */
	else
		go_on(cmd);
}

enum imap_next
cmd_job_of(struct imap_cmd *cmd, enum work_kind kind, struct work_who who, bool waits,
    imap_job_f *run, void *state, const struct imap_step *next)
{
	struct imap_job *job = arena_new_object(cmd->arena, struct imap_job);

	TS_ASSERT(cmd->job == NULL && !cmd->change_waits);
	job->cmd = cmd;
	job->next = next;
	job->run = run;
	job->state = state;
	job->work.run = job_run;
	job->work.done = job_done;
	job->work.loop = cmd->conn->il->loop;
	job->work.kind = kind;
	job->work.who = who;
	cmd->job = job;
	work_submit(imap_job_pool(cmd->conn->server, waits), &job->work);
	return IMAP_WAIT;
}

enum imap_next
cmd_job(struct imap_cmd *cmd, enum work_kind kind, imap_job_f *run, void *state,
    const struct imap_step *next)
{
	return cmd_job_of(cmd, kind, imap_login(cmd->conn)->who, false, run, state, next);
}

/* For the line at the login's end; a change that failed half-way counts as far as it came. */
static void
count_change(const struct imap_conn *conn, const struct store_change *change)
{
	struct imap_login *login = imap_login(conn);

	if (login == NULL)
		return;
	if (change->kind == STORE_CHANGE_APPEND)
		login->counts.appended += change->err == TS_OK ? change->item_count : 0;
	else if ((change->kind == STORE_CHANGE_EXPUNGE || change->kind == STORE_CHANGE_MOVE) &&
	         change->affected != NULL)
		login->counts.expunged += roaring_bitmap_get_cardinality(change->affected);
}

static void
change_done(struct store_change *change)
{
	struct imap_cmd *cmd = change->arg;
	struct imap_conn *conn = cmd->conn;

	cmd->change_waits = false;
	cmd->step = cmd->next;
	count_change(conn, change);
	if (conn->session.closing)
		return;
	if (change->err == TS_UNKNOWN) {
		conn->il->stats.errors[TS_UNKNOWN]++;
		imap_log(conn, LOG_WARNING, "outcome unknown: closed");
		imap_bye(conn, "UNAVAILABLE", "The outcome of the last command is unknown");
	} else
		go_on(cmd);
}

struct store_change *
cmd_change_of(struct imap_cmd *cmd, enum store_change_kind kind, struct store_mailbox *mailbox)
{
	struct store_change *change =
	    store_change_new(store_mailbox_account(mailbox), kind, cmd->conn->il->loop, NULL, NULL);

	change->mailbox = mailbox;
	return change;
}

enum imap_next
cmd_change(struct imap_cmd *cmd, struct store_change *change, const struct imap_step *next)
{
	TS_ASSERT(cmd->job == NULL && !cmd->change_waits);
	store_change_free(&cmd->change);
	change->done = change_done;
	change->arg = cmd;
	cmd->change = change;
	cmd->change_waits = true;
	cmd->next = next;
	store_submit(change);
	return IMAP_WAIT;
}

static void
slept(void *arg)
{
	struct imap_cmd *cmd = arg;

	cmd->step = cmd->next;
	imap_resume(cmd);
}

enum imap_next
cmd_sleep(struct imap_cmd *cmd, uint64_t ms, const struct imap_step *next)
{
	loop_timer_clear(&cmd->timer);
	loop_timer_init(&cmd->timer, cmd->conn->il->loop, slept, cmd);
	cmd->next = next;
	loop_timer_set(&cmd->timer, ms);
	return IMAP_WAIT;
}
