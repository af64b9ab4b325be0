/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IDLE (RFC 2177; RFC 9051 section 6.3.13): updates as they happen, until the client sends DONE.
 * Nothing is polled: tellers (imap/tell.h) are called meanwhile.
 */
#include "imap/ext/list.h"
#include "imap/tell.h"

struct settings {
	uint64_t still_time; /* milliseconds */
};

static enum imap_next
idle_done(struct imap_cmd *cmd)
{
	cmd->line = NULL;
	cmd->lets_tell = false;
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

/* ---- keepalives, for routers that forget silent connections */

struct still {
	struct imap_teller teller;
	struct imap_conn *conn;
	struct loop_timer timer;
	uint64_t ms;
};

static bool
tell_still_here(struct imap_teller *teller, struct imap_conn *conn, bool expunge)
{
	(void)expunge;
	/* They are useless for a client that reads nothing. */
	if (teller->due && stream_out_pending(conn->session.stream) == 0)
		imap_say_ok(conn, STR_NONE, "Still here");
	teller->due = false;
	return true;
}

static void
still_due(void *arg)
{
	struct still *still = arg;

	if (still->conn->session.closing)
		return;
	loop_timer_set(&still->timer, still->ms);
	still->teller.due = true;
	imap_tell_soon(still->conn);
}

static void
forget_still(void *arg)
{
	struct still *still = arg;

	imap_teller_remove(&still->teller);
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
	still->teller = (struct imap_teller){.when = IMAP_TELL_WAITING, .tell = tell_still_here};
	imap_teller_add(imap_login(cmd->conn), &still->teller, false);
	loop_timer_init(&still->timer, cmd->conn->il->loop, still_due, still);
	arena_on_free(cmd->arena, forget_still, still);
	loop_timer_set(&still->timer, still->ms);
}

static enum imap_next
cmd_idle(struct imap_cmd *cmd)
{
	if (!wire_none_parse(&cmd->in))
		return cmd_bad_syntax(cmd);
	imap_say_continue(cmd->conn, "idling");
	if (!imap_tell(cmd->conn, IMAP_TELL_WAITING, true))
		return IMAP_WAIT; /* the mailbox is gone, and the connection with it */
	cmd->line = idle_line;
	cmd->lets_tell = true;
	begin_still(cmd);
	return IMAP_WAIT;
}

static const struct conf_opt opts[] = {
    {.name = "timeouts.still_here",
        .type = CONF_DURATION,
        .def = "2m",
        .max = 86400000,
        .offset = offsetof(struct settings, still_time),
        .prose = "A client in IDLE is sent \"* OK Still here\" this often, so that routers that "
                 "drop silent connections keep this one. 0: never."},
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
