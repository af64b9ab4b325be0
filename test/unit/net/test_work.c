/* SPDX-License-Identifier: Apache-2.0 */
/* Worker pools: whose turn it is, shares, slices, cancelling; on the fake loop and on threads. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "net/work.h"
#include "net/work_queue.h"

/* ---- whose turn it is ---- */

static enum work_kind
kind_of(char letter)
{
	return letter == 's' ? WORK_SHORT : letter == 'c' ? WORK_LOGIN : WORK_LONG;
}

/*
 * Runs a script of words against the queue of so many threads:
 *	+aUk, +aUkI  puts work a of user U (and identity I); k: s(hort), c(heck), l(ong)
 *	=a           a is taken now; =- nothing is
 *	.a           a has run
 *	~a           the slice of a is over, it waits again
 *	!a           a is taken out
 */
static void
play(unsigned threads, const char *script)
{
	struct work_queue *q = work_queue_new(threads);
	struct work works[128] = {{0}}, *w;
	char word[8];
	int n;

	for (const char *p = script; sscanf(p, "%7s%n", word, &n) == 1; p += n) {
		w = &works[(unsigned char)word[1] % 128];
		switch (word[0]) {
		case '+':
			*w = (struct work){.kind = kind_of(word[3]),
			    .who = {.user = (uint64_t)word[2], .identity = (uint64_t)word[4]}};
			work_queue_put(q, w);
			break;
		case '=':
			if (work_queue_take(q) != (word[1] == '-' ? NULL : w))
				fail_msg("%s: not %s", script, word);
			break;
		case '.':
		case '~':
			work_queue_ran(q, w->kind, w->who);
			if (word[0] == '~')
				work_queue_put(q, w);
			break;
		default:
			assert_true(work_queue_remove(q, w));
			assert_false(work_queue_remove(q, w));
		}
	}
	for (unsigned kind = 0; kind < WORK_KINDS; kind++) {
		assert_int_equal(work_queue_counts(q)->waiting[kind], 0);
		assert_int_equal(work_queue_counts(q)->running[kind], 0);
	}
	work_queue_free(&q);
}

/* Users take turns, and a user's jobs run in order. */
static void
turns_of_users(void **state)
{
	(void)state;
	play(1, "+a1s +b1s +c1s +d1s +e2s +f3s +g2s"
	        " =a .a =e .e =f .f =b .b =g .g =c .c =d .d");
	play(1, "+a1l +b1l +c2l =a ~a =c .c =b .b =a .a");
	/* a job that returns after a slice waits behind those that arrived meanwhile */
	play(1, "+a1l =a +b2l +c3l ~a =b ~b =c .c =a .a =b .b");
}

/* Short work goes first, login checks every other time, slices of long work if neither waits; but
 * no flood of those starves it. */
static void
turns_of_kinds(void **state)
{
	(void)state;
	play(1, "+l1l +a2s +b2s +c3c +d3c =c .c =a .a =d .d =b .b =l .l");
	play(1, "+l1l =l +a2s +c3c ~l =c .c =a .a =l .l");
	play(1, "+l1l +a2s +b2s +c2s +d2s +e2s +f2s +g2s +h2s +i2s +j2s"
	        " =a .a =b .b =c .c =d .d =e .e =f .f =g .g =h .h =l .l =i .i =j .j");
}

/* A user may use max(1, n/2) of n threads, on any number of connections and for any kind of
 * work. */
static void
share_of_user(void **state)
{
	(void)state;
	play(4, "+a1l +b1l +c1l +d2l =a =d =b =- .a =c =- .b .c .d");
	play(4, "+a1s +b1l +c1s +d1l =a =c =- .a =b .b =d .d .c");
	play(2, "+a1s +b1s +c2s =a =c =- .a =b .b .c");
	play(3, "+a1s +b1s =a =- .a =b .b");
	play(1, "+a1l +b1l =a =- .a =b .b");
	/* it is skipped, and keeps its place */
	play(4, "+a1s +b1s +c1s =a =b +d2s =d .d +e2s .a =c .c =e .e .b");
}

