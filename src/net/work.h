/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_WORK_H
#define NET_WORK_H
/*
 * Worker pool: threads for work that would stall a loop (password hashing, cold files, searching
 * text).  Nobody can monopolize it:
 *
 *   time     Long work runs in slices: between pieces run() asks work_should_stop(); if that
 *            returns true, it keeps its state and returns WORK_AGAIN.  Then all others that wait
 *            get a turn.
 *   threads  Of n threads one user may use at most max(1, n/2), and so may one authentication
 *            identity, whomever it acts for, and all login checks together, since strangers can
 *            request them.  If there are two threads or more, one never takes long work.
 *   turns    Short work goes first, alternating with login checks; then long work, which gets every
 *            ninth turn even if there is always more of the others.  Users take turns: a user who
 *            queues a thousand jobs delays only that user.
 *
 * A pool of 0 threads runs everything in tasks on one loop, a slice in each, in the same order as
 * one thread would, with the same callbacks: for tests on a fake loop.
 */
#include <stdbool.h>
#include <stddef.h>

#include "net/loop.h"

struct work_pool; /* opaque */
struct work_lot;

enum work_kind {
	WORK_SHORT, /* milliseconds: finding a recipient, opening a mailbox, a piece of a file */
	WORK_LOGIN, /* strangers can request any number of these */
	WORK_LONG,  /* searching and rendering */
	WORK_KINDS
};

enum work_end { WORK_DONE, WORK_AGAIN };

/* Whose work it is, as numbers that differ: keyed hashes, or counters. */
struct work_who {
	uint64_t user;     /* on whose behalf: a user, a network of strangers, a peer */
	uint64_t identity; /* who authenticated; 0: nobody */
};

#define WORK_SLICE_MS 50
extern const char *const work_kind_words[WORK_KINDS];

/*
 * Embed it, zeroed, in the object of the work; set run, done, loop, kind and who.  It must live
 * until done() is called, and may be freed or submitted again there.
 */
struct work {
	enum work_end (*run)(struct work *work); /* on a pool thread, perhaps a different one each
	                                            time; must make progress in every slice */
	void (*done)(struct work *work);         /* afterwards, on the loop's thread */
	struct loop *loop;
	enum work_kind kind;
	struct work_who who;
	/* private */
	_Atomic bool cancelled;
	uint64_t slice_end_ns;
	unsigned questions;
	struct work_pool *pool;
	struct work *next, **at; /* at: what points to it in its lot; NULL: it is not waiting */
	struct loop_task task;
};

struct work_pool *work_pool_new(unsigned threads) __attribute__((returns_nonnull));
/*
 * Waits until all submitted work has run and its done() is posted; the loops
 * must still exist.  With 0 threads the loops must have run it already.
 */
void work_pool_free(struct work_pool **pool);
/* Sets the length of slices, from the next one on; WORK_SLICE_MS at first.  Any thread. */
void work_pool_set_slice(struct work_pool *pool, unsigned ms);

/* Any thread. */
void work_submit(struct work_pool *pool, struct work *work);
/*
 * Call if nobody wants the result any more: run() is not called again, and work_should_stop() tells
 * one that is running; done() is called all the same.  Call it on the loop's thread, between submit
 * and done(); the owner must remember that the result is incomplete.
 */
void work_cancel(struct work *work);
/* For run(): returns true if its slice is over or it was cancelled.  work may be NULL, for work
 * done without a pool: always false.  Costs a look at the clock: ask about every millisecond, not
 * for each byte. */
bool work_should_stop(struct work *work);

/* Counts work waiting for a thread (including between slices), and running now.  Any thread. */
size_t work_pool_waiting(struct work_pool *pool);
size_t work_pool_running(struct work_pool *pool);
struct work_counts {
	size_t waiting[WORK_KINDS], running[WORK_KINDS];
};
void work_pool_counts(struct work_pool *pool, struct work_counts *counts_r);
/* Counts waiting login checks of this who.user. */
size_t work_pool_waiting_of(struct work_pool *pool, uint64_t user);

/* For tests of a pool of 0 threads: while held, nothing submitted runs. */
void work_pool_hold(struct work_pool *pool, bool held);
/* Same: runs one slice of what waits; false: nothing does. */
bool work_pool_step(struct work_pool *pool);
/* Same: ends a slice at the n-th question instead of by the clock.  0: never. */
void work_pool_set_questions(struct work_pool *pool, unsigned n);
#endif
