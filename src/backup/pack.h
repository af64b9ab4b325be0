/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BACKUP_PACK_H
#define BACKUP_PACK_H
/*
 * A pack: many small objects in one file, which is flushed once.  packs/NUMBER (eight hex digits,
 * never given twice) is a line "turnstone-pack 1", then a record for each object:
 *
 *	object SHA-256 BYTES
 *	so many bytes, then a line end
 *
 * The one being written is tmp/pack.  What a run that was cut off left of it is taken up by the
 *next one who writes, as far as its records are whole.
 */
#include "backup/index.h"

/* Larger objects get a file of their own. */
#define BACKUP_PACKED_MAX ((size_t)64 * 1024)
/* A pack ends when it has so many bytes, or so many objects. */
#define BACKUP_PACK_BYTES ((uint64_t)32 * 1024 * 1024)
#define BACKUP_PACK_OBJECTS ((size_t)65536)

/* Bytes of a record. */
uint64_t backup_record_bytes(uint32_t size);
void backup_pack_name(uint32_t number, char name[32]);

/*
 * Reads a pack and checks every record.  fn() gets each with whether its content has its checksum,
 * and NULL where there is something else; it gives false to end it.  What comes behind damage is
 * found by its head and checksum.  False: it could not be read.
 */
typedef bool backup_pack_fn(
    const struct backup_entry *entry, struct str bytes, bool good, void *arg);
bool backup_pack_scan(int fd, uint32_t number, backup_pack_fn *fn, void *arg);
/* The file; -1 and errno. */
int backup_pack_open(struct backup_folder *folder, uint32_t number);

/* ---- writing ---- */

/* Puts an object into the pack that is being written. */
bool backup_pack_put(struct backup_folder *folder, const struct backup_hash *hash, struct str bytes,
    struct buf *why);
/* Is it in the pack that is being written? */
bool backup_pack_pending(
    struct backup_folder *folder, const struct backup_hash *hash, struct backup_entry *entry_r);
/* Flushes it, and gives it a name and an index. */
bool backup_pack_end(struct backup_folder *folder, struct buf *why);
/* Takes up tmp/pack. */
bool backup_pack_salvage(struct backup_folder *folder, struct buf *why);
void backup_pack_drop(struct backup_folder *folder);

/* ---- reading ---- */

/* Finds it, in the pack being written too. */
bool backup_packed_find(
    struct backup_folder *folder, const struct backup_hash *hash, struct backup_entry *entry_r);
/* Reads and checks; what was found is read again where an index was wrong or a pack rewritten.
 * TS_NOT_FOUND: it is in no pack. */
enum ts_err backup_packed_get(struct backup_folder *folder, const struct backup_hash *hash,
    struct buf *out, struct buf *what);
#endif
