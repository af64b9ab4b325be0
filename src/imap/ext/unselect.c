/* SPDX-License-Identifier: Apache-2.0 */
/* UNSELECT (RFC 3691; RFC 9051 section 6.4.2): closes the mailbox without expunging anything. */
#include "imap/cmd.h"

static enum imap_next
cmd_unselect(struct imap_cmd *cmd)
{
	if (!wire_none_parse(&cmd->in))
		return cmd_bad_syntax(cmd);
	imap_box_free(cmd->conn);
	cmd->no_sync = true;
	return cmd_ok(cmd, "Unselected");
}

static const struct imap_cmd_def cmds[] = {
    {.name = "UNSELECT", .states = IMAP_SELECTED, .start = cmd_unselect},
    {.name = NULL},
};

static const struct imap_cap caps[] = {
    {.word = "UNSELECT", .rfc = "3691", .states = IMAP_LOGGED_IN},
    {.word = NULL},
};

const struct imap_ext imap_ext_unselect = {
    .name = "unselect", .title = "UNSELECT (RFC 3691)", .caps = caps, .cmds = cmds};
