/* SPDX-License-Identifier: Apache-2.0 */
/* Streams without sockets: the order of callbacks, pausing, marks, STARTTLS, ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "net/stream_fake.h"

/* A consumer of lines that records its callbacks. */
struct reader {
	struct loop *loop;
	struct stream_fake *fake;
	struct stream *s;
	struct buf lines; /* "<line>" each */
	size_t data_calls, drained, secured, closed;
	enum stream_end why;
	bool inside;     /* the test is inside a call: no callback may come */
	bool one_a_time; /* pause after each line */
	size_t leave;    /* consume all but so many bytes */
	struct tls_ctx *tls;
	enum ts_err starttls;
};

static void
obey(struct reader *r, struct str line)
{
	r->inside = true;
	if (str_eq(line, STR("starttls"))) {
		buf_puts(stream_out(r->s), "clear\n");
		r->starttls = stream_starttls(r->s, NULL);
		buf_puts(stream_out(r->s), "hidden\n");
		assert_int_equal(stream_starttls(r->s, NULL), TS_INVALID);
	} else if (str_eq(line, STR("close"))) {
		buf_puts(stream_out(r->s), "bye\n");
		stream_close(r->s);
		stream_close(r->s);
	} else if (str_eq(line, STR("abort"))) {
		buf_puts(stream_out(r->s), "lost\n");
		stream_kick(r->s);
		stream_abort(r->s);
	} else if (str_eq(line, STR("part"))) {
		stream_expect_more(r->s);
	} else if (str_eq(line, STR("answer"))) {
		buf_puts(stream_out(r->s), "yes\n");
		stream_kick(r->s);
	} else if (str_eq(line, STR("again"))) {
		stream_pause(r->s);
		stream_resume(r->s);
	} else if (str_eq(line, STR("resumed part"))) {
		stream_resume(r->s);
		stream_expect_more(r->s);
	}
	r->inside = false;
}

static size_t
on_data(void *arg, struct str in)
{
	struct reader *r = arg;
	struct str rest = in, line;
	const char *nl;

	assert_false(r->inside);
	assert_false(stream_is_paused(r->s));
	assert_int_equal(r->closed, 0);
	assert_true(in.n > 0);
	r->data_calls++;
	while ((nl = str_chr(rest, '\n')) != NULL) {
		line = str_range(rest.p, nl);
		rest = str_range(nl + 1, in.p + in.n);
		buf_printf(&r->lines, "<%.*s>", STR_ARG(line));
		obey(r, line);
		if (r->one_a_time) {
			stream_pause(r->s);
			break;
		}
		if (str_eq(line, STR("again")) || str_eq(line, STR("starttls")))
			break;
	}
	return in.n - rest.n;
}

static void
on_drained(void *arg)
{
	struct reader *r = arg;

	assert_false(r->inside);
	r->drained++;
}

static void
on_closed(void *arg, enum stream_end why)
{
	struct reader *r = arg;

	assert_false(r->inside);
	r->closed++;
	r->why = why;
	r->s = NULL;
}

static void
on_secured(void *arg)
{
	struct reader *r = arg;

	assert_false(r->inside);
	assert_true(stream_is_tls(r->s));
	r->secured++;
}

static const struct stream_events events = {
    .data = on_data, .drained = on_drained, .closed = on_closed, .secured = on_secured};

static void
start(struct reader *r, bool tls)
{
	*r = (struct reader){.loop = loop_new_fake()};
	r->fake = stream_fake_new(r->loop, tls);
	r->s = stream_fake_stream(r->fake);
	stream_set_events(r->s, &events, r);
}

static void
push(struct reader *r, const char *text)
{
	r->inside = true;
	stream_fake_push(r->fake, str_of(text));
	r->inside = false;
	loop_fake_run(r->loop);
}

static void
expect_lines(struct reader *r, const char *text)
{
	assert_string_equal(buf_cstr(&r->lines), text);
	r->lines.n = 0;
}

static void
expect_output(struct reader *r, const char *text)
{
	struct buf *out = stream_fake_output(r->fake);

	assert_string_equal(buf_cstr(out), text);
	out->n = 0;
}

static void
finish(struct reader *r)
{
	stream_fake_free(&r->fake);
	loop_fake_run(r->loop);
	assert_int_equal(r->closed, 1);
	loop_free(&r->loop);
	buf_fini(&r->lines);
}

