/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_ENGINE_ROCKS_ROCKS_INT_H
#define STORE_ENGINE_ROCKS_ROCKS_INT_H
/* What the files of the RocksDB engine share. */
#include <pthread.h>
#include <rocksdb/c.h>
#include <stdatomic.h>

#include "store/engine.h"
#include "store/engine/rocks/rocks_extra.h"

#define ROCKS_FORMAT 1 /* of the folder; written in its file `format` */

/* ---- the commit mark: rocks_mark.c ---- */

/*
 * commit.mark holds the log's sequence number as of the last acknowledged
 * commit, in one of two records, at 0 and at 4096: 8 bytes "TSMARK1\n", the
 * number, XXH3-64 of those 16; numbers little-endian.  The higher one counts.
 * It is written after each commit and flushed about once a second, so after a
 * power cut it may be behind, never ahead.  After a flush the other record is
 * written: a power cut can tear one of them, and the other one is whole.
 */
struct rocks_mark {
	pthread_mutex_t lock;
	int fd;
	uint64_t seq;        /* written */
	int slot;            /* where the next one is written */
	uint64_t flushed_ms; /* when */
	bool complained;
};

/* Reads (makes, unless read_only) the file in dir.  *found_r: there was one.  TS_DAMAGED:
 * there is something, but no whole record. */
enum ts_err rocks_mark_open(struct rocks_mark *mark, int dir, bool read_only, bool *found_r);
void rocks_mark_set(struct rocks_mark *mark, uint64_t seq);
/* Sets it back, after an operator gave up what lay behind a damage. */
enum ts_err rocks_mark_reset(struct rocks_mark *mark, uint64_t seq);
void rocks_mark_close(struct rocks_mark *mark);

/* The file `recovered` says that something acknowledged was given up (engine.h). */
enum ts_err rocks_recovered_note(int dir, const char *what);
bool rocks_recovered(int dir);
/* A line that says that keys and pointers to messages were lost together. */
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
	bool (*whole)(struct str key, struct str value); /* engine_options */
};

/* dir: the store's folder, locked.  Checks the log against the mark before anything is changed. */
enum ts_err rocks_db_open(const struct rocks_config *config, int dir, struct rocks_mark *mark,
    struct rocks_db *db_r, char **text_r);
/* flush: write what is in memory into tables, for a quick start. */
void rocks_db_close(struct rocks_db *db, bool flush);
/* Opens (makes) the folder and takes its lock. */
enum ts_err rocks_dir_open(
    const struct rocks_config *config, int *dir_r, int *lock_r, char **text_r);

/* ---- salvage: rocks_salvage.c ---- */

#define ROCKS_ASIDE "salvaged-" /* folders with the files as they were */

/* BLOCKING.  Brings a damaged folder, locked and not open, into a state in which it can be opened
 * with `recover`; notes that something may have been given up.  *text_r: what was done; NULL:
 * nothing was. */
enum ts_err rocks_salvage(const struct rocks_config *config, int dir, rocksdb_options_t *opt,
    uint64_t mark, char **text_r);

/* ---- tables from the inside: rocks_table.c, rocks_rebuild.c, rocks_crumbs.c ---- */

struct rocks_table {
	unsigned char *p;
	size_t n;
	unsigned char sums; /* 1: CRC-32C, 4: XXH3 */
};
/* Is there a whole block of so many bytes, with its trailer behind it? */
bool rocks_block_whole(const struct rocks_table *t, uint64_t off, uint64_t size);
uint32_t rocks_block_sum(const struct rocks_table *t, const unsigned char *p, size_t n);
bool rocks_block_unpack(const struct rocks_table *t, uint64_t off, uint64_t size, struct buf *out);
#define ROCKS_BLOCK_TRAILER 5
#define ROCKS_BLOCK_LZ4 4
#define ROCKS_BLOCK_KIND_FACTOR 0x6B9083D9u /* of the kind, in an XXH3 checksum */
/* Appends the index, unpacked; false: it cannot be read.  Sets t->sums if the footer can. */
bool rocks_table_index(struct rocks_table *t, struct buf *index);
/* Its entries: where a block of data is, and a key not below its last one. */
bool rocks_index_each(struct str index,
    void (*fn)(void *arg, uint64_t off, uint64_t size, struct str key), void *arg);

/* What the list of files has to say of a table. */
struct rocks_table_facts {
	struct buf smallest, largest; /* with RocksDB's 8 bytes */
	uint64_t size, smallest_seq, largest_seq, oldest_blobs;
	enum rocks_cf cf;
};
void rocks_table_facts_fini(struct rocks_table_facts *facts);

