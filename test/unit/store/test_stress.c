/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything at once: threads that append, flag, expunge, copy, move, rename, create and delete in
 * two accounts, readers beside them, watches that come and go, constant eviction of states, and
 * commits that fail.  Nevertheless numbers never go back, what is seen is consistent, and after a
 * crash everything is as before.  Meant for ThreadSanitizer.
 */
#include <pthread.h>
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

#define MSG "Subject: all at once\r\n\r\ntext\r\n"
#define WRITERS 4
#define READERS 2
#define ROUNDS 100
#define BOXES 4

struct shared {
	struct kit *kit;
	struct store_account *account[2];
	_Atomic bool stop;
	_Atomic unsigned commits;
	bool faults;
};

struct worker {
	struct shared *all;
	unsigned n;
	pthread_t thread;
};

static void
uploaded(void *arg, enum ts_err err)
{
	*(enum ts_err *)arg = err;
}

static struct store_mailbox *
any_box(struct shared *all, unsigned *seed)
{
	struct store_mailbox *mb = NULL;
	char name[16] = "INBOX";
	unsigned i = (unsigned)rand_r(seed) % (BOXES + 1);

	if (i < BOXES)
		(void)snprintf(name, sizeof name, "box%u", i);
	/* It may be gone, or unreadable while the engine is being reopened. */
	if (store_mailbox_load(all->account[(unsigned)rand_r(seed) % 2], str_of(name), &mb) !=
	    TS_OK)
		return NULL;
	return mb;
}

static void
fill_names(struct store_change *c, unsigned *seed)
{
	char *name = arena_zalloc(c->arena, 16), *to = arena_zalloc(c->arena, 16);

	(void)snprintf(name, 16, "box%u", (unsigned)rand_r(seed) % BOXES);
	(void)snprintf(to, 16, "box%u", (unsigned)rand_r(seed) % BOXES);
	c->name = str_of(name);
	c->new_name = str_of(to);
}

static void
fill_append(struct shared *all, struct store_change *c, struct loop *loop)
{
	enum ts_err err = TS_BUG;
	struct store_upload *u =
	    store_upload_new(all->kit->store, all->kit->pool, loop, (struct work_who){0});

	(void)store_upload_write(u, STR(MSG), NULL, NULL);
	store_upload_finish(u, uploaded, &err);
	loop_fake_run(loop);
	assert_int_equal(err, TS_OK);
	c->item_count = 1;
	c->items = arena_array(c->arena, 1, sizeof *c->items);
	c->items[0].upload = u;
}

static void
write_once(struct shared *all, struct loop *loop, unsigned *seed)
{
	static const enum store_change_kind kinds[] = {STORE_CHANGE_APPEND, STORE_CHANGE_APPEND,
	    STORE_CHANGE_APPEND, STORE_CHANGE_FLAGS, STORE_CHANGE_FLAGS, STORE_CHANGE_EXPUNGE,
	    STORE_CHANGE_COPY, STORE_CHANGE_MOVE, STORE_CHANGE_CREATE, STORE_CHANGE_CREATE,
	    STORE_CHANGE_DELETE, STORE_CHANGE_RENAME};
	enum store_change_kind kind = kinds[(unsigned)rand_r(seed) % 12];
	struct store_mailbox *mb = NULL, *from = NULL;
	struct store_change *c;

	if (kind < STORE_CHANGE_CREATE && (mb = any_box(all, seed)) == NULL)
		return;
	if (kind == STORE_CHANGE_COPY || kind == STORE_CHANGE_MOVE)
		if ((from = any_box(all, seed)) == NULL)
			goto out;
	c = store_change_new(
	    mb != NULL ? store_mailbox_account(mb) : all->account[rand_r(seed) % 2], kind, loop,
	    NULL, NULL);
	c->mailbox = mb;
	c->source = from;
	c->mode = (enum store_flag_mode)((unsigned)rand_r(seed) % 3);
	c->flags.w[0] = 1u << ((unsigned)rand_r(seed) % 5);
	if (mb != NULL)
		c->uids = kit_range(1 + (uint32_t)rand_r(seed) % 60, 70);
	else
		fill_names(c, seed);
	if (kind == STORE_CHANGE_APPEND)
		fill_append(all, c, loop);

	enum ts_err err = store_submit_wait(c);

	if (!all->faults)
		assert_true(
		    err == TS_OK || err == TS_NOT_FOUND || err == TS_EXISTS || err == TS_INVALID);
	store_change_free(&c);
out:
	store_mailbox_unref(&mb);
	store_mailbox_unref(&from);
}

static void *
writer(void *arg)
{
	struct worker *w = arg;
	struct loop *loop = loop_new_fake();
	unsigned seed = 100 + w->n;

	for (unsigned i = 0; i < ROUNDS; i++)
		write_once(w->all, loop, &seed);
	loop_fake_run(loop); /* uploads that were not taken */
	loop_free(&loop);
	return NULL;
}

static void
told(void *arg)
{
	(*(unsigned *)arg)++;
}

