/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_READ_READ_INT_H
#define STORE_READ_READ_INT_H
/*
 * Reading: most of what store.h offers for look-ups.
 *
 *   account_look.c  an account's list and properties, the names of all accounts
 *   mailbox_look.c  a mailbox's counters, sets, windows of messages
 *   reader.c        the same as one user sees it (reader.h)
 *   summaries.c     summaries, from disk
 *   columns.c, columns_*.c  numbers by which messages are sorted and threaded
 *   blob.c          bytes of messages, server-wide records
 *   mark.c          marks and totals, without loading anything
 *   object.c        object ids
 *   pin.c           keeps all blobs for a while
 *   shares.c        what is shared with whom (shares.h)
 *   stats.c         statistics of the store
 *
 * It promises to change nothing (except the mark of \Recent, claimed by
 * selecting a mailbox), to answer from one read under one lock, and never to
 * hold a lock longer than it takes to copy a window.  It calls memory, core and
 * disk.
 */
#include "store/memory/memory_int.h"

/* mark.c, BLOCKING.  Computes the sums of an account from disk. */
enum ts_err usage_of_rows(struct store *store, uint64_t account, struct store_usage *usage_r);
/* shares.c.  The identifier in the name of a property "acl/…", without its '-'; p == NULL: the
 * property is another one. */
struct str shares_identifier(struct str property);
/* BLOCKING.  Looks whether anything is shared; call when the store is opened. */
enum ts_err shares_open(struct store *store);
/* object.c.  Gets the id that a mailbox with these properties has stored; it begins with 0 if there
 * is none. */
void object_id_stored(const struct store_properties *properties, char id[STORE_OBJECT_ID]);
/* The mailbox of the account whose number makes this id; 0: the id comes from elsewhere. */
uint32_t object_id_mailbox(const struct store_account *account, struct str id);
/* pin.c.  Returns whether a pin holds.  Needs the mutex. */
bool background_pinned(struct background *bg);
#endif
