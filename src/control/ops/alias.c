/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on aliases. */
#include "auth/alias.h"
#include "auth/db.h"
#include "auth/sharing.h"
#include "control/ops/ops.h"
#include "control/rows.h"
#include "sasl/names.h"

enum { WALK_DEPTH = 16, WALK_LOOKS = 1000 };

static bool
put_alias_error(enum ts_err err, const char *why, struct str name, struct buf *out)
{
	if (err == TS_NOT_FOUND)
		buf_printf(out, "there is no alias %.*s\n", STR_ARG(name));
	else if (err != TS_OK)
		ops_put_store_error(err, why, out);
	return err == TS_OK;
}

/* Looks for an alias, a user or a group mailbox with that prepared name.  An alias that names
 * itself means one of the latter. */
static enum ts_err
find_name(const struct ops *ops, struct str name, struct str self, struct arena *arena,
    struct auth_user *user_r)
{
	struct auth_alias alias;
	enum ts_err err = TS_NOT_FOUND;

	*user_r = (struct auth_user){0};
	if (!str_eq(name, self))
		err = auth_alias_get(ops->auth, name, arena, &alias);
	if (err == TS_NOT_FOUND)
		err = auth_find_user(ops->auth, name, arena, user_r);
	return err == TS_NOT_FOUND ? auth_is_group_mailbox(ops->store, name) : err;
}

/* Appends the name without its sub-address; false: it has none. */
static bool
put_base(struct str name, struct str sep, struct buf *out)
{
	struct str local, domain;
	const char *at = NULL;

	if (sep.n > 0 && sasl_name_split(name, &local, &domain))
		at = str_chr(local, sep.p[0]);
	if (at == NULL || at == local.p)
		return false;
	buf_str(out, str_range(local.p, at));
	buf_put(out, local.p + local.n, name.n - local.n);
	return true;
}

static bool
is_self(struct str name, struct str self, struct str sep)
{
	struct buf base = {0};
	bool is = str_eq(name, self);

	if (!is && put_base(name, sep, &base))
		is = str_eq(buf_as_str(&base), self);
	buf_fini(&base);
	return is;
}

/* The same, as a delivery does: if necessary without the sub-address. */
static enum ts_err
find_alias_target(const struct ops *ops, struct str name, struct str self, struct str sep,
    struct arena *arena, struct auth_user *user_r)
{
	enum ts_err err = find_name(ops, name, self, arena, user_r);
	struct buf base = {0};

	if (err == TS_NOT_FOUND && put_base(name, sep, &base))
		err = find_name(ops, buf_as_str(&base), self, arena, user_r);
	buf_fini(&base);
	return err;
}

/* Mail for a missing target is lost silently, so warn now. */
static void
warn_target(
    const struct ops *ops, struct str typed, struct str self, struct str sep, struct buf *out)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	struct buf name = {0};
	struct auth_user user;
	enum ts_err err = TS_NOT_FOUND;

	if (auth_alias_name(ops->auth, typed, &name))
		err = find_alias_target(ops, buf_as_str(&name), self, sep, arena, &user);
	if (err == TS_NOT_FOUND || err == TS_INVALID)
		buf_printf(out,
		    "there is no user, group mailbox or alias %.*s (yet): until there is, this "
		    "target gets nothing\n",
		    STR_ARG(buf_as_str(&name)));
	else if (err != TS_OK)
		buf_printf(out, "cannot find out whether there is a user %.*s: %s\n",
		    STR_ARG(buf_as_str(&name)), ts_err_name(err));
	else if ((user.flags & AUTH_USER_DISABLED) != 0)
		buf_printf(out, "user %.*s is disabled: this target gets nothing\n",
		    STR_ARG(buf_as_str(&name)));
	buf_fini(&name);
	arena_free(&arena);
}

/* Finds an alias as a delivery does: if necessary without the sub-address. */
static bool
find_alias(const struct ops *ops, struct str name, struct str sep, struct arena *arena,
    struct auth_alias *alias_r)
{
	enum ts_err err = auth_alias_get(ops->auth, name, arena, alias_r);
	struct buf base = {0};

	if (err == TS_NOT_FOUND && put_base(name, sep, &base))
		err = auth_alias_get(ops->auth, buf_as_str(&base), arena, alias_r);
	buf_fini(&base);
	return err == TS_OK;
}

struct walk { /* over the aliases that an alias leads to */
	const struct ops *ops;
	struct str self, sep;
	struct arena *arena;
	unsigned looks, depth;
};

/* Whether one of the targets leads back to the alias. */
static bool
leads_back(struct walk *w, const struct auth_alias *alias)
{
	bool back = false;

	if (w->depth == WALK_DEPTH)
		return false;
	w->depth++;
	for (size_t i = 0; !back && i < alias->target_count && w->looks < WALK_LOOKS; i++) {
		struct str name = alias->targets[i];
		struct auth_alias next;

		w->looks++;
		back = is_self(name, w->self, w->sep) ||
		       (find_alias(w->ops, name, w->sep, w->arena, &next) && leads_back(w, &next));
	}
	w->depth--;
	return back;
}

