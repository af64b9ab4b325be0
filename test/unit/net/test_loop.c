/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks, timers and listeners, on the fake loop and on real ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/listen.h"
#include "net/loop.h"

struct note { /* a task that writes its letter, and may post others */
	struct loop_task task;
	struct loop *loop;
	struct buf *out;
	char letter;
	struct loop_task *post, *at_end;
};

static void
write_letter(struct loop_task *task)
{
	struct note *n = (struct note *)(void *)task;

	buf_putc(n->out, n->letter);
	if (n->post != NULL)
		loop_post(n->loop, n->post);
	if (n->at_end != NULL)
		loop_at_end(n->loop, n->at_end);
}

static struct note
note(struct loop *loop, struct buf *out, char letter)
{
	return (struct note){.task.fn = write_letter, .loop = loop, .out = out, .letter = letter};
}

static void
tasks_run_in_order_and_once(void **state)
{
	struct loop *loop = loop_new_fake();
	struct buf out = {0};
	struct note a = note(loop, &out, 'a'), b = note(loop, &out, 'b'), c = note(loop, &out, 'c');

	(void)state;
	loop_at_end(loop, &c.task);
	loop_post(loop, &a.task);
	loop_post(loop, &b.task);
	loop_post(loop, &a.task);
	loop_at_end(loop, &a.task);
	assert_int_equal(out.n, 0);
	loop_fake_run(loop);
	assert_string_equal(buf_cstr(&out), "abc");
	/* Posted while tasks run: after those that want the end of the round. */
	a.post = &b.task;
	a.at_end = &c.task;
	loop_post(loop, &a.task);
	out.n = 0;
	loop_fake_run(loop);
	assert_string_equal(buf_cstr(&out), "acb");
	buf_fini(&out);
	loop_free(&loop);
	assert_null(loop);
}

struct alarm {
	struct loop_timer timer;
	struct buf *out;
	char letter;
	struct loop_timer *clear;
	uint64_t again;
};

static void
ring(void *arg)
{
	struct alarm *a = arg;

	buf_putc(a->out, a->letter);
	if (a->clear != NULL)
		loop_timer_clear(a->clear);
	if (a->again > 0)
		loop_timer_set(&a->timer, a->again);
}

static void
timers_fire_in_order(void **state)
{
	struct loop *loop = loop_new_fake();
	struct buf out = {0};
	struct alarm a[4];
	uint64_t start = loop_now(loop);
	int64_t wall;

	(void)state;
	for (int i = 0; i < 4; i++) {
		a[i] = (struct alarm){.out = &out, .letter = (char)('a' + i)};
		loop_timer_init(&a[i].timer, loop, ring, &a[i]);
	}
	loop_timer_set(&a[2].timer, 30);
	loop_timer_set(&a[0].timer, 10);
	loop_timer_set(&a[1].timer, 20);
	loop_timer_set(&a[0].timer, 25); /* later */
	loop_timer_set(&a[2].timer, 5);  /* sooner */
	loop_timer_set(&a[3].timer, 7);
	loop_timer_clear(&a[3].timer);
	loop_timer_clear(&a[3].timer);
	assert_false(loop_timer_is_set(&a[3].timer));
	loop_fake_advance(loop, 4);
	assert_int_equal(out.n, 0);
	loop_fake_advance(loop, 1);
	assert_string_equal(buf_cstr(&out), "c");
	assert_false(loop_timer_is_set(&a[2].timer));
	loop_fake_advance(loop, 100);
	assert_string_equal(buf_cstr(&out), "cba");
	assert_int_equal(loop_now(loop) - start, 105);

	/* One timer clears another that is due, and sets itself again. */
	out.n = 0;
	a[0].clear = &a[1].timer;
	a[0].again = 10;
	loop_timer_set(&a[0].timer, 0);
	loop_timer_set(&a[1].timer, 2);
	loop_fake_run(loop);
	assert_int_equal(out.n, 0);
	loop_fake_advance(loop, 35);
	assert_string_equal(buf_cstr(&out), "aaaa");
	a[0].again = 0;
	loop_timer_clear(&a[0].timer);

	loop_fake_set_wall(loop, 5000);
	assert_int_equal(loop_wall(loop), 5000);
	loop_fake_advance(loop, 2500);
	wall = loop_wall(loop);
	assert_int_equal(wall, 5002);
	buf_fini(&out);
	loop_free(&loop);
}

