/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 3501 and RFC 9051 sections 6.3.4 to 6.3.8).
 *
 * A level without a mailbox of its own (after DELETE of a parent, or above a CREATE) is not stored:
 * LIST shows it as \Noselect.
 */
#include "imap/hide.h"
#include "imap/place/rights.h"
#include "imap/place/shared.h"
#include "wire/utf7.h"

/* RFC 9051 section 6.3.4: a trailing separator announces names below. */
static struct str
without_trailing_separator(struct str name)
{
	if (name.n > 1 && name.p[name.n - 1] == '/')
		name.n--;
	return name;
}

static struct store_change *
change_at(struct imap_cmd *cmd, enum store_change_kind kind, const struct imap_place *place)
{
	struct store_change *change =
	    store_change_new(place->account, kind, cmd->conn->il->loop, NULL, NULL);

	change->name = arena_str(change->arena, place->mailbox);
	return change;
}

struct named { /* cmd->state: the name in the command, as the client spells it */
	struct str name;
};

static struct store_change *
change_of(struct imap_cmd *cmd, enum store_change_kind kind, struct str name)
{
	struct named *named = arena_new_object(cmd->arena, struct named);
	struct imap_place place;

	named->name = name;
	cmd->state = named;
	imap_place_of(imap_login(cmd->conn), name, &place);
	return change_at(cmd, kind, &place);
}

static const struct imap_create_param *
find_param(struct imap_cmd *cmd, struct str name)
{
	return imap_shown(cmd->conn, imap_registry_create_param(&cmd->conn->server->reg, name));
}

/* Finds the parameters, each by its extension; NULL: nobody implements one of them. */
static const struct imap_create_param **
find_params(struct imap_cmd *cmd, const struct wire_create *args)
{
	const struct imap_create_param **found =
	    arena_array(cmd->arena, args->params.n + 2, sizeof(*found));
	size_t n = 0;

	if (args->has_use && (found[n++] = find_param(cmd, STR("USE"))) == NULL)
		return NULL;
	for (size_t i = 0; i < args->params.n; i++) {
		found[n] = find_param(cmd, args->params.v[i].name);
		if (found[n++] == NULL)
			return NULL;
	}
	return found;
}

/* Returns false if one of them refuses. */
static bool
apply_params(struct imap_cmd *cmd, const struct imap_create_param **params,
    const struct wire_create *args, struct store_change *change)
{
	for (; *params != NULL; params++)
		if (!(*params)->apply(cmd, args, change))
			return false;
	return true;
}

static bool
may_create(struct imap_cmd *cmd, struct str name)
{
	if (imap_rights_create(imap_login(cmd->conn), name))
		return true;
	(void)cmd_no_right(cmd, AUTH_RIGHT_CREATE);
	return false;
}

static enum imap_next
create_done(struct imap_cmd *cmd)
{
	const struct named *named = cmd->state;

	if (cmd->change->err == TS_EXISTS)
		return cmd_no(cmd, "ALREADYEXISTS", "A mailbox with this name already exists");
	if (cmd->change->err != TS_OK)
		return cmd_change_err(cmd, cmd->change);
	imap_tell_name(cmd, cmd->in.given, named->name, 0);
	return cmd_ok_code(cmd, cmd_code_of(cmd, cmd->conn->server->reg.created), "Created");
}

struct create {
	struct wire_create args;
	const struct imap_create_param **params;
};

static enum imap_next
create_reached(struct imap_cmd *cmd)
{
	static const struct imap_step done = {"create-done", create_done};
	const struct create *c = cmd->state;
	struct store_change *change;

	if (!may_create(cmd, c->args.mailbox))
		return IMAP_DONE;
	change = change_of(cmd, STORE_CHANGE_CREATE, c->args.mailbox);
	change->inherits = true;
	if (apply_params(cmd, c->params, &c->args, change))
		return cmd_change(cmd, change, &done);
	store_change_free(&change);
	return IMAP_DONE;
}

