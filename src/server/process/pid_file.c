/* SPDX-License-Identifier: Apache-2.0 */
/* The PID file: see pid_file.h. */
#include "server/process/pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

enum { NUMBER_MAX = 32 }; /* bytes of a file with nothing but a number */

enum content { CONTENT_EMPTY, CONTENT_NUMBER, CONTENT_OTHER, CONTENT_UNREADABLE };

static enum content
content_of(struct str text, uint64_t *number_r)
{
	while (text.n > 0 && strchr(" \t\r\n", text.p[text.n - 1]) != NULL)
		text.n--;
	if (text.n == 0)
		return CONTENT_EMPTY;
	return str_u64(text, UINT64_MAX, number_r) ? CONTENT_NUMBER : CONTENT_OTHER;
}

/* Reads a regular file; CONTENT_UNREADABLE: errno has the reason. */
static enum content
read_content(const char *path, uint64_t *number_r)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), saved;
	char text[NUMBER_MAX + 1];
	ssize_t n;

	if (fd < 0)
		return CONTENT_UNREADABLE;
	n = read(fd, text, sizeof(text));
	saved = errno;
	(void)close(fd);
	errno = saved;
	if (n < 0)
		return CONTENT_UNREADABLE;
	return n > NUMBER_MAX ? CONTENT_OTHER : content_of((struct str){text, (size_t)n}, number_r);
}

bool
pid_file_may_be(const char *path, bool unreadable_is_fine, struct buf *why)
{
	uint64_t number;
	struct stat st;
	enum content content;

	if (lstat(path, &st) != 0)
		return true;
	if (!S_ISREG(st.st_mode)) {
		buf_printf(why,
		    S_ISDIR(st.st_mode) ? "%s is a folder"
		                        : "%s already exists and is not a regular file",
		    path);
		return false;
	}
	content = read_content(path, &number);
	if (content == CONTENT_OTHER)
		buf_printf(why, "%s already exists and does not contain a process ID", path);
	else if (content == CONTENT_UNREADABLE && !unreadable_is_fine && errno != ENOENT)
		buf_printf(
		    why, "%s already exists and cannot be read: %s", path, strerrordesc_np(errno));
	else
		return true;
	return false;
}

/* Makes a file beside it, with a unique name. */
static FILE *
open_beside(const char *path, struct buf *name)
{
	int fd;

	buf_printf(
	    name, "%s.%d-%llu.new", path, (int)getpid(), (unsigned long long)clock_mono_ns());
	fd = open(buf_cstr(name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	return fd >= 0 ? fdopen(fd, "w") : NULL;
}

bool
pid_file_replace(const char *path, struct str text, struct buf *why)
{
	struct buf temp = {0};
	FILE *f = open_beside(path, &temp);
	bool ok = f != NULL && fwrite(text.p, 1, text.n, f) == text.n;

	if (f != NULL && fclose(f) != 0)
		ok = false;
	ok = ok && rename(buf_cstr(&temp), path) == 0;
	if (!ok)
		buf_printf(why, "cannot write %s: %s", path, strerrordesc_np(errno));
	if (!ok && f != NULL)
		(void)unlink(buf_cstr(&temp));
	buf_fini(&temp);
	return ok;
}

void
pid_file_remove(const char *path)
{
	uint64_t number;

	if (read_content(path, &number) == CONTENT_NUMBER && number == (uint64_t)getpid())
		(void)unlink(path);
}
