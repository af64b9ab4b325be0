/* SPDX-License-Identifier: Apache-2.0 */
/* See errand.h. */
#include "imap/errand.h"

#include "base/log.h"
#include "imap/cmd.h"
#include "imap/settings.h"

static struct imap_errand *
errand_of(struct work *work)
{
	return (struct imap_errand *)(void *)((char *)work - offsetof(struct imap_errand, work));
}

/* Takes it off the connection's list, and frees it. */
static void
forget(struct imap_errand *errand)
{
	struct imap_errand **at = &errand->conn->errands;
	struct arena *a = errand->arena;

	while (*at != errand)
		at = &(*at)->next;
	*at = errand->next;
	loop_timer_clear(&errand->timer);
	store_change_free(&errand->change);
	arena_free(&a);
}

static bool
is_wanted(const struct imap_errand *errand)
{
	const struct imap_conn *conn = errand->conn;
	const struct imap_box *box;

	if (errand->dropped || conn->session.closing || errand->turn != conn->turn->serial)
		return false;
	box = imap_box(conn);
	return errand->box == 0 || (box != NULL && box->serial == errand->box);
}

static void start_next(struct imap_conn *conn);

/* Returns whether what would be left on workers, if the turn ended now, is little enough. */
static bool
may_be_left(const struct imap_conn *conn)
{
	const struct imap_settings *s = imap_settings(conn);
	uint64_t bytes = 0;
	int64_t n = 0;

	for (const struct imap_errand *e = conn->errands; e != NULL; e = e->next) {
		bytes += e->reserved;
		n++;
	}
	return n <= s->errands && bytes <= s->connection_memory;
}

/* There is one errand less for the command that ends the turn; it goes on in its turn. */
static void
end_turn_if_it_waits(struct imap_conn *conn)
{
	struct imap_cmd *cmd = conn->cmd;

	if (cmd == NULL || !cmd->waits_for_errands || !may_be_left(conn))
		return;
	cmd->waits_for_errands = false;
	cmd->step = cmd->next;
	cmd->yielded = true;
	pace_ask(conn);
}

static void
ended(struct imap_errand *errand)
{
	struct imap_conn *conn = errand->conn;

	errand->under_way = false;
	if (is_wanted(errand))
		errand->class->done(errand, conn);
	forget(errand);
	start_next(conn);
	if (conn->session.closing && conn->errands == NULL)
		loop_post(conn->il->loop, &conn->task); /* which may free it */
	else
		end_turn_if_it_waits(conn);
}

/* ---- running */

static enum work_end
run(struct work *work)
{
	struct imap_errand *errand = errand_of(work);

	return errand->class->run(errand);
}

static void
job_done(struct work *work)
{
	ended(errand_of(work));
}

static void
change_done(struct store_change *change)
{
	ended(change->arg);
}

/* Nobody wants it any more.  Returns false if it is still running on a worker. */
static bool
give_up(struct imap_errand *errand)
{
	errand->dropped = true;
	if (errand->under_way && errand->class->run != NULL) {
		work_cancel(&errand->work);
		return false;
	}
	forget(errand); /* the change continues */
	return true;
}

static void
timed_out(void *arg)
{
	struct imap_errand *errand = arg;
	struct imap_conn *conn = errand->conn;

	if (is_wanted(errand)) /* else the line would name the current user */
		imap_log(conn, LOG_WARNING, "%s takes too long: given up", errand->class->name);
	if (give_up(errand))
		start_next(conn);
}

static void
begin(struct imap_errand *errand)
{
	struct imap_conn *conn = errand->conn;
	const struct imap_settings *s = imap_settings(conn);

	errand->under_way = true;
	if (errand->change != NULL) {
		loop_timer_set(&errand->timer, s->store_time);
		store_submit(errand->change);
		return;
	}
	loop_timer_set(&errand->timer, s->job_time);
	work_submit(imap_job_pool(conn->server, false), &errand->work);
}

/* Starts as many as are allowed. */
static void
start_next(struct imap_conn *conn)
{
	bool may = !conn->session.closing && (conn->cmd == NULL || !conn->cmd->ends_errands);
	int64_t left = may ? imap_settings(conn)->errands : 0;
	struct imap_errand *e;

	for (e = conn->errands; e != NULL; e = e->next)
		left -= e->under_way && imap_errand_counts(e);
	for (e = conn->errands; e != NULL && left > 0; e = e->next)
		if (!e->under_way && !e->dropped) {
			begin(e);
			left--;
		}
}

/* ---- interface for their owners */

struct imap_errand *
imap_errand_new(
    struct imap_conn *conn, const struct imap_errand_class *class, size_t state_size, bool of_box)
{
	struct arena *a = arena_new(&conn->il->pool, ARENA_ERRAND, 512);
	struct imap_errand *errand = arena_new_object(a, struct imap_errand);

	TS_ASSERT(imap_login(conn) != NULL && (!of_box || imap_box(conn) != NULL));
	errand->arena = a;
	errand->class = class;
	errand->conn = conn;
	errand->turn = conn->turn->serial;
	errand->box = of_box ? imap_box(conn)->serial : 0;
	errand->state = arena_zalloc(a, state_size);
	errand->dropped = true; /* until it is started */
	errand->work = (struct work){.run = run,
	    .done = job_done,
	    .loop = conn->il->loop,
	    .kind = class->kind,
	    .who = imap_login(conn)->who};
	loop_timer_init(&errand->timer, conn->il->loop, timed_out, errand);
	/* Last in the list: they start in order. */
	for (struct imap_errand **at = &conn->errands;; at = &(*at)->next)
		if (*at == NULL) {
			*at = errand;
			return errand;
		}
}

bool
imap_errand_reserve(struct imap_errand *errand, uint64_t bytes)
{
	uint64_t held = imap_conn_memory(errand->conn),
	         limit = imap_settings(errand->conn)->connection_memory;

	if (held > limit || bytes > limit - held)
		return false;
	errand->reserved += bytes;
	return true;
}

void
imap_errand_start(struct imap_errand *errand)
{
	TS_ASSERT(errand->class->run != NULL && !errand->under_way);
	errand->dropped = false;
	start_next(errand->conn);
}

void
imap_errand_start_change(struct imap_errand *errand, struct store_change *change)
{
	TS_ASSERT(errand->class->run == NULL && !errand->under_way);
	change->done = change_done;
	change->arg = errand;
	errand->change = change;
	errand->dropped = false;
	start_next(errand->conn);
}

void
imap_errand_drop(struct imap_errand *errand)
{
	TS_ASSERT(!errand->under_way);
	forget(errand);
}

/* ---- for the engine */

void
imap_errands_leave(struct imap_conn *conn, bool box_only)
{
	uint64_t box = imap_box(conn) != NULL ? imap_box(conn)->serial : 0;

	for (struct imap_errand *e = conn->errands, *next; e != NULL; e = next) {
		next = e->next;
		if (e->turn == conn->turn->serial && (!box_only || (e->box != 0 && e->box == box)))
			(void)give_up(e);
	}
	start_next(conn);
}

enum imap_next
cmd_end_errands(struct imap_cmd *cmd, const struct imap_step *next)
{
	cmd->ends_errands = true;
	imap_errands_leave(cmd->conn, false);
	if (may_be_left(cmd->conn))
		return cmd_goto(cmd, next);
	cmd->waits_for_errands = true;
	cmd->next = next;
	return IMAP_WAIT;
}
