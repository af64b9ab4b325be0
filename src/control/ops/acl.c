/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on access control lists of mailboxes (auth/grant/acl.h): what SETACL, DELETEACL and
 * GETACL do for users. */
#include "auth/grant/acl.h"
#include "auth/db.h"
#include "auth/grants.h"
#include "base/log.h"
#include "control/ops/acl_int.h"
#include "control/ops/ops.h"
#include "control/ops/seen.h"
#include "control/rows.h"
#include "store/shares.h"

enum { EDIT_TRIES = 64 }; /* of an entry that others change meanwhile */

/* ---- list ---- */

struct acl_listing {
	struct str only; /* p NULL: all mailboxes */
	bool any;
	struct buf rows;
};

static void
put_entry(struct str mailbox, struct str identifier, unsigned rights, struct buf *out)
{
	struct buf letters = {0};

	auth_rights_print(rights, &letters);
	row_str(out, "mailbox", mailbox);
	row_str(out, "identifier", identifier);
	row_str(out, "rights", buf_as_str(&letters));
	row_end(out);
	buf_fini(&letters);
}

static void
put_damaged(struct str mailbox, const struct store_properties *table, struct buf *out)
{
	struct buf name = {0};
	struct str property;
	size_t at = 0;

	while ((property = auth_acl_damaged(table, &at)).p != NULL) {
		name.n = 0;
		buf_printf(&name, "%.*s of %.*s", STR_ARG(property), STR_ARG(mailbox));
		row_str(out, "name", buf_as_str(&name));
		row_str(out, ROW_FAULT, STR("unknown form"));
		row_end(out);
	}
	buf_fini(&name);
}

static bool
put_list(const struct store_mailbox_info *info, void *arg)
{
	struct acl_listing *l = arg;
	struct str identifier;
	unsigned rights;
	size_t at = 0;

	if (info->id == 0 || (l->only.p != NULL && !str_eq(info->name, l->only)))
		return true;
	l->any = true;
	while (auth_acl_next(info->properties, &at, &identifier, &rights))
		put_entry(info->name, identifier, rights, &l->rows);
	put_damaged(info->name, info->properties, &l->rows);
	return true;
}

static bool
put_no_mailbox(const struct target *t, struct buf *out)
{
	buf_printf(out, "%.*s has no mailbox %.*s (see: turnstone mailbox list --user %.*s)\n",
	    STR_ARG(t->user), STR_ARG(buf_as_str(&t->name)), STR_ARG(t->user));
	return false;
}

static bool
acl_list(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	struct acl_listing l = {.any = false};
	struct target t;
	bool ok =
	    target_find(ops, request_get(req, "user"), request_get(req, "mailbox"), false, &t, out);

	(void)io;
	if (ok) {
		if (request_has(req, "mailbox"))
			l.only = buf_as_str(&t.name);
		store_account_list(t.account, put_list, &l);
		ok = l.only.p == NULL || l.any || put_no_mailbox(&t, out);
	}
	if (ok)
		buf_str(out, buf_as_str(&l.rows));
	buf_fini(&l.rows);
	target_fini(&t);
	return ok;
}

/* ---- set, remove ---- */

struct acl_plan {
	struct buf identifier; /* prepared */
	struct buf name;       /* of the property */
	enum { PLAN_SET, PLAN_ADD, PLAN_TAKE } mode;
	unsigned rights;
	unsigned before, after;
};

static bool
read_rights(struct str text, struct acl_plan *plan, struct buf *out)
{
	char bad = 0;

	plan->mode = str_has_prefix(text, STR("+"))   ? PLAN_ADD
	             : str_has_prefix(text, STR("-")) ? PLAN_TAKE
	                                              : PLAN_SET;
	if (plan->mode != PLAN_SET)
		text = str_range(text.p + 1, text.p + text.n);
	plan->rights = 0;
	if ((text.n == 0 && plan->mode == PLAN_SET) || auth_rights_parse(text, &plan->rights, &bad))
		return true;
	if (text.n == 0)
		buf_puts(out, "which rights? After '+' or '-' come letters, as in +rs\n");
	else
		buf_printf(out,
		    "there is no right '%c': rights are letters of lrswipkxtea (turnstone help "
		    "acl)\n",
		    bad >= ' ' && bad < 0x7f ? bad : '?');
	return false;
}

static bool
is_word(struct str identifier, const char *word)
{
	if (str_has_prefix(identifier, STR("-")))
		identifier = str_range(identifier.p + 1, identifier.p + identifier.n);
	return str_eq(identifier, str_of(word));
}

static bool
read_edit(const struct ops *ops, const struct acl_edit *edit, bool no_anyone, struct acl_plan *plan,
    struct buf *out)
{
	const char *fault = auth_acl_identifier(
	    edit->identifier, auth_default_domain(ops->auth), &plan->identifier);

