/* SPDX-License-Identifier: Apache-2.0 */
/* Parses and prints commands that name mailboxes: see mailbox.h. */
#include "wire/cmd/mailbox.h"

#include "wire/flags.h"
#include "wire/out.h"

/* RFC 6154 section 5.1: the value of USE is a list of attributes. */
static bool
parse_use(struct wire_in *in, struct str raw, struct wire_names *use)
{
	struct wire_in sub = wire_in_sub(in, raw);
	struct wire_flags flags;

	/* It was checked as a list of flags; parse it again for the original spelling. */
	if (raw.p == NULL || !wire_in_flag_list(&sub, &flags) || flags.n_keywords > 0 ||
	    wire_in_peek(&sub) != '\0')
		return wire_in_fail(in, "Invalid USE");
	use->v = arena_try_array(in->arena, raw.n / 2, sizeof(*use->v));
	if (use->v == NULL)
		return wire_in_no_memory(in);
	raw = (struct str){raw.p + 1, raw.n - 2};
	for (struct str one; str_split(&raw, ' ', &one);)
		if (one.n > 0)
			use->v[use->n++] = one;
	return true;
}

bool
wire_create_parse(struct wire_in *in, struct wire_create *cmd_r)
{
	struct wire_params *params = &cmd_r->params;
	size_t kept = 0;

	*cmd_r = (struct wire_create){0};
	if (!wire_in_sp(in) || !wire_in_mailbox(in, &cmd_r->mailbox))
		return false;
	if (wire_in_at_end(in))
		return true;
	if (!wire_in_sp(in) || !wire_in_params(in, params) || !wire_in_end(in))
		return false;
	for (size_t i = 0; i < params->n; i++) {
		if (!str_eq(params->v[i].name, STR("USE"))) {
			params->v[kept++] = params->v[i];
			continue;
		}
		if (cmd_r->has_use)
			return wire_in_fail(in, "USE given twice");
		cmd_r->has_use = true;
		if (!parse_use(in, params->v[i].value, &cmd_r->use))
			return false;
	}
	params->n = kept;
	return true;
}

bool
wire_mailbox_parse(struct wire_in *in, struct str *mailbox_r)
{
	return wire_in_sp(in) && wire_in_mailbox(in, mailbox_r) && wire_in_end(in);
}

bool
wire_rename_parse(struct wire_in *in, struct wire_rename *cmd_r)
{
	struct str given;

	*cmd_r = (struct wire_rename){0};
	if (!wire_in_sp(in) || !wire_in_mailbox(in, &cmd_r->from))
		return false;
	given = in->given;
	if (!wire_in_sp(in) || !wire_in_mailbox(in, &cmd_r->to))
		return false;
	if (given.p != NULL || in->given.p != NULL)
		cmd_r->given = given.p != NULL ? given : cmd_r->from;
	return wire_in_end(in);
}

/* ---- printing */

static void
put_use(struct buf *b, const struct wire_names *use)
{
	buf_puts(b, "USE (");
	for (size_t i = 0; i < use->n; i++) {
		if (i > 0)
			buf_putc(b, ' ');
		buf_str(b, use->v[i]);
	}
	buf_putc(b, ')');
}

void
wire_create_print(struct buf *b, const struct wire_dialect *d, const struct wire_create *cmd)
{
	wire_mailbox_print(b, d, cmd->mailbox);
	if (!cmd->has_use && cmd->params.n == 0)
		return;
	buf_put(b, " (", 2);
	if (cmd->has_use)
		put_use(b, &cmd->use);
	if (cmd->has_use && cmd->params.n > 0)
		buf_putc(b, ' ');
	wire_out_params(b, &cmd->params);
	buf_putc(b, ')');
}

void
wire_mailbox_print(struct buf *b, const struct wire_dialect *d, struct str mailbox)
{
	buf_putc(b, ' ');
	wire_out_mailbox(b, d, mailbox);
}

void
wire_rename_print(struct buf *b, const struct wire_dialect *d, const struct wire_rename *cmd)
{
	wire_mailbox_print(b, d, cmd->from);
	wire_mailbox_print(b, d, cmd->to);
}
