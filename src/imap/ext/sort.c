/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SORT and UID SORT (RFC 5256), SORT=DISPLAY (RFC 5957), ESORT (RFC 5267 section 3).
 *
 * A worker, in slices, runs the query, reads and ranks the columns of the messages found
 * (store/columns.h), and sorts these by one stable pass for each criterion, last criterion first.
 * They start in the order of their numbers, which therefore decides between equal ones, even with
 * REVERSE (RFC 5256 section 3).  Then the response is sent, a window at a time.  The messages are
 * held, so it does not matter what others expunge meanwhile.
 */
#include "imap/cmd.h"

#include "base/mem.h"
#include "imap/common/arrange.h"
#include "imap/hide.h"
#include "wire/ext/sort.h"

#define PIECE 16384u      /* of messages, between two looks at the clock */
#define PRINT_PIECE 2048u /* numbers printed between two looks at the out queue */
#define DIGITS 65536u     /* numbers are sorted by so many at once, */
#define DIGIT_PASSES 4u   /* so often */
#define WINDOW 256u

struct criterion {
	const struct imap_sort_key *row;
	bool reverse;
	uint64_t *numbers; /* with row->number: the messages' numbers, in unsigned order */
};

enum stage { READING, NUMBERS, SORTING, NUMBERING, SORTED };

struct sort {
	struct wire_sort args;
	struct imap_arrange arranged; /* the messages: their columns and numbers */
	struct criterion *by;
	size_t n_by;

	/* the job */
	enum stage stage;
	uint32_t *order, *other; /* of messages, as places in the columns */
	size_t *bucket;
	size_t criterion, pass, at; /* criterion: its index plus one */
	bool counted;

	/* printing: `other` has the numbers in order */
	uint32_t first, last;
	bool begun;
	struct wire_set_out all;
};

static void
free_sort(void *arg)
{
	struct sort *s = arg;

	for (size_t k = 0; k < s->n_by; k++)
		mem_free(s->by[k].numbers);
	mem_free(s->order);
	mem_free(s->other);
	mem_free(s->bucket);
}

/* ---- on a worker */

/* What sorting takes beside columns and numbers. */
static uint64_t
sorting_bytes(const struct sort *s)
{
	uint64_t each = 2 * sizeof(uint32_t) + sizeof(size_t);

	for (size_t k = 0; k < s->n_by; k++)
		if (s->by[k].row->number != NULL)
			each += sizeof(uint64_t);
	return each * s->arranged.n + DIGITS * sizeof(size_t);
}

static bool
begin_sorting(struct sort *s)
{
	size_t n = s->arranged.n;

	s->arranged.needs = imap_arrange_needs(&s->arranged) + sorting_bytes(s);
	if (s->arranged.needs > s->arranged.room)
		return false;
	s->order = mem_zalloc((n + 1) * sizeof(*s->order));
	s->other = mem_zalloc((n + 1) * sizeof(*s->other));
	s->bucket = mem_zalloc((n + DIGITS + 1) * sizeof(*s->bucket));
	for (size_t i = 0; i < n; i++)
		s->order[i] = (uint32_t)i;
	for (size_t k = 0; k < s->n_by; k++)
		if (s->by[k].row->number != NULL)
			s->by[k].numbers = mem_zalloc((n + 1) * sizeof(uint64_t));
	s->at = 0;
	s->criterion = s->n_by;
	s->stage = NUMBERS;
	return true;
}

/* Makes numbers from a window of records.  Returns true if that was the last one. */
static bool
read_numbers(struct sort *s)
{
	const struct imap_arrange *a = &s->arranged;
	struct store_message records[WINDOW];
	const uint32_t *uids = store_columns_uids(a->columns);
	size_t n, i = s->at;

	if (s->at == a->n)
		return true;
	store_mailbox_read_begin(a->mailbox);
	n = store_hold_window(
	    imap_query_hold(a->criteria.query), a->criteria.found, uids[i], records, WINDOW);
	store_mailbox_read_end(a->mailbox);
	for (size_t w = 0; w < n; w++) {
		while (uids[i] != records[w].uid)
			i++;
		for (size_t k = 0; k < s->n_by; k++)
			if (s->by[k].numbers != NULL)
				s->by[k].numbers[i] =
				    (uint64_t)s->by[k].row->number(&records[w]) ^ (uint64_t)1 << 63;
	}
	s->at = n > 0 ? i + 1 : a->n;
	return false;
}

