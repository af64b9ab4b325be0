/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cleaning up in the background: contents of deleted mailboxes and accounts,
 * and leftovers of large expunges and unfinished COPYs.  The key of a job is
 * removed last, so that it starts over after a crash; doing a part twice is
 * harmless.  Blobs are freed as their account's queue is worked off
 * (collect.c).
 */
#include "store/upkeep/upkeep_int.h"

/* The summary stays until the queue's entry is worked off: whoever holds the message has both till
 * then. */
static void
forget_purged(
    struct engine_batch *batch, uint64_t account, uint32_t mailbox, uint32_t uid, uint64_t blob)
{
	struct key k;

	key_ref(&k, KEY_REF, account, blob, mailbox, uid);
	engine_batch_delete(batch, key_str(&k));
	key_ref(&k, KEY_QUEUE, account, blob, mailbox, uid);
	batch_put_queue(batch, &k);
}

/* ---- mailboxes ---- */

static enum ts_err
forget_messages(struct store *store, uint64_t account, uint32_t mailbox, struct engine_batch *batch,
    bool *found_r)
{
	struct state *s = NULL;
	enum ts_err err = mailbox_read(store, account, mailbox, NULL, &s);

	*found_r = err != TS_DAMAGED;
	if (err == TS_DAMAGED) {
		/* It is logged; blobs of messages that cannot be found are not freed. */
		return TS_OK;
	}
	if (err != TS_OK)
		return err;
	for (size_t i = 0; i < s->chunk_count && err == TS_OK; i++) {
		const struct chunk *c = s->chunk[i];

		for (uint32_t j = 0; j < c->n; j++)
			forget_purged(batch, account, mailbox,
			    c->number << CHUNK_BITS | c->rec[j].off, c->rec[j].blob);
		err = job_commit(store, batch, false);
	}
	state_free(&s);
	return err;
}

static enum ts_err
purge_mailbox(struct store *store, uint64_t account, uint32_t mailbox, const struct key *job)
{
	struct engine_batch *batch = engine_batch_new();
	bool found;
	enum ts_err err = forget_messages(store, account, mailbox, batch, &found);
	struct key from, end;

	if (err == TS_OK) {
		key_begin(&from, account, KEY_INDEX);
		key_be32(&from, mailbox);
		end = from;
		if (found) /* summaries are removed as the queue is worked off */
			key_index(&end, account, mailbox, KEY_SUMMARY);
		else
			key_after(&end);
		engine_batch_delete_range(batch, key_str(&from), key_str(&end));
		key_begin(&from, account, KEY_INFO);
		key_be32(&from, mailbox);
		engine_batch_delete(batch, key_str(&from));
		key_begin(&from, account, KEY_COUNTERS);
		key_be32(&from, mailbox);
		engine_batch_delete(batch, key_str(&from));
		if (job != NULL)
			engine_batch_delete(batch, key_str(job));
		err = job_commit(store, batch, true);
	}
	engine_batch_free(&batch);
	return err;
}

/* ---- accounts ---- */

/* Finds the account's first mailbox from that id on that is still on disk. */
static enum ts_err
next_mailbox(struct store *store, uint64_t account, uint32_t from, uint32_t *mailbox_r)
{
	struct key k, end;
	struct scan scan;
	enum ts_err err;

	key_begin(&end, account, KEY_INFO + 1);
	key_begin(&k, account, KEY_INFO);
	key_be32(&k, from);
	scan_begin_range(&scan, store, &k, &end);
	/* Keys of another form are removed with all that is left. */
	do
		err = scan_next(&scan);
	while (scan.key.n > 0 && scan.key.n != 13);
	if (scan.key.n == 13) {
		struct rd r = rd_of((struct str){scan.key.p + 9, 4});

		*mailbox_r = rd_be32(&r);
		err = TS_OK;
	}
	scan_end(&scan);
	return err;
}

/* Queues references that no mailbox had any more: their blobs are freed all the same. */
static enum ts_err
forget_left(struct store *store, uint64_t account, struct engine_batch *batch)
{
	struct key k;
	struct scan scan;
	enum ts_err err = TS_OK;

	key_begin(&k, account, KEY_REF);
	scan_begin(&scan, store, &k);
	while (engine_batch_count(batch) < 2 * PURGE_PIECE &&
	       ((err = scan_next(&scan)) == TS_OK || (err == TS_DAMAGED && scan.key.n > 0))) {
		struct rd r = rd_of((struct str){scan.key.p + 9, scan.key.n - 9});
		uint64_t blob = rd_be64(&r);
		uint32_t mailbox = rd_be32(&r);

		engine_batch_delete(batch, scan.key);
		key_ref(&k, KEY_QUEUE, account, blob, mailbox, rd_be32(&r));
		if (!r.bad)
			batch_put_empty(batch, &k);
	}
	scan_end(&scan);
	return engine_batch_count(batch) > 0 || err == TS_NOT_FOUND ? TS_OK : err;
}

