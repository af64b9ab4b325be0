/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BACKUP_FOLDER_H
#define BACKUP_FOLDER_H
/*
 * backup: the folder that holds backups, and the operations on it.  Whatever a signal or a crash
 * interrupts, a run that has its name is whole.  Start here, then run.h; job.h makes a backup,
 * restore.h restores one.
 *
 * A backup folder, format 3.  Folders of formats 1 and 2 can be read, and become format 3 when
 * written to; their contents stay as they are.  Their runs have fewer lines (run.h), and they have
 * no packs: every object is a file of its own.
 *
 *	turnstone-backup   one line, "turnstone backup 3"; a higher number is refused
 *	lock               locked (flock) by the process that writes
 *	objects/xx/NAME    objects larger than BACKUP_PACKED_MAX bytes.  NAME is the SHA-256 of the
 *	                   file's bytes in 64 hex digits, xx its first two.  Never changed once it
 *	                   has its name
 *	packs/NUMBER       all other objects, many in a file (pack.h)
 *	index/FROM-TO      where they are in the packs (index.h)
 *	runs/ID            what one run saved (run.h); ID is the UTC time at which it started
 *	tmp/               being written; `unfinished` is the current run, or an interrupted one,
 *	                   `pack` its last pack
 *
 * An object is a message, byte for byte, or a list of messages or of mailboxes (lists.h), and is
 * named by the SHA-256 of its bytes.  It is stored once, however many users, mailboxes and runs
 * have it.  Objects and packs are flushed before they get their names, and a run gets its name when
 * all that it refers to is on disk.  So whatever has a name is whole.
 *
 * A run flushes pack by pack, of BACKUP_PACK_BYTES or BACKUP_PACK_OBJECTS.  An interrupted run
 * loses nothing that it wrote, unless the machine stopped too.
 *
 * Single-threaded.  Functions that return a bool say in `why` what is wrong, in a line that names
 * the file.
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
/* All zeros: no hash. */
bool backup_hash_none(const struct backup_hash *hash);
void backup_hash_hex(const struct backup_hash *hash, struct buf *out);
bool backup_hash_parse(struct str hex, struct backup_hash *hash_r);

struct backup_folder;

/*
 * READ only looks, alongside others.  WRITE makes the folder if it is missing or empty (never in a
 * folder that holds anything else), takes the lock, and empties tmp except for `unfinished`.
 */
enum backup_mode { BACKUP_READ, BACKUP_WRITE };
bool backup_open(
    const char *path, enum backup_mode mode, struct backup_folder **folder_r, struct buf *why);
void backup_close(struct backup_folder **folder);
const char *backup_path(const struct backup_folder *folder);
/* The folder's descriptor, for run.c. */
int backup_fd(const struct backup_folder *folder);

struct backup_costs {     /* since opening */
	uint64_t opened;  /* objects and runs opened for reading */
	uint64_t written; /* files created */
	uint64_t flushes; /* of files and folders */
};
const struct backup_costs *backup_costs(const struct backup_folder *folder);

/* ---- objects ---- */

/* Reads and compares objects that exist already, and replaces damaged ones. */
void backup_distrust(struct backup_folder *folder);
/* One object at a time: begin, write, then end or abort.  An object of up to BACKUP_PACKED_MAX
 * bytes is held in memory until its end, and goes into a pack unless it exists. */
bool backup_object_begin(struct backup_folder *folder, struct buf *why);
bool backup_object_write(struct backup_folder *folder, struct str bytes, struct buf *why);
bool backup_object_end(struct backup_folder *folder, struct backup_hash *hash_r, struct buf *why);
void backup_object_abort(struct backup_folder *folder);
/* Does all of these at once. */
bool backup_object_put(
    struct backup_folder *folder, struct str bytes, struct backup_hash *hash_r, struct buf *why);
/* Until this returns true, objects may be unnamed or not on disk. */
bool backup_flush(struct backup_folder *folder, struct buf *why);
/* What was written since opening: new objects, and their bytes. */
uint64_t backup_new_objects(const struct backup_folder *folder);
uint64_t backup_new_bytes(const struct backup_folder *folder);

/*
 * Reads back, from the disk if possible, everything that was put since opening, whether new or
 * found there.  Calls bad() for each object that is wrong; progress may be NULL.
 */
struct backup_checking {
	void (*bad)(
	    const struct backup_hash *hash, const char *what, void *arg); /* hash may be NULL */
	void (*progress)(uint64_t done, uint64_t total, void *arg);
	void *arg;
};
bool backup_check_new(
    struct backup_folder *folder, const struct backup_checking *checking, struct buf *why);

/* TS_OK, TS_NOT_FOUND, TS_DAMAGED or TS_IO; `what` says more. */
enum ts_err backup_object_check(struct backup_folder *folder, const struct backup_hash *hash,
    uint64_t *size_r, struct buf *what);
/* Same for an object in a file of its own. */
enum ts_err backup_file_check(struct backup_folder *folder, const struct backup_hash *hash,
    uint64_t *size_r, struct buf *what);
/* Reads a whole object of at most max bytes and verifies it. */
enum ts_err backup_object_get(struct backup_folder *folder, const struct backup_hash *hash,
    size_t max, struct buf *out, struct buf *what);
bool backup_object_there(struct backup_folder *folder, const struct backup_hash *hash);
/* Opens an object that is a file, to be read in pieces; -1 and errno if it cannot.  The caller
 * closes it. */
int backup_object_open(struct backup_folder *folder, const struct backup_hash *hash);
/* Only for an object that is a file. */
bool backup_object_remove(
    struct backup_folder *folder, const struct backup_hash *hash, struct buf *why);
/* Calls fn for each object that is a file; hash is NULL for files with other names. */
bool backup_object_list(struct backup_folder *folder,
    bool (*fn)(const struct backup_hash *hash, uint64_t size, const char *name, void *arg),
    void *arg, struct buf *why);
#endif
