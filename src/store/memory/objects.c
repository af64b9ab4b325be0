/* SPDX-License-Identifier: Apache-2.0 */
/* Accounts and mailboxes as objects in memory: made, reference counted, freed. */
#include "base/clock.h"
#include "base/mem.h"
#include "store/memory/memory_int.h"

struct entry *
account_entry_new(struct str name)
{
	struct entry *e = mem_zalloc(sizeof *e);

	e->name = mem_dup(name.p, name.n);
	e->n = name.n;
	return e;
}

void
account_entry_free(struct entry *e)
{
	mem_free(e->name);
	mem_free(e);
}

struct store_mailbox *
mailbox_new(struct store_account *account, uint32_t id)
{
	struct store_mailbox *mb = mem_zalloc(sizeof *mb);
	pthread_rwlockattr_t attr;

	mb->account = account;
	mb->id = id;
	pthread_rwlockattr_init(&attr);
	/* Readers hold it for microseconds; a change must not wait for a stream of them. */
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&mb->lock, &attr);
	pthread_rwlockattr_destroy(&attr);
	pthread_mutex_init(&mb->holds_mutex, NULL);
	list_init(&mb->holds);
	quota_init_mailbox(mb);
	return mb;
}

void
mailbox_drop_state(struct store_mailbox *mb)
{
	struct store *store = mb->account->store;

	if (mb->state != NULL)
		atomic_fetch_sub(&store->mailboxes_loaded, 1);
	own_detach(mb);
	state_free(&mb->state);
	store_keywords_unref(&mb->head.keywords);
	atomic_fetch_sub(&store->state_bytes, mb->counted);
	mb->counted = 0;
}

void
mailbox_free(struct store_mailbox *mb)
{
	mailbox_drop_state(mb);
	store_properties_unref(&mb->properties);
	store_properties_unref(&mb->head_properties);
	pthread_rwlock_destroy(&mb->lock);
	TS_ASSERT(list_empty(&mb->holds) && mb->kept == NULL);
	pthread_mutex_destroy(&mb->holds_mutex);
	mem_free(mb);
}

struct store_account *
account_new(struct store *store, uint64_t id, struct str name)
{
	struct store_account *a = mem_zalloc(sizeof *a);
	pthread_rwlockattr_t attr;

	a->store = store;
	a->id = id;
	a->name = (struct str){mem_dup(name.p, name.n), name.n};
	a->next_mailbox = 1;
	atomic_store(&a->list_version, 1);
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&a->lock, &attr);
	pthread_rwlockattr_destroy(&attr);
	pthread_mutex_init(&a->load, NULL);
	pthread_mutex_init(&a->watches, NULL);
	pthread_mutex_init(&a->counting, NULL);
	pthread_mutex_init(&a->owns_mutex, NULL);
	list_init(&a->watch_list);
	change_queue_init(&a->changes);
	quota_init(a);
	atomic_fetch_add(&store->accounts_loaded, 1);
	return a;
}

void
account_free(struct store_account *a)
{
	for (size_t i = 0; i < a->entry_count; i++) {
		if (a->entry[i]->pub != NULL)
			mailbox_free(a->entry[i]->pub);
		account_entry_free(a->entry[i]);
	}
	mem_free(a->entry);
	store_properties_unref(&a->properties);
	store_properties_unref(&a->head_properties);
	pthread_rwlock_destroy(&a->lock);
	pthread_mutex_destroy(&a->load);
	pthread_mutex_destroy(&a->watches);
	pthread_mutex_destroy(&a->counting);
	TS_ASSERT(a->owns == NULL);
	own_claims_free(a);
	pthread_mutex_destroy(&a->owns_mutex);
	atomic_fetch_sub(&a->store->state_bytes, atomic_load(&a->counted));
	atomic_fetch_sub(&a->store->accounts_loaded, 1);
	mem_free((char *)(uintptr_t)a->name.p);
	mem_free(a);
}

struct store_account *
store_account_ref(struct store_account *a)
{
	atomic_fetch_add(&a->refs, 1);
	return a;
}

void
account_drop(struct store_account *a)
{
	if (atomic_fetch_sub(&a->refs, 1) == (REFS_GONE | 1))
		account_free(a);
}

void
store_account_unref(struct store_account **ap)
{
	struct store_account *a = *ap;

	*ap = NULL;
	if (a == NULL)
		return;
	atomic_store(&a->used, clock_mono_ms());
	/* Afterwards the background may free it at any time, unless it is gone. */
	account_drop(a);
}

uint64_t
store_account_id(const struct store_account *a)
{
	return a->id;
}

struct str
store_account_name(const struct store_account *a)
{
	return a->name;
}

struct store *
store_account_store(const struct store_account *a)
{
	return a->store;
}

struct store_mailbox *
store_mailbox_ref(struct store_mailbox *mb)
{
	atomic_fetch_add(&mb->account->refs, 1);
	atomic_fetch_add(&mb->refs, 1);
	return mb;
}

void
store_mailbox_unref(struct store_mailbox **mbp)
{
	struct store_mailbox *mb = *mbp;

	*mbp = NULL;
	if (mb == NULL)
		return;

	struct store_account *account = mb->account;

	atomic_store(&mb->used, clock_mono_ms());
	if (atomic_fetch_sub(&mb->refs, 1) == (REFS_GONE | 1))
		mailbox_free(mb);
	store_account_unref(&account);
}

/* Returns the least number of messages not known to have their rows. */
static uint64_t
without_rows(struct store_mailbox *mb, uint32_t upto)
{
	uint64_t n = 0;

	pthread_rwlock_rdlock(&mb->lock);
	if (mb->state != NULL)
		n = roaring_bitmap_get_cardinality(mb->state->uids) -
		    roaring_bitmap_rank(mb->state->uids, upto);
	pthread_rwlock_unlock(&mb->lock);
	return n;
}

void
mailbox_ask_compact(struct store_mailbox *mb, bool again)
{
	uint32_t upto = again ? 0 : atomic_load(&mb->compact_upto);
	struct compact_job *job;

	if (again) {
		atomic_fetch_add(&mb->compact_asked, 1);
		atomic_store(&mb->compact_upto, 0);
	}
	if (without_rows(mb, upto) < COMPACT_LEAST || atomic_exchange(&mb->compacting, true))
		return;
	job = mem_zalloc(sizeof *job);
	job->mailbox = store_mailbox_ref(mb);
	job->upto = upto;
	job->block = upto >> CHUNK_BITS;
	job->asked = atomic_load(&mb->compact_asked);
	job->deep = again;
	job->back = upto == 0 && !again;
	job->below = UINT32_MAX;
	background_compact(mb->account->store, job);
}

void
mailbox_ask_fold(struct store_mailbox *mb)
{
	if (!atomic_exchange(&mb->folding, true))
		background_fold(mb->account->store, store_mailbox_ref(mb));
}
