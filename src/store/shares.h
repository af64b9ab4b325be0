/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_SHARES_H
#define STORE_SHARES_H
/*
 * What is shared with whom: an index of the properties "acl/IDENTIFIER" of all mailboxes, so that
 * nobody has to look through all accounts.  It is a hint: what it says must be checked against the
 * properties (doc/store.md).
 *
 * The store keeps it.  A change that puts such a property ends when its row is durable; rows that
 * are missing after a crash are put by the background after the next start.  A row is removed after
 * its property.
 *
 * An identifier is what follows "acl/", without a '-' at its beginning.
 */
#include "store/store.h"

/* What names of such properties begin with. */
#define STORE_SHARE_PREFIX "acl/"

/* Returns whether there may be any row.  Any thread; does not block. */
bool store_shares_any(const struct store *store);
/* BLOCKING.  Calls fn with what is shared with an identifier, in order of accounts and mailboxes,
 * until it returns false.  fn must not call into the store. */
TS_CHECKED enum ts_err store_shares_list(struct store *store, struct str identifier,
    bool (*fn)(uint64_t account, uint32_t mailbox, void *arg), void *arg);
/* BLOCKING.  Sets *has if the account shares anything with the identifier, else leaves it. */
TS_CHECKED enum ts_err store_shares_has(
    struct store *store, struct str identifier, uint64_t account, bool *has);
/* BLOCKING.  Gets the id of an account from the disk, without loading it; TS_NOT_FOUND. */
TS_CHECKED enum ts_err store_account_id_of(struct store *store, struct str name, uint64_t *id_r);
/* BLOCKING.  Loads the account that shares something with the identifier, by its id. */
TS_CHECKED enum ts_err store_shares_load(
    struct store *store, struct str identifier, uint64_t account, struct store_account **account_r);
#endif
