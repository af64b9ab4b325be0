/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The background thread: one job at a time, in the order of step().  Its
 * commits do not go through the lanes: what it writes (index blocks, the
 * removal of what nobody can reach) is nothing that a change depends on.
 */
#include <errno.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/inside.h"

#define RETRY_MS 1000

enum ts_err
background_commit(struct store *store, struct engine_batch *batch)
{
	uint64_t generation = atomic_load(&store->generation);
	enum ts_err err = engine_commit(store->engine, batch);

	if (err != TS_OK && err != TS_FULL)
		(void)store_reopen(store, generation);
	return err;
}

void
background_wake(struct store *store, unsigned jobs)
{
	struct background *bg = &store->bg;

	pthread_mutex_lock(&bg->mutex);
	bg->purge |= (jobs & BG_PURGE) != 0;
	bg->collect |= (jobs & BG_COLLECT) != 0;
	bg->intents |= (jobs & BG_INTENTS) != 0;
	bg->evict |= (jobs & BG_EVICT) != 0;
	bg->ids |= (jobs & BG_IDS) != 0;
	pthread_cond_signal(&bg->wake);
	pthread_mutex_unlock(&bg->mutex);
}

void
background_fold(struct store_mailbox *mb)
{
	struct background *bg = &mb->account->store->bg;
	struct fold_job *job;

	if (atomic_exchange(&mb->folding, true))
		return;
	job = mem_zalloc(sizeof *job);
	job->mailbox = store_mailbox_ref(mb);
	pthread_mutex_lock(&bg->mutex);
	*bg->folds_tail = job;
	bg->folds_tail = &job->next;
	pthread_cond_signal(&bg->wake);
	pthread_mutex_unlock(&bg->mutex);
}

void
background_drop_blob(struct store *store, uint64_t blob)
{
	struct blob_drop *drop = mem_zalloc(sizeof *drop);

	drop->blob = blob;
	pthread_mutex_lock(&store->bg.mutex);
	drop->next = store->bg.drops;
	store->bg.drops = drop;
	pthread_cond_signal(&store->bg.wake);
	pthread_mutex_unlock(&store->bg.mutex);
}

static bool
collect_waits(const struct background *bg)
{
	return bg->collect || bg->scan_files || bg->drops != NULL;
}

static bool
work_waits(struct background *bg)
{
	return bg->ids || bg->purge || bg->intents || bg->evict || bg->folds != NULL ||
	       (collect_waits(bg) && !background_pinned(bg));
}

/* ---- jobs; the mutex is not held ---- */

static enum ts_err
job_fold(struct store *store)
{
	struct background *bg = &store->bg;

	pthread_mutex_lock(&bg->mutex);

	struct fold_job *job = bg->folds;

	bg->folds = job->next;
	if (bg->folds == NULL)
		bg->folds_tail = &bg->folds;
	pthread_mutex_unlock(&bg->mutex);
	/* Cleared first: a change that comes during the fold may ask for the next one. */
	atomic_store(&job->mailbox->folding, false);

	/* A fold that failed is asked for again by the mailbox's next change. */
	enum ts_err err = fold_mailbox(job->mailbox);

	store_mailbox_unref(&job->mailbox);
	mem_free(job);
	return err;
}

static enum ts_err
job_drop(struct store *store)
{
	struct background *bg = &store->bg;

	pthread_mutex_lock(&bg->mutex);

	struct blob_drop *drop = bg->drops;

	bg->drops = drop->next;
	pthread_mutex_unlock(&bg->mutex);

	/* One that cannot be removed now is found as an orphan at the next opening. */
	enum ts_err err = collect_dropped(store, drop->blob);

	mem_free(drop);
	return err;
}

static enum ts_err
job_flag(struct store *store, bool *flag, enum ts_err (*fn)(struct store *store, bool *more_r))
{
	bool more = false;

	pthread_mutex_lock(&store->bg.mutex);
	*flag = false;
	pthread_mutex_unlock(&store->bg.mutex);

	enum ts_err err = fn(store, &more);

	if (more || err != TS_OK) {
		pthread_mutex_lock(&store->bg.mutex);
		*flag = true;
		pthread_mutex_unlock(&store->bg.mutex);
	}
	return err;
}

static enum ts_err
ids(struct store *store, bool *more_r)
{
	enum ts_err err;

	*more_r = false;
	err = store_ids_renew(store);
	pthread_mutex_lock(&store->ids_mutex);
	store->ids_asked = err != TS_OK; /* then it is tried again anyway */
	pthread_mutex_unlock(&store->ids_mutex);
	return err;
}

static enum ts_err
intents(struct store *store, bool *more_r)
{
	enum ts_err err = staged_recover(store), again = copier_retry(store);

	*more_r = false;
	if (err == TS_OK)
		err = rename_recover(store);
	if (err == TS_OK)
		err = cross_recover(store);
	return err == TS_OK ? again : err;
}

static enum ts_err
files(struct store *store, bool *more_r)
{
	*more_r = false;
	return collect_orphans(store);
}

static enum ts_err
evict(struct store *store, bool *more_r)
{
	*more_r = false;
	account_evict(store);
	return TS_OK;
}

