/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_DISK_DISK_INT_H
#define STORE_DISK_DISK_INT_H
/*
 * The lowest part of the store: what is on disk, byte by byte, and what it is
 * decoded into.
 *
 *   keys.h        keys, values with their checksums, counters
 *   keywords.h    tables of keywords
 *   properties.h  tables of properties
 *   delta.h       what one change did to one mailbox: a change record
 *   compact.h     compact rows: what SORT and THREAD need, in columns
 *   own_seen.h    a user's own \Seen in a shared mailbox
 *   state.h       a mailbox: what blocks and change records come to
 *
 * It promises that the same bytes come to the same values and back, and that
 * nothing but its arguments counts: there is no lock here, no I/O, no store.  It
 * calls base, and mail for what a summary says, and puts rows into the batches that it is given.
 */
#include "store/disk/keys.h"
#include "store/disk/keywords.h"
#include "store/disk/properties.h"
#include "store/disk/state.h"

/* rows.c */

bool account_name_ok(struct str name);
/* Is it one that a mailbox may have? */
bool mailbox_name_ok(struct str name);
/* The name leads to the account. */
void account_put_name(uint64_t id, struct str name, struct engine_batch *batch);
/* The rows of a new account with its INBOX, and n mailboxes more, subscribed. */
void account_put_new(uint64_t id, struct str name, int64_t now, const struct store_default *more,
    size_t n, struct engine_batch *batch);
/* A part of the sums becomes another one. */
void usage_change(
    struct store_usage *usage, const struct counters_row *old, const struct counters_row *now);
#endif
