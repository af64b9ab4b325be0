/* SPDX-License-Identifier: Apache-2.0 */
/* Header fields: see header.h. */
#include "mail/header.h"

#include <stdlib.h>

#include "base/mem.h"
#include "mail/text/lex.h"

static inline bool
blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Returns the position after the LF of the line that begins at p. */
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

/* Continues the search for c, up to end, as far as the budget allows.  Returns true if it was found
 * or there is none. */
static bool
scan_for(struct mail_field_scan *s, const char *end, char c, size_t *budget, const char **found_r)
{
	size_t n = (size_t)(end - s->at), used;

	n = n < *budget ? n : *budget;
	*found_r = n > 0 ? memchr(s->at, c, n) : NULL;
	used = *found_r != NULL ? (size_t)(*found_r - s->at) + 1 : n;
	s->at += used;
	*budget -= used;
	return *found_r != NULL || s->at == end;
}

/* RFC 5322 section 2.2.3: a line that begins with a blank continues the field. */
static bool
find_end(struct mail_field_scan *s, const char *end, size_t *budget)
{
	const char *found;

	while (s->next == NULL) {
		if (!scan_for(s, end, '\n', budget, &found))
			return false;
		if (s->eol == NULL)
			s->eol = s->at;
		if (s->at == end || !blank(*s->at))
			s->next = s->at;
	}
	return true;
}

/* If this returns true, the name ends at s->at. */
static bool
find_name(struct mail_field_scan *s, const char *from, size_t *budget)
{
	if (!s->named) {
		if (!scan_for(s, s->eol, ':', budget, &s->colon))
			return false;
		s->at = s->colon != NULL ? s->colon : from;
		s->named = true;
	}
	for (; s->at > from && blank(s->at[-1]); s->at--, --*budget) /* RFC 5322 section 4.5.8 */
		if (*budget == 0)
			return false;
	return true;
}

enum mail_field_found
mail_field_step(
    struct mail_field_scan *s, struct str *rest, size_t *budget, struct mail_field *field_r)
{
	const char *p = rest->p, *end, *tail;

	if (rest->n == 0 || (s->at == NULL && line_empty(p, p + rest->n)))
		return MAIL_FIELD_NONE;
	end = p + rest->n;
	if (s->at == NULL)
		s->at = p;
	if (s->next == NULL) {
		if (!find_end(s, end, budget))
			return MAIL_FIELD_UNDECIDED;
		s->at = p;
	}
	if (!find_name(s, p, budget))
		return MAIL_FIELD_UNDECIDED;
	tail = s->next;
	if (tail > p && tail[-1] == '\n')
		tail--;
	if (tail > p && tail[-1] == '\r')
		tail--;
	field_r->name = str_range(p, s->at);
	field_r->value = str_range(s->colon != NULL && s->colon < tail ? s->colon + 1 : p, tail);
	if (s->colon != NULL && s->colon >= tail)
		field_r->value = str_range(tail, tail);
	field_r->all = str_range(p, s->next);
	*rest = str_range(s->next, end);
	return MAIL_FIELD_FOUND;
}

bool
mail_field_next(struct str *rest, struct mail_field *field_r)
{
	struct mail_field_scan scan = {0};
	size_t budget = SIZE_MAX;

	return mail_field_step(&scan, rest, &budget, field_r) == MAIL_FIELD_FOUND;
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

	if (bytes.n == 0) /* the pointer may be NULL */
		return 0;
	end = bytes.p + bytes.n;
	for (p = bytes.p; p < end; p = next) {
		next = line_end(p, end);
		if (line_empty(p, end))
			return (size_t)(next - bytes.p);
	}
	return bytes.n;
}

/* Returns where the encoded word that the text ends in begins, or n. */
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
	/* After charset?encoding?  ... */
	if (end - text < 3 || text[2] != '?' || memmem(text + 3, (size_t)(end - text) - 3, "?=", 2))
		return s.n;
	return i - 1;
}

/* Removes the blanks at its ends, or most of them. */
static struct str
trim(struct str s)
{
	size_t front = 0, back = 0;

	while (front < s.n && front < MAIL_BLANKS_MAX && lex_blank(s.p[front]))
		front++;
	while (back < s.n - front && back < MAIL_BLANKS_MAX && lex_blank(s.p[s.n - 1 - back]))
		back++;
	return front > 0 ? (struct str){s.p + front, s.n - front - back}
	                 : (struct str){s.p, s.n - back};
}

struct str
mail_field_fit(struct str value, size_t max, bool text)
{
	struct str v = trim(value);
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
	for (n = max; n > 0 && ((unsigned char)v.p[n] & 0xc0) == 0x80;) /* no partial characters */
		n--;
	return (struct str){v.p, n};
}

void
mail_unfold(struct str value, struct buf *out)
{
	struct str v = str_trim(value);
	const char *end = v.n > 0 ? v.p + v.n : v.p;
	char *q = buf_room(out, v.n);

	if (q == NULL)
		return;
	for (const char *p = v.p; p < end; p++) {
		char c = lex_unfolded(p, end);

		if (c != '\0')
			*q++ = c;
	}
	while (q > out->p + out->n && blank(q[-1])) /* a NUL followed it */
		q--;
	out->n = (size_t)(q - out->p);
}
