/* SPDX-License-Identifier: Apache-2.0 */
/* Packs and their indexes: round trips, damaged, cut off, pruned, hostile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "place.h"

#include "backup/audit.h"
#include "backup/folder_int.h"
#include "base/mem.h"

/* The only file in a folder; returns the number of files. */
static unsigned
files_in(const struct place *p, const char *folder, char path[256])
{
	char dir[128];
	struct dirent *e;
	unsigned n = 0;
	DIR *d;

	(void)snprintf(dir, sizeof(dir), "%s/%s", p->path, folder);
	d = opendir(dir);
	assert_non_null(d);
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.') {
			(void)snprintf(path, 256, "%s/%.64s", dir, e->d_name);
			n++;
		}
	(void)closedir(d);
	return n;
}

static void
empty(const struct place *p, const char *folder)
{
	char path[256];

	while (files_in(p, folder, path) > 0)
		assert_int_equal(unlink(path), 0);
}

/* Message i: some are empty, some contain line ends and words of the pack format. */
static struct str
text_of(unsigned i, char text[128])
{
	size_t n = i == 3 ? 0
	                  : (size_t)snprintf(text, 128, "%s%u\r\n%.*s",
	                        i % 5 == 1 ? "\nobject " : "m", i, (int)(i % 60),
	                        "------------------------------------------------------------");

	return (struct str){text, n};
}

static struct backup_hash
hash_of(unsigned i)
{
	struct backup_hash hash;
	char text[128];

	backup_hash_of(text_of(i, text), &hash);
	return hash;
}

static void
put(struct place *p, unsigned from, unsigned end)
{
	struct backup_hash hash, is;
	char text[128];

	for (unsigned i = from; i < end; i++) {
		assert_true(backup_object_put(p->folder, text_of(i, text), &hash, &p->why));
		is = hash_of(i);
		assert_true(backup_hash_eq(&hash, &is));
	}
}

static enum ts_err
get(struct place *p, unsigned i)
{
	struct backup_hash hash = hash_of(i);
	struct buf out = {0};
	char text[128];
	enum ts_err err;

	p->said.n = 0;
	err = backup_object_get(p->folder, &hash, 4096, &out, &p->said);
	if (err == TS_OK)
		assert_true(str_eq(buf_as_str(&out), text_of(i, text)));
	else
		assert_int_equal(out.n, 0);
	buf_fini(&out);
	return err;
}

static unsigned
readable(struct place *p, unsigned from, unsigned end)
{
	unsigned n = 0;

	for (unsigned i = from; i < end; i++)
		n += get(p, i) == TS_OK;
	return n;
}

/* The number of faults that a reader finds. */
static uint64_t
faults(struct place *p)
{
	struct backup_audit audit = {.bad = place_bad, .arg = p};
	struct backup_folder *reader;

	assert_true(backup_open(p->path, BACKUP_READ, &reader, &p->why));
	assert_true(backup_verify(reader, &audit, &p->why));
	backup_close(&reader);
	return audit.faults;
}

static size_t
place_of(const struct buf *bytes, unsigned i)
{
	struct buf head = {0};
	struct backup_hash hash = hash_of(i);
	const char *at;

	buf_puts(&head, "object ");
	backup_hash_hex(&hash, &head);
	at = str_find(buf_as_str(bytes), buf_as_str(&head));
	assert_non_null(at);
	buf_fini(&head);
	return (size_t)(at - bytes->p);
}

/* ---- writing ---- */

static void
there_and_back(void **state)
{
	struct place *p = *state;
	struct backup_costs before = *backup_costs(p->folder);
	char path[256];

	put(p, 0, 5000);
	assert_int_equal(readable(p, 0, 5000), 5000); /* even before it has its name */
	put(p, 0, 5000);
	assert_int_equal(backup_new_objects(p->folder), 5000);
	assert_true(backup_flush(p->folder, &p->why));
	/* A pack and its index, flushed once each, and the folder. */
	assert_int_equal(backup_costs(p->folder)->written - before.written, 2);
	assert_int_equal(backup_costs(p->folder)->flushes - before.flushes, 3);
	assert_int_equal(files_in(p, "packs", path), 1);
	put(p, 2500, 7500);
	assert_int_equal(backup_new_objects(p->folder), 7500);
	assert_true(backup_flush(p->folder, &p->why));
	assert_int_equal(readable(p, 0, 7500), 7500);
	assert_int_equal(get(p, 7500), TS_NOT_FOUND);
	place_reopen(p, BACKUP_READ);
	assert_int_equal(readable(p, 0, 7500), 7500);
	assert_int_equal(get(p, 7500), TS_NOT_FOUND);
	assert_int_equal(faults(p), 0);
}

