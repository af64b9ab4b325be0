/* SPDX-License-Identifier: Apache-2.0 */
/* Fills columns: from rows, then from summaries, then from the mailbox's state; see columns.h. */
#include "store/read/columns_int.h"

#include "base/log.h"
#include "base/mem.h"

#define FEW 4            /* up to this many messages of a block, read summaries: rows are larger */
#define SUMMARIES 64     /* read at once, */
#define PIECE (1u << 20) /* or so many bytes of them */
#define ROWS ((1u << COMPACT_COLUMNS) - 1)
#define CUT_IDS (1u << 15) /* in c->want: the row lacks some of the references */
#define FROM_STATE (1u << STORE_COLUMN_DATE | 1u << STORE_COLUMN_ARRIVAL | 1u << STORE_COLUMN_SIZE)

static bool
wants(const struct store_columns *c, enum store_column column)
{
	return (c->mask >> column & 1) != 0;
}

/* ---- making ---- */

struct store_columns *
store_columns_new(struct store_mailbox *mb, struct store_hold *hold, const roaring_bitmap_t *uids,
    unsigned columns)
{
	struct store_columns *c = mem_zalloc(sizeof *c);

	c->mailbox = store_mailbox_ref(mb);
	c->hold = hold;
	c->set = roaring_bitmap_copy(uids);
	c->n = roaring_bitmap_get_cardinality(uids);
	c->mask = columns;
	return c;
}

void
store_columns_free(struct store_columns **cp)
{
	struct store_columns *c = *cp;

	*cp = NULL;
	if (c == NULL)
		return;
	for (enum store_column col = 0; col < STORE_COLUMNS; col++) {
		mem_free(c->number[col]);
		mem_free(c->rank[col]);
	}
	for (enum store_column col = 0; columns_is_text(col); col++)
		texts_fini(&c->text[col]);
	columns_rank_fini(c);
	roaring_bitmap_free(c->set);
	mem_free(c->uid);
	mem_free(c->flags);
	mem_free(c->ids);
	buf_fini(&c->refs);
	buf_fini(&c->row);
	compact_source_fini(&c->source);
	store_mailbox_unref(&c->mailbox);
	mem_free(c);
}

static bool
make_arrays(struct store_columns *c)
{
	static const struct compact_cell empty = {.cut = false};
	uint64_t each = sizeof *c->uid + 1;

	for (enum store_column col = 0; col < STORE_COLUMNS; col++)
		if (wants(c, col))
			each += col == STORE_COLUMN_IDS ? sizeof *c->ids
			        : columns_is_text(col)  ? sizeof(uint32_t)
			                                : sizeof(uint32_t) + sizeof(uint64_t);
	if (!columns_take(c, sizeof *c + each * c->n))
		return false;
	c->uid = mem_zalloc((c->n + 1) * sizeof *c->uid);
	roaring_bitmap_to_uint32_array(c->set, c->uid);
	c->flags = mem_zalloc(c->n + 1);
	for (enum store_column col = 0; col < STORE_COLUMNS; col++) {
		if (!wants(c, col) || col == STORE_COLUMN_IDS)
			continue;
		c->rank[col] = mem_zalloc((c->n + 1) * sizeof(uint32_t));
		if (columns_is_text(col)) {
			texts_grow(&c->text[col], 1);
			(void)texts_put(&c->text[col], &empty, 0);
		} else {
			c->number[col] = mem_zalloc((c->n + 1) * sizeof(uint64_t));
		}
	}
	if (wants(c, STORE_COLUMN_IDS))
		c->ids = mem_zalloc((c->n + 1) * sizeof *c->ids);
	return true;
}

/* ---- cells ---- */

static uint64_t
in_order(int64_t v)
{
	return (uint64_t)v ^ (uint64_t)1 << 63;
}

static void
set_cell(struct store_columns *c, enum store_column col, size_t i, const struct compact_cell *from)
{
	if (col == STORE_COLUMN_DATE) {
		c->number[col][i] = in_order(from->sent);
		c->flags[i] |= (unsigned char)(from->flag ? 0 : FLAG_UNDATED);
	} else if (col == STORE_COLUMN_IDS) {
		c->ids[i] = (struct thread_ids){from->flag ? from->hash : 0,
		    (uint32_t)(c->refs.n / 8), (uint32_t)(from->refs.n / 8)};
		buf_str(&c->refs, from->refs);
	} else {
		c->rank[col][i] = texts_put(&c->text[col], from, i);
	}
	if (col == STORE_COLUMN_SUBJECT)
		c->flags[i] |= (unsigned char)((from->key.n > 0 ? FLAG_SUBJECT : 0) |
		                               (from->flag ? FLAG_REPLY : 0));
}

/* ---- from rows ---- */

