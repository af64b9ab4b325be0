/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The highest part of the store: opening and closing it.  The other parts are started here, from
 * the lowest up, and ended in reverse order.
 */
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/upkeep/upkeep_int.h"

void
store_options_default(struct store_options *opt)
{
	*opt = (struct store_options){
	    .lanes = 2,
	    .state_budget = (uint64_t)256 << 20,
	    .blob_threshold = 128 << 10,
	    .copy_memory = (uint64_t)512 << 20,
	    .held_bytes = (uint64_t)4 << 30,
	    .mail = MAIL_LIMITS_DEFAULT,
	    .max_keywords = 128,
	    .keyword_bytes = 255,
	    .max_mailboxes = 20000,
	    .max_properties = 256,
	    .property_bytes = 64 << 10,
	    .property_total = 1 << 20,
	    .fold_after = 512,
	    .expunge_keep = 1000,
	};
	opt->engine_options.cache_bytes = (uint64_t)128 << 20;
	opt->engine_options.write_buffer_bytes = (uint64_t)32 << 20;
	opt->engine_options.free_space_mark = (uint64_t)128 << 20;
}

/* ---- format version ---- */

static enum ts_err
rewrite_version(struct store *store)
{
	struct engine_batch *batch = engine_batch_new();

	store_put_version(batch);

	enum ts_err err = engine_commit(store->engine, batch);

	engine_batch_free(&batch);
	return err;
}

static enum ts_err
create_format(struct store *store, char **text_r)
{
	struct key from, end;
	struct scan scan;
	struct str key, value;

	key_begin(&from, 0, 0);
	key_begin(&end, UINT64_MAX, 0xff);
	scan_begin_range(&scan, store, &from, &end);

	enum ts_err err = engine_iter_next(scan.iter, &key, &value);

	scan_end(&scan);
	if (err != TS_NOT_FOUND) {
		if (store->opt.salvage) {
			err = rewrite_version(store);
			return err == TS_OK ? migrate(store, KEYS_FORMAT, text_r) : err;
		}
		*text_r = mem_strdup("the store has contents, but no format version");
		return TS_DAMAGED;
	}
	if (store->opt.engine_options.read_only) {
		*text_r = mem_strdup("there is no store here");
		return TS_NOT_FOUND;
	}

	struct engine_batch *batch = engine_batch_new();
	struct ids first = {1, 1, 1};

	store_put_version(batch);
	store_ids_put(&first, batch);
	store_put_own_id(store, batch);
	err = engine_commit(store->engine, batch);
	engine_batch_free(&batch);
	return err;
}

static enum ts_err
check_format(struct store *store, char **text_r)
{
	struct key k;
	struct buf b = {0};
	struct str body = STR_NONE;

	key_begin(&k, 0, KEY_VERSION);

	enum ts_err err = store_get(store, &k, &b, &body);
	struct rd r = rd_of(body);
	uint32_t version = err == TS_OK ? rd_le32(&r) : 0;

	buf_fini(&b);
	if (err == TS_NOT_FOUND)
		return create_format(store, text_r);
	/* If it was in an older format, the old rows would be found in their places. */
	if (err == TS_DAMAGED && store->opt.salvage) {
		err = rewrite_version(store);
		return err == TS_OK ? migrate(store, KEYS_FORMAT, text_r) : err;
	}
	if (err != TS_OK || r.bad) {
		*text_r = mem_strdup("the record of the store's format version is damaged");
		return TS_DAMAGED;
	}
	if (version <= KEYS_FORMAT)
		return migrate(store, version, text_r);
	if (asprintf(text_r,
	        "the store has format version %u, this program knows version %u: use a newer "
	        "program",
	        version, KEYS_FORMAT) < 0)
		*text_r = NULL;
	return TS_INVALID;
}

/* ---- opening ---- */

static void
init_locks(struct store *store)
{
	for (unsigned i = 0; i < SHARDS; i++) {
		pthread_mutex_init(&store->shard[i].load, NULL);
		pthread_mutex_init(&store->shard[i].mutex, NULL);
	}
	pthread_mutex_init(&store->ids_mutex, NULL);
	pthread_mutex_init(&store->lease_mutex, NULL);
	pthread_mutex_init(&store->shared_mutex, NULL);
	pthread_mutex_init(&store->held_mutex, NULL);
	list_init(&store->shared);
	pthread_mutex_init(&store->rename_mutex, NULL);
	pthread_mutex_init(&store->reopen_mutex, NULL);
	pthread_mutex_init(&store->transfers, NULL);
	list_init(&store->transfer_list);
	pthread_rwlock_init(&store->quota_lock, NULL);
}

