/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ids of accounts, blobs and transfers.  They are leased ahead, so taking one never waits.  What is
 * left of a lease at the end is never used.
 */
#include "base/log.h"
#include "store/core/core_int.h"

/* Ids that one commit makes usable. */
#define LEASE_ACCOUNTS 4096
#define LEASE_BLOBS ((uint64_t)1 << 20)
#define LEASE_INTENTS 65536

void
store_ids_put(const struct ids *ids, struct engine_batch *batch)
{
	struct key k;
	struct buf b = {0};

	key_begin(&k, 0, KEY_IDS);
	value_begin(&b);
	buf_le64(&b, ids->account);
	buf_le64(&b, ids->blob);
	buf_le64(&b, ids->intent);
	batch_put_value(batch, &k, &b);
	buf_fini(&b);
}

/* Returns whether half of a lease or more is used. */
static bool
lease_is_low(const struct store *store)
{
	const struct ids *next = &store->next, *durable = &store->durable;

	return next->account + LEASE_ACCOUNTS / 2 > durable->account ||
	       next->blob + LEASE_BLOBS / 2 > durable->blob ||
	       next->intent + LEASE_INTENTS / 2 > durable->intent;
}

enum ts_err
store_ids_renew(struct store *store)
{
	struct engine_batch *batch = engine_batch_new();
	struct ids ids;
	enum ts_err err = TS_OK;
	bool low;

	pthread_mutex_lock(&store->lease_mutex);
	pthread_mutex_lock(&store->ids_mutex);
	low = lease_is_low(store);
	ids = (struct ids){store->next.account + LEASE_ACCOUNTS, store->next.blob + LEASE_BLOBS,
	    store->next.intent + LEASE_INTENTS};
	pthread_mutex_unlock(&store->ids_mutex);
	if (low) {
		store_ids_put(&ids, batch);
		err = store_commit(store, batch);
		pthread_mutex_lock(&store->ids_mutex);
		if (err == TS_OK)
			store->durable = ids;
		store->ids_err = err;
		pthread_mutex_unlock(&store->ids_mutex);
	}
	pthread_mutex_unlock(&store->lease_mutex);
	engine_batch_free(&batch);
	return err;
}

uint64_t
store_id_take(struct store *store, enum store_id which)
{
	uint64_t *next = &store->next.account, *durable = &store->durable.account, id = 0;
	bool low;

	if (which == ID_BLOB) {
		next = &store->next.blob;
		durable = &store->durable.blob;
	} else if (which == ID_INTENT) {
		next = &store->next.intent;
		durable = &store->durable.intent;
	}
	pthread_mutex_lock(&store->ids_mutex);
	if (*next < *durable)
		id = (*next)++;
	low = lease_is_low(store) && !store->ids_asked;
	store->ids_asked |= low;
	pthread_mutex_unlock(&store->ids_mutex);
	if (low)
		background_wake(store, BG_IDS);
	return id;
}

uint64_t
store_id_new(struct store *store, enum store_id which)
{
	uint64_t id = store_id_take(store, which);

	if (id == 0 && store_ids_renew(store) == TS_OK)
		id = store_id_take(store, which);
	return id;
}

enum ts_err
store_id_err(struct store *store)
{
	enum ts_err err;

	pthread_mutex_lock(&store->ids_mutex);
	err = store->ids_err;
	pthread_mutex_unlock(&store->ids_mutex);
	return err == TS_FULL ? TS_FULL : TS_UNAVAILABLE;
}

/* Ids count up from 1; higher ones were never given. */
#define ID_MOST (STORE_BLOB_IDS - 1)

static void
note_id(uint64_t id, uint64_t *top)
{
	if (id > *top && id <= ID_MOST)
		*top = id;
}

static void
note_file(uint64_t blob, void *arg)
{
	note_id(blob & ~STORE_BLOB_MARKS, arg);
}

/* Finds the highest blob of each kind (its marks) that the account refers to; for account 0, that
 * has a holder. */
static void
note_references(struct store *store, uint64_t account, uint64_t *top)
{
	for (uint64_t marks = 0; marks < 4; marks++) {
		struct key from, end;
		struct str key, value;
		struct engine_iter *it;

		key_begin(&from, account, KEY_REF);
		key_be64(&from, marks * STORE_BLOB_IDS);
		key_begin(&end, account, KEY_REF);
		key_be64(&end, marks < 3 ? (marks + 1) * STORE_BLOB_IDS : UINT64_MAX);
		it = engine_iter_new(store->engine, key_str(&from), key_str(&end), true);
		if (engine_iter_next(it, &key, &value) == TS_OK && key.n >= 17) {
			struct rd r = rd_of((struct str){key.p + 9, key.n - 9});

			note_file(rd_be64(&r), top);
		}
		engine_iter_free(&it);
	}
}

/* Starts a whole lease above everything in use, so that ids given but not found stay unused too. */
static void
derive_ids(struct store *store)
{
	uint64_t account = 0, blob = 0;
	uint64_t id = 0;

	note_references(store, 0, &blob);
	while (account_next(store, id, &id) == TS_OK) {
		note_references(store, id, &blob);
		note_id(id, &account);
	}
	(void)engine_blob_files(store->engine, note_file, &blob);
	(void)engine_blob_each(store->engine, note_file, &blob);
	(void)engine_blob_each_stray(store->engine, note_file, &blob);
	store->next = (struct ids){
	    account + LEASE_ACCOUNTS, blob + 2 * LEASE_BLOBS, (uint64_t)store_wall(store) << 20};
	log_msg(LOG_WARNING, NULL, "store: the record of ids is derived from what is in use");
}

static uint64_t
higher(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* The record is lost, or as old as what is left of the log, and no id may be given twice. */
static enum ts_err
renew_ids(struct store *store)
{
	struct engine_batch *batch = engine_batch_new();
	struct ids had = store->next;
	enum ts_err err;

	if (had.account > ID_MOST || had.blob > ID_MOST || had.intent > ID_MOST)
		had = (struct ids){0};
	derive_ids(store);
	store->next.account = higher(store->next.account, had.account + LEASE_ACCOUNTS);
	store->next.blob = higher(store->next.blob, had.blob + LEASE_BLOBS);
	store->next.intent = higher(store->next.intent, had.intent + LEASE_INTENTS);
	store_ids_put(&store->next, batch);
	err = engine_commit(store->engine, batch);
	engine_batch_free(&batch);
	return err;
}

enum ts_err
store_ids_load(struct store *store)
{
	struct key k;
	struct buf b = {0};
	struct str body = STR_NONE;

	key_begin(&k, 0, KEY_IDS);

	enum ts_err err = store_get(store, &k, &b, &body);
	struct rd r = rd_of(body);

	if (err == TS_OK) {
		store->next.account = rd_le64(&r);
		store->next.blob = rd_le64(&r);
		store->next.intent = rd_le64(&r);
		if (r.bad || rd_left(&r) > 0 || store->next.account > ID_MOST ||
		    store->next.blob > ID_MOST || store->next.intent > ID_MOST)
			err = TS_FAIL(TS_DAMAGED, "store: the record of ids has another form");
	}
	if ((err != TS_OK && err != TS_IO && store->opt.salvage) ||
	    (err == TS_OK && !store->opt.engine_options.read_only &&
	        engine_recovered(store->engine)))
		err = renew_ids(store);
	store->durable = store->next;
	store->bg.orphan_limit = store->next.blob;
	buf_fini(&b);
	return err;
}
