/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only an engine on disk can suffer: crashes, torn logs, damaged and missing files, full
 * devices.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <rocksdb/c.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/engine/rocks/rocks.h"

#define BODY_SIZE 3000

struct world {
	char path[64];
	struct engine_options opt;
	struct engine *engine;
	struct engine_batch *batch;
	struct buf out;
	char *text;
};

static int
setup(void **state)
{
	struct world *w = mem_zalloc(sizeof(*w));

	(void)snprintf(w->path, sizeof(w->path), "/tmp/ts-rocks-XXXXXX");
	assert_non_null(mkdtemp(w->path));
	w->opt.path = w->path;
	w->opt.cache_bytes = 4 << 20;
	w->batch = engine_batch_new();
	*state = w;
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
	struct world *w = *state;

	engine_close(&w->engine);
	(void)nftw(w->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	engine_batch_free(&w->batch);
	buf_fini(&w->out);
	mem_free(w->text);
	mem_free(w);
	return 0;
}

static enum ts_err
open_again(struct world *w)
{
	engine_close(&w->engine);
	mem_free(w->text);
	w->text = NULL;
	return engine_open(&engine_rocks_class, &w->opt, &w->engine, &w->text);
}

static void
assert_opens(struct world *w)
{
	enum ts_err err = open_again(w);

	if (err != TS_OK)
		print_error("%s: %s\n", ts_err_name(err), w->text);
	assert_int_equal(err, TS_OK);
}

/* The error's text must name the cause. */
static void
assert_refused(struct world *w, enum ts_err want, const char *part)
{
	enum ts_err err = open_again(w);

	if (err != want || w->text == NULL || strstr(w->text, part) == NULL)
		print_error("%s: %s\n", ts_err_name(err), w->text != NULL ? w->text : "-");
	assert_int_equal(err, want);
	assert_null(w->engine);
	assert_non_null(strstr(w->text, part));
}

static void
key_of(unsigned i, char key[16])
{
	(void)snprintf(key, 16, "key%08u", i);
}

static enum ts_err
put(struct world *w, unsigned i)
{
	char key[16], body[BODY_SIZE];

	key_of(i, key);
	memset(body, (int)('a' + i % 26), sizeof(body));
	engine_batch_clear(w->batch);
	engine_batch_put(w->batch, str_of(key), str_of(key));
	engine_batch_put_blob(w->batch, i, (struct str){body, sizeof(body)});
	return engine_commit(w->engine, w->batch);
}

static bool
has(struct world *w, unsigned i)
{
	char key[16];

	key_of(i, key);
	w->out.n = 0;
	if (engine_get(w->engine, str_of(key), &w->out) != TS_OK)
		return false;
	assert_true(str_eq(buf_as_str(&w->out), str_of(key)));
	w->out.n = 0;
	assert_int_equal(engine_blob_read(w->engine, i, 0, UINT64_MAX, &w->out), TS_OK);
	assert_int_equal(w->out.n, BODY_SIZE);
	assert_int_equal(w->out.p[BODY_SIZE - 1], 'a' + i % 26);
	return true;
}

/*
 * RocksDB's threads do not survive a fork, so a child is a new run of this program, with a mode,
 * the folder and a number.
 */
static pid_t
spawn(struct world *w, const char *mode, unsigned from, int out)
{
	char number[16];
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid != 0)
		return pid;
	(void)snprintf(number, sizeof(number), "%u", from);
	(void)dup2(out, STDOUT_FILENO);
	(void)execl("/proc/self/exe", "test_engine_rocks", mode, w->path, number, NULL);
	_exit(20);
}

/* In the child: reports each acknowledged number until it is killed. */
static int
commit_for_ever(struct world *w, unsigned from)
{
	if (open_again(w) != TS_OK)
		return 1;
	for (unsigned i = from;; i++) {
		if (put(w, i) != TS_OK || write(STDOUT_FILENO, &i, sizeof(i)) != (ssize_t)sizeof(i))
			return 2;
	}
}

