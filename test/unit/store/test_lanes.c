/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real lanes: changes from several threads and loops, the overlay during a held flush, failed
 * flushes followed by other batches, watches.
 */
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kit.h"

#include "base/mem.h"

#define F(flag) (1u << (flag))
#define MSG "Subject: one\r\n\r\nHello\r\n"

/* ---- holding a flush ---- */

struct gate {
	sem_t entered, go;
	enum ts_err err;
	_Atomic bool on;
};

static enum ts_err
hold(const struct engine_batch *batch, void *arg)
{
	struct gate *gate = arg;

	(void)batch;
	if (!atomic_exchange(&gate->on, false))
		return TS_OK;
	sem_post(&gate->entered);
	sem_wait(&gate->go);
	return gate->err;
}

static void
gate_open(struct gate *gate, struct kit *kit)
{
	sem_init(&gate->entered, 0, 0);
	sem_init(&gate->go, 0, 0);
	gate->err = TS_OK;
	gate->on = false;
	engine_mem_hook(kit->disk, hold, gate);
}

/* Threads must not post to a fake loop: these changes end on a real one. */
struct box {
	unsigned done, want;
	struct loop *loop;
	enum ts_err err[64];
	void *order[64];
};

static void
noted(struct store_change *c)
{
	struct box *box = c->arg;

	box->err[box->done] = c->err;
	box->order[box->done++] = c;
	if (box->done == box->want)
		loop_stop(box->loop);
	store_change_free(&c);
}

static void
wait_for(struct box *box, unsigned n)
{
	box->want = n;
	if (box->done < n)
		loop_run(box->loop);
	assert_int_equal(box->done, n);
}

static struct store_change *
send_flags(struct kit *kit, struct box *box, uint32_t uid, enum store_flag_mode mode,
    unsigned flags, const struct str *keyword)
{
	struct store_change *c =
	    store_change_new(kit->account, STORE_CHANGE_FLAGS, box->loop, noted, box);

	c->mailbox = kit->inbox;
	c->uids = kit_range(uid, uid);
	c->mode = mode;
	c->flags.w[0] = flags;
	c->keywords = keyword;
	c->keyword_count = keyword != NULL;
	kit_own(c);
	store_submit(c);
	return c;
}

static void
overlay(void **state)
{
	struct kit kit = {0};
	struct gate gate;
	struct box box = {.loop = loop_new()};
	struct str word = STR("new");
	struct store_change *c, *sent[8];
	(void)state;

	kit_open(&kit, 1);
	kit_append(&kit, kit.inbox, MSG, 0);
	kit_append(&kit, kit.inbox, MSG, 0);
	store_background_wait(kit.store);
	gate_open(&gate, &kit);
	gate.on = true;
	sent[0] =
	    send_flags(&kit, &box, 1, STORE_FLAGS_ADD, F(STORE_SEEN) | F(STORE_DELETED), &word);
	sem_wait(&gate.entered);
	/* The first is being flushed.  All later changes see what it did, and nobody else does. */
	kit_expect(kit.inbox, "1: 2:");
	sent[1] = send_flags(&kit, &box, 1, STORE_FLAGS_REMOVE, F(STORE_SEEN), NULL);
	sent[2] = send_flags(&kit, &box, 2, STORE_FLAGS_ADD, F(STORE_DELETED), &word);
	sent[3] = send_flags(&kit, &box, 1, STORE_FLAGS_ADD, F(STORE_DELETED), NULL); /* has it */
	sent[4] = send_flags(&kit, &box, 2, STORE_FLAGS_REMOVE, F(STORE_DELETED), NULL);
	c = store_change_new(kit.account, STORE_CHANGE_EXPUNGE, box.loop, noted, &box);
	c->mailbox = kit.inbox;
	sent[5] = c;
	kit_own(c);
	store_submit(c);
	sent[6] = send_flags(&kit, &box, 1, STORE_FLAGS_ADD, F(STORE_DRAFT), NULL); /* is gone */
	assert_int_equal(box.done, 0);
	sem_post(&gate.go);
	wait_for(&box, 7);
	for (int i = 0; i < 7; i++) {
		assert_int_equal(box.err[i], TS_OK);
		assert_ptr_equal(box.order[i], sent[i]);
	}
	kit_expect(kit.inbox, "2:[new]");
	engine_mem_hook(kit.disk, NULL, NULL);
	kit_crash(&kit);
	kit_expect(kit.inbox, "2:[new]");

	struct store_counters counters;
	store_mailbox_counters(kit.inbox, &counters);
	assert_int_equal(counters.deleted, 0);
	assert_int_equal(counters.unseen, 1);
	kit_close(&kit);
	loop_free(&box.loop);
}

