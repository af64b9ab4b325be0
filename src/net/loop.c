/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop, see loop.h.  Everything in an iteration except the sockets
 * happens in libuv's prepare callback, which runs right before it sleeps: what
 * sockets caused is flushed by then, and what is posted there keeps it awake.
 */
#include "net/loop.h"

#include <signal.h>

#include "base/block.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/loop_int.h"

enum {
	FAKE_NOW = 1000000,
	FAKE_WALL = 1700000000,
	FAKE_ROUNDS = 10000000,
};

static void
queue_init(struct task_queue *q)
{
	q->first = NULL;
	q->last = &q->first;
}

static void
queue_put(struct task_queue *q, struct loop_task *task)
{
	task->next = NULL;
	*q->last = task;
	q->last = &task->next;
}

static struct loop_task *
queue_take(struct task_queue *q)
{
	struct loop_task *first = q->first;

	queue_init(q);
	return first;
}

/* Appends what other threads posted, oldest first. */
static void
take_posted(struct loop *loop)
{
	struct loop_task *task = __atomic_exchange_n(&loop->posted, NULL, __ATOMIC_ACQ_REL);
	struct loop_task *oldest = NULL, *next;

	for (; task != NULL; task = next) {
		next = task->next;
		task->next = oldest;
		oldest = task;
	}
	for (; oldest != NULL; oldest = next) {
		next = oldest->next;
		queue_put(&loop->own, oldest);
	}
}

static void
run_tasks(struct loop_task *task)
{
	struct loop_task *next;

	for (; task != NULL; task = next) {
		next = task->next;
		/*
		 * An exchange, not a store: if another thread found the task queued and did not
		 * post it, fn must see what that thread wrote before.
		 */
		(void)__atomic_exchange_n(&task->queued, false, __ATOMIC_ACQ_REL);
		task->fn(task);
	}
}

static bool
has_tasks(const struct loop *loop)
{
	return loop->own.first != NULL || loop->at_end.first != NULL ||
	       __atomic_load_n(&loop->posted, __ATOMIC_ACQUIRE) != NULL;
}

static void
run_round(struct loop *loop)
{
	take_posted(loop);
	run_tasks(queue_take(&loop->own));
	run_tasks(queue_take(&loop->at_end));
}

static void
set_alarm(struct loop *loop)
{
	uint64_t at;

	if (!timers_next(loop, &at)) {
		(void)uv_timer_stop(&loop->alarm);
		return;
	}
	uv_update_time(&loop->uv);
	loop_tick(loop);
	(void)uv_timer_start(
	    &loop->alarm, loop->alarm.timer_cb, at > loop->now ? at - loop->now : 0, 0);
}

static void
on_prepare(uv_prepare_t *handle)
{
	struct loop *loop = handle->data;

	loop_tick(loop);
	timers_run(loop);
	run_round(loop);
	if (__atomic_load_n(&loop->stop, __ATOMIC_ACQUIRE))
		uv_stop(&loop->uv);
	if (has_tasks(loop))
		(void)uv_idle_start(&loop->busy, loop->busy.idle_cb);
	else
		(void)uv_idle_stop(&loop->busy);
	set_alarm(loop);
}

/* These only end the sleep; on_prepare does the work. */
static void
on_wake(uv_async_t *handle)
{
	(void)handle;
}

static void
on_busy(uv_idle_t *handle)
{
	(void)handle;
}

static void
on_alarm(uv_timer_t *handle)
{
	(void)handle;
}

static struct loop *
make_loop(bool fake)
{
	struct loop *loop = mem_zalloc(sizeof(*loop));

	loop->fake = fake;
	queue_init(&loop->own);
	queue_init(&loop->at_end);
	return loop;
}

struct loop *
loop_new(void)
{
	struct loop *loop = make_loop(false);

	/* OpenSSL writes to sockets with write(2), which has no flag against the signal. */
	(void)signal(SIGPIPE, SIG_IGN);
	if (uv_loop_init(&loop->uv) != 0 || uv_async_init(&loop->uv, &loop->wake, on_wake) != 0)
		TS_WRONG("cannot make an event loop: out of descriptors?");
	(void)uv_prepare_init(&loop->uv, &loop->prepare);
	(void)uv_idle_init(&loop->uv, &loop->busy);
	(void)uv_timer_init(&loop->uv, &loop->alarm);
	loop->wake.data = loop->prepare.data = loop->busy.data = loop->alarm.data = loop;
	loop->busy.idle_cb = on_busy;
	loop->alarm.timer_cb = on_alarm;
	(void)uv_prepare_start(&loop->prepare, on_prepare);
	loop_tick(loop);
	return loop;
}

struct loop *
loop_new_fake(void)
{
	struct loop *loop = make_loop(true);

	loop->now = FAKE_NOW;
	loop_fake_set_wall(loop, FAKE_WALL);
	/* The thread that makes the loop runs it; lanes with threads post to it from theirs. */
	__atomic_store_n(&loop->owner, (uintptr_t)pthread_self(), __ATOMIC_RELAXED);
	return loop;
}

static void
set_owner(struct loop *loop, uintptr_t owner)
{
	__atomic_store_n(&loop->owner, owner, __ATOMIC_RELAXED);
}

void
loop_run(struct loop *loop)
{
	TS_ASSERT(!loop->fake);
	set_owner(loop, (uintptr_t)pthread_self());

	bool was = block_on_loop(true);

	(void)uv_run(&loop->uv, UV_RUN_DEFAULT);
	(void)block_on_loop(was);
	set_owner(loop, 0);
	__atomic_store_n(&loop->stop, false, __ATOMIC_RELEASE);
}