/* Kills the child after it has reported `n` numbers.  Returns how many it reported altogether. */
static unsigned
commit_and_die(struct world *w, unsigned from, unsigned n)
{
	unsigned told, last = 0;
	int fds[2];
	pid_t pid;

	engine_close(&w->engine);
	assert_int_equal(pipe(fds), 0);
	pid = spawn(w, "commit", from, fds[1]);
	(void)close(fds[1]);
	while (read(fds[0], &told, sizeof(told)) == (ssize_t)sizeof(told)) {
		last = told;
		if (told + 1 == from + n)
			assert_int_equal(kill(pid, SIGKILL), 0);
	}
	(void)close(fds[0]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(last + 1 >= from + n);
	return last + 1;
}

/* The last file in the folder with that suffix, by number. */
static void
find_file(struct world *w, const char *suffix, char path[128])
{
	unsigned long best = 0;
	struct dirent *e;
	DIR *d = opendir(w->path);

	path[0] = '\0';
	assert_non_null(d);
	while ((e = readdir(d)) != NULL) {
		unsigned long n = strtoul(e->d_name, NULL, 10);

		if (str_has_suffix(str_of(e->d_name), str_of(suffix)) && n >= best) {
			best = n;
			(void)snprintf(path, 128, "%s/%.60s", w->path, e->d_name);
		}
	}
	(void)closedir(d);
	assert_true(path[0] != '\0');
}

static off_t
file_size(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

static void
flip(const char *path, off_t at)
{
	int fd = open(path, O_RDWR);
	char c;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &c, 1, at), 1);
	c = (char)(c ^ 0x40);
	assert_int_equal(pwrite(fd, &c, 1, at), 1);
	(void)close(fd);
}

static void
append_bytes(const char *path, const void *p, size_t n)
{
	int fd = open(path, O_WRONLY | O_APPEND);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, n), n);
	(void)close(fd);
}

static void
write_file(struct world *w, const char *name, const char *content)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", w->path, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	(void)close(fd);
}

/* ---- crashes ---- */

static void
what_was_acknowledged_survives_a_kill(void **state)
{
	struct world *w = *state;
	unsigned n = 0;

	for (int round = 0; round < 4; round++)
		n = commit_and_die(w, n, 40 + 30 * (unsigned)round);
	assert_opens(w);
	for (unsigned i = 0; i < n; i++)
		assert_true(has(w, i));
	assert_int_equal(put(w, n + 5), TS_OK);
	assert_true(has(w, n + 5));
}

static void
a_torn_tail_nobody_was_told_of_is_dropped(void **state)
{
	/* The header of a complete record, type "full", 0x1000 bytes long, and a part of it. */
	static const char torn[] = "\x11\x22\x33\x44\x00\x10\x01 and so on";
	struct world *w = *state;
	unsigned n = commit_and_die(w, 0, 50);
	char wal[128];

	find_file(w, ".log", wal);
	append_bytes(wal, torn, sizeof(torn) - 1);
	assert_opens(w);
	for (unsigned i = 0; i < n; i++)
		assert_true(has(w, i));
	assert_int_equal(put(w, n), TS_OK);
	assert_opens(w);
	assert_true(has(w, n));
}

static void
a_torn_tail_of_zeroes_is_dropped(void **state)
{
	static const char zeroes[5000];
	struct world *w = *state;
	unsigned n = commit_and_die(w, 0, 20);
	char wal[128];

	find_file(w, ".log", wal);
	append_bytes(wal, zeroes, sizeof(zeroes));
	assert_opens(w);
	assert_true(has(w, n - 1));
}

static void
an_acknowledged_tail_that_is_cut_is_refused(void **state)
{
	struct world *w = *state;
	char wal[128];
	off_t size;

	(void)commit_and_die(w, 0, 50);
	find_file(w, ".log", wal);
	size = file_size(wal);
	/* The last record may have been in progress; this cuts into the one before. */
	assert_int_equal(truncate(wal, size - 5000), 0);
	assert_refused(w, TS_DAMAGED, wal);
	assert_int_equal(file_size(wal), size - 5000); /* nothing was changed */
	assert_refused(w, TS_DAMAGED, "recover");
	w->opt.text = STR("recover");
	assert_opens(w);
	assert_true(has(w, 0) && has(w, 40));
	w->opt.text = STR_NONE;
	assert_opens(w);
}

