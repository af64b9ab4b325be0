/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_OPS_PROPERTIES_H
#define CONTROL_OPS_PROPERTIES_H
/* Properties of accounts and mailboxes: what import and restore both do, and what backup and
 * restore both send. */
#include "control/op.h"
#include "store/store.h"

/* For a run that changes nothing. */
struct properties_dry {
	const struct store_options *opt;
	uint64_t sum; /* bytes that the account has or would have */
	int64_t more; /* how many more the current mailbox, or the account itself, would have */
};

struct properties_put {
	struct store_account *account; /* NULL in a dry run: it would be made */
	struct store_mailbox *mailbox; /* likewise */
	bool of_mailbox;               /* else the account's own */
	bool quiet;                    /* see STORE_CHANGE_PROPERTIES */
	struct properties_dry *dry;    /* NULL: they are added */
	/* Reports what the store refuses, which is left out.  False ends the run. */
	bool (*refused)(struct str name, const char *why, void *arg);
	void *arg;
	size_t put; /* result: how many were added, or would be */
};

/* BLOCKING.  Adds all at once; if one is refused, each by itself.  An existing one stays as it is
 * if it must be new.  Returns the error that ends it, or TS_CANCELLED: refused() returned false. */
enum ts_err properties_put_all(
    struct properties_put *put, const struct store_property_op *ops, size_t n);
/* For an account; NULL: it would be made.  Reset `more` to 0 for each mailbox. */
void properties_dry_begin(struct properties_dry *dry, const struct store_options *opt,
    const struct store_account *account);

/* Sends each in an item: what b already has, then name and value. */
bool properties_send(
    struct op_io *io, char type, const struct store_properties *properties, struct buf *b);
#endif
