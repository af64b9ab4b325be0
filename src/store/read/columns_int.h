/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_READ_COLUMNS_INT_H
#define STORE_READ_COLUMNS_INT_H
/* Filling columns (columns.c, columns_texts.c), then making ranks of them (columns_rank.c), in the
 * room that they are given (columns_room.c). */
#include "store/disk/compact.h"
#include "store/read/read_int.h"

struct text {             /* a key, for comparing */
	uint64_t head;    /* its first 8 bytes */
	uint32_t off;     /* in the pool; behind a cut one is its hash */
	uint32_t message; /* the first one with it */
	uint16_t len;
	bool cut;
};

struct texts { /* the keys of a column, each of them once: most messages share theirs with others */
	struct text *one;
	size_t n, cap;
	uint32_t *slot; /* numbers of texts by their hashes, plus one; as many as a power of two */
	size_t slots;
	struct buf pool;
};

struct thread_ids {
	uint64_t id;
	uint32_t off, n; /* of the references, in numbers */
};

struct entry_by_head {
	uint64_t head;
	uint32_t i;
};

/* A merge sort that can stop anywhere. */
struct sorting {
	struct entry_by_head *a, *b;
	size_t width; /* of sorted runs; 0: none yet */
	size_t at;    /* the runs before are merged */
	size_t left, right, out;
	bool merging;
};

#define WINDOW 256u

struct rep {            /* one of the texts that begin alike */
	uint32_t first; /* in the order so far */
	uint16_t len;   /* of its key from an offset on, */
	bool more;      /* which goes on */
	unsigned char bytes[WINDOW];
};

struct range {
	size_t from, end, off;
};

struct resolving {
	size_t at; /* in the order: all before is right */
	struct rep *rep;
	size_t reps;
	struct range *stack; /* of reps that are alike up to an offset; as many as there are reps */
	size_t depth, filled;
};

enum fill_stage { FILL_ROWS, FILL_SUMMARIES, FILL_STATE };

#define FLAG_SUBJECT 1u
#define FLAG_REPLY 2u
#define FLAG_LOST 4u
#define FLAG_UNDATED 8u

struct store_columns {
	struct store_mailbox *mailbox;
	struct store_hold *hold;
	unsigned mask;
	roaring_bitmap_t *set;
	size_t n;
	uint32_t *uid;
	unsigned char *flags;
	struct texts text[MAIL_SORTS];   /* the first one is the empty one */
	uint64_t *number[STORE_COLUMNS]; /* of the other columns, in the order of unsigned ones */
	uint32_t *rank[STORE_COLUMNS];   /* of a text, at first: its number */
	struct thread_ids *ids;
	struct buf refs;

	uint64_t base, lacking, room; /* bytes: of arrays; wanted in vain; what it may hold */
	bool (*enough)(void *arg);
	void *arg;
	enum ts_err err;

	/* filling: of the block that is being filled */
	size_t from, end;
	enum fill_stage stage;
	uint16_t want[CHUNK_UIDS]; /* columns that are to come from the summary */
	size_t next;               /* of [from, end) */
	size_t missed;             /* messages that should be in rows */
	struct buf row;
	struct compact_source source;
	size_t read; /* bytes of summaries, in this piece */

	/* ranks */
	enum store_column column;
	size_t count; /* of what is sorted: messages, or texts */
	struct sorting sort;
	struct resolving resolve;
};

static inline bool
columns_is_text(enum store_column column)
{
	return column < (enum store_column)MAIL_SORTS;
}

/* ---- columns_room.c ---- */

/* Has it to stop? */
bool columns_enough(struct store_columns *c);
/* May it take so much more?  False: STORE_COLUMNS_ROOM. */
bool columns_room(struct store_columns *c, uint64_t more);
/* Bytes. */
uint64_t columns_held(const struct store_columns *c);
/* What arrays take, if there is room, or no more. */
bool columns_take(struct store_columns *c, uint64_t bytes);
void columns_give(struct store_columns *c, uint64_t bytes);

/* columns_texts.c.  What a buffer's cap is when so much more was put. */
size_t columns_cap(const struct buf *b, size_t more);
/* Bytes that it takes more when so many texts come; makes room for them. */
uint64_t texts_growth(const struct texts *t, size_t more);
void texts_grow(struct texts *t, size_t more);
/* The number of a text, which is put there when it is new; there is room. */
uint32_t texts_put(struct texts *t, const struct compact_cell *cell, size_t message);
struct str texts_key(const struct texts *t, size_t i);
/* Of one that is cut. */
uint64_t texts_hash(const struct texts *t, size_t i);
/* In the order of the collation, as far as the texts go; then by their hashes.  Of those that begin
 * with one and the same head. */
int texts_compare(const struct texts *t, size_t i, size_t j);
uint64_t texts_held(const struct texts *t);
void texts_fini(struct texts *t);

/* columns_rank.c: one column after the other; its cells go. */
enum store_columns_state columns_rank(struct store_columns *c);
void columns_rank_fini(struct store_columns *c);
#endif
