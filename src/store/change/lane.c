/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lanes.  A lane has two threads that do the same, and two tokens: to prepare,
 * and to flush.
 *
 *   wait for a change and the token to prepare
 *   prepare what waits; while the other thread flushes, go on with what comes
 *   when it is ready: take the token to flush, give the one to prepare away
 *   commit, publish, tell
 *   give the token to flush away
 *
 * So a single change costs one wake-up before its flush and one after it, and
 * while one batch is flushed the next one grows.
 *
 * When a flush fails, its thread stops the other one at the next safe point
 * (parked), drops both batches, and, if the outcome is unknown, has the engine
 * reopened and reads anew what the batch touched.  What cannot be read then
 * stays in doubt and is tried again before the next batch.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/change/change_int.h"

#define BATCH_CHANGES 512
#define BATCH_BYTES ((size_t)1 << 20) /* the next one waits as long as it takes to write this */

struct lane *
lane_of(struct store *store, uint64_t account)
{
	/* Fibonacci hashing: neighbouring ids go to different lanes. */
	return &store->lane[(account * 0x9e3779b97f4a7c15u >> 32) % store->lane_count];
}

/* ---- preparing ---- */

static bool
batch_full(const struct batch *b)
{
	return b->changes >= BATCH_CHANGES || engine_batch_bytes(b->ops) >= BATCH_BYTES;
}

static void
prepare(struct batch *b, struct store_change_priv *priv)
{
	struct store_change *c = priv->change;
	enum hold hold = copy_hold(b->lane, priv);

	if (hold == HOLD_GO)
		hold = rename_hold(b->lane, priv);
	if (hold == HOLD_WAIT)
		return;
	priv->next = NULL;
	*b->last = priv;
	b->last = &priv->next;
	b->changes++;
	c->err = hold == HOLD_GO ? prepare_change(b, c) : TS_UNAVAILABLE;
}

/* ---- what waits: a queue for each account, one change of each in turn ---- */

static struct change_queue *
queue_of(struct lane *lane, const struct store_change *c)
{
	struct store_account *a = c->mailbox != NULL ? c->mailbox->account : c->account;

	return a != NULL ? &a->changes : &lane->rest;
}

static bool
any_waits(const struct lane *lane)
{
	return !list_empty(&lane->ring);
}

/* Puts a list before the others of its account, or behind them. */
static void
queue_put(struct lane *lane, struct store_change_priv *first, bool before)
{
	struct change_queue *q = queue_of(lane, first->change);
	struct store_change_priv *last = first;

	while (last->next != NULL)
		last = last->next;
	if (q->first == NULL)
		list_push_back(&lane->ring, &q->ring);
	if (before) {
		last->next = q->first;
		if (q->first == NULL)
			q->last = &last->next;
		q->first = first;
	} else {
		*q->last = first;
		q->last = &last->next;
	}
}

/* Somebody's first; whoever has more waits until the others had theirs. */
static struct store_change_priv *
queue_take(struct lane *lane)
{
	struct change_queue *q = list_entry(lane->ring.next, struct change_queue, ring);
	struct store_change_priv *priv = q->first;

	list_remove(&q->ring);
	q->first = priv->next;
	if (q->first == NULL)
		q->last = &q->first;
	else
		list_push_back(&lane->ring, &q->ring);
	return priv;
}

/* ---- publishing ---- */

static void
publish_pend(struct batch *b, struct pend *p)
{
	struct store_mailbox *mb = p->mailbox;
	struct store *store = mb->account->store;
	uint64_t weight = 0;

	pthread_rwlock_wrlock(&mb->lock);

	struct state *s = mb->state;
	uint32_t mark = s->counters.recent_mark;

	for (struct delta *d = p->first; d != NULL; d = d->next) {
		weight += 1 + d->added_count / 32;
		if (d->expunged != NULL)
			holds_keep(mb, s, d->expunged);
		state_apply(s, d);
	}
	s->counters = p->after;
	if (mark > s->counters.recent_mark) { /* claimed meanwhile */
		s->counters.recent_mark = mark;
		s->counters.recent = state_count_above(s, mark);
	}
	mb->pend[b->index] = NULL;
	state_measure_some(s);
	mailbox_count_bytes(mb);
	mailbox_list_counters(mb, &s->counters);
	pthread_rwlock_unlock(&mb->lock);
	if (atomic_fetch_add(&mb->log_weight, weight) + weight > store->opt.fold_after)
		mailbox_ask_fold(mb);
}

