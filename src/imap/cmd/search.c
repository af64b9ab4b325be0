/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SEARCH and UID SEARCH (RFC 3501 and RFC 9051 section 6.4.4; ESEARCH RFC
 * 4731, SEARCHRES RFC 5182, WITHIN RFC 5032).  The program is compiled and run
 * as query.h says; the result is printed in pieces.
 */
#include "imap/imap.h"

#include "imap/query.h"

#define PRINT_PIECE 2048u
/* Bytes of a number at the most, twice, as buffers grow by doubling. */
#define HIT 22u

struct search {
	struct wire_search args;
	struct imap_query *query;
	roaring_bitmap_t *found; /* UIDs */
	bool failed;
	uint32_t from; /* printing: the next UID */
};

static void
free_found(void *arg)
{
	struct search *s = arg;

	if (s->found != NULL)
		roaring_bitmap_free(s->found);
}

/* ---- "$" */

static void
save(struct imap_box *box, roaring_bitmap_t *set)
{
	if (box->saved != NULL)
		roaring_bitmap_free(box->saved);
	box->saved = set;
}

/* RFC 5182 section 2.4: with only MIN or MAX beside SAVE, just these. */
static void
save_result(struct imap_box *box, const struct search *s)
{
	const unsigned ends = WIRE_RETURN_MIN | WIRE_RETURN_MAX;
	unsigned others = s->args.returns & ~(unsigned)WIRE_RETURN_SAVE;
	roaring_bitmap_t *set;

	if (others == 0 || (others & ~ends) != 0 || roaring_bitmap_is_empty(s->found)) {
		save(box, roaring_bitmap_copy(s->found));
		return;
	}
	set = roaring_bitmap_create();
	if ((others & WIRE_RETURN_MIN) != 0)
		roaring_bitmap_add(set, roaring_bitmap_minimum(s->found));
	if ((others & WIRE_RETURN_MAX) != 0)
		roaring_bitmap_add(set, roaring_bitmap_maximum(s->found));
	save(box, set);
}

/* A SEARCH that was to save and failed leaves nothing (RFC 5182 section 2.1). */
static void
forget_saved(struct imap_cmd *cmd)
{
	const struct search *s = cmd->state;

	if ((s->args.returns & WIRE_RETURN_SAVE) != 0)
		save(imap_box(cmd->conn), NULL);
}

static enum imap_next
refuse(struct imap_cmd *cmd, const char *code, const char *text)
{
	forget_saved(cmd);
	return cmd_no(cmd, code, text);
}

static enum imap_next
refuse_room(struct imap_cmd *cmd)
{
	forget_saved(cmd);
	return cmd_no_room(cmd);
}

static enum imap_next
refuse_charset(struct imap_cmd *cmd)
{
	static const char *const known[] = {"US-ASCII", "UTF-8"};
	struct buf code = {0};

	wire_out_code_badcharset(&code, known, 2);
	forget_saved(cmd);
	cmd_no(cmd, arena_printf(cmd->arena, "%.*s", (int)code.n, code.p),
	    "This charset is not known");
	buf_fini(&code);
	return IMAP_DONE;
}

/* ---- printing */

static uint32_t
shown(const struct imap_cmd *cmd, uint32_t uid)
{
	return cmd->uid ? uid : imap_view_seq(imap_box(cmd->conn), uid);
}

/* Up to max numbers from s->from on, as the client counts; neighbours in the view need no search.
 */
static size_t
next_numbers(struct imap_cmd *cmd, uint32_t *numbers, size_t max)
{
	struct search *s = cmd->state;
	const roaring_bitmap_t *view = imap_box(cmd->conn)->uids;
	roaring_uint32_iterator_t it, at;
	uint32_t seq = 0;
	size_t n = 0;

	roaring_init_iterator(s->found, &it);
	roaring_init_iterator(view, &at);
	(void)roaring_move_uint32_iterator_equalorlarger(&it, s->from);
	for (; it.has_value && n < max; n++) {
		uint32_t uid = it.current_value;

		if (cmd->uid) {
			numbers[n] = uid;
		} else {
			if (seq > 0 && at.has_value && at.current_value == uid) {
				seq++;
			} else {
				seq = (uint32_t)roaring_bitmap_rank(view, uid);
				(void)roaring_move_uint32_iterator_equalorlarger(&at, uid);
			}
			roaring_advance_uint32_iterator(&at);
			numbers[n] = seq;
		}
		if (uid == UINT32_MAX) {
			s->from = 0;
			return n + 1;
		}
		s->from = uid + 1;
		roaring_advance_uint32_iterator(&it);
	}
	return n;
}

static enum imap_next
search_end(struct imap_cmd *cmd)
{
	struct search *s = cmd->state;

	if ((s->args.returns & WIRE_RETURN_SAVE) != 0)
		save_result(imap_box(cmd->conn), s);
	/* RFC 5530 section 3: it may not be told yet, and the client had better ask. */
	if (!cmd->uid && imap_query_expunged(s->query))
		return cmd_ok_code(cmd, STR("EXPUNGEISSUED"), "Searched");
	return cmd_ok(cmd, "Searched");
}

