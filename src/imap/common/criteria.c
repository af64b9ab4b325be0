/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by SEARCH, SORT and THREAD: see criteria.h. */
#include "imap/common/criteria.h"

#include "imap/hide.h"

/* ---- replies */

/* The command is refused or has failed. */
static void
tell_failed(struct imap_cmd *cmd, const struct imap_criteria *c)
{
	for (size_t i = 0; i < c->return_count; i++)
		if (c->returns[i].row->failed != NULL)
			c->returns[i].row->failed(cmd);
}

enum imap_next
imap_criteria_refuse(
    struct imap_cmd *cmd, const struct imap_criteria *c, const char *code, const char *text)
{
	tell_failed(cmd, c);
	return cmd_no(cmd, code, text);
}

enum imap_next
imap_criteria_no_room(struct imap_cmd *cmd, const struct imap_criteria *c)
{
	tell_failed(cmd, c);
	return cmd_no_room(cmd);
}

enum imap_next
imap_criteria_unreadable(struct imap_cmd *cmd, const struct imap_criteria *c)
{
	return imap_criteria_refuse(
	    cmd, c, "SERVERBUG", N_("Some messages could not be read; the server log has details"));
}

static enum imap_next
refuse_charset(struct imap_cmd *cmd, const struct imap_criteria *c)
{
	static const char *const known[] = {"US-ASCII", "UTF-8"};
	struct buf code = {0};

	wire_out_code_badcharset(&code, known, 2);
	(void)imap_criteria_refuse(
	    cmd, c, arena_printf(cmd->arena, "%.*s", (int)code.n, code.p), N_("Unknown charset"));
	buf_fini(&code);
	return IMAP_DONE;
}

enum imap_next
imap_criteria_ok(struct imap_cmd *cmd, const struct imap_criteria *c,
    const struct imap_found *found, const char *text)
{
	for (size_t i = 0; i < c->return_count; i++)
		if (c->returns[i].row->done != NULL)
			c->returns[i].row->done(found);
	/* RFC 5530 section 3: the expunges may not be told yet, so the client should ask for
	 * them. */
	if (!cmd->uid && imap_query_expunged(c->query))
		return cmd_ok_code(cmd, STR("EXPUNGEISSUED"), text);
	return cmd_ok(cmd, text);
}

/* ---- ESEARCH */

uint32_t
imap_found_number(const struct imap_found *found, uint32_t uid)
{
	return found->cmd->uid ? uid : imap_view_seq(imap_box(found->cmd->conn), uid);
}

bool
imap_criteria_tell(
    const struct imap_criteria *c, const struct imap_found *found, struct wire_esearch *e)
{
	bool none = roaring_bitmap_is_empty(found->uids), tells = c->return_count == 0;

	if (tells && !none) /* IMAP4rev2, without RETURN */
		e->has = WIRE_RETURN_ALL;
	for (size_t i = 0; i < c->return_count; i++) {
		const struct imap_search_return *row = c->returns[i].row;

		tells |= row->tell != NULL || row->print != NULL;
		if (row->tell != NULL && (!none || row->says_none))
			row->tell(found, e);
	}
	return tells;
}

static void
free_told(void *arg)
{
	roaring_bitmap_free(arg);
}

/* Returns whether some option tells messages, and each one that does tells only some. */
static bool
tells_some(const struct imap_criteria *c)
{
	bool some = false;

	for (size_t i = 0; i < c->return_count; i++) {
		const struct imap_search_return *row = c->returns[i].row;

		if (row->picks == NULL && (row->tell != NULL || row->print != NULL))
			return false;
		some |= row->picks != NULL;
	}
	return some;
}

void
imap_criteria_told(struct imap_criteria *c, struct imap_found *found)
{
	found->told = found->uids;
	if (roaring_bitmap_is_empty(found->uids) || !tells_some(c))
		return;
	if (c->told == NULL) {
		c->told = roaring_bitmap_create();
		arena_on_free(found->cmd->arena, free_told, c->told);
		for (size_t i = 0; i < c->return_count; i++)
			if (c->returns[i].row->picks != NULL)
				c->returns[i].row->picks(found, c->returns[i].kept, c->told);
	}
	found->told = c->told;
}

