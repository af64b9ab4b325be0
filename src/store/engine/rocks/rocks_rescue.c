/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small messages whose pointers are lost: a list of all records in files of
 * values, including those that salvage set aside, so that a message can be
 * found by its id.  Only what has the right checksum is returned.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/engine/rocks/rocks_int.h"

struct place {
	uint64_t blob, off; /* where the value begins */
	uint32_t size, sum;
	unsigned file;
};

struct rescue_file {
	char *name; /* below the store's folder */
	ino_t inode;
};

struct rocks_rescue {
	int dir;
	struct rescue_file *file;
	size_t files, file_cap;
	struct place *place;
	size_t n, cap;
};

/* ---- making the list ---- */

static void
take_place(const struct rocks_blob_record *r, void *arg)
{
	struct rocks_rescue *x = arg;

	if (r->size > UINT32_MAX)
		return;
	if (x->n == x->cap) {
		x->cap = x->cap > 0 ? 2 * x->cap : 256;
		x->place = mem_realloc(x->place, x->cap * sizeof(*x->place));
	}
	x->place[x->n++] =
	    (struct place){r->blob, r->off, (uint32_t)r->size, r->sum, (unsigned)x->files - 1};
}

/* Salvage gives whole files a second name: list them only once. */
static bool
file_known(const struct rocks_rescue *x, ino_t inode)
{
	for (size_t i = 0; i < x->files; i++)
		if (x->file[i].inode == inode)
			return true;
	return false;
}

static void
take_file(struct rocks_rescue *x, const char *sub, const char *name)
{
	struct buf full = {0};
	struct stat st;

	if (sub != NULL)
		buf_printf(&full, "%s/", sub);
	buf_puts(&full, name);
	if (fstatat(x->dir, buf_cstr(&full), &st, 0) == 0 && !file_known(x, st.st_ino)) {
		if (x->files == x->file_cap) {
			x->file_cap = x->file_cap > 0 ? 2 * x->file_cap : 16;
			x->file = mem_realloc(x->file, x->file_cap * sizeof(*x->file));
		}
		x->file[x->files++] = (struct rescue_file){mem_strdup(buf_cstr(&full)), st.st_ino};
		rocks_blobs_walk(x->dir, buf_cstr(&full), take_place, x);
	}
	buf_fini(&full);
}

static void
take_folder(struct rocks_rescue *x, const char *sub)
{
	int fd = openat(x->dir, sub != NULL ? sub : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL) {
		struct str name = str_of(e->d_name);

		if (str_has_suffix(name, STR(".blob")))
			take_file(x, sub, e->d_name);
		else if (sub == NULL && str_has_prefix(name, STR(ROCKS_ASIDE)))
			take_folder(x, e->d_name);
	}
	if (d != NULL)
		(void)closedir(d);
	else if (fd >= 0)
		(void)close(fd);
}

static int
by_blob(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->blob != y->blob)
		return x->blob < y->blob ? -1 : 1;
	return x->file < y->file ? -1 : x->file > y->file;
}

struct rocks_rescue *
rocks_rescue_new(int dir)
{
	struct rocks_rescue *x = mem_zalloc(sizeof(*x));

	x->dir = dir;
	take_folder(x, NULL);
	if (x->n > 1)
		qsort(x->place, x->n, sizeof(*x->place), by_blob);
	return x;
}

void
rocks_rescue_free(struct rocks_rescue **x)
{
	if (*x == NULL)
		return;
	for (size_t i = 0; i < (*x)->files; i++)
		mem_free((*x)->file[i].name);
	mem_free((*x)->file);
	mem_free((*x)->place);
	mem_free(*x);
	*x = NULL;
}

/* ---- look-ups ---- */

/* Reads what is there, whole or not. */
static bool
read_place(const struct rocks_rescue *x, const struct place *p, struct buf *bytes)
{
	int fd = openat(x->dir, x->file[p->file].name, O_RDONLY | O_CLOEXEC);
	char *room = buf_room(bytes, p->size + ROCKS_BLOB_KEY);
	size_t want = p->size + ROCKS_BLOB_KEY, got = 0;

	while (fd >= 0 && got < want) {
		ssize_t n =
		    pread(fd, room + got, want - got, (off_t)(p->off - ROCKS_BLOB_KEY + got));

		if (n <= 0)
			break;
		got += (size_t)n;
	}
	if (fd >= 0)
		(void)close(fd);
	bytes->n = got;
	return got == want;
}

static bool
place_whole(const struct place *p, const struct buf *bytes)
{
	return rocks_crc32c((const unsigned char *)bytes->p, bytes->n) == p->sum;
}

/* Returns the index of the blob's first record, or where it would be. */
static size_t
first_of(const struct rocks_rescue *x, uint64_t blob)
{
	size_t lo = 0, hi = x->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (x->place[mid].blob < blob)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool
rocks_rescue_find(
    const struct rocks_rescue *x, uint64_t blob, struct buf *bytes, const char **file_r)
{
	for (size_t i = first_of(x, blob); i < x->n && x->place[i].blob == blob; i++) {
		const struct place *p = &x->place[i];

		bytes->n = 0;
		if (!read_place(x, p, bytes) || !place_whole(p, bytes))
			continue;
		buf_consume(bytes, ROCKS_BLOB_KEY);
		*file_r = x->file[p->file].name;
		return true;
	}
	bytes->n = 0;
	return false;
}

bool
rocks_rescue_rest(const struct rocks_rescue *x, uint64_t blob, struct buf *bytes)
{
	for (size_t i = first_of(x, blob); i < x->n && x->place[i].blob == blob; i++) {
		bytes->n = 0;
		(void)read_place(x, &x->place[i], bytes);
		if (bytes->n > ROCKS_BLOB_KEY) {
			buf_consume(bytes, ROCKS_BLOB_KEY);
			return true;
		}
	}
	bytes->n = 0;
	return false;
}

void
rocks_rescue_each(const struct rocks_rescue *x, void (*fn)(uint64_t blob, void *arg), void *arg)
{
	for (size_t i = 0; i < x->n; i++)
		if (i == 0 || x->place[i].blob != x->place[i - 1].blob)
			fn(x->place[i].blob, arg);
}