static void
a_byte_flipped_in_the_log_is_refused(void **state)
{
	struct world *w = *state;
	char wal[128];
	off_t size;

	(void)commit_and_die(w, 0, 50);
	find_file(w, ".log", wal);
	size = file_size(wal);
	flip(wal, size / 2);
	assert_refused(w, TS_DAMAGED, wal);
	assert_refused(w, TS_DAMAGED, wal);
	assert_int_equal(file_size(wal), size);
	flip(wal, size / 2); /* restored from a copy */
	assert_opens(w);
	for (unsigned i = 0; i < 50; i++)
		assert_true(has(w, i));
}

static void
a_missing_log_is_refused(void **state)
{
	struct world *w = *state;
	char wal[128];

	(void)commit_and_die(w, 0, 10);
	find_file(w, ".log", wal);
	assert_int_equal(unlink(wal), 0);
	assert_refused(w, TS_DAMAGED, ".log");
}

/* ---- damage ---- */

static void
fill(struct world *w, unsigned n)
{
	assert_opens(w);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(put(w, i), TS_OK);
	engine_close(&w->engine); /* flushes into tables and blob files */
}

static void
a_damaged_blob_costs_that_message(void **state)
{
	struct world *w = *state;
	unsigned bad = 0;
	char path[128];

	fill(w, 50);
	find_file(w, ".blob", path);
	flip(path, file_size(path) / 2);
	assert_opens(w);
	for (unsigned i = 0; i < 50; i++) {
		enum ts_err err = engine_blob_read(w->engine, i, 0, UINT64_MAX, &w->out);

		bad += err == TS_DAMAGED;
		assert_true(err == TS_OK || err == TS_DAMAGED);
	}
	assert_int_equal(bad, 1);
	assert_int_equal(put(w, 60), TS_OK);
}

static void
a_damaged_table_costs_what_the_block_held(void **state)
{
	struct world *w = *state;
	struct engine_iter *iter;
	struct str key, value;
	char path[128], name[16];
	unsigned bad = 0;
	enum ts_err err;

	assert_opens(w);
	for (unsigned i = 0; i < 3000; i++) {
		key_of(i * 7919 % 3000, name);
		w->out.n = 0;
		for (unsigned k = 0; k < 50; k++)
			buf_printf(&w->out, "%u ", (i + 1) * (k + 77) * 2654435761u);
		engine_batch_put(w->batch, str_of(name), buf_as_str(&w->out));
	}
	assert_int_equal(engine_commit(w->engine, w->batch), TS_OK);
	engine_close(&w->engine);
	find_file(w, ".sst", path);
	flip(path, file_size(path) / 2);
	assert_opens(w);
	for (unsigned i = 0; i < 3000; i++) {
		key_of(i, name);
		err = engine_get(w->engine, str_of(name), &w->out);
		bad += err == TS_DAMAGED;
		assert_true(err == TS_OK || err == TS_DAMAGED);
	}
	assert_true(bad > 0 && bad < 200);
	iter = engine_iter_new(w->engine, STR("key"), STR("kez"), false);
	while ((err = engine_iter_next(iter, &key, &value)) == TS_OK)
		continue;
	assert_int_equal(err, TS_DAMAGED);
	assert_int_equal(engine_iter_next(iter, &key, &value), TS_DAMAGED);
	engine_iter_free(&iter);
	assert_int_equal(put(w, 5000), TS_OK);
	assert_true(has(w, 5000));
}

static void
wait_for_damage(enum log_level level, const char *context, const char *text, void *arg)
{
	atomic_bool *seen = arg;

	(void)level;
	(void)context;
	if (strstr(text, "a table is damaged") != NULL)
		atomic_store(seen, true);
}

