/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What salvage recovers from a damaged folder of the RocksDB engine, place by place: from a table
 * everything but the damaged block, from a log everything but the damaged commit, messages without
 * their pointers; and nothing that did not exist.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/engine/rocks/rocks.h"
#include "store/engine/rocks/rocks_int.h"

#define KEYS 3000u
#define BLOCK_KEYS 60u /* more than fit into a block */

struct world {
	char whole_path[64], path[80]; /* the original store; a damaged copy of it */
	struct engine *engine;
	struct engine_batch *batch;
	struct buf out;
	char *text;
	bool (*whole)(struct str key, struct str value);
};

/* ---- files ---- */

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void
read_whole(const char *path, struct buf *out)
{
	int fd = open(path, O_RDONLY);
	ssize_t n;

	assert_true(fd >= 0);
	out->n = 0;
	while ((n = read(fd, buf_room(out, 65536), 65536)) > 0)
		out->n += (size_t)n;
	(void)close(fd);
}

static void
write_whole(const char *path, struct str bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes.p, bytes.n), bytes.n);
	(void)close(fd);
}

/* The files of a store without large messages. */
static void
copy(const char *from, const char *to)
{
	DIR *d = opendir(from);
	struct dirent *e;
	struct buf b = {0}, source = {0}, target = {0};

	assert_non_null(d);
	(void)nftw(to, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	assert_int_equal(mkdir(to, 0700), 0);
	while ((e = readdir(d)) != NULL) {
		struct stat st;

		source.n = target.n = 0;
		buf_printf(&source, "%s/%s", from, e->d_name);
		buf_printf(&target, "%s/%s", to, e->d_name);
		if (stat(buf_cstr(&source), &st) != 0 || !S_ISREG(st.st_mode))
			continue;
		read_whole(buf_cstr(&source), &b);
		write_whole(buf_cstr(&target), buf_as_str(&b));
	}
	(void)closedir(d);
	buf_fini(&b);
	buf_fini(&source);
	buf_fini(&target);
}

/* The file in the damaged copy with that suffix that contains these bytes. */
static void
find_file(struct world *w, const char *suffix, const char *holds, struct buf *path)
{
	DIR *d = opendir(w->path);
	struct buf b = {0};
	struct dirent *e;
	bool found = false;

	assert_non_null(d);
	while (!found && (e = readdir(d)) != NULL) {
		if (!str_has_suffix(str_of(e->d_name), str_of(suffix)))
			continue;
		path->n = 0;
		buf_printf(path, "%s/%s", w->path, e->d_name);
		read_whole(buf_cstr(path), &b);
		found = b.n > 0 && memmem(b.p, b.n, holds, strlen(holds)) != NULL;
	}
	(void)closedir(d);
	assert_true(found);
	buf_fini(&b);
}

static void
flip(const struct buf *path, size_t at)
{
	struct buf b = {0};

	read_whole(path->p, &b);
	assert_true(at < b.n);
	b.p[at] = (char)(b.p[at] ^ 0x20);
	write_whole(path->p, buf_as_str(&b));
	buf_fini(&b);
}

static size_t
size_of(const struct buf *path)
{
	struct stat st;

	assert_int_equal(stat(path->p, &st), 0);
	return (size_t)st.st_size;
}

/* ---- stores ---- */

static int
setup(void **state)
{
	struct world *w = mem_zalloc(sizeof(*w));

	(void)snprintf(w->whole_path, sizeof(w->whole_path), "/tmp/ts-salvage-XXXXXX");
	assert_non_null(mkdtemp(w->whole_path));
	(void)snprintf(w->path, sizeof(w->path), "%s.hurt", w->whole_path);
	w->batch = engine_batch_new();
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	engine_close(&w->engine);
	(void)nftw(w->whole_path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	(void)nftw(w->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	engine_batch_free(&w->batch);
	buf_fini(&w->out);
	mem_free(w->text);
	mem_free(w);
	return 0;
}

static void
open_store(struct world *w, const char *path, const char *words)
{
	struct engine_options opt = {
	    .path = path, .cache_bytes = 4 << 20, .text = str_of(words), .whole = w->whole};
	enum ts_err err;

	engine_close(&w->engine);
	mem_free(w->text);
	w->text = NULL;
	err = engine_open(&engine_rocks_class, &opt, &w->engine, &w->text);
	if (err != TS_OK)
		print_error("%s: %s\n", ts_err_name(err), w->text);
	assert_int_equal(err, TS_OK);
}

/* Salvages it; from then on it is undamaged. */
static void
salvage(struct world *w)
{
	open_store(w, w->path, "salvage recover");
	assert_non_null(w->text);
	open_store(w, w->path, "salvage");
	assert_null(w->text);
}

static void
value_of(unsigned i, struct buf *value)
{
	value->n = 0;
	for (unsigned k = 0; k < 50; k++)
		buf_printf(value, "%u ", (i + 1) * (k + 77) * 2654435761u);
}

static void
put_number(struct world *w, unsigned i)
{
	char key[16];

	(void)snprintf(key, sizeof(key), "key%08u", i);
	value_of(i, &w->out);
	engine_batch_put(w->batch, str_of(key), buf_as_str(&w->out));
}

static bool
has_number(struct world *w, unsigned i)
{
	struct buf value = {0};
	char key[16];
	enum ts_err err;

	(void)snprintf(key, sizeof(key), "key%08u", i);
	err = engine_get(w->engine, str_of(key), &value);
	assert_true(err == TS_OK || err == TS_NOT_FOUND);
	if (err == TS_OK) {
		value_of(i, &w->out);
		assert_true(str_eq(buf_as_str(&value), buf_as_str(&w->out)));
	}
	buf_fini(&value);
	return err == TS_OK;
}

/* A value shows by itself whether it is right. */
static bool
number_whole(struct str key, struct str value)
{
	struct buf b = {0};
	uint64_t i;
	bool ok = key.n == 11 && str_has_prefix(key, STR("key")) &&
	          str_u64((struct str){key.p + 3, 8}, KEYS, &i);

	if (ok)
		value_of((unsigned)i, &b);
	ok = ok && str_eq(value, buf_as_str(&b));
	buf_fini(&b);
	return ok;
}

static void
commit(struct world *w)
{
	assert_int_equal(engine_commit(w->engine, w->batch), TS_OK);
	engine_batch_clear(w->batch);
}

/* ---- tables ---- */

static void
make_table(struct world *w)
{
	open_store(w, w->whole_path, "");
	for (unsigned i = 0; i < KEYS; i++)
		put_number(w, i);
	engine_batch_put(w->batch, STR("gone1"), STR("x"));
	engine_batch_put(w->batch, STR("gone2"), STR("x"));
	commit(w);
	open_store(w, w->whole_path, ""); /* closing writes a table */
	engine_batch_delete_range(w->batch, STR("gone"), STR("gonf"));
	for (unsigned i = 0; i < KEYS; i++)
		put_number(w, i);
	commit(w);
	engine_close(&w->engine);
}

/* Returns how many keys are lost; they are consecutive, apart from some left in between. */
static unsigned
lost_numbers(struct world *w)
{
	unsigned lost = 0, first = 0, last = 0;

	for (unsigned i = 0; i < KEYS; i++) {
		if (has_number(w, i))
			continue;
		first = lost == 0 ? i : first;
		last = i;
		lost++;
	}
	assert_true(lost == 0 || last - first + 1 == lost ||
	            (w->whole != NULL && last - first < BLOCK_KEYS));
	return lost;
}

static unsigned
lost_by_flip(struct world *w, const struct buf *path, size_t at)
{
	unsigned lost;

	copy(w->whole_path, w->path);
	flip(path, at);
	salvage(w);
	lost = lost_numbers(w);
	engine_close(&w->engine);
	return lost;
}

/* A flipped bit costs at most a block's keys; after the blocks it costs nothing. */
static void
a_flip_in_a_table_costs_one_block(void **state)
{
	struct world *w = *state;
	struct buf path = {0};
	unsigned lost = 0, left = 0;
	size_t size;

	open_store(w, w->whole_path, "");
	for (unsigned i = 0; i < KEYS; i++)
		put_number(w, i);
	commit(w);
	engine_close(&w->engine);
	copy(w->whole_path, w->path);
	find_file(w, ".sst", "rocksdb.properties", &path);
	size = size_of(&path);
	for (size_t at = 1; at + 20000 < size; at += size / 12) {
		unsigned one = lost_by_flip(w, &path, at), less;

		assert_true(one < BLOCK_KEYS);
		lost += one;
		/* If values can be verified, less than the block. */
		w->whole = number_whole;
		less = lost_by_flip(w, &path, at);
		w->whole = NULL;
		assert_true(less <= one);
		left += less;
	}
	print_message(
	    "flips: %u entries lost with their blocks, %u with their own checks\n", lost, left);
	assert_true(lost > 0 && left < lost);
	/* The filter and what follows it: index, properties, their list, the footer. */
	for (size_t back = 1; back < 5000; back += 397)
		assert_int_equal(lost_by_flip(w, &path, size - back), 0);
	buf_fini(&path);
}

static void
a_cut_table_keeps_what_is_before_the_cut(void **state)
{
	struct world *w = *state;
	struct buf path = {0};
	size_t size;

	open_store(w, w->whole_path, "");
	for (unsigned i = 0; i < KEYS; i++)
		put_number(w, i);
	commit(w);
	engine_close(&w->engine);
	copy(w->whole_path, w->path);
	find_file(w, ".sst", "rocksdb.properties", &path);
	size = size_of(&path);
	for (unsigned tenths = 1; tenths < 10; tenths += 2) {
		unsigned lost;

		copy(w->whole_path, w->path);
		assert_int_equal(truncate(path.p, (off_t)(size * tenths / 10)), 0);
		salvage(w);
		lost = lost_numbers(w);
		assert_true(lost < KEYS);
		assert_true(!has_number(w, KEYS - 1) && has_number(w, 0));
		assert_true(lost <= KEYS * (10 - tenths) / 10 + BLOCK_KEYS);
		engine_close(&w->engine);
	}
	buf_fini(&path);
}

/* A table with a removed range loses its footer: the range stays removed. */
static void
removed_ranges_stay_removed(void **state)
{
	struct world *w = *state;
	struct buf path = {0};

	make_table(w);
	copy(w->whole_path, w->path);
	find_file(w, ".sst", "rocksdb.range_del", &path);
	flip(&path, size_of(&path) - 5);
	salvage(w);
	assert_int_equal(lost_numbers(w), 0);
	w->out.n = 0;
	assert_int_equal(engine_get(w->engine, STR("gone1"), &w->out), TS_NOT_FOUND);
	assert_int_equal(engine_get(w->engine, STR("gone2"), &w->out), TS_NOT_FOUND);
	engine_close(&w->engine);
	buf_fini(&path);
}

/* ---- messages without a pointer ---- */

static void
body_of(unsigned i, struct buf *b)
{
	b->n = 0;
	for (unsigned k = 0; k < 100 + i; k++)
		buf_printf(b, "%u.", (i + 3) * (k + 5) * 2654435761u);
}

static void
make_blobs(struct world *w)
{
	open_store(w, w->whole_path, "");
	for (unsigned i = 0; i < 40; i++) {
		body_of(i, &w->out);
		engine_batch_put_blob(w->batch, i + 1, buf_as_str(&w->out));
		put_number(w, i);
	}
	commit(w);
	engine_close(&w->engine);
	copy(w->whole_path, w->path);
}

static bool
blob_is_right(struct world *w, unsigned i)
{
	struct buf got = {0};
	bool ok = engine_blob_read(w->engine, i + 1, 0, UINT64_MAX, &got) == TS_OK;

	body_of(i, &w->out);
	assert_true(!ok || str_eq(buf_as_str(&got), buf_as_str(&w->out)));
	buf_fini(&got);
	return ok;
}

static void
messages_without_pointers_are_found(void **state)
{
	struct world *w = *state;
	struct buf path = {0};
	unsigned missing = 0;

	make_blobs(w);
	find_file(w, ".sst", "blobs", &path);
	assert_int_equal(unlink(path.p), 0);
	salvage(w);
	assert_int_equal(lost_numbers(w), KEYS - 40); /* the keys are in another table */
	for (unsigned i = 0; i < 40; i++) {
		missing += !blob_is_right(w, i);
		assert_int_equal(engine_blob_rescue(w->engine, i + 1), TS_OK);
		assert_true(blob_is_right(w, i));
	}
	assert_int_equal(missing, 40);
	assert_int_equal(engine_blob_rescue(w->engine, 99), TS_NOT_FOUND);
	open_store(w, w->path, "");
	for (unsigned i = 0; i < 40; i++)
		assert_true(blob_is_right(w, i));
	engine_close(&w->engine);
	buf_fini(&path);
}

/* Data without a valid checksum is not returned; what is left of it is kept for people. */
static void
damaged_messages_are_not_given_out(void **state)
{
	struct world *w = *state;
	struct buf path = {0}, b = {0}, rest = {0};
	char *at;

	make_blobs(w);
	find_file(w, ".sst", "blobs", &path);
	assert_int_equal(unlink(path.p), 0);
	body_of(20, &w->out);
	find_file(w, ".blob", buf_cstr(&w->out), &path);
	read_whole(path.p, &b);
	at = memmem(b.p, b.n, w->out.p, w->out.n);
	flip(&path, (size_t)(at - b.p) + 100);
	salvage(w);
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(
		    engine_blob_rescue(w->engine, i + 1), i == 20 ? TS_NOT_FOUND : TS_OK);
	assert_int_equal(engine_blob_set_aside(w->engine, 21, ENGINE_ASIDE_DAMAGED), TS_OK);
	path.n = 0;
	buf_printf(&path, "%s/damaged/%016x", w->path, 21);
	read_whole(buf_cstr(&path), &rest);
	body_of(20, &w->out);
	assert_int_equal(rest.n, w->out.n);
	assert_memory_equal(rest.p, w->out.p, 100);
	engine_close(&w->engine);
	buf_fini(&path);
	buf_fini(&b);
	buf_fini(&rest);
}

static void
count_blob(uint64_t blob, void *arg)
{
	unsigned *seen = arg;

	assert_true(blob >= 1 && blob <= 40);
	seen[blob - 1]++;
}

static void
all_small_messages_are_named_once(void **state)
{
	struct world *w = *state;
	unsigned seen[40] = {0};

	make_blobs(w);
	open_store(w, w->path, "");
	engine_batch_delete_blob(w->batch, 7);
	engine_batch_put_blob(w->batch, 8, STR("anew"));
	commit(w);
	assert_int_equal(engine_blob_each(w->engine, count_blob, seen), TS_OK);
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(seen[i], i != 6);
	engine_close(&w->engine);
}

/* ---- the log ---- */

/* A copy of an open store: as after a kill, everything is in the log. */
static void
make_log(struct world *w, unsigned commits, struct str blob)
{
	open_store(w, w->whole_path, "");
	for (unsigned i = 0; i < commits; i++) {
		put_number(w, i);
		body_of(i, &w->out);
		engine_batch_put_blob(w->batch, i + 1, buf_as_str(&w->out));
		if (blob.n > 0 && i == commits / 2)
			engine_batch_put_blob(w->batch, 1000, blob);
		commit(w);
	}
	copy(w->whole_path, w->path);
	engine_close(&w->engine);
	copy(w->path, w->whole_path);
}

static unsigned
lost_commits(struct world *w, unsigned commits)
{
	unsigned lost = 0;

	for (unsigned i = 0; i < commits; i++)
		lost += !has_number(w, i) || !blob_is_right(w, i);
	return lost;
}

static void
a_flip_in_the_log_costs_one_commit(void **state)
{
	struct world *w = *state;
	struct buf path = {0}, b = {0};
	unsigned commits = 60;

	make_log(w, commits, STR_NONE);
	body_of(commits / 3, &w->out);
	find_file(w, ".log", buf_cstr(&w->out), &path);
	read_whole(path.p, &b);
	for (unsigned i = 1; i < commits - 1; i += 7) {
		char *at;

		copy(w->whole_path, w->path);
		body_of(i, &w->out);
		w->out.n /= 4; /* all of it may be in two pieces */
		at = memmem(b.p, b.n, w->out.p, w->out.n);
		if (at == NULL)
			continue;
		flip(&path, (size_t)(at - b.p) + 50);
		salvage(w);
		assert_int_equal(lost_commits(w, commits), 1);
		engine_close(&w->engine);
	}
	/* A length: lost is the rest of its block of 32 KiB, of other blocks nothing. */
	copy(w->whole_path, w->path);
	flip(&path, 4);
	salvage(w);
	assert_true(lost_commits(w, commits) < 32768 / 1000);
	engine_close(&w->engine);
	buf_fini(&path);
	buf_fini(&b);
}

/* A message that contains part of a log: its operations are not carried out. */
static void
what_messages_say_is_not_done(void **state)
{
	static const char evil[] = "\x01\x04"
	                           "evil"
	                           "\x04"
	                           "evil";
	struct world *w = *state;
	struct buf path = {0}, piece = {0}, batch = {0}, b = {0};
	char *at;

	buf_le64(&batch, 1u << 20);
	buf_le32(&batch, 1);
	buf_put(&batch, evil, sizeof(evil) - 1);
	rocks_log_put(&piece, buf_as_str(&batch));
	make_log(w, 10, buf_as_str(&piece));
	find_file(w, ".log", "evil", &path);
	read_whole(path.p, &b);
	at = memmem(b.p, b.n, piece.p, piece.n);
	assert_non_null(at);
	for (int before = 1; before < 4; before++) {
		copy(w->whole_path, w->path);
		flip(&path, (size_t)(at - b.p) - (size_t)before);
		salvage(w);
		assert_int_equal(lost_commits(w, 10), 1);
		w->out.n = 0;
		assert_int_equal(engine_get(w->engine, STR("evil"), &w->out), TS_NOT_FOUND);
		engine_close(&w->engine);
	}
	buf_fini(&path);
	buf_fini(&piece);
	buf_fini(&batch);
	buf_fini(&b);
}

/* Of a commit in several pieces, the operations before the damage are kept. */
static void
the_beginning_of_a_commit_is_kept(void **state)
{
	struct world *w = *state;
	struct buf path = {0}, b = {0};
	unsigned kept = 0;

	open_store(w, w->whole_path, "");
	put_number(w, KEYS);
	commit(w);
	for (unsigned i = 0; i < 300; i++) /* 150 KiB */
		put_number(w, i);
	commit(w);
	put_number(w, 301);
	commit(w);
	copy(w->whole_path, w->path);
	find_file(w, ".log", "key00000299", &path);
	read_whole(path.p, &b);
	flip(&path, (size_t)((char *)memmem(b.p, b.n, "key00000200", 11) - b.p));
	salvage(w);
	for (unsigned i = 0; i < 300; i++)
		kept += has_number(w, i);
	assert_true(kept > 200 - 70 && kept <= 200);
	assert_true(has_number(w, KEYS) && has_number(w, 301));
	engine_close(&w->engine);
	buf_fini(&path);
	buf_fini(&b);
}

/* What a crash leaves behind: nothing is set aside, because nothing is damaged. */
static void
a_torn_end_is_no_damage(void **state)
{
	struct world *w = *state;
	struct buf path = {0}, b = {0};

	make_log(w, 20, STR_NONE);
	body_of(3, &w->out);
	find_file(w, ".log", buf_cstr(&w->out), &path);
	read_whole(path.p, &b);
	buf_put(&b, "\x11\x22\x33\x44\x00\x10\x01 and so on", 17);
	write_whole(path.p, buf_as_str(&b));
	open_store(w, w->path, "salvage");
	assert_null(w->text);
	assert_int_equal(lost_commits(w, 20), 0);
	engine_close(&w->engine);
	buf_fini(&path);
	buf_fini(&b);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(a_flip_in_a_table_costs_one_block),
	    CASE(a_cut_table_keeps_what_is_before_the_cut),
	    CASE(removed_ranges_stay_removed),
	    CASE(messages_without_pointers_are_found),
	    CASE(damaged_messages_are_not_given_out),
	    CASE(all_small_messages_are_named_once),
	    CASE(a_flip_in_the_log_costs_one_commit),
	    CASE(what_messages_say_is_not_done),
	    CASE(the_beginning_of_a_commit_is_kept),
	    CASE(a_torn_end_is_no_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
