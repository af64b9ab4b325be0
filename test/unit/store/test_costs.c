/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a store costs others, without a clock: how long chains are, which
 * thread commits, how much one batch holds; and numbers that come to an end.
 */
#include <semaphore.h>
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
#include "base/clock.h"
#include "base/mem.h"
#include "store/check.h"
#include "store/engine/rocks/rocks.h"
#include "store/store_int.h"

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

static enum work_end
flushes(struct work *w)
{
	(void)w;
	block_for_flush("a test");
	return WORK_DONE;
}

/* A worker reads from disk, but does not wait for a flush. */
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

/* A change that refers to what is not its own: whoever asked may be gone when the lane reads it. */
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

/* ---- many messages at once ---- */

#define MANY 1200     /* three pieces of a COPY or MOVE */
#define LOTS 5000     /* two pieces of an EXPUNGE */
#define OPS_MOST 2600 /* of a batch */

/* So many messages, in one change. */
static void
fill(struct kit *kit, struct store_mailbox *mb, unsigned n, unsigned flags)
{
	struct store_change *c = kit_change(kit, STORE_CHANGE_APPEND);
	struct str word = STR("word");

	c->mailbox = mb;
	c->item_count = n;
	c->items = arena_array(c->arena, n, sizeof *c->items);
	for (unsigned i = 0; i < n; i++) {
		c->items[i].upload = kit_upload(kit, STR("Subject: one\r\n\r\ntext\r\n"));
		c->items[i].flags.w[0] = flags;
		c->items[i].keywords = &word;
		c->items[i].keyword_count = 1;
	}
	assert_int_equal(kit_end(kit, c), TS_OK);
}

static unsigned
messages(const struct store_mailbox *mb)
{
	struct store_counters c;

	store_mailbox_counters(mb, &c);
	return c.messages;
}

struct seen { /* of the commits of a disk */
	struct kit *kit;
	unsigned commits;
	size_t most;                       /* operations of one */
	struct engine_mem_disk *image[64]; /* before each of them */
};

static enum ts_err
look(const struct engine_batch *batch, void *arg)
{
	struct seen *seen = arg;

	if (engine_batch_count(batch) > seen->most)
		seen->most = engine_batch_count(batch);
	assert_true(seen->commits < 64);
	seen->image[seen->commits++] = engine_mem_image(seen->kit->disk);
	return TS_OK;
}

static void
tell(const struct check_finding *f, void *arg)
{
	print_message("%.*s %u: %s\n", STR_ARG(f->mailbox), f->uid, f->what);
	++*(unsigned *)arg;
}

static void
assert_clean(struct kit *kit)
{
	unsigned found = 0;
	struct check_options opt = {.found = tell, .arg = &found};
	struct check_result r;

	store_background_wait(kit->store);
	assert_int_equal(store_check(kit->store, &opt, &r), TS_OK);
	assert_int_equal(found, 0);
}

/* Each message has a summary, and a new one gets a UID above all. */
static void
assert_usable(struct kit *kit, struct store_mailbox *mb)
{
	struct store_counters c;
	uint32_t uid;

	store_mailbox_counters(mb, &c);
	uid = kit_append(kit, mb, "Subject: new\r\n\r\n", 0);
	assert_true(uid >= c.uidnext);
	assert_clean(kit);
}

/* ---- which message is where: all have bytes of their own ---- */

static size_t
blobs_of(struct store_mailbox *mb, uint64_t *blob, size_t most)
{
	struct store_message m[256];
	uint32_t from = 1;
	size_t n, all = 0;

	store_mailbox_read_begin(mb);
	while ((n = store_mailbox_window(mb, NULL, from, m, 256)) > 0) {
		assert_true(all + n <= most);
		for (size_t i = 0; i < n; i++)
			blob[all++] = m[i].blob;
		from = m[n - 1].uid + 1;
	}
	store_mailbox_read_end(mb);
	return all;
}

