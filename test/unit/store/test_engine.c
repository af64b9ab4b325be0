/* SPDX-License-Identifier: Apache-2.0 */
/* What every engine guarantees (store/engine.h), tested on each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/engine/mem/mem.h"
#include "store/engine/rocks/rocks.h"

#define BLOB_FILE(n) (STORE_BLOB_FILE | (n))
#define WRITERS 4
#define WRITES 60

struct bench { /* an engine, and what it needs to be reopened */
	const struct engine_class *class;
	struct engine_options opt;
	struct engine *engine;
	struct engine_batch *batch;
	struct buf out;
	char path[64];
};

static void
bench_open(struct bench *b)
{
	char *text = NULL;
	enum ts_err err = engine_open(b->class, &b->opt, &b->engine, &text);

	if (err != TS_OK)
		print_error("open: %s: %s\n", ts_err_name(err), text != NULL ? text : "");
	assert_int_equal(err, TS_OK);
	assert_null(text);
}

static int
bench_setup(void **state, const struct engine_class *class)
{
	struct bench *b = mem_zalloc(sizeof(*b));

	b->class = class;
	b->batch = engine_batch_new();
	b->opt.cache_bytes = 4 << 20;
	b->opt.write_buffer_bytes = 4 << 20;
	if (class == &engine_mem_class) {
		b->opt.own = engine_mem_disk_new();
	} else {
		(void)snprintf(b->path, sizeof(b->path), "/tmp/ts-engine-XXXXXX");
		assert_non_null(mkdtemp(b->path));
		b->opt.path = b->path;
	}
	bench_open(b);
	*state = b;
	return 0;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int
teardown(void **state)
{
	struct bench *b = *state;
	struct engine_mem_disk *disk = b->opt.own;

	engine_close(&b->engine);
	engine_mem_disk_free(&disk);
	if (b->path[0] != '\0')
		(void)nftw(b->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	engine_batch_free(&b->batch);
	buf_fini(&b->out);
	mem_free(b);
	return 0;
}

static int
setup_mem(void **state)
{
	return bench_setup(state, &engine_mem_class);
}

static void
bench_again(struct bench *b)
{
	engine_close(&b->engine);
	bench_open(b);
}

static void
commit(struct bench *b)
{
	assert_int_equal(engine_commit(b->engine, b->batch), TS_OK);
	engine_batch_clear(b->batch);
}

static const char *
get(struct bench *b, struct str key)
{
	b->out.n = 0;
	if (engine_get(b->engine, key, &b->out) != TS_OK)
		return NULL;
	return buf_cstr(&b->out);
}

/* The keys of a scan, each followed by a space. */
static const char *
scan(struct bench *b, struct str from, struct str end, bool reverse)
{
	struct engine_iter *iter = engine_iter_new(b->engine, from, end, reverse);
	struct str key, value;
	enum ts_err err;

	b->out.n = 0;
	while ((err = engine_iter_next(iter, &key, &value)) == TS_OK) {
		buf_str(&b->out, key);
		buf_putc(&b->out, ' ');
	}
	assert_int_equal(err, TS_NOT_FOUND);
	assert_int_equal(engine_iter_next(iter, &key, &value), TS_NOT_FOUND);
	engine_iter_free(&iter);
	return buf_cstr(&b->out);
}

static void
fill(struct bench *b)
{
	engine_batch_put(b->batch, STR("b"), STR("2"));
	engine_batch_put(b->batch, STR("a"), STR("1"));
	engine_batch_put(b->batch, STR("ba"), STR("3"));
	engine_batch_put(b->batch, STR("c\xff"), STR("5"));
	engine_batch_put(b->batch, STR("c"), STR("4"));
	commit(b);
}

static struct str
pattern(size_t n, unsigned seed)
{
	char *p = mem_zalloc(n);

	for (size_t i = 0; i < n; i++) {
		seed = seed * 1103515245 + 12345;
		p[i] = (char)(seed >> 16);
	}
	return (struct str){p, n};
}

static void
pattern_free(struct str s)
{
	free((void *)(uintptr_t)s.p);
}

/* ---- the promises ---- */

static void
what_was_put_is_there(void **state)
{
	struct bench *b = *state;

	assert_int_equal(engine_get(b->engine, STR("a"), &b->out), TS_NOT_FOUND);
	fill(b);
	assert_string_equal(get(b, STR("a")), "1");
	assert_string_equal(get(b, STR("c\xff")), "5");
	assert_null(get(b, STR("c\xff\xff")));
	assert_null(get(b, STR("A")));
	b->out.n = 0;
	buf_puts(&b->out, "x");
	assert_int_equal(engine_get(b->engine, STR("b"), &b->out), TS_OK);
	assert_string_equal(buf_cstr(&b->out), "x2"); /* appended */
	assert_int_equal(engine_get(b->engine, STR("none"), &b->out), TS_NOT_FOUND);
	assert_string_equal(buf_cstr(&b->out), "x2");
}

static void
operations_of_a_batch_happen_in_order(void **state)
{
	struct bench *b = *state;

	fill(b);
	engine_batch_put(b->batch, STR("n"), STR("old"));
	engine_batch_put(b->batch, STR("n"), STR("new"));
	engine_batch_delete(b->batch, STR("a"));
	engine_batch_put(b->batch, STR("b1"), STR("gone"));
	engine_batch_delete_range(b->batch, STR("b"), STR("c"));
	engine_batch_put(b->batch, STR("bb"), STR("stays"));
	engine_batch_put(b->batch, STR("empty"), STR(""));
	engine_batch_delete(b->batch, STR("never was"));
	commit(b);
	assert_string_equal(scan(b, STR(""), STR(""), false), "bb c c\xff empty n ");
	assert_string_equal(get(b, STR("n")), "new");
	assert_string_equal(get(b, STR("empty")), "");
}

static void
an_empty_batch_is_fine(void **state)
{
	struct bench *b = *state;

	commit(b);
	assert_string_equal(scan(b, STR(""), STR(""), false), "");
}

static void
scans_keep_their_bounds(void **state)
{
	struct bench *b = *state;

	fill(b);
	assert_string_equal(scan(b, STR(""), STR(""), false), "a b ba c c\xff ");
	assert_string_equal(scan(b, STR(""), STR(""), true), "c\xff c ba b a ");
	assert_string_equal(scan(b, STR("b"), STR("c"), false), "b ba ");
	assert_string_equal(scan(b, STR("b"), STR("c"), true), "ba b ");
	assert_string_equal(scan(b, STR("aa"), STR("bb"), false), "b ba ");
	assert_string_equal(scan(b, STR("aa"), STR("bb"), true), "ba b ");
	assert_string_equal(scan(b, STR("c"), STR(""), false), "c c\xff ");
	assert_string_equal(scan(b, STR("c"), STR("c"), false), "");
	assert_string_equal(scan(b, STR("c"), STR("b"), false), "");
	assert_string_equal(scan(b, STR("c"), STR("b"), true), "");
	assert_string_equal(scan(b, STR("x"), STR("z"), true), "");
	assert_string_equal(scan(b, STR(""), STR("a"), true), "");
}

static void
ranges_are_deleted(void **state)
{
	struct bench *b = *state;

	fill(b);
	engine_batch_delete_range(b->batch, STR("b"), STR("c"));
	engine_batch_delete_range(b->batch, STR("z"), STR("a")); /* nothing */
	commit(b);
	assert_string_equal(scan(b, STR(""), STR(""), false), "a c c\xff ");
	assert_string_equal(scan(b, STR(""), STR(""), true), "c\xff c a ");
	assert_null(get(b, STR("ba")));
	bench_again(b);
	assert_string_equal(scan(b, STR(""), STR(""), false), "a c c\xff ");
}

static void
an_iterator_sees_one_moment(void **state)
{
	struct bench *b = *state;
	struct engine_iter *iter;
	struct str key, value;

	fill(b);
	iter = engine_iter_new(b->engine, STR("a"), STR("z"), false);
	assert_int_equal(engine_iter_next(iter, &key, &value), TS_OK);
	engine_batch_put(b->batch, STR("b"), STR("changed"));
	engine_batch_put(b->batch, STR("bz"), STR("new"));
	engine_batch_delete_range(b->batch, STR("ba"), STR("d"));
	commit(b);
	b->out.n = 0;
	while (engine_iter_next(iter, &key, &value) == TS_OK) {
		buf_str(&b->out, key);
		buf_str(&b->out, value);
	}
	engine_iter_free(&iter);
	assert_string_equal(buf_cstr(&b->out), "b2ba3c4c\xff"
	                                       "5");
	assert_string_equal(scan(b, STR(""), STR(""), false), "a b ");
}

static void
many_keys_survive(void **state)
{
	struct bench *b = *state;
	struct engine_iter *iter;
	struct str key, value, want = pattern(200, 7);
	char name[32];
	unsigned n = 0;

	for (unsigned i = 0; i < 20000; i++) {
		(void)snprintf(name, sizeof(name), "k%08u", i * 7919 % 20000);
		engine_batch_put(b->batch, str_of(name), want);
		if (i % 1000 == 999)
			commit(b);
	}
	for (unsigned i = 0; i < 20000; i += 2) {
		(void)snprintf(name, sizeof(name), "k%08u", i);
		engine_batch_delete(b->batch, str_of(name));
	}
	commit(b);
	bench_again(b);
	iter = engine_iter_new(b->engine, STR("k"), STR("l"), false);
	while (engine_iter_next(iter, &key, &value) == TS_OK) {
		(void)snprintf(name, sizeof(name), "k%08u", 2 * n++ + 1);
		assert_true(str_eq(key, str_of(name)) && str_eq(value, want));
	}
	engine_iter_free(&iter);
	assert_int_equal(n, 10000);
	pattern_free(want);
}

static void
check_blob(struct bench *b, uint64_t blob, struct str want)
{
	static const struct {
		uint64_t off, len;
	} cuts[] = {{0, UINT64_MAX}, {0, 1}, {1, 10}, {65535, 2}, {65536, 65536}, {65530, 70000},
	    {1000000, UINT64_MAX}, {UINT64_MAX, UINT64_MAX}, {5, 0}};
	uint64_t size = 0;

	assert_int_equal(engine_blob_size(b->engine, blob, &size), TS_OK);
	assert_int_equal(size, want.n);
	for (size_t i = 0; i < sizeof(cuts) / sizeof(*cuts); i++) {
		uint64_t off = cuts[i].off < want.n ? cuts[i].off : want.n;
		size_t len =
		    cuts[i].len < want.n - off ? (size_t)cuts[i].len : (size_t)(want.n - off);

		b->out.n = 0;
		assert_int_equal(
		    engine_blob_read(b->engine, blob, cuts[i].off, cuts[i].len, &b->out), TS_OK);
		assert_true(str_eq(buf_as_str(&b->out), (struct str){want.p + off, len}));
	}
}

static void
small_blobs_travel_in_the_batch(void **state)
{
	struct bench *b = *state;
	struct str one = pattern(4096, 1), big = pattern(200000, 2);
	uint64_t size;

	assert_int_equal(engine_blob_size(b->engine, 1, &size), TS_NOT_FOUND);
	assert_int_equal(engine_blob_read(b->engine, 1, 0, 10, &b->out), TS_NOT_FOUND);
	engine_batch_put(b->batch, STR("key"), STR("value"));
	engine_batch_put_blob(b->batch, 1, one);
	engine_batch_put_blob(b->batch, 2, big);
	engine_batch_put_blob(b->batch, 3, STR(""));
	commit(b);
	for (int i = 0; i < 2; i++) {
		check_blob(b, 1, one);
		check_blob(b, 2, big);
		check_blob(b, 3, STR(""));
		assert_string_equal(scan(b, STR(""), STR(""), false), "key "); /* keys only */
		bench_again(b);
	}
	engine_batch_delete_blob(b->batch, 1);
	engine_batch_delete_blob(b->batch, 77);
	commit(b);
	assert_int_equal(engine_blob_size(b->engine, 1, &size), TS_NOT_FOUND);
	check_blob(b, 2, big);
	pattern_free(one);
	pattern_free(big);
}

struct found {
	unsigned n;
	uint64_t sum;
};

static void
found_file(uint64_t blob, void *arg)
{
	struct found *f = arg;

	f->n++;
	f->sum += blob & ~STORE_BLOB_FILE;
}

static struct found
blob_files(struct bench *b)
{
	struct found f = {0};

	assert_int_equal(engine_blob_files(b->engine, found_file, &f), TS_OK);
	return f;
}

static void
write_file(struct bench *b, uint64_t blob, struct str bytes, size_t piece)
{
	struct engine_blob_writer *w = NULL;
	struct str map;

	assert_int_equal(engine_blob_create(b->engine, blob, &w), TS_OK);
	for (size_t at = 0; at < bytes.n; at += piece) {
		struct str part = {bytes.p + at, piece < bytes.n - at ? piece : bytes.n - at};

		assert_int_equal(engine_blob_write(w, part), TS_OK);
	}
	assert_int_equal(engine_blob_map(w, &map), TS_OK);
	assert_true(str_eq(map, bytes));
	assert_int_equal(engine_blob_finish(&w), TS_OK);
	assert_null(w);
}

static void
large_blobs_have_files(void **state)
{
	static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 131072, 1000003};
	struct bench *b = *state;
	struct engine_blob_writer *w = NULL;
	struct str data = pattern(1000003, 3);
	uint64_t size;

	assert_int_equal(engine_blob_size(b->engine, BLOB_FILE(9), &size), TS_NOT_FOUND);
	assert_int_equal(engine_blob_read(b->engine, BLOB_FILE(9), 0, 1, &b->out), TS_NOT_FOUND);
	for (size_t i = 0; i < 7; i++)
		write_file(b, BLOB_FILE(i), (struct str){data.p, sizes[i]}, 777 + 50000 * i);
	assert_int_equal(engine_blob_create(b->engine, BLOB_FILE(99), &w), TS_OK);
	assert_int_equal(engine_blob_write(w, data), TS_OK);
	assert_int_equal(engine_blob_size(b->engine, BLOB_FILE(99), &size), TS_NOT_FOUND);
	engine_blob_abort(&w);
	for (int again = 0; again < 2; again++) {
		for (size_t i = 0; i < 7; i++)
			check_blob(b, BLOB_FILE(i), (struct str){data.p, sizes[i]});
		assert_int_equal(blob_files(b).n, 7);
		assert_int_equal(blob_files(b).sum, 21);
		bench_again(b);
	}
	engine_batch_delete_blob(b->batch, BLOB_FILE(4));
	engine_batch_delete_blob(b->batch, BLOB_FILE(100));
	commit(b);
	assert_int_equal(engine_blob_size(b->engine, BLOB_FILE(4), &size), TS_NOT_FOUND);
	assert_int_equal(blob_files(b).n, 6);
	pattern_free(data);
}

static void
a_writer_outlives_a_reopen(void **state)
{
	struct bench *b = *state;
	struct engine_blob_writer *w = NULL;

	fill(b);
	assert_int_equal(engine_blob_create(b->engine, BLOB_FILE(1), &w), TS_OK);
	assert_int_equal(engine_blob_write(w, STR("before, ")), TS_OK);
	assert_int_equal(engine_reopen(b->engine, NULL), TS_OK);
	assert_int_equal(engine_blob_write(w, STR("after")), TS_OK);
	assert_int_equal(engine_blob_finish(&w), TS_OK);
	check_blob(b, BLOB_FILE(1), STR("before, after"));
	assert_string_equal(scan(b, STR(""), STR(""), false), "a b ba c c\xff ");
}

struct writer {
	struct bench *b;
	unsigned id;
	atomic_uint *done;
};

/* Each commit increments two keys of the thread together. */
static void *
writer_run(void *arg)
{
	struct writer *w = arg;
	struct engine_batch *batch = engine_batch_new();

	for (unsigned i = 1; i <= WRITES; i++) {
		char key[16], value[16];

		(void)snprintf(value, sizeof(value), "%u", i);
		for (unsigned k = 0; k < 2; k++) {
			(void)snprintf(key, sizeof(key), "t%u-%u", w->id, k);
			engine_batch_put(batch, str_of(key), str_of(value));
		}
		engine_batch_put_blob(batch, w->id * 1000 + i, str_of(value));
		TS_ASSERT(engine_commit(w->b->engine, batch) == TS_OK);
		engine_batch_clear(batch);
		if (i % 20 == 0 && w->id == 0)
			TS_ASSERT(engine_reopen(w->b->engine, NULL) == TS_OK);
	}
	engine_batch_free(&batch);
	atomic_fetch_add(w->done, 1);
	return NULL;
}

/* Both keys of a thread always have the same value. */
static void
check_pairs(struct bench *b)
{
	struct engine_iter *iter = engine_iter_new(b->engine, STR("t"), STR("u"), false);
	struct str key, value;
	char first[16] = "";
	enum ts_err err;

	for (unsigned n = 0; (err = engine_iter_next(iter, &key, &value)) == TS_OK; n++) {
		if (n % 2 == 0)
			(void)snprintf(first, sizeof(first), "%.*s", STR_ARG(value));
		else
			assert_true(str_eq(str_of(first), value));
	}
	assert_int_equal(err, TS_NOT_FOUND);
	engine_iter_free(&iter);
}

static void
threads_commit_and_read(void **state)
{
	struct bench *b = *state;
	struct writer writers[WRITERS];
	pthread_t threads[WRITERS];
	atomic_uint done = 0;

	for (unsigned i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer){b, i, &done};
		assert_int_equal(pthread_create(&threads[i], NULL, writer_run, &writers[i]), 0);
	}
	while (atomic_load(&done) < WRITERS) {
		b->out.n = 0;
		check_pairs(b);
		(void)engine_get(b->engine, STR("t1-0"), &b->out);
		(void)engine_blob_read(b->engine, 1, 0, 10, &b->out);
	}
	for (unsigned i = 0; i < WRITERS; i++)
		(void)pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < WRITERS; i++) {
		char key[16];

		(void)snprintf(key, sizeof(key), "t%u-1", i);
		assert_string_equal(get(b, str_of(key)), "60");
		for (unsigned k = 1; k <= WRITES; k++) {
			char value[16];

			(void)snprintf(value, sizeof(value), "%u", k);
			check_blob(b, i * 1000 + k, str_of(value));
		}
	}
}

