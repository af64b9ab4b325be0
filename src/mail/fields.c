/* SPDX-License-Identifier: Apache-2.0 */
/* Headers in pieces: see fields.h. */
#include "mail/fields.h"

#include <stdlib.h>

static bool
blank(char c)
{
	return c == ' ' || c == '\t';
}

/* ---- field by field ---- */

void
mail_fields_feed(struct mail_fields *f, struct str bytes, bool last)
{
	f->last = last;
	f->rest = bytes;
	if (f->held.n == 0)
		return;
	buf_str(&f->held, bytes);
	f->rest = buf_as_str(&f->held);
}

/* Keeps what has to wait for more.  Always returns false. */
static bool
wait_for_more(struct mail_fields *f)
{
	struct str rest = f->rest;

	if (f->held.n > 0)
		buf_consume(&f->held, f->held.n - rest.n);
	else
		buf_str(&f->held, rest);
	f->rest = STR_NONE;
	return false;
}

static void
set_piece(struct mail_fields *f, size_t n, struct mail_fields_piece *piece)
{
	piece->field.all = piece->field.value = (struct str){f->rest.p, n};
	if (n > 0)
		f->rest = (struct str){f->rest.p + n, f->rest.n - n};
}

/* Gets more of a long field, up to the start of a line that does not belong to it. */
static bool
next_within(struct mail_fields *f, struct mail_fields_piece *piece)
{
	size_t n = 0;

	if (f->rest.n == 0 && !f->last)
		return wait_for_more(f);
	f->within = false;
	while (n < f->rest.n && (!f->at_line || blank(f->rest.p[n]))) {
		const char *nl = memchr(f->rest.p + n, '\n', f->rest.n - n);

		f->at_line = nl != NULL;
		n = nl != NULL ? (size_t)(nl - f->rest.p) + 1 : f->rest.n;
	}
	f->within = n == f->rest.n && !f->last;
	set_piece(f, n, piece);
	piece->last = !f->within;
	return true;
}

/* Gets the front of a field that is longer than others. */
static void
begin_long(struct mail_fields *f, struct mail_fields_piece *piece)
{
	const char *end = f->rest.p + f->rest.n;

	piece->field.value = str_range(piece->field.value.p, end);
	piece->field.all = f->rest;
	piece->last = false;
	f->within = true;
	f->at_line = end[-1] == '\n';
	f->rest.p = end;
	f->rest.n = 0;
}

/* Returns whether the header ends here.  A CR alone may be the start of the empty line. */
static bool
at_empty_line(const struct mail_fields *f)
{
	struct str s = f->rest;

	return s.p[0] == '\n' || (s.p[0] == '\r' && s.n > 1 && s.p[1] == '\n');
}

bool
mail_fields_next(struct mail_fields *f, struct mail_fields_piece *piece_r)
{
	struct str rest = f->rest;

	*piece_r = (struct mail_fields_piece){0};
	if (f->ended)
		return false;
	if (f->within)
		return next_within(f, piece_r);
	if (rest.n == 0)
		return wait_for_more(f);
	piece_r->first = piece_r->last = true;
	if (at_empty_line(f)) {
		f->ended = piece_r->blank = true;
		set_piece(f, rest.p[0] == '\n' ? 1 : 2, piece_r);
		return true;
	}
	(void)mail_field_next(&rest, &piece_r->field);
	if (rest.n > 0 || f->last) {
		f->rest = rest;
		return true;
	}
	if (f->rest.n <= MAIL_FIELD_WHOLE)
		return wait_for_more(f);
	begin_long(f, piece_r);
	return true;
}

void
mail_fields_fini(struct mail_fields *f)
{
	buf_fini(&f->held);
}

/* ---- names ---- */

/* Shorter ones first: most comparisons end with the lengths. */
static int
compare_field_names(struct str a, struct str b)
{
	if (a.n != b.n)
		return a.n < b.n ? -1 : 1;
	return str_icmp(a, b);
}

static int
compare_names(const void *a, const void *b)
{
	return compare_field_names(*(const struct str *)a, *(const struct str *)b);
}

/* Returns a bit for the length and first letter, to tell which names are possible. */
static uint64_t
name_bit(struct str name)
{
	return UINT64_C(1) << ((name.n * 31 +
	                           ascii_lower(name.n > 0 ? (unsigned char)name.p[0] : 0)) &
	                       63);
}

void
mail_names_init(struct mail_names *names, struct str *v, size_t n)
{
	*names = (struct mail_names){.v = v, .n = n};
	for (size_t i = 0; i < n; i++)
		names->bits |= name_bit(v[i]);
	if (n > 1)
		qsort(v, n, sizeof(*v), compare_names);
}

size_t
mail_names_find(const struct mail_names *names, struct str name)
{
	size_t low = 0, high = names->n;

	if (name.n == 0 || (names->bits & name_bit(name)) == 0)
		return names->n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = compare_field_names(name, names->v[mid]);

		if (order == 0)
			return mid;
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return names->n;
}

/* ---- a choice of fields ---- */

void
mail_choose(struct mail_choice *c, struct str bytes, bool last, struct buf *out)
{
	struct mail_fields_piece p;

	c->fields.held.oom = out->oom;
	mail_fields_feed(&c->fields, bytes, last);
	while (mail_fields_next(&c->fields, &p)) {
		if (p.first)
			c->chosen =
			    (mail_names_find(c->names, p.field.name) < c->names->n) != c->not ;
		if (c->chosen || p.blank) /* the empty line is not subject to the selection */
			buf_str(out, p.field.all);
	}
}

void
mail_choice_fini(struct mail_choice *c)
{
	mail_fields_fini(&c->fields);
}