static int
by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Each of them is in one of the two, once; others are, too, that have come since. */
static void
assert_each_once(const uint64_t *want, struct store_mailbox *a, struct store_mailbox *b)
{
	uint64_t *all = mem_zalloc((2 * MANY + 16) * sizeof *all);
	size_t n = blobs_of(a, all, MANY + 8), k = 0;

	n += blobs_of(b, all + n, MANY + 8);
	qsort(all, n, sizeof *all, by_number);
	for (size_t i = 0; i < MANY; i++) {
		while (k < n && all[k] < want[i])
			k++;
		assert_true(k < n && all[k] == want[i]);
		assert_true(k + 1 == n || all[k + 1] != want[i]);
	}
	mem_free(all);
}

static struct store_change *
many(struct kit *kit, enum store_change_kind kind, struct store_mailbox *to)
{
	struct store_change *c = kit_change(kit, kind);

	c->source = kit->inbox;
	c->mailbox = to;
	c->uids = kit_range(1, MANY);
	return c;
}

static void
in_pieces(const struct engine_class *engine, enum store_change_kind kind)
{
	struct kit kit = {.opt.engine = engine};
	struct seen seen = {.kit = &kit};
	struct store_mailbox *box;
	struct store_change *c;
	uint64_t before, blob[MANY];

	kit_open(&kit, 0);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "Box", NULL), TS_OK);
	box = kit_mailbox(kit.account, "Box");
	fill(&kit, kit.inbox, MANY, 1u << STORE_FLAGGED);
	assert_int_equal(blobs_of(kit.inbox, blob, MANY), MANY);
	qsort(blob, MANY, sizeof *blob, by_number);
	fill(&kit, box, 2, 0);
	if (engine == NULL)
		engine_mem_hook(kit.disk, look, &seen);
	before = commits(&kit);
	c = many(&kit, kind, box);
	assert_int_equal(kit_run(&kit, &c), TS_OK);
	assert_int_equal(c->pair_count, MANY);
	for (uint32_t i = 0; i < MANY; i++) {
		assert_int_equal(c->pairs[i].source, i + 1);
		assert_int_equal(c->pairs[i].target, i + 3);
	}
	store_change_free(&c);
	assert_true(commits(&kit) - before >= 3);
	assert_true(seen.most < OPS_MOST);
	if (engine == NULL)
		engine_mem_hook(kit.disk, NULL, NULL);
	assert_int_equal(messages(box), MANY + 2);
	assert_int_equal(messages(kit.inbox), kind == STORE_CHANGE_COPY ? MANY : 0);
	assert_usable(&kit, box);
	/* As the power goes before each of the commits */
	for (unsigned i = 0; i < seen.commits; i++) {
		unsigned there, here;

		store_mailbox_unref(&box);
		kit_on(&kit, seen.image[i]);
		box = kit_mailbox(kit.account, "Box");
		there = messages(box) - 2;
		here = messages(kit.inbox);
		if (kind == STORE_CHANGE_COPY)
			assert_true(here == MANY && (there == 0 || there == MANY));
		else
			assert_int_equal(here + there, MANY);
		if (kind == STORE_CHANGE_MOVE)
			assert_each_once(blob, kit.inbox, box);
		assert_usable(&kit, box);
	}
	store_mailbox_unref(&box);
	kit_close(&kit);
}

static void
pieces(void **state)
{
	(void)state;
	in_pieces(NULL, STORE_CHANGE_COPY);
	in_pieces(NULL, STORE_CHANGE_MOVE);
	in_pieces(&engine_rocks_class, STORE_CHANGE_COPY);
	in_pieces(&engine_rocks_class, STORE_CHANGE_MOVE);
}

/* The nth commit of a COPY fails: nothing of it is there, or all when it was the last one and
 * happened, and then goes on. */
static void
copy_fails(uint64_t nth, enum ts_err err, bool happened, unsigned there)
{
	struct kit kit = {0};
	struct store_mailbox *box;
	struct store_change *c;

	kit_open(&kit, 0);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "Box", NULL), TS_OK);
	box = kit_mailbox(kit.account, "Box");
	fill(&kit, kit.inbox, MANY, 0);
	store_background_wait(kit.store);
	engine_mem_fail(kit.disk, ENGINE_MEM_COMMIT, nth, err, happened);
	c = many(&kit, STORE_CHANGE_COPY, box);
	assert_int_equal(kit_run(&kit, &c), err);
	assert_int_equal(c->pair_count, 0);
	store_change_free(&c);
	assert_int_equal(messages(box), there);
	assert_usable(&kit, box);
	assert_int_equal(messages(box), there + 1);
	store_mailbox_unref(&box);
	kit_reopen(&kit);
	box = kit_mailbox(kit.account, "Box");
	assert_int_equal(messages(box), there + 1);
	assert_clean(&kit);
	store_mailbox_unref(&box);
	kit_close(&kit);
}

