/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of a user's own \Seen in another account's mailbox: written, read, cut off, damaged,
 * removed. */
#include <pthread.h>
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
#include "store/memory/memory_int.h"
#include "store/own.h"

#define BOX 1u /* ada's INBOX */

struct two { /* ada has the mailbox, bob reads it */
	struct kit kit;
	struct store_account *bob;
	struct store_own *own;
	uint64_t ada;
};

static void
load(struct two *t)
{
	t->ada = store_account_id(t->kit.account);
	assert_int_equal(store_account_load(t->kit.store, STR("bob"), true, &t->bob), TS_OK);
	assert_int_equal(store_own_load(t->bob, t->ada, BOX, &t->own), TS_OK);
}

static void
unload(struct two *t)
{
	store_own_unref(&t->own);
	store_account_unref(&t->bob);
}

static void
begin(struct two *t, struct engine_mem_disk *disk)
{
	*t = (struct two){.kit.disk = disk};
	kit_open(&t->kit, 0);
	load(t);
}

static void
end(struct two *t)
{
	unload(t);
	kit_close(&t->kit);
}

static enum ts_err
change(struct two *t, enum store_own_kind kind, roaring_bitmap_t *uids_take, bool on, uint64_t s,
    uint64_t *modseq_r)
{
	struct store_change *c =
	    store_change_new(t->bob, STORE_CHANGE_OWN, t->kit.loop, NULL, NULL);
	enum ts_err err;

	c->own = t->own;
	c->own_kind = kind;
	c->own_s = s;
	c->mode = on ? STORE_FLAGS_ADD : STORE_FLAGS_REMOVE;
	c->uids = uids_take;
	err = kit_run(&t->kit, &c);
	if (modseq_r != NULL)
		*modseq_r = c->modseq;
	store_change_free(&c);
	return err;
}

static enum ts_err
mark(struct two *t, uint32_t from, uint32_t to, bool on, uint64_t s)
{
	return change(t, STORE_OWN_MARK, kit_range(from, to), on, s, NULL);
}

static void
expect(struct two *t, uint64_t u, uint32_t first, uint64_t count)
{
	struct own_seen *o = store_own_seen(t->own);

	assert_true(o->u == u);
	assert_int_equal(roaring_bitmap_get_cardinality(o->seen), count);
	assert_true(count == 0 || roaring_bitmap_minimum(o->seen) == first);
	own_unref(&o);
}

static void
again(struct two *t)
{
	unload(t);
	kit_reopen(&t->kit);
	load(t);
}

static unsigned
rows_of(struct store *store, uint64_t account)
{
	struct key prefix;
	struct scan scan;
	unsigned n = 0;

	key_begin(&prefix, account, KEY_OWN);
	scan_begin(&scan, store, &prefix);
	while (scan_next(&scan) == TS_OK)
		n++;
	scan_end(&scan);
	return n;
}

static unsigned
rows(struct two *t)
{
	return rows_of(t->kit.store, store_account_id(t->bob));
}

/* ---- reading and writing ---- */

static void
written(void **state)
{
	struct two t;
	uint64_t modseq;

	(void)state;
	begin(&t, NULL);
	expect(&t, 0, 0, 0);
	assert_int_equal(rows(&t), 0);
	assert_int_equal(change(&t, STORE_OWN_MARK, kit_range(3, 5), true, 10, &modseq), TS_OK);
	assert_int_equal(modseq, 11);
	assert_int_equal(rows(&t), 2);
	assert_int_equal(change(&t, STORE_OWN_MARK, kit_range(4, 5), true, 10, &modseq), TS_OK);
	assert_int_equal(modseq, 11); /* they were read */
	assert_int_equal(change(&t, STORE_OWN_MARK, kit_range(3, 3), false, 12, &modseq), TS_OK);
	assert_int_equal(modseq, 14);
	expect(&t, 2, 4, 2);
	assert_int_equal(store_own_claim(t.own, 8), 0);
	assert_int_equal(store_own_claim(t.own, 8), 7);
	assert_int_equal(mark(&t, 9, 9, true, 12), TS_OK);
	again(&t);
	expect(&t, 3, 4, 3);
	assert_int_equal(store_own_claim(t.own, 8), 7);
	assert_int_equal(change(&t, STORE_OWN_START, NULL, true, 13, NULL), TS_EXISTS);
	assert_int_equal(mark(&t, 1, 1, true, 13), TS_OK);
	kit_assert_sound(t.kit.store);
	end(&t);
}

