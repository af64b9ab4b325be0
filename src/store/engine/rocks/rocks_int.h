/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_ENGINE_ROCKS_ROCKS_INT_H
#define STORE_ENGINE_ROCKS_ROCKS_INT_H
/* Shared by the files of the RocksDB engine. */
#include <pthread.h>
#include <rocksdb/c.h>
#include <stdatomic.h>

#include "store/engine.h"
#include "store/engine/rocks/rocks_extra.h"

#define ROCKS_FORMAT 1 /* version of the folder; written in its file `format` */

/* ---- the commit mark: rocks_mark.c ---- */

/*
 * commit.mark holds the log's sequence number as of the last acknowledged
 * commit, in one of two records, at 0 and at 4096: 8 bytes "TSMARK1\n", the
 * number, XXH3-64 of those 16; numbers are little-endian.  The higher one
 * counts.  It is written after each commit and flushed about once a second, so
 * after a power cut it may lag, but is never ahead.  Each flush switches to the
 * other record: a power cut can tear only one of them.
 */
struct rocks_mark {
	pthread_mutex_t lock;
	int fd;
	uint64_t seq;        /* the number written last */
	int slot;            /* where the next one is written */
	uint64_t flushed_ms; /* time of the last flush */
	bool complained;
};

/* Reads the file in dir, or makes it unless read_only.  *found_r: it existed.  TS_DAMAGED: it has
 * contents, but no whole record. */
enum ts_err rocks_mark_open(struct rocks_mark *mark, int dir, bool read_only, bool *found_r);
void rocks_mark_set(struct rocks_mark *mark, uint64_t seq);
/* Sets it back, after an operator gave up what came after damage. */
enum ts_err rocks_mark_reset(struct rocks_mark *mark, uint64_t seq);
void rocks_mark_close(struct rocks_mark *mark);

/* The file `recovered` notes that acknowledged data was given up (engine.h). */
enum ts_err rocks_recovered_note(int dir, const char *what);
bool rocks_recovered(int dir);
/* Its line for keys and pointers to messages that were lost together. */
#define ROCKS_BOTH_LOST "keys and pointers to messages were lost"
bool rocks_recovered_says(int dir, const char *what);
enum ts_err rocks_recovered_end(int dir);

/* ---- opening: rocks_open.c ---- */

enum rocks_cf { ROCKS_KEYS, ROCKS_BLOBS, ROCKS_CFS };

struct rocks_db {
	rocksdb_t *db; /* NULL: closed */
	rocksdb_column_family_handle_t *cf[ROCKS_CFS];
};

struct rocks_config {
	char *path;
	uint64_t cache_bytes, write_buffer_bytes;
	bool read_only, recover, salvage;
	bool (*whole)(struct str key, struct str value); /* as in engine_options */
};

/* Checks the log against the mark before changing anything.  dir: the store's folder, locked. */
enum ts_err rocks_db_open(const struct rocks_config *config, int dir, struct rocks_mark *mark,
    struct rocks_db *db_r, char **text_r);
/* flush: write memory into tables, for a quick start. */
void rocks_db_close(struct rocks_db *db, bool flush);
/* Opens the folder, creating it if missing, and takes its lock. */
enum ts_err rocks_dir_open(
    const struct rocks_config *config, int *dir_r, int *lock_r, char **text_r);

/* ---- salvage: rocks_salvage.c ---- */

#define ROCKS_ASIDE "salvaged-" /* folders with the original files */

/* BLOCKING.  Brings a damaged folder, locked and not open, into a state in which it can be opened
 * with `recover`; notes if something may have been given up.  *text_r: what was done; NULL:
 * nothing. */
enum ts_err rocks_salvage(const struct rocks_config *config, int dir, rocksdb_options_t *opt,
    uint64_t mark, char **text_r);

/* ---- tables from the inside: rocks_table.c, rocks_rebuild.c, rocks_crumbs.c ---- */

struct rocks_table {
	unsigned char *p;
	size_t n;
	unsigned char sums; /* 1: CRC-32C, 4: XXH3 */
};
/* Returns whether there is a whole block of that size, followed by its trailer. */
bool rocks_block_whole(const struct rocks_table *t, uint64_t off, uint64_t size);
uint32_t rocks_block_sum(const struct rocks_table *t, const unsigned char *p, size_t n);
bool rocks_block_unpack(const struct rocks_table *t, uint64_t off, uint64_t size, struct buf *out);
#define ROCKS_BLOCK_TRAILER 5
#define ROCKS_BLOCK_LZ4 4
#define ROCKS_BLOCK_KIND_FACTOR 0x6B9083D9u /* multiplies the kind in an XXH3 checksum */
/* Appends the index, unpacked.  Sets t->sums if the footer can be read.  Returns false if the index
 * cannot. */
bool rocks_table_index(struct rocks_table *t, struct buf *index);
/* Calls fn for its entries: where a block of data is, and a key not below its last one. */
bool rocks_index_each(struct str index,
    void (*fn)(void *arg, uint64_t off, uint64_t size, struct str key), void *arg);

