/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compression as a layer: how it ends, by every way to flush, cut at every byte; what is never run;
 * what it holds when idle; broken, endless and random input; what is left in memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/deflate.h"
#include "net/stream_fake.h"

/* ---- the client's side */

struct client {
	z_stream out, in;
	struct buf wire, plain;
	bool ended; /* the server's stream */
};

static void *
give(void *arg, unsigned items, unsigned size)
{
	(void)arg;
	return mem_zalloc((size_t)items * size);
}

static void
take(void *arg, void *p)
{
	(void)arg;
	mem_wipe_free(p);
}

static void
client_init(struct client *c, int level)
{
	*c = (struct client){
	    .out = {.zalloc = give, .zfree = take}, .in = {.zalloc = give, .zfree = take}};
	assert_int_equal(
	    deflateInit2(&c->out, level, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(inflateInit2(&c->in, -15), Z_OK);
}

static void
client_fini(struct client *c)
{
	(void)deflateEnd(&c->out);
	(void)inflateEnd(&c->in);
	buf_wipe_fini(&c->wire);
	buf_wipe_fini(&c->plain);
}

static void
say(struct client *c, struct str text, int flush)
{
	c->out.next_in = (unsigned char *)(uintptr_t)text.p;
	c->out.avail_in = (unsigned)text.n;
	do {
		c->out.next_out = (unsigned char *)buf_room(&c->wire, 1024);
		c->out.avail_out = 1024;
		(void)deflate(&c->out, flush);
		c->wire.n += 1024 - c->out.avail_out;
	} while (c->out.avail_out == 0);
}

/* What the server sent; what is behind its end is left. */
static void
hear(struct client *c, struct str bytes, struct str *rest_r)
{
	int ret = Z_OK;

	c->in.next_in = (unsigned char *)(uintptr_t)bytes.p;
	c->in.avail_in = (unsigned)bytes.n;
	while (ret == Z_OK && (c->in.avail_in > 0 || c->in.avail_out == 0)) {
		c->in.next_out = (unsigned char *)buf_room(&c->plain, 4096);
		c->in.avail_out = 4096;
		ret = inflate(&c->in, Z_SYNC_FLUSH);
		c->plain.n += 4096 - c->in.avail_out;
	}
	assert_true(ret == Z_OK || ret == Z_STREAM_END || ret == Z_BUF_ERROR);
	c->ended = ret == Z_STREAM_END;
	*rest_r = (struct str){bytes.p + bytes.n - c->in.avail_in, c->in.avail_in};
}

/* ---- a server of lines: "z" begins compression, behind its OK, "-" ends all when it may */

struct reader {
	struct loop *loop;
	struct stream_fake *fake;
	struct stream *s;
	struct stream_layer *layer;
	struct buf lines;
	size_t data_calls, largest, total, working;
	unsigned broken;
	bool closed, waits, refused;
	enum stream_end why;
	struct loop_task later;
};

static void
obey(struct reader *r, struct str line)
{
	if (str_eq(line, STR("z"))) {
		buf_puts(stream_out(r->s), "okz\n");
		r->layer = deflate_layer_new(r->loop, 6);
		stream_push(r->s, r->layer);
	} else if (str_eq(line, STR("a -"))) {
		r->waits = true;
		stream_pause(r->s);
		loop_post(r->loop, &r->later);
	} else if (str_eq(line, STR("big"))) {
		for (unsigned i = 0; i < 60000; i++)
			buf_printf(stream_out(r->s), "%08u\n", i * i % 100000000);
	} else if (line.n < 200)
		buf_printf(stream_out(r->s), "got %.*s\n", STR_ARG(line));
	stream_kick(r->s);
}

static void
pop_later(struct loop_task *task)
{
	struct reader *r = (struct reader *)(void *)((char *)task - offsetof(struct reader, later));

	r->waits = false;
	if (r->closed)
		return;
	r->refused = !stream_may_pop(r->s);
	if (r->refused) {
		buf_puts(stream_out(r->s), "bye\n");
		stream_close(r->s);
		return;
	}
	buf_puts(stream_out(r->s), "ok-\n");
	stream_pop(r->s);
	deflate_layer_free(r->layer);
	r->layer = NULL;
	stream_resume(r->s);
}

static size_t
on_data(void *arg, struct str in)
{
	struct reader *r = arg;
	struct str rest = in, line;
	const char *nl;

	assert_true(in.n > 0 && !r->waits);
	r->data_calls++;
	if (in.n > r->largest)
		r->largest = in.n;
	while (!r->waits && (nl = str_chr(rest, '\n')) != NULL) {
		line = str_range(rest.p, nl);
		rest = str_range(nl + 1, in.p + in.n);
		if (line.n < 30)
			buf_printf(&r->lines, "<%.*s>", STR_ARG(line));
		obey(r, line);
		if (stream_moved(r->s))
			break;
	}
	if (rest.n > 100000 && !stream_moved(r->s)) /* nobody asked for lines that long */
		rest.n = 0;
	r->total += in.n - rest.n;
	return in.n - rest.n;
}

static void
on_closed(void *arg, enum stream_end why)
{
	struct reader *r = arg;

	r->closed = true;
	r->why = why;
	if (r->layer != NULL)
		deflate_layer_free(r->layer);
	r->layer = NULL;
}

static void
on_broken(void *arg)
{
	struct reader *r = arg;

	r->broken++;
	buf_puts(stream_out(r->s), "broken\n");
}

static void
on_working(void *arg, bool begins)
{
	struct reader *r = arg;

	assert_true(begins == (r->working % 2 == 0));
	r->working++;
}

static const struct stream_events events = {
    .data = on_data, .closed = on_closed, .broken = on_broken, .working = on_working};

static void
start(struct reader *r)
{
	*r = (struct reader){.loop = loop_new_fake(), .later = {.fn = pop_later}};
	r->fake = stream_fake_new(r->loop, false);
	r->s = stream_fake_stream(r->fake);
	stream_set_events(r->s, &events, r);
}

static void
finish(struct reader *r)
{
	stream_fake_free(&r->fake);
	loop_fake_run(r->loop);
	assert_true(r->closed);
	assert_int_equal(r->working % 2, 0);
	buf_fini(&r->lines);
	loop_free(&r->loop);
}

static void
push(struct reader *r, struct str bytes)
{
	stream_fake_push(r->fake, bytes);
	loop_fake_run(r->loop);
}

static void
begin(struct reader *r)
{
	start(r);
	push(r, STR("z\n"));
	assert_string_equal(buf_cstr(stream_fake_output(r->fake)), "okz\n");
	stream_fake_output(r->fake)->n = 0;
	r->lines.n = 0;
}

/* What the client hears: compressed, and behind the end of that. */
static void
expect_heard(struct reader *r, struct client *c, const char *inside, const char *behind)
{
	struct str rest;

	hear(c, buf_as_str(stream_fake_output(r->fake)), &rest);
	assert_string_equal(buf_cstr(&c->plain), inside);
	assert_true(c->ended || rest.n == 0);
	assert_int_equal(rest.n, strlen(behind));
	assert_memory_equal(rest.p, behind, rest.n);
	stream_fake_output(r->fake)->n = 0;
	c->plain.n = 0;
}

/* ---- ends */

static const char *const ways[] = {
    "finish", "sync", "full", "sync, and an empty last block", "finish behind a flush"};
enum { WAYS = 5 };

/* The last line, and the end of the client's stream. */
static void
say_last(struct client *c, struct str text, size_t way)
{
	static const int flushes[WAYS] = {
	    Z_FINISH, Z_SYNC_FLUSH, Z_FULL_FLUSH, Z_SYNC_FLUSH, Z_SYNC_FLUSH};

	say(c, text, flushes[way]);
	if (way == 3)
		buf_put(&c->wire, "\x03", 2);
	if (way == 4)
		say(c, STR_NONE, Z_FINISH);
}

static void
expect_clean_end(struct reader *r, struct client *c, const char *what)
{
	if (strcmp(buf_cstr(&r->lines), "<one><two><a -><b X-OP2><c IDLE now>") != 0)
		print_error("%s\n", what);
	assert_string_equal(buf_cstr(&r->lines), "<one><two><a -><b X-OP2><c IDLE now>");
	assert_null(r->layer);
	assert_false(r->closed);
	assert_int_equal(r->broken, 0);
	expect_heard(r, c, "got one\ngot two\nok-\n", "got b X-OP2\ngot c IDLE now\n");
}

/* Cut at `cut`; 0: in pieces of `segment`. */
static void
one_end(size_t way, int level, size_t cut, size_t segment, size_t *n_r)
{
	struct client c;
	struct reader r;

	client_init(&c, level);
	begin(&r);
	say(&c, STR("one\n"), Z_SYNC_FLUSH);
	say(&c, STR("two\n"), Z_SYNC_FLUSH);
	say_last(&c, STR("a -\n"), way);
	buf_puts(&c.wire, "b X-OP2\nc IDLE now\n");
	*n_r = c.wire.n;
	stream_fake_set_segment(r.fake, segment);
	if (cut > 0)
		push(&r, (struct str){c.wire.p, cut});
	push(&r, (struct str){c.wire.p + cut, c.wire.n - cut});
	expect_clean_end(&r, &c, ways[way]);
	finish(&r);
	client_fini(&c);
}

static void
ends(void **state)
{
	size_t n = 2;

	(void)state;
	for (int level = 0; level < 10; level += 3)
		for (size_t way = 0; way < WAYS; way++) {
			for (size_t segment = 0; segment < 12; segment++)
				one_end(way, level, 0, segment, &n);
			for (size_t cut = 1; cut < n; cut++)
				one_end(way, level, cut, 0, &n);
		}
}

/* A line of any length and content, so that blocks end at every bit. */
static void
ends_at_any_bit(void **state)
{
	char text[120];

	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		struct client c;
		struct reader r;

		client_init(&c, 6);
		begin(&r);
		stream_fake_set_segment(r.fake, i % 3);
		snprintf(text, sizeof(text), "%0*u %x\na -\n", (int)(i % 70) + 1, i * 7919, i);
		say_last(&c, str_of(text), i % WAYS);
		buf_puts(&c.wire, "b NOOP\n");
		push(&r, buf_as_str(&c.wire));
		assert_false(r.closed);
		assert_null(r.layer);
		assert_true(str_has_suffix(buf_as_str(&r.lines), STR("<a -><b NOOP>")));
		finish(&r);
		client_fini(&c);
	}
}

/* Within a byte: only when nothing was sent behind it. */
static void
ends_within_a_byte(void **state)
{
	static const int flushes[] = {Z_PARTIAL_FLUSH, Z_BLOCK};

	(void)state;
	for (unsigned i = 0; i < 120; i++) {
		int flush = flushes[i % 2];
		bool early = i % 4 >= 2;
		char text[60];
		struct client c;
		struct reader r;

		client_init(&c, 6);
		begin(&r);
		snprintf(text, sizeof(text), "%.*s\na -\n", (int)(i / 4),
		    "aQz~0123456789bcdefghijklmnopqrstuvwxyz");
		say(&c, str_of(text), flush);
		if (flush == Z_BLOCK) /* up to 7 bits of the last line are kept back */
			say(&c, STR_NONE, Z_PARTIAL_FLUSH);
		if (early)
			buf_puts(&c.wire, "b NOOP\n");
		push(&r, buf_as_str(&c.wire));
		if (!early) {
			assert_false(r.closed);
			push(&r, STR("b NOOP\n"));
			assert_false(r.closed);
			assert_true(str_has_suffix(buf_as_str(&r.lines), STR("<a -><b NOOP>")));
		} else if (r.closed) {
			assert_null(str_find(buf_as_str(&r.lines), STR("<b")));
			assert_int_equal(r.broken, 1);
		} else /* it happened to end between two bytes */
			assert_true(str_has_suffix(buf_as_str(&r.lines), STR("<a -><b NOOP>")));
		finish(&r);
		client_fini(&c);
	}
}

/* Its end may come later; then bare bytes. */
static void
ends_later(void **state)
{
	struct client c;
	struct reader r;

	(void)state;
	for (unsigned late = 0; late < 3; late++) {
		client_init(&c, 6);
		begin(&r);
		say(&c, STR("a -\n"), Z_SYNC_FLUSH);
		push(&r, buf_as_str(&c.wire));
		expect_heard(&r, &c, "ok-\n", "");
		assert_true(c.ended);
		if (late > 0)
			push(&r, (struct str){"\x03", 1});
		if (late > 0)
			push(&r, (struct str){"\0b NO", late == 1 ? 1 : 5});
		push(&r, str_of(late == 2 ? "OP\n" : "b NOOP\n"));
		assert_string_equal(buf_cstr(&r.lines), "<a -><b NOOP>");
		assert_false(r.closed);
		finish(&r);
		client_fini(&c);
	}
	/* The connection ends meanwhile. */
	client_init(&c, 6);
	begin(&r);
	say(&c, STR("a -\n"), Z_SYNC_FLUSH);
	push(&r, (struct str){c.wire.p, c.wire.n - 2});
	stream_fake_end(r.fake);
	loop_fake_run(r.loop);
	assert_true(r.closed);
	assert_int_equal(r.why, STREAM_END_PEER);
	finish(&r);
	client_fini(&c);
}

/* ---- what is never run */

static void
expect_nothing_run(struct reader *r)
{
	assert_true(r->closed);
	assert_string_equal(buf_cstr(&r->lines), "<a ->");
	assert_true(r->refused || r->broken == 1);
}

/* Compressed bytes behind the line: in its block, in one of their own, in any pieces. */
static void
goes_on_compressing(void **state)
{
	struct client c;
	struct reader r;

	(void)state;
	for (int level = 0; level < 10; level += 3)
		for (unsigned how = 0; how < 3; how++)
			for (size_t segment = 0; segment < 8; segment++) {
				client_init(&c, level);
				begin(&r);
				stream_fake_set_segment(r.fake, segment);
				say(&c, STR("a -\n"), how == 0 ? Z_NO_FLUSH : Z_SYNC_FLUSH);
				if (how == 2) { /* it saw the OK */
					push(&r, buf_as_str(&c.wire));
					c.wire.n = 0;
				}
				say(&c, STR("b LOGIN user \"a password\"\n"), Z_SYNC_FLUSH);
				say(&c, STR("c LOGIN user \"a password\"\n"), Z_SYNC_FLUSH);
				push(&r, buf_as_str(&c.wire));
				expect_nothing_run(&r);
				finish(&r);
				client_fini(&c);
			}
}

static void
no_command(void **state)
{
	static const char *const texts[] = {" NOOP\n", "b  NOOP\n", "b \n", "b 1\n", "b -X\n",
	    "b\n", "\n", "(b NOOP\n", "b\xc3 NOOP\n", "b NO\x80\n", "b NOOP;\n"};
	struct client c;
	struct reader r;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		for (size_t segment = 0; segment < 2; segment++) {
			client_init(&c, 6);
			begin(&r);
			stream_fake_set_segment(r.fake, segment);
			say(&c, STR("a -\n"), Z_SYNC_FLUSH);
			buf_puts(&c.wire, texts[i]);
			push(&r, buf_as_str(&c.wire));
			expect_nothing_run(&r);
			finish(&r);
			client_fini(&c);
		}
}

/* ---- input */

static void
segments(void **state)
{
	struct buf text = {0};

	(void)state;
	for (unsigned i = 0; i < 2000; i++)
		buf_printf(&text, "line %u of %u\n", i * i, i);
	for (int level = 0; level < 10; level += 3)
		for (size_t segment = 0; segment < 4; segment++) {
			struct client c;
			struct reader r;

			client_init(&c, level);
			begin(&r);
			stream_fake_set_segment(r.fake, segment);
			for (size_t at = 0; at < text.n; at += 777)
				say(&c,
				    (struct str){
				        text.p + at, text.n - at < 777 ? text.n - at : 777},
				    at % 2 ? Z_SYNC_FLUSH : Z_NO_FLUSH);
			say(&c, STR_NONE, Z_SYNC_FLUSH);
			push(&r, buf_as_str(&c.wire));
			assert_int_equal(r.total, text.n + 2);
			assert_false(r.closed);
			finish(&r);
			client_fini(&c);
		}
	buf_fini(&text);
}

/* A stream that is compressed well is never there whole; blocks of nothing cost no more than they
 * are long. */
static void
bombs(void **state)
{
	struct buf zeros = {0};
	struct client c;
	struct reader r;

	(void)state;
	client_init(&c, 9);
	begin(&r);
	memset(buf_room(&zeros, 1 << 20), 0, 1 << 20);
	for (unsigned i = 0; i < 20; i++)
		say(&c, (struct str){zeros.p, 1 << 20}, Z_NO_FLUSH);
	say(&c, STR("\nend\n"), Z_SYNC_FLUSH);
	push(&r, buf_as_str(&c.wire));
	assert_in_range(r.largest, 1000, 100000 + 70000);
	assert_true(r.data_calls > 250);
	assert_true(str_has_suffix(buf_as_str(&r.lines), STR("<end>")));
	buf_fini(&zeros);
	c.wire.n = 0;
	for (unsigned i = 0; i < 100000; i++)
		buf_put(&c.wire, "\0\0\0\xff\xff", 5);
	r.data_calls = 0;
	push(&r, buf_as_str(&c.wire));
	assert_int_equal(r.data_calls, 0);
	c.wire.n = 0;
	say(&c, STR("end\n"), Z_SYNC_FLUSH);
	push(&r, buf_as_str(&c.wire));
	assert_int_equal(r.data_calls, 1);
	finish(&r);
	client_fini(&c);
}

static void
truncated(void **state)
{
	size_t n = 2;

	(void)state;
	for (size_t cut = 1; cut < n; cut++) {
		struct client c;
		struct reader r;

		client_init(&c, 6);
		begin(&r);
		say(&c, STR("one\ntwo\nthree of the lines\n"), Z_FINISH);
		n = c.wire.n;
		stream_fake_push(r.fake, (struct str){c.wire.p, cut});
		stream_fake_end(r.fake);
		loop_fake_run(r.loop);
		assert_true(r.closed);
		assert_int_equal(r.why, STREAM_END_PEER);
		finish(&r);
		client_fini(&c);
	}
}

/* Behind the end of a stream that nobody asked to end. */
static void
ends_too_early(void **state)
{
	struct client c;
	struct reader r;

	(void)state;
	client_init(&c, 6);
	begin(&r);
	say(&c, STR("one\n"), Z_FINISH);
	push(&r, buf_as_str(&c.wire));
	assert_false(r.closed);
	push(&r, STR("b NOOP\n"));
	assert_true(r.closed);
	assert_int_equal(r.why, STREAM_END_LAYER);
	expect_heard(&r, &c, "got one\nbroken\n", "");
	assert_string_equal(buf_cstr(&r.lines), "<one>");
	finish(&r);
	client_fini(&c);
}

static void
random_input(void **state)
{
	unsigned seed = 1, broken = 0;

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		struct client c;
		struct reader r;

		client_init(&c, 1);
		begin(&r);
		stream_fake_set_segment(r.fake, i % 5);
		if (i % 2 == 0)
			say(&c, STR("one\n"), Z_SYNC_FLUSH);
		for (unsigned k = 0; k < 1 + i % 300; k++)
			buf_putc(&c.wire, (char)rand_r(&seed));
		push(&r, buf_as_str(&c.wire));
		if (r.closed) {
			assert_int_equal(r.why, STREAM_END_LAYER);
			assert_int_equal(r.broken, 1);
			broken++;
		}
		finish(&r);
		client_fini(&c);
	}
	assert_true(broken > 1500);
}