/* The mailbox's owner gets what was read so far. */
static void
started(void **state)
{
	struct two t;

	(void)state;
	begin(&t, NULL);
	assert_int_equal(change(&t, STORE_OWN_START, kit_range(1, 9), true, 5, NULL), TS_OK);
	expect(&t, 0, 1, 9);
	again(&t);
	expect(&t, 0, 1, 9);
	assert_int_equal(mark(&t, 2, 2, false, 5), TS_OK);
	again(&t);
	expect(&t, 1, 1, 8);
	end(&t);
}

static void
trimmed(void **state)
{
	struct two t;
	struct own_seen *o;
	uint64_t was[20];

	(void)state;
	begin(&t, NULL);
	for (uint32_t i = 0; i < 2 * OWN_STEPS; i++)
		assert_int_equal(
		    mark(&t, i % 50 + 1, i % 50 + 1, i / 50 % 2 == 0, 5 + i / 7), TS_OK);
	assert_true(rows(&t) <= OWN_STEPS + OWN_STEPS_MORE + 1);
	o = store_own_seen(t.own);
	assert_true(o->floor_u > 0);
	for (unsigned i = 0; i < 20; i++)
		was[i] = own_to(o, 100 + i * 10);
	own_unref(&o);
	again(&t);
	o = store_own_seen(t.own);
	for (unsigned i = 0; i < 20; i++)
		assert_true(own_to(o, 100 + i * 10) == was[i]);
	assert_int_equal(o->u, 2 * OWN_STEPS);
	own_unref(&o);
	kit_assert_sound(t.kit.store);
	end(&t);
}

/* ---- crashes ---- */

#define STEPS 25u

struct cuts {
	struct two t;
	struct engine_mem_disk *image[2 * STEPS];
	unsigned n, done, acknowledged[2 * STEPS];
	uint64_t u[STEPS + 1];
	roaring_bitmap_t *seen[STEPS + 1];
};

static enum ts_err
take_image(const struct engine_batch *batch, void *arg)
{
	struct cuts *cuts = arg;

	assert_true(cuts->n < 2 * STEPS);
	cuts->acknowledged[cuts->n] = cuts->done;
	cuts->image[cuts->n++] = engine_mem_image(cuts->t.kit.disk);
	return kit_one_account(batch, NULL);
}

static void
note(struct cuts *cuts)
{
	struct own_seen *o = store_own_seen(cuts->t.own);

	cuts->u[cuts->done] = o->u;
	cuts->seen[cuts->done] = roaring_bitmap_copy(o->seen);
	own_unref(&o);
}

/* Before each batch: what was acknowledged is there, and nothing more. */
static void
cut_off(void **state)
{
	struct cuts cuts = {.n = 0};

	(void)state;
	srandom(41);
	begin(&cuts.t, NULL);
	store_background_wait(cuts.t.kit.store);
	note(&cuts);
	engine_mem_hook(cuts.t.kit.disk, take_image, &cuts);
	for (unsigned i = 0; i < STEPS; i++) {
		uint32_t uid = 1 + (uint32_t)random() % 30;

		assert_int_equal(mark(&cuts.t, uid, uid + 3, random() % 2 == 0, 5 + i), TS_OK);
		cuts.done++;
		note(&cuts);
	}
	engine_mem_hook(cuts.t.kit.disk, NULL, NULL);
	end(&cuts.t);
	assert_true(cuts.n > STEPS / 2);
	for (unsigned i = 0; i < cuts.n; i++) {
		struct two t;
		struct own_seen *o;
		unsigned done = cuts.acknowledged[i];

		begin(&t, cuts.image[i]);
		o = store_own_seen(t.own);
		assert_int_equal(o->u, cuts.u[done]);
		assert_true(roaring_bitmap_equals(o->seen, cuts.seen[done]));
		own_unref(&o);
		kit_assert_sound(t.kit.store);
		assert_int_equal(mark(&t, 50, 50, true, 100), TS_OK);
		again(&t);
		o = store_own_seen(t.own);
		assert_int_equal(o->u, cuts.u[done] + 1);
		own_unref(&o);
		end(&t);
	}
	for (unsigned i = 0; i <= STEPS; i++)
		roaring_bitmap_free(cuts.seen[i]);
}