/* A keyword that loses its last message in the flush gives its place and number to another one in
 * the next batch, and that one in turn to a third. */
static void
keywords_overlap(void **state)
{
	const struct str words[] = {STR("a"), STR("b"), STR("c")};
	struct kit kit = {0};
	struct gate gate;
	struct box box = {.loop = loop_new()};
	(void)state;

	kit_open(&kit, 1);
	kit.opt.max_keywords = 1;
	kit_reopen(&kit);
	kit_append(&kit, kit.inbox, MSG, 0);
	kit_append(&kit, kit.inbox, MSG, 0);
	kit_flags(&kit, kit.inbox, 1, 1, STORE_FLAGS_ADD, 0, "a");
	store_background_wait(kit.store);
	gate_open(&gate, &kit);
	gate.on = true;
	(void)send_flags(&kit, &box, 1, STORE_FLAGS_REMOVE, 0, &words[0]);
	sem_wait(&gate.entered);
	(void)send_flags(&kit, &box, 2, STORE_FLAGS_ADD, 0, &words[1]);
	(void)send_flags(&kit, &box, 1, STORE_FLAGS_ADD, 0, &words[2]); /* no room */
	(void)send_flags(&kit, &box, 2, STORE_FLAGS_REMOVE, 0, &words[1]);
	(void)send_flags(&kit, &box, 2, STORE_FLAGS_ADD, 0, &words[2]);
	kit_expect(kit.inbox, "1:[a] 2:");
	sem_post(&gate.go);
	wait_for(&box, 5);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(box.err[i], i == 2 ? TS_LIMIT : TS_OK);
	kit_expect(kit.inbox, "1: 2:[c]");
	engine_mem_hook(kit.disk, NULL, NULL);
	kit_crash(&kit);
	kit_expect(kit.inbox, "1: 2:[c]");
	kit_close(&kit);
	loop_free(&box.loop);
}

static void
names_overlap(void **state)
{
	struct kit kit = {0};
	struct gate gate;
	struct box box = {.loop = loop_new()};
	const enum ts_err want[] = {TS_OK, TS_EXISTS, TS_OK, TS_NOT_FOUND, TS_OK, TS_OK, TS_OK};
	const struct {
		enum store_change_kind kind;
		const char *name, *to;
	} todo[] = {{STORE_CHANGE_CREATE, "a", NULL}, {STORE_CHANGE_CREATE, "a", NULL},
	    {STORE_CHANGE_RENAME, "a", "b"}, {STORE_CHANGE_DELETE, "a", NULL},
	    {STORE_CHANGE_DELETE, "b", NULL}, {STORE_CHANGE_CREATE, "a", NULL},
	    {STORE_CHANGE_SUBSCRIBE, "x", NULL}};
	(void)state;

	kit_open(&kit, 1);
	store_background_wait(kit.store);
	gate_open(&gate, &kit);
	gate.on = true;
	for (unsigned i = 0; i < 7; i++) {
		struct store_change *c =
		    store_change_new(kit.account, todo[i].kind, box.loop, noted, &box);

		c->name = str_of(todo[i].name);
		c->new_name = str_of(todo[i].to);
		kit_own(c);
		store_submit(c);
		if (i == 0)
			sem_wait(&gate.entered);
	}

	struct store_mailbox_info info;

	assert_false(store_account_lookup(kit.account, STR("a"), &info));
	sem_post(&gate.go);
	wait_for(&box, 7);
	for (int i = 0; i < 7; i++)
		assert_int_equal(box.err[i], want[i]);
	engine_mem_hook(kit.disk, NULL, NULL);
	for (int i = 0; i < 2; i++) {
		assert_true(store_account_lookup(kit.account, STR("a"), &info));
		assert_false(store_account_lookup(kit.account, STR("b"), &info));
		kit_crash(&kit);
	}
	kit_close(&kit);
	loop_free(&box.loop);
}

