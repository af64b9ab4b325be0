/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IDLE (RFC 2177; RFC 9051 section 6.3.13): updates as they happen, until the
 * client says DONE.  Nothing is polled: the watch of the selected mailbox
 * wakes the command.
 */
#include "imap/imap.h"

static enum imap_next
idle_done(struct imap_cmd *cmd)
{
	cmd->line = NULL;
	cmd->changed = NULL;
	if (cmd->state == NULL)
		return cmd_bad(cmd, "Expected DONE");
	cmd->may_expunge = true;
	return cmd_ok(cmd, "IDLE ended");
}

static void
idle_line(struct imap_cmd *cmd, struct str line)
{
	static const struct imap_step done = {"idle-done", idle_done};

	cmd->state = wire_done_parse(line) ? cmd : NULL;
	cmd->step = &done;
	imap_resume(cmd);
}

static void
idle_changed(struct imap_cmd *cmd)
{
	(void)imap_sync(cmd->conn, true);
}

static enum imap_next
cmd_idle(struct imap_cmd *cmd)
{
	if (!wire_none_parse(&cmd->in))
		return cmd_bad_syntax(cmd);
	wire_out_continue(imap_out(cmd->conn), STR("idling"));
	if (imap_box(cmd->conn) != NULL && !imap_sync(cmd->conn, true))
		return IMAP_WAIT; /* the mailbox is gone, and the connection with it */
	cmd->line = idle_line;
	cmd->changed = idle_changed;
	return IMAP_WAIT;
}

static const struct imap_cmd_def cmds[] = {
    {.name = "IDLE", .states = IMAP_LOGGED_IN, .traits = IMAP_TRAIT_MAY_EXPUNGE, .start = cmd_idle},
    {.name = NULL},
};

static const struct imap_cap caps[] = {
    {.word = "IDLE", .states = IMAP_ANY},
    {.word = NULL},
};

const struct imap_ext imap_ext_idle = {
    .name = "idle", .title = "IDLE (RFC 2177)", .caps = caps, .cmds = cmds};
