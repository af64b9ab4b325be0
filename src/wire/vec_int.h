/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_VEC_INT_H
#define WIRE_VEC_INT_H
/* An array that grows in an arena while a list is parsed; what it outgrows stays there. */
#include "base/arena.h"

struct wire_vec {
	void *v;
	size_t n, cap;
};

/* A new zeroed element of size bytes at the end. */
void *wire_vec_push(struct arena *a, struct wire_vec *vec, size_t size);
#define WIRE_VEC_PUSH(a, vec, type) ((type *)wire_vec_push((a), (vec), sizeof(type)))
#endif