struct fault {
	enum ts_err err;
	unsigned times;
};

static enum ts_err
fail_commit(const struct engine_batch *batch, void *arg)
{
	struct fault *fault = arg;

	(void)batch;
	return fault->times > 0 && fault->times-- > 0 ? fault->err : TS_OK;
}

/* A failed flush did not happen; one of unknown outcome is looked up on disk. */
static void
failed_flush(void **state)
{
	static const enum ts_err errors[] = {TS_FULL, TS_UNKNOWN};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct fault fault = {errors[i], 1};
		struct two t;

		begin(&t, NULL);
		store_background_wait(t.kit.store);
		assert_int_equal(mark(&t, 1, 3, true, 5), TS_OK);
		engine_mem_hook(t.kit.disk, fail_commit, &fault);
		assert_int_equal(mark(&t, 7, 7, true, 5), errors[i]);
		engine_mem_hook(t.kit.disk, NULL, NULL);
		expect(&t, 1, 1, 3);
		assert_int_equal(mark(&t, 8, 8, true, 6), TS_OK);
		expect(&t, 2, 1, 4);
		again(&t);
		expect(&t, 2, 1, 4);
		end(&t);
	}
}

/* It was written nevertheless, which shows when the disk is read. */
static void
happened(void **state)
{
	struct two t;

	(void)state;
	begin(&t, NULL);
	store_background_wait(t.kit.store);
	assert_int_equal(mark(&t, 1, 3, true, 5), TS_OK);
	engine_mem_fail(t.kit.disk, ENGINE_MEM_COMMIT, 1, TS_UNKNOWN, true);
	assert_int_equal(mark(&t, 7, 7, true, 5), TS_UNKNOWN);
	assert_int_equal(mark(&t, 8, 8, true, 6), TS_OK);
	expect(&t, 3, 1, 5);
	again(&t);
	expect(&t, 3, 1, 5);
	end(&t);
}

/* ---- going ---- */

static void
forgotten(void **state)
{
	struct two t;
	struct store_own *other;

	(void)state;
	begin(&t, NULL);
	assert_int_equal(store_own_load(t.bob, t.ada, 77, &other), TS_OK);
	assert_ptr_not_equal(other, t.own);
	store_own_unref(&other);
	assert_int_equal(mark(&t, 1, 3, true, 5), TS_OK);
	(void)store_own_claim(t.own, 9);
	assert_int_equal(change(&t, STORE_OWN_FORGET, NULL, true, 5, NULL), TS_OK);
	/* The header stays, with a number above all that were shown. */
	assert_int_equal(rows(&t), 1);
	expect(&t, 2, 0, 0);
	assert_int_equal(mark(&t, 2, 2, true, 6), TS_OK);
	again(&t);
	expect(&t, 3, 2, 1);
	end(&t);
}

