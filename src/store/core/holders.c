/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blobs that several accounts have.  Each of these has a holder, a row of
 * account 0; a blob without any is one account's own.
 *
 *   claim   account 0: holders, and a claim for each new one (kinds/change_claim.c)
 *   use     the account: messages with their references
 *   settle  account 0: the claim goes; without a reference the holder goes with
 *           it, and the blob with the last one (upkeep/settle.c)
 *
 * Holders are durable before the first reference, and go after the last one
 * (upkeep/collect.c), so a blob is never freed under a message.  What a crash
 * leaves is a claim, and claims are settled when the store is opened.  Nobody
 * settles one whose messages are on their way: a handle of the upload, or the
 * transfer, says so until its change has ended.
 */
#include "store/core/core_int.h"

void
holder_put(struct engine_batch *batch, uint64_t blob, uint64_t account)
{
	struct key k;

	key_holder(&k, KEY_HOLDER, blob, account);
	batch_put_empty(batch, &k);
}

void
claim_put(struct engine_batch *batch, uint64_t blob, uint64_t account)
{
	struct key k;

	key_holder(&k, KEY_CLAIM, blob, account);
	batch_put_empty(batch, &k);
}

void
claim_delete(struct engine_batch *batch, uint64_t blob, uint64_t account)
{
	struct key k;

	key_holder(&k, KEY_CLAIM, blob, account);
	engine_batch_delete(batch, key_str(&k));
}

enum ts_err
holders_look(struct store *store, uint64_t blob, uint64_t account, struct holders *h)
{
	struct key k;
	struct scan scan;
	enum ts_err err;

	*h = (struct holders){0};
	key_begin(&k, 0, KEY_HOLDER);
	key_be64(&k, blob);
	scan_begin(&scan, store, &k);
	/* One whose value is damaged is one all the same. */
	while ((err = scan_next(&scan)) == TS_OK || scan.key.n > 0) {
		struct rd r = rd_of((struct str){scan.key.p + 17, scan.key.n - 17});

		h->count++;
		h->has |= rd_be64(&r) == account && account != 0;
		if (h->count > 1 && (h->has || account == 0))
			break; /* more need not be known */
	}
	scan_end(&scan);
	h->unknown = err == TS_DAMAGED && scan.key.n == 0;
	return err == TS_OK || err == TS_NOT_FOUND || err == TS_DAMAGED ? TS_OK : err;
}

enum ts_err
account_refers(struct store *store, uint64_t account, uint64_t blob, bool *yes_r)
{
	struct key k;
	struct scan scan;

	key_begin(&k, account, KEY_REF);
	key_be64(&k, blob);
	scan_begin(&scan, store, &k);

	enum ts_err err = scan_next(&scan);

	/* A reference whose value is damaged is one all the same, and where references cannot be
	 * read there may be one: such a blob stays, and does not hold up the others. */
	*yes_r = scan.key.n > 0 || err == TS_DAMAGED;
	scan_end(&scan);
	return err == TS_NOT_FOUND || *yes_r ? TS_OK : err;
}
