/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work with batches of several accounts, cut before each of them: making and removing accounts,
 * delivering to several, moving messages between them.  After each cut nothing acknowledged may be
 * missing, the check must find nothing, and no bytes may be left without an owner.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kit.h"

#include "base/mem.h"
#include "store/check.h"
#include "store/disk/keys.h"

#define MSG "Subject: one\r\n\r\nHello\r\n"
#define IMAGES 64

struct cuts {
	struct kit kit;
	struct engine_mem_disk *image[IMAGES];
	unsigned acknowledged[IMAGES]; /* steps acknowledged before it */
	unsigned n, steps;
};

static enum ts_err
take_image(const struct engine_batch *batch, void *arg)
{
	struct cuts *cuts = arg;

	assert_true(cuts->n < IMAGES);
	cuts->acknowledged[cuts->n] = cuts->steps;
	cuts->image[cuts->n++] = engine_mem_image(cuts->kit.disk);
	return kit_one_account(batch, NULL);
}

static void
begin(struct cuts *cuts, uint64_t threshold)
{
	cuts->kit.opt.blob_threshold = threshold;
	kit_open(&cuts->kit, 0);
	store_background_wait(cuts->kit.store);
	engine_mem_hook(cuts->kit.disk, take_image, cuts);
}

/* ---- what must be so after each cut ---- */

struct set {
	uint64_t blob[100];
	size_t n;
};

static void
add(uint64_t blob, void *arg)
{
	struct set *s = arg;

	for (size_t i = 0; i < s->n; i++)
		if (s->blob[i] == blob)
			return;
	assert_true(s->n < 100);
	s->blob[s->n++] = blob;
}

/* Every existing blob has a reference; no claims and queues are left; a blob of a single account
 * may have a holder, a shared one has one for each. */
static void
assert_tidy(struct engine_mem_disk *disk)
{
	struct engine_mem_disk *image = engine_mem_image(disk);
	struct engine_options opt = {.own = image};
	struct set named = {.n = 0}, there = {.n = 0};
	struct engine *engine;
	struct engine_iter *it;
	struct str k, v;
	char *text = NULL;

	assert_int_equal(engine_open(&engine_mem_class, &opt, &engine, &text), TS_OK);
	it = engine_iter_new(engine, STR_NONE, STR_NONE, false);
	while (engine_iter_next(it, &k, &v) == TS_OK) {
		bool own = memcmp(k.p, "\0\0\0\0\0\0\0\0", 8) == 0;
		struct rd r = rd_of((struct str){k.p + 9, k.n - 9});

		if (k.p[8] == KEY_REF && !own)
			add(rd_be64(&r), &named);
		else if (strchr(own ? "CDM" : "MPQST", k.p[8]) != NULL)
			fail_msg("a key of kind %c is left", k.p[8]);
	}
	engine_iter_free(&it);
	assert_int_equal(engine_blob_each(engine, add, &there), TS_OK);
	assert_int_equal(engine_blob_files(engine, add, &there), TS_OK);
	for (size_t i = 0; i < there.n; i++)
		add(there.blob[i], &named);
	assert_int_equal(named.n, there.n);
	engine_close(&engine);
	engine_mem_disk_free(&image);
}

/* In the accounts' inboxes, or elsewhere; -1: no such account. */
static int
messages_of(struct store *store, const char *name)
{
	struct store_account *a;
	struct store_usage u;
	enum ts_err err = store_account_load(store, str_of(name), false, &a);

	if (err == TS_NOT_FOUND)
		return -1;
	assert_int_equal(err, TS_OK);
	store_account_usage(a, &u);
	assert_true(u.mailboxes >= 1);
	store_account_unref(&a);
	return (int)u.messages;
}

