/* SPDX-License-Identifier: Apache-2.0 */
/* See transcript.h. */
#include "imap/log/transcript.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "base/mem.h"
#include "imap/log/transcript_file.h"
#include "imap/settings.h"

enum { LINE_MAX_SHOWN = 4096 };

/* One direction: turns bytes into lines; detects the heads of literals, RFC 9051 section 4.3. */
struct side {
	char letter;
	struct buf line; /* the current line, escaped */
	bool any;        /* there is a current line */
	bool cr;         /* the last byte was a CR */
	uint64_t cut;    /* bytes of the line that were left out */
	enum { TEXT, BRACE, DIGITS, PLUS, CLOSED } state;
	uint64_t size;    /* of the announced literal */
	uint64_t literal; /* bytes of it still to come */
	uint64_t hidden;
};

struct transcript {
	struct imap_conn *conn;
	struct transcript_files *files;
	struct side client, server;
	struct buf lines, user;
	uint64_t max, keep; /* settings */
	char when[32];
	bool lost;    /* lines were lost since the last ones taken */
	size_t early; /* bytes of the current command taken by transcript_early() */
};

/* ---- lines */

static void
take_time(struct transcript *t)
{
	struct timespec now;
	struct tm tm;
	char *p = t->when;
	size_t n;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &tm);
	n = strftime(p, sizeof(t->when), "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(
	    p + n, sizeof(t->when) - n, ".%03uZ", (unsigned)(now.tv_nsec / 1000000) % 1000);
}

static void
begin_line(struct transcript *t, char letter)
{
	buf_puts(&t->lines, t->when);
	buf_putc(&t->lines, ' ');
	buf_u64(&t->lines, t->conn->session.id);
	buf_putc(&t->lines, ' ');
	buf_putc(&t->lines, letter);
	buf_putc(&t->lines, ' ');
}