/* Many timers with random times fire when due, compared with a plain array. */
static void
many_timers(void **state)
{
	enum { N = 300 };
	struct loop *loop = loop_new_fake();
	struct alarm a[N];
	uint64_t due[N] = {0};
	struct buf out[N] = {0};
	uint64_t seed = 12345;

	(void)state;
	for (int i = 0; i < N; i++) {
		a[i] = (struct alarm){.out = &out[i], .letter = 'x'};
		loop_timer_init(&a[i].timer, loop, ring, &a[i]);
	}
	for (int step = 0; step < 20000; step++) {
		size_t i;

		seed = seed * 6364136223846793005u + 1442695040888963407u;
		i = (seed >> 33) % N;
		if ((seed >> 20) % 8 == 0) {
			loop_timer_clear(&a[i].timer);
			due[i] = 0;
		} else if ((seed >> 20) % 8 == 1) {
			uint64_t now;

			loop_fake_advance(loop, (seed >> 50) % 20);
			now = loop_now(loop);
			for (int k = 0; k < N; k++) {
				bool fired = due[k] != 0 && due[k] <= now;

				assert_int_equal(out[k].n, fired ? 1 : 0);
				if (fired)
					due[k] = 0;
				out[k].n = 0;
				assert_int_equal(loop_timer_is_set(&a[k].timer), due[k] != 0);
			}
		} else {
			uint64_t ms = 1 + (seed >> 45) % 100;

			loop_timer_set(&a[i].timer, ms);
			due[i] = loop_now(loop) + ms;
		}
	}
	for (int i = 0; i < N; i++) {
		loop_timer_clear(&a[i].timer);
		buf_fini(&out[i]);
	}
	loop_free(&loop);
}

static void *
run_loop(void *arg)
{
	loop_run(arg);
	return NULL;
}

/* --- posting from several threads --- */

enum { POSTERS = 4, POSTS = 2000 };

struct posted {
	struct loop_task task;
	struct flood *flood;
	int poster, number;
};

struct flood {
	struct loop *loop;
	int next[POSTERS];
	bool in_order;
	int count;
	struct posted posts[POSTERS][POSTS];
};

static void
count_post(struct loop_task *task)
{
	struct posted *p = (struct posted *)(void *)task;
	struct flood *f = p->flood;

	if (p->number != f->next[p->poster])
		f->in_order = false;
	f->next[p->poster] = p->number + 1;
	if (++f->count == POSTERS * POSTS)
		loop_stop(f->loop);
}

static void *
post_many(void *arg)
{
	struct posted *row = arg;

	for (int i = 0; i < POSTS; i++)
		loop_post(row[i].flood->loop, &row[i].task);
	return NULL;
}

static void
posting_from_threads(void **state)
{
	struct flood *f = mem_zalloc(sizeof(*f));
	pthread_t threads[POSTERS];

	(void)state;
	f->loop = loop_new();
	f->in_order = true;
	for (int t = 0; t < POSTERS; t++)
		for (int i = 0; i < POSTS; i++)
			f->posts[t][i] = (struct posted){
			    .task.fn = count_post, .flood = f, .poster = t, .number = i};
	for (int t = 0; t < POSTERS; t++)
		assert_int_equal(pthread_create(&threads[t], NULL, post_many, f->posts[t]), 0);
	loop_run(f->loop);
	for (int t = 0; t < POSTERS; t++)
		(void)pthread_join(threads[t], NULL);
	assert_int_equal(f->count, POSTERS * POSTS);
	assert_true(f->in_order);
	loop_free(&f->loop);
	mem_free(f);
}

struct pinger { /* one task that many threads post */
	struct loop_task task;
	int value; /* atomic */
	int seen;
	struct loop *loop;
};

