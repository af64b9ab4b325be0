/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The background thread: one job at a time, in the order of do_one_job().  Its
 * commits do not go through the lanes, since no change depends on what it
 * writes (index blocks, and the removal of what nobody can reach).
 */
#include <errno.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/upkeep/upkeep_int.h"

#define RETRY_MS 1000

/* ---- accounts with work; the mutex is held ---- */

static void
forget_idle(struct background *bg, struct bg_account *a)
{
	if (a->purge || a->collect || a->passed)
		return;
	HASH_DEL(bg->accounts, a);
	mem_free(a);
}

/* ---- requests; any thread ---- */

static bool
collect_waits(const struct background *bg)
{
	return bg->collects > 0 || bg->scan_files || bg->drops != NULL || bg->settling != NULL;
}

static bool
work_waits(struct background *bg)
{
	return bg->ids || bg->dropped || bg->purges > 0 || bg->intents || bg->evict || bg->sweep ||
	       bg->folds != NULL || compact_waits(bg) ||
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
	/* Cleared first, so that a change during the fold may request the next one. */
	atomic_store(&job->mailbox->folding, false);

	/* If the fold fails, the mailbox's next change requests it again. */
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

	/* If it cannot be removed now, the next start finds it as an orphan. */
	enum ts_err err = collect_dropped(store, drop);

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
	store->ids_asked = err != TS_OK; /* then it is retried anyway */
	pthread_mutex_unlock(&store->ids_mutex);
	return err;
}

