/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_READ_COLUMNS_INT_H
#define STORE_READ_COLUMNS_INT_H
/* Fills columns (columns.c, columns_texts.c), then ranks them (columns_rank.c), within a given
 * amount of memory (columns_room.c). */
#include "store/disk/compact.h"
#include "store/read/read_int.h"

struct text {             /* a key, for comparing */
	uint64_t head;    /* its first 8 bytes */
	uint32_t off;     /* in the pool; a cut text is followed by its hash */
	uint32_t message; /* the first message with it */
	uint16_t len;
	bool cut;
};

struct texts { /* the keys of a column, each stored once: most messages share theirs */
	struct text *one;
	size_t n, cap;
	uint32_t *slot; /* numbers of texts plus one, by hash; a power of two of them */
	size_t slots;
	struct buf pool;
};

struct thread_ids {
	uint64_t id;
	uint32_t off, n; /* of the references, counted in numbers */
};

struct entry_by_head {
	uint64_t head;
	uint32_t i;
};

/* A merge sort that can be interrupted anywhere. */
struct sorting {
	struct entry_by_head *a, *b;
	size_t width; /* of sorted runs; 0: none yet */
	size_t at;    /* runs before it are merged */
	size_t left, right, out;
	bool merging;
};

#define WINDOW 256u

struct rep {            /* a representative of equal texts, among those that begin alike */
	uint32_t first; /* position in the order so far */
	uint16_t len;   /* bytes of its key in the window */
	bool more;      /* its key goes on after them */
	unsigned char bytes[WINDOW];
};

struct range {
	size_t from, end, off;
};

struct resolving {
	size_t at; /* position in the order: all before it is right */
	struct rep *rep;
	size_t reps;
	struct range *stack; /* ranges of reps still alike; room for `reps` of them */
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
	struct texts text[MAIL_SORTS];   /* the first text is the empty one */
	uint64_t *number[STORE_COLUMNS]; /* for other columns, ordered as unsigned */
	uint32_t *rank[STORE_COLUMNS];   /* for a text column, its number at first */
	struct thread_ids *ids;
	struct buf refs;

	uint64_t base, lacking, room; /* bytes: of arrays; refused last; allowed */
	bool (*enough)(void *arg);
	void *arg;
	enum ts_err err;

	/* filling the current block */
	size_t from, end;
	enum fill_stage stage;
	uint16_t want[CHUNK_UIDS]; /* columns to be taken from the summary */
	size_t next;               /* of [from, end) */
	size_t missed;             /* messages that should have been in rows */
	struct buf row;
	struct compact_source source;
	size_t read; /* bytes of summaries, in this piece */

	/* ranks */
	enum store_column column;
	size_t count; /* of what is sorted: messages or texts */
	struct sorting sort;
	struct resolving resolve;
};

static inline bool
columns_is_text(enum store_column column)
{
	return column < (enum store_column)MAIL_SORTS;
}

/* ---- columns_room.c ---- */

/* Returns whether it has to stop. */
bool columns_enough(struct store_columns *c);
/* Returns whether it may take that much more.  False: STORE_COLUMNS_ROOM. */
bool columns_room(struct store_columns *c, uint64_t more);
/* Returns the bytes held. */
uint64_t columns_held(const struct store_columns *c);
/* Account for the bytes of arrays, if there is room, and for their release. */
bool columns_take(struct store_columns *c, uint64_t bytes);
void columns_give(struct store_columns *c, uint64_t bytes);

/* columns_texts.c.  Returns a buffer's capacity after that much more is put. */
size_t columns_cap(const struct buf *b, size_t more);
/* Returns how many more bytes that many new texts take; and makes room for them. */
uint64_t texts_growth(const struct texts *t, size_t more);
void texts_grow(struct texts *t, size_t more);
/* Returns the number of a text, which is added if new.  There must be room. */
uint32_t texts_put(struct texts *t, const struct compact_cell *cell, size_t message);
struct str texts_key(const struct texts *t, size_t i);
/* Compares by collation as far as the stored texts go, then by hash.  Both must have the same
 * head. */
int texts_compare(const struct texts *t, size_t i, size_t j);
uint64_t texts_held(const struct texts *t);
void texts_fini(struct texts *t);

/* columns_rank.c: ranks one column after the other, freeing its cells. */
enum store_columns_state columns_rank(struct store_columns *c);
void columns_rank_fini(struct store_columns *c);
#endif
