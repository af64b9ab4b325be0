/* SPDX-License-Identifier: Apache-2.0 */
/* The common parts of commands: see cmd.h. */
#include "wire/cmd.h"

bool
wire_cmd_head(struct wire_in *in, struct wire_head *head_r)
{
	*head_r = (struct wire_head){0};
	if (!wire_in_tag(in, &head_r->tag))
		return false;
	if (wire_in_at_end(in))
		return wire_in_fail(in, "Missing command");
	if (wire_in_peek(in) != ' ') { /* the start of a tag is not a tag */
		head_r->tag = STR_NONE;
		return wire_in_fail(in, "Expected a tag");
	}
	if (!wire_in_char(in, ' ') || !wire_in_name(in, &head_r->name))
		return false;
	if (!str_eq(head_r->name, STR("UID")))
		return true;
	head_r->uid = true;
	if (wire_in_at_end(in))
		return wire_in_fail(in, "Missing command after UID");
	return wire_in_sp(in) && wire_in_name(in, &head_r->name);
}

bool
wire_none_parse(struct wire_in *in)
{
	return wire_in_end(in);
}

void
wire_cmd_print(struct buf *b, const struct wire_head *head)
{
	buf_str(b, head->tag);
	buf_puts(b, head->uid ? " UID " : " ");
	buf_str(b, head->name);
}

void
wire_cmd_end(struct buf *b)
{
	buf_put(b, "\r\n", 2);
}

bool
wire_done_parse(struct str line)
{
	return str_ieq(str_trim(line), STR("DONE"));
}

void
wire_done_print(struct buf *b)
{
	buf_puts(b, "DONE\r\n");
}