/* ---- output */

/* The same bytes whatever was sent before; large ones in pieces; a block as it is when it is small.
 */
static void
output(void **state)
{
	struct client c, fresh;
	struct buf first = {0};
	struct reader r;

	(void)state;
	client_init(&c, 6);
	client_init(&fresh, 6);
	begin(&r);
	for (unsigned i = 0; i < 3; i++) {
		c.wire.n = 0;
		say(&c, STR("big\n"), Z_SYNC_FLUSH);
		push(&r, buf_as_str(&c.wire));
		if (i == 0)
			buf_str(&first, buf_as_str(stream_fake_output(r.fake)));
		assert_int_equal(stream_fake_output(r.fake)->n, first.n);
		assert_memory_equal(stream_fake_output(r.fake)->p, first.p, first.n);
		hear(&c, buf_as_str(stream_fake_output(r.fake)), &(struct str){0});
		assert_int_equal(c.plain.n, 60000 * 9);
		assert_memory_equal(c.plain.p + 9 * 999, "00998001\n", 9);
		c.plain.n = stream_fake_output(r.fake)->n = 0;
	}
	assert_true(first.n < 60000 * 5);
	c.wire.n = 0;
	say(&c, STR("x\n"), Z_SYNC_FLUSH);
	push(&r, buf_as_str(&c.wire));
	assert_int_equal(stream_fake_output(r.fake)->n, 11);
	assert_memory_equal(stream_fake_output(r.fake)->p, "\0\x06\0\xf9\xffgot x\n", 11);
	finish(&r);
	client_fini(&c);
	client_fini(&fresh);
	buf_fini(&first);
}

