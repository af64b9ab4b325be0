/* SPDX-License-Identifier: Apache-2.0 */
/* What columns hold and may hold, and when they must stop. */
#include "store/read/columns_int.h"

bool
columns_enough(struct store_columns *c)
{
	return c->enough != NULL && c->enough(c->arg);
}

uint64_t
columns_held(const struct store_columns *c)
{
	uint64_t n = c->base + c->refs.cap;

	for (enum store_column col = 0; columns_is_text(col); col++)
		n += texts_held(&c->text[col]);
	return n;
}

bool
columns_room(struct store_columns *c, uint64_t more)
{
	bool fits = columns_held(c) + more <= c->room;

	c->lacking = fits ? 0 : more;
	return fits;
}

bool
columns_take(struct store_columns *c, uint64_t bytes)
{
	if (!columns_room(c, bytes))
		return false;
	c->base += bytes;
	return true;
}

void
columns_give(struct store_columns *c, uint64_t bytes)
{
	c->base -= bytes;
}