static enum imap_next
cmd_create(struct imap_cmd *cmd)
{
	static const struct imap_step reached = {"create-reached", create_reached};
	struct create *c = arena_new_object(cmd->arena, struct create);
	const char *fault;

	cmd->state = c;
	if (!wire_create_parse(&cmd->in, &c->args))
		return cmd_bad_syntax(cmd);
	c->params = find_params(cmd, &c->args);
	if (c->params == NULL)
		return cmd_bad(cmd, "Unknown parameter");
	c->args.mailbox = without_trailing_separator(c->args.mailbox);
	fault = wire_name_fault(c->args.mailbox);
	if (fault != NULL)
		return cmd_no(cmd, "CANNOT", fault);
	return cmd_reach(cmd, c->args.mailbox, &reached);
}

static enum imap_next
delete_done(struct imap_cmd *cmd)
{
	struct imap_box *box = imap_box(cmd->conn);
	const struct named *named = cmd->state;

	if (cmd->change->err != TS_OK)
		return cmd_err(cmd, cmd->change->err);
	/* The session's own selected mailbox: close it, rather than BYE. */
	if (box != NULL && store_mailbox_gone(box->mailbox)) {
		imap_box_free(cmd->conn);
		imap_say_ok(cmd->conn, STR("CLOSED"), "The selected mailbox was deleted");
	}
	imap_tell_name(cmd, cmd->in.given, named->name, WIRE_ATTR_NONEXISTENT);
	return cmd_ok(cmd, "Deleted");
}

static enum imap_next
delete_reached(struct imap_cmd *cmd)
{
	static const struct imap_step done = {"delete-done", delete_done};
	const struct imap_login *login = imap_login(cmd->conn);
	const struct named *named = cmd->state;
	struct store_mailbox_info info;
	struct store_change *change;
	struct str name;
	unsigned missing;
	enum ts_err err;

	name = imap_mailbox_meant(login, named->name, &cmd->in.given);
	if (!imap_mailbox_lookup(login, name, AUTH_RIGHT_DELETE, &info, &err, &missing)) {
		if (err == TS_DENIED)
			return cmd_no_right(cmd, missing);
		/* RFC 9051 section 6.3.5: a \Noselect name with children cannot be deleted. */
		if (imap_mailbox_has_children(login, name))
			return cmd_no(cmd, "HASCHILDREN", "The mailbox has child mailboxes");
		return cmd_no(cmd, "NONEXISTENT", "No such mailbox");
	}
	change = change_of(cmd, STORE_CHANGE_DELETE, name);
	if (!str_eq(change->name, STR("INBOX")))
		return cmd_change(cmd, change, &done);
	store_change_free(&change);
	return cmd_no(cmd, "CANNOT", "INBOX cannot be deleted");
}

/* Reads the name of a mailbox, and continues when its account is at hand. */
static enum imap_next
reach_named(struct imap_cmd *cmd, const struct imap_step *next)
{
	struct named *named = arena_new_object(cmd->arena, struct named);

	cmd->state = named;
	if (!wire_mailbox_parse(&cmd->in, &named->name))
		return cmd_bad_syntax(cmd);
	named->name = without_trailing_separator(named->name);
	return cmd_reach(cmd, named->name, next);
}

static enum imap_next
cmd_delete(struct imap_cmd *cmd)
{
	static const struct imap_step reached = {"delete-reached", delete_reached};

	return reach_named(cmd, &reached);
}

static bool
is_below(struct str name, struct str parent)
{
	return name.n > parent.n && str_has_prefix(name, parent) && name.p[parent.n] == '/';
}

struct rename { /* cmd->state */
	struct wire_rename args;
	struct imap_place from, to;
	struct imap_open inbox;
};

/* INBOX has more messages than are moved at once: the new mailbox exists and has some of them. */
static enum imap_next
rename_partly(struct imap_cmd *cmd)
{
	const struct store_change *change = cmd->change;

	cmd->conn->il->stats.errors[change->err]++;
	return cmd_no_with(cmd, "UNAVAILABLE",
	    "The new mailbox was created and %zu messages were moved to it; the others are still "
	    "in INBOX",
	    change->pair_count);
}