static void
failed_with_one_behind(void **state)
{
	(void)state;
	for (int way = 0; way < 3; way++) {
		struct kit kit = {0};
		struct gate gate;
		struct box box = {.loop = loop_new()};
		bool happened = way == 1;
		enum ts_err err = way == 2 ? TS_FULL : TS_UNKNOWN;

		kit_open(&kit, 1);
		kit_append(&kit, kit.inbox, MSG, 0);
		store_background_wait(kit.store);
		gate_open(&gate, &kit);
		gate.on = true;
		send_flags(&kit, &box, 1, STORE_FLAGS_ADD, F(STORE_SEEN), NULL);
		sem_wait(&gate.entered);
		send_flags(&kit, &box, 1, STORE_FLAGS_ADD, F(STORE_FLAGGED), NULL);
		if (happened)
			engine_mem_fail(kit.disk, ENGINE_MEM_COMMIT, 1, err, true);
		else
			gate.err = err;
		sem_post(&gate.go);
		wait_for(&box, 2);
		assert_true(box.err[0] == err || happened);
		/* The second may not have been prepared when the first failed. */
		assert_true(box.err[1] == err || box.err[1] == TS_OK);
		/* It continues. */
		engine_mem_hook(kit.disk, NULL, NULL);
		engine_mem_fail(kit.disk, ENGINE_MEM_COMMIT, 0, TS_OK, false);
		assert_int_equal(
		    kit_flags(&kit, kit.inbox, 1, 1, STORE_FLAGS_ADD, F(STORE_DRAFT), NULL), TS_OK);
		if (!happened)
			kit_expect(kit.inbox, box.err[1] == TS_OK ? "1:FR" : "1:R");

		struct buf before = {0}, after = {0};

		kit_show(kit.inbox, &before);
		kit_crash(&kit);
		kit_show(kit.inbox, &after);
		assert_string_equal(buf_cstr(&before), buf_cstr(&after));
		buf_fini(&before);
		buf_fini(&after);
		kit_close(&kit);
		loop_free(&box.loop);
	}
}

/* ---- watches ---- */

static void
count(void *arg)
{
	++*(unsigned *)arg;
}

static void
watches(void **state)
{
	struct kit kit = {0};
	unsigned any = 0, inbox = 0, other = 0;
	(void)state;

	kit_open(&kit, 0);

	struct store_watch *a = store_watch_new(kit.account, kit.loop, count, &any);
	struct store_watch *b = store_watch_new(kit.account, kit.loop, count, &inbox);
	struct store_watch *c = store_watch_new(kit.account, kit.loop, count, &other);

	store_watch_add_all(a);
	store_watch_add(b, store_mailbox_id(kit.inbox));
	store_watch_add(c, 999);

	kit_append(&kit, kit.inbox, MSG, 0);
	assert_int_equal(any, 1);
	assert_int_equal(inbox, 1);
	kit_name(&kit, STORE_CHANGE_CREATE, "x", NULL);
	assert_int_equal(any, 2);
	assert_int_equal(inbox, 1);
	assert_int_equal(other, 0);
	store_watch_free(&c);

	/* Two changes before the loop runs: one call.  A watch freed meanwhile gets none. */
	for (int i = 0; i < 2; i++) {
		struct store_change *ch = kit_change(&kit, STORE_CHANGE_CREATE);

		ch->name = i == 0 ? STR("y") : STR("z");
		assert_int_equal(store_submit_wait(ch), TS_OK);
		store_change_free(&ch);
	}
	assert_int_equal(kit_flags(&kit, kit.inbox, 9, 9, STORE_FLAGS_ADD, 0, "w"), TS_OK);
	assert_int_equal(any, 3);

	struct store_change *ch = kit_change(&kit, STORE_CHANGE_CREATE);

	ch->name = STR("q");
	assert_int_equal(store_submit_wait(ch), TS_OK);
	store_change_free(&ch);
	store_watch_free(&a);
	loop_fake_run(kit.loop);
	assert_int_equal(any, 3);
	store_watch_free(&b);
	kit_close(&kit);
}

