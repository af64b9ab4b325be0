/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading mbox: which files, and their lines (long ones in pieces).
 * port_mbox_message.c says what a line means.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/port_mbox_priv.h"
#include "base/mem.h"

#define READ_STEP ((size_t)64 << 10)
#define LINE_MAX_KEPT ((size_t)16 << 10) /* longer lines are taken in pieces */
#define FIELD_LOOK ((size_t)1 << 10)     /* of the next line, for the name of a field */
#define FILL ((size_t)256 << 10)
#define DEPTH_MAX 32

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
	int fd = port_open(m->port, m->root, below[0] != 0 ? below : ".", true);
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

/* ---- lines ---- */

/* Is enough of the next line there to see a field's name in it? */
static bool
can_look(const struct mbox *m, struct str line, struct str next)
{
	return m->eof || !str_has_prefix(line, STR("From ")) || next.n >= FIELD_LOOK ||
	       str_chr(next, '\n') != NULL;
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

static void
open_file(struct mbox *m)
{
	const struct box_file *f = &m->file[m->at++];

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
	m->in.n = m->used = 0;
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
			open_file(m);
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
	int fd = port_open_operand(port, path, &st);
	struct mbox *m;

	if (fd < 0) {
		fprintf(stderr, "turnstone %s: %s: %s\n", port->cmd, path, port_why(errno));
		return NULL;
	}
	m = mem_zalloc(sizeof *m);
	*m = (struct mbox){.source = {fill, free_source},
	    .port = port,
	    .root = -1,
	    .single = -1,
	    .path = path,
	    .dir = "",
	    .fd = -1};
	if (S_ISDIR(st.st_mode)) {
		m->root = fd;
		m->dir = path;
		find_files(m, "", 0);
		if (m->count > 0)
			qsort(m->file, m->count, sizeof *m->file, by_name);
	} else {
		m->single = fd;
		add_file(m, path, port->mailbox != NULL ? str_of(port->mailbox) : STR("INBOX"));
	}
	return &m->source;
}