/* What the list of files says about a table. */
struct rocks_table_facts {
	struct buf smallest, largest; /* with RocksDB's 8 bytes */
	uint64_t size, smallest_seq, largest_seq, oldest_blobs;
	enum rocks_cf cf;
};
void rocks_table_facts_fini(struct rocks_table_facts *facts);

/* Compares by key, then newer first.  Keys include RocksDB's 8 bytes. */
int rocks_key_compare(struct str a, struct str b);

/* What to trust in a damaged block. */
struct rocks_crumb_rules {
	bool (*whole)(struct str key, struct str value); /* NULL: nothing */
	uint64_t smallest_seq, largest_seq;              /* of the table */
};
/*
 * Makes a block of those entries of a damaged one that are vouched for and come after a key (empty:
 * any).  Returns how many there are.
 */
unsigned rocks_block_crumbs(const struct rocks_table *t, uint64_t off, uint64_t size,
    const struct rocks_crumb_rules *rules, struct str behind, struct buf *out);

struct rocks_rebuilt {
	unsigned blocks, damaged; /* of data: whole ones, damaged ones */
	unsigned crumbs;          /* entries kept from damaged ones */
};
/*
 * Rebuilds a damaged table from its whole blocks of data, and from what is vouched for in damaged
 * ones, as a copy that replaces it.  Its size changes, so it needs a new entry in the list of
 * files.  TS_OK: done.  TS_INVALID: nothing is left to make it from.  TS_IO: no copy could be made.
 */
enum ts_err rocks_table_rebuild(rocksdb_options_t *opt, const char *path, int dir, const char *name,
    const struct rocks_crumb_rules *rules, struct rocks_table_facts *facts_r,
    struct rocks_rebuilt *did_r);

/* ---- files of values: rocks_blobs.c ---- */

#define ROCKS_BLOB_ENDS ((size_t)62) /* header and footer */
#define ROCKS_BLOB_KEY ((size_t)8)
/*
 * Restores the header and footer of a blob file if they are damaged or the file is cut below size
 * (0: unknown), in a copy that replaces it, with zeros for what is gone.  Returns the number of
 * records that can be found from the start; *bytes_r: the bytes of all of them.
 */
uint64_t rocks_blobs_mend(
    int dir, const char *name, uint64_t size, bool *mended_r, uint64_t *bytes_r);
/* Returns whether its header and footer are there, and it is not shorter than size. */
bool rocks_blobs_whole(int dir, const char *name, uint64_t size);
struct rocks_blob_record {
	uint64_t blob, off, size; /* of the value */
	uint32_t sum;             /* of key and value */
};
/* Calls fn for records from the start, as long as their lengths have the right checksum.  The last
 * record may reach beyond the end of the file. */
void rocks_blobs_walk(int dir, const char *name,
    void (*fn)(const struct rocks_blob_record *record, void *arg), void *arg);
/* CRC-32C as RocksDB stores it (masked). */
uint32_t rocks_crc32c(const unsigned char *p, size_t n);
#define ROCKS_CRC_BEGIN UINT32_MAX
uint32_t rocks_crc32c_more(uint32_t crc, const unsigned char *p, size_t n);
uint32_t rocks_crc32c_end(uint32_t crc);

/* ---- messages without a pointer: rocks_rescue.c ---- */

/* BLOCKING.  Lists the records in all files of values, including those set aside.  Takes some 32
 * bytes of memory for each. */
struct rocks_rescue;
struct rocks_rescue *rocks_rescue_new(int dir);
void rocks_rescue_free(struct rocks_rescue **rescue);
/* Sets bytes to the blob, if its checksum is right.  *file_r: where it was, below dir. */
bool rocks_rescue_find(
    const struct rocks_rescue *rescue, uint64_t blob, struct buf *bytes, const char **file_r);
/* Gets what is left of a blob, whole or not, for people to look at. */
bool rocks_rescue_rest(const struct rocks_rescue *rescue, uint64_t blob, struct buf *bytes);
void rocks_rescue_each(
    const struct rocks_rescue *rescue, void (*fn)(uint64_t blob, void *arg), void *arg);

/* ---- logs: rocks_log.c ---- */

/* Appends a record in RocksDB's log format; the list of files is such a log too. */
void rocks_log_put(struct buf *log, struct str record);
/* Sets record to the one at *at (0 at first), joined.  Returns false at the end or at damage. */
bool rocks_log_next(struct str log, size_t *at, struct buf *record);
struct rocks_log_sum {
	unsigned records, lost; /* whole ones; places where some are missing */
};
/*
 * Writes the whole records of a log to out, one after the other, leaving out what is between them.
 * The batches of a log of commits must have ascending numbers.
 */
struct rocks_log_sum rocks_log_clean(struct str log, struct buf *out);

/* ---- files ---- */

/* Appends the file.  What the device cannot read becomes zeros. */
bool rocks_file_slurp(int dir, const char *name, struct buf *out);
/* Atomic, and on disk if it returns true. */
bool rocks_file_replace(int dir, const char *name, struct str bytes);

/* Returns malloc'ed text. */
char *rocks_text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
#endif
