/* SPDX-License-Identifier: Apache-2.0 */
/* Layers of a stream: where they begin and end, in pieces of any size, broken ones, large
 * output. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "net/layer.h"
#include "net/stream_fake.h"

enum { PACKET = 20, KEY = 0x55 };

/*
 * A layer like those of SASL: a length byte, then that many bytes, each xor KEY.  The length is
 * never 0.
 */
static bool
packets_decode(
    struct stream_layer *layer, struct str in, size_t room, struct buf *out, size_t *used_r)
{
	size_t n = in.n > 0 ? (unsigned char)in.p[0] : 0;

	(void)room;
	if (in.n > 0 && n == 0) {
		layer->why = "an empty packet";
		return false;
	}
	if (in.n == 0 || in.n < n + 1)
		return true;
	for (size_t i = 0; i < n; i++)
		buf_putc(out, (char)(in.p[i + 1] ^ KEY));
	*used_r = n + 1;
	return true;
}

static void
put_packet(struct buf *out, struct str in)
{
	buf_putc(out, (char)in.n);
	for (size_t i = 0; i < in.n; i++)
		buf_putc(out, (char)(in.p[i] ^ KEY));
}

static unsigned encodings; /* calls */

static bool
packets_encode(struct stream_layer *layer, struct str in, struct buf *out)
{
	encodings++;
	if (str_chr(in, '\x02') != NULL) {
		layer->why = "a byte that cannot be";
		return false;
	}
	for (size_t at = 0; at < in.n; at += PACKET)
		put_packet(out, (struct str){in.p + at, in.n - at < PACKET ? in.n - at : PACKET});
	return true;
}

/*
 * A layer like compression: pairs of a count and a byte.  It may end after each line; a count of 0
 * and '!' may mark its end, also in a later segment.
 */
static bool
runs_decode(struct stream_layer *layer, struct str in, size_t room, struct buf *out, size_t *used_r)
{
	size_t from = out->n, at;
	char last = ' ';

	(void)layer;
	for (at = 0; at + 2 <= in.n && in.p[at] != 0 && out->n - from < room && last != '\n';
	     last = in.p[at + 1], at += 2)
		for (unsigned char n = (unsigned char)in.p[at]; n > 0; n--)
			buf_putc(out, in.p[at + 1]);
	*used_r = at;
	return true;
}

static bool
runs_encode(struct stream_layer *layer, struct str in, struct buf *out)
{
	(void)layer;
	for (size_t i = 0; i < in.n; i++) {
		buf_putc(out, 1);
		buf_putc(out, in.p[i]);
	}
	return true;
}

static unsigned forgotten, encodings_then;

static void
runs_forget(struct stream_layer *layer)
{
	(void)layer;
	forgotten++;
	encodings_then = encodings;
}

static bool
runs_finish(struct stream_layer *layer, struct buf *out)
{
	(void)layer;
	buf_put(out, "\0!", 2);
	return true;
}

struct runs {
	struct stream_layer layer;
	bool half;
	unsigned released;
};

static enum layer_tail
runs_tail(struct stream_layer *layer, struct str in, size_t *used_r)
{
	struct runs *r = (struct runs *)(void *)layer;

	if (!r->half && in.n > 0) {
		if (in.p[0] != 0)
			return LAYER_TAIL_ENDED;
		r->half = true;
		*used_r = 1;
	}
	if (r->half && in.n > *used_r) {
		if (in.p[*used_r] != '!') {
			layer->why = "no end of the end";
			return LAYER_TAIL_BROKEN;
		}
		(*used_r)++;
		return LAYER_TAIL_ENDED;
	}
	return LAYER_TAIL_MORE;
}

static void
runs_released(struct stream_layer *layer)
{
	((struct runs *)(void *)layer)->released++;
}

static const struct stream_layer_class packets = {
    .name = "packets", .decode = packets_decode, .encode = packets_encode};
static const struct stream_layer_class runs = {.name = "runs",
    .decode = runs_decode,
    .encode = runs_encode,
    .forget = runs_forget,
    .finish = runs_finish,
    .tail = runs_tail,
    .released = runs_released};

