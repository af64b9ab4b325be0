/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Input: turns bytes into commands.  The framer finds the end of a command; a
 * complete command is copied into its own arena and started, and nothing after
 * it is looked at until it is finished.  The running command may take input
 * itself: a line (AUTHENTICATE, IDLE), or literals that are streamed (APPEND).
 *
 * The stream shows unconsumed bytes again, so what waits stays there: input is
 * paused while a command runs, and the network holds the peer back when conf
 * limits.pipeline bytes wait.  No command is started, either, while more output
 * waits than conf limits.out_high.
 */
#include "base/log.h"
#include "base/mem.h"
#include "imap/conn/conn_int.h"
#include "imap/hide.h"
#include "imap/log/transcript.h"
#include "imap/place/rights.h"
#include "net/layer.h"

static const struct wire_frame_limits *
limits_of(const struct imap_conn *conn)
{
	return imap_login(conn) != NULL ? &conn->turn->rules->limits
	                                : &conn->turn->rules->login_limits;
}

/* The bytes are in the stream's or the loop's buffer, which data() may overwrite. */
static void
wipe(struct str bytes)
{
	mem_wipe((void *)(uintptr_t)bytes.p, bytes.n);
}

/* Anything before a login may hold a password, even a command that is mistyped, too long, or
 * rejected. */
static bool
is_secret(const struct imap_conn *conn, const struct imap_cmd *cmd)
{
	return imap_login(conn) == NULL ||
	       (cmd->def != NULL && (cmd->def->traits & IMAP_TRAIT_SECRET) != 0);
}

/* ---- starting a command */

static const char *
state_fault(const struct imap_cmd_def *def, unsigned state)
{
	if (state == IMAP_NOAUTH)
		return N_("Log in first");
	if ((def->states & IMAP_LOGGED_IN) == 0)
		return N_("Already logged in");
	return state == IMAP_SELECTED ? N_("Close the mailbox first")
	                              : N_("Select a mailbox first");
}

/* Finds the row; returns false if it answered the command instead. */
static bool
gate(struct imap_cmd *cmd, const struct wire_head *head)
{
	struct imap_conn *conn = cmd->conn;
	const struct imap_cmd_def *def = imap_registry_find(&conn->server->reg, head->name);

	cmd->uid = head->uid;
	def = imap_shown(conn, def);
	if (def == NULL || (head->uid && (def->traits & IMAP_TRAIT_UID) == 0)) {
		(void)cmd_bad(cmd, "Unknown command");
		return false;
	}
	cmd->def = def;
	if ((def->states & imap_state(conn)) == 0) {
		(void)cmd_bad(cmd, state_fault(def, imap_state(conn)));
		return false;
	}
	if (!cmd->uid && (def->traits & IMAP_TRAIT_NUMBERS) != 0 && imap_dialect(conn)->uidonly) {
		(void)cmd_bad_code(cmd, "UIDREQUIRED", "UIDONLY is enabled: use the UID command");
		return false;
	}
	if ((def->traits & IMAP_TRAIT_LEAVES) == 0 && !imap_rights_ask(conn)) {
		(void)cmd_no(cmd, "NOPERM", "No longer permitted"); /* after the BYE: never seen */
		return false;
	}
	return true;
}

/* text: the command so far, in the command's arena. */
static bool
begin_command(struct imap_cmd *cmd, struct str text)
{
	struct imap_conn *conn = cmd->conn;
	struct wire_head head;

	wire_in_init(
	    &cmd->in, text, cmd->arena, imap_dialect(conn), &conn->turn->rules->wire_limits);
	if (!wire_cmd_head(&cmd->in, &head)) {
		cmd->tag = head.tag;
		(void)cmd_bad_syntax(cmd);
		return false;
	}
	cmd->tag = head.tag;
	return gate(cmd, &head);
}

