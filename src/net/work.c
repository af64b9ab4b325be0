/* SPDX-License-Identifier: Apache-2.0 */
/* Worker pools, see work.h. */
#include "net/work.h"

#include <pthread.h>

#include "base/err.h"
#include "base/mem.h"

enum { LOTS = 1024 };

struct lot { /* of the sources whose numbers end alike */
	struct work *first, **last;
	struct lot *next; /* in the queue's list of those that have any */
	size_t waiting;
};

struct queue {
	struct lot lots[LOTS];
	struct lot *first, **last; /* whose turn it is first */
};

struct work_pool {
	pthread_mutex_t lock; /* all below */
	pthread_cond_t change;
	struct queue usual, bulk;
	bool bulk_last;                       /* what was taken last */
	struct work *held_first, **held_last; /* by a test */
	size_t waiting, running, bulk_running;
	bool stop;
	bool held; /* by a test */
	unsigned nthreads;
	pthread_t threads[];
};

static void
on_done(struct loop_task *task)
{
	struct work *w = (struct work *)(void *)((char *)task - offsetof(struct work, task));

	w->done(w);
}

static void
run_one(struct work *w)
{
	if (!w->cancelled)
		w->run(w);
}

static void
queue_init(struct queue *q)
{
	q->last = &q->first;
	for (size_t i = 0; i < LOTS; i++)
		q->lots[i].last = &q->lots[i].first;
}

static struct lot *
lot_of(struct work_pool *pool, const struct work *w)
{
	return &(w->bulk ? &pool->bulk : &pool->usual)->lots[w->source % LOTS];
}

static void
to_back(struct queue *q, struct lot *lot)
{
	lot->next = NULL;
	*q->last = lot;
	q->last = &lot->next;
}

static void
enqueue(struct work_pool *pool, struct work *w)
{
	struct lot *lot = lot_of(pool, w);

	if (lot->first == NULL)
		to_back(w->bulk ? &pool->bulk : &pool->usual, lot);
	*lot->last = w;
	lot->last = &w->next;
}

/* One of the lot whose turn it is, which goes to the back. */
static struct work *
dequeue(struct queue *q)
{
	struct lot *lot = q->first;
	struct work *w = lot->first;

	if ((q->first = lot->next) == NULL)
		q->last = &q->first;
	if ((lot->first = w->next) == NULL)
		lot->last = &lot->first;
	else
		to_back(q, lot);
	return w;
}

/* Both kinds get on: bulk has half of the threads and every other turn at the most.  Locked. */
static struct work *
take(struct work_pool *pool)
{
	size_t share = pool->nthreads > 1 ? pool->nthreads / 2 : 1;
	bool bulk = pool->bulk.first != NULL && pool->bulk_running < share &&
	            (pool->usual.first == NULL || !pool->bulk_last);
	struct queue *q = bulk ? &pool->bulk : &pool->usual;
	struct work *w;

	if (q->first == NULL)
		return NULL;
	w = dequeue(q);
	lot_of(pool, w)->waiting--;
	pool->bulk_last = bulk;
	pool->waiting--;
	pool->running++;
	pool->bulk_running += bulk;
	return w;
}

static void *
worker(void *arg)
{
	struct work_pool *pool = arg;
	struct work *w;
	bool bulk;

	(void)pthread_mutex_lock(&pool->lock);
	for (;;) {
		while ((w = take(pool)) == NULL && (!pool->stop || pool->waiting > 0))
			(void)pthread_cond_wait(&pool->change, &pool->lock);
		if (w == NULL)
			break;
		bulk = w->bulk;
		(void)pthread_mutex_unlock(&pool->lock);
		run_one(w);
		w->task.fn = on_done;
		/* From here on w may be gone. */
		loop_post(w->loop, &w->task);
		(void)pthread_mutex_lock(&pool->lock);
		pool->running--;
		pool->bulk_running -= bulk;
		if (pool->stop)
			(void)pthread_cond_broadcast(&pool->change);
	}
	(void)pthread_mutex_unlock(&pool->lock);
	return NULL;
}

/* Without threads: on the work's loop, and done() in a task of its own. */
static void
run_on_loop(struct loop_task *task)
{
	struct work *w = (struct work *)(void *)((char *)task - offsetof(struct work, task));
	struct work_pool *pool = w->pool;

	(void)pthread_mutex_lock(&pool->lock);
	pool->waiting--;
	lot_of(pool, w)->waiting--;
	pool->running++;
	(void)pthread_mutex_unlock(&pool->lock);
	run_one(w);
	(void)pthread_mutex_lock(&pool->lock);
	pool->running--;
	(void)pthread_mutex_unlock(&pool->lock);
	w->task.fn = on_done;
	loop_post(w->loop, &w->task);
}

struct work_pool *
work_pool_new(unsigned threads)
{
	struct work_pool *pool = mem_zalloc(sizeof(*pool) + threads * sizeof(pthread_t));

	(void)pthread_mutex_init(&pool->lock, NULL);
	(void)pthread_cond_init(&pool->change, NULL);
	queue_init(&pool->usual);
	queue_init(&pool->bulk);
	pool->held_last = &pool->held_first;
	pool->nthreads = threads;
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
	(void)pthread_mutex_lock(&p->lock);
	p->stop = true;
	(void)pthread_cond_broadcast(&p->change);
	(void)pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->nthreads; i++)
		(void)pthread_join(p->threads[i], NULL);
	TS_ASSERT(p->waiting == 0);
	(void)pthread_cond_destroy(&p->change);
	(void)pthread_mutex_destroy(&p->lock);
	mem_free(p);
}

void
work_submit(struct work_pool *pool, struct work *w)
{
	bool held;

	w->pool = pool;
	w->next = NULL;
	(void)pthread_mutex_lock(&pool->lock);
	pool->waiting++;
	held = pool->held;
	lot_of(pool, w)->waiting++;
	if (pool->nthreads > 0) {
		enqueue(pool, w);
		(void)pthread_cond_signal(&pool->change);
	} else if (held) {
		*pool->held_last = w;
		pool->held_last = &w->next;
	}
	(void)pthread_mutex_unlock(&pool->lock);
	if (pool->nthreads == 0 && !held) {
		w->task.fn = run_on_loop;
		loop_post(w->loop, &w->task);
	}
}

void
work_pool_hold(struct work_pool *pool, bool held)
{
	struct work *w, *next;

	TS_ASSERT(pool->nthreads == 0);
	(void)pthread_mutex_lock(&pool->lock);
	pool->held = held;
	w = held ? NULL : pool->held_first;
	if (!held) {
		pool->held_first = NULL;
		pool->held_last = &pool->held_first;
	}
	(void)pthread_mutex_unlock(&pool->lock);
	for (; w != NULL; w = next) {
		next = w->next;
		w->task.fn = run_on_loop;
		loop_post(w->loop, &w->task);
	}
}

size_t
work_pool_waiting(struct work_pool *pool)
{
	size_t n;

	(void)pthread_mutex_lock(&pool->lock);
	n = pool->waiting;
	(void)pthread_mutex_unlock(&pool->lock);
	return n;
}

size_t
work_pool_running(struct work_pool *pool)
{
	size_t n;

	(void)pthread_mutex_lock(&pool->lock);
	n = pool->running;
	(void)pthread_mutex_unlock(&pool->lock);
	return n;
}

size_t
work_pool_waiting_of(struct work_pool *pool, uint64_t source)
{
	size_t n;

	(void)pthread_mutex_lock(&pool->lock);
	n = pool->bulk.lots[source % LOTS].waiting;
	(void)pthread_mutex_unlock(&pool->lock);
	return n;
}