static void
slow_peer(void **state)
{
	struct client c;
	struct reader r;

	(void)state;
	client_init(&c, 6);
	begin(&r);
	stream_fake_set_window(r.fake, 0);
	say(&c, STR("big\n"), Z_SYNC_FLUSH);
	say_last(&c, STR("a -\n"), 1);
	push(&r, buf_as_str(&c.wire));
	for (unsigned i = 0; i < 100000 && stream_out_pending(r.s) > 0; i++) {
		stream_fake_set_window(r.fake, 333);
		loop_fake_run(r.loop);
	}
	hear(&c, buf_as_str(stream_fake_output(r.fake)), &(struct str){0});
	assert_true(c.ended);
	assert_int_equal(c.plain.n, 60000 * 9 + 4);
	finish(&r);
	client_fini(&c);
}

/* ---- idle */

static void
be_idle(struct reader *r)
{
	loop_fake_advance(r->loop, DEFLATE_IDLE_MS + 1);
}

static void
small_when_idle(void **state)
{
	struct client c;
	struct reader r;
	size_t held;

	(void)state;
	client_init(&c, 6);
	begin(&r);
	assert_in_range(deflate_layer_bytes(r.layer), 1, 600);
	for (unsigned i = 0; i < 3000; i++) { /* more than a window */
		char text[100];

		snprintf(text, sizeof(text), "a%u UID FETCH %u (FLAGS UID BODY.PEEK[HEADER])\n", i,
		    i * 17 % 5000);
		c.wire.n = 0;
		say(&c, str_of(text), i % 3 == 2 ? Z_PARTIAL_FLUSH : Z_SYNC_FLUSH);
		push(&r, buf_as_str(&c.wire));
		if (i % 500 == 499) {
			assert_in_range(deflate_layer_bytes(r.layer), 32768, DEFLATE_MEMORY + 1024);
			be_idle(&r);
			assert_in_range(deflate_layer_bytes(r.layer), 600, 8192);
		}
	}
	assert_false(r.closed);
	/* Something is said: it needs neither. */
	be_idle(&r);
	held = deflate_layer_bytes(r.layer);
	stream_fake_output(r.fake)->n = 0;
	buf_puts(stream_out(r.s), "* OK Still here\r\n");
	stream_kick(r.s);
	loop_fake_run(r.loop);
	assert_int_equal(deflate_layer_bytes(r.layer), held);
	assert_int_equal(stream_fake_output(r.fake)->n, 5 + 17);
	/* Within a block it is not known. */
	c.wire.n = 0;
	say(&c, STR("one\n"), Z_SYNC_FLUSH);
	push(&r, (struct str){c.wire.p, 2});
	be_idle(&r);
	assert_true(deflate_layer_bytes(r.layer) > 32768);
	push(&r, (struct str){c.wire.p + 2, c.wire.n - 2});
	be_idle(&r);
	assert_in_range(deflate_layer_bytes(r.layer), 600, 8192);
	assert_true(str_has_suffix(buf_as_str(&r.lines), STR("<one>")));
	/* And it may end from there. */
	c.wire.n = 0;
	say_last(&c, STR("a -\n"), 1);
	push(&r, buf_as_str(&c.wire));
	push(&r, STR("b NOOP\n"));
	assert_true(str_has_suffix(buf_as_str(&r.lines), STR("<a -><b NOOP>")));
	finish(&r);
	client_fini(&c);
}

