/* SPDX-License-Identifier: Apache-2.0 */
/* Worker pools, see work.h.  work_queue.h decides whose turn it is. */
#include "net/work.h"

#include <pthread.h>

#include "base/block.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/work_queue.h"

const char *const work_kind_words[WORK_KINDS] = {"short", "login", "long"};

struct work_pool {
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t change;
	struct work_queue *queue;
	_Atomic uint64_t slice_ns;
	unsigned questions; /* per slice; 0: the clock ends it */
	unsigned idle;      /* threads waiting for work */
	bool stop;
	bool held;             /* by a test */
	struct loop *loop;     /* without threads: where everything runs */
	struct loop_task turn; /* runs a slice there */
	unsigned nthreads;
	pthread_t threads[];
};

static size_t
sum(const size_t counts[WORK_KINDS])
{
	size_t n = 0;

	for (unsigned kind = 0; kind < WORK_KINDS; kind++)
		n += counts[kind];
	return n;
}

static size_t
waiting(const struct work_pool *pool)
{
	return sum(work_queue_counts(pool->queue)->waiting);
}

/* ---- one slice ---- */

static void
on_done(struct loop_task *task)
{
	struct work *w = (struct work *)(void *)((char *)task - offsetof(struct work, task));

	w->done(w);
}

static void
post_done(struct work *w)
{
	w->task.fn = on_done;
	loop_post(w->loop, &w->task);
}

/* Runs a slice of a work taken from the queue.  The lock is held before and after, but not
 * meanwhile. */
static void
run_slice(struct work_pool *pool, struct work *w)
{
	enum work_kind kind = w->kind;
	struct work_who who = w->who;
	enum work_end end = WORK_DONE;
	bool was = block_on_loop(false); /* workers may block, even if a loop acts as one */
	bool was_worker = block_on_worker(true);

	(void)pthread_mutex_unlock(&pool->lock);
	w->questions = 0;
	w->slice_end_ns = clock_mono_ns() + pool->slice_ns;
	if (!w->cancelled)
		end = w->run(w);
	(void)block_on_loop(was);
	(void)block_on_worker(was_worker);
	(void)pthread_mutex_lock(&pool->lock);
	if (end == WORK_AGAIN && !w->cancelled) {
		work_queue_ran(pool->queue, kind, who);
		work_queue_put(pool->queue, w);
		return;
	}
	(void)pthread_mutex_unlock(&pool->lock);
	/* From here on w may be freed. */
	post_done(w);
	(void)pthread_mutex_lock(&pool->lock);
	work_queue_ran(pool->queue, kind, who);
}

bool
work_should_stop(struct work *w)
{
	if (w == NULL)
		return false;
	if (w->cancelled)
		return true;
	if (w->pool->nthreads > 0)
		return clock_mono_ns() >= w->slice_end_ns;
	return w->pool->questions > 0 && ++w->questions >= w->pool->questions;
}

/* ---- threads ---- */

static void *
worker(void *arg)
{
	struct work_pool *pool = arg;
	struct work *w;

	(void)pthread_mutex_lock(&pool->lock);
	for (;;) {
		while ((w = work_queue_take(pool->queue)) == NULL &&
		       (!pool->stop || waiting(pool) > 0)) {
			pool->idle++;
			(void)pthread_cond_wait(&pool->change, &pool->lock);
			pool->idle--;
		}
		if (w == NULL)
			break;
		/* The work that ended may allow several others to run. */
		if (pool->idle > 0 && waiting(pool) > 0)
			(void)pthread_cond_signal(&pool->change);
		run_slice(pool, w);
		if (pool->stop)
			(void)pthread_cond_broadcast(&pool->change);
	}
	(void)pthread_mutex_unlock(&pool->lock);
	return NULL;
}

/* ---- without threads ---- */

bool
work_pool_step(struct work_pool *pool)
{
	struct work *w;

	TS_ASSERT(pool->nthreads == 0);
	(void)pthread_mutex_lock(&pool->lock);
	w = work_queue_take(pool->queue);
	if (w != NULL)
		run_slice(pool, w);
	(void)pthread_mutex_unlock(&pool->lock);
	return w != NULL;
}

/* Needs the lock. */
static void
post_turn(struct work_pool *pool)
{
	if (!pool->held && waiting(pool) > 0)
		loop_post(pool->loop, &pool->turn);
}