static size_t
start_command(struct imap_conn *conn, struct str bytes, size_t end)
{
	struct str text = {bytes.p, end};
	struct imap_cmd *cmd = cmd_new(conn);
	bool secret;

	text = arena_str(cmd->arena, text);
	(void)begin_command(cmd, text);
	cmd->segment = wire_in_rest(&cmd->in);
	cmd->segment_last = true;
	secret = is_secret(conn, cmd);
	if (secret)
		arena_wipe_on_free(cmd->arena);
	conn->frame = (struct wire_frame){0};
	transcript_command(transcript_of(conn), cmd, text);
	conn->session.bytes_in +=
	    end; /* before it runs: count them for the login that it ends or begins */
	cmd_run(cmd);
	if (secret)
		wipe((struct str){bytes.p, end});
	return end;
}

/* Answers a command that cannot be read to its end, once its rest has been skipped. */
static void
refuse(struct imap_conn *conn, struct str bytes, const char *code, const char *text)
{
	struct imap_cmd *cmd = cmd_new(conn);

	cmd->tag = arena_str(cmd->arena, wire_frame_tag(bytes));
	cmd->streaming = true;
	transcript_command(transcript_of(conn), cmd, STR_NONE);
	(void)cmd_bad(cmd, text);
	cmd->code = str_of(code);
	cmd_run(cmd);
}

/* ---- streaming commands */

/* Returns the row of the command that begins like this; NULL: none.  *head_r is the arena's. */
static const struct imap_cmd_def *
find_row(struct imap_conn *conn, struct str bytes, struct arena *a, struct wire_head *head_r)
{
	const struct imap_cmd_def *def;
	struct wire_in in;

	wire_in_init(&in, bytes, a, imap_dialect(conn), NULL);
	if (!wire_cmd_head(&in, head_r))
		return NULL;
	def = imap_registry_find(&conn->server->reg, head_r->name);
	return def != NULL && head_r->uid && (def->traits & IMAP_TRAIT_UID) == 0 ? NULL : def;
}

static bool
is_streaming(struct imap_conn *conn, struct str bytes)
{
	struct arena *a = arena_new(&conn->il->pool, ARENA_CMD, 128);
	struct wire_head head;
	const struct imap_cmd_def *def = find_row(conn, bytes, a, &head);
	bool yes = def != NULL && !head.uid && (def->traits & IMAP_TRAIT_STREAM) != 0;

	arena_free(&a);
	return yes;
}

/* For a command that is not streamed; bytes are what has arrived of it. */
static void
ask_for_literal(struct imap_conn *conn, struct str bytes)
{
	struct arena *a;
	struct wire_head head;
	const struct imap_cmd_def *def;

	if (transcript_of(conn) != NULL) {
		a = arena_new(&conn->il->pool, ARENA_CMD, 128);
		def = find_row(conn, bytes, a, &head);
		transcript_early(transcript_of(conn), def, head.tag, bytes);
		arena_free(&a);
	}
	imap_say_continue(conn, "Go ahead");
	stream_kick(conn->session.stream);
}

/* The framer stopped at a literal of a streaming command, or at its end. */
static void
feed_segment(struct imap_cmd *cmd, struct str bytes, size_t end, bool last)
{
	size_t at = cmd->conn->segment_at;

	cmd->segment = arena_str(cmd->arena, (struct str){bytes.p + at, end - at});
	cmd->segment_last = last;
	cmd->wants_input = false;
	transcript_more(transcript_of(cmd->conn),
	    (struct str){bytes.p + cmd->transcribed, end - cmd->transcribed});
	cmd->transcribed = end;
	cmd->step = cmd->next;
	cmd_run(cmd);
}

static void
start_streaming(struct imap_conn *conn, struct str bytes, size_t end, bool too_big)
{
	struct imap_cmd *cmd = cmd_new(conn);
	struct str text = arena_str(cmd->arena, (struct str){bytes.p, end});

	cmd->streaming = true;
	cmd->literal_too_big = too_big;
	(void)begin_command(cmd, text);
	cmd->segment = wire_in_rest(&cmd->in);
	conn->segment_at = (size_t)(cmd->segment.p - text.p);
	transcript_command(transcript_of(conn), cmd, text);
	cmd->transcribed = end;
	cmd_run(cmd);
}

/* ---- bytes */

