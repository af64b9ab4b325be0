/* SPDX-License-Identifier: Apache-2.0 */
/* Claims (core/holders.c) whose account has its messages, or never will. */
#include "store/upkeep/upkeep_int.h"

/* The account never got the blob. */
static enum ts_err
give_up_claim(struct store *store, uint64_t blob, uint64_t account)
{
	struct engine_batch *batch = engine_batch_new();
	struct holders h;
	struct key k;
	enum ts_err err = holders_look(store, blob, account, &h);

	claim_delete(batch, blob, account);
	if (err == TS_OK && !h.unknown) {
		key_holder(&k, KEY_HOLDER, blob, account);
		engine_batch_delete(batch, key_str(&k));
		/* If the account has no holder, the claim never reached the disk, and the blob's
		 * owner is unchanged. */
		if (h.has && h.count == 1)
			engine_batch_delete_blob(batch, blob);
	}
	/* Commit at once: the next claim counts what is on disk. */
	if (err == TS_OK)
		err = store_commit(store, batch);
	engine_batch_free(&batch);
	return err;
}

/* held: somebody who is not on disk still uses the blob.  Ask for that first: once nobody does, no
 * more references come. */
static enum ts_err
settle_one(struct store *store, uint64_t blob, uint64_t account, bool held,
    struct engine_batch *batch, bool *wait_r)
{
	bool yes;
	enum ts_err err = account_refers(store, account, blob, &yes);

	if (err != TS_OK)
		return err;
	store_looked(store);
	if (yes)
		claim_delete(batch, blob, account);
	/* The message may have come and gone already while a command still reads it: once the lanes
	 * have settled, a hold has it. */
	else if (held || !lanes_settle(store) || hold_has_blob(store, blob))
		*wait_r = true;
	else
		err = give_up_claim(store, blob, account);
	return err;
}

enum ts_err
claim_settle(
    struct store *store, uint64_t blob, uint64_t account, struct engine_batch *batch, bool *wait_r)
{
	bool kept_off = cross_keep_off(store, account);
	enum ts_err err;

	*wait_r = false;
	err = settle_one(
	    store, blob, account, !kept_off || upload_shares(store, blob), batch, wait_r);
	if (kept_off)
		cross_let_in(store);
	return err;
}

enum ts_err
claims_recover(struct store *store)
{
	struct key k;
	struct scan scan;
	enum ts_err err;

	key_begin(&k, 0, KEY_CLAIM);
	scan_begin(&scan, store, &k);
	while ((err = scan_next(&scan)) == TS_OK || scan.key.n > 0) {
		struct rd r = rd_of((struct str){scan.key.p + 9, scan.key.n - 9});
		uint64_t blob = rd_be64(&r), account = rd_be64(&r);

		if (!r.bad && rd_left(&r) == 0 && account != 0)
			background_settle(store, blob, account);
	}
	scan_end(&scan);
	return err == TS_NOT_FOUND ? TS_OK : err;
}
