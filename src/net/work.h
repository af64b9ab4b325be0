/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_WORK_H
#define NET_WORK_H
/*
 * Worker pool: threads for what would stall a loop (password hashing, cold
 * files).  Each source has its turn: who asks for a thousand works waits for
 * himself.  What strangers can ask for (`bulk`) has queues of its own and half
 * of the threads at the most.
 *
 * A pool of 0 threads runs each work from a task on the work's own loop: the
 * same callbacks in a fixed order, for tests on a fake loop.
 */
#include <stdbool.h>
#include <stddef.h>

#include "net/loop.h"

struct work_pool; /* opaque */

/*
 * Embedded in what the work is about, zeroed; the caller sets run, done and loop.  It
 * must live until done() is called, and may be freed or submitted again there.
 */
struct work {
	void (*run)(struct work *work);  /* on a thread of the pool */
	void (*done)(struct work *work); /* then, on the loop's thread */
	struct loop *loop;
	uint64_t source; /* set by the caller: who asks for it, as a number */
	bool bulk;       /* set by the caller: strangers can ask for any number of these */
	/* The caller may set it at any time: if run() has not begun it is left out. */
	_Atomic bool cancelled;
	/* private */
	struct work *next;
	struct work_pool *pool;
	struct loop_task task;
};

struct work_pool *work_pool_new(unsigned threads) __attribute__((returns_nonnull));
/*
 * Waits until all that was submitted has run and its done() is posted; the
 * loops must still exist.  With 0 threads the loops must have run it already.
 */
void work_pool_free(struct work_pool **pool);
/* From any thread. */
void work_submit(struct work_pool *pool, struct work *work);
/* Submitted and not yet begun / running now.  From any thread. */
size_t work_pool_waiting(struct work_pool *pool);
size_t work_pool_running(struct work_pool *pool);
/* Of those that wait: bulk of this source, and of the few others that share its queue. */
size_t work_pool_waiting_of(struct work_pool *pool, uint64_t source);
/* For tests, of a pool of 0 threads: while held nothing of what is submitted runs. */
void work_pool_hold(struct work_pool *pool, bool held);
#endif