/* A consumer of lines; "+" and "z" push a layer after their OK, "-" pops one if it may. */
struct reader {
	struct loop *loop;
	struct stream_fake *fake;
	struct stream *s;
	struct stream_layer packets;
	struct runs runs;
	struct buf lines, tapped;
	size_t data_calls, drained, largest;
	bool closed, pop_wanted, refused, paused;
	enum stream_end why;
	struct loop_task later;
};

static void
obey(struct reader *r, struct str line)
{
	if (str_eq(line, STR("+"))) {
		buf_puts(stream_out(r->s), "ok+\n");
		r->packets = (struct stream_layer){.class = &packets};
		stream_push(r->s, &r->packets);
		buf_puts(stream_out(r->s), "in\n");
	} else if (str_eq(line, STR("z"))) {
		buf_puts(stream_out(r->s), "okz\n");
		r->runs = (struct runs){.layer = {.class = &runs}};
		stream_push(r->s, &r->runs.layer);
	} else if (str_eq(line, STR("-"))) {
		r->pop_wanted = true;
		stream_pause(r->s);
		loop_post(r->loop, &r->later);
	} else if (str_eq(line, STR("big"))) {
		for (unsigned i = 0; i < 30000; i++)
			buf_printf(stream_out(r->s), "%08u\n", i);
	} else if (str_eq(line, STR("bad"))) {
		buf_puts(stream_out(r->s), "\x02");
	}
	stream_kick(r->s);
}

static void
pop_later(struct loop_task *task)
{
	struct reader *r = (struct reader *)(void *)((char *)task - offsetof(struct reader, later));

	r->pop_wanted = false;
	if (r->closed)
		return;
	r->refused = !stream_may_pop(r->s);
	if (r->refused) {
		buf_puts(stream_out(r->s), "bye\n");
		stream_close(r->s);
		return;
	}
	buf_puts(stream_out(r->s), "ok-\n");
	while (stream_has_layers(r->s))
		stream_pop(r->s);
	buf_puts(stream_out(r->s), "bare\n");
	stream_resume(r->s);
}

static size_t
on_data(void *arg, struct str in)
{
	struct reader *r = arg;
	struct str rest = in, line;
	const char *nl;

	assert_false(stream_is_paused(r->s));
	assert_true(in.n > 0);
	r->data_calls++;
	if (in.n > r->largest)
		r->largest = in.n;
	while (!r->pop_wanted && (nl = str_chr(rest, '\n')) != NULL) {
		line = str_range(rest.p, nl);
		rest = str_range(nl + 1, in.p + in.n);
		if (line.n < 30)
			buf_printf(&r->lines, "<%.*s>", STR_ARG(line));
		obey(r, line);
		if (stream_moved(r->s))
			break;
	}
	if (rest.n > 1000 && !stream_moved(r->s)) /* no test needs lines that long */
		rest.n = 0;
	return in.n - rest.n;
}

static void
on_drained(void *arg)
{
	((struct reader *)arg)->drained++;
}

static void
on_closed(void *arg, enum stream_end why)
{
	struct reader *r = arg;

	r->closed = true;
	r->why = why;
	/* The owner frees its layers now: nobody may use them. */
	memset(&r->packets, 0xff, sizeof(r->packets));
	r->s = NULL;
}

static void
on_tap(void *arg, struct str bytes)
{
	buf_str(&((struct reader *)arg)->tapped, bytes);
}

static const struct stream_events events = {
    .data = on_data, .drained = on_drained, .closed = on_closed};

static void
start(struct reader *r)
{
	*r = (struct reader){.loop = loop_new_fake(), .later = {.fn = pop_later}};
	r->fake = stream_fake_new(r->loop, false);
	r->s = stream_fake_stream(r->fake);
	stream_set_events(r->s, &events, r);
	stream_set_tap(r->s, on_tap, r);
	encodings = 0;
}

