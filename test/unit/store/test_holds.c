/* SPDX-License-Identifier: Apache-2.0 */
/* Holds: what a command has found stays readable for it, whoever expunges, moves or deletes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kit.h"

#include "store/check.h"
#include "store/engine/rocks/rocks.h"

#define F(flag) (1u << (flag))
#define MSG "From: a@b.example\r\nSubject: one\r\n\r\nHello\r\n"

/* Where messages are stored. */
struct place {
	const struct engine_class *engine; /* NULL: mem */
	uint64_t threshold;                /* 1: each in a file of its own */
	unsigned lanes;
};

static struct kit
kit_at(void **state)
{
	const struct place *place = *state;
	struct kit kit = {.opt = {.engine = place->engine, .blob_threshold = place->threshold}};

	kit_open(&kit, place->lanes);
	return kit;
}

static struct store_hold *
hold(struct store_mailbox *mb, uint32_t from, uint32_t to)
{
	roaring_bitmap_t *uids = kit_range(from, to);
	struct store_hold *h;

	store_mailbox_read_begin(mb);
	h = store_hold_begin(mb, uids);
	store_mailbox_read_end(mb);
	roaring_bitmap_free(uids);
	return h;
}

static size_t
window(struct store_mailbox *mb, struct store_hold *h, uint32_t from, struct store_message *out)
{
	size_t n;

	store_mailbox_read_begin(mb);
	n = store_hold_window(h, NULL, from, out, 8);
	store_mailbox_read_end(mb);
	return n;
}

static void
remove_one(struct kit *kit, uint32_t uid)
{
	assert_int_equal(kit_flags(kit, kit->inbox, uid, uid, STORE_FLAGS_ADD,
	                     F(STORE_DELETED) | F(STORE_FLAGGED), "last"),
	    TS_OK);
	assert_int_equal(kit_expunge(kit, kit->inbox), TS_OK);
	store_background_wait(kit->store);
}

struct found {
	enum ts_err err;
	uint64_t size;
};

static bool
take_summary(uint32_t uid, enum ts_err err, struct str bytes, void *arg)
{
	struct found *found = arg;
	struct mail_summary s = {0};

	(void)uid;
	found->err = err;
	if (err == TS_OK)
		assert_int_equal(mail_summary_open(bytes, &s), TS_OK);
	found->size = s.size;
	return true;
}

static enum ts_err
read_summary(struct store_mailbox *mb, const struct store_message *m)
{
	struct found found = {.err = TS_BUG};

	store_read_summaries(mb, &m->uid, 1, take_summary, &found);
	assert_true(found.err != TS_OK || found.size == m->size);
	return found.err;
}

/* Reads the bytes and, in that mailbox, the summary. */
static enum ts_err
read_message(struct kit *kit, struct store_mailbox *mb, const struct store_message *m)
{
	struct buf bytes = {0};
	enum ts_err err = store_read_blob(kit->store, m->blob, 0, m->size, &bytes);

	assert_true(err != TS_OK || bytes.n == m->size);
	buf_fini(&bytes);
	return err == TS_OK ? read_summary(mb, m) : err;
}

/* Nothing is left that nobody holds, and the check accepts what is kept. */
static void
expect_whole(struct kit *kit)
{
	struct check_result result;

	assert_int_equal(store_check(kit->store, &(struct check_options){0}, &result), TS_OK);
	assert_int_equal(result.found, 0);
}

static void
expect_held(struct kit *kit, uint64_t holds, uint64_t messages)
{
	struct store_stats stats;

	store_stats(kit->store, &stats);
	assert_int_equal(stats.holds, holds);
	assert_int_equal(stats.held_messages, messages);
	assert_int_equal(stats.held_bytes, messages * strlen(MSG));
}