static bool
has_numbers(const struct sort *s)
{
	for (size_t k = 0; k < s->n_by; k++)
		if (s->by[k].numbers != NULL)
			return true;
	return false;
}

/* Returns what a message is sorted by in this pass. */
static size_t
digit(const struct sort *s, const uint32_t *rank, uint32_t i)
{
	const struct criterion *c = &s->by[s->criterion - 1];
	uint64_t number;

	if (rank != NULL)
		return c->reverse ? s->arranged.n - rank[i] : rank[i];
	number = c->reverse ? ~c->numbers[i] : c->numbers[i];
	return (size_t)(number >> 16 * s->pass & (DIGITS - 1));
}

/* One rank may belong to no message: that of the empty text. */
static size_t
count_digits(const struct sort *s, const uint32_t *rank)
{
	return rank != NULL ? s->arranged.n + 1 : DIGITS;
}

/* Turns counts into places. */
static void
place_digits(struct sort *s, size_t digits)
{
	size_t sum = 0;

	for (size_t d = 0; d < digits; d++) {
		size_t n = s->bucket[d];

		s->bucket[d] = sum;
		sum += n;
	}
	s->counted = true;
	s->at = 0;
}

static void
end_pass(struct sort *s, size_t digits, bool last)
{
	uint32_t *order = s->other;

	s->other = s->order;
	s->order = order;
	memset(s->bucket, 0, digits * sizeof(*s->bucket));
	s->counted = false;
	s->at = 0;
	s->pass = last ? 0 : s->pass + 1;
	s->criterion -= last;
}

/* Does a piece of a pass; returns true when the messages are in order. */
static bool
sort_some(struct sort *s)
{
	const struct imap_sort_key *row = s->by[s->criterion - 1].row;
	const uint32_t *rank = row->number == NULL
	                           ? store_columns_rank(s->arranged.columns,
	                                 (enum store_column)__builtin_ctz(row->column))
	                           : NULL;
	size_t digits = count_digits(s, rank),
	       end = s->arranged.n - s->at > PIECE ? s->at + PIECE : s->arranged.n;

	if (!s->counted) {
		for (; s->at < end; s->at++)
			s->bucket[digit(s, rank, s->order[s->at])]++;
		if (s->at == s->arranged.n)
			place_digits(s, digits);
		return false;
	}
	for (; s->at < end; s->at++)
		s->other[s->bucket[digit(s, rank, s->order[s->at])]++] = s->order[s->at];
	if (s->at == s->arranged.n)
		end_pass(s, digits, rank != NULL || s->pass == DIGIT_PASSES - 1);
	return s->criterion == 0;
}

static void
end_sorting(struct sort *s)
{
	const uint32_t *uids = store_columns_uids(s->arranged.columns);
	size_t n = s->arranged.n;

	s->first = n > 0 ? uids[s->order[0]] : 0;
	s->last = n > 0 ? uids[s->order[n - 1]] : 0;
	for (size_t i = 0; i < n; i++)
		s->other[i] = s->arranged.number[s->order[i]];
	s->stage = SORTED;
	s->at = 0;
}

/* Does a piece of what follows after the columns. */
static void
go_on(struct sort *s)
{
	if (s->stage == NUMBERS) {
		if (!has_numbers(s) || read_numbers(s)) {
			s->stage = s->arranged.n > 0 ? SORTING : NUMBERING;
			s->at = 0;
		}
	} else if (s->stage == SORTING) {
		if (sort_some(s))
			s->stage = NUMBERING;
	} else if (imap_arrange_number(&s->arranged)) {
		end_sorting(s);
	}
}