static void
finish(struct reader *r)
{
	stream_fake_free(&r->fake);
	loop_fake_run(r->loop);
	buf_fini(&r->lines);
	buf_fini(&r->tapped);
	loop_free(&r->loop);
}

static void
push(struct reader *r, struct str bytes)
{
	stream_fake_push(r->fake, bytes);
	loop_fake_run(r->loop);
}

static void
expect_lines(struct reader *r, const char *text)
{
	assert_string_equal(buf_cstr(&r->lines), text);
	r->lines.n = 0;
}

/* The output: clear, then packets, then clear again. */
static void
expect_output(struct reader *r, const char *clear, const char *inside, const char *behind)
{
	struct str out = buf_as_str(stream_fake_output(r->fake)), rest;
	struct buf plain = {0};
	size_t used;

	assert_true(out.n >= strlen(clear));
	assert_memory_equal(out.p, clear, strlen(clear));
	rest = (struct str){out.p + strlen(clear), out.n - strlen(clear)};
	while (plain.n < strlen(inside)) {
		used = 0;
		assert_true(packets_decode(&r->packets, rest, 0, &plain, &used));
		assert_true(used > 0);
		rest.p += used, rest.n -= used;
	}
	assert_string_equal(buf_cstr(&plain), inside);
	assert_int_equal(rest.n, strlen(behind));
	assert_memory_equal(rest.p, behind, rest.n);
	buf_fini(&plain);
	stream_fake_output(r->fake)->n = 0;
}

/* "a\n+\n", then lines in two packets that split a line, "-\n"; then `behind`. */
static void
session(struct buf *wire, const char *behind)
{
	wire->n = 0;
	buf_puts(wire, "a\n+\n");
	put_packet(wire, STR("one\ntw"));
	put_packet(wire, STR("o\n"));
	put_packet(wire, STR("-\n"));
	buf_puts(wire, behind);
}

static void
begins_and_ends(void **state)
{
	static const size_t segments[] = {0, 1, 2, 3, 5, 7};
	struct buf wire = {0};
	struct reader r;

	(void)state;
	for (size_t i = 0; i < sizeof(segments) / sizeof(*segments); i++) {
		start(&r);
		stream_fake_set_segment(r.fake, segments[i]);
		session(&wire, "");
		push(&r, buf_as_str(&wire));
		expect_lines(&r, "<a><+><one><two><->");
		assert_false(r.refused);
		assert_false(stream_has_layers(r.s));
		/* Clear again, and a second layer. */
		push(&r, STR("b\n"));
		expect_lines(&r, "<b>");
		expect_output(&r, "ok+\n", "in\nok-\n", "bare\n");
		session(&wire, "");
		push(&r, buf_as_str(&wire));
		expect_lines(&r, "<a><+><one><two><->");
		expect_output(&r, "ok+\n", "in\nok-\n", "bare\n");
		assert_string_equal(
		    buf_cstr(&r.tapped), "ok+\nin\nok-\nbare\nok+\nin\nok-\nbare\n");
		finish(&r);
	}
	buf_fini(&wire);
}

/* Input that arrived before the end was confirmed is never shown: clear, in a packet, half a
 * packet. */
static void
early_input(void **state)
{
	struct buf wire = {0};
	struct reader r;

	(void)state;
	for (unsigned how = 0; how < 5; how++) {
		start(&r);
		session(&wire, how == 0 ? "c\n" : how == 1 ? "\x01" : "");
		if (how == 2)
			put_packet(&wire, STR("c\n"));
		if (how == 3) { /* the same packet */
			wire.n -= 3;
			put_packet(&wire, STR("-\nc\n"));
		}
		stream_fake_push(r.fake, buf_as_str(&wire));
		if (how == 4) { /* on the wire only */
			stream_fake_set_segment(r.fake, wire.n);
			stream_fake_push(r.fake, STR("c\n"));
		}
		loop_fake_run(r.loop);
		assert_true(r.refused);
		expect_lines(&r, "<a><+><one><two><->");
		expect_output(&r, "ok+\n", "in\nbye\n", "");
		assert_true(r.closed);
		assert_int_equal(r.why, STREAM_END_LOCAL);
		finish(&r);
	}
	buf_fini(&wire);
}

