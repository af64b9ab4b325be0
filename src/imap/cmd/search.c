/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SEARCH and UID SEARCH (RFC 3501 and RFC 9051 section 6.4.4).  The program is
 * compiled and run as query.h says; the result is printed in pieces.  What
 * RETURN asks for is brought by extensions (ESEARCH, SEARCHRES).
 */
#include "imap/cmd.h"

#include "imap/common/query.h"
#include "imap/hide.h"

#define PRINT_PIECE 2048u
/* Bytes of a number at the most, twice, as buffers grow by doubling. */
#define HIT 22u

struct search {
	struct wire_search args;
	struct imap_query *query;
	struct returned { /* the options, by their extensions */
		const struct imap_search_return *row;
		const void *kept;
	} * returns;
	size_t return_count;
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

/* ---- RETURN options */

static enum imap_next
end_ok(struct imap_cmd *cmd)
{
	struct search *s = cmd->state;
	struct imap_found found = {.cmd = cmd, .args = &s->args, .uids = s->found};

	for (size_t i = 0; i < s->return_count; i++)
		if (s->returns[i].row->done != NULL)
			s->returns[i].row->done(&found);
	/* RFC 5530 section 3: it may not be told yet, and the client had better ask. */
	if (!cmd->uid && imap_query_expunged(s->query))
		return cmd_ok_code(cmd, STR("EXPUNGEISSUED"), "Searched");
	return cmd_ok(cmd, "Searched");
}

/* The SEARCH is refused or failed. */
static void
tell_failed(struct imap_cmd *cmd)
{
	const struct search *s = cmd->state;

	for (size_t i = 0; i < s->return_count; i++)
		if (s->returns[i].row->failed != NULL)
			s->returns[i].row->failed(cmd);
}

static enum imap_next
refuse(struct imap_cmd *cmd, const char *code, const char *text)
{
	tell_failed(cmd);
	return cmd_no(cmd, code, text);
}

static enum imap_next
refuse_room(struct imap_cmd *cmd)
{
	tell_failed(cmd);
	return cmd_no_room(cmd);
}

static enum imap_next
refuse_charset(struct imap_cmd *cmd)
{
	static const char *const known[] = {"US-ASCII", "UTF-8"};
	struct buf code = {0};

	wire_out_code_badcharset(&code, known, 2);
	tell_failed(cmd);
	cmd_no(cmd, arena_printf(cmd->arena, "%.*s", (int)code.n, code.p), "Unknown charset");
	buf_fini(&code);
	return IMAP_DONE;
}

/* ---- printing */

uint32_t
imap_found_number(const struct imap_found *found, uint32_t uid)
{
	return found->cmd->uid ? uid : imap_view_seq(imap_box(found->cmd->conn), uid);
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
	return end_ok(cmd);
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

/* What the options tell; false: there is nothing to be told, not even that nothing was found. */
static bool
fill_esearch(const struct search *s, const struct imap_found *found, struct wire_esearch *e)
{
	bool none = roaring_bitmap_is_empty(s->found), tells = s->return_count == 0;

	if (tells && !none) /* IMAP4rev2, without RETURN */
		e->has = WIRE_RETURN_ALL;
	for (size_t i = 0; i < s->return_count; i++) {
		const struct imap_search_return *row = s->returns[i].row;

		tells |= row->tell != NULL || row->print != NULL;
		if (row->tell != NULL && (!none || row->says_none))
			row->tell(found, e);
	}
	return tells;
}

static void
print_others(const struct search *s, const struct imap_found *found, struct buf *out)
{
	bool none = roaring_bitmap_is_empty(s->found);

	for (size_t i = 0; i < s->return_count; i++) {
		const struct imap_search_return *row = s->returns[i].row;

		if (row->print != NULL && (!none || row->says_none))
			row->print(found, s->returns[i].kept, out);
	}
}

static enum imap_next
print_esearch(struct imap_cmd *cmd)
{
	struct search *s = cmd->state;
	struct wire_esearch e = {.tag = cmd->tag, .uid = cmd->uid};
	struct imap_found found = {.cmd = cmd, .args = &s->args, .uids = s->found};
	struct wire_set_out all;

	if (!fill_esearch(s, &found, &e)) /* RETURN (SAVE) */
		return end_ok(cmd);
	wire_out_esearch_begin(imap_out(cmd->conn), &e, &all);
	if ((e.has & WIRE_RETURN_ALL) != 0)
		add_all(cmd, &all);
	wire_set_out_end(&all);
	print_others(s, &found, imap_out(cmd->conn));
	wire_out_esearch_end(imap_out(cmd->conn), &all);
	return end_ok(cmd);
}

/* ---- running */

static enum imap_next
search_found(struct imap_cmd *cmd)
{
	struct search *s = cmd->state;

	s->found = imap_query_found(s->query, &s->failed);
	if (s->failed)
		return refuse(cmd, "SERVERBUG",
		    N_("Some messages could not be read; the server log has details"));
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

/* ---- parsing */

/* A key that an extension reads. */
static bool
read_key(struct wire_in *in, struct str name, struct wire_key *key, void *arg)
{
	const struct imap_conn *conn = arg;
	const struct imap_search_key *row =
	    imap_shown(conn, imap_registry_search_key(&conn->server->reg, name));

	key->ext = row;
	return row != NULL && (row->parse == NULL || row->parse(in, key));
}

/* Keys that extensions answer for get their row, also those that wire has read.  False: one of them
 * is nobody's.  Depth is bounded by the parser's limit on nesting. */
static bool
claim_keys(const struct imap_conn *conn, struct wire_key *key)
{
	for (; key != NULL; key = key->next) {
		const struct imap_search_key *row = key->ext;

		if (!claim_keys(conn, key->child))
			return false;
		if (wire_key_is_base(key->id))
			continue;
		if (row == NULL)
			row = imap_shown(conn, imap_registry_search_key(&conn->server->reg,
			                           str_of(wire_name_of(wire_key_names, key->id))));
		if (row == NULL)
			return false;
		key->ext = row;
		if (row->begin != NULL)
			row->begin(key, imap_box(conn), loop_wall(conn->il->loop));
	}
	return true;
}

static const char *
add_return(struct imap_cmd *cmd, struct str name, struct str value)
{
	struct search *s = cmd->state;
	struct returned *r = &s->returns[s->return_count];

	r->row = imap_shown(cmd->conn, imap_registry_search_return(&cmd->conn->server->reg, name));
	if (r->row == NULL)
		return N_("Unknown SEARCH return option");
	s->return_count++;
	return imap_value_parse(cmd, value, r->row->parse, &r->kept);
}

/* NULL, or what is wrong with the options. */
static const char *
find_returns(struct imap_cmd *cmd)
{
	struct search *s = cmd->state;
	const struct wire_params *others = &s->args.return_other;
	const struct wire_name *known = wire_return_names;
	const char *fault = NULL;

	if (!s->args.has_return)
		return NULL;
	s->returns = arena_array(cmd->arena,
	    others->n + (unsigned)__builtin_popcount(s->args.returns), sizeof(*s->returns));
	for (; known->name != NULL && fault == NULL; known++)
		if ((s->args.returns & known->id) != 0)
			fault = add_return(cmd, str_of(known->name), STR_NONE);
	for (size_t i = 0; i < others->n && fault == NULL; i++)
		fault = add_return(cmd, others->v[i].name, others->v[i].value);
	return fault;
}

static enum imap_next
cmd_search(struct imap_cmd *cmd)
{
	static const struct imap_step found = {"search-found", search_found};
	struct search *s = arena_new_object(cmd->arena, struct search);
	const char *fault;
	bool parsed;

	cmd->state = s;
	arena_on_free(cmd->arena, free_found, s);
	parsed = wire_search_parse(&cmd->in, &s->args, read_key, cmd->conn);
	fault = find_returns(cmd);
	if (!parsed) {
		if (cmd_is_attempt(cmd))
			tell_failed(cmd);
		return cmd_bad_syntax(cmd);
	}
	if (fault != NULL)
		return cmd_bad(cmd, fault);
	if (!claim_keys(cmd->conn, s->args.root))
		return cmd_bad(cmd, "Unknown search key");
	switch (imap_query_new(cmd->arena, imap_box(cmd->conn), cmd->conn->server->store, &s->args,
	    cmd_room(cmd), &s->query)) {
	case IMAP_QUERY_OK:
		break;
	case IMAP_QUERY_BAD_CHARSET:
		return refuse_charset(cmd);
	case IMAP_QUERY_TOO_BIG:
		return refuse_room(cmd);
	case IMAP_QUERY_BAD_TEXT:
		return cmd_bad(cmd, "The search text is not valid in its charset");
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

const struct imap_ext imap_ext_search = {.name = "search", .title = "SEARCH", .cmds = cmds};
