/* SPDX-License-Identifier: Apache-2.0 */
/* Parses and prints PARTIAL: see partial.h. */
#include "wire/ext/partial.h"

static bool
read_end(struct wire_in *in, bool last, uint32_t *n_r)
{
	return (!last || wire_in_char(in, '-')) && wire_in_nz_number(in, n_r);
}

bool
wire_partial_parse(struct wire_in *in, struct wire_partial *partial_r)
{
	*partial_r = (struct wire_partial){.last = wire_in_peek(in) == '-'};
	return read_end(in, partial_r->last, &partial_r->from) && wire_in_char(in, ':') &&
	       read_end(in, partial_r->last, &partial_r->to);
}

void
wire_partial_print(struct buf *b, const struct wire_partial *partial)
{
	const char *sign = partial->last ? "-" : "";

	buf_printf(b, "%s%u:%s%u", sign, partial->from, sign, partial->to);
}

void
wire_out_esearch_partial_begin(
    struct buf *b, const struct wire_partial *partial, struct wire_set_out *set_r)
{
	*set_r = (struct wire_set_out){.b = b};
	buf_puts(b, " PARTIAL (");
	wire_partial_print(b, partial);
	buf_putc(b, ' ');
}

void
wire_out_esearch_partial_end(struct wire_set_out *set)
{
	bool none = !set->any && set->lo == 0;

	wire_set_out_end(set);
	buf_puts(set->b, none ? "NIL)" : ")");
}
