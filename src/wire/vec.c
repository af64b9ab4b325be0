/* SPDX-License-Identifier: Apache-2.0 */
/* See vec.h. */
#include "wire/vec.h"

#include <string.h>

static bool
grow(struct wire_in *in, struct wire_vec *vec, size_t size)
{
	size_t cap = vec->cap > 0 ? vec->cap * 2 : 4;
	void *v = arena_try_array(in->arena, cap, size);

	if (v == NULL)
		return wire_in_no_memory(in);
	if (vec->n > 0)
		memcpy(v, vec->v, vec->n * size);
	vec->v = v;
	vec->cap = cap;
	return true;
}

void *
wire_vec_push(struct wire_in *in, struct wire_vec *vec, size_t size, const char *too_many)
{
	if (vec->n >= in->limits->items) {
		(void)wire_in_limit(in, too_many);
		return NULL;
	}
	if (vec->n == vec->cap && !grow(in, vec, size))
		return NULL;
	return (char *)vec->v + vec->n++ * size;
}
