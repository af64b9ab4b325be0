/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The copier: a thread for changes with several steps, some of which are no work for a lane:
 * reading for a COPY or MOVE (change_copy.c), or making a new table of names and their rows for a
 * RENAME (change_rename_many.c).  Errands run one after the other; one with more to do goes to the
 * end of the queue.
 */
#include "base/mem.h"
#include "store/change/batch_int.h"

struct copier {
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	struct errand *queue, **queue_tail;
	struct errand *put_off; /* their last step failed; the background retries it */
	size_t under_way;
	pthread_t thread;
	bool running, stop;
};

void
copier_put(struct errand *e)
{
	struct copier *cp = e->store->copier;

	if (!cp->running) { /* lanes 0 */
		e->run(e);
		return;
	}
	pthread_mutex_lock(&cp->mutex);
	e->next = NULL;
	*cp->queue_tail = e;
	cp->queue_tail = &e->next;
	pthread_cond_signal(&cp->wake);
	pthread_mutex_unlock(&cp->mutex);
}

static void
count_under_way(struct store *store, bool more)
{
	struct copier *cp = store->copier;

	pthread_mutex_lock(&cp->mutex);
	cp->under_way += more ? 1 : (size_t)-1;
	pthread_cond_signal(&cp->wake);
	pthread_mutex_unlock(&cp->mutex);
}

void
copier_begin(struct store *store)
{
	count_under_way(store, true);
}

void
copier_end(struct store *store)
{
	count_under_way(store, false);
}

void
copier_put_off(struct errand *e)
{
	struct store *store = e->store;
	struct copier *cp = store->copier;

	pthread_mutex_lock(&cp->mutex);
	e->next = cp->put_off;
	cp->put_off = e;
	pthread_mutex_unlock(&cp->mutex);
	count_under_way(store, false);
	background_wake(store, BG_INTENTS);
}

static void *
copier_thread(void *arg)
{
	struct copier *cp = arg;

	pthread_mutex_lock(&cp->mutex);
	for (;;) {
		struct errand *e = cp->queue;

		if (e == NULL && cp->stop && cp->under_way == 0)
			break;
		if (e == NULL) {
			pthread_cond_wait(&cp->wake, &cp->mutex);
			continue;
		}
		cp->queue = e->next;
		if (cp->queue == NULL)
			cp->queue_tail = &cp->queue;
		pthread_mutex_unlock(&cp->mutex);
		e->run(e);
		pthread_mutex_lock(&cp->mutex);
	}
	pthread_mutex_unlock(&cp->mutex);
	return NULL;
}

void
copier_start(struct store *store)
{
	struct copier *cp = mem_zalloc(sizeof *cp);

	store->copier = cp;
	pthread_mutex_init(&cp->mutex, NULL);
	pthread_cond_init(&cp->wake, NULL);
	cp->queue_tail = &cp->queue;
	if (store->opt.lanes == 0)
		return;
	if (pthread_create(&cp->thread, NULL, copier_thread, cp) != 0)
		TS_WRONG("the thread that copies cannot be started");
	cp->running = true;
}

void
copier_stop(struct store *store)
{
	struct copier *cp = store->copier;

	pthread_mutex_lock(&cp->mutex);
	cp->stop = true;
	pthread_cond_signal(&cp->wake);
	pthread_mutex_unlock(&cp->mutex);
	if (cp->running)
		pthread_join(cp->thread, NULL);
	cp->running = false;
}

static struct errand *
take_put_off(struct store *store)
{
	struct copier *cp = store->copier;
	struct errand *e;

	pthread_mutex_lock(&cp->mutex);
	e = cp->put_off;
	cp->put_off = NULL;
	pthread_mutex_unlock(&cp->mutex);
	return e;
}

enum ts_err
copier_retry(struct store *store)
{
	struct errand *e = take_put_off(store), *next;
	enum ts_err err = e != NULL ? TS_UNAVAILABLE : TS_OK;

	for (; e != NULL; e = next) {
		next = e->next;
		count_under_way(store, true);
		e->again(e);
	}
	if (err != TS_OK && store->opt.lanes == 0)
		lane_run(store->lane);
	return err;
}

/* The rest continues when the store is opened again. */
void
copier_fini(struct store *store)
{
	struct copier *cp = store->copier;
	struct errand *e = take_put_off(store), *next;

	for (; e != NULL; e = next) {
		next = e->next;
		e->drop(e);
	}
	pthread_mutex_destroy(&cp->mutex);
	pthread_cond_destroy(&cp->wake);
	mem_free(cp);
	store->copier = NULL;
}
