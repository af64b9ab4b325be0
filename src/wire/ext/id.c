/* SPDX-License-Identifier: Apache-2.0 */
/* Parses and prints ID: see id.h. */
#include "wire/ext/id.h"

#include "wire/vec.h"

bool
wire_id_parse(struct wire_in *in, struct wire_id *id_r)
{
	struct wire_vec vec = {0};

	*id_r = (struct wire_id){0};
	if (wire_in_at_end(in)) /* no argument can only mean NIL */
		return true;
	if (!wire_in_sp(in))
		return false;
	if (wire_in_try_word(in, "NIL"))
		return wire_in_end(in);
	if (!wire_in_open(in))
		return false;
	if (wire_in_try_char(in, ')'))
		return wire_in_end(in);
	do {
		struct wire_pair *pair =
		    WIRE_VEC_PUSH(in, &vec, struct wire_pair, "Too many fields");

		if (pair == NULL)
			return false;
		/* RFC 2971 has strings; atoms mean the same. */
		if (wire_in_try_word(in, "NIL"))
			return wire_in_fail(in, "Expected a string");
		if (!wire_in_astring(in, &pair->name) || !wire_in_sp(in) ||
		    (!wire_in_try_word(in, "NIL") && !wire_in_astring(in, &pair->value)))
			return false;
	} while (wire_in_more(in));
	*id_r = (struct wire_id){vec.v, vec.n};
	return wire_in_close(in) && wire_in_end(in);
}

bool
wire_in_id(struct wire_in *in, struct wire_id *id_r)
{
	return wire_id_parse(in, id_r);
}

static void
put_pairs(struct buf *b, const struct wire_dialect *d, const struct wire_pair *pairs, size_t n)
{
	if (n == 0) {
		buf_put(b, " NIL", 4);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		buf_puts(b, i == 0 ? " (" : " ");
		wire_out_string(b, d, pairs[i].name);
		buf_putc(b, ' ');
		wire_out_nstring(b, d, pairs[i].value);
	}
	buf_putc(b, ')');
}

void
wire_id_print(struct buf *b, const struct wire_dialect *d, const struct wire_id *id)
{
	put_pairs(b, d, id->v, id->n);
}

void
wire_out_id(struct buf *b, const struct wire_dialect *d, const struct wire_pair *pairs, size_t n)
{
	buf_puts(b, "* ID");
	put_pairs(b, d, pairs, n);
	buf_put(b, "\r\n", 2);
}
