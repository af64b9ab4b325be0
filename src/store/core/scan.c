/* SPDX-License-Identifier: Apache-2.0 */
/* Rows: one, a range, the next account. */
#include "store/core/core_int.h"

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
	/* Shorter keys belong to no account. */
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