	if (fault != NULL) {
		buf_printf(out,
		    "'%.*s': %s: an identifier is a user, group:NAME, anyone or authenticated, "
		    "with '-' before it to take rights away\n",
		    STR_ARG(edit->identifier), fault);
		return false;
	}
	buf_printf(&plan->name, AUTH_ACL_PREFIX "%.*s", STR_ARG(buf_as_str(&plan->identifier)));
	if (!read_rights(edit->rights, plan, out))
		return false;
	if (!no_anyone || plan->mode == PLAN_TAKE || plan->rights == 0 ||
	    !auth_acl_for_all(buf_as_str(&plan->identifier)))
		return true;
	buf_puts(out, "sharing.anyone = no in the configuration: name users or groups instead\n");
	return false;
}

static void
plan_fini(struct acl_plan *plan)
{
	buf_fini(&plan->identifier);
	buf_fini(&plan->name);
}

bool
acl_edit_ok(const struct ops *ops, const struct acl_edit *edit, bool no_anyone, struct buf *out)
{
	struct acl_plan plan = {.rights = 0};
	bool ok = read_edit(ops, edit, no_anyone, &plan, out);

	plan_fini(&plan);
	return ok;
}

static unsigned
rights_held(const struct store_properties *table, struct str identifier)
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
plan_change(struct acl_plan *plan, struct store_mailbox *mailbox)
{
	struct store_properties *table = store_mailbox_properties(mailbox);
	struct str old = store_properties_get(table, buf_as_str(&plan->name));
	struct store_change *c = NULL;
	struct buf value = {0};

	plan->before = rights_held(table, buf_as_str(&plan->identifier));
	plan->after = plan->mode == PLAN_ADD    ? plan->before | plan->rights
	              : plan->mode == PLAN_TAKE ? plan->before & ~plan->rights
	                                        : plan->rights;
	auth_rights_print(plan->after, &value);
	if (plan->after != 0 ? old.p == NULL || !str_eq(old, buf_as_str(&value)) : old.p != NULL) {
		c = store_change_new(
		    store_mailbox_account(mailbox), STORE_CHANGE_PROPERTIES, NULL, NULL, NULL);
		c->mailbox = mailbox;
		c->quiet = true;
		c->properties = arena_new_object(c->arena, struct store_property_op);
		c->property_count = 1;
		*c->properties =
		    (struct store_property_op){.name = arena_str(c->arena, buf_as_str(&plan->name)),
		        .value = arena_str(c->arena, buf_as_str(&value)),
		        .remove = plan->after == 0,
		        .must_be_new = old.p == NULL,
		        .must_be = old.p == NULL ? STR_NONE : arena_str(c->arena, old)};
	}
	buf_fini(&value);
	store_properties_unref(&table);
	return c;
}

/* Others may change the entry meanwhile: then it is done again from what they made of it. */
static enum ts_err
carry_out_plan(struct acl_plan *plan, struct store_mailbox *mailbox, bool *changed_r)
{
	enum ts_err err = TS_CONDITION;

	*changed_r = false;
	for (unsigned i = 0; i < EDIT_TRIES && (err == TS_CONDITION || err == TS_EXISTS); i++) {
		struct store_change *c = plan_change(plan, mailbox);

		if (c == NULL)
			return TS_OK;
		err = store_submit_wait(c);
		*changed_r = err == TS_OK;
		store_change_free(&c);
	}
	return err == TS_CONDITION || err == TS_EXISTS ? TS_UNAVAILABLE : err;
}

/* In the log of the server: the fields that the lines about SETACL and DELETEACL have
 * (imap/log/audit.h). */
static void
log_edit(const struct target *t, const struct acl_plan *plan)
{
	struct buf before = {0}, after = {0};
	struct log_event e;

	auth_rights_print(plan->before, &before);
	auth_rights_print(plan->after, &after);
	log_event_init(&e, "control", STR("acl"));
	log_event_str(&e, "mailbox", buf_as_str(&t->name));
	log_event_str(&e, "owner", t->user);
	log_event_str(&e, "identifier", buf_as_str(&plan->identifier));
	log_event_str(&e, "before", buf_as_str(&before));
	log_event_str(&e, "after", buf_as_str(&after));
	log_event_put(&e, LOG_INFO);
	buf_fini(&before);
	buf_fini(&after);
}

