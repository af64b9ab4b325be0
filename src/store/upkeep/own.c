/* SPDX-License-Identifier: Apache-2.0 */
/* Removes rows of users' own \Seen in mailboxes that no longer exist, after a start.  Ids of
 * accounts and mailboxes are never reused, so what is gone stays gone. */
#include "store/upkeep/upkeep_int.h"

static enum ts_err
is_gone(struct store *store, const struct own_id *id, bool *gone_r)
{
	struct buf value = {0};
	struct str body;
	struct key k;
	enum ts_err err;

	key_begin(&k, id->owner, KEY_INFO);
	key_be32(&k, id->mailbox);
	err = store_get(store, &k, &value, &body);
	*gone_r = err == TS_NOT_FOUND;
	buf_fini(&value);
	return err == TS_NOT_FOUND || err == TS_DAMAGED ? TS_OK : err;
}

static enum ts_err
drop_rows(struct store *store, uint64_t account, const struct own_id *id)
{
	struct engine_batch *batch = engine_batch_new();
	struct key from, end;
	enum ts_err err;

	own_key(&from, account, id->owner, id->mailbox, 0);
	own_key(&end, account, id->owner, id->mailbox, 0xff);
	engine_batch_delete_range(batch, key_str(&from), key_str(&end));
	err = store_commit(store, batch);
	engine_batch_free(&batch);
	return err;
}

enum ts_err
own_sweep(struct store *store, uint64_t account)
{
	struct own_id id = {.owner = 0};
	enum ts_err err;

	while ((err = own_next(store, account, &id)) == TS_OK) {
		bool gone;

		err = is_gone(store, &id, &gone);
		if (err == TS_OK && gone)
			err = drop_rows(store, account, &id);
		if (err != TS_OK)
			break;
	}
	return err == TS_NOT_FOUND ? TS_OK : err;
}
