/* SPDX-License-Identifier: Apache-2.0 */
/* NAMESPACE (RFC 2342; RFC 9051 section 6.3.10): where the mailboxes are. */
#include "imap/imap.h"

/* One personal name space without prefix. */
static enum imap_next
cmd_namespace(struct imap_cmd *cmd)
{
	static const struct wire_namespace personal = {STR(""), '/'};
	const struct wire_namespaces sets[3] = {{&personal, 1}};

	if (!wire_none_parse(&cmd->in))
		return cmd_bad_syntax(cmd);
	wire_out_namespace(imap_out(cmd->conn), imap_dialect(cmd->conn), sets);
	return cmd_ok(cmd, "Done");
}

static const struct imap_cmd_def cmds[] = {
    {.name = "NAMESPACE",
        .states = IMAP_LOGGED_IN,
        .traits = IMAP_TRAIT_MAY_EXPUNGE,
        .start = cmd_namespace},
    {.name = NULL},
};

static const struct imap_cap caps[] = {
    {.word = "NAMESPACE", .rfc = "2342", .states = IMAP_LOGGED_IN},
    {.word = NULL},
};

const struct imap_ext imap_ext_namespace = {
    .name = "namespace", .title = "NAMESPACE (RFC 2342)", .caps = caps, .cmds = cmds};
