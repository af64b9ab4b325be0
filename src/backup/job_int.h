/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BACKUP_JOB_INT_H
#define BACKUP_JOB_INT_H
/*
 * A run of `turnstone backup`, internals: job.c goes from user to user,
 * job_mailbox.c from mailbox to mailbox, job_chunk.c makes the lists of 1,024
 * UIDs and fetches messages.
 */
#include <roaring/roaring.h>

#include "backup/job.h"

#define BACKUP_CACHE 65536 /* power of two */

struct cached { /* messages that many users have are fetched only once */
	uint64_t blob;
	struct backup_hash hash;
};

/* Runs to continue from: the interrupted one, then finished ones, newest first, up to one of all
 * accounts. */
struct base {
	struct backup_run *runs;
	size_t count;
};

struct account { /* as the operation sends it */
	struct str name;
	struct backup_mark mark;
	uint64_t id;
};

struct head { /* a mailbox as the operation sends it */
	struct backup_mailbox mb;
	bool same, empty; /* empty: neither messages nor keywords */
	uint64_t since;
	unsigned err;
};

struct run {
	struct backup_job *job;
	struct dialogue *d;
	struct backup_run_writer *w;
	struct arena *arena; /* for the whole run */
	struct base base;
	struct buf store;  /* this store's id */
	struct buf own;    /* its own id, which object ids are made with */
	struct buf asked;  /* accounts: as the operation sends them */
	uint64_t accounts; /* how many accounts there are */
	struct cached *cache;

	struct arena *user_arena; /* for the current user */
	struct str user;
	struct backup_mark mark; /* of what is being saved */
	uint64_t account;        /* its id */
	struct head *heads;
	size_t head_count;
	struct buf properties; /* as the operation sends them */
	bool gone;
	struct buf refused;

	/* the current mailbox */
	struct buf keywords; /* vstr each */
	size_t keyword_count;
	roaring_bitmap_t *uids;
	struct buf changed; /* as the operation sends them, ascending; some 40 bytes each */
	struct rd changed_rd;
	struct buf ids; /* of these, where they are stored: uid, bytes */
	struct rd ids_rd;
	uint32_t changed_uid; /* the last one taken */

	/* the current chunk */
	struct backup_message old[BACKUP_CHUNK_UIDS], fresh[BACKUP_CHUNK_UIDS];
	struct backup_message now[BACKUP_CHUNK_UIDS];
	size_t old_count, fresh_count, now_count;
	size_t wanted[BACKUP_CHUNK_UIDS], wanted_count, wanted_at;
	bool writing;
};

enum outcome { DONE, AGAIN, FAILED }; /* AGAIN: what the last run knows is not enough */

/* ---- job.c ---- */

/* Sets the reason and returns false. */
bool run_fail(struct run *r, const char *text);
/* Adds text to the run's list of what could not be saved, and reports it to the user. */
bool run_note_damage(struct run *r, struct str text);

/* ---- job_mailbox.c ---- */

/* Saves the mailbox at that place of the heads; old is what the last run has of it, or NULL. */
enum outcome run_do_mailbox(struct run *r, size_t place, const struct backup_mailbox *old);

/* ---- job_chunk.c ---- */

/* Saves the chunk of that number.  Chunks of a mailbox come in ascending order. */
enum outcome run_do_chunk(
    struct run *r, struct head *h, size_t place, const struct backup_mailbox *old, uint32_t number);
#endif
