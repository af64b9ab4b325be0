/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IDLE (RFC 2177; RFC 9051 section 6.3.13): updates as they happen, until the
 * client says DONE.  Nothing is polled: the watch of the selected mailbox
 * wakes the command.
 */
#include "imap/ext/list.h"

struct settings {
	uint64_t still_time; /* milliseconds */
};

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

/* ---- a word now and then, for routers that forget silent connections */

struct still {
	struct imap_conn *conn;
	struct loop_timer timer;
	uint64_t ms;
};

static void
say_still_here(void *arg)
{
	struct still *still = arg;
	struct imap_conn *conn = still->conn;

	if (conn->closing)
		return;
	/* To a client that takes nothing it is of no use. */
	if (stream_out_pending(conn->stream) == 0) {
		wire_out_cond(imap_out(conn), STR_NONE, WIRE_OK, STR_NONE, STR("Still here"));
		stream_kick(conn->stream);
	}
	loop_timer_set(&still->timer, still->ms);
}

static void
forget_still(void *arg)
{
	struct still *still = arg;

	loop_timer_clear(&still->timer);
}

static void
begin_still(struct imap_cmd *cmd)
{
	const struct settings *s = imap_ext_settings(cmd->conn, &imap_ext_idle);
	struct still *still;

	if (s->still_time == 0)
		return;
	still = arena_new_object(cmd->arena, struct still);
	still->conn = cmd->conn;
	still->ms = s->still_time;
	loop_timer_init(&still->timer, cmd->conn->il->loop, say_still_here, still);
	arena_on_free(cmd->arena, forget_still, still);
	loop_timer_set(&still->timer, still->ms);
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
	begin_still(cmd);
	return IMAP_WAIT;
}

static const struct conf_opt opts[] = {
    {.name = "timeouts.still_here",
        .type = CONF_DURATION,
        .def = "2m",
        .max = 86400000,
        .offset = offsetof(struct settings, still_time),
        .prose =
            "An IDLE client is sent \"* OK Still here\" this often, so that routers that forget "
            "silent connections keep this one. 0: never."},
};

static const struct conf_table conf = {
    .name = "idle",
    .prose = "IDLE: updates as they happen.",
    .opts = opts,
    .n = sizeof(opts) / sizeof(*opts),
    .struct_size = sizeof(struct settings),
};

static const struct imap_cmd_def cmds[] = {
    {.name = "IDLE", .states = IMAP_LOGGED_IN, .traits = IMAP_TRAIT_MAY_EXPUNGE, .start = cmd_idle},
    {.name = NULL},
};

static const struct imap_cap caps[] = {
    {.word = "IDLE", .rfc = "2177", .states = IMAP_ANY},
    {.word = NULL},
};

const struct imap_ext imap_ext_idle = {
    .name = "idle", .title = "IDLE (RFC 2177)", .caps = caps, .cmds = cmds, .conf = &conf};
