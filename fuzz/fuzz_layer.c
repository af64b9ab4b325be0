/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers of a stream: a peer sends anything, in pieces of any size, into a layer of packets and an
 * expanding one above it, which are pushed and popped at any time.  The consumer must see what a
 * decoder without buffers makes of the same bytes, and no input that came before a layer ended.
 *
 * The input: a byte for segment and window, then the peer's bytes.  The consumer reads lines; a
 * line that begins with '+' or 'z' pushes a layer, one with '-' pops all if it may.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/layer.h"
#include "net/stream_fake.h"

enum { KEY = 0x20, EXPAND = 3, LONGEST = 4096 };

struct peer {
	struct loop *loop;
	struct stream_fake *fake;
	struct stream *s;
	struct stream_layer packets, doubled;
	struct loop_task later;
	bool waits, closed, packets_on, doubled_on;
	uint64_t shown;
};

/* A packet: its length in one byte, then the bytes, each xor KEY. */
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

static bool
packets_encode(struct stream_layer *layer, struct str in, struct buf *out)
{
	(void)layer;
	for (size_t at = 0; at < in.n; at += 50) {
		size_t n = in.n - at < 50 ? in.n - at : 50;

		buf_putc(out, (char)n);
		for (size_t i = 0; i < n; i++)
			buf_putc(out, (char)(in.p[at + i] ^ KEY));
	}
	return true;
}

/* Each byte except line ends expands to EXPAND bytes; the layer may end after each line. */
static bool
expand_decode(
    struct stream_layer *layer, struct str in, size_t room, struct buf *out, size_t *used_r)
{
	size_t at = 0, from = out->n;
	bool line = false;

	(void)layer;
	for (; at < in.n && !line && out->n - from < room; at++) {
		line = in.p[at] == '\n';
		for (int i = 0; i < (line ? 1 : EXPAND); i++)
			buf_putc(out, in.p[at]);
	}
	*used_r = at;
	return true;
}

static bool
expand_encode(struct stream_layer *layer, struct str in, struct buf *out)
{
	(void)layer;
	buf_str(out, in);
	return true;
}

static bool
expand_finish(struct stream_layer *layer, struct buf *out)
{
	(void)layer;
	buf_putc(out, '!');
	return true;
}

/* A '!' may mark the end. */
static enum layer_tail
expand_tail(struct stream_layer *layer, struct str in, size_t *used_r)
{
	(void)layer;
	if (in.n == 0)
		return LAYER_TAIL_MORE;
	*used_r = in.p[0] == '!';
	return LAYER_TAIL_ENDED;
}

static const struct stream_layer_class packets = {
    .name = "packets", .decode = packets_decode, .encode = packets_encode};
static const struct stream_layer_class doubled = {.name = "expanding",
    .decode = expand_decode,
    .encode = expand_encode,
    .finish = expand_finish,
    .tail = expand_tail};

static void
pop_later(struct loop_task *task)
{
	struct peer *p = (struct peer *)(void *)((char *)task - offsetof(struct peer, later));

	if (p->closed)
		return;
	p->waits = false;
	if (!stream_may_pop(p->s)) {
		buf_puts(stream_out(p->s), "bye\n");
		stream_close(p->s);
		return;
	}
	buf_puts(stream_out(p->s), "end\n");
	while (stream_has_layers(p->s))
		stream_pop(p->s);
	p->packets_on = p->doubled_on = false;
	stream_resume(p->s);
}

static void
obey(struct peer *p, char what)
{
	buf_puts(stream_out(p->s), "ok\n");
	stream_kick(p->s);
	if (what == '+' && !p->packets_on && !p->doubled_on) {
		p->packets = (struct stream_layer){.class = &packets};
		p->packets_on = true;
		stream_push(p->s, &p->packets);
	} else if (what == 'z' && !p->doubled_on) {
		p->doubled = (struct stream_layer){.class = &doubled};
		p->doubled_on = true;
		stream_push(p->s, &p->doubled);
	} else if (what == '-' && stream_has_layers(p->s)) {
		p->waits = true;
		stream_pause(p->s);
		loop_post(p->loop, &p->later);
	}
}

static size_t
on_data(void *arg, struct str in)
{
	struct peer *p = arg;
	struct str rest = in;
	const char *nl;

	TS_ASSERT(!p->waits && in.n > 0);
	while (!p->waits && !stream_moved(p->s) && (nl = str_chr(rest, '\n')) != NULL) {
		obey(p, rest.p[0]);
		rest = str_range(nl + 1, in.p + in.n);
	}
	p->shown += in.n - rest.n;
	return in.n - rest.n;
}

static void
on_closed(void *arg, enum stream_end why)
{
	struct peer *p = arg;

	(void)why;
	p->closed = true;
	/* They belong to the owner again, who frees them. */
	mem_wipe(&p->packets, sizeof(p->packets));
	mem_wipe(&p->doubled, sizeof(p->doubled));
}

static const struct stream_events events = {.data = on_data, .closed = on_closed};

static void
quiet(enum log_level level, const char *context, const char *text, void *arg)
{
	(void)level;
	(void)context;
	(void)text;
	(void)arg;
}

/* How many bytes the consumer sees until the stream is idle. */
static uint64_t
run(const uint8_t *data, size_t n, size_t segment, size_t window)
{
	struct peer p = {.loop = loop_new_fake(), .later = {.fn = pop_later}};
	uint64_t shown;

	p.fake = stream_fake_new(p.loop, false);
	p.s = stream_fake_stream(p.fake);
	stream_set_events(p.s, &events, &p);
	stream_fake_set_segment(p.fake, segment);
	stream_fake_set_window(p.fake, window);
	stream_fake_push(p.fake, (struct str){(const char *)data, n});
	loop_fake_run(p.loop);
	stream_fake_set_window(p.fake, SIZE_MAX);
	loop_fake_run(p.loop);
	if (!p.closed)
		stream_fake_end(p.fake);
	loop_fake_run(p.loop);
	shown = p.shown;
	stream_fake_free(&p.fake);
	loop_fake_run(p.loop);
	TS_ASSERT(p.closed);
	loop_free(&p.loop);
	return shown;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	log_set_sink(quiet, NULL);
	if (n < 1 || n > LONGEST)
		return 0;
	/* All at once and in pieces: what is too early is too early in both. */
	TS_ASSERT(run(data + 1, n - 1, 0, SIZE_MAX) ==
	          run(data + 1, n - 1, data[0] % 16 + 1, data[0] / 16));
	return 0;
}
