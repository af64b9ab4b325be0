/* SPDX-License-Identifier: Apache-2.0 */
/* CAPABILITY, NOOP, LOGOUT (RFC 3501 and RFC 9051 section 6.1). */
#include "imap/imap.h"

static enum imap_next
cmd_capability(struct imap_cmd *cmd)
{
	if (!wire_none_parse(&cmd->in))
		return cmd_bad_syntax(cmd);
	wire_out_line(imap_out(cmd->conn), imap_capabilities(cmd->conn));
	return cmd_ok(cmd, "That is all");
}

static enum imap_next
cmd_noop(struct imap_cmd *cmd)
{
	if (!wire_none_parse(&cmd->in))
		return cmd_bad_syntax(cmd);
	return cmd_ok(cmd, "Done");
}

static enum imap_next
cmd_logout(struct imap_cmd *cmd)
{
	if (!wire_none_parse(&cmd->in))
		return cmd_bad_syntax(cmd);
	wire_out_cond(imap_out(cmd->conn), STR_NONE, WIRE_BYE, STR_NONE, STR("Logging out"));
	cmd->no_sync = true;
	cmd->after = IMAP_AFTER_CLOSE;
	return cmd_ok(cmd, "Goodbye");
}

static const struct imap_cmd_def cmds[] = {
    {.name = "CAPABILITY", .states = IMAP_ANY, .start = cmd_capability},
    {.name = "NOOP", .states = IMAP_ANY, .traits = IMAP_TRAIT_MAY_EXPUNGE, .start = cmd_noop},
    {.name = "LOGOUT", .states = IMAP_ANY, .start = cmd_logout},
    {.name = NULL},
};

static const struct imap_cap caps[] = {
    {.word = "IMAP4rev1", .states = IMAP_ANY},
    {.word = "IMAP4rev2", .states = IMAP_ANY},
    {.word = "LITERAL+", .states = IMAP_ANY}, /* RFC 7888 section 5: only one of the two */
    {.word = NULL},
};

const struct imap_ext imap_ext_any = {
    .name = "any",
    .title = "IMAP4rev1 (RFC 3501), IMAP4rev2 (RFC 9051), LITERAL+ (RFC 7888)",
    .caps = caps,
    .cmds = cmds,
};
