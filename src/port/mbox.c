/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads mbox: finds the files, and their lines (long ones in pieces).
 * mbox_message.c says what a line means.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "port/mbox_int.h"

#define READ_STEP ((size_t)64 << 10)
#define LINE_MAX_KEPT ((size_t)16 << 10) /* longer lines are taken in pieces */
#define FIELD_LOOK ((size_t)1 << 10)     /* of the next line, to see a field's name */
#define FILL ((size_t)256 << 10)
#define DEPTH_MAX 32

/* ---- finding files ---- */

static void
add_found(struct mbox *m, struct buf *path)
{
	struct buf said = {0}, name = {0};

	mbox_said(buf_cstr(path), &said);
	port_name(buf_as_str(&said), '/', &name);
	port_place_add(&m->file, &m->count, buf_cstr(path), buf_as_str(&name));
	buf_fini(&said);
	buf_fini(&name);
}

static void find_files(struct mbox *m, const char *below, unsigned depth);

static void
look_at_entry(struct mbox *m, int dir, const char *below, const char *name, unsigned depth)
{
	struct buf path = {0};
	struct stat st;

	buf_printf(&path, "%s%s%s", below, below[0] != 0 ? "/" : "", name);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		port_broken(m->port, m->path, buf_cstr(&path), port_why(errno));
	else if (!S_ISDIR(st.st_mode))
		add_found(m, &path); /* opening it reports what is not a regular file */
	else if (depth < DEPTH_MAX)
		find_files(m, buf_cstr(&path), depth + 1);
	else
		port_broken(m->port, m->path, buf_cstr(&path), "folders are nested too deeply");
	buf_fini(&path);
}

static void
find_files(struct mbox *m, const char *below, unsigned depth)
{
	int fd = port_open(m->port, m->root, below[0] != 0 ? below : ".", true);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	if (d == NULL)
		port_broken(m->port, m->path, below, port_why(errno));
	while (d != NULL && (e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			look_at_entry(m, dirfd(d), below, e->d_name, depth);
	if (d != NULL)
		closedir(d);
}

/* ---- lines ---- */

/* Returns whether enough of the next line is there to see a field's name. */
static bool
can_look(const struct mbox *m, struct str line, struct str next)
{
	return m->eof || !str_has_prefix(line, STR("From ")) || next.n >= FIELD_LOOK ||
	       str_chr(next, '\n') != NULL;
}

/* Returns false if more must be read. */
static bool
take_next_line(struct mbox *m, struct buf *out)
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

	struct str next = {rest.p + n, rest.n - n};

	rest.n = n;
	if (begins && !can_look(m, rest, next))
		return false;
	m->used += n;
	m->line_begins = lf != NULL;
	m->line += begins;
	if (begins)
		mbox_take_line(m, rest, next, out);
	else
		mbox_take_piece(m, rest, out);
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
broken(struct mbox *m, const char *why)
{
	port_broken(m->port, m->dir, m->file[m->at - 1].path, why);
}

/* Thunderbird's indexes are named like mailboxes. */
static bool
is_index(const struct mbox *m, const char *path)
{
	char begin[5];

	return mbox_is_index(path) && (pread(m->fd, begin, sizeof begin, 0) != sizeof begin ||
	                                  memcmp(begin, "From ", sizeof begin) != 0);
}

static void
open_next_file(struct mbox *m)
{
	const struct port_place *f = &m->file[m->at++];

	if (m->root >= 0) {
		m->fd = port_open(m->port, m->root, f->path, false);
	} else {
		m->fd = m->single;
		m->single = -1;
	}
	if (m->fd < 0) {
		broken(m, port_why(errno));
		return;
	}
	if (fstat(m->fd, &m->st) != 0) {
		close_file(m);
		broken(m, strerror(errno));
		return;
	}
	if (m->root >= 0 && is_index(m, f->path)) {
		close_file(m);
		port_passed(m->port, m->dir, f->path, 0, 1, "a file of Thunderbird's without mail");
		return;
	}
	m->in.n = m->used = 0;
	m->count_in_file = m->deleted = 0;
	m->eof = m->in_message = m->blank = m->ours = m->told_lost = m->behind_from = false;
	m->own = OWN_NOT;
	m->named = false;
	m->line = 0;
	m->line_begins = m->at_start = true;
}

static void
read_more(struct mbox *m, struct buf *out)
{
	ssize_t got;

	buf_consume(&m->in, m->used);
	m->used = 0;
	if (m->eof) {
		mbox_end_message(m, out);
		if (!m->told_lost)
			mbox_put_mailbox(m, out);
		if (m->deleted > 0)
			port_passed(m->port, m->dir, m->file[m->at - 1].path, 0, m->deleted,
			    "a message that was deleted in Thunderbird");
		close_file(m);
		return;
	}
	got = read(m->fd, buf_room(&m->in, READ_STEP), READ_STEP);
	if (got > 0) {
		m->in.n += (size_t)got;
	} else {
		m->eof = true;
		if (got < 0) {
			broken(m, strerror(errno));
			m->told_lost = true;
			if (m->in_message)
				mailstream_put_drop(out);
			m->in_message = false;
			m->piece.n = 0;
		}
	}
}

static bool
fill_from_mbox(struct port_source *source, struct buf *out)
{
	struct mbox *m = (struct mbox *)source;

	if (m->ended)
		return false;
	if (!m->begun)
		mailstream_put_version(out);
	m->begun = true;
	while (out->n < FILL && !m->ended) {
		if (m->fd >= 0) {
			if (!take_next_line(m, out))
				read_more(m, out);
		} else if (m->at < m->count) {
			open_next_file(m);
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
	if (m->single >= 0)
		close(m->single);
	port_places_free(m->file, m->count);
	buf_fini(&m->in);
	buf_fini(&m->words);
	buf_fini(&m->piece);
	mem_free(m);
}

/* In a Maildir each message is a file of its own, where an mbox never begins. */
static void
hint_at_maildir(const struct mbox *m)
{
	struct stat cur, new;

	if (fstatat(m->root, "cur", &cur, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(cur.st_mode) &&
	    fstatat(m->root, "new", &new, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(new.st_mode))
		port_say(m->port, "", m->path,
		    "it has folders `cur` and `new`, as a Maildir has: `turnstone import "
		    "maildir` reads those");
}

struct port_source *
port_mbox_open(struct port *port, const char *path)
{
	struct stat st;
	int fd = port_open_operand(port, path, &st);
	struct mbox *m;

	if (fd < 0) {
		fprintf(stderr, "turnstone %s: %s: %s\n", port->cmd, path, port_why(errno));
		return NULL;
	}
	m = mem_zalloc(sizeof *m);
	*m = (struct mbox){.source = {fill_from_mbox, free_source},
	    .port = port,
	    .root = -1,
	    .single = -1,
	    .path = path,
	    .dir = "",
	    .fd = -1};
	if (S_ISDIR(st.st_mode)) {
		m->root = fd;
		m->dir = path;
		hint_at_maildir(m);
		find_files(m, "", 0);
	} else {
		m->single = fd;
		port->inbox_is_top = true;
		port_place_add(&m->file, &m->count, path, STR("INBOX"));
	}
	port_places(port, path, m->file, m->count);
	return &m->source;
}
