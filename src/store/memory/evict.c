/* SPDX-License-Identifier: Apache-2.0 */
/* Frees what nobody uses, oldest first, when memory exceeds the budget. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/memory/memory_int.h"

/* A scan of many accounts takes milliseconds, so do it at most once a second. */
void
account_ask_eviction(struct store *store)
{
	uint64_t now = clock_mono_ms(), last = atomic_load(&store->evicted_at);

	if (atomic_load(&store->state_bytes) <= store->opt.state_budget ||
	    (last != 0 && now < last + 1000))
		return;
	if (atomic_compare_exchange_strong(&store->evicted_at, &last, now))
		background_wake(store, BG_EVICT);
}

static uint64_t
idle_since(const struct store_mailbox *mb)
{
	return atomic_load((_Atomic uint64_t *)(uintptr_t)&mb->used);
}

struct idle { /* a state, or an account, that nobody uses */
	uint64_t used;
	size_t bytes;
};

struct idles {
	struct idle *one;
	size_t count, cap;
	uint64_t bytes;
	uint64_t before;     /* evict what was last used at or before this */
	struct shard *shard; /* of the account being looked at */
};

static void
add_idle(struct idles *idles, uint64_t used, size_t bytes)
{
	if (idles->count == idles->cap) {
		idles->cap = idles->cap > 0 ? idles->cap * 2 : 64;
		idles->one = mem_realloc(idles->one, idles->cap * sizeof *idles->one);
	}
	idles->one[idles->count++] = (struct idle){used, bytes};
	idles->bytes += bytes;
}

static void
find_idle(struct store_account *a, struct idles *idles)
{
	if (atomic_load(&a->refs) == 0)
		add_idle(idles, atomic_load(&a->used), atomic_load(&a->counted));
	pthread_rwlock_rdlock(&a->lock);
	for (size_t i = 0; i < a->entry_count; i++) {
		struct store_mailbox *mb = a->entry[i]->pub;

		if (mb == NULL || mb->state == NULL || atomic_load(&mb->refs) != 0)
			continue;
		add_idle(idles, idle_since(mb), mb->counted);
	}
	pthread_rwlock_unlock(&a->lock);
}

static void
evict_idle(struct store_account *a, struct idles *idles)
{
	pthread_rwlock_wrlock(&a->lock);
	for (size_t i = 0; i < a->entry_count; i++) {
		struct store_mailbox *mb = a->entry[i]->pub;

		/* New references need the lock: if there are none now, none will appear. */
		if (mb != NULL && mb->state != NULL && atomic_load(&mb->refs) == 0 &&
		    idle_since(mb) <= idles->before)
			mailbox_drop_state(mb);
	}
	pthread_rwlock_unlock(&a->lock);
}

static int
idle_order(const void *a, const void *b)
{
	const struct idle *x = a, *y = b;

	return x->used < y->used ? -1 : x->used > y->used;
}

static void
each_account(
    struct store *store, void (*fn)(struct store_account *, struct idles *), struct idles *idles)
{
	for (unsigned i = 0; i < SHARDS; i++) {
		struct store_account *a, *tmp;

		idles->shard = &store->shard[i];
		/* Held while fn runs, which takes microseconds for an ordinary account. */
		pthread_mutex_lock(&idles->shard->mutex);
		HASH_ITER(hh, idles->shard->accounts, a, tmp)
		fn(a, idles);
		pthread_mutex_unlock(&idles->shard->mutex);
	}
}

/* Evicts an account without users or loaded mailboxes.  Needs the shard's mutex. */
static void
evict_account(struct store_account *a, struct idles *idles)
{
	if (atomic_load(&a->refs) != 0 || atomic_load(&a->used) > idles->before)
		return;
	HASH_DEL(idles->shard->accounts, a);
	account_free(a);
}

void
account_evict(struct store *store)
{
	struct idles idles = {0};
	uint64_t gone = 0;

	each_account(store, find_idle, &idles);
	if (idles.bytes > store->opt.state_budget) {
		qsort(idles.one, idles.count, sizeof *idles.one, idle_order);
		/* A little below the budget, so that the next load does not trigger this again. */
		uint64_t keep = store->opt.state_budget - store->opt.state_budget / 8;

		for (size_t i = 0; i < idles.count && idles.bytes - gone > keep; i++) {
			gone += idles.one[i].bytes;
			idles.before = idles.one[i].used;
		}
		each_account(store, evict_idle, &idles);
		each_account(store, evict_account, &idles);
	}
	mem_free(idles.one);
}

void
accounts_free_all(struct store *store)
{
	for (unsigned i = 0; i < SHARDS; i++) {
		struct store_account *a, *tmp;

		HASH_ITER(hh, store->shard[i].accounts, a, tmp)
		{
			TS_ASSERT(atomic_load(&a->refs) == 0);
			/* The table goes with its last element, and then the loop ends.
			 * NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
			HASH_DEL(store->shard[i].accounts, a);
			account_free(a);
		}
	}
}
