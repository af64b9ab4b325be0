/* SPDX-License-Identifier: Apache-2.0 */
/* Header fields: see header.h. */
#include "mail/header.h"

#include <stdlib.h>

#include "base/mem.h"
#include "mail/lex_int.h"

static inline bool
blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Behind the LF of the line that begins at p. */
static const char *
line_end(const char *p, const char *end)
{
	const char *nl = memchr(p, '\n', (size_t)(end - p));

	return nl != NULL ? nl + 1 : end;
}

static bool
line_empty(const char *p, const char *end)
{
	return *p == '\n' || (*p == '\r' && end - p > 1 && p[1] == '\n');
}

bool
mail_field_next(struct str *rest, struct mail_field *field_r)
{
	const char *p = rest->p, *end, *colon, *eol, *next, *name_end, *tail;

	if (rest->n == 0 || line_empty(p, p + rest->n))
		return false;
	end = p + rest->n;
	eol = next = line_end(p, end);
	/* RFC 5322 2.2.3: a line that begins with a blank goes on with the field. */
	while (next < end && blank(*next))
		next = line_end(next, end);
	colon = memchr(p, ':', (size_t)(eol - p));
	name_end = colon != NULL ? colon : p;
	while (name_end > p && blank(name_end[-1])) /* RFC 5322 4.5.8 */
		name_end--;
	tail = next;
	if (tail > p && tail[-1] == '\n')
		tail--;
	if (tail > p && tail[-1] == '\r')
		tail--;
	field_r->name = str_range(p, name_end);
	field_r->value = str_range(colon != NULL && colon < tail ? colon + 1 : p, tail);
	if (colon != NULL && colon >= tail)
		field_r->value = str_range(tail, tail);
	field_r->all = str_range(p, next);
	*rest = str_range(next, end);
	return true;
}

struct str
mail_field_find(struct str header, struct str name)
{
	struct mail_field f;

	while (mail_field_next(&header, &f))
		if (str_ieq(f.name, name))
			return f.value;
	return STR_NONE;
}

size_t
mail_header_len(struct str bytes)
{
	const char *p, *end, *next;

	if (bytes.n == 0) /* there may be no pointer to add to */
		return 0;
	end = bytes.p + bytes.n;
	for (p = bytes.p; p < end; p = next) {
		next = line_end(p, end);
		if (line_empty(p, end))
			return (size_t)(next - bytes.p);
	}
	return bytes.n;
}

/* Where the encoded word begins in which the text ends, or n. */
static size_t
open_word(struct str s)
{
	size_t i = s.n;
	const char *text, *end;

	if (s.n == 0)
		return 0;
	end = s.p + s.n;
	while (i > 0 && !(s.p[i - 1] == '=' && i < s.n && s.p[i] == '?'))
		i--;
	if (i == 0 || (text = memchr(s.p + i + 1, '?', (size_t)(end - s.p) - i - 1)) == NULL)
		return s.n;
	/* Behind charset?encoding? */
	if (end - text < 3 || text[2] != '?' || memmem(text + 3, (size_t)(end - text) - 3, "?=", 2))
		return s.n;
	return i - 1;
}

struct str
mail_field_fit(struct str value, size_t max, bool text)
{
	struct str v = str_trim(value);
	size_t n = max;

	if (v.n <= max)
		return v;
	while (n > 0 && !lex_blank(v.p[n]))
		n--;
	if (n > 0)
		n = open_word((struct str){v.p, n});
	if (n > 0)
		return str_trim((struct str){v.p, n});
	if (!text)
		return STR_NONE;
	for (n = max; n > 0 && ((unsigned char)v.p[n] & 0xc0) == 0x80;) /* no half characters */
		n--;
	return (struct str){v.p, n};
}

void
mail_unfold(struct str value, struct buf *out)
{
	struct str v = str_trim(value);
	const char *end = v.n > 0 ? v.p + v.n : v.p;
	char *q = buf_room(out, v.n);

	for (const char *p = v.p; p < end; p++) {
		char c = lex_unfolded(p, end);

		if (c != '\0')
			*q++ = c;
	}
	while (q > out->p + out->n && blank(q[-1])) /* a NUL stood behind it */
		q--;
	out->n = (size_t)(q - out->p);
}
