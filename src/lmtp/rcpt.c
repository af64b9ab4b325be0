/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RCPT.  A recipient in memory is found at once, on the loop; a job on a worker finds all others.
 *
 * If the user has no account or mailbox yet, the worker notes what is needed; the loop makes it and
 * waits for the flush, which workers never do, and the address is looked up again.
 */
#include "lmtp/lookup_int.h"

enum { ROUNDS_MAX = 4 /* make accounts, make mailboxes, find all; one more */ };

struct rcpt_job {
	struct lmtp_lookup_job job;
	struct lmtp_lookup lookup; /* the worker's while it runs */
	struct work work;
	struct lmtp_conn *conn;
	struct str text; /* the address as given */
	size_t making;
	unsigned rounds;
};

/* Returns the transaction's target for a mailbox; takes over the reference of `found`.  For several
 * recipients it is one: then the right of the first of them counts, or none is needed. */
static struct lmtp_target *
target_of(struct lmtp_txn *txn, struct lmtp_found *f)
{
	struct lmtp_target *t;

	for (t = txn->targets; t != NULL; t = t->next)
		if (t->mailbox == f->mailbox) {
			if (f->poster.n == 0)
				t->poster = STR_NONE;
			return t;
		}
	t = arena_new_object(txn->arena, struct lmtp_target);
	t->txn = txn;
	t->mailbox = f->mailbox;
	t->name = arena_str(txn->arena, f->name);
	t->poster = arena_str(txn->arena, f->poster);
	f->mailbox = NULL;
	*txn->targets_tail = t;
	txn->targets_tail = &t->next;
	txn->target_count++;
	return t;
}

static void
add_rcpt(struct lmtp_txn *txn, struct rcpt_job *job)
{
	struct lmtp_rcpt *rcpt = arena_new_object(txn->arena, struct lmtp_rcpt);

	rcpt->address = arena_str(txn->arena, job->text);
	rcpt->targets = arena_array(txn->arena, job->lookup.count, sizeof(struct lmtp_target *));
	for (struct lmtp_found *f = job->lookup.first; f != NULL; f = f->next)
		rcpt->targets[rcpt->target_count++] = target_of(txn, f);
	*txn->rcpts_tail = rcpt;
	txn->rcpts_tail = &rcpt->next;
	txn->rcpt_count++;
}

static void
job_free(struct rcpt_job *job)
{
	job->conn->lookup = NULL;
	lmtp_lookup_forget(&job->lookup);
	arena_free(&job->lookup.arena);
}

/* Is there room for what was announced, or for anything at all?  Only the store decides, when the
 * message is there; this spares the sender what would be in vain. */
static bool
have_room(const struct rcpt_job *job)
{
	uint64_t declared = job->conn->txn->declared;
	enum store_quota_resource resource;

	for (const struct lmtp_found *f = job->lookup.first; f != NULL; f = f->next)
		if (!store_quota_room(store_mailbox_account(f->mailbox), f->name,
		        declared > 0 ? declared : 1, 1, &resource))
			return false;
	return true;
}

static void
answer(struct rcpt_job *job)
{
	struct lmtp_conn *conn = job->conn;

	if (job->lookup.reply == NULL && !have_room(job)) {
		store_quota_count_refusal(conn->server->store);
		lmtp_refuse_rcpt(conn, job->text, lmtp_over_quota(conn));
		job_free(job);
		return;
	}
	if (job->lookup.reply == NULL) {
		add_rcpt(conn->txn, job);
		lmtp_reply(conn, "250 2.1.5 OK");
	} else
		lmtp_refuse_rcpt(conn, job->text, job->lookup.reply);
	job_free(job);
}

/* ---- with a worker */

static void
end_job(struct rcpt_job *job)
{
	struct lmtp_conn *conn = job->conn;

	if (!conn->session.closing) {
		answer(job);
		lmtp_go_on(conn);
		return;
	}
	job_free(job);
	if (conn->session.stream == NULL)
		loop_post(conn->ll->loop, &conn->last_task);
}

static enum work_end
run_lookup(struct work *work)
{
	lmtp_lookup_run(&list_entry(work, struct rcpt_job, work)->lookup);
	return WORK_DONE;
}