static void
lines_in_any_segmentation(void **state)
{
	struct reader r;

	(void)state;
	start(&r, false);
	assert_int_equal(stream_fd(r.s), -1);
	push(&r, "one\ntwo\nthr");
	expect_lines(&r, "<one><two>");
	assert_int_equal(r.data_calls, 1);
	loop_fake_run(r.loop);
	assert_int_equal(r.data_calls, 1); /* does not spin */
	push(&r, "ee\n");
	expect_lines(&r, "<three>");
	stream_fake_set_segment(r.fake, 1);
	push(&r, "ab\nc\n\n");
	expect_lines(&r, "<ab><c><>");
	assert_int_equal(r.data_calls, 2 + 6);
	finish(&r);
	assert_int_equal(r.why, STREAM_END_LOCAL);
}

static void
pausing(void **state)
{
	struct reader r;

	(void)state;
	start(&r, false);
	r.one_a_time = true;
	push(&r, "one\ntwo\nthree\n");
	expect_lines(&r, "<one>");
	push(&r, "four\n");
	expect_lines(&r, "");
	for (int i = 0; i < 3; i++) {
		r.inside = true;
		stream_resume(r.s);
		r.inside = false;
		loop_fake_run(r.loop);
	}
	expect_lines(&r, "<two><three><four>");
	stream_resume(r.s);
	loop_fake_run(r.loop);
	expect_lines(&r, "");
	r.one_a_time = false;
	/* Pause and resume inside data(): shown again. */
	push(&r, "again\nx\n");
	expect_lines(&r, "<again><x>");
	finish(&r);
}

/* While paused, no more than the limit is read; nothing is lost. */
static void
pausing_bounds_what_is_kept(void **state)
{
	static const struct stream_limits limits = {.pending = 10, .high = 100, .low = 10};
	struct reader r;

	(void)state;
	start(&r, false);
	stream_set_limits(r.s, &limits);
	r.one_a_time = true;
	push(&r, "1\n");
	expect_lines(&r, "<1>");
	push(&r, "2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n");
	stream_fake_end(r.fake);
	loop_fake_run(r.loop);
	assert_true(stream_peer_ended(r.s));
	assert_int_equal(r.data_calls, 1);
	assert_int_equal(r.closed, 0);
	for (int i = 0; i < 13; i++) {
		stream_resume(r.s);
		loop_fake_run(r.loop);
	}
	expect_lines(&r, "<2><3><4><5><6><7><8><9><10><11><12><13><14>");
	assert_int_equal(r.closed, 0);
	stream_resume(r.s);
	loop_fake_run(r.loop);
	assert_int_equal(r.closed, 1);
	assert_int_equal(r.why, STREAM_END_PEER);
	finish(&r);
}

static void
output_goes_out_once_an_iteration(void **state)
{
	struct reader r;
	struct buf *out;

	(void)state;
	start(&r, false);
	out = stream_out(r.s);
	buf_puts(out, "a");
	stream_kick(r.s);
	buf_puts(out, "b");
	stream_kick(r.s);
	assert_int_equal(stream_out_pending(r.s), 2);
	assert_int_equal(stream_fake_output(r.fake)->n, 0);
	loop_fake_run(r.loop);
	expect_output(&r, "ab");
	assert_int_equal(stream_out_pending(r.s), 0);
	assert_null(out->p); /* freed */
	finish(&r);
}

static void
marks(void **state)
{
	static const struct stream_limits limits = {
	    .pending = 100, .high = 100, .low = 20, .close_ms = 1000};
	struct reader r;
	struct buf *out;

	(void)state;
	start(&r, false);
	stream_set_limits(r.s, &limits);
	out = stream_out(r.s);
	/* Below the high mark: no callback. */
	buf_printf(out, "%100s", "x");
	stream_kick(r.s);
	loop_fake_run(r.loop);
	assert_int_equal(r.drained, 0);
	/* Above it, taken at once: one callback. */
	buf_printf(out, "%101s", "x");
	stream_kick(r.s);
	loop_fake_run(r.loop);
	assert_int_equal(r.drained, 1);
	stream_fake_set_window(r.fake, 50);
	buf_printf(out, "%150s", "x");
	stream_kick(r.s);
	loop_fake_run(r.loop);
	assert_int_equal(stream_out_pending(r.s), 100);
	stream_fake_set_window(r.fake, 79);
	loop_fake_run(r.loop);
	assert_int_equal(r.drained, 1);
	stream_fake_set_window(r.fake, 1);
	loop_fake_run(r.loop);
	assert_int_equal(stream_out_pending(r.s), 20);
	assert_int_equal(r.drained, 2);
	stream_fake_set_window(r.fake, SIZE_MAX);
	loop_fake_run(r.loop);
	assert_int_equal(stream_out_pending(r.s), 0);
	assert_int_equal(r.drained, 2);
	finish(&r);
}