static enum imap_next
rename_done(struct imap_cmd *cmd)
{
	const struct rename *r = cmd->state;
	struct store_change *change = cmd->change;
	struct imap_box *box = imap_box(cmd->conn);

	if (change->err == TS_EXISTS)
		return cmd_no(cmd, "ALREADYEXISTS", "A mailbox with this name already exists");
	if (change->err != TS_OK && str_eq(change->name, STR("INBOX")) && change->mailbox_id != 0)
		return rename_partly(cmd);
	if (change->err != TS_OK)
		return cmd_change_err(cmd, change);
	/* The selected mailbox is renamed itself or with its parent; or messages leave INBOX. */
	if (box != NULL && !str_eq(change->name, STR("INBOX")) &&
	    (str_eq(box->name, r->args.from) || is_below(box->name, r->args.from)))
		box->name = str_of(arena_printf(box->arena, "%.*s%.*s", STR_ARG(r->args.to),
		    (int)(box->name.n - r->args.from.n), box->name.p + r->args.from.n));
	imap_tell_name(cmd, r->args.given, r->args.to, 0);
	return cmd_ok(cmd, "Renamed");
}

static enum imap_next
rename_submit(struct imap_cmd *cmd)
{
	static const struct imap_step done = {"rename-done", rename_done};
	struct rename *r = cmd->state;
	struct store_change *change;

	if (r->inbox.err != TS_OK)
		return cmd_open_err(cmd, &r->inbox);
	change = change_at(cmd, STORE_CHANGE_RENAME, &r->from);
	change->new_name = arena_str(change->arena, r->to.mailbox);
	change->source = r->inbox.mailbox;
	return cmd_change(cmd, change, &done);
}

static enum imap_next
rename_reached(struct imap_cmd *cmd)
{
	static const struct imap_step submit = {"rename-submit", rename_submit};
	const struct imap_login *login = imap_login(cmd->conn);
	struct rename *r = cmd->state;
	unsigned missing;
	enum ts_err err;

	r->args.from = imap_mailbox_meant(login, r->args.from, &r->args.given);
	/* Check this before anything that reveals what exists. */
	err = imap_rights_rename(login, r->args.from, r->args.to, &missing);
	if (err == TS_INVALID)
		return cmd_no(cmd, "CANNOT", "A mailbox cannot be renamed into another account");
	if (err != TS_OK)
		return err == TS_DENIED ? cmd_no_right(cmd, missing) : cmd_err(cmd, err);
	imap_place_of(login, r->args.from, &r->from);
	imap_place_of(login, r->args.to, &r->to);
	if (str_eq(r->args.to, r->args.from) || str_eq(r->to.mailbox, STR("INBOX")))
		return cmd_no(cmd, "ALREADYEXISTS", "A mailbox with this name already exists");
	/* Mailboxes below it would get names of others' mailboxes. */
	if (imap_place_above_space(login, r->args.to))
		return cmd_no(cmd, "CANNOT", "The new name is that of a namespace");
	if (is_below(r->args.to, r->args.from) && !str_eq(r->from.mailbox, STR("INBOX")))
		return cmd_no(cmd, "CANNOT", "A mailbox cannot be moved below itself");
	if (!str_eq(r->from.mailbox, STR("INBOX")))
		return cmd_goto(cmd, &submit);
	/* Its messages would leave it for a new mailbox that only the owner sees. */
	if (r->from.shared)
		return cmd_no(cmd, "CANNOT", "Only its owner can rename an INBOX");
	/* Its messages are moved (RFC 9051 section 6.3.6), so it must be in memory. */
	r->inbox.name = r->args.from;
	return cmd_open_mailbox(cmd, &r->inbox, AUTH_RIGHT_DELETE, &submit);
}

/* Both names are of one account, or it is refused, so that only two are ever reached. */
static enum imap_next
rename_reach_to(struct imap_cmd *cmd)
{
	static const struct imap_step reached = {"rename-reached", rename_reached};
	const struct rename *r = cmd->state;

	return cmd_reach(cmd, r->args.to, &reached);
}

