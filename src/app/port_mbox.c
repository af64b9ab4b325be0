/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading mbox, a line at a time (long ones in pieces).  A message begins with
 * a line "From " that has a date in it and stands at the beginning or behind an
 * empty line; Content-Length is not looked at, since no two programs agree on
 * it.  The date is the INTERNALDATE.  Lines ">From " lose one '>'.
 *
 * Of the header, Status and X-Status (flags), X-Keywords, X-UID, X-IMAP and
 * X-IMAPbase (UIDVALIDITY) are taken, and left out of the message unless the
 * user wants to keep them.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/port.h"
#include "base/mem.h"
#include "mail/date.h"
#include "store/store.h"

#define READ_STEP ((size_t)64 << 10)
#define LINE_MAX_KEPT ((size_t)16 << 10) /* longer lines are taken in pieces */
#define FILL ((size_t)256 << 10)
#define DEPTH_MAX 32

struct box_file {
	char *path; /* below the root; of a single file: its path */
	char *name;
};

struct mbox {
	struct port_source source;
	struct port *port;
	int root; /* AT_FDCWD: a single file */
	const char *path;
	struct box_file *file;
	size_t count, at;

	int fd; /* -1: none */
	struct stat st;
	struct buf in; /* read, not yet used */
	size_t used;
	bool eof, line_begins;

	bool in_message, in_header, skipping; /* skipping: a header field that was taken */
	bool blank; /* an empty line was seen: it belongs to the message when no From follows */
	bool at_start;
	struct mailstream_message msg;
	struct buf words, piece;
	char last;
	bool ended, begun;
};

/* ---- which files ---- */

static void
add_file(struct mbox *m, const char *path, struct str name)
{
	struct buf z = {0};

	buf_str(&z, name);
	m->file = mem_realloc(m->file, (m->count + 1) * sizeof *m->file);
	m->file[m->count++] = (struct box_file){mem_strdup(path), mem_strdup(buf_cstr(&z))};
	buf_fini(&z);
}

static void
add_found(struct mbox *m, struct buf *path)
{
	struct str plain = buf_as_str(path);
	struct buf name = {0};

	if (m->port->mailbox != NULL)
		buf_printf(&name, "%s/", m->port->mailbox);
	if (str_has_suffix(plain, STR(".mbox")))
		plain.n -= 5;
	if (port_name(plain, '/', &name))
		add_file(m, buf_cstr(path), buf_as_str(&name));
	else
		port_broken(m->port, m->path, buf_cstr(path), "its name is no UTF-8");
	buf_fini(&name);
}

static void
find_files(struct mbox *m, const char *below, unsigned depth)
{
	int fd = openat(
	    m->root, below[0] != 0 ? below : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL) {
		struct buf path = {0};
		struct stat st;

		if (e->d_name[0] == '.')
			continue;
		buf_printf(&path, "%s%s%s", below, below[0] != 0 ? "/" : "", e->d_name);
		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISDIR(st.st_mode)) {
			if (depth < DEPTH_MAX)
				find_files(m, buf_cstr(&path), depth + 1);
		} else {
			add_found(m, &path); /* opening says what is no regular file */
		}
		buf_fini(&path);
	}
	if (d != NULL)
		closedir(d);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct box_file *)a)->name, ((const struct box_file *)b)->name);
}

/* ---- a message ---- */

static void
flush_piece(struct mbox *m, struct buf *out)
{
	for (size_t at = 0; at < m->piece.n; at += MAILSTREAM_PIECE) {
		size_t n = m->piece.n - at < MAILSTREAM_PIECE ? m->piece.n - at : MAILSTREAM_PIECE;

		mailstream_put_data(out, (struct str){m->piece.p + at, n});
	}
	m->msg.size += m->piece.n;
	m->piece.n = 0;
}

static void
put_text(struct mbox *m, struct str text, struct buf *out)
{
	port_crlf(text, &m->last, &m->piece);
	if (m->piece.n >= MAILSTREAM_PIECE / 2)
		flush_piece(m, out);
}

static void
put_blank(struct mbox *m, struct buf *out)
{
	if (m->blank)
		put_text(m, STR("\n"), out);
	m->blank = false;
}

static void
end_message(struct mbox *m, struct buf *out)
{
	if (!m->in_message)
		return;
	flush_piece(m, out);
	m->msg.keywords = buf_as_str(&m->words);
	mailstream_put_message(out, &m->msg);
	m->in_message = m->blank = false;
}

