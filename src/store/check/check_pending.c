/* SPDX-License-Identifier: Apache-2.0 */
/* Unfinished work, which is not reported. */
#include "store/check/check_int.h"

static bool
has_key(struct check *c, enum key_kind kind, uint64_t account, uint32_t mailbox)
{
	struct key k, end;
	struct str key, value;
	struct engine_iter *it;
	bool yes;

	key_begin(&k, account, kind);
	key_be32(&k, mailbox);
	end = k;
	key_after(&end);
	it = engine_iter_new(c->store->engine, key_str(&k), key_str(&end), false);
	yes = engine_iter_next(it, &key, &value) == TS_OK;
	engine_iter_free(&it);
	return yes;
}

bool
check_job_pending(struct check *c, uint64_t account, uint32_t mailbox)
{
	struct key k;
	struct buf b = {0};
	bool dropped;

	key_begin(&k, 0, KEY_DROPPED);
	key_be64(&k, account);
	dropped = engine_get(c->store->engine, key_str(&k), &b) == TS_OK;
	buf_fini(&b);
	return dropped || has_key(c, KEY_PURGE, account, mailbox) ||
	       has_key(c, KEY_STAGED, account, mailbox);
}

bool
check_summaries_pending(struct check *c, uint64_t account, uint32_t mailbox)
{
	struct key k;
	struct scan scan;
	bool yes = check_job_pending(c, account, mailbox);
	enum ts_err err = TS_OK;

	key_begin(&k, account, KEY_QUEUE);
	scan_begin(&scan, c->store, &k);
	while (
	    !yes && ((err = scan_next(&scan)) == TS_OK || (err == TS_DAMAGED && scan.key.n > 0))) {
		struct rd r = rd_of((struct str){scan.key.p + 9, scan.key.n - 9});

		(void)rd_be64(&r);
		yes = rd_be32(&r) == mailbox && !r.bad && err == TS_OK && scan.body.n > 0;
	}
	scan_end(&scan);
	return yes;
}
