/* SPDX-License-Identifier: Apache-2.0 */
/* Large blobs in files of their own: see large.h for the format and the contract. */
#include "store/engine/large.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/log.h"
#include "base/mem.h"

#define PIECE ((size_t)65536)
#define TRAILER ((size_t)32)
#define MAGIC "TSBLOB1\n"
#define NAME_MAX_LEN 32
/* Start writing to the disk early, so that the final flush is short. */
#define WRITE_BEHIND ((uint64_t)8 << 20)

struct large_writer {
	int dir, fd;
	uint64_t blob, size, pushed;
	XXH3_state_t *sum; /* of the piece that is not full yet */
	struct buf sums;
	void *map;
	size_t map_size;
};

static void
final_name(uint64_t blob, char name[NAME_MAX_LEN])
{
	(void)snprintf(name, NAME_MAX_LEN, "%02x/%016" PRIx64, (unsigned)(blob & 0xFF), blob);
}

static void
temp_name(uint64_t blob, char name[NAME_MAX_LEN])
{
	(void)snprintf(name, NAME_MAX_LEN, "tmp/%016" PRIx64, blob);
}

static enum ts_err
err_of_errno(int e)
{
	return e == ENOSPC || e == EDQUOT ? TS_FULL : e == ENOENT ? TS_NOT_FOUND : TS_IO;
}

/* ---- the folder ---- */

static bool
make_dir(int at, const char *name)
{
	return mkdirat(at, name, 0700) == 0 || errno == EEXIST;
}

static void
remove_leftovers(int dir)
{
	int fd = openat(dir, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL) {
		if (e->d_name[0] != '.')
			(void)unlinkat(dirfd(d), e->d_name, 0);
	}
	if (d != NULL)
		(void)closedir(d);
	else if (fd >= 0)
		(void)close(fd);
}

enum ts_err
large_dir_open(const char *store, bool read_only, bool clean, int *dir_r, char **text_r)
{
	int at = open(store, O_RDONLY | O_DIRECTORY | O_CLOEXEC), dir = -1;
	struct buf text = {0};

	if (at >= 0 && (read_only || make_dir(at, "large")))
		dir = openat(at, "large", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || (!read_only && (!make_dir(dir, "tmp") || fsync(at) != 0))) {
		buf_printf(&text, "%s/large: %s; it must be a folder the server may write to",
		    store, strerror(errno));
		*text_r = mem_strdup(buf_cstr(&text));
		buf_fini(&text);
		if (dir >= 0)
			(void)close(dir);
		if (at >= 0)
			(void)close(at);
		return TS_IO;
	}
	(void)close(at);
	if (clean && !read_only)
		remove_leftovers(dir);
	*dir_r = dir;
	return TS_OK;
}

static bool
name_is_blob(const char *name, uint64_t *blob_r)
{
	char *end;

	if (strlen(name) != 16 || strspn(name, "0123456789abcdef") != 16)
		return false;
	*blob_r = strtoull(name, &end, 16);
	return *end == '\0';
}

