/* SPDX-License-Identifier: Apache-2.0 */
/*
 * THREAD and UID THREAD (RFC 5256) with ORDEREDSUBJECT, REFERENCES, and REFS, which joins by
 * references only and puts the thread with the newest message last.
 *
 * As SORT (sort.c): on a worker, in slices, the query is run, columns are read, and the trees are
 * made (mail/threads.h); then the response is sent in windows, on a walk over the trees that needs
 * no more than where it is.
 */
#include "imap/cmd.h"

#include "base/clock.h"
#include "base/mem.h"
#include "imap/common/criteria.h"
#include "imap/hide.h"
#include "mail/threads.h"
#include "store/columns.h"
#include "wire/ext/thread.h"

#define PIECE 16384u        /* of messages, between two looks at the clock */
#define PRINT_PIECE 4096u   /* steps of the walk between two looks at the out queue */
#define FIRST_ROOM 1048576u /* bytes that are asked for without knowing */

struct algorithm {
	const char *name, *capability;
	enum mail_threads_by by;
	unsigned columns;
};

static const struct algorithm algorithms[] = {
    {"ORDEREDSUBJECT", "THREAD=ORDEREDSUBJECT", MAIL_THREADS_ORDEREDSUBJECT,
        1u << STORE_COLUMN_DATE | 1u << STORE_COLUMN_SUBJECT},
    {"REFERENCES", "THREAD=REFERENCES", MAIL_THREADS_REFERENCES,
        1u << STORE_COLUMN_DATE | 1u << STORE_COLUMN_SUBJECT | 1u << STORE_COLUMN_IDS},
    {"REFS", "THREAD=REFS", MAIL_THREADS_REFS, 1u << STORE_COLUMN_DATE | 1u << STORE_COLUMN_IDS},
};

struct thread {
	struct wire_thread args;
	struct imap_criteria criteria;
	const struct algorithm *algorithm;
	roaring_bitmap_t *view; /* by which messages are numbered; NULL: by UID */
	struct store_mailbox *mailbox;

	/* the job */
	struct store_columns *columns;
	struct mail_threads *threads;
	uint64_t room, needs; /* bytes that it may take, or has to */
	bool failed, ready;
	uint32_t *number; /* of the messages */
	size_t n, counted;
	roaring_uint32_iterator_t viewed;
	uint32_t seq;

	/* printing */
	uint32_t at;
	bool begun, up; /* up: what is below `at` is printed */
	struct wire_thread_out out;
};

static void
free_thread(void *arg)
{
	struct thread *t = arg;

	mail_threads_free(&t->threads);
	store_columns_free(&t->columns);
	if (t->view != NULL)
		roaring_bitmap_free(t->view);
	mem_free(t->number);
}

/* ---- on a worker */

static bool
should_stop(void *job)
{
	return imap_job_should_stop(job);
}

static bool
has_subject(const void *columns, size_t i)
{
	return store_columns_subject(columns, i);
}

static bool
is_reply(const void *columns, size_t i)
{
	return store_columns_reply(columns, i);
}

static uint64_t
ids_of(const void *columns, size_t i, const uint64_t **refs_r, size_t *n_r)
{
	return store_columns_ids(columns, i, refs_r, n_r);
}

static void
begin_threads(struct thread *t)
{
	struct mail_threads_input input = {.n = store_columns_count(t->columns),
	    .date = store_columns_rank(t->columns, STORE_COLUMN_DATE),
	    .has_subject = has_subject,
	    .is_reply = is_reply,
	    .ids = ids_of,
	    .arg = t->columns};

	if ((t->algorithm->columns >> STORE_COLUMN_SUBJECT & 1) != 0)
		input.subject = store_columns_rank(t->columns, STORE_COLUMN_SUBJECT);
	random_bytes(&input.secret, sizeof(input.secret));
	t->n = input.n;
	t->threads = mail_threads_new(t->algorithm->by, &input);
}