uint64_t
imap_criteria_modseq(const struct imap_criteria *c, const struct imap_found *found)
{
	uint64_t modseq;

	if (!c->tells_modseq || roaring_bitmap_is_empty(found->told))
		return 0;
	modseq = imap_query_modseq(c->query, found->told); /* RFC 4731 section 3.2 */
	imap_modseq_tell(imap_box(found->cmd->conn), modseq);
	return modseq;
}

void
imap_criteria_print(const struct imap_criteria *c, const struct imap_found *found, struct buf *out)
{
	bool none = roaring_bitmap_is_empty(found->uids);
	uint64_t modseq = imap_criteria_modseq(c, found);

	if (modseq > 0)
		wire_out_esearch_modseq(out, modseq);

	for (size_t i = 0; i < c->return_count; i++) {
		const struct imap_search_return *row = c->returns[i].row;

		if (row->print != NULL && (!none || row->says_none))
			row->print(found, c->returns[i].kept, out);
	}
}

/* ---- parsing */

bool
imap_criteria_key(struct wire_in *in, struct str name, struct wire_key *key, void *arg)
{
	const struct imap_conn *conn = arg;
	const struct imap_search_key *row =
	    imap_shown(conn, imap_registry_search_key(&conn->server->reg, name));

	key->ext = row;
	return row != NULL && (row->parse == NULL || row->parse(in, key));
}

/* Gives keys that extensions implement their row, also those that wire has parsed.  Returns false
 * if nobody implements one of them.  The parser's limit on nesting bounds the depth. */
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
	}
	return true;
}

/* It begins. */
static void
begin_keys(struct imap_conn *conn, struct imap_criteria *c, struct wire_key *key)
{
	for (; key != NULL; key = key->next) {
		const struct imap_search_key *row = key->ext;

		begin_keys(conn, c, key->child);
		if (row == NULL)
			continue;
		c->tells_modseq |= row->tells_modseq;
		if (row->asked != NULL)
			row->asked(conn);
		if (row->begin != NULL)
			row->begin(key, imap_box(conn), loop_wall(conn->il->loop));
	}
}

/* Returns whether a key is a set of message numbers; "$" is none. */
static bool
has_numbers(const struct wire_key *key)
{
	for (; key != NULL; key = key->next)
		if ((key->id == WIRE_KEY_SET && !key->set.saved) || has_numbers(key->child))
			return true;
	return false;
}

static const char *
add_return(struct imap_cmd *cmd, struct imap_criteria *c, struct str name, struct str value)
{
	struct imap_returned *r = &c->returns[c->return_count];

	r->row = imap_shown(cmd->conn, imap_registry_search_return(&cmd->conn->server->reg, name));
	if (r->row == NULL)
		return N_("Unknown SEARCH return option");
	c->return_count++;
	if (r->row->check != NULL && r->row->check(c->args) != NULL)
		return r->row->check(c->args);
	return imap_value_parse(cmd, value, r->row->parse, &r->kept);
}

/* Returns NULL, or what is wrong with the options. */
static const char *
find_returns(struct imap_cmd *cmd, struct imap_criteria *c)
{
	const struct wire_params *others = &c->args->return_other;
	const struct wire_name *known = wire_return_names;
	const char *fault = NULL;

	if (!c->args->has_return)
		return NULL;
	c->returns = arena_array(cmd->arena,
	    others->n + (unsigned)__builtin_popcount(c->args->returns), sizeof(*c->returns));
	for (; known->name != NULL && fault == NULL; known++)
		if ((c->args->returns & known->id) != 0)
			fault = add_return(cmd, c, str_of(known->name), STR_NONE);
	for (size_t i = 0; i < others->n && fault == NULL; i++)
		fault = add_return(cmd, c, others->v[i].name, others->v[i].value);
	return fault;
}