/* Objects larger than BACKUP_PACKED_MAX are files of their own. */
static void
large_ones_are_files(void **state)
{
	struct place *p = *state;
	struct buf bytes = {0}, out = {0};
	struct backup_hash hash[2];
	uint64_t size;

	for (size_t i = 0; i < 2; i++) {
		bytes.n = 0;
		memset(buf_room(&bytes, BACKUP_PACKED_MAX + i), 'x', BACKUP_PACKED_MAX + i);
		bytes.n = BACKUP_PACKED_MAX + i;
		assert_true(backup_object_put(p->folder, buf_as_str(&bytes), &hash[i], &p->why));
	}
	assert_true(backup_flush(p->folder, &p->why));
	for (size_t i = 0; i < 2; i++) {
		int fd = backup_object_open(p->folder, &hash[i]);

		assert_int_equal(fd >= 0, i == 1);
		if (fd >= 0)
			close(fd);
		out.n = 0;
		assert_int_equal(
		    backup_object_get(p->folder, &hash[i], SIZE_MAX, &out, &p->why), TS_OK);
		assert_int_equal(out.n, BACKUP_PACKED_MAX + i);
		assert_int_equal(backup_object_check(p->folder, &hash[i], &size, &p->why), TS_OK);
		assert_int_equal(size, BACKUP_PACKED_MAX + i);
	}
	out.n = 0;
	assert_int_equal(backup_object_get(p->folder, &hash[0], 99, &out, &p->why), TS_DAMAGED);
	assert_int_equal(out.n, 0);
	buf_fini(&bytes);
	buf_fini(&out);
}

/* A pack ends at its maximum number of objects; however many packs there are, indexes are few. */
static void
bounded(void **state)
{
	struct place *p = *state;
	char path[256];
	unsigned n = (unsigned)BACKUP_PACK_OBJECTS;

	put(p, 0, n + 10);
	assert_true(backup_flush(p->folder, &p->why));
	assert_int_equal(files_in(p, "packs", path), 2);
	for (unsigned i = 0; i < 24; i++) {
		put(p, n + 10 + 3 * i, n + 13 + 3 * i);
		assert_true(backup_flush(p->folder, &p->why));
	}
	assert_int_equal(files_in(p, "packs", path), 26);
	assert_true(files_in(p, "index", path) <= 7);
	assert_int_equal(readable(p, n, n + 10 + 3 * 24), 10 + 3 * 24);
	assert_int_equal(readable(p, 1000, 2000), 1000);
}

/* ---- cut off ---- */

static void
large_text(unsigned i, struct buf *bytes)
{
	bytes->n = 0;
	while (bytes->n <= BACKUP_PACKED_MAX)
		buf_printf(bytes, "%u ", i);
}

/* Writes a large object, then small ones, and so on, and is killed. */
static void
put_and_die(struct place *p, unsigned n)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		struct buf bytes = {0};
		struct backup_hash hash;

		for (unsigned i = 0; i < n; i++) {
			if (i % 1000 == 0) {
				large_text(i, &bytes);
				(void)backup_object_put(
				    p->folder, buf_as_str(&bytes), &hash, &p->why);
			}
			put(p, i, i + 1);
		}
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void
cut_off(void **state)
{
	struct place *p = *state;
	struct buf bytes = {0};
	unsigned n;
	char path[256];

	put_and_die(p, 20000);
	assert_int_equal(files_in(p, "packs", path), 0);
	place_reopen(p, BACKUP_WRITE);
	/* What was written is recovered, and it is everything that came first. */
	assert_int_equal(files_in(p, "packs", path), 1);
	n = readable(p, 0, 20000);
	assert_true(n > 15000);
	assert_int_equal(readable(p, 0, n), n);
	/* So are the large ones before it. */
	for (unsigned i = 0; i < n; i += 1000) {
		struct backup_hash hash;

		large_text(i, &bytes);
		backup_hash_of(buf_as_str(&bytes), &hash);
		assert_true(backup_object_there(p->folder, &hash));
	}
	put(p, 0, 20000);
	assert_true(backup_flush(p->folder, &p->why));
	assert_int_equal(backup_new_objects(p->folder), 20000 - n);
	assert_int_equal(readable(p, 0, 20000), 20000);
	assert_int_equal(faults(p), 0);
	buf_fini(&bytes);
}

