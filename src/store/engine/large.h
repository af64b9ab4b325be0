/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_ENGINE_LARGE_H
#define STORE_ENGINE_LARGE_H
/*
 * Large blobs in files of their own, for engines on a file system.
 *
 * large/tmp/ID     being written; leftovers of a crash are removed at the next open
 * large/xx/ID      finished; ID is the blob id in 16 hex digits, xx its last two
 *
 * A file, all numbers little-endian:
 *   size bytes      the content
 *   8 bytes each    XXH3-64 of each 64 KiB of it (the last may be shorter); the seed is blob id +
 *                   index, so a piece in the wrong place is found
 *   32 bytes        "TSBLOB1\n", blob id, size, XXH3-64 of those 24 bytes
 * The sums come after the content so that the content can be mapped whole.
 *
 * All calls may block; any thread.  Only one thread at a time may use a writer.  Failures are
 * logged here.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct large_writer;

/* Opens STORE/large, creating it if missing.  clean: removes leftovers in tmp. */
enum ts_err large_dir_open(
    const char *store, bool read_only, bool clean, int *dir_r, char **text_r);

/* Appends to value.  On TS_NOT_FOUND, TS_DAMAGED and TS_IO value is unchanged. */
enum ts_err large_read(int dir, uint64_t blob, uint64_t off, uint64_t len, struct buf *value);
enum ts_err large_size(int dir, uint64_t blob, uint64_t *size_r);
/* Not durable: a file that reappears after a crash is an orphan. */
void large_remove(int dir, uint64_t blob);
/* Moves a file into the folder STORE/WHERE, created if missing, keeping its name. */
enum ts_err large_set_aside(int dir, int store, const char *where, uint64_t blob);
/* Moves all files in STORE/WHERE back and removes the folder.  A missing folder counts as empty. */
enum ts_err large_take_back(int dir, int store, const char *where);
/* Returns whether there are any. */
bool large_has_aside(int store, const char *where);
enum ts_err large_list(int dir, void (*fn)(uint64_t blob, void *arg), void *arg);

/* dir must outlive the writer. */
enum ts_err large_create(int dir, uint64_t blob, struct large_writer **w_r);
enum ts_err large_write(struct large_writer *w, struct str bytes);
/* Valid until the next write, finish or abort. */
enum ts_err large_map(struct large_writer *w, struct str *bytes_r);
/* Flushes the file, gives it its name and flushes that.  Both functions free the writer. */
enum ts_err large_finish(struct large_writer **w);
void large_abort(struct large_writer **w);
#endif