/* "From sender Www Mmm dd hh:mm:ss [zone] yyyy": the date is its last words. */
static bool
from_date(struct str line, struct mail_date *date_r)
{
	static const char *const days[] = {"Mon ", "Tue ", "Wed ", "Thu ", "Fri ", "Sat ", "Sun "};
	const char *at = NULL;
	struct str rest, w[7];
	struct buf b = {0};
	size_t n = 0;
	bool ok = false;

	for (const char *p = line.p + 5; p + 20 <= line.p + line.n; p++)
		for (unsigned i = 0; i < 7; i++)
			if (p[-1] == ' ' && memcmp(p, days[i], 4) == 0)
				at = p;
	if (at == NULL)
		return false;
	rest = str_trim(str_range(at, line.p + line.n));
	while (n < 7 && str_split(&rest, ' ', &w[n]))
		n += w[n].n > 0;
	/* In the order of RFC 5322; the zone may stand on either side of the year. */
	if (n >= 5) {
		size_t year = n > 5 && (w[4].n != 4 || w[4].p[0] < '0' || w[4].p[0] > '9') ? 5 : 4;
		struct str zone = n > 5 ? w[year == 4 ? 5 : 4] : STR("+0000");

		buf_printf(&b, "%.*s %.*s %.*s %.*s %.*s", STR_ARG(w[2]), STR_ARG(w[1]),
		    STR_ARG(w[year]), STR_ARG(w[3]), STR_ARG(zone));
		ok = mail_date_parse(buf_as_str(&b), date_r);
	}
	buf_fini(&b);
	return ok;
}

static void
begin_message(struct mbox *m, const struct mail_date *date, struct buf *out)
{
	end_message(m, out);
	m->msg = (struct mailstream_message){
	    .internaldate = date->utc, .zone = (int16_t)(date->zone % 1440)};
	m->words.n = 0;
	m->in_message = m->in_header = true;
	m->skipping = m->at_start = m->blank = false;
	m->last = 0;
}

static void
take_flags(struct mbox *m, struct str value)
{
	static const char letters[] = "AFDRT"; /* X-Status; R of Status is Seen */
	static const unsigned flags[] = {
	    STORE_ANSWERED, STORE_FLAGGED, STORE_DELETED, STORE_SEEN, STORE_DRAFT};

	for (size_t i = 0; i < value.n; i++) {
		const char *at = value.p[i] != 0 ? strchr(letters, value.p[i]) : NULL;

		if (at != NULL)
			m->msg.flags |= 1u << flags[at - letters];
	}
}

/* True: the field is one of those that are taken. */
static bool
take_field(struct mbox *m, struct str line)
{
	struct str rest = line, name, word;
	uint64_t uid;

	if (!str_split(&rest, ':', &name) || name.n == line.n)
		return false;
	rest = str_trim(rest);
	if (str_ieq(name, STR("Status")) || str_ieq(name, STR("X-Status"))) {
		take_flags(m, rest);
	} else if (str_ieq(name, STR("X-Keywords"))) {
		while (str_split(&rest, ' ', &word))
			if (word.n > 0)
				port_keyword(m->port, word, &m->words);
	} else if (str_ieq(name, STR("X-UID"))) {
		if (str_u64(rest, UINT32_MAX, &uid))
			m->msg.uid = (uint32_t)uid;
	} else {
		return str_ieq(name, STR("X-IMAPbase")) || str_ieq(name, STR("X-IMAP"));
	}
	return true;
}

/* ---- lines ---- */

static bool
is_from(struct mbox *m, struct str line, struct mail_date *date)
{
	return (m->blank || m->at_start) && str_has_prefix(line, STR("From ")) &&
	       from_date(line, date);
}

static struct str
unquoted(const struct mbox *m, struct str line)
{
	size_t n = 0;

	while (n < line.n && line.p[n] == '>')
		n++;
	if (n == 0 || (m->port->mboxo && n > 1) ||
	    !str_has_prefix((struct str){line.p + n, line.n - n}, STR("From ")))
		return line;
	return (struct str){line.p + 1, line.n - 1};
}

/* A line, or the first piece of one; with its end. */
static void
take_line(struct mbox *m, struct str line, struct buf *out)
{
	bool empty = str_eq(line, STR("\n")) || str_eq(line, STR("\r\n"));
	struct mail_date date;

	if (is_from(m, line, &date)) {
		begin_message(m, &date, out);
		return;
	}
	if (!m->in_message)
		return; /* before the first From: empty lines */
	put_blank(m, out);
	if (m->in_header && !empty) {
		bool folded = line.p[0] == ' ' || line.p[0] == '\t';

		if (!folded)
			m->skipping = take_field(m, line) && !m->port->keep_headers;
		if (m->skipping)
			return;
	}
	if (empty) { /* the end of the header may be the end of the message, too */
		m->in_header = m->skipping = false;
		m->blank = true;
		return;
	}
	put_text(m, m->in_header ? line : unquoted(m, line), out);
}