static enum ts_err
purge_left(struct store *store, uint64_t account)
{
	struct engine_batch *batch = engine_batch_new();
	enum ts_err err;
	size_t n;

	do {
		err = forget_left(store, account, batch);
		n = engine_batch_count(batch);
		if (err == TS_OK && n > 0)
			err = job_commit(store, batch, true);
	} while (err == TS_OK && n > 0);
	engine_batch_free(&batch);
	return err;
}

enum ts_err
purge_step(struct store *store, uint64_t account, bool *more_r)
{
	struct key job;
	enum ts_err err = job_first(store, account, KEY_PURGE, &job);
	struct rd r = rd_of((struct str){job.p + 9, err == TS_OK ? job.n - 9 : 0});
	uint32_t mailbox = rd_be32(&r);

	*more_r = err == TS_OK;
	if (err != TS_OK)
		return err == TS_NOT_FOUND ? TS_OK : err;
	err = rd_be64(&r) == 0 ? purge_mailbox(store, account, mailbox, &job)
	                       : job_forget_listed(store, account, mailbox, &job, forget_purged);
	*more_r = err == TS_OK;
	return err;
}

/* ---- accounts ---- */

static enum ts_err
purge_all(struct store *store, uint64_t account)
{
	uint32_t mailbox = 0;
	bool more = true;
	enum ts_err err = staged_recover(store, account);

	while (err == TS_OK && more)
		err = purge_step(store, account, &more);
	while (err == TS_OK && (err = next_mailbox(store, account, mailbox, &mailbox)) == TS_OK)
		err = purge_mailbox(store, account, mailbox, NULL);
	return err == TS_NOT_FOUND ? purge_left(store, account) : err;
}

/* None of it has a blob any more.  Deletes the account's keys, then the note of its removal. */
static enum ts_err
delete_keys(struct store *store, uint64_t account, const struct key *job)
{
	struct engine_batch *batch = engine_batch_new();
	struct key from, end;
	enum ts_err err;

	key_begin(&from, account, 0);
	key_begin(&end, account + 1, 0);
	engine_batch_delete_range(batch, key_str(&from), key_str(&end));
	err = job_commit(store, batch, true);
	if (err == TS_OK) {
		engine_batch_delete(batch, key_str(job));
		err = job_commit(store, batch, true);
	}
	engine_batch_free(&batch);
	return err;
}

/* The job names no account. */
static enum ts_err
drop_job(struct store *store, const struct key *job, bool *more_r)
{
	struct engine_batch *batch = engine_batch_new();
	enum ts_err err;

	engine_batch_delete(batch, key_str(job));
	err = job_commit(store, batch, true);
	engine_batch_free(&batch);
	*more_r = err == TS_OK;
	return err;
}

enum ts_err
dropped_step(struct store *store, bool *more_r, uint64_t *account_r)
{
	struct key job, queued;
	enum ts_err err = job_first(store, 0, KEY_DROPPED, &job);
	struct rd r = rd_of((struct str){job.p + 9, err == TS_OK ? job.n - 9 : 0});
	uint64_t account = rd_be64(&r);

	*more_r = false;
	*account_r = 0;
	if (err != TS_OK)
		return err == TS_NOT_FOUND ? TS_OK : err;
	if (r.bad || account == 0)
		return drop_job(store, &job, more_r);
	err = purge_all(store, account);
	if (err == TS_OK)
		err = job_first(store, account, KEY_QUEUE, &queued);
	if (err == TS_OK)
		*account_r = account;
	else if (err == TS_NOT_FOUND)
		err = delete_keys(store, account, &job);
	*more_r = err == TS_OK && *account_r == 0;
	return err;
}

/* ---- going through all accounts, after the start ---- */

#define SWEPT 64

/* Finds out whether the account has something to remove, or a queue. */
static enum ts_err
look_for_jobs(struct store *store, uint64_t account, unsigned *jobs_r)
{
	static const struct {
		enum key_kind kind;
		unsigned jobs;
	} kinds[] = {{KEY_PURGE, BG_PURGE}, {KEY_QUEUE, BG_COLLECT}};
	struct key job;
	enum ts_err err = TS_OK;

	*jobs_r = 0;
	for (size_t i = 0; i < 2 && err == TS_OK; i++) {
		err = job_first(store, account, kinds[i].kind, &job);
		if (err == TS_OK)
			*jobs_r |= kinds[i].jobs;
		err = err == TS_NOT_FOUND ? TS_OK : err;
	}
	return err;
}

enum ts_err
sweep_step(struct store *store, bool *more_r)
{
	uint64_t *at = &store->bg.swept;
	enum ts_err err = TS_OK;

	*more_r = true;
	for (unsigned i = 0; i < SWEPT && err == TS_OK; i++) {
		uint64_t account;
		unsigned jobs;

		err = account_next(store, *at, &account);
		if (err == TS_OK)
			err = look_for_jobs(store, account, &jobs);
		if (err == TS_OK)
			err = own_sweep(store, account);
		if (err == TS_OK)
			err = shares_sweep(store, account);
		if (err != TS_OK)
			break;
		if (jobs != 0)
			background_account(store, account, jobs);
		*at = account;
	}
	if (err != TS_NOT_FOUND)
		return err;
	err = shares_sweep_rows(store);
	*more_r = err != TS_OK;
	return err;
}
