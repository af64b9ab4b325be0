/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens what belongs to a user, perhaps as root, while that user may change it.
 * A path is walked one name at a time, each opened without following a link, so
 * nothing that is swapped meanwhile leads elsewhere (like openat2() with
 * RESOLVE_NO_SYMLINKS, but on every kernel).  What is opened is inspected
 * through its descriptor.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "port/port.h"

#define LINKS_MAX 40
#define TEXT_MAX 4096 /* of a link */

struct walk {
	int dir, file;   /* file: the end of the path if it is not a folder; else -1 */
	struct buf todo; /* the rest of the path */
	unsigned links;
	bool follow;
	uid_t linker; /* who made the links, apart from root */
};

/* Takes the next name of the path; returns false if that was all. */
static bool
next_name(struct walk *w, struct buf *name)
{
	size_t from = 0, to;

	name->n = 0;
	while (from < w->todo.n && w->todo.p[from] == '/')
		from++;
	for (to = from; to < w->todo.n && w->todo.p[to] != '/';)
		to++;
	buf_put(name, w->todo.n > 0 ? w->todo.p + from : "", to - from);
	buf_consume(&w->todo, to);
	return name->n > 0;
}

static bool
go_to(struct walk *w, int fd)
{
	if (w->dir >= 0)
		close(w->dir);
	w->dir = fd;
	return fd >= 0;
}

/* Puts the text of a link, open as fd, before the rest of the path. */
static bool
take_link(struct walk *w, int fd, uid_t uid)
{
	char text[TEXT_MAX];
	ssize_t n = readlinkat(fd, "", text, sizeof text);
	struct buf todo = {0};

	if (!w->follow || ++w->links > LINKS_MAX || n <= 0 || n == (ssize_t)sizeof text ||
	    (uid != 0 && w->linker != 0 && w->linker != uid)) {
		errno = ELOOP;
		return false;
	}
	if (uid != 0)
		w->linker = uid;
	buf_put(&todo, text, (size_t)n);
	buf_putc(&todo, '/');
	buf_str(&todo, buf_as_str(&w->todo));
	buf_fini(&w->todo);
	w->todo = todo;
	return text[0] != '/' || go_to(w, open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
}

/* Goes one name further: to a folder, a link, or the file at the end. */
static bool
enter_name(struct walk *w, const char *name)
{
	int fd = openat(w->dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	bool ok;

	if (fd < 0 || fstat(fd, &st) != 0)
		return false;
	if (S_ISDIR(st.st_mode))
		return go_to(w, fd);
	if (S_ISLNK(st.st_mode)) {
		ok = take_link(w, fd, st.st_uid);
	} else if (S_ISREG(st.st_mode)) {
		w->file = openat(w->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		ok = w->file >= 0;
	} else {
		errno = EINVAL;
		ok = false;
	}
	int e = errno;

	close(fd);
	errno = e;
	return ok;
}

static int
walk_path(struct walk *w, const char *path)
{
	struct buf name = {0};
	bool ok = w->dir >= 0;
	int fd = -1;

	buf_puts(&w->todo, path);
	while (ok && next_name(w, &name)) {
		ok = w->file < 0;
		if (!ok)
			errno = ENOTDIR;
		ok = ok && enter_name(w, buf_cstr(&name));
	}
	if (ok)
		fd = w->file >= 0 ? w->file
		                  : openat(w->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	else if (w->file >= 0)
		close(w->file);

	int e = errno;

	if (w->dir >= 0)
		close(w->dir);
	buf_fini(&name);
	buf_fini(&w->todo);
	errno = e;
	return fd;
}

static int
close_with_error(int fd, int error)
{
	close(fd);
	errno = error;
	return -1;
}

int
port_open_operand(struct port *port, const char *path, struct stat *st)
{
	struct walk w = {.follow = port->follow_owned, .file = -1};

	w.dir = open(path[0] == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	int fd = walk_path(&w, path);

	if (fd < 0 || fstat(fd, st) != 0)
		return fd < 0 ? -1 : close_with_error(fd, errno);
	if (!S_ISDIR(st->st_mode) && !S_ISREG(st->st_mode))
		return close_with_error(fd, EINVAL);
	if (w.linker != 0 && w.linker != st->st_uid)
		return close_with_error(fd, EXDEV);
	port->owner = st->st_uid;
	return fd;
}

int
port_open_folder(struct port *port, const char *path)
{
	struct stat st;
	int fd = port_open_operand(port, path, &st);

	return fd < 0 || S_ISDIR(st.st_mode) ? fd : close_with_error(fd, ENOTDIR);
}

int
port_open(const struct port *port, int at, const char *path, bool folder)
{
	struct walk w = {.follow = port->follow_owned, .file = -1};
	struct stat st;

	w.dir = openat(at, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	int fd = walk_path(&w, path);

	if (fd < 0 || fstat(fd, &st) != 0)
		return fd < 0 ? -1 : close_with_error(fd, errno);
	if (folder && !S_ISDIR(st.st_mode))
		return close_with_error(fd, ENOTDIR);
	if (!folder && !S_ISREG(st.st_mode))
		return close_with_error(fd, EINVAL);
	return st.st_uid == port->owner ? fd : close_with_error(fd, EXDEV);
}

const char *
port_why(int error)
{
	return error == ELOOP    ? "a symbolic link"
	       : error == EINVAL ? "not a regular file"
	       : error == EXDEV  ? "it belongs to someone else than PATH"
	                         : strerror(error);
}

int
port_create(int dir, struct port_temporary *name)
{
	uint64_t number;

	for (unsigned i = 0; i < 8; i++) {
		if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
			return -1;
		snprintf(name->name, sizeof name->name, ".turnstone-%016" PRIx64, number);

		int fd = openat(
		    dir, name->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

		if (fd >= 0 || errno != EEXIST)
			return fd;
	}
	return -1;
}
