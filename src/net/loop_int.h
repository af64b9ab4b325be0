/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_LOOP_INT_H
#define NET_LOOP_INT_H
/*
 * Internals of a loop, for code that watches sockets on it (streams,
 * listeners).  libuv provides the sleep, the wake-up and the sockets; tasks and
 * timers are our own, because they are many, embedded, and must work on the
 * fake loop.
 */
#include <pthread.h>
#include <uv.h>

#include "net/loop.h"

#define LOOP_SCRATCH (64 * 1024)

struct task_queue {
	struct loop_task *first, **last;
};

struct loop {
	bool fake;
	bool stop;                /* atomic */
	uintptr_t owner;          /* atomic: the thread inside loop_run, or 0 */
	struct loop_task *posted; /* atomic: from other threads, newest first */
	struct task_queue own;    /* from the loop's own thread, in order */
	struct task_queue at_end;
	uint64_t now;
	int64_t wall_ms;            /* fake: wall clock minus now */
	uint64_t (*cpu)(void *arg); /* fake: replaces the thread's CPU time; may be NULL */
	void *cpu_arg;
	struct loop_timer **heap;
	size_t timers, heap_cap;
	size_t users;  /* number of live streams and listeners */
	char *scratch; /* LOOP_SCRATCH bytes, see loop_scratch() */
	struct arena_pool arenas;
	uv_loop_t uv;
	uv_async_t wake;
	uv_prepare_t prepare;
	uv_idle_t busy; /* active: do not sleep */
	uv_timer_t alarm;
};

/* Returns the buffer for all reads of the loop; nobody may keep a pointer into it. */
char *loop_scratch(struct loop *loop) __attribute__((returns_nonnull));

/* Call first in each callback of a socket: the loop may have slept for long. */
static inline void
loop_tick(struct loop *loop)
{
	loop->now = uv_now(&loop->uv);
}

/* net/timer.c: fires what is due at loop->now; and gets the time of the next one (false: none is
 * set). */
void timers_run(struct loop *loop);
bool timers_next(const struct loop *loop, uint64_t *at_r);
#endif