/* With the mailbox, when the background checks after a start; with the account at once. */
static void
swept(void **state)
{
	struct two t;
	struct store_mailbox *work;
	struct store_own *other;
	uint64_t bob;
	uint32_t id;

	(void)state;
	begin(&t, NULL);
	assert_int_equal(kit_name(&t.kit, STORE_CHANGE_CREATE, "Work", NULL), TS_OK);
	work = kit_mailbox(t.kit.account, "Work");
	id = store_mailbox_id(work);
	store_mailbox_unref(&work);
	assert_int_equal(mark(&t, 1, 3, true, 5), TS_OK);
	assert_int_equal(store_own_load(t.bob, t.ada, id, &other), TS_OK);
	store_own_unref(&t.own);
	t.own = other;
	assert_int_equal(mark(&t, 1, 3, true, 5), TS_OK);
	assert_int_equal(rows(&t), 4);
	assert_int_equal(kit_name(&t.kit, STORE_CHANGE_DELETE, "Work", NULL), TS_OK);
	again(&t);
	store_background_wait(t.kit.store);
	assert_int_equal(rows(&t), 2);
	expect(&t, 1, 1, 3);
	kit_assert_sound(t.kit.store);
	bob = store_account_id(t.bob);
	unload(&t);
	assert_int_equal(store_account_delete(t.kit.store, STR("bob")), TS_OK);
	store_background_wait(t.kit.store);
	assert_int_equal(rows_of(t.kit.store, bob), 0);
	kit_close(&t.kit);
}

static void
limited(void **state)
{
	struct two t = {.kit.opt.fold_after = 0};
	struct store_own *own[4] = {NULL};

	(void)state;
	begin(&t, NULL);
	t.kit.store->opt.max_mailboxes = 3;
	for (uint32_t i = 0; i < 3; i++) {
		struct store_own *was = t.own;

		assert_int_equal(store_own_load(t.bob, t.ada, i + 10, &own[i]), TS_OK);
		t.own = own[i];
		assert_int_equal(mark(&t, 1, 1, true, 3), TS_OK);
		t.own = was;
	}
	assert_int_equal(store_own_load(t.bob, t.ada, 20, &own[3]), TS_LIMIT);
	assert_null(own[3]);
	for (uint32_t i = 0; i < 3; i++)
		store_own_unref(&own[i]);
	assert_int_equal(store_own_load(t.bob, t.ada, 11, &own[0]), TS_OK);
	store_own_unref(&own[0]);
	end(&t);
}

/* ---- who hears of it ---- */

static void
told(void *arg)
{
	++*(unsigned *)arg;
}

static void
heard(void **state)
{
	struct two t;
	unsigned ada = 0, bob = 0;
	struct store_watch *of_ada, *of_bob;

	(void)state;
	begin(&t, NULL);
	of_ada = store_watch_new(t.kit.account, t.kit.loop, told, &ada);
	store_watch_add_all(of_ada);
	of_bob = store_watch_new(t.bob, t.kit.loop, told, &bob);
	store_watch_add(of_bob, STORE_WATCH_OWN);
	assert_int_equal(mark(&t, 1, 3, true, 5), TS_OK);
	loop_fake_run(t.kit.loop);
	assert_int_equal(ada, 0);
	assert_int_equal(bob, 1);
	store_watch_free(&of_ada);
	store_watch_free(&of_bob);
	end(&t);
}

/* ---- threads ---- */

#define EACH 60u

struct marker {
	struct two *t;
	pthread_t thread;
	uint32_t first;
	unsigned wrong;
};

/* A session of the user: what it marked is there once it is told so. */
static void *
mark_on(void *arg)
{
	struct marker *m = arg;
	struct store_own *own;

	m->wrong += store_own_load(m->t->bob, m->t->ada, BOX, &own) != TS_OK;
	for (uint32_t uid = m->first; uid < m->first + EACH; uid++) {
		struct store_change *c =
		    store_change_new(m->t->bob, STORE_CHANGE_OWN, NULL, NULL, NULL);
		struct own_seen *seen;

		c->own = own;
		c->own_kind = STORE_OWN_MARK;
		c->own_s = 5;
		c->mode = STORE_FLAGS_ADD;
		c->uids = kit_range(uid, uid);
		m->wrong += store_submit_wait(c) != TS_OK;
		seen = store_own_seen(own);
		m->wrong += !roaring_bitmap_contains(seen->seen, uid);
		m->wrong += own_highest(seen, 5) < c->modseq;
		own_unref(&seen);
		store_change_free(&c);
		(void)store_own_claim(own, uid);
	}
	store_own_unref(&own);
	return NULL;
}

