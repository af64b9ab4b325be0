/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_WORK_QUEUE_H
#define NET_WORK_QUEUE_H
/*
 * The work that waits for a thread of a pool, and whose turn it is: see work.h.  Has neither
 * threads nor locks; the pool calls it with its lock held.
 */
#include "net/work.h"

struct work_queue; /* opaque */

/* For that many threads, at least one. */
struct work_queue *work_queue_new(unsigned threads) __attribute__((returns_nonnull));
/* Nothing may wait or run. */
void work_queue_free(struct work_queue **queue);
void work_queue_put(struct work_queue *queue, struct work *work);
/* Returns the work whose turn it is, and counts it as running.  NULL: none may run now. */
struct work *work_queue_take(struct work_queue *queue);
/* A slice is over; pass kind and who of the work, which may be gone. */
void work_queue_ran(struct work_queue *queue, enum work_kind kind, struct work_who who);
/* Takes it out.  Returns false if it is not waiting. */
bool work_queue_remove(struct work_queue *queue, struct work *work);
const struct work_counts *work_queue_counts(const struct work_queue *queue);
size_t work_queue_waiting_of(const struct work_queue *queue, enum work_kind kind, uint64_t user);
#endif