static void
publish_list_op(struct list_op *op)
{
	struct entry *e = op->entry;

	e->ops--;
	if (op->subscription) {
		e->sub_pub = op->subscribed;
		return;
	}
	e->pub = op->mailbox;
	if (op->mailbox != NULL)
		atomic_store(&op->mailbox->uidvalidity, op->uidvalidity);
	if (op->created)
		mailbox_sum(op->mailbox, true);
	if (op->gone != NULL) {
		mailbox_sum(op->gone, false);
		atomic_store(&op->gone->gone, true);
		atomic_fetch_or(&op->gone->refs, REFS_GONE);
	}
}

static void
publish_list(struct batch *b)
{
	/* All of an account under one lock: a RENAME is seen whole. */
	for (size_t i = 0; i < b->list_count;) {
		struct store_account *a = b->list[i].account;

		pthread_rwlock_wrlock(&a->lock);
		for (; i < b->list_count && b->list[i].account == a; i++)
			publish_list_op(&b->list[i]);
		pthread_rwlock_unlock(&a->lock);
		atomic_fetch_add(&a->list_version, 1);
		watch_notify(a, 0);
	}
	for (size_t i = 0; i < b->list_count; i++)
		if (b->list[i].gone != NULL) {
			holds_keep_all(b->list[i].gone);
			watch_notify(b->list[i].account, b->list[i].gone->id);
		}
}

/* There may be something to do for the background now. */
static void
tell_jobs(struct batch *b)
{
	for (size_t i = 0; i < b->job_count; i++)
		background_account(b->lane->store, b->job[i].account, b->job[i].jobs);
	if (b->dropped)
		background_wake(b->lane->store, BG_DROPPED);
}

static void
publish(struct batch *b)
{
	for (struct pend *p = b->pends; p != NULL; p = p->next)
		publish_pend(b, p);
	publish_list(b);
	if (b->properties != NULL)
		properties_publish(b);
	owns_publish(b);
	for (struct renaming *t = b->renamings; t != NULL; t = rename_next(t))
		rename_publish(t);
	if (b->gone != NULL)
		account_publish_gone(b->gone);
	for (struct pend *p = b->pends; p != NULL; p = p->next)
		watch_notify(p->mailbox->account, p->mailbox->id);
	if (b->gone != NULL)
		watch_notify(b->gone, 0);
	tell_jobs(b);
}

/* ---- the end of a batch ---- */

/* Tells everybody, in order. */
static void
complete_all(struct batch *b)
{
	struct store_change_priv *priv = b->first, *next;

	b->first = NULL;
	b->last = &b->first;
	b->changes = 0;
	for (; priv != NULL; priv = next) {
		next = priv->next;
		change_complete(priv->change);
	}
}

const uint32_t store_batch_sizes[STORE_CLASSES] = {
    1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048};
const uint32_t store_flush_us[STORE_CLASSES] = {
    100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 500000, 1000000};

size_t
store_class_of(const uint32_t ends[STORE_CLASSES], uint64_t value)
{
	size_t i = 0;

	while (i < STORE_CLASSES && value > ends[i])
		i++;
	return i;
}

static void
count_flush(struct store *store, uint64_t ns)
{
	atomic_fetch_add(&store->flush_times[store_class_of(store_flush_us, ns / 1000)], 1);
	atomic_fetch_add(&store->flush_ns, ns);
}

static void
count_batch(struct batch *b)
{
	struct store *store = b->lane->store;
	uint64_t max = atomic_load(&store->batch_max);

	atomic_fetch_add(&store->batches, 1);
	atomic_fetch_add(&store->batch_sizes[store_class_of(store_batch_sizes, b->changes)], 1);
	atomic_fetch_add(&store->batch_changes, b->changes);
	while (
	    b->changes > max && !atomic_compare_exchange_weak(&store->batch_max, &max, b->changes))
		continue;
}

