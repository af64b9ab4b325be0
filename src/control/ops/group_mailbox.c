/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on group mailboxes: accounts that belong to nobody (auth/sharing.h). */
#include "auth/alias.h"
#include "auth/db.h"
#include "auth/grant/acl.h"
#include "auth/sharing.h"
#include "auth/users.h"
#include "control/ops/acl_int.h"
#include "control/ops/ops.h"
#include "control/rows.h"
#include "sasl/names.h"
#include "store/shares.h"

/* ---- create ---- */

/* Returns what has the name already, NULL: nothing; or else *err_r is set. */
static const char *
holder_of(const struct ops *ops, struct str name, enum ts_err *err_r)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	struct auth_alias alias;
	struct auth_user user;
	const char *holder = NULL, *why = NULL;
	uint64_t id;

	arena_wipe_on_free(arena);
	*err_r = auth_is_group_mailbox(ops->store, name);
	if (*err_r == TS_OK)
		holder = "a group mailbox";
	if (*err_r == TS_NOT_FOUND &&
	    (*err_r = auth_alias_get(ops->auth, name, arena, &alias)) == TS_OK)
		holder = "an alias";
	if (*err_r == TS_NOT_FOUND &&
	    (*err_r = auth_users_get(ops->auth, name, arena, &user, &why)) == TS_OK)
		holder = "a user";
	if (*err_r == TS_NOT_FOUND &&
	    (*err_r = store_account_id_of(ops->store, name, &id)) == TS_OK)
		holder = "mail of a user who was deleted, or is in another database,";
	arena_free(&arena);
	return holder;
}

/* Appends the prepared name; false: a line in out says what is wrong. */
static bool
new_name(const struct ops *ops, struct str typed, struct buf *name, struct buf *out)
{
	const char *fault, *holder;
	enum ts_err err;

	if (!sasl_name_full(typed, auth_default_domain(ops->auth), name)) {
		buf_printf(out,
		    "'%.*s': the name of a group mailbox is local or local@domain, without "
		    "blanks, at most 512 bytes\n",
		    STR_ARG(typed));
		return false;
	}
	fault = auth_users_name_fault(ops->auth, buf_as_str(name));
	if (fault != NULL || str_chr(buf_as_str(name), '/') != NULL) {
		buf_printf(out, "'%.*s': %s\n", STR_ARG(typed),
		    fault != NULL ? fault : "its mailboxes would have no names with a '/' in it");
		return false;
	}
	holder = holder_of(ops, buf_as_str(name), &err);
	if (holder != NULL)
		buf_printf(out, "there is %s of the name %.*s already\n", holder,
		    STR_ARG(buf_as_str(name)));
	else if (err != TS_NOT_FOUND)
		ops_put_store_error(err, NULL, out);
	return holder == NULL && err == TS_NOT_FOUND;
}

static enum ts_err
make_account(const struct ops *ops, struct target *t)
{
	struct store_change *c;
	enum ts_err err = store_account_load_bare(ops->store, t->user, &t->account);

	if (err != TS_OK)
		return err;
	c = store_change_new(t->account, STORE_CHANGE_PROPERTIES, NULL, NULL, NULL);
	c->properties = arena_new_object(c->arena, struct store_property_op);
	c->property_count = 1;
	*c->properties = (struct store_property_op){
	    .name = STR(AUTH_GROUP_MAILBOX), .value = STR("yes"), .must_be_new = true};
	err = store_submit_wait(c);
	store_change_free(&c);
	auth_changed(ops->auth, t->user);
	return err;
}

/* IDENTIFIER=RIGHTS; an identifier may have a '=', rights have none. */
static bool
split_entry(struct str text, struct acl_edit *edit, struct buf *out)
{
	const char *equals = NULL;

	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] == '=')
			equals = text.p + i;
	if (equals == NULL || equals + 1 == text.p + text.n) {
		buf_printf(out,
		    "--acl takes IDENTIFIER=RIGHTS, as in group:staff=lrswit, not %.*s\n",
		    STR_ARG(text));
		return false;
	}
	edit->identifier = str_range(text.p, equals);
	edit->rights = str_range(equals + 1, text.p + text.n);
	return true;
}

