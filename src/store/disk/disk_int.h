/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_DISK_DISK_INT_H
#define STORE_DISK_DISK_INT_H
/*
 * The lowest part of the store: the bytes on disk, and what they are decoded into.
 *
 *   keys.h        keys, values with their checksums, counters
 *   keywords.h    tables of keywords
 *   properties.h  tables of properties
 *   delta.h       what one change did to one mailbox: a change record
 *   compact.h     compact rows: what SORT and THREAD need, in columns
 *   own_seen.h    a user's own \Seen in a shared mailbox
 *   state.h       a mailbox, as built from blocks and change records
 *
 * It promises that bytes and values convert into each other exactly, and that results depend on
 * arguments only: there are no locks, no I/O and no store here.  It calls base, and mail for what a
 * summary says, and puts rows into batches that callers pass.
 */
#include "store/disk/keys.h"
#include "store/disk/keywords.h"
#include "store/disk/properties.h"
#include "store/disk/state.h"

/* rows.c */

bool account_name_ok(struct str name);
/* Returns whether a mailbox may have that name. */
bool mailbox_name_ok(struct str name);
/* Puts the row that leads from the name to the account. */
void account_put_name(uint64_t id, struct str name, struct engine_batch *batch);
/* Puts the rows of a new account with its INBOX and n more mailboxes, subscribed. */
void account_put_new(uint64_t id, struct str name, int64_t now, const struct store_default *more,
    size_t n, struct engine_batch *batch);
/* Replaces one part of the sums by another. */
void usage_change(
    struct store_usage *usage, const struct counters_row *old, const struct counters_row *now);
#endif
