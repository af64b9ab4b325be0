/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_DISK_STATE_H
#define STORE_DISK_STATE_H
/*
 * State: a mailbox in memory.  A set of UIDs, a set per flag, and the messages'
 * records in chunks of 1,024 UIDs, in order; plus the last changes and the
 * expunges that are remembered.  One change is published by applying its delta
 * in place, under the mailbox's write lock: nothing is copied.
 *
 * No locks here: whoever holds the state holds the lock of its mailbox.
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
	unsigned flag_count;     /* all that some message ever had are below */
	struct store_keywords *keywords;
	struct chunk **chunk;
	size_t chunk_count, chunk_cap;
	struct counters_row counters;

	uint64_t snapshot;      /* the index on disk holds all changes up to it */
	uint64_t expunge_floor; /* expunges above it are all remembered */
	struct state_change *expunged;
	size_t expunged_count, expunged_cap;
	roaring_bitmap_t *emptied; /* chunks that lost their last message since the snapshot */

	struct state_change *ring; /* STATE_RING of them; NULL: none since it was loaded */
	unsigned ring_next;
	uint64_t ring_floor; /* changes above it are all in the ring */

	/* memory, about; of all but records as of state_measure() */
	size_t record_bytes, set_bytes;
	size_t expunged_bytes, expunged_measured; /* of so many of `expunged` */
	unsigned changes;                         /* since it was measured */
};

struct state *state_new(void);
void state_free(struct state **state);
/* Takes over the expunged set. */
void state_apply(struct state *state, struct delta *d);
void state_measure(struct state *state);
/* A change was applied: measures, if it is time. */
void state_measure_some(struct state *state);
/* What changed lately is looked up in the chunks then: for a state that was just read. */
void state_forget_changes(struct state *state);

/* Where the chunk is, or would have to be. */
size_t state_chunk_at(const struct state *state, uint32_t number);
/* NULL: it has no messages. */
struct chunk *state_chunk(const struct state *state, uint32_t number);
const struct record *state_record(const struct state *state, uint32_t uid);
const roaring_bitmap_t *state_flagged(const struct state *state, unsigned flag);
bool state_message(const struct state *state, uint32_t uid, struct store_message *message_r);
size_t state_window(const struct state *state, const roaring_bitmap_t *set, uint32_t from,
    struct store_message *out, size_t max);
void state_changed_since(const struct state *state, uint64_t since, roaring_bitmap_t *set_r);
/* The highest MODSEQ of those of the set that are there; 0: none is. */
uint64_t state_highest(const struct state *state, const roaring_bitmap_t *set);
uint64_t state_expunged_since(const struct state *state, uint64_t since, roaring_bitmap_t *set_r);
/* Have messages a flag without a name?  STORE_FLAGS_MAX: no; else which. */
unsigned state_nameless(const struct state *state);
/* Appends the index header (keys.h). */
void state_put_header(const struct state *state, uint64_t snapshot, uint64_t floor, struct buf *b);
/* Remembers an expunge; takes the set. */
void state_push_expunged(struct state *state, uint64_t modseq, roaring_bitmap_t *uids);
/* How many messages have a UID above mark. */
uint32_t state_count_above(const struct state *state, uint32_t mark);

/* block.c */
void block_encode(const struct state *state, const struct chunk *chunk, struct buf *b);
/* Adds the block's messages to the state.  Blocks come in ascending order.  False: not a block. */
bool block_decode(struct state *state, uint32_t number, struct str body);
/* For state.c and block.c: the set of a flag, made when there is none. */
roaring_bitmap_t *state_flag_set(struct state *state, unsigned flag);
struct chunk *state_chunk_add(struct state *state, size_t at, uint32_t number, uint32_t cap);
#endif