static void
failures(void **state)
{
	(void)state;
	for (uint64_t nth = 1; nth <= 4; nth++) {
		copy_fails(nth, TS_FULL, false, 0);
		copy_fails(nth, TS_UNKNOWN, false, 0);
		copy_fails(nth, TS_UNKNOWN, true, nth == 4 ? MANY : 0);
	}
}

/* ---- a MOVE that fails on its way: each message is in one place, and the answer says where ----
 */

struct moving {
	struct kit kit;
	struct store_mailbox *box;
	unsigned others; /* messages in it */
	uint64_t blob[MANY];
};

static void
moving_begin(struct moving *m, const struct engine_class *engine)
{
	*m = (struct moving){.kit.opt.engine = engine};
	kit_open(&m->kit, 0);
	m->kit.opt.max_keywords = 2;
	kit_reopen(&m->kit);
	assert_int_equal(kit_name(&m->kit, STORE_CHANGE_CREATE, "Box", NULL), TS_OK);
	m->box = kit_mailbox(m->kit.account, "Box");
	fill(&m->kit, m->kit.inbox, MANY, 0);
	store_background_wait(m->kit.store);
	assert_int_equal(blobs_of(m->kit.inbox, m->blob, MANY), MANY);
	qsort(m->blob, MANY, sizeof *m->blob, by_number);
}

/* What was answered was done; the rest was not, or nobody knows. */
static void
moving_run(struct moving *m, enum ts_err err, size_t answered, size_t moved)
{
	struct store_change *c = many(&m->kit, STORE_CHANGE_MOVE, m->box);
	struct store_message gone, there;

	assert_int_equal(kit_run(&m->kit, &c), err);
	assert_int_equal(c->pair_count, answered);
	assert_int_equal(roaring_bitmap_get_cardinality(c->affected), answered);
	for (size_t i = 0; i < c->pair_count; i++) {
		assert_true(roaring_bitmap_contains(c->affected, c->pairs[i].source));
		store_mailbox_read_begin(m->kit.inbox);
		assert_false(store_mailbox_message(m->kit.inbox, c->pairs[i].source, &gone));
		store_mailbox_read_end(m->kit.inbox);
		store_mailbox_read_begin(m->box);
		assert_true(store_mailbox_message(m->box, c->pairs[i].target, &there));
		store_mailbox_read_end(m->box);
	}
	store_change_free(&c);
	assert_int_equal(messages(m->box), m->others + moved);
	assert_int_equal(messages(m->kit.inbox), MANY - moved);
	assert_each_once(m->blob, m->kit.inbox, m->box);
}

/* The same when the store is opened again, and the rest can be moved. */
static void
moving_end(struct moving *m, bool crash)
{
	assert_clean(&m->kit);
	store_mailbox_unref(&m->box);
	if (crash)
		kit_crash(&m->kit);
	else
		kit_reopen(&m->kit);
	m->box = kit_mailbox(m->kit.account, "Box");
	assert_each_once(m->blob, m->kit.inbox, m->box);
	assert_usable(&m->kit, m->box);
	assert_int_equal(
	    kit_move(&m->kit, STORE_CHANGE_MOVE, m->kit.inbox, m->box, 1, MANY), TS_OK);
	assert_int_equal(messages(m->kit.inbox), 0);
	assert_int_equal(messages(m->box), m->others + MANY + 1);
	assert_each_once(m->blob, m->kit.inbox, m->box);
	assert_clean(&m->kit);
	store_mailbox_unref(&m->box);
	kit_close(&m->kit);
}

static void
move_fails(uint64_t nth, enum ts_err err, bool happened, bool crash)
{
	size_t before = (nth - 1) * 500, moved = happened ? nth * 500 : before;
	struct moving m;

	moving_begin(&m, NULL);
	engine_mem_fail(m.kit.disk, ENGINE_MEM_COMMIT, nth, err, happened);
	moving_run(&m, err, before, moved < MANY ? moved : MANY);
	moving_end(&m, crash);
}

