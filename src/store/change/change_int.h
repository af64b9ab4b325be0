/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_CHANGE_CHANGE_INT_H
#define STORE_CHANGE_CHANGE_INT_H
/*
 * Writing: what the parts above call.  A change is of a kind; the lane of its account prepares it,
 * with others, into a batch, commits that, and shows what it did.
 *
 *   change.c        a change as the session has it: made, submitted, freed
 *   lane.c          the writers: queues, batches, commits, the end of a change
 *   publish.c       a batch is durable: what it did is shown
 *   doubt.c         it is not: what it did is taken back, or read anew
 *   gate.c          changes that wait for a long one to end
 *   batch.c, head.c what is prepared and not yet shown; questions to it
 *   prepare.c       what kinds ask before they put anything
 *   copier.c        a thread for steps that are no work for a lane
 *
 * No kind is known here: what a change does at each step is a row of a table that
 * the part above gives (store_kinds[], kinds).  batch_int.h is for that part.
 *
 * It promises the order of things (store.h): what was not flushed is shown to
 * nobody, and a change is seen whole or not at all.  It calls read, memory, core
 * and disk.
 */
#include "store/read/read_int.h"

/* lane.c */
void lanes_start(struct store *store);
void lanes_stop(struct store *store);
/* BLOCKING.  Waits until what was committed up to now is published.  False: it cannot be yet, since
 * states are in doubt. */
bool lanes_settle(struct store *store);

/* copier.c */
/* Goes on with those that were put off.  TS_UNAVAILABLE: there was one. */
enum ts_err copier_retry(struct store *store);
void copier_start(struct store *store);
/* Waits for what is under way, then ends the thread. */
void copier_stop(struct store *store);
void copier_fini(struct store *store);

#endif
