/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Salvage: brings a damaged folder into a state in which RocksDB opens it and returns all that its
 * files still hold.
 *
 *  1. Give every file of RocksDB a second name in salvaged-TIME/.  From here on files are only
 *     replaced, never written to, so that nothing gets worse and a better tool can try again.
 *  2. Verify the tables.  Rebuild a damaged one from its whole blocks (rocks_rebuild.c) and from
 *     those entries of damaged blocks that have a checksum by the store (rocks_crumbs.c).  Remove
 *     it from the folder if nothing is left.
 *  3. If the log does not reach what was acknowledged, write it again from its whole parts,
 *     including those after the damage (rocks_log.c).
 *  4. If the list of files (CURRENT, MANIFEST-*) can be read and is complete, take removed tables
 *     off the list, write new entries for rebuilt ones, and give blob files that are missing or cut
 *     their size back: what they lack reads as damaged.
 *  5. Otherwise let RocksDB make a new list from the tables and the log.  It forgets the blob
 *     files, so add them.
 *
 * The check of the store then repairs inconsistencies (an older value reappears where a newer one
 * was in a damaged block).  It also asks for messages whose pointers were lost with a table
 * (rocks_rescue.c).
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
#define EDIT_NEW_FILE 103
#define EDIT_NEW_FILE_OLDEST_BLOBS 4
#define EDIT_NEW_FILE_END 1
#define EDIT_COLUMN_FAMILY 200
#define EDIT_BLOB_FILE 400

struct salvage {
	const char *path;
	const struct rocks_config *config;
	int dir;
	rocksdb_options_t *opt;
	uint64_t mark, reached, undamaged;    /* of the log */
	uint64_t newest_table, newest_listed; /* by number */
	bool wrong;                           /* there is something to do */
	unsigned rebuilt, dropped, missing, blobs, logs, log_records;
	struct rocks_rebuilt did; /* of all tables */
	struct listed {           /* as in the list */
		uint64_t number, smallest_seq, largest_seq;
	} * listed;
	size_t listed_count;
	struct hurt { /* tables that lost something */
		uint64_t number;
		bool rebuilt;
		struct rocks_table_facts facts; /* before the damage */
	} * hurt;
	size_t hurt_count;
	bool lost[ROCKS_CFS]; /* something may be lost there */
	struct buf edits;     /* for the list: each a 32-bit length and the bytes */
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

	(void)to;
	if (!numbered(name, ".sst", &number))
		return;
	s->newest_table = number > s->newest_table ? number : s->newest_table;
	buf_printf(&full, "%s/%s", s->path, name);
	s->wrong |= !rocks_extra_table_whole(s->opt, buf_cstr(&full));
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
	s->listed = mem_realloc(s->listed, (s->listed_count + 1) * sizeof(*s->listed));
	s->listed[s->listed_count++] = (struct listed){f->number, f->smallest_seq, f->largest_seq};
}

static void
ask_listed_blobs(const struct rocks_extra_file *f, void *arg)
{
	struct salvage *s = arg;
	char name[32];

	(void)snprintf(name, sizeof(name), "%06llu.blob", (unsigned long long)f->number);
	s->wrong |= !rocks_blobs_whole(s->dir, name, f->size);
}

/* Returns whether the list is older than the files, having lost its end: it does not name a newer
 * table that exists, and lacks what was acknowledged. */
static bool
list_is_old(const struct salvage *s)
{
	return s->newest_table > s->newest_listed && s->reached < s->mark;
}

/* Returns whether the log lacks something acknowledged, or nobody knows what was. */
static bool
log_is_short(const struct salvage *s)
{
	return s->undamaged < s->mark || s->mark == 0;
}

static bool
wanted(struct salvage *s)
{
	each_file(s, ask_table, -1);
	s->wrong |= !rocks_extra_list(
	    s->opt, s->path, ask_listed_table, ask_listed_blobs, s, &s->reached, &s->undamaged);
	return s->wrong || log_is_short(s) || list_is_old(s);
}

/* ---- 1: aside ---- */

