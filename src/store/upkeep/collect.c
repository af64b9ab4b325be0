/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frees blobs.  A message that is removed leaves an entry in its account's
 * queue.  A blob may be freed when it is in the queue, the account has no
 * reference to it on disk, and no other account has it (core/holders.c).  New
 * references are made only from messages that have one, in batches that are
 * durable before the batch that removes it.
 */
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/upkeep/upkeep_int.h"

#define QUEUED 256

enum verdict { STAYS, GOES, GOES_WITH_BLOB }; /* what to do with an entry of the queue */

struct queued {
	struct key key[QUEUED];
	bool summary[QUEUED];
	enum verdict verdict[QUEUED];
	size_t n;
};

static enum ts_err
read_queue(struct store *store, uint64_t account, struct queued *q)
{
	struct key k;
	struct scan scan;
	enum ts_err err = TS_OK;

	key_begin(&k, account, KEY_QUEUE);
	scan_begin(&scan, store, &k);
	for (q->n = 0; q->n < QUEUED; q->n++) {
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

static void
drop_summary(struct engine_batch *batch, uint64_t account, uint32_t mailbox, uint32_t uid)
{
	struct key k;

	key_index(&k, account, mailbox, KEY_SUMMARY);
	key_be32(&k, uid);
	engine_batch_delete(batch, key_str(&k));
}

/* What to remove, of the account and of account 0; the latter first. */
struct freed {
	struct engine_batch *own, *shared;
};

/* The account no longer has a reference to it. */
static enum ts_err
drop_reference(struct store *store, uint64_t account, uint64_t blob, struct freed *freed)
{
	struct holders h;
	struct key k;
	enum ts_err err = holders_look(store, blob, account, &h);

	store_looked(store);
	/* If they cannot be read there may be one: such a blob stays, and does not delay the
	 * others. */
	if (err != TS_OK || h.unknown)
		return err;
	if (h.count == 0)
		engine_batch_delete_blob(freed->own, blob);
	if (!h.has)
		return TS_OK;
	key_holder(&k, KEY_HOLDER, blob, account);
	engine_batch_delete(freed->shared, key_str(&k));
	if (h.count == 1)
		engine_batch_delete_blob(freed->shared, blob);
	return TS_OK;
}

/* An entry of the queue, as its key says. */
struct place {
	uint64_t blob;
	uint32_t mailbox, uid;
};

static struct place
place_of(const struct key *key)
{
	struct rd r = rd_of((struct str){key->p + 9, key->n - 9});
	struct place place = {.blob = rd_be64(&r)};

	place.mailbox = rd_be32(&r);
	place.uid = rd_be32(&r);
	return place;
}

/* Returns whether somebody who is not on disk still uses it.  Once nobody does, no more references
 * come. */
static bool
is_wanted(struct store *store, uint64_t blob)
{
	return upload_shares(store, blob) || hold_has_blob(store, blob);
}

static enum ts_err
judge(struct store *store, uint64_t account, struct queued *q)
{
	uint64_t last = 0;
	enum ts_err err = TS_OK;
	bool yes = false;

	for (size_t i = 0; i < q->n && err == TS_OK; i++) {
		uint64_t blob = place_of(&q->key[i]).blob;

		q->verdict[i] = STAYS;
		if (is_wanted(store, blob))
			continue;
		store_looked(store);
		if (blob != last)
			err = account_refers(store, account, blob, &yes);
		last = blob;
		q->verdict[i] = yes ? GOES : GOES_WITH_BLOB;
	}
	return err;
}

static void
take_off(uint64_t account, const struct queued *q, size_t i, struct engine_batch *batch)
{
	struct place place = place_of(&q->key[i]);

	engine_batch_delete(batch, key_str(&q->key[i]));
	if (q->summary[i])
		drop_summary(batch, account, place.mailbox, place.uid);
}

static enum ts_err
work_through(struct store *store, uint64_t account, const struct queued *q, struct freed *freed,
    size_t *done_r)
{
	uint64_t last = 0;
	enum ts_err err = TS_OK;

	for (size_t i = 0; i < q->n && err == TS_OK; i++) {
		uint64_t blob = place_of(&q->key[i]).blob;

		if (q->verdict[i] == STAYS ||
		    (q->verdict[i] == GOES_WITH_BLOB && hold_has_blob(store, blob)))
			continue;
		take_off(account, q, i, freed->own);
		++*done_r;
		if (q->verdict[i] == GOES_WITH_BLOB && blob != last)
			err = drop_reference(store, account, blob, freed);
		last = blob;
	}
	return err;
}

/*
 * Waits for the lanes twice.  After reading the queue: then holds have what left a state.  And
 * after looking at the references: the last one may have gone after holds were asked, and then a
 * hold has its message now.
 */
static enum ts_err
take_off_queue(struct store *store, uint64_t account, struct queued *q, size_t *done_r)
{
	struct freed freed = {engine_batch_new(), engine_batch_new()};
	enum ts_err err = lanes_settle(store) ? TS_OK : TS_UNAVAILABLE;

	if (err == TS_OK)
		err = judge(store, account, q);
	if (err == TS_OK && !lanes_settle(store))
		err = TS_UNAVAILABLE;
	if (err == TS_OK)
		err = work_through(store, account, q, &freed, done_r);
	if (err == TS_OK && engine_batch_count(freed.shared) > 0)
		err = store_commit(store, freed.shared);
	if (err == TS_OK && *done_r > 0)
		err = store_commit(store, freed.own);
	engine_batch_free(&freed.own);
	engine_batch_free(&freed.shared);
	return err;
}

enum ts_err
collect_step(struct store *store, uint64_t account, bool *more_r, bool *passed_r)
{
	struct queued *q = mem_zalloc(sizeof *q);
	enum ts_err err = read_queue(store, account, q);
	size_t done = 0;

	/* While messages come into the account nothing is removed. */
	if (err == TS_OK && q->n > 0 && cross_keep_off(store, account)) {
		err = take_off_queue(store, account, q, &done);
		cross_let_in(store);
	}
	*more_r = err == TS_OK && done > 0 && q->n == QUEUED;
	*passed_r = err == TS_OK && done < q->n;
	mem_free(q);
	return err;
}

enum ts_err
collect_dropped(struct store *store, const struct blob_drop *drop)
{
	struct engine_batch *batch;
	struct holders h;
	bool yes = false;
	enum ts_err err = holders_look(store, drop->blob, drop->account, &h);

	/* A claimed blob is freed with its claim. */
	if (err != TS_OK || h.count > 0 || h.unknown)
		return err;
	if (drop->account != 0)
		err = account_refers(store, drop->account, drop->blob, &yes);
	if (err != TS_OK || yes)
		return err;
	batch = engine_batch_new();
	engine_batch_delete_blob(batch, drop->blob);
	err = store_commit(store, batch);
	engine_batch_free(&batch);
	return err;
}

/* ---- files of earlier runs ---- */

struct files {
	uint64_t *blob; /* ascending, once sorted */
	bool *named;
	size_t n, cap;
	uint64_t limit;
};

static void
found_file(uint64_t blob, void *arg)
{
	struct files *f = arg;

	if ((blob & ~STORE_BLOB_MARKS) >= f->limit)
		return; /* of this run */
	if (f->n == f->cap) {
		f->cap = f->cap > 0 ? f->cap * 2 : 64;
		f->blob = mem_realloc(f->blob, f->cap * sizeof *f->blob);
	}
	f->blob[f->n++] = blob;
}

static int
by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void
name_file(struct files *f, uint64_t blob)
{
	uint64_t *at = f->n > 0 ? bsearch(&blob, f->blob, f->n, sizeof blob, by_number) : NULL;

	if (at != NULL)
		f->named[at - f->blob] = true;
}

/* Marks those named by rows of that account: references, or holders. */
static enum ts_err
name_files(struct store *store, uint64_t account, struct files *f)
{
	struct key from, end;
	struct scan scan;
	enum ts_err err;

	key_begin(&from, account, KEY_REF);
	key_be64(&from, STORE_BLOB_FILE);
	key_begin(&end, account, KEY_REF + 1);
	scan_begin_range(&scan, store, &from, &end);
	/* A row with a damaged value still counts. */
	while ((err = scan_next(&scan)) == TS_OK || scan.key.n > 0) {
		struct rd r = rd_of((struct str){scan.key.p + 9, scan.key.n - 9});

		name_file(f, rd_be64(&r));
	}
	scan_end(&scan);
	return err == TS_NOT_FOUND ? TS_OK : err;
}

static enum ts_err
name_all(struct store *store, struct files *f)
{
	uint64_t account = 0;
	enum ts_err err = name_files(store, 0, f);

	while (err == TS_OK && (err = account_next(store, account, &account)) == TS_OK)
		err = name_files(store, account, f);
	return err == TS_NOT_FOUND ? TS_OK : err;
}

/* A file that moved from one account to another meanwhile may have been found in neither, but then
 * it has holders.  One that a command holds is in no account, either. */
static bool
is_named(struct store *store, const struct files *f, size_t i, enum ts_err *err)
{
	struct holders h;

	if (f->named[i] || upload_shares(store, f->blob[i]) || hold_has_blob(store, f->blob[i]))
		return true;
	*err = holders_look(store, f->blob[i], 0, &h);
	return *err != TS_OK || h.unknown || h.count > 0;
}

/* Files without a reference are left when a crash interrupts the arrival of messages.  After
 * acknowledged data was given up they may be messages, and nothing is removed. */
static enum ts_err
remove_nameless(struct store *store, const struct files *f, bool recovered, size_t *aside)
{
	struct engine_batch *batch = engine_batch_new();
	enum ts_err err = TS_OK;

	for (size_t i = 0; i < f->n && err == TS_OK; i++) {
		if (is_named(store, f, i, &err))
			continue;
		*aside += recovered;
		if (recovered)
			err = engine_blob_set_aside(store->engine, f->blob[i], ENGINE_ASIDE_LOST);
		else
			engine_batch_delete_blob(batch, f->blob[i]);
	}
	if (err == TS_OK && engine_batch_count(batch) > 0)
		err = store_commit(store, batch);
	engine_batch_free(&batch);
	return err;
}

enum ts_err
collect_orphans(struct store *store)
{
	struct files f = {.limit = store->bg.orphan_limit};
	enum ts_err err = engine_blob_files(store->engine, found_file, &f);
	bool recovered = engine_recovered(store->engine);
	size_t aside = 0;

	if (f.n > 0)
		qsort(f.blob, f.n, sizeof *f.blob, by_number);
	f.named = mem_zalloc(f.n + 1);
	if (err == TS_OK && f.n > 0)
		err = name_all(store, &f);
	/* The last reference may just have gone: after this, holds have the message. */
	if (err == TS_OK && f.n > 0 && !lanes_settle(store))
		err = TS_UNAVAILABLE;
	if (err == TS_OK)
		err = remove_nameless(store, &f, recovered, &aside);
	if (aside > 0)
		log_msg(LOG_WARNING, NULL,
		    "%zu large messages lost their places when a part of the log was given up: "
		    "they are in the folder lost/ of the store; turnstone check --repair brings "
		    "them back as mail",
		    aside);
	if (recovered && err == TS_OK)
		err = engine_recovered_end(store->engine);
	mem_free(f.blob);
	mem_free(f.named);
	return err;
}
