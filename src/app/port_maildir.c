/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading Maildir.  Folders are found first; then one folder at a time its
 * lists are read and its files sorted by UID, or by name where none is known;
 * then one file at a time is read in pieces.  So memory holds the names of one
 * folder and one piece.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/port_maildir_priv.h"
#include "base/mem.h"

#define FILL ((size_t)256 << 10)
#define DEPTH_MAX 64

/* ---- folders ---- */

static void
add_folder(struct maildir *m, const char *path, struct str name)
{
	struct buf z = {0};
	const char *top = m->port->mailbox;

	if (top != NULL) {
		buf_puts(&z, top);
		if (!str_eq(name, STR("INBOX"))) {
			buf_putc(&z, '/');
			buf_str(&z, name);
		}
	} else {
		buf_str(&z, name);
	}
	m->folder = mem_realloc(m->folder, (m->folder_count + 1) * sizeof *m->folder);
	m->folder[m->folder_count++] = (struct folder){mem_strdup(path), mem_strdup(buf_cstr(&z))};
	buf_fini(&z);
}

static bool
has_cur(const struct maildir *m, const char *path)
{
	int fd = port_open(m->port, m->root, path, true);
	int cur = fd >= 0 ? port_open(m->port, fd, "cur", true) : -1;

	if (fd >= 0)
		close(fd);
	if (cur >= 0)
		close(cur);
	return cur >= 0;
}

static bool
is_part(const char *name)
{
	return strcmp(name, "cur") == 0 || strcmp(name, "new") == 0 || strcmp(name, "tmp") == 0;
}

void
maildir_broken(
    struct maildir *m, const char *below, const char *part, const char *name, const char *why)
{
	struct buf dir = {0};

	buf_puts(&dir, m->path);
	if (below[0] != 0 && strcmp(below, ".") != 0)
		buf_printf(&dir, "/%s", below);
	if (part[0] != 0)
		buf_printf(&dir, "/%s", part);
	port_broken(m->port, buf_cstr(&dir), name, why);
	buf_fini(&dir);
}

/* What a link leads to; says why it leads nowhere. */
static bool
is_folder(struct maildir *m, int at, const char *below, const char *name)
{
	int fd = port_open(m->port, at, name, true);

	if (fd >= 0)
		close(fd);
	else if (errno != ENOTDIR)
		maildir_broken(m, below, "", name, port_why(errno));
	return fd >= 0;
}

static void
find_folders(struct maildir *m, const char *below, unsigned depth)
{
	int fd = port_open(m->port, m->root, below[0] != 0 ? below : ".", true);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;
	bool dots = !m->port->fs_layout;

	while (d != NULL && (e = readdir(d)) != NULL) {
		struct buf path = {0}, name = {0};
		struct stat st;
		bool link;

		if ((e->d_name[0] == '.') != dots || strcmp(e->d_name, ".") == 0 ||
		    strcmp(e->d_name, "..") == 0 || is_part(e->d_name))
			continue;
		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		link = S_ISLNK(st.st_mode);
		if (link && !is_folder(m, dirfd(d), below, e->d_name))
			continue;
		if (!link && !S_ISDIR(st.st_mode))
			continue;
		buf_printf(&path, "%s%s%s", below, below[0] != 0 ? "/" : "", e->d_name);
		if (!port_name(
		        dots ? str_of(e->d_name + 1) : buf_as_str(&path), dots ? '.' : '/', &name))
			maildir_broken(m, "", "", buf_cstr(&path), "its name is no UTF-8");
		else if (has_cur(m, buf_cstr(&path)))
			add_folder(m, buf_cstr(&path), buf_as_str(&name));
		if (!dots && !link && depth < DEPTH_MAX) /* links could go round */
			find_folders(m, buf_cstr(&path), depth + 1);
		buf_fini(&path);
		buf_fini(&name);
	}
	if (d != NULL)
		closedir(d);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct folder *)a)->name, ((const struct folder *)b)->name);
}

/* ---- a folder's files ---- */

static int
by_uid(const void *a, const void *b)
{
	const struct file *x = a, *y = b;
	uint32_t u = x->meta != NULL ? x->meta->uid - 1 : UINT32_MAX;
	uint32_t v = y->meta != NULL ? y->meta->uid - 1 : UINT32_MAX;

	return u != v ? (u < v ? -1 : 1)
	              : str_cmp(maildir_base(str_of(x->name)), maildir_base(str_of(y->name)));
}

static void
list_files(struct maildir *m, int fd, bool new)
{
	DIR *d = fd >= 0 ? fdopendir(dup(fd)) : NULL;
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		if ((m->file_count & (m->file_count + 1)) == 0)
			m->file = mem_realloc(m->file, (2 * m->file_count + 2) * sizeof *m->file);
		m->file[m->file_count++] = (struct file){
		    mem_strdup(e->d_name), maildir_meta(m, maildir_base(str_of(e->d_name))), new};
	}
	if (d != NULL)
		closedir(d);
}

