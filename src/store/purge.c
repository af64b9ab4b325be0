/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cleaning up in the background: contents of deleted mailboxes and accounts,
 * what large expunges left, blobs without references.  Every job is a key that
 * goes last, so that a crash makes it begin again; doing a part twice is
 * harmless.
 *
 * A blob may be freed when it is in the queue and has no reference on disk:
 * new references are made only from messages (or claims, see cross.c) that
 * have one, in batches that are durable before the one that takes that away.
 */
#include "base/log.h"
#include "base/mem.h"
#include "store/inside.h"

#define PIECE 1000

/* Its summary goes with its place in the queue: whoever holds the message has both till then. */
static void
forget(struct engine_batch *batch, uint64_t account, uint32_t mailbox, uint32_t uid, uint64_t blob)
{
	struct key k;

	key_ref(&k, KEY_REF, blob, account, mailbox, uid);
	engine_batch_delete(batch, key_str(&k));
	key_ref(&k, KEY_QUEUE, blob, account, mailbox, uid);
	batch_put_queue(batch, &k);
}

static void
drop_summary(struct engine_batch *batch, uint64_t account, uint32_t mailbox, uint32_t uid)
{
	struct key k;

	key_index(&k, account, mailbox, KEY_SUMMARY);
	key_be32(&k, uid);
	engine_batch_delete(batch, key_str(&k));
}

/* Nobody has seen it.  After a crash its UID may be another's, so nothing of it may go later. */
static void
forget_staged(
    struct engine_batch *batch, uint64_t account, uint32_t mailbox, uint32_t uid, uint64_t blob)
{
	struct key k;

	drop_summary(batch, account, mailbox, uid);
	key_ref(&k, KEY_REF, blob, account, mailbox, uid);
	engine_batch_delete(batch, key_str(&k));
	key_ref(&k, KEY_QUEUE, blob, account, mailbox, uid);
	batch_put_empty(batch, &k);
}

static enum ts_err
commit_piece(struct store *store, struct engine_batch *batch, bool always)
{
	enum ts_err err = TS_OK;

	if (always || engine_batch_count(batch) >= 2 * PIECE) {
		err = background_commit(store, batch);
		engine_batch_clear(batch);
	}
	return err;
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
		/* Named in the log; blobs of messages that cannot be found are not freed. */
		return TS_OK;
	}
	if (err != TS_OK)
		return err;
	for (size_t i = 0; i < s->chunk_count && err == TS_OK; i++) {
		const struct chunk *c = s->chunk[i];

		for (uint32_t j = 0; j < c->n; j++)
			forget(batch, account, mailbox, c->number << CHUNK_BITS | c->rec[j].off,
			    c->rec[j].blob);
		err = commit_piece(store, batch, false);
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
		if (found) /* summaries go as the queue is worked through */
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
		err = commit_piece(store, batch, true);
	}
	engine_batch_free(&batch);
	return err;
}

/* ---- what an expunge left ---- */

static enum ts_err
purge_expunged(struct store *store, uint64_t account, uint32_t mailbox, const struct key *job,
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
		err = commit_piece(store, batch, false);
	}
	if (err == TS_OK || err == TS_DAMAGED) {
		engine_batch_delete(batch, key_str(job));
		err = commit_piece(store, batch, true);
	}
	buf_fini(&value);
	engine_batch_free(&batch);
	return err;
}

/* ---- accounts ---- */

/* The first of the account's mailboxes that is still on disk. */
static enum ts_err
first_mailbox(struct store *store, uint64_t account, uint32_t *mailbox_r)
{
	struct key k;
	struct scan scan;

	key_begin(&k, account, KEY_INFO);
	scan_begin(&scan, store, &k);

	enum ts_err err = scan_next(&scan);

	if (scan.key.n >= 13) {
		struct rd r = rd_of((struct str){scan.key.p + 9, 4});

		*mailbox_r = rd_be32(&r);
		err = TS_OK;
	}
	scan_end(&scan);
	return err;
}