static void
read_all(struct store *store, const char *name)
{
	struct store_account *a;
	struct store_mailbox *mb;
	struct store_message m[20];
	size_t n;

	if (store_account_load(store, str_of(name), false, &a) == TS_NOT_FOUND)
		return;
	mb = kit_mailbox(a, "INBOX");
	store_mailbox_read_begin(mb);
	n = store_mailbox_window(mb, NULL, 0, m, 20);
	store_mailbox_read_end(mb);
	for (size_t i = 0; i < n; i++) {
		struct buf b = {0};

		assert_int_equal(store_read_blob(store, m[i].blob, 0, 1 << 20, &b), TS_OK);
		assert_int_equal(b.n, m[i].size);
		buf_fini(&b);
	}
	store_mailbox_unref(&mb);
	store_account_unref(&a);
}

/* Opens each image, and passes it to what(). */
static void
each(struct cuts *cuts, const char *const *names, void (*what)(struct store *, unsigned done))
{
	struct store_options opt = cuts->kit.opt;

	engine_mem_hook(cuts->kit.disk, NULL, NULL);
	cuts->acknowledged[cuts->n] = cuts->steps;
	cuts->image[cuts->n++] = engine_mem_image(cuts->kit.disk);
	kit_close(&cuts->kit);
	for (unsigned i = 0; i < cuts->n; i++)
		for (unsigned later = 0; later < 2; later++) {
			struct engine_mem_disk *disk = engine_mem_image(cuts->image[i]);
			struct store *store;
			char *text = NULL;

			opt.engine_options.own = disk;
			assert_int_equal(store_open(&opt, &store, &text), TS_OK);
			engine_mem_hook(disk, kit_one_account, NULL);
			if (later > 0)
				store_background_wait(store);
			kit_assert_sound(store);
			what(store, cuts->acknowledged[i]);
			for (const char *const *name = names; *name != NULL; name++)
				read_all(store, *name);
			store_background_wait(store);
			kit_assert_sound(store);
			what(store, cuts->acknowledged[i]);
			store_close(&store);
			assert_tidy(disk);
			engine_mem_disk_free(&disk);
		}
	for (unsigned i = 0; i < cuts->n; i++)
		engine_mem_disk_free(&cuts->image[i]);
}

/* ---- accounts ---- */

static void
one_account_more(struct store *store, unsigned done)
{
	int n = messages_of(store, "bob");
	struct store_change *c;

	assert_true(n == 0 || (n == -1 && done == 0));
	/* Whoever asks for one gets it, whatever exists of it; whoever does not, does not wait. */
	c = store_change_new_account(store, STR("bob"), NULL, NULL, NULL);
	assert_int_equal(store_submit_wait(c), n == 0 ? TS_EXISTS : TS_OK);
	store_change_free(&c);
	assert_int_equal(messages_of(store, "bob"), 0);
}

static void
made(void **state)
{
	struct cuts cuts = {.n = 0};
	struct store_account *bob;

	(void)state;
	begin(&cuts, 0);
	assert_int_equal(store_account_load(cuts.kit.store, STR("bob"), true, &bob), TS_OK);
	cuts.steps++;
	store_account_unref(&bob);
	assert_int_equal(cuts.n, 2);
	each(&cuts, (const char *const[]){"ada", "bob", NULL}, one_account_more);
}

static void
gone_or_whole(struct store *store, unsigned done)
{
	int n = messages_of(store, "bob");

	assert_true(n == -1 || (n == 3 && done == 0));
	assert_int_equal(messages_of(store, "ada"), 1);
}

/* One message belongs to ada as well. */
static void
removed(void **state)
{
	struct cuts cuts = {.n = 0};
	struct store_mailbox *mb;
	struct store_upload *first, *second;

	(void)state;
	begin(&cuts, 0);
	mb = kit_inbox_of(&cuts.kit, "bob");
	kit_append(&cuts.kit, mb, MSG, 0);
	kit_append(&cuts.kit, mb, MSG, 0);
	first = kit_upload(&cuts.kit, STR(MSG));
	second = store_upload_share(first);
	assert_int_equal(kit_append_upload(&cuts.kit, mb, first), TS_OK);
	assert_int_equal(kit_append_upload(&cuts.kit, cuts.kit.inbox, second), TS_OK);
	store_mailbox_unref(&mb);
	store_background_wait(cuts.kit.store);
	for (unsigned i = 0; i < cuts.n; i++)
		engine_mem_disk_free(&cuts.image[i]);
	cuts.n = 0;
	assert_int_equal(store_account_delete(cuts.kit.store, STR("bob")), TS_OK);
	cuts.steps++;
	store_background_wait(cuts.kit.store);
	each(&cuts, (const char *const[]){"ada", "bob", NULL}, gone_or_whole);
}

