/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The check of holders.  Blobs that several accounts refer to must have a holder for each of them,
 * and every holder must have its reference, a claim, or an entry in its account's queue.
 *
 * It goes through the references of each account twice: first for the blobs that came up in another
 * account before, then for the holders of these.  It needs the memory of a bitmap of blobs.
 */
#include "base/mem.h"
#include "store/check/check_int.h"

/* ---- sets of blobs ---- */

static struct blob_part *
part_of(const struct blob_set *set, uint32_t high)
{
	for (size_t i = set->n; i-- > 0;)
		if (set->part[i].high == high)
			return &set->part[i];
	return NULL;
}

static void
blob_set_add(struct blob_set *set, uint64_t blob)
{
	struct blob_part *p = part_of(set, (uint32_t)(blob >> 32));

	if (p == NULL) {
		set->part = mem_realloc(set->part, (set->n + 1) * sizeof *set->part);
		p = &set->part[set->n++];
		*p = (struct blob_part){(uint32_t)(blob >> 32), roaring_bitmap_create()};
	}
	roaring_bitmap_add(p->low, (uint32_t)blob);
}

bool
blob_set_has(const struct blob_set *set, uint64_t blob)
{
	const struct blob_part *p = part_of(set, (uint32_t)(blob >> 32));

	return p != NULL && roaring_bitmap_contains(p->low, (uint32_t)blob);
}

void
blob_set_fini(struct blob_set *set)
{
	for (size_t i = 0; i < set->n; i++)
		roaring_bitmap_free(set->part[i].low);
	mem_free(set->part);
	*set = (struct blob_set){0};
}

/* Adds one set to another; adds those already in it to the third. */
static void
merge_sets(struct blob_set *all, const struct blob_set *more, struct blob_set *twice)
{
	for (size_t i = 0; i < more->n; i++) {
		roaring_uint32_iterator_t it;

		for (roaring_init_iterator(more->part[i].low, &it); it.has_value;
		     roaring_advance_uint32_iterator(&it)) {
			uint64_t blob = (uint64_t)more->part[i].high << 32 | it.current_value;

			if (blob_set_has(all, blob))
				blob_set_add(twice, blob);
			else
				blob_set_add(all, blob);
		}
	}
}

enum ts_err
check_named(struct check *c, uint64_t account, enum key_kind kind, struct blob_set *set)
{
	struct key k;
	struct scan scan;
	enum ts_err err;

	key_begin(&k, account, kind);
	scan_begin(&scan, c->store, &k);
	/* A row with a damaged value still names it. */
	while ((err = scan_next(&scan)) == TS_OK || scan.key.n > 0) {
		struct rd r = rd_of((struct str){scan.key.p + 9, scan.key.n - 9});
		uint64_t blob = rd_be64(&r);

		if (!r.bad)
			blob_set_add(set, blob);
	}
	scan_end(&scan);
	return err == TS_NOT_FOUND ? TS_OK : err;
}

/* ---- accounts without a holder ---- */

static bool
has_holder(struct check *c, enum key_kind kind, uint64_t blob, uint64_t account)
{
	struct buf b = {0};
	struct key k;
	enum ts_err err;

	key_holder(&k, kind, blob, account);
	err = engine_get(c->store->engine, key_str(&k), &b);
	buf_fini(&b);
	return err != TS_NOT_FOUND;
}

/* In a store in use the account may have dropped it meanwhile. */
static bool
lacks_holder(struct check *c, uint64_t blob, uint64_t account)
{
	bool refers;

	return !has_holder(c, KEY_HOLDER, blob, account) &&
	       account_refers(c->store, account, blob, &refers) == TS_OK && refers &&
	       !has_holder(c, KEY_HOLDER, blob, account);
}

static enum ts_err
check_account_holders(struct check *c, uint64_t account, const struct blob_set *twice)
{
	struct blob_set mine = {0};
	struct engine_batch *batch = engine_batch_new();
	enum ts_err err = check_named(c, account, KEY_REF, &mine);
	uint64_t lacking = 0;

	for (size_t i = 0; i < mine.n && err == TS_OK; i++) {
		roaring_uint32_iterator_t it;

		for (roaring_init_iterator(mine.part[i].low, &it); it.has_value;
		     roaring_advance_uint32_iterator(&it)) {
			uint64_t blob = (uint64_t)mine.part[i].high << 32 | it.current_value;

			if (!blob_set_has(twice, blob) || !lacks_holder(c, blob, account))
				continue;
			lacking++;
			holder_put(batch, blob, account);
		}
	}
	if (err == TS_OK && c->opt->repair)
		err = check_commit(c, batch);
	if (lacking > 0)
		check_say(c, CHECK_REF, 0, c->opt->repair && err == TS_OK ? "put" : NULL,
		    "account %llu has %llu messages together with others, and is not among their "
		    "holders",
		    (unsigned long long)account, (unsigned long long)lacking);
	engine_batch_free(&batch);
	blob_set_fini(&mine);
	return err;
}