static size_t
skip(struct imap_conn *conn, struct str bytes)
{
	bool done;
	size_t n = wire_frame_skip(&conn->frame, bytes, &done);

	conn->session.bytes_in += n;
	if (is_secret(conn, conn->cmd))
		wipe((struct str){bytes.p, n});
	if (done) {
		conn->frame = (struct wire_frame){0};
		conn->input = CONN_COMMAND;
		cmd_reply(conn->cmd);
	}
	return n;
}

static size_t
stream_bytes(struct imap_conn *conn, struct str bytes)
{
	size_t n = bytes.n < conn->stream_left ? bytes.n : (size_t)conn->stream_left;

	conn->stream_left -= n;
	conn->session.bytes_in += n;
	transcript_more(transcript_of(conn), (struct str){bytes.p, n});
	if (n > 0 && conn->input == CONN_STREAM)
		conn->cmd->sink(conn->cmd, (struct str){bytes.p, n});
	return n;
}

/* Called after the last byte of a streamed literal. */
static void
stream_end(struct imap_conn *conn)
{
	bool refused = conn->input == CONN_DISCARD;

	wire_frame_cut(&conn->frame);
	conn->input = refused ? CONN_SKIP : CONN_COMMAND;
	if (refused)
		wire_frame_refuse(&conn->frame);
}