static void
damage_found_by_a_compaction_does_not_stop_writing(void **state)
{
	struct world *w = *state;
	atomic_bool seen = false;
	char path[128];

	for (unsigned i = 0; i < 3; i++) { /* tables of the lowest level, one per opening */
		assert_opens(w);
		for (unsigned k = 0; k < 200; k++)
			engine_batch_put_blob(w->batch, 1000 + k, STR("x"));
		for (unsigned k = 0; k < 200; k++) {
			char key[16];

			key_of(2000 + k, key);
			engine_batch_put(w->batch, str_of(key), str_of(key));
		}
		assert_int_equal(engine_commit(w->engine, w->batch), TS_OK);
		engine_close(&w->engine);
	}
	find_file(w, ".sst", path);
	flip(path, 20);
	log_set_sink(wait_for_damage, &seen);
	for (unsigned i = 0; i < 200 && !atomic_load(&seen); i++) {
		assert_opens(w);
		assert_int_equal(put(w, i), TS_OK);
		(void)usleep(i < 10 ? 1000 : 100000);
	}
	assert_true(atomic_load(&seen));
	assert_int_equal(put(w, 900), TS_OK);
	assert_int_equal(put(w, 901), TS_OK);
	assert_true(has(w, 900) && has(w, 901));
	engine_close(&w->engine);
	log_set_sink(NULL, NULL);
}

static void
missing_and_damaged_files_are_named(void **state)
{
	struct world *w = *state;
	char path[128], other[160];
	off_t at;

	fill(w, 20);
	find_file(w, ".sst", path);
	(void)snprintf(other, sizeof(other), "%s.away", path);
	assert_int_equal(rename(path, other), 0);
	assert_refused(w, TS_DAMAGED, strrchr(path, '/') + 1);
	assert_int_equal(rename(other, path), 0);
	assert_opens(w);
	engine_close(&w->engine);

	(void)snprintf(path, sizeof(path), "%s/CURRENT", w->path);
	(void)snprintf(other, sizeof(other), "%s.away", path);
	assert_int_equal(rename(path, other), 0);
	assert_refused(w, TS_DAMAGED, "CURRENT");
	assert_int_equal(rename(other, path), 0);

	assert_opens(w);
	engine_close(&w->engine);
	{
		DIR *d = opendir(w->path);
		struct dirent *e;

		while ((e = readdir(d)) != NULL) {
			if (str_has_prefix(str_of(e->d_name), STR("MANIFEST-")))
				(void)snprintf(path, sizeof(path), "%s/%.60s", w->path, e->d_name);
		}
		(void)closedir(d);
	}
	at = file_size(path) / 2;
	flip(path, at);
	assert_refused(w, TS_DAMAGED, "MANIFEST");
	flip(path, at);
	assert_opens(w);
	assert_true(has(w, 19));
}

static void
our_own_files_are_checked(void **state)
{
	struct world *w = *state;
	char path[128], other[160];

	fill(w, 3);
	write_file(w, "format", "turnstone rocks 2\n");
	assert_refused(w, TS_INVALID, "newer");
	write_file(w, "format", "turnstone");
	assert_refused(w, TS_DAMAGED, "/format");
	(void)snprintf(path, sizeof(path), "%s/format", w->path);
	assert_int_equal(unlink(path), 0);
	assert_refused(w, TS_DAMAGED, "/format");
	write_file(w, "format", "turnstone rocks 1\n");
	assert_opens(w);
	engine_close(&w->engine);

	(void)snprintf(path, sizeof(path), "%s/commit.mark", w->path);
	(void)snprintf(other, sizeof(other), "%s.away", path);
	assert_int_equal(rename(path, other), 0);
	assert_refused(w, TS_DAMAGED, "commit.mark");
	assert_int_equal(rename(other, path), 0);
	/* One of its two records may be torn. */
	flip(path, 10);
	assert_opens(w);
	assert_true(has(w, 2));
	engine_close(&w->engine);
	flip(path, 4096 + 10);
	assert_opens(w);
	engine_close(&w->engine);
	flip(path, 10);
	flip(path, 4096 + 10);
	assert_refused(w, TS_DAMAGED, "commit.mark");
	w->opt.text = STR(" recover");
	assert_opens(w);
	w->opt.text = STR_NONE;
	assert_opens(w);
	assert_true(has(w, 2));
}

