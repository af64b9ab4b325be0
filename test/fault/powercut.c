/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into the server, it records what the server does to the files below a folder, so that a
 * power cut can be simulated afterwards (powercut.py): whatever had not been flushed at that moment
 * is lost, kept or torn, whatever the page cache still has.
 *
 *	POWERCUT_DIR       the folder
 *	POWERCUT_JOURNAL   the file to append records to
 *	POWERCUT_LIE       if set, fsync and fdatasync do nothing and say that they did: a test
 *	                   that does not find this finds nothing
 *
 * A record is a line of text, `letter number number … length LF`, and `length` bytes:
 *
 *	E inode            a file or folder that was there at the start, with its path
 *	C inode folder     a name is made: its path
 *	W inode offset     bytes written
 *	T inode size       truncated
 *	A inode end        allocated: the file is at least this long
 *	S id inode         a flush begins
 *	F id inode         it has ended well
 *	R folder folder    renamed: old path LF new path
 *	U folder           a name is removed: its path
 *
 * It skips real flushes: since SIGKILL stands for a power cut, they only cost time.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS 65536

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX];
static size_t root_n;
static int journal = -1, lies;
static unsigned long long inode_of[FDS], flushes;

static void
put(const char *head, const void *p, size_t n)
{
	char line[256];
	struct iovec v[2] = {
	    {line, (size_t)snprintf(line, sizeof(line), "%s %zu\n", head, n)}, {(void *)p, n}};

	if (syscall(SYS_writev, journal, v, 2) != (long)(v[0].iov_len + n))
		_exit(99); /* a gap would make the test worthless */
}

/* The path of a descriptor, or of a name relative to one; false if it is not below the folder. */
static int
path_at(int at, const char *name, char *out)
{
	char link[64];
	ssize_t n;

	if (name != NULL && name[0] == '/') {
		snprintf(out, PATH_MAX, "%s", name);
	} else {
		if (at == AT_FDCWD)
			snprintf(link, sizeof(link), "/proc/self/cwd");
		else
			snprintf(link, sizeof(link), "/proc/self/fd/%d", at);
		n = readlink(link, out, PATH_MAX - 1);
		if (n < 0)
			return 0;
		out[n] = '\0';
		if (name != NULL && (size_t)n + strlen(name) + 2 < PATH_MAX) {
			out[n] = '/';
			strcpy(out + n + 1, name);
		}
	}
	return strncmp(out, root, root_n) == 0 && (out[root_n] == '/' || out[root_n] == '\0');
}

static unsigned long long
inode(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 ? (unsigned long long)st.st_ino : 0;
}

static unsigned long long
folder_of(const char *path)
{
	char copy[PATH_MAX];
	char *slash;

	strcpy(copy, path);
	slash = strrchr(copy, '/');
	*slash = '\0';
	return inode(copy);
}

static const char *
below(const char *path)
{
	return path[root_n] == '/' ? path + root_n + 1 : path + root_n;
}

