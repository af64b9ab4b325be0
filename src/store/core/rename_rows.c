/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of a RENAME of very many mailboxes (kinds/change_rename_many.c).  Its record says what is
 * renamed; the rows follow in pieces, from what is on disk.  If the record is found and nobody
 * works on it (after a crash, or a flush of unknown outcome), the missing rows are written before
 * any are read.
 */
#include "base/log.h"
#include "store/core/core_int.h"

/* Rows written per piece, and rows looked at. */
#define PIECE 500
#define LOOKED_AT (16 * PIECE)

void
rename_record_key(struct key *k, uint64_t account)
{
	key_begin(k, account, KEY_RENAME);
}

void
rename_written_key(struct key *k, uint64_t account)
{
	rename_record_key(k, account);
	key_bytes(k, STR("\1"));
}

struct note {
	struct str old, new;
	uint32_t first, written;
	roaring_bitmap_t *fresh;
	struct buf value;
};

static void
note_fini(struct note *r)
{
	if (r->fresh != NULL)
		roaring_bitmap_free(r->fresh);
	buf_fini(&r->value);
}

static enum ts_err
read_written(struct store *store, uint64_t account, uint32_t *written_r)
{
	struct key k;
	struct buf b = {0};
	struct str body = STR_NONE;

	rename_written_key(&k, account);

	enum ts_err err = store_get(store, &k, &b, &body);
	struct rd r = rd_of(body);

	*written_r = err == TS_OK ? rd_le32(&r) : 0;
	buf_fini(&b);
	return err == TS_NOT_FOUND ? TS_OK : r.bad ? TS_DAMAGED : err;
}

/* TS_DAMAGED: nobody knows what was renamed, so names stay as they are. */
static enum ts_err
read_record(struct store *store, uint64_t account, struct note *note)
{
	struct key k;
	struct str body = STR_NONE;

	*note = (struct note){0};
	rename_record_key(&k, account);

	enum ts_err err = store_get(store, &k, &note->value, &body);
	struct rd r = rd_of(body);

	if (err != TS_OK)
		return err;
	note->old = rd_vstr(&r);
	note->new = rd_vstr(&r);
	note->first = rd_le32(&r);
	note->fresh = value_take_set(&r);
	return r.bad || note->fresh == NULL ? TS_DAMAGED
	                                    : read_written(store, account, &note->written);
}

bool
rename_covers(struct str old, struct str name)
{
	return str_has_prefix(name, old) && (name.n == old.n || name.p[old.n] == '/');
}

/* Returns true if the mailbox is renamed, and puts its row. */
static bool
rewrite_row(const struct note *note, struct str key, struct str body, uint32_t id,
    struct engine_batch *batch, struct buf *b)
{
	struct rd r = rd_of(body);
	uint32_t uidvalidity = rd_le32(&r);
	struct str rest = rd_bytes(&r, 12), name = rd_bytes(&r, rd_left(&r));

	if (r.bad || !rename_covers(note->old, name))
		return false;
	if (roaring_bitmap_contains(note->fresh, id))
		uidvalidity = note->first + (uint32_t)roaring_bitmap_rank(note->fresh, id) - 1;
	value_begin(b);
	buf_le32(b, uidvalidity);
	buf_str(b, rest);
	buf_str(b, note->new);
	buf_put(b, name.p + note->old.n, name.n - note->old.n);
	value_seal(b, key);
	engine_batch_put(batch, key, buf_as_str(b));
	return true;
}

/* Puts the next rows after note->written.  TS_NOT_FOUND: there are no more. */
static enum ts_err
rewrite_rows(struct store *store, uint64_t account, struct note *note, struct engine_batch *batch)
{
	struct key from, end;
	struct scan scan;
	struct buf b = {0};
	enum ts_err err = TS_OK;

	key_begin(&from, account, KEY_INFO);
	key_be32(&from, note->written + 1);
	key_begin(&end, account, KEY_INFO + 1);
	scan_begin_range(&scan, store, &from, &end);
	/* A mailbox with a damaged row has no name. */
	for (size_t n = 0, looked = 0; n < PIECE && looked < LOOKED_AT; looked++) {
		err = scan_next(&scan);
		if (err != TS_OK && (err != TS_DAMAGED || scan.key.n != 13))
			break;

		struct rd k = rd_of((struct str){scan.key.p + 9, scan.key.n - 9});

		note->written = rd_be32(&k);
		n += err == TS_OK &&
		     rewrite_row(note, scan.key, scan.body, note->written, batch, &b);
		err = TS_OK;
	}
	scan_end(&scan);
	buf_fini(&b);
	return err;
}

static enum ts_err
write_piece(struct store *store, uint64_t account, struct note *note, bool *more_r)
{
	struct engine_batch *batch = engine_batch_new();
	enum ts_err err = rewrite_rows(store, account, note, batch);
	struct key k;
	struct buf b = {0};

	rename_written_key(&k, account);
	if (err == TS_OK) {
		value_begin(&b);
		buf_le32(&b, note->written);
		batch_put_value(batch, &k, &b);
	} else if (err == TS_NOT_FOUND) {
		engine_batch_delete(batch, key_str(&k));
		rename_record_key(&k, account);
		engine_batch_delete(batch, key_str(&k));
	}
	*more_r = err == TS_OK;
	if (err == TS_OK || err == TS_NOT_FOUND)
		err = store_commit(store, batch);
	engine_batch_free(&batch);
	buf_fini(&b);
	return err;
}

enum ts_err
rename_write_piece(struct store *store, uint64_t account, bool *more_r)
{
	struct note note;

	*more_r = false;
	pthread_mutex_lock(&store->rename_mutex);

	enum ts_err err = read_record(store, account, &note);

	if (err == TS_OK)
		err = write_piece(store, account, &note, more_r);
	else if (err == TS_DAMAGED)
		log_msg(LOG_ERROR, NULL,
		    "store: account %llu: the record of a RENAME is damaged: mailboxes may have "
		    "their old names",
		    (unsigned long long)account);
	pthread_mutex_unlock(&store->rename_mutex);
	note_fini(&note);
	return err == TS_NOT_FOUND || err == TS_DAMAGED ? TS_OK : err;
}

bool
rename_pending(struct store *store, uint64_t account)
{
	struct key k;
	struct buf b = {0};
	bool yes;

	rename_record_key(&k, account);
	yes = engine_get(store->engine, key_str(&k), &b) != TS_NOT_FOUND;
	buf_fini(&b);
	return yes;
}

enum ts_err
rename_finish(struct store *store, uint64_t account)
{
	enum ts_err err = TS_OK;

	for (bool more = true; more && err == TS_OK;)
		err = rename_write_piece(store, account, &more);
	return err;
}
