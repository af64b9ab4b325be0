/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_VEC_H
#define WIRE_VEC_H
/*
 * An array that grows in the cursor's arena while a list is parsed; outgrown
 * memory stays there.  It holds at most the limit for items.
 */
#include "wire/in.h"

struct wire_vec {
	void *v;
	size_t n, cap;
};

/* Returns a new zeroed element of size bytes at the end.  NULL: the cursor has failed, because that
 * was one too many (too_many is the error), or because there is no memory. */
void *wire_vec_push(struct wire_in *in, struct wire_vec *vec, size_t size, const char *too_many);
#define WIRE_VEC_PUSH(in, vec, type, too_many)                                                     \
	((type *)wire_vec_push((in), (vec), sizeof(type), (too_many)))
#endif
