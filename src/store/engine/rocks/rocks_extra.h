/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_ENGINE_ROCKS_ROCKS_EXTRA_H
#define STORE_ENGINE_ROCKS_ROCKS_EXTRA_H
/* What RocksDB's C API lacks, in C++ behind a C face. */
#include <rocksdb/c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Gives opt a logger that passes warnings and errors on to base/log and writes
 * no file, and a listener that keeps damage found by a compaction from closing
 * the whole store for writing.  False: this build of RocksDB does not have the
 * structures we know.
 */
bool rocks_extra_attach(rocksdb_options_t *opt);
/* The last log file in which opt's logger was told of damage, into name; empty if none. */
void rocks_extra_damaged_log(const rocksdb_options_t *opt, char *name, size_t size);
/* All checksums of the table hold. */
bool rocks_extra_table_whole(const rocksdb_options_t *opt, const char *path);

struct rocks_extra_file {
	unsigned cf; /* number of the column family */
	int level;
	uint64_t number, size;
	/* Of tables; keys without RocksDB's 8 bytes. */
	const char *smallest, *largest;
	size_t smallest_size, largest_size;
	uint64_t smallest_seq, largest_seq;
};
/* What the list of files in the folder names, and how far the log reaches with it: with all that
 * can be read of the log, and up to the first damage.  False: it cannot be read. */
bool rocks_extra_list(const rocksdb_options_t *opt, const char *path,
    void (*table)(const struct rocks_extra_file *file, void *arg),
    void (*blobs)(const struct rocks_extra_file *file, void *arg), void *arg, uint64_t *sequence_r,
    uint64_t *undamaged_r);
/* All checksums of the tables in use hold.  Else the words for it, malloc'ed. */
char *rocks_extra_verify(rocksdb_t *db);
/* Calls fn for each 8-byte key of the family that has a value, without reading the value.  False:
 * not all could be read. */
bool rocks_extra_keys(rocksdb_t *db, rocksdb_column_family_handle_t *family,
    void (*fn)(const unsigned char key[8], void *arg), void *arg);
/* A rocksdb_*_compression value for index tables that this build has. */
int rocks_extra_compression(void);

#ifdef __cplusplus
}
#endif
#endif
