/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SELECT, EXAMINE, CLOSE, CHECK (RFC 3501 and RFC 9051 sections 6.3.2, 6.3.3,
 * 6.4.1; CHECK RFC 3501 section 6.4.1): opening and closing a mailbox.
 */
#include "imap/place/rights.h"

struct select {
	struct wire_select args;
	struct imap_param *params; /* of args, by their extensions */
	struct imap_open open;
	bool read_only;
	size_t param;      /* the next parameter with responses after the engine's */
	void *param_state; /* that parameter's state */
};

static void
say_number(struct imap_conn *conn, const char *code, uint64_t n, const char *text)
{
	struct buf *out = imap_out(conn);

	wire_out_ok_begin(out);
	wire_out_code_number(out, code, n);
	imap_say_end(conn, text);
}

static void
describe(struct imap_conn *conn, const struct imap_box *box, const struct imap_selected *selected,
    struct str given)
{
	const struct wire_dialect *d = imap_dialect(conn);
	struct buf *out = imap_out(conn);

	imap_print_known_flags(conn, &selected->keywords);
	wire_out_number(out, (uint32_t)roaring_bitmap_get_cardinality(box->uids), "EXISTS");
	if (!d->rev2) {
		wire_out_number(
		    out, (uint32_t)roaring_bitmap_get_cardinality(box->recent), "RECENT");
		if (selected->unseen != 0 && !d->uidonly) /* it is a message number */
			say_number(conn, "UNSEEN", imap_view_seq(box, selected->unseen),
			    N_("First unseen message"));
	}
	say_number(conn, "UIDVALIDITY", box->uidvalidity, N_("UIDs valid"));
	say_number(conn, "UIDNEXT", selected->uidnext, N_("Predicted next UID"));
	if (d->rev2) /* RFC 9051 section 6.3.2: LIST is required */
		wire_out_list(out, d,
		    &(struct wire_list_row){
		        .attrs = imap_mailbox_has_children(imap_login(conn), box->name)
		                     ? WIRE_ATTR_HASCHILDREN
		                     : WIRE_ATTR_HASNOCHILDREN,
		        .delimiter = wire_separator(imap_dialect(conn)),
		        .name = box->name,
		        .oldname = given});
}

static const void *
find_param(const struct imap_registry *reg, struct str name, imap_parse_f **parse_r)
{
	const struct imap_select_param *row = imap_registry_select_param(reg, name);

	if (row != NULL)
		*parse_r = row->parse;
	return row;
}

/* Prints the responses of extensions, a piece at a time. */
static enum imap_next
tell_extensions(struct imap_cmd *cmd)
{
	struct select *s = cmd->state;

	for (; s->param < s->args.params.n; s->param++, s->param_state = NULL) {
		const struct imap_param *p = &s->params[s->param];
		const struct imap_select_param *row = p->row;

		if (row->selected != NULL && !row->selected(cmd, p->kept, &s->param_state))
			return IMAP_YIELD;
	}
	return cmd_ok_code(
	    cmd, imap_box(cmd->conn)->read_only ? STR("READ-ONLY") : STR("READ-WRITE"), "Selected");
}

static enum imap_next
select_opened(struct imap_cmd *cmd)
{
	static const struct imap_step extensions = {"select-extensions", tell_extensions};
	const struct imap_registry *reg = &cmd->conn->server->reg;
	struct select *s = cmd->state;
	struct imap_selected selected = {0};
	struct imap_box *box;

	if (s->open.mailbox == NULL)
		return cmd_open_err(cmd, &s->open);
	box = imap_box_open(cmd->conn, &s->open, s->read_only, &selected);
	describe(cmd->conn, box, &selected, cmd->in.given);
	imap_drop_keywords(&selected.keywords);
	for (size_t i = 0; reg->selected[i] != NULL; i++)
		reg->selected[i](cmd->conn);
	return cmd_goto(cmd, &extensions);
}

/* RFC 9051 section 6.3.2: closes the selected mailbox first, whatever the outcome of this command;
 * a server with CONDSTORE reports that to every client (RFC 7162 section 3.2.11). */
static void
leave(struct imap_cmd *cmd)
{
	cmd->no_sync = true;
	if (imap_box(cmd->conn) == NULL)
		return;
	imap_box_free(cmd->conn);
	imap_say_ok(cmd->conn, STR("CLOSED"), "Previous mailbox closed");
}