static void
broken_input(void **state)
{
	struct buf wire = {0};
	struct reader r;

	(void)state;
	start(&r);
	buf_puts(&wire, "+\n");
	put_packet(&wire, STR("one\n"));
	buf_putc(&wire, '\0');
	put_packet(&wire, STR("two\n"));
	push(&r, buf_as_str(&wire));
	expect_lines(&r, "<+><one>");
	/* Earlier output goes out. */
	expect_output(&r, "ok+\n", "in\n", "");
	assert_true(r.closed);
	assert_int_equal(r.why, STREAM_END_LAYER);
	finish(&r);

	start(&r);
	wire.n = 0;
	buf_puts(&wire, "+\n");
	push(&r, buf_as_str(&wire));
	wire.n = 0;
	put_packet(&wire, STR("bad\n"));
	push(&r, buf_as_str(&wire));
	expect_output(&r, "ok+\n", "in\n", "");
	assert_true(r.closed);
	assert_int_equal(r.why, STREAM_END_LAYER);
	finish(&r);
	buf_fini(&wire);
}

/* The peer ends within a packet. */
static void
half_a_packet(void **state)
{
	struct buf wire = {0};
	struct reader r;

	(void)state;
	start(&r);
	buf_puts(&wire, "+\n");
	put_packet(&wire, STR("one\n"));
	buf_puts(&wire, "\x05gh");
	stream_fake_push(r.fake, buf_as_str(&wire));
	stream_fake_end(r.fake);
	loop_fake_run(r.loop);
	expect_lines(&r, "<+><one>");
	assert_true(r.closed);
	assert_int_equal(r.why, STREAM_END_PEER);
	finish(&r);
	buf_fini(&wire);
}

static void
large_output(void **state)
{
	static const struct stream_limits limits = {
	    .pending = 4096, .high = 20000, .low = 5000, .handshake_ms = 1, .close_ms = 1};
	struct buf wire = {0}, got = {0};
	struct str rest;
	struct reader r;
	size_t used;

	(void)state;
	start(&r);
	stream_set_limits(r.s, &limits);
	push(&r, STR("+\n"));
	stream_fake_output(r.fake)->n = 0;
	stream_fake_set_window(r.fake, 1000);
	encodings = 0;
	put_packet(&wire, STR("big\n"));
	push(&r, buf_as_str(&wire));
	assert_int_equal(stream_fake_output(r.fake)->n, 1000);
	/* Only one chunk is encoded before it is taken. */
	assert_int_equal(encodings, 1);
	assert_true(stream_out_pending(r.s) > 30000 * 9 - 1000);
	assert_int_equal(r.drained, 0);
	for (unsigned i = 0; i < 2000 && stream_out_pending(r.s) > 0; i++) {
		stream_fake_set_window(r.fake, 777);
		loop_fake_run(r.loop);
	}
	assert_int_equal(r.drained, 1);
	rest = buf_as_str(stream_fake_output(r.fake));
	while (rest.n > 0) {
		assert_true((unsigned char)rest.p[0] <= PACKET);
		assert_true(packets_decode(&r.packets, rest, 0, &got, &used));
		rest.p += used, rest.n -= used;
	}
	assert_int_equal(got.n, 30000 * 9);
	assert_memory_equal(got.p + got.n - 9, "00029999\n", 9);
	finish(&r);
	buf_fini(&wire);
	buf_fini(&got);
}

/* Output that is waiting when layers change is sent as it was when it was written. */
static void
slow_peer(void **state)
{
	struct buf wire = {0};
	struct reader r;

	(void)state;
	start(&r);
	stream_fake_set_window(r.fake, 0);
	push(&r, STR("+\n"));
	put_packet(&wire, STR("-\n"));
	push(&r, buf_as_str(&wire));
	assert_false(r.refused);
	assert_false(stream_has_layers(r.s));
	push(&r, STR("+\n"));
	assert_int_equal(stream_fake_output(r.fake)->n, 0);
	wire.n = 0;
	buf_puts(&wire, "ok+\n");
	put_packet(&wire, STR("in\nok-\n"));
	buf_puts(&wire, "bare\nok+\n");
	put_packet(&wire, STR("in\n"));
	for (unsigned i = 0; i < 200; i++) {
		stream_fake_set_window(r.fake, 1);
		loop_fake_run(r.loop);
	}
	assert_int_equal(stream_fake_output(r.fake)->n, wire.n);
	assert_memory_equal(stream_fake_output(r.fake)->p, wire.p, wire.n);
	finish(&r);
	buf_fini(&wire);
}

