/* SPDX-License-Identifier: Apache-2.0 */
/* Worker pools, see work.h. */
#include "net/work.h"

#include <pthread.h>

#include "base/err.h"
#include "base/mem.h"

struct work_pool {
	pthread_mutex_t lock; /* all below */
	pthread_cond_t change;
	struct work *first, **last;
	struct work *bulk_first, **bulk_last;
	size_t waiting, running, bulk_waiting, bulk_running;
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

/* Both kinds get on: bulk has half of the threads, the others have the rest.  Locked. */
static struct work *
take(struct work_pool *pool)
{
	size_t share = pool->nthreads > 1 ? pool->nthreads / 2 : 1;
	bool bulk = pool->bulk_first != NULL && pool->bulk_running < share;
	struct work **first = bulk ? &pool->bulk_first : &pool->first, *w = *first;

	if (w == NULL)
		return NULL;
	*first = w->next;
	if (w->next == NULL)
		*(bulk ? &pool->bulk_last : &pool->last) = first;
	pool->waiting--;
	pool->bulk_waiting -= bulk;
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
	pool->bulk_waiting -= w->bulk;
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
	pool->last = &pool->first;
	pool->bulk_last = &pool->bulk_first;
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
	pool->bulk_waiting += w->bulk;
	held = pool->held;
	if (pool->nthreads > 0 && w->bulk) {
		*pool->bulk_last = w;
		pool->bulk_last = &w->next;
		(void)pthread_cond_signal(&pool->change);
	} else if (pool->nthreads > 0 || held) {
		*pool->last = w;
		pool->last = &w->next;
		(void)pthread_cond_signal(&pool->change);
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
	w = held ? NULL : pool->first;
	if (!held) {
		pool->first = NULL;
		pool->last = &pool->first;
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
work_pool_waiting_bulk(struct work_pool *pool)
{
	size_t n;

	(void)pthread_mutex_lock(&pool->lock);
	n = pool->bulk_waiting;
	(void)pthread_mutex_unlock(&pool->lock);
	return n;
}
