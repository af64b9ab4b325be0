/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into the server: a disk that fails.  While the file named by BADIO_SWITCH exists,
 * whatever the server writes to files below BADIO_DIR, flushes, creates or extends fails with the
 * error named in that file: EIO, EROFS, ENOSPC, EDQUOT.  Reading still works.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static const struct {
	const char *name;
	int number;
} errors[] = {{"EIO", EIO}, {"EROFS", EROFS}, {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}};

/* 0: the disk works. */
static int
trouble(void)
{
	const char *path = getenv("BADIO_SWITCH");
	char word[16] = "";
	int fd =
	    path != NULL ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0) : -1;

	if (fd < 0)
		return 0;
	(void)!read(fd, word, sizeof(word) - 1);
	(void)syscall(SYS_close, fd);
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		if (strcmp(word, errors[i].name) == 0)
			return errors[i].number;
	return 0;
}

static int
below(const char *path)
{
	const char *dir = getenv("BADIO_DIR");
	size_t n = dir != NULL ? strlen(dir) : 0;

	return n > 0 && strncmp(path, dir, n) == 0 && path[n] == '/';
}

/* Whether this is one of the files, and the disk fails. */
static int
fails(int fd)
{
	char link[64], path[PATH_MAX];
	ssize_t n;
	int e = errno, why;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = 0;
	why = below(path) ? trouble() : 0;
	errno = why != 0 ? why : e;
	return why != 0;
}

ssize_t
write(int fd, const void *p, size_t n)
{
	return fails(fd) ? -1 : syscall(SYS_write, fd, p, n);
}

ssize_t
pwrite64(int fd, const void *p, size_t n, off64_t at)
{
	return fails(fd) ? -1 : syscall(SYS_pwrite64, fd, p, n, at);
}

ssize_t
pwrite(int fd, const void *p, size_t n, off_t at)
{
	return pwrite64(fd, p, n, at);
}

ssize_t
writev(int fd, const struct iovec *v, int n)
{
	return fails(fd) ? -1 : syscall(SYS_writev, fd, v, n);
}

int
fdatasync(int fd)
{
	return fails(fd) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int
fsync(int fd)
{
	return fails(fd) ? -1 : (int)syscall(SYS_fsync, fd);
}

int
fallocate64(int fd, int mode, off64_t at, off64_t n)
{
	return fails(fd) ? -1 : (int)syscall(SYS_fallocate, fd, mode, at, n);
}

int
fallocate(int fd, int mode, off_t at, off_t n)
{
	return fallocate64(fd, mode, at, n);
}

static int
open_one(int dir, const char *path, int flags, mode_t mode)
{
	int fd = (int)syscall(SYS_openat, dir, path, flags & ~(O_CREAT | O_TRUNC | O_EXCL), mode);

	/* An existing file that is not truncated can be opened as always. */
	if (fd >= 0 && (flags & (O_TRUNC | O_EXCL)) == 0)
		return fd;
	if (fd >= 0)
		(void)syscall(SYS_close, fd);
	if ((flags & O_CREAT) != 0) {
		char full[PATH_MAX], link[64];
		ssize_t n = 0;

		if (path[0] != '/' && dir != AT_FDCWD) {
			(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
			n = readlink(link, full, sizeof(full) / 2);
			n = n > 0 ? n : 0;
			full[n++] = '/';
		}
		(void)snprintf(full + n, sizeof(full) - (size_t)n, "%s", path);
		if (below(full) && (errno = trouble()) != 0)
			return -1;
	}
	return (int)syscall(SYS_openat, dir, path, flags, mode);
}

#define MODE(flags, mode)                                                                          \
	mode_t mode = 0;                                                                           \
	if (((flags) & (O_CREAT | O_TMPFILE)) != 0) {                                              \
		va_list ap;                                                                        \
		va_start(ap, flags);                                                               \
		mode = va_arg(ap, mode_t);                                                         \
		va_end(ap);                                                                        \
	}

int
open(const char *path, int flags, ...)
{
	MODE(flags, mode)
	return open_one(AT_FDCWD, path, flags, mode);
}

int
open64(const char *path, int flags, ...)
{
	MODE(flags, mode)
	return open_one(AT_FDCWD, path, flags, mode);
}

int
openat(int dir, const char *path, int flags, ...)
{
	MODE(flags, mode)
	return open_one(dir, path, flags, mode);
}

int
openat64(int dir, const char *path, int flags, ...)
{
	MODE(flags, mode)
	return open_one(dir, path, flags, mode);
}
