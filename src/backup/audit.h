/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BACKUP_AUDIT_H
#define BACKUP_AUDIT_H
/*
 * Goes through a whole backup folder: is everything there, and what is no longer needed?
 *
 * Memory: a few hundred KiB; what run.h says, for one run at a time; two bits for each object in a
 * pack; and at most 96 bytes for each object that is a file of its own, and for each user in a
 * prune.
 */
#include "backup/run.h"

/* A prune rewrites a pack if at most this part of it is needed, so it never writes more than that
 * frees ... */
#define BACKUP_PACK_DEAD_PERCENT 50
/* ... and merges packs smaller than this if there are that many. */
#define BACKUP_PACK_SMALL_BYTES ((uint64_t)2 * 1024 * 1024)
#define BACKUP_PACK_SMALL_COUNT 16

struct backup_audit {
	/* Reports a fault in a line that names the file. */
	void (*bad)(const char *what, void *arg);
	void (*progress)(const char *what, uint64_t done, uint64_t total, void *arg); /* or NULL */
	void *arg;

	/* results */
	uint64_t runs, objects, bytes;
	uint64_t removed_runs, removed_objects, removed_bytes;
	uint64_t dead_objects, dead_bytes; /* not needed, but left in packs that are */
	uint64_t faults;
};

/* Checks every run, every object's checksum, and that everything referred to exists.  Returns false
 * if it could not be done, not if damage was found. */
bool backup_verify(struct backup_folder *folder, struct backup_audit *audit, struct buf *why);

/*
 * Keeps every user's `keep` newest runs that include the user.  Removes the other runs and what no
 * run refers to: files, packs of which nothing is needed, and rewritten packs (above).  Refuses
 * (returns false) if a remaining run or list cannot be read: what it refers to is unknown then.
 * Needs WRITE.
 */
bool backup_prune(
    struct backup_folder *folder, uint64_t keep, struct backup_audit *audit, struct buf *why);
#endif
