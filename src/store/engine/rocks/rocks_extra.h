/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_ENGINE_ROCKS_ROCKS_EXTRA_H
#define STORE_ENGINE_ROCKS_ROCKS_EXTRA_H
/* What RocksDB's C API lacks, as C++ behind a C interface. */
#include <rocksdb/c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Gives opt a logger that passes warnings and errors to base/log and writes no
 * file, and a listener that stops damage found by a compaction from closing the
 * whole store for writing.  Returns false if this build of RocksDB lacks the
 * structures we know.
 */
bool rocks_extra_attach(rocksdb_options_t *opt);
/* Copies into name the last log file that opt's logger reported as damaged; empty if none. */
void rocks_extra_damaged_log(const rocksdb_options_t *opt, char *name, size_t size);
/* Returns whether all checksums of the table are right. */
bool rocks_extra_table_whole(const rocksdb_options_t *opt, const char *path);

struct rocks_extra_file {
	unsigned cf; /* number of the column family */
	int level;
	uint64_t number, size;
	/* For tables; keys without RocksDB's 8 bytes. */
	const char *smallest, *largest;
	size_t smallest_size, largest_size;
	uint64_t smallest_seq, largest_seq;
};
/* Calls table and blobs for what the folder's list of files names.  *sequence_r: how far the log
 * reaches with all of it that can be read; *undamaged_r: up to the first damage.  Returns false if
 * the list cannot be read. */
bool rocks_extra_list(const rocksdb_options_t *opt, const char *path,
    void (*table)(const struct rocks_extra_file *file, void *arg),
    void (*blobs)(const struct rocks_extra_file *file, void *arg), void *arg, uint64_t *sequence_r,
    uint64_t *undamaged_r);
/* Verifies all checksums of the tables in use.  Returns NULL, or RocksDB's message, malloc'ed. */
char *rocks_extra_verify(rocksdb_t *db);
/* Calls fn for each 8-byte key of the family that has a value, without reading the value.  Returns
 * false if not all could be read. */
bool rocks_extra_keys(rocksdb_t *db, rocksdb_column_family_handle_t *family,
    void (*fn)(const unsigned char key[8], void *arg), void *arg);
/* Returns a rocksdb_*_compression value for index tables that this build has. */
int rocks_extra_compression(void);

#ifdef __cplusplus
}
#endif
#endif
