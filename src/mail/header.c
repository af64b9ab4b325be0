/* SPDX-License-Identifier: Apache-2.0 */
/* Header fields: see header.h. */
#include "mail/header.h"

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
	const char *p = bytes.p, *end = bytes.p + bytes.n, *next;

	for (; p < end; p = next) {
		next = line_end(p, end);
		if (line_empty(p, end))
			return (size_t)(next - bytes.p);
	}
	return bytes.n;
}

void
mail_unfold(struct str value, size_t max, struct buf *out)
{
	struct str v = str_trim(value);
	bool cut = v.n > max;
	size_t from = out->n;
	char *q;

	if (cut)
		v.n = max;
	q = buf_room(out, v.n);
	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];

		if (c != '\r' && c != '\n' && c != '\0')
			*q++ = c;
	}
	out->n = (size_t)(q - out->p);
	/* No half characters at the cut. */
	for (int i = 0;
	     cut && i < 3 && out->n > from && ((unsigned char)out->p[out->n - 1] & 0xc0) == 0x80;
	     i++)
		out->n--;
	if (cut && out->n > from && (unsigned char)out->p[out->n - 1] >= 0xc0)
		out->n--;
	while (out->n > from && blank(out->p[out->n - 1]))
		out->n--;
}
