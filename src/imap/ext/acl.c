/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ACL (RFC 4314): who may do what with a mailbox.  An entry is a property of the mailbox
 * (auth/grant/acl.h); imap/place says what follows from it.
 *
 * Who may what (sections 4 and 6): SETACL, DELETEACL, GETACL and LISTRIGHTS take "a" of the
 * mailbox, MYRIGHTS any of "lrikxa".  For whoever has neither "l" nor "r" the mailbox is not there.
 *
 * The account that has the mailbox is its owner and always has all rights: GETACL shows it first,
 * LISTRIGHTS says so, and SETACL and DELETEACL cannot take any away.
 *
 * SETACL and DELETEACL read an entry and replace it only if it is still the same; otherwise they
 * look again.  So of two sessions that each add a right to one entry none loses it, and the audit
 * line says what was there before.  Nothing of it raises MODSEQs: messages do not change.
 */
#include "wire/ext/acl.h"
#include "auth/auth.h"
#include "auth/grant/acl.h"
#include "auth/grants.h"
#include "imap/common/seen.h"
#include "imap/log/audit.h"
#include "imap/place/rights.h"
#include "imap/place/shared.h"

#define TRIES 64u /* of an entry that others change meanwhile */

static struct str
owner_of(const struct imap_open *open)
{
	return store_account_name(store_mailbox_account(open->mailbox));
}

/* Returns the prepared form, with its '-'; p == NULL: BAD was set. */
static struct str
prepared(struct imap_cmd *cmd, struct str identifier)
{
	struct buf b = {0};
	const char *fault =
	    auth_acl_identifier(identifier, auth_default_domain(cmd->conn->server->auth), &b);
	struct str name = STR_NONE;

	if (fault != NULL)
		(void)cmd_bad(cmd, fault);
	else
		name = arena_str(cmd->arena, buf_as_str(&b));
	buf_fini(&b);
	return name;
}

/* Returns whether an identifier means the owner; *negative_r: with a '-'. */
static bool
is_owner(struct str identifier, struct str owner, bool *negative_r)
{
	*negative_r = str_has_prefix(identifier, STR("-"));
	if (*negative_r)
		identifier = str_range(identifier.p + 1, identifier.p + identifier.n);
	return str_eq(identifier, owner);
}

static struct str
letters(struct arena *arena, unsigned rights)
{
	struct buf b = {0};
	struct str text;

	auth_rights_print(rights, &b);
	text = arena_str(arena, buf_as_str(&b));
	buf_fini(&b);
	return text;
}

/* ---- SETACL, DELETEACL */

struct edit {
	struct imap_open open;
	struct str identifier; /* prepared */
	enum wire_acl_mode mode;
	unsigned rights;
	unsigned tries;
	struct str name; /* of the property */
	unsigned before, after;
	/* of the user who may no longer read it */
	struct store *store;
	struct store_account *user;
	struct store_own *own;
};

static unsigned
edited(const struct edit *e)
{
	switch (e->mode) {
	case WIRE_ACL_ADD:
		return e->before | e->rights;
	case WIRE_ACL_REMOVE:
		return e->before & ~e->rights;
	default:
		return e->rights;
	}
}

/* Returns the rights in an entry, as GETACL shows them; 0: there is none. */
static unsigned
held(const struct store_properties *table, struct str identifier)
{
	struct str other;
	unsigned rights;
	size_t at = 0;

	while (auth_acl_next(table, &at, &other, &rights))
		if (str_eq(other, identifier))
			return rights;
	return 0;
}

/* Makes the change from the entry as it is now; NULL: there is nothing to change. */
static struct store_change *
edit_change(struct imap_cmd *cmd, struct edit *e)
{
	struct store_properties *table = store_mailbox_properties(e->open.mailbox);
	struct str old = store_properties_get(table, e->name), value;
	struct store_change *change = NULL;

	e->before = held(table, e->identifier);
	e->after = edited(e);
	value = letters(cmd->arena, e->after);
	if (e->after != 0 ? old.p == NULL || !str_eq(old, value) : old.p != NULL) {
		change = cmd_change_of(cmd, STORE_CHANGE_PROPERTIES, e->open.mailbox);
		change->quiet = true;
		change->properties = arena_new_object(change->arena, struct store_property_op);
		change->property_count = 1;
		*change->properties =
		    (struct store_property_op){.name = arena_str(change->arena, e->name),
		        .value = arena_str(change->arena, value),
		        .remove = e->after == 0,
		        .must_be_new = old.p == NULL,
		        .must_be = old.p == NULL ? STR_NONE : arena_str(change->arena, old)};
	}
	store_properties_unref(&table);
	return change;
}