/* A later piece is not taken in: its keyword is one too many. */
static void
move_refused(const struct engine_class *engine, uint32_t uid, size_t moved)
{
	struct moving m;

	moving_begin(&m, engine);
	kit_flags(&m.kit, m.kit.inbox, 1, MANY, STORE_FLAGS_REPLACE, 0, NULL);
	kit_flags(&m.kit, m.kit.inbox, uid, uid, STORE_FLAGS_ADD, 0, "other");
	kit_append(&m.kit, m.box, "a: b\r\n\r\n", 0);
	m.others = 1;
	kit_flags(&m.kit, m.box, 1, 1, STORE_FLAGS_ADD, 0, "first");
	kit_flags(&m.kit, m.box, 1, 1, STORE_FLAGS_ADD, 0, "second");
	moving_run(&m, TS_LIMIT, moved, moved);
	kit_flags(&m.kit, m.kit.inbox, uid, uid, STORE_FLAGS_REPLACE, 0, NULL);
	moving_end(&m, false);
}

static void
moves_fail(void **state)
{
	(void)state;
	for (uint64_t nth = 1; nth <= 3; nth++)
		for (unsigned crash = 0; crash < 2; crash++) {
			move_fails(nth, TS_FULL, false, crash);
			move_fails(nth, TS_UNKNOWN, false, crash);
			move_fails(nth, TS_UNKNOWN, true, crash);
		}
	move_refused(NULL, 1, 0);
	move_refused(NULL, 501, 500);
	move_refused(NULL, MANY, 1000);
	move_refused(&engine_rocks_class, 501, 500);
}

/* It cannot be taken away at once, so UIDs are refused until the background has done it. */
static void
put_off(void **state)
{
	struct kit kit = {0};
	struct store_mailbox *box;
	struct store_change *c;
	(void)state;

	kit_open(&kit, 0);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "Box", NULL), TS_OK);
	box = kit_mailbox(kit.account, "Box");
	fill(&kit, kit.inbox, MANY, 0);
	store_background_wait(kit.store);
	/* Keywords do not fit: known at the end, and then the disk is full. */
	kit_flags(&kit, kit.inbox, 1, MANY, STORE_FLAGS_ADD, 0, "one");
	for (unsigned i = 0; i < kit.opt.max_keywords; i++) {
		char name[16];

		(void)snprintf(name, sizeof name, "k%u", i);
		kit_append(&kit, box, "a: b\r\n\r\n", 0);
		assert_int_equal(
		    kit_flags(&kit, box, i + 1, i + 1, STORE_FLAGS_ADD, 0, name), TS_OK);
	}
	engine_mem_fail(kit.disk, ENGINE_MEM_COMMIT, 4, TS_FULL, false);
	c = many(&kit, STORE_CHANGE_COPY, box);
	assert_int_equal(kit_run(&kit, &c), TS_LIMIT);
	store_change_free(&c);
	assert_int_equal(kit_append(&kit, box, "a: b\r\n\r\n", 0), 0);
	while (store_background_step(kit.store))
		;
	assert_usable(&kit, box);
	store_mailbox_unref(&box);
	kit_close(&kit);
}

/* With so much memory in all; `more`: for the summaries of a piece. */
static enum ts_err
with_memory(enum store_change_kind kind, uint64_t each, uint64_t more)
{
	struct kit kit = {0};
	struct store_mailbox *box;
	struct store_counters counters;
	struct store_change *c;
	enum ts_err err;

	kit_open(&kit, 0);
	fill(&kit, kit.inbox, MANY, 0);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "Box", NULL), TS_OK);
	kit.opt.copy_memory = each * MANY + more;
	kit_reopen(&kit);
	box = kit_mailbox(kit.account, "Box");
	c = many(&kit, kind, box);
	err = kit_run(&kit, &c);
	store_mailbox_counters(box, &counters);
	if (err == TS_LIMIT) { /* nothing of it was done */
		assert_int_equal(c->limit, STORE_LIMIT_MEMORY);
		assert_int_equal(c->pair_count, 0);
		assert_int_equal(counters.uidnext, 1);
		assert_int_equal(messages(kit.inbox), MANY);
	} else {
		assert_int_equal(counters.messages, MANY);
	}
	store_change_free(&c);
	assert_usable(&kit, box);
	store_mailbox_unref(&box);
	kit_close(&kit);
	return err;
}