/* The same for an identity that acts for many. */
static void
share_of_identity(void **state)
{
	(void)state;
	play(4, "+a1l9 +b2l9 +c3l9 +d4l8 =a =b =d =- .a =c .b .c .d");
	/* a user is one user, whoever acts for them */
	play(4, "+a1l9 +b1l8 +c1l7 +d2l7 =a =d =b =- .b =c .a .c .d");
	/* one user's work may continue for another identity */
	play(4, "+a1l9 +b2l9 +c3l9 +d3l8 =a =b =d =- .a =c .b .c .d");
	/* no identity: no more than the user */
	play(4, "+a1s +b2s +c3s +d4s =a =b =c =d .a .b .c .d");
}

/* One thread never takes long work, if there are two; half of them check logins. */
static void
share_of_kind(void **state)
{
	(void)state;
	play(2, "+a1l +b2l =a =- +c3s =c .c =- .a =b .b");
	play(4, "+a1l +b2l +c3l +d4l =a =b =c =- .b =d .a .c .d");
	play(1, "+a1l =a .a");
	play(4, "+a1c +b2c +c3c =a =b =- +d4s =d .d =- .a =c .b .c");
	play(2, "+a1c +b2c =a =- +d4s =d .d .a =b .b");
	play(1, "+a1c +b2c =a .a =b .b");
}

/* Removed in the middle, at either end, alone. */
static void
taken_out(void **state)
{
	(void)state;
	play(1, "+a1s +b1s +c1s !b =a .a =c .c");
	play(1, "+a1s +b1s +c1s !c +d1s =a .a =b .b =d .d");
	play(1, "+a1s +b1s !a =b .b");
	play(1, "+a1l !a +b1l9 !b =- +c1l =c .c");
}

/* ---- on the fake loop ---- */

struct job {
	struct work work;
	struct buf *out;
	char letter;
	unsigned pieces; /* left to do */
	pthread_t ran_on;
	int *left;
};

static enum work_end
job_run(struct work *w)
{
	struct job *j = (struct job *)(void *)w;

	j->ran_on = pthread_self();
	do {
		if (j->out != NULL)
			buf_putc(j->out, j->letter);
		if (j->pieces > 0)
			j->pieces--;
	} while (j->pieces > 0 && !work_should_stop(w));
	return j->pieces > 0 ? WORK_AGAIN : WORK_DONE;
}

static void
job_done(struct work *w)
{
	struct job *j = (struct job *)(void *)w;

	if (j->out != NULL)
		buf_putc(j->out, (char)(j->letter - 32));
	else
		assert_false(pthread_equal(j->ran_on, pthread_self()));
	if (--*j->left == 0)
		loop_stop(w->loop);
}

struct site {
	struct loop *loop;
	struct work_pool *pool;
	struct buf out;
	int left;
	struct job jobs[4];
};

static void
site_open(struct site *s)
{
	*s = (struct site){.loop = loop_new_fake(), .pool = work_pool_new(0)};
}

static void
site_close(struct site *s)
{
	assert_int_equal(s->left, 0);
	work_pool_free(&s->pool);
	loop_free(&s->loop);
	buf_fini(&s->out);
}

static struct work *
submit(struct site *s, char letter, uint64_t user, unsigned pieces)
{
	struct job *j = &s->jobs[letter - 'a'];

	*j = (struct job){
	    .work = {.run = job_run, .done = job_done, .loop = s->loop, .who = {.user = user}},
	    .out = &s->out,
	    .letter = letter,
	    .pieces = pieces,
	    .left = &s->left};
	j->work.kind = pieces > 1 ? WORK_LONG : WORK_SHORT;
	s->left++;
	work_submit(s->pool, &j->work);
	return &j->work;
}

static void
expect(struct site *s, const char *want)
{
	assert_string_equal(buf_cstr(&s->out), want);
	s->out.n = 0;
}