static void
look(struct loop_task *task)
{
	struct pinger *p = (struct pinger *)(void *)task;

	p->seen = __atomic_load_n(&p->value, __ATOMIC_RELAXED);
	if (p->seen == POSTERS * POSTS)
		loop_stop(p->loop);
}

static void *
ping(void *arg)
{
	struct pinger *p = arg;

	for (int i = 0; i < POSTS; i++) {
		(void)__atomic_add_fetch(&p->value, 1, __ATOMIC_RELAXED);
		loop_post(p->loop, &p->task);
	}
	return NULL;
}

/* Posting a queued task is not lost: its last run sees the last value. */
static void
one_task_posted_by_all(void **state)
{
	struct pinger p = {.task.fn = look, .loop = loop_new()};
	pthread_t threads[POSTERS];

	(void)state;
	for (int t = 0; t < POSTERS; t++)
		assert_int_equal(pthread_create(&threads[t], NULL, ping, &p), 0);
	loop_run(p.loop);
	for (int t = 0; t < POSTERS; t++)
		(void)pthread_join(threads[t], NULL);
	assert_int_equal(p.seen, POSTERS * POSTS);
	loop_free(&p.loop);
}

static void
stop_on_ring(void *arg)
{
	loop_stop(arg);
}

static void
real_timers_and_stop(void **state)
{
	struct loop *loop = loop_new();
	struct loop_timer timer, never;
	uint64_t start;
	struct buf out = {0};
	struct note a = note(loop, &out, 'a'), b = note(loop, &out, 'b');

	(void)state;
	loop_stop(loop);
	loop_run(loop); /* returns: it was stopped before */
	loop_timer_init(&timer, loop, stop_on_ring, loop);
	loop_timer_init(&never, loop, stop_on_ring, NULL);
	loop_timer_set(&never, 3600 * 1000);
	loop_timer_set(&timer, 20);
	start = loop_now(loop);
	/* Tasks that keep the loop busy run without waiting for the timer. */
	a.post = &b.task;
	b.at_end = &a.task;
	loop_post(loop, &a.task);
	loop_run(loop);
	assert_true(loop_now(loop) - start >= 20);
	assert_true(out.n > 2);
	b.at_end = NULL;
	a.post = NULL;
	loop_timer_clear(&never);
	loop_free(&loop);
	buf_fini(&out);
}

/* --- listeners --- */

struct guests {
	struct loop *main;
	struct loop *loops[2];
	int count[2], want;
	int total; /* atomic */
	char peer[64];
};

static void
on_guest(void *arg, struct loop *loop, int fd, const char *peer)
{
	struct guests *g = arg;

	g->count[loop == g->loops[1]]++;
	if (loop == g->loops[0])
		(void)snprintf(g->peer, sizeof(g->peer), "%s", peer);
	(void)close(fd);
	if (__atomic_add_fetch(&g->total, 1, __ATOMIC_ACQ_REL) == g->want)
		loop_stop(g->main);
}