/* What the help of store.copy_memory says: 400 bytes for each message of a COPY, 24 of a MOVE, and
 * the structures of 500 at a time. */
static void
memory(void **state)
{
	const uint64_t piece = 1 << 20;
	(void)state;

	assert_int_equal(with_memory(STORE_CHANGE_COPY, 399, 0), TS_LIMIT);
	assert_int_equal(with_memory(STORE_CHANGE_COPY, 400, 0), TS_LIMIT);
	assert_int_equal(with_memory(STORE_CHANGE_COPY, 400, piece), TS_OK);
	assert_int_equal(with_memory(STORE_CHANGE_MOVE, 23, 0), TS_LIMIT);
	assert_int_equal(with_memory(STORE_CHANGE_MOVE, 24, 0), TS_LIMIT);
	assert_int_equal(with_memory(STORE_CHANGE_MOVE, 24, piece), TS_OK);
}

/* ---- turns ---- */

struct gate {
	sem_t entered, go;
	_Atomic bool on;
};

static enum ts_err
hold(const struct engine_batch *batch, void *arg)
{
	struct gate *gate = arg;

	(void)batch;
	if (atomic_exchange(&gate->on, false)) {
		sem_post(&gate->entered);
		sem_wait(&gate->go);
	}
	return TS_OK;
}

struct order {
	struct loop *loop;
	unsigned done, want;
	const char *name[4];
	uint32_t uid;
};

struct ask {
	struct order *order;
	const char *name;
};

static void
ended(struct store_change *c)
{
	struct ask *ask = c->arg;
	struct order *o = ask->order;

	assert_int_equal(c->err, TS_OK);
	if (c->kind == STORE_CHANGE_APPEND)
		o->uid = c->first_uid;
	o->name[o->done++] = ask->name;
	if (o->done == o->want)
		loop_stop(o->loop);
	store_change_free(&c);
}

static void
send(struct store_change *c, struct ask *ask)
{
	c->loop = ask->order->loop;
	c->done = ended;
	c->arg = ask;
	kit_own(c);
	store_submit(c);
}

/* While a COPY is under way another user's change in the same lane is done; what would give UIDs
 * in the mailbox waits for it. */
static void
turns(void **state)
{
	struct kit kit = {0};
	struct gate gate = {0};
	struct order order = {.loop = loop_new(), .want = 3};
	struct ask copy = {&order, "copy"}, flags = {&order, "flags"}, append = {&order, "append"};
	struct store_account *bob;
	struct store_mailbox *box, *his;
	struct store_change *c;
	(void)state;

	kit_open(&kit, 1);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "Box", NULL), TS_OK);
	box = kit_mailbox(kit.account, "Box");
	assert_int_equal(store_account_load(kit.store, STR("bob"), true, &bob), TS_OK);
	his = kit_mailbox(bob, "INBOX");
	kit_append(&kit, his, "a: b\r\n\r\n", 0);
	fill(&kit, kit.inbox, MANY, 0);
	store_background_wait(kit.store);
	sem_init(&gate.entered, 0, 0);
	sem_init(&gate.go, 0, 0);
	engine_mem_hook(kit.disk, hold, &gate);
	gate.on = true;
	send(many(&kit, STORE_CHANGE_COPY, box), &copy);
	sem_wait(&gate.entered); /* its first piece */
	c = kit_change(&kit, STORE_CHANGE_APPEND);
	c->mailbox = box;
	c->item_count = 1;
	c->items = arena_array(c->arena, 1, sizeof *c->items);
	c->items[0].upload = kit_upload(&kit, STR("a: b\r\n\r\n"));
	send(c, &append);
	c = store_change_new(bob, STORE_CHANGE_FLAGS, NULL, NULL, NULL);
	c->mailbox = his;
	c->uids = kit_range(1, 1);
	c->flags.w[0] = 1u << STORE_SEEN;
	send(c, &flags);
	sem_post(&gate.go);
	loop_run(order.loop);
	assert_string_equal(order.name[0], "flags");
	assert_string_equal(order.name[1], "copy");
	assert_string_equal(order.name[2], "append");
	assert_int_equal(order.uid, MANY + 1);
	engine_mem_hook(kit.disk, NULL, NULL);
	assert_clean(&kit);
	store_mailbox_unref(&his);
	store_mailbox_unref(&box);
	store_account_unref(&bob);
	kit_close(&kit);
	loop_free(&order.loop);
	sem_destroy(&gate.entered);
	sem_destroy(&gate.go);
}