static void
without_threads(void **state)
{
	struct site s;

	(void)state;
	site_open(&s);
	(void)submit(&s, 'a', 1, 1);
	(void)submit(&s, 'b', 1, 1);
	assert_int_equal(work_pool_waiting(s.pool), 2);
	assert_int_equal(s.out.n, 0);
	loop_fake_run(s.loop);
	expect(&s, "aAbB");
	assert_int_equal(work_pool_waiting(s.pool), 0);
	(void)submit(&s, 'b', 1, 1);
	loop_fake_run(s.loop);
	expect(&s, "bB");
	site_close(&s);
}

/* A slice, then the others; short work that arrives meanwhile runs before the next slice. */
static void
slices(void **state)
{
	struct site s;

	(void)state;
	site_open(&s);
	work_pool_set_questions(s.pool, 2);
	(void)submit(&s, 'a', 1, 5);
	(void)submit(&s, 'b', 2, 3);
	loop_fake_run(s.loop);
	expect(&s, "aabbaabBaA");

	work_pool_hold(s.pool, true);
	(void)submit(&s, 'a', 1, 5);
	loop_fake_run(s.loop);
	expect(&s, "");
	assert_true(work_pool_step(s.pool));
	expect(&s, "aa");
	(void)submit(&s, 'b', 2, 1);
	assert_int_equal(work_pool_waiting(s.pool), 2);
	assert_true(work_pool_step(s.pool));
	expect(&s, "b");
	work_pool_hold(s.pool, false);
	loop_fake_run(s.loop);
	expect(&s, "BaaaA");
	assert_false(work_pool_step(s.pool));
	site_close(&s);
}

/* Waiting work no longer runs, nor between two slices, and is done at once. */
static void
cancelled(void **state)
{
	struct work *a, *b;
	struct site s;

	(void)state;
	site_open(&s);
	work_pool_set_questions(s.pool, 2);
	work_pool_hold(s.pool, true);
	a = submit(&s, 'a', 7, 9);
	b = submit(&s, 'b', 7, 1);
	b->kind = WORK_SHORT;
	work_cancel(b);
	assert_int_equal(work_pool_waiting(s.pool), 1);
	assert_true(work_pool_step(s.pool));
	work_cancel(a);
	work_cancel(a);
	assert_int_equal(work_pool_waiting(s.pool), 0);
	loop_fake_run(s.loop);
	expect(&s, "aaBA");
	site_close(&s);
}

static enum work_end
run_cancelled(struct work *w)
{
	struct job *j = (struct job *)(void *)w;

	assert_false(work_should_stop(w));
	work_cancel(w);
	assert_true(work_should_stop(w));
	buf_putc(j->out, j->letter);
	return WORK_AGAIN;
}

/* Running work is told, and does not run again whatever it returns. */
static void
cancelled_running(void **state)
{
	struct site s;

	(void)state;
	site_open(&s);
	submit(&s, 'a', 7, 9)->run = run_cancelled;
	loop_fake_run(s.loop);
	expect(&s, "aA");
	assert_false(work_should_stop(NULL));
	site_close(&s);
}

static void
waiting_of(void **state)
{
	struct work_counts counts;
	struct work *w;
	struct site s;

	(void)state;
	site_open(&s);
	work_pool_hold(s.pool, true);
	/* users whose numbers end in the same digits are distinct */
	(void)submit(&s, 'a', 7, 1);
	for (unsigned i = 1; i < 3; i++) {
		w = submit(&s, (char)('a' + i), 7 + i * 1024, 1);
		work_cancel(w);
		loop_fake_run(s.loop);
		w->kind = WORK_LOGIN;
		s.left++;
		work_submit(s.pool, w);
	}
	assert_int_equal(work_pool_waiting_of(s.pool, 7), 0);
	assert_int_equal(work_pool_waiting_of(s.pool, 7 + 1024), 1);
	assert_int_equal(work_pool_waiting_of(s.pool, 7 + 3 * 1024), 0);
	work_pool_counts(s.pool, &counts);
	assert_int_equal(counts.waiting[WORK_SHORT], 1);
	assert_int_equal(counts.waiting[WORK_LOGIN], 2);
	assert_int_equal(counts.waiting[WORK_LONG], 0);
	work_pool_hold(s.pool, false);
	loop_fake_run(s.loop);
	assert_int_equal(work_pool_waiting_of(s.pool, 7 + 1024), 0);
	site_close(&s);
}