/* Takes the cells wanted from a row.  Those that are missing or cut off stay wanted. */
static void
take_column_row(struct store_columns *c, enum store_column col, uint32_t block, struct str body)
{
	struct compact_reader r;
	struct compact_cell cell;
	size_t i = c->from;
	uint32_t uid;

	if (!compact_open(&r, col, block, body))
		return;
	while (i < c->end && compact_next(&r, &uid, &cell)) {
		while (i < c->end && c->uid[i] < uid)
			i++;
		if (i == c->end || c->uid[i] != uid)
			continue;
		if (col == STORE_COLUMN_IDS && cell.cut) {
			c->want[i - c->from] |= CUT_IDS;
			continue;
		}
		set_cell(c, col, i, &cell);
		c->want[i - c->from] &= (uint16_t) ~(1u << col);
	}
}

/* Returns whether some cell is in no row. */
static bool
is_missed(uint16_t want)
{
	return (want & ROWS & ((want & CUT_IDS) != 0 ? ~(1u << STORE_COLUMN_IDS) : ROWS)) != 0;
}

static enum ts_err
fill_rows(struct store_columns *c)
{
	uint32_t block = c->uid[c->from] >> CHUNK_BITS;
	enum ts_err err = TS_OK;

	for (enum store_column col = 0; col < COMPACT_COLUMNS && err == TS_OK; col++) {
		struct str body = STR_NONE;
		struct key k;

		if (!wants(c, col))
			continue;
		compact_key(&k, c->mailbox->account->id, c->mailbox->id, col, block);
		c->row.n = 0;
		err = store_get(c->mailbox->account->store, &k, &c->row, &body);
		if (err == TS_OK)
			take_column_row(c, col, block, body);
		if (err == TS_NOT_FOUND || err == TS_DAMAGED)
			err = TS_OK;
	}
	for (size_t i = c->from; i < c->end; i++) {
		c->missed += is_missed(c->want[i - c->from]);
		c->want[i - c->from] &= ROWS;
	}
	return err;
}

/* Takes the messages of the next block, and room for the most that they may need. */
static bool
begin_block(struct store_columns *c)
{
	uint32_t block = c->uid[c->from] >> CHUNK_BITS;
	uint64_t room = 0;

	for (c->end = c->from; c->end < c->n && c->uid[c->end] >> CHUNK_BITS == block; c->end++)
		c->want[c->end - c->from] = (uint16_t)(c->mask & ROWS);
	for (enum store_column col = 0; columns_is_text(col); col++)
		if (wants(c, col))
			room += texts_growth(&c->text[col], c->end - c->from);
	if (wants(c, STORE_COLUMN_IDS))
		room += columns_cap(&c->refs, (c->end - c->from) * COMPACT_REFS * 8) - c->refs.cap;
	c->next = c->from;
	c->stage = c->end - c->from > FEW ? FILL_ROWS : FILL_SUMMARIES;
	if (!columns_room(c, room))
		return false;
	for (enum store_column col = 0; columns_is_text(col); col++)
		if (wants(c, col))
			texts_grow(&c->text[col], c->end - c->from);
	return true;
}

/* ---- from summaries ---- */

static void
lose(struct store_columns *c, size_t i)
{
	if (c->hold == NULL || store_hold_has(c->hold, c->uid[i]))
		c->flags[i] |= FLAG_LOST;
}

static bool
take_summary(uint32_t uid, enum ts_err err, struct str bytes, void *arg)
{
	struct compact_cell cells[COMPACT_COLUMNS];
	struct store_columns *c = arg;
	struct mail_summary s;
	uint16_t *want;

	while (c->uid[c->next] != uid)
		c->next++;
	want = &c->want[c->next - c->from];
	if (err == TS_OK && mail_summary_open(bytes, &s) == TS_OK) {
		compact_cells(&c->source, &s, *want, true, cells);
		for (enum store_column col = 0; col < COMPACT_COLUMNS; col++)
			if ((*want >> col & 1) != 0)
				set_cell(c, col, c->next, &cells[col]);
	} else if (err == TS_OK || err == TS_NOT_FOUND || err == TS_DAMAGED) {
		lose(c, c->next);
		c->flags[c->next] |= FLAG_UNDATED;
	} else {
		c->err = err;
		return false;
	}
	c->next++;
	c->read += bytes.n;
	return c->read < PIECE;
}

/* Reads some summaries.  Returns true when that was the last. */
static bool
fill_summaries(struct store_columns *c)
{
	uint32_t uids[SUMMARIES];
	size_t n = 0;

	for (size_t i = c->next; i < c->end && n < SUMMARIES; i++)
		if (c->want[i - c->from] != 0)
			uids[n++] = c->uid[i];
	if (n == 0)
		return true;
	c->read = 0;
	store_read_summaries(c->mailbox, uids, n, take_summary, c);
	return false;
}

/* ---- from the state ---- */

static void
set_from_state(struct store_columns *c, size_t i, int64_t internaldate, uint32_t size)
{
	if (wants(c, STORE_COLUMN_ARRIVAL))
		c->number[STORE_COLUMN_ARRIVAL][i] = in_order(internaldate);
	if (wants(c, STORE_COLUMN_SIZE))
		c->number[STORE_COLUMN_SIZE][i] = size;
	if (wants(c, STORE_COLUMN_DATE) && (c->flags[i] & FLAG_UNDATED) != 0)
		c->number[STORE_COLUMN_DATE][i] = in_order(internaldate);
}