/* Two commands, one with fewer messages; the one that ends last has them to its end. */
static void
expunged(void **state)
{
	struct kit kit = kit_at(state);
	struct store_hold *all, *some;
	struct store_message m[8];
	struct buf none = {0};

	for (unsigned i = 0; i < 5; i++)
		kit_append(&kit, kit.inbox, MSG, 0);
	all = hold(kit.inbox, 1, 9);
	some = hold(kit.inbox, 4, 5);
	assert_int_equal(roaring_bitmap_get_cardinality(store_hold_uids(all)), 5);
	assert_false(store_hold_touched(all));
	remove_one(&kit, 2);
	remove_one(&kit, 5);
	kit_append(&kit, kit.inbox, MSG, 0); /* is held by nobody */
	expect_held(&kit, 2, 2);
	assert_true(store_hold_touched(all) && store_hold_touched(some));
	assert_int_equal(window(kit.inbox, all, 1, m), 5);
	for (uint32_t i = 0; i < 5; i++) {
		assert_int_equal(m[i].uid, i + 1);
		assert_int_equal(read_message(&kit, kit.inbox, &m[i]), TS_OK);
		assert_true(store_hold_has(all, i + 1));
	}
	assert_true(store_flags_has(&m[1].flags, STORE_FLAGGED));
	assert_true(store_flags_has(&m[1].flags, STORE_FIRST_KEYWORD));
	assert_int_equal(window(kit.inbox, all, 3, m), 3);
	assert_int_equal(window(kit.inbox, some, 1, m), 2);
	assert_int_equal(m[1].uid, 5);
	assert_false(store_hold_has(some, 2));
	expect_whole(&kit);

	store_hold_end(&all);
	store_background_wait(kit.store);
	assert_int_equal(read_summary(kit.inbox, &m[1]), TS_OK); /* UID 5, of the other one */
	expect_held(&kit, 1, 1);
	assert_int_equal(read_message(&kit, kit.inbox, &m[1]), TS_OK);
	store_hold_end(&some);
	store_background_wait(kit.store);
	expect_held(&kit, 0, 0);
	assert_int_equal(store_read_blob(kit.store, m[1].blob, 0, 10, &none), TS_NOT_FOUND);
	assert_int_equal(read_summary(kit.inbox, &m[1]), TS_NOT_FOUND);
	expect_whole(&kit);
	buf_fini(&none);
	kit_close(&kit);
}

/* A message moved within the account is gone, too, and keeps its bytes through its new place. */
static void
moved(void **state)
{
	struct kit kit = kit_at(state);
	struct store_mailbox *box;
	struct store_hold *h;
	struct store_message m[8];

	kit_append(&kit, kit.inbox, MSG, 0);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "Box", NULL), TS_OK);
	box = kit_mailbox(kit.account, "Box");
	h = hold(kit.inbox, 1, 1);
	assert_int_equal(kit_move(&kit, STORE_CHANGE_MOVE, kit.inbox, box, 1, 1), TS_OK);
	store_background_wait(kit.store);
	assert_int_equal(window(kit.inbox, h, 1, m), 1);
	assert_int_equal(read_message(&kit, kit.inbox, &m[0]), TS_OK);
	store_hold_end(&h);
	store_background_wait(kit.store);
	assert_int_equal(read_message(&kit, kit.inbox, &m[0]), TS_NOT_FOUND); /* the summary */
	assert_int_equal(read_message(&kit, box, &m[0]), TS_OK);
	store_mailbox_unref(&box);
	kit_close(&kit);
}

/* More than an expunge removes by itself: the background does the rest. */
static void
many(void **state)
{
	struct kit kit = kit_at(state);
	struct store_hold *h;
	struct store_message m[8];

	for (unsigned i = 0; i < 501; i++)
		kit_append(&kit, kit.inbox, MSG, F(STORE_DELETED));
	h = hold(kit.inbox, 500, 501);
	assert_int_equal(kit_expunge(&kit, kit.inbox), TS_OK);
	store_background_wait(kit.store);
	expect_whole(&kit);
	assert_int_equal(window(kit.inbox, h, 1, m), 2);
	assert_int_equal(read_message(&kit, kit.inbox, &m[1]), TS_OK);
	store_hold_end(&h);
	store_background_wait(kit.store);
	assert_int_equal(read_summary(kit.inbox, &m[1]), TS_NOT_FOUND);
	expect_whole(&kit);
	kit_close(&kit);
}