static unsigned
columns_of(const struct sort *s)
{
	unsigned mask = 0;

	for (size_t k = 0; k < s->n_by; k++)
		mask |= s->by[k].row->number == NULL ? s->by[k].row->column : 0;
	return mask;
}

/* Ends with the messages in order, or with more needs than room, or failed. */
static enum work_end
run_sort(struct imap_job *job)
{
	struct sort *s = job->state;

	enum work_end end;

	if (s->stage == READING &&
	    (!imap_arrange_read(&s->arranged, job, &end) || !begin_sorting(s)))
		return end;
	while (s->stage != SORTED) {
		go_on(s);
		if (s->stage != SORTED && imap_job_should_stop(job))
			return WORK_AGAIN;
	}
	return WORK_DONE;
}

/* ---- printing */

static struct imap_found
found_of(struct imap_cmd *cmd)
{
	struct sort *s = cmd->state;
	struct imap_found found = {.cmd = cmd,
	    .args = &s->args.search,
	    .uids = s->arranged.criteria.found,
	    .first = s->first,
	    .last = s->last,
	    .order = s->other};

	imap_criteria_told(&s->arranged.criteria, &found);
	return found;
}

static enum imap_next
end_ok(struct imap_cmd *cmd)
{
	const struct sort *s = cmd->state;
	struct imap_found found = found_of(cmd);

	cmd->midway = false;
	return imap_arrange_ok(cmd, &s->arranged, &found, N_("Sorted"),
	    N_("Sorted; messages that could not be read count as empty, the server log has "
	       "details"));
}

/* Gets the next numbers; returns how many. */
static size_t
next_numbers(struct sort *s, const uint32_t **numbers_r)
{
	size_t n = s->arranged.n - s->at > PRINT_PIECE ? PRINT_PIECE : s->arranged.n - s->at;

	*numbers_r = s->other + s->at;
	s->at += n;
	return n;
}

static enum imap_next
print_sort(struct imap_cmd *cmd)
{
	struct sort *s = cmd->state;
	struct imap_found found = found_of(cmd);
	struct buf *out = imap_out(cmd->conn);
	const uint32_t *numbers;

	if (!s->begun)
		wire_out_sort_begin(out);
	s->begun = cmd->midway = true;
	while (s->at < s->arranged.n) {
		size_t n = next_numbers(s, &numbers);

		wire_out_sort_add(out, numbers, n);
		if (s->at < s->arranged.n && cmd_should_yield(cmd))
			return IMAP_YIELD;
	}
	wire_out_sort_end(out, imap_criteria_modseq(&s->arranged.criteria, &found));
	return end_ok(cmd);
}

static enum imap_next
print_all(struct imap_cmd *cmd)
{
	struct sort *s = cmd->state;
	struct imap_found found = found_of(cmd);
	const uint32_t *numbers;

	s->all.b = imap_out(cmd->conn);
	while (s->at < s->arranged.n) {
		size_t n = next_numbers(s, &numbers);

		for (size_t i = 0; i < n; i++)
			wire_set_out_add(&s->all, numbers[i], numbers[i]);
		if (s->at < s->arranged.n && cmd_should_yield(cmd))
			return IMAP_YIELD;
	}
	wire_set_out_end(&s->all);
	imap_criteria_print(&s->arranged.criteria, &found, imap_out(cmd->conn));
	wire_out_esearch_end(imap_out(cmd->conn), &s->all);
	return end_ok(cmd);
}

static enum imap_next
print_esort(struct imap_cmd *cmd)
{
	static const struct imap_step all = {"sort-print-all", print_all};
	struct sort *s = cmd->state;
	struct wire_esearch e = {.tag = cmd->tag, .uid = cmd->uid};
	struct imap_found found = found_of(cmd);

	if (!imap_criteria_tell(&s->arranged.criteria, &found, &e)) /* RETURN (SAVE) */
		return end_ok(cmd);
	if ((e.has & WIRE_RETURN_ALL) == 0)
		s->at = s->arranged.n;
	wire_out_esearch_begin(imap_out(cmd->conn), &e, &s->all);
	cmd->midway = true;
	return cmd_goto(cmd, &all);
}

/* ---- running */

