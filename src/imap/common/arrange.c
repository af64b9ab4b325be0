/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by SORT and THREAD: see arrange.h. */
#include "imap/common/arrange.h"

#include "base/mem.h"

#define PIECE 16384u        /* messages between two looks at the clock */
#define FIRST_ROOM 1048576u /* bytes to reserve before the need is known */

static void
free_arrange(void *arg)
{
	struct imap_arrange *a = arg;

	store_columns_free(&a->columns);
	if (a->view != NULL)
		roaring_bitmap_free(a->view);
	mem_free(a->number);
}

enum imap_next
imap_arrange_start(struct imap_cmd *cmd, struct imap_arrange *a, bool parsed, imap_job_f *run,
    const struct imap_step *found)
{
	const struct imap_box *box = imap_box(cmd->conn);

	arena_on_free(cmd->arena, free_arrange, a);
	a->criteria.names_charset = a->criteria.holds = true;
	a->mailbox = box->mailbox;
	if (!cmd->uid)
		a->view = roaring_bitmap_copy(box->uids);
	if (cmd_reserve(cmd, FIRST_ROOM))
		a->room = FIRST_ROOM;
	return imap_criteria_start(cmd, &a->criteria, parsed, run, found);
}

/* Continues with more room, if the budget allows it. */
static enum imap_next
more_room(
    struct imap_cmd *cmd, struct imap_arrange *a, imap_job_f *run, const struct imap_step *found)
{
	uint64_t more = a->needs - a->room, ahead = a->needs / 4;

	if (cmd_reserve(cmd, more + ahead))
		a->room = a->needs + ahead;
	else if (cmd_reserve(cmd, more))
		a->room = a->needs;
	else
		return imap_criteria_no_room(cmd, &a->criteria);
	return cmd_job(cmd, WORK_LONG, run, cmd->state, found);
}

enum imap_next
imap_arrange_go_on(
    struct imap_cmd *cmd, struct imap_arrange *a, imap_job_f *run, const struct imap_step *found)
{
	if (a->criteria.failed)
		return imap_criteria_unreadable(cmd, &a->criteria);
	if (a->failed)
		return imap_criteria_refuse(cmd, &a->criteria, "UNAVAILABLE",
		    N_("The mailbox cannot be read at the moment"));
	return more_room(cmd, a, run, found);
}

enum imap_next
imap_arrange_ok(struct imap_cmd *cmd, const struct imap_arrange *a, const struct imap_found *found,
    const char *text, const char *text_lost)
{
	return imap_criteria_ok(cmd, &a->criteria, found, a->lost ? text_lost : text);
}

/* ---- on a worker */

bool
imap_arrange_should_stop(void *job)
{
	return imap_job_should_stop(job);
}

static void
count_lost(struct imap_arrange *a)
{
	uint32_t uid;
	size_t n = store_columns_lost(a->columns, &uid);

	a->lost = n > 0;
	if (a->lost)
		imap_log_unreadable(a->mailbox, uid, n - 1);
}

bool
imap_arrange_read(struct imap_arrange *a, struct imap_job *job, enum work_end *end_r)
{
	*end_r = WORK_DONE;
	if (a->columns == NULL)
		a->columns = store_columns_new(a->mailbox, imap_query_hold(a->criteria.query),
		    a->criteria.found, a->columns_mask);
	switch (store_columns_step(a->columns, a->room, imap_arrange_should_stop, job)) {
	case STORE_COLUMNS_AGAIN:
		*end_r = WORK_AGAIN;
		return false;
	case STORE_COLUMNS_ROOM:
		a->needs = store_columns_needs(a->columns);
		return false;
	case STORE_COLUMNS_FAILED:
		a->failed = true;
		return false;
	default:
		a->n = store_columns_count(a->columns);
		count_lost(a);
		return true;
	}
}

uint64_t
imap_arrange_needs(const struct imap_arrange *a)
{
	return store_columns_needs(a->columns) + a->n * sizeof(*a->number);
}

/* All UIDs found are in the view. */
static void
number_some(struct imap_arrange *a, const uint32_t *uids)
{
	for (size_t steps = 0; a->numbered < a->n && steps < PIECE; steps++, a->seq++) {
		if (a->viewed.current_value == uids[a->numbered])
			a->number[a->numbered++] = a->seq;
		roaring_advance_uint32_iterator(&a->viewed);
	}
}

bool
imap_arrange_number(struct imap_arrange *a)
{
	const uint32_t *uids = store_columns_uids(a->columns);

	if (a->number == NULL) {
		a->number = mem_zalloc((a->n + 1) * sizeof(*a->number));
		a->seq = 1;
		if (a->view != NULL)
			roaring_init_iterator(a->view, &a->viewed);
	}
	if (a->view != NULL) {
		number_some(a, uids);
		return a->numbered == a->n;
	}
	if (a->n > 0)
		memcpy(a->number, uids, a->n * sizeof(*uids));
	return true;
}