/* By key, then newer ones first; keys with RocksDB's 8 bytes. */
int rocks_key_compare(struct str a, struct str b);

/* What is believed of a damaged block. */
struct rocks_crumb_rules {
	bool (*whole)(struct str key, struct str value); /* NULL: nothing */
	uint64_t smallest_seq, largest_seq;              /* of the table */
};
/*
 * Makes a block of those entries of a damaged one that are vouched for and stand behind a key
 * (empty: any).  Gives their number.
 */
unsigned rocks_block_crumbs(const struct rocks_table *t, uint64_t off, uint64_t size,
    const struct rocks_crumb_rules *rules, struct str behind, struct buf *out);

struct rocks_rebuilt {
	unsigned blocks, damaged; /* of data: whole ones, others */
	unsigned crumbs;          /* entries kept of the latter */
};
/*
 * Makes a damaged table anew from its whole blocks of data, and of damaged ones from what is
 * vouched for in them, in a copy that takes its place; it has another size and needs another entry
 * in the list of files.  TS_OK: it is done.  TS_INVALID: there is nothing to make it of.  TS_IO: no
 * copy could be made.
 */
enum ts_err rocks_table_rebuild(rocksdb_options_t *opt, const char *path, int dir, const char *name,
    const struct rocks_crumb_rules *rules, struct rocks_table_facts *facts_r,
    struct rocks_rebuilt *did_r);

/* ---- files of values: rocks_blobs.c ---- */

#define ROCKS_BLOB_ENDS ((size_t)62) /* header and footer */
#define ROCKS_BLOB_KEY ((size_t)8)
/*
 * A blob file with a damaged header or footer, or cut below size (0: not known), gets them
 * back, in a copy that takes its place; zeros stand for what is gone.  Gives the number of
 * records that can be found from the beginning on; *bytes_r: of all of them.
 */
uint64_t rocks_blobs_mend(
    int dir, const char *name, uint64_t size, bool *mended_r, uint64_t *bytes_r);
/* Its header and footer are there, and it is not shorter than size. */
bool rocks_blobs_whole(int dir, const char *name, uint64_t size);
struct rocks_blob_record {
	uint64_t blob, off, size; /* of the value */
	uint32_t sum;             /* of key and value */
};
/* The records from the beginning on whose lengths have their checksum; the last may reach beyond
 * the end of the file. */
void rocks_blobs_walk(int dir, const char *name,
    void (*fn)(const struct rocks_blob_record *record, void *arg), void *arg);
/* CRC-32C in RocksDB's form (masked). */
uint32_t rocks_crc32c(const unsigned char *p, size_t n);
#define ROCKS_CRC_BEGIN UINT32_MAX
uint32_t rocks_crc32c_more(uint32_t crc, const unsigned char *p, size_t n);
uint32_t rocks_crc32c_end(uint32_t crc);

/* ---- messages without a pointer: rocks_rescue.c ---- */

/* BLOCKING.  A list of the records in all files of values, those set aside too: some 32 bytes of
 * memory for each. */
struct rocks_rescue;
struct rocks_rescue *rocks_rescue_new(int dir);
void rocks_rescue_free(struct rocks_rescue **rescue);
/* Sets bytes; what has not its checksum is not found.  *file_r: where it was, below dir. */
bool rocks_rescue_find(
    const struct rocks_rescue *rescue, uint64_t blob, struct buf *bytes, const char **file_r);
/* What is left of one, whole or not, for people to look at. */
bool rocks_rescue_rest(const struct rocks_rescue *rescue, uint64_t blob, struct buf *bytes);
void rocks_rescue_each(
    const struct rocks_rescue *rescue, void (*fn)(uint64_t blob, void *arg), void *arg);

/* ---- logs: rocks_log.c ---- */

/* One record of RocksDB's log format, the list of files being such a log too. */
void rocks_log_put(struct buf *log, struct str record);
/* Sets record to the one at *at (at first 0), joined; false: the end, or damage. */
bool rocks_log_next(struct str log, size_t *at, struct buf *record);
struct rocks_log_sum {
	unsigned records, lost; /* whole ones; places where some are missing */
};
/*
 * The whole records of a log, written one behind the other into out; what stands between them is
 * left out.  The batches of a log of commits must have ascending numbers.
 */
struct rocks_log_sum rocks_log_clean(struct str log, struct buf *out);

/* ---- files ---- */

/* Appends the file; what the device cannot read is zeros. */
bool rocks_file_slurp(int dir, const char *name, struct buf *out);
/* Atomic, and on disk when true. */
bool rocks_file_replace(int dir, const char *name, struct str bytes);

/* malloc'ed text. */
char *rocks_text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
#endif