/* Reads all entries before anything is made. */
static bool
read_entries(const struct ops *ops, const struct request *req, struct acl_edit *edits, size_t *n_r,
    struct buf *out)
{
	*n_r = 0;
	for (size_t i = 0; i < req->field_count; i++) {
		if (!str_eq(req->fields[i].key, STR("acl")))
			continue;
		if (!split_entry(req->fields[i].value, &edits[*n_r], out) ||
		    !acl_edit_ok(ops, &edits[*n_r], request_has(req, "no-anyone"), out))
			return false;
		++*n_r;
	}
	return true;
}

static bool
make_group_mailbox(const struct ops *ops, struct target *t, const struct acl_edit *edits, size_t n,
    struct buf *out)
{
	enum ts_err err = make_account(ops, t);
	bool ok = err == TS_OK;

	if (!ok)
		ops_put_store_error(err, NULL, out);
	buf_puts(&t->name, "INBOX");
	for (size_t i = 0; ok && i < n; i++)
		ok = acl_edit(ops, t, &edits[i], false, out);
	return ok;
}

/* On success the text is notes, one per line. */
static bool
group_mailbox_create(
    const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	struct acl_edit edits[REQUEST_FIELDS_MAX];
	struct target t = {.arena = arena_new(NULL, ARENA_OTHER, 1024)};
	struct buf name = {0};
	size_t n;
	bool ok = read_entries(ops, req, edits, &n, out) &&
	          new_name(ops, request_get(req, "name"), &name, out);

	(void)io;
	t.user = buf_as_str(&name);
	if (ok)
		ok = make_group_mailbox(ops, &t, edits, n, out);
	target_fini(&t);
	buf_fini(&name);
	return ok;
}

/* ---- delete, list ---- */

static bool
group_mailbox_delete(
    const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	struct str typed = request_get(req, "name");
	struct buf name = {0};
	enum ts_err err = TS_NOT_FOUND;
	uint64_t removed;

	if (sasl_name_full(typed, auth_default_domain(ops->auth), &name))
		err = auth_is_group_mailbox(ops->store, buf_as_str(&name));
	/* Entries for a user of that name would count if there ever was one. */
	if (err == TS_OK && request_has(req, "yes"))
		err = acl_forget(ops, buf_as_str(&name), io, &removed);
	if (err == TS_OK && request_has(req, "yes")) {
		err = store_account_delete(ops->store, buf_as_str(&name));
		auth_changed(ops->auth, buf_as_str(&name));
	}
	if (err == TS_NOT_FOUND)
		buf_printf(out, "there is no group mailbox %.*s\n", STR_ARG(typed));
	else if (err != TS_OK)
		ops_put_store_error(err, NULL, out);
	else if (!request_has(req, "yes"))
		buf_printf(out,
		    "this removes %.*s with all its mail: if that is meant, add --yes\n",
		    STR_ARG(buf_as_str(&name)));
	buf_fini(&name);
	return err == TS_OK && request_has(req, "yes");
}

static bool
add_account_name(struct str name, void *arg)
{
	buf_vstr(arg, name);
	return true;
}

static void
put_group_mailbox(const struct ops *ops, struct str name, struct buf *out)
{
	struct store_account *account = NULL;
	struct store_usage sums = {0};
	enum ts_err err = auth_is_group_mailbox(ops->store, name);

	if (err == TS_NOT_FOUND)
		return;
	if (err == TS_OK)
		err = auth_load_group_mailbox(ops->store, name, &account);
	row_str(out, "name", name);
	if (err == TS_OK) {
		store_account_usage(account, &sums);
		row_u64(out, "mailboxes", sums.mailboxes);
		row_u64(out, "messages", sums.messages);
	} else {
		row_str(out, ROW_FAULT, str_of(ts_err_name(err)));
	}
	row_end(out);
	store_account_unref(&account);
}

static bool
group_mailbox_list(
    const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	struct buf names = {0};
	enum ts_err err = store_account_names(ops->store, add_account_name, &names);
	struct rd left = rd_of(buf_as_str(&names));

	(void)req;
	while (err == TS_OK && rd_left(&left) > 0 && !io->gone(io))
		put_group_mailbox(ops, rd_vstr(&left), out);
	if (err != TS_OK)
		ops_put_store_error(err, NULL, out);
	buf_fini(&names);
	return err == TS_OK;
}

const struct op ops_group_mailbox[] = {
    {.verb = "group-mailbox-create", .run = group_mailbox_create},
    {.verb = "group-mailbox-delete", .run = group_mailbox_delete},
    {.verb = "group-mailbox-list", .run = group_mailbox_list}, {.verb = NULL}};
