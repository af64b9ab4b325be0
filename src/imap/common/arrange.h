/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_ARRANGE_H
#define IMAP_ARRANGE_H
/*
 * Shared by SORT and THREAD: the columns of the messages that a search program finds
 * (store/columns.h), the memory for them, and the numbers by which the client knows them.
 *
 *	return imap_arrange_start(cmd, &a, parsed, run, &found);
 *
 * run(), on a worker, calls imap_arrange_read() until it returns true, puts the messages in order
 * and ends with imap_arrange_number().  If it needs more than a->room, it sets a->needs and ends;
 * the step `found` begins with
 *
 *	if (!ready)
 *		return imap_arrange_go_on(cmd, &a, run, &found);
 *
 * A message that cannot be read counts as one without a header.  The response still includes it, so
 * that no client's list misses a message because of it; the reply and the log mention it.
 */
#include "imap/common/criteria.h"
#include "store/columns.h"

struct imap_arrange {
	/* set before the start */
	unsigned columns_mask; /* 1u << enum store_column */

	struct imap_criteria criteria;
	roaring_bitmap_t *view; /* by which messages are numbered; NULL: by UID */
	struct store_mailbox *mailbox;

	/* the job */
	struct store_columns *columns;
	uint64_t room, needs; /* bytes: granted, and required */
	bool failed, lost;    /* lost: some messages could not be read */
	size_t n, numbered;
	uint32_t *number; /* message numbers, in the order of the columns */
	roaring_uint32_iterator_t viewed;
	uint32_t seq;
};

/* Set criteria.args first.  a is in the command's arena; what it holds besides is freed with the
 * command. */
enum imap_next imap_arrange_start(struct imap_cmd *cmd, struct imap_arrange *a, bool parsed,
    imap_job_f *run, const struct imap_step *found);
/* On the loop, after a run that is not ready: refuses the command, or continues with more room. */
enum imap_next imap_arrange_go_on(
    struct imap_cmd *cmd, struct imap_arrange *a, imap_job_f *run, const struct imap_step *found);
/* Like imap_criteria_ok(); text_lost replaces text if some messages could not be read. */
enum imap_next imap_arrange_ok(struct imap_cmd *cmd, const struct imap_arrange *a,
    const struct imap_found *found, const char *text, const char *text_lost);

/* ---- on a worker */

/* Callback for functions that ask whether to stop; arg is the job. */
bool imap_arrange_should_stop(void *job);
/* Reads and ranks the columns.  Returns true when they are complete; a->n is the count of messages.
 * False: end the slice with *end_r. */
bool imap_arrange_read(struct imap_arrange *a, struct imap_job *job, enum work_end *end_r);
/* Returns the bytes that the columns and the numbers take. */
uint64_t imap_arrange_needs(const struct imap_arrange *a);
/* Numbers some of the messages; returns true when all are numbered. */
bool imap_arrange_number(struct imap_arrange *a);
#endif
