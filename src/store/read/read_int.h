/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_READ_READ_INT_H
#define STORE_READ_READ_INT_H
/*
 * Reading: most of what store.h offers to whoever looks.
 *
 *   account_look.c  an account's list and properties, names of all accounts
 *   mailbox_look.c  a mailbox's counters, sets, windows of messages
 *   summaries.c     summaries, from disk
 *   columns.c, columns_*.c  numbers by which messages are sorted and threaded
 *   blob.c          bytes of messages, server-wide records
 *   mark.c          marks and totals, without loading anything
 *   object.c        object ids
 *   pin.c           no blob is freed for a while
 *   stats.c         figures of the store
 *
 * It promises to change nothing (but the mark of \Recent, which whoever selects
 * a mailbox claims), to answer from one look under one lock, and never to lock
 * for longer than it takes to copy a window.  It calls memory, core and disk.
 */
#include "store/memory/memory_int.h"

/* mark.c, BLOCKING.  The sums of an account as of the disk. */
enum ts_err usage_of_rows(struct store *store, uint64_t account, struct store_usage *usage_r);
/* pin.c; the mutex is held.  Does a pin hold? */
bool background_pinned(struct background *bg);
#endif
