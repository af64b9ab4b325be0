/* SPDX-License-Identifier: Apache-2.0 */
/* The format's version, the store's own id, its clock. */
#include "base/clock.h"
#include "store/core/core_int.h"

int64_t
store_wall(const struct store *store)
{
	return store->opt.wall != NULL ? store->opt.wall() : clock_wall_s();
}

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

enum ts_err
store_own_id_load(struct store *store)
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