/* What the disk may do to the last pack when the machine stops. */
static void
cut_off_and_damaged(void **state)
{
	struct place *p = *state;
	struct buf bytes = {0};
	char path[256], pack[128];

	put(p, 0, 100);
	assert_true(backup_flush(p->folder, &p->why));
	assert_int_equal(files_in(p, "packs", path), 1);
	place_read(path, &bytes);
	(void)snprintf(pack, sizeof(pack), "%s/tmp/pack", p->path);
	for (unsigned last = 0; last < 100; last += 33)
		for (size_t more = 0; more < 75; more += 37) {
			empty(p, "packs");
			empty(p, "index");
			backup_close(&p->folder);
			place_write(pack, (struct str){bytes.p, place_of(&bytes, last) + more});
			place_reopen(p, BACKUP_WRITE);
			assert_int_equal(readable(p, 0, last), last);
			assert_int_equal(readable(p, last, 100), 0);
			put(p, 0, 100);
			assert_true(backup_flush(p->folder, &p->why));
			assert_int_equal(readable(p, 0, 100), 100);
		}
	assert_int_equal(faults(p), 0);
	buf_fini(&bytes);
}

/* ---- damage ---- */

/* One byte anywhere: at most one object is lost; it is named, and replaced by a run that verifies
 * everything. */
static void
damaged_packs(void **state)
{
	struct place *p = *state;
	struct buf bytes = {0};
	struct backup_hash hash;
	char path[256];

	put(p, 0, 40);
	assert_true(backup_flush(p->folder, &p->why));
	assert_int_equal(files_in(p, "packs", path), 1);
	place_read(path, &bytes);
	size_t place39 = place_of(&bytes, 39);

	for (size_t i = 0; i < bytes.n; i += 37) {
		bytes.p[i] = (char)(bytes.p[i] ^ 4);
		place_write(path, buf_as_str(&bytes));
		place_reopen(p, BACKUP_READ);
		assert_in_range(readable(p, 0, 40), 39, 40);
		if (i >= place39 && i + 1 < bytes.n) {
			assert_int_equal(get(p, 39), TS_DAMAGED);
			assert_non_null(strstr(buf_cstr(&p->said), path));
		}
		if (i >= sizeof("turnstone-pack 1"))
			assert_int_equal(faults(p), 40 - readable(p, 0, 40));
		bytes.p[i] = (char)(bytes.p[i] ^ 4);
	}
	hash = hash_of(39);
	bytes.p[bytes.n - 2] ^= 4;
	place_write(path, buf_as_str(&bytes));
	assert_int_equal(faults(p), 1);
	assert_non_null(strstr(buf_cstr(&p->said), path));
	place_reopen(p, BACKUP_WRITE);
	backup_distrust(p->folder);
	put(p, 0, 40);
	assert_true(backup_flush(p->folder, &p->why));
	assert_int_equal(backup_new_objects(p->folder), 1);
	assert_int_equal(readable(p, 0, 40), 40);
	assert_true(backup_object_there(p->folder, &hash));
	assert_int_equal(faults(p), 0);
	buf_fini(&bytes);
}

static void
shortened_packs(void **state)
{
	struct place *p = *state;
	struct buf bytes = {0};
	char path[256];

	put(p, 0, 40);
	assert_true(backup_flush(p->folder, &p->why));
	assert_int_equal(files_in(p, "packs", path), 1);
	place_read(path, &bytes);
	for (unsigned i = 0; i < 40; i += 7) {
		place_write(path, (struct str){bytes.p, place_of(&bytes, i) + 75});
		place_reopen(p, BACKUP_READ);
		assert_int_equal(readable(p, 0, i), i);
		assert_int_equal(readable(p, i, 40), 0);
		assert_int_equal(faults(p), 40 - i);
	}
	assert_int_equal(unlink(path), 0);
	place_reopen(p, BACKUP_READ);
	assert_int_equal(readable(p, 0, 40), 0);
	assert_int_equal(faults(p), 1);
	place_reopen(p, BACKUP_WRITE);
	put(p, 0, 40);
	assert_int_equal(backup_new_objects(p->folder), 40);
	buf_fini(&bytes);
}