static void
several_sessions(void **state)
{
	struct two t = {.ada = 0};
	struct marker marker[3];

	(void)state;
	kit_open(&t.kit, 2);
	load(&t);
	for (uint32_t i = 0; i < 3; i++) {
		marker[i] = (struct marker){.t = &t, .first = 1 + i * EACH};
		assert_int_equal(pthread_create(&marker[i].thread, NULL, mark_on, &marker[i]), 0);
	}
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(pthread_join(marker[i].thread, NULL), 0);
		assert_int_equal(marker[i].wrong, 0);
	}
	expect(&t, 3 * (uint64_t)EACH, 1, 3 * (uint64_t)EACH);
	kit_assert_sound(t.kit.store);
	unload(&t);
	kit_reopen(&t.kit);
	load(&t);
	expect(&t, 3 * (uint64_t)EACH, 1, 3 * (uint64_t)EACH);
	end(&t);
}

/* ---- damage ---- */

static struct check_result
check(struct store *store, bool repair)
{
	struct check_options opt = {.repair = repair};
	struct check_result r;

	assert_int_equal(store_check(store, &opt, &r), TS_OK);
	return r;
}

/* The n-th row loses a byte, or is removed. */
static bool
damage(struct two *t, unsigned n, bool remove)
{
	struct engine_batch *batch = engine_batch_new();
	struct key prefix;
	struct scan scan;
	bool found = false;

	key_begin(&prefix, store_account_id(t->bob), KEY_OWN);
	scan_begin(&scan, t->kit.store, &prefix);
	for (unsigned i = 0; scan_next(&scan) == TS_OK; i++)
		if (i == n) {
			if (remove)
				engine_batch_delete(batch, scan.key);
			else
				engine_batch_put(batch, scan.key, STR("12345678x"));
			found = true;
		}
	scan_end(&scan);
	if (found)
		assert_int_equal(engine_commit(t->kit.store->engine, batch), TS_OK);
	engine_batch_free(&batch);
	return found;
}

/* Each row by itself.  The very last change may be missing, as if it had never happened. */
static void
damaged(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 6; n++)
		for (unsigned remove = 0; remove < 2; remove++) {
			struct own_seen *o;
			struct two t;

			begin(&t, NULL);
			for (uint32_t i = 1; i <= 5; i++)
				assert_int_equal(mark(&t, i, i, true, 5 + i), TS_OK);
			store_own_unref(&t.own);
			assert_true(damage(&t, n, remove != 0));
			if (remove == 0 || n < 5) {
				assert_int_equal(
				    store_own_load(t.bob, t.ada, BOX, &t.own), TS_DAMAGED);
				assert_int_equal(check(t.kit.store, false).found, 1);
				assert_int_equal(check(t.kit.store, true).mended, 1);
			}
			assert_int_equal(check(t.kit.store, false).found, 0);
			assert_int_equal(store_own_load(t.bob, t.ada, BOX, &t.own), TS_OK);
			o = store_own_seen(t.own);
			assert_true(o->u >= (remove != 0 && n == 5 ? 4u : 5u));
			assert_true(n == 0 || roaring_bitmap_get_cardinality(o->seen) >= n - 1);
			own_unref(&o);
			assert_int_equal(mark(&t, 9, 9, true, 20), TS_OK);
			kit_assert_sound(t.kit.store);
			end(&t);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(written),
	    cmocka_unit_test(started),
	    cmocka_unit_test(trimmed),
	    cmocka_unit_test(cut_off),
	    cmocka_unit_test(failed_flush),
	    cmocka_unit_test(happened),
	    cmocka_unit_test(forgotten),
	    cmocka_unit_test(swept),
	    cmocka_unit_test(limited),
	    cmocka_unit_test(heard),
	    cmocka_unit_test(several_sessions),
	    cmocka_unit_test(damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
