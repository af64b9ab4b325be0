/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_OPS_PROPERTIES_H
#define CONTROL_OPS_PROPERTIES_H
/* Properties of accounts and mailboxes: what both import and restore do, and what both backup and
 * restore send. */
#include "control/op.h"
#include "store/store.h"

/* Of a run that changes nothing. */
struct properties_dry {
	const struct store_options *opt;
	uint64_t sum; /* bytes of all that the account has, and would have */
	int64_t more; /* the mailbox at hand, or the account itself, would have so many more */
};

struct properties_put {
	struct store_account *account; /* in a dry run NULL: it would be made */
	struct store_mailbox *mailbox; /* the same */
	bool of_mailbox;               /* else the account's own */
	bool quiet;                    /* see STORE_CHANGE_PROPERTIES */
	struct properties_dry *dry;    /* NULL: they are put */
	/* What the store refuses is left out, and told here.  False ends it. */
	bool (*refused)(struct str name, const char *why, void *arg);
	void *arg;
	size_t put; /* result: how many were, or would be */
};

/* BLOCKING.  All at once; when one of them is refused, each by itself.  One that must be new and is
 * there already stays as it is.  What ends it otherwise, or TS_CANCELLED: refused() did. */
enum ts_err properties_put_all(
    struct properties_put *put, const struct store_property_op *ops, size_t n);
/* Of an account; NULL: it would be made.  With the next mailbox `more` is 0 again. */
void properties_dry_begin(struct properties_dry *dry, const struct store_options *opt,
    const struct store_account *account);

/* Sends each in an item: what b has before, name, value. */
bool properties_send(
    struct op_io *io, char type, const struct store_properties *properties, struct buf *b);
#endif
