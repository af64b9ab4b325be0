/* SPDX-License-Identifier: Apache-2.0 */
/* Says why somebody has a right on a mailbox, or has not: the verdict, then a row for each right,
 * then one for each entry of the list. */
#include "auth/db.h"
#include "auth/grant/acl.h"
#include "auth/grants.h"
#include "auth/sharing.h"
#include "base/log.h"
#include "control/ops/acl_int.h"
#include "control/ops/ops.h"
#include "control/rows.h"
#include "sasl/names.h"

struct explaining {
	const struct ops *ops;
	const struct request *req;
	struct target t;
	struct store_properties *table; /* of the mailbox */
	struct auth_groups *groups;
	struct buf who; /* prepared */
	const char *state;
	bool owner;
	unsigned rights;
};

static struct auth_acl_who
who_of(const struct explaining *x)
{
	return (struct auth_acl_who){.user = buf_as_str(&x->who),
	    .groups = x->groups,
	    .no_anyone = request_has(x->req, "no-anyone")};
}

static const char *
find_state(const struct ops *ops, struct buf *who)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	struct auth_user user = {0};
	enum ts_err err;

	arena_wipe_on_free(arena);
	err = auth_find_user(ops->auth, buf_as_str(who), arena, &user);
	if (err == TS_OK && !str_eq(user.name, buf_as_str(who))) {
		who->n = 0;
		buf_str(who, user.name);
	}
	arena_free(&arena);
	return err == TS_NOT_FOUND                      ? "missing"
	       : err != TS_OK                           ? "unknown"
	       : (user.flags & AUTH_USER_DISABLED) != 0 ? "disabled"
	                                                : "enabled";
}

/* The name under which they find the mailbox. */
static void
put_name(const struct explaining *x, struct buf *out)
{
	struct store_properties *own = store_account_properties(x->t.account);
	struct auth_sharing sharing = {.others_prefix = request_get(x->req, "others"),
	    .shared_prefix = request_get(x->req, "shared")};

	if (x->owner)
		buf_str(out, buf_as_str(&x->t.name));
	else
		(void)auth_space_name(
		    &sharing, auth_space_of_account(own), x->t.user, buf_as_str(&x->t.name), out);
	store_properties_unref(&own);
}

static void
put_groups(const struct explaining *x, struct buf *out)
{
	const struct str *list;
	size_t n = auth_groups_of(x->groups, buf_as_str(&x->who), &list);

	row_list(out, "groups");
	for (size_t i = 0; i < n; i++)
		row_item(out, "groups", list[i]);
}

static void
put_acl_verdict(const struct explaining *x, struct buf *out)
{
	struct buf text = {0};

	row_str(out, "who", buf_as_str(&x->who));
	row_str(out, "who_is", str_of(x->state));
	put_groups(x, out);
	row_str(out, "owner", x->t.user);
	row_bool(out, "is_owner", x->owner);
	row_str(out, "mailbox", buf_as_str(&x->t.name));
	put_name(x, &text);
	row_str(out, "name", buf_as_str(&text));
	text.n = 0;
	auth_rights_print(x->rights, &text);
	row_str(out, "rights", buf_as_str(&text));
	row_end(out);
	buf_fini(&text);
}

/* Lists the identifiers of the entries that fit and have the right: the negative ones, or the
 * others. */
static void
put_by(const struct explaining *x, const char *key, unsigned right, bool negative, struct buf *out)
{
	struct auth_acl_who who = who_of(x);
	struct str identifier;
	unsigned rights;
	size_t at = 0;

	row_list(out, key);
	if (x->owner && !negative)
		row_item(out, key, STR("owner"));
	while (auth_acl_next(x->table, &at, &identifier, &rights))
		if (!x->owner && (rights & right) != 0 && auth_acl_fits(identifier, &who) &&
		    str_has_prefix(identifier, STR("-")) == negative)
			row_item(out, key, identifier);
}

