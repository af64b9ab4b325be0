/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions of two protocols on two loops: ids, admission, times, log lines, counters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "net/session.h"
#include "net/stream_fake.h"

/* A protocol that only says goodbye. */
struct peer {
	struct session session;
	struct stream_fake *fake;
	unsigned timeouts;
	bool *freed;
};

struct fixture {
	struct loop *loop;
	struct session_server server;
	struct session_stats stats[2];
	struct session_loop sl[2];
	struct arena_pool pool;
};

static struct buf lines; /* of the log */

static void
note_line(enum log_level level, const char *source, const char *text, void *arg)
{
	(void)arg;
	buf_printf(
	    &lines, "%s %s: %s\n", log_level_name(level), source != NULL ? source : "-", text);
}

/* Compares and removes the lines so far. */
static void
logged(const char *all)
{
	if (!str_eq(buf_as_str(&lines), str_of(all)))
		fail_msg("not %s but %s", all, buf_cstr(&lines));
	lines.n = 0;
}

static size_t
data(void *arg, struct str in)
{
	(void)arg;
	return in.n;
}

static void
closed(void *arg, enum stream_end why)
{
	struct peer *p = arg;
	struct log_event e;

	session_ended(&p->session, why);
	if (session_end_event(&p->session, &e))
		log_event_put(&e, LOG_INFO);
	*p->freed = true;
	session_free(&p->session);
}

static void
timed_out(void *arg)
{
	struct peer *p = arg;

	p->timeouts++;
}

static const struct stream_events events = {.data = data, .closed = closed};

static void
begin(struct fixture *f, const char *source)
{
	*f = (struct fixture){.loop = loop_new_fake()};
	log_set_sink(note_line, NULL);
	lines.n = 0;
	session_server_init(&f->server);
	for (unsigned i = 0; i < 2; i++) {
		f->sl[i] = (struct session_loop){
		    .server = &f->server, .loop = f->loop, .source = source, .stats = &f->stats[i]};
		session_loop_init(&f->sl[i], i, 2);
	}
}

static void
end(struct fixture *f)
{
	loop_fake_run(f->loop);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(session_loop_is_empty(&f->sl[i]));
		assert_int_equal(f->stats[i].open, 0);
	}
	assert_int_equal(f->server.admitted, 0);
	assert_int_equal(f->pool.live_arenas[ARENA_CONN], 0);
	session_server_fini(&f->server);
	loop_free(&f->loop);
	log_set_sink(NULL, NULL);
	buf_fini(&lines);
}

static struct peer *
come(struct fixture *f, unsigned loop, const char *address, const char *front, bool *freed)
{
	struct arena *a = arena_new(&f->pool, ARENA_CONN, 640);
	struct peer *p = arena_new_object(a, struct peer);
	struct stream *stream;

	p->freed = freed;
	*freed = false;
	session_begin(&p->session, &f->sl[loop], a, str_of(address), timed_out, p);
	session_set_front(&p->session, front);
	p->fake = stream_fake_new(f->loop, false);
	stream = stream_fake_stream(p->fake);
	stream_set_events(stream, &events, p);
	session_start(&p->session, stream, &stream_default_limits, false);
	return p;
}

/* The peer disconnects. */
static void
leave(struct fixture *f, struct peer *p)
{
	struct stream_fake *fake = p->fake;

	stream_fake_free(&fake);
	loop_fake_run(f->loop);
}

static void
ids(void **state)
{
	struct fixture f;
	struct peer *p[4];
	bool freed[4];

	(void)state;
	begin(&f, NULL);
	for (unsigned i = 0; i < 4; i++)
		p[i] = come(&f, i % 2, "192.0.2.1", NULL, &freed[i]);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(p[i]->session.id, i + 1);
	assert_int_equal(f.server.admitted, 0); /* nobody has asked for it */
	assert_int_equal(f.stats[0].open, 2);
	leave(&f, p[1]);
	assert_true(freed[1] && !freed[0]);
	assert_int_equal(f.stats[1].open, 1);
	assert_int_equal(f.stats[1].total, 2);
	p[0]->session.bytes_in = 7;
	p[0]->session.bytes_out = 8;
	leave(&f, p[0]);
	leave(&f, p[2]);
	leave(&f, p[3]);
	assert_true(f.stats[0].bytes_in == 7 && f.stats[0].bytes_out == 8);
	end(&f);
}

static const struct session_limits few = {
    .connections = 5, .per_address = 2, .v6_bits = 64, .options = "toy.limits"};

