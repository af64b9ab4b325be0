/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BACKUP_RESTORE_H
#define BACKUP_RESTORE_H
/*
 * Restores from a run of a backup folder.  Nothing is destroyed:
 *
 *  - A missing mailbox is made, with its UIDVALIDITY, UIDs, UIDNEXT, flags and dates; so is an
 *    INBOX that never had a message.
 *  - In an existing mailbox only missing messages are added.  A message exists if its UID does (and
 *    UIDVALIDITY is the same), or one with the same date and bytes, each counted once.  An added
 *    message keeps its UID if that was never used, else gets the next one.
 *  - With `exact` flags are reset too, and messages that the run does not have are moved into "NAME
 *    (set aside ID)".
 *  - A property (of an account or a mailbox) is restored if there is none of its name.  With
 *    `exact` it is reset, and those that the run does not have are removed, unless the run's list
 *    of the user has no place for properties (lists.h).  Then, and with `into`, properties are left
 *    alone.
 *  - Records (users with their passwords) are restored only if there are none.
 */
#include "backup/run.h"
#include "control/dialogue.h"

struct restore_job {
	struct backup_folder *folder;
	const struct backup_run *run;
	const char *user, *mailbox, *as_user, *into; /* NULL: all; all; the same; in place */
	bool exact;
	bool dry; /* the dialogue is with `restore-dry`: only counts, changes nothing */
	void (*progress)(const char *what, uint64_t done, uint64_t total, void *arg);
	void (*damage)(const char *text, void *arg);
	void *arg;

	/* results */
	bool done;
	struct buf why;
	uint64_t users, mailboxes, added, there, flagged, aside, properties, damaged;
};

/* Runs in a dialogue with the operation `restore`. */
void restore_job_run(struct restore_job *job, struct dialogue *d);
#endif
