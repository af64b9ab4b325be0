/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accounts in memory: finding and loading.  Their lists are in account_list.c, and account_read.c
 * reads them from disk.
 */
#include "base/mem.h"
#include "store/memory/memory_int.h"

/* Uses bits that the shard's table does not use (HASH_FUNCTION): all names of a shard agree in
 * these, and would share a bucket. */
static struct shard *
shard_of(struct store *store, struct str name)
{
	return &store->shard[(XXH3_64bits(name.p, name.n) >> 32) % SHARDS];
}

struct store_account *
store_account_find(struct store *store, struct str name)
{
	struct shard *shard = shard_of(store, name);
	struct store_account *a = NULL;

	pthread_mutex_lock(&shard->mutex);
	HASH_FIND(hh, shard->accounts, name.p, name.n, a);
	if (a != NULL)
		atomic_fetch_add(&a->refs, 1);
	pthread_mutex_unlock(&shard->mutex);
	return a;
}

enum ts_err
account_id(struct store *store, struct str name, uint64_t *id_r)
{
	struct key k;
	struct buf b = {0};
	struct str body = STR_NONE;

	key_begin(&k, 0, KEY_NAME);
	key_bytes(&k, name);

	enum ts_err err = store_get(store, &k, &b, &body);
	struct rd r = rd_of(body);

	if (err == TS_OK) {
		*id_r = rd_le64(&r);
		if (r.bad || *id_r == 0)
			err = TS_FAIL(
			    TS_DAMAGED, "store: the id of account %.*s is damaged", STR_ARG(name));
	}
	buf_fini(&b);
	return err;
}

static bool
account_has_keys(struct store *store, uint64_t id)
{
	uint64_t next = 0;

	return account_next(store, id - 1, &next) != TS_NOT_FOUND && next <= id;
}

/* Needs shard.load. */
static enum ts_err
load_account(struct store *store, struct str name, struct store_account **account_r)
{
	uint64_t id = 0;
	enum ts_err err = account_id(store, name, &id);

	if (err != TS_OK)
		return err;

	struct store_account *a = account_new(store, id, name);

	err = account_recover(a);
	if (err == TS_OK)
		err = account_read(a);
	/* Its name exists without rows: they are to come, or a crash came in between.  So it is not
	 * made yet.  All rows appear at once; if that was between these two reads, the second one
	 * finds them. */
	if (err == TS_DAMAGED)
		err = account_has_keys(store, id) ? account_read(a) : TS_NOT_FOUND;
	if (err != TS_OK) {
		account_free(a);
		return err;
	}

	struct shard *shard = shard_of(store, name);

	atomic_store(&a->refs, 1);
	pthread_mutex_lock(&shard->mutex);
	HASH_ADD_KEYPTR(hh, shard->accounts, a->name.p, a->name.n, a);
	quota_ask_source(a);
	pthread_mutex_unlock(&shard->mutex);
	*account_r = a;
	return TS_OK;
}

enum ts_err
account_find_or_load(struct store *store, struct str name, struct store_account **account_r)
{
	struct shard *shard = shard_of(store, name);
	enum ts_err err = TS_OK;

	pthread_mutex_lock(&shard->load);
	*account_r = store_account_find(store, name);
	if (*account_r == NULL)
		err = load_account(store, name, account_r);
	pthread_mutex_unlock(&shard->load);
	return err;
}

void
account_publish_gone(struct store_account *a)
{
	struct shard *shard = shard_of(a->store, a->name);

	pthread_mutex_lock(&shard->mutex);
	HASH_DEL(shard->accounts, a);
	/* Nobody can find it any more; the batch holds a reference. */
	atomic_fetch_or(&a->refs, REFS_GONE);
	atomic_store(&a->gone, true);
	pthread_mutex_unlock(&shard->mutex);
	pthread_rwlock_rdlock(&a->lock);
	for (size_t i = 0; i < a->entry_count; i++)
		if (a->entry[i]->pub != NULL)
			atomic_store(&a->entry[i]->pub->gone, true);
	for (size_t i = 0; i < a->entry_count; i++)
		if (a->entry[i]->pub != NULL)
			holds_keep_all(a->entry[i]->pub);
	pthread_rwlock_unlock(&a->lock);
	atomic_fetch_add(&a->list_version, 1);
}