/* Indexes follow from the packs: without one, or with a wrong one, everything is found. */
static void
damaged_indexes(void **state)
{
	struct place *p = *state;
	struct buf bytes = {0};
	char path[256], again[256];

	put(p, 0, 40);
	assert_true(backup_flush(p->folder, &p->why));
	assert_int_equal(files_in(p, "index", path), 1);
	place_read(path, &bytes);
	for (size_t i = 0; i < bytes.n; i += 41) {
		bytes.p[i] = (char)(bytes.p[i] ^ 64);
		place_write(path, buf_as_str(&bytes));
		place_reopen(p, BACKUP_READ);
		assert_int_equal(readable(p, 0, 40), 40);
		assert_int_equal(faults(p), 1);
		assert_non_null(strstr(buf_cstr(&p->said), path));
		bytes.p[i] = (char)(bytes.p[i] ^ 64);
	}
	place_write(path, (struct str){bytes.p, bytes.n / 2});
	place_reopen(p, BACKUP_READ);
	assert_int_equal(readable(p, 0, 40), 40);
	/* None at all: a writer makes the same again. */
	assert_int_equal(unlink(path), 0);
	place_reopen(p, BACKUP_READ);
	assert_int_equal(readable(p, 0, 40), 40);
	assert_int_equal(get(p, 40), TS_NOT_FOUND);
	place_reopen(p, BACKUP_WRITE);
	put(p, 0, 40);
	assert_int_equal(backup_new_objects(p->folder), 0);
	assert_int_equal(files_in(p, "index", again), 1);
	assert_string_equal(path, again);
	struct buf made = {0};

	place_read(again, &made);
	assert_true(str_eq(buf_as_str(&made), buf_as_str(&bytes)));
	/* Damaged where no search passes: repaired by a run that verifies everything. */
	bytes.p[bytes.n - 1] = (char)(bytes.p[bytes.n - 1] ^ 1);
	place_write(path, buf_as_str(&bytes));
	assert_int_equal(faults(p), 1);
	place_reopen(p, BACKUP_WRITE);
	backup_distrust(p->folder);
	put(p, 0, 40);
	assert_int_equal(backup_new_objects(p->folder), 0);
	assert_int_equal(faults(p), 0);
	buf_fini(&made);
	buf_fini(&bytes);
}

/* A message that looks like records is not taken for some, wherever damage makes us search for
 * them. */
static void
hostile_contents(void **state)
{
	struct place *p = *state;
	struct backup_hash outer[2], inner;
	struct buf text = {0}, bytes = {0}, out = {0};
	char path[256];

	backup_hash_of(STR("forged"), &inner);
	buf_puts(&text, "Subject: x\n\nobject ");
	backup_hash_hex(&inner, &text);
	buf_puts(&text, " 6\nforgeX\nobject ");
	backup_hash_hex(&inner, &text);
	buf_puts(&text, " 99999\nforged\nobject ");
	backup_hash_hex(&inner, &text);
	buf_puts(&text, " 06\nforged\n");
	assert_true(backup_object_put(p->folder, buf_as_str(&text), &outer[0], &p->why));
	assert_true(backup_object_put(p->folder, STR("behind it"), &outer[1], &p->why));
	assert_true(backup_flush(p->folder, &p->why));
	assert_int_equal(files_in(p, "packs", path), 1);
	place_read(path, &bytes);
	bytes.p[sizeof("turnstone-pack 1") + 10] ^= 1; /* in the hash of the first */
	place_write(path, buf_as_str(&bytes));
	assert_int_equal(files_in(p, "index", path), 1);
	assert_int_equal(unlink(path), 0);
	place_reopen(p, BACKUP_READ);
	assert_false(backup_object_there(p->folder, &inner));
	assert_int_equal(backup_object_get(p->folder, &inner, 99, &out, &p->why), TS_NOT_FOUND);
	assert_int_equal(backup_object_get(p->folder, &outer[1], 99, &out, &p->why), TS_OK);
	assert_true(str_eq(buf_as_str(&out), STR("behind it")));
	buf_fini(&text);
	buf_fini(&bytes);
	buf_fini(&out);
}