static void
turn(struct loop_task *task)
{
	struct work_pool *pool =
	    (struct work_pool *)(void *)((char *)task - offsetof(struct work_pool, turn));

	if (pool->held)
		return;
	(void)work_pool_step(pool);
	(void)pthread_mutex_lock(&pool->lock);
	post_turn(pool);
	(void)pthread_mutex_unlock(&pool->lock);
}

void
work_pool_hold(struct work_pool *pool, bool held)
{
	TS_ASSERT(pool->nthreads == 0);
	(void)pthread_mutex_lock(&pool->lock);
	pool->held = held;
	post_turn(pool);
	(void)pthread_mutex_unlock(&pool->lock);
}

void
work_pool_set_questions(struct work_pool *pool, unsigned n)
{
	TS_ASSERT(pool->nthreads == 0);
	pool->questions = n;
}

/* ---- for all ---- */

struct work_pool *
work_pool_new(unsigned threads)
{
	struct work_pool *pool = mem_zalloc(sizeof(*pool) + threads * sizeof(pthread_t));

	(void)pthread_mutex_init(&pool->lock, NULL);
	(void)pthread_cond_init(&pool->change, NULL);
	pool->queue = work_queue_new(threads);
	pool->turn.fn = turn;
	pool->nthreads = threads;
	work_pool_set_slice(pool, WORK_SLICE_MS);
	for (unsigned i = 0; i < threads; i++)
		if (pthread_create(&pool->threads[i], NULL, worker, pool) != 0)
			TS_WRONG("cannot start a worker thread");
	return pool;
}

void
work_pool_free(struct work_pool **pool)
{
	struct work_pool *p = *pool;

	*pool = NULL;
	if (p == NULL)
		return;
	block_here("work_pool_free");
	(void)pthread_mutex_lock(&p->lock);
	p->stop = true;
	(void)pthread_cond_broadcast(&p->change);
	(void)pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->nthreads; i++)
		(void)pthread_join(p->threads[i], NULL);
	TS_ASSERT(!p->turn.queued);
	work_queue_free(&p->queue);
	(void)pthread_cond_destroy(&p->change);
	(void)pthread_mutex_destroy(&p->lock);
	mem_free(p);
}

void
work_pool_set_slice(struct work_pool *pool, unsigned ms)
{
	pool->slice_ns = (uint64_t)ms * 1000000;
}

void
work_submit(struct work_pool *pool, struct work *w)
{
	w->pool = pool;
	w->cancelled = false;
	(void)pthread_mutex_lock(&pool->lock);
	work_queue_put(pool->queue, w);
	if (pool->nthreads > 0) {
		(void)pthread_cond_signal(&pool->change);
	} else {
		TS_ASSERT(pool->loop == NULL || pool->loop == w->loop);
		pool->loop = w->loop;
		post_turn(pool);
	}
	(void)pthread_mutex_unlock(&pool->lock);
}

void
work_cancel(struct work *w)
{
	struct work_pool *pool = w->pool;
	bool waited;

	(void)pthread_mutex_lock(&pool->lock);
	w->cancelled = true;
	waited = work_queue_remove(pool->queue, w);
	if (pool->stop)
		(void)pthread_cond_broadcast(&pool->change);
	(void)pthread_mutex_unlock(&pool->lock);
	if (waited)
		post_done(w);
}

void
work_pool_counts(struct work_pool *pool, struct work_counts *counts_r)
{
	(void)pthread_mutex_lock(&pool->lock);
	*counts_r = *work_queue_counts(pool->queue);
	(void)pthread_mutex_unlock(&pool->lock);
}

size_t
work_pool_waiting(struct work_pool *pool)
{
	struct work_counts counts;

	work_pool_counts(pool, &counts);
	return sum(counts.waiting);
}

size_t
work_pool_running(struct work_pool *pool)
{
	struct work_counts counts;

	work_pool_counts(pool, &counts);
	return sum(counts.running);
}

size_t
work_pool_waiting_of(struct work_pool *pool, uint64_t user)
{
	size_t n;

	(void)pthread_mutex_lock(&pool->lock);
	n = work_queue_waiting_of(pool->queue, WORK_LOGIN, user);
	(void)pthread_mutex_unlock(&pool->lock);
	return n;
}