static void
a_peer_that_takes_nothing(void **state)
{
	static const struct stream_limits limits = {
	    .pending = 100, .high = 100, .low = 20, .close_ms = 1000, .stall_ms = 5000};
	struct reader r;

	(void)state;
	start(&r, false);
	stream_set_limits(r.s, &limits);
	stream_fake_set_window(r.fake, 1);
	buf_puts(stream_out(r.s), "abc");
	stream_kick(r.s);
	loop_fake_advance(r.loop, 4000);
	stream_fake_set_window(r.fake, 1);
	loop_fake_advance(r.loop, 4000);
	assert_int_equal(r.closed, 0);
	loop_fake_advance(r.loop, 1000);
	assert_int_equal(r.closed, 1);
	assert_int_equal(r.why, STREAM_END_TIMEOUT);
	expect_output(&r, "ab");
	finish(&r);
}

static void
closing(void **state)
{
	struct reader r;
	enum stream_end why;

	(void)state;
	start(&r, false);
	push(&r, "close\nnot shown\n");
	expect_lines(&r, "<close><not shown>"); /* our own loop went on */
	expect_output(&r, "bye\n");
	assert_int_equal(r.closed, 1);
	assert_int_equal(r.why, STREAM_END_LOCAL);
	assert_null(stream_fake_stream(r.fake));
	assert_true(stream_fake_ended(r.fake, &why));
	assert_int_equal(why, STREAM_END_LOCAL);
	push(&r, "more\n");
	assert_int_equal(r.data_calls, 1);
	finish(&r);

	/* The last output has a time limit. */
	start(&r, false);
	stream_fake_set_window(r.fake, 2);
	push(&r, "close\n");
	assert_int_equal(r.closed, 0);
	push(&r, "nobody reads this\n");
	loop_fake_advance(r.loop, stream_default_limits.close_ms - 1);
	assert_int_equal(r.closed, 0);
	assert_int_equal(r.data_calls, 1);
	loop_fake_advance(r.loop, 1);
	assert_int_equal(r.closed, 1);
	assert_int_equal(r.why, STREAM_END_LOCAL);
	expect_output(&r, "by");
	finish(&r);

	start(&r, false);
	push(&r, "abort\n");
	expect_output(&r, "");
	assert_int_equal(r.why, STREAM_END_LOCAL);
	finish(&r);
}

static void
the_peer_ends(void **state)
{
	struct reader r;

	(void)state;
	start(&r, false);
	stream_fake_push(r.fake, STR("one\nhalf"));
	stream_fake_end(r.fake);
	loop_fake_run(r.loop);
	expect_lines(&r, "<one>");
	assert_int_equal(r.why, STREAM_END_PEER);
	finish(&r);

	/* Waiting output is still written. */
	start(&r, false);
	stream_fake_set_window(r.fake, 0);
	buf_puts(stream_out(r.s), "reply");
	stream_kick(r.s);
	stream_fake_end(r.fake);
	loop_fake_run(r.loop);
	assert_int_equal(r.closed, 0);
	stream_fake_set_window(r.fake, SIZE_MAX);
	loop_fake_run(r.loop);
	expect_output(&r, "reply");
	assert_int_equal(r.why, STREAM_END_PEER);
	finish(&r);

	start(&r, false);
	r.inside = true;
	stream_fake_break(r.fake);
	assert_int_equal(r.closed, 0);
	r.inside = false;
	loop_fake_run(r.loop);
	assert_int_equal(r.why, STREAM_END_ERROR);
	finish(&r);
}

static void
starttls(void **state)
{
	struct reader r;
	struct stream_tls_info info;

	(void)state;
	start(&r, false);
	assert_false(stream_tls_info(r.s, &info));
	stream_fake_set_window(r.fake, 3);
	push(&r, "starttls\n");
	assert_int_equal(r.starttls, TS_OK);
	/* No handshake before the OK is out. */
	assert_false(stream_is_tls(r.s));
	expect_output(&r, "cle");
	stream_fake_set_window(r.fake, SIZE_MAX);
	loop_fake_run(r.loop);
	assert_int_equal(r.secured, 1);
	expect_output(&r, "ar\nhidden\n");
	assert_true(stream_tls_info(r.s, &info));
	assert_string_equal(info.version, "TLSv1.3");
	push(&r, "one\n");
	expect_lines(&r, "<starttls><one>");
	finish(&r);
}

static void
count_line(enum log_level level, const char *context, const char *text, void *arg)
{
	(void)level;
	(void)context;
	(void)text;
	++*(int *)arg;
}