static void
fini_locks(struct store *store)
{
	for (unsigned i = 0; i < SHARDS; i++) {
		pthread_mutex_destroy(&store->shard[i].load);
		pthread_mutex_destroy(&store->shard[i].mutex);
	}
	pthread_mutex_destroy(&store->ids_mutex);
	pthread_mutex_destroy(&store->lease_mutex);
	pthread_mutex_destroy(&store->shared_mutex);
	pthread_mutex_destroy(&store->held_mutex);
	pthread_mutex_destroy(&store->rename_mutex);
	pthread_mutex_destroy(&store->reopen_mutex);
	pthread_mutex_destroy(&store->transfers);
	pthread_rwlock_destroy(&store->quota_lock);
}

static void
keep_defaults(struct store *store)
{
	size_t n = store->opt.default_count;
	struct store_default *own = mem_zalloc((n + 1) * sizeof(*own));

	TS_ASSERT(n < store->opt.max_mailboxes);
	for (size_t i = 0; i < n; i++) {
		const struct store_default *d = &store->opt.defaults[i];

		TS_ASSERT(mailbox_name_ok(d->name));
		own[i] = (struct store_default){{mem_dup(d->name.p, d->name.n), d->name.n}, d->use};
	}
	store->opt.defaults = own;
}

static void
store_free(struct store **storep)
{
	struct store *store = *storep;

	for (size_t i = 0; i < store->opt.default_count; i++)
		mem_free((void *)(uintptr_t)store->opt.defaults[i].name.p);
	mem_free((void *)(uintptr_t)store->opt.defaults);
	mem_free(store);
	*storep = NULL;
}

enum ts_err
store_open(const struct store_options *opt, struct store **store_r, char **text_r)
{
	struct store *store = mem_zalloc(sizeof *store);
	char *text = NULL;

	*text_r = NULL;
	store->opt = *opt;
	if (store->opt.max_keywords > STORE_KEYWORDS_MAX)
		store->opt.max_keywords = STORE_KEYWORDS_MAX;

	keep_defaults(store);

	struct engine_options engine = opt->engine_options;
	enum ts_err err;

	engine.whole = value_whole;
	err = engine_open(opt->engine, &engine, &store->engine, &text);

	if (err != TS_OK) {
		*text_r = text;
		store_free(&store);
		return err;
	}
	init_locks(store);
	err = check_format(store, &text);
	if (err == TS_OK)
		err = store_ids_load(store);
	if (err == TS_OK)
		err = store_own_id_load(store);
	if (err == TS_OK)
		err = shares_open(store);
	if (err != TS_OK) {
		*text_r =
		    text != NULL ? text : mem_strdup("the store's own records cannot be read");
		engine_close(&store->engine);
		fini_locks(store);
		store_free(&store);
		return err;
	}
	lanes_start(store);
	copier_start(store);
	background_start(store);
	/* So that nobody waits for the first ids; the background retries what fails now. */
	if (!opt->engine_options.read_only)
		(void)store_ids_renew(store);
	if (!opt->engine_options.read_only && claims_recover(store) != TS_OK)
		log_msg(LOG_ERROR, NULL, "store: claims of the last run cannot all be read");
	/* A move that a crash cut in two is finished before anybody can look. */
	if (!opt->engine_options.read_only && cross_recover(store) != TS_OK)
		log_msg(LOG_ERROR, NULL, "store: a move between accounts is not finished yet");
	*store_r = store;
	*text_r = text;
	return TS_OK;
}

void
store_close(struct store **storep)
{
	struct store *store = *storep;

	*storep = NULL;
	if (store == NULL)
		return;
	copier_stop(store);
	background_stop(store);
	lanes_stop(store);
	background_fini(store);
	copier_fini(store);
	accounts_free_all(store);
	engine_close(&store->engine);
	fini_locks(store);
	store_free(&store);
}