static enum imap_next sort_found(struct imap_cmd *cmd);
static const struct imap_step found_step = {"sort-found", sort_found};

static enum imap_next
sort_found(struct imap_cmd *cmd)
{
	static const struct imap_step plain = {"sort-print", print_sort};
	struct sort *s = cmd->state;

	if (s->stage != SORTED)
		return imap_arrange_go_on(cmd, &s->arranged, run_sort, &found_step);
	return s->args.search.has_return ? print_esort(cmd) : cmd_goto(cmd, &plain);
}

/* Finds the rows of the criteria; a repeated one changes nothing.  Returns false if nobody knows
 * one. */
static bool
find_criteria(struct imap_cmd *cmd)
{
	struct sort *s = cmd->state;

	s->by = arena_array(cmd->arena, s->args.n, sizeof(*s->by));
	for (size_t i = 0; i < s->args.n; i++) {
		const struct imap_sort_key *row = imap_shown(cmd->conn,
		    imap_registry_sort_key(&cmd->conn->server->reg, s->args.keys[i].name));
		size_t k = 0;

		if (row == NULL)
			return false;
		while (k < s->n_by && s->by[k].row != row)
			k++;
		if (k == s->n_by)
			s->by[s->n_by++] = (struct criterion){row, s->args.keys[i].reverse, NULL};
	}
	return true;
}

static enum imap_next
cmd_sort(struct imap_cmd *cmd)
{
	struct sort *s = arena_new_object(cmd->arena, struct sort);
	bool parsed = wire_sort_parse(&cmd->in, &s->args, imap_criteria_key, cmd->conn);

	cmd->state = s;
	arena_on_free(cmd->arena, free_sort, s);
	s->arranged.criteria.args = &s->args.search;
	if (s->args.search.has_return && imap_is_hidden(cmd->conn, STR("ESORT")))
		return cmd_bad(cmd, "Unknown SORT option");
	if (parsed && !find_criteria(cmd))
		return cmd_bad(cmd, "Unknown sort criterion");
	s->arranged.columns_mask = columns_of(s);
	return imap_arrange_start(cmd, &s->arranged, parsed, run_sort, &found_step);
}

static const struct imap_cmd_def cmds[] = {
    {.name = "SORT",
        .states = IMAP_SELECTED,
        .traits = IMAP_TRAIT_UID | IMAP_TRAIT_NUMBERS,
        .start = cmd_sort},
    {.name = NULL},
};

static const struct imap_sort_key sort_keys[] = {
    {.name = "ARRIVAL", .column = 1u << STORE_COLUMN_ARRIVAL},
    {.name = "CC", .column = 1u << STORE_COLUMN_CC},
    {.name = "DATE", .column = 1u << STORE_COLUMN_DATE},
    {.name = "FROM", .column = 1u << STORE_COLUMN_FROM},
    {.name = "SIZE", .column = 1u << STORE_COLUMN_SIZE},
    {.name = "SUBJECT", .column = 1u << STORE_COLUMN_SUBJECT},
    {.name = "TO", .column = 1u << STORE_COLUMN_TO},
    {.name = "DISPLAYFROM", .column = 1u << STORE_COLUMN_DISPLAYFROM},
    {.name = "DISPLAYTO", .column = 1u << STORE_COLUMN_DISPLAYTO},
    {.name = NULL},
};

static const struct imap_cap caps[] = {
    {.word = "SORT", .rfc = "5256", .states = IMAP_LOGGED_IN, .brings = "SORT"},
    {.word = "SORT=DISPLAY",
        .rfc = "5957",
        .states = IMAP_LOGGED_IN,
        .brings = "DISPLAYFROM DISPLAYTO"},
    {.word = "ESORT", .rfc = "5267", .states = IMAP_LOGGED_IN, .brings = ""},
    {.word = NULL},
};

const struct imap_ext imap_ext_sort = {
    .name = "sort",
    .title = "SORT (RFC 5256), SORT=DISPLAY (RFC 5957), ESORT (RFC 5267)",
    .caps = caps,
    .cmds = cmds,
    .sort_keys = sort_keys,
};
