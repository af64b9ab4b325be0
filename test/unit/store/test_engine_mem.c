/* SPDX-License-Identifier: Apache-2.0 */
/* Features that only the engine for tests has: faults, images, held flushes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "store/engine/mem/mem.h"

struct world {
	struct engine_mem_disk *disk;
	struct engine *engine;
	struct engine_batch *batch;
	struct buf out;
};

static struct engine *
open_on(struct engine_mem_disk *disk)
{
	struct engine_options opt = {.own = disk};
	struct engine *engine = NULL;

	assert_int_equal(engine_open(&engine_mem_class, &opt, &engine, NULL), TS_OK);
	return engine;
}

static struct world
world_new(void)
{
	struct world w = {.disk = engine_mem_disk_new(), .batch = engine_batch_new()};

	w.engine = open_on(w.disk);
	return w;
}

static void
world_fini(struct world *w)
{
	engine_close(&w->engine);
	engine_mem_disk_free(&w->disk);
	engine_batch_free(&w->batch);
	buf_fini(&w->out);
}

static enum ts_err
put(struct world *w, struct str key)
{
	engine_batch_clear(w->batch);
	engine_batch_put(w->batch, key, STR("value"));
	return engine_commit(w->engine, w->batch);
}

static bool
has(struct engine *engine, struct str key)
{
	struct buf out = {0};
	enum ts_err err = engine_get(engine, key, &out);

	buf_fini(&out);
	return err == TS_OK;
}

static void
the_nth_call_fails(void **state)
{
	struct world w = world_new();

	(void)state;
	engine_mem_fail(w.disk, ENGINE_MEM_COMMIT, 2, TS_FULL, false);
	assert_int_equal(put(&w, STR("a")), TS_OK);
	assert_int_equal(put(&w, STR("b")), TS_FULL);
	assert_int_equal(put(&w, STR("c")), TS_OK);
	assert_true(has(w.engine, STR("a")) && !has(w.engine, STR("b")));
	engine_mem_fail(w.disk, ENGINE_MEM_GET, 1, TS_IO, false);
	assert_int_equal(engine_get(w.engine, STR("a"), &w.out), TS_IO);
	assert_int_equal(engine_get(w.engine, STR("a"), &w.out), TS_OK);
	assert_int_equal(engine_mem_count(w.disk, ENGINE_MEM_COMMIT), 3);
	engine_mem_full(w.disk, true);
	assert_int_equal(put(&w, STR("d")), TS_FULL);
	engine_mem_full(w.disk, false);
	assert_int_equal(put(&w, STR("d")), TS_OK);
	world_fini(&w);
}

static void
check_unknown(bool happened)
{
	struct world w = world_new();

	engine_mem_fail(w.disk, ENGINE_MEM_COMMIT, 1, TS_UNKNOWN, happened);
	assert_int_equal(put(&w, STR("a")), TS_UNKNOWN);
	assert_int_equal(put(&w, STR("b")), TS_UNAVAILABLE);
	assert_false(has(w.engine, STR("a")));
	assert_int_equal(engine_reopen(w.engine, NULL), TS_OK);
	assert_int_equal(has(w.engine, STR("a")), happened);
	assert_int_equal(put(&w, STR("b")), TS_OK);
	world_fini(&w);
}

static void
an_unknown_outcome_shows_at_reopen(void **state)
{
	(void)state;
	check_unknown(true);
	check_unknown(false);
}

static void
a_failed_reopen_can_be_tried_again(void **state)
{
	struct world w = world_new();

	(void)state;
	assert_int_equal(put(&w, STR("a")), TS_OK);
	engine_mem_fail(w.disk, ENGINE_MEM_REOPEN, 1, TS_IO, false);
	assert_int_equal(engine_reopen(w.engine, NULL), TS_IO);
	assert_int_equal(put(&w, STR("b")), TS_UNAVAILABLE);
	assert_int_equal(engine_get(w.engine, STR("a"), &w.out), TS_UNAVAILABLE);
	assert_int_equal(engine_reopen(w.engine, NULL), TS_OK);
	assert_true(has(w.engine, STR("a")));
	world_fini(&w);
}

struct hold {
	pthread_mutex_t lock;
	pthread_cond_t change;
	bool reached, go;
	enum ts_err result;
	struct world *w;
};

static enum ts_err
hold_hook(const struct engine_batch *batch, void *arg)
{
	struct hold *h = arg;

	(void)batch;
	(void)pthread_mutex_lock(&h->lock);
	h->reached = true;
	(void)pthread_cond_broadcast(&h->change);
	while (!h->go)
		(void)pthread_cond_wait(&h->change, &h->lock);
	(void)pthread_mutex_unlock(&h->lock);
	return TS_OK;
}

static void *
hold_commit(void *arg)
{
	struct hold *h = arg;

	h->result = put(h->w, STR("held"));
	return NULL;
}

static void
a_crash_in_a_held_flush_loses_the_batch(void **state)
{
	struct world w = world_new();
	struct hold h = {.lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER};
	struct engine_mem_disk *image;
	struct engine *after;
	pthread_t thread;

	(void)state;
	h.w = &w;
	assert_int_equal(put(&w, STR("before")), TS_OK);
	engine_mem_hook(w.disk, hold_hook, &h);
	assert_int_equal(pthread_create(&thread, NULL, hold_commit, &h), 0);
	(void)pthread_mutex_lock(&h.lock);
	while (!h.reached)
		(void)pthread_cond_wait(&h.change, &h.lock);
	(void)pthread_mutex_unlock(&h.lock);
	image = engine_mem_image(w.disk);
	after = open_on(image);
	assert_true(has(after, STR("before")) && !has(after, STR("held")));
	assert_true(has(w.engine, STR("before")) && !has(w.engine, STR("held")));
	(void)pthread_mutex_lock(&h.lock);
	h.go = true;
	(void)pthread_cond_broadcast(&h.change);
	(void)pthread_mutex_unlock(&h.lock);
	(void)pthread_join(thread, NULL);
	assert_int_equal(h.result, TS_OK);
	assert_true(has(w.engine, STR("held")) && !has(after, STR("held")));
	engine_close(&after);
	engine_mem_disk_free(&image);
	world_fini(&w);
}

static void
damage_hits_its_key_only(void **state)
{
	struct world w = world_new();
	struct engine_iter *iter;
	struct str key, value;

	(void)state;
	assert_int_equal(put(&w, STR("a")), TS_OK);
	assert_int_equal(put(&w, STR("b")), TS_OK);
	engine_batch_clear(w.batch);
	engine_batch_put_blob(w.batch, 1, STR("body"));
	assert_int_equal(engine_commit(w.engine, w.batch), TS_OK);
	assert_true(engine_mem_damage(w.disk, STR("b")));
	assert_false(engine_mem_damage(w.disk, STR("c")));
	assert_true(engine_mem_damage_blob(w.disk, 1));
	assert_int_equal(engine_get(w.engine, STR("b"), &w.out), TS_DAMAGED);
	assert_int_equal(engine_blob_read(w.engine, 1, 0, 4, &w.out), TS_DAMAGED);
	assert_true(has(w.engine, STR("a")));
	iter = engine_iter_new(w.engine, STR("a"), STR(""), false);
	assert_int_equal(engine_iter_next(iter, &key, &value), TS_OK);
	assert_int_equal(engine_iter_next(iter, &key, &value), TS_DAMAGED);
	assert_int_equal(engine_iter_next(iter, &key, &value), TS_DAMAGED);
	engine_iter_free(&iter);
	assert_int_equal(put(&w, STR("b")), TS_OK);
	assert_true(has(w.engine, STR("b")));
	world_fini(&w);
}

static void
blob_writers_fail_on_demand(void **state)
{
	struct world w = world_new();
	struct engine_blob_writer *bw = NULL;
	uint64_t size, blob = STORE_BLOB_FILE | 1;

	(void)state;
	assert_int_equal(engine_blob_create(w.engine, blob, &bw), TS_OK);
	engine_mem_fail(w.disk, ENGINE_MEM_BLOB_WRITE, 2, TS_FULL, false);
	assert_int_equal(engine_blob_write(bw, STR("a")), TS_OK);
	assert_int_equal(engine_blob_write(bw, STR("b")), TS_FULL);
	engine_blob_abort(&bw);
	assert_int_equal(engine_blob_create(w.engine, blob, &bw), TS_OK);
	engine_mem_fail(w.disk, ENGINE_MEM_BLOB_FINISH, 1, TS_IO, false);
	assert_int_equal(engine_blob_finish(&bw), TS_IO);
	assert_null(bw);
	assert_int_equal(engine_blob_size(w.engine, blob, &size), TS_NOT_FOUND);
	world_fini(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_nth_call_fails),
	    cmocka_unit_test(an_unknown_outcome_shows_at_reopen),
	    cmocka_unit_test(a_failed_reopen_can_be_tried_again),
	    cmocka_unit_test(a_crash_in_a_held_flush_loses_the_batch),
	    cmocka_unit_test(damage_hits_its_key_only),
	    cmocka_unit_test(blob_writers_fail_on_demand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