/* ---- holders without a reference ---- */

static bool
is_queued(struct check *c, uint64_t account, uint64_t blob)
{
	struct key k;
	struct scan scan;
	bool yes;

	key_begin(&k, account, KEY_QUEUE);
	key_be64(&k, blob);
	scan_begin(&scan, c->store, &k);
	(void)scan_next(&scan);
	yes = scan.key.n > 0;
	scan_end(&scan);
	return yes;
}

/* Looks at the claim first, since it is removed once the reference exists; and so on. */
static bool
is_stray(struct check *c, uint64_t blob, uint64_t account)
{
	bool refers;

	if (has_holder(c, KEY_CLAIM, blob, account) || is_queued(c, account, blob))
		return false;
	return account_refers(c->store, account, blob, &refers) == TS_OK && !refers &&
	       !is_queued(c, account, blob) && has_holder(c, KEY_HOLDER, blob, account);
}

/* Settled like a claim: the blob goes as well if nobody else has it. */
static void
give_up_holder(struct check *c, uint64_t blob, uint64_t account)
{
	struct engine_batch *batch = engine_batch_new();

	claim_put(batch, blob, account);
	if (check_commit(c, batch) == TS_OK)
		background_settle(c->store, blob, account);
	engine_batch_free(&batch);
}

/* Holders that are read before others are looked up. */
struct holder_piece {
	struct {
		uint64_t blob, account;
	} one[1024];
	size_t n;
	struct key at;
	bool last;
};

static enum ts_err
read_holders(struct check *c, struct holder_piece *p, uint64_t *odd_r)
{
	struct key end;
	struct scan scan;
	enum ts_err err = TS_OK;

	key_begin(&end, 0, KEY_HOLDER + 1);
	scan_begin_range(&scan, c->store, &p->at, &end);
	for (p->n = 0; p->n < sizeof p->one / sizeof *p->one;) {
		err = scan_next(&scan);
		if (scan.key.n == 0)
			break;

		struct rd r = rd_of((struct str){scan.key.p + 9, scan.key.n - 9});

		p->at.n = 0;
		key_bytes(&p->at, scan.key);
		p->at.p[p->at.n++] = 0; /* the first key after it */
		*odd_r += scan.key.n != 25;
		p->one[p->n].blob = rd_be64(&r);
		p->one[p->n].account = rd_be64(&r);
		p->n += scan.key.n == 25;
	}
	scan_end(&scan);
	p->last = scan.key.n == 0 && p->n < sizeof p->one / sizeof *p->one;
	return err == TS_NOT_FOUND || err == TS_DAMAGED ? TS_OK : err;
}

static enum ts_err
check_stray_holders(struct check *c)
{
	struct holder_piece *p = mem_zalloc(sizeof *p);
	uint64_t stray = 0, odd = 0;
	enum ts_err err;

	key_begin(&p->at, 0, KEY_HOLDER);
	do {
		err = read_holders(c, p, &odd);
		for (size_t i = 0; i < p->n && err == TS_OK; i++) {
			if (!is_stray(c, p->one[i].blob, p->one[i].account))
				continue;
			stray++;
			if (c->opt->repair)
				give_up_holder(c, p->one[i].blob, p->one[i].account);
		}
	} while (err == TS_OK && !p->last);
	if (stray > 0)
		check_say(c, CHECK_LOST, 0, c->opt->repair ? "removed" : NULL,
		    "%llu holders of blobs have no message", (unsigned long long)stray);
	if (odd > 0)
		check_say(c, CHECK_RECORD, 0, NULL, "%llu keys of no known kind",
		    (unsigned long long)odd);
	mem_free(p);
	return err;
}

void
check_holders(struct check *c)
{
	struct blob_set all = {0}, twice = {0};
	uint64_t account = 0;
	enum ts_err err = TS_OK;

	while (err == TS_OK && (err = account_next(c->store, account, &account)) == TS_OK) {
		struct blob_set mine = {0};

		err = check_named(c, account, KEY_REF, &mine);
		merge_sets(&all, &mine, &twice);
		blob_set_fini(&mine);
	}
	for (account = 0; twice.n > 0 && err == TS_NOT_FOUND;) {
		if (account_next(c->store, account, &account) != TS_OK)
			break;
		err = check_account_holders(c, account, &twice);
		err = err == TS_OK ? TS_NOT_FOUND : err;
	}
	if (err == TS_NOT_FOUND)
		err = check_stray_holders(c);
	if (err != TS_OK)
		check_say(c, CHECK_TABLE, 0, NULL, "the holders of blobs cannot all be read: %s",
		    ts_err_name(err));
	blob_set_fini(&all);
	blob_set_fini(&twice);
}
