/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BACKUP_PACK_H
#define BACKUP_PACK_H
/*
 * A pack: many small objects in one file, which is flushed once. packs/NUMBER (eight hex digits,
 * never reused) is a line "turnstone-pack 1", then a record for each object:
 *
 *	object SHA-256 BYTES
 *	that many bytes, then a newline
 *
 * The pack being written is tmp/pack.  What an interrupted run left of it is continued by the next
 * writer, as far as its records are whole.
 */
#include "backup/index.h"

/* Larger objects get a file of their own. */
#define BACKUP_PACKED_MAX ((size_t)64 * 1024)
/* A pack ends at this many bytes, or this many objects. */
#define BACKUP_PACK_BYTES ((uint64_t)32 * 1024 * 1024)
#define BACKUP_PACK_OBJECTS ((size_t)65536)

/* Returns the bytes of a record. */
uint64_t backup_record_bytes(uint32_t size);
void backup_pack_name(uint32_t number, char name[32]);

/*
 * Reads a pack and verifies every record.  Passes each to fn() with whether its content has the
 * right checksum, and NULL where something else is; stops if fn() returns false.  Records after
 * damage are found by their heads and checksums.  Returns false if the pack could not be read.
 */
typedef bool backup_pack_fn(
    const struct backup_entry *entry, struct str bytes, bool good, void *arg);
bool backup_pack_scan(int fd, uint32_t number, backup_pack_fn *fn, void *arg);
/* Opens the file; -1 and errno on failure. */
int backup_pack_open(struct backup_folder *folder, uint32_t number);

/* ---- writing ---- */

/* Adds an object to the pack being written. */
bool backup_pack_put(struct backup_folder *folder, const struct backup_hash *hash, struct str bytes,
    struct buf *why);
/* Returns whether it is in the pack being written. */
bool backup_pack_pending(
    struct backup_folder *folder, const struct backup_hash *hash, struct backup_entry *entry_r);
/* Flushes the pack, and gives it a name and an index. */
bool backup_pack_end(struct backup_folder *folder, struct buf *why);
/* Continues tmp/pack. */
bool backup_pack_salvage(struct backup_folder *folder, struct buf *why);
void backup_pack_drop(struct backup_folder *folder);

/* ---- reading ---- */

/* Finds an object, also in the pack being written. */
bool backup_packed_find(
    struct backup_folder *folder, const struct backup_hash *hash, struct backup_entry *entry_r);
/* Reads and verifies an object; reloads if an index was wrong or a pack rewritten.  TS_NOT_FOUND:
 * it is in no pack. */
enum ts_err backup_packed_get(struct backup_folder *folder, const struct backup_hash *hash,
    struct buf *out, struct buf *what);
#endif