static void
a_second_opener_is_refused(void **state)
{
	struct bench *b = *state;
	struct engine *other = NULL;
	char *text = NULL;

	fill(b);
	assert_int_equal(engine_open(b->class, &b->opt, &other, &text), TS_EXISTS);
	assert_null(other);
	assert_non_null(text);
	mem_free(text);
	assert_string_equal(get(b, STR("a")), "1");
}

static void
read_only_writes_nothing(void **state)
{
	struct bench *b = *state;
	struct engine_blob_writer *w = NULL;

	fill(b);
	engine_batch_put_blob(b->batch, 5, STR("body"));
	commit(b);
	write_file(b, BLOB_FILE(5), STR("file"), 3);
	engine_close(&b->engine);
	b->opt.read_only = true;
	bench_open(b);
	assert_string_equal(scan(b, STR(""), STR(""), true), "c\xff c ba b a ");
	check_blob(b, 5, STR("body"));
	check_blob(b, BLOB_FILE(5), STR("file"));
	engine_batch_put(b->batch, STR("x"), STR("y"));
	assert_int_equal(engine_commit(b->engine, b->batch), TS_DENIED);
	assert_int_equal(engine_blob_create(b->engine, BLOB_FILE(6), &w), TS_DENIED);
	assert_null(w);
	engine_close(&b->engine);
	b->opt.read_only = false;
	bench_open(b);
	assert_null(get(b, STR("x")));
}

