/* SPDX-License-Identifier: Apache-2.0 */
/* See target.h. */
#include "control/ops/target.h"

#include "auth/sharing.h"
#include "auth/users.h"
#include "sasl/names.h"
#include "wire/utf7.h"

enum ts_err
target_owner(const struct ops *ops, struct str typed, struct arena *arena, struct str *name_r,
    const char **why_r)
{
	struct auth_user user = {0};
	struct buf full = {0};
	enum ts_err err = auth_users_get(ops->auth, typed, arena, &user, why_r);

	*name_r = err == TS_OK ? user.name : typed;
	if (err == TS_NOT_FOUND && sasl_name_full(typed, auth_default_domain(ops->auth), &full)) {
		*name_r = arena_str(arena, buf_as_str(&full));
		err = auth_is_group_mailbox(ops->store, *name_r);
	}
	buf_fini(&full);
	return err;
}

void
target_rename(struct target *t, struct str mailbox)
{
	struct store_mailbox_info info;

	if (!store_account_lookup(t->account, mailbox, &info))
		mailbox = wire_name_kept(t->arena, mailbox);
	t->name.n = 0;
	buf_str(&t->name, mailbox);
}

static void
put_no_account(enum ts_err err, bool known, struct str user, const char *why, struct buf *out)
{
	if (err == TS_NOT_FOUND && known)
		buf_printf(out,
		    "%.*s has no mailboxes yet: the first login or delivery creates them\n",
		    STR_ARG(user));
	else if (err == TS_NOT_FOUND)
		buf_printf(out, "there is no user %.*s\n", STR_ARG(user));
	else
		buf_printf(out, "the account of %.*s: %s\n", STR_ARG(user),
		    why != NULL ? why : ts_err_name(err));
}

/* A deleted user may have left mail: then the name means the account itself. */
bool
target_find(const struct ops *ops, struct str user, struct str mailbox, bool create,
    struct target *t, struct buf *out)
{
	const char *why = NULL;
	bool known;
	enum ts_err err;

	*t = (struct target){.user = user};
	t->arena = arena_new(NULL, ARENA_OTHER, 1024);
	known = target_owner(ops, user, t->arena, &t->user, &why) == TS_OK;
	err = store_account_load(ops->store, t->user, create && known, &t->account);
	if (err == TS_OK)
		target_rename(t, mailbox);
	else
		put_no_account(err, known, known ? t->user : user, why, out);
	return err == TS_OK;
}

void
target_fini(struct target *t)
{
	if (t->account != NULL)
		store_account_unref(&t->account);
	buf_fini(&t->name);
	arena_free(&t->arena);
}
