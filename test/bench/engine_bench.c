/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measures the embedded engine: durable commits per second of messages of 4 KiB with four index
 * entries, one per commit and 64 per commit, alternating in one run with the bare append +
 * fdatasync of the same bytes.
 *
 *   engine_bench [folder [seconds]]
 */
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/engine/rocks/rocks.h"

#define BODY ((size_t)4096)
#define BATCH 64
#define THREADS 8
#define ROUNDS 5

struct run {
	struct engine *engine;
	struct engine_batch *batch;
	char body[BODY];
	int fd;
	uint64_t next, until;
	uint64_t messages, ns;
};

static void
add_message(struct run *r)
{
	static const char kinds[] = {'m', 'i', 's', 'c'};
	struct buf key = {0};
	uint64_t id = r->next++;

	memcpy(r->body, &id, sizeof(id));
	engine_batch_put_blob(r->batch, id, (struct str){r->body, BODY});
	for (size_t k = 0; k < sizeof(kinds); k++) {
		key.n = 0;
		buf_be64(&key, 7);
		buf_putc(&key, kinds[k]);
		if (kinds[k] != 'c')
			buf_be64(&key, id);
		engine_batch_put(r->batch, buf_as_str(&key), (struct str){r->body, 60});
	}
	buf_fini(&key);
}

static void
run_commits(struct run *r, unsigned per_commit, uint64_t ms)
{
	uint64_t start = clock_mono_ns();

	while (clock_mono_ns() - start < ms * 1000000) {
		engine_batch_clear(r->batch);
		for (unsigned i = 0; i < per_commit; i++)
			add_message(r);
		TS_ASSERT(engine_commit(r->engine, r->batch) == TS_OK);
		r->messages += per_commit;
	}
	r->ns += clock_mono_ns() - start;
}

static void
run_floor(struct run *r, uint64_t ms)
{
	char block[BODY + 400] = {1};
	uint64_t start = clock_mono_ns();

	while (clock_mono_ns() - start < ms * 1000000) {
		TS_ASSERT(write(r->fd, block, sizeof(block)) == (ssize_t)sizeof(block));
		TS_ASSERT(fdatasync(r->fd) == 0);
		r->messages++;
	}
	r->ns += clock_mono_ns() - start;
}

static void *
run_thread(void *arg)
{
	struct run *r = arg;

	run_commits(r, 1, r->until);
	return NULL;
}

static double
rate(const struct run *r)
{
	return (double)r->messages * 1e9 / (double)r->ns;
}

/* All threads commit single messages: they share flushes. */
static double
run_threads(struct engine *engine, uint64_t ms)
{
	struct run *runs = mem_zalloc(THREADS * sizeof(*runs));
	pthread_t threads[THREADS];
	double sum = 0;

	for (unsigned i = 0; i < THREADS; i++) {
		runs[i].engine = engine;
		runs[i].batch = engine_batch_new();
		random_bytes(runs[i].body, BODY);
		runs[i].next = ((uint64_t)i + 2) << 40;
		runs[i].until = ms;
		TS_ASSERT(pthread_create(&threads[i], NULL, run_thread, &runs[i]) == 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		(void)pthread_join(threads[i], NULL);
		engine_batch_free(&runs[i].batch);
		sum += rate(&runs[i]);
	}
	mem_free(runs);
	return sum;
}

static void
measure(const char *path, uint64_t ms)
{
	struct engine_options opt = {.path = path};
	struct run floor_ = {0}, single = {.next = 1}, many = {.next = (uint64_t)1 << 40};
	char *text = NULL, file[300];
	double threads = 0;

	if (engine_open(&engine_rocks_class, &opt, &single.engine, &text) != TS_OK) {
		(void)fprintf(stderr, "%s\n", text);
		exit(1);
	}
	many.engine = single.engine;
	single.batch = engine_batch_new();
	many.batch = engine_batch_new();
	random_bytes(single.body, BODY);
	random_bytes(many.body, BODY);
	(void)snprintf(file, sizeof(file), "%s/floor", path);
	floor_.fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_TRUNC, 0600);
	TS_ASSERT(floor_.fd >= 0);
	for (int i = 0; i < ROUNDS; i++) {
		run_floor(&floor_, ms / ROUNDS);
		run_commits(&single, 1, ms / ROUNDS);
		run_commits(&many, BATCH, ms / ROUNDS);
		threads += run_threads(single.engine, ms / ROUNDS) / ROUNDS;
	}
	(void)printf("append+fdatasync  %8.0f /s\n", rate(&floor_));
	(void)printf("commit of 1       %8.0f messages/s (%.2f of the floor)\n", rate(&single),
	    rate(&single) / rate(&floor_));
	(void)printf("commit of %d      %8.0f messages/s\n", BATCH, rate(&many));
	(void)printf("%d threads of 1    %8.0f messages/s\n", THREADS, threads);
	(void)close(floor_.fd);
	engine_batch_free(&single.batch);
	engine_batch_free(&many.batch);
	engine_close(&single.engine);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int
main(int argc, char **argv)
{
	uint64_t seconds = argc > 2 ? strtoull(argv[2], NULL, 10) : 5;
	char path[256];

	(void)snprintf(
	    path, sizeof(path), "%s/engine-bench-XXXXXX", argc > 1 ? argv[1] : "/var/tmp");
	if (mkdtemp(path) == NULL) {
		perror(path);
		return 1;
	}
	measure(path, seconds * 1000);
	(void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}
