/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A user's own MODSEQs in a shared mailbox, compared with a model that remembers every change with
 * the number the user was given.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "store/own_seen.h"

#define UIDS 60u
#define OLD 10u /* of them never change */

struct model {
	struct own_seen *own;
	uint64_t s, v;         /* the mailbox's MODSEQ; what the user sees */
	uint64_t modseq[UIDS]; /* of the mailbox */
	uint64_t shown[UIDS];  /* the number of the last change that the user was told about */
	bool seen[UIDS];
};

static uint64_t
floor_of(const struct own_seen *o)
{
	return o->floor_s + o->floor_u;
}

static roaring_bitmap_t *
some(void)
{
	roaring_bitmap_t *set = roaring_bitmap_create();

	for (long n = 1 + random() % 5; n > 0; n--)
		roaring_bitmap_add(set, (uint32_t)random() % (UIDS - OLD));
	return set;
}

/* A change that everybody sees. */
static void
change(struct model *m)
{
	roaring_bitmap_t *set = some();

	m->s++;
	m->v++;
	for (uint32_t uid = 0; uid < UIDS; uid++)
		if (roaring_bitmap_contains(set, uid)) {
			m->modseq[uid] = m->s;
			m->shown[uid] = m->v;
		}
	roaring_bitmap_free(set);
}

static void
read_some(struct model *m)
{
	roaring_bitmap_t *set = some();
	bool on = random() % 2 == 0, any = false, trimmed;
	struct own_seen *next = own_change(m->own, m->s, on, set, &trimmed);

	for (uint32_t uid = 0; uid < UIDS; uid++)
		any = any || (roaring_bitmap_contains(set, uid) && m->seen[uid] != on);
	assert_int_equal(next != NULL, any);
	m->v += any;
	for (uint32_t uid = 0; uid < UIDS; uid++)
		if (roaring_bitmap_contains(set, uid) && m->seen[uid] != on) {
			m->seen[uid] = on;
			m->shown[uid] = m->v;
		}
	if (next != NULL) {
		assert_int_equal(trimmed, next->floor_u != m->own->floor_u);
		assert_int_equal(own_number(next, next->count - 1), m->v);
		own_unref(&m->own);
		m->own = next;
	}
	roaring_bitmap_free(set);
}

static void
check_set(const struct model *m)
{
	roaring_bitmap_t *all = roaring_bitmap_create();
	uint64_t unseen = 0;

	roaring_bitmap_add_range(all, 0, UIDS);
	for (uint32_t uid = 0; uid < UIDS; uid++) {
		assert_int_equal(roaring_bitmap_contains(m->own->seen, uid), m->seen[uid]);
		unseen += !m->seen[uid];
	}
	assert_int_equal(own_unseen(m->own, all), unseen);
	roaring_bitmap_free(all);
}

/* Numbers up to the floor have become the floor's; the others are as told. */
static void
check_modseqs(const struct model *m)
{
	uint64_t got[UIDS], low = floor_of(m->own);
	uint32_t uids[UIDS], first = (uint32_t)random() % UIDS;

	for (uint32_t uid = first; uid < UIDS; uid++) {
		uids[uid] = uid;
		got[uid] = m->modseq[uid];
	}
	own_modseqs(m->own, uids + first, got + first, UIDS - first);
	for (uint32_t uid = first; uid < UIDS; uid++) {
		assert_true(got[uid] == (m->shown[uid] > low ? m->shown[uid] : low));
		assert_true(got[uid] <= own_highest(m->own, m->s));
	}
}

/* What a client that knows v is told: never less than what changed, and above the floor no more. */
static void
check_since(const struct model *m, uint64_t v)
{
	roaring_bitmap_t *own = roaring_bitmap_create();
	uint64_t s = own_from(m->own, v);

	own_changed_since(m->own, v, own);
	for (uint32_t uid = 0; uid < UIDS; uid++) {
		bool told = m->modseq[uid] > s || roaring_bitmap_contains(own, uid) || s == 0;
		bool changed = m->shown[uid] > v;

		assert_true(told || !changed);
		assert_true(v < floor_of(m->own) || told == changed || s == 0);
	}
	if (v >= floor_of(m->own)) {
		assert_true(own_to(m->own, s) <= v || s <= m->own->floor_s);
		assert_true(own_to(m->own, s + 1) > v);
	}
	roaring_bitmap_free(own);
}

/* All rows, some of which repeat what the header has, give the same result. */
static void
check_rows(const struct own_seen *o)
{
	struct buf b = {0};
	struct own_seen *again;

	own_put_header(o, &b);
	again = own_take_header(buf_as_str(&b));
	assert_non_null(again);
	for (size_t i = 0; i < o->count; i++) {
		b.n = 0;
		own_put_step(o, o->step[i], &b);
		assert_false(own_take_step(again, o->floor_u + i + 2, buf_as_str(&b)));
		assert_true(own_take_step(again, o->floor_u + i + 1, buf_as_str(&b)));
	}
	assert_true(roaring_bitmap_equals(again->seen, o->seen));
	assert_int_equal(again->u, o->u);
	assert_int_equal(again->recent_mark, o->recent_mark);
	assert_int_equal(again->bytes, o->bytes);
	for (uint64_t s = 0; s < 50; s++)
		assert_true(own_to(again, o->floor_s + s) == own_to(o, o->floor_s + s));
	buf_fini(&b);
	own_unref(&again);
}