/* Returns NULL, or what is wrong with the parameters. */
static const char *
plan_params(struct imap_cmd *cmd, struct select *s)
{
	const char *fault = imap_params_find(cmd, &s->args.params, find_param, &s->params);

	for (size_t i = 0; fault == NULL && i < s->args.params.n; i++) {
		const struct imap_select_param *row = s->params[i].row;

		if (row->check != NULL)
			fault = row->check(cmd);
	}
	return fault;
}

static void
tell_asked(struct imap_cmd *cmd, const struct select *s)
{
	for (size_t i = 0; i < s->args.params.n; i++) {
		const struct imap_select_param *row = s->params[i].row;

		if (row->asked != NULL)
			row->asked(cmd->conn);
	}
}

static enum imap_next
select_start(struct imap_cmd *cmd, bool read_only)
{
	static const struct imap_step opened = {"select-opened", select_opened};
	struct select *s = arena_new_object(cmd->arena, struct select);
	const char *fault;

	cmd->state = s;
	s->read_only = read_only;
	if (!wire_select_parse(&cmd->in, &s->args)) {
		if (cmd_is_attempt(cmd)) /* also for a name that no mailbox can have */
			leave(cmd);
		return cmd_bad_syntax(cmd);
	}
	fault = plan_params(cmd, s);
	if (fault != NULL)
		return cmd_bad(cmd, fault);
	leave(cmd);
	tell_asked(cmd, s);
	s->open.name = s->args.mailbox;
	s->open.given = &cmd->in.given;
	return cmd_open_mailbox(cmd, &s->open, AUTH_RIGHT_READ, &opened);
}

static enum imap_next
cmd_select(struct imap_cmd *cmd)
{
	return select_start(cmd, false);
}

static enum imap_next
cmd_examine(struct imap_cmd *cmd)
{
	return select_start(cmd, true);
}

static enum imap_next
close_expunged(struct imap_cmd *cmd)
{
	if (cmd->change->err != TS_OK)
		return cmd_err(cmd, cmd->change->err);
	imap_box_free(cmd->conn);
	return cmd_ok(cmd, "Closed");
}

/* RFC 9051 section 6.4.1: removes messages that are \Deleted without telling this client; without
 * the right to expunge it is OK all the same (RFC 4314 section 4). */
static enum imap_next
cmd_close(struct imap_cmd *cmd)
{
	static const struct imap_step expunged = {"close-expunged", close_expunged};
	struct imap_box *box = imap_box(cmd->conn);
	struct store_counters counters;
	struct store_change *change;

	if (!wire_none_parse(&cmd->in))
		return cmd_bad_syntax(cmd);
	cmd->no_sync = true;
	store_mailbox_counters(box->mailbox, &counters);
	if (box->read_only || (box->rights & AUTH_RIGHT_EXPUNGE) == 0 || counters.deleted == 0 ||
	    store_mailbox_gone(box->mailbox)) {
		imap_box_free(cmd->conn);
		return cmd_ok(cmd, "Closed");
	}
	change = cmd_change_of(cmd, STORE_CHANGE_EXPUNGE, box->mailbox);
	change->uids = roaring_bitmap_copy(box->uids);
	return cmd_change(cmd, change, &expunged);
}

/* Everything that could be checkpointed is on disk already. */
static enum imap_next
cmd_check(struct imap_cmd *cmd)
{
	if (!wire_none_parse(&cmd->in))
		return cmd_bad_syntax(cmd);
	return cmd_ok(cmd, "Checked");
}

static const struct imap_cmd_def cmds[] = {
    {.name = "SELECT", .states = IMAP_LOGGED_IN, .start = cmd_select},
    {.name = "EXAMINE", .states = IMAP_LOGGED_IN, .start = cmd_examine},
    {.name = "CLOSE", .states = IMAP_SELECTED, .start = cmd_close},
    {.name = "CHECK",
        .states = IMAP_SELECTED,
        .traits = IMAP_TRAIT_MAY_EXPUNGE,
        .start = cmd_check},
    {.name = NULL},
};

const struct imap_ext imap_ext_select = {
    .name = "select", .title = "SELECT, EXAMINE, CLOSE, CHECK", .cmds = cmds};
