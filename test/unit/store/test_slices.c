/* SPDX-License-Identifier: Apache-2.0 */
/* A new message's summary is made in slices, and not if nobody wants it any more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kit.h"

#include "base/buf.h"

static void
finished(void *arg, enum ts_err err)
{
	*(enum ts_err *)arg = err;
}

struct counted {
	struct work work;
	unsigned runs;
	bool done;
};

static enum work_end
counted_run(struct work *work)
{
	((struct counted *)(void *)work)->runs++;
	return WORK_DONE;
}

static void
counted_done(struct work *work)
{
	((struct counted *)(void *)work)->done = true;
}

/* Writes size bytes of small parts for user 1; the summary comes next. */
static struct store_upload *
upload_parts(struct kit *kit, size_t size, enum ts_err *err_r)
{
	struct store_upload *u =
	    store_upload_new(kit->store, kit->pool, kit->loop, (struct work_who){.user = 1});
	struct buf b = {0};

	work_pool_set_questions(kit->pool, 0);
	buf_puts(&b, "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
	while (b.n < size) {
		if (b.n > 200000) {
			size -= b.n;
			(void)store_upload_write(u, buf_as_str(&b), NULL, NULL);
			loop_fake_run(kit->loop);
			b.n = 0;
		}
		buf_puts(&b, "--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nx\r\n");
	}
	(void)store_upload_write(u, buf_as_str(&b), NULL, NULL);
	loop_fake_run(kit->loop);
	buf_fini(&b);
	work_pool_set_questions(kit->pool, 4);
	work_pool_hold(kit->pool, true);
	*err_r = TS_BUG;
	store_upload_finish(u, finished, err_r);
	return u;
}

static void
others_in_between(size_t size, uint64_t threshold)
{
	struct kit kit = {.opt.blob_threshold = threshold};
	struct counted other = {.work = {.run = counted_run, .done = counted_done}};
	unsigned slices = 0;
	struct store_upload *u;
	enum ts_err err;

	kit_open(&kit, 0);
	u = upload_parts(&kit, size, &err);
	assert_true(work_pool_step(kit.pool));
	other.work.loop = kit.loop;
	other.work.kind = WORK_LONG;
	other.work.who.user = 2;
	work_submit(kit.pool, &other.work);
	while (work_pool_step(kit.pool)) {
		slices++;
		if (slices == 3)
			assert_int_equal(other.runs, 1);
		loop_fake_run(kit.loop);
	}
	assert_true(other.done);
	assert_true(slices > 10);
	assert_int_equal(err, TS_OK);
	work_pool_hold(kit.pool, false);
	store_upload_free(&u);
	loop_fake_run(kit.loop);
	kit_close(&kit);
}

/* The summary of a large message, or in a store that keeps them in its records, is made in
 * slices. */
static void
summary_slices(void **state)
{
	(void)state;
	others_in_between(4u << 20, 1u << 20);
	others_in_between(4u << 20, 16u << 20);
}

/* The sender is gone: no slice follows, and nothing is left. */
static void
left_in_between(size_t size, uint64_t threshold)
{
	struct kit kit = {.opt.blob_threshold = threshold};
	struct store_upload *u;
	enum ts_err err;

	kit_open(&kit, 0);
	u = upload_parts(&kit, size, &err);
	assert_true(work_pool_step(kit.pool));
	assert_true(work_pool_step(kit.pool));
	loop_fake_run(kit.loop);
	assert_int_equal(err, TS_BUG);
	assert_int_equal(work_pool_waiting(kit.pool), 1);
	store_upload_free(&u);
	assert_int_equal(work_pool_waiting(kit.pool), 0);
	work_pool_hold(kit.pool, false);
	loop_fake_run(kit.loop);
	assert_int_equal(work_pool_waiting(kit.pool), 0);
	assert_int_equal(err, TS_BUG);
	store_background_wait(kit.store);
	assert_int_equal(kit_files(&kit), 0);
	kit_close(&kit);
}

static void
summary_left(void **state)
{
	(void)state;
	left_in_between(4u << 20, 1u << 20);
	left_in_between(4u << 20, 16u << 20);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(summary_slices),
	    cmocka_unit_test(summary_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
