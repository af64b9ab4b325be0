/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folding: writes the effects of the change records since the last snapshot
 * into the index blocks they touched; then the header names a new snapshot and
 * the records are removed.  Blocks are written in pieces, each as of its own
 * moment; that is right because all records after the new snapshot stay (see
 * keys.h).  A crash between two pieces leaves newer blocks under an old header,
 * which is just as right.  Runs in the background only, one at a time.
 */
#include "base/mem.h"
#include "store/upkeep/upkeep_int.h"

#define PIECE 32 /* blocks per batch */

struct fold {
	struct store_mailbox *mailbox;
	uint64_t snapshot;
	uint32_t *block; /* numbers of blocks to write, or to remove if empty */
	size_t count;
	roaring_bitmap_t *emptied;
};

static void
plan(struct fold *f)
{
	struct store_mailbox *mb = f->mailbox;

	pthread_rwlock_wrlock(&mb->lock);

	struct state *s = mb->state;
	roaring_bitmap_t *touched = roaring_bitmap_create();

	f->snapshot = s->counters.modseq;
	f->emptied = s->emptied;
	s->emptied = NULL;
	for (size_t i = 0; i < s->chunk_count; i++)
		if (s->chunk[i]->changed > s->snapshot)
			roaring_bitmap_add(touched, s->chunk[i]->number);
	pthread_rwlock_unlock(&mb->lock);
	if (f->emptied != NULL)
		roaring_bitmap_or_inplace(touched, f->emptied);
	f->count = roaring_bitmap_get_cardinality(touched);
	f->block = mem_zalloc((f->count + 1) * sizeof *f->block);
	roaring_bitmap_to_uint32_array(touched, f->block);
	roaring_bitmap_free(touched);
}

static void
put_block(struct fold *f, uint32_t number, struct engine_batch *batch, struct buf *b)
{
	struct store_mailbox *mb = f->mailbox;
	struct key k;

	key_index(&k, mb->account->id, mb->id, KEY_BLOCK);
	key_be32(&k, number);
	value_begin(b);
	pthread_rwlock_rdlock(&mb->lock);

	const struct chunk *c = state_chunk(mb->state, number);

	if (c != NULL)
		block_encode(mb->state, c, b);
	pthread_rwlock_unlock(&mb->lock);
	if (c != NULL)
		batch_put_value(batch, &k, b);
	else
		engine_batch_delete(batch, key_str(&k));
}

static enum ts_err
put_blocks(struct fold *f)
{
	struct engine_batch *batch = engine_batch_new();
	struct buf b = {0};
	enum ts_err err = TS_OK;

	for (size_t i = 0; i < f->count && err == TS_OK; i++) {
		put_block(f, f->block[i], batch, &b);
		if ((i + 1) % PIECE == 0 || i + 1 == f->count) {
			err = atomic_load(&f->mailbox->gone)
			          ? TS_NOT_FOUND
			          : store_commit(f->mailbox->account->store, batch);
			engine_batch_clear(batch);
		}
	}
	buf_fini(&b);
	engine_batch_free(&batch);
	return err;
}

static void
put_index_header(struct fold *f, uint64_t floor, struct engine_batch *batch, struct buf *b)
{
	struct store_mailbox *mb = f->mailbox;
	struct key k;

	key_index(&k, mb->account->id, mb->id, KEY_HEADER);
	value_begin(b);
	state_put_header(mb->state, f->snapshot, floor, b);
	batch_put_value(batch, &k, b);
}

static void
delete_upto(
    struct store_mailbox *mb, enum key_kind kind, uint64_t modseq, struct engine_batch *batch)
{
	struct key from, end;

	key_index(&from, mb->account->id, mb->id, kind);
	end = from;
	key_be64(&from, 0);
	key_be64(&end, modseq + 1);
	engine_batch_delete_range(batch, key_str(&from), key_str(&end));
}

/* Returns the floor: expunges above it are kept. */
static uint64_t
expunge_floor(const struct state *s, uint32_t keep)
{
	if (s->expunged_count <= keep)
		return s->expunge_floor;
	return s->expunged[s->expunged_count - keep - 1].modseq;
}

static void
trim_expunged(struct state *s, uint64_t floor)
{
	size_t n = 0;

	while (n < s->expunged_count && s->expunged[n].modseq <= floor)
		roaring_bitmap_free(s->expunged[n++].uids);
	s->expunge_floor = floor;
	if (n == 0)
		return;
	s->expunged_count -= n;
	s->expunged_measured = s->expunged_bytes = 0;
	memmove(s->expunged, s->expunged + n, s->expunged_count * sizeof *s->expunged);
}

/* Writes the last piece: the header and expunges since the old snapshot; removes the records. */
static enum ts_err
write_last_piece(struct fold *f)
{
	struct store_mailbox *mb = f->mailbox;
	struct store *store = mb->account->store;
	struct engine_batch *batch = engine_batch_new();
	struct buf b = {0};

	pthread_rwlock_rdlock(&mb->lock);

	const struct state *s = mb->state;
	uint64_t floor = expunge_floor(s, store->opt.expunge_keep);

	for (size_t i = 0; i < s->expunged_count; i++) {
		const struct state_change *e = &s->expunged[i];
		struct key k;

		if (e->modseq <= s->snapshot || e->modseq > f->snapshot || e->modseq <= floor)
			continue;
		key_index(&k, mb->account->id, mb->id, KEY_EXPUNGED);
		key_be64(&k, e->modseq);
		value_begin(&b);
		value_put_set(&b, e->uids);
		batch_put_value(batch, &k, &b);
	}
	if (floor > s->expunge_floor)
		delete_upto(mb, KEY_EXPUNGED, floor, batch);
	put_index_header(f, floor, batch, &b);
	pthread_rwlock_unlock(&mb->lock);
	delete_upto(mb, KEY_CHANGE, f->snapshot, batch);

	enum ts_err err = atomic_load(&mb->gone) ? TS_NOT_FOUND : store_commit(store, batch);

	if (err == TS_OK) {
		pthread_rwlock_wrlock(&mb->lock);
		if (mb->state->snapshot < f->snapshot)
			mb->state->snapshot = f->snapshot;
		trim_expunged(mb->state, floor);
		state_measure(mb->state);
		atomic_store(&mb->log_weight, mb->state->counters.modseq - f->snapshot);
		pthread_rwlock_unlock(&mb->lock);
	}
	buf_fini(&b);
	engine_batch_free(&batch);
	return err;
}

static void
give_back(struct fold *f)
{
	struct store_mailbox *mb = f->mailbox;

	if (f->emptied == NULL)
		return;
	pthread_rwlock_wrlock(&mb->lock);
	if (mb->state->emptied == NULL) {
		mb->state->emptied = f->emptied;
		f->emptied = NULL;
	} else {
		roaring_bitmap_or_inplace(mb->state->emptied, f->emptied);
	}
	pthread_rwlock_unlock(&mb->lock);
}

enum ts_err
fold_mailbox(struct store_mailbox *mb)
{
	struct fold f = {.mailbox = mb};
	enum ts_err err = TS_NOT_FOUND;

	if (atomic_load(&mb->gone))
		return TS_OK;
	plan(&f);
	err = put_blocks(&f);
	if (err == TS_OK)
		err = write_last_piece(&f);
	if (err != TS_OK)
		give_back(&f);
	else
		mailbox_ask_compact(mb, false);
	if (f.emptied != NULL)
		roaring_bitmap_free(f.emptied);
	mem_free(f.block);
	return err == TS_NOT_FOUND ? TS_OK : err;
}