/* Paused: waiting input is bounded, in bytes on the wire. */
static void
bounded_input(void **state)
{
	static const struct stream_limits limits = {
	    .pending = 4096, .high = 20000, .low = 5000, .handshake_ms = 1, .close_ms = 1};
	struct buf wire = {0};
	struct reader r;

	(void)state;
	start(&r);
	stream_set_limits(r.s, &limits);
	push(&r, STR("z\n"));
	stream_pause(r.s);
	for (unsigned i = 0; i < 50000; i++)
		buf_puts(&wire, "\xffx");
	push(&r, buf_as_str(&wire));
	assert_true(stream_fake_untaken(r.fake) >= wire.n - limits.pending);
	assert_int_equal(r.data_calls, 1);
	/* 13 MB are never in memory at once. */
	stream_resume(r.s);
	loop_fake_run(r.loop);
	assert_int_equal(stream_fake_untaken(r.fake), 0);
	assert_in_range(r.largest, 1000, 70000);
	assert_true(r.data_calls > 100);
	finish(&r);
	buf_fini(&wire);
}

static void
put_runs(struct buf *out, struct str in)
{
	assert_true(runs_encode(NULL, in, out));
}

/* A layer that marks its end: bare bytes may follow at once. */
static void
self_ending(void **state)
{
	static const size_t segments[] = {0, 1, 2, 3};
	struct buf wire = {0};
	struct reader r;

	(void)state;
	for (unsigned marked = 0; marked < 2; marked++)
		for (size_t i = 0; i < sizeof(segments) / sizeof(*segments); i++) {
			start(&r);
			stream_fake_set_segment(r.fake, segments[i]);
			wire.n = 0;
			buf_puts(&wire, "z\n");
			put_runs(&wire, STR("one\n-\n"));
			if (marked)
				buf_put(&wire, "\0!", 2);
			buf_puts(&wire, "b\nc\n");
			push(&r, buf_as_str(&wire));
			expect_lines(&r, "<z><one><-><b><c>");
			assert_int_equal(r.runs.released, 1);
			wire.n = 0;
			buf_puts(&wire, "okz\n");
			put_runs(&wire, STR("ok-\n"));
			buf_put(&wire, "\0!bare\n", 7);
			assert_int_equal(stream_fake_output(r.fake)->n, wire.n);
			assert_memory_equal(stream_fake_output(r.fake)->p, wire.p, wire.n);
			finish(&r);
		}
	/* The mark comes later, in two pieces; then something that is not one. */
	start(&r);
	wire.n = 0;
	buf_puts(&wire, "z\n");
	put_runs(&wire, STR("-\n"));
	push(&r, buf_as_str(&wire));
	expect_lines(&r, "<z><->");
	assert_int_equal(r.runs.released, 0);
	push(&r, (struct str){"\0", 1});
	push(&r, STR("!b\n"));
	expect_lines(&r, "<b>");
	assert_int_equal(r.runs.released, 1);
	push(&r, buf_as_str(&wire));
	push(&r, (struct str){"\0b\n", 3});
	expect_lines(&r, "<z><->");
	assert_true(r.closed);
	assert_int_equal(r.why, STREAM_END_LAYER);
	assert_int_equal(r.runs.released, 1);
	finish(&r);
	buf_fini(&wire);
}

