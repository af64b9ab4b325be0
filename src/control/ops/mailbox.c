/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on a user's mailboxes. */
#include "control/ops/ops.h"
#include "control/ops/target.h"
#include "control/rows.h"
#include "imap/imap.h"
#include "wire/utf7.h"

static bool
put_mailbox_error(enum ts_err err, struct str user, struct str name, struct buf *out)
{
	switch (err) {
	case TS_OK:
		return true;
	case TS_NOT_FOUND:
		buf_printf(out, "%.*s has no mailbox %.*s\n", STR_ARG(user), STR_ARG(name));
		break;
	case TS_EXISTS:
		buf_printf(out, "%.*s has a mailbox %.*s already\n", STR_ARG(user), STR_ARG(name));
		break;
	case TS_INVALID:
		buf_printf(out, "this cannot be done with the mailbox %.*s\n", STR_ARG(name));
		break;
	case TS_LIMIT:
		buf_printf(out,
		    "%.*s has as many mailboxes as store.max_mailboxes, or the quota, allows\n",
		    STR_ARG(user));
		break;
	default:
		ops_put_store_error(err, NULL, out);
	}
	return false;
}

static bool
find_target(const struct ops *ops, const struct request *req, bool create, struct target *t,
    struct buf *out)
{
	return target_find(ops, request_get(req, "user"), request_get(req, "name"), create, t, out);
}

static void
put_uses(struct buf *out, unsigned use)
{
	static const char *const words[] = {"\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Junk",
	    "\\Sent", "\\Trash", "\\Important"};

	row_list(out, "special_use");
	for (unsigned i = 0; i < sizeof(words) / sizeof(*words); i++)
		if ((use >> i & 1) != 0)
			row_item(out, "special_use", str_of(words[i]));
}

static void
put_info(const struct store_mailbox_info *info, struct str name, struct buf *out)
{
	const struct store_counters *c = &info->counters;

	row_str(out, "name", name);
	row_bool(out, "exists", info->id != 0);
	row_bool(out, "subscribed", info->subscribed);
	put_uses(out, info->use);
	row_u64(out, "messages", c->messages);
	row_u64(out, "unseen", c->unseen);
	row_u64(out, "deleted", c->deleted);
	row_u64(out, "recent", c->recent);
	row_u64(out, "size", c->size);
	row_u64(out, "uidnext", c->uidnext);
	row_u64(out, "uidvalidity", c->uidvalidity);
	row_u64(out, "highestmodseq", c->modseq);
	row_end(out);
}

static bool
put_mailbox_row(const struct store_mailbox_info *info, void *arg)
{
	put_info(info, info->name, arg);
	return true;
}

static bool
mailbox_list(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	struct target t;
	bool ok = find_target(ops, req, false, &t, out);

	(void)io;
	if (ok)
		store_account_list(t.account, put_mailbox_row, out);
	target_fini(&t);
	return ok;
}

static bool
mailbox_status(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	struct store_mailbox_info info;
	struct target t;
	bool ok = find_target(ops, req, false, &t, out);

	(void)io;
	if (ok) {
		ok = store_account_lookup(t.account, buf_as_str(&t.name), &info);
		if (ok)
			put_info(&info, buf_as_str(&t.name), out);
		else
			put_mailbox_error(TS_NOT_FOUND, t.user, buf_as_str(&t.name), out);
	}
	target_fini(&t);
	return ok;
}

static enum ts_err
change(struct target *t, enum store_change_kind kind)
{
	struct store_change *c = store_change_new(t->account, kind, NULL, NULL, NULL);
	enum ts_err err;

	c->name = arena_str(c->arena, buf_as_str(&t->name));
	c->inherits = true;
	err = store_submit_wait(c);
	store_change_free(&c);
	return err;
}

static bool
mailbox_create(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	const char *fault = wire_name_fault(wire_name_kept(arena, request_get(req, "name")));
	struct target t;
	bool ok;

	(void)io;
	arena_free(&arena);
	if (fault != NULL) {
		buf_printf(out, "%s\n", fault);
		return false;
	}
	ok = find_target(ops, req, true, &t, out) &&
	     put_mailbox_error(change(&t, STORE_CHANGE_CREATE), t.user, buf_as_str(&t.name), out);
	if (ok && request_has(req, "subscribe"))
		ok = put_mailbox_error(
		    change(&t, STORE_CHANGE_SUBSCRIBE), t.user, buf_as_str(&t.name), out);
	target_fini(&t);
	return ok;
}

static bool
mailbox_delete(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	struct target t;
	bool ok;

	(void)io;
	ok = find_target(ops, req, false, &t, out);
	if (ok && str_eq(buf_as_str(&t.name), STR("INBOX"))) {
		buf_puts(out, "INBOX cannot be deleted\n");
		ok = false;
	}
	ok = ok &&
	     put_mailbox_error(change(&t, STORE_CHANGE_DELETE), t.user, buf_as_str(&t.name), out);
	target_fini(&t);
	return ok;
}

const struct op ops_mailbox[] = {{.verb = "mailbox-list", .run = mailbox_list},
    {.verb = "mailbox-status", .run = mailbox_status},
    {.verb = "mailbox-create", .run = mailbox_create},
    {.verb = "mailbox-delete", .run = mailbox_delete}, {.verb = NULL}};
