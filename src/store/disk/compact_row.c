/* SPDX-License-Identifier: Apache-2.0 */
/* The format of compact rows, and what they take from a summary: see compact.h. */
#include <xxhash.h>

#include "base/mem.h"
#include "mail/text/text.h"
#include "store/disk/compact.h"

#define VERSION 1

static const char letters[COMPACT_COLUMNS] = {[STORE_COLUMN_SUBJECT] = 's',
    [STORE_COLUMN_FROM] = 'f',
    [STORE_COLUMN_TO] = 't',
    [STORE_COLUMN_CC] = 'c',
    [STORE_COLUMN_DISPLAYFROM] = 'F',
    [STORE_COLUMN_DISPLAYTO] = 'T',
    [STORE_COLUMN_DATE] = 'd',
    [STORE_COLUMN_IDS] = 'i'};

void
compact_key(
    struct key *k, uint64_t account, uint32_t mailbox, enum store_column column, uint32_t block)
{
	key_index(k, account, mailbox, KEY_COMPACT);
	key_bytes(k, (struct str){&letters[column], 1});
	key_be32(k, block);
}

bool
compact_key_read(struct str key, enum store_column *column_r, uint32_t *block_r)
{
	const char *at = key.n == 19 ? memchr(letters, key.p[14], sizeof letters) : NULL;
	struct rd r = rd_of(at != NULL ? (struct str){key.p + 15, 4} : STR_NONE);

	*column_r = at != NULL ? (enum store_column)(at - letters) : STORE_COLUMNS;
	*block_r = rd_be32(&r);
	return at != NULL && *block_r <= UINT32_MAX >> CHUNK_BITS;
}

/* ---- cells ---- */

static void
cut_key(struct compact_cell *cell)
{
	cell->cut = cell->key.n > COMPACT_CUT;
	if (!cell->cut)
		return;
	cell->hash = XXH3_64bits(cell->key.p, cell->key.n);
	cell->key.n = COMPACT_CUT;
}

static void
cut_refs(struct compact_cell *cell, struct buf *refs, bool all)
{
	size_t n = refs->n / 8, most = COMPACT_REFS;

	cell->cut = !all && n > most;
	if (cell->cut) {
		memmove(refs->p + 8, refs->p + (n - most + 1) * 8, (most - 1) * 8);
		refs->n = most * 8;
	}
	cell->refs = refs->n > 0 ? buf_as_str(refs) : STR("");
}

void
compact_cells(struct compact_source *source, const struct mail_summary *s, unsigned mask,
    bool all_refs, struct compact_cell cells[COMPACT_COLUMNS])
{
	memset(cells, 0, COMPACT_COLUMNS * sizeof *cells);
	mail_sort_make(s, mask & ((1u << MAIL_SORTS) - 1), &source->keys);
	for (enum store_column c = 0; c < (enum store_column)MAIL_SORTS; c++) {
		if ((mask & 1u << c) == 0)
			continue;
		cells[c].key = mail_sort_key(&source->keys, (enum mail_sort)c);
		cut_key(&cells[c]);
	}
	cells[STORE_COLUMN_SUBJECT].flag = (s->flags & MAIL_SUMMARY_REPLY) != 0;
	cells[STORE_COLUMN_DATE].flag = (s->flags & MAIL_SUMMARY_DATED) != 0;
	cells[STORE_COLUMN_DATE].sent = s->sent;
	if ((mask & 1u << STORE_COLUMN_IDS) == 0)
		return;
	source->refs.n = 0;
	mail_thread_ids(s, &cells[STORE_COLUMN_IDS].hash, &source->refs);
	cells[STORE_COLUMN_IDS].flag = cells[STORE_COLUMN_IDS].hash != 0;
	cut_refs(&cells[STORE_COLUMN_IDS], &source->refs, all_refs);
}

void
compact_source_fini(struct compact_source *source)
{
	mail_sort_fini(&source->keys);
	buf_fini(&source->refs);
}

/* ---- writing ---- */

void
compact_begin(struct compact_writer *w, uint32_t block)
{
	w->uid = block << CHUNK_BITS;
	w->count = 0;
	w->sent = 0;
	w->cells.n = 0;
}

static void
add_date(struct compact_writer *w, const struct compact_cell *cell)
{
	if (!cell->flag) {
		buf_varint(&w->cells, 0);
		return;
	}
	buf_varint(&w->cells, 1 + zigzag(cell->sent - w->sent));
	w->sent = cell->sent;
}

