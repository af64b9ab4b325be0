/* SPDX-License-Identifier: Apache-2.0 */
/* The list of all operations. */
#include "control/ops/ops.h"

const struct op *
ops_find(struct str verb)
{
	static const struct op *const tables[] = {
	    ops_acl,
	    ops_alias,
	    ops_grant,
	    ops_group_mailbox,
	    ops_server,
	    ops_user,
	    ops_check,
	    ops_import,
	    ops_export,
	    ops_backup,
	    ops_restore,
	    ops_mailbox,
	    ops_quota,
	    ops_sessions,
	};

	for (size_t t = 0; t < sizeof(tables) / sizeof(*tables); t++)
		for (const struct op *op = tables[t]; op->verb != NULL; op++)
			if (str_eq(verb, str_of(op->verb)))
				return op;
	return NULL;
}

void
ops_put_store_error(enum ts_err err, const char *why, struct buf *out)
{
	if (err == TS_FULL)
		why = "the disk of the store is full: less is free than store.free_space requires, "
		      "or than was needed (the log has the figures); make room";
	else if (why == NULL && err == TS_UNKNOWN)
		why = "the change may or may not be on disk: look, then try again";
	buf_printf(out, "%s\n", why != NULL ? why : ts_err_name(err));
}

const char *
ops_quota_text(enum ts_err err, enum store_limit limit)
{
	if (err != TS_LIMIT || limit < STORE_LIMIT_QUOTA_STORAGE)
		return NULL;
	return limit == STORE_LIMIT_QUOTA_MAILBOX
	           ? "the user's quota allows no more mailboxes (see `turnstone quota show`)"
	           : "the user's quota has no room for more (see `turnstone quota show`)";
}

void
ops_put_full(const struct ops *ops, struct buf *out)
{
	struct engine_space space;

	store_refused_space(ops->store, &space);
	buf_puts(out, "the disk of the store is full: ");
	if (engine_space_lacking(&space) == 0) {
		buf_puts(out, "make room (the log has the figures)\n");
		return;
	}
	buf_size(out, space.free);
	buf_puts(out, " free, ");
	if (space.needed > 0) {
		buf_size(out, space.needed);
		buf_puts(out, " needed and ");
	}
	buf_size(out, space.mark);
	buf_puts(out, " to be left free (store.free_space): make room for ");
	buf_size(out, engine_space_lacking(&space));
	buf_puts(out, " at least\n");
}
