/* SPDX-License-Identifier: Apache-2.0 */
/* The folder: opening it, its lock, names. */
#include "backup/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/folder_int.h"
#include "base/ascii.h"
#include "base/mem.h"

#define MARK "turnstone backup "

/* ---- hashes ---- */

void
backup_hash_of(struct str bytes, struct backup_hash *hash_r)
{
	(void)SHA256((const unsigned char *)(bytes.n > 0 ? bytes.p : ""), bytes.n, hash_r->b);
}

bool
backup_hash_none(const struct backup_hash *hash)
{
	static const struct backup_hash none;

	return backup_hash_eq(hash, &none);
}

void
backup_hash_hex(const struct backup_hash *hash, struct buf *out)
{
	buf_hex(out, hash->b, sizeof(hash->b));
}

bool
backup_hash_parse(struct str hex, struct backup_hash *hash_r)
{
	if (hex.n != BACKUP_HEX_BYTES)
		return false;
	for (size_t i = 0; i < sizeof(hash_r->b); i++) {
		int high = ascii_hex(hex.p[2 * i]), low = ascii_hex(hex.p[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		hash_r->b[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}

/* ---- the folder ---- */

bool
backup_fail(const struct backup_folder *f, const char *name, struct buf *why)
{
	int e = errno;

	buf_printf(why, "%s/%s: %s", f->path, name, strerror(e));
	return false;
}

const char *
backup_path(const struct backup_folder *f)
{
	return f->path;
}

int
backup_fd(const struct backup_folder *f)
{
	return f->fd;
}

const struct backup_costs *
backup_costs(const struct backup_folder *f)
{
	return &f->costs;
}

bool
backup_flush_fd(struct backup_folder *f, int fd)
{
	f->costs.flushes++;
	return fsync(fd) == 0;
}

/* Returns whether it may become a backup folder: it has only what file systems put there, or what a
 * command left that was killed while making one. */
static bool
is_empty(int fd)
{
	static const char *const names[] = {
	    ".", "..", "lost+found", "lock", "objects", "packs", "index", "runs", "tmp"};
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *e;
	bool empty = d != NULL, begun = false;

	while (d != NULL && empty && (e = readdir(d)) != NULL) {
		size_t at = 0;

		while (at < sizeof(names) / sizeof(*names) && strcmp(e->d_name, names[at]) != 0)
			at++;
		empty = at < sizeof(names) / sizeof(*names);
		begun |= at >= 4;
	}
	/* The lock is made first: without it the subfolders are not ours. */
	if (begun && faccessat(fd, "lock", F_OK, 0) != 0)
		empty = false;
	if (d != NULL)
		(void)closedir(d);
	else if (copy >= 0)
		(void)close(copy);
	return empty;
}

static bool
make_folders(struct backup_folder *f, struct buf *why)
{
	static const char *const names[] = {"objects", "packs", "index", "runs", "tmp"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (mkdirat(f->fd, names[i], 0700) != 0 && errno != EEXIST)
			return backup_fail(f, names[i], why);
	for (unsigned i = 0; i < 256; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "objects/%02x", i);
		if (mkdirat(f->fd, name, 0700) != 0 && errno != EEXIST)
			return backup_fail(f, name, why);
	}
	return true;
}

bool
backup_sync_dir(struct backup_folder *f, const char *name, struct buf *why)
{
	int fd = openat(f->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd >= 0 && backup_flush_fd(f, fd);

	if (!ok)
		(void)backup_fail(f, name, why);
	if (fd >= 0)
		(void)close(fd);
	return ok;
}

/* The mark is written last: if it exists, so does everything else. */
static bool
write_mark(struct backup_folder *f, struct buf *why)
{
	int fd = openat(f->fd, "tmp/mark", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct buf text = {0};
	bool ok;

	buf_printf(&text, MARK "%d\n", BACKUP_FORMAT);
	ok = fd >= 0 && write(fd, text.p, text.n) == (ssize_t)text.n && backup_flush_fd(f, fd);
	buf_fini(&text);

	if (fd >= 0)
		(void)close(fd);
	if (!ok || renameat(f->fd, "tmp/mark", f->fd, "turnstone-backup") != 0)
		return backup_fail(f, "turnstone-backup", why);
	return backup_sync_dir(f, "objects", why) && backup_sync_dir(f, ".", why);
}

static bool
check_mark(struct backup_folder *f, bool *there_r, bool *older_r, struct buf *why)
{
	int fd = openat(f->fd, "turnstone-backup", O_RDONLY | O_CLOEXEC);
	char text[64];
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text)) : -1;
	struct str s = {text, n > 0 ? (size_t)n : 0};
	uint64_t number = 0;

	*there_r = fd >= 0;
	if (fd < 0 && errno == ENOENT)
		return true;
	if (fd < 0 || n < 0) {
		if (fd >= 0)
			(void)close(fd);
		return backup_fail(f, "turnstone-backup", why);
	}
	(void)close(fd);
	s = str_trim(s);
	if (!str_has_prefix(s, STR(MARK)) ||
	    !str_u64(
	        (struct str){s.p + sizeof(MARK) - 1, s.n - (sizeof(MARK) - 1)}, 1000000, &number)) {
		buf_printf(
		    why, "%s/turnstone-backup: this is not the mark of a backup folder", f->path);
		return false;
	}
	*older_r = number > 0 && number < BACKUP_FORMAT;
	if (number != BACKUP_FORMAT && !*older_r) {
		buf_printf(why, "%s: format %u is of another version of turnstone", f->path,
		    (unsigned)number);
		return false;
	}
	return true;
}

static bool
take_lock(struct backup_folder *f, struct buf *why)
{
	f->lock = openat(f->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (f->lock < 0)
		return backup_fail(f, "lock", why);
	if (flock(f->lock, LOCK_EX | LOCK_NB) == 0)
		return true;
	if (errno != EWOULDBLOCK)
		return backup_fail(f, "lock", why);
	buf_printf(why, "%s: another command is writing into this folder", f->path);
	return false;
}

static void
clean_tmp(struct backup_folder *f)
{
	int fd = openat(f->fd, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL)
		if (e->d_name[0] != '.' && strcmp(e->d_name, "unfinished") != 0 &&
		    strcmp(e->d_name, "pack") != 0)
			(void)unlinkat(dirfd(d), e->d_name, 0);
	if (d != NULL)
		(void)closedir(d);
	else if (fd >= 0)
		(void)close(fd);
}

static bool
open_write(struct backup_folder *f, bool there, bool older, struct buf *why)
{
	if (!there && !is_empty(f->fd)) {
		buf_printf(why,
		    "%s: not empty, and not a backup folder: give an empty folder, or one "
		    "that is not there yet",
		    f->path);
		return false;
	}
	if (!take_lock(f, why) || !make_folders(f, why))
		return false;
	clean_tmp(f);
	f->named_all = faccessat(f->fd, "tmp/unfinished", F_OK, 0) == 0;
	return ((there && !older) || write_mark(f, why)) && backup_pack_salvage(f, why);
}

static bool
open_folder(struct backup_folder *f, enum backup_mode mode, struct buf *why)
{
	bool there = false, older = false;

	if (mode == BACKUP_WRITE && mkdir(f->path, 0700) != 0 && errno != EEXIST) {
		buf_printf(why, "%s: %s", f->path, strerror(errno));
		return false;
	}
	f->fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->fd < 0) {
		buf_printf(why, "%s: %s", f->path, strerror(errno));
		return false;
	}
	if (!check_mark(f, &there, &older, why))
		return false;
	if (mode == BACKUP_WRITE)
		return open_write(f, there, older, why);
	if (!there)
		buf_printf(
		    why, "%s: not a backup folder (it has no file turnstone-backup)", f->path);
	return there;
}

bool
backup_open(
    const char *path, enum backup_mode mode, struct backup_folder **folder_r, struct buf *why)
{
	struct backup_folder *f = mem_zalloc(sizeof(*f));

	f->path = mem_strdup(path);
	f->fd = f->lock = f->put_fd = f->fresh = f->packing.fd = -1;
	*folder_r = f;
	if (open_folder(f, mode, why))
		return true;
	backup_close(folder_r);
	return false;
}

void
backup_close(struct backup_folder **folder)
{
	struct backup_folder *f = *folder;

	if (f == NULL)
		return;
	backup_object_abort(f);
	backup_drop_pending(f);
	backup_pack_drop(f);
	backup_forget_index(f);
	mem_free(f->new_packs);
	if (f->fresh >= 0)
		(void)close(f->fresh);
	if (f->lock >= 0)
		(void)close(f->lock);
	if (f->fd >= 0)
		(void)close(f->fd);
	EVP_MD_CTX_free(f->put_sum);
	buf_fini(&f->put_bytes);
	mem_free(f->path);
	mem_free(f);
	*folder = NULL;
}