/* ---- prune ---- */

/* A run that needs every step-th of the messages from … end - 1. */
static void
add_run(struct place *p, int64_t now, unsigned from, unsigned end, unsigned step)
{
	static struct backup_message messages[BACKUP_CHUNK_UIDS];
	struct backup_run_writer *w;
	struct backup_chunk chunk = {0};
	struct backup_mailbox mailbox = {.id = 1, .name = STR("INBOX"), .uidnext = 9999};
	struct backup_user user = {.name = STR("anna"), .mailboxes = &mailbox, .mailbox_count = 1};
	struct backup_run_user line = {.name = STR("anna")};
	struct buf list = {0};

	for (unsigned i = from; i < end; i += step)
		messages[chunk.count++] =
		    (struct backup_message){.uid = chunk.count + 1, .hash = hash_of(i)};
	put(p, from, end);
	backup_chunk_print(messages, chunk.count, &list);
	assert_true(backup_object_put(p->folder, buf_as_str(&list), &chunk.hash, &p->why));
	mailbox.chunks = &chunk;
	mailbox.chunk_count = 1;
	list.n = 0;
	backup_user_print(&user, &list);
	assert_true(backup_object_put(p->folder, buf_as_str(&list), &line.hash, &p->why));
	assert_true(backup_run_begin(p->folder, now, STR("abc"), &w, &p->why));
	assert_true(backup_run_add(w, &line, &p->why));
	assert_true(backup_run_end(&w, now + 1, &p->why));
	buf_fini(&list);
}

static struct backup_audit
prune(struct place *p, uint64_t keep)
{
	struct backup_audit audit = {.bad = place_bad, .arg = p};

	place_reopen(p, BACKUP_WRITE);
	assert_true(backup_prune(p->folder, keep, &audit, &p->why));
	assert_int_equal(audit.faults, 0);
	return audit;
}

static void
pruned_packs(void **state)
{
	struct place *p = *state;
	struct backup_audit audit;
	struct backup_folder *reader;
	char path[256];

	/* Nothing from the first run is needed: its pack is removed. */
	add_run(p, 1700000000, 0, 100, 1);
	add_run(p, 1700000001, 100, 400, 1);
	audit = prune(p, 1);
	assert_int_equal(audit.removed_runs, 1);
	assert_int_equal(audit.removed_objects, 102);
	assert_int_equal(audit.dead_objects, 0);
	assert_int_equal(files_in(p, "packs", path), 1);
	assert_int_equal(readable(p, 0, 100), 0);
	assert_int_equal(readable(p, 100, 400), 300);
	/* Most of the second is: the rest stays, and is counted. */
	add_run(p, 1700000002, 120, 400, 1);
	audit = prune(p, 1);
	assert_int_equal(audit.removed_runs, 1);
	assert_int_equal(audit.removed_objects, 0);
	assert_int_equal(audit.dead_objects, 22);
	assert_true(audit.dead_bytes > 22 * 80);
	assert_int_equal(readable(p, 100, 400), 300);
	/* Little of it is: the rest is removed, despite a reader that looked before. */
	add_run(p, 1700000003, 350, 400, 1);
	assert_true(backup_open(p->path, BACKUP_READ, &reader, &p->why));
	{
		struct backup_hash hash = hash_of(399);

		assert_true(backup_object_there(reader, &hash));
		audit = prune(p, 1);
		for (unsigned i = 350; i < 400; i++) {
			struct buf out = {0};

			hash = hash_of(i);
			assert_int_equal(
			    backup_object_get(reader, &hash, 999, &out, &p->why), TS_OK);
			buf_fini(&out);
		}
	}
	backup_close(&reader);
	assert_int_equal(audit.removed_objects, 22 + 230 + 2);
	assert_int_equal(audit.dead_objects, 0);
	assert_int_equal(readable(p, 350, 400), 50);
	assert_int_equal(readable(p, 100, 350), 0);
	assert_int_equal(faults(p), 0);
	/* Again: there is nothing to do. */
	audit = prune(p, 1);
	assert_int_equal(audit.removed_objects, 0);
	assert_int_equal(backup_costs(p->folder)->written, 0);
}

