/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BACKUP_RESTORE_INT_H
#define BACKUP_RESTORE_INT_H
/*
 * A restore, internals: restore.c goes from user to user and mailbox to
 * mailbox, restore_there.c knows what is there already, restore_add.c adds
 * messages, restore_exact.c resets what has changed, and restore_properties.c
 * restores properties.
 */
#include "backup/restore.h"

#define RESTORE_BATCH ((size_t)512 * 1024)

struct there { /* a message that is in the mailbox now */
	uint32_t uid, size;
	int64_t internaldate;
	uint64_t flags[BACKUP_FLAG_WORDS];
	struct backup_hash sum; /* once it has been asked for */
	uint32_t next;          /* index of the next one in a chain of restore_there.c */
	bool matched;           /* it is a message of the run */
};

struct rest {
	struct restore_job *job;
	struct dialogue *d;
	const struct backup_mailbox *mb;
	uint64_t account;  /* the user's, in the store of the run; 0: not known */
	struct str user;   /* whose mail it becomes */
	struct buf target; /* the mailbox's name here */
	bool refused;      /* the quota allows no such mailbox */
	uint64_t unfit;    /* messages that found no room in the quota; not yet reported */
	uint32_t uidvalidity, uidnext;
	bool same; /* UIDVALIDITY is the same */
	struct there *list;
	size_t count, cap;
	/* Unmatched messages, in chains: by size and date, then by checksum. */
	uint32_t *by_date, *by_sum;
	size_t mask;
	uint64_t seed;
	bool chained;
	uint32_t *group; /* indexes: same size and date, checksums being asked for */
	size_t group_count, group_cap, group_at;
	struct buf keywords;             /* vstr each */
	struct buf properties;           /* of the account or the mailbox: name, value, vstr each */
	int map[64 * BACKUP_FLAG_WORDS]; /* maps flags of the run to those here; -1: none */
	/* Maps places of the run's keywords to the numbers under which they were sent. */
	int told[64 * BACKUP_FLAG_WORDS];
	int told_count;
	struct buf lost; /* keywords that found no room, vstr each; already reported */

	struct backup_message chunk[BACKUP_CHUNK_UIDS];
	struct buf batch, flags, flags_head;
	size_t items;
};

/* ---- restore.c ---- */

/* Sends a question whose answer is only what was left out, and reports that. */
bool restore_tell(struct rest *r, const struct buf *question);
/* Reports `what` to the user, counts it, and empties it. */
void restore_damaged(struct rest *r, struct buf *what);

/* ---- restore_there.c ---- */

/* Opens or makes the mailbox r->target as r->mb has it, and reads what is in it. */
bool restore_open_mailbox(struct rest *r);
/* Returns NULL if no message has that UID. */
struct there *restore_by_uid(struct rest *r, uint32_t uid);
/* Finds an unmatched message with the same date and bytes, or NULL, and marks it as matched. */
bool restore_by_content(struct rest *r, const struct backup_message *m, struct there **t_r);
void restore_there_fini(struct rest *r);

/* ---- restore_properties.c ---- */

/* Opens or makes the account of that name, and reads its properties.  known: only if it belongs to
 * a user. */
bool restore_open_account(struct rest *r, struct str name, bool known);
/* Restores the properties of the open mailbox, or of the account itself; all: the list is
 * complete.  Without limits of quotas that are missing. */
bool restore_properties(
    struct rest *r, bool of_mailbox, const struct backup_properties *properties, bool all);
/* The limits of quotas that are missing.  They come behind the messages: the run may have more than
 * they allow. */
bool restore_limits(struct rest *r, bool of_mailbox, const struct backup_properties *properties);

/* ---- restore_add.c ---- */

/* Adds a message, now or at the flush.  If it is damaged in the folder, reports that and returns
 * true. */
bool restore_add(struct rest *r, const struct backup_message *m);
bool restore_flush(struct rest *r);
/* Appends its flags as questions have them, after sending new keywords. */
bool restore_put_flags(struct rest *r, const struct backup_message *m, struct buf *q);

/* ---- restore_exact.c ---- */

/* Sets flags as in the run, now or at the flush. */
bool restore_set_flags(struct rest *r, const struct backup_message *m, const struct there *t);
bool restore_flush_flags(struct rest *r);
/* Moves unmatched messages out of the mailbox. */
bool restore_set_aside(struct rest *r);
#endif
