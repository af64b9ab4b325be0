/* SPDX-License-Identifier: Apache-2.0 */
/* Printing the words of the grammar: see out.h. */
#include "wire/out.h"

#include <string.h>

enum shape { SHAPE_ATOM, SHAPE_QUOTED, SHAPE_LITERAL, SHAPE_LITERAL8 };

enum { QUOTED_MAX = 1000 }; /* longer ones are sent as literals, so that lines stay short */

static enum shape
shape_of(const struct wire_dialect *d, struct str s)
{
	enum shape shape = s.n == 0 ? SHAPE_QUOTED : SHAPE_ATOM;
	bool high = false;

	if (s.n > 0 && memchr(s.p, '\0', s.n) != NULL)
		return SHAPE_LITERAL8;
	if (s.n > QUOTED_MAX)
		return SHAPE_LITERAL;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '\r' || c == '\n')
			return SHAPE_LITERAL;
		if (c >= 0x80)
			high = true;
		if (c <= ' ' || c >= 0x7F || strchr("(){%*\"\\]", c) != NULL)
			shape = SHAPE_QUOTED;
	}
	if (high && (!d->utf8 || !str_is_utf8(s)))
		return SHAPE_LITERAL;
	return shape;
}

void
wire_out_quoted(struct buf *b, struct str s)
{
	size_t from = 0;

	buf_putc(b, '"');
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '"' || s.p[i] == '\\') {
			buf_put(b, s.p + from, i - from);
			buf_putc(b, '\\');
			from = i;
		}
	if (s.n > 0)
		buf_put(b, s.p + from, s.n - from);
	buf_putc(b, '"');
}

void
wire_out_literal_head(struct buf *b, uint64_t size, bool literal8)
{
	if (literal8)
		buf_putc(b, '~');
	buf_putc(b, '{');
	buf_u64(b, size);
	buf_put(b, "}\r\n", 3);
}

void
wire_out_literal(struct buf *b, struct str s)
{
	wire_out_literal_head(b, s.n, false);
	buf_str(b, s);
}

static void
put_shaped(struct buf *b, struct str s, enum shape shape)
{
	switch (shape) {
	case SHAPE_ATOM:
		buf_str(b, s);
		break;
	case SHAPE_QUOTED:
		wire_out_quoted(b, s);
		break;
	case SHAPE_LITERAL:
	case SHAPE_LITERAL8:
		wire_out_literal_head(b, s.n, shape == SHAPE_LITERAL8);
		buf_str(b, s);
		break;
	}
}

void
wire_out_string(struct buf *b, const struct wire_dialect *d, struct str s)
{
	enum shape shape = shape_of(d, s);

	put_shaped(b, s, shape == SHAPE_ATOM ? SHAPE_QUOTED : shape);
}

void
wire_out_nstring(struct buf *b, const struct wire_dialect *d, struct str s)
{
	if (s.p == NULL)
		buf_put(b, "NIL", 3);
	else
		wire_out_string(b, d, s);
}

void
wire_out_astring(struct buf *b, const struct wire_dialect *d, struct str s)
{
	enum shape shape = shape_of(d, s);

	/* An atom NIL is a valid astring, but not every reader knows that. */
	if (shape == SHAPE_ATOM && str_ieq(s, STR("NIL")))
		shape = SHAPE_QUOTED;
	put_shaped(b, s, shape);
}

void
wire_out_astrings(struct buf *b, const struct wire_dialect *d, const struct wire_names *names)
{
	buf_putc(b, '(');
	for (size_t i = 0; i < names->n; i++) {
		if (i > 0)
			buf_putc(b, ' ');
		wire_out_astring(b, d, names->v[i]);
	}
	buf_putc(b, ')');
}

void
wire_out_delimiter(struct buf *b, char delimiter)
{
	if (delimiter == '\0')
		buf_put(b, "NIL", 3);
	else
		wire_out_quoted(b, (struct str){&delimiter, 1});
}

void
wire_out_text(struct buf *b, struct str text)
{
	static const char never[] = {'\r', '\n', '\0'};
	char *to = buf_room(b, text.n), *bad;

	if (to == NULL || text.n == 0)
		return;
	memcpy(to, text.p, text.n);
	b->n += text.n;
	/* Capabilities are long and go out with every login: not a byte at a time. */
	for (size_t i = 0; i < sizeof(never); i++)
		for (char *p = to; (bad = memchr(p, never[i], text.n - (size_t)(p - to))) != NULL;
		     p = bad + 1)
			*bad = '?';
}

void
wire_out_bits(struct buf *b, const struct wire_name *table, unsigned mask, const char **between)
{
	for (const struct wire_name *bit = table; bit->name != NULL; bit++)
		if ((mask & bit->id) != 0) {
			buf_puts(b, *between);
			buf_puts(b, bit->name);
			*between = " ";
		}
}