static enum imap_next
cmd_rename(struct imap_cmd *cmd)
{
	static const struct imap_step reach_to = {"rename-reach-to", rename_reach_to};
	struct rename *r = arena_new_object(cmd->arena, struct rename);
	const char *fault;

	cmd->state = r;
	if (!wire_rename_parse(&cmd->in, &r->args))
		return cmd_bad_syntax(cmd);
	r->args.from = without_trailing_separator(r->args.from);
	r->args.to = without_trailing_separator(r->args.to);
	fault = wire_name_fault(r->args.to);
	if (fault != NULL)
		return cmd_no(cmd, "CANNOT", fault);
	return cmd_reach(cmd, r->args.from, &reach_to);
}

static enum imap_next
subscribe_done(struct imap_cmd *cmd)
{
	if (cmd->change->err != TS_OK)
		return cmd_err(cmd, cmd->change->err);
	return cmd_ok(cmd, "Done");
}

/* Names need not exist (RFC 9051 section 6.3.7: they may come and go). */
static enum imap_next
subscribe(struct imap_cmd *cmd, enum store_change_kind kind)
{
	static const struct imap_step done = {"subscribe-done", subscribe_done};
	const struct imap_login *login = imap_login(cmd->conn);
	struct named *named = cmd->state;
	const char *fault;
	struct imap_place own;
	unsigned missing;
	enum ts_err err;

	named->name = imap_mailbox_meant(login, named->name, &cmd->in.given);
	fault = wire_name_fault(named->name);
	if (fault != NULL && kind == STORE_CHANGE_SUBSCRIBE)
		return cmd_no(cmd, "CANNOT", fault);
	imap_place_own(login, named->name, &own);
	/* RFC 4314 section 4: UNSUBSCRIBE needs no right; a name outside the grant is not
	 * subscribed. */
	if (kind == STORE_CHANGE_UNSUBSCRIBE && imap_place_granted(login, named->name) == 0)
		return cmd_ok(cmd, "Done");
	err = imap_rights_want(login, named->name, AUTH_RIGHT_LOOKUP, &missing);
	if (kind == STORE_CHANGE_SUBSCRIBE && err != TS_OK)
		return err == TS_DENIED ? cmd_no_right(cmd, missing)
		                        : cmd_no(cmd, "NONEXISTENT", "No such mailbox");
	/* Subscriptions belong to the user, whoever owns the mailbox. */
	return cmd_change(cmd, change_at(cmd, kind, &own), &done);
}

static enum imap_next
subscribe_reached(struct imap_cmd *cmd)
{
	return subscribe(cmd, STORE_CHANGE_SUBSCRIBE);
}

static enum imap_next
cmd_subscribe(struct imap_cmd *cmd)
{
	static const struct imap_step reached = {"subscribe-reached", subscribe_reached};

	return reach_named(cmd, &reached);
}

static enum imap_next
unsubscribe_reached(struct imap_cmd *cmd)
{
	return subscribe(cmd, STORE_CHANGE_UNSUBSCRIBE);
}

static enum imap_next
cmd_unsubscribe(struct imap_cmd *cmd)
{
	static const struct imap_step reached = {"unsubscribe-reached", unsubscribe_reached};

	return reach_named(cmd, &reached);
}

static const struct imap_cmd_def cmds[] = {
    {.name = "CREATE",
        .states = IMAP_LOGGED_IN,
        .traits = IMAP_TRAIT_MAY_EXPUNGE,
        .start = cmd_create},
    {.name = "DELETE",
        .states = IMAP_LOGGED_IN,
        .traits = IMAP_TRAIT_MAY_EXPUNGE,
        .start = cmd_delete},
    {.name = "RENAME",
        .states = IMAP_LOGGED_IN,
        .traits = IMAP_TRAIT_MAY_EXPUNGE,
        .start = cmd_rename},
    {.name = "SUBSCRIBE",
        .states = IMAP_LOGGED_IN,
        .traits = IMAP_TRAIT_MAY_EXPUNGE,
        .start = cmd_subscribe},
    {.name = "UNSUBSCRIBE",
        .states = IMAP_LOGGED_IN,
        .traits = IMAP_TRAIT_MAY_EXPUNGE,
        .start = cmd_unsubscribe},
    {.name = NULL},
};

const struct imap_ext imap_ext_mailbox = {
    .name = "mailbox", .title = "CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE", .cmds = cmds};