static void
add_ids(struct compact_writer *w, const struct compact_cell *cell)
{
	buf_varint(
	    &w->cells, (uint64_t)(cell->refs.n / 8) << 2 | (uint64_t)cell->flag << 1 | cell->cut);
	if (cell->flag)
		buf_le64(&w->cells, cell->hash);
	buf_str(&w->cells, cell->refs);
}

static void
add_key(struct compact_writer *w, const struct compact_cell *cell)
{
	buf_varint(&w->cells, (uint64_t)cell->key.n << 2 | (uint64_t)cell->flag << 1 | cell->cut);
	buf_str(&w->cells, cell->key);
	if (cell->cut)
		buf_le64(&w->cells, cell->hash);
}

void
compact_add(struct compact_writer *w, enum store_column column, uint32_t uid,
    const struct compact_cell *cell)
{
	buf_varint(&w->cells, uid - w->uid);
	w->uid = uid;
	w->count++;
	if (column == STORE_COLUMN_DATE)
		add_date(w, cell);
	else if (column == STORE_COLUMN_IDS)
		add_ids(w, cell);
	else
		add_key(w, cell);
}

void
compact_end(const struct compact_writer *w, struct buf *out)
{
	buf_putc(out, VERSION);
	buf_le32(out, mail_collate_version());
	buf_varint(out, w->count);
	buf_str(out, buf_as_str(&w->cells));
}

void
compact_writer_fini(struct compact_writer *w)
{
	buf_fini(&w->cells);
}

/* ---- reading ---- */

bool
compact_open(struct compact_reader *r, enum store_column column, uint32_t block, struct str body)
{
	*r = (struct compact_reader){.r = rd_of(body),
	    .column = column,
	    .uid = (uint64_t)block << CHUNK_BITS,
	    .end = ((uint64_t)block + 1) << CHUNK_BITS};
	if (rd_u8(&r->r) != VERSION || rd_le32(&r->r) != mail_collate_version())
		return false;
	r->left = rd_varint(&r->r);
	return !r->r.bad && r->left <= CHUNK_UIDS;
}

static void
take_date(struct compact_reader *r, struct compact_cell *cell)
{
	uint64_t v = rd_varint(&r->r);

	cell->flag = v > 0;
	if (!cell->flag)
		return;
	r->sent = (int64_t)((uint64_t)r->sent + (uint64_t)unzigzag(v - 1));
	cell->sent = r->sent;
}

/* Reads the start of a cell: a number and two flags. */
static uint64_t
take_head(struct compact_reader *r, struct compact_cell *cell)
{
	uint64_t v = rd_varint(&r->r);

	cell->cut = (v & 1) != 0;
	cell->flag = (v & 2) != 0;
	return v >> 2;
}

static void
take_ids(struct compact_reader *r, struct compact_cell *cell)
{
	uint64_t n = take_head(r, cell);

	if (cell->flag)
		cell->hash = rd_le64(&r->r);
	r->r.bad = r->r.bad || n > COMPACT_REFS;
	cell->refs = rd_bytes(&r->r, r->r.bad ? 0 : (size_t)n * 8);
}

static void
take_key(struct compact_reader *r, struct compact_cell *cell)
{
	uint64_t n = take_head(r, cell);

	r->r.bad = r->r.bad || n > COMPACT_CUT || (cell->cut && n != COMPACT_CUT);
	cell->key = rd_bytes(&r->r, r->r.bad ? 0 : (size_t)n);
	if (cell->cut)
		cell->hash = rd_le64(&r->r);
}

bool
compact_next(struct compact_reader *r, uint32_t *uid_r, struct compact_cell *cell)
{
	uint64_t gap;

	if (r->left == 0) {
		r->damaged = r->damaged || rd_left(&r->r) > 0;
		return false;
	}
	gap = rd_varint(&r->r);
	*cell = (struct compact_cell){.cut = false};
	if (r->column == STORE_COLUMN_DATE)
		take_date(r, cell);
	else if (r->column == STORE_COLUMN_IDS)
		take_ids(r, cell);
	else
		take_key(r, cell);
	r->damaged = r->r.bad || gap >= r->end - r->uid || (gap == 0 && r->begun);
	if (r->damaged)
		return false;
	r->begun = true;
	r->uid += gap;
	*uid_r = (uint32_t)r->uid;
	r->left--;
	return true;
}
