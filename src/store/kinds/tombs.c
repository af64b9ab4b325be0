/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tombstones: the UIDVALIDITY of the last mailbox that lost a name, so that no other mailbox gets
 * it again under that name (RFC 9051 section 2.3.1.1).
 *
 * Making and deleting mailboxes all day must not fill the store, so only some are kept, those with
 * the highest values.  The highest value among the forgotten ones is the account's floor (a
 * tombstone without a name), which applies to names without their own.  That demands more than
 * necessary, never less.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "store/kinds/steps_int.h"

/* With more than MOST, keep only the KEEP highest. */
enum { MOST = 512, KEEP = 256 };

static int
by_value(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Returns the value up to which tombstones are dropped; equal values are dropped together. */
static uint32_t
limit_of(uint32_t *values, size_t n)
{
	qsort(values, n, sizeof(*values), by_value);
	return values[n - KEEP - 1];
}

static void
tomb_key(struct key *k, uint64_t account, struct str name)
{
	key_begin(k, account, KEY_TOMBSTONE);
	key_bytes(k, name);
}

static void
put_tomb(
    struct engine_batch *batch, uint64_t account, struct str name, uint32_t value, struct buf *b)
{
	struct key k;

	tomb_key(&k, account, name);
	value_begin(b);
	buf_le32(b, value);
	batch_put_value(batch, &k, b);
}

void
tombs_put(struct engine_batch *batch, uint64_t account, struct str name, uint32_t value)
{
	struct buf b = {0};
	struct key k;

	tomb_key(&k, account, name);
	if (value == 0)
		engine_batch_delete(batch, key_str(&k));
	else
		put_tomb(batch, account, name, value, &b);
	buf_fini(&b);
}

uint32_t
tombs_limit(uint32_t *values, size_t n)
{
	return n > MOST ? limit_of(values, n) : 0;
}

/* ---- for an account in memory ---- */

uint32_t
tombs_highest(const struct store_account *a, const struct entry *e)
{
	return e != NULL && e->tombstone > a->name_floor ? e->tombstone : a->name_floor;
}

/* Drops entries of which nothing else counts.  If the batch fails, the floor stays in memory, and
 * the records on disk say more than necessary. */
static void
forget_some(struct batch *b, struct store_account *a)
{
	uint32_t *values = mem_zalloc(a->tombstones * sizeof(*values)), limit;
	size_t n = 0;

	for (size_t i = 0; i < a->entry_count && n < a->tombstones; i++)
		if (a->entry[i]->tombstone != 0)
			values[n++] = a->entry[i]->tombstone;
	TS_ASSERT(n == a->tombstones);
	limit = limit_of(values, n);
	for (size_t i = 0; i < a->entry_count; i++) {
		struct entry *e = a->entry[i];
		struct key k;

		if (e->tombstone == 0 || e->tombstone > limit)
			continue;
		tomb_key(&k, a->id, entry_name(e));
		engine_batch_delete(b->ops, key_str(&k));
		e->tombstone = 0;
		a->tombstones--;
	}
	a->name_floor = limit > a->name_floor ? limit : a->name_floor;
	put_tomb(b->ops, a->id, STR_NONE, a->name_floor, &b->value);
	mem_free(values);
}

void
tombs_bury(struct batch *b, struct store_account *a, struct entry *e, uint32_t uidvalidity)
{
	a->tombstones += e->tombstone == 0;
	e->tombstone = uidvalidity;
	put_tomb(b->ops, a->id, entry_name(e), uidvalidity, &b->value);
	if (a->tombstones > MOST)
		forget_some(b, a);
}

/* Returns the value up to which tombstones can be dropped if n more come; 0: none need to be. */
static uint32_t
limit_among(const struct store_account *a, const uint32_t *fresh, size_t n)
{
	uint32_t *values = mem_zalloc((a->tombstones + n + 1) * sizeof(*values)), limit = 0;
	size_t all = 0;

	for (size_t i = 0; i < a->entry_count; i++)
		if (a->entry[i]->tombstone != 0)
			values[all++] = a->entry[i]->tombstone;
	for (size_t i = 0; i < n; i++)
		values[all++] = fresh[i];
	if (all > KEEP)
		limit = limit_of(values, all);
	mem_free(values);
	return limit;
}

void
tombs_bury_all(struct batch *b, struct store_account *a, struct entry *const *e,
    const uint32_t *uidvalidity, size_t n)
{
	uint32_t limit = a->tombstones + n > MOST ? limit_among(a, uidvalidity, n) : 0;

	for (size_t i = 0; i < n; i++)
		if (uidvalidity[i] > limit)
			tombs_bury(b, a, e[i], uidvalidity[i]);
	if (limit <= a->name_floor)
		return;
	/* Those not kept need not be put: the floor stands for them. */
	a->name_floor = limit;
	put_tomb(b->ops, a->id, STR_NONE, a->name_floor, &b->value);
}

/* ---- for a store of format 1 ---- */

struct tombs {
	uint32_t *value, *sorted;
	struct buf *name;
	size_t n, cap;
};

static void
tombs_fini(struct tombs *t)
{
	for (size_t i = 0; i < t->n; i++)
		buf_fini(&t->name[i]);
	mem_free(t->value);
	mem_free(t->sorted);
	mem_free(t->name);
}

static void
tombs_add(struct tombs *t, struct str name, uint32_t value)
{
	if (t->n == t->cap) {
		t->cap = t->cap > 0 ? 2 * t->cap : 64;
		t->value = mem_realloc(t->value, t->cap * sizeof(*t->value));
		t->sorted = mem_realloc(t->sorted, t->cap * sizeof(*t->sorted));
		t->name = mem_realloc(t->name, t->cap * sizeof(*t->name));
	}
	t->value[t->n] = t->sorted[t->n] = value;
	t->name[t->n] = (struct buf){0};
	buf_str(&t->name[t->n++], name);
}

/* Leaves damaged rows alone. */
static enum ts_err
tombs_read(struct store *store, uint64_t account, struct tombs *t)
{
	struct key k;
	struct scan scan;
	enum ts_err err;

	key_begin(&k, account, KEY_TOMBSTONE);
	scan_begin(&scan, store, &k);
	while ((err = scan_next(&scan)) == TS_OK || (err == TS_DAMAGED && scan.key.n > 0)) {
		struct rd r = rd_of(scan.body);

		if (err == TS_OK && scan.key.n > 9 && scan.body.n == 4)
			tombs_add(t, (struct str){scan.key.p + 9, scan.key.n - 9}, rd_le32(&r));
	}
	scan_end(&scan);
	return err == TS_NOT_FOUND ? TS_OK : err;
}

static enum ts_err
migrate_account(struct store *store, uint64_t account)
{
	struct engine_batch *batch = engine_batch_new();
	struct tombs t = {0};
	struct buf b = {0};
	enum ts_err err = tombs_read(store, account, &t);

	if (err == TS_OK && t.n > MOST) {
		uint32_t limit = limit_of(t.sorted, t.n);

		for (size_t i = 0; i < t.n; i++) {
			struct key k;

			tomb_key(&k, account, buf_as_str(&t.name[i]));
			if (t.value[i] <= limit)
				engine_batch_delete(batch, key_str(&k));
		}
		put_tomb(batch, account, STR_NONE, limit, &b);
		err = engine_commit(store->engine, batch);
	}
	engine_batch_free(&batch);
	tombs_fini(&t);
	buf_fini(&b);
	return err;
}

enum ts_err
tombs_migrate(struct store *store)
{
	struct key k;
	struct scan scan;
	uint64_t *account = NULL;
	size_t n = 0;
	enum ts_err err;

	key_begin(&k, 0, KEY_NAME);
	scan_begin(&scan, store, &k);
	while ((err = scan_next(&scan)) == TS_OK || (err == TS_DAMAGED && scan.key.n > 0)) {
		struct rd r = rd_of(scan.body);

		if (err != TS_OK || scan.body.n != 8)
			continue;
		if ((n & (n - 1)) == 0)
			account = mem_realloc(account, (2 * n + 1) * sizeof(*account));
		account[n++] = rd_le64(&r);
	}
	scan_end(&scan);
	err = err == TS_NOT_FOUND ? TS_OK : err;
	for (size_t i = 0; i < n && err == TS_OK; i++)
		err = migrate_account(store, account[i]);
	mem_free(account);
	return err;
}