static void
assert_taken(struct store_watch *w, const uint32_t *ids, size_t n)
{
	roaring_bitmap_t *changed = roaring_bitmap_create();

	store_watch_take(w, changed);
	assert_int_equal(roaring_bitmap_get_cardinality(changed), n);
	for (size_t i = 0; i < n; i++)
		assert_true(roaring_bitmap_contains(changed, ids[i]));
	roaring_bitmap_free(changed);
}

/* One watch tells which of ten thousand mailboxes changed; nobody has to look at them all. */
static void
watch_many(void **state)
{
	struct kit kit = {0};
	struct store_mailbox *box;
	unsigned told = 0;
	uint32_t inbox, id;
	(void)state;

	kit_open(&kit, 0);
	kit_name(&kit, STORE_CHANGE_CREATE, "box", NULL);
	box = kit_mailbox(kit.account, "box");
	inbox = store_mailbox_id(kit.inbox);
	id = store_mailbox_id(box);

	struct store_watch *w = store_watch_new(kit.account, kit.loop, count, &told);

	kit_append(&kit, kit.inbox, MSG, 0); /* nothing is watched yet */
	assert_int_equal(told, 0);
	for (uint32_t i = 1; i <= 10000; i++)
		store_watch_add(w, i);
	kit_append(&kit, kit.inbox, MSG, 0);
	kit_append(&kit, kit.inbox, MSG, 0);
	kit_append(&kit, box, MSG, 0);
	kit_name(&kit, STORE_CHANGE_CREATE, "y", NULL); /* the list, which is not watched */
	assert_int_equal(told, 3);
	assert_taken(w, (uint32_t[]){inbox, id}, 2);
	assert_taken(w, NULL, 0);
	store_watch_add(w, STORE_WATCH_LIST);
	kit_name(&kit, STORE_CHANGE_CREATE, "z", NULL);
	kit_append(&kit, box, MSG, 0);
	store_watch_remove(w, id); /* including what was not taken */
	assert_taken(w, (uint32_t[]){STORE_WATCH_LIST}, 1);
	kit_append(&kit, box, MSG, 0);
	assert_taken(w, NULL, 0);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_DELETE, "y", NULL), TS_OK);
	assert_taken(w, (uint32_t[]){STORE_WATCH_LIST, id + 1}, 2);
	store_watch_free(&w);
	store_mailbox_unref(&box);
	kit_close(&kit);
}

static void
watch_deleted(void **state)
{
	struct kit kit = {0};
	struct store_mailbox *box;
	unsigned told = 0;
	(void)state;

	kit_open(&kit, 0);
	kit_name(&kit, STORE_CHANGE_CREATE, "box", NULL);
	box = kit_mailbox(kit.account, "box");

	struct store_watch *w = store_watch_new(kit.account, kit.loop, count, &told);

	store_watch_add(w, store_mailbox_id(box));

	assert_int_equal(kit_name(&kit, STORE_CHANGE_DELETE, "box", NULL), TS_OK);
	assert_int_equal(told, 1);
	assert_true(store_mailbox_gone(box));
	store_watch_free(&w);
	store_mailbox_unref(&box);
	kit_close(&kit);
}