static void
link_one(struct salvage *s, const char *name, int to)
{
	/* The mark is written in place, so a second name would be no copy. */
	if (strcmp(name, "commit.mark") != 0 && linkat(s->dir, name, to, name, 0) != 0)
		s->err = TS_FAIL(TS_IO, "%s/%s: %s", s->path, name, strerror(errno));
}

static void
put_aside(struct salvage *s, char *name, size_t size)
{
	time_t now = time(NULL);
	int to = -1;

	(void)snprintf(name, size, ROCKS_ASIDE "%lld", (long long)now);
	for (unsigned i = 1; mkdirat(s->dir, name, 0700) != 0 && errno == EEXIST; i++)
		(void)snprintf(name, size, ROCKS_ASIDE "%lld-%u", (long long)now, i);
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

static struct hurt *
add_hurt(struct salvage *s, uint64_t number)
{
	s->hurt = mem_realloc(s->hurt, (s->hurt_count + 1) * sizeof(*s->hurt));
	s->hurt[s->hurt_count] = (struct hurt){.number = number};
	return &s->hurt[s->hurt_count++];
}

static struct hurt *
hurt_of(const struct salvage *s, uint64_t number)
{
	for (size_t i = 0; i < s->hurt_count; i++)
		if (s->hurt[i].number == number)
			return &s->hurt[i];
	return NULL;
}

static struct rocks_crumb_rules
rules_for(const struct salvage *s, uint64_t number)
{
	struct rocks_crumb_rules rules = {s->config->whole, 0, s->reached};

	for (size_t i = 0; i < s->listed_count; i++)
		if (s->listed[i].number == number) {
			rules.smallest_seq = s->listed[i].smallest_seq;
			rules.largest_seq = s->listed[i].largest_seq;
		}
	return rules;
}

static void
rebuild_table(struct salvage *s, const char *name, struct hurt *h)
{
	struct rocks_crumb_rules rules = rules_for(s, h->number);
	struct rocks_rebuilt did;

	switch (rocks_table_rebuild(s->opt, s->path, s->dir, name, &rules, &h->facts, &did)) {
	case TS_OK:
		log_msg(LOG_WARNING, NULL,
		    "%s/%s is made anew from %u whole blocks and %u entries of %u damaged ones",
		    s->path, name, did.blocks, did.crumbs, did.damaged);
		s->rebuilt++;
		s->did.damaged += did.damaged;
		s->did.crumbs += did.crumbs;
		h->rebuilt = true;
		break;
	case TS_INVALID:
		log_msg(LOG_WARNING, NULL, "%s/%s cannot be read at all", s->path, name);
		s->dropped++;
		if (unlinkat(s->dir, name, 0) != 0)
			s->err = TS_FAIL(TS_IO, "%s/%s: %s", s->path, name, strerror(errno));
		break;
	default:
		s->err = TS_FAIL(TS_IO, "%s/%s cannot be made anew", s->path, name);
	}
}

static void
look_at_table(struct salvage *s, const char *name, int to)
{
	struct buf full = {0};
	uint64_t number;

	(void)to;
	if (!numbered(name, ".sst", &number) || hurt_of(s, number) != NULL)
		return;
	buf_printf(&full, "%s/%s", s->path, name);
	if (!rocks_extra_table_whole(s->opt, buf_cstr(&full)))
		rebuild_table(s, name, add_hurt(s, number));
	buf_fini(&full);
}

/* ---- 3: the log ---- */

static void
clean_log(struct salvage *s, const char *name, int to)
{
	struct buf old = {0}, clean = {0};
	struct rocks_log_sum sum = {0};
	uint64_t number;

	(void)to;
	if (!numbered(name, ".log", &number))
		return;
	if (!rocks_file_slurp(s->dir, name, &old))
		s->err = TS_FAIL(TS_IO, "%s/%s cannot be read", s->path, name);
	else
		sum = rocks_log_clean(buf_as_str(&old), &clean);
	if (sum.lost > 0) {
		log_msg(LOG_WARNING, NULL, "%s/%s: %u whole commits are kept", s->path, name,
		    sum.records);
		s->logs++;
		s->log_records += sum.records;
		if (!rocks_file_replace(s->dir, name, buf_as_str(&clean)))
			s->err = TS_FAIL(TS_IO, "%s/%s cannot be changed", s->path, name);
	}
	buf_fini(&old);
	buf_fini(&clean);
}

/* ---- 4: the list of files ---- */

static void
add_edit(struct salvage *s, const struct buf *edit)
{
	buf_le32(&s->edits, (uint32_t)edit->n);
	buf_put(&s->edits, edit->p, edit->n);
}

static void
begin_edit(struct buf *b, const struct rocks_extra_file *f)
{
	buf_varint(b, EDIT_COLUMN_FAMILY);
	buf_varint(b, f->cf);
	buf_varint(b, EDIT_DELETED_FILE);
	buf_varint(b, (uint64_t)f->level);
	buf_varint(b, f->number);
}

static void
take_off_list(struct salvage *s, const struct rocks_extra_file *f)
{
	struct buf b = {0};

	begin_edit(&b, f);
	add_edit(s, &b);
	buf_fini(&b);
}

/* Limits bounds to the keys it had: tables of a level must not overlap. */
static void
clamp(struct buf *key, struct str bound, bool below)
{
	struct str user = {key->p, key->n - 8};
	int c = str_cmp(user, bound);

	if (below ? c >= 0 : c <= 0)
		return;
	key->n = 0;
	buf_str(key, bound);
	buf_le64(key, (UINT64_MAX << 8) | 15); /* the end of a removed range */
}

/* Lists the same file with new contents: the bounds of what it holds, numbers unchanged. */
static void
list_anew(struct salvage *s, const struct rocks_extra_file *f, struct rocks_table_facts *facts)
{
	struct buf b = {0}, number = {0};

	clamp(&facts->smallest, (struct str){f->smallest, f->smallest_size}, true);
	clamp(&facts->largest, (struct str){f->largest, f->largest_size}, false);
	begin_edit(&b, f);
	buf_varint(&b, EDIT_NEW_FILE);
	buf_varint(&b, (uint64_t)f->level);
	buf_varint(&b, f->number);
	buf_varint(&b, facts->size);
	buf_vstr(&b, buf_as_str(&facts->smallest));
	buf_vstr(&b, buf_as_str(&facts->largest));
	buf_varint(&b, f->smallest_seq);
	buf_varint(&b, f->largest_seq);
	if (facts->oldest_blobs != 0) {
		buf_varint(&number, facts->oldest_blobs);
		buf_varint(&b, EDIT_NEW_FILE_OLDEST_BLOBS);
		buf_vstr(&b, buf_as_str(&number));
	}
	buf_varint(&b, EDIT_NEW_FILE_END);
	add_edit(s, &b);
	buf_fini(&b);
	buf_fini(&number);
}

static void
listed_table(const struct rocks_extra_file *f, void *arg)
{
	struct salvage *s = arg;
	struct hurt *h = hurt_of(s, f->number);
	char name[32];
	struct stat st;
	bool there;

	s->newest_listed = f->number > s->newest_listed ? f->number : s->newest_listed;
	(void)snprintf(name, sizeof(name), "%06llu.sst", (unsigned long long)f->number);
	there = fstatat(s->dir, name, &st, 0) == 0;
	if (f->cf < ROCKS_CFS && (h != NULL || !there))
		s->lost[f->cf] = true;
	if (there && h != NULL && h->rebuilt)
		list_anew(s, f, &h->facts);
	if (there)
		return;
	s->missing++;
	take_off_list(s, f);
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

static void
put_edits(struct salvage *s, struct buf *list)
{
	struct rd r = rd_of(buf_as_str(&s->edits));

	while (r.p < r.end) {
		uint32_t size = rd_le32(&r);

		rocks_log_put(list, (struct str){(const char *)r.p, size});
		r.p += size;
	}
	s->edits.n = 0;
}

/* Appends edits to the list.  Those that add blob files go right after the record that makes their
 * column family, since the tables that refer to them come later. */
static bool
edit_list(struct salvage *s, struct str old, bool adding, struct buf *list)
{
	static const char makes_blobs[] = "\xC9\x01\x05"
	                                  "blobs";
	struct buf one = {0};

	for (size_t at = 0; rocks_log_next(old, &at, &one);) {
		rocks_log_put(list, buf_as_str(&one));
		if (adding && memmem(one.p, one.n, makes_blobs, sizeof(makes_blobs) - 1) != NULL)
			put_edits(s, list);
	}
	buf_fini(&one);
	if (!adding)
		put_edits(s, list);
	return s->edits.n == 0;
}

/* Writes a copy that replaces the list. */
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

/* Returns false if the list is unusable. */
static bool
use_list(struct salvage *s)
{
	if (!rocks_extra_list(
	        s->opt, s->path, listed_table, listed_blobs, s, &s->reached, &s->undamaged))
		return false;
	if (list_is_old(s) || (s->newest_table > s->newest_listed && s->missing > s->dropped))
		return false;
	write_edits(s, false);
	return true;
}

/* ---- 5: a new list ---- */

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
	buf_varint(&b, EDIT_COLUMN_FAMILY);
	buf_varint(&b, ROCKS_BLOBS);
	buf_varint(&b, EDIT_BLOB_FILE);
	buf_varint(&b, number);
	buf_varint(&b, count);
	buf_varint(&b, bytes);
	buf_varint(&b, 0); /* no checksum of the file: empty method and value */
	buf_varint(&b, 0);
	buf_varint(&b, 0); /* the end */
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

/* Reports the outcome to people, and notes what the check has to look after. */
static enum ts_err
report(struct salvage *s, const char *aside, bool listed, char **text_r)
{
	enum ts_err err;

	*text_r = rocks_text(
	    "%s: damaged tables made anew: %u (damaged blocks in them: %u, entries kept of these: "
	    "%u), tables that could not be read at all: %u, missing: %u; %s: %u; damaged logs: %u "
	    "(commits kept: %u)%s; the files as they were are in %s/%s",
	    s->path, s->rebuilt, s->did.damaged, s->did.crumbs, s->dropped,
	    s->missing > s->dropped ? s->missing - s->dropped : 0,
	    listed ? "files of messages cut or missing" : "files of messages", s->blobs, s->logs,
	    s->log_records, listed ? "" : "; the list of files (CURRENT, MANIFEST) was made anew",
	    s->path, aside);
	err = rocks_recovered_note(s->dir, "the folder was salvaged");
	if (err == TS_OK && s->lost[ROCKS_KEYS] && s->lost[ROCKS_BLOBS])
		err = rocks_recovered_note(s->dir, ROCKS_BOTH_LOST);
	return err;
}

enum ts_err
rocks_salvage(const struct rocks_config *config, int dir, rocksdb_options_t *opt, uint64_t mark,
    char **text_r)
{
	struct salvage s = {
	    .path = config->path, .config = config, .dir = dir, .opt = opt, .mark = mark};
	char aside[64];
	bool listed = false;

	if (!wanted(&s) || s.err != TS_OK) {
		mem_free(s.listed);
		return s.err;
	}
	put_aside(&s, aside, sizeof(aside));
	if (s.err == TS_OK)
		each_file(&s, look_at_table, -1);
	if (s.err == TS_OK && log_is_short(&s))
		each_file(&s, clean_log, -1);
	if (s.err == TS_OK)
		listed = use_list(&s);
	if (!listed && s.err == TS_OK) {
		s.lost[ROCKS_KEYS] = s.lost[ROCKS_BLOBS] = s.hurt_count > 0 || s.missing > 0;
		make_list(&s);
	}
	if (s.err == TS_OK)
		s.err = report(&s, aside, listed, text_r);
	for (size_t i = 0; i < s.hurt_count; i++)
		rocks_table_facts_fini(&s.hurt[i].facts);
	mem_free(s.hurt);
	mem_free(s.listed);
	buf_fini(&s.edits);
	return s.err;
}