static enum ts_err
commit(struct batch *b, uint64_t *generation_r)
{
	struct store *store = b->lane->store;
	uint64_t started;
	enum ts_err err;

	*generation_r = atomic_load(&store->generation);
	if (engine_batch_count(b->ops) == 0)
		return TS_OK;
	count_batch(b);
	started = clock_mono_ns();
	err = engine_commit(store->engine, b->ops);
	count_flush(store, clock_mono_ns() - started);
	return err;
}

/* ---- failure ---- */

static void
doubt_mailbox(struct lane *lane, struct store_mailbox *mb)
{
	if (mb->stale)
		return;
	mb->stale = true;
	lane->doubt =
	    mem_realloc(lane->doubt, (lane->doubt_count + 1) * sizeof(struct store_mailbox *));
	lane->doubt[lane->doubt_count++] = store_mailbox_ref(mb);
}

static void
doubt_account(struct lane *lane, struct store_account *a)
{
	if (a->stale)
		return;
	a->stale = true;
	lane->doubt_account = mem_realloc(
	    lane->doubt_account, (lane->doubt_account_count + 1) * sizeof(struct store_account *));
	lane->doubt_account[lane->doubt_account_count++] = store_account_ref(a);
}

/* Puts the heads back to what is published. */
static void
drop_list_op(struct list_op *op)
{
	struct store_account *a = op->account;
	struct entry *e = op->entry;

	pthread_rwlock_wrlock(&a->lock);
	e->ops--;
	e->head = e->pub;
	e->sub_head = e->sub_pub;
	if (op->gone != NULL)
		op->gone->head.gone = false;
	if (op->mailbox != NULL)
		op->mailbox->head.uidvalidity = atomic_load(&op->mailbox->uidvalidity);
	if (op->created && !atomic_load(&op->mailbox->gone)) {
		atomic_store(&op->mailbox->gone, true);
		atomic_fetch_or(&op->mailbox->refs, REFS_GONE);
	}
	pthread_rwlock_unlock(&a->lock);
}

static void
count_head_mailboxes(struct store_account *a)
{
	pthread_rwlock_rdlock(&a->lock);
	a->head_mailboxes = 0;
	for (size_t i = 0; i < a->entry_count; i++)
		a->head_mailboxes += a->entry[i]->pub != NULL;
	pthread_rwlock_unlock(&a->lock);
}

/* The sums of the accounts that the batch was about. */
static void
reset_usages(struct batch *b)
{
	for (struct pend *p = b->pends; p != NULL; p = p->next)
		account_reset_usage(p->mailbox->account);
	for (size_t i = 0; i < b->list_count; i++)
		account_reset_usage(b->list[i].account);
}

static void
drop_batch(struct batch *b, enum ts_err err, bool doubt)
{
	struct lane *lane = b->lane;

	for (struct pend *p = b->pends; p != NULL; p = p->next) {
		pthread_rwlock_wrlock(&p->mailbox->lock);
		p->mailbox->pend[b->index] = NULL;
		pthread_rwlock_unlock(&p->mailbox->lock);
	}
	for (size_t i = 0; i < b->list_count; i++)
		drop_list_op(&b->list[i]);
	for (size_t i = 0; i < b->list_count; i++)
		if (i == 0 || b->list[i].account != b->list[i - 1].account)
			count_head_mailboxes(b->list[i].account);
	for (struct pend *p = b->pends; p != NULL; p = p->next) {
		mailbox_reset_head(p->mailbox);
		if (doubt && !atomic_load(&p->mailbox->gone))
			doubt_mailbox(lane, p->mailbox);
	}
	properties_drop(b);
	owns_drop(b, doubt ? doubt_account : NULL);
	if (doubt)
		properties_doubt(b, doubt_account);
	reset_usages(b);
	for (size_t i = 0; i < b->list_count && doubt; i++)
		doubt_account(lane, b->list[i].account);
	for (struct renaming *t = b->renamings; t != NULL; t = rename_next(t)) {
		rename_dropped(t);
		if (doubt)
			doubt_account(lane, rename_account(t));
	}
	if (b->gone != NULL) {
		b->gone->head_gone = false;
		if (doubt)
			doubt_account(lane, b->gone);
	}
	for (struct store_change_priv *p = b->first; p != NULL; p = p->next)
		if (p->change->err == TS_OK)
			p->change->err = err;
}