enum ts_err
large_list(int dir, void (*fn)(uint64_t blob, void *arg), void *arg)
{
	for (unsigned i = 0; i < 256; i++) {
		char sub[8];
		struct dirent *e;
		uint64_t blob;
		DIR *d;
		int fd;

		(void)snprintf(sub, sizeof(sub), "%02x", i);
		fd = openat(dir, sub, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			continue;
		d = fd >= 0 ? fdopendir(fd) : NULL;
		if (d == NULL) {
			if (fd >= 0)
				(void)close(fd);
			return TS_FAIL(TS_IO, "large/%s: %s", sub, strerror(errno));
		}
		while ((e = readdir(d)) != NULL) {
			if (name_is_blob(e->d_name, &blob))
				fn(blob, arg);
		}
		(void)closedir(d);
	}
	return TS_OK;
}

void
large_remove(int dir, uint64_t blob)
{
	char name[NAME_MAX_LEN];

	final_name(blob, name);
	if (unlinkat(dir, name, 0) != 0 && errno != ENOENT)
		log_msg(LOG_WARNING, NULL, "large/%s cannot be removed: %s", name, strerror(errno));
}

enum ts_err
large_set_aside(int dir, int store, const char *where, uint64_t blob)
{
	char name[NAME_MAX_LEN], to[2 * NAME_MAX_LEN];
	int fd = -1;

	final_name(blob, name);
	(void)snprintf(to, sizeof(to), "%s/%016" PRIx64, where, blob);
	if (make_dir(store, where) &&
	    (renameat2(dir, name, store, to, RENAME_NOREPLACE) == 0 || errno == ENOENT)) {
		fd = openat(store, where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0 && fsync(fd) == 0 && fsync(store) == 0) {
			(void)close(fd);
			return TS_OK;
		}
	}
	log_msg(LOG_WARNING, NULL, "large/%s cannot be moved to %s: %s", name, to, strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	return TS_IO;
}

static DIR *
aside_open(int store, const char *where)
{
	int fd = openat(store, where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

	if (d == NULL && fd >= 0)
		(void)close(fd);
	return d;
}

bool
large_has_aside(int store, const char *where)
{
	DIR *d = aside_open(store, where);
	struct dirent *e;
	uint64_t blob;
	bool any = false;

	while (d != NULL && !any && (e = readdir(d)) != NULL)
		any = name_is_blob(e->d_name, &blob);
	if (d != NULL)
		(void)closedir(d);
	return any;
}

enum ts_err
large_take_back(int dir, int store, const char *where)
{
	DIR *d = aside_open(store, where);
	enum ts_err err = TS_OK;
	struct dirent *e;
	uint64_t blob;

	while (d != NULL && (e = readdir(d)) != NULL) {
		char name[NAME_MAX_LEN], sub[3];

		if (!name_is_blob(e->d_name, &blob))
			continue;
		final_name(blob, name);
		(void)snprintf(sub, sizeof(sub), "%.2s", name);
		if (!make_dir(dir, sub) ||
		    renameat2(dirfd(d), e->d_name, dir, name, RENAME_NOREPLACE) != 0)
			err = TS_FAIL(TS_IO, "%s/%s cannot be moved to large/%s: %s", where,
			    e->d_name, name, strerror(errno));
	}
	if (d != NULL)
		(void)closedir(d);
	if (err == TS_OK && d != NULL)
		(void)unlinkat(store, where, AT_REMOVEDIR);
	return err;
}

/* ---- reading ---- */

/* Treats a short file as damage, not as a system error. */
static enum ts_err
read_full(int fd, void *p, size_t n, uint64_t at, const char *name)
{
	for (size_t done = 0; done < n;) {
		ssize_t k = pread(fd, (char *)p + done, n - done, (off_t)(at + done));

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return TS_FAIL(errno == EIO ? TS_DAMAGED : TS_IO, "large/%s: %s", name,
			    strerror(errno));
		if (k == 0)
			return TS_FAIL(TS_DAMAGED, "large/%s is cut short", name);
		done += (size_t)k;
	}
	return TS_OK;
}

static uint64_t
pieces_of(uint64_t size)
{
	return (size + PIECE - 1) / PIECE;
}

static enum ts_err
read_trailer(int fd, uint64_t blob, const char *name, uint64_t *size_r)
{
	char trailer[TRAILER];
	struct rd r = {(unsigned char *)trailer, (unsigned char *)trailer + TRAILER, false};
	struct stat st;
	uint64_t id, size;
	enum ts_err err;

	if (fstat(fd, &st) != 0)
		return TS_FAIL(TS_IO, "large/%s: %s", name, strerror(errno));
	if ((uint64_t)st.st_size < TRAILER)
		return TS_FAIL(TS_DAMAGED, "large/%s is cut short", name);
	err = read_full(fd, trailer, TRAILER, (uint64_t)st.st_size - TRAILER, name);
	if (err != TS_OK)
		return err;
	(void)rd_bytes(&r, 8);
	id = rd_le64(&r);
	size = rd_le64(&r);
	if (memcmp(trailer, MAGIC, 8) != 0 || rd_le64(&r) != XXH3_64bits(trailer, 24) ||
	    id != blob || size > (uint64_t)st.st_size ||
	    size + 8 * pieces_of(size) + TRAILER != (uint64_t)st.st_size)
		return TS_FAIL(TS_DAMAGED, "large/%s: its end does not hold", name);
	*size_r = size;
	return TS_OK;
}

static enum ts_err
open_blob(int dir, uint64_t blob, char name[NAME_MAX_LEN], int *fd_r, uint64_t *size_r)
{
	enum ts_err err;

	final_name(blob, name);
	*fd_r = openat(dir, name, O_RDONLY | O_CLOEXEC);
	if (*fd_r < 0 && errno == ENOENT)
		return TS_NOT_FOUND;
	if (*fd_r < 0)
		return TS_FAIL(TS_IO, "large/%s: %s", name, strerror(errno));
	err = read_trailer(*fd_r, blob, name, size_r);
	if (err != TS_OK)
		(void)close(*fd_r);
	return err;
}

enum ts_err
large_size(int dir, uint64_t blob, uint64_t *size_r)
{
	char name[NAME_MAX_LEN];
	int fd;
	enum ts_err err = open_blob(dir, blob, name, &fd, size_r);

	if (err == TS_OK)
		(void)close(fd);
	return err;
}

/* Reads one piece into p (PIECE bytes) and verifies it. */
static enum ts_err
read_piece(int fd, const char *name, uint64_t blob, uint64_t size, uint64_t i, char *p, size_t *n_r)
{
	size_t n = size - i * PIECE < PIECE ? (size_t)(size - i * PIECE) : PIECE;
	unsigned char sum[8];
	struct rd r = {sum, sum + 8, false};
	enum ts_err err = read_full(fd, p, n, i * PIECE, name);

	if (err == TS_OK)
		err = read_full(fd, sum, 8, size + 8 * i, name);
	if (err != TS_OK)
		return err;
	if (rd_le64(&r) != XXH3_64bits_withSeed(p, n, blob + i))
		return TS_FAIL(TS_DAMAGED,
		    "large/%s: the checksum of bytes from %" PRIu64 " on does not hold", name,
		    i * PIECE);
	*n_r = n;
	return TS_OK;
}

enum ts_err
large_read(int dir, uint64_t blob, uint64_t off, uint64_t len, struct buf *value)
{
	size_t had = value->n;
	char name[NAME_MAX_LEN], *piece;
	uint64_t size = 0, end;
	int fd;
	enum ts_err err = open_blob(dir, blob, name, &fd, &size);

	if (err != TS_OK)
		return err;
	off = off < size ? off : size;
	end = len < size - off ? off + len : size;
	piece = mem_realloc(NULL, PIECE);
	while (err == TS_OK && off < end) {
		size_t from = (size_t)(off % PIECE), n = 0, take;

		err = read_piece(fd, name, blob, size, off / PIECE, piece, &n);
		if (err != TS_OK)
			break;
		take = n - from < end - off ? n - from : (size_t)(end - off);
		buf_put(value, piece + from, take);
		off += take;
	}
	if (err != TS_OK)
		value->n = had;
	mem_free(piece);
	(void)close(fd);
	return err;
}

/* ---- writing ---- */

enum ts_err
large_create(int dir, uint64_t blob, struct large_writer **w_r)
{
	char name[NAME_MAX_LEN];
	struct large_writer *w;
	int fd;

	*w_r = NULL;
	temp_name(blob, name);
	fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return TS_FAIL(err_of_errno(errno), "large/%s: %s", name, strerror(errno));
	w = mem_zalloc(sizeof(*w));
	w->dir = dir;
	w->fd = fd;
	w->blob = blob;
	w->sum = XXH3_createState();
	TS_ASSERT(w->sum != NULL);
	(void)XXH3_64bits_reset_withSeed(w->sum, blob);
	*w_r = w;
	return TS_OK;
}

static void
writer_unmap(struct large_writer *w)
{
	if (w->map != NULL)
		(void)munmap(w->map, w->map_size);
	w->map = NULL;
}

static enum ts_err
write_full(struct large_writer *w, const char *p, size_t n, uint64_t at)
{
	while (n > 0) {
		ssize_t k = pwrite(w->fd, p, n, (off_t)at);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return TS_FAIL(k < 0 ? err_of_errno(errno) : TS_IO,
			    "large/tmp/%016" PRIx64 ": %s", w->blob, strerror(errno));
		p += k;
		n -= (size_t)k;
		at += (uint64_t)k;
	}
	return TS_OK;
}

static void
close_piece(struct large_writer *w, uint64_t next)
{
	buf_le64(&w->sums, XXH3_64bits_digest(w->sum));
	(void)XXH3_64bits_reset_withSeed(w->sum, w->blob + next);
}

enum ts_err
large_write(struct large_writer *w, struct str bytes)
{
	enum ts_err err = write_full(w, bytes.p, bytes.n, w->size);

	if (err != TS_OK)
		return err;
	writer_unmap(w);
	while (bytes.n > 0) {
		size_t left = PIECE - (size_t)(w->size % PIECE);
		size_t n = bytes.n < left ? bytes.n : left;

		(void)XXH3_64bits_update(w->sum, bytes.p, n);
		bytes.p += n;
		bytes.n -= n;
		w->size += n;
		if (n == left)
			close_piece(w, w->size / PIECE);
	}
	if (w->size - w->pushed >= WRITE_BEHIND) {
		(void)sync_file_range(
		    w->fd, (off_t)w->pushed, (off_t)(w->size - w->pushed), SYNC_FILE_RANGE_WRITE);
		w->pushed = w->size;
	}
	return TS_OK;
}

enum ts_err
large_map(struct large_writer *w, struct str *bytes_r)
{
	*bytes_r = STR("");
	if (w->size == 0)
		return TS_OK;
	if (w->map == NULL) {
		void *p = mmap(NULL, (size_t)w->size, PROT_READ, MAP_SHARED, w->fd, 0);

		if (p == MAP_FAILED)
			return TS_FAIL(TS_IO, "large/tmp/%016" PRIx64 " cannot be mapped: %s",
			    w->blob, strerror(errno));
		w->map = p;
		w->map_size = (size_t)w->size;
	}
	*bytes_r = (struct str){w->map, w->map_size};
	return TS_OK;
}

static void
writer_free(struct large_writer **w)
{
	writer_unmap(*w);
	(void)close((*w)->fd);
	(void)XXH3_freeState((*w)->sum);
	buf_fini(&(*w)->sums);
	mem_free(*w);
	*w = NULL;
}

void
large_abort(struct large_writer **w)
{
	char name[NAME_MAX_LEN];

	if (*w == NULL)
		return;
	temp_name((*w)->blob, name);
	(void)unlinkat((*w)->dir, name, 0);
	writer_free(w);
}

static enum ts_err
write_end(struct large_writer *w)
{
	size_t sums;
	uint64_t trailer_sum;

	if (w->size % PIECE != 0)
		close_piece(w, 0);
	sums = w->sums.n;
	buf_put(&w->sums, MAGIC, 8);
	buf_le64(&w->sums, w->blob);
	buf_le64(&w->sums, w->size);
	trailer_sum = XXH3_64bits(w->sums.p + sums, 24);
	buf_le64(&w->sums, trailer_sum);
	return write_full(w, w->sums.p, w->sums.n, w->size);
}

/* The name is on disk once its folder is flushed, and the folder's own name too. */
static bool
give_name(struct large_writer *w)
{
	char from[NAME_MAX_LEN], to[NAME_MAX_LEN], sub[3];
	bool ok;
	int fd;

	temp_name(w->blob, from);
	final_name(w->blob, to);
	memcpy(sub, to, 2);
	sub[2] = '\0';
	if (!make_dir(w->dir, sub))
		return false;
	/* Another writer may just have made it without flushing it yet: flush it once more. */
	if (fsync(w->dir) != 0 || renameat(w->dir, from, w->dir, to) != 0)
		return false;
	fd = openat(w->dir, sub, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ok = fd >= 0 && fsync(fd) == 0;
	if (fd >= 0)
		(void)close(fd);
	return ok;
}

enum ts_err
large_finish(struct large_writer **wp)
{
	struct large_writer *w = *wp;
	enum ts_err err = write_end(w);

	if (err == TS_OK && (fsync(w->fd) != 0 || !give_name(w)))
		err = TS_FAIL(
		    err_of_errno(errno), "large/%016" PRIx64 ": %s", w->blob, strerror(errno));
	if (err == TS_OK) {
		writer_free(wp);
		return TS_OK;
	}
	large_remove(w->dir, w->blob);
	large_abort(wp);
	return err;
}