static size_t
line_done(struct imap_conn *conn, struct str bytes, size_t end)
{
	struct imap_cmd *cmd = conn->cmd;
	struct str line = {bytes.p, end};
	bool secret = is_secret(conn, cmd);

	conn->frame = (struct wire_frame){0};
	conn->session.bytes_in += end;
	while (line.n > 0 && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r'))
		line.n--;
	transcript_line(transcript_of(conn), line);
	cmd->line(cmd, line);
	if (secret)
		wipe((struct str){bytes.p, end});
	return end;
}

static void
line_too_long(struct imap_conn *conn, const char *text)
{
	struct imap_cmd *cmd = conn->cmd;

	cmd->line = NULL;
	cmd->lets_tell = false;
	loop_timer_clear(&cmd->timer);
	cmd->streaming = true; /* so that the rest is skipped */
	cmd->segment_last = false;
	transcript_line(transcript_of(conn), STR_NONE);
	(void)cmd_bad(cmd, text);
	cmd_run(cmd);
}

/*
 * A line before login exceeds the normal limit: finds the longest length allowed.  The tokens of
 * some mechanisms are longer than anything else that strangers may send.
 */
static bool
longer_line(struct imap_conn *conn, struct str bytes, struct wire_frame_limits *limits_r)
{
	const struct imap_cmd *cmd = conn->cmd;
	const struct imap_cmd_def *def;
	struct wire_head head;
	struct wire_in in;
	struct arena *a;
	size_t max = 0;

	*limits_r = conn->turn->rules->login_limits;
	if (imap_login(conn) != NULL || conn->frame.line > 0)
		return false;
	if (cmd != NULL)
		max = cmd->line != NULL ? cmd->line_max : 0;
	else {
		a = arena_new(&conn->il->pool, ARENA_CMD, 128);
		wire_in_init(
		    &in, (struct str){bytes.p, limits_r->line}, a, imap_dialect(conn), NULL);
		if (wire_cmd_head(&in, &head) && !head.uid &&
		    (def = imap_registry_find(&conn->server->reg, head.name)) != NULL &&
		    def->line_max != NULL)
			max = def->line_max(conn, &in);
		arena_free(&a);
	}
	if (max <= limits_r->line)
		return false;
	limits_r->line = limits_r->command = max;
	return true;
}

/* Acts on the framer's result for bytes, which begin a command, a line or a segment. */
static size_t
frame(struct imap_conn *conn, struct str bytes)
{
	struct wire_frame *f = &conn->frame;
	struct imap_cmd *cmd = conn->cmd;
	struct wire_frame_limits longer;
	enum wire_frame_result r;

	f->line_only = cmd != NULL && cmd->line != NULL;
	r = wire_frame_scan(f, limits_of(conn), bytes);
	if (r == WIRE_FRAME_LINE_TOO_LONG && longer_line(conn, bytes, &longer))
		r = wire_frame_scan(f, &longer, bytes);
	switch (r) {
	case WIRE_FRAME_MORE:
		return 0;
	case WIRE_FRAME_DONE:
		if (cmd == NULL)
			return start_command(conn, bytes, f->end);
		if (cmd->line != NULL)
			return line_done(conn, bytes, f->end);
		{
			size_t end = f->end;

			conn->frame = (struct wire_frame){0};
			conn->session.bytes_in += end;
			feed_segment(cmd, bytes, end, true);
			conn->segment_at = 0;
			return end;
		}
	case WIRE_FRAME_LITERAL:
	case WIRE_FRAME_LITERAL_TOO_BIG:
		if (cmd != NULL) {
			cmd->literal_too_big = r == WIRE_FRAME_LITERAL_TOO_BIG;
			feed_segment(cmd, bytes, f->lit.data, false);
		} else if (is_streaming(conn, (struct str){bytes.p, f->lit.data}))
			start_streaming(conn, bytes, f->lit.data, r == WIRE_FRAME_LITERAL_TOO_BIG);
		else if (r == WIRE_FRAME_LITERAL_TOO_BIG)
			refuse(conn, bytes, "TOOBIG", f->error);
		else {
			if (f->lit.sync)
				ask_for_literal(conn, (struct str){bytes.p, f->lit.data});
			wire_frame_accept(f);
		}
		return 0;
	case WIRE_FRAME_LINE_TOO_LONG:
	case WIRE_FRAME_BAD:
		if (cmd == NULL)
			refuse(conn, bytes, NULL, f->error);
		else
			line_too_long(conn, f->error);
		return 0;
	}
	TS_WRONG("no such result");
}

/* Does one thing with the bytes; *more_r: there may be more to do without further bytes. */
static size_t
one(struct imap_conn *conn, struct str bytes, bool *more_r)
{
	size_t n, scanned;

	*more_r = true;
	if (conn->drop > 0) {
		n = conn->drop;
		conn->drop = 0;
		conn->session.bytes_in += n;
		return n;
	}
	switch ((enum conn_input)conn->input) {
	case CONN_STREAM:
	case CONN_DISCARD:
		n = stream_bytes(conn, bytes);
		if (conn->stream_left == 0 && !conn->session.closing)
			stream_end(conn);
		else
			*more_r = n > 0;
		return n;
	case CONN_SKIP:
		n = skip(conn, bytes);
		*more_r = n > 0;
		return n;
	case CONN_COMMAND:
		scanned = conn->frame.scanned;
		n = frame(conn, bytes);
		/* A stop of the framer makes progress even if nothing is consumed. */
		*more_r = n > 0 || conn->input != CONN_COMMAND ||
		          (conn->frame.scanned != scanned && conn->frame.scanned < bytes.n);
		return n;
	case CONN_TLS:
		break;
	}
	TS_WRONG("input while TLS is awaited");
}

/* Returns whether the peer is inside a literal, or after one in a command that it has not ended. */
static bool
amid(const struct imap_conn *conn)
{
	return conn->input != CONN_COMMAND || (conn->cmd != NULL && conn->cmd->wants_input);
}

size_t
conn_data(void *arg, struct str in)
{
	struct imap_conn *conn = arg;
	size_t used = 0;
	bool more = true;

	conn->session.heard_ms = loop_now(conn->il->loop);
	if (!conn->session.closing && pace_hold_input(conn)) {
		stream_pause(conn->session.stream);
		return 0;
	}
	conn->session.in_data = true;
	slice_begin(conn->il);
	while (more && !conn_input_blocked(conn) && (used < in.n || conn->drop > 0)) {
		used += one(conn, (struct str){in.p + used, in.n - used}, &more);
		if (stream_moved(conn->session.stream))
			break; /* the rest belongs to a layer */
		if (more && used < in.n && slice_over(conn->il)) {
			/* Shown again after other connections had a turn. */
			stream_pause(conn->session.stream);
			stream_resume(conn->session.stream);
			break;
		}
	}
	conn->session.in_data = false;
	pace_ran(conn);
	if (!conn->session.closing) {
		conn_set_timer(conn);
		conn_input_update(conn);
		if (amid(conn))
			stream_expect_more(conn->session.stream);
	} else
		used = in.n;
	return used;
}