/* For messages that are expunged but held. */
static void
fill_held(struct store_columns *c, size_t i)
{
	roaring_bitmap_t *one = roaring_bitmap_create();
	struct store_message m;

	roaring_bitmap_add(one, c->uid[i]);
	if (c->hold != NULL && store_hold_window(c->hold, one, c->uid[i], &m, 1) == 1)
		set_from_state(c, i, m.internaldate, m.size);
	else if (c->hold == NULL)
		lose(c, i);
	roaring_bitmap_free(one);
}

/* The messages of a block are those of a chunk. */
static void
fill_state(struct store_columns *c)
{
	const struct chunk *chunk;
	uint32_t j = 0;

	if ((c->mask & FROM_STATE) == 0)
		return;
	store_mailbox_read_begin(c->mailbox);
	chunk = state_chunk(c->mailbox->state, c->uid[c->from] >> CHUNK_BITS);
	for (size_t i = c->from; i < c->end; i++) {
		uint32_t off = c->uid[i] & (CHUNK_UIDS - 1);

		while (chunk != NULL && j < chunk->n && chunk->rec[j].off < off)
			j++;
		if (chunk != NULL && j < chunk->n && chunk->rec[j].off == off)
			set_from_state(c, i, chunk->rec[j].internaldate, chunk->rec[j].size);
		else
			fill_held(c, i);
	}
	store_mailbox_read_end(c->mailbox);
}

/* ---- steps ---- */

/* Continues with the block. */
static void
fill_block(struct store_columns *c)
{
	switch (c->stage) {
	case FILL_ROWS:
		c->err = fill_rows(c);
		c->stage = FILL_SUMMARIES;
		return;
	case FILL_SUMMARIES:
		if (fill_summaries(c))
			c->stage = FILL_STATE;
		return;
	default:
		fill_state(c);
		c->from = c->end;
	}
}

/* Some summaries have very many references, so these are counted once they are here. */
static bool
is_over(const struct store_columns *c)
{
	uint64_t held = columns_held(c);

	return held > c->room && held - c->room > PIECE;
}

static enum store_columns_state
fill(struct store_columns *c)
{
	while (c->from < c->n) {
		if (c->end <= c->from && !begin_block(c)) {
			c->end = 0;
			return STORE_COLUMNS_ROOM;
		}
		fill_block(c);
		if (c->err != TS_OK) {
			log_msg(LOG_ERROR, NULL,
			    "store: account %llu mailbox %u: columns for sorting cannot be read: "
			    "%s",
			    (unsigned long long)c->mailbox->account->id, c->mailbox->id,
			    ts_err_name(c->err));
			return STORE_COLUMNS_FAILED;
		}
		if (is_over(c))
			return STORE_COLUMNS_ROOM;
		if (columns_enough(c))
			return STORE_COLUMNS_AGAIN;
	}
	if (c->missed >= COMPACT_LEAST)
		mailbox_ask_compact(c->mailbox, true);
	c->missed = 0;
	return STORE_COLUMNS_DONE;
}

enum store_columns_state
store_columns_step(struct store_columns *c, uint64_t room, bool (*enough)(void *arg), void *arg)
{
	enum store_columns_state state;

	block_here("store_columns_step");
	c->room = room;
	c->enough = enough;
	c->arg = arg;
	if (c->uid == NULL && !make_arrays(c))
		return STORE_COLUMNS_ROOM;
	state = fill(c);
	return state == STORE_COLUMNS_DONE ? columns_rank(c) : state;
}

/* ---- results ---- */

uint64_t
store_columns_needs(const struct store_columns *c)
{
	return columns_held(c) + c->lacking;
}

size_t
store_columns_count(const struct store_columns *c)
{
	return c->n;
}

const uint32_t *
store_columns_uids(const struct store_columns *c)
{
	return c->uid;
}

const uint32_t *
store_columns_rank(const struct store_columns *c, enum store_column column)
{
	TS_ASSERT(c->rank[column] != NULL);
	return c->rank[column];
}

bool
store_columns_subject(const struct store_columns *c, size_t i)
{
	return (c->flags[i] & FLAG_SUBJECT) != 0;
}

bool
store_columns_reply(const struct store_columns *c, size_t i)
{
	return (c->flags[i] & FLAG_REPLY) != 0;
}

uint64_t
store_columns_ids(const struct store_columns *c, size_t i, const uint64_t **refs_r, size_t *n_r)
{
	*n_r = c->ids[i].n;
	*refs_r =
	    c->ids[i].n > 0 ? (const uint64_t *)(const void *)c->refs.p + c->ids[i].off : NULL;
	return c->ids[i].id;
}

size_t
store_columns_lost(const struct store_columns *c, uint32_t *first_r)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++) {
		if ((c->flags[i] & FLAG_LOST) == 0)
			continue;
		if (n++ == 0 && first_r != NULL)
			*first_r = c->uid[i];
	}
	return n;
}