static void
a_folder_that_cannot_be_is_named(void **state)
{
	struct world *w = *state;
	char path[128];

	write_file(w, "file", "x");
	(void)snprintf(path, sizeof(path), "%s/file", w->path);
	w->opt.path = path;
	assert_refused(w, TS_IO, path);
	(void)snprintf(path, sizeof(path), "%s/none/there", w->path);
	assert_refused(w, TS_IO, path);
	w->opt.read_only = true;
	assert_refused(w, TS_IO, path);
	w->opt.path = w->path;
	assert_refused(w, TS_NOT_FOUND, w->path);
}

static void
a_running_server_keeps_tools_out(void **state)
{
	struct world *w = *state;
	struct engine_options opt = w->opt;
	struct engine *tool = NULL;
	char *text = NULL;

	assert_opens(w);
	opt.read_only = true;
	assert_int_equal(engine_open(&engine_rocks_class, &opt, &tool, &text), TS_EXISTS);
	assert_non_null(strstr(text, "in use"));
	mem_free(text);
}

static void
nothing_is_logged_into_the_folder(void **state)
{
	struct world *w = *state;
	struct dirent *e;
	DIR *d;

	fill(w, 3);
	d = opendir(w->path);
	while ((e = readdir(d)) != NULL)
		assert_false(str_has_prefix(str_of(e->d_name), STR("LOG")) &&
		             !str_eq(str_of(e->d_name), STR("LOCK")));
	(void)closedir(d);
}

/* ---- large files ---- */

static void
damage_in_a_large_file_is_found_where_it_is(void **state)
{
	struct world *w = *state;
	uint64_t blob = STORE_BLOB_FILE | 0xAB, size;
	struct engine_blob_writer *bw = NULL;
	char path[128];
	off_t total;

	assert_opens(w);
	assert_int_equal(engine_blob_create(w->engine, blob, &bw), TS_OK);
	for (int i = 0; i < 100; i++)
		assert_int_equal(
		    engine_blob_write(bw, (struct str){buf_room(&w->out, 5000), 5000}), TS_OK);
	assert_int_equal(engine_blob_finish(&bw), TS_OK);
	(void)snprintf(path, sizeof(path), "%s/large/ab/80000000000000ab", w->path);
	total = file_size(path);

	flip(path, 3 * 65536 + 5);
	assert_int_equal(engine_blob_read(w->engine, blob, 0, 3 * 65536, &w->out), TS_OK);
	assert_int_equal(w->out.n, 3 * 65536);
	assert_int_equal(engine_blob_read(w->engine, blob, 3 * 65536 - 1, 1, &w->out), TS_OK);
	assert_int_equal(engine_blob_read(w->engine, blob, 3 * 65536 - 1, 2, &w->out), TS_DAMAGED);
	assert_int_equal(w->out.n, 3 * 65536 + 1);
	assert_int_equal(engine_blob_read(w->engine, blob, 4 * 65536, 9, &w->out), TS_OK);
	flip(path, 3 * 65536 + 5);

	flip(path, total - 12); /* the size in the trailer */
	assert_int_equal(engine_blob_size(w->engine, blob, &size), TS_DAMAGED);
	flip(path, total - 12);
	assert_int_equal(engine_blob_size(w->engine, blob, &size), TS_OK);
	assert_int_equal(size, 500000);
	assert_int_equal(truncate(path, total - 65536), 0);
	assert_int_equal(engine_blob_size(w->engine, blob, &size), TS_DAMAGED);
	assert_int_equal(truncate(path, 5), 0);
	assert_int_equal(engine_blob_size(w->engine, blob, &size), TS_DAMAGED);
}

