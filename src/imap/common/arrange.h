/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_ARRANGE_H
#define IMAP_ARRANGE_H
/*
 * What SORT and THREAD share: the columns of the messages that a search program finds
 * (store/columns.h), the memory for them, and the numbers by which the client knows them.
 *
 *	return imap_arrange_start(cmd, &a, parsed, run, &found);
 *
 * run(), on a worker, calls imap_arrange_read() until it says true, puts the messages in order and
 * ends with imap_arrange_number().  When it needs more than a->room, it sets a->needs and ends; the
 * step `found` begins with
 *
 *	if (!ready)
 *		return imap_arrange_go_on(cmd, &a, run, &found);
 *
 * A message that cannot be read counts as one without header.  It is in the answer all the same, so
 * no message is missing from a client's list because of it; the reply and the log tell of it.
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
	uint64_t room, needs; /* bytes that it may take, or has to */
	bool failed, lost;    /* lost: some could not be read */
	size_t n, numbered;
	uint32_t *number; /* of the messages, by their places in the columns */
	roaring_uint32_iterator_t viewed;
	uint32_t seq;
};

/* criteria.args is set.  a is in the command's arena, which frees what it holds beyond memory. */
enum imap_next imap_arrange_start(struct imap_cmd *cmd, struct imap_arrange *a, bool parsed,
    imap_job_f *run, const struct imap_step *found);
/* On the loop, after a run that is not ready: refuses, or lets the job go on with more room. */
enum imap_next imap_arrange_go_on(
    struct imap_cmd *cmd, struct imap_arrange *a, imap_job_f *run, const struct imap_step *found);
/* As imap_criteria_ok(); text_lost: when some messages could not be read. */
enum imap_next imap_arrange_ok(struct imap_cmd *cmd, const struct imap_arrange *a,
    const struct imap_found *found, const char *text, const char *text_lost);

/* ---- on a worker */

/* For what asks whether to stop: job. */
bool imap_arrange_should_stop(void *job);
/* Reads and ranks the columns; true: they are there, and a->n says of how many messages.  False:
 * the job ends so for now. */
bool imap_arrange_read(struct imap_arrange *a, struct imap_job *job, enum work_end *end_r);
/* Bytes of the columns and the numbers. */
uint64_t imap_arrange_needs(const struct imap_arrange *a);
/* Numbers a piece of the messages; true: that was the last one. */
bool imap_arrange_number(struct imap_arrange *a);
#endif
