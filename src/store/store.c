/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing a store, its format version, ids, scans, server-wide records. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/store_int.h"

/* How many ids are made usable by one commit; what is left of them at the end is never used. */
#define LEASE_ACCOUNTS 4096
#define LEASE_BLOBS ((uint64_t)1 << 20)
#define LEASE_INTENTS 65536

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

int64_t
store_wall(const struct store *store)
{
	return store->opt.wall != NULL ? store->opt.wall() : clock_wall_s();
}

/* ---- scans ---- */

void
scan_begin_range(
    struct scan *scan, struct store *store, const struct key *from, const struct key *end)
{
	scan->iter = engine_iter_new(store->engine, key_str(from), key_str(end), false);
}

void
scan_begin(struct scan *scan, struct store *store, const struct key *prefix)
{
	struct key end = *prefix;

	key_after(&end);
	scan_begin_range(scan, store, prefix, &end);
}

enum ts_err
scan_next(struct scan *scan)
{
	struct str value = STR_NONE;
	enum ts_err err = engine_iter_next(scan->iter, &scan->key, &value);

	if (err != TS_OK)
		scan->key = scan->body = STR_NONE;
	else if (!value_open(scan->key, value, &scan->body))
		err = TS_DAMAGED;
	return err;
}

void
scan_end(struct scan *scan)
{
	engine_iter_free(&scan->iter);
}

enum ts_err
store_get(struct store *store, const struct key *k, struct buf *value, struct str *body_r)
{
	value->n = 0;

	enum ts_err err = engine_get(store->engine, key_str(k), value);

	if (err == TS_OK && !value_open(key_str(k), buf_as_str(value), body_r))
		err = TS_FAIL(
		    TS_DAMAGED, "store: a value of kind '%c' has a wrong checksum", k->p[8]);
	return err;
}

/* ---- ids ---- */

static void
put_ids(const struct ids *ids, struct engine_batch *batch)
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

/* Half of a lease, or more, is given. */
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
		put_ids(&ids, batch);
		err = background_commit(store, batch);
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

/* Ids are counted from 1 on: a higher one was never given. */
#define ID_MOST ((uint64_t)1 << 62)

static void
note_id(uint64_t id, uint64_t *top)
{
	if (id > *top && id <= ID_MOST)
		*top = id;
}

static void
note_file(uint64_t blob, void *arg)
{
	note_id(blob & ~STORE_BLOB_FILE, arg);
}

/* The highest blob that the account refers to, of the small ones and of the large ones; account 0:
 * that has a holder. */
static void
note_references(struct store *store, uint64_t account, uint64_t *top)
{
	for (unsigned large = 0; large < 2; large++) {
		struct key from, end;
		struct str key, value;
		struct engine_iter *it;

		key_begin(&from, account, KEY_REF);
		key_be64(&from, large == 0 ? 0 : STORE_BLOB_FILE);
		key_begin(&end, account, KEY_REF);
		key_be64(&end, large == 0 ? STORE_BLOB_FILE : UINT64_MAX);
		it = engine_iter_new(store->engine, key_str(&from), key_str(&end), true);
		if (engine_iter_next(it, &key, &value) == TS_OK && key.n >= 17) {
			struct rd r = rd_of((struct str){key.p + 9, key.n - 9});

			note_file(rd_be64(&r), top);
		}
		engine_iter_free(&it);
	}
}

/* Above everything that is in use, and by a whole lease: what was given and is not there stays
 * unused, too. */
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

/* The record is lost, or as old as what is left of the log: an id must not be given twice. */
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
	put_ids(&store->next, batch);
	err = engine_commit(store->engine, batch);
	engine_batch_free(&batch);
	return err;
}

static enum ts_err
load_ids(struct store *store)
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

/* ---- the store's own id ---- */

void
store_put_own_id(struct store *store, struct engine_batch *batch)
{
	struct key k;
	struct buf b = {0};

	if (store->opt.own_id != NULL)
		memcpy(store->own_id, store->opt.own_id, sizeof store->own_id);
	else
		random_bytes(store->own_id, sizeof store->own_id);
	key_begin(&k, 0, KEY_OWN_ID);
	value_begin(&b);
	buf_put(&b, store->own_id, sizeof store->own_id);
	batch_put_value(batch, &k, &b);
	buf_fini(&b);
}