static enum ts_err
purge_account(struct store *store, uint64_t account, const struct key *job)
{
	uint32_t mailbox = 0;
	enum ts_err err;

	while ((err = first_mailbox(store, account, &mailbox)) == TS_OK) {
		err = purge_mailbox(store, account, mailbox, NULL);
		if (err != TS_OK)
			return err;
	}
	if (err != TS_NOT_FOUND)
		return err;

	struct engine_batch *batch = engine_batch_new();
	struct key from, end;

	key_begin(&from, account, 0);
	key_begin(&end, account + 1, 0);
	engine_batch_delete_range(batch, key_str(&from), key_str(&end));
	engine_batch_delete(batch, key_str(job));
	err = commit_piece(store, batch, true);
	engine_batch_free(&batch);
	return err;
}

/* The first key of a kind in account 0. */
static enum ts_err
first_job(struct store *store, enum key_kind kind, struct key *job_r)
{
	struct key k;
	struct scan scan;

	key_begin(&k, 0, kind);
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
purge_step(struct store *store, bool *more_r)
{
	struct key job;
	enum ts_err err = first_job(store, KEY_PURGE, &job);
	struct rd r = rd_of((struct str){job.p + 9, err == TS_OK ? job.n - 9 : 0});

	*more_r = false;
	if (err == TS_NOT_FOUND) {
		err = first_job(store, KEY_DROPPED, &job);
		if (err == TS_OK) {
			r = rd_of((struct str){job.p + 9, job.n - 9});
			err = purge_account(store, rd_be64(&r), &job);
			*more_r = err == TS_OK;
		}
		return err == TS_NOT_FOUND ? TS_OK : err;
	}
	if (err != TS_OK)
		return err;

	uint64_t account = rd_be64(&r);
	uint32_t mailbox = rd_be32(&r);

	err = rd_be64(&r) == 0 ? purge_mailbox(store, account, mailbox, &job)
	                       : purge_expunged(store, account, mailbox, &job, forget);
	*more_r = err == TS_OK;
	return err;
}

/* ---- what a COPY of the last run had put ---- */

enum ts_err
staged_recover(struct store *store)
{
	enum ts_err err = TS_OK;
	struct key job;

	while (atomic_load(&store->staged_left) && err == TS_OK) {
		err = first_job(store, KEY_STAGED, &job);
		if (err == TS_OK) {
			struct rd r = rd_of((struct str){job.p + 9, job.n - 9});
			uint64_t account = rd_be64(&r);

			err = purge_expunged(store, account, rd_be32(&r), &job, forget_staged);
		} else if (err == TS_NOT_FOUND) {
			atomic_store(&store->staged_left, false);
		}
	}
	if (err == TS_NOT_FOUND)
		return TS_OK;
	if (err != TS_OK)
		log_msg(LOG_ERROR, NULL,
		    "store: what an unfinished COPY left cannot be taken away yet: new messages "
		    "are refused until then: %s",
		    ts_err_name(err));
	return err;
}

/* ---- blobs ---- */

static enum ts_err
referred(struct store *store, uint64_t blob, bool *yes_r)
{
	struct key k;
	struct scan scan;

	key_begin(&k, 0, KEY_REF);
	key_be64(&k, blob);
	scan_begin(&scan, store, &k);

	enum ts_err err = scan_next(&scan);

	/* A reference whose value is damaged is one all the same, and where references cannot be
	 * read there may be one: such a blob stays, and does not hold up the others. */
	*yes_r = scan.key.n > 0 || err == TS_DAMAGED;
	scan_end(&scan);
	return err == TS_NOT_FOUND || *yes_r ? TS_OK : err;
}

struct queued {
	struct key key[256];
	bool summary[256];
	size_t n;
};

static enum ts_err
read_queue(struct store *store, struct queued *q)
{
	struct key k;
	struct scan scan;
	enum ts_err err = TS_OK;

	key_begin(&k, 0, KEY_QUEUE);
	scan_begin(&scan, store, &k);
	for (q->n = 0; q->n < 256; q->n++) {
		err = scan_next(&scan);
		if (scan.key.n == 0)
			break;
		q->key[q->n].n = scan.key.n;
		memcpy(q->key[q->n].p, scan.key.p, scan.key.n);
		q->summary[q->n] =
		    err == TS_OK && scan.body.n > 0 && scan.body.p[0] == QUEUE_SUMMARY;
	}
	scan_end(&scan);
	return q->n > 0 || err == TS_NOT_FOUND ? TS_OK : err;
}

enum ts_err
collect_step(struct store *store, bool *more_r)
{
	struct queued *q = mem_zalloc(sizeof *q);
	struct engine_batch *batch = engine_batch_new();
	enum ts_err err = read_queue(store, q);
	uint64_t last = 0;
	size_t done = 0;

	/* Behind the look at the queue: then holds have what left a state. */
	if (err == TS_OK && q->n > 0 && !lanes_settle(store))
		err = TS_UNAVAILABLE;
	for (size_t i = 0; i < q->n && err == TS_OK; i++) {
		struct rd r = rd_of((struct str){q->key[i].p + 9, q->key[i].n - 9});
		uint64_t blob = rd_be64(&r);
		bool yes = false;

		/* First of all: once nobody holds it, all references to come are on disk. */
		if (upload_pins(store, blob) || hold_has_blob(store, blob))
			continue;
		engine_batch_delete(batch, key_str(&q->key[i]));
		if (q->summary[i]) {
			uint64_t account = rd_be64(&r);
			uint32_t mailbox = rd_be32(&r);

			drop_summary(batch, account, mailbox, rd_be32(&r));
		}
		done++;
		if (blob == last)
			continue;
		last = blob;
		err = referred(store, blob, &yes);
		if (err == TS_OK && !yes)
			engine_batch_delete_blob(batch, blob);
	}
	if (err == TS_OK && done > 0)
		err = background_commit(store, batch);
	*more_r = err == TS_OK && done > 0 && q->n == 256;
	engine_batch_free(&batch);
	mem_free(q);
	return err;
}

enum ts_err
collect_dropped(struct store *store, uint64_t blob)
{
	struct engine_batch *batch;
	bool yes = false;
	enum ts_err err = referred(store, blob, &yes);

	if (err != TS_OK || yes)
		return err;
	batch = engine_batch_new();
	engine_batch_delete_blob(batch, blob);
	err = background_commit(store, batch);
	engine_batch_free(&batch);
	return err;
}

struct files {
	uint64_t *blob;
	size_t n, cap;
	uint64_t limit;
};

static void
found_file(uint64_t blob, void *arg)
{
	struct files *f = arg;

	if ((blob & ~STORE_BLOB_FILE) >= f->limit)
		return; /* of this run */
	if (f->n == f->cap) {
		f->cap = f->cap > 0 ? f->cap * 2 : 64;
		f->blob = mem_realloc(f->blob, f->cap * sizeof *f->blob);
	}
	f->blob[f->n++] = blob;
}

/* *aside counts what was set aside. */
static enum ts_err
set_lost_aside(struct store *store, uint64_t blob, size_t *aside)
{
	bool yes = false;
	enum ts_err err = referred(store, blob, &yes);

	if (err != TS_OK || yes)
		return err;
	++*aside;
	return engine_blob_set_aside(store->engine, blob, ENGINE_ASIDE_LOST);
}

/* Files without a reference are what a crash left of messages on their way; after something
 * acknowledged was given up they may be messages, and nothing is removed. */
enum ts_err
collect_orphans(struct store *store)
{
	struct files f = {.limit = store->bg.orphan_limit};
	enum ts_err err = engine_blob_files(store->engine, found_file, &f);
	bool recovered = engine_recovered(store->engine);
	size_t aside = 0;

	for (size_t i = 0; i < f.n && err == TS_OK; i++)
		err = recovered ? set_lost_aside(store, f.blob[i], &aside)
		                : collect_dropped(store, f.blob[i]);
	if (aside > 0)
		log_msg(LOG_WARNING, NULL,
		    "%zu large messages lost their places when a part of the log was given up: "
		    "they are in the folder lost/ of the store; turnstone check --repair brings "
		    "them back as mail",
		    aside);
	if (recovered && err == TS_OK)
		err = engine_recovered_end(store->engine);
	mem_free(f.blob);
	return err;
}