/* Is the account's name still there?  After a removal of unknown outcome. */
static enum ts_err
account_still_there(struct store_account *a)
{
	struct key k;
	struct buf b = {0};
	struct str body;

	key_begin(&k, 0, KEY_NAME);
	key_bytes(&k, a->name);

	enum ts_err err = store_get(a->store, &k, &b, &body);

	buf_fini(&b);
	return err;
}

static enum ts_err
resolve_account(struct store_account *a)
{
	if (atomic_load(&a->gone))
		return TS_OK;

	enum ts_err err = account_still_there(a);

	if (err == TS_NOT_FOUND) {
		a->head_gone = true;
		account_publish_gone(a);
		background_wake(a->store, BG_DROPPED);
		return TS_OK;
	}
	return err == TS_OK ? account_read(a) : err;
}

/* Reads anew what is in doubt.  False: not yet possible. */
static bool
resolve(struct lane *lane)
{
	while (lane->doubt_account_count > 0) {
		struct store_account *a = lane->doubt_account[lane->doubt_account_count - 1];

		if (resolve_account(a) != TS_OK)
			return false;
		a->stale = false;
		lane->doubt_account_count--;
		watch_notify(a, 0);
		store_account_unref(&a);
	}
	while (lane->doubt_count > 0) {
		struct store_mailbox *mb = lane->doubt[lane->doubt_count - 1];

		if (!atomic_load(&mb->gone) && mailbox_reread(mb) != TS_OK)
			return false;
		mb->stale = false;
		lane->doubt_count--;
		watch_notify(mb->account, mb->id);
		store_mailbox_unref(&mb);
	}
	return true;
}

static void
note_doubt(struct lane *lane)
{
	atomic_store(&lane->in_doubt,
	    lane->refused || lane->doubt_count > 0 || lane->doubt_account_count > 0);
}

/* Before a batch: is everything known again?  Else what is in doubt stays refused. */
static void
retry(struct lane *lane)
{
	if (lane->refused &&
	    store_reopen(lane->store, atomic_load(&lane->store->generation)) == TS_OK)
		lane->refused = false;
	if (!lane->refused && (lane->doubt_count > 0 || lane->doubt_account_count > 0))
		(void)resolve(lane);
	note_doubt(lane);
}

/* Nobody else prepares or flushes on this lane now. */
static void
fail(struct batch *b, enum ts_err err, uint64_t generation)
{
	struct lane *lane = b->lane;
	struct batch *other = &lane->batch[1 - b->index];
	/* TS_FULL and TS_UNAVAILABLE: nothing was written. */
	bool doubt = err != TS_FULL && err != TS_UNAVAILABLE;

	if (doubt)
		err = TS_UNKNOWN;
	log_msg(LOG_ERROR, NULL,
	    "store: a batch of %zu changes failed: %s; %zu prepared ones go too", b->changes,
	    ts_err_name(err), other->changes);
	/* The newer one first: its heads lie on top. */
	drop_batch(other, err, false);
	drop_batch(b, err, doubt);
	if (err != TS_FULL) {
		lane->refused = store_reopen(lane->store, generation) != TS_OK;
		if (!lane->refused)
			(void)resolve(lane);
		note_doubt(lane);
		tell_jobs(other);
		tell_jobs(b);
		background_wake(lane->store, BG_COLLECT | BG_INTENTS);
	}
	batch_clear(other);
	batch_clear(b);
	complete_all(b);
	complete_all(other);
}

/* ---- threads ---- */

/* In the three below lane->mutex is held, and lane->preparing is ours. */

static void
park(struct lane *lane)
{
	lane->parked = true;
	pthread_cond_broadcast(&lane->flush);
	while (lane->failed)
		pthread_cond_wait(&lane->flush, &lane->mutex);
	lane->parked = false;
}