static void
commits_are_counted(void **state)
{
	struct bench *b = *state;
	struct engine_stats st;

	fill(b);
	fill(b);
	engine_stats(b->engine, &st);
	assert_int_equal(st.commits, 2);
	assert_int_equal(st.commit_ops, 10);
	assert_true(st.commit_bytes > 20);
}

/* ---- batches ---- */

static void
a_batch_gives_back_what_it_got(void **state)
{
	struct engine_batch *batch = engine_batch_new();
	struct engine_op op;
	size_t at = 0;

	(void)state;
	engine_batch_put(batch, STR("k\0k"), STR(""));
	engine_batch_delete(batch, STR("d"));
	engine_batch_delete_range(batch, STR(""), STR("e"));
	engine_batch_delete_range(batch, STR("e"), STR("e"));
	engine_batch_put_blob(batch, 77, STR("blob"));
	engine_batch_delete_blob(batch, UINT64_MAX);
	assert_int_equal(engine_batch_count(batch), 5);
	assert_true(engine_batch_next(batch, &at, &op));
	assert_true(op.kind == ENGINE_PUT && str_eq(op.key, STR("k\0k")) && op.value.n == 0);
	assert_true(engine_batch_next(batch, &at, &op));
	assert_true(op.kind == ENGINE_DELETE && str_eq(op.key, STR("d")));
	assert_true(engine_batch_next(batch, &at, &op));
	assert_true(op.kind == ENGINE_DELETE_RANGE && op.key.n == 0 && str_eq(op.value, STR("e")));
	assert_true(engine_batch_next(batch, &at, &op));
	assert_true(op.kind == ENGINE_PUT_BLOB && op.blob == 77 && str_eq(op.value, STR("blob")));
	assert_true(engine_batch_next(batch, &at, &op));
	assert_true(op.kind == ENGINE_DELETE_BLOB && op.blob == UINT64_MAX);
	assert_false(engine_batch_next(batch, &at, &op));
	engine_batch_clear(batch);
	assert_int_equal(engine_batch_count(batch), 0);
	at = 0;
	assert_false(engine_batch_next(batch, &at, &op));
	engine_batch_free(&batch);
}

