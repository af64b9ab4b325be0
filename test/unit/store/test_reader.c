/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mailboxes as users see them (store/reader.h): two users of a shared mailbox, each with numbers of
 * their own, against a model that remembers every change; what may be shown while an own change is
 * under way; crashes; other threads that read meanwhile.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kit.h"

#include "base/mem.h"
#include "store/memory/memory_int.h"
#include "store/own.h"
#include "store/reader.h"
#include "store/shares.h"

#define USERS 2 /* ada, who has the mailbox, and bob */
#define ROUNDS 1500
#define UIDS 400

struct step {                          /* what a change has done, and the users' numbers after it */
	roaring_bitmap_t *seen[USERS]; /* NULL: nobody's */
	roaring_bitmap_t *both;        /* what everybody sees */
	uint64_t after[USERS];
};

struct shared {
	struct kit kit;
	struct store_account *bob;
	struct store_own *own;
	struct step steps[ROUNDS + 1];
	size_t count;
	bool there[UIDS + 1], seen[USERS][UIDS + 1];
	uint32_t top;
};

static struct store_reader
reader_of(const struct shared *s, unsigned user)
{
	return (struct store_reader){.mailbox = s->kit.inbox, .own = user == 0 ? NULL : s->own};
}

static void
share(struct kit *kit)
{
	struct store_change *c = kit_change(kit, STORE_CHANGE_PROPERTIES);

	c->mailbox = kit->inbox;
	c->properties = arena_array(c->arena, 1, sizeof(*c->properties));
	c->property_count = 1;
	c->properties[0] =
	    (struct store_property_op){.name = STR(STORE_SHARE_PREFIX "bob"), .value = STR("lrs")};
	assert_int_equal(kit_run(kit, &c), TS_OK);
	store_change_free(&c);
}

static void
load(struct shared *s)
{
	assert_int_equal(store_account_load(s->kit.store, STR("bob"), true, &s->bob), TS_OK);
	assert_int_equal(store_own_load(s->bob, store_account_id(s->kit.account),
	                     store_mailbox_id(s->kit.inbox), &s->own),
	    TS_OK);
}

static void
unload(struct shared *s)
{
	store_own_unref(&s->own);
	store_account_unref(&s->bob);
}

static struct shared *
begin(unsigned lanes)
{
	struct shared *s = mem_zalloc(sizeof(*s));

	s->kit.opt.own_seen = true;
	kit_open(&s->kit, lanes);
	return s;
}

static void
forget(struct shared *s)
{
	for (size_t i = 0; i < s->count; i++) {
		for (unsigned u = 0; u < USERS; u++)
			if (s->steps[i].seen[u] != NULL)
				roaring_bitmap_free(s->steps[i].seen[u]);
		if (s->steps[i].both != NULL)
			roaring_bitmap_free(s->steps[i].both);
	}
	s->count = 0;
}

static void
end(struct shared *s)
{
	unload(s);
	kit_close(&s->kit);
	forget(s);
	mem_free(s);
}

static enum ts_err
mark(struct shared *s, unsigned user, uint32_t from, uint32_t to, bool on)
{
	struct store_reader reader = reader_of(s, user);
	struct store_change *c = store_change_new(
	    user == 0 ? s->kit.account : s->bob, STORE_CHANGE_OWN, s->kit.loop, NULL, NULL);
	enum ts_err err;

	c->own = store_reader_own(&reader);
	c->own_kind = STORE_OWN_MARK;
	c->source = s->kit.inbox;
	c->mode = on ? STORE_FLAGS_ADD : STORE_FLAGS_REMOVE;
	c->uids = kit_range(from, to);
	err = kit_run(&s->kit, &c);
	store_own_unref(&c->own);
	store_change_free(&c);
	return err;
}

/* ---- the model */

static uint64_t
number(const struct shared *s, unsigned user)
{
	struct store_reader reader = reader_of(s, user);
	uint64_t modseq;

	store_reader_begin(&reader);
	modseq = store_reader_modseq(&reader);
	store_reader_end(&reader);
	return modseq;
}

/* Takes over the sets. */
static void
note(struct shared *s, roaring_bitmap_t *both, unsigned user, roaring_bitmap_t *seen)
{
	struct step *step = &s->steps[s->count++];

	*step = (struct step){.both = both};
	step->seen[user] = seen;
	for (unsigned u = 0; u < USERS; u++)
		step->after[u] = number(s, u);
}

