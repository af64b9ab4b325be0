/* SPDX-License-Identifier: Apache-2.0 */
/* Parses and prints AUTHENTICATE and LOGIN: see auth.h. */
#include "wire/cmd/auth.h"

#include "base/base64.h"

bool
wire_authenticate_parse(struct wire_in *in, struct wire_authenticate *cmd_r)
{
	*cmd_r = (struct wire_authenticate){0};
	if (!wire_in_sp(in) || !wire_in_name(in, &cmd_r->mech))
		return false;
	/* A blank with nothing after it may mean an empty response or none. */
	if (wire_in_at_line_end(in))
		return true;
	cmd_r->has_initial = true;
	return wire_in_sp(in) && wire_in_base64(in, &cmd_r->initial) && wire_in_end(in);
}

static struct str
without_line_end(struct str line)
{
	if (line.n > 0 && line.p[line.n - 1] == '\n')
		line.n--;
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	return line;
}

enum wire_sasl_line
wire_sasl_line_parse(struct arena *a, struct str line, struct str *bytes_r)
{
	struct buf b = {.oom = arena_oom(a)};

	*bytes_r = STR_NONE;
	line = without_line_end(line);
	if (str_eq(line, STR("*"))) /* RFC 9051 section 6.2.2 */
		return WIRE_SASL_CANCEL;
	if (!base64_decode(line, &b)) {
		buf_wipe_fini(&b);
		return WIRE_SASL_BAD;
	}
	*bytes_r = arena_try_str(a, buf_as_str(&b));
	buf_wipe_fini(&b);
	return bytes_r->p != NULL ? WIRE_SASL_DATA : WIRE_SASL_BAD;
}

bool
wire_login_parse(struct wire_in *in, struct wire_login *cmd_r)
{
	return wire_in_sp(in) && wire_in_astring(in, &cmd_r->user) && wire_in_sp(in) &&
	       wire_in_astring(in, &cmd_r->password) && wire_in_end(in);
}

/* ---- printing */

void
wire_authenticate_print(struct buf *b, const struct wire_authenticate *cmd)
{
	buf_putc(b, ' ');
	buf_str(b, cmd->mech);
	if (!cmd->has_initial)
		return;
	buf_putc(b, ' ');
	if (cmd->initial.n == 0) /* RFC 4959 section 3 */
		buf_putc(b, '=');
	else
		base64_encode(cmd->initial, b);
}

void
wire_sasl_line_print(struct buf *b, struct str bytes)
{
	base64_encode(bytes, b);
	buf_put(b, "\r\n", 2);
}

void
wire_sasl_cancel_print(struct buf *b)
{
	buf_put(b, "*\r\n", 3);
}

void
wire_login_print(struct buf *b, const struct wire_dialect *d, const struct wire_login *cmd)
{
	buf_putc(b, ' ');
	wire_out_astring(b, d, cmd->user);
	buf_putc(b, ' ');
	wire_out_astring(b, d, cmd->password);
}
