/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_LOOP_H
#define NET_LOOP_H
/*
 * net: connections, and the threads that serve them.  A loop never waits for a disk or a lock that
 * is held for long: work.h takes what may wait to other threads.  Start here, then stream.h (bytes
 * both ways), listen.h (how they come in), work.h; tls/ is all that knows certificates.
 *
 * Event loop: one thread's tasks, timers and sockets.
 *
 * One iteration: sockets that are ready, timers that are due, the tasks posted
 * since the last iteration, then the tasks that asked for its end; then it
 * sleeps until something happens.  Nothing that a function here is asked to
 * call later is ever called inside that function.
 *
 * All functions are for the loop's own thread (the one inside loop_run, or any
 * one before that), but loop_post and loop_stop, which any thread may call.
 *
 * The fake loop has no sockets and no thread, and its clock stands still: a
 * test runs what is posted and moves the clock itself.  Streams, timers and
 * work pools cannot see the difference.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

struct loop; /* opaque */

#define LOOP_FREE_MS 10000

/* SIGPIPE is ignored in the process from the first loop_new() on. */
struct loop *loop_new(void) __attribute__((returns_nonnull));
struct loop *loop_new_fake(void) __attribute__((returns_nonnull));
/*
 * The loop must not be running.  Runs what was posted before, and finishes the
 * closing of streams (within their close_ms); all streams and listeners of the
 * loop must have been told to close or abort, else this is a bug and aborts after
 * LOOP_FREE_MS.  NULL is fine.
 */
void loop_free(struct loop **lp);
/*
 * Runs what was posted to a loop that does not run; false: there was nothing.
 * For the end: what other threads still do for a loop whose owner is gone must
 * be waited for before it is freed.
 */
bool loop_settle(struct loop *loop);

/* Returns after loop_stop(), also one that was called before. */
void loop_run(struct loop *loop);
/* From any thread: the current iteration is the last of this loop_run(). */
void loop_stop(struct loop *loop);

/*
 * Something to be run once.  The caller owns it and sets fn; it must live until
 * fn is called, and may be posted anew, or freed, inside fn.
 */
struct loop_task {
	struct loop_task *next;
	void (*fn)(struct loop_task *task);
	bool queued; /* the loop's; false at first */
};

/*
 * From any thread: fn runs on the loop's thread, never inside this call, in the
 * order in which one thread posted.  Tasks posted while tasks run come after
 * the sockets had their turn.  A task that is queued already is left where it
 * is: it runs once, and sees what the poster wrote before.
 */
void loop_post(struct loop *loop, struct loop_task *task);
/*
 * Loop's thread only: fn runs at the end of this iteration, after the posted
 * tasks, before the loop sleeps.  Asked for inside such a task it runs at the
 * end of the next iteration, which then comes at once.  A task is in one of the
 * two queues at most; one that is queued already is left where it is.
 */
void loop_at_end(struct loop *loop, struct loop_task *task);

/* Milliseconds, monotonic, as of the start of this iteration. */
uint64_t loop_now(const struct loop *loop);
/* Seconds since 1970. */
int64_t loop_wall(const struct loop *loop);
/* Nanoseconds that the loop's thread has computed, by clock_cpu_ns(). */
uint64_t loop_cpu_ns(const struct loop *loop);
/* The counters of the arenas that live on this loop. */
struct arena_pool *loop_arenas(struct loop *loop);

/*
 * A timer, embedded in what it belongs to; clear it before that goes away.  It
 * fires once for each setting.  Setting it to a later time than it had costs a
 * store, so an idle timeout may be set anew with each command.
 */
typedef void loop_timer_f(void *arg);

struct loop_timer { /* all private */
	struct loop *loop;
	loop_timer_f *fn;
	void *arg;
	uint64_t due; /* when it shall fire */
	uint64_t at;  /* where it stands in the heap; never later than due */
	size_t slot;  /* in the heap, plus one; 0: not set */
};

void loop_timer_init(struct loop_timer *timer, struct loop *loop, loop_timer_f *fn, void *arg);
/* fn(arg) in ms milliseconds instead of when it was set to; 0 counts as 1. */
void loop_timer_set(struct loop_timer *timer, uint64_t ms);
void loop_timer_clear(struct loop_timer *timer);
bool loop_timer_is_set(const struct loop_timer *timer);

/* For tests.  Runs tasks until none is left. */
void loop_fake_run(struct loop *loop);
/* Runs one of them; false: there is none. */
bool loop_fake_step(struct loop *loop);
/* Moves both clocks, a timer at a time in their order, running tasks after each. */
void loop_fake_advance(struct loop *loop, uint64_t ms);
void loop_fake_set_wall(struct loop *loop, int64_t seconds);
/* loop_cpu_ns() is what fn says. */
void loop_fake_set_cpu(struct loop *loop, uint64_t (*fn)(void *arg), void *arg);
#endif
