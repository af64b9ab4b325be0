/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UNAUTHENTICATE (RFC 8437): ends the login, keeps the connection.
 *
 * There is nothing to do here but to ask for a new turn: the runner frees the
 * old one with the login, the selected mailbox, watches and secrets in it, and
 * tells the capabilities that hold then.  Freeing cannot fail, so there is no
 * NO.  Who may hangs on who authenticated (conf `unauthenticate`); for others
 * the command is neither shown nor known.
 */
#include "imap/imap.h"

static bool
allowed(const struct imap_conn *conn)
{
	return imap_login(conn)->may_unauthenticate;
}

static enum imap_next
cmd_unauthenticate(struct imap_cmd *cmd)
{
	if (!allowed(cmd->conn))
		return cmd_bad(cmd, "Unknown command");
	if (!wire_none_parse(&cmd->in))
		return cmd_bad_syntax(cmd);
	cmd->after = IMAP_AFTER_NEW_TURN;
	cmd->tell_capabilities = true;
	return cmd_ok(cmd, "Not authenticated any more");
}

static const struct imap_cmd_def cmds[] = {
    {.name = "UNAUTHENTICATE", .states = IMAP_LOGGED_IN, .start = cmd_unauthenticate},
    {.name = NULL},
};

static const struct imap_cap caps[] = {
    {.word = "UNAUTHENTICATE", .states = IMAP_LOGGED_IN, .when = allowed},
    {.word = NULL},
};

const struct imap_ext imap_ext_unauthenticate = {
    .name = "unauthenticate",
    .title = "UNAUTHENTICATE (RFC 8437)",
    .caps = caps,
    .cmds = cmds,
};
