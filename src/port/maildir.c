/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads Maildir.  Finds the folders first; then, for each folder, reads its
 * lists and sorts its files by UID, or by name if none is known; then reads
 * each file in pieces.  So memory holds the names of one folder and one piece.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "port/maildir_int.h"

#define FILL ((size_t)256 << 10)
#define DEPTH_MAX 64

/* ---- folders ---- */

static void
add_folder(struct maildir *m, const char *path, struct str said)
{
	port_place_add(&m->folder, &m->folder_count, path, said);
}

const char *
maildir_dir(struct maildir *m, const char *below, const char *part)
{
	m->said.n = 0;
	buf_puts(&m->said, m->path);
	if (below[0] != 0 && strcmp(below, ".") != 0)
		buf_printf(&m->said, "/%s", below);
	if (part[0] != 0)
		buf_printf(&m->said, "/%s", part);
	return buf_cstr(&m->said);
}

void
maildir_broken(
    struct maildir *m, const char *below, const char *part, const char *name, const char *why)
{
	port_broken(m->port, maildir_dir(m, below, part), name, why);
}

/* Returns whether it contains mail; reports why that is unknown. */
static bool
has_mail(struct maildir *m, const char *path)
{
	static const char *const parts[] = {"cur", "new"};
	int fd = port_open(m->port, m->root, path, true);
	bool has = false;

	if (fd < 0)
		maildir_broken(m, "", "", path, port_why(errno));
	for (size_t i = 0; fd >= 0 && i < 2 && !has; i++) {
		struct stat st;

		/* Opening it tells later what it really is. */
		has = fstatat(fd, parts[i], &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
	}
	if (fd >= 0)
		close(fd);
	return has;
}

static bool
is_part(const char *name)
{
	return strcmp(name, "cur") == 0 || strcmp(name, "new") == 0 || strcmp(name, "tmp") == 0;
}

/* Resolves a link; reports why it leads nowhere. */
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

static void find_folders(struct maildir *m, const char *below, unsigned depth);

/* Takes a folder of the layout. */
static void
take_folder(struct maildir *m, const char *path, bool link, unsigned depth)
{
	bool dots = !m->port->fs_layout;
	struct buf said = {0};

	port_name(str_of(dots ? path + 1 : path), dots ? '.' : '/', &said);
	if (has_mail(m, path))
		add_folder(m, path, buf_as_str(&said));
	else if (dots)
		port_broken(
		    m->port, m->path, path, "not a Maildir folder: it has neither cur nor new");
	if (!dots && !link) { /* links could form loops */
		if (depth < DEPTH_MAX)
			find_folders(m, path, depth + 1);
		else
			maildir_broken(m, "", "", path, "folders are nested too deeply");
	}
	buf_fini(&said);
}

static void
look_at_entry(struct maildir *m, int dir, const char *below, const char *name, unsigned depth)
{
	bool dots = !m->port->fs_layout, link, layout = (name[0] == '.') == dots;
	struct buf path = {0};
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		maildir_broken(m, below, "", name, port_why(errno));
		return;
	}
	link = S_ISLNK(st.st_mode);
	if (link ? !is_folder(m, dir, below, name) : !S_ISDIR(st.st_mode))
		return;
	buf_printf(&path, "%s%s%s", below, below[0] != 0 ? "/" : "", name);
	if (layout)
		take_folder(m, buf_cstr(&path), link, depth);
	else if (has_mail(m, buf_cstr(&path)))
		maildir_broken(m, "", "", buf_cstr(&path),
		    dots ? "a folder of mail without a dot (read with --fs-layout)"
		         : "a folder of mail with a dot (read without --fs-layout)");
	buf_fini(&path);
}