/* The mailbox is deleted after some of it was expunged. */
static void
deleted(void **state)
{
	struct kit kit = kit_at(state);
	struct store_mailbox *box;
	struct store_hold *h, *late;
	struct store_message m[8];
	struct buf none = {0};

	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "Box", NULL), TS_OK);
	box = kit_mailbox(kit.account, "Box");
	kit_append(&kit, box, MSG, F(STORE_DELETED));
	kit_append(&kit, box, MSG, 0);
	h = hold(box, 1, 2);
	assert_int_equal(kit_expunge(&kit, box), TS_OK);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_DELETE, "Box", NULL), TS_OK);
	late = hold(box, 1, 2);
	store_background_wait(kit.store);
	expect_held(&kit, 2, 2);
	expect_whole(&kit);
	assert_int_equal(window(box, h, 1, m), 2);
	assert_int_equal(read_message(&kit, box, &m[0]), TS_OK);
	assert_int_equal(read_message(&kit, box, &m[1]), TS_OK);
	store_hold_end(&h);
	store_background_wait(kit.store);
	assert_int_equal(window(box, late, 1, m), 1);
	assert_int_equal(read_message(&kit, box, &m[0]), TS_OK);
	store_hold_end(&late);
	store_background_wait(kit.store);
	assert_int_equal(store_read_blob(kit.store, m[0].blob, 0, 10, &none), TS_NOT_FOUND);
	assert_int_equal(read_summary(box, &m[0]), TS_NOT_FOUND);
	expect_whole(&kit);
	buf_fini(&none);
	store_mailbox_unref(&box);
	kit_close(&kit);
}

/* A message for several is claimed first; it has come and gone when the claim is settled. */
static void
claimed(void **state)
{
	struct kit kit = kit_at(state);
	struct store_upload *first = kit_upload(&kit, STR(MSG)),
	                    *second = store_upload_share(first);
	struct store_hold *h;
	struct store_message m[8];
	struct buf none = {0};

	assert_int_equal(kit_append_upload(&kit, kit.inbox, first), TS_OK);
	h = hold(kit.inbox, 1, 1);
	assert_int_equal(
	    kit_flags(&kit, kit.inbox, 1, 1, STORE_FLAGS_ADD, F(STORE_DELETED), NULL), TS_OK);
	assert_int_equal(kit_expunge(&kit, kit.inbox), TS_OK);
	store_upload_free(&second);
	store_background_wait(kit.store);
	assert_int_equal(window(kit.inbox, h, 1, m), 1);
	assert_int_equal(read_message(&kit, kit.inbox, &m[0]), TS_OK);
	store_hold_end(&h);
	store_background_wait(kit.store);
	assert_int_equal(store_read_blob(kit.store, m[0].blob, 0, 10, &none), TS_NOT_FOUND);
	expect_whole(&kit);
	buf_fini(&none);
	kit_close(&kit);
}

/* No more than opt.held_bytes is kept; the rest is gone for the hold. */
static void
limited(void **state)
{
	struct kit kit = kit_at(state);
	struct store_hold *h;
	struct store_message m[8];
	struct store_stats stats;

	kit.opt.held_bytes = strlen(MSG) + 1;
	kit_reopen(&kit);
	kit_append(&kit, kit.inbox, MSG, 0);
	kit_append(&kit, kit.inbox, MSG, 0);
	h = hold(kit.inbox, 1, 2);
	remove_one(&kit, 1);
	remove_one(&kit, 2);
	assert_int_equal(window(kit.inbox, h, 1, m), 1);
	assert_int_equal(m[0].uid, 1);
	assert_true(store_hold_has(h, 1));
	assert_false(store_hold_has(h, 2));
	store_stats(kit.store, &stats);
	assert_int_equal(stats.held_refused, 1);
	store_hold_end(&h);
	kit_close(&kit);
}

int
main(void)
{
	struct place places[] = {{NULL, 0, 0}, {NULL, 1, 0}, {&engine_rocks_class, 0, 0},
	    {&engine_rocks_class, 1, 0}, {&engine_rocks_class, 1, 1}};
	int failed = 0;

	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		const struct CMUnitTest tests[] = {
		    cmocka_unit_test_prestate(expunged, &places[i]),
		    cmocka_unit_test_prestate(moved, &places[i]),
		    cmocka_unit_test_prestate(many, &places[i]),
		    cmocka_unit_test_prestate(deleted, &places[i]),
		    cmocka_unit_test_prestate(claimed, &places[i]),
		    cmocka_unit_test_prestate(limited, &places[i]),
		};

		failed += cmocka_run_group_tests(tests, NULL, NULL);
	}
	return failed;
}