/* ---- running */

struct run {
	struct imap_criteria *criteria;
	imap_job_f *then;
	void *state; /* the command's, for then */
};

static void
free_found(void *arg)
{
	struct imap_criteria *c = arg;

	if (c->found != NULL)
		roaring_bitmap_free(c->found);
}

static bool
should_stop(void *job)
{
	return imap_job_should_stop(job);
}

/* Returns true when it is done. */
static bool
run_query(struct imap_criteria *c, bool (*enough)(void *arg), void *arg)
{
	if (c->found != NULL)
		return true;
	if (!imap_query_run(c->query, enough, arg))
		return false;
	c->found = imap_query_found(c->query, &c->failed);
	return true;
}

static enum work_end
run(struct imap_job *job)
{
	struct run *r = job->state;
	enum work_end end;

	if (!run_query(r->criteria, should_stop, job))
		return WORK_AGAIN;
	if (r->then == NULL || r->criteria->failed)
		return WORK_DONE;
	job->state = r->state;
	end = r->then(job);
	job->state = r;
	return end;
}

static enum imap_next
start_run(
    struct imap_cmd *cmd, struct imap_criteria *c, imap_job_f *then, const struct imap_step *found)
{
	struct run *r = arena_new_object(cmd->arena, struct run);

	if (then == NULL && imap_query_is_cheap(c->query)) {
		(void)run_query(c, NULL, NULL);
		return cmd_goto(cmd, found);
	}
	*r = (struct run){.criteria = c, .then = then, .state = cmd->state};
	return cmd_job(cmd, WORK_LONG, run, r, found);
}

/* RFC 9755 section 3: once UTF8=ACCEPT is enabled, a charset is named only where the grammar
 * requires it, and is UTF-8. */
static bool
charset_conflicts(const struct imap_cmd *cmd, const struct imap_criteria *c)
{
	struct str charset = c->args->charset;

	return imap_dialect(cmd->conn)->utf8_only && charset.p != NULL &&
	       (!c->names_charset || !str_ieq(charset, STR("UTF-8")));
}

enum imap_next
imap_criteria_start(struct imap_cmd *cmd, struct imap_criteria *c, bool parsed, imap_job_f *then,
    const struct imap_step *found)
{
	const char *fault = find_returns(cmd, c);

	arena_on_free(cmd->arena, free_found, c);
	if (!parsed) {
		if (cmd_is_attempt(cmd))
			tell_failed(cmd, c);
		return cmd_bad_syntax(cmd);
	}
	if (fault != NULL)
		return cmd_bad(cmd, fault);
	if (charset_conflicts(cmd, c))
		return cmd_bad(cmd, "UTF8=ACCEPT is enabled: no charset but UTF-8");
	/* RFC 9586 section 3.1 */
	if (imap_dialect(cmd->conn)->uidonly && has_numbers(c->args->root))
		return cmd_bad_code(cmd, "UIDREQUIRED",
		    "UIDONLY is enabled: search for UIDs, not for message numbers");
	if (!claim_keys(cmd->conn, c->args->root))
		return cmd_bad(cmd, "Unknown search key");
	begin_keys(cmd->conn, c, c->args->root);
	switch (imap_query_new(cmd->arena, imap_box(cmd->conn), cmd->conn->server->store, c->args,
	    c->holds, cmd_room(cmd), &c->query)) {
	case IMAP_QUERY_OK:
		break;
	case IMAP_QUERY_BAD_CHARSET:
		return refuse_charset(cmd, c);
	case IMAP_QUERY_TOO_BIG:
		return imap_criteria_no_room(cmd, c);
	case IMAP_QUERY_BAD_TEXT:
		return cmd_bad(cmd, "The search text is not valid in its charset");
	}
	return start_run(cmd, c, then, found);
}