/* True: they are there. */
static bool
read_columns(struct thread *t, struct imap_job *job, enum work_end *end_r)
{
	*end_r = WORK_DONE;
	if (t->columns == NULL)
		t->columns = store_columns_new(t->mailbox, imap_query_hold(t->criteria.query),
		    t->criteria.found, t->algorithm->columns);
	switch (store_columns_step(t->columns, t->room, should_stop, job)) {
	case STORE_COLUMNS_AGAIN:
		*end_r = WORK_AGAIN;
		return false;
	case STORE_COLUMNS_ROOM:
		t->needs = store_columns_needs(t->columns);
		return false;
	case STORE_COLUMNS_FAILED:
		t->failed = true;
		return false;
	default:
		begin_threads(t);
		return true;
	}
}

/* A piece of the numbers of the messages; what is found is in the view.  True: that was the last
 * one. */
static bool
count_some(struct thread *t)
{
	const uint32_t *uids = store_columns_uids(t->columns);

	if (t->number == NULL) {
		t->number = mem_zalloc((t->n + 1) * sizeof(*t->number));
		if (t->view != NULL)
			roaring_init_iterator(t->view, &t->viewed);
		t->seq = 1;
	}
	for (size_t steps = 0; t->counted < t->n && steps < PIECE; steps++) {
		if (t->view == NULL) {
			t->number[t->counted] = uids[t->counted];
			t->counted++;
			continue;
		}
		if (t->viewed.current_value == uids[t->counted])
			t->number[t->counted++] = t->seq;
		t->seq++;
		roaring_advance_uint32_iterator(&t->viewed);
	}
	return t->counted == t->n;
}

/* Ends with the threads made, or with more needs than room, or failed. */
static enum work_end
run_thread(struct imap_job *job)
{
	struct thread *t = job->state;
	uint64_t held;
	enum work_end end;

	if (t->threads == NULL && !read_columns(t, job, &end))
		return end;
	held = store_columns_needs(t->columns) + t->n * sizeof(*t->number);
	t->needs = held;
	if (held > t->room)
		return WORK_DONE;
	switch (mail_threads_step(t->threads, t->room - held, should_stop, job)) {
	case MAIL_THREADS_AGAIN:
		return WORK_AGAIN;
	case MAIL_THREADS_ROOM:
		t->needs = held + mail_threads_needs(t->threads);
		return WORK_DONE;
	case MAIL_THREADS_DONE:
		break;
	}
	while (!t->ready) {
		t->ready = count_some(t);
		if (!t->ready && imap_job_should_stop(job))
			return WORK_AGAIN;
	}
	return WORK_DONE;
}

/* ---- printing */

/* A message has parentheses unless it is the only one below another. */
static bool
is_apart(const struct thread *t, uint32_t m)
{
	uint32_t parent = mail_threads_parent(t->threads, m);

	return parent == MAIL_NO_THREAD ||
	       mail_threads_next(t->threads, mail_threads_child(t->threads, parent)) !=
	           MAIL_NO_THREAD;
}

/* A step down, aside or up. */
static void
print_step(struct thread *t)
{
	uint32_t m = t->at, child = mail_threads_child(t->threads, m), next;

	if (!t->up) {
		if (is_apart(t, m))
			wire_out_thread_open(&t->out);
		if (!mail_threads_is_dummy(t->threads, m))
			wire_out_thread_number(&t->out, t->number[m]);
		t->up = child == MAIL_NO_THREAD;
		t->at = t->up ? m : child;
		return;
	}
	if (is_apart(t, m))
		wire_out_thread_close(&t->out);
	next = mail_threads_next(t->threads, m);
	t->up = next == MAIL_NO_THREAD;
	t->at = t->up ? mail_threads_parent(t->threads, m) : next;
}

