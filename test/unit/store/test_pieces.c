/* SPDX-License-Identifier: Apache-2.0 */
/* Changes to many messages go in pieces: how much a batch holds, what exists when a batch or the
 * machine fails, and whose turn it is in between (src/store/kinds/change_copy.c,
 * src/store/change/copier.c). */
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kit_watch.h"

#include "base/mem.h"
#include "store/engine/rocks/rocks.h"
#include "store/memory/memory_int.h"

#define MANY 1200     /* three pieces of a COPY or MOVE */
#define LOTS 5000     /* two pieces of an EXPUNGE */
#define OPS_MOST 2600 /* of a batch */

/* Adds so many messages, in one change. */
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

/* Each message has a summary, and a new one gets a UID above all others. */
static void
assert_usable(struct kit *kit, struct store_mailbox *mb)
{
	struct store_counters c;
	uint32_t uid;

	store_mailbox_counters(mb, &c);
	uid = kit_append(kit, mb, "Subject: new\r\n\r\n", 0);
	assert_true(uid >= c.uidnext);
	kit_assert_clean(kit);
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

/* Each is in one of the two, once; so are others that have been added since. */
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
	struct kit_commits seen = {.kit = &kit};
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
		engine_mem_hook(kit.disk, kit_commit, &seen);
	before = kit_commits_done(&kit);
	c = many(&kit, kind, box);
	assert_int_equal(kit_run(&kit, &c), TS_OK);
	assert_int_equal(c->pair_count, MANY);
	for (uint32_t i = 0; i < MANY; i++) {
		assert_int_equal(c->pairs[i].source, i + 1);
		assert_int_equal(c->pairs[i].target, i + 3);
	}
	store_change_free(&c);
	assert_true(kit_commits_done(&kit) - before >= 3);
	assert_true(seen.most < OPS_MOST);
	if (engine == NULL)
		engine_mem_hook(kit.disk, NULL, NULL);
	assert_int_equal(messages(box), MANY + 2);
	assert_int_equal(messages(kit.inbox), kind == STORE_CHANGE_COPY ? MANY : 0);
	assert_usable(&kit, box);
	/* As after a power cut before each of the commits */
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

/* The nth commit of a COPY fails: nothing of it exists, or everything if it was the last one and
 * happened; then the COPY is repeated. */
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
	kit_assert_clean(&kit);
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

/* What was reported was done; the rest was not, or nobody knows. */
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

/* The same after reopening the store, and the rest can be moved. */
static void
moving_end(struct moving *m, bool crash)
{
	kit_assert_clean(&m->kit);
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
	kit_assert_clean(&m->kit);
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

/* A later piece is refused: it has one keyword too many. */
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

/* It cannot be removed at once, so no UIDs are assigned until the background has removed it. */
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
	/* Keywords do not fit: noticed at the end, and then the disk is full. */
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

/* With so much memory altogether; `more`: for the summaries of a piece. */
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

/* As the help for store.copy_memory says: 400 bytes per message for a COPY, 24 for a MOVE, and the
 * structures of 500 at a time. */
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

/* During a COPY another user's change in the same lane is carried out; whatever would assign UIDs
 * in the mailbox waits. */
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
	kit_assert_clean(&kit);
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
	before = kit_commits_done(&kit);
	c = kit_change(&kit, STORE_CHANGE_EXPUNGE);
	c->mailbox = kit.inbox;
	assert_int_equal(kit_run(&kit, &c), TS_OK);
	assert_int_equal(roaring_bitmap_get_cardinality(c->affected), LOTS);
	assert_true(kit_commits_done(&kit) - before >= 2);
	store_change_free(&c);
	assert_int_equal(messages(kit.inbox), 0);
	assert_usable(&kit, kit.inbox);
	kit_close(&kit);
}

static void
rename_in_pieces(const struct engine_class *engine)
{
	struct kit kit = {.opt.engine = engine};
	struct kit_commits seen = {.kit = &kit};
	struct store_mailbox *box;

	kit_open(&kit, 0);
	fill(&kit, kit.inbox, MANY, 0);
	if (engine == NULL)
		engine_mem_hook(kit.disk, kit_commit, &seen);
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

/* The n-th commit fails: part of INBOX is moved, and the response says which. */
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
	kit_assert_clean(&kit);
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

/* What fits into one piece takes one commit, so it cannot be done in part. */
static void
rename_small(void **state)
{
	struct kit kit = {0};
	uint64_t before;
	(void)state;

	kit_open(&kit, 0);
	fill(&kit, kit.inbox, 10, 0);
	before = kit_commits_done(&kit);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "INBOX", "Old"), TS_OK);
	assert_int_equal(kit_commits_done(&kit) - before, 1);
	kit_close(&kit);
}

#define CHILDREN 1500

/* The children are unchanged, under the new name. */
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
	struct kit_commits seen = {.kit = &kit};
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
		engine_mem_hook(kit.disk, kit_commit, &seen);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "P", "New"), TS_OK);
	if (engine == NULL)
		engine_mem_hook(kit.disk, NULL, NULL);
	assert_true(seen.most < CHILDREN + 600);
	for (unsigned i = 0; i < seen.commits; i++)
		engine_mem_disk_free(&seen.image[i]);
	assert_renamed(&kit, first);
	kit_reopen(&kit);
	assert_renamed(&kit, first);
	/* Its old name has never had such a value, nor has the name of one that is moved there. */
	last = first + CHILDREN;
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "P/3", NULL), TS_OK);
	assert_true(store_account_lookup(kit.account, STR("P/3"), &info));
	assert_true(info.counters.uidvalidity > last);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "New/7", "P/9"), TS_OK);
	assert_true(store_account_lookup(kit.account, STR("P/9"), &info));
	assert_true(info.counters.uidvalidity > last);
	kit_assert_clean(&kit);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pieces),
	    cmocka_unit_test(failures),
	    cmocka_unit_test(moves_fail),
	    cmocka_unit_test(put_off),
	    cmocka_unit_test(memory),
	    cmocka_unit_test(turns),
	    cmocka_unit_test(other_pieces),
	    cmocka_unit_test(pieces_fail),
	    cmocka_unit_test(rename_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
