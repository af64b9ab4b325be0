/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_SET_H
#define WIRE_SET_H
/* sequence-set and uid-set (RFC 9051 section 9), "$" (RFC 5182), both ways. */
#include "base/buf.h"
#include "wire/in.h"

/*
 * lo <= hi always.  "*" is UINT32_MAX with its flag set (4294967295 may also be
 * written as a number, without flag): "n:*" and "*:n" have hi_star, "*" both.
 */
struct wire_range {
	uint32_t lo, hi;
	bool lo_star, hi_star;
};

struct wire_set {
	struct wire_range *v; /* as written: neither sorted nor merged */
	size_t n;
	bool saved; /* "$": the saved search result; n is 0 */
};

/* Of sequence numbers or UIDs, or "$". */
bool wire_in_set(struct wire_in *in, struct wire_set *set_r);

/* Replaces "*" by max (the largest number or UID there is) and orders lo and hi: "9:*" with max 5
 * is 5:9.  With max 0 "*" is 0, so that nothing is meant by a lone "*". */
struct wire_range wire_range_resolve(struct wire_range r, uint32_t max);
/* A new array, resolved, sorted by lo, overlapping and adjoining ranges merged.  "0" is cut off.
 * v == NULL when a's memory ran out (arena_oom). */
struct wire_set wire_set_resolve(const struct wire_set *set, uint32_t max, struct arena *a);
/* The largest number named; a range with "*" counts as max, since clients ask for "n:*" to see
 * whether there is more than n - 1.  0: none. */
uint32_t wire_set_highest(const struct wire_set *set, uint32_t max);

/* Prints as written ("*" and "$" too).  Resolved sets come out compact: "1:3,5". */
void wire_set_print(struct buf *b, const struct wire_set *set);

/*
 * Prints a set from numbers or ranges that come in any order; ranges that
 * adjoin upwards are joined.  {.b = buf} begins.
 */
struct wire_set_out {
	struct buf *b;
	uint32_t lo, hi; /* waiting; lo 0: nothing */
	bool any;
};
void wire_set_out_add(struct wire_set_out *o, uint32_t lo, uint32_t hi);
void wire_set_out_end(struct wire_set_out *o);
#endif
