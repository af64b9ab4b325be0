/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Salvage: a damaged folder is brought into a state in which RocksDB opens it
 * and gives back all that its files still hold.
 *
 *  1. Every file of RocksDB gets a second name in salvaged-TIME/; from here on
 *     none of them is written to, only replaced, so that nothing is made worse
 *     and a better tool can have another try.
 *  2. Tables are verified.  A damaged block of data is replaced by an empty one
 *     of the same size (rocks_table.c); a table of which not even the index can
 *     be read leaves the folder.
 *  3. Can the list of files (CURRENT, MANIFEST-*) be read, and are they there?
 *     Then tables that left are taken off the list, and blob files that are
 *     missing or cut get their size back: what they lack reads as damaged.
 *  4. Otherwise RocksDB makes a new list from the tables and the log.  It
 *     forgets the blob files; they are added by us.
 *
 * What is then inconsistent (an older value comes to light where a newer one
 * was in a damaged block) is for the check of the store to mend.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/engine/rocks/rocks_int.h"

#define EDIT_DELETED_FILE 6
#define EDIT_COLUMN_FAMILY 200
#define EDIT_BLOB_FILE 400
#define LOG_BLOCK ((size_t)32768)

struct salvage {
	const char *path;
	int dir;
	rocksdb_options_t *opt;
	uint64_t mark, reached;               /* of the log */
	uint64_t newest_table, newest_listed; /* by number */
	bool wrong;                           /* there is something to do */
	unsigned patched, dropped, missing, blobs;
	struct buf edits; /* for the list: each a 32-bit length and its bytes */
	enum ts_err err;
};

/* ---- names ---- */

/* "000012.sst" */
static bool
numbered(const char *name, const char *suffix, uint64_t *number_r)
{
	char *end;

	if (name[0] < '0' || name[0] > '9')
		return false;
	*number_r = strtoull(name, &end, 10);
	return strcmp(end, suffix) == 0;
}

static bool
is_rocksdbs(const char *name)
{
	uint64_t n;

	return numbered(name, ".sst", &n) || numbered(name, ".blob", &n) ||
	       numbered(name, ".log", &n) || strncmp(name, "MANIFEST-", 9) == 0 ||
	       strncmp(name, "OPTIONS-", 8) == 0 || strcmp(name, "CURRENT") == 0 ||
	       strcmp(name, "IDENTITY") == 0 || strcmp(name, "commit.mark") == 0;
}

