/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BACKUP_JOB_H
#define BACKUP_JOB_H
/* A run of `turnstone backup`: queries the operation (control/ops/backup.c) and writes the
 * folder. */
#include "backup/run.h"
#include "control/dialogue.h"

/* Most accounts asked for at once. */
#define BACKUP_NAMES 1024u

struct run;

struct backup_job {
	struct backup_folder *folder;
	const char *const *only; /* users as typed; NULL: all */
	size_t only_count;
	struct buf default_domain; /* for `only`; freed by fini */
	bool full;                 /* read everything, trust nothing that exists */
	bool verify;
	bool without_properties; /* write lists that programs without properties can read */
	/* total 0: unknown */
	void (*progress)(const char *what, uint64_t done, uint64_t total, void *arg);
	void (*damage)(const char *text, void *arg);
	void (*note)(const char *text, void *arg); /* reports what was left out on request */
	void *arg;

	/* results */
	bool done;
	struct buf why; /* if not done: the reason; empty if the request has already said it */
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
/* Call it next: reads back and names the run.  Returns true if done. */
bool backup_job_end(struct backup_job *job);
void backup_job_fini(struct backup_job *job);
#endif
