/* SPDX-License-Identifier: Apache-2.0 */
/* Parses and prints ENABLE and ENABLED: see enable.h. */
#include "wire/ext/enable.h"

#include "wire/vec.h"

bool
wire_enable_parse(struct wire_in *in, struct wire_names *names_r)
{
	struct wire_vec vec = {0};

	*names_r = (struct wire_names){0};
	do {
		struct str *name;

		if (!wire_in_sp(in))
			return false;
		name = WIRE_VEC_PUSH(in, &vec, struct str, "Too many names");
		if (name == NULL || !wire_in_name(in, name))
			return false;
	} while (!wire_in_at_end(in));
	*names_r = (struct wire_names){vec.v, vec.n};
	return true;
}

void
wire_enable_print(struct buf *b, const struct wire_names *names)
{
	wire_out_words(b, "", names->v, names->n);
}

void
wire_out_enabled(struct buf *b, const struct wire_names *names)
{
	wire_out_words_line(b, "ENABLED", names->v, names->n);
}

bool
wire_in_enabled(struct wire_in *in, struct wire_names *names_r)
{
	return wire_in_words(in, names_r) && wire_in_end(in);
}
