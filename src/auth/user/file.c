/* SPDX-License-Identifier: Apache-2.0 */
/* See file.h. */
#include "auth/user/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

bool
auth_file_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

struct stat
auth_file_look(const char *path)
{
	struct stat now;

	return stat(path, &now) == 0 ? now : (struct stat){0};
}

static const char *
read_fd(int fd, size_t max, struct buf *out)
{
	ssize_t n = 1;

	while (n != 0) {
		size_t room = out->cap - out->n > 4096 ? out->cap - out->n : 4096;

		if (out->n > max)
			return "too large";
		n = read(fd, buf_room(out, room), room);
		if (n > 0)
			out->n += (size_t)n;
		else if (n < 0 && errno != EINTR)
			return strerrordesc_np(errno);
	}
	return NULL;
}

const char *
auth_file_read(const char *path, size_t max, struct buf *out, struct stat *seen_r)
{
	/* Without O_NONBLOCK, opening a FIFO would block. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	const char *why;

	if (fd < 0)
		return strerrordesc_np(errno);
	if (fstat(fd, seen_r) != 0)
		why = strerrordesc_np(errno);
	else if (!S_ISREG(seen_r->st_mode))
		why = "not a file";
	else if (seen_r->st_size < 0 || (uint64_t)seen_r->st_size > max)
		why = "too large";
	else {
		/* Reserve it all at once: growing would leave copies in memory. */
		(void)buf_room(out, (size_t)seen_r->st_size + 4096);
		why = read_fd(fd, max, out);
	}
	close(fd);
	return why;
}
