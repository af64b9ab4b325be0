/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BACKUP_INDEX_H
#define BACKUP_INDEX_H
/*
 * Where packed objects are.  index/FROM-TO (numbers of packs, eight hex digits each) says it for
 * the packs of these numbers.  Numbers in it are of 32 bits, the lowest byte first:
 *
 *	"TSBKIDX1", FROM, TO, then an entry for each object, in order of the hashes: 32 bytes of
 *	SHA-256, the pack, where in it the record begins, the object's bytes; then 32 bytes:
 *	SHA-256 of all of that.
 *
 * It is made of the packs, and can be made again.  A pack gets an index of its own; two neighbours
 * of similar size become one, so that there are few, however many packs there are, and an entry is
 * written again as often as the number of entries doubles.  A new one has its name before those it
 * replaces lose theirs; one whose numbers lie within those of another counts for nothing.  Where
 *two entries have the same hash the pack with the higher number is right.
 *
 * Searching reads the disk; memory holds a few words for each file and pack.
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
	uint64_t first; /* place of its first entry among those of all files */
};

struct backup_index {
	struct backup_index_file *files; /* the newest first */
	size_t n;
	uint64_t count;  /* of all entries */
	uint32_t *packs; /* those that are there, ascending */
	size_t pack_count;
};

/* Told of an index that is damaged, or of a file that does not belong there. */
typedef void backup_index_bad(const char *what, void *arg);

/*
 * All that is in index/ and packs/.  Who may write also makes the indexes that are missing, else
 * they are made in memory.  check: of each its checksum too; one that is damaged is left out, and
 * made again.  bad may be NULL.
 */
bool backup_index_load(struct backup_folder *folder, bool check, backup_index_bad *bad, void *arg,
    struct backup_index *ix_r, struct buf *why);
void backup_index_fini(struct backup_index *ix);
/* place_r, if not NULL: its place among all entries.  Only of packs that are there. */
bool backup_index_find(const struct backup_index *ix, const struct backup_hash *hash,
    struct backup_entry *entry_r, uint64_t *place_r);
bool backup_index_has_pack(const struct backup_index *ix, uint32_t pack);
/* Entries of a new pack, in any order; they are sorted. */
bool backup_index_add(struct backup_folder *folder, struct backup_index *ix, uint32_t pack,
    struct backup_entry *entries, size_t n, struct buf *why);
/* Makes one of all, without the entries that drop() is true for. */
bool backup_index_rewrite(struct backup_folder *folder, struct backup_index *ix,
    bool (*drop)(const struct backup_entry *entry, void *arg), void *arg, struct buf *why);
/* Every entry, with its place.  False: one file could not be read. */
bool backup_index_each(const struct backup_index *ix,
    void (*fn)(const struct backup_entry *entry, uint64_t place, void *arg), void *arg);
#endif