static void
abandoned(void **state)
{
	struct kit kit = {0};
	struct store_change *c;
	(void)state;

	for (unsigned lanes = 0; lanes < 2; lanes++) {
		struct loop *loop = loop_new();

		kit = (struct kit){0};
		kit_open(&kit, lanes);
		c = store_change_new(
		    kit.account, STORE_CHANGE_CREATE, lanes > 0 ? loop : kit.loop, noted, NULL);
		c->name = STR("left");
		kit_own(c);
		store_submit(c);
		store_change_free(&c);
		/* Comes after it. */
		kit_flags(&kit, kit.inbox, 9, 9, STORE_FLAGS_ADD, 0, "w");

		struct store_mailbox_info info;

		assert_true(store_account_lookup(kit.account, STR("left"), &info));
		loop_stop(loop);
		loop_run(loop);
		kit_close(&kit);
		loop_free(&loop);
	}
}

/* ---- many threads ---- */

#define THREADS 4
#define ROUNDS 150

struct worker {
	struct kit *kit;
	struct store_account *account;
	struct store_mailbox *mb;
	unsigned n;
	uint32_t appended;
	pthread_t thread;
};

static struct store_upload *
upload_here(struct kit *kit, struct loop *loop)
{
	struct store_upload *u =
	    store_upload_new(kit->store, kit->pool, loop, (struct work_who){0});
	struct str text = STR(MSG);

	(void)store_upload_write(u, text, NULL, NULL);
	return u;
}

static void
finished(void *arg, enum ts_err err)
{
	*(enum ts_err *)arg = err;
}

static void *
work(void *arg)
{
	struct worker *w = arg;
	struct loop *loop = loop_new_fake();
	unsigned seed = w->n + 1;

	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned r = (unsigned)rand_r(&seed) % 4;
		enum store_change_kind kind = r < 2    ? STORE_CHANGE_APPEND
		                              : r == 2 ? STORE_CHANGE_FLAGS
		                                       : STORE_CHANGE_EXPUNGE;
		struct store_change *c = store_change_new(w->account, kind, loop, NULL, NULL);

		c->mailbox = w->mb;
		if (kind == STORE_CHANGE_APPEND) {
			enum ts_err err = TS_BUG;

			c->item_count = 1;
			c->items = arena_array(c->arena, 1, sizeof *c->items);
			c->items[0].upload = upload_here(w->kit, loop);
			store_upload_finish(c->items[0].upload, finished, &err);
			loop_fake_run(loop);
			assert_int_equal(err, TS_OK);
			w->appended++;
		} else if (kind == STORE_CHANGE_FLAGS) {
			c->mode = (enum store_flag_mode)((unsigned)rand_r(&seed) % 3);
			c->uids = kit_range(1 + (uint32_t)rand_r(&seed) % 100, 120);
			c->flags.w[0] = 1u << ((unsigned)rand_r(&seed) % 5);
		} else {
			c->uids = kit_range(1 + (uint32_t)rand_r(&seed) % 100, 110);
		}
		assert_int_equal(store_submit_wait(c), TS_OK);
		store_change_free(&c);

		struct store_counters counters;
		struct store_message m[50];

		store_mailbox_counters(w->mb, &counters);
		store_mailbox_read_begin(w->mb);
		size_t n = store_mailbox_window(w->mb, NULL, 0, m, 50);
		assert_true(n <= roaring_bitmap_get_cardinality(store_mailbox_uids(w->mb)));
		store_mailbox_read_end(w->mb);
		kit_claim(w->mb);
	}
	loop_free(&loop);
	return NULL;
}