static void
do_append(struct shared *s)
{
	roaring_bitmap_t *both = roaring_bitmap_create();
	uint32_t uid = kit_append(&s->kit, s->kit.inbox, "Subject: x\r\n\r\nx\r\n", 0);

	assert_in_range(uid, 1, UIDS);
	s->there[uid] = true;
	s->top = uid;
	roaring_bitmap_add(both, uid);
	note(s, both, 0, NULL);
}

static void
do_flags(struct shared *s, uint32_t from, uint32_t to, bool expunge)
{
	roaring_bitmap_t *both = roaring_bitmap_create();

	for (uint32_t uid = from; uid <= to; uid++)
		if (s->there[uid])
			roaring_bitmap_add(both, uid);
	assert_int_equal(kit_flags(&s->kit, s->kit.inbox, from, to, STORE_FLAGS_ADD,
	                     expunge ? 1u << STORE_DELETED : 0, expunge ? NULL : "seen-twice"),
	    TS_OK);
	/* A keyword that they had changes nothing; taking it away and putting it there does. */
	if (!expunge)
		assert_int_equal(
		    kit_flags(&s->kit, s->kit.inbox, from, to, STORE_FLAGS_REMOVE, 0, "seen-twice"),
		    TS_OK);
	note(s, both, 0, NULL);
	if (!expunge)
		return;
	assert_int_equal(kit_expunge(&s->kit, s->kit.inbox), TS_OK);
	for (uint32_t uid = from; uid <= to; uid++)
		s->there[uid] = false;
	note(s, roaring_bitmap_create(), 0, NULL);
}

static void
do_mark(struct shared *s, unsigned user, uint32_t from, uint32_t to, bool on)
{
	roaring_bitmap_t *seen = roaring_bitmap_create();
	uint64_t before = number(s, user), others = number(s, 1 - user);

	for (uint32_t uid = from; uid <= to; uid++)
		if (s->there[uid] && s->seen[user][uid] != on) {
			s->seen[user][uid] = on;
			roaring_bitmap_add(seen, uid);
		}
	if (roaring_bitmap_is_empty(seen)) {
		roaring_bitmap_free(seen);
		return;
	}
	assert_int_equal(mark(s, user, from, to, on), TS_OK);
	assert_true(number(s, user) > before);
	assert_true(number(s, 1 - user) == others); /* who must not notice */
	note(s, NULL, user, seen);
}

/* Nothing that came after a number is missing, and nothing that came before it is told. */
static void
check_since(const struct shared *s, unsigned user, size_t at)
{
	struct store_reader reader = reader_of(s, user);
	roaring_bitmap_t *expected = roaring_bitmap_create(), *got = roaring_bitmap_create();
	uint64_t since = s->steps[at].after[user];

	for (size_t i = at + 1; i < s->count; i++) {
		if (s->steps[i].both != NULL)
			roaring_bitmap_or_inplace(expected, s->steps[i].both);
		if (s->steps[i].seen[user] != NULL)
			roaring_bitmap_or_inplace(expected, s->steps[i].seen[user]);
	}
	store_reader_begin(&reader);
	roaring_bitmap_and_inplace(expected, store_mailbox_uids(s->kit.inbox));
	store_reader_changed_since(&reader, since, got);
	roaring_bitmap_and_inplace(got, store_mailbox_uids(s->kit.inbox));
	if (store_reader_base_of(&reader, since) != 0)
		assert_true(roaring_bitmap_equals(expected, got));
	else
		assert_true(roaring_bitmap_is_subset(expected, got));
	for (uint32_t uid = 1; uid <= s->top; uid++) {
		struct store_message m;

		assert_int_equal(store_reader_message(&reader, uid, &m), s->there[uid]);
		if (!s->there[uid])
			continue;
		assert_int_equal(store_flags_has(&m.flags, STORE_SEEN), s->seen[user][uid]);
		if (store_reader_base_of(&reader, since) != 0)
			assert_int_equal(m.modseq > since, roaring_bitmap_contains(got, uid));
		assert_true(m.modseq <= store_reader_modseq(&reader));
	}
	store_reader_end(&reader);
	roaring_bitmap_free(expected);
	roaring_bitmap_free(got);
}

static void
again(struct shared *s, bool crash)
{
	uint64_t was[USERS];

	for (unsigned u = 0; u < USERS; u++)
		was[u] = number(s, u);
	unload(s);
	if (crash)
		kit_crash(&s->kit);
	else
		kit_reopen(&s->kit);
	load(s);
	for (unsigned u = 0; u < USERS; u++)
		assert_true(number(s, u) == was[u]);
}

static uint32_t
below(uint32_t n)
{
	return (uint32_t)random() % n;
}

