/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_UNIT_WIRE_OVER_H
#define TEST_UNIT_WIRE_OVER_H
/* An arena for each test, and cursors over texts, which live in it.  Include cmocka.h before. */
#include "wire/in.h"

static struct arena *arena;

static inline int
begin(void **state)
{
	(void)state;
	arena = arena_new(NULL, ARENA_OTHER, 512);
	return 0;
}

static inline int
end(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static inline struct wire_in
over_as(const char *text, const struct wire_dialect *d)
{
	struct wire_in in;

	wire_in_init(&in, str_of(text), arena, d, NULL);
	return in;
}

static inline struct wire_in
over(const char *text)
{
	return over_as(text, NULL);
}
#endif
