/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a store costs others, without a clock: how long chains are, which
 * thread commits, how much one batch holds; and numbers that come to an end.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "kit.h"

#include "base/block.h"
#include "base/mem.h"
#include "store/engine/rocks/rocks.h"
#include "store/inside.h"

/* ---- the table of accounts ---- */

static unsigned
longest_chain(const struct store *store)
{
	unsigned longest = 0;

	for (unsigned i = 0; i < SHARDS; i++) {
		const struct store_account *first = store->shard[i].accounts;
		const UT_hash_table *t = first != NULL ? first->hh.tbl : NULL;

		for (unsigned b = 0; t != NULL && b < t->num_buckets; b++)
			if (t->buckets[b].count > longest)
				longest = t->buckets[b].count;
	}
	return longest;
}

/* Forty names in each shard, on average: in one bucket they would be a chain of forty. */
static void
chains(void **state)
{
	struct kit kit = {0};
	(void)state;

	kit_open(&kit, 0);
	for (unsigned i = 0; i < 40 * SHARDS; i++) {
		struct store_account *a;
		char name[32];

		(void)snprintf(name, sizeof name, "user%u@example.org", i);
		assert_int_equal(store_account_load(kit.store, str_of(name), true, &a), TS_OK);
		store_account_unref(&a);
	}
	assert_true(longest_chain(kit.store) <= HASH_BKT_CAPACITY_THRESH);
	kit_close(&kit);
}

/* ---- who commits ---- */

static uint64_t
commits(const struct kit *kit)
{
	struct store_stats s;

	store_stats(kit->store, &s);
	return s.engine.commits;
}

static void
finished(void *arg, enum ts_err err)
{
	*(enum ts_err *)arg = err;
}

/* A small message on a loop, whose id is all that it needs of the store. */
static enum ts_err
small_message(struct kit *kit)
{
	struct store_upload *u =
	    store_upload_new(kit->store, kit->pool, kit->loop, (struct work_who){0});
	enum ts_err err = TS_BUG;
	bool was = block_on_loop(true);

	(void)store_upload_write(u, STR("a: b\r\n\r\n"), NULL, NULL);
	store_upload_finish(u, finished, &err);
	loop_fake_run(kit->loop);
	(void)block_on_loop(was);
	store_upload_free(&u);
	return err;
}

static void
leases(const struct engine_class *engine)
{
	struct kit kit = {.opt.engine = engine};
	uint64_t before;

	kit_open(&kit, 0);
	while (store_background_step(kit.store))
		;
	before = commits(&kit);
	/* The first one after the start */
	assert_int_equal(small_message(&kit), TS_OK);
	/* The last ones of a lease */
	kit.store->next.blob = kit.store->durable.blob - 2;
	assert_int_equal(small_message(&kit), TS_OK);
	assert_int_equal(small_message(&kit), TS_OK);
	assert_int_equal(commits(&kit), before);
	/* None is left: refused, and nobody waits. */
	assert_int_equal(small_message(&kit), TS_UNAVAILABLE);
	assert_int_equal(commits(&kit), before);
	while (store_background_step(kit.store))
		;
	assert_true(commits(&kit) > before);
	assert_int_equal(small_message(&kit), TS_OK);
	/* Half of a lease is given: the background was told. */
	kit.store->next.blob += 600000;
	assert_int_equal(small_message(&kit), TS_OK);
	before = kit.store->durable.blob;
	while (store_background_step(kit.store))
		;
	assert_true(kit.store->durable.blob > before);
	kit_close(&kit);
}

static void
ids(void **state)
{
	(void)state;
	leases(NULL);
	leases(&engine_rocks_class);
}

/* Where there is no room, that is the reason. */
static void
no_room_for_ids(void **state)
{
	struct kit kit = {0};
	(void)state;

	kit_open(&kit, 0);
	kit.store->next.blob = kit.store->durable.blob;
	engine_mem_full(kit.disk, true);
	while (store_background_step(kit.store))
		;
	(void)store_ids_renew(kit.store);
	assert_int_equal(small_message(&kit), TS_FULL);
	engine_mem_full(kit.disk, false);
	kit_close(&kit);
}

static void
blocks(struct loop_task *task)
{
	(void)task;
	block_here("a test");
}

static enum work_end
works(struct work *w)
{
	(void)w;
	block_here("a test");
	return WORK_DONE;
}

static void
worked(struct work *w)
{
	(void)w;
}

/* How a child ended that does this. */
static int
in_child(void (*fn)(struct loop *loop))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		struct loop *loop = loop_new_fake();
		struct rlimit none = {0, 0};

		(void)setrlimit(RLIMIT_CORE, &none);
		(void)signal(SIGABRT, SIG_DFL);
		block_watch();
		fn(loop);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void
on_loop(struct loop *loop)
{
	struct loop_task task = {.fn = blocks};

	loop_post(loop, &task);
	loop_fake_run(loop);
}

static void
in_work(struct loop *loop)
{
	struct work_pool *pool = work_pool_new(0);
	struct work w = {.run = works, .done = worked, .loop = loop};

	work_submit(pool, &w);
	loop_fake_run(loop);
	block_here("behind the loop");
	work_pool_free(&pool);
}

static void
watch(void **state)
{
	(void)state;
	assert_int_equal(in_child(on_loop), SIGABRT);
	assert_int_equal(in_child(in_work), 0);
}

/* ---- numbers that are used up ---- */

static void
refused_for_good(struct kit *kit)
{
	assert_int_equal(kit_name(kit, STORE_CHANGE_CREATE, "B", NULL), TS_LIMIT);
	assert_int_equal(kit_name(kit, STORE_CHANGE_RENAME, "A", "B"), TS_LIMIT);
	assert_int_equal(kit_name(kit, STORE_CHANGE_RENAME, "INBOX", "B"), TS_LIMIT);
}

static void
last_uidvalidity(const struct engine_class *engine)
{
	struct kit kit = {.opt.engine = engine};
	struct store_mailbox_info info;

	kit_open(&kit, 0);
	kit.account->last_uidvalidity = UINT32_MAX - 1;
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "A", NULL), TS_OK);
	assert_true(store_account_lookup(kit.account, STR("A"), &info));
	assert_int_equal(info.counters.uidvalidity, UINT32_MAX);
	refused_for_good(&kit);
	kit_reopen(&kit);
	refused_for_good(&kit);
	/* What is there goes on. */
	assert_int_equal(kit_append(&kit, kit.inbox, "a: b\r\n\r\nc\r\n", 0), 1);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_DELETE, "A", NULL), TS_OK);
	kit_close(&kit);
}

static void
last_mailbox(const struct engine_class *engine)
{
	struct kit kit = {.opt.engine = engine};
	struct store_mailbox_info info;

	kit_open(&kit, 0);
	kit.account->next_mailbox = UINT32_MAX - 1;
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "A", NULL), TS_OK);
	assert_true(store_account_lookup(kit.account, STR("A"), &info));
	assert_int_equal(info.id, UINT32_MAX - 1);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "B", NULL), TS_LIMIT);
	kit_reopen(&kit);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "B", NULL), TS_LIMIT);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "A", "B"), TS_OK);
	kit_close(&kit);
}

static void
used_up(void **state)
{
	(void)state;
	last_uidvalidity(NULL);
	last_uidvalidity(&engine_rocks_class);
	last_mailbox(NULL);
	last_mailbox(&engine_rocks_class);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(chains),
	    cmocka_unit_test(ids),
	    cmocka_unit_test(no_room_for_ids),
	    cmocka_unit_test(watch),
	    cmocka_unit_test(used_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
