/* SPDX-License-Identifier: Apache-2.0 */
/* Objects: bytes named by their content, in packs (pack.h) or in files of their own. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/folder_int.h"
#include "base/mem.h"

#define PIECE ((size_t)256 * 1024)
#define NAME_BYTES 96

static void
object_name(const struct backup_hash *hash, char name[NAME_BYTES])
{
	struct buf hex = {0};

	backup_hash_hex(hash, &hex);
	(void)snprintf(name, NAME_BYTES, "objects/%.2s/%.*s", hex.p, STR_ARG(buf_as_str(&hex)));
	buf_fini(&hex);
}

static void
temp_name(unsigned number, char name[NAME_BYTES])
{
	(void)snprintf(name, NAME_BYTES, "tmp/%u", number);
}

void
backup_distrust(struct backup_folder *f)
{
	f->distrust = true;
	backup_forget_index(f);
}

uint64_t
backup_new_objects(const struct backup_folder *f)
{
	return f->new_objects;
}

uint64_t
backup_new_bytes(const struct backup_folder *f)
{
	return f->new_bytes;
}

/* ---- reading ---- */

int
backup_object_open(struct backup_folder *f, const struct backup_hash *hash)
{
	char name[NAME_BYTES];

	object_name(hash, name);
	f->costs.opened++;
	/* Only regular files: anything else of this name could be endless, or never answer. */
	return openat(f->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

static enum ts_err
cannot(struct backup_folder *f, const struct backup_hash *hash, struct buf *what)
{
	int e = errno;
	char name[NAME_BYTES];

	object_name(hash, name);
	buf_printf(what, "%s/%s: %s", f->path, name, e == ENOENT ? "is missing" : strerror(e));
	return e == ENOENT ? TS_NOT_FOUND : e == EIO ? TS_DAMAGED : TS_IO;
}

static enum ts_err
damaged(struct backup_folder *f, const struct backup_hash *hash, struct buf *what)
{
	char name[NAME_BYTES];

	object_name(hash, name);
	buf_printf(what, "%s/%s: damaged, its content does not have this checksum", f->path, name);
	return TS_DAMAGED;
}

/* Also appends to out unless it is NULL. */
static bool
sum_file(int fd, EVP_MD_CTX *sum, size_t max, struct buf *out, uint64_t *size_r)
{
	char *piece = mem_realloc(NULL, PIECE);
	bool ok = true;

	*size_r = 0;
	while (ok) {
		ssize_t n = read(fd, piece, PIECE);

		if (n < 0 && errno == EINTR)
			continue;
		ok = n >= 0;
		if (n <= 0)
			break;
		*size_r += (uint64_t)n;
		(void)EVP_DigestUpdate(sum, piece, (size_t)n);
		if (out != NULL && *size_r > max)
			break;
		if (out != NULL)
			buf_put(out, piece, (size_t)n);
	}
	mem_free(piece);
	return ok;
}

static enum ts_err
read_object_file(struct backup_folder *f, const struct backup_hash *hash, size_t max,
    struct buf *out, uint64_t *size_r, struct buf *what)
{
	int fd = backup_object_open(f, hash);
	size_t had = out != NULL ? out->n : 0;
	struct backup_hash got;
	enum ts_err err = TS_OK;

	if (fd < 0)
		return cannot(f, hash, what);

	EVP_MD_CTX *sum = EVP_MD_CTX_new();

	TS_ASSERT(sum != NULL && EVP_DigestInit_ex(sum, EVP_sha256(), NULL) == 1);
	if (!sum_file(fd, sum, max, out, size_r))
		err = cannot(f, hash, what);
	(void)EVP_DigestFinal_ex(sum, got.b, NULL);
	EVP_MD_CTX_free(sum);
	(void)close(fd);
	/* One that is larger than expected is a different object. */
	if (err == TS_OK && (!backup_hash_eq(&got, hash) || (out != NULL && *size_r > max)))
		err = damaged(f, hash, what);
	if (err != TS_OK && out != NULL)
		out->n = had;
	return err;
}

enum ts_err
backup_file_check(
    struct backup_folder *f, const struct backup_hash *hash, uint64_t *size_r, struct buf *what)
{
	return read_object_file(f, hash, 0, NULL, size_r, what);
}

static enum ts_err
read_packed(struct backup_folder *f, const struct backup_hash *hash, size_t max, struct buf *out,
    uint64_t *size_r, struct buf *what)
{
	size_t had = out->n;
	enum ts_err err = backup_packed_get(f, hash, out, what);

	*size_r = out->n - had;
	if (err == TS_OK && *size_r > max) {
		out->n = had;
		return damaged(f, hash, what);
	}
	return err;
}

static enum ts_err
read_object(struct backup_folder *f, const struct backup_hash *hash, size_t max, struct buf *out,
    uint64_t *size_r, struct buf *what)
{
	struct buf aside = {0};
	enum ts_err err = out != NULL
	                      ? read_packed(f, hash, max, out, size_r, what)
	                      : read_packed(f, hash, BACKUP_PACKED_MAX, &aside, size_r, what);

	buf_fini(&aside);
	return err != TS_NOT_FOUND ? err : read_object_file(f, hash, max, out, size_r, what);
}

enum ts_err
backup_object_check(
    struct backup_folder *f, const struct backup_hash *hash, uint64_t *size_r, struct buf *what)
{
	return read_object(f, hash, 0, NULL, size_r, what);
}

enum ts_err
backup_object_get(struct backup_folder *f, const struct backup_hash *hash, size_t max,
    struct buf *out, struct buf *what)
{
	uint64_t size;

	return read_object(f, hash, max, out, &size, what);
}

bool
backup_object_there(struct backup_folder *f, const struct backup_hash *hash)
{
	struct backup_entry e;
	char name[NAME_BYTES];

	object_name(hash, name);
	return backup_packed_find(f, hash, &e) || faccessat(f->fd, name, F_OK, 0) == 0;
}

/* ---- writing ---- */

bool
backup_object_begin(struct backup_folder *f, struct buf *why)
{
	(void)why;
	TS_ASSERT(f->lock >= 0 && !f->putting);
	if (f->put_sum == NULL)
		f->put_sum = EVP_MD_CTX_new();
	TS_ASSERT(f->put_sum != NULL);
	TS_ASSERT(EVP_DigestInit_ex(f->put_sum, EVP_sha256(), NULL) == 1);
	f->putting = true;
	f->put_size = 0;
	f->put_bytes.n = 0;
	return true;
}

bool
backup_write_all(int fd, struct str bytes)
{
	while (bytes.n > 0) {
		ssize_t n = write(fd, bytes.p, bytes.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		bytes.p += n;
		bytes.n -= (size_t)n;
	}
	return true;
}

/* Writes what was buffered into a file. */
static bool
make_file(struct backup_folder *f, struct buf *why)
{
	char name[NAME_BYTES];

	if (f->put_fd >= 0)
		return true;
	f->put_number = f->next++;
	temp_name(f->put_number, name);
	f->put_fd = openat(f->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	f->costs.written++;
	if (f->put_fd < 0 || !backup_write_all(f->put_fd, buf_as_str(&f->put_bytes)))
		return backup_fail(f, name, why);
	f->put_bytes.n = 0;
	return true;
}

bool
backup_object_write(struct backup_folder *f, struct str bytes, struct buf *why)
{
	(void)EVP_DigestUpdate(f->put_sum, bytes.p, bytes.n);
	f->put_size += bytes.n;
	if (f->put_fd < 0 && f->put_size <= BACKUP_PACKED_MAX) {
		buf_str(&f->put_bytes, bytes);
		return true;
	}
	if (!make_file(f, why))
		return false;
	return backup_write_all(f->put_fd, bytes) || backup_fail(f, "tmp", why);
}

void
backup_object_abort(struct backup_folder *f)
{
	char name[NAME_BYTES];

	f->putting = false;
	if (f->put_fd < 0)
		return;
	temp_name(f->put_number, name);
	(void)unlinkat(f->fd, name, 0);
	(void)close(f->put_fd);
	f->put_fd = -1;
}

enum found {
	NEW,
	NEW_FILE,  /* a file of its name has other contents and must be replaced */
	THERE,     /* exists, or is about to */
	THERE_NEW, /* in a pack of this run, which is checked as a whole */
};

static enum found
find_file(struct backup_folder *f, const struct backup_hash *hash, uint64_t size)
{
	char name[NAME_BYTES];
	struct buf what = {0};
	struct stat st;
	enum found found;

	for (size_t i = 0; i < f->pending_count; i++)
		if (backup_hash_eq(&f->pending[i].hash, hash))
			return THERE;
	object_name(hash, name);
	if (fstatat(f->fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return NEW;
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != size)
		return NEW_FILE;
	found = !f->distrust || read_object_file(f, hash, 0, NULL, &size, &what) == TS_OK
	            ? THERE
	            : NEW_FILE;
	buf_fini(&what);
	return found;
}

static enum found
find_packed(struct backup_folder *f, const struct backup_hash *hash, uint64_t size)
{
	struct buf bytes = {0}, what = {0};
	struct backup_entry e;
	enum found found = NEW;

	if (size <= BACKUP_PACKED_MAX && backup_packed_find(f, hash, &e) && e.size == size &&
	    (!f->distrust || backup_packed_get(f, hash, &bytes, &what) == TS_OK))
		found = e.pack >= (f->new_pack_count > 0 ? f->new_packs[0].number : f->next_pack)
		            ? THERE_NEW
		            : THERE;
	buf_fini(&bytes);
	buf_fini(&what);
	return found;
}

static bool
note_fresh(struct backup_folder *f, const struct backup_hash *hash, struct buf *why)
{
	if (f->fresh < 0)
		f->fresh = openat(f->fd, "tmp/fresh", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (f->fresh < 0 ||
	    !backup_write_all(f->fresh, (struct str){(const char *)hash->b, sizeof(hash->b)}))
		return backup_fail(f, "tmp/fresh", why);
	f->fresh_count++;
	return true;
}

/* Makes a file of what was put; it gets its name when the batch is flushed. */
static bool
end_file(struct backup_folder *f, const struct backup_hash *hash, struct buf *why)
{
	if (!make_file(f, why))
		return false;
	/* So that most of the work is done when the batch is flushed. */
	(void)sync_file_range(f->put_fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	f->pending[f->pending_count++] = (struct backup_pending){f->put_fd, f->put_number, *hash};
	f->put_fd = -1;
	return f->pending_count < BACKUP_PENDING || backup_give_names(f, why);
}

static bool
end_object(struct backup_folder *f, const struct backup_hash *hash, struct buf *why)
{
	enum found found = find_packed(f, hash, f->put_size);
	bool packed = f->put_size <= BACKUP_PACKED_MAX;

	if (found == NEW)
		found = find_file(f, hash, f->put_size);
	packed = packed && found == NEW;
	if (!packed && found != THERE_NEW && !note_fresh(f, hash, why))
		return false;
	if (found == THERE || found == THERE_NEW)
		return true;
	f->new_objects++;
	f->new_bytes += f->put_size;
	return packed ? backup_pack_put(f, hash, buf_as_str(&f->put_bytes), why)
	              : end_file(f, hash, why);
}

bool
backup_object_end(struct backup_folder *f, struct backup_hash *hash_r, struct buf *why)
{
	bool ok;

	(void)EVP_DigestFinal_ex(f->put_sum, hash_r->b, NULL);
	ok = end_object(f, hash_r, why);
	backup_object_abort(f);
	return ok;
}

bool
backup_object_put(
    struct backup_folder *f, struct str bytes, struct backup_hash *hash_r, struct buf *why)
{
	if (!backup_object_begin(f, why))
		return false;
	if (backup_object_write(f, bytes, why))
		return backup_object_end(f, hash_r, why);
	backup_object_abort(f);
	return false;
}

void
backup_drop_pending(struct backup_folder *f)
{
	for (size_t i = 0; i < f->pending_count; i++) {
		char name[NAME_BYTES];

		temp_name(f->pending[i].number, name);
		(void)unlinkat(f->fd, name, 0);
		(void)close(f->pending[i].fd);
	}
	f->pending_count = 0;
}

static bool
name_all(struct backup_folder *f, struct buf *why)
{
	for (size_t i = 0; i < f->pending_count; i++) {
		char from[NAME_BYTES], to[NAME_BYTES];

		temp_name(f->pending[i].number, from);
		object_name(&f->pending[i].hash, to);
		if (!backup_flush_fd(f, f->pending[i].fd))
			return backup_fail(f, from, why);
		if (renameat(f->fd, from, f->fd, to) != 0)
			return backup_fail(f, to, why);
		f->named[f->pending[i].hash.b[0]] = true;
	}
	for (size_t i = 0; i < f->pending_count; i++)
		(void)close(f->pending[i].fd);
	f->pending_count = 0;
	return true;
}

bool
backup_give_names(struct backup_folder *f, struct buf *why)
{
	if (!name_all(f, why)) {
		backup_drop_pending(f);
		return false;
	}
	return true;
}

bool
backup_flush(struct backup_folder *f, struct buf *why)
{
	return backup_give_names(f, why) && backup_pack_end(f, why);
}

bool
backup_sync_names(struct backup_folder *f, struct buf *why)
{
	for (unsigned i = 0; i < 256; i++) {
		char name[NAME_BYTES];

		(void)snprintf(name, sizeof(name), "objects/%02x", i);
		if ((f->named_all || f->named[i]) && !backup_sync_dir(f, name, why))
			return false;
		f->named[i] = false;
	}
	if ((f->named_all || f->packs_named) &&
	    (!backup_sync_dir(f, "packs", why) || !backup_sync_dir(f, "index", why)))
		return false;
	f->named_all = f->packs_named = false;
	return true;
}

/* ---- reading back ---- */

/* Reading from the page cache only proves that memory works. */
static void
forget_cached(int fd)
{
	if (fd >= 0)
		(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

struct check {
	struct backup_folder *f;
	const struct backup_checking *c;
	uint64_t done, total;
	size_t good; /* good objects of the pack */
	struct buf what;
};

static void
check_progress(struct check *k)
{
	if (k->c->progress != NULL && k->done % 256 == 0)
		k->c->progress(k->done, k->total, k->c->arg);
	k->done++;
}

static bool
check_fresh(struct check *k, struct buf *why)
{
	struct backup_folder *f = k->f;

	for (uint64_t i = 0; i < f->fresh_count; i++) {
		struct backup_hash hash;
		uint64_t size;
		int fd;

		if (pread(f->fresh, hash.b, sizeof(hash.b), (off_t)(i * sizeof(hash.b))) !=
		    (ssize_t)sizeof(hash.b))
			return backup_fail(f, "tmp/fresh", why);
		fd = backup_object_open(f, &hash);
		forget_cached(fd);
		if (fd >= 0)
			(void)close(fd);
		k->what.n = 0;
		if (backup_object_check(f, &hash, &size, &k->what) != TS_OK)
			k->c->bad(&hash, buf_cstr(&k->what), k->c->arg);
		check_progress(k);
	}
	return true;
}

static bool
check_record(const struct backup_entry *e, struct str bytes, bool good, void *arg)
{
	struct check *k = arg;

	(void)e;
	(void)bytes;
	k->good += good;
	check_progress(k);
	return true;
}

static void
check_pack(struct check *k, uint32_t number, size_t objects)
{
	int fd = backup_pack_open(k->f, number);
	char name[32];

	k->good = 0;
	forget_cached(fd);
	backup_pack_name(number, name);
	if (fd < 0 || !backup_pack_scan(fd, number, check_record, k))
		k->good = 0;
	if (fd >= 0)
		(void)close(fd);
	if (k->good == objects)
		return;
	k->what.n = 0;
	buf_printf(&k->what, "%s/%s: damaged, %zu of its %zu objects have their checksum",
	    k->f->path, name, k->good, objects);
	k->c->bad(NULL, buf_cstr(&k->what), k->c->arg);
}

bool
backup_check_new(struct backup_folder *f, const struct backup_checking *c, struct buf *why)
{
	struct check k = {.f = f, .c = c, .total = f->fresh_count};
	bool ok;

	for (size_t i = 0; i < f->new_pack_count; i++)
		k.total += f->new_packs[i].objects;
	ok = check_fresh(&k, why);
	for (size_t i = 0; ok && i < f->new_pack_count; i++)
		check_pack(&k, f->new_packs[i].number, f->new_packs[i].objects);
	buf_fini(&k.what);
	return ok;
}

/* ---- all of them ---- */

bool
backup_object_remove(struct backup_folder *f, const struct backup_hash *hash, struct buf *why)
{
	char name[NAME_BYTES];

	object_name(hash, name);
	return unlinkat(f->fd, name, 0) == 0 || errno == ENOENT || backup_fail(f, name, why);
}

static bool
list_object(struct backup_folder *f, const char *folder, int dir, const char *file,
    bool (*fn)(const struct backup_hash *hash, uint64_t size, const char *name, void *arg),
    void *arg)
{
	struct backup_hash hash;
	struct stat st = {0};
	struct buf name = {0};
	bool proper, go_on;

	buf_printf(&name, "%s/%s/%s", f->path, folder, file);
	proper = fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	         backup_hash_parse(str_of(file), &hash);
	go_on = fn(proper ? &hash : NULL, (uint64_t)st.st_size, buf_cstr(&name), arg);
	buf_fini(&name);
	return go_on;
}

bool
backup_object_list(struct backup_folder *f,
    bool (*fn)(const struct backup_hash *hash, uint64_t size, const char *name, void *arg),
    void *arg, struct buf *why)
{
	bool go_on = true;

	for (unsigned i = 0; i < 256 && go_on; i++) {
		char name[NAME_BYTES];
		struct dirent *e;
		DIR *d;
		int fd;

		(void)snprintf(name, sizeof(name), "objects/%02x", i);
		fd = openat(f->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		d = fd >= 0 ? fdopendir(fd) : NULL;
		if (d == NULL) {
			(void)backup_fail(f, name, why);
			if (fd >= 0)
				(void)close(fd);
			return false;
		}
		while (go_on && (e = readdir(d)) != NULL)
			if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
				go_on = list_object(f, name, dirfd(d), e->d_name, fn, arg);
		(void)closedir(d);
	}
	return go_on;
}