/* What cannot be packed is no larger than what is reserved. */
static void
worst_case(void **state)
{
	struct buf noise = {0};
	struct client c;
	struct reader r;
	unsigned seed = 7;

	(void)state;
	client_init(&c, 6);
	begin(&r);
	for (unsigned i = 0; i < 99000; i++)
		buf_putc(&noise, (char)(rand_r(&seed) | 0x80));
	buf_putc(&noise, '\n');
	say(&c, buf_as_str(&noise), Z_SYNC_FLUSH);
	say(&c, buf_as_str(&noise), Z_SYNC_FLUSH);
	push(&r, buf_as_str(&c.wire));
	assert_int_equal(r.total, 2 + 2 * noise.n);
	assert_in_range(deflate_layer_bytes(r.layer), 32768, DEFLATE_MEMORY + 1024);
	be_idle(&r);
	assert_in_range(deflate_layer_bytes(r.layer), 8192, DEFLATE_MEMORY);
	c.wire.n = 0;
	say(&c, (struct str){noise.p + 70000, noise.n - 70000}, Z_SYNC_FLUSH); /* refers to it */
	assert_true(c.wire.n < 1000);
	push(&r, buf_as_str(&c.wire));
	assert_int_equal(r.total, 2 + 3 * noise.n - 70000);
	assert_false(r.closed);
	finish(&r);
	client_fini(&c);
	buf_fini(&noise);
}

