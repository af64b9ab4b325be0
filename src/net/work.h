/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_WORK_H
#define NET_WORK_H
/*
 * Worker pool: threads for what would stall a loop (password hashing, cold files, searching
 * text).  Nobody can have all of it:
 *
 *   time     Work that may take long runs in slices: run() asks work_should_stop() between two
 *            pieces of what it does, and when that says so it keeps what it has got and returns
 *            WORK_AGAIN.  Then all others that wait have their turn.
 *   threads  Of n threads one user has max(1, n/2) at the most, and one authentication identity,
 *            whomever it acts for; all checks of logins together, which strangers can ask for,
 *            have as many; one of two and more threads never takes long work.
 *   turns    Short work goes first, then checks of logins every other turn, then long work,
 *            which has each ninth turn if there is ever more of the others.  Users have their turn
 *            one after the other: who asks for a thousand works waits for himself.
 *
 * A pool of 0 threads runs all from tasks on one loop, a slice in each, in the same order as one
 * thread would: the same callbacks, for tests on a fake loop.
 */
#include <stdbool.h>
#include <stddef.h>

#include "net/loop.h"

struct work_pool; /* opaque */
struct work_lot;

enum work_kind {
	WORK_SHORT, /* some milliseconds: finding a recipient, opening a mailbox, a piece of a file
	             */
	WORK_LOGIN, /* what strangers can ask for any number of times */
	WORK_LONG,  /* searching and rendering */
	WORK_KINDS
};

enum work_end { WORK_DONE, WORK_AGAIN };

/* Who is behind a work, as numbers that differ: hashes by a secret, or counted. */
struct work_who {
	uint64_t user;     /* for whom: a user, a network of strangers, a peer */
	uint64_t identity; /* who authenticated; 0: nobody did */
};

#define WORK_SLICE_MS 50
extern const char *const work_kind_words[WORK_KINDS];

/*
 * Embedded in what the work is about, zeroed; the caller sets run, done, loop, kind and who.  It
 * must live until done() is called, and may be freed or submitted again there.
 */
struct work {
	enum work_end (*run)(struct work *work); /* on a thread of the pool, maybe on another each
	                                            time; must get on in each of its slices */
	void (*done)(struct work *work);         /* then, on the loop's thread */
	struct loop *loop;
	enum work_kind kind;
	struct work_who who;
	/* private */
	_Atomic bool cancelled;
	uint64_t slice_end_ns;
	unsigned questions;
	struct work_pool *pool;
	struct work *next, **at; /* at: what points to it in its lot; NULL: it does not wait */
	struct loop_task task;
};

struct work_pool *work_pool_new(unsigned threads) __attribute__((returns_nonnull));
/*
 * Waits until all that was submitted has run and its done() is posted; the
 * loops must still exist.  With 0 threads the loops must have run it already.
 */
void work_pool_free(struct work_pool **pool);
/* How long a slice is, from the next one on; WORK_SLICE_MS at first.  From any thread. */
void work_pool_set_slice(struct work_pool *pool, unsigned ms);

/* From any thread. */
void work_submit(struct work_pool *pool, struct work *work);
/*
 * Nobody wants its result any more: run() is not called again, and work_should_stop() says so to
 * one that is running; done() is called all the same.  On the loop's thread, between submit and
 * done(); the owner must remember by itself that the result is not whole.
 */
void work_cancel(struct work *work);
/* For run(): is its slice over, or was it cancelled?  work may be NULL, for what is done without
 * a pool: then never.  Costs a look at the clock: ask each millisecond or so, not for each byte. */
bool work_should_stop(struct work *work);

/* Submitted and waiting for a thread, between slices too / running now.  From any thread. */
size_t work_pool_waiting(struct work_pool *pool);
size_t work_pool_running(struct work_pool *pool);
struct work_counts {
	size_t waiting[WORK_KINDS], running[WORK_KINDS];
};
void work_pool_counts(struct work_pool *pool, struct work_counts *counts_r);
/* Of those that wait: checks of logins of this who.user. */
size_t work_pool_waiting_of(struct work_pool *pool, uint64_t user);

/* For tests, of a pool of 0 threads: while held nothing of what is submitted runs. */
void work_pool_hold(struct work_pool *pool, bool held);
/* Likewise: one slice of what waits, now; false: nothing does. */
bool work_pool_step(struct work_pool *pool);
/* Likewise: a slice is over at the n-th question, not by the clock.  0: never. */
void work_pool_set_questions(struct work_pool *pool, unsigned n);
#endif