/* ---- EXPUNGE, RENAME of INBOX ---- */

static void
expunge_in_pieces(const struct engine_class *engine)
{
	struct kit kit = {.opt.engine = engine};
	struct store_change *c;
	uint64_t before;

	kit_open(&kit, 0);
	fill(&kit, kit.inbox, LOTS, 1u << STORE_DELETED);
	before = commits(&kit);
	c = kit_change(&kit, STORE_CHANGE_EXPUNGE);
	c->mailbox = kit.inbox;
	assert_int_equal(kit_run(&kit, &c), TS_OK);
	assert_int_equal(roaring_bitmap_get_cardinality(c->affected), LOTS);
	assert_true(commits(&kit) - before >= 2);
	store_change_free(&c);
	assert_int_equal(messages(kit.inbox), 0);
	assert_usable(&kit, kit.inbox);
	kit_close(&kit);
}

static void
rename_in_pieces(const struct engine_class *engine)
{
	struct kit kit = {.opt.engine = engine};
	struct seen seen = {.kit = &kit};
	struct store_mailbox *box;

	kit_open(&kit, 0);
	fill(&kit, kit.inbox, MANY, 0);
	if (engine == NULL)
		engine_mem_hook(kit.disk, look, &seen);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "INBOX", "Old"), TS_OK);
	if (engine == NULL)
		engine_mem_hook(kit.disk, NULL, NULL);
	assert_true(seen.most < OPS_MOST);
	for (unsigned i = 0; i < seen.commits; i++)
		engine_mem_disk_free(&seen.image[i]);
	box = kit_mailbox(kit.account, "Old");
	assert_int_equal(messages(box), MANY);
	assert_int_equal(messages(kit.inbox), 0);
	assert_usable(&kit, box);
	store_mailbox_unref(&box);
	kit_close(&kit);
}

/* The n-th commit fails: a part of INBOX is moved, and the answer says which. */
static void
rename_fails(unsigned count, uint64_t nth, bool move, size_t moved)
{
	struct kit kit = {0};
	struct store_mailbox *box = NULL;
	struct store_mailbox_info info;
	struct store_change *c;

	kit_open(&kit, 0);
	fill(&kit, kit.inbox, count, 0);
	c = kit_change(&kit, move ? STORE_CHANGE_MOVE : STORE_CHANGE_RENAME);
	c->name = STR("INBOX");
	c->new_name = STR("Old");
	c->source = kit.inbox;
	if (move) {
		assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "Old", NULL), TS_OK);
		c->mailbox = box = kit_mailbox(kit.account, "Old");
	}
	engine_mem_fail(kit.disk, ENGINE_MEM_COMMIT, nth, TS_FULL, false);
	assert_int_equal(kit_run(&kit, &c), TS_FULL);
	assert_int_equal(c->pair_count, moved);
	assert_int_equal(roaring_bitmap_get_cardinality(c->affected), moved);
	assert_int_equal(messages(kit.inbox), count - moved);
	assert_int_equal(store_account_lookup(kit.account, STR("Old"), &info), move || moved > 0);
	assert_int_equal(c->mailbox_id != 0, !move && moved > 0);
	if (move || moved > 0)
		assert_int_equal(info.counters.messages, moved);
	assert_clean(&kit);
	store_change_free(&c);
	store_mailbox_unref(&box);
	kit_close(&kit);
}

static void
pieces_fail(void **state)
{
	(void)state;
	rename_fails(10, 1, false, 0);
	rename_fails(MANY, 1, false, 0);
	rename_fails(MANY, 2, false, 500);
	rename_fails(MANY, 3, false, 1000);
	rename_fails(MANY, 2, true, 500);
}

/* What fits into one piece takes one commit, so that it cannot be done in part. */
static void
rename_small(void **state)
{
	struct kit kit = {0};
	uint64_t before;
	(void)state;

	kit_open(&kit, 0);
	fill(&kit, kit.inbox, 10, 0);
	before = commits(&kit);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "INBOX", "Old"), TS_OK);
	assert_int_equal(commits(&kit) - before, 1);
	kit_close(&kit);
}