/* The first batch of a COPY to another account fails and is not on disk: the messages are
 * unchanged, whatever is settled afterwards. */
static void
claims_that_never_came(void **state)
{
	struct kit kit = {0};
	struct store_mailbox *mb;
	struct store_message m;
	struct buf text = {0};

	(void)state;
	kit_open(&kit, 0);
	mb = kit_inbox_of(&kit, "bob");
	assert_int_equal(kit_append(&kit, kit.inbox, MSG, 0), 1);
	store_background_wait(kit.store);
	engine_mem_fail(kit.disk, ENGINE_MEM_COMMIT, 1, TS_UNKNOWN, false);
	assert_int_equal(kit_move(&kit, STORE_CHANGE_COPY, kit.inbox, mb, 1, 1), TS_UNKNOWN);
	store_background_wait(kit.store);
	assert_int_equal(kit_append(&kit, mb, MSG, 0), 1);
	store_background_wait(kit.store);
	store_mailbox_read_begin(kit.inbox);
	assert_int_equal(store_mailbox_window(kit.inbox, NULL, 1, &m, 1), 1);
	store_mailbox_read_end(kit.inbox);
	assert_int_equal(store_read_blob(kit.store, m.blob, 0, m.size, &text), TS_OK);
	buf_fini(&text);
	store_mailbox_unref(&mb);
	kit_close(&kit);
}

/* ---- one message for several ---- */

static const char *const recipients[] = {"bob", "eve", "joe", NULL};

static void
those_that_were_told(struct store *store, unsigned done)
{
	for (unsigned i = 0; i < 3; i++) {
		int n = messages_of(store, recipients[i]);

		assert_true(n == 1 || (n == 0 && done <= i));
	}
}

static void
several(void **state)
{
	(void)state;
	for (uint64_t threshold = 10; threshold <= 1000; threshold *= 100) {
		struct cuts cuts = {.n = 0};
		struct store_mailbox *mb[3];
		struct store_upload *u[3];

		cuts.kit.opt.blob_threshold = threshold;
		kit_open(&cuts.kit, 0);
		for (unsigned i = 0; i < 3; i++)
			mb[i] = kit_inbox_of(&cuts.kit, recipients[i]);
		store_background_wait(cuts.kit.store);
		engine_mem_hook(cuts.kit.disk, take_image, &cuts);
		u[0] = kit_upload(&cuts.kit, STR(MSG));
		for (unsigned i = 1; i < 3; i++)
			u[i] = store_upload_share(u[0]);
		for (unsigned i = 0; i < 3; i++) {
			assert_int_equal(kit_append_upload(&cuts.kit, mb[i], u[i]), TS_OK);
			cuts.steps++;
		}
		store_background_wait(cuts.kit.store);
		for (unsigned i = 0; i < 3; i++)
			store_mailbox_unref(&mb[i]);
		assert_int_equal(cuts.n, 7);
		each(&cuts, recipients, those_that_were_told);
	}
}

static void
nobody(struct store *store, unsigned done)
{
	(void)done;
	assert_int_equal(messages_of(store, "bob"), 0);
	assert_true(messages_of(store, "ada") <= 1);
}

/* One recipient's mailbox is gone, the other's expunges the message: the bytes go with the last
 * one. */
