/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_LOOP_H
#define NET_LOOP_H
/*
 * net: connections, and the threads that serve them.  A loop never waits for a disk or a lock that
 * is held for long: work.h moves what may wait to other threads.  Start here, then stream.h (bytes
 * both ways), listen.h (accepting), work.h; only tls/ knows about certificates.
 *
 * Event loop: one thread's tasks, timers and sockets.
 *
 * One iteration: sockets that are ready, timers that are due, tasks posted since the last
 * iteration, then tasks that asked for its end; then it sleeps until something happens.  A function
 * here never makes a callback from inside its own call.
 *
 * All functions are for the loop's own thread (the one inside loop_run, or any one before that),
 * except loop_post and loop_stop, which any thread may call.
 *
 * The fake loop has no sockets and no thread, and its clock stands still: a test runs what is
 * posted and advances the clock itself.  Streams, timers and work pools cannot tell the difference.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

struct loop; /* opaque */

#define LOOP_FREE_MS 10000

/* The first loop_new() makes the process ignore SIGPIPE. */
struct loop *loop_new(void) __attribute__((returns_nonnull));
struct loop *loop_new_fake(void) __attribute__((returns_nonnull));
/*
 * The loop must not be running.  Runs what was posted before, and finishes closing streams (within
 * their close_ms).  All streams and listeners of the loop must have been told to close or abort;
 * else this is a bug, and it aborts after LOOP_FREE_MS.  NULL is fine.
 */
void loop_free(struct loop **lp);
/*
 * Runs what was posted to a loop that does not run.  Returns false if there was
 * nothing.  For the end: before freeing a loop whose owner is gone, wait for
 * what other threads still do for it.
 */
bool loop_settle(struct loop *loop);

/* Returns after loop_stop(), even if that was called before. */
void loop_run(struct loop *loop);
/* Any thread: makes the current iteration the last of this loop_run(). */
void loop_stop(struct loop *loop);

/*
 * A task to be run once.  The caller owns it and sets fn; it must live until fn
 * is called, and may be posted again, or freed, inside fn.
 */
struct loop_task {
	struct loop_task *next;
	void (*fn)(struct loop_task *task);
	bool queued; /* private; false at first */
};

/*
 * Any thread: runs fn on the loop's thread, never inside this call, in the
 * order in which a thread posted.  Tasks posted while tasks run wait until the
 * sockets had their turn.  A task that is queued already stays where it is: it
 * runs once, and sees what the poster wrote before.
 */
void loop_post(struct loop *loop, struct loop_task *task);
/*
 * Loop's thread only: runs fn at the end of this iteration, after the posted
 * tasks, before the loop sleeps.  If called inside such a task, fn runs at the
 * end of the next iteration, which then comes at once.  A task is in at most
 * one of the two queues; one that is queued already stays where it is.
 */
void loop_at_end(struct loop *loop, struct loop_task *task);

/* Milliseconds, monotonic, as of the start of this iteration. */
uint64_t loop_now(const struct loop *loop);
/* Seconds since 1970. */
int64_t loop_wall(const struct loop *loop);
/* Nanoseconds of CPU time that the loop's thread has used, by clock_cpu_ns(). */
uint64_t loop_cpu_ns(const struct loop *loop);
/* Returns the counters of this loop's arenas. */
struct arena_pool *loop_arenas(struct loop *loop);

/*
 * A timer, embedded in what it belongs to; clear it before that goes away.  It
 * fires once each time it is set.  Setting it to a later time costs only a
 * store, so an idle timeout may be reset with each command.
 */
typedef void loop_timer_f(void *arg);

struct loop_timer { /* private */
	struct loop *loop;
	loop_timer_f *fn;
	void *arg;
	uint64_t due; /* when it must fire */
	uint64_t at;  /* its key in the heap; never later than due */
	size_t slot;  /* index in the heap, plus one; 0: not set */
};

void loop_timer_init(struct loop_timer *timer, struct loop *loop, loop_timer_f *fn, void *arg);
/* Calls fn(arg) in ms milliseconds, replacing an earlier setting; 0 counts as 1. */
void loop_timer_set(struct loop_timer *timer, uint64_t ms);
void loop_timer_clear(struct loop_timer *timer);
bool loop_timer_is_set(const struct loop_timer *timer);

/* For tests: runs tasks until none is left. */
void loop_fake_run(struct loop *loop);
/* Runs one task; returns false if there is none. */
bool loop_fake_step(struct loop *loop);
/* Advances both clocks, one due timer at a time in order, running tasks after each. */
void loop_fake_advance(struct loop *loop, uint64_t ms);
void loop_fake_set_wall(struct loop *loop, int64_t seconds);
/* Makes loop_cpu_ns() return what fn returns. */
void loop_fake_set_cpu(struct loop *loop, uint64_t (*fn)(void *arg), void *arg);
#endif