static void
submit_job(struct rcpt_job *job)
{
	const struct lmtp_server *server = job->conn->server;

	job->rounds++;
	work_submit(server->waiters != NULL ? server->waiters : server->workers, &job->work);
}

/* Everything that can be made has been made. */
static void
submit_again(struct rcpt_job *job)
{
	struct lmtp_lookup *l = &job->lookup;

	lmtp_lookup_forget(l);
	if (l->reply == NULL && job->rounds == ROUNDS_MAX)
		l->reply = lmtp_lookup_reply_for(TS_UNAVAILABLE);
	if (l->reply != NULL)
		end_job(job);
	else
		submit_job(job);
}

static struct rcpt_job *
job_of(struct lmtp_lookup *l)
{
	return list_entry(l, struct rcpt_job, lookup);
}

static void
made(struct store_change *change)
{
	struct lmtp_wanted *w = change->arg;
	struct lmtp_lookup *l = w->lookup;
	enum ts_err err = change->err;

	store_change_free(&w->change);
	if (w->account != NULL && (err == TS_INVALID || err == TS_DENIED || err == TS_LIMIT)) {
		struct lmtp_wanted *none = arena_new_object(l->arena, struct lmtp_wanted);

		/* No mailbox can have that name. */
		none->user = w->user;
		none->mailbox = w->mailbox;
		none->next = l->cannot;
		l->cannot = none;
	} else if (err != TS_OK && err != TS_EXISTS) {
		l->reply = lmtp_lookup_reply_for(err);
	}
	if (--job_of(l)->making == 0)
		submit_again(job_of(l));
}

static void
make_wanted(struct rcpt_job *job)
{
	struct loop *loop = job->conn->ll->loop;

	for (struct lmtp_wanted *w = job->lookup.wanted; w != NULL; w = w->next) {
		job->making++;
		if (w->account == NULL) {
			w->change = store_change_new_account(
			    job->conn->server->store, w->user, loop, made, w);
		} else {
			w->change =
			    store_change_new(w->account, STORE_CHANGE_CREATE, loop, made, w);
			w->change->name = arena_str(w->change->arena, w->mailbox);
			w->change->inherits = true;
		}
	}
	for (struct lmtp_wanted *w = job->lookup.wanted; w != NULL; w = w->next)
		store_submit(w->change);
}

static void
lookup_done(struct work *work)
{
	struct rcpt_job *job = list_entry(work, struct rcpt_job, work);
	struct lmtp_lookup *l = &job->lookup;

	if (l->wanted != NULL && l->reply == NULL && !job->conn->session.closing)
		make_wanted(job);
	else
		end_job(job);
}

/* The connection ends by itself, when the caller is ready. */
static void
job_cancel(struct lmtp_lookup_job *lookup_job)
{
	struct rcpt_job *job = list_entry(lookup_job, struct rcpt_job, job);

	if (job->making == 0)
		work_cancel(&job->work);
	else
		job_free(job);
}

static void
hand_to_worker(struct rcpt_job *job)
{
	struct lmtp_conn *conn = job->conn;

	job->job.cancel = job_cancel;
	job->work.run = run_lookup;
	job->work.done = lookup_done;
	job->work.loop = conn->ll->loop;
	job->work.kind = WORK_SHORT;
	job->work.who.user = conn->session.id;
	conn->lookup = &job->job;
	submit_job(job);
}

/* ---- at once */

void
lmtp_rcpt_lookup(struct lmtp_conn *conn, const struct lmtp_path *path)
{
	/* No pool: a worker may take memory from it. */
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	struct rcpt_job *job = arena_new_object(arena, struct rcpt_job);
	bool at_hand;

	job->conn = conn;
	job->text = arena_str(arena, path->text);
	job->lookup = (struct lmtp_lookup){.server = conn->server,
	    .settings = conn->settings,
	    .sharing = conn->sharing,
	    .arena = arena,
	    .local = arena_str(arena, path->local),
	    .domain = arena_str(arena, path->domain),
	    .room = (size_t)conn->settings->recipients - conn->txn->target_count};
	at_hand = lmtp_lookup_at_hand(&job->lookup);
	conn->ll->stats.lookups[at_hand]++;
	if (at_hand)
		answer(job);
	else
		hand_to_worker(job);
}
