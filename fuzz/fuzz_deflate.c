/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compression as a layer of a stream: a peer that sends anything, in pieces of any size, with
 * pauses in which the history is packed.  What is shown before the layer ends must be what zlib
 * makes of the same bytes, and what is shown behind its end must begin like a command.
 *
 * The input: a byte of how (segment, pauses), then bytes of the wire.  The consumer takes lines;
 * one that begins with '-' pops the layer when it may.  The same bytes, compressed as output, must
 * come back.
 */
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/deflate.h"
#include "net/stream_fake.h"

enum { LONGEST = 4096, SHOWN_MAX = 1 << 20 };

struct peer {
	struct loop *loop;
	struct stream_fake *fake;
	struct stream *s;
	struct stream_layer *layer;
	struct loop_task later;
	struct buf shown, bare;
	bool waits, popped, closed;
};

static void
pop_later(struct loop_task *task)
{
	struct peer *p = (struct peer *)(void *)((char *)task - offsetof(struct peer, later));

	p->waits = false;
	if (p->closed)
		return;
	if (!stream_may_pop(p->s)) {
		stream_close(p->s);
		return;
	}
	buf_puts(stream_out(p->s), "end\n");
	stream_pop(p->s);
	deflate_layer_free(p->layer);
	p->layer = NULL;
	p->popped = true;
	stream_resume(p->s);
}

static size_t
on_data(void *arg, struct str in)
{
	struct peer *p = arg;
	struct str rest = in, line;
	const char *nl;

	TS_ASSERT(!p->waits && in.n > 0);
	while (!p->waits && (nl = str_chr(rest, '\n')) != NULL) {
		line = str_range(rest.p, nl + 1);
		rest = str_range(nl + 1, in.p + in.n);
		buf_str(p->popped ? &p->bare : &p->shown, line);
		if (line.p[0] != '-' || p->popped)
			continue;
		p->waits = true;
		stream_pause(p->s);
		loop_post(p->loop, &p->later);
	}
	if (p->shown.n > SHOWN_MAX)
		stream_abort(p->s);
	return in.n - rest.n;
}

static void
on_closed(void *arg, enum stream_end why)
{
	struct peer *p = arg;

	(void)why;
	p->closed = true;
	if (p->layer != NULL)
		deflate_layer_free(p->layer);
	p->layer = NULL;
}

static const struct stream_events events = {.data = on_data, .closed = on_closed};

static void
quiet(enum log_level level, const char *context, const char *text, void *arg)
{
	(void)level, (void)context, (void)text, (void)arg;
}

/* Is it the beginning of what zlib makes of these bytes? */
static void
check_shown(const struct buf *shown, const uint8_t *data, size_t n)
{
	z_stream z = {.next_in = (unsigned char *)(uintptr_t)data, .avail_in = (unsigned)n};
	struct buf want = {0};

	TS_ASSERT(inflateInit2(&z, -MAX_WBITS) == Z_OK);
	z.next_out = (unsigned char *)buf_room(&want, shown->n + 1);
	z.avail_out = (unsigned)shown->n;
	(void)inflate(&z, Z_SYNC_FLUSH);
	TS_ASSERT(z.avail_out == 0);
	want.n = shown->n;
	TS_ASSERT(str_eq(buf_as_str(&want), buf_as_str(shown)));
	(void)inflateEnd(&z);
	buf_fini(&want);
}

/* "tag word" */
static void
check_bare(const struct buf *bare)
{
	size_t i = 0;

	while (i < bare->n && bare->p[i] > ' ')
		i++;
	TS_ASSERT(
	    bare->n == 0 || (i > 0 && i + 1 < bare->n && bare->p[i] == ' ' &&
	                        (bare->p[i + 1] | 0x20) >= 'a' && (bare->p[i + 1] | 0x20) <= 'z'));
}

static void
run(const uint8_t *data, size_t n, size_t segment, size_t pause)
{
	struct peer p = {.loop = loop_new_fake(), .later = {.fn = pop_later}};
	size_t at;

	p.fake = stream_fake_new(p.loop, false);
	p.s = stream_fake_stream(p.fake);
	stream_set_events(p.s, &events, &p);
	p.layer = deflate_layer_new(p.loop, 1);
	stream_push(p.s, p.layer);
	stream_fake_set_segment(p.fake, segment);
	at = pause < n ? pause : n;
	stream_fake_push(p.fake, (struct str){(const char *)data, at});
	loop_fake_run(p.loop);
	loop_fake_advance(p.loop, 2 * DEFLATE_IDLE_MS);
	if (!p.closed)
		stream_fake_push(p.fake, (struct str){(const char *)data + at, n - at});
	loop_fake_run(p.loop);
	if (!p.closed)
		stream_fake_end(p.fake);
	loop_fake_run(p.loop);
	check_shown(&p.shown, data, n);
	check_bare(&p.bare);
	stream_fake_free(&p.fake);
	loop_fake_run(p.loop);
	TS_ASSERT(p.closed);
	buf_fini(&p.shown);
	buf_fini(&p.bare);
	loop_free(&p.loop);
}

static void
check_output(const uint8_t *data, size_t n, int level)
{
	struct loop *loop = loop_new_fake();
	struct stream_layer *layer = deflate_layer_new(loop, level);
	struct str text = {(const char *)data, n};
	struct buf wire = {0}, got = {0};

	TS_ASSERT(layer->class->encode(layer, text, &wire));
	TS_ASSERT(layer->class->encode(layer, text, &wire));
	buf_str(&got, text);
	buf_str(&got, text);
	check_shown(&got, (const uint8_t *)wire.p, wire.n);
	buf_fini(&wire);
	buf_fini(&got);
	deflate_layer_free(layer);
	loop_free(&loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	log_set_sink(quiet, NULL);
	if (n < 2 || n > LONGEST)
		return 0;
	run(data + 1, n - 1, 0, n);
	run(data + 1, n - 1, data[0] % 8 + 1, n);
	run(data + 1, n - 1, 0, data[0]);
	check_output(data + 1, n - 1, data[0] % 9 + 1);
	return 0;
}
