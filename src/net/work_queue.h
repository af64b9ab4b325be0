/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_WORK_QUEUE_H
#define NET_WORK_QUEUE_H
/*
 * What waits for a thread of a pool, and whose turn it is: see work.h.  Without threads and locks;
 * the pool calls it with its lock held.
 */
#include "net/work.h"

struct work_queue; /* opaque */

/* For so many threads, one at the least. */
struct work_queue *work_queue_new(unsigned threads) __attribute__((returns_nonnull));
/* Nothing waits, nothing runs. */
void work_queue_free(struct work_queue **queue);
void work_queue_put(struct work_queue *queue, struct work *work);
/* Whose turn it is; it counts as running from now on.  NULL: none may run now. */
struct work *work_queue_take(struct work_queue *queue);
/* A slice is over; kind and who are what the work had, which may be gone. */
void work_queue_ran(struct work_queue *queue, enum work_kind kind, struct work_who who);
/* Takes it out, false: it does not wait. */
bool work_queue_remove(struct work_queue *queue, struct work *work);
const struct work_counts *work_queue_counts(const struct work_queue *queue);
size_t work_queue_waiting_of(const struct work_queue *queue, enum work_kind kind, uint64_t user);
#endif