static void
clear_doubts(struct lane *lane)
{
	if (!lane->refused && lane->doubt_count == 0 && lane->doubt_account_count == 0)
		return;
	while (lane->flushing)
		if (lane->failed)
			park(lane);
		else
			pthread_cond_wait(&lane->flush, &lane->mutex);
	pthread_mutex_unlock(&lane->mutex);
	retry(lane);
	pthread_mutex_lock(&lane->mutex);
}

static void
fill_batch(struct lane *lane, struct batch *b)
{
	for (;;) {
		if (lane->failed) {
			park(lane);
		} else if (any_waits(lane) && !batch_full(b)) {
			struct store_change_priv *priv = queue_take(lane);

			pthread_mutex_unlock(&lane->mutex);
			prepare(b, priv);
			pthread_mutex_lock(&lane->mutex);
		} else if (lane->flushing) {
			pthread_cond_wait(&lane->flush, &lane->mutex);
		} else {
			return;
		}
	}
}

static void
flush(struct lane *lane, struct batch *b)
{
	uint64_t generation;
	enum ts_err err = commit(b, &generation);

	if (err == TS_OK) {
		publish(b);
		batch_clear(b);
		complete_all(b);
		return;
	}
	pthread_mutex_lock(&lane->mutex);
	lane->failed = true;
	pthread_cond_broadcast(&lane->flush);
	while (lane->preparing && !lane->parked)
		pthread_cond_wait(&lane->flush, &lane->mutex);
	pthread_mutex_unlock(&lane->mutex);
	fail(b, err, generation);
	pthread_mutex_lock(&lane->mutex);
	lane->failed = false;
	pthread_cond_broadcast(&lane->flush);
	pthread_mutex_unlock(&lane->mutex);
}

struct lane_thread {
	struct lane *lane;
	unsigned index;
};

static void *
lane_main(void *arg)
{
	struct lane_thread *me = arg;
	struct lane *lane = me->lane;
	struct batch *b = &lane->batch[me->index];

	mem_free(me);
	pthread_mutex_lock(&lane->mutex);
	for (;;) {
		while (lane->preparing || lane->failed || !any_waits(lane)) {
			if (lane->stop && !any_waits(lane) && !lane->preparing)
				goto out;
			pthread_cond_wait(&lane->work, &lane->mutex);
		}
		lane->preparing = true;
		clear_doubts(lane);
		fill_batch(lane, b);
		lane->flushing = true;
		pthread_mutex_unlock(&lane->mutex);
		prepare_close(b);
		pthread_mutex_lock(&lane->mutex);
		lane->preparing = false;
		pthread_cond_signal(&lane->work);
		pthread_mutex_unlock(&lane->mutex);
		flush(lane, b);
		pthread_mutex_lock(&lane->mutex);
		lane->flushing = false;
		lane->flushes++;
		pthread_cond_broadcast(&lane->flush);
		if (lane->stop)
			pthread_cond_broadcast(&lane->work);
	}
out:
	pthread_cond_broadcast(&lane->work);
	pthread_mutex_unlock(&lane->mutex);
	return NULL;
}

static void
wake_lane(struct lane *lane, bool preparing)
{
	if (preparing)
		pthread_cond_broadcast(&lane->flush);
	else
		pthread_cond_signal(&lane->work);
}

void
lane_enqueue(struct lane *lane, struct store_change_priv *priv)
{
	bool preparing;

	priv->next = NULL;
	pthread_mutex_lock(&lane->mutex);
	queue_put(lane, priv, false);
	preparing = lane->preparing;
	pthread_mutex_unlock(&lane->mutex);
	/* Not before: whoever wakes would wait for the mutex, and a loop for whoever has it. */
	wake_lane(lane, preparing);
}

bool
lanes_settle(struct store *store)
{
	bool settled = true;

	for (unsigned i = 0; i < store->lane_count; i++) {
		struct lane *lane = &store->lane[i];
		uint64_t seen;

		pthread_mutex_lock(&lane->mutex);
		seen = lane->flushes;
		while (lane->flushing && lane->flushes == seen)
			pthread_cond_wait(&lane->flush, &lane->mutex);
		pthread_mutex_unlock(&lane->mutex);
		settled = settled && !atomic_load(&lane->in_doubt);
	}
	return settled;
}