static void
leftovers_of_writers_are_removed(void **state)
{
	struct world *w = *state;
	char path[128];

	fill(w, 1);
	write_file(w, "large/tmp/8000000000000001", "half");
	(void)snprintf(path, sizeof(path), "%s/large/tmp/8000000000000001", w->path);
	w->opt.read_only = true;
	assert_opens(w);
	assert_int_equal(access(path, F_OK), 0);
	w->opt.read_only = false;
	assert_opens(w);
	assert_int_not_equal(access(path, F_OK), 0);
}

/* ---- full devices and failed writes ---- */

static void
keep_last(enum log_level level, const char *context, const char *text, void *arg)
{
	(void)level;
	(void)context;
	(void)snprintf(arg, 1024, "%s", text);
}

static void
below_the_mark_changes_are_refused(void **state)
{
	struct world *w = *state;
	struct engine_blob_writer *bw = NULL;
	struct engine_space space;
	char told[1024] = "";

	log_set_sink(keep_last, told);

	fill(w, 1);
	w->opt.free_space_mark = UINT64_MAX / 2; /* nobody has that much */
	assert_opens(w);
	assert_int_equal(put(w, 2), TS_FULL);
	assert_int_equal(put(w, 2), TS_FULL);
	assert_int_equal(engine_blob_create(w->engine, STORE_BLOB_FILE, &bw), TS_FULL);
	if (strstr(told, "no more messages are taken: ") == NULL ||
	    strstr(told, " needed and 8.0 EiB to be left free (store.free_space): ") == NULL ||
	    strstr(told, "taken: 0 bytes free") != NULL ||
	    strstr(told, " lacking; make room") == NULL)
		fail_msg("%s", told);
	engine_space(w->engine, &space);
	assert_int_equal(space.mark, UINT64_MAX / 2);
	assert_int_equal(engine_space_lacking(&space), space.mark + space.needed - space.free);
	assert_true(has(w, 0));
	w->opt.free_space_mark = 1;
	assert_opens(w);
	assert_int_equal(put(w, 2), TS_OK);
	/* More is free than the mark, but less than is needed above it. */
	assert_int_equal(engine_blob_create(w->engine, STORE_BLOB_FILE, &bw), TS_OK);
	assert_int_equal(engine_blob_write(bw, (struct str){"x", (size_t)1 << 62}), TS_FULL);
	if (strstr(told, " free, 4.0 EiB needed and 1 byte to be left free (") == NULL ||
	    strstr(told, " EiB lacking; make room") == NULL)
		fail_msg("%s", told);
	engine_space(w->engine, &space);
	assert_true(space.needed == (uint64_t)1 << 62 && space.mark == 1);
	engine_blob_abort(&bw);
	log_set_sink(NULL, NULL);
}

/* A file size limit makes the log's next write fail as on a full device. */
static int
fail_in_child(struct world *w)
{
	struct rlimit small = {20000, RLIM_INFINITY}, none = {RLIM_INFINITY, RLIM_INFINITY};
	unsigned n = 0;
	enum ts_err err;

	(void)signal(SIGXFSZ, SIG_IGN);
	if (open_again(w) != TS_OK || setrlimit(RLIMIT_FSIZE, &small) != 0)
		return 10;
	while ((err = put(w, n)) == TS_OK && n < 100)
		n++;
	if (err != TS_UNKNOWN || n == 0)
		return 11;
	if (put(w, 200) != TS_UNAVAILABLE || !has(w, 0))
		return 12;
	if (setrlimit(RLIMIT_FSIZE, &none) != 0 || put(w, 200) != TS_UNAVAILABLE)
		return 13;
	if (engine_reopen(w->engine, NULL) != TS_OK)
		return 14;
	for (unsigned i = 0; i < n; i++) {
		if (!has(w, i))
			return 15;
	}
	if (put(w, 300) != TS_OK || !has(w, 300))
		return 16;
	engine_close(&w->engine);
	engine_batch_free(&w->batch);
	buf_fini(&w->out);
	return 0;
}

