/* SPDX-License-Identifier: Apache-2.0 */
/* Preparing changes of server-wide records. */
#include "store/inside.h"

/* Looks for the key among operations that are not yet in the engine: the last one counts. */
static bool
find_pending(const struct engine_batch *ops, struct str key, bool *there_r)
{
	struct engine_op op;
	size_t at = 0;
	bool found = false;

	while (engine_batch_next(ops, &at, &op))
		if (str_eq(op.key, key)) {
			found = true;
			*there_r = op.kind == ENGINE_PUT;
		}
	return found;
}

static enum ts_err
record_there(struct batch *b, const struct key *k, bool *there_r)
{
	struct lane *lane = b->lane;
	struct str body;

	if (find_pending(b->records, key_str(k), there_r))
		return TS_OK;
	/* The other batch may be under flush: its owner empties this under the mutex. */
	pthread_mutex_lock(&lane->mutex);

	bool found = find_pending(lane->batch[1 - b->index].records, key_str(k), there_r);

	pthread_mutex_unlock(&lane->mutex);
	if (found)
		return TS_OK;

	enum ts_err err = store_get(lane->store, k, &b->value, &body);

	*there_r = err == TS_OK;
	return err == TS_NOT_FOUND ? TS_OK : err;
}

enum ts_err
prepare_records(struct batch *b, struct store_change *c)
{
	struct key k;

	for (size_t i = 0; i < c->record_count; i++) {
		bool there = false;

		if (c->records[i].key.n == 0 || c->records[i].key.n > STORE_NAME_MAX)
			return TS_INVALID;
		if (!c->records[i].must_be_new && !c->records[i].must_exist)
			continue;
		key_begin(&k, 0, KEY_RECORD);
		key_bytes(&k, c->records[i].key);

		enum ts_err err = record_there(b, &k, &there);

		if (err != TS_OK)
			return err;
		if (there && c->records[i].must_be_new)
			return TS_EXISTS;
		if (!there && c->records[i].must_exist)
			return TS_NOT_FOUND;
	}
	for (size_t i = 0; i < c->record_count; i++) {
		key_begin(&k, 0, KEY_RECORD);
		key_bytes(&k, c->records[i].key);
		if (c->records[i].remove) {
			engine_batch_delete(b->ops, key_str(&k));
			engine_batch_delete(b->records, key_str(&k));
			continue;
		}
		value_begin(&b->value);
		buf_str(&b->value, c->records[i].value);
		batch_put_value(b->ops, &k, &b->value);
		engine_batch_put(b->records, key_str(&k), STR_NONE);
	}
	return TS_OK;
}
