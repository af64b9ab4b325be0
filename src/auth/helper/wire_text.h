/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_HELPER_WIRE_TEXT_H
#define AUTH_HELPER_WIRE_TEXT_H
/* Strings in messages to the helper, for libraries that want a terminating NUL. */
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"

/* Copies a string into the arena with a NUL after it.  A NUL inside makes the message invalid. */
static inline struct str
wire_text(struct rd *r, struct arena *arena)
{
	struct str s = rd_vstr(r);

	if (s.n > 0 && memchr(s.p, 0, s.n) != NULL)
		r->bad = true;
	return arena_str(arena, s);
}
#endif