/* False: more must be read. */
static bool
next_line(struct mbox *m, struct buf *out)
{
	struct str rest;
	const char *lf;
	size_t n;
	bool begins = m->line_begins;

	if (m->used == m->in.n)
		return false;
	rest = (struct str){m->in.p + m->used, m->in.n - m->used};
	lf = memchr(rest.p, '\n', rest.n);
	n = lf != NULL ? (size_t)(lf - rest.p) + 1 : rest.n;
	if (lf == NULL && n < LINE_MAX_KEPT && !m->eof)
		return false;
	rest.n = n;
	m->used += n;
	m->line_begins = lf != NULL;
	if (begins)
		take_line(m, rest, out);
	else if (m->in_message && !m->skipping)
		put_text(m, rest, out);
	return true;
}

/* ---- files ---- */

static void
close_file(struct mbox *m)
{
	close(m->fd);
	m->fd = -1;
}

static void
open_file(struct mbox *m, struct buf *out)
{
	const struct box_file *f = &m->file[m->at++];
	char begin[6] = {0};
	ssize_t got;

	m->fd = openat(m->root, f->path,
	    O_RDONLY | (m->root == AT_FDCWD ? 0 : O_NOFOLLOW) | O_NONBLOCK | O_CLOEXEC);
	if (m->fd < 0) {
		port_broken(m->port, m->path, f->path,
		    errno == ELOOP ? "a symbolic link" : strerror(errno));
		return;
	}
	if (fstat(m->fd, &m->st) != 0 || !S_ISREG(m->st.st_mode)) {
		close_file(m);
		port_broken(m->port, m->path, f->path, "not a regular file");
		return;
	}
	got = pread(m->fd, begin, 5, 0);
	if (got != 0 && strcmp(begin, "From ") != 0) {
		close_file(m);
		port_broken(m->port, m->path, f->path, "no mbox: it does not begin with `From `");
		return;
	}
	m->in.n = m->used = 0;
	m->eof = m->in_message = m->blank = false;
	m->line_begins = m->at_start = true;
	mailstream_put_mailbox(
	    out, &(struct mailstream_mailbox){.name = str_of(f->name), .exists = true});
}

static void
read_more(struct mbox *m, struct buf *out)
{
	ssize_t got;

	buf_consume(&m->in, m->used);
	m->used = 0;
	if (m->eof) {
		end_message(m, out);
		close_file(m);
		return;
	}
	got = read(m->fd, buf_room(&m->in, READ_STEP), READ_STEP);
	if (got > 0) {
		m->in.n += (size_t)got;
	} else {
		m->eof = true;
		if (got < 0) {
			port_broken(m->port, m->path, m->file[m->at - 1].path, strerror(errno));
			if (m->in_message)
				mailstream_put_drop(out);
			m->in_message = false;
			m->piece.n = 0;
		}
	}
}

static bool
fill(struct port_source *source, struct buf *out)
{
	struct mbox *m = (struct mbox *)source;

	if (m->ended)
		return false;
	if (!m->begun)
		mailstream_put_version(out);
	m->begun = true;
	while (out->n < FILL && !m->ended) {
		if (m->fd >= 0) {
			if (!next_line(m, out))
				read_more(m, out);
		} else if (m->at < m->count) {
			open_file(m, out);
		} else {
			mailstream_put_end(out);
			m->ended = true;
		}
	}
	return true;
}

static void
free_source(struct port_source *source)
{
	struct mbox *m = (struct mbox *)source;

	if (m->fd >= 0)
		close(m->fd);
	if (m->root >= 0)
		close(m->root);
	for (size_t i = 0; i < m->count; i++) {
		mem_free(m->file[i].path);
		mem_free(m->file[i].name);
	}
	mem_free(m->file);
	buf_fini(&m->in);
	buf_fini(&m->words);
	buf_fini(&m->piece);
	mem_free(m);
}

struct port_source *
port_mbox_open(struct port *port, const char *path)
{
	struct stat st;
	struct mbox *m = mem_zalloc(sizeof *m);

	*m = (struct mbox){
	    .source = {fill, free_source}, .port = port, .root = AT_FDCWD, .path = path, .fd = -1};
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		m->root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (m->root >= 0)
			find_files(m, "", 0);
		if (m->count > 0)
			qsort(m->file, m->count, sizeof *m->file, by_name);
		return &m->source;
	}
	if (access(path, R_OK) != 0) {
		fprintf(stderr, "turnstone %s: %s: %s\n", port->cmd, path, strerror(errno));
		free_source(&m->source);
		return NULL;
	}
	add_file(m, path, port->mailbox != NULL ? str_of(port->mailbox) : STR("INBOX"));
	return &m->source;
}
