/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes mbox (mboxrd): one file per mailbox, replaced as a whole once all of it is on disk; an
 * interrupted export leaves the finished files.  CRLF becomes LF.  There is no place for UIDs,
 * SAVEDATEs and properties: to keep everything, export a Maildir.  mbox_int.h says what precedes
 * each message.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "port/mbox_int.h"
#include "store/store.h"

#define OUT_MARK ((size_t)256 << 10)
#define WORDS_LINE ((size_t)900) /* more keywords go into further lines */

struct save {
	struct port_sink sink;
	struct port *port;
	const char *path;
	int root, dir, fd; /* dir: the file's folder; fd -1: between mailboxes */
	struct port_temporary temporary;
	struct buf name; /* of the file in dir */
	FILE *spool;     /* the current message: its metadata comes after its bytes */
	struct buf file, out, line;
	bool in_header, asis; /* asis: the message has an LF without CR */
	char last;            /* of the current message */
};

#define NAMED_MAX 1000 /* omitted properties named; the rest is only counted */

static bool
write_failed(struct save *s)
{
	progress_clear(&s->port->progress);
	fprintf(stderr, "turnstone %s: %s/%s: %s\n", s->port->cmd, s->path, buf_cstr(&s->file),
	    strerror(errno));
	return false;
}