/* ---- memory */

#define SECRET "purple wombats on the ridge"

/* Is the text anywhere in the heap?  mask: each byte of it xor 1. */
static bool
in_heap(const char *mask)
{
	char line[256], text[sizeof(SECRET)];
	FILE *f = fopen("/proc/self/maps", "r");
	bool found = false;
	char *from, *to;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		unsigned long a = 0, b = 0;

		if (strstr(line, "[heap]") == NULL || sscanf(line, "%lx-%lx", &a, &b) != 2)
			continue;
		from = (char *)a, to = (char *)b; // NOLINT: it is memory of ours
		for (; from + sizeof(SECRET) <= to && !found; from++) {
			for (size_t i = 0; i < sizeof(SECRET) - 1; i++)
				text[i] = (char)(from[i] ^ 1);
			found = memcmp(text, mask, sizeof(SECRET) - 1) == 0;
		}
	}
	fclose(f);
	mem_wipe(text, sizeof(text));
	mem_wipe(line, sizeof(line));
	return found;
}

static void
wipes(void **state)
{
	static const char secret[] = SECRET "\n";
	struct loop *loop = loop_new_fake();
	struct stream_layer *layer = deflate_layer_new(loop, 1);
	char mask[sizeof(SECRET)];
	struct buf out = {0};
	struct client c;
	size_t used;

	(void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__clang__)
	deflate_layer_free(layer);
	loop_free(&loop);
	skip(); /* a sanitizer's heap is elsewhere */
#endif
	for (size_t i = 0; i < sizeof(SECRET) - 1; i++)
		mask[i] = secret[i] ^ 1;
	client_init(&c, 6);
	for (unsigned i = 0; i < 3; i++) { /* in, with the history as it is, and packed */
		say(&c, str_of(secret), Z_SYNC_FLUSH);
		for (used = 1; used > 0; buf_consume(&c.wire, used)) {
			used = 0;
			assert_true(
			    layer->class->decode(layer, buf_as_str(&c.wire), 1000, &out, &used));
		}
		assert_int_equal(out.n, sizeof(secret) - 1);
		buf_wipe_fini(&out);
		if (i < 2)
			loop_fake_advance(loop, DEFLATE_IDLE_MS + 1);
	}
	for (unsigned i = 0; i < 20; i++) /* out */
		buf_puts(&out, secret);
	assert_true(layer->class->encode(layer, buf_as_str(&out), &c.plain));
	buf_wipe_fini(&out);
	client_fini(&c);
	assert_true(in_heap(mask)); /* of the history */
	deflate_layer_free(layer);
	assert_false(in_heap(mask));
	loop_free(&loop);
}

static void
quiet(enum log_level level, const char *context, const char *text, void *arg)
{
	(void)level;
	(void)context;
	(void)text;
	(void)arg;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ends),
	    cmocka_unit_test(ends_at_any_bit),
	    cmocka_unit_test(ends_within_a_byte),
	    cmocka_unit_test(ends_later),
	    cmocka_unit_test(goes_on_compressing),
	    cmocka_unit_test(no_command),
	    cmocka_unit_test(segments),
	    cmocka_unit_test(bombs),
	    cmocka_unit_test(truncated),
	    cmocka_unit_test(ends_too_early),
	    cmocka_unit_test(random_input),
	    cmocka_unit_test(output),
	    cmocka_unit_test(slow_peer),
	    cmocka_unit_test(small_when_idle),
	    cmocka_unit_test(worst_case),
	    cmocka_unit_test(wipes),
	};

	log_set_sink(quiet, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
