/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes compact rows in the background: block by block from the first that may lack some, a few
 * blocks at a time before others get their turn.  A block's old rows are read, and what is new is
 * added from the summaries; if one of its rows is missing, damaged or of another version, the whole
 * block is made again.  A crash between two blocks leaves those that were written: the position is
 * kept only in this file, which then starts looking again.
 */
#include "store/disk/compact.h"
#include "base/mem.h"
#include "store/upkeep/upkeep_int.h"

#define MADE 4     /* most blocks written in one piece */
#define LOOKED 256 /* most blocks looked at */

/* ---- a block ---- */

struct block {
	struct store_mailbox *mailbox;
	uint32_t number, n;
	bool last;
	uint32_t uid[CHUNK_UIDS];
	/* By the low bits of UIDs: messages found in all rows that were read. */
	unsigned char have[CHUNK_UIDS / 8];
	struct buf old[COMPACT_COLUMNS];
	struct compact_writer writer[COMPACT_COLUMNS];
	struct compact_reader reader[COMPACT_COLUMNS]; /* of rows carried over */
	struct compact_source source;
	enum ts_err err;
};

static bool
bit(const unsigned char *bits, uint32_t uid)
{
	uint32_t off = uid & (CHUNK_UIDS - 1);

	return (bits[off / 8] >> (off % 8) & 1) != 0;
}

static void
set_bit(unsigned char *bits, uint32_t uid)
{
	uint32_t off = uid & (CHUNK_UIDS - 1);

	bits[off / 8] |= (unsigned char)(1u << (off % 8));
}

static const struct chunk *
chunk_from(const struct state *s, uint32_t number)
{
	for (size_t i = state_chunk_at(s, number); i < s->chunk_count; i++)
		if (s->chunk[i]->n > 0)
			return s->chunk[i];
	return NULL;
}

static const struct chunk *
chunk_below(const struct state *s, uint32_t number)
{
	for (size_t i = state_chunk_at(s, number); i-- > 0;)
		if (s->chunk[i]->n > 0)
			return s->chunk[i];
	return NULL;
}

/* Finds the first block from that number on, or the last one below it, as of now.  Returns false
 * if there is none. */
static bool
find_block(struct block *b, struct store_mailbox *mb, uint32_t number, bool below)
{
	const struct chunk *c = NULL;

	pthread_rwlock_rdlock(&mb->lock);

	const struct state *s = mb->state;

	if (s != NULL)
		c = below ? chunk_below(s, number) : chunk_from(s, number);
	b->mailbox = mb;
	b->last = c != NULL && c == s->chunk[s->chunk_count - 1];
	b->n = c != NULL ? c->n : 0;
	b->number = c != NULL ? c->number : 0;
	for (uint32_t i = 0; i < b->n; i++)
		b->uid[i] = c->number << CHUNK_BITS | c->rec[i].off;
	pthread_rwlock_unlock(&mb->lock);
	return c != NULL;
}

/* Gets the messages that have cells in the row; none if it is damaged. */
static enum ts_err
read_row(struct block *b, enum store_column column, unsigned char have_r[CHUNK_UIDS / 8])
{
	struct compact_reader r;
	struct compact_cell cell;
	struct str body = STR_NONE;
	struct key k;
	uint32_t uid;
	enum ts_err err;

	memset(have_r, 0, CHUNK_UIDS / 8);
	b->reader[column] = (struct compact_reader){.column = column};
	compact_key(&k, b->mailbox->account->id, b->mailbox->id, column, b->number);
	b->old[column].n = 0;
	err = store_get(b->mailbox->account->store, &k, &b->old[column], &body);
	if (err == TS_NOT_FOUND || err == TS_DAMAGED)
		return TS_OK;
	if (err != TS_OK || !compact_open(&r, column, b->number, body))
		return err;
	b->reader[column] = r;
	while (compact_next(&r, &uid, &cell))
		set_bit(have_r, uid);
	if (r.damaged)
		memset(have_r, 0, CHUNK_UIDS / 8);
	return TS_OK;
}

/* Gets the messages in the row of dates, or in all rows. */
static enum ts_err
read_compact_rows(struct block *b, bool all, uint32_t *missing_r)
{
	unsigned char have[CHUNK_UIDS / 8];
	enum ts_err err = TS_OK;

	memset(b->have, 0, sizeof b->have);
	for (uint32_t i = 0; i < b->n; i++)
		set_bit(b->have, b->uid[i]);
	for (enum store_column c = 0; c < COMPACT_COLUMNS && err == TS_OK; c++) {
		if (!all && c != STORE_COLUMN_DATE)
			continue;
		err = read_row(b, c, have);
		for (size_t i = 0; i < sizeof have; i++)
			b->have[i] &= have[i];
	}
	*missing_r = 0;
	for (uint32_t i = 0; i < b->n; i++)
		*missing_r += !bit(b->have, b->uid[i]);
	return err;
}

/* Copies the cells below that UID from the old row. */
static void
carry_over(struct block *b, enum store_column column, uint64_t below)
{
	struct compact_reader *r = &b->reader[column];
	struct compact_cell cell;

	for (;;) {
		struct compact_reader before = *r;
		uint32_t uid;

		if (!compact_next(r, &uid, &cell))
			return;
		if (uid >= below) {
			*r = before;
			return;
		}
		if (bit(b->have, uid))
			compact_add(&b->writer[column], column, uid, &cell);
	}
}