static bool
write_out(struct save *s, size_t mark)
{
	size_t at = 0;

	while (s->out.n > mark && at < s->out.n) {
		ssize_t n = write(s->fd, s->out.p + at, s->out.n - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return write_failed(s);
		at += (size_t)n;
	}
	if (at > 0)
		s->out.n = 0;
	return true;
}

static void
close_files(struct save *s, bool whole)
{
	if (s->fd >= 0) {
		close(s->fd);
		if (!whole)
			(void)unlinkat(s->dir, s->temporary.name, 0);
	}
	if (s->dir >= 0)
		close(s->dir);
	s->fd = s->dir = -1;
}

static bool
end_mailbox(struct save *s)
{
	bool ok;

	if (s->fd < 0)
		return true;
	ok = write_out(s, 0) &&
	     ((fsync(s->fd) == 0 &&
	          renameat(s->dir, s->temporary.name, s->dir, buf_cstr(&s->name)) == 0 &&
	          fsync(s->dir) == 0) ||
	         write_failed(s));
	close_files(s, ok);
	return ok;
}

/* a/b.mbox lies in the folder a, next to a.mbox.  A link there is not ours. */
static bool
enter_parents(struct save *s)
{
	struct str rest = buf_as_str(&s->file), part;
	struct buf name = {0};

	s->dir = dup(s->root);
	while (s->dir >= 0 && str_split(&rest, '/', &part)) {
		name.n = 0;
		buf_str(&name, part);
		if (rest.n == 0)
			break;

		int fd = -1;

		if (mkdirat(s->dir, buf_cstr(&name), 0700) == 0 || errno == EEXIST)
			fd = openat(s->dir, buf_cstr(&name),
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		close(s->dir);
		s->dir = fd;
	}
	s->name.n = 0;
	buf_printf(&s->name, "%.*s.mbox", STR_ARG(buf_as_str(&name)));
	buf_fini(&name);
	return s->dir >= 0;
}

static bool
begin_file(struct save *s, const struct mailstream_mailbox *m)
{
	if (!end_mailbox(s))
		return false;
	if (!m->exists)
		return true;
	s->file.n = 0;
	port_folder(m->name, '/', &s->file);
	if (!enter_parents(s))
		return write_failed(s);
	buf_puts(&s->file, ".mbox");
	s->fd = port_create(s->dir, &s->temporary);
	return s->fd >= 0 || write_failed(s);
}

static void
put_keywords(struct save *s, const struct mailstream_message *m)
{
	struct rd r = rd_of(m->keywords);
	size_t begin = 0;

	while (rd_left(&r) > 0) {
		struct str word = rd_vstr(&r);

		if (begin == 0 || s->out.n - begin > WORDS_LINE) {
			buf_puts(&s->out, begin == 0 ? "X-Keywords:" : "\nX-Keywords:");
			begin = s->out.n;
		}
		buf_printf(&s->out, " %.*s", STR_ARG(word));
	}
	if (begin != 0)
		buf_putc(&s->out, '\n');
}

/* Seen, and Old for everything exported; the rest as others write them. */
static void
put_status_fields(struct save *s, const struct mailstream_message *m)
{
	const struct {
		char letter;
		unsigned flag;
	} map[] = {
	    {'A', STORE_ANSWERED}, {'F', STORE_FLAGGED}, {'T', STORE_DRAFT}, {'D', STORE_DELETED}};

	buf_printf(&s->out, "Status: %sO\n", (m->flags >> STORE_SEEN & 1) != 0 ? "R" : "");
	buf_puts(&s->out, "X-Status: ");
	for (size_t i = 0; i < sizeof(map) / sizeof(*map); i++)
		if ((m->flags >> map[i].flag & 1) != 0)
			buf_putc(&s->out, map[i].letter);
	buf_putc(&s->out, '\n');
}

static bool
is_cut(const struct save *s, const struct mailstream_message *m)
{
	return m->size > 0 && s->last != '\n';
}

static void
put_from_line(struct save *s, const struct mailstream_message *m)
{
	time_t when = (time_t)m->internaldate;
	struct tm tm;
	char text[64] = "Thu Jan  1 00:00:00 1970";

	if (gmtime_r(&when, &tm) != NULL)
		(void)strftime(text, sizeof text, "%a %b %e %H:%M:%S %Y", &tm);
	buf_printf(&s->out, "From MAILER-DAEMON %s" MBOX_MARK "\n", text);
	put_status_fields(s, m);
	put_keywords(s, m);
	buf_printf(&s->out, MBOX_OURS "%" PRId64 " %d %s %s\n", m->internaldate, (int)m->zone,
	    s->asis ? "asis" : "crlf", is_cut(s, m) ? "cut" : "whole");
}

/* Writes a piece of a line; begins: it is the first one. */
static void
write_line(struct save *s, struct str line, bool begins)
{
	bool ends = line.n > 0 && line.p[line.n - 1] == '\n';

	if (ends)
		line.n -= s->asis ? 1 : 2;
	if (begins && !s->in_header && mbox_is_to_quote(line))
		buf_putc(&s->out, '>');
	if (begins && ends && (line.n == 0 || (s->asis && str_eq(line, STR("\r")))))
		s->in_header = false;
	buf_str(&s->out, line);
	if (ends)
		buf_putc(&s->out, '\n');
}

static bool
put_spool(struct save *s)
{
	bool begins = true, ok = true;
	char part[16384];

	s->in_header = true;
	rewind(s->spool);
	for (size_t n; ok && (n = fread(part, 1, sizeof part, s->spool)) > 0;) {
		buf_put(&s->line, part, n);

		size_t at = 0;
		const char *lf;

		while ((lf = memchr(s->line.p + at, '\n', s->line.n - at)) != NULL) {
			size_t len = (size_t)(lf - s->line.p) + 1 - at;

			write_line(s, (struct str){s->line.p + at, len}, begins);
			begins = true;
			at += len;
		}
		buf_consume(&s->line, at);
		if (s->line.n > sizeof part) { /* all but a CR that may be part of the line's end */
			size_t keep = s->line.p[s->line.n - 1] == '\r' ? 1 : 0;

			write_line(s, (struct str){s->line.p, s->line.n - keep}, begins);
			begins = false;
			buf_consume(&s->line, s->line.n - keep);
		}
		ok = write_out(s, OUT_MARK);
	}
	if (s->line.n > 0)
		write_line(s, buf_as_str(&s->line), begins);
	s->line.n = 0;
	return ok && (ferror(s->spool) == 0 || write_failed(s));
}

static bool
reset_spool(struct save *s)
{
	rewind(s->spool);
	s->asis = false;
	s->last = 0;
	return ftruncate(fileno(s->spool), 0) == 0 || write_failed(s);
}

static bool
spool_data(struct save *s, struct str data)
{
	const char *end = data.p + data.n;

	for (const char *p = data.p; !s->asis && (p = memchr(p, '\n', (size_t)(end - p))) != NULL;
	     p++)
		s->asis = (p > data.p ? p[-1] : s->last) != '\r';
	if (data.n > 0)
		s->last = end[-1];
	return fwrite(data.p, 1, data.n, s->spool) == data.n || write_failed(s);
}

static bool
write_message(struct save *s, const struct mailstream_message *m)
{
	if (m->bare)
		return true;
	if (fflush(s->spool) != 0)
		return write_failed(s);
	put_from_line(s, m);
	if (!put_spool(s))
		return false;
	buf_puts(&s->out, is_cut(s, m) ? "\n\n" : "\n");
	return write_out(s, OUT_MARK) && reset_spool(s);
}

static void
leave_out_property(struct save *s, const struct mailstream_property *p)
{
	struct buf text = {0};

	if (s->port->properties++ < NAMED_MAX) {
		buf_puts(&text, "the property ");
		port_escape(p->name, &text);
		buf_puts(&text, " has no place in an mbox, left out");
		port_say(s->port, s->path, p->of_mailbox ? buf_cstr(&s->file) : "(the account)",
		    buf_cstr(&text));
	}
	buf_fini(&text);
}

static bool
write_record(struct port_sink *sink, const struct mailstream_record *rec)
{
	struct save *s = (struct save *)sink;

	switch (rec->tag) {
	case MAILSTREAM_MAILBOX:
		return begin_file(s, &rec->mailbox);
	case MAILSTREAM_PROPERTY:
		leave_out_property(s, &rec->property);
		return true;
	case MAILSTREAM_DATA:
		return spool_data(s, rec->data);
	case MAILSTREAM_MESSAGE:
		return write_message(s, &rec->message);
	case MAILSTREAM_DROP:
		return reset_spool(s);
	case MAILSTREAM_END:
		return end_mailbox(s);
	case MAILSTREAM_IDS: /* not asked for */
	case MAILSTREAM_VERSION_TAG:
		return true;
	}
	return false;
}

/* Everything is written again. */
static void
have_nothing(struct port_sink *sink, struct buf *out)
{
	(void)sink;
	buf_put(out, "\0\0", 2);
}

static void
free_sink(struct port_sink *sink)
{
	struct save *s = (struct save *)sink;

	close_files(s, false);
	close(s->root);
	(void)fclose(s->spool);
	buf_fini(&s->file);
	buf_fini(&s->name);
	buf_fini(&s->out);
	buf_fini(&s->line);
	mem_free(s);
}

struct port_sink *
port_mbox_create(struct port *port, const char *path)
{
	FILE *spool = tmpfile();
	int root = -1;
	struct save *s;

	if (spool != NULL && (mkdir(path, 0700) == 0 || errno == EEXIST))
		root = port_open_folder(port, path);
	if (root < 0) {
		fprintf(stderr, "turnstone %s: %s: %s\n", port->cmd, path, port_why(errno));
		if (spool != NULL)
			(void)fclose(spool);
		return NULL;
	}
	s = mem_zalloc(sizeof *s);
	*s = (struct save){.sink = {write_record, have_nothing, free_sink},
	    .port = port,
	    .path = path,
	    .root = root,
	    .dir = -1,
	    .fd = -1,
	    .spool = spool};
	return &s->sink;
}