static void
one_is_refused(void **state)
{
	(void)state;
	for (uint64_t threshold = 10; threshold <= 1000; threshold *= 100) {
		struct cuts cuts = {.n = 0};
		struct store_mailbox *mb;
		struct store_account *bob;
		struct store_upload *first, *second;
		struct store_change *c;

		cuts.kit.opt.blob_threshold = threshold;
		kit_open(&cuts.kit, 0);
		assert_int_equal(store_account_load(cuts.kit.store, STR("bob"), true, &bob), TS_OK);
		c = store_change_new(bob, STORE_CHANGE_CREATE, cuts.kit.loop, NULL, NULL);
		c->name = STR("a");
		assert_int_equal(kit_end(&cuts.kit, c), TS_OK);
		mb = kit_mailbox(bob, "a");
		c = store_change_new(bob, STORE_CHANGE_DELETE, cuts.kit.loop, NULL, NULL);
		c->name = STR("a");
		assert_int_equal(kit_end(&cuts.kit, c), TS_OK);
		store_background_wait(cuts.kit.store);
		engine_mem_hook(cuts.kit.disk, take_image, &cuts);
		first = kit_upload(&cuts.kit, STR(MSG));
		second = store_upload_share(first);
		assert_int_equal(kit_append_upload(&cuts.kit, mb, first), TS_NOT_FOUND);
		store_background_wait(cuts.kit.store);
		assert_int_equal(kit_append_upload(&cuts.kit, cuts.kit.inbox, second), TS_OK);
		store_background_wait(cuts.kit.store);
		(void)kit_flags(
		    &cuts.kit, cuts.kit.inbox, 1, 1, STORE_FLAGS_ADD, 1u << STORE_DELETED, NULL);
		assert_int_equal(kit_expunge(&cuts.kit, cuts.kit.inbox), TS_OK);
		store_background_wait(cuts.kit.store);
		store_mailbox_unref(&mb);
		store_account_unref(&bob);
		each(&cuts, (const char *const[]){"ada", "bob", NULL}, nobody);
	}
}

/* ---- between accounts ---- */

static void
all_of_them(struct store *store, unsigned done)
{
	int ada = messages_of(store, "ada"), bob = messages_of(store, "bob");

	/* 0: three are ada's; 1: two were copied; 2: one was moved; 3: one was moved back. */
	assert_true(ada == 3 || ada == 2);
	assert_true((ada == 3 && bob == 0 && done == 0) || (ada == 3 && bob == 2 && done <= 3) ||
	            (ada == 2 && bob == 3 && (done == 1 || done == 2)));
}

static void
between(void **state)
{
	(void)state;
	for (uint64_t threshold = 10; threshold <= 1000; threshold *= 100) {
		struct cuts cuts = {.n = 0};
		struct kit *kit = &cuts.kit;
		struct store_mailbox *mb;

		kit->opt.blob_threshold = threshold;
		kit_open(kit, 0);
		mb = kit_inbox_of(kit, "bob");
		for (unsigned i = 0; i < 3; i++)
			kit_append(kit, kit->inbox, MSG, 0);
		store_background_wait(kit->store);
		engine_mem_hook(kit->disk, take_image, &cuts);
		assert_int_equal(kit_move(kit, STORE_CHANGE_COPY, kit->inbox, mb, 1, 2), TS_OK);
		cuts.steps++;
		assert_int_equal(kit_move(kit, STORE_CHANGE_MOVE, kit->inbox, mb, 1, 1), TS_OK);
		cuts.steps++;
		store_background_wait(kit->store);
		assert_int_equal(kit_move(kit, STORE_CHANGE_MOVE, mb, kit->inbox, 1, 1), TS_OK);
		cuts.steps++;
		store_background_wait(kit->store);
		store_mailbox_unref(&mb);
		each(&cuts, (const char *const[]){"ada", "bob", NULL}, all_of_them);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(made),
	    cmocka_unit_test(removed),
	    cmocka_unit_test(claims_that_never_came),
	    cmocka_unit_test(several),
	    cmocka_unit_test(one_is_refused),
	    cmocka_unit_test(between),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
