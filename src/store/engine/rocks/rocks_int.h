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

/* BLOCKING.  Brings a damaged folder, locked and not open, into a state in which it can be opened
 * with `recover`; notes that something may have been given up.  *text_r: what was done; NULL:
 * nothing was. */
enum ts_err rocks_salvage(
    const char *path, int dir, rocksdb_options_t *opt, uint64_t mark, char **text_r);

/* ---- the inside of files: rocks_table.c ---- */

#define ROCKS_BLOB_ENDS ((size_t)62) /* header and footer */
/* TS_OK: the table is whole.  TS_DAMAGED: damaged blocks were replaced by empty ones, in a copy
 * that has taken its place.  TS_INVALID: nothing can be read of it.  TS_IO: no copy could be made.
 */
enum ts_err rocks_table_mend(rocksdb_options_t *opt, const char *path, int dir, const char *name);
/*
 * A blob file with a damaged header or footer, or cut below size (0: not known), gets them
 * back, in a copy that takes its place; zeros stand for what is gone.  Gives the number of
 * records that can be found from the beginning on; *bytes_r: of all of them.
 */
uint64_t rocks_blobs_mend(
    int dir, const char *name, uint64_t size, bool *mended_r, uint64_t *bytes_r);
/* Its header and footer are there, and it is not shorter than size. */
bool rocks_blobs_whole(int dir, const char *name, uint64_t size);
/* CRC-32C in RocksDB's form (masked). */
uint32_t rocks_crc32c(const unsigned char *p, size_t n);
/* Appends the file; what the device cannot read is zeros. */
bool rocks_file_slurp(int dir, const char *name, struct buf *out);
/* Atomic, and on disk when true. */
bool rocks_file_replace(int dir, const char *name, struct str bytes);

/* malloc'ed text. */
char *rocks_text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
#endif
