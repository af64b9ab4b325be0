/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_OPS_PROPERTIES_H
#define CONTROL_OPS_PROPERTIES_H
/* Properties of accounts and mailboxes that come from outside: what both import and restore do. */
#include "store/store.h"

struct properties_put {
	struct store_account *account;
	struct store_mailbox *mailbox; /* NULL: the account's own */
	bool quiet;                    /* see STORE_CHANGE_PROPERTIES */
	/* What the store refuses is left out, and told here.  False ends it. */
	bool (*refused)(struct str name, const char *why, void *arg);
	void *arg;
	size_t put; /* result: how many were */
};

/* BLOCKING.  All at once; when one of them is refused, each by itself.  One that must be new and is
 * there already stays as it is.  What ends it otherwise, or TS_CANCELLED: refused() did. */
enum ts_err properties_put_all(
    struct properties_put *put, const struct store_property_op *ops, size_t n);

/* ---- in a run that changes nothing ---- */

struct properties_dry {
	const struct store_options *opt;
	uint64_t sum; /* bytes of all that the account has, and would have */
	int64_t more; /* the mailbox at hand, or the account itself, would have so many more */
};

/* Of an account; NULL: it would be made. */
void properties_dry_begin(struct properties_dry *dry, const struct store_options *opt,
    const struct store_account *account);
/* NULL: it would be put; else why not.  there: those that there are, or NULL. */
const char *properties_dry_put(struct properties_dry *dry, const struct store_properties *there,
    struct str name, struct str value);
void properties_dry_remove(
    struct properties_dry *dry, const struct store_properties *there, struct str name);
#endif