static int
dial(int port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static void
start(struct guests *g, pthread_t threads[2])
{
	*g = (struct guests){.main = loop_new()};
	for (int i = 0; i < 2; i++) {
		g->loops[i] = loop_new();
		assert_int_equal(pthread_create(&threads[i], NULL, run_loop, g->loops[i]), 0);
	}
}

static void
finish(struct guests *g, pthread_t threads[2])
{
	loop_free(&g->main);
	for (int i = 0; i < 2; i++) {
		loop_stop(g->loops[i]);
		(void)pthread_join(threads[i], NULL);
		loop_free(&g->loops[i]);
	}
}

static struct listener_options
options_for(struct guests *g)
{
	return (struct listener_options){
	    .loop = g->main, .loops = g->loops, .nloops = 2, .fn = on_guest, .arg = g};
}

static void
listening_hands_out_in_turn(void **state)
{
	struct guests g;
	pthread_t threads[2];
	struct listener *l;
	struct listener_options o;
	int fds[10];

	(void)state;
	start(&g, threads);
	o = options_for(&g);
	o.address = "*";
	assert_int_equal(listener_new(&o, NULL, &l), TS_OK);
	assert_true(listener_port(l) > 0);
	g.want = 10;
	for (int i = 0; i < 10; i++)
		fds[i] = dial(listener_port(l));
	loop_run(g.main);
	listener_close(&l);
	finish(&g, threads);
	assert_int_equal(g.count[0], 5);
	assert_int_equal(g.count[1], 5);
	assert_string_equal(g.peer, "127.0.0.1");
	for (int i = 0; i < 10; i++)
		(void)close(fds[i]);
}

static void
hush(enum log_level level, const char *context, const char *text, void *arg)
{
	(void)context;
	(void)text;
	if (level >= LOG_WARNING)
		++*(int *)arg;
}

static void
listening_refuses(void **state)
{
	struct guests g;
	pthread_t threads[2];
	struct listener *l, *second;
	struct listener_options o;
	int lines = 0;
	char long_path[300];

	(void)state;
	log_set_sink(hush, &lines);
	start(&g, threads);
	o = options_for(&g);
	o.address = "127.0.0.1";
	assert_int_equal(listener_new(&o, NULL, &l), TS_OK);
	o.port = listener_port(l);
	assert_int_equal(listener_new(&o, NULL, &second), TS_IO);
	assert_null(second);
	o.address = "mail.example.org";
	assert_int_equal(listener_new(&o, NULL, &second), TS_INVALID);
	o.address = NULL;
	memset(long_path, 'x', sizeof(long_path));
	long_path[299] = '\0';
	o.unix_path = long_path;
	assert_int_equal(listener_new(&o, NULL, &second), TS_INVALID);
	o.unix_path = NULL;
	o.inherited_fd = 0;
	assert_int_equal(listener_new(&o, NULL, &second), TS_INVALID);
	assert_int_equal(lines, 4);
	listener_close(&l);
	finish(&g, threads);
	log_set_sink(NULL, NULL);
}

static int
dial_unix(const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	(void)close(fd);
	return -1;
}

static void
listening_on_a_path_and_an_inherited_socket(void **state)
{
	struct guests g;
	pthread_t threads[2];
	struct listener *l;
	struct listener_options o;
	char dir[] = "/tmp/net-listen-XXXXXX", path[64];
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int stale, fd, lines = 0;

	(void)state;
	log_set_sink(hush, &lines);
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/s", dir);
	(void)snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	stale = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(stale, (struct sockaddr *)&un, sizeof(un)), 0);
	(void)close(stale);
	start(&g, threads);
	o = options_for(&g);
	o.unix_path = path;
	assert_int_equal(listener_new(&o, NULL, &l), TS_OK);
	assert_int_equal(listener_port(l), 0);
	g.want = 1;
	fd = dial_unix(path);
	assert_true(fd >= 0);
	loop_run(g.main);
	(void)close(fd);
	/* A socket in use is not taken away. */
	{
		struct listener *second;

		assert_int_equal(listener_new(&o, NULL, &second), TS_IO);
		assert_true((fd = dial_unix(path)) >= 0);
		(void)close(fd);
	}
	listener_close(&l);
	assert_int_equal(access(path, F_OK), -1);

	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	assert_int_equal(listen(fd, 5), 0);
	o.unix_path = NULL;
	o.inherited_fd = fd;
	assert_int_equal(listener_new(&o, NULL, &l), TS_OK);
	g.want = 2;
	fd = dial_unix(path);
	loop_run(g.main);
	(void)close(fd);
	listener_close(&l);
	finish(&g, threads);
	assert_string_equal(g.peer, "unix");
	(void)unlink(path);
	(void)rmdir(dir);
	log_set_sink(NULL, NULL);
}

struct scarcity {
	struct rlimit old;
	struct loop_timer over;
	int lines;
};

static void
raise_limit(void *arg)
{
	struct scarcity *sc = arg;

	assert_int_equal(setrlimit(RLIMIT_NOFILE, &sc->old), 0);
}

