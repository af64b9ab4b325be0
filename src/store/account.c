/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accounts in memory: finding, making, loading, eviction.  Their lists are in
 * account_list.c, and read from disk by account_read.c.
 */
#include <stdlib.h>
#include <xxhash.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/normal.h"
#include "store/store_int.h"

/* By bits that the shard's table does not take (HASH_FUNCTION): all names of a shard agree in
 * these, and would share a bucket. */
static struct shard *
shard_of(struct store *store, struct str name)
{
	return &store->shard[(XXH3_64bits(name.p, name.n) >> 32) % SHARDS];
}

bool
account_name_ok(struct str name)
{
	return name.n > 0 && name.n <= STORE_NAME_MAX && str_is_utf8(name) &&
	       memchr(name.p, 0, name.n) == NULL;
}

/* ---- finding and loading ---- */

static struct store_account *
account_new(struct store *store, uint64_t id, struct str name)
{
	struct store_account *a = mem_zalloc(sizeof *a);
	pthread_rwlockattr_t attr;

	a->store = store;
	a->id = id;
	a->lane = lane_of(store, id);
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
	list_init(&a->watch_list);
	change_queue_init(&a->changes);
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
	atomic_fetch_sub(&a->store->state_bytes, atomic_load(&a->counted));
	atomic_fetch_sub(&a->store->accounts_loaded, 1);
	mem_free((char *)(uintptr_t)a->name.p);
	mem_free(a);
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

enum ts_err
store_account_names(struct store *store, bool (*fn)(struct str name, void *arg), void *arg)
{
	struct key k;
	struct scan scan;
	enum ts_err err;

	key_begin(&k, 0, KEY_NAME);
	scan_begin(&scan, store, &k);
	/* One whose value is damaged is an account all the same: loading it says what is wrong. */
	while ((err = scan_next(&scan)) == TS_OK || (err == TS_DAMAGED && scan.key.n > 0))
		if (scan.key.n > 9 && !fn((struct str){scan.key.p + 9, scan.key.n - 9}, arg))
			break;
	scan_end(&scan);
	return err == TS_NOT_FOUND ? TS_OK : err;
}

static void
put_new_row(
    uint64_t id, struct str name, int64_t now, uint32_t mailboxes, struct engine_batch *batch)
{
	uint32_t uidvalidity = now > 0 ? (uint32_t)now : 1;
	struct key k;
	struct buf b = {0};

	key_begin(&k, id, KEY_ACCOUNT);
	value_begin(&b);
	buf_le32(&b, mailboxes + 1);
	buf_le32(&b, uidvalidity + mailboxes - 1);
	buf_le64(&b, (uint64_t)now);
	buf_str(&b, name);
	batch_put_value(batch, &k, &b);
	buf_fini(&b);
}

/* A mailbox of a new account, number from 1 on. */
static void
put_new_mailbox(uint64_t id, uint32_t number, const struct store_default *mailbox, int64_t now,
    struct engine_batch *batch)
{
	struct counters_row counters = {.uidnext = 1, .modseq = 1};
	uint32_t uidvalidity = (now > 0 ? (uint32_t)now : 1) + number - 1;
	struct key k;
	struct buf b = {0};

	key_begin(&k, id, KEY_COUNTERS);
	key_be32(&k, number);
	value_begin(&b);
	value_put_counters(&b, &counters);
	batch_put_value(batch, &k, &b);

	key_begin(&k, id, KEY_INFO);
	key_be32(&k, number);
	value_begin(&b);
	buf_le32(&b, uidvalidity);
	buf_le32(&b, mailbox->use);
	buf_le64(&b, (uint64_t)now);
	buf_str(&b, mailbox->name);
	batch_put_value(batch, &k, &b);
	buf_fini(&b);
}

void
account_put_name(uint64_t id, struct str name, struct engine_batch *batch)
{
	struct key k;
	struct buf b = {0};

	key_begin(&k, 0, KEY_NAME);
	key_bytes(&k, name);
	value_begin(&b);
	buf_le64(&b, id);
	batch_put_value(batch, &k, &b);
	buf_fini(&b);
}

void
account_put_new(uint64_t id, struct str name, int64_t now, const struct store_default *more,
    size_t n, struct engine_batch *batch)
{
	static const struct store_default inbox = {{"INBOX", 5}, 0};
	struct key k;

	put_new_row(id, name, now, (uint32_t)n + 1, batch);
	put_new_mailbox(id, 1, &inbox, now, batch);
	for (size_t i = 0; i < n; i++) {
		put_new_mailbox(id, (uint32_t)i + 2, &more[i], now, batch);
		key_begin(&k, id, KEY_SUBSCRIBED);
		key_bytes(&k, more[i].name);
		batch_put_empty(batch, &k);
	}
}

void
account_put_row(struct store_account *a, struct engine_batch *batch)
{
	struct key k;
	struct buf b = {0};

	key_begin(&k, a->id, KEY_ACCOUNT);
	value_begin(&b);
	buf_le32(&b, a->next_mailbox);
	buf_le32(&b, a->last_uidvalidity);
	buf_le64(&b, (uint64_t)a->created);
	buf_str(&b, a->name);
	batch_put_value(batch, &k, &b);
	buf_fini(&b);
}

static enum ts_err
create(struct store *store, struct str name, bool bare)
{
	struct store_change *c = store_change_new_account(store, name, NULL, NULL, NULL);
	enum ts_err err;

	if (bare)
		c->kind = (enum store_change_kind)INNER_NEW_BARE;
	err = store_submit_wait(c);
	store_change_free(&c);
	return err == TS_EXISTS ? TS_OK : err;
}

static bool
account_has_keys(struct store *store, uint64_t id)
{
	uint64_t next = 0;

	return account_next(store, id - 1, &next) != TS_NOT_FOUND && next <= id;
}

enum ts_err
account_next(struct store *store, uint64_t after, uint64_t *account_r)
{
	struct key from;
	struct str key, value;
	struct engine_iter *it;
	enum ts_err err;

	if (after == UINT64_MAX)
		return TS_NOT_FOUND;
	key_begin(&from, after + 1, 0);
	from.n = 8;
	it = engine_iter_new(store->engine, key_str(&from), STR_NONE, false);
	/* What is shorter belongs to nobody. */
	do
		err = engine_iter_next(it, &key, &value);
	while (err == TS_OK && key.n < 8);
	if (err == TS_OK) {
		struct rd r = rd_of(key);

		*account_r = rd_be64(&r);
	}
	engine_iter_free(&it);
	return err;
}

/* shard.load is held. */
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
	/* Its name is there, its rows are to come, or a crash came in between: not yet made.  They
	 * come all at once; when that was between these looks, the next one finds them. */
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
	pthread_mutex_unlock(&shard->mutex);
	*account_r = a;
	return TS_OK;
}

