/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_DISK_STATE_H
#define STORE_DISK_STATE_H
/*
 * State: a mailbox in memory.  A set of UIDs, a set for each flag, and the
 * messages' records in order, in chunks of 1,024 UIDs; plus the latest changes
 * and the expunges that are remembered.  A change is published by applying its
 * delta in place under the mailbox's write lock: nothing is copied.
 *
 * There are no locks here: callers hold the mailbox's lock.
 */
#include "store/disk/delta.h"
#include "store/disk/keywords.h"

#define CHUNK_BITS 10
#define CHUNK_UIDS (1u << CHUNK_BITS)
#define STATE_RING 32

struct record {       /* a message; 40 bytes */
	uint16_t off; /* uid & (CHUNK_UIDS - 1) */
	int16_t zone;
	uint32_t size;
	uint64_t modseq, blob;
	int64_t internaldate, savedate;
};

struct chunk {
	uint32_t number; /* uid >> CHUNK_BITS */
	uint32_t n, cap;
	uint64_t changed; /* MODSEQ of the last change that touched any of its UIDs */
	struct record *rec;
};

struct state_change {
	uint64_t modseq;
	roaring_bitmap_t *uids;
};

struct state {
	roaring_bitmap_t *uids;
	roaring_bitmap_t **flag; /* NULL: no message has it */
	unsigned flag_count;     /* above all flags that any message ever had */
	struct store_keywords *keywords;
	struct chunk **chunk;
	size_t chunk_count, chunk_cap;
	struct counters_row counters;

	uint64_t snapshot;      /* the index on disk has all changes up to this MODSEQ */
	uint64_t expunge_floor; /* all expunges above it are remembered */
	struct state_change *expunged;
	size_t expunged_count, expunged_cap;
	roaring_bitmap_t *emptied; /* chunks that lost their last message since the snapshot */

	struct state_change *ring; /* STATE_RING entries; NULL: no changes since loading */
	unsigned ring_next;
	uint64_t ring_floor; /* all changes above it are in the ring */

	/* bytes of memory, roughly; all but records as of state_measure() */
	size_t record_bytes, set_bytes;
	size_t expunged_bytes, expunged_measured; /* of that many in `expunged` */
	unsigned changes;                         /* since the last measuring */
};

struct state *state_new(void);
void state_free(struct state **state);
/* Takes over the expunged set. */
void state_apply(struct state *state, struct delta *d);
void state_measure(struct state *state);
/* Call after a change was applied: measures if it is time to. */
void state_measure_some(struct state *state);
/* For a state just read: makes state_changed_since() look up changes in the chunks. */
void state_forget_changes(struct state *state);

/* Returns the index of the chunk, or where it would be inserted. */
size_t state_chunk_at(const struct state *state, uint32_t number);
/* Returns NULL if it has no messages. */
struct chunk *state_chunk(const struct state *state, uint32_t number);
const struct record *state_record(const struct state *state, uint32_t uid);
const roaring_bitmap_t *state_flagged(const struct state *state, unsigned flag);
bool state_message(const struct state *state, uint32_t uid, struct store_message *message_r);
size_t state_window(const struct state *state, const roaring_bitmap_t *set, uint32_t from,
    struct store_message *out, size_t max);
void state_changed_since(const struct state *state, uint64_t since, roaring_bitmap_t *set_r);
/* Returns the highest MODSEQ of those of the set that exist; 0: none does. */
uint64_t state_highest(const struct state *state, const roaring_bitmap_t *set);
uint64_t state_expunged_since(const struct state *state, uint64_t since, roaring_bitmap_t *set_r);
/* Returns a flag without a name that some message has; STORE_FLAGS_MAX: there is none. */
unsigned state_nameless(const struct state *state);
/* Appends the index header (keys.h). */
void state_put_header(const struct state *state, uint64_t snapshot, uint64_t floor, struct buf *b);
/* Remembers an expunge; takes the set. */
void state_push_expunged(struct state *state, uint64_t modseq, roaring_bitmap_t *uids);
/* Counts the messages with a UID above mark. */
uint32_t state_count_above(const struct state *state, uint32_t mark);

/* block.c */
void block_encode(const struct state *state, const struct chunk *chunk, struct buf *b);
/* Adds the block's messages to the state.  Blocks must come in ascending order.  Returns false if
 * it is not a block. */
bool block_decode(struct state *state, uint32_t number, struct str body);
/* For state.c and block.c: returns the flag's set, made if there is none. */
roaring_bitmap_t *state_flag_set(struct state *state, unsigned flag);
struct chunk *state_chunk_add(struct state *state, size_t at, uint32_t number, uint32_t cap);
#endif