/* A place is returned once, by whoever had it; a refused peer has none. */
static void
admission(void **state)
{
	struct fixture f;
	struct peer *p[7];
	bool freed[7];

	(void)state;
	begin(&f, "toy");
	for (unsigned i = 0; i < 4; i++)
		p[i] = come(&f, i % 2, "2001:db8::1", NULL, &freed[i]);
	lines.n = 0;
	assert_int_equal(session_admit(&p[0]->session, &few), SESSION_ADMITTED);
	assert_int_equal(session_admit(&p[1]->session, &few), SESSION_ADMITTED);
	logged("");
	assert_int_equal(session_admit(&p[2]->session, &few), SESSION_TOO_MANY_OF_ADDRESS);
	logged("warning toy: more than toy.limits.connections_per_address: closed conn=3\n");
	session_close(&p[2]->session, "no room");
	session_close(&p[2]->session, "another word");
	leave(&f, p[2]);
	logged("info toy: end conn=3 how=\"no room\"\n");
	assert_int_equal(session_admit(&p[3]->session, &few), SESSION_TOO_MANY_OF_ADDRESS);
	/* One peer of the network leaves, so another may come, from any of its addresses. */
	leave(&f, p[0]);
	lines.n = 0;
	p[0] = come(&f, 0, "2001:db8::ffff", NULL, &freed[0]);
	assert_int_equal(session_admit(&p[0]->session, &few), SESSION_ADMITTED);
	/*
	 * UNIX sockets count, but have no address: there may be more than from one address.  A
	 * refused peer that is still connected takes nobody's place.
	 */
	p[6] = p[3];
	for (unsigned i = 2; i < 5; i++) {
		p[i] = come(&f, 0, "unix", NULL, &freed[i]);
		assert_int_equal(session_admit(&p[i]->session, &few), SESSION_ADMITTED);
	}
	lines.n = 0;
	p[5] = come(&f, 1, "unix", NULL, &freed[5]);
	assert_int_equal(session_admit(&p[5]->session, &few), SESSION_TOO_MANY);
	assert_int_equal(f.server.admitted, 5);
	logged("info toy: connection conn=6 address=unix tls=no\n"
	       "warning toy: more than toy.limits.connections: closed conn=6\n");
	for (unsigned i = 0; i < 7; i++)
		leave(&f, p[i]);
	end(&f);
}

static void
times(void **state)
{
	struct fixture f;
	struct peer *p;
	bool freed;

	(void)state;
	begin(&f, NULL);
	p = come(&f, 0, "192.0.2.1", NULL, &freed);
	session_wait(&p->session, 1000);
	loop_fake_advance(f.loop, 900);
	session_wait(&p->session, 1000); /* again */
	loop_fake_advance(f.loop, 900);
	assert_int_equal(p->timeouts, 0);
	loop_fake_advance(f.loop, 200);
	assert_int_equal(p->timeouts, 1);
	/* The deadline applies, however busy it is. */
	session_set_deadline(&p->session, 3000);
	for (unsigned i = 0; i < 5; i++) {
		session_wait_by_deadline(&p->session, 1000);
		loop_fake_advance(f.loop, 500);
	}
	assert_int_equal(p->timeouts, 1);
	assert_false(session_is_late(&p->session));
	session_wait_by_deadline(&p->session, 1000);
	loop_fake_advance(f.loop, 500);
	assert_int_equal(p->timeouts, 2);
	assert_true(session_is_late(&p->session));
	/* None after it closes. */
	session_wait(&p->session, 1000);
	session_close(&p->session, NULL);
	session_wait(&p->session, 1000);
	session_wait_by_deadline(&p->session, 1000);
	assert_false(loop_timer_is_set(&p->session.timer));
	leave(&f, p);
	end(&f);
}

static void
log_lines(void **state)
{
	struct fixture f;
	struct stream_fake *fake;
	bool freed;

	(void)state;
	begin(&f, NULL);
	fake = come(&f, 1, "192.0.2.1", "10.0.0.7", &freed)->fake;
	logged("info -: connection conn=2 address=192.0.2.1 front=10.0.0.7 tls=no\n");
	stream_fake_end(fake);
	loop_fake_run(f.loop);
	assert_true(freed);
	stream_fake_free(&fake);
	logged("info -: end conn=2 how=closed\n");
	end(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(ids), cmocka_unit_test(admission),
	    cmocka_unit_test(times), cmocka_unit_test(log_lines)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