/* The whole line goes into the out buffer, since nothing may come between; ten bytes a hit. */
static enum imap_next
print_search(struct imap_cmd *cmd)
{
	struct buf *out = imap_out(cmd->conn);
	uint32_t numbers[PRINT_PIECE];
	size_t n;

	wire_out_search_begin(out);
	do {
		n = next_numbers(cmd, numbers, PRINT_PIECE);
		wire_out_search_add(out, numbers, n);
	} while (n == PRINT_PIECE);
	wire_out_search_end(out);
	return search_end(cmd);
}

static void
add_all(struct imap_cmd *cmd, struct wire_set_out *set)
{
	uint32_t numbers[PRINT_PIECE];
	size_t n;

	do {
		n = next_numbers(cmd, numbers, PRINT_PIECE);
		for (size_t i = 0; i < n; i++)
			wire_set_out_add(set, numbers[i], numbers[i]);
	} while (n == PRINT_PIECE);
}

static enum imap_next
print_esearch(struct imap_cmd *cmd)
{
	struct search *s = cmd->state;
	struct wire_esearch e = {.tag = cmd->tag, .uid = cmd->uid};
	struct wire_set_out all;

	e.has =
	    s->args.has_return ? s->args.returns & ~(unsigned)WIRE_RETURN_SAVE : WIRE_RETURN_ALL;
	if (e.has == 0) /* RETURN (SAVE) */
		return search_end(cmd);
	e.count = roaring_bitmap_get_cardinality(s->found);
	if (e.count == 0)
		e.has &= WIRE_RETURN_COUNT;
	if ((e.has & WIRE_RETURN_MIN) != 0)
		e.min = shown(cmd, roaring_bitmap_minimum(s->found));
	if ((e.has & WIRE_RETURN_MAX) != 0)
		e.max = shown(cmd, roaring_bitmap_maximum(s->found));
	wire_out_esearch_begin(imap_out(cmd->conn), &e, &all);
	if ((e.has & WIRE_RETURN_ALL) != 0)
		add_all(cmd, &all);
	wire_out_esearch_end(imap_out(cmd->conn), &all);
	return search_end(cmd);
}

/* ---- running */

static enum imap_next
search_found(struct imap_cmd *cmd)
{
	struct search *s = cmd->state;

	s->found = imap_query_found(s->query, &s->failed);
	if (s->failed)
		return refuse(
		    cmd, "SERVERBUG", "Some messages could not be read; the log has the details");
	/* Each line goes into the out buffer as a whole. */
	if (!cmd_reserve(cmd, roaring_bitmap_get_cardinality(s->found) * HIT))
		return refuse_room(cmd);
	/* RFC 9051 section 6.4.4: under rev2 always ESEARCH. */
	if (s->args.has_return || imap_dialect(cmd->conn)->rev2)
		return print_esearch(cmd);
	return print_search(cmd);
}

static bool
should_stop(void *job)
{
	return imap_job_should_stop(job);
}

static enum work_end
run_query(struct imap_job *job)
{
	struct search *s = job->state;

	return imap_query_run(s->query, should_stop, job) ? WORK_DONE : WORK_AGAIN;
}

/* A key of an extension. */
static bool
read_key(struct wire_in *in, struct str name, struct wire_key *key, void *arg)
{
	const struct imap_search_key *row = imap_registry_search_key(arg, name);

	key->ext = row;
	return row != NULL && (row->parse == NULL || row->parse(in, key));
}

static enum imap_next
cmd_search(struct imap_cmd *cmd)
{
	static const struct imap_step found = {"search-found", search_found};
	struct search *s = arena_new_object(cmd->arena, struct search);

	cmd->state = s;
	arena_on_free(cmd->arena, free_found, s);
	if (!wire_search_parse(&cmd->in, &s->args, read_key, &cmd->conn->server->reg)) {
		if (cmd_is_attempt(cmd))
			forget_saved(cmd);
		return cmd_bad_syntax(cmd);
	}
	if (s->args.return_other.n > 0)
		return cmd_bad(cmd, "Unknown result option");
	switch (imap_query_new(cmd->arena, imap_box(cmd->conn), cmd->conn->server->store, &s->args,
	    loop_wall(cmd->conn->il->loop), cmd_room(cmd), &s->query)) {
	case IMAP_QUERY_OK:
		break;
	case IMAP_QUERY_BAD_CHARSET:
		return refuse_charset(cmd);
	case IMAP_QUERY_TOO_BIG:
		return refuse_room(cmd);
	case IMAP_QUERY_BAD_TEXT:
		return cmd_bad(cmd, "The text is not of its charset");
	}
	if (!imap_query_is_cheap(s->query))
		return cmd_job(cmd, WORK_LONG, run_query, s, &found);
	(void)imap_query_run(s->query, NULL, NULL);
	return cmd_goto(cmd, &found);
}

static const struct imap_cmd_def cmds[] = {
    {.name = "SEARCH", .states = IMAP_SELECTED, .traits = IMAP_TRAIT_UID, .start = cmd_search},
    {.name = NULL},
};

static const struct imap_cap caps[] = {
    {.word = "ESEARCH", .states = IMAP_LOGGED_IN},
    {.word = "SEARCHRES", .states = IMAP_LOGGED_IN},
    {.word = "WITHIN", .states = IMAP_LOGGED_IN},
    {.word = NULL},
};

const struct imap_ext imap_ext_search = {
    .name = "search",
    .title = "SEARCH, ESEARCH (RFC 4731), SEARCHRES (RFC 5182), WITHIN (RFC 5032)",
    .caps = caps,
    .cmds = cmds,
};