static void
many_threads(void **state)
{
	struct kit kit = {0};
	struct worker w[THREADS] = {{0}};
	struct store_account *bob;
	struct store_mailbox *box;
	struct buf before = {0}, after = {0};
	uint32_t appended = 0;
	(void)state;

	kit.opt.fold_after = 20;
	kit_open(&kit, 2);
	assert_int_equal(store_account_load(kit.store, STR("bob"), true, &bob), TS_OK);
	box = kit_mailbox(bob, "INBOX");
	for (unsigned i = 0; i < THREADS; i++) {
		w[i] = (struct worker){.kit = &kit,
		    .n = i,
		    .account = i % 2 ? bob : kit.account,
		    .mb = i % 2 ? box : kit.inbox};
		pthread_create(&w[i].thread, NULL, work, &w[i]);
	}
	/* Copies and moves between the accounts meanwhile. */
	for (unsigned i = 0; i < 20; i++)
		kit_move(&kit, i % 2 ? STORE_CHANGE_COPY : STORE_CHANGE_MOVE,
		    i % 3 ? box : kit.inbox, i % 3 ? kit.inbox : box, i * 3, i * 3 + 4);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(w[i].thread, NULL);
		appended += w[i].appended;
	}
	assert_true(appended > THREADS * ROUNDS / 4);
	store_background_wait(kit.store);

	struct store_stats stats;
	store_stats(kit.store, &stats);
	print_message("%llu changes in %llu batches, at most %llu in one\n",
	    (unsigned long long)stats.changes, (unsigned long long)stats.batches,
	    (unsigned long long)stats.batch_max);
	kit_show(kit.inbox, &before);
	store_mailbox_unref(&box);
	store_account_unref(&bob);
	kit_crash(&kit);
	kit_show(kit.inbox, &after);
	assert_string_equal(buf_cstr(&before), buf_cstr(&after));
	buf_fini(&before);
	buf_fini(&after);
	kit_close(&kit);
}

/* ---- turns ---- */

#define BATCH 512u /* changes per batch */
#define BEHIND 20u

struct turns {
	unsigned done, want, bob_at;
	struct store_account *bob;
	struct loop *loop;
};

static void
counted(struct store_change *c)
{
	struct turns *t = c->arg;

	assert_int_equal(c->err, TS_OK);
	t->done++;
	if (c->account == t->bob)
		t->bob_at = t->done;
	if (t->done == t->want)
		loop_stop(t->loop);
	store_change_free(&c);
}

static void
send_seen(struct turns *t, struct store_account *account, struct store_mailbox *mb)
{
	struct store_change *c = store_change_new(account, STORE_CHANGE_FLAGS, t->loop, counted, t);

	c->mailbox = mb;
	c->uids = kit_range(1, 1);
	c->mode = STORE_FLAGS_ADD;
	c->flags.w[0] = F(STORE_SEEN);
	t->want++;
	kit_own(c);
	store_submit(c);
}

/* A user with many waiting changes does not keep others from their turn. */
static void
one_of_each(void **state)
{
	struct kit kit = {0};
	struct gate gate;
	struct turns t = {.loop = loop_new()};
	struct store_mailbox *box;
	(void)state;

	kit_open(&kit, 1);
	kit_append(&kit, kit.inbox, MSG, 0);
	assert_int_equal(store_account_load(kit.store, STR("bob"), true, &t.bob), TS_OK);
	box = kit_mailbox(t.bob, "INBOX");
	kit_append(&kit, box, MSG, 0);
	store_background_wait(kit.store);
	gate_open(&gate, &kit);
	gate.on = true;
	send_seen(&t, kit.account, kit.inbox);
	sem_wait(&gate.entered);
	/* One batch is being flushed, the next is full, and more is waiting. */
	for (unsigned i = 0; i < BATCH + BEHIND; i++)
		send_seen(&t, kit.account, kit.inbox);
	send_seen(&t, t.bob, box);
	sem_post(&gate.go);
	loop_run(t.loop);
	assert_int_equal(t.done, t.want);
	assert_in_range(t.bob_at, 1, 1 + BATCH + 2);
	engine_mem_hook(kit.disk, NULL, NULL);
	store_mailbox_unref(&box);
	store_account_unref(&t.bob);
	loop_free(&t.loop);
	kit_close(&kit);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(overlay),
	    cmocka_unit_test(keywords_overlap),
	    cmocka_unit_test(names_overlap),
	    cmocka_unit_test(failed_with_one_behind),
	    cmocka_unit_test(watches),
	    cmocka_unit_test(watch_many),
	    cmocka_unit_test(watch_deleted),
	    cmocka_unit_test(abandoned),
	    cmocka_unit_test(one_of_each),
	    cmocka_unit_test(many_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
