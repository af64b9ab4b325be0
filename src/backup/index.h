/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BACKUP_INDEX_H
#define BACKUP_INDEX_H
/*
 * Finds packed objects. index/FROM-TO (numbers of packs, eight hex digits each) covers the packs
 * with these numbers.  Numbers in it have 32 bits, little-endian:
 *
 *	"TSBKIDX1", FROM, TO, then an entry for each object, in order of hashes: 32 bytes of
 *	SHA-256, the pack, the record's offset in it, the object's size; then 32 bytes:
 *	SHA-256 of all that.
 *
 * It is made from the packs, and can be made again.  Each pack gets an index; two neighbours of
 * similar size are merged, so that there are few, however many packs there are, and an entry is
 * rewritten only when the number of entries doubles.  A new index gets its name before those it
 * replaces lose theirs; one whose range lies within another's is ignored.  If two entries have the
 * same hash, the pack with the higher number counts.
 *
 * Searches read the disk; memory holds a few words for each file and pack.
 */
#include "backup/folder.h"

struct backup_entry {
	struct backup_hash hash;
	uint32_t pack, at, size;
};

struct backup_index_file {
	int fd; /* -1: it is in mem, since its file is missing and cannot be made */
	struct backup_entry *mem;
	uint32_t from, to;
	uint64_t count;
	uint64_t first; /* position of its first entry among those of all files */
};

struct backup_index {
	struct backup_index_file *files; /* newest first */
	size_t n;
	uint64_t count;  /* entries in all files */
	uint32_t *packs; /* packs that exist, ascending */
	size_t pack_count;
};

/* Reports a damaged index, or a file that does not belong there. */
typedef void backup_index_bad(const char *what, void *arg);

/*
 * Loads all that is in index/ and packs/.  With write access it also makes missing indexes as
 * files, else in memory.  check: verifies their checksums too; leaves out damaged ones and makes
 * them again.  bad may be NULL.
 */
bool backup_index_load(struct backup_folder *folder, bool check, backup_index_bad *bad, void *arg,
    struct backup_index *ix_r, struct buf *why);
void backup_index_fini(struct backup_index *ix);
/* Finds an entry whose pack exists.  *place_r (may be NULL): its position among all entries. */
bool backup_index_find(const struct backup_index *ix, const struct backup_hash *hash,
    struct backup_entry *entry_r, uint64_t *place_r);
bool backup_index_has_pack(const struct backup_index *ix, uint32_t pack);
/* Adds the entries of a new pack, in any order; sorts them. */
bool backup_index_add(struct backup_folder *folder, struct backup_index *ix, uint32_t pack,
    struct backup_entry *entries, size_t n, struct buf *why);
/* Merges all into one, without the entries for which drop() returns true. */
bool backup_index_rewrite(struct backup_folder *folder, struct backup_index *ix,
    bool (*drop)(const struct backup_entry *entry, void *arg), void *arg, struct buf *why);
/* Calls fn for every entry and its position.  Returns false if a file could not be read. */
bool backup_index_each(const struct backup_index *ix,
    void (*fn)(const struct backup_entry *entry, uint64_t place, void *arg), void *arg);
#endif