/* Frees blobs, unless there is a pin: from here to the end a new one waits. */
static enum ts_err
collect(struct store *store)
{
	struct background *bg = &store->bg;

	pthread_mutex_lock(&bg->mutex);

	bool drops = bg->drops != NULL, co = bg->collect, sc = bg->scan_files;
	bool pinned = background_pinned(bg);

	bg->collecting = !pinned;
	pthread_mutex_unlock(&bg->mutex);
	if (pinned)
		return TS_OK;

	enum ts_err err = drops ? job_drop(store)
	                  : co  ? job_flag(store, &bg->collect, collect_step)
	                  : sc  ? job_flag(store, &bg->scan_files, files)
	                        : TS_OK;

	pthread_mutex_lock(&bg->mutex);
	bg->collecting = false;
	pthread_cond_broadcast(&bg->calm);
	pthread_mutex_unlock(&bg->mutex);
	return err;
}

static enum ts_err
step(struct store *store)
{
	struct background *bg = &store->bg;

	pthread_mutex_lock(&bg->mutex);

	bool folds = bg->folds != NULL, ev = bg->evict, in = bg->intents, pu = bg->purge;
	bool id = bg->ids;

	pthread_mutex_unlock(&bg->mutex);
	if (id)
		return job_flag(store, &bg->ids, ids);
	if (in)
		return job_flag(store, &bg->intents, intents);
	if (ev)
		return job_flag(store, &bg->evict, evict);
	if (folds)
		return job_fold(store);
	if (pu) {
		enum ts_err err = job_flag(store, &bg->purge, purge_step);

		if (err == TS_OK)
			background_wake(store, BG_COLLECT);
		return err;
	}
	return collect(store);
}

bool
store_background_step(struct store *store)
{
	pthread_mutex_lock(&store->bg.mutex);

	bool waits = work_waits(&store->bg);

	pthread_mutex_unlock(&store->bg.mutex);
	if (!waits)
		return false;
	return step(store) == TS_OK;
}

/* ---- the thread ---- */

static struct timespec
in_a_second(void)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += RETRY_MS / 1000;
	return until;
}

static void
wait_a_second(struct background *bg)
{
	struct timespec until = in_a_second();

	while (!bg->stop && pthread_cond_timedwait(&bg->wake, &bg->mutex, &until) != ETIMEDOUT)
		continue;
}

/* Nothing to do now; a pin that lapses lets go what waits for it. */
static void
wait_for_work(struct background *bg)
{
	struct timespec until = in_a_second();

	if (collect_waits(bg))
		(void)pthread_cond_timedwait(&bg->wake, &bg->mutex, &until);
	else
		pthread_cond_wait(&bg->wake, &bg->mutex);
}

static void *
run(void *arg)
{
	struct store *store = arg;
	struct background *bg = &store->bg;

	pthread_mutex_lock(&bg->mutex);
	while (!bg->stop) {
		if (!work_waits(bg)) {
			pthread_cond_broadcast(&bg->idle);
			wait_for_work(bg);
			continue;
		}
		bg->busy = true;
		pthread_mutex_unlock(&bg->mutex);

		enum ts_err err = step(store);

		pthread_mutex_lock(&bg->mutex);
		bg->busy = false;
		if (err != TS_OK)
			wait_a_second(bg);
	}
	pthread_cond_broadcast(&bg->idle);
	pthread_mutex_unlock(&bg->mutex);
	return NULL;
}

void
store_background_wait(struct store *store)
{
	struct background *bg = &store->bg;

	block_here("store_background_wait");
	if (!bg->running) {
		while (store_background_step(store))
			continue;
		return;
	}
	pthread_mutex_lock(&bg->mutex);
	while (bg->busy || work_waits(bg)) {
		pthread_cond_signal(&bg->wake);
		pthread_cond_wait(&bg->idle, &bg->mutex);
	}
	pthread_mutex_unlock(&bg->mutex);
}

void
background_start(struct store *store)
{
	struct background *bg = &store->bg;

	pthread_mutex_init(&bg->mutex, NULL);
	pthread_cond_init(&bg->wake, NULL);
	pthread_cond_init(&bg->idle, NULL);
	pthread_cond_init(&bg->calm, NULL);
	bg->folds_tail = &bg->folds;
	if (store->opt.engine_options.read_only)
		return;
	/* Whatever was left by the last run. */
	bg->ids = bg->purge = bg->collect = bg->intents = bg->scan_files = true;
	if (store->opt.lanes == 0)
		return;
	if (pthread_create(&bg->thread, NULL, run, store) != 0)
		TS_WRONG("the background thread cannot be started");
	bg->running = true;
}

void
background_stop(struct store *store)
{
	struct background *bg = &store->bg;

	pthread_mutex_lock(&bg->mutex);
	bg->stop = true;
	pthread_cond_signal(&bg->wake);
	pthread_mutex_unlock(&bg->mutex);
	if (bg->running)
		pthread_join(bg->thread, NULL);
	bg->running = false;
}

void
background_fini(struct store *store)
{
	struct background *bg = &store->bg;

	while (bg->folds != NULL) {
		struct fold_job *job = bg->folds;

		bg->folds = job->next;
		store_mailbox_unref(&job->mailbox);
		mem_free(job);
	}
	while (bg->drops != NULL) {
		struct blob_drop *drop = bg->drops;

		bg->drops = drop->next;
		mem_free(drop);
	}
	pthread_mutex_destroy(&bg->mutex);
	pthread_cond_destroy(&bg->wake);
	pthread_cond_destroy(&bg->idle);
	pthread_cond_destroy(&bg->calm);
}