/* Puts a line of our own. */
static void note(struct transcript *t, char letter, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
note(struct transcript *t, char letter, const char *fmt, ...)
{
	va_list ap;

	begin_line(t, letter);
	va_start(ap, fmt);
	buf_vprintf(&t->lines, fmt, ap);
	va_end(ap);
	buf_putc(&t->lines, '\n');
}

/* The file is read in a terminal.  show() has already escaped ASCII controls. */
static void
put_shown(struct buf *out, struct str line)
{
	while (line.n > 0) {
		size_t n = str_showable(line);

		if (n > 0)
			buf_put(out, line.p, n);
		else
			buf_printf(out, "\\x%02x", (unsigned char)line.p[0]);
		n = n > 0 ? n : 1;
		line.p += n;
		line.n -= n;
	}
}

static void
end_line(struct transcript *t, struct side *s)
{
	begin_line(t, s->letter);
	put_shown(&t->lines, buf_as_str(&s->line));
	if (s->cut > 0)
		buf_printf(&t->lines, "[%llu more bytes]", (unsigned long long)s->cut);
	buf_putc(&t->lines, '\n');
	s->line.n = 0;
	s->cut = 0;
	s->any = s->cr = false;
	s->state = TEXT;
}

/* Passes lines to the writer. */
static void
hand_over(struct transcript *t)
{
	if (t->lines.n == 0)
		return;
	t->lost = !transcript_files_put(t->files, buf_as_str(&t->user), t->max, &t->lines);
	if (t->lost)
		note(t, '-', "lines are missing here: the disk is too slow");
}

/* ---- bytes */

static void
show(struct side *s, unsigned char c)
{
	s->any = true;
	if (s->line.n >= LINE_MAX_SHOWN) {
		s->cut++;
		return;
	}
	if (c >= 0x20 && c != 0x7f)
		buf_putc(&s->line, (char)c);
	else
		buf_printf(&s->line, "\\x%02x", c);
}

/* Processes the bytes before a line's end, which may announce a literal: {12} {12+} */
static void
look_for_literal(struct side *s, unsigned char c)
{
	bool digit = c >= '0' && c <= '9';

	if (c == '{') {
		s->state = BRACE;
		s->size = 0;
	} else if ((s->state == BRACE || s->state == DIGITS) && digit) {
		s->state = DIGITS;
		s->size = s->size > UINT64_MAX / 16 ? s->size : s->size * 10 + (c - '0');
	} else if (s->state == DIGITS && c == '+')
		s->state = PLUS;
	else if ((s->state == DIGITS || s->state == PLUS) && c == '}')
		s->state = CLOSED;
	else
		s->state = TEXT;
}

static void
end_literal(struct side *s)
{
	if (s->hidden > 0) {
		buf_printf(&s->line, "[%llu bytes]", (unsigned long long)s->hidden);
		s->any = true;
	}
	s->literal = s->hidden = 0;
}

/* Takes those of the bytes that belong to the literal. */
static size_t
feed_literal(struct transcript *t, struct side *s, struct str bytes)
{
	size_t n = bytes.n < s->literal ? bytes.n : (size_t)s->literal, i = 0;
	uint64_t shown = s->size - s->literal;

	while (i < n && shown + i < t->keep)
		show(s, (unsigned char)bytes.p[i++]);
	s->hidden += n - i;
	s->literal -= n;
	if (s->literal == 0)
		end_literal(s);
	return n;
}

static void
feed_side(struct transcript *t, struct side *s, struct str bytes)
{
	for (size_t i = 0; i < bytes.n;) {
		unsigned char c;

		if (s->literal > 0) {
			i += feed_literal(t, s, (struct str){bytes.p + i, bytes.n - i});
			continue;
		}
		c = (unsigned char)bytes.p[i++];
		if (c == '\n' && s->state == CLOSED && s->size > 0) {
			s->literal = s->size;
			s->state = TEXT;
			s->cr = false;
		} else if (c == '\n')
			end_line(t, s);
		else if (c == '\r' && !s->cr)
			s->cr = true;
		else {
			if (s->cr)
				show(s, '\r');
			s->cr = false;
			look_for_literal(s, c);
			show(s, c);
		}
	}
}

/* Ends what began and will not continue. */
static void
give_up(struct transcript *t, struct side *s)
{
	end_literal(s);
	if (s->any)
		end_line(t, s);
	s->state = TEXT;
	s->cr = false;
}

/* The other side speaks: what was said so far becomes a line, and a literal continues in the
 * next. */
static void
break_line(struct transcript *t, struct side *s)
{
	uint64_t left = s->literal;

	if (!s->any && s->hidden == 0)
		return;
	end_literal(s);
	end_line(t, s);
	s->literal = left;
}

static void
tapped(void *arg, struct str bytes)
{
	struct transcript *t = arg;

	take_time(t);
	break_line(t, &t->client);
	feed_side(t, &t->server, bytes);
	hand_over(t);
}

/* The client's turn: puts what the server said before. */
static void
before_client(struct transcript *t)
{
	stream_tap_now(t->conn->session.stream);
	take_time(t);
}

/* ---- for the connection */

bool
transcript_wanted(const struct imap_conn *conn)
{
	const struct imap_settings *s = conn->il->rules->settings;
	const struct transcript_files *files = conn->server->transcripts;
	struct buf name = {0};
	bool found = false;

	for (size_t i = 0; files != NULL && i < s->protocol_for.n && !found; i++) {
		name.n = 0;
		found = transcript_files_user(files, s->protocol_for.items[i], &name) &&
		        str_eq(buf_as_str(&name), imap_login(conn)->user);
	}
	buf_fini(&name);
	return found;
}

static void
note_command(struct transcript *t, const struct imap_cmd_def *def, struct str tag)
{
	note(t, 'C', "%.*s %s [not shown]", STR_ARG(tag), def->name);
}

struct transcript *
transcript_begin(struct imap_conn *conn)
{
	const struct imap_settings *s = conn->il->rules->settings;
	const struct imap_login *login = imap_login(conn);
	struct transcript *t;

	if (s->protocol_for.n == 0 || !transcript_wanted(conn))
		return NULL;
	t = mem_zalloc(sizeof(*t));
	t->conn = conn;
	t->files = conn->server->transcripts;
	t->client.letter = 'C';
	t->server.letter = 'S';
	t->max = s->protocol_size;
	t->keep = s->protocol_literal;
	buf_str(&t->user, login->user);
	take_time(t);
	note(t, '-', "login as %.*s, authenticated as %.*s, from %.*s", STR_ARG(login->user),
	    STR_ARG(login->authcid), STR_ARG(imap_client_address(conn)));
	/* The command may say who else was logged in. */
	if (conn->cmd != NULL && conn->cmd->tag.n > 0)
		note_command(t, conn->cmd->def, conn->cmd->tag);
	hand_over(t);
	stream_set_tap(conn->session.stream, tapped, t);
	return t;
}

void
transcript_end(struct transcript **tp, const char *how)
{
	struct transcript *t = *tp;

	*tp = NULL;
	if (t == NULL)
		return;
	if (t->conn->session.stream != NULL) {
		stream_tap_now(t->conn->session.stream);
		stream_set_tap(t->conn->session.stream, NULL, NULL);
	}
	take_time(t);
	give_up(t, &t->client);
	give_up(t, &t->server);
	note(t, '-', "end: %s", how);
	hand_over(t);
	buf_fini(&t->client.line);
	buf_fini(&t->server.line);
	buf_fini(&t->lines);
	buf_fini(&t->user);
	mem_free(t);
}

/* The sender may not have meant it as a command, or it may hold a secret. */
static bool
may_be_shown(const struct imap_cmd_def *def)
{
	return def != NULL && (def->traits & (IMAP_TRAIT_SECRET | IMAP_TRAIT_LACKING)) == 0;
}

static void
begin_command(
    struct transcript *t, const struct imap_cmd_def *def, struct str tag, struct str bytes)
{
	before_client(t);
	give_up(t, &t->client);
	if (may_be_shown(def))
		feed_side(t, &t->client, bytes);
	else if (def == NULL)
		note(t, 'C', "[no command that is known]");
	else
		note_command(t, def, tag);
	hand_over(t);
}

void
transcript_early(
    struct transcript *t, const struct imap_cmd_def *def, struct str tag, struct str bytes)
{
	if (t == NULL)
		return;
	if (t->early == 0)
		begin_command(t, def, tag, bytes);
	else if (may_be_shown(def))
		transcript_more(t, (struct str){bytes.p + t->early, bytes.n - t->early});
	t->early = bytes.n;
}

void
transcript_command(struct transcript *t, const struct imap_cmd *cmd, struct str bytes)
{
	size_t early;

	if (t == NULL)
		return;
	early = t->early;
	t->early = 0;
	if (early == 0)
		begin_command(t, cmd->def, cmd->tag, bytes);
	else if (may_be_shown(cmd->def) && bytes.n > early)
		transcript_more(t, (struct str){bytes.p + early, bytes.n - early});
}

void
transcript_more(struct transcript *t, struct str bytes)
{
	if (t == NULL || bytes.n == 0)
		return;
	before_client(t);
	feed_side(t, &t->client, bytes);
	hand_over(t);
}

void
transcript_line(struct transcript *t, struct str line)
{
	if (t == NULL)
		return;
	before_client(t);
	give_up(t, &t->client);
	note(t, 'C', "%s", str_ieq(line, STR("DONE")) ? "DONE" : "[a line that is not DONE]");
	hand_over(t);
}

void
transcript_reply_begin(struct transcript *t, const struct imap_cmd *cmd)
{
	if (t != NULL && cmd->def == NULL)
		stream_tap_now(t->conn->session.stream);
}

void
transcript_reply_end(struct transcript *t, const struct imap_cmd *cmd)
{
	struct str text;

	if (t == NULL || cmd->def != NULL)
		return;
	text = cmd_text(cmd);
	stream_tap_skip(t->conn->session.stream);
	take_time(t);
	note(t, 'S', "[tag] BAD %.*s", STR_ARG(text));
	hand_over(t);
}