/* ---- on threads ---- */

static void
on_threads(void **state)
{
	enum { JOBS = 500 };
	struct loop *loop = loop_new();
	struct work_pool *pool = work_pool_new(3);
	struct job *jobs = mem_zalloc(JOBS * sizeof(*jobs));
	int left = JOBS;

	(void)state;
	work_pool_set_slice(pool, 0); /* over at the first question */
	for (unsigned i = 0; i < JOBS; i++) {
		jobs[i].work = (struct work){.run = job_run,
		    .done = job_done,
		    .loop = loop,
		    .kind = i % WORK_KINDS,
		    .who = {.user = i % 7, .identity = i % 5}};
		jobs[i].left = &left;
		jobs[i].pieces = i % 4;
		work_submit(pool, &jobs[i].work);
	}
	loop_run(loop);
	assert_int_equal(left, 0);

	/* Freeing waits; results are delivered as the loop is wound up. */
	left = JOBS;
	for (unsigned i = 0; i < JOBS; i++) {
		jobs[i].pieces = i % 4;
		work_submit(pool, &jobs[i].work);
	}
	work_pool_free(&pool);
	loop_free(&loop);
	assert_int_equal(left, 0);
	mem_free(jobs);
}

struct gate { /* a job that keeps its thread until the gate opens */
	struct work work;
	pthread_mutex_t lock;
};

static enum work_end
gate_run(struct work *w)
{
	struct gate *g = (struct gate *)(void *)w;

	(void)pthread_mutex_lock(&g->lock);
	(void)pthread_mutex_unlock(&g->lock);
	return WORK_DONE;
}

static void
gate_done(struct work *w)
{
	(void)w;
}

/* Two threads: while a user occupies one, that user's other work waits, and another's short work
 * runs. */
static void
thread_left_for_others(void **state)
{
	struct loop *loop = loop_new();
	struct work_pool *pool = work_pool_new(2);
	struct gate gate = {.work = {.run = gate_run, .done = gate_done, .loop = loop}};
	struct job jobs[2] = {{{0}}};
	struct work_counts counts;
	int left = 1;

	(void)state;
	gate.work.kind = WORK_LONG;
	gate.work.who.user = 1;
	(void)pthread_mutex_init(&gate.lock, NULL);
	(void)pthread_mutex_lock(&gate.lock);
	work_submit(pool, &gate.work);
	while (work_pool_running(pool) == 0)
		(void)sched_yield();
	for (unsigned i = 0; i < 2; i++) {
		jobs[i].work = (struct work){
		    .run = job_run, .done = job_done, .loop = loop, .who = {.user = i + 1}};
		jobs[i].left = &left;
		work_submit(pool, &jobs[i].work);
	}
	loop_run(loop); /* stopped by the other's */
	work_pool_counts(pool, &counts);
	assert_int_equal(counts.waiting[WORK_SHORT], 1);
	assert_int_equal(counts.running[WORK_LONG], 1);
	left = 1;
	(void)pthread_mutex_unlock(&gate.lock);
	loop_run(loop);
	work_pool_free(&pool);
	loop_free(&loop);
	(void)pthread_mutex_destroy(&gate.lock);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(turns_of_users),
	    cmocka_unit_test(turns_of_kinds),
	    cmocka_unit_test(share_of_user),
	    cmocka_unit_test(share_of_identity),
	    cmocka_unit_test(share_of_kind),
	    cmocka_unit_test(taken_out),
	    cmocka_unit_test(without_threads),
	    cmocka_unit_test(slices),
	    cmocka_unit_test(cancelled),
	    cmocka_unit_test(cancelled_running),
	    cmocka_unit_test(waiting_of),
	    cmocka_unit_test(on_threads),
	    cmocka_unit_test(thread_left_for_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