/* Reads a mailbox a few times: it is consistent, and its numbers increase. */
static void
look(struct store_mailbox *mb)
{
	struct store_counters c, last = {0};
	struct store_message m[100];

	for (int i = 0; i < 3; i++) {
		store_mailbox_read_begin(mb);

		const roaring_bitmap_t *uids = store_mailbox_uids(mb);
		uint64_t n = roaring_bitmap_get_cardinality(uids);
		size_t got = store_mailbox_window(mb, NULL, 0, m, 100);

		assert_int_equal(got, n < 100 ? n : 100);
		for (size_t k = 0; k < got; k++)
			assert_true(m[k].modseq <= store_mailbox_modseq(mb));
		store_mailbox_read_end(mb);
		store_mailbox_counters(mb, &c);
		assert_true(c.modseq >= last.modseq && c.uidnext >= last.uidnext);
		assert_true(c.messages < c.uidnext && c.unseen <= c.messages &&
		            c.deleted <= c.messages && c.recent <= c.messages);
		last = c;
		kit_claim(mb);
	}
}

static bool
listed(const struct store_mailbox_info *info, void *arg)
{
	(void)arg;
	assert_true(info->name.n > 0 && info->counters.unseen <= info->counters.messages);
	return true;
}

/* Runs what waits in a real loop; a fake one belongs to one thread. */
static void
turn(struct loop *loop)
{
	loop_stop(loop);
	loop_run(loop);
}

static void *
reader(void *arg)
{
	struct worker *w = arg;
	struct shared *all = w->all;
	struct loop *loop = loop_new();
	unsigned seed = 200 + w->n, calls = 0;

	while (!atomic_load(&all->stop)) {
		struct store_mailbox *mb = any_box(all, &seed);
		struct store_watch *watch;

		store_account_list(all->account[w->n % 2], listed, NULL);
		if (mb == NULL)
			continue;
		watch = store_watch_new(store_mailbox_account(mb), loop, told, &calls);
		store_watch_add(watch, store_mailbox_id(mb));
		store_watch_add(watch, STORE_WATCH_LIST);
		look(mb);
		turn(loop);
		store_watch_free(&watch);
		turn(loop);
		store_mailbox_unref(&mb);
	}
	loop_free(&loop);
	return NULL;
}

/* One commit in forty fails, in one way or another. */
static enum ts_err
fail_some(const struct engine_batch *batch, void *arg)
{
	struct shared *all = arg;
	unsigned n = atomic_fetch_add(&all->commits, 1);

	(void)batch;
	return n % 40 == 20 ? TS_UNKNOWN : n % 40 == 39 ? TS_FULL : TS_OK;
}

static void
show_all(struct kit *kit, struct buf *out)
{
	for (unsigned a = 0; a < 2; a++) {
		struct store_account *account;

		assert_int_equal(
		    store_account_load(kit->store, a ? STR("bob") : STR("ada"), true, &account),
		    TS_OK);
		for (unsigned i = 0; i <= BOXES; i++) {
			struct store_mailbox *mb;
			struct store_counters c;
			char name[16] = "INBOX";

			if (i < BOXES)
				(void)snprintf(name, sizeof name, "box%u", i);
			if (store_mailbox_load(account, str_of(name), &mb) != TS_OK)
				continue;
			store_mailbox_counters(mb, &c);
			buf_printf(out, " %u/%s %u %u %llu: ", a, name, c.messages, c.unseen,
			    (unsigned long long)c.modseq);
			kit_show(mb, out);
			store_mailbox_unref(&mb);
		}
		store_account_unref(&account);
	}
}

static void
run(bool faults)
{
	struct kit kit = {0};
	struct shared all = {.kit = &kit, .faults = faults};
	struct worker w[WRITERS + READERS];
	struct buf before = {0}, after = {0};

	kit.opt.fold_after = 15;
	kit_open(&kit, 2);
	kit.opt.state_budget = 2000;
	kit_reopen(&kit);
	all.account[0] = store_account_ref(kit.account);
	assert_int_equal(store_account_load(kit.store, STR("bob"), true, &all.account[1]), TS_OK);
	store_background_wait(kit.store);
	if (faults)
		engine_mem_hook(kit.disk, fail_some, &all);
	for (unsigned i = 0; i < WRITERS + READERS; i++) {
		w[i] = (struct worker){.all = &all, .n = i};
		pthread_create(&w[i].thread, NULL, i < WRITERS ? writer : reader, &w[i]);
	}
	for (unsigned i = 0; i < WRITERS + READERS; i++) {
		if (i == WRITERS)
			atomic_store(&all.stop, true);
		pthread_join(w[i].thread, NULL);
	}
	loop_fake_run(kit.loop);
	if (faults) {
		/* Until nothing is in doubt.  What runs in the background counts, too, and may meet
		 * the next fault. */
		enum ts_err err = TS_UNKNOWN;

		for (unsigned tries = 0; tries < 10 && err != TS_OK; tries++) {
			atomic_store(&all.commits, 0);
			store_background_wait(kit.store);
			err = kit_name(&kit, STORE_CHANGE_SUBSCRIBE, "x", NULL);
		}
		assert_int_equal(err, TS_OK);
		engine_mem_hook(kit.disk, NULL, NULL);
	}
	store_background_wait(kit.store);
	show_all(&kit, &before);
	store_account_unref(&all.account[0]);
	store_account_unref(&all.account[1]);
	kit_crash(&kit);
	show_all(&kit, &after);
	assert_string_equal(buf_cstr(&before), buf_cstr(&after));
	buf_fini(&before);
	buf_fini(&after);
	kit_close(&kit);
}

static void
everything(void **state)
{
	(void)state;
	run(false);
}

static void
with_faults(void **state)
{
	(void)state;
	run(true);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(everything),
	    cmocka_unit_test(with_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
