/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of numbers: see set.h. */
#include "wire/set.h"

#include <stdlib.h>

struct wire_range
wire_range_resolve(struct wire_range r, uint32_t max)
{
	uint32_t lo = r.lo_star ? max : r.lo, hi = r.hi_star ? max : r.hi;

	/* RFC 9051 section 9, seq-range: the order does not matter. */
	return lo <= hi ? (struct wire_range){lo, hi, false, false}
	                : (struct wire_range){hi, lo, false, false};
}

static int
range_cmp(const void *a, const void *b)
{
	const struct wire_range *x = a, *y = b;

	return x->lo < y->lo ? -1 : x->lo > y->lo;
}

struct wire_set
wire_set_resolve(const struct wire_set *set, uint32_t max, struct arena *a)
{
	struct wire_set out = {.saved = set->saved};
	size_t n = 0;

	out.v = arena_try_array(a, set->n, sizeof(*out.v));
	if (out.v == NULL)
		return out;
	for (size_t i = 0; i < set->n; i++) {
		struct wire_range r = wire_range_resolve(set->v[i], max);

		if (r.hi == 0)
			continue;
		if (r.lo == 0)
			r.lo = 1;
		out.v[n++] = r;
	}
	if (n == 0)
		return out;
	qsort(out.v, n, sizeof(*out.v), range_cmp);
	for (size_t i = 1; i < n; i++) {
		struct wire_range *last = &out.v[out.n];

		if (last->hi == UINT32_MAX || out.v[i].lo <= last->hi + 1) {
			if (out.v[i].hi > last->hi)
				last->hi = out.v[i].hi;
		} else
			out.v[++out.n] = out.v[i];
	}
	out.n++;
	return out;
}

uint32_t
wire_set_highest(const struct wire_set *set, uint32_t max)
{
	uint32_t highest = 0;

	for (size_t i = 0; i < set->n; i++) {
		uint32_t hi = set->v[i].hi_star ? max : set->v[i].hi;

		if (hi > highest)
			highest = hi;
	}
	return highest;
}

/* ---- parsing */

static bool
read_set_number(struct wire_in *in, uint32_t *n_r, bool *star_r)
{
	*star_r = wire_in_try_char(in, '*');
	*n_r = UINT32_MAX;
	return *star_r || wire_in_nz_number(in, n_r);
}

static bool
read_range(struct wire_in *in, struct wire_range *r)
{
	if (!read_set_number(in, &r->lo, &r->lo_star))
		return false;
	r->hi = r->lo;
	r->hi_star = r->lo_star;
	if (!wire_in_try_char(in, ':'))
		return true;
	if (!read_set_number(in, &r->hi, &r->hi_star))
		return false;
	if (r->lo > r->hi || (r->lo_star && !r->hi_star))
		*r = (struct wire_range){r->hi, r->lo, r->hi_star, r->lo_star};
	return true;
}

static bool
is_set_char(char c)
{
	return (c >= '0' && c <= '9') || c == '*' || c == ':' || c == ',';
}

static size_t
count_commas(const struct wire_in *in)
{
	size_t n = 0;

	for (const char *p = in->p; p < in->end && is_set_char(*p); p++)
		n += *p == ',';
	return n;
}

bool
wire_in_set(struct wire_in *in, struct wire_set *set_r)
{
	size_t n;

	*set_r = (struct wire_set){0};
	if (wire_in_try_char(in, '$')) { /* RFC 5182 */
		set_r->saved = true;
		return true;
	}
	if (in->error != NULL)
		return false;
	n = count_commas(in) + 1;
	if (n > in->limits->set_ranges)
		return wire_in_limit(in, "Too many ranges in a set");
	set_r->v = arena_try_array(in->arena, n, sizeof(*set_r->v));
	if (set_r->v == NULL)
		return wire_in_no_memory(in);
	do {
		if (!read_range(in, &set_r->v[set_r->n++]))
			return false;
	} while (set_r->n < n && wire_in_try_char(in, ','));
	return true;
}

/* ---- printing */

static void
print_number(struct buf *b, uint32_t n, bool star)
{
	if (star)
		buf_putc(b, '*');
	else
		buf_u64(b, n);
}

static void
print_range(struct buf *b, const struct wire_range *r)
{
	print_number(b, r->lo, r->lo_star);
	if (r->lo != r->hi || r->lo_star != r->hi_star) {
		buf_putc(b, ':');
		print_number(b, r->hi, r->hi_star);
	}
}

void
wire_set_print(struct buf *b, const struct wire_set *set)
{
	if (set->saved)
		buf_putc(b, '$');
	for (size_t i = 0; i < set->n; i++) {
		if (i > 0)
			buf_putc(b, ',');
		print_range(b, &set->v[i]);
	}
}

static void
set_out_flush(struct wire_set_out *o)
{
	struct wire_range r = {o->lo, o->hi, false, false};

	if (o->lo == 0)
		return;
	if (o->any)
		buf_putc(o->b, ',');
	print_range(o->b, &r);
	o->any = true;
	o->lo = 0;
}

void
wire_set_out_add(struct wire_set_out *o, uint32_t lo, uint32_t hi)
{
	if (o->lo != 0 && o->hi != UINT32_MAX && lo == o->hi + 1) {
		o->hi = hi;
		return;
	}
	set_out_flush(o);
	o->lo = lo;
	o->hi = hi;
}

void
wire_set_out_end(struct wire_set_out *o)
{
	set_out_flush(o);
}