/* Notes what may be a mistake: an unknown user or group. */
static void
note_unknown(const struct ops *ops, struct str identifier, struct buf *out)
{
	struct auth_groups *groups = auth_groups_get(ops->auth);
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	struct auth_user user;

	arena_wipe_on_free(arena);
	if (str_has_prefix(identifier, STR("-")))
		identifier = str_range(identifier.p + 1, identifier.p + identifier.n);
	if (str_has_prefix(identifier, STR(AUTH_GROUP_WORD))) {
		struct str name = str_range(
		    identifier.p + sizeof(AUTH_GROUP_WORD) - 1, identifier.p + identifier.n);

		if (!auth_groups_known(groups, name))
			buf_printf(
			    out, "note: there is no group %.*s (auth.group_file)\n", STR_ARG(name));
	} else if (!is_word(identifier, AUTH_ACL_ANYONE) &&
	           !is_word(identifier, AUTH_ACL_AUTHENTICATED) &&
	           auth_find_user(ops->auth, identifier, arena, &user) == TS_NOT_FOUND) {
		buf_printf(out, "note: there is no user %.*s\n", STR_ARG(identifier));
	}
	auth_groups_unref(&groups);
	arena_free(&arena);
}

static bool
put_edit_error(enum ts_err err, const struct target *t, struct buf *out)
{
	if (err == TS_NOT_FOUND)
		return put_no_mailbox(t, out);
	if (err == TS_LIMIT)
		buf_puts(out, "there are too many properties already (store.max_properties, "
		              "store.property_total)\n");
	else
		ops_put_store_error(err, NULL, out);
	return false;
}

static bool
is_owner(const struct target *t, const struct acl_plan *plan)
{
	return is_word(
	    buf_as_str(&plan->identifier), arena_printf(t->arena, "%.*s", STR_ARG(t->user)));
}

/* Forgets what a user has read who may no longer do so.  The right is gone already. */
static void
forget_seen(const struct ops *ops, const struct acl_plan *plan, bool no_anyone,
    struct store_mailbox *mailbox)
{
	struct str user = auth_acl_user(buf_as_str(&plan->identifier));
	struct store_properties *table;
	struct auth_groups *groups;
	unsigned rights;

	if (user.p == NULL)
		return;
	table = store_mailbox_properties(mailbox);
	groups = auth_groups_get(ops->auth);
	rights = auth_acl_rights(
	    table, &(struct auth_acl_who){.user = user, .groups = groups, .no_anyone = no_anyone});
	auth_groups_unref(&groups);
	store_properties_unref(&table);
	if ((rights & AUTH_RIGHT_READ) == 0)
		(void)seen_forget(mailbox, user);
}

static bool
edit_mailbox(
    const struct ops *ops, struct target *t, struct acl_plan *plan, bool no_anyone, struct buf *out)
{
	struct store_mailbox *mailbox = NULL;
	bool changed = false;
	enum ts_err err;

	if (is_owner(t, plan)) {
		buf_printf(out, "%.*s is the owner, who always has all rights\n", STR_ARG(t->user));
		return false;
	}
	err = store_mailbox_load(t->account, buf_as_str(&t->name), &mailbox);
	if (err == TS_OK)
		err = carry_out_plan(plan, mailbox, &changed);
	if (err == TS_OK && changed)
		forget_seen(ops, plan, no_anyone, mailbox);
	store_mailbox_unref(&mailbox);
	if (err != TS_OK)
		return put_edit_error(err, t, out);
	if (changed && ops->server != NULL)
		log_edit(t, plan);
	if (plan->after != 0)
		note_unknown(ops, buf_as_str(&plan->identifier), out);
	else if (!changed && (plan->mode == PLAN_SET))
		buf_printf(
		    out, "note: there was no entry %.*s\n", STR_ARG(buf_as_str(&plan->identifier)));
	return true;
}

bool
acl_edit(const struct ops *ops, struct target *t, const struct acl_edit *edit, bool no_anyone,
    struct buf *out)
{
	struct acl_plan plan = {.rights = 0};
	bool ok = read_edit(ops, edit, no_anyone, &plan, out) &&
	          edit_mailbox(ops, t, &plan, no_anyone, out);

	plan_fini(&plan);
	return ok;
}

static bool
edit_requested(const struct ops *ops, const struct request *req, struct str rights, struct buf *out)
{
	const struct acl_edit edit = {request_get(req, "identifier"), rights};
	bool no_anyone = request_has(req, "no-anyone");
	struct target t;
	bool ok;

	if (!acl_edit_ok(ops, &edit, no_anyone, out))
		return false;
	ok = target_find(
	         ops, request_get(req, "user"), request_get(req, "mailbox"), true, &t, out) &&
	     acl_edit(ops, &t, &edit, no_anyone, out);
	target_fini(&t);
	return ok;
}

static bool
acl_set(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	(void)io;
	if (request_get(req, "rights").n > 0)
		return edit_requested(ops, req, request_get(req, "rights"), out);
	buf_puts(out, "which rights? To remove an entry: turnstone acl remove\n");
	return false;
}

static bool
acl_remove(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	(void)io;
	return edit_requested(ops, req, STR(""), out);
}

/* ---- forget ---- */

