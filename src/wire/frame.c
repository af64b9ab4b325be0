/* SPDX-License-Identifier: Apache-2.0 */
/* Finds where commands end: see frame.h. */
#include "wire/frame.h"

#include <string.h>

#include "base/ascii.h"
#include "base/err.h"

enum {
	LITERAL_DIGITS = 20, /* with more the size counts as unlimited */
	SKIP_KEEP = 32,      /* of a line being skipped: any literal's head fits */
};

static uint64_t
size_of_digits(const char *p, const char *end)
{
	uint64_t size;

	if (end - p > LITERAL_DIGITS || !str_u64(str_range(p, end), INT64_MAX, &size))
		return UINT64_MAX;
	return size;
}

/*
 * Returns whether the line [from, end) (without line end) ends with the head of
 * a literal.  open: what was dropped before `from` ended within the digits of a
 * head, whose size then counts as unlimited.
 */
static bool
line_literal(const char *from, const char *end, bool open, struct wire_frame_literal *lit_r)
{
	const char *p = end, *digits_end;

	if (p == from || p[-1] != '}')
		return false;
	p--;
	lit_r->sync = true;
	if (p > from && p[-1] == '+') { /* RFC 7888 */
		lit_r->sync = false;
		p--;
	}
	digits_end = p;
	while (p > from && ascii_is_digit(p[-1]))
		p--;
	if (p == digits_end)
		return false;
	if (p == from) {
		lit_r->size = UINT64_MAX;
		return open;
	}
	if (p[-1] != '{')
		return false;
	lit_r->size = size_of_digits(p, digits_end);
	p--;
	lit_r->literal8 = p > from && p[-1] == '~'; /* RFC 3516 */
	lit_r->at = (size_t)(p - from) - (lit_r->literal8 ? 1 : 0);
	return true;
}

static enum wire_frame_result
fail(struct wire_frame *f, enum wire_frame_result result, const char *text)
{
	f->error = text;
	return result;
}

/* A literal is announced on the line that ends before `next`. */
static enum wire_frame_result
announce(struct wire_frame *f, const struct wire_frame_limits *limits, size_t next)
{
	f->lit.at += f->line;
	f->lit.data = f->scanned = next;
	if (++f->literals > limits->literals)
		return fail(f, WIRE_FRAME_LITERAL_TOO_BIG, N_("Too many literals"));
	if (f->lit.size > limits->literal || f->lit.size > limits->command ||
	    next > limits->command - f->lit.size)
		return fail(f, WIRE_FRAME_LITERAL_TOO_BIG, N_("Literal too large"));
	return WIRE_FRAME_LITERAL;
}

enum wire_frame_result
wire_frame_scan(struct wire_frame *f, const struct wire_frame_limits *limits, struct str bytes)
{
	const char *from, *nl, *text_end;
	size_t seen;

	if (bytes.n <= f->scanned) /* an accepted literal is still arriving */
		return WIRE_FRAME_MORE;
	from = bytes.p + f->scanned;
	nl = memchr(from, '\n', bytes.n - f->scanned);
	seen = nl != NULL ? (size_t)(nl + 1 - bytes.p) : bytes.n;
	if (seen - f->line > limits->line || seen > limits->command)
		return fail(f, WIRE_FRAME_LINE_TOO_LONG, N_("Line too long"));
	if (memchr(from, '\0', seen - f->scanned) != NULL)
		return fail(f, WIRE_FRAME_BAD, N_("NUL in a command"));
	if (nl == NULL) {
		f->scanned = seen;
		return WIRE_FRAME_MORE;
	}
	text_end = nl;
	if (seen - f->line >= 2 && nl[-1] == '\r')
		text_end--;
	else if (!limits->bare_lf)
		return fail(f, WIRE_FRAME_BAD, N_("LF without CR"));
	f->lit = (struct wire_frame_literal){0};
	if (!f->line_only && line_literal(bytes.p + f->line, text_end, false, &f->lit))
		return announce(f, limits, seen);
	f->lit = (struct wire_frame_literal){0};
	f->end = f->scanned = seen;
	return WIRE_FRAME_DONE;
}

void
wire_frame_accept(struct wire_frame *f)
{
	TS_ASSERT(f->lit.data > 0 && f->lit.size < SIZE_MAX / 2);
	f->scanned = f->line = f->lit.data + (size_t)f->lit.size;
	f->lit = (struct wire_frame_literal){0};
}

void
wire_frame_cut(struct wire_frame *f)
{
	TS_ASSERT(f->lit.data > 0);
	f->scanned = f->line = 0;
	f->lit = (struct wire_frame_literal){0};
	f->error = NULL;
}

void
wire_frame_refuse(struct wire_frame *f)
{
	if (f->lit.data > 0) {
		f->ends_after_skip = f->lit.sync;
		if (f->lit.sync)
			f->skip = f->lit.data;
		else if (__builtin_add_overflow(f->lit.size, f->lit.data, &f->skip))
			f->skip = UINT64_MAX;
	} else
		f->skip = f->line;
	f->open = false;
	f->lit = (struct wire_frame_literal){0};
}

/* Returns whether [from, end) ends within the digits of a literal's head; before: whether the text
 * before it did. */
static bool
ends_open(const char *from, const char *end, bool before)
{
	while (end > from && ascii_is_digit(end[-1]))
		end--;
	return end > from ? end[-1] == '{' : before;
}

/* Drops bytes of the line that starts at *drop.  Returns true if it ended: f->skip or the end is
 * next. */
static bool
skip_line(struct wire_frame *f, struct str bytes, size_t *drop)
{
	const char *from = bytes.p + *drop, *nl, *text_end;
	struct wire_frame_literal lit = {0};
	size_t left = bytes.n - *drop;

	nl = left > 0 ? memchr(from, '\n', left) : NULL;
	if (nl == NULL) {
		if (left > SKIP_KEEP) {
			*drop = bytes.n - SKIP_KEEP;
			f->open = ends_open(from, bytes.p + *drop, f->open);
		}
		return false;
	}
	text_end = nl > from && nl[-1] == '\r' ? nl - 1 : nl;
	*drop = (size_t)(nl + 1 - bytes.p);
	if (!f->line_only && line_literal(from, text_end, f->open, &lit) && !lit.sync)
		f->skip = lit.size;
	else
		f->ends_after_skip = true;
	f->open = false;
	return true;
}

size_t
wire_frame_skip(struct wire_frame *f, struct str bytes, bool *done_r)
{
	size_t drop = 0;

	*done_r = false;
	for (;;) {
		size_t n = bytes.n - drop < f->skip ? bytes.n - drop : (size_t)f->skip;

		drop += n;
		if (f->skip != UINT64_MAX)
			f->skip -= n;
		if (f->skip > 0)
			return drop;
		if (f->ends_after_skip) {
			*done_r = true;
			return drop;
		}
		if (!skip_line(f, bytes, &drop))
			return drop;
	}
}

struct str
wire_frame_tag(struct str bytes)
{
	size_t n;

	for (n = 0; n < bytes.n; n++) {
		unsigned char c = (unsigned char)bytes.p[n];

		if (c == ' ' || c == '\r' || c == '\n')
			return n > 0 ? (struct str){bytes.p, n} : STR_NONE;
		if (c < ' ' || c >= 0x7f || strchr("(){%*\"\\+", c) != NULL)
			return STR_NONE;
	}
	return STR_NONE;
}
