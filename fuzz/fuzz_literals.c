/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Literals (RFC 9051 section 4.3, RFC 7888, RFC 3516): runs the framer over a client's bytes, once
 * all at once, then in pieces of one byte and of several.  It must always find the same commands,
 * literals and faults, whether a literal is kept, streamed or refused.  The first byte chooses the
 * pieces and the limits.
 */
#include "base/buf.h"
#include "base/err.h"
#include "wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct walk {
	struct str all;
	size_t start, there; /* the command's first byte; the bytes that have arrived */
	size_t step;
	struct wire_frame f;
	struct buf *log;
};

static bool
more(struct walk *w)
{
	if (w->there == w->all.n)
		return false;
	w->there = w->all.n - w->there < w->step ? w->all.n : w->there + w->step;
	return true;
}

static struct str
seen(const struct walk *w)
{
	return (struct str){w->all.p + w->start, w->there - w->start};
}

static bool
refuse(struct walk *w)
{
	bool done = false;

	TS_ASSERT(w->f.error != NULL);
	wire_frame_refuse(&w->f);
	while (!done) {
		size_t n = wire_frame_skip(&w->f, seen(w), &done);

		TS_ASSERT(n <= w->there - w->start);
		w->start += n;
		if (!done && !more(w))
			return false;
	}
	buf_printf(w->log, "skipped to %zu\n", w->start);
	w->f = (struct wire_frame){0};
	return true;
}

/* Literals of odd size are streamed, the others are part of the command. */
static bool
literal(struct walk *w)
{
	const struct wire_frame_literal *lit = &w->f.lit;

	TS_ASSERT(lit->at < lit->data && lit->data <= w->there - w->start);
	buf_printf(w->log, "literal at %zu data %zu size %llu %d %d\n", w->start + lit->at,
	    w->start + lit->data, (unsigned long long)lit->size, lit->sync, lit->literal8);
	if (lit->size % 2 == 0) {
		wire_frame_accept(&w->f);
		return true;
	}
	w->start += lit->data;
	if (lit->size > w->all.n - w->start)
		return false;
	w->start += (size_t)lit->size;
	if (w->there < w->start)
		w->there = w->start;
	wire_frame_cut(&w->f);
	return true;
}

static bool
go(struct walk *w, const struct wire_frame_limits *limits)
{
	switch (wire_frame_scan(&w->f, limits, seen(w))) {
	case WIRE_FRAME_MORE:
		return more(w);
	case WIRE_FRAME_DONE:
		TS_ASSERT(w->f.end > 0 && w->f.end <= w->there - w->start);
		w->start += w->f.end;
		buf_printf(w->log, "command to %zu\n", w->start);
		w->f = (struct wire_frame){0};
		return true;
	case WIRE_FRAME_LITERAL:
		return literal(w);
	case WIRE_FRAME_LITERAL_TOO_BIG:
		buf_puts(w->log, "too big\n");
		return refuse(w);
	case WIRE_FRAME_LINE_TOO_LONG:
	case WIRE_FRAME_BAD:
		buf_puts(w->log, "bad\n");
		return refuse(w);
	}
	TS_WRONG("no such result");
}

static void
walk(struct str all, size_t step, const struct wire_frame_limits *limits, struct buf *log)
{
	struct walk w = {.all = all, .step = step, .log = log};

	while (go(&w, limits))
		continue;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_frame_limits limits = {
	    .line = 200, .literal = 64, .command = 400, .literals = 3, .bare_lf = true};
	struct buf whole = {0}, pieces = {0};
	struct str all;

	if (size < 2)
		return 0;
	limits.bare_lf = (data[0] & 1) != 0;
	if ((data[0] & 2) != 0)
		limits.line = 40;
	all = (struct str){(const char *)data + 1, size - 1};
	walk(all, all.n, &limits, &whole);
	for (size_t step = 1; step < 40; step += 1 + data[0] / 8) {
		pieces.n = 0;
		walk(all, step, &limits, &pieces);
		TS_ASSERT(str_eq(buf_as_str(&whole), buf_as_str(&pieces)));
	}
	buf_fini(&whole);
	buf_fini(&pieces);
	return 0;
}