static void
put_right(const struct explaining *x, unsigned right, struct buf *out)
{
	struct buf letter = {0};

	auth_rights_print(right, &letter);
	row_str(out, "right", buf_as_str(&letter));
	row_bool(out, "has", (x->rights & right) != 0);
	put_by(x, "given_by", right, false, out);
	put_by(x, "taken_by", right, true, out);
	row_end(out);
	buf_fini(&letter);
}

static void
put_reason(const struct explaining *x, struct str identifier, struct buf *out)
{
	struct auth_acl_who who = who_of(x);
	struct str bare = str_has_prefix(identifier, STR("-"))
	                      ? str_range(identifier.p + 1, identifier.p + identifier.n)
	                      : identifier;

	if (x->owner)
		buf_puts(out, "does not matter: the owner always has all rights");
	else if (auth_acl_fits(identifier, &who))
		buf_puts(out, "applies");
	else if (str_eq(bare, STR(AUTH_ACL_ANYONE)) || str_eq(bare, STR(AUTH_ACL_AUTHENTICATED)))
		buf_puts(out, "gives nothing: sharing.anyone = no");
	else if (!str_has_prefix(bare, STR(AUTH_GROUP_WORD)))
		buf_printf(out, "is not for %.*s", STR_ARG(buf_as_str(&x->who)));
	else if (auth_groups_known(
	             x->groups, str_range(bare.p + sizeof(AUTH_GROUP_WORD) - 1, bare.p + bare.n)))
		buf_printf(out, "%.*s is not a member", STR_ARG(buf_as_str(&x->who)));
	else
		buf_puts(out, "there is no such group (auth.group_file)");
}

static void
put_entries(const struct explaining *x, struct buf *out)
{
	struct auth_acl_who who = who_of(x);
	struct buf text = {0};
	struct str identifier;
	unsigned rights;
	size_t at = 0;

	while (auth_acl_next(x->table, &at, &identifier, &rights)) {
		row_str(out, "identifier", identifier);
		text.n = 0;
		auth_rights_print(rights, &text);
		row_str(out, "rights", buf_as_str(&text));
		row_bool(out, "applies", !x->owner && auth_acl_fits(identifier, &who));
		text.n = 0;
		put_reason(x, identifier, &text);
		row_str(out, "reason", buf_as_str(&text));
		row_end(out);
	}
	buf_fini(&text);
}

static void
explain(struct explaining *x, struct buf *out)
{
	struct auth_acl_who who;

	x->state = find_state(x->ops, &x->who);
	x->owner = str_eq(buf_as_str(&x->who), x->t.user);
	who = who_of(x);
	x->rights = x->owner ? AUTH_RIGHTS_ALL : auth_acl_rights(x->table, &who);
	put_acl_verdict(x, out);
	for (unsigned right = 1; right < AUTH_RIGHTS_ALL; right <<= 1)
		put_right(x, right, out);
	put_entries(x, out);
}

bool
acl_explain(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	struct explaining x = {.ops = ops, .req = req};
	struct str who = request_get(req, "who");
	struct store_mailbox_info info;
	bool ok;

	(void)io;
	if (!sasl_name_full(who, auth_default_domain(ops->auth), &x.who)) {
		buf_printf(out, "'%.*s' is not the name of a user\n", STR_ARG(who));
		buf_fini(&x.who);
		return false;
	}
	ok = target_find(
	    ops, request_get(req, "user"), request_get(req, "mailbox"), false, &x.t, out);
	if (ok && (!store_account_look(x.t.account, buf_as_str(&x.t.name), &info, &x.table) ||
	              info.id == 0)) {
		buf_printf(out, "%.*s has no mailbox %.*s\n", STR_ARG(x.t.user),
		    STR_ARG(buf_as_str(&x.t.name)));
		ok = false;
	}
	if (ok) {
		x.groups = auth_groups_get(ops->auth);
		explain(&x, out);
	}
	auth_groups_unref(&x.groups);
	store_properties_unref(&x.table);
	buf_fini(&x.who);
	target_fini(&x.t);
	return ok;
}