static enum ts_err
find_or_load(struct store *store, struct str name, struct store_account **account_r)
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

enum making { MAKE_NOT, MAKE_WHOLE, MAKE_BARE }; /* when there is none */

static enum ts_err
find_or_make(
    struct store *store, struct str name, enum making make, struct store_account **account_r)
{
	enum ts_err err;

	*account_r = NULL;
	if (!account_name_ok(name))
		return TS_INVALID;
	err = find_or_load(store, name, account_r);
	/* Without a lock: others of the shard do not wait for the flush. */
	if (err == TS_NOT_FOUND && make != MAKE_NOT)
		err = create(store, name, make == MAKE_BARE);
	if (err == TS_OK && *account_r == NULL)
		err = find_or_load(store, name, account_r);
	account_ask_eviction(store);
	return err;
}

enum ts_err
store_account_load(
    struct store *store, struct str name, bool make, struct store_account **account_r)
{
	block_here("store_account_load");
	return find_or_make(store, name, make ? MAKE_WHOLE : MAKE_NOT, account_r);
}

enum ts_err
store_account_load_bare(struct store *store, struct str name, struct store_account **account_r)
{
	block_here("store_account_load_bare");
	return find_or_make(store, name, MAKE_BARE, account_r);
}

struct store_account *
store_account_ref(struct store_account *a)
{
	atomic_fetch_add(&a->refs, 1);
	return a;
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
	if (atomic_fetch_sub(&a->refs, 1) == (REFS_GONE | 1))
		account_free(a);
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

enum ts_err
store_account_delete(struct store *store, struct str name)
{
	struct store_account *a;
	enum ts_err err = store_account_load(store, name, false, &a);

	if (err != TS_OK)
		return err;

	struct store_change *c = change_new_inner(store, a, INNER_DROP_ACCOUNT, NULL, NULL);

	err = store_submit_wait(c);
	store_change_free(&c);
	store_account_unref(&a);
	return err;
}

/* ---- eviction ---- */

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
	uint64_t before; /* evict what was last used at or before */
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

		/* Finding one takes the lock: with no references now, there will be none. */
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

		/* Held while fn runs, which takes microseconds for an ordinary account. */
		pthread_mutex_lock(&store->shard[i].mutex);
		HASH_ITER(hh, store->shard[i].accounts, a, tmp)
		fn(a, idles);
		pthread_mutex_unlock(&store->shard[i].mutex);
	}
}

/* An account without users and loaded mailboxes; the shard's mutex is held. */
static void
evict_account(struct store_account *a, struct idles *idles)
{
	if (atomic_load(&a->refs) != 0 || atomic_load(&a->used) > idles->before)
		return;
	HASH_DEL(a->store->shard[shard_of(a->store, a->name) - a->store->shard].accounts, a);
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
		/* A little below the budget, so that the next load does not come here again. */
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
