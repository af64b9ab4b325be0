/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a store costs others, without a clock: how long chains are, which thread commits, how much a
 * batch holds; and numbers that run out.
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

#include "kit_watch.h"

#include "base/block.h"
#include "base/clock.h"
#include "store/engine/rocks/rocks.h"
#include "store/memory/memory_int.h"

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

/* Forty names in each shard, on average: in a single bucket they would be a chain of forty. */
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

static void
finished(void *arg, enum ts_err err)
{
	*(enum ts_err *)arg = err;
}

/* A small message on a loop, which needs only an id from the store. */
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
	before = kit_commits_done(&kit);
	/* The first one after the start */
	assert_int_equal(small_message(&kit), TS_OK);
	/* The last ones of a lease */
	kit.store->next.blob = kit.store->durable.blob - 2;
	assert_int_equal(small_message(&kit), TS_OK);
	assert_int_equal(small_message(&kit), TS_OK);
	assert_int_equal(kit_commits_done(&kit), before);
	/* None is left: refused, and nobody waits. */
	assert_int_equal(small_message(&kit), TS_UNAVAILABLE);
	assert_int_equal(kit_commits_done(&kit), before);
	while (store_background_step(kit.store))
		;
	assert_true(kit_commits_done(&kit) > before);
	assert_int_equal(small_message(&kit), TS_OK);
	/* Half of a lease is used: the background was told. */
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

/* If there is no room, that is the reason given. */
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

/* How a child that does this ends. */
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

static enum work_end
flushes(struct work *w)
{
	(void)w;
	block_for_flush("a test");
	return WORK_DONE;
}

/* A worker may read from disk, but not wait for a flush. */
static void
flush_in_work(struct loop *loop)
{
	struct work_pool *pool = work_pool_new(0);
	struct work w = {.run = flushes, .done = worked, .loop = loop};

	work_submit(pool, &w);
	loop_fake_run(loop);
	work_pool_free(&pool);
}

static void
flush_behind_work(struct loop *loop)
{
	in_work(loop);
	block_for_flush("behind the loop");
}

/* A change that refers to memory that is not its own: whoever asked may be gone when the lane reads
 * it. */
static void
borrows(struct loop *loop)
{
	struct kit kit = {0};
	struct str word = STR("borrowed");
	struct store_change *c;

	(void)loop;
	kit_open(&kit, 0);
	c = kit_change(&kit, STORE_CHANGE_FLAGS);
	c->mailbox = kit.inbox;
	c->keywords = &word;
	c->keyword_count = 1;
	store_submit(c);
}

static void
watch(void **state)
{
	(void)state;
#ifdef TS_DEBUG
	assert_int_equal(in_child(borrows), SIGABRT);
#endif
	assert_int_equal(in_child(flush_in_work), SIGABRT);
	assert_int_equal(in_child(flush_behind_work), 0);
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
	/* Existing ones still work. */
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

/* ---- what changed in a million messages ---- */

#define MILLION 1000000u

static void
add_million(struct state *s)
{
	for (uint32_t from = 1; from <= MILLION; from += CHUNK_UIDS) {
		struct delta *d = delta_new(1 + from / CHUNK_UIDS);

		for (uint32_t uid = from; uid < from + CHUNK_UIDS && uid <= MILLION; uid++)
			*delta_add_message(d) = (struct store_message){
			    .uid = uid, .size = 1, .modseq = d->modseq, .blob = uid};
		state_apply(s, d);
		s->counters.modseq = d->modseq;
		delta_free(&d);
	}
}

static void
change_one(struct state *s, uint32_t uid)
{
	struct delta *d = delta_new(s->counters.modseq + 1);

	delta_add_flag(d, STORE_SEEN, true, roaring_bitmap_of(1, uid));
	state_apply(s, d);
	s->counters.modseq = d->modseq;
	delta_free(&d);
}

/* Reads a number per chunk, and the chunks that changed: no index by MODSEQ is needed.  The last
 * changes need no search at all. */
static void
resync(void **state)
{
	struct state *s = state_new();
	uint64_t since, began;
	roaring_bitmap_t *set = roaring_bitmap_create();
	size_t looked = 0;

	(void)state;
	add_million(s);
	state_forget_changes(s); /* as after loading */
	since = s->counters.modseq;
	change_one(s, 777777);
	for (unsigned i = 0; i < 2 * STATE_RING; i++)
		change_one(s, 888888);
	for (size_t i = 0; i < s->chunk_count; i++)
		looked += s->chunk[i]->changed > since;
	assert_int_equal(s->chunk_count, MILLION / CHUNK_UIDS + 1);
	assert_int_equal(looked, 2);
	began = clock_mono_ns();
	state_changed_since(s, since, set);
	print_message("two of a million: %llu ns\n", (unsigned long long)(clock_mono_ns() - began));
	assert_int_equal(roaring_bitmap_get_cardinality(set), 2);
	assert_true(roaring_bitmap_contains(set, 777777) && roaring_bitmap_contains(set, 888888));
	roaring_bitmap_free(set);
	state_free(&s);
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
	    cmocka_unit_test(resync),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