static void
walk(const char *path)
{
	struct dirent *e;
	DIR *d = opendir(path);
	char head[64], name[PATH_MAX];

	if (d == NULL)
		return;
	snprintf(head, sizeof(head), "E %llu 1", inode(path));
	put(head, below(path), strlen(below(path)));
	while ((e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		if (e->d_type == DT_DIR) {
			walk(name);
		} else {
			snprintf(head, sizeof(head), "E %llu 0", inode(name));
			put(head, below(name), strlen(below(name)));
		}
	}
	closedir(d);
}

__attribute__((constructor)) static void
start(void)
{
	const char *dir = getenv("POWERCUT_DIR"), *file = getenv("POWERCUT_JOURNAL");

	if (dir == NULL || file == NULL)
		return;
	lies = getenv("POWERCUT_LIE") != NULL;
	snprintf(root, sizeof(root), "%s", dir);
	root_n = strlen(root);
	journal = (int)syscall(
	    SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	walk(root);
}

static int
watched(int fd)
{
	return journal >= 0 && fd >= 0 && fd < FDS && inode_of[fd] != 0;
}

/* ---- names ---- */

static int
opened(int at, const char *name, int flags, mode_t mode)
{
	char path[PATH_MAX], head[96];
	unsigned long long had = 0;
	int fd, mine = journal >= 0 && path_at(at, name, path);

	if (!mine)
		return (int)syscall(SYS_openat, at, name, flags, mode);
	pthread_mutex_lock(&lock);
	had = inode(path);
	fd = (int)syscall(SYS_openat, at, name, flags, mode);
	if (fd >= 0 && fd < FDS) {
		struct stat st;

		fstat(fd, &st);
		inode_of[fd] = (unsigned long long)st.st_ino;
		if (had == 0) {
			snprintf(
			    head, sizeof(head), "C %llu %llu 0", inode_of[fd], folder_of(path));
			put(head, below(path), strlen(below(path)));
		} else if ((flags & O_TRUNC) != 0) {
			snprintf(head, sizeof(head), "T %llu 0", inode_of[fd]);
			put(head, "", 0);
		}
	}
	pthread_mutex_unlock(&lock);
	return fd;
}

#define MODE_OF(flags, mode)                                                                       \
	if (((flags) & (O_CREAT | O_TMPFILE)) != 0) {                                              \
		va_list ap;                                                                        \
		va_start(ap, flags);                                                               \
		mode = va_arg(ap, mode_t);                                                         \
		va_end(ap);                                                                        \
	}

int
open(const char *name, int flags, ...)
{
	mode_t mode = 0;
	MODE_OF(flags, mode)
	return opened(AT_FDCWD, name, flags, mode);
}

int
open64(const char *name, int flags, ...)
{
	mode_t mode = 0;
	MODE_OF(flags, mode)
	return opened(AT_FDCWD, name, flags, mode);
}

int
openat(int at, const char *name, int flags, ...)
{
	mode_t mode = 0;
	MODE_OF(flags, mode)
	return opened(at, name, flags, mode);
}

int
openat64(int at, const char *name, int flags, ...)
{
	mode_t mode = 0;
	MODE_OF(flags, mode)
	return opened(at, name, flags, mode);
}

/* Under _FORTIFY_SOURCE, calls with flags unknown at compile time become this. */
int __open_2(const char *name, int flags);
int __openat_2(int at, const char *name, int flags);

int
__open_2(const char *name, int flags)
{
	return opened(AT_FDCWD, name, flags, 0);
}

int
__openat_2(int at, const char *name, int flags)
{
	return opened(at, name, flags, 0);
}

int
close(int fd)
{
	if (fd >= 0 && fd < FDS)
		inode_of[fd] = 0;
	return (int)syscall(SYS_close, fd);
}

int
mkdirat(int at, const char *name, mode_t mode)
{
	char path[PATH_MAX], head[96];
	int rc, mine = journal >= 0 && path_at(at, name, path);

	pthread_mutex_lock(&lock);
	rc = (int)syscall(SYS_mkdirat, at, name, mode);
	if (rc == 0 && mine) {
		snprintf(head, sizeof(head), "C %llu %llu 1", inode(path), folder_of(path));
		put(head, below(path), strlen(below(path)));
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

int
mkdir(const char *name, mode_t mode)
{
	return mkdirat(AT_FDCWD, name, mode);
}

int
renameat(int from_at, const char *from, int to_at, const char *to)
{
	char a[PATH_MAX], b[PATH_MAX], both[2 * PATH_MAX], head[96];
	int rc, n, mine = journal >= 0 && path_at(from_at, from, a) && path_at(to_at, to, b);

	pthread_mutex_lock(&lock);
	rc = (int)syscall(SYS_renameat, from_at, from, to_at, to);
	if (rc == 0 && mine) {
		snprintf(head, sizeof(head), "R %llu %llu", folder_of(a), folder_of(b));
		n = snprintf(both, sizeof(both), "%s\n%s", below(a), below(b));
		put(head, both, (size_t)n);
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

int
rename(const char *from, const char *to)
{
	return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int
unlinkat(int at, const char *name, int flags)
{
	char path[PATH_MAX], head[96];
	int rc, mine = journal >= 0 && path_at(at, name, path);

	pthread_mutex_lock(&lock);
	rc = (int)syscall(SYS_unlinkat, at, name, flags);
	if (rc == 0 && mine) {
		snprintf(head, sizeof(head), "U %llu", folder_of(path));
		put(head, below(path), strlen(below(path)));
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

int
unlink(const char *name)
{
	return unlinkat(AT_FDCWD, name, 0);
}

int
rmdir(const char *name)
{
	return unlinkat(AT_FDCWD, name, AT_REMOVEDIR);
}

int
linkat(int from_at, const char *from, int to_at, const char *to, int flags)
{
	char path[PATH_MAX], head[96];
	int rc, mine = journal >= 0 && path_at(to_at, to, path);

	pthread_mutex_lock(&lock);
	rc = (int)syscall(SYS_linkat, from_at, from, to_at, to, flags);
	if (rc == 0 && mine) {
		snprintf(head, sizeof(head), "C %llu %llu 0", inode(path), folder_of(path));
		put(head, below(path), strlen(below(path)));
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

int
link(const char *from, const char *to)
{
	return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

/* ---- contents ---- */

static ssize_t
written(int fd, const struct iovec *v, int count, off_t at)
{
	char head[96];
	ssize_t n;
	struct stat st;

	pthread_mutex_lock(&lock);
	if (at < 0) {
		at = lseek(fd, 0, SEEK_CUR);
		if ((fcntl(fd, F_GETFL) & O_APPEND) != 0 && fstat(fd, &st) == 0)
			at = st.st_size;
		n = syscall(SYS_writev, fd, v, count);
	} else {
		n = syscall(SYS_pwritev, fd, v, count, (unsigned long)at, 0ul);
	}
	for (ssize_t i = 0, left = n; left > 0; i++) {
		size_t piece = v[i].iov_len < (size_t)left ? v[i].iov_len : (size_t)left;

		snprintf(head, sizeof(head), "W %llu %lld", inode_of[fd], (long long)at);
		put(head, v[i].iov_base, piece);
		at += (off_t)piece;
		left -= (ssize_t)piece;
	}
	pthread_mutex_unlock(&lock);
	return n;
}

ssize_t
write(int fd, const void *p, size_t n)
{
	struct iovec v = {(void *)p, n};

	return watched(fd) ? written(fd, &v, 1, -1) : syscall(SYS_write, fd, p, n);
}

ssize_t
writev(int fd, const struct iovec *v, int count)
{
	return watched(fd) ? written(fd, v, count, -1) : syscall(SYS_writev, fd, v, count);
}

ssize_t
pwrite(int fd, const void *p, size_t n, off_t at)
{
	struct iovec v = {(void *)p, n};

	return watched(fd) ? written(fd, &v, 1, at) : syscall(SYS_pwrite64, fd, p, n, at);
}

ssize_t
pwrite64(int fd, const void *p, size_t n, off_t at)
{
	return pwrite(fd, p, n, at);
}

static void
note(char letter, int fd, long long value)
{
	char head[96];

	snprintf(head, sizeof(head), "%c %llu %lld", letter, inode_of[fd], value);
	put(head, "", 0);
}

int
ftruncate(int fd, off_t size)
{
	int rc;

	pthread_mutex_lock(&lock);
	rc = (int)syscall(SYS_ftruncate, fd, size);
	if (rc == 0 && watched(fd))
		note('T', fd, size);
	pthread_mutex_unlock(&lock);
	return rc;
}

int
ftruncate64(int fd, off_t size)
{
	return ftruncate(fd, size);
}

int
fallocate(int fd, int mode, off_t from, off_t len)
{
	int rc;

	pthread_mutex_lock(&lock);
	rc = (int)syscall(SYS_fallocate, fd, mode, from, len);
	if (rc == 0 && watched(fd) && mode == 0)
		note('A', fd, from + len);
	if (rc == 0 && watched(fd) && (mode & ~FALLOC_FL_KEEP_SIZE) != 0)
		_exit(98); /* a kind that is not recorded here */
	pthread_mutex_unlock(&lock);
	return rc;
}

int
fallocate64(int fd, int mode, off_t from, off_t len)
{
	return fallocate(fd, mode, from, len);
}

static int
flushed(int fd, long nr)
{
	unsigned long long id;
	char head[96];

	if (!watched(fd))
		return (int)syscall(nr, fd);
	if (lies)
		return 0;
	pthread_mutex_lock(&lock);
	id = ++flushes;
	snprintf(head, sizeof(head), "S %llu %llu", id, inode_of[fd]);
	put(head, "", 0);
	pthread_mutex_unlock(&lock);
	usleep(200);
	pthread_mutex_lock(&lock);
	head[0] = 'F';
	put(head, "", 0);
	pthread_mutex_unlock(&lock);
	return 0;
}

int
fsync(int fd)
{
	return flushed(fd, SYS_fsync);
}

int
fdatasync(int fd)
{
	return flushed(fd, SYS_fdatasync);
}