/* ---- who may no longer read it: what the user has read is forgotten */

static enum imap_next
edit_ok(struct imap_cmd *cmd)
{
	return cmd_ok(cmd, "Done");
}

/* Whether the user whom the entry names has no right to read any more.  What groups and "anyone"
 * give goes without notice; then it stays until the mailbox goes. */
static bool
reads_no_more(struct imap_cmd *cmd, const struct edit *e)
{
	struct str user = auth_acl_user(e->identifier);
	struct auth_groups *groups;
	struct store_properties *table;
	unsigned rights;

	if (user.p == NULL || !store_mailbox_has_own(e->open.mailbox))
		return false;
	groups = auth_groups_get(cmd->conn->server->auth);
	table = store_mailbox_properties(e->open.mailbox);
	rights = auth_acl_rights(
	    table, &(struct auth_acl_who){.user = user,
	               .groups = groups,
	               .no_anyone = !imap_login(cmd->conn)->sharing->options->anyone});
	store_properties_unref(&table);
	auth_groups_unref(&groups);
	return (rights & AUTH_RIGHT_READ) == 0;
}

static void
unref_forgotten(void *arg)
{
	struct edit *e = arg;

	store_own_unref(&e->own);
	store_account_unref(&e->user);
}

static enum work_end
load_forgotten(struct imap_job *job)
{
	struct edit *e = job->state;

	imap_load_own_of(
	    e->store, auth_acl_user(e->identifier), e->open.mailbox, &e->user, &e->own);
	return WORK_DONE;
}

/* The right is gone already, so whatever comes of this the command is OK. */
static enum imap_next
forget(struct imap_cmd *cmd)
{
	static const struct imap_step ok = {"acl-forgotten", edit_ok};
	struct edit *e = cmd->state;
	struct store_counters counters;
	struct store_change *change;

	if (e->own == NULL)
		return edit_ok(cmd);
	store_mailbox_counters(e->open.mailbox, &counters);
	change = store_change_new(e->user, STORE_CHANGE_OWN, cmd->conn->il->loop, NULL, NULL);
	change->own = e->own;
	change->own_kind = STORE_OWN_FORGET;
	change->own_s = counters.modseq;
	return cmd_change(cmd, change, &ok);
}

/* ---- the edit */

static enum imap_next edit_try(struct imap_cmd *cmd);

static enum imap_next
edit_done(struct imap_cmd *cmd)
{
	static const struct imap_step again = {"acl-try", edit_try};
	static const struct imap_step forget_step = {"acl-forget", forget};
	struct edit *e = cmd->state;
	enum ts_err err = cmd->change->err;

	/* Somebody else changed the entry. */
	if ((err == TS_CONDITION || err == TS_EXISTS) && ++e->tries < TRIES)
		return cmd_goto(cmd, &again);
	if (err == TS_CONDITION || err == TS_EXISTS)
		return cmd_err(cmd, TS_UNAVAILABLE);
	if (err != TS_OK)
		return cmd_change_err(cmd, cmd->change);
	audit_acl(cmd->conn, e->open.name, owner_of(&e->open), e->identifier,
	    letters(cmd->arena, e->before), letters(cmd->arena, e->after));
	if (!reads_no_more(cmd, e))
		return cmd_ok(cmd, "Done");
	e->store = cmd->conn->server->store;
	arena_on_free(cmd->arena, unref_forgotten, e);
	return cmd_job(cmd, WORK_SHORT, load_forgotten, e, &forget_step);
}

static enum imap_next
edit_try(struct imap_cmd *cmd)
{
	static const struct imap_step done = {"acl-done", edit_done};
	struct edit *e = cmd->state;
	struct store_change *change;
	bool negative;

	if (e->open.mailbox == NULL)
		return cmd_open_err(cmd, &e->open);
	if (is_owner(e->identifier, owner_of(&e->open), &negative)) {
		e->before = AUTH_RIGHTS_ALL;
		if (negative || edited(e) != AUTH_RIGHTS_ALL)
			return cmd_no(cmd, "CANNOT", N_("The owner always has all rights"));
		return cmd_ok(cmd, "Done");
	}
	change = edit_change(cmd, e);
	return change != NULL ? cmd_change(cmd, change, &done) : cmd_ok(cmd, "Done");
}

