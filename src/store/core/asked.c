/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to the background.  A request is a line in a list and a signal: it never waits, and
 * upkeep, which does the work, need not be there.
 */
#include "base/mem.h"
#include "store/core/core_int.h"

/* ---- accounts with work; the mutex is held ---- */

struct bg_account *
background_account_of(struct background *bg, uint64_t id)
{
	struct bg_account *a;

	HASH_FIND(hh, bg->accounts, &id, sizeof id, a);
	return a;
}

void
background_set_purge(struct background *bg, struct bg_account *a, bool on)
{
	bg->purges += (size_t)on - (size_t)a->purge;
	a->purge = on;
}

void
background_set_collect(struct background *bg, struct bg_account *a, bool on)
{
	bg->collects += (size_t)on - (size_t)a->collect;
	a->collect = on;
}

void
background_look_again(struct background *bg)
{
	struct bg_account *a, *tmp;

	bg->wakes++;
	HASH_ITER(hh, bg->accounts, a, tmp)
	{
		if (a->passed)
			background_set_collect(bg, a, true);
		a->passed = false;
	}
	while (bg->passed != NULL) {
		struct settling *s = bg->passed;

		bg->passed = s->next;
		s->next = NULL;
		*bg->settling_tail = s;
		bg->settling_tail = &s->next;
	}
}

/* ---- requests; any thread ---- */

void
background_wake(struct store *store, unsigned jobs)
{
	struct background *bg = &store->bg;

	pthread_mutex_lock(&bg->mutex);
	if ((jobs & BG_COLLECT) != 0)
		background_look_again(bg);
	bg->dropped |= (jobs & BG_DROPPED) != 0;
	bg->intents |= (jobs & BG_INTENTS) != 0;
	bg->evict |= (jobs & BG_EVICT) != 0;
	bg->ids |= (jobs & BG_IDS) != 0;
	pthread_cond_signal(&bg->wake);
	pthread_mutex_unlock(&bg->mutex);
}

void
background_account(struct store *store, uint64_t account, unsigned jobs)
{
	struct background *bg = &store->bg;
	struct bg_account *a;

	pthread_mutex_lock(&bg->mutex);
	a = background_account_of(bg, account);
	if (a == NULL) {
		a = mem_zalloc(sizeof *a);
		a->id = account;
		HASH_ADD(hh, bg->accounts, id, sizeof a->id, a);
	}
	if ((jobs & BG_PURGE) != 0)
		background_set_purge(bg, a, true);
	if ((jobs & BG_COLLECT) != 0)
		background_set_collect(bg, a, true);
	pthread_cond_signal(&bg->wake);
	pthread_mutex_unlock(&bg->mutex);
}

void
background_settle(struct store *store, uint64_t blob, uint64_t account)
{
	struct background *bg = &store->bg;
	struct settling *s = mem_zalloc(sizeof *s);

	s->blob = blob;
	s->account = account;
	pthread_mutex_lock(&bg->mutex);
	*bg->settling_tail = s;
	bg->settling_tail = &s->next;
	pthread_cond_signal(&bg->wake);
	pthread_mutex_unlock(&bg->mutex);
}

void
background_fold(struct store *store, struct store_mailbox *mailbox_take)
{
	struct background *bg = &store->bg;
	struct fold_job *job = mem_zalloc(sizeof *job);

	job->mailbox = mailbox_take;
	pthread_mutex_lock(&bg->mutex);
	*bg->folds_tail = job;
	bg->folds_tail = &job->next;
	pthread_cond_signal(&bg->wake);
	pthread_mutex_unlock(&bg->mutex);
}

void
background_compact(struct store *store, struct compact_job *job)
{
	struct background *bg = &store->bg;

	job->next = NULL;
	pthread_mutex_lock(&bg->mutex);
	*bg->compacts_tail = job;
	bg->compacts_tail = &job->next;
	pthread_cond_signal(&bg->wake);
	pthread_mutex_unlock(&bg->mutex);
}

void
background_drop_blob(struct store *store, uint64_t blob, uint64_t account)
{
	struct blob_drop *drop = mem_zalloc(sizeof *drop);

	drop->blob = blob;
	drop->account = account;
	pthread_mutex_lock(&store->bg.mutex);
	drop->next = store->bg.drops;
	store->bg.drops = drop;
	pthread_cond_signal(&store->bg.wake);
	pthread_mutex_unlock(&store->bg.mutex);
}