static void
each_file(struct salvage *s, void (*fn)(struct salvage *s, const char *name, int to), int to)
{
	int fd = openat(s->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	if (d == NULL)
		s->err = TS_FAIL(TS_IO, "%s: %s", s->path, strerror(errno));
	while (d != NULL && s->err == TS_OK && (e = readdir(d)) != NULL)
		if (is_rocksdbs(e->d_name))
			fn(s, e->d_name, to);
	if (d != NULL)
		(void)closedir(d);
	else if (fd >= 0)
		(void)close(fd);
}

/* ---- is there anything to do? ---- */

static void
ask_table(struct salvage *s, const char *name, int to)
{
	struct buf full = {0};
	uint64_t number;
	bool user_keys;

	(void)to;
	if (!numbered(name, ".sst", &number))
		return;
	s->newest_table = number > s->newest_table ? number : s->newest_table;
	buf_printf(&full, "%s/%s", s->path, name);
	s->wrong |= !rocks_extra_table_whole(s->opt, buf_cstr(&full), &user_keys);
	buf_fini(&full);
}

static void
ask_listed_table(const struct rocks_extra_file *f, void *arg)
{
	struct salvage *s = arg;
	char name[32];

	s->newest_listed = f->number > s->newest_listed ? f->number : s->newest_listed;
	(void)snprintf(name, sizeof(name), "%06llu.sst", (unsigned long long)f->number);
	s->wrong |= faccessat(s->dir, name, F_OK, 0) != 0;
}

static void
ask_listed_blobs(const struct rocks_extra_file *f, void *arg)
{
	struct salvage *s = arg;
	char name[32];

	(void)snprintf(name, sizeof(name), "%06llu.blob", (unsigned long long)f->number);
	s->wrong |= !rocks_blobs_whole(s->dir, name, f->size);
}

/* A list that does not name a newer table that is there, and lacks what was acknowledged, is
 * older than the files: it has lost its end. */
static bool
list_is_old(const struct salvage *s)
{
	return s->newest_table > s->newest_listed && s->reached < s->mark;
}

static bool
wanted(struct salvage *s)
{
	each_file(s, ask_table, -1);
	s->wrong |=
	    !rocks_extra_list(s->opt, s->path, ask_listed_table, ask_listed_blobs, s, &s->reached);
	return s->wrong || list_is_old(s);
}

/* ---- 1: aside ---- */

static void
link_one(struct salvage *s, const char *name, int to)
{
	/* The mark is written in place: a second name would be no copy. */
	if (strcmp(name, "commit.mark") != 0 && linkat(s->dir, name, to, name, 0) != 0)
		s->err = TS_FAIL(TS_IO, "%s/%s: %s", s->path, name, strerror(errno));
}

static void
put_aside(struct salvage *s, char *name, size_t size)
{
	time_t now = time(NULL);
	int to = -1;

	(void)snprintf(name, size, "salvaged-%lld", (long long)now);
	for (unsigned i = 1; mkdirat(s->dir, name, 0700) != 0 && errno == EEXIST; i++)
		(void)snprintf(name, size, "salvaged-%lld-%u", (long long)now, i);
	to = openat(s->dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (to < 0) {
		s->err = TS_FAIL(TS_IO, "%s/%s: %s", s->path, name, strerror(errno));
		return;
	}
	each_file(s, link_one, to);
	if (s->err == TS_OK && (fsync(to) != 0 || fsync(s->dir) != 0))
		s->err = TS_FAIL(TS_IO, "%s/%s: %s", s->path, name, strerror(errno));
	(void)close(to);
}

/* ---- 2: tables ---- */

static void
look_at_table(struct salvage *s, const char *name, int to)
{
	uint64_t number;

	(void)to;
	if (!numbered(name, ".sst", &number))
		return;
	s->newest_table = number > s->newest_table ? number : s->newest_table;
	switch (rocks_table_mend(s->opt, s->path, s->dir, name)) {
	case TS_OK:
		break;
	case TS_DAMAGED:
		s->patched++;
		break;
	case TS_INVALID:
		log_msg(LOG_WARNING, NULL, "%s/%s cannot be read at all", s->path, name);
		s->dropped++;
		if (unlinkat(s->dir, name, 0) != 0)
			s->err = TS_FAIL(TS_IO, "%s/%s: %s", s->path, name, strerror(errno));
		break;
	default:
		s->err = TS_IO;
	}
}

/* ---- 3: the list of files ---- */

static void
put_varint(struct buf *b, uint64_t v)
{
	for (; v >= 128; v >>= 7)
		buf_putc(b, (char)(v | 128));
	buf_putc(b, (char)v);
}

static void
add_edit(struct salvage *s, const struct buf *edit)
{
	buf_le32(&s->edits, (uint32_t)edit->n);
	buf_put(&s->edits, edit->p, edit->n);
}

static void
take_off_list(struct salvage *s, unsigned cf, int level, uint64_t number)
{
	struct buf b = {0};

	put_varint(&b, EDIT_COLUMN_FAMILY);
	put_varint(&b, cf);
	put_varint(&b, EDIT_DELETED_FILE);
	put_varint(&b, (uint64_t)level);
	put_varint(&b, number);
	add_edit(s, &b);
	buf_fini(&b);
}

static void
listed_table(const struct rocks_extra_file *f, void *arg)
{
	struct salvage *s = arg;
	char name[32];
	struct stat st;

	s->newest_listed = f->number > s->newest_listed ? f->number : s->newest_listed;
	(void)snprintf(name, sizeof(name), "%06llu.sst", (unsigned long long)f->number);
	if (fstatat(s->dir, name, &st, 0) == 0)
		return;
	s->missing++;
	take_off_list(s, f->cf, f->level, f->number);
}

static void
listed_blobs(const struct rocks_extra_file *f, void *arg)
{
	struct salvage *s = arg;
	uint64_t bytes;
	char name[32];
	bool mended;

	(void)snprintf(name, sizeof(name), "%06llu.blob", (unsigned long long)f->number);
	(void)rocks_blobs_mend(s->dir, name, f->size, &mended, &bytes);
	s->blobs += mended;
}

/* RocksDB's log format, in blocks of 32 KiB: a checksum of type and data, 16-bit length, type (1
 * whole, 2 first, 3 middle, 4 last piece), data. */
static void
put_piece(struct buf *b, unsigned char type, struct str data)
{
	struct buf typed = {0};

	buf_putc(&typed, (char)type);
	buf_str(&typed, data);
	buf_le32(b, rocks_crc32c((const unsigned char *)typed.p, typed.n));
	buf_putc(b, (char)(data.n & 255));
	buf_putc(b, (char)(data.n >> 8));
	buf_put(b, typed.p, typed.n);
	buf_fini(&typed);
}

static void
put_record(struct buf *b, struct str data)
{
	bool first = true, last = false;

	do {
		size_t left = LOG_BLOCK - b->n % LOG_BLOCK, n;

		if (left < 7) {
			for (; left > 0; left--)
				buf_putc(b, 0);
			continue;
		}
		n = data.n < left - 7 ? data.n : left - 7;
		last = n == data.n;
		put_piece(b, first ? last ? 1 : 2 : last ? 4 : 3, (struct str){data.p, n});
		data = (struct str){data.p + n, data.n - n};
		first = false;
	} while (first || !last);
}

/* The next record, joined, into one; false: the end. */
static bool
next_record(struct rd *log, const unsigned char *start, struct buf *one)
{
	one->n = 0;
	for (;;) {
		size_t left = LOG_BLOCK - (size_t)(log->p - start) % LOG_BLOCK, n;
		unsigned char type;

		if (left < 7)
			log->p += left;
		if (log->p + 7 > log->end)
			return false;
		n = log->p[4] | (size_t)log->p[5] << 8;
		type = log->p[6];
		log->p += 7;
		if (type < 1 || type > 4 || n > (size_t)(log->end - log->p))
			return false;
		buf_put(one, log->p, n);
		log->p += n;
		if (type == 1 || type == 4)
			return true;
	}
}

static void
put_edits(struct salvage *s, struct buf *list)
{
	struct rd r = rd_of(buf_as_str(&s->edits));

	while (r.p < r.end) {
		uint32_t size = rd_le32(&r);

		put_record(list, (struct str){(const char *)r.p, size});
		r.p += size;
	}
	s->edits.n = 0;
}

/* The edits go behind the list; those that add blob files right behind the record that makes their
 * column family, for the tables that refer to them come behind it. */
static bool
edit_list(struct salvage *s, struct str old, bool adding, struct buf *list)
{
	static const char makes_blobs[] = "\xC9\x01\x05"
	                                  "blobs";
	struct rd r = rd_of(old);
	const unsigned char *start = r.p;
	struct buf one = {0};

	while (next_record(&r, start, &one)) {
		put_record(list, buf_as_str(&one));
		if (adding && memmem(one.p, one.n, makes_blobs, sizeof(makes_blobs) - 1) != NULL)
			put_edits(s, list);
	}
	buf_fini(&one);
	if (!adding)
		put_edits(s, list);
	return s->edits.n == 0;
}

/* In a copy that takes the list's place. */
static void
write_edits(struct salvage *s, bool adding)
{
	struct buf current = {0}, old = {0}, list = {0};

	if (s->edits.n == 0 || s->err != TS_OK)
		return;
	if (rocks_file_slurp(s->dir, "CURRENT", &current)) {
		current.n = strcspn(buf_cstr(&current), "\n");
		if (!rocks_file_slurp(s->dir, buf_cstr(&current), &old) ||
		    !edit_list(s, buf_as_str(&old), adding, &list) ||
		    !rocks_file_replace(s->dir, buf_cstr(&current), buf_as_str(&list)))
			s->err =
			    TS_FAIL(TS_IO, "%s/%s cannot be changed", s->path, buf_cstr(&current));
	}
	buf_fini(&current);
	buf_fini(&old);
	buf_fini(&list);
}

/* False: the list cannot be used. */
static bool
use_list(struct salvage *s)
{
	if (!rocks_extra_list(s->opt, s->path, listed_table, listed_blobs, s, &s->reached))
		return false;
	if (list_is_old(s) || (s->newest_table > s->newest_listed && s->missing > s->dropped))
		return false;
	write_edits(s, false);
	return true;
}

/* ---- 4: a new list ---- */

static void
add_blobs(struct salvage *s, const char *name, int to)
{
	struct buf b = {0};
	uint64_t number, count, bytes;
	bool mended;

	(void)to;
	if (!numbered(name, ".blob", &number))
		return;
	count = rocks_blobs_mend(s->dir, name, 0, &mended, &bytes);
	if (count == 0)
		return;
	put_varint(&b, EDIT_COLUMN_FAMILY);
	put_varint(&b, ROCKS_BLOBS);
	put_varint(&b, EDIT_BLOB_FILE);
	put_varint(&b, number);
	put_varint(&b, count);
	put_varint(&b, bytes);
	put_varint(&b, 0); /* no checksum of the file: its method and value are empty */
	put_varint(&b, 0);
	put_varint(&b, 0); /* the end */
	add_edit(s, &b);
	buf_fini(&b);
	s->blobs++;
}

static void
make_list(struct salvage *s)
{
	char *words = NULL;

	s->edits.n = 0;
	rocksdb_repair_db(s->opt, s->path, &words);
	if (words != NULL) {
		s->err = TS_FAIL(TS_DAMAGED, "%s: no new list of files: %s", s->path, words);
		rocksdb_free(words);
		return;
	}
	each_file(s, add_blobs, -1);
	write_edits(s, true);
}

enum ts_err
rocks_salvage(const char *path, int dir, rocksdb_options_t *opt, uint64_t mark, char **text_r)
{
	struct salvage s = {.path = path, .dir = dir, .opt = opt, .mark = mark};
	char aside[64];
	bool listed;

	if (!wanted(&s) || s.err != TS_OK)
		return s.err;
	put_aside(&s, aside, sizeof(aside));
	if (s.err == TS_OK)
		each_file(&s, look_at_table, -1);
	if (s.err != TS_OK)
		return s.err;
	listed = use_list(&s);
	if (!listed && s.err == TS_OK)
		make_list(&s);
	buf_fini(&s.edits);
	*text_r = rocks_text(
	    "%s: tables with damaged blocks: %u, that could not be read at all: %u, missing: %u; "
	    "%s: %u%s; the files as they were are in %s/%s",
	    path, s.patched, s.dropped, s.missing > s.dropped ? s.missing - s.dropped : 0,
	    listed ? "files of messages cut or missing" : "files of messages", s.blobs,
	    listed ? "" : "; the list of files (CURRENT, MANIFEST) was made anew", path, aside);
	return s.err == TS_OK ? rocks_recovered_note(dir, "the folder was salvaged") : s.err;
}