#define CONTRACT(setup)                                                                            \
	cmocka_unit_test_setup_teardown(what_was_put_is_there, setup, teardown),                   \
	    cmocka_unit_test_setup_teardown(                                                       \
	        operations_of_a_batch_happen_in_order, setup, teardown),                           \
	    cmocka_unit_test_setup_teardown(an_empty_batch_is_fine, setup, teardown),              \
	    cmocka_unit_test_setup_teardown(scans_keep_their_bounds, setup, teardown),             \
	    cmocka_unit_test_setup_teardown(ranges_are_deleted, setup, teardown),                  \
	    cmocka_unit_test_setup_teardown(an_iterator_sees_one_moment, setup, teardown),         \
	    cmocka_unit_test_setup_teardown(many_keys_survive, setup, teardown),                   \
	    cmocka_unit_test_setup_teardown(small_blobs_travel_in_the_batch, setup, teardown),     \
	    cmocka_unit_test_setup_teardown(large_blobs_have_files, setup, teardown),              \
	    cmocka_unit_test_setup_teardown(a_writer_outlives_a_reopen, setup, teardown),          \
	    cmocka_unit_test_setup_teardown(threads_commit_and_read, setup, teardown),             \
	    cmocka_unit_test_setup_teardown(a_second_opener_is_refused, setup, teardown),          \
	    cmocka_unit_test_setup_teardown(read_only_writes_nothing, setup, teardown),            \
	    cmocka_unit_test_setup_teardown(commits_are_counted, setup, teardown)

static int
setup_rocks(void **state)
{
	return bench_setup(state, &engine_rocks_class);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_batch_gives_back_what_it_got),
	    CONTRACT(setup_mem),
	    CONTRACT(setup_rocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