#define CHILDREN 1500

/* The children are as they were, under the new name. */
static void
assert_renamed(struct kit *kit, uint32_t first)
{
	struct store_mailbox_info info;
	char name[32];

	for (unsigned i = 0; i < CHILDREN; i++) {
		(void)snprintf(name, sizeof name, "P/%u", i);
		assert_false(store_account_lookup(kit->account, str_of(name), &info));
		(void)snprintf(name, sizeof name, "New/%u", i);
		assert_true(store_account_lookup(kit->account, str_of(name), &info));
		assert_int_equal(info.counters.uidvalidity, first + i);
	}
}

/* A batch has a row for each child, and no more tombstones than are kept. */
static void
rename_parent(const struct engine_class *engine)
{
	struct kit kit = {.opt.engine = engine};
	struct seen seen = {.kit = &kit};
	struct store_mailbox_info info;
	uint32_t first = 0, last;
	char name[32];

	kit_open(&kit, 0);
	for (unsigned i = 0; i < CHILDREN; i++) {
		(void)snprintf(name, sizeof name, "P/%u", i);
		assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, name, NULL), TS_OK);
		assert_true(store_account_lookup(kit.account, str_of(name), &info));
		first = i == 0 ? info.counters.uidvalidity : first;
	}
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "New", NULL), TS_OK);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_DELETE, "New", NULL), TS_OK);
	if (engine == NULL)
		engine_mem_hook(kit.disk, look, &seen);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "P", "New"), TS_OK);
	if (engine == NULL)
		engine_mem_hook(kit.disk, NULL, NULL);
	assert_true(seen.most < CHILDREN + 600);
	for (unsigned i = 0; i < seen.commits; i++)
		engine_mem_disk_free(&seen.image[i]);
	assert_renamed(&kit, first);
	kit_reopen(&kit);
	assert_renamed(&kit, first);
	/* Its old name has never had such a value, nor has that of one that is moved there. */
	last = first + CHILDREN;
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "P/3", NULL), TS_OK);
	assert_true(store_account_lookup(kit.account, STR("P/3"), &info));
	assert_true(info.counters.uidvalidity > last);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "New/7", "P/9"), TS_OK);
	assert_true(store_account_lookup(kit.account, STR("P/9"), &info));
	assert_true(info.counters.uidvalidity > last);
	assert_clean(&kit);
	kit_close(&kit);
}

static void
other_pieces(void **state)
{
	(void)state;
	expunge_in_pieces(NULL);
	expunge_in_pieces(&engine_rocks_class);
	rename_in_pieces(NULL);
	rename_in_pieces(&engine_rocks_class);
	rename_parent(NULL);
	rename_parent(&engine_rocks_class);
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

/* ---- summaries ---- */

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

/* size bytes of small parts for user 1, all of it written; the summary is made next. */
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

/* A large one's summary, and one of a store that has them in its records, is made in slices. */
static void
summary_slices(void **state)
{
	(void)state;
	others_in_between(4u << 20, 1u << 20);
	others_in_between(4u << 20, 16u << 20);
}

/* Whoever sent it is gone: no slice comes after that, and nothing is left of it. */
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

/* A look at a number for each chunk, and into those that changed: no index by MODSEQ is needed.
 * The last changes are not even looked for. */
static void
resync(void **state)
{
	struct state *s = state_new();
	uint64_t since, began;
	roaring_bitmap_t *set = roaring_bitmap_create();
	size_t looked = 0;

	(void)state;
	add_million(s);
	state_forget_changes(s); /* as after it was read */
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
	    cmocka_unit_test(pieces),
	    cmocka_unit_test(failures),
	    cmocka_unit_test(moves_fail),
	    cmocka_unit_test(put_off),
	    cmocka_unit_test(memory),
	    cmocka_unit_test(turns),
	    cmocka_unit_test(other_pieces),
	    cmocka_unit_test(pieces_fail),
	    cmocka_unit_test(rename_small),
	    cmocka_unit_test(used_up),
	    cmocka_unit_test(summary_slices),
	    cmocka_unit_test(summary_left),
	    cmocka_unit_test(resync),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