void
loop_stop(struct loop *loop)
{
	__atomic_store_n(&loop->stop, true, __ATOMIC_RELEASE);
	if (!loop->fake)
		(void)uv_async_send(&loop->wake);
}

static void
on_too_late(void *arg)
{
	*(bool *)arg = true;
}

/* Lets streams that were told to close do so. */
static void
wind_up(struct loop *loop)
{
	struct loop_timer limit;
	bool too_late = false;

	loop_timer_init(&limit, loop, on_too_late, &too_late);
	loop_timer_set(&limit, LOOP_FREE_MS);
	if (loop->fake) {
		loop_fake_run(loop);
		if (loop->users > 0)
			loop_fake_advance(loop, LOOP_FREE_MS);
	} else {
		set_owner(loop, (uintptr_t)pthread_self());
		__atomic_store_n(&loop->stop, false, __ATOMIC_RELEASE);
		do
			(void)uv_run(&loop->uv,
			    loop->users > 0 && !has_tasks(loop) ? UV_RUN_ONCE : UV_RUN_NOWAIT);
		while ((loop->users > 0 || has_tasks(loop)) && !too_late);
	}
	if (loop->users > 0)
		TS_WRONG("a loop is freed that has open streams or listeners");
	loop_timer_clear(&limit);
}

bool
loop_settle(struct loop *loop)
{
	bool any = has_tasks(loop);

	set_owner(loop, (uintptr_t)pthread_self());
	while (has_tasks(loop))
		run_round(loop);
	if (!loop->fake)
		set_owner(loop, 0);
	return any;
}

void
loop_free(struct loop **lp)
{
	struct loop *loop = *lp;

	*lp = NULL;
	if (loop == NULL)
		return;
	wind_up(loop);
	if (!loop->fake) {
		uv_close((uv_handle_t *)&loop->wake, NULL);
		uv_close((uv_handle_t *)&loop->prepare, NULL);
		uv_close((uv_handle_t *)&loop->busy, NULL);
		uv_close((uv_handle_t *)&loop->alarm, NULL);
		(void)uv_run(&loop->uv, UV_RUN_DEFAULT);
		if (uv_loop_close(&loop->uv) != 0)
			TS_WRONG("a loop is freed that has open handles");
	}
	mem_free(loop->heap);
	mem_free(loop->scratch);
	mem_free(loop);
}

void
loop_post(struct loop *loop, struct loop_task *task)
{
	struct loop_task *head;

	if (__atomic_exchange_n(&task->queued, true, __ATOMIC_ACQ_REL))
		return;
	if (__atomic_load_n(&loop->owner, __ATOMIC_RELAXED) == (uintptr_t)pthread_self()) {
		queue_put(&loop->own, task);
		return;
	}
	head = __atomic_load_n(&loop->posted, __ATOMIC_RELAXED);
	do
		__atomic_store_n(&task->next, head, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(
	    &loop->posted, &head, task, true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
	/* The thread that posted first wakes the loop for all. */
	if (head == NULL && !loop->fake)
		(void)uv_async_send(&loop->wake);
}

void
loop_at_end(struct loop *loop, struct loop_task *task)
{
	if (__atomic_exchange_n(&task->queued, true, __ATOMIC_ACQ_REL))
		return;
	queue_put(&loop->at_end, task);
}

uint64_t
loop_now(const struct loop *loop)
{
	return loop->now;
}

int64_t
loop_wall(const struct loop *loop)
{
	return loop->fake ? (loop->wall_ms + (int64_t)loop->now) / 1000 : clock_wall_s();
}

uint64_t
loop_cpu_ns(const struct loop *loop)
{
	return loop->cpu != NULL ? loop->cpu(loop->cpu_arg) : clock_cpu_ns();
}

struct arena_pool *
loop_arenas(struct loop *loop)
{
	return &loop->arenas;
}

char *
loop_scratch(struct loop *loop)
{
	if (loop->scratch == NULL)
		loop->scratch = mem_realloc(NULL, LOOP_SCRATCH);
	return loop->scratch;
}

void
loop_fake_run(struct loop *loop)
{
	bool was = block_on_loop(true);

	TS_ASSERT(loop->fake);
	for (size_t rounds = 0; has_tasks(loop); rounds++) {
		if (rounds == FAKE_ROUNDS)
			TS_WRONG("tasks post each other for ever");
		run_round(loop);
	}
	(void)block_on_loop(was);
}

bool
loop_fake_step(struct loop *loop)
{
	struct task_queue *q;
	struct loop_task *task;
	bool was = block_on_loop(true);

	TS_ASSERT(loop->fake);
	take_posted(loop);
	q = loop->own.first != NULL ? &loop->own : &loop->at_end;
	task = q->first;
	if (task != NULL) {
		q->first = task->next;
		if (q->first == NULL)
			q->last = &q->first;
		task->next = NULL;
		run_tasks(task);
	}
	(void)block_on_loop(was);
	return task != NULL;
}

void
loop_fake_advance(struct loop *loop, uint64_t ms)
{
	uint64_t end = loop->now + ms, at;
	bool was = block_on_loop(true);

	loop_fake_run(loop);
	while (timers_next(loop, &at) && at <= end) {
		if (at > loop->now)
			loop->now = at;
		timers_run(loop);
		loop_fake_run(loop);
	}
	loop->now = end;
	(void)block_on_loop(was);
}

void
loop_fake_set_wall(struct loop *loop, int64_t seconds)
{
	TS_ASSERT(loop->fake);
	loop->wall_ms = seconds * 1000 - (int64_t)loop->now;
}

void
loop_fake_set_cpu(struct loop *loop, uint64_t (*fn)(void *arg), void *arg)
{
	TS_ASSERT(loop->fake);
	loop->cpu = fn;
	loop->cpu_arg = arg;
}