void
lane_keep(struct waiting *waiting, struct store_change_priv *priv)
{
	priv->next = NULL;
	if (waiting->first == NULL)
		waiting->tail = &waiting->first;
	*waiting->tail = priv;
	waiting->tail = &priv->next;
}

void
lane_put_back(struct lane *lane, struct waiting *waiting)
{
	if (waiting->first == NULL)
		return;
	queue_put(lane, waiting->first, true);
	*waiting = (struct waiting){0};
	wake_lane(lane, lane->preparing);
}

void
lane_run(struct lane *lane)
{
	struct batch *b = &lane->batch[0];

	if (lane->preparing)
		return; /* called by a completion: the outer one goes on with it */
	lane->preparing = true;
	while (any_waits(lane)) {
		uint64_t generation;

		retry(lane);
		while (any_waits(lane) && !batch_full(b))
			prepare(b, queue_take(lane));
		prepare_close(b);

		enum ts_err err = commit(b, &generation);

		if (err == TS_OK) {
			publish(b);
			batch_clear(b);
			complete_all(b);
		} else {
			fail(b, err, generation);
		}
	}
	lane->preparing = false;
}

/* ---- starting and stopping ---- */

static void
lane_init(struct lane *lane, struct store *store)
{
	lane->store = store;
	pthread_mutex_init(&lane->mutex, NULL);
	pthread_cond_init(&lane->work, NULL);
	pthread_cond_init(&lane->flush, NULL);
	list_init(&lane->ring);
	change_queue_init(&lane->rest);
	for (unsigned i = 0; i < 2; i++) {
		struct batch *b = &lane->batch[i];

		b->lane = lane;
		b->index = i;
		b->ops = engine_batch_new();
		b->records = engine_batch_new();
		b->last = &b->first;
		b->properties_last = &b->properties;
		b->owns_last = &b->owns;
		b->pends_last = &b->pends;
	}
}

void
lanes_start(struct store *store)
{
	store->lane_count = store->opt.lanes > 0 ? store->opt.lanes : 1;
	store->lane = mem_zalloc(store->lane_count * sizeof *store->lane);
	for (unsigned i = 0; i < store->lane_count; i++) {
		struct lane *lane = &store->lane[i];

		lane_init(lane, store);
		for (unsigned t = 0; t < 2 && store->opt.lanes > 0; t++) {
			struct lane_thread *me = mem_zalloc(sizeof *me);

			*me = (struct lane_thread){lane, t};
			if (pthread_create(&lane->thread[t], NULL, lane_main, me) != 0)
				TS_WRONG("a writer thread cannot be started");
			lane->threads++;
		}
	}
}

static void
lane_fini(struct lane *lane)
{
	for (unsigned i = 0; i < 2; i++) {
		struct batch *b = &lane->batch[i];

		engine_batch_free(&b->ops);
		engine_batch_free(&b->records);
		buf_fini(&b->value);
		mem_free(b->list);
		mem_free(b->job);
	}
	for (size_t i = 0; i < lane->doubt_count; i++)
		store_mailbox_unref(&lane->doubt[i]);
	for (size_t i = 0; i < lane->doubt_account_count; i++)
		store_account_unref(&lane->doubt_account[i]);
	mem_free(lane->doubt);
	mem_free(lane->doubt_account);
	pthread_mutex_destroy(&lane->mutex);
	pthread_cond_destroy(&lane->work);
	pthread_cond_destroy(&lane->flush);
}

void
lanes_stop(struct store *store)
{
	for (unsigned i = 0; i < store->lane_count; i++) {
		struct lane *lane = &store->lane[i];

		pthread_mutex_lock(&lane->mutex);
		lane->stop = true;
		pthread_cond_broadcast(&lane->work);
		pthread_mutex_unlock(&lane->mutex);
		for (unsigned t = 0; t < lane->threads; t++)
			pthread_join(lane->thread[t], NULL);
	}
	for (unsigned i = 0; i < store->lane_count; i++)
		lane_fini(&store->lane[i]);
	mem_free(store->lane);
	store->lane = NULL;
}
