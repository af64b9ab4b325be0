/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_HELPER_WIRE_TEXT_H
#define AUTH_HELPER_WIRE_TEXT_H
/* Texts in messages to the helper, for libraries that take them with a NUL at their end. */
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"

/* Into the arena, with a NUL behind it; one inside would end it early: then the message is bad. */
static inline struct str
wire_text(struct rd *r, struct arena *arena)
{
	struct str s = rd_vstr(r);

	if (s.n > 0 && memchr(s.p, 0, s.n) != NULL)
		r->bad = true;
	return arena_str(arena, s);
}
#endif