static void
do_one(struct shared *s)
{
	uint32_t from = 1 + below(s->top), to = from + below(4);
	unsigned kind = below(20);

	if (to > s->top)
		to = s->top;
	if (kind < 5 && s->top < UIDS)
		do_append(s);
	else if (kind < 8)
		do_flags(s, from, to, kind == 7);
	else if (kind < 19)
		do_mark(s, kind % 2, from, to, below(3) > 0);
	else if (below(8) == 0)
		again(s, below(2) == 0);
}

static void
model(void **state)
{
	struct shared *s = begin(0);

	(void)state;
	srandom(8437);
	for (unsigned i = 0; i < 3; i++)
		do_append(s);
	forget(s);
	for (uint32_t uid = 1; uid <= 3; uid += 2) /* what was read before is the owner's */
		assert_int_equal(kit_flags(&s->kit, s->kit.inbox, uid, uid, STORE_FLAGS_ADD,
		                     1u << STORE_SEEN, NULL),
		    TS_OK);
	share(&s->kit);
	assert_true(store_mailbox_has_own(s->kit.inbox));
	load(s);
	s->seen[0][1] = s->seen[0][3] = true;
	note(s, roaring_bitmap_create(), 0, NULL);
	for (unsigned i = 0; i < ROUNDS && s->count < ROUNDS - 2; i++) {
		do_one(s);
		check_since(s, i % USERS, below((uint32_t)s->count));
	}
	assert_true(s->count > ROUNDS / 2);
	kit_assert_sound(s->kit.store);
	end(s);
}

/* ---- while an own change is under way */

/* The mailbox goes on meanwhile.  Whoever looks must not see a number above the one that the own
 * change gets: it would miss the change. */
static void
under_way(void **state)
{
	struct shared *s = begin(0);
	struct store_reader reader;
	roaring_bitmap_t *changed = roaring_bitmap_create();
	uint64_t before, most, at;

	(void)state;
	kit_append(&s->kit, s->kit.inbox, "Subject: x\r\n\r\nx\r\n", 0);
	kit_append(&s->kit, s->kit.inbox, "Subject: y\r\n\r\ny\r\n", 0);
	share(&s->kit);
	load(s);
	before = number(s, 1);
	at = own_pending(s->own, s->kit.inbox);
	assert_int_equal(
	    kit_flags(&s->kit, s->kit.inbox, 1, 1, STORE_FLAGS_ADD, 1u << STORE_FLAGGED, NULL),
	    TS_OK);
	most = number(s, 1);
	assert_true(most <= before); /* the own change will be before + 1 */
	reader = reader_of(s, 1);
	store_reader_begin(&reader);
	store_reader_changed_since(&reader, most, changed);
	assert_true(roaring_bitmap_contains(changed, 1)); /* told, and told again */
	assert_true(store_reader_base(&reader) > at);
	store_reader_end(&reader);
	assert_true(number(s, 0) > before); /* not the owner's affair */
	own_settled(s->own);
	assert_true(number(s, 1) > before);
	roaring_bitmap_free(changed);
	end(s);
}

/* ---- what is gone is forgotten */

static void
gone(void **state)
{
	struct shared *s = begin(0);
	struct own_seen *o;

	(void)state;
	for (unsigned i = 0; i < 1200; i++)
		kit_append(&s->kit, s->kit.inbox, "Subject: x\r\n\r\nx\r\n", 0);
	share(&s->kit);
	load(s);
	assert_int_equal(mark(s, 1, 1, 1200, true), TS_OK);
	assert_int_equal(
	    kit_flags(&s->kit, s->kit.inbox, 1, 1150, STORE_FLAGS_ADD, 1u << STORE_DELETED, NULL),
	    TS_OK);
	assert_int_equal(kit_expunge(&s->kit, s->kit.inbox), TS_OK);
	assert_int_equal(mark(s, 1, 1151, 1160, false), TS_OK);
	for (unsigned i = 0; i < 2; i++) {
		o = store_own_seen(s->own);
		assert_int_equal(roaring_bitmap_get_cardinality(o->seen), 40);
		assert_int_equal(roaring_bitmap_minimum(o->seen), 1161);
		assert_int_equal(o->u, 2);
		own_unref(&o);
		again(s, i == 0);
	}
	kit_assert_sound(s->kit.store);
	end(s);
}

/* ---- crashes while a mailbox becomes so */

struct cut {
	struct kit *kit;
	struct engine_mem_disk *image[64];
	size_t n;
};

static enum ts_err
take_image(const struct engine_batch *batch, void *arg)
{
	struct cut *cut = arg;

	(void)batch;
	assert_true(cut->n < 64);
	cut->image[cut->n++] = engine_mem_image(cut->kit->disk);
	return TS_OK;
}

