/* SPDX-License-Identifier: Apache-2.0 */
/* Parses and prints SELECT and EXAMINE: see select.h. */
#include "wire/cmd/select.h"

#include "wire/out.h"

bool
wire_select_parse(struct wire_in *in, struct wire_select *cmd_r)
{
	*cmd_r = (struct wire_select){0};
	if (!wire_in_sp(in) || !wire_in_mailbox(in, &cmd_r->mailbox))
		return false;
	if (wire_in_at_end(in))
		return true;
	return wire_in_sp(in) && wire_in_params(in, &cmd_r->params) && wire_in_end(in);
}

void
wire_select_print(struct buf *b, const struct wire_dialect *d, const struct wire_select *cmd)
{
	buf_putc(b, ' ');
	wire_out_mailbox(b, d, cmd->mailbox);
	if (cmd->params.n == 0)
		return;
	buf_putc(b, ' ');
	wire_out_param_list(b, &cmd->params);
}
