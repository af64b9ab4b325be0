/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blobs that several accounts have.  Each of the accounts has a holder, a row of account 0; a blob
 * without holders belongs to one account alone.
 *
 *   claim   account 0: holders, and a claim for each new one (kinds/change_claim.c)
 *   use     the account: messages with their references
 *   settle  account 0: the claim is removed; if there is no reference, so is the holder, and with
 *           the last holder the blob (upkeep/settle.c)
 *
 * Holders are durable before the first reference and are removed after the last one
 * (upkeep/collect.c), so a blob is never freed under a message.  A crash leaves a claim behind, and
 * claims are settled when the store is opened.  A claim whose messages are still on their way is
 * not settled: a handle of the upload, or the transfer, protects it until its change has ended.
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
	/* A holder with a damaged value still counts. */
	while ((err = scan_next(&scan)) == TS_OK || scan.key.n > 0) {
		struct rd r = rd_of((struct str){scan.key.p + 17, scan.key.n - 17});

		h->count++;
		h->has |= rd_be64(&r) == account && account != 0;
		if (h->count > 1 && (h->has || account == 0))
			break; /* two are enough to know */
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

	/* A reference with a damaged value still counts, and where references cannot be read there
	 * may be one: such a blob stays, and does not delay the others. */
	*yes_r = scan.key.n > 0 || err == TS_DAMAGED;
	scan_end(&scan);
	return err == TS_NOT_FOUND || *yes_r ? TS_OK : err;
}
