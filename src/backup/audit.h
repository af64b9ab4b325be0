/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BACKUP_AUDIT_H
#define BACKUP_AUDIT_H
/*
 * Looking through a whole backup folder: is all of it there, and what is no longer needed?
 *
 * Memory: a few hundred KiB; of one run at a time what run.h says; two bits for each object in a
 * pack; and at most 96 bytes for each object that is a file of its own, and for each user in a
 * prune.
 */
#include "backup/run.h"

/* A prune writes a pack again when no more than this part of it is needed, so it never writes more
 * than it gives back for that ... */
#define BACKUP_PACK_DEAD_PERCENT 50
/* ... and makes one of packs that are smaller than this, when there are so many. */
#define BACKUP_PACK_SMALL_BYTES ((uint64_t)2 * 1024 * 1024)
#define BACKUP_PACK_SMALL_COUNT 16

struct backup_audit {
	/* A line for each thing that does not hold; it names the file. */
	void (*bad)(const char *what, void *arg);
	void (*progress)(const char *what, uint64_t done, uint64_t total, void *arg); /* or NULL */
	void *arg;

	/* results */
	uint64_t runs, objects, bytes;
	uint64_t removed_runs, removed_objects, removed_bytes;
	uint64_t dead_objects, dead_bytes; /* not needed, and left in packs that are */
	uint64_t faults;
};

/* Checks every run, every object's checksum, and that all that runs refer to is there.  False:
 * it could not be done (not: damage was found). */
bool backup_verify(struct backup_folder *folder, struct backup_audit *audit, struct buf *why);

/*
 * Keeps of every user the `keep` newest runs in which the user is, and removes the other runs and
 * what no run refers to: files, packs of which nothing is needed, and packs that are written again
 * (above).  Refuses (false) while a run or list that stays cannot be read: what it refers to is not
 * known then.  Needs WRITE.
 */
bool backup_prune(
    struct backup_folder *folder, uint64_t keep, struct backup_audit *audit, struct buf *why);
#endif