/* Before it is shared or after it, nothing between: the owner has read the first. */
static void
cuts(void **state)
{
	struct shared *s = begin(0);
	struct cut cut = {.kit = &s->kit};
	size_t shared_ones = 0;

	(void)state;
	kit_append(&s->kit, s->kit.inbox, "Subject: x\r\n\r\nx\r\n", 1u << STORE_SEEN);
	kit_append(&s->kit, s->kit.inbox, "Subject: y\r\n\r\ny\r\n", 0);
	engine_mem_hook(s->kit.disk, take_image, &cut);
	share(&s->kit);
	load(s);
	assert_int_equal(mark(s, 1, 2, 2, true), TS_OK);
	engine_mem_hook(s->kit.disk, NULL, NULL);
	cut.image[cut.n++] = engine_mem_image(s->kit.disk);
	assert_true(cut.n > 2);
	unload(s);
	for (size_t i = 0; i < cut.n; i++) {
		kit_on(&s->kit, cut.image[i]);
		load(s);
		for (unsigned u = 0; u < USERS; u++) {
			bool own = store_mailbox_has_own(s->kit.inbox);
			struct store_reader reader = reader_of(s, own ? u : 0);
			struct store_message m[2];

			store_reader_begin(&reader);
			assert_int_equal(store_reader_is_own(&reader), own);
			assert_true(store_reader_message(&reader, 1, &m[0]));
			assert_true(store_reader_message(&reader, 2, &m[1]));
			store_reader_end(&reader);
			shared_ones += own;
			assert_int_equal(store_flags_has(&m[0].flags, STORE_SEEN), !own || u == 0);
			if (i < cut.n - 1 || u == 0)
				assert_false(store_flags_has(&m[1].flags, STORE_SEEN));
			else
				assert_true(store_flags_has(&m[1].flags, STORE_SEEN));
		}
		while (store_background_step(s->kit.store)) /* the index of what is shared */
			;
		kit_assert_sound(s->kit.store);
		unload(s);
	}
	assert_in_range(shared_ones, 2, 2 * cut.n - 2);
	load(s);
	end(s);
}

/* ---- other threads */

struct looker {
	struct shared *s;
	unsigned user;
	_Atomic bool stop;
	uint64_t looks;
};

/* Numbers never go back, and none is above the highest. */
static void *
look(void *arg)
{
	struct looker *l = arg;
	uint64_t last = 0;

	while (!atomic_load(&l->stop)) {
		struct store_reader reader = reader_of(l->s, l->user);
		struct store_message m[8];
		uint64_t now;
		size_t n;

		store_reader_begin(&reader);
		now = store_reader_modseq(&reader);
		n = store_reader_window(&reader, store_mailbox_uids(l->s->kit.inbox), 0, m, 8);
		for (size_t i = 0; i < n; i++)
			if (m[i].modseq > now)
				TS_WRONG("a number above the highest");
		store_reader_end(&reader);
		if (now < last)
			TS_WRONG("numbers go back");
		last = now;
		l->looks++;
	}
	return NULL;
}

static void
threads(void **state)
{
	struct shared *s = begin(2);
	struct looker lookers[USERS] = {{s, 0, false, 0}, {s, 1, false, 0}};
	pthread_t thread[USERS];

	(void)state;
	for (unsigned i = 0; i < 8; i++)
		kit_append(&s->kit, s->kit.inbox, "Subject: x\r\n\r\nx\r\n", 0);
	share(&s->kit);
	load(s);
	for (unsigned u = 0; u < USERS; u++)
		assert_int_equal(pthread_create(&thread[u], NULL, look, &lookers[u]), 0);
	for (unsigned i = 0; i < 200; i++) {
		assert_int_equal(mark(s, i % 2, 1 + i % 8, 1 + i % 8, i / 8 % 2 == 0), TS_OK);
		assert_int_equal(kit_flags(&s->kit, s->kit.inbox, 1, 3,
		                     i % 2 == 0 ? STORE_FLAGS_ADD : STORE_FLAGS_REMOVE,
		                     1u << STORE_FLAGGED, NULL),
		    TS_OK);
	}
	for (unsigned u = 0; u < USERS; u++) {
		atomic_store(&lookers[u].stop, true);
		assert_int_equal(pthread_join(thread[u], NULL), 0);
		assert_true(lookers[u].looks > 0);
	}
	end(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(model),
	    cmocka_unit_test(under_way),
	    cmocka_unit_test(gone),
	    cmocka_unit_test(cuts),
	    cmocka_unit_test(threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
