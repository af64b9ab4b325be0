/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The check of compact rows.  What a row says about a message follows from its summary, which never
 * changes, so both may be read at different moments of a store in use and must still agree.
 */
#include "base/mem.h"
#include "store/check/check_int.h"
#include "store/disk/compact.h"

struct rows {
	struct check *c;
	const struct looked *l;
	uint32_t block;
	struct buf value[COMPACT_COLUMNS];
	struct compact_reader reader[COMPACT_COLUMNS];
	uint32_t uid[COMPACT_COLUMNS]; /* of the cell, if there is one */
	struct compact_cell cell[COMPACT_COLUMNS];
	bool has[COMPACT_COLUMNS], wrong[COMPACT_COLUMNS];
	struct compact_writer writer[COMPACT_COLUMNS]; /* what it should be */
	struct compact_source source;
};

/* ---- their format ---- */

static bool
row_good(enum store_column column, uint32_t block, struct str body)
{
	struct compact_reader r;
	struct compact_cell cell;
	uint32_t uid;

	if (!compact_open(&r, column, block, body))
		return !r.r.bad; /* of another version: nobody uses it */
	while (compact_next(&r, &uid, &cell))
		continue;
	return !r.damaged;
}

/* Finds the blocks; also keys that cannot be rows, and, when quick, rows that cannot be read. */
static enum ts_err
look_at_keys(struct check *c, const struct looked *l, roaring_bitmap_t *blocks, struct buf *drop)
{
	struct key prefix;
	struct scan scan;
	enum ts_err err;

	key_index(&prefix, l->account, l->mailbox, KEY_COMPACT);
	scan_begin(&scan, c->store, &prefix);
	while ((err = scan_next(&scan)) == TS_OK || (err == TS_DAMAGED && scan.key.n > 0)) {
		enum store_column column;
		uint32_t block;
		bool known = compact_key_read(scan.key, &column, &block);

		if (known && !c->opt->quick)
			roaring_bitmap_add(blocks, block);
		else if (!known || err != TS_OK || !row_good(column, block, scan.body))
			buf_vstr(drop, scan.key);
	}
	scan_end(&scan);
	return err == TS_NOT_FOUND ? TS_OK : err;
}

/* ---- their contents ---- */

static void
next_cell(struct rows *rows, enum store_column col)
{
	struct compact_reader *r = &rows->reader[col];

	rows->has[col] = compact_next(r, &rows->uid[col], &rows->cell[col]);
	/* In a store in use it may be newer than the counters. */
	if (r->damaged || (rows->has[col] && !rows->c->live && rows->l->has_counters &&
	                      rows->uid[col] >= rows->l->counters.uidnext))
		rows->wrong[col] = true;
}

static void
open_row(struct rows *rows, enum store_column col)
{
	struct compact_reader *r = &rows->reader[col];
	struct str body = STR_NONE;
	struct key k;
	enum ts_err err;

	*r = (struct compact_reader){.column = col};
	compact_key(&k, rows->l->account, rows->l->mailbox, col, rows->block);
	err = check_get(rows->c, &k, &rows->value[col], &body);
	rows->wrong[col] = err == TS_DAMAGED;
	rows->has[col] = false;
	compact_begin(&rows->writer[col], rows->block);
	if (err != TS_OK)
		return;
	if (compact_open(r, col, rows->block, body))
		next_cell(rows, col);
	else
		rows->wrong[col] = r->r.bad;
}

static bool
same_cell(enum store_column col, const struct compact_cell *a, const struct compact_cell *b)
{
	if (col == STORE_COLUMN_DATE)
		return a->flag == b->flag && (!a->flag || a->sent == b->sent);
	if (col == STORE_COLUMN_IDS)
		return a->cut == b->cut && a->flag == b->flag && (!a->flag || a->hash == b->hash) &&
		       str_eq(a->refs, b->refs);
	return a->cut == b->cut && a->flag == b->flag && (!a->cut || a->hash == b->hash) &&
	       str_eq(a->key, b->key);
}

static void
compare_summary(struct rows *rows, uint32_t uid, const struct mail_summary *s)
{
	struct compact_cell cells[COMPACT_COLUMNS];

	compact_cells(&rows->source, s, UINT32_MAX, false, cells);
	for (enum store_column col = 0; col < COMPACT_COLUMNS; col++) {
		while (rows->has[col] && rows->uid[col] < uid)
			next_cell(rows, col);
		/* UIDs only grow: everything below a UID in the row existed when it was made. */
		if (rows->has[col] &&
		    (rows->uid[col] != uid || !same_cell(col, &rows->cell[col], &cells[col])))
			rows->wrong[col] = true;
		compact_add(&rows->writer[col], col, uid, &cells[col]);
	}
}

