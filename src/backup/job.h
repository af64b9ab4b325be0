/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BACKUP_JOB_H
#define BACKUP_JOB_H
/* One run of `turnstone backup`: asks the operation (control/ops/backup.c), writes the folder. */
#include "backup/run.h"
#include "control/dialogue.h"

/* So many accounts are asked for at once, at the most. */
#define BACKUP_NAMES 1024u

struct run;

struct backup_job {
	struct backup_folder *folder;
	const char *const *only; /* users as they were typed; none: all */
	size_t only_count;
	struct buf default_domain; /* for those; freed by fini */
	bool full;                 /* read everything, believe nothing that is there */
	bool verify;
	bool without_properties; /* writes lists that programs without properties read, too */
	/* total 0: unknown */
	void (*progress)(const char *what, uint64_t done, uint64_t total, void *arg);
	void (*damage)(const char *text, void *arg);
	void (*note)(const char *text, void *arg); /* of what was left out as it was wished */
	void *arg;

	/* results */
	bool done;
	struct buf why; /* else: why not; empty when the request itself has said it */
	struct buf id;
	uint64_t users, read_users, messages, read_messages, damaged; /* users: accounts */
	uint64_t mailboxes, subscriptions;
	uint64_t properties_left_out;
	struct backup_record_counts { /* server-wide records by kind */
		uint64_t users, grants, aliases, others;
	} records;
	struct run *run; /* private */
};

/* Reads everything, in the dialogue. */
void backup_job_read(struct backup_job *job, struct dialogue *d);
/* After it: reads back, names the run.  True: done. */
bool backup_job_end(struct backup_job *job);
void backup_job_fini(struct backup_job *job);
#endif
