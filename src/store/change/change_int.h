/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_CHANGE_CHANGE_INT_H
#define STORE_CHANGE_CHANGE_INT_H
/*
 * Writing: the interface for the parts above.  Every change has a kind.  The lane of its account
 * prepares it, with others, into a batch, commits the batch, and shows what it did.
 *
 *   change.c        a change as the session sees it: made, submitted, freed
 *   lane.c          the writers: queues, batches, commits, the end of a change
 *   publish.c       shows what a durable batch did
 *   doubt.c         takes back what a failed batch did, or reads it again
 *   gate.c          changes that wait for a long one to end
 *   batch.c, head.c what is prepared and not shown yet; look-ups in it
 *   prepare.c       what kinds check before they put anything
 *   copier.c        a thread for steps that do not belong on a lane
 *
 * No kind is known here: the part above supplies a table of what each kind does at each step
 * (store_kinds[], kinds).  batch_int.h is for that part.
 *
 * It promises the order of events (store.h): nobody is shown what has not been flushed, and a
 * change is seen whole or not at all.  It calls read, memory, core and disk.
 */
#include "store/read/read_int.h"

/* lane.c */
void lanes_start(struct store *store);
void lanes_stop(struct store *store);
/* BLOCKING.  Waits until everything committed so far is published.  Returns false if that is
 * impossible because states are in doubt. */
bool lanes_settle(struct store *store);

/* copier.c */
/* Continues errands that were put off.  TS_UNAVAILABLE: there was one. */
enum ts_err copier_retry(struct store *store);
void copier_start(struct store *store);
/* Waits for running errands, then ends the thread. */
void copier_stop(struct store *store);
void copier_fini(struct store *store);

#endif
