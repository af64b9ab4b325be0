/* SPDX-License-Identifier: Apache-2.0 */
/* Parses and prints COPY, MOVE and UID EXPUNGE: see copy.h. */
#include "wire/cmd/copy.h"

#include "wire/out.h"

bool
wire_copy_parse(struct wire_in *in, struct wire_copy *cmd_r)
{
	return wire_in_sp(in) && wire_in_set(in, &cmd_r->set) && wire_in_sp(in) &&
	       wire_in_mailbox(in, &cmd_r->mailbox) && wire_in_end(in);
}

bool
wire_uid_expunge_parse(struct wire_in *in, struct wire_set *set_r)
{
	return wire_in_sp(in) && wire_in_set(in, set_r) && wire_in_end(in);
}

void
wire_copy_print(struct buf *b, const struct wire_dialect *d, const struct wire_copy *cmd)
{
	wire_uid_expunge_print(b, &cmd->set);
	buf_putc(b, ' ');
	wire_out_mailbox(b, d, cmd->mailbox);
}

void
wire_uid_expunge_print(struct buf *b, const struct wire_set *set)
{
	buf_putc(b, ' ');
	wire_set_print(b, set);
}
