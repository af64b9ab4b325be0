/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timers of a loop: a binary heap of pointers, ordered by `at`.  A timer that
 * is set to a later time stays where it is and moves when its old time comes,
 * so the common case (a timeout pushed back by each command) is free.
 */
#include "base/err.h"
#include "base/mem.h"
#include "net/loop_int.h"

static void
place(struct loop *loop, size_t i, struct loop_timer *timer)
{
	loop->heap[i] = timer;
	timer->slot = i + 1;
}

static void
sift_up(struct loop *loop, size_t i)
{
	struct loop_timer *timer = loop->heap[i];

	while (i > 0) {
		size_t parent = (i - 1) / 2;

		if (loop->heap[parent]->at <= timer->at)
			break;
		place(loop, i, loop->heap[parent]);
		i = parent;
	}
	place(loop, i, timer);
}

static void
sift_down(struct loop *loop, size_t i)
{
	struct loop_timer *timer = loop->heap[i];

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= loop->timers)
			break;
		if (child + 1 < loop->timers && loop->heap[child + 1]->at < loop->heap[child]->at)
			child++;
		if (timer->at <= loop->heap[child]->at)
			break;
		place(loop, i, loop->heap[child]);
		i = child;
	}
	place(loop, i, timer);
}

void
loop_timer_init(struct loop_timer *timer, struct loop *loop, loop_timer_f *fn, void *arg)
{
	*timer = (struct loop_timer){.loop = loop, .fn = fn, .arg = arg};
}

void
loop_timer_set(struct loop_timer *timer, uint64_t ms)
{
	struct loop *loop = timer->loop;

	/* The clock of a loop that does not run is as old as its last iteration. */
	if (!loop->fake && __atomic_load_n(&loop->owner, __ATOMIC_RELAXED) == 0) {
		uv_update_time(&loop->uv);
		loop_tick(loop);
	}
	/* Never due now: a timer that sets itself must not fire twice in one iteration. */
	if (__builtin_add_overflow(loop->now, ms > 0 ? ms : 1, &timer->due))
		timer->due = UINT64_MAX;
	if (timer->slot != 0) {
		if (timer->due < timer->at) {
			timer->at = timer->due;
			sift_up(loop, timer->slot - 1);
		}
		return;
	}
	if (loop->timers == loop->heap_cap) {
		loop->heap_cap = loop->heap_cap > 0 ? loop->heap_cap * 2 : 64;
		loop->heap = mem_realloc(loop->heap, loop->heap_cap * sizeof(*loop->heap));
	}
	timer->at = timer->due;
	loop->heap[loop->timers++] = timer;
	sift_up(loop, loop->timers - 1);
}

void
loop_timer_clear(struct loop_timer *timer)
{
	struct loop *loop = timer->loop;
	struct loop_timer *last;
	size_t i = timer->slot;

	if (i-- == 0)
		return;
	timer->slot = 0;
	last = loop->heap[--loop->timers];
	if (last == timer)
		return;
	place(loop, i, last);
	sift_up(loop, i);
	sift_down(loop, last->slot - 1);
}

bool
loop_timer_is_set(const struct loop_timer *timer)
{
	return timer->slot != 0;
}

void
timers_run(struct loop *loop)
{
	while (loop->timers > 0 && loop->heap[0]->at <= loop->now) {
		struct loop_timer *timer = loop->heap[0];

		if (timer->due > loop->now) {
			timer->at = timer->due;
			sift_down(loop, 0);
			continue;
		}
		loop_timer_clear(timer);
		timer->fn(timer->arg);
	}
}

bool
timers_next(const struct loop *loop, uint64_t *at_r)
{
	if (loop->timers == 0)
		return false;
	*at_r = loop->heap[0]->at;
	return true;
}