static enum ts_err
intents(struct store *store, bool *more_r)
{
	enum ts_err err = cross_recover(store), again = copier_retry(store);

	*more_r = false;
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

/* ---- accounts ---- */

/* Returns an account with that kind of work; 0: none. */
static uint64_t
next_account(struct store *store, bool collect)
{
	struct bg_account *a, *tmp;
	uint64_t id = 0;

	pthread_mutex_lock(&store->bg.mutex);
	HASH_ITER(hh, store->bg.accounts, a, tmp)
	if (id == 0 && (collect ? a->collect : a->purge)) {
		id = a->id;
		/* Cleared first, so that what comes meanwhile asks again. */
		if (collect)
			background_set_collect(&store->bg, a, false);
		else
			background_set_purge(&store->bg, a, false);
		break;
	}
	pthread_mutex_unlock(&store->bg.mutex);
	return id;
}

static enum ts_err
job_purge(struct store *store)
{
	uint64_t id = next_account(store, false);
	bool more = false;
	enum ts_err err = id != 0 ? purge_step(store, id, &more) : TS_OK;

	if (id != 0)
		background_account(store, id, BG_COLLECT | (more || err != TS_OK ? BG_PURGE : 0));
	return err;
}

static uint64_t
wakes_so_far(struct background *bg)
{
	uint64_t n;

	pthread_mutex_lock(&bg->mutex);
	n = bg->wakes;
	pthread_mutex_unlock(&bg->mutex);
	return n;
}

static enum ts_err
job_collect(struct store *store)
{
	struct background *bg = &store->bg;
	uint64_t wakes = wakes_so_far(bg), id = next_account(store, true);
	bool more = false, passed = false;
	enum ts_err err = id != 0 ? collect_step(store, id, &more, &passed) : TS_OK;
	struct bg_account *a;

	if (id != 0 && (more || err != TS_OK))
		background_account(store, id, BG_COLLECT);
	pthread_mutex_lock(&bg->mutex);
	a = background_account_of(bg, id);
	if (a != NULL && passed && bg->wakes != wakes) /* what held it may be gone by now */
		background_set_collect(bg, a, true);
	else if (a != NULL)
		a->passed |= passed;
	/* An account that is being removed waits for this. */
	bg->dropped |= bg->dropping == id && id != 0 && !more && !passed && err == TS_OK;
	if (a != NULL)
		forget_idle(bg, a);
	pthread_mutex_unlock(&bg->mutex);
	return err;
}

static enum ts_err
dropped(struct store *store, bool *more_r)
{
	struct background *bg = &store->bg;
	uint64_t waits = 0;
	enum ts_err err = dropped_step(store, more_r, &waits);
	struct bg_account *a;
	bool passed;

	if (err != TS_OK || waits == 0)
		return err;
	pthread_mutex_lock(&bg->mutex);
	bg->dropping = waits;
	a = background_account_of(bg, waits);
	passed = a != NULL && a->passed; /* then whoever holds something wakes it */
	pthread_mutex_unlock(&bg->mutex);
	if (!passed)
		background_account(store, waits, BG_COLLECT);
	return TS_OK;
}

/* ---- claims ---- */

#define SETTLED_AT_ONCE 256

/* Takes some off the list, in order. */
static struct settling *
take_settling(struct background *bg)
{
	struct settling *first, **at = &bg->settling;

	pthread_mutex_lock(&bg->mutex);
	first = bg->settling;
	for (unsigned i = 0; i < SETTLED_AT_ONCE && *at != NULL; i++)
		at = &(*at)->next;
	bg->settling = *at;
	if (bg->settling == NULL)
		bg->settling_tail = &bg->settling;
	*at = NULL;
	pthread_mutex_unlock(&bg->mutex);
	return first;
}

static void
put_settling(struct background *bg, struct settling *s, bool passed, uint64_t wakes)
{
	pthread_mutex_lock(&bg->mutex);
	if (passed && bg->wakes == wakes) {
		s->next = bg->passed;
		bg->passed = s;
	} else {
		s->next = NULL;
		*bg->settling_tail = s;
		bg->settling_tail = &s->next;
	}
	pthread_mutex_unlock(&bg->mutex);
}

static enum ts_err
job_settle(struct store *store)
{
	struct engine_batch *batch = engine_batch_new();
	uint64_t wakes = wakes_so_far(&store->bg);
	struct settling *all = take_settling(&store->bg), *kept = NULL, *s;
	/* The outcome of their changes must be known. */
	enum ts_err err = lanes_settle(store) ? TS_OK : TS_UNAVAILABLE;

	while ((s = all) != NULL) {
		bool wait = false;

		all = s->next;
		if (err == TS_OK)
			err = claim_settle(store, s->blob, s->account, batch, &wait);
		if (wait) {
			put_settling(&store->bg, s, true, wakes);
			continue;
		}
		s->next = kept;
		kept = s;
	}
	if (err == TS_OK && engine_batch_count(batch) > 0)
		err = store_commit(store, batch);
	while ((s = kept) != NULL) {
		kept = s->next;
		if (err == TS_OK)
			mem_free(s);
		else
			put_settling(&store->bg, s, false, wakes);
	}
	engine_batch_free(&batch);
	return err;
}

/* Frees blobs unless there is a pin; new pins wait until it ends. */
static enum ts_err
collect(struct store *store)
{
	struct background *bg = &store->bg;

	pthread_mutex_lock(&bg->mutex);

	bool drops = bg->drops != NULL, co = bg->collects > 0, sc = bg->scan_files;
	bool pinned = background_pinned(bg), se = bg->settling != NULL;

	bg->collecting = !pinned;
	pthread_mutex_unlock(&bg->mutex);
	if (pinned)
		return TS_OK;

	enum ts_err err = drops ? job_drop(store)
	                  : se  ? job_settle(store)
	                  : co  ? job_collect(store)
	                  : sc  ? job_flag(store, &bg->scan_files, files)
	                        : TS_OK;

	pthread_mutex_lock(&bg->mutex);
	bg->collecting = false;
	pthread_cond_broadcast(&bg->calm);
	pthread_mutex_unlock(&bg->mutex);
	return err;
}

static enum ts_err
do_one_job(struct store *store)
{
	struct background *bg = &store->bg;

	pthread_mutex_lock(&bg->mutex);

	bool folds = bg->folds != NULL, ev = bg->evict, in = bg->intents, pu = bg->purges > 0;
	bool id = bg->ids, dr = bg->dropped, sw = bg->sweep, cp = compact_waits(bg);
	bool blobs = collect_waits(bg) && !background_pinned(bg);

	pthread_mutex_unlock(&bg->mutex);
	if (id)
		return job_flag(store, &bg->ids, ids);
	if (in)
		return job_flag(store, &bg->intents, intents);
	if (ev)
		return job_flag(store, &bg->evict, evict);
	if (folds)
		return job_fold(store);
	if (pu)
		return job_purge(store);
	if (dr)
		return job_flag(store, &bg->dropped, dropped);
	if (blobs)
		return collect(store);
	if (cp)
		return compact_step(store);
	return sw ? job_flag(store, &bg->sweep, sweep_step) : TS_OK;
}

bool
store_background_step(struct store *store)
{
	pthread_mutex_lock(&store->bg.mutex);

	bool waits = work_waits(&store->bg);

	pthread_mutex_unlock(&store->bg.mutex);
	if (!waits)
		return false;
	return do_one_job(store) == TS_OK;
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

/* Nothing to do now.  A pin that expires releases what waits for it. */
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
background_thread(void *arg)
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

		enum ts_err err = do_one_job(store);

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
	bg->compacts_tail = &bg->compacts;
	bg->settling_tail = &bg->settling;
	if (store->opt.engine_options.read_only)
		return;
	/* Everything that the last run may have left. */
	bg->ids = bg->dropped = bg->intents = bg->scan_files = bg->sweep = true;
	if (store->opt.lanes == 0)
		return;
	bg->running = true;
	if (pthread_create(&bg->thread, NULL, background_thread, store) != 0)
		TS_WRONG("the background thread cannot be started");
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
	struct bg_account *a, *tmp;

	while (bg->folds != NULL) {
		struct fold_job *job = bg->folds;

		bg->folds = job->next;
		store_mailbox_unref(&job->mailbox);
		mem_free(job);
	}
	compact_fini(bg);
	while (bg->drops != NULL) {
		struct blob_drop *drop = bg->drops;

		bg->drops = drop->next;
		mem_free(drop);
	}
	background_look_again(bg);
	while (bg->settling != NULL) {
		struct settling *s = bg->settling;

		bg->settling = s->next;
		mem_free(s);
	}
	HASH_ITER(hh, bg->accounts, a, tmp)
	{
		HASH_DEL(bg->accounts, a);
		mem_free(a);
	}
	pthread_mutex_destroy(&bg->mutex);
	pthread_cond_destroy(&bg->wake);
	pthread_cond_destroy(&bg->idle);
	pthread_cond_destroy(&bg->calm);
}