static enum imap_next
print_thread(struct imap_cmd *cmd)
{
	struct thread *t = cmd->state;
	struct imap_found found = {.cmd = cmd, .args = &t->args.search, .uids = t->criteria.found};

	t->out.b = imap_out(cmd->conn);
	if (!t->begun) {
		wire_out_thread_begin(&t->out);
		t->at = mail_threads_first(t->threads);
	}
	t->begun = cmd->midway = true;
	for (size_t steps = 1; t->at != MAIL_NO_THREAD; steps++) {
		print_step(t);
		if (steps % PRINT_PIECE == 0 && cmd_should_yield(cmd))
			return IMAP_YIELD;
	}
	wire_out_thread_end(&t->out);
	cmd->midway = false;
	return imap_criteria_ok(cmd, &t->criteria, &found, N_("Threaded"));
}

/* ---- running */

static enum imap_next thread_found(struct imap_cmd *cmd);
static const struct imap_step found_step = {"thread-found", thread_found};

/* Goes on with more room, if there is. */
static enum imap_next
more_room(struct imap_cmd *cmd)
{
	struct thread *t = cmd->state;
	uint64_t more = t->needs - t->room, ahead = t->needs / 4;

	if (cmd_reserve(cmd, more + ahead))
		t->room = t->needs + ahead;
	else if (cmd_reserve(cmd, more))
		t->room = t->needs;
	else
		return imap_criteria_no_room(cmd, &t->criteria);
	return cmd_job(cmd, WORK_LONG, run_thread, t, &found_step);
}

static enum imap_next
thread_found(struct imap_cmd *cmd)
{
	static const struct imap_step print = {"thread-print", print_thread};
	struct thread *t = cmd->state;

	if (t->criteria.failed)
		return imap_criteria_unreadable(cmd, &t->criteria);
	if (t->failed)
		return imap_criteria_refuse(cmd, &t->criteria, "UNAVAILABLE",
		    N_("The mailbox cannot be read at the moment"));
	return t->ready ? cmd_goto(cmd, &print) : more_room(cmd);
}

static const struct algorithm *
find_algorithm(const struct imap_conn *conn, struct str name)
{
	for (size_t i = 0; i < sizeof(algorithms) / sizeof(*algorithms); i++)
		if (str_ieq(name, str_of(algorithms[i].name)) &&
		    !imap_is_hidden(conn, str_of(algorithms[i].capability)))
			return &algorithms[i];
	return NULL;
}

static enum imap_next
cmd_thread(struct imap_cmd *cmd)
{
	struct thread *t = arena_new_object(cmd->arena, struct thread);
	bool parsed = wire_thread_parse(&cmd->in, &t->args, imap_criteria_key, cmd->conn);

	cmd->state = t;
	arena_on_free(cmd->arena, free_thread, t);
	t->criteria.args = &t->args.search;
	t->criteria.names_charset = t->criteria.holds = true;
	t->mailbox = imap_box(cmd->conn)->mailbox;
	t->algorithm = find_algorithm(cmd->conn, t->args.algorithm);
	if (parsed && t->algorithm == NULL)
		return cmd_bad(cmd, "Unknown threading algorithm");
	if (!cmd->uid)
		t->view = roaring_bitmap_copy(imap_box(cmd->conn)->uids);
	if (cmd_reserve(cmd, FIRST_ROOM))
		t->room = FIRST_ROOM;
	return imap_criteria_start(cmd, &t->criteria, parsed, run_thread, &found_step);
}

static const struct imap_cmd_def cmds[] = {
    {.name = "THREAD", .states = IMAP_SELECTED, .traits = IMAP_TRAIT_UID, .start = cmd_thread},
    {.name = NULL},
};

static const struct imap_cap caps[] = {
    {.word = "THREAD=ORDEREDSUBJECT", .rfc = "5256", .states = IMAP_LOGGED_IN, .brings = ""},
    {.word = "THREAD=REFERENCES", .rfc = "5256", .states = IMAP_LOGGED_IN, .brings = ""},
    {.word = "THREAD=REFS", .states = IMAP_LOGGED_IN, .brings = ""},
    {.word = NULL},
};

const struct imap_ext imap_ext_thread = {
    .name = "thread",
    .title = "THREAD (RFC 5256)",
    .caps = caps,
    .cmds = cmds,
};