static void
leave_folder(struct maildir *m)
{
	for (size_t i = 0; i < m->file_count; i++)
		mem_free(m->file[i].name);
	m->file_count = m->file_at = m->meta_count = 0;
	mem_free(m->file);
	mem_free(m->meta);
	m->file = NULL;
	m->meta = NULL;
	m->ours.n = m->uidlist.n = m->keywords.n = m->real_name.n = 0;
	for (unsigned i = 0; i < 2; i++) {
		if (m->dir[i] >= 0)
			close(m->dir[i]);
		m->dir[i] = -1;
	}
}

static void
open_part(struct maildir *m, int folder, int i, const char *name)
{
	m->dir[i] = port_open(m->port, folder, name, true);
	if (m->dir[i] < 0 && errno != ENOENT)
		maildir_broken(m, m->folder[m->folder_at - 1].path, "", name, port_why(errno));
}

static void
enter_folder(struct maildir *m, struct buf *out)
{
	const struct folder *f = &m->folder[m->folder_at++];
	int fd = port_open(m->port, m->root, f->path, true);

	m->box = (struct mailstream_mailbox){.name = str_of(f->name), .exists = true};
	if (fd < 0) {
		maildir_broken(m, "", "", f->path, port_why(errno));
		return;
	}
	maildir_lists_read(m, fd);
	open_part(m, fd, 0, "cur");
	open_part(m, fd, 1, "new");
	close(fd);
	list_files(m, m->dir[0], false);
	list_files(m, m->dir[1], true);
	if (m->file_count > 0)
		qsort(m->file, m->file_count, sizeof *m->file, by_uid);
	m->box.messages = m->file_count;
	mailstream_put_mailbox(out, &m->box);
}

/* ---- all ---- */

/* "V<tab>2", an empty line, names with tabs between levels; or older, names with dots. */
static void
put_subscriptions(struct maildir *m, struct buf *out)
{
	struct buf text = {0};
	struct str rest, line;
	bool two;

	if (m->port->mailbox == NULL &&
	    port_slurp(m->port, m->root, "subscriptions", MAILDIR_LIST_MAX, &text)) {
		rest = buf_as_str(&text);
		two = str_has_prefix(rest, STR("V\t2\n"));
		if (two)
			(void)str_split(&rest, '\n', &line);
		while (str_split(&rest, '\n', &line)) {
			struct buf name = {0};

			if (line.n > 0 && port_name(line,
			                      two                  ? '\t'
			                      : m->port->fs_layout ? '/'
			                                           : '.',
			                      &name))
				mailstream_put_mailbox(
				    out, &(struct mailstream_mailbox){
				             .name = buf_as_str(&name), .subscribed = true});
			buf_fini(&name);
		}
	}
	buf_fini(&text);
}

static bool
fill(struct port_source *source, struct buf *out)
{
	struct maildir *m = (struct maildir *)source;

	if (m->ended)
		return false;
	if (!m->begun)
		mailstream_put_version(out);
	m->begun = true;
	while (out->n < FILL && !m->ended) {
		if (m->fd >= 0) {
			maildir_file_read(m, out);
		} else if (m->file_at < m->file_count) {
			maildir_file_open(m);
		} else if (m->folder_at < m->folder_count) {
			leave_folder(m);
			enter_folder(m, out);
		} else {
			put_subscriptions(m, out);
			mailstream_put_end(out);
			m->ended = true;
		}
	}
	return true;
}

static void
free_source(struct port_source *source)
{
	struct maildir *m = (struct maildir *)source;

	leave_folder(m);
	if (m->fd >= 0)
		close(m->fd);
	close(m->root);
	for (size_t i = 0; i < m->folder_count; i++) {
		mem_free(m->folder[i].path);
		mem_free(m->folder[i].name);
	}
	mem_free(m->folder);
	buf_fini(&m->ours);
	buf_fini(&m->uidlist);
	buf_fini(&m->keywords);
	buf_fini(&m->real_name);
	mem_free(m);
}

struct port_source *
port_maildir_open(struct port *port, const char *path)
{
	int root = port_open_folder(port, path);
	struct maildir *m;

	if (root < 0) {
		fprintf(stderr, "turnstone %s: %s: %s\n", port->cmd, path, port_why(errno));
		return NULL;
	}
	m = mem_zalloc(sizeof *m);
	*m = (struct maildir){.source = {fill, free_source},
	    .port = port,
	    .root = root,
	    .path = path,
	    .dir = {-1, -1},
	    .fd = -1};
	if (has_cur(m, "."))
		add_folder(m, ".", STR("INBOX"));
	find_folders(m, "", 0);
	if (m->folder_count == 0) {
		fprintf(stderr,
		    "turnstone %s: %s: no Maildir is here (a folder `cur` is missing)\n", port->cmd,
		    path);
		free_source(&m->source);
		return NULL;
	}
	qsort(m->folder, m->folder_count, sizeof *m->folder, by_name);
	return &m->source;
}