/* An alias takes precedence over a user with the same name, and means that user where it leads back
 * to itself. */
static void
warn_self(const struct ops *ops, struct str self, struct str sep, struct buf *out)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	struct walk w = {.ops = ops, .self = self, .sep = sep, .arena = arena};
	struct auth_alias alias;
	struct auth_user user;
	bool back = false, direct = false;
	enum ts_err err = TS_INVALID;

	if (!str_has_prefix(self, STR("@")) &&
	    auth_alias_get(ops->auth, self, arena, &alias) == TS_OK) {
		for (size_t i = 0; i < alias.target_count; i++)
			direct = direct || is_self(alias.targets[i], self, sep);
		back = leads_back(&w, &alias);
		err = auth_find_user(ops->auth, self, arena, &user);
	}
	if (err == TS_NOT_FOUND && !back && auth_is_group_mailbox(ops->store, self) == TS_OK)
		buf_printf(out,
		    "there is a group mailbox %.*s, which gets no mail for that name from now on: "
		    "it goes to the targets of the alias (list the name itself as a target to "
		    "include it)\n",
		    STR_ARG(self));
	else if (err == TS_OK && !back)
		buf_printf(out,
		    "there is a user %.*s, who gets no mail for that name from now on: it goes to "
		    "the targets of the alias (list the name itself as a target to include the "
		    "user)\n",
		    STR_ARG(self));
	else if (err == TS_NOT_FOUND && back && !direct)
		buf_printf(out,
		    "the alias leads back to itself through others, and there is no user %.*s: "
		    "mail that loops back goes nowhere\n",
		    STR_ARG(self));
	arena_free(&arena);
}

/* The invalid name that a fault of the alias is about. */
static struct str
bad_name(const struct ops *ops, const struct auth_alias *alias)
{
	struct buf name = {0};
	struct str bad = STR_NONE;

	if (!auth_alias_name(ops->auth, alias->name, &name))
		bad = alias->name;
	for (size_t i = 0; bad.p == NULL && i < alias->target_count; i++)
		if (str_has_prefix(alias->targets[i], STR("@")) ||
		    !auth_alias_name(ops->auth, alias->targets[i], &name))
			bad = alias->targets[i];
	buf_fini(&name);
	return bad;
}

static bool
explain_names(const struct ops *ops, enum ts_err err, const char *why,
    const struct auth_alias *alias, struct buf *out)
{
	if (err == TS_INVALID)
		buf_printf(out, "'%.*s': ", STR_ARG(bad_name(ops, alias)));
	return put_alias_error(err, why, alias->name, out);
}

/* On success the text is warnings, one per line. */
static bool
alias_add(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	struct str targets[REQUEST_FIELDS_MAX];
	struct auth_alias alias = {.name = request_get(req, "name"), .targets = targets};
	struct buf self = {0};
	const char *why = NULL;
	enum ts_err err;
	bool ok;

	(void)io;
	for (size_t i = 0; i < req->field_count; i++)
		if (str_eq(req->fields[i].key, STR("target")))
			targets[alias.target_count++] = req->fields[i].value;
	err = auth_alias_put(ops->auth, &alias, &why);
	ok = explain_names(ops, err, why, &alias, out);
	if (ok)
		(void)auth_alias_name(ops->auth, alias.name, &self);
	for (size_t i = 0; ok && i < alias.target_count; i++)
		warn_target(ops, targets[i], buf_as_str(&self), request_get(req, "separator"), out);
	if (ok)
		warn_self(ops, buf_as_str(&self), request_get(req, "separator"), out);
	buf_fini(&self);
	return ok;
}

static bool
alias_remove(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	struct auth_alias alias = {.name = request_get(req, "name")};
	const char *why = NULL;
	enum ts_err err = auth_alias_remove(ops->auth, alias.name, &why);

	(void)io;
	return explain_names(ops, err, why, &alias, out);
}

static bool
put_alias_row(const struct auth_alias *alias, void *arg)
{
	struct buf *out = arg;

	row_str(out, "name", alias->name);
	if (alias->unreadable) {
		row_str(out, ROW_FAULT, STR("unknown format"));
		row_end(out);
		return true;
	}
	row_list(out, "targets");
	for (size_t i = 0; i < alias->target_count; i++)
		row_item(out, "targets", alias->targets[i]);
	row_end(out);
	return true;
}

static bool
alias_list(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	struct buf rows = {0};
	bool ok;

	(void)req;
	(void)io;
	ok = put_alias_error(auth_alias_list(ops->auth, put_alias_row, &rows), NULL, STR_NONE, out);
	if (ok)
		buf_str(out, buf_as_str(&rows));
	buf_fini(&rows);
	return ok;
}

const struct op ops_alias[] = {{.verb = "alias-add", .run = alias_add},
    {.verb = "alias-remove", .run = alias_remove}, {.verb = "alias-list", .run = alias_list},
    {.verb = NULL}};