static bool
add_summary(uint32_t uid, enum ts_err err, struct str bytes, void *arg)
{
	struct compact_cell cells[COMPACT_COLUMNS] = {{.cut = false}};
	struct block *b = arg;
	struct mail_summary s;

	if (err == TS_NOT_FOUND) /* expunged meanwhile */
		return true;
	if (err == TS_OK && mail_summary_open(bytes, &s) == TS_OK)
		compact_cells(&b->source, &s, UINT32_MAX, false, cells);
	else if (err != TS_OK && err != TS_DAMAGED)
		b->err = err;
	if (b->err != TS_OK)
		return false;
	for (enum store_column c = 0; c < COMPACT_COLUMNS; c++) {
		carry_over(b, c, uid);
		compact_add(&b->writer[c], c, uid, &cells[c]);
	}
	return true;
}

/* Adds the remaining cells, then puts the rows. */
static enum ts_err
write_rows(struct block *b)
{
	struct store *store = b->mailbox->account->store;
	struct engine_batch *batch = engine_batch_new();
	struct buf value = {0};
	enum ts_err err;

	for (enum store_column c = 0; c < COMPACT_COLUMNS; c++) {
		struct key k;

		carry_over(b, c, UINT64_MAX);
		compact_key(&k, b->mailbox->account->id, b->mailbox->id, c, b->number);
		value_begin(&value);
		compact_end(&b->writer[c], &value);
		batch_put_value(batch, &k, &value);
	}
	err = atomic_load(&b->mailbox->gone) ? TS_NOT_FOUND : store_commit(store, batch);
	buf_fini(&value);
	engine_batch_free(&batch);
	return err;
}

/* All rows have been read. */
static enum ts_err
make_rows(struct block *b)
{
	uint32_t missing[CHUNK_UIDS], n = 0;

	for (enum store_column c = 0; c < COMPACT_COLUMNS; c++)
		compact_begin(&b->writer[c], b->number);
	for (uint32_t i = 0; i < b->n; i++)
		if (!bit(b->have, b->uid[i]))
			missing[n++] = b->uid[i];
	b->err = TS_OK;
	if (n > 0)
		store_read_summaries(b->mailbox, missing, n, add_summary, b);
	return b->err == TS_OK ? write_rows(b) : b->err;
}

static void
block_fini(struct block *b)
{
	for (enum store_column c = 0; c < COMPACT_COLUMNS; c++) {
		buf_fini(&b->old[c]);
		compact_writer_fini(&b->writer[c]);
	}
	compact_source_fini(&b->source);
	mem_free(b);
}

/* ---- a mailbox ---- */

/* Blocks get their rows in order, so with one that has them those before it have theirs, but for
 * what a reader asks for.  Looks at one block more from the end. */
static enum ts_err
look_back(struct compact_job *job, struct block *b)
{
	uint32_t missing;
	enum ts_err err;

	job->back = find_block(b, job->mailbox, job->below, true);
	if (!job->back) /* none has them: all are made */
		return TS_OK;
	job->below = b->number;
	err = read_compact_rows(b, false, &missing);
	if (err != TS_OK || missing > 0)
		return err;
	job->back = false;
	job->block = b->number + 1;
	job->upto = b->uid[b->n - 1];
	return TS_OK;
}

/* Handles one block; *made_r: it was written.  TS_NOT_FOUND: nothing left to do. */
static enum ts_err
next_block(struct compact_job *job, struct block *b, bool *made_r)
{
	uint32_t missing;
	enum ts_err err;

	*made_r = false;
	if (!find_block(b, job->mailbox, job->block, false))
		return TS_NOT_FOUND;
	job->block = b->number + 1;
	if (b->uid[b->n - 1] <= job->upto)
		return TS_OK;
	err = read_compact_rows(b, job->deep, &missing);
	if (err == TS_OK && b->last && missing < COMPACT_LEAST)
		return TS_NOT_FOUND;
	*made_r = missing > 0;
	if (err == TS_OK && missing > 0 && !job->deep)
		err = read_compact_rows(b, true, &missing);
	if (err == TS_OK && missing > 0)
		err = make_rows(b);
	if (err == TS_OK)
		job->upto = b->uid[b->n - 1];
	return err;
}

static enum ts_err
next_blocks(struct compact_job *job)
{
	struct block *b = mem_zalloc(sizeof *b);
	enum ts_err err = TS_OK;
	unsigned made = 0;

	for (unsigned i = 0; i < LOOKED && made < MADE && err == TS_OK; i++) {
		bool one = false;

		if (atomic_load(&job->mailbox->gone))
			err = TS_NOT_FOUND;
		else
			err = job->back ? look_back(job, b) : next_block(job, b, &one);
		made += err == TS_OK && one;
	}
	block_fini(b);
	return err;
}

static void
end_job(struct compact_job *job)
{
	struct store_mailbox *mb = job->mailbox;

	if (atomic_load(&mb->compact_asked) == job->asked)
		atomic_store(&mb->compact_upto, job->upto);
	atomic_store(&mb->compacting, false);
	store_mailbox_unref(&job->mailbox);
	mem_free(job);
}

/* ---- the queue ---- */

static struct compact_job *
take_job(struct background *bg)
{
	struct compact_job *job;

	pthread_mutex_lock(&bg->mutex);
	job = bg->compacts;
	bg->compacts = job->next;
	if (bg->compacts == NULL)
		bg->compacts_tail = &bg->compacts;
	pthread_mutex_unlock(&bg->mutex);
	return job;
}

bool
compact_waits(const struct background *bg)
{
	return bg->compacts != NULL;
}

enum ts_err
compact_step(struct store *store)
{
	struct compact_job *job = take_job(&store->bg);
	enum ts_err err = next_blocks(job);

	if (err == TS_OK) {
		background_compact(store, job);
		return TS_OK;
	}
	/* If it failed, the next fold or reader asks again. */
	end_job(job);
	return err == TS_NOT_FOUND ? TS_OK : err;
}

void
compact_fini(struct background *bg)
{
	while (bg->compacts != NULL)
		end_job(take_job(bg));
}
