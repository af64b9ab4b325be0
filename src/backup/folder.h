/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BACKUP_FOLDER_H
#define BACKUP_FOLDER_H
/*
 * backup: the folder that backups are kept in, and what is done with it.  Whatever is cut off, by
 * a signal or a crash, a run that has its name is whole.  Start here, then run.h; job.h makes a
 * backup, restore.h takes one back.
 *
 * A backup folder, format 3.  Those of formats 1 and 2 are read, and become one of format 3 when
 * they are written into; what is in them stays as it is.  Their runs have fewer
 * lines (run.h), and they have no packs: every object is a file of its own.
 *
 *	turnstone-backup   one line, "turnstone backup 3"; a higher number is refused
 *	lock               locked (flock) by whoever writes
 *	objects/xx/NAME    objects of more than BACKUP_PACKED_MAX bytes.  NAME is the SHA-256 of the
 *	                   file's bytes in 64 hex digits, xx its first two.  Never changed once it
 *	                   has its name
 *	packs/NUMBER       all other objects, many in a file (pack.h)
 *	index/FROM-TO      where in the packs they are (index.h)
 *	runs/ID            what one run saved (run.h); ID is the UTC time at which it began
 *	tmp/               being written; `unfinished` is the run that is going on, or was cut off,
 *	                   `pack` its last pack
 *
 * An object is a message as it is, byte for byte, or a list of messages or of mailboxes (lists.h),
 * and has the SHA-256 of its bytes as its name.  It is there once, however many users, mailboxes
 * and runs have it.  Objects and packs are flushed before they get their names, and a run gets its
 * name when all that it refers to is on disk.  So a name says: whole.
 *
 * What a run writes is flushed pack by pack, of BACKUP_PACK_BYTES or BACKUP_PACK_OBJECTS.  A run
 * that is cut off loses nothing that it wrote, unless the machine stopped, too.
 *
 * One thread.  Functions that give a bool say in `why` what is wrong, in a line
 * that names the file.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#define BACKUP_FORMAT 3
#define BACKUP_HASH_BYTES 32
#define BACKUP_HEX_BYTES ((size_t)2 * BACKUP_HASH_BYTES)

struct backup_hash {
	unsigned char b[BACKUP_HASH_BYTES];
};

static inline bool
backup_hash_eq(const struct backup_hash *a, const struct backup_hash *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

void backup_hash_of(struct str bytes, struct backup_hash *hash_r);
/* All zeros: there is none. */
bool backup_hash_none(const struct backup_hash *hash);
void backup_hash_hex(const struct backup_hash *hash, struct buf *out);
bool backup_hash_parse(struct str hex, struct backup_hash *hash_r);

struct backup_folder;

/*
 * READ looks only, beside others.  WRITE makes the folder when it is missing or empty (never in a
 * folder that holds anything else), takes the lock, and empties tmp but for `unfinished`.
 */
enum backup_mode { BACKUP_READ, BACKUP_WRITE };
bool backup_open(
    const char *path, enum backup_mode mode, struct backup_folder **folder_r, struct buf *why);
void backup_close(struct backup_folder **folder);
const char *backup_path(const struct backup_folder *folder);
/* The folder itself, for run.c. */
int backup_fd(const struct backup_folder *folder);

struct backup_costs {     /* since the opening */
	uint64_t opened;  /* objects and runs, for reading */
	uint64_t written; /* files that were made */
	uint64_t flushes; /* of files and folders */
};
const struct backup_costs *backup_costs(const struct backup_folder *folder);

/* ---- objects ---- */

/* Objects that are there already are read and compared, and replaced where they are damaged. */
void backup_distrust(struct backup_folder *folder);
/* One object at a time: begin, write, then end or abort.  One of up to BACKUP_PACKED_MAX bytes is
 * held in memory until its end, and goes into a pack unless it is there. */
bool backup_object_begin(struct backup_folder *folder, struct buf *why);
bool backup_object_write(struct backup_folder *folder, struct str bytes, struct buf *why);
bool backup_object_end(struct backup_folder *folder, struct backup_hash *hash_r, struct buf *why);
void backup_object_abort(struct backup_folder *folder);
/* All at once. */
bool backup_object_put(
    struct backup_folder *folder, struct str bytes, struct backup_hash *hash_r, struct buf *why);
/* Until this returns true objects may be unnamed, or not on disk. */
bool backup_flush(struct backup_folder *folder, struct buf *why);
/* What was written since the opening: new objects, and their bytes. */
uint64_t backup_new_objects(const struct backup_folder *folder);
uint64_t backup_new_bytes(const struct backup_folder *folder);

/*
 * Reads back, from the disk where it can be had, everything that was put since the opening, new
 * or found there.  Calls bad() for each that does not hold; progress may be NULL.
 */
struct backup_checking {
	void (*bad)(
	    const struct backup_hash *hash, const char *what, void *arg); /* hash: or NULL */
	void (*progress)(uint64_t done, uint64_t total, void *arg);
	void *arg;
};
bool backup_check_new(
    struct backup_folder *folder, const struct backup_checking *checking, struct buf *why);

/* TS_OK, TS_NOT_FOUND, TS_DAMAGED, TS_IO; what says more. */
enum ts_err backup_object_check(struct backup_folder *folder, const struct backup_hash *hash,
    uint64_t *size_r, struct buf *what);
/* The same of one that is a file of its own. */
enum ts_err backup_file_check(struct backup_folder *folder, const struct backup_hash *hash,
    uint64_t *size_r, struct buf *what);
/* Reads a whole one of at most max bytes and checks it. */
enum ts_err backup_object_get(struct backup_folder *folder, const struct backup_hash *hash,
    size_t max, struct buf *out, struct buf *what);
bool backup_object_there(struct backup_folder *folder, const struct backup_hash *hash);
/* For reading in pieces one that is a file; -1 and errno when it cannot be opened.  The caller
 * closes it. */
int backup_object_open(struct backup_folder *folder, const struct backup_hash *hash);
/* Only one that is a file. */
bool backup_object_remove(
    struct backup_folder *folder, const struct backup_hash *hash, struct buf *why);
/* Calls fn for each object that is a file; files with other names are given with hash NULL. */
bool backup_object_list(struct backup_folder *folder,
    bool (*fn)(const struct backup_hash *hash, uint64_t size, const char *name, void *arg),
    void *arg, struct buf *why);
#endif
