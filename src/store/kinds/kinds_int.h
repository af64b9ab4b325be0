/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_KINDS_KINDS_INT_H
#define STORE_KINDS_KINDS_INT_H
/*
 * The kinds of change.
 *
 *   kinds.c         the table of what each kind does at each step
 *   change_NAME.c   all steps of a kind, or of several that belong together
 *   gather.c, names.c, tombs.c   helpers that several kinds need
 *   cross_left.c    transfers between accounts that a crash interrupted
 *
 * To add a kind, write a file change_NAME.c, and add a number to an enum (in store.h, or in
 * batch_int.h if only the store makes it) and a row to the table.
 *
 * It promises that a change is refused, if at all, before its first row is put.  It calls change,
 * which calls back through the table only, and read, memory, core and disk.
 */
#include "store/change/change_int.h"

/* change_shares.c, BLOCKING.  Makes the row of an identifier and a mailbox what the mailbox's list
 * says. */
enum ts_err shares_mend_row(struct store_account *account, uint32_t mailbox, struct str who);

/* tombs.c, BLOCKING.  For a store of format 1: drops tombstones of accounts that have too many. */
enum ts_err tombs_migrate(struct store *store);

/*
 * change_cross.c.  Keeps transfers out of an account, for callers that remove its holders and
 * claims: from before they look at its references until the removal is on disk, since a transfer
 * puts holders again and relies on those that exist.  A transfer that begins meanwhile goes on
 * after cross_let_in().  Returns false if messages are on their way into the account: then leave
 * its holders alone; the background is woken when they have arrived.  One account at a time.
 */
bool cross_keep_off(struct store *store, uint64_t account);
void cross_let_in(struct store *store);
/* cross_left.c, BLOCKING.  Finishes or undoes what a crash or a failed flush left. */
enum ts_err cross_recover(struct store *store);
#endif