static void
a_failed_write_wants_a_reopen(void **state)
{
	struct world *w = *state;
	int status = -1;
	pid_t pid = spawn(w, "fail", 0, STDOUT_FILENO);

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_opens(w);
	assert_true(has(w, 0) && has(w, 300));
}

/* Everything in one table of the lowest level, as after months; new data is pinned in memory. */
static void
compact(const char *path)
{
	const char *names[] = {"default", "blobs"};
	rocksdb_options_t *opt = rocksdb_options_create();
	const rocksdb_options_t *opts[] = {opt, opt};
	rocksdb_column_family_handle_t *cf[2];
	char *err = NULL;
	rocksdb_t *db = rocksdb_open_column_families(opt, path, 2, names, opts, cf, &err);

	assert_null(err);
	rocksdb_compact_range_cf(db, cf[0], NULL, 0, NULL, 0);
	for (int i = 0; i < 2; i++)
		rocksdb_column_family_handle_destroy(cf[i]);
	rocksdb_close(db);
	rocksdb_options_destroy(opt);
}

static unsigned long
bytes_read(void)
{
	FILE *f = fopen("/proc/self/io", "re");
	unsigned long n = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "rchar: %lu", &n), 1);
	(void)fclose(f);
	return n;
}

/* The filter for 600,000 small rows has 750 kB.  It is read once, not for each look-up. */
static void
a_look_up_reads_a_block_or_two(void **state)
{
	struct world *w = *state;
	enum { ROWS = 600000, LOOKS = 200 };
	unsigned long before = 0;
	char key[16];

	assert_opens(w);
	for (unsigned i = 0; i < ROWS; i++) {
		key_of(i, key);
		engine_batch_put(w->batch, str_of(key), str_of("v"));
		if (i % 20000 != 19999)
			continue;
		assert_int_equal(engine_commit(w->engine, w->batch), TS_OK);
		engine_batch_clear(w->batch);
	}
	engine_close(&w->engine);
	compact(w->path);
	assert_opens(w);
	for (unsigned i = 0; i < 2 * LOOKS; i++) {
		if (i == LOOKS)
			before = bytes_read();
		w->out.n = 0;
		key_of(i * 1499 % ROWS, key);
		assert_int_equal(engine_get(w->engine, str_of(key), &w->out), TS_OK);
	}
	assert_in_range(bytes_read() - before, 1, LOOKS * 3 * 8192);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static int
child(char **argv)
{
	struct world w = {.batch = engine_batch_new(), .opt.path = argv[2]};

	if (strcmp(argv[1], "commit") == 0)
		return commit_for_ever(&w, (unsigned)strtoul(argv[3], NULL, 10));
	return fail_in_child(&w);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    CASE(what_was_acknowledged_survives_a_kill),
	    CASE(a_torn_tail_nobody_was_told_of_is_dropped),
	    CASE(a_torn_tail_of_zeroes_is_dropped),
	    CASE(an_acknowledged_tail_that_is_cut_is_refused),
	    CASE(a_byte_flipped_in_the_log_is_refused),
	    CASE(a_missing_log_is_refused),
	    CASE(a_damaged_blob_costs_that_message),
	    CASE(a_damaged_table_costs_what_the_block_held),
	    CASE(damage_found_by_a_compaction_does_not_stop_writing),
	    CASE(missing_and_damaged_files_are_named),
	    CASE(our_own_files_are_checked),
	    CASE(a_folder_that_cannot_be_is_named),
	    CASE(a_running_server_keeps_tools_out),
	    CASE(nothing_is_logged_into_the_folder),
	    CASE(damage_in_a_large_file_is_found_where_it_is),
	    CASE(leftovers_of_writers_are_removed),
	    CASE(below_the_mark_changes_are_refused),
	    CASE(a_failed_write_wants_a_reopen),
	    CASE(a_look_up_reads_a_block_or_two),
	};

	if (argc == 4)
		return child(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