static enum ts_err
renew_own_id(struct store *store)
{
	struct engine_batch *batch = engine_batch_new();
	enum ts_err err;

	store_put_own_id(store, batch);
	err = engine_commit(store->engine, batch);
	engine_batch_free(&batch);
	return err;
}

static enum ts_err
load_own_id(struct store *store)
{
	struct key k;
	struct buf b = {0};
	struct str body = STR_NONE;

	key_begin(&k, 0, KEY_OWN_ID);

	enum ts_err err = store_get(store, &k, &b, &body);

	if (err == TS_OK && body.n != sizeof store->own_id)
		err = TS_FAIL(TS_DAMAGED, "store: its own id has another form");
	if (err == TS_OK)
		memcpy(store->own_id, body.p, body.n);
	else if (err != TS_IO && store->opt.salvage)
		err = renew_own_id(store);
	buf_fini(&b);
	return err;
}

struct str
store_own_id(const struct store *store)
{
	return (struct str){store->own_id, sizeof store->own_id};
}

/* ---- format version ---- */

void
store_put_version(struct engine_batch *batch)
{
	struct key k;
	struct buf b = {0};

	key_begin(&k, 0, KEY_VERSION);
	value_begin(&b);
	buf_le32(&b, KEYS_FORMAT);
	buf_puts(&b, "Turnstone mail store");
	batch_put_value(batch, &k, &b);
	buf_fini(&b);
}

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
	put_ids(&first, batch);
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
	/* Had it been in an older format, the rows of that one would be found where they are. */
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
		err = load_ids(store);
	if (err == TS_OK)
		err = load_own_id(store);
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
	/* So that nobody waits for the first ones; what fails now is tried again in the background.
	 */
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

static void
free_accounts(struct store *store)
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

const struct store_options *
store_options_of(const struct store *store)
{
	return &store->opt;
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
	free_accounts(store);
	engine_close(&store->engine);
	fini_locks(store);
	store_free(&store);
}

enum ts_err
store_reopen(struct store *store, uint64_t generation)
{
	enum ts_err err = TS_OK;

	pthread_mutex_lock(&store->reopen_mutex);
	if (atomic_load(&store->generation) == generation) {
		char *text = NULL;

		err = engine_reopen(store->engine, &text);
		if (err == TS_OK)
			atomic_fetch_add(&store->generation, 1);
		if (err == TS_OK)
			log_msg(LOG_WARNING, NULL,
			    "store: the engine was reopened after a failed write: it works "
			    "again%s%s",
			    text != NULL ? ": " : "", text != NULL ? text : "");
		else if (text != NULL) /* else it was tried a moment ago */
			log_msg(LOG_ERROR, NULL,
			    "store: the engine cannot be reopened after a failed write: %s: %s",
			    ts_err_name(err), text);
		free(text);
	}
	pthread_mutex_unlock(&store->reopen_mutex);
	return err;
}

/* ---- reading ---- */

/* The text behind the first n bytes of a row, of which it must be whole. */
static void
row_text(struct store *store, const struct key *k, size_t n, struct buf *out)
{
	struct buf b = {0};
	struct str body = STR_NONE;

	if (store_get(store, k, &b, &body) == TS_OK && body.n > n)
		buf_put(out, body.p + n, body.n - n);
	buf_fini(&b);
}

/* The place of a message in the account that refers to the blob. */
static bool
find_reference(
    struct store *store, uint64_t account, uint64_t blob, uint32_t *mailbox_r, uint32_t *uid_r)
{
	struct key k;
	struct scan scan;
	bool found;

	key_begin(&k, account, KEY_REF);
	key_be64(&k, blob);
	scan_begin(&scan, store, &k);
	found = scan_next(&scan) == TS_OK && scan.key.n == 25;
	if (found) {
		struct rd r = rd_of((struct str){scan.key.p + 17, 8});

		*mailbox_r = rd_be32(&r);
		*uid_r = rd_be32(&r);
	}
	scan_end(&scan);
	return found;
}

/*
 * Bytes that cannot be read: whose message is it?  The engine knows ids only, and a reference is
 * under its account: that is a look into each, which damage is worth.  Without a reference it was
 * expunged meanwhile, and that is no damage.
 */