static enum imap_next
edit_start(struct imap_cmd *cmd, struct edit *e, struct str mailbox, struct str identifier)
{
	static const struct imap_step try_step = {"acl-try", edit_try};

	e->identifier = prepared(cmd, identifier);
	if (e->identifier.p == NULL)
		return IMAP_DONE;
	if (e->mode != WIRE_ACL_REMOVE && e->rights != 0 && auth_acl_for_all(e->identifier) &&
	    !imap_login(cmd->conn)->sharing->options->anyone)
		return cmd_no(cmd, "CANNOT", N_("Mailboxes are not shared with everybody here"));
	e->name = str_of(arena_printf(cmd->arena, AUTH_ACL_PREFIX "%.*s", STR_ARG(e->identifier)));
	e->open.name = mailbox;
	e->open.given = &cmd->in.given;
	cmd->state = e;
	return cmd_open_mailbox(cmd, &e->open, AUTH_RIGHT_ADMINISTER, &try_step);
}

static enum imap_next
cmd_setacl(struct imap_cmd *cmd)
{
	struct edit *e = arena_new_object(cmd->arena, struct edit);
	struct wire_setacl args;
	char bad;

	if (!wire_setacl_parse(&cmd->in, &args))
		return cmd_bad_syntax(cmd);
	if (args.rights.n > 0 && !auth_rights_parse(args.rights, &e->rights, &bad))
		return cmd_bad(cmd, N_("There is no such right"));
	e->mode = args.mode;
	return edit_start(cmd, e, args.mailbox, args.identifier);
}

static enum imap_next
cmd_deleteacl(struct imap_cmd *cmd)
{
	struct edit *e = arena_new_object(cmd->arena, struct edit);
	struct wire_acl_one args;

	if (!wire_acl_one_parse(&cmd->in, &args))
		return cmd_bad_syntax(cmd);
	return edit_start(cmd, e, args.mailbox, args.identifier);
}

/* ---- GETACL */

static void
print_acl(struct imap_cmd *cmd, const struct imap_open *open, const struct store_properties *table)
{
	struct wire_acl acl = {.mailbox = open->name};
	struct str identifier;
	unsigned rights;
	size_t at = 0;

	acl.v = arena_array(cmd->arena, store_properties_count(table) + 1, sizeof(*acl.v));
	acl.v[acl.n++] =
	    (struct wire_acl_entry){owner_of(open), letters(cmd->arena, AUTH_RIGHTS_ALL)};
	while (auth_acl_next(table, &at, &identifier, &rights))
		acl.v[acl.n++] = (struct wire_acl_entry){identifier, letters(cmd->arena, rights)};
	wire_out_acl(imap_out(cmd->conn), imap_dialect(cmd->conn), &acl);
}

static enum imap_next
getacl_opened(struct imap_cmd *cmd)
{
	const struct imap_open *open = cmd->state;
	struct store_properties *table;

	if (open->mailbox == NULL)
		return cmd_open_err(cmd, open);
	table = store_mailbox_properties(open->mailbox);
	print_acl(cmd, open, table);
	store_properties_unref(&table);
	return cmd_ok(cmd, "Done");
}

static enum imap_next
cmd_getacl(struct imap_cmd *cmd)
{
	static const struct imap_step opened = {"getacl", getacl_opened};
	struct imap_open *open = arena_new_object(cmd->arena, struct imap_open);
	struct str mailbox;

	if (!wire_mailbox_parse(&cmd->in, &mailbox))
		return cmd_bad_syntax(cmd);
	open->name = mailbox;
	open->given = &cmd->in.given;
	cmd->state = open;
	return cmd_open_mailbox(cmd, open, AUTH_RIGHT_ADMINISTER, &opened);
}

/* ---- LISTRIGHTS, MYRIGHTS */

static void
print_listrights(struct imap_cmd *cmd, const struct wire_acl_one *args, bool owner, bool negative)
{
	struct str all = letters(cmd->arena, AUTH_RIGHTS_ALL);
	struct str *each = arena_array(cmd->arena, all.n, sizeof(*each));
	struct wire_listrights rights = {.mailbox = args->mailbox,
	    .identifier = args->identifier,
	    .always = owner && !negative ? all : STR("")};

	for (size_t i = 0; i < all.n; i++)
		each[i] = (struct str){all.p + i, 1};
	if (!owner)
		rights.options = (struct wire_names){each, all.n};
	wire_out_listrights(imap_out(cmd->conn), imap_dialect(cmd->conn), &rights);
}