/* Compression in a security layer; both end at once, the newest first. */
static void
two_layers(void **state)
{
	static const size_t segments[] = {0, 1, 3};
	struct buf wire = {0}, zipped = {0};
	struct str out;
	struct reader r;

	(void)state;
	for (unsigned early = 0; early < 2; early++)
		for (size_t i = 0; i < sizeof(segments) / sizeof(*segments); i++) {
			start(&r);
			wire.n = zipped.n = 0;
			buf_puts(&wire, "+\n");
			put_packet(&wire, STR("z\n"));
			put_runs(&zipped, STR("one\n-\n"));
			buf_put(&zipped, "\0!", 2); /* an end is nothing */
			if (early)
				put_runs(&zipped, STR("c\n"));
			for (size_t at = 0; at < zipped.n; at += 5)
				put_packet(&wire, (struct str){zipped.p + at,
				                      zipped.n - at < 5 ? zipped.n - at : 5});
			stream_fake_set_segment(r.fake, segments[i]);
			push(&r, buf_as_str(&wire));
			expect_lines(&r, "<+><z><one><->");
			assert_int_equal(r.refused, early);
			out = buf_as_str(stream_fake_output(r.fake));
			if (early) {
				assert_true(r.closed);
			} else {
				assert_false(stream_has_layers(r.s));
				assert_memory_equal(out.p, "ok+\n", 4);
				assert_memory_equal(out.p + out.n - 5, "bare\n", 5);
				push(&r, STR("b\n"));
				expect_lines(&r, "<b>");
			}
			finish(&r);
		}
	buf_fini(&wire);
	buf_fini(&zipped);
}

/* Earlier output is encoded before the history is dropped, later output is not. */
static void
forgets(void **state)
{
	struct buf wire = {0}, zipped = {0};
	struct reader r;
	unsigned before;

	(void)state;
	start(&r);
	stream_forget(r.s); /* there are no layers */
	assert_int_equal(forgotten, 0);
	buf_puts(&wire, "+\n");
	put_packet(&wire, STR("z\n"));
	push(&r, buf_as_str(&wire));
	buf_puts(stream_out(r.s), "said before");
	before = encodings;
	stream_forget(r.s);
	assert_int_equal(forgotten, 1);
	assert_true(encodings_then > before);
	assert_int_equal(encodings, encodings_then);
	buf_puts(stream_out(r.s), "said after");
	put_runs(&zipped, STR("one\n"));
	wire.n = 0;
	put_packet(&wire, buf_as_str(&zipped));
	push(&r, buf_as_str(&wire));
	expect_lines(&r, "<+><z><one>");
	assert_true(encodings > encodings_then);
	assert_int_equal(forgotten, 1);
	finish(&r);
	buf_fini(&wire);
	buf_fini(&zipped);
}

/* STARTTLS after a layer that ended, while its last bytes wait; but not inside one. */
static void
starttls(void **state)
{
	struct buf wire = {0};
	struct reader r;

	(void)state;
	start(&r);
	push(&r, STR("+\n"));
	assert_int_equal(stream_starttls(r.s, NULL), TS_INVALID);
	stream_fake_set_window(r.fake, 0);
	put_packet(&wire, STR("-\n"));
	push(&r, buf_as_str(&wire));
	assert_false(stream_has_layers(r.s));
	assert_int_equal(stream_starttls(r.s, NULL), TS_OK);
	loop_fake_run(r.loop);
	assert_false(stream_is_tls(r.s));
	stream_fake_set_window(r.fake, SIZE_MAX);
	loop_fake_run(r.loop);
	assert_true(stream_is_tls(r.s));
	expect_output(&r, "ok+\n", "in\nok-\n", "bare\n");
	finish(&r);
	buf_fini(&wire);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(begins_and_ends),
	    cmocka_unit_test(early_input),
	    cmocka_unit_test(broken_input),
	    cmocka_unit_test(half_a_packet),
	    cmocka_unit_test(large_output),
	    cmocka_unit_test(slow_peer),
	    cmocka_unit_test(bounded_input),
	    cmocka_unit_test(self_ending),
	    cmocka_unit_test(two_layers),
	    cmocka_unit_test(forgets),
	    cmocka_unit_test(starttls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
