/* SPDX-License-Identifier: Apache-2.0 */
/*
 * THREAD and UID THREAD (RFC 5256) with ORDEREDSUBJECT, REFERENCES, and REFS, which joins by
 * references only and puts the thread with the newest message last.
 *
 * Like SORT (sort.c): a worker, in slices, runs the query, reads columns and makes the trees
 * (mail/threads.h); then the response is sent in windows, by a walk over the trees that needs no
 * memory except its position.
 */
#include "imap/cmd.h"

#include "base/clock.h"
#include "imap/common/arrange.h"
#include "imap/hide.h"
#include "mail/threads.h"
#include "wire/ext/thread.h"

#define PRINT_PIECE 4096u /* steps of the walk between two looks at the out queue */

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
	const struct algorithm *algorithm;
	struct imap_arrange arranged; /* the messages: their columns and numbers */

	/* the job */
	struct mail_threads *threads;
	bool ready;

	/* printing */
	uint32_t at;
	bool begun, up; /* up: what is below `at` has been printed */
	struct wire_thread_out out;
};

static void
free_thread(void *arg)
{
	struct thread *t = arg;

	mail_threads_free(&t->threads);
}

/* ---- on a worker */

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
	const struct store_columns *columns = t->arranged.columns;
	struct mail_threads_input input = {.n = t->arranged.n,
	    .date = store_columns_rank(columns, STORE_COLUMN_DATE),
	    .has_subject = has_subject,
	    .is_reply = is_reply,
	    .ids = ids_of,
	    .arg = columns};

	if ((t->algorithm->columns >> STORE_COLUMN_SUBJECT & 1) != 0)
		input.subject = store_columns_rank(columns, STORE_COLUMN_SUBJECT);
	random_bytes(&input.secret, sizeof(input.secret));
	t->threads = mail_threads_new(t->algorithm->by, &input);
}

/* Ends with the threads made, or with more needs than room, or failed. */
static enum work_end
run_thread(struct imap_job *job)
{
	struct thread *t = job->state;
	struct imap_arrange *a = &t->arranged;
	enum work_end end;

	if (t->threads == NULL) {
		if (!imap_arrange_read(a, job, &end))
			return end;
		begin_threads(t);
	}
	a->needs = imap_arrange_needs(a);
	if (a->needs > a->room)
		return WORK_DONE;
	switch (mail_threads_step(t->threads, a->room - a->needs, imap_arrange_should_stop, job)) {
	case MAIL_THREADS_AGAIN:
		return WORK_AGAIN;
	case MAIL_THREADS_ROOM:
		a->needs += mail_threads_needs(t->threads);
		return WORK_DONE;
	case MAIL_THREADS_DONE:
		break;
	}
	while (!t->ready) {
		t->ready = imap_arrange_number(a);
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

/* A step down, sideways or up. */
static void
print_step(struct thread *t)
{
	uint32_t m = t->at, child = mail_threads_child(t->threads, m), next;

	if (!t->up) {
		if (is_apart(t, m))
			wire_out_thread_open(&t->out);
		if (!mail_threads_is_dummy(t->threads, m))
			wire_out_thread_number(&t->out, t->arranged.number[m]);
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
	struct imap_found found = {.cmd = cmd,
	    .args = &t->args.search,
	    .uids = t->arranged.criteria.found,
	    .told = t->arranged.criteria.found};

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
	return imap_arrange_ok(cmd, &t->arranged, &found, N_("Threaded"),
	    N_("Threaded; messages that could not be read count as empty, the server log has "
	       "details"));
}

/* ---- running */

static enum imap_next thread_found(struct imap_cmd *cmd);
static const struct imap_step found_step = {"thread-found", thread_found};

static enum imap_next
thread_found(struct imap_cmd *cmd)
{
	static const struct imap_step print = {"thread-print", print_thread};
	struct thread *t = cmd->state;

	if (!t->ready)
		return imap_arrange_go_on(cmd, &t->arranged, run_thread, &found_step);
	return cmd_goto(cmd, &print);
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
	t->arranged.criteria.args = &t->args.search;
	t->algorithm = find_algorithm(cmd->conn, t->args.algorithm);
	if (parsed && t->algorithm == NULL)
		return cmd_bad(cmd, "Unknown threading algorithm");
	t->arranged.columns_mask = t->algorithm != NULL ? t->algorithm->columns : 0;
	return imap_arrange_start(cmd, &t->arranged, parsed, run_thread, &found_step);
}

static const struct imap_cmd_def cmds[] = {
    {.name = "THREAD",
        .states = IMAP_SELECTED,
        .traits = IMAP_TRAIT_UID | IMAP_TRAIT_NUMBERS,
        .start = cmd_thread},
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
