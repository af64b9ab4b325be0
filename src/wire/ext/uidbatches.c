/* SPDX-License-Identifier: Apache-2.0 */
/* Parses and prints UIDBATCHES: see uidbatches.h. */
#include "wire/ext/uidbatches.h"

bool
wire_uidbatches_parse(struct wire_in *in, struct wire_uidbatches *cmd_r)
{
	*cmd_r = (struct wire_uidbatches){0};
	if (!wire_in_sp(in) || !wire_in_nz_number(in, &cmd_r->size))
		return false;
	cmd_r->some = wire_in_peek(in) == ' ';
	if (cmd_r->some && (!wire_in_sp(in) || !wire_in_nz_number(in, &cmd_r->first) ||
	                       !wire_in_char(in, ':') || !wire_in_nz_number(in, &cmd_r->last)))
		return false;
	return wire_in_end(in);
}

void
wire_uidbatches_print(struct buf *b, const struct wire_uidbatches *cmd)
{
	buf_printf(b, " %u", cmd->size);
	if (cmd->some)
		buf_printf(b, " %u:%u", cmd->first, cmd->last);
}

void
wire_out_uidbatches_begin(struct buf *b, struct str tag)
{
	buf_puts(b, "* UIDBATCHES (TAG ");
	wire_out_string(b, &wire_dialect_rev1, tag);
	buf_putc(b, ')');
}

void
wire_out_uidbatches_add(struct buf *b, bool first, uint32_t high, uint32_t low)
{
	buf_printf(b, "%c%u:%u", first ? ' ' : ',', high, low);
}

void
wire_out_uidbatches_end(struct buf *b)
{
	buf_puts(b, "\r\n");
}
