/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BACKUP_RUN_H
#define BACKUP_RUN_H
/*
 * A run: what one `turnstone backup` saved, as a text file runs/ID:
 *
 *	turnstone-run 1
 *	id 20261123T230512Z
 *	store HEX              the store it was read from
 *	store =HEX             its own id, 16 bytes (store/store.h)
 *	started SECONDS        since 1970 UTC
 *	records SHA-256        the list of server-wide records
 *	user SHA-256 MESSAGES BYTES NAME
 *	store @NUMBER          of that user: the id of the account there
 *	mark HEX               of that user, 16 bytes: the store's mark of an account in
 *	                       which nothing has happened since.  Not for a user of whom
 *	                       something could not be saved, nor in format 1
 *	boxes MAILBOXES SUBSCRIPTIONS
 *	                       of that user; not in formats 1 and 2
 *	...
 *	damaged TEXT           what could not be saved, a line each
 *	whole ACCOUNTS         it has all accounts; not in format 1
 *	store HEX              once more: older programs believe the last of these lines
 *	ended SECONDS
 *	end SHA-256            of everything above
 *
 * Object ids follow from the store's own id and the numbers of accounts, mailboxes and blobs.  A
 *run of an older program does not have the former.
 *
 * During the run the lines are written into tmp/unfinished as users are done.  An interrupted run
 * has no end; its users count as far as their lists exist, so that the next run need not read them
 * again.
 */
#include "backup/folder.h"
#include "backup/lists.h"

#define BACKUP_ID_MAX 63

struct backup_mark {
	uint64_t low, high;
};

static inline bool
backup_mark_none(const struct backup_mark *mark)
{
	return mark->low == 0 && mark->high == 0;
}

static inline bool
backup_mark_eq(const struct backup_mark *a, const struct backup_mark *b)
{
	return a->low == b->low && a->high == b->high;
}

struct backup_run_user {
	struct str name;
	struct backup_hash hash;
	struct backup_mark mark; /* or none */
	uint64_t account;        /* its id; 0: not known */
	uint64_t messages, bytes;
	bool counted; /* the next two are known */
	uint64_t mailboxes, subscriptions;
};

struct backup_run {
	struct str id, store;
	struct str own; /* the store's own id, STORE_OWN_ID_BYTES; empty: not known */
	int64_t started, ended;
	struct backup_hash records; /* all zeros: there are none */
	struct backup_run_user *users;
	const struct backup_run_user **by_name;
	size_t user_count;
	struct str *damaged;
	size_t damaged_count;
	bool finished;
	bool whole; /* it has all accounts */
};

/* Gets the ids of all finished runs, oldest first. */
bool backup_run_ids(struct backup_folder *folder, struct arena *arena, struct str **ids_r,
    size_t *n_r, struct buf *why);
/* TS_NOT_FOUND, TS_DAMAGED, TS_IO: `what` names the file. */
enum ts_err backup_run_get(struct backup_folder *folder, struct str id, struct arena *arena,
    struct backup_run *run_r, struct buf *what);
/* Gets the interrupted run; TS_NOT_FOUND: there is none. */
enum ts_err backup_run_unfinished(
    struct backup_folder *folder, struct arena *arena, struct backup_run *run_r);
/*
 * Parses the text of a run.  whole: returns false unless its end line is there and right.  Else it
 * takes the lines up to the first bad one and returns true.
 */
bool backup_run_parse(struct str bytes, bool whole, struct arena *arena, struct backup_run *run_r);
const struct backup_run_user *backup_run_user(const struct backup_run *run, struct str name);
bool backup_run_remove(struct backup_folder *folder, struct str id, struct buf *why);

/* Writes a run.  Its lines are on disk once end() has returned true. */
struct backup_run_writer;
bool backup_run_begin(struct backup_folder *folder, int64_t now, struct str store,
    struct backup_run_writer **w_r, struct buf *why);
/* Before any user: own ids have STORE_OWN_ID_BYTES. */
bool backup_run_own(struct backup_run_writer *w, struct str own_id, struct buf *why);
struct str backup_run_id(const struct backup_run_writer *w);
bool backup_run_records(
    struct backup_run_writer *w, const struct backup_hash *hash, struct buf *why);
bool backup_run_add(
    struct backup_run_writer *w, const struct backup_run_user *user, struct buf *why);
bool backup_run_damaged(struct backup_run_writer *w, struct str text, struct buf *why);
bool backup_run_whole(struct backup_run_writer *w, uint64_t accounts, struct buf *why);
/* Lines are buffered; this writes them to where an interrupted run leaves them. */
bool backup_run_push(struct backup_run_writer *w, struct buf *why);
/* Flushes everything and gives the run its name.  Both free the writer. */
bool backup_run_end(struct backup_run_writer **w, int64_t now, struct buf *why);
/* Leaves tmp/unfinished for the next run. */
void backup_run_abort(struct backup_run_writer **w);

/*
 * Parses the moment given with --at: an id, or a time such as 2026-11-23 or 2026-11-23 14:30[:05],
 * with an optional T for the blank and Z for UTC (else local time); a day alone means its end.
 */
bool backup_moment(struct str text, int64_t *time_r);
#endif