static void
as_told(void **state)
{
	struct model m = {.s = 7, .v = 7, .own = own_new(roaring_bitmap_create(), 3)};

	(void)state;
	srandom(31);
	for (uint32_t uid = 0; uid < UIDS; uid++)
		m.modseq[uid] = m.shown[uid] = 1 + uid % 7;
	for (int round = 0; round < 9000; round++) {
		if (random() % 3 == 0)
			change(&m);
		else
			read_some(&m);
		assert_int_equal(own_highest(m.own, m.s), m.v);
		check_since(&m, (uint64_t)random() % (m.v + 3));
		check_since(&m, m.v - (uint64_t)random() % 7);
		if (round % 10 == 0)
			check_modseqs(&m);
		if (round % 500 == 0) {
			check_set(&m);
			check_rows(m.own);
		}
	}
	assert_true(m.own->floor_u > 0 && m.own->count <= OWN_STEPS + OWN_STEPS_MORE);
	own_unref(&m.own);
}

/* Another reader's changes never show: of two users of one mailbox one reads much, and the other's
 * numbers are what they would be alone. */
static void
nobody_learns(void **state)
{
	struct model quiet = {.s = 5, .v = 5, .own = own_new(roaring_bitmap_create(), 0)};
	struct model busy = {.s = 5, .v = 5, .own = own_new(roaring_bitmap_create(), 0)};

	(void)state;
	srandom(32);
	for (int round = 0; round < 2000; round++) {
		read_some(&busy);
		if (round % 10 == 0) {
			busy.s++;
			busy.v++;
			quiet.s++;
			assert_int_equal(own_highest(quiet.own, quiet.s), quiet.s);
			assert_int_equal(own_to(quiet.own, quiet.s), quiet.s);
		}
	}
	assert_int_equal(own_highest(busy.own, busy.s), busy.v);
	own_unref(&quiet.own);
	own_unref(&busy.own);
}

/* Huge sets: fewer changes are remembered. */
static void
bounded(void **state)
{
	struct own_seen *o = own_new(roaring_bitmap_create(), 0), *next;
	uint64_t before = 0;

	(void)state;
	for (uint32_t round = 0; round < 300; round++) {
		roaring_bitmap_t *set = roaring_bitmap_create();
		bool trimmed;

		for (uint32_t i = 0; i < 5000; i++)
			roaring_bitmap_add(set, (i * 2 + round % 2) * 3);
		next = own_change(o, 9 + round, round % 4 < 2, set, &trimmed);
		roaring_bitmap_free(set);
		assert_non_null(next);
		own_unref(&o);
		o = next;
		assert_true(o->bytes <= OWN_STEP_BYTES && o->count > 0);
		assert_true(own_highest(o, 9 + round) > before);
		before = own_highest(o, 9 + round);
	}
	assert_true(o->floor_u > 0);
	own_unref(&o);
}

static void
retained(void **state)
{
	roaring_bitmap_t *seen = roaring_bitmap_create(), *left = roaring_bitmap_create();
	roaring_bitmap_t *gone = roaring_bitmap_create();
	struct own_seen *o, *next;

	(void)state;
	roaring_bitmap_add_range(seen, 1, 10);
	roaring_bitmap_add_range(left, 5, 20);
	roaring_bitmap_add_range(gone, 1, 5);
	o = own_new(seen, 3);
	next = own_without(o, gone);
	assert_int_equal(roaring_bitmap_get_cardinality(next->seen), 5);
	assert_int_equal(next->recent_mark, 3);
	assert_int_equal(own_unseen(next, left), 10);
	assert_int_equal(roaring_bitmap_get_cardinality(o->seen), 9);
	own_unref(&next);
	own_unref(&o);
	roaring_bitmap_free(left);
	roaring_bitmap_free(gone);
}

/* No bytes are mistaken for a valid row. */
static void
any_bytes(void **state)
{
	struct own_seen *o = own_new(roaring_bitmap_create(), 3);
	struct buf header = {0};

	(void)state;
	srandom(33);
	own_put_header(o, &header);
	own_unref(&o);
	for (int round = 0; round < 20000; round++) {
		struct buf b = {0};

		buf_str(&b, buf_as_str(&header));
		b.n = (size_t)random() % (b.n + 1);
		for (long n = random() % 12; n > 0; n--)
			buf_putc(&b, (char)(random() % 20));
		o = own_take_header(buf_as_str(&b));
		if (o != NULL)
			(void)own_take_step(o, o->u + 1, buf_as_str(&b));
		own_unref(&o);
		buf_fini(&b);
	}
	buf_fini(&header);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(as_told),
	    cmocka_unit_test(nobody_learns),
	    cmocka_unit_test(bounded),
	    cmocka_unit_test(retained),
	    cmocka_unit_test(any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