static void
starttls_with_clear_bytes_behind(void **state)
{
	struct reader r;
	int lines = 0;

	(void)state;
	log_set_sink(count_line, &lines);
	start(&r, false);
	push(&r, "starttls\na LOGOUT\n");
	assert_int_equal(r.closed, 1);
	assert_int_equal(r.why, STREAM_END_TLS);
	expect_lines(&r, "<starttls>");
	expect_output(&r, "");
	assert_int_equal(lines, 1);
	finish(&r);

	/* Requested later, while input waits. */
	start(&r, false);
	r.one_a_time = true;
	push(&r, "x\na LOGOUT\n");
	assert_int_equal(stream_starttls(r.s, NULL), TS_INVALID);
	r.one_a_time = false;
	stream_resume(r.s);
	loop_fake_run(r.loop);
	/* And while none does. */
	assert_int_equal(stream_starttls(r.s, NULL), TS_OK);
	loop_fake_run(r.loop);
	assert_int_equal(r.secured, 1);
	finish(&r);
	log_set_sink(NULL, NULL);
}

static void
tls_from_the_start(void **state)
{
	struct reader r;

	(void)state;
	start(&r, true);
	assert_false(stream_is_tls(r.s));
	buf_puts(stream_out(r.s), "hello\n");
	stream_kick(r.s);
	push(&r, "one\n");
	assert_int_equal(r.secured, 1);
	expect_output(&r, "hello\n");
	expect_lines(&r, "<one>");
	assert_int_equal(stream_starttls(r.s, NULL), TS_INVALID);
	finish(&r);
}

/* Input that arrives before there is a consumer waits for it. */
static void
events_set_late(void **state)
{
	struct reader r = {.loop = loop_new_fake()};

	(void)state;
	r.fake = stream_fake_new(r.loop, false);
	r.s = stream_fake_stream(r.fake);
	push(&r, "one\n");
	stream_set_events(r.s, &events, &r);
	assert_int_equal(r.data_calls, 0);
	loop_fake_run(r.loop);
	expect_lines(&r, "<one>");
	finish(&r);
}

/* A peer that writes in small pieces waits for the ACK of each (RFC 896). */
static void
parts_are_acknowledged_at_once(void **state)
{
	struct reader r;

	(void)state;
	start(&r, false);
	push(&r, "whole\n");
	push(&r, "answer\n");
	assert_int_equal(stream_fake_acks(r.fake), 0);
	push(&r, "half");
	assert_int_equal(stream_fake_acks(r.fake), 1);
	push(&r, " a line\n");
	assert_int_equal(stream_fake_acks(r.fake), 1);
	/* Consumed, but not all: a literal. */
	push(&r, "part\n");
	assert_int_equal(stream_fake_acks(r.fake), 2);
	push(&r, "whole\n");
	assert_int_equal(stream_fake_acks(r.fake), 2);
	/* The answer carries the ACK. */
	push(&r, "answer\nhalf");
	assert_int_equal(stream_fake_acks(r.fake), 2);
	push(&r, "\n");
	/* Input that waits for us needs no ACK. */
	r.one_a_time = true;
	push(&r, "one\ntwo\nhalf");
	assert_int_equal(stream_fake_acks(r.fake), 2);
	/* When its turn has come and a part is left, an ACK is needed again. */
	r.one_a_time = false;
	stream_resume(r.s);
	loop_fake_run(r.loop);
	assert_int_equal(stream_fake_acks(r.fake), 3);
	/* None is needed for input that will be shown again after others had their turn. */
	push(&r, "\nagain\nwhole\n");
	assert_int_equal(stream_fake_acks(r.fake), 3);
	push(&r, "again\nhalf");
	assert_int_equal(stream_fake_acks(r.fake), 4);
	push(&r, "\nwhole\n");
	/* Nothing is left to be shown again. */
	push(&r, "resumed part\n");
	assert_int_equal(stream_fake_acks(r.fake), 5);
	finish(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(parts_are_acknowledged_at_once),
	    cmocka_unit_test(lines_in_any_segmentation),
	    cmocka_unit_test(pausing),
	    cmocka_unit_test(pausing_bounds_what_is_kept),
	    cmocka_unit_test(output_goes_out_once_an_iteration),
	    cmocka_unit_test(marks),
	    cmocka_unit_test(a_peer_that_takes_nothing),
	    cmocka_unit_test(closing),
	    cmocka_unit_test(the_peer_ends),
	    cmocka_unit_test(starttls),
	    cmocka_unit_test(starttls_with_clear_bytes_behind),
	    cmocka_unit_test(tls_from_the_start),
	    cmocka_unit_test(events_set_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
