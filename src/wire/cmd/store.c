/* SPDX-License-Identifier: Apache-2.0 */
/* Parses and prints STORE: see store.h. */
#include "wire/cmd/store.h"

bool
wire_store_parse(struct wire_in *in, struct wire_store *cmd_r)
{
	*cmd_r = (struct wire_store){0};
	if (!wire_in_sp(in) || !wire_in_set(in, &cmd_r->set) || !wire_in_sp(in))
		return false;
	if (wire_in_peek(in) == '(' && (!wire_in_params(in, &cmd_r->modifiers) || !wire_in_sp(in)))
		return false;
	if (wire_in_try_char(in, '+'))
		cmd_r->op = WIRE_STORE_ADD;
	else if (wire_in_try_char(in, '-'))
		cmd_r->op = WIRE_STORE_REMOVE;
	cmd_r->silent = wire_in_try_word(in, "FLAGS.SILENT");
	if (!cmd_r->silent && !wire_in_try_word(in, "FLAGS"))
		return wire_in_fail(in, "Expected FLAGS");
	return wire_in_sp(in) && wire_in_flags(in, &cmd_r->flags) && wire_in_end(in);
}

void
wire_store_print(struct buf *b, const struct wire_store *cmd)
{
	static const char *const signs[] = {
	    [WIRE_STORE_SET] = "", [WIRE_STORE_ADD] = "+", [WIRE_STORE_REMOVE] = "-"};

	buf_putc(b, ' ');
	wire_set_print(b, &cmd->set);
	buf_putc(b, ' ');
	if (cmd->modifiers.n > 0) {
		wire_out_param_list(b, &cmd->modifiers);
		buf_putc(b, ' ');
	}
	buf_puts(b, signs[cmd->op]);
	buf_puts(b, cmd->silent ? "FLAGS.SILENT " : "FLAGS ");
	wire_out_flag_list(b, &cmd->flags);
}
