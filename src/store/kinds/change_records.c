/* SPDX-License-Identifier: Apache-2.0 */
/* RECORDS: server-wide records. */
#include "store/kinds/steps_int.h"

/* Looks up the key among operations not in the engine yet.  The last one counts. */
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

/* Returns whether a change of it is not in the engine yet; *there_r tells its outcome. */
static bool
is_pending(struct batch *b, const struct key *k, bool *there_r)
{
	struct lane *lane = b->lane;
	bool found = find_pending(b->records, key_str(k), there_r);

	if (found)
		return true;
	/* The other batch may be under flush: its owner clears this under the mutex. */
	pthread_mutex_lock(&lane->mutex);
	found = find_pending(lane->batch[1 - b->index].records, key_str(k), there_r);
	pthread_mutex_unlock(&lane->mutex);
	return found;
}

enum ts_err
record_look(
    struct batch *b, const struct key *k, bool *there_r, bool *pending_r, struct str *body_r)
{
	enum ts_err err;

	*there_r = false;
	*body_r = STR_NONE;
	*pending_r = is_pending(b, k, there_r);
	if (*pending_r)
		return TS_OK;
	b->value.n = 0;
	err = store_get(b->lane->store, k, &b->value, body_r);
	*there_r = err == TS_OK;
	return err == TS_NOT_FOUND ? TS_OK : err;
}

static enum ts_err
check_record(struct batch *b, const struct key *k, const struct store_record_op *op)
{
	bool there, pending;
	struct str body;
	enum ts_err err = record_look(b, k, &there, &pending, &body);

	if (err != TS_OK)
		return err;
	if (there && op->must_be_new)
		return TS_EXISTS;
	if (!there && op->must_exist)
		return TS_NOT_FOUND;
	return op->must_be.n > 0 && (pending || !there || !str_eq(body, op->must_be)) ? TS_CONDITION
	                                                                              : TS_OK;
}

enum ts_err
records_prepare(struct batch *b, struct store_change *c)
{
	struct key k;

	for (size_t i = 0; i < c->record_count; i++) {
		const struct store_record_op *op = &c->records[i];

		if (op->key.n == 0 || op->key.n > STORE_NAME_MAX)
			return TS_INVALID;
		if (!op->must_be_new && !op->must_exist && op->must_be.n == 0)
			continue;
		key_begin(&k, 0, KEY_RECORD);
		key_bytes(&k, op->key);

		enum ts_err err = check_record(b, &k, op);

		if (err != TS_OK)
			return err;
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

struct store_change *
store_change_new_records(
    struct store *store, struct loop *loop, void (*done)(struct store_change *change), void *arg)
{
	return change_new_asked(store, NULL, STORE_CHANGE_RECORDS, loop, done, arg);
}