struct forgetting {
	const struct ops *ops;
	struct str identifier; /* without '-' */
	struct buf accounts;   /* that share something with it: ids, each once */
	struct buf names;      /* of mailboxes of the current one, vstr each */
	uint64_t last, removed;
};

static bool
note_account(uint64_t account, uint32_t mailbox, void *arg)
{
	struct forgetting *f = arg;

	(void)mailbox;
	if (account != f->last)
		buf_be64(&f->accounts, account);
	f->last = account;
	return true;
}

static bool
note_mailbox(const struct store_mailbox_info *info, void *arg)
{
	struct forgetting *f = arg;

	if (info->id != 0 && auth_acl_shared(info->properties))
		buf_vstr(&f->names, info->name);
	return true;
}

static enum ts_err
forget_entry(
    struct forgetting *f, struct target *t, struct store_mailbox *mailbox, const char *sign)
{
	struct acl_plan plan = {.mode = PLAN_SET};
	bool changed;
	enum ts_err err;

	buf_printf(&plan.identifier, "%s%.*s", sign, STR_ARG(f->identifier));
	buf_printf(&plan.name, AUTH_ACL_PREFIX "%.*s", STR_ARG(buf_as_str(&plan.identifier)));
	err = carry_out_plan(&plan, mailbox, &changed);
	if (changed && f->ops->server != NULL)
		log_edit(t, &plan);
	f->removed += changed;
	plan_fini(&plan);
	return err;
}

static enum ts_err
forget_in_mailbox(struct forgetting *f, struct target *t, struct str name)
{
	struct store_mailbox *mailbox = NULL;
	enum ts_err err = store_mailbox_load(t->account, name, &mailbox);

	t->name.n = 0;
	buf_str(&t->name, name);
	if (err == TS_OK)
		err = forget_entry(f, t, mailbox, "");
	if (err == TS_OK)
		err = forget_entry(f, t, mailbox, "-");
	store_mailbox_unref(&mailbox);
	return err == TS_NOT_FOUND ? TS_OK : err; /* it is gone meanwhile */
}

/* The index is a hint: an account, or the right, may be gone already. */
static enum ts_err
forget_in_account(struct forgetting *f, uint64_t id)
{
	struct target t = {.arena = arena_new(NULL, ARENA_OTHER, 1024)};
	enum ts_err err = store_shares_load(f->ops->store, f->identifier, id, &t.account);
	struct rd names;

	f->names.n = 0;
	if (err == TS_OK) {
		t.user = store_account_name(t.account);
		store_account_list(t.account, note_mailbox, f);
	}
	names = rd_of(buf_as_str(&f->names));
	while (err == TS_OK && rd_left(&names) > 0)
		err = forget_in_mailbox(f, &t, rd_vstr(&names));
	target_fini(&t);
	return err == TS_NOT_FOUND ? TS_OK : err;
}

enum ts_err
acl_forget(const struct ops *ops, struct str identifier, struct op_io *io, uint64_t *removed_r)
{
	struct forgetting f = {.ops = ops, .identifier = identifier};
	enum ts_err err = store_shares_list(ops->store, identifier, note_account, &f);
	struct rd ids = rd_of(buf_as_str(&f.accounts));

	while (err == TS_OK && rd_left(&ids) > 0)
		err = io != NULL && io->gone(io) ? TS_CANCELLED
		                                 : forget_in_account(&f, rd_be64(&ids));
	*removed_r = f.removed;
	buf_fini(&f.accounts);
	buf_fini(&f.names);
	return err;
}

static bool
acl_forget_all(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	struct str text = request_get(req, "identifier"), identifier;
	struct buf prepared = {0};
	uint64_t removed = 0;
	const char *fault = auth_acl_identifier(text, auth_default_domain(ops->auth), &prepared);
	enum ts_err err = TS_INVALID;

	identifier = buf_as_str(&prepared);
	if (fault != NULL)
		buf_printf(out, "'%.*s': %s\n", STR_ARG(text), fault);
	else if (str_has_prefix(identifier, STR("-")))
		buf_puts(out, "without '-': the negative entries are removed as well\n");
	else if ((err = acl_forget(ops, identifier, io, &removed)) != TS_OK)
		ops_put_store_error(err, NULL, out);
	else
		buf_printf(out, "%llu %s removed\n", (unsigned long long)removed,
		    removed == 1 ? "entry" : "entries");
	buf_fini(&prepared);
	return err == TS_OK;
}

const struct op ops_acl[] = {{.verb = "acl-list", .run = acl_list},
    {.verb = "acl-set", .run = acl_set}, {.verb = "acl-remove", .run = acl_remove},
    {.verb = "acl-explain", .run = acl_explain}, {.verb = "acl-forget", .run = acl_forget_all},
    {.verb = NULL}};