static void
find_folders(struct maildir *m, const char *below, unsigned depth)
{
	int fd = port_open(m->port, m->root, below[0] != 0 ? below : ".", true);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	if (d == NULL)
		maildir_broken(m, "", "", below, port_why(errno));
	while (d != NULL && (e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
		    !is_part(e->d_name))
			look_at_entry(m, dirfd(d), below, e->d_name, depth);
	if (d != NULL)
		closedir(d);
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

	if (fd >= 0 && d == NULL)
		maildir_broken(
		    m, m->folder[m->folder_at - 1].path, "", new ? "new" : "cur", port_why(errno));
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
	m->file_count = m->file_at = m->meta_count = m->ids_count = 0;
	mem_free(m->file);
	mem_free(m->meta);
	mem_free(m->ids);
	m->file = NULL;
	m->meta = NULL;
	m->ids = NULL;
	m->ids_list.n = m->ours.n = m->uidlist.n = m->keywords.n = m->real_name.n = 0;
	m->letters_told = 0;
	for (unsigned i = 0; i < 2; i++) {
		if (m->dir[i] >= 0)
			close(m->dir[i]);
		m->dir[i] = -1;
	}
}

static void
open_subfolder(struct maildir *m, int folder, int i, const char *name)
{
	m->dir[i] = port_open(m->port, folder, name, true);
	if (m->dir[i] < 0 && errno != ENOENT)
		maildir_broken(m, m->folder[m->folder_at - 1].path, "", name, port_why(errno));
}

static void
enter_folder(struct maildir *m, struct buf *out)
{
	const struct port_place *f = &m->folder[m->folder_at++];
	int fd = port_open(m->port, m->root, f->path, true);

	m->box = (struct mailstream_mailbox){.name = str_of(f->name), .exists = true};
	if (fd < 0) {
		maildir_broken(m, "", "", f->path, port_why(errno));
		return;
	}
	maildir_lists_read(m, fd);
	open_subfolder(m, fd, 0, "cur");
	open_subfolder(m, fd, 1, "new");
	list_files(m, m->dir[0], false);
	list_files(m, m->dir[1], true);
	if (m->file_count > 0)
		qsort(m->file, m->file_count, sizeof *m->file, by_uid);
	m->box.messages = m->file_count;
	mailstream_put_mailbox(out, &m->box);
	maildir_properties_read(m, fd, f->path, PORT_PROPERTIES, m->port->take_properties, out);
	close(fd);
}

/* ---- all ---- */

/* Returns the mailbox that a name in the list of subscriptions means here; NULL: there is none. */
static const char *
mailbox_of(const struct maildir *m, struct str said)
{
	for (size_t i = 0; i < m->folder_count; i++)
		if (str_eq(str_of(m->folder[i].said), said))
			return m->folder[i].name;
	return NULL;
}

static void
put_subscription(struct maildir *m, struct str line, char sep, uint64_t number, struct buf *out)
{
	struct port_place *place = NULL;
	struct buf said = {0};
	const char *name;
	size_t n = 0;

	port_name(line, sep, &said);
	name = mailbox_of(m, buf_as_str(&said));
	if (name == NULL) { /* of a mailbox that does not exist */
		port_place_add(&place, &n, "subscriptions", buf_as_str(&said));
		port_places(m->port, m->path, place, n);
		name = place->name;
	}
	if (line.p != NULL && memchr(line.p, 0, line.n) != NULL)
		port_broken_line(m->port, m->path, "subscriptions", number, "not a mailbox name");
	else
		mailstream_put_mailbox(
		    out, &(struct mailstream_mailbox){.name = str_of(name), .subscribed = true});
	port_places_free(place, n);
	buf_fini(&said);
}

/* "V<tab>2", an empty line, names with tabs between levels; or the older form, names with dots. */
static void
put_subscriptions(struct maildir *m, struct buf *out)
{
	struct buf text = {0};
	struct str rest, line;
	uint64_t number = 0;
	bool two;

	if (maildir_list_get(m, m->root, "", "subscriptions", MAILDIR_LIST_MAX, &text)) {
		rest = buf_as_str(&text);
		two = str_has_prefix(rest, STR("V\t2\n"));
		for (; str_split(&rest, '\n', &line); number++)
			if (line.n > 0 && (!two || number > 0))
				put_subscription(m, line,
				    two                  ? '\t'
				    : m->port->fs_layout ? '/'
				                         : '.',
				    number + 1, out);
	}
	buf_fini(&text);
}

static bool
fill_from_maildir(struct port_source *source, struct buf *out)
{
	struct maildir *m = (struct maildir *)source;

	if (m->ended)
		return false;
	if (!m->begun) {
		mailstream_put_version(out);
		maildir_properties_read(m, m->root, "", PORT_ACCOUNT_PROPERTIES,
		    m->port->take_properties && m->port->mailbox == NULL, out);
	}
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
	port_places_free(m->folder, m->folder_count);
	buf_fini(&m->ours);
	buf_fini(&m->ids_list);
	buf_fini(&m->uidlist);
	buf_fini(&m->keywords);
	buf_fini(&m->real_name);
	buf_fini(&m->said);
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
	*m = (struct maildir){.source = {fill_from_maildir, free_source},
	    .port = port,
	    .root = root,
	    .path = path,
	    .dir = {-1, -1},
	    .fd = -1};
	port->inbox_is_top = true;
	if (has_mail(m, "."))
		add_folder(m, ".", STR("INBOX"));
	find_folders(m, "", 0);
	if (m->folder_count == 0) {
		fprintf(stderr,
		    "turnstone %s: %s: this is not a Maildir (there is neither `cur` nor `new`)\n",
		    port->cmd, path);
		free_source(&m->source);
		return NULL;
	}
	port_places(port, path, m->folder, m->folder_count);
	return &m->source;
}
