/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lanes.  A lane has two equal threads and two tokens: one to prepare, one to
 * flush.
 *
 *   wait for a change and the token to prepare
 *   prepare what waits; while the other thread flushes, add what arrives
 *   when ready: take the token to flush, pass on the one to prepare
 *   commit, publish, notify
 *   pass on the token to flush
 *
 * So a single change costs one wake-up before its flush and one after, and the
 * next batch grows while one is flushed.
 *
 * When a flush fails, its thread stops the other one at the next safe point
 * (parked) and drops both batches.  If the outcome is unknown, it also has the
 * engine reopened and reads again what the batch touched.  What cannot be read
 * then stays in doubt and is tried again before the next batch.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "store/change/batch_int.h"

#define BATCH_CHANGES 512
#define BATCH_BYTES ((size_t)1 << 20) /* the next batch waits while this is written */

struct lane *
lane_of(struct store *store, uint64_t account)
{
	/* Fibonacci hashing: neighbouring ids go to different lanes. */
	return &store->lane[(account * 0x9e3779b97f4a7c15u >> 32) % store->lane_count];
}

/* Returns the account that is changed, whatever account the caller named.  NULL: it is no
 * account's. */
static struct store_account *
account_of(const struct store_change *c)
{
	return c->mailbox != NULL ? c->mailbox->account : c->account;
}

static struct lane *
lane_for(const struct store_change *c)
{
	const struct store_account *a = account_of(c);

	return lane_of(c->priv->store, a != NULL ? a->id : 0);
}

/* ---- preparing ---- */

static bool
batch_full(const struct batch *b)
{
	return b->changes >= BATCH_CHANGES || engine_batch_bytes(b->ops) >= BATCH_BYTES;
}

static enum ts_err
prepare_change(struct batch *b, struct store_change *c)
{
	return b->lane->store->opt.engine_options.read_only ? TS_DENIED
	                                                    : change_kind_of(c)->prepare(b, c);
}

static void
prepare(struct batch *b, struct store_change_priv *priv)
{
	struct store_change *c = priv->change;
	const struct change_kind *kind = change_kind_of(c);
	enum hold hold = kind->hold != NULL ? kind->hold(b->lane, c) : HOLD_GO;

	if (hold == HOLD_WAIT)
		return;
	priv->next = NULL;
	*b->last = priv;
	b->last = &priv->next;
	b->changes++;
	c->err = hold == HOLD_GO ? prepare_change(b, c) : TS_UNAVAILABLE;
}

/* ---- what waits: a queue for each account; each account has one change per turn ---- */

static struct change_queue *
queue_of(struct lane *lane, const struct store_change *c)
{
	struct store_account *a = account_of(c);

	return a != NULL ? &a->changes : &lane->rest;
}

static bool
any_waits(const struct lane *lane)
{
	return !list_empty(&lane->ring);
}

/* Puts a list before the other changes of its account, or after them. */
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

/* Takes the first change of the next account, whose others then wait until all accounts had a
 * turn. */
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

/* ---- the end of a batch ---- */

/* The change has more batches to come. */
static bool
goes_on(struct store_change *c)
{
	struct store_change_priv *priv = c->priv;
	bool again = priv->again && c->err == TS_OK;

	priv->again = false;
	/* If it goes on, it may be freed from here on. */
	if (again)
		lane_enqueue(c);
	return again;
}

void
change_complete(struct store_change *c)
{
	struct store_change_priv *priv = c->priv;
	struct store *store = priv->store;

	if (goes_on(c))
		return;
	atomic_fetch_add(&store->changes, 1);
	if (change_kind_of(c)->ended != NULL)
		change_kind_of(c)->ended(c);
	/* Afterwards the change belongs to the caller again and may be freed at any time. */
	if (priv->complete == NULL) {
		loop_post(c->loop, &priv->task);
	} else {
		priv->finished = true;
		priv->complete(c);
	}
	/* Do this last: whoever sees none pending may free the loop. */
	atomic_fetch_sub(&store->pending, 1);
}

/* Completes all changes, in order. */
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

static void
fail(struct batch *b, enum ts_err err, uint64_t generation)
{
	lane_take_back(b, err, generation);
	complete_all(b);
	complete_all(&b->lane->batch[1 - b->index]);
}

/* ---- threads ---- */

/* The next three need lane->mutex and the token to prepare. */

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
	lane_retry(lane);
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
		batch_publish(b);
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
		head_close(b);
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
lane_enqueue(struct store_change *c)
{
	struct lane *lane = lane_for(c);
	bool preparing;

	c->priv->next = NULL;
	pthread_mutex_lock(&lane->mutex);
	queue_put(lane, c->priv, false);
	preparing = lane->preparing;
	pthread_mutex_unlock(&lane->mutex);
	/* Not earlier: the woken thread would wait for the mutex, and a loop for that thread. */
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
lane_put_back(struct lane *lane, struct store_change_priv *first)
{
	queue_put(lane, first, true);
	wake_lane(lane, lane->preparing);
}

void
lane_run(struct lane *lane)
{
	struct batch *b = &lane->batch[0];

	if (lane->preparing)
		return; /* called by a completion: the outer call continues */
	lane->preparing = true;
	while (any_waits(lane)) {
		uint64_t generation;

		lane_retry(lane);
		while (any_waits(lane) && !batch_full(b))
			prepare(b, queue_take(lane));
		head_close(b);

		enum ts_err err = commit(b, &generation);

		if (err == TS_OK) {
			batch_publish(b);
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