static void
tell_whose(struct store *store, uint64_t blob, enum ts_err why)
{
	struct buf account_name = {0}, mailbox_name = {0};
	uint32_t mailbox = 0, uid = 0;
	uint64_t account = 0;
	bool found = false;
	struct key k;

	while (!found && account_next(store, account, &account) == TS_OK)
		found = find_reference(store, account, blob, &mailbox, &uid);
	if (!found)
		return;
	key_begin(&k, account, KEY_ACCOUNT);
	row_text(store, &k, 16, &account_name);
	key_begin(&k, account, KEY_INFO);
	key_be32(&k, mailbox);
	row_text(store, &k, 16, &mailbox_name);
	log_msg(LOG_ERROR, NULL,
	    "the bytes of a message are %s: user %s, mailbox %s (number %u), UID %u, blob "
	    "%016llx; see turnstone check",
	    why == TS_NOT_FOUND ? "gone" : "damaged", buf_cstr(&account_name),
	    buf_cstr(&mailbox_name), mailbox, uid, (unsigned long long)blob);
	buf_fini(&account_name);
	buf_fini(&mailbox_name);
}

enum ts_err
store_read_blob(struct store *store, uint64_t blob, uint64_t off, uint64_t len, struct buf *out)
{
	enum ts_err err = engine_blob_read(store->engine, blob, off, len, out);

	if (err == TS_NOT_FOUND || err == TS_DAMAGED)
		tell_whose(store, blob, err);
	return err;
}

enum ts_err
store_record_get(struct store *store, struct str key, struct buf *value)
{
	struct key k;
	struct buf b = {0};
	struct str body = STR_NONE;

	if (key.n > STORE_NAME_MAX)
		return TS_NOT_FOUND;
	key_begin(&k, 0, KEY_RECORD);
	key_bytes(&k, key);

	enum ts_err err = store_get(store, &k, &b, &body);

	if (err == TS_OK)
		buf_str(value, body);
	buf_fini(&b);
	return err;
}

enum ts_err
store_record_list(struct store *store, struct str prefix,
    bool (*fn)(struct str key, struct str value, void *arg), void *arg)
{
	struct key k;
	struct scan scan;
	enum ts_err err;

	if (prefix.n > STORE_NAME_MAX)
		return TS_OK;
	key_begin(&k, 0, KEY_RECORD);
	key_bytes(&k, prefix);
	scan_begin(&scan, store, &k);
	while ((err = scan_next(&scan)) == TS_OK)
		if (!fn((struct str){scan.key.p + 9, scan.key.n - 9}, scan.body, arg))
			break;
	scan_end(&scan);
	return err == TS_NOT_FOUND ? TS_OK : err;
}

void
store_refused_space(const struct store *store, struct engine_space *space_r)
{
	engine_space(store->engine, space_r);
}

void
store_stats(struct store *store, struct store_stats *s)
{
	*s = (struct store_stats){
	    .accounts_loaded = atomic_load(&store->accounts_loaded),
	    .mailboxes_loaded = atomic_load(&store->mailboxes_loaded),
	    .state_bytes = atomic_load(&store->state_bytes),
	    .watches = atomic_load(&store->watches),
	    .changes_pending = atomic_load(&store->pending),
	    .changes = atomic_load(&store->changes),
	    .batches = atomic_load(&store->batches),
	    .batch_max = atomic_load(&store->batch_max),
	    .holds = atomic_load(&store->holds),
	    .held_messages = atomic_load(&store->held_messages),
	    .held_bytes = atomic_load(&store->held_bytes),
	    .held_refused = atomic_load(&store->held_refused),
	    .lanes = store->lane_count,
	    .batch_sizes.sum = atomic_load(&store->batch_changes),
	    .flush_ns.sum = atomic_load(&store->flush_ns),
	};
	for (size_t i = 0; i <= STORE_CLASSES; i++) {
		s->batch_sizes.n[i] = atomic_load(&store->batch_sizes[i]);
		s->flush_ns.n[i] = atomic_load(&store->flush_times[i]);
	}
	engine_stats(store->engine, &s->engine);
}

void
store_pace(const struct store *store, uint64_t *batches_r, uint64_t *changes_r, uint64_t *ns_r)
{
	*batches_r = atomic_load(&store->batches);
	*changes_r = atomic_load(&store->batch_changes);
	*ns_r = atomic_load(&store->flush_ns);
}

uint64_t
store_state_bytes(const struct store *store)
{
	return atomic_load(&store->state_bytes);
}