static void
prune_cut_off(void **state)
{
	struct place *p = *state;
	struct buf bytes = {0};
	struct backup_audit audit;
	char path[256], old[256];

	add_run(p, 1700000000, 0, 300, 1);
	assert_int_equal(files_in(p, "packs", old), 1);
	place_read(old, &bytes);
	add_run(p, 1700000001, 0, 300, 3);
	audit = prune(p, 1);
	assert_int_equal(audit.removed_objects, 200 + 2);
	assert_int_not_equal(access(old, F_OK), 0);
	/* Killed after the index dropped the pack, and before the pack was removed. */
	place_write(old, buf_as_str(&bytes));
	assert_int_equal(faults(p), 0);
	place_reopen(p, BACKUP_WRITE);
	assert_int_equal(get(p, 1), TS_NOT_FOUND);
	assert_int_equal(get(p, 3), TS_OK);
	(void)prune(p, 1);
	assert_int_not_equal(access(old, F_OK), 0);
	assert_int_equal(faults(p), 0);
	/* A number is never reused, even if the last pack was removed. */
	put(p, 1000, 1010);
	assert_true(backup_flush(p->folder, &p->why));
	(void)prune(p, 1);
	(void)snprintf(path, sizeof(path), "%s/packs/00000005", p->path);
	assert_int_not_equal(access(path, F_OK), 0);
	place_reopen(p, BACKUP_WRITE);
	put(p, 2000, 2010);
	assert_true(backup_flush(p->folder, &p->why));
	(void)snprintf(path, sizeof(path), "%s/packs/00000005", p->path);
	assert_int_equal(access(path, F_OK), 0);
	buf_fini(&bytes);
}

/* Small packs from daily runs become one. */
static void
small_packs_are_joined(void **state)
{
	struct place *p = *state;
	char path[256];
	unsigned n = BACKUP_PACK_SMALL_COUNT;

	for (unsigned i = 1; i < n; i++)
		add_run(p, 1700000000 + i, 0, 50 * i, 1);
	(void)prune(p, 99);
	assert_int_equal(files_in(p, "packs", path), n - 1);
	add_run(p, 1700000000 + n, 0, 50 * n, 1);
	(void)prune(p, 99);
	assert_int_equal(files_in(p, "packs", path), 1);
	assert_int_equal(files_in(p, "index", path), 1);
	assert_int_equal(readable(p, 0, 50 * n), 50 * n);
	assert_int_equal(faults(p), 0);
}

/* Needed objects in a damaged pack are kept. */
static void
damaged_packs_stay(void **state)
{
	struct place *p = *state;
	struct backup_audit audit = {.bad = place_bad, .arg = p};
	struct buf bytes = {0};
	char path[256];

	add_run(p, 1700000000, 0, 300, 1);
	assert_int_equal(files_in(p, "packs", path), 1);
	add_run(p, 1700000001, 0, 300, 3);
	place_read(path, &bytes);
	bytes.p[place_of(&bytes, 9) + 76] ^= 1;
	place_write(path, buf_as_str(&bytes));
	place_reopen(p, BACKUP_WRITE);
	assert_true(backup_prune(p->folder, 1, &audit, &p->why));
	assert_int_equal(audit.faults, 1);
	assert_int_equal(access(path, F_OK), 0);
	for (unsigned i = 0; i < 300; i += 3)
		assert_int_equal(get(p, i), i == 9 ? TS_DAMAGED : TS_OK);
	buf_fini(&bytes);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, place_setup, place_teardown)
	const struct CMUnitTest tests[] = {TEST(there_and_back), TEST(large_ones_are_files),
	    TEST(bounded), TEST(cut_off), TEST(cut_off_and_damaged), TEST(damaged_packs),
	    TEST(shortened_packs), TEST(damaged_indexes), TEST(hostile_contents),
	    TEST(pruned_packs), TEST(prune_cut_off), TEST(small_packs_are_joined),
	    TEST(damaged_packs_stay)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