/* The shortage ends a while after it was logged, so that accepting fails more than once. */
static void
note_scarcity(enum log_level level, const char *context, const char *text, void *arg)
{
	struct scarcity *sc = arg;

	(void)level;
	(void)context;
	assert_non_null(strstr(text, "cannot accept"));
	if (sc->lines++ == 0)
		loop_timer_set(&sc->over, 500);
}

/* Out of descriptors: logs it once, pauses, and continues when there are some again. */
static void
out_of_descriptors(void **state)
{
	struct guests g;
	pthread_t threads[2];
	struct listener *l;
	struct listener_options o;
	struct rlimit tight;
	struct scarcity sc = {.lines = 0};
	int fd, probe;

	(void)state;
	start(&g, threads);
	o = options_for(&g);
	o.address = "127.0.0.1";
	assert_int_equal(listener_new(&o, NULL, &l), TS_OK);
	g.want = 1;
	fd = dial(listener_port(l));
	probe = dup(fd);
	assert_true(probe >= 0);
	(void)close(probe);
	loop_timer_init(&sc.over, g.main, raise_limit, &sc);
	log_set_sink(note_scarcity, &sc);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &sc.old), 0);
	tight = sc.old;
	tight.rlim_cur = (rlim_t)probe;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	loop_run(g.main);
	assert_int_equal(sc.lines, 1);
	assert_int_equal(g.total, 1);
	(void)close(fd);
	listener_close(&l);
	finish(&g, threads);
	log_set_sink(NULL, NULL);
}

/* ---- a fake loop, and threads that are not fake */

#define POSTERS 3
#define POSTS 500
#define ROUNDS 200

struct posters {
	pthread_barrier_t begin, end;
	struct loop *loop;
	_Atomic unsigned next;
	struct loop_task tasks[POSTERS][POSTS];
};

static unsigned ran;

static void
count_run(struct loop_task *task)
{
	(void)task;
	ran++;
}

static void *
post_a_lot(void *arg)
{
	struct posters *p = arg;
	struct loop_task *tasks = p->tasks[atomic_fetch_add(&p->next, 1)];

	for (unsigned round = 0; round < ROUNDS; round++) {
		(void)pthread_barrier_wait(&p->begin);
		for (unsigned i = 0; i < POSTS; i++) {
			tasks[i].fn = count_run;
			loop_post(p->loop, &tasks[i]);
		}
		(void)pthread_barrier_wait(&p->end);
	}
	return NULL;
}

/* Lanes have threads of their own, and post to any loop. */
static void
threads_post_to_a_fake_one(void **state)
{
	struct posters *p = test_calloc(1, sizeof(*p));
	pthread_t threads[POSTERS];
	(void)state;

	p->loop = loop_new_fake();
	pthread_barrier_init(&p->begin, NULL, POSTERS + 1);
	pthread_barrier_init(&p->end, NULL, POSTERS + 1);
	ran = 0;
	for (unsigned i = 0; i < POSTERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, post_a_lot, p), 0);
	for (unsigned round = 0; round < ROUNDS; round++) {
		(void)pthread_barrier_wait(&p->begin);
		loop_fake_run(p->loop);
		(void)pthread_barrier_wait(&p->end);
		loop_fake_run(p->loop);
	}
	for (unsigned i = 0; i < POSTERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(ran, ROUNDS * POSTERS * POSTS);
	pthread_barrier_destroy(&p->begin);
	pthread_barrier_destroy(&p->end);
	loop_free(&p->loop);
	test_free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tasks_run_in_order_and_once),
	    cmocka_unit_test(threads_post_to_a_fake_one),
	    cmocka_unit_test(timers_fire_in_order),
	    cmocka_unit_test(many_timers),
	    cmocka_unit_test(posting_from_threads),
	    cmocka_unit_test(one_task_posted_by_all),
	    cmocka_unit_test(real_timers_and_stop),
	    cmocka_unit_test(listening_hands_out_in_turn),
	    cmocka_unit_test(listening_refuses),
	    cmocka_unit_test(listening_on_a_path_and_an_inherited_socket),
	    cmocka_unit_test(out_of_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