static enum ts_err
compare_summaries(struct rows *rows)
{
	const struct looked *l = rows->l;
	struct key from, end;
	struct scan scan;
	enum ts_err err;

	key_index(&from, l->account, l->mailbox, KEY_SUMMARY);
	end = from;
	key_be32(&from, rows->block << CHUNK_BITS);
	key_be32(&end, rows->block << CHUNK_BITS | (CHUNK_UIDS - 1));
	end.p[end.n++] = 0;
	scan_begin_range(&scan, rows->c->store, &from, &end);
	while ((err = scan_next(&scan)) == TS_OK || (err == TS_DAMAGED && scan.key.n > 0)) {
		struct rd r = rd_of((struct str){scan.key.p + 14, scan.key.n - 14});
		uint32_t uid = rd_be32(&r);
		struct mail_summary s;

		if (err == TS_OK && roaring_bitmap_contains(l->state->uids, uid) &&
		    mail_summary_open(scan.body, &s) == TS_OK)
			compare_summary(rows, uid, &s);
	}
	scan_end(&scan);
	return err == TS_NOT_FOUND ? TS_OK : err;
}

static const char *
mend_row(struct rows *rows, enum store_column col)
{
	struct engine_batch *batch = engine_batch_new();
	struct buf value = {0};
	struct key k;
	enum ts_err err;

	compact_key(&k, rows->l->account, rows->l->mailbox, col, rows->block);
	value_begin(&value);
	compact_end(&rows->writer[col], &value);
	batch_put_value(batch, &k, &value);
	err = check_commit(rows->c, batch);
	buf_fini(&value);
	engine_batch_free(&batch);
	return err == TS_OK ? "it is made anew from the summaries" : NULL;
}

static enum ts_err
check_compact_block(struct rows *rows)
{
	struct check *c = rows->c;
	enum ts_err err;

	for (enum store_column col = 0; col < COMPACT_COLUMNS; col++)
		open_row(rows, col);
	err = compare_summaries(rows);
	for (enum store_column col = 0; col < COMPACT_COLUMNS && err == TS_OK; col++) {
		while (rows->has[col]) /* the rest must be well-formed too */
			next_cell(rows, col);
		if (rows->wrong[col])
			check_say(c, CHECK_INDEX, 0, c->opt->repair ? mend_row(rows, col) : NULL,
			    "column %u for sorting, block %u, is damaged", col, rows->block);
	}
	return err;
}

static enum ts_err
check_blocks(struct check *c, const struct looked *l, const roaring_bitmap_t *blocks)
{
	struct rows *rows = mem_zalloc(sizeof *rows);
	roaring_uint32_iterator_t it;
	enum ts_err err = TS_OK;

	rows->c = c;
	rows->l = l;
	roaring_init_iterator(blocks, &it);
	for (; it.has_value && err == TS_OK; roaring_advance_uint32_iterator(&it)) {
		rows->block = it.current_value;
		err = check_compact_block(rows);
	}
	for (enum store_column col = 0; col < COMPACT_COLUMNS; col++) {
		buf_fini(&rows->value[col]);
		compact_writer_fini(&rows->writer[col]);
	}
	compact_source_fini(&rows->source);
	mem_free(rows);
	return err;
}

void
check_compact(struct check *c, const struct looked *l)
{
	roaring_bitmap_t *blocks;
	struct buf drop = {0};
	enum ts_err err;

	if (l->state == NULL || l->unreadable)
		return;
	blocks = roaring_bitmap_create();
	err = look_at_keys(c, l, blocks, &drop);
	for (struct rd r = rd_of(buf_as_str(&drop)); rd_left(&r) > 0 && !r.bad;) {
		bool gone = check_drop_row(c, rd_vstr(&r));

		check_say(c, CHECK_INDEX, 0, gone ? "it is dropped, and made anew later" : NULL,
		    "a row for sorting is damaged");
	}
	if (err == TS_OK)
		err = check_blocks(c, l, blocks);
	if (err != TS_OK)
		check_say(c, CHECK_TABLE, 0, NULL, "rows for sorting cannot all be read: %s",
		    ts_err_name(err));
	roaring_bitmap_free(blocks);
	buf_fini(&drop);
}
