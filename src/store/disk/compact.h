/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_DISK_COMPACT_H
#define STORE_DISK_COMPACT_H
/*
 * Compact rows: what SORT and THREAD need to know about the messages of one index block; one row
 * per column.  A row is
 *
 *   version:1 unicode:4, of mail_collate_version(): a row of another version is ignored
 *   count:varint, then for each message, in ascending order
 *     varint: the UID minus the previous one; for the first, minus the block's first UID
 *     'd'  varint: 0 if there is no Date; else 1 + zigzag of the sent date minus the previous one
 *     's' 'f' 't' 'c' 'F' 'T'  varint: length << 2 | is a reply << 1 | cut, the key; if it is cut,
 *          the hash of the whole key:8
 *     'i'  varint: number of references << 2 | has an id << 1 | cut, the id:8, the references:8
 *
 * A row is a function of the summaries alone, which never change.  So anyone with the summaries may
 * make it again at any time, and what it says about a message is right whatever else was written
 * meanwhile.  An expunged message stays in its row until the row is made again.
 *
 * The background writes all rows of a block in one batch; a repair writes single ones.
 */
#include "mail/sort.h"
#include "store/columns.h"
#include "store/disk/keys.h"
#include "store/disk/state.h"

/* The columns with rows come first in enum store_column. */
#define COMPACT_COLUMNS (STORE_COLUMN_IDS + 1)
/* Most bytes of a key in a row.  For longer keys the hash tells whether two are equal. */
#define COMPACT_CUT 128u
/* Most references of a message in a row.  Of more, the row has the first one and the last ones. */
#define COMPACT_REFS 100u

struct compact_cell {    /* a message in a column */
	bool cut;        /* text, ids: the summary has more */
	bool flag;       /* date: there is one; subject: it is a reply; ids: there is an id */
	int64_t sent;    /* date */
	struct str key;  /* text */
	uint64_t hash;   /* text: of the whole key if it is cut; ids: the id */
	struct str refs; /* ids: 8 bytes each */
};

void compact_key(
    struct key *k, uint64_t account, uint32_t mailbox, enum store_column column, uint32_t block);
/* Reads a key from its kind on.  Returns false if it is not that of a compact row. */
bool compact_key_read(struct str key, enum store_column *column_r, uint32_t *block_r);

/* ---- cells of a summary ---- */

struct compact_source { /* {0}; fini at the end */
	struct mail_sort_keys keys;
	struct buf refs;
};
/* Makes the cells of the columns in the mask.  all_refs: with all references, else with those a row
 * has.  Valid until the next call. */
void compact_cells(struct compact_source *source, const struct mail_summary *s, unsigned mask,
    bool all_refs, struct compact_cell cells[COMPACT_COLUMNS]);
void compact_source_fini(struct compact_source *source);

/* ---- rows ---- */

struct compact_writer { /* {0}; fini at the end */
	uint32_t uid, count;
	int64_t sent;
	struct buf cells;
};
void compact_begin(struct compact_writer *w, uint32_t block);
/* UIDs must ascend. */
void compact_add(struct compact_writer *w, enum store_column column, uint32_t uid,
    const struct compact_cell *cell);
/* Appends the row. */
void compact_end(const struct compact_writer *w, struct buf *out);
void compact_writer_fini(struct compact_writer *w);

struct compact_reader {
	struct rd r;
	enum store_column column;
	uint64_t left, uid, end;
	int64_t sent;
	bool begun, damaged;
};
/* Returns false if the row is damaged or not of this program's version. */
bool compact_open(
    struct compact_reader *r, enum store_column column, uint32_t block, struct str body);
/* Returns false at the end, or if `damaged`. */
bool compact_next(struct compact_reader *r, uint32_t *uid_r, struct compact_cell *cell_r);

#endif