struct listrights {
	struct wire_acl_one args;
	struct str identifier; /* prepared */
};

static enum imap_next
listrights_reached(struct imap_cmd *cmd)
{
	const struct imap_login *login = imap_login(cmd->conn);
	struct listrights *l = cmd->state;
	struct store_mailbox_info info;
	struct imap_place place;
	unsigned missing;
	enum ts_err err;
	bool negative, owner;

	l->args.mailbox = imap_mailbox_meant(login, l->args.mailbox, &cmd->in.given);
	if (!imap_mailbox_place(
	        login, l->args.mailbox, AUTH_RIGHT_ADMINISTER, &place, &info, &err, &missing))
		return err == TS_DENIED ? cmd_no_right(cmd, missing) : cmd_err(cmd, err);
	owner = is_owner(l->identifier, store_account_name(place.account), &negative);
	print_listrights(cmd, &l->args, owner, negative);
	return cmd_ok(cmd, "Done");
}

static enum imap_next
cmd_listrights(struct imap_cmd *cmd)
{
	static const struct imap_step reached = {"listrights-reached", listrights_reached};
	struct listrights *l = arena_new_object(cmd->arena, struct listrights);

	cmd->state = l;
	if (!wire_acl_one_parse(&cmd->in, &l->args))
		return cmd_bad_syntax(cmd);
	l->identifier = prepared(cmd, l->args.identifier);
	if (l->identifier.p == NULL)
		return IMAP_DONE;
	return cmd_reach(cmd, l->args.mailbox, &reached);
}

static enum imap_next
myrights_reached(struct imap_cmd *cmd)
{
	const struct imap_login *login = imap_login(cmd->conn);
	const struct str *name = cmd->state;
	struct str mailbox = imap_mailbox_meant(login, *name, &cmd->in.given);
	unsigned rights = imap_mailbox_rights(login, mailbox);

	if (rights == 0)
		return cmd_no(cmd, "NONEXISTENT", N_("No such mailbox"));
	wire_out_myrights(imap_out(cmd->conn), imap_dialect(cmd->conn),
	    &(struct wire_myrights){mailbox, letters(cmd->arena, rights)});
	return cmd_ok(cmd, "Done");
}

static enum imap_next
cmd_myrights(struct imap_cmd *cmd)
{
	static const struct imap_step reached = {"myrights-reached", myrights_reached};
	struct str *mailbox = arena_new_object(cmd->arena, struct str);

	cmd->state = mailbox;
	if (!wire_mailbox_parse(&cmd->in, mailbox))
		return cmd_bad_syntax(cmd);
	return cmd_reach(cmd, *mailbox, &reached);
}

static const struct imap_cmd_def cmds[] = {
    {.name = "SETACL",
        .states = IMAP_LOGGED_IN,
        .traits = IMAP_TRAIT_MAY_EXPUNGE,
        .start = cmd_setacl},
    {.name = "DELETEACL",
        .states = IMAP_LOGGED_IN,
        .traits = IMAP_TRAIT_MAY_EXPUNGE,
        .start = cmd_deleteacl},
    {.name = "GETACL",
        .states = IMAP_LOGGED_IN,
        .traits = IMAP_TRAIT_MAY_EXPUNGE,
        .start = cmd_getacl},
    {.name = "LISTRIGHTS",
        .states = IMAP_LOGGED_IN,
        .traits = IMAP_TRAIT_MAY_EXPUNGE,
        .start = cmd_listrights},
    {.name = "MYRIGHTS",
        .states = IMAP_LOGGED_IN,
        .traits = IMAP_TRAIT_MAY_EXPUNGE,
        .start = cmd_myrights},
    {.name = NULL},
};

static void
print_rights_word(const struct imap_conn *conn, struct buf *out)
{
	struct buf all = {0};

	(void)conn;
	auth_rights_print(AUTH_RIGHTS_ALL, &all);
	wire_out_rights_word(out, buf_as_str(&all));
	buf_fini(&all);
}

static const struct imap_cap caps[] = {
    {.word = "ACL", .rfc = "4314", .states = IMAP_LOGGED_IN, .value = print_rights_word},
    {.word = NULL},
};

const struct imap_ext imap_ext_acl = {
    .name = "acl", .title = "ACL (RFC 4314)", .caps = caps, .cmds = cmds};
