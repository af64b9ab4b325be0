/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of what is to be removed.  The row itself is removed last, so that the work starts over
 * after a crash; doing a part twice is harmless.
 */
#include "base/log.h"
#include "store/core/core_int.h"

static void
drop_summary(struct engine_batch *batch, uint64_t account, uint32_t mailbox, uint32_t uid)
{
	struct key k;

	key_index(&k, account, mailbox, KEY_SUMMARY);
	key_be32(&k, uid);
	engine_batch_delete(batch, key_str(&k));
}

/* Nobody has seen this message.  After a crash its UID may be another's, so remove everything
 * now. */
static void
forget_staged(
    struct engine_batch *batch, uint64_t account, uint32_t mailbox, uint32_t uid, uint64_t blob)
{
	struct key k;

	drop_summary(batch, account, mailbox, uid);
	key_ref(&k, KEY_REF, account, blob, mailbox, uid);
	engine_batch_delete(batch, key_str(&k));
	key_ref(&k, KEY_QUEUE, account, blob, mailbox, uid);
	batch_put_empty(batch, &k);
}

enum ts_err
job_commit(struct store *store, struct engine_batch *batch, bool always)
{
	enum ts_err err = TS_OK;

	if (always || engine_batch_count(batch) >= 2 * PURGE_PIECE) {
		err = store_commit(store, batch);
		engine_batch_clear(batch);
	}
	return err;
}

enum ts_err
job_forget_listed(struct store *store, uint64_t account, uint32_t mailbox, const struct key *job,
    void (*forget_one)(struct engine_batch *, uint64_t, uint32_t, uint32_t, uint64_t))
{
	struct engine_batch *batch = engine_batch_new();
	struct buf value = {0};
	struct str body = STR_NONE;
	enum ts_err err = store_get(store, job, &value, &body);
	struct rd r = rd_of(body);

	while (err == TS_OK && rd_left(&r) > 0 && !r.bad) {
		uint32_t uid = (uint32_t)rd_varint(&r);
		uint64_t blob = rd_varint(&r);

		if (r.bad)
			break;
		forget_one(batch, account, mailbox, uid, blob);
		err = job_commit(store, batch, false);
	}
	if (err == TS_OK || err == TS_DAMAGED) {
		engine_batch_delete(batch, key_str(job));
		err = job_commit(store, batch, true);
	}
	buf_fini(&value);
	engine_batch_free(&batch);
	return err;
}

enum ts_err
job_first(struct store *store, uint64_t account, enum key_kind kind, struct key *job_r)
{
	struct key k;
	struct scan scan;

	key_begin(&k, account, kind);
	scan_begin(&scan, store, &k);

	enum ts_err err = scan_next(&scan);

	job_r->n = 0;
	if (scan.key.n > sizeof(job_r->p)) {
		err = TS_DAMAGED;
	} else if (scan.key.n > 0) {
		memcpy(job_r->p, scan.key.p, scan.key.n);
		job_r->n = scan.key.n;
		err = TS_OK;
	}
	scan_end(&scan);
	return err;
}

enum ts_err
staged_recover(struct store *store, uint64_t account)
{
	enum ts_err err;
	struct key job;

	while ((err = job_first(store, account, KEY_STAGED, &job)) == TS_OK) {
		struct rd r = rd_of((struct str){job.p + 9, job.n - 9});

		err = job_forget_listed(store, account, rd_be32(&r), &job, forget_staged);
		if (err != TS_OK)
			break;
		background_account(store, account, BG_COLLECT);
	}
	if (err == TS_NOT_FOUND)
		return TS_OK;
	log_msg(LOG_ERROR, NULL,
	    "store: account %llu: what an unfinished COPY left cannot be taken away yet: new "
	    "messages are refused until then: %s",
	    (unsigned long long)account, ts_err_name(err));
	return err;
}
