/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BACKUP_RESTORE_H
#define BACKUP_RESTORE_H
/*
 * Restoring from a run of a backup folder.  Nothing is destroyed:
 *
 *  - A mailbox that is not there is made, with its UIDVALIDITY, UIDs, UIDNEXT,
 *    flags and dates; so is an INBOX that never had a message.
 *  - In one that is there only what is missing is added.  A message is there
 *    when its UID is (and UIDVALIDITY is the same), or one with the same date
 *    and the same bytes, each counted once.  What is added keeps its UID if that
 *    one was never given, else gets the next.
 *  - With `exact` flags are set back, too, and messages that the run does not
 *    have are moved into "NAME (set aside ID)".
 *  - A property (of an account, of a mailbox) comes back where there is none of
 *    its name.  With `exact` it is set back, and those that the run does not have
 *    are removed; unless the run's list of the user has no place for properties
 *    (lists.h).  Then, and with `into`, nothing is done with them.
 *  - Records (users with their passwords) come back only where there are none.
 */
#include "backup/run.h"
#include "control/dialogue.h"

struct restore_job {
	struct backup_folder *folder;
	const struct backup_run *run;
	const char *user, *mailbox, *as_user, *into; /* NULL: all; all; the same; in place */
	bool exact;
	bool dry; /* the dialogue is with `restore-dry`: counts, and changes nothing */
	void (*progress)(const char *what, uint64_t done, uint64_t total, void *arg);
	void (*damage)(const char *text, void *arg);
	void *arg;

	/* results */
	bool done;
	struct buf why;
	uint64_t users, mailboxes, added, there, flagged, aside, properties, damaged;
};

/* In a dialogue with the operation `restore`. */
void restore_job_run(struct restore_job *job, struct dialogue *d);
#endif
