/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_SET_H
#define WIRE_SET_H
/* Parses and prints sequence-set and uid-set (RFC 9051 section 9), and "$" (RFC 5182). */
#include "base/buf.h"
#include "wire/in.h"

/*
 * Always lo <= hi.  "*" is UINT32_MAX with its flag set (4294967295 may also be
 * written as a number, without the flag): "n:*" and "*:n" have hi_star, "*" has
 * both.
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

/* 9. With max 0 "*" is 0, so that a lone "*" means nothing. */
bool wire_in_set(struct wire_in *in, struct wire_set *set_r);

/* Replaces "*" by max (the largest existing number or UID) and orders lo and hi: "9:*" with max 5
 * is */
struct wire_range wire_range_resolve(struct wire_range r, uint32_t max);
/* Returns a new array, resolved, sorted by lo, with overlapping and adjacent ranges merged.  Drops
 * "0".  v == NULL if a's memory ran out (arena_oom). */
struct wire_set wire_set_resolve(const struct wire_set *set, uint32_t max, struct arena *a);
/* Returns the largest number named; a range with "*" counts as max, since clients ask for "n:*" to
 * see whether there is more than n - 1.  0: none. */
uint32_t wire_set_highest(const struct wire_set *set, uint32_t max);

/* Prints as written (also "*" and "$").  Resolved sets are compact: "1:3,5". */
void wire_set_print(struct buf *b, const struct wire_set *set);

/*
 * Prints a set from numbers or ranges in any order; joins ranges that adjoin
 * upwards.  Start with {.b = buf}.
 */
struct wire_set_out {
	struct buf *b;
	uint32_t lo, hi; /* waiting; lo 0: nothing */
	bool any;
};
void wire_set_out_add(struct wire_set_out *o, uint32_t lo, uint32_t hi);
void wire_set_out_end(struct wire_set_out *o);
#endif
