/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quota: what limits refuse and what they never refuse, where they come from, that room is given
 * once only, whole and to the byte, and that failed flushes and power cuts neither keep nor lose
 * it.
 */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
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
#include "store/quota.h"

#define NONE STORE_QUOTA_NONE
#define HEAD "Subject: x\r\n\r\n"

static enum ts_err
set_on(struct kit *kit, struct store_account *a, const char *mailbox, uint64_t storage,
    uint64_t messages, uint64_t mailboxes)
{
	struct store_quota_wish wish = {
	    .set = {STORE_QUOTA_LIMIT, STORE_QUOTA_LIMIT, STORE_QUOTA_LIMIT},
	    .limit = {storage, messages, mailboxes}};
	struct store_change *c = store_quota_change(a, str_of(mailbox), &wish, NULL, NULL, NULL);
	enum ts_err err = store_submit_wait(c);

	(void)kit;
	store_change_free(&c);
	return err;
}

static void
set(struct kit *kit, const char *mailbox, uint64_t storage, uint64_t messages, uint64_t mailboxes)
{
	assert_int_equal(set_on(kit, kit->account, mailbox, storage, messages, mailboxes), TS_OK);
}

/* A message of so many bytes. */
static struct store_change *
message(struct kit *kit, struct store_mailbox *mb, size_t bytes)
{
	struct store_change *c = kit_change(kit, STORE_CHANGE_APPEND);
	struct buf text = {0};

	buf_puts(&text, HEAD);
	while (text.n < bytes)
		buf_putc(&text, 'x');
	c->mailbox = mb;
	c->items = arena_array(c->arena, 1, sizeof *c->items);
	c->item_count = 1;
	c->items[0].upload = kit_upload(kit, buf_as_str(&text));
	buf_fini(&text);
	return c;
}

/* "" when it is done, else of what there is not enough. */
static const char *
outcome(struct kit *kit, struct store_change *c)
{
	static const char *const names[] = {[STORE_LIMIT_QUOTA_STORAGE] = "storage",
	    [STORE_LIMIT_QUOTA_MESSAGE] = "message",
	    [STORE_LIMIT_QUOTA_MAILBOX] = "mailbox"};
	const char *text = "";

	if (kit_run(kit, &c) == TS_LIMIT)
		text = names[c->limit];
	else
		assert_int_equal(c->err, TS_OK);
	store_change_free(&c);
	return text;
}

static const char *
append(struct kit *kit, struct store_mailbox *mb, size_t bytes)
{
	return outcome(kit, message(kit, mb, bytes));
}

static struct store_change *
transfer(struct kit *kit, enum store_change_kind kind, struct store_mailbox *from,
    struct store_mailbox *to, uint32_t first, uint32_t last)
{
	struct store_change *c =
	    store_change_new(store_mailbox_account(to), kind, kit->loop, NULL, NULL);

	c->source = from;
	c->mailbox = to;
	c->uids = kit_range(first, last);
	return c;
}

static struct store_mailbox *
make(struct kit *kit, const char *name)
{
	assert_int_equal(kit_name(kit, STORE_CHANGE_CREATE, name, NULL), TS_OK);
	return kit_mailbox(kit->account, name);
}

static const char *
create(struct kit *kit, const char *name)
{
	struct store_change *c = kit_change(kit, STORE_CHANGE_CREATE);

	c->name = arena_str(c->arena, str_of(name));
	return outcome(kit, c);
}

static void
expect_usage(struct kit *kit, uint64_t bytes, uint64_t messages)
{
	struct store_quota_root root;

	store_quota_account(kit->account, &root);
	assert_int_equal(root.usage[STORE_QUOTA_STORAGE], bytes);
	assert_int_equal(root.usage[STORE_QUOTA_MESSAGE], messages);
}

/* To the byte; equal is within. */
static void
account_limits(void **state)
{
	struct kit kit = {0};

	(void)state;
	kit_open(&kit, 0);
	set(&kit, "", 2048, 3, 2);
	assert_string_equal(append(&kit, kit.inbox, 1000), "");
	assert_string_equal(append(&kit, kit.inbox, 1049), "storage");
	assert_string_equal(append(&kit, kit.inbox, 1048), "");
	assert_string_equal(append(&kit, kit.inbox, 13), "storage");
	expect_usage(&kit, 2048, 2);
	set(&kit, "", NONE, 3, 2);
	assert_string_equal(append(&kit, kit.inbox, 9000), "");
	assert_string_equal(append(&kit, kit.inbox, 13), "message");
	assert_string_equal(create(&kit, "a"), "");
	assert_string_equal(create(&kit, "b"), "mailbox");
	assert_int_equal(store_quota_refused(kit.store), 4);

	kit_crash(&kit);
	assert_string_equal(append(&kit, kit.inbox, 13), "message");
	assert_string_equal(create(&kit, "b"), "mailbox");
	/* What makes room is never refused, and makes it at once. */
	set(&kit, "", 0, 0, 0);
	expect_usage(&kit, 11048, 3);
	assert_int_equal(
	    kit_flags(&kit, kit.inbox, 1, 3, STORE_FLAGS_ADD, 1u << STORE_DELETED, NULL), TS_OK);
	assert_int_equal(kit_expunge(&kit, kit.inbox), TS_OK);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "a", "c"), TS_OK);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_DELETE, "c", NULL), TS_OK);
	expect_usage(&kit, 0, 0);
	assert_string_equal(append(&kit, kit.inbox, 13), "storage");
	kit_assert_sound(kit.store);
	kit_close(&kit);
}

/* A mailbox is a root by itself; so is the account, for all that is in it. */
static void
mailbox_limits(void **state)
{
	struct kit kit = {0};
	struct store_quota_root root;
	struct store_mailbox *a;
	struct str mailbox;
	struct buf name = {0};

	(void)state;
	kit_open(&kit, 0);
	a = make(&kit, "a");
	assert_false(store_quota_mailbox(kit.account, STR("a"), &root));
	set(&kit, "a", NONE, 1, NONE);
	set(&kit, "", 4096, NONE, NONE);
	assert_string_equal(append(&kit, a, 100), "");
	assert_string_equal(append(&kit, a, 100), "message");
	assert_string_equal(append(&kit, kit.inbox, 100), "");
	assert_string_equal(
	    outcome(&kit, transfer(&kit, STORE_CHANGE_COPY, kit.inbox, a, 1, 1)), "message");
	assert_string_equal(
	    outcome(&kit, transfer(&kit, STORE_CHANGE_MOVE, kit.inbox, a, 1, 1)), "message");
	kit_expect(kit.inbox, "1:");
	store_quota_root_name(STR("a"), &name);
	assert_string_equal(buf_cstr(&name), "mailbox/a");
	assert_true(store_quota_root_mailbox(buf_as_str(&name), &mailbox));
	assert_true(store_quota_mailbox(kit.account, mailbox, &root));
	assert_false(store_quota_root_mailbox(STR("mailbox"), &mailbox));
	assert_int_equal(root.usage[STORE_QUOTA_MESSAGE], 1);
	assert_int_equal(root.in_force.limit[STORE_QUOTA_MESSAGE], 1);
	buf_fini(&name);

	/* The limit goes with the mailbox. */
	store_mailbox_unref(&a);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "a", "b"), TS_OK);
	assert_false(store_quota_mailbox(kit.account, STR("a"), &root));
	kit_reopen(&kit);
	a = kit_mailbox(kit.account, "b");
	assert_string_equal(append(&kit, a, 100), "message");
	set(&kit, "", 200, NONE, NONE);
	assert_string_equal(append(&kit, kit.inbox, 13), "storage");
	/* Within the account and within the mailbox nothing becomes more. */
	assert_string_equal(
	    outcome(&kit, transfer(&kit, STORE_CHANGE_MOVE, a, kit.inbox, 1, 1)), "");
	assert_string_equal(
	    outcome(&kit, transfer(&kit, STORE_CHANGE_MOVE, kit.inbox, kit.inbox, 1, 1)), "");
	store_mailbox_unref(&a);
	kit_assert_sound(kit.store);
	kit_close(&kit);
}

static void
source_limits(void *arg, struct str account, struct store_quota *quota)
{
	assert_true(str_eq(account, STR("ada")));
	quota->limit[STORE_QUOTA_MESSAGE] = *(const uint64_t *)arg;
}

/* Own limits come first, and another source applies at once. */
static void
limits_of_a_source(void **state)
{
	struct kit kit = {0};
	uint64_t limit = 1;
	struct store_quota_source source = {.limits = source_limits, .arg = &limit};
	struct store_quota_root root;
	struct store_quota_wish wish = {.set = {[STORE_QUOTA_MESSAGE] = STORE_QUOTA_INHERIT}};
	struct store_change *c;

	(void)state;
	kit_open(&kit, 0);
	store_quota_source(kit.store, &source);
	assert_string_equal(append(&kit, kit.inbox, 13), "");
	assert_string_equal(append(&kit, kit.inbox, 13), "message");
	limit = 2;
	store_quota_source(kit.store, &source);
	assert_string_equal(append(&kit, kit.inbox, 13), "");
	assert_string_equal(append(&kit, kit.inbox, 13), "message");
	set(&kit, "", NONE, NONE, NONE);
	assert_string_equal(append(&kit, kit.inbox, 13), "");
	store_quota_account(kit.account, &root);
	assert_true(root.own[STORE_QUOTA_MESSAGE]);
	c = store_quota_change(kit.account, STR(""), &wish, NULL, NULL, NULL);
	assert_int_equal(store_submit_wait(c), TS_OK);
	store_change_free(&c);
	store_quota_account(kit.account, &root);
	assert_false(root.own[STORE_QUOTA_MESSAGE]);
	assert_int_equal(root.in_force.limit[STORE_QUOTA_MESSAGE], 2);
	assert_string_equal(append(&kit, kit.inbox, 13), "message");
	store_quota_source(kit.store, NULL);
	assert_string_equal(append(&kit, kit.inbox, 13), "");
	kit_close(&kit);
}

static void
two_of_each(void *arg, struct str account, size_t i, struct store_quota *quota)
{
	const uint64_t *limit = arg;

	(void)account;
	quota->limit[STORE_QUOTA_MESSAGE] = limit[i];
}

/* By name: a mailbox comes under them when it gets the name, and its own come before. */
static void
limits_by_names(void **state)
{
	const struct str names[] = {STR("a"), STR("b/c")};
	const uint64_t limit[] = {1, 2};
	struct store_quota_source source = {.arg = (void *)(uintptr_t)limit,
	    .mailbox = names,
	    .mailboxes = 2,
	    .mailbox_limits = two_of_each};
	struct store_quota_root root;
	enum store_quota_resource resource;
	struct kit kit = {0};
	struct store_mailbox *a, *other;

	(void)state;
	kit_open(&kit, 0);
	store_quota_source(kit.store, &source);
	a = make(&kit, "a");
	assert_string_equal(append(&kit, a, 20), "");
	assert_string_equal(append(&kit, a, 20), "message");
	assert_string_equal(
	    outcome(&kit, transfer(&kit, STORE_CHANGE_COPY, a, a, 1, 1)), "message");
	assert_false(store_quota_room(kit.account, STR("a"), 1, 1, &resource));
	assert_true(store_quota_mailbox(kit.account, STR("a"), &root));
	assert_false(root.own[STORE_QUOTA_MESSAGE]);
	assert_int_equal(root.in_force.limit[STORE_QUOTA_MESSAGE], 1);
	assert_string_equal(append(&kit, kit.inbox, 20), "");
	assert_false(store_quota_mailbox(kit.account, STR("INBOX"), &root));
	assert_true(store_quota_is_named(kit.store, STR("b/c")));
	assert_false(store_quota_is_named(kit.store, STR("b")));

	assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "a", "b/c"), TS_OK);
	assert_true(store_quota_of(a, &root));
	assert_int_equal(root.in_force.limit[STORE_QUOTA_MESSAGE], 2);
	assert_string_equal(append(&kit, a, 20), "");
	assert_string_equal(append(&kit, a, 20), "message");
	assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "b/c", "free"), TS_OK);
	assert_false(store_quota_of(a, &root));
	assert_string_equal(append(&kit, a, 20), "");
	/* Lowered below the usage, as it were: nothing goes, and moving within it needs no room. */
	assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "free", "a"), TS_OK);
	assert_string_equal(append(&kit, a, 20), "message");
	assert_string_equal(outcome(&kit, transfer(&kit, STORE_CHANGE_MOVE, a, a, 1, 3)), "");

	/* From another account, and from another mailbox. */
	other = kit_inbox_of(&kit, "bob");
	assert_string_equal(append(&kit, other, 20), "");
	assert_string_equal(
	    outcome(&kit, transfer(&kit, STORE_CHANGE_COPY, other, a, 1, 1)), "message");
	assert_string_equal(
	    outcome(&kit, transfer(&kit, STORE_CHANGE_MOVE, kit.inbox, a, 1, 1)), "message");

	set(&kit, "a", NONE, 4, NONE);
	assert_string_equal(outcome(&kit, transfer(&kit, STORE_CHANGE_COPY, other, a, 1, 1)), "");
	assert_string_equal(append(&kit, a, 20), "message");
	set(&kit, "a", NONE, NONE, NONE);
	assert_string_equal(append(&kit, a, 20), "");
	store_mailbox_unref(&a);
	store_mailbox_unref(&other);
	kit_crash(&kit);
	store_quota_source(kit.store, &source);
	a = kit_mailbox(kit.account, "a");
	assert_string_equal(append(&kit, a, 20), "");
	store_mailbox_unref(&a);
	store_quota_source(kit.store, NULL);
	assert_string_equal(append(&kit, kit.inbox, 20), "");
	kit_close(&kit);
}

/* ---- pieces ---- */

static void
fill(struct kit *kit, struct store_mailbox *mb, size_t messages, size_t bytes)
{
	for (size_t i = 0; i < messages; i++)
		assert_string_equal(append(kit, mb, bytes), "");
}

static uint32_t
messages_of(struct store_mailbox *mb)
{
	struct store_counters c;

	store_mailbox_counters(mb, &c);
	return c.messages;
}

/* A COPY of several pieces is refused as a whole, before anything is put. */
static void
copies_in_pieces(void **state)
{
	struct kit kit = {0};
	struct store_mailbox *a, *b;

	(void)state;
	kit_open(&kit, 0);
	a = make(&kit, "a");
	b = make(&kit, "b");
	fill(&kit, a, 1100, 20);
	set(&kit, "", NONE, 2199, NONE);
	assert_string_equal(
	    outcome(&kit, transfer(&kit, STORE_CHANGE_COPY, a, b, 1, 1100)), "message");
	assert_int_equal(messages_of(b), 0);
	expect_usage(&kit, 22000, 1100);
	set(&kit, "b", NONE, 1099, NONE);
	assert_string_equal(
	    outcome(&kit, transfer(&kit, STORE_CHANGE_MOVE, a, b, 1, 1100)), "message");
	assert_int_equal(messages_of(b), 0);
	set(&kit, "b", NONE, 1100, NONE);
	assert_string_equal(outcome(&kit, transfer(&kit, STORE_CHANGE_MOVE, a, b, 1, 1100)), "");
	assert_string_equal(append(&kit, b, 20), "message");
	set(&kit, "", NONE, 2200, NONE);
	assert_string_equal(outcome(&kit, transfer(&kit, STORE_CHANGE_COPY, b, a, 1, 1100)), "");
	assert_string_equal(append(&kit, a, 20), "message");
	expect_usage(&kit, 44000, 2200);
	/* Nothing is reserved any more. */
	set(&kit, "", NONE, 2201, NONE);
	assert_string_equal(append(&kit, a, 20), "");
	store_background_wait(kit.store);
	kit_assert_sound(kit.store);
	store_mailbox_unref(&a);
	store_mailbox_unref(&b);
	kit_close(&kit);
}

/* The n-th commit of a COPY in pieces fails: its room is free again, whichever it was. */
static void
pieces_that_fail(void **state)
{
	const enum ts_err errs[] = {TS_FULL, TS_UNKNOWN, TS_UNKNOWN};

	(void)state;
	for (unsigned n = 1; n <= 4; n++)
		for (size_t e = 0; e < 3; e++) {
			struct kit kit = {0};
			struct store_mailbox *a, *b;
			struct store_change *c;
			enum ts_err err;

			kit_open(&kit, 0);
			a = make(&kit, "a");
			b = make(&kit, "b");
			fill(&kit, a, 1100, 20);
			set(&kit, "", NONE, 2200, NONE);
			engine_mem_fail(kit.disk, ENGINE_MEM_COMMIT, n, errs[e], e == 2);
			c = transfer(&kit, STORE_CHANGE_COPY, a, b, 1, 1100);
			err = kit_run(&kit, &c);
			store_change_free(&c);
			store_background_wait(kit.store);
			if (err == TS_OK || messages_of(b) > 0) { /* the fault is of what follows */
				assert_int_equal(messages_of(b), 1100);
				assert_string_equal(append(&kit, a, 20), "message");
			} else {
				expect_usage(&kit, 22000, 1100);
				assert_string_equal(
				    outcome(&kit, transfer(&kit, STORE_CHANGE_COPY, a, b, 1, 1100)),
				    "");
				assert_string_equal(append(&kit, a, 20), "message");
			}
			store_mailbox_unref(&a);
			store_mailbox_unref(&b);
			kit_close(&kit);
		}
}

struct between {
	sem_t held, go;
	struct store_change *copy;
	bool armed;
};

static enum ts_err
hold_first(const struct engine_batch *batch, void *arg)
{
	struct between *t = arg;
	struct engine_op op;
	bool staged = false;

	for (size_t at = 0; engine_batch_next(batch, &at, &op);)
		staged |= op.key.n > 8 && op.key.p[8] == KEY_STAGED;
	if (!staged || !t->armed)
		return TS_OK;
	t->armed = false;
	(void)sem_post(&t->held);
	(void)sem_wait(&t->go);
	return TS_OK;
}

static void *
run_copy(void *arg)
{
	(void)store_submit_wait(((struct between *)arg)->copy);
	return NULL;
}

static void
note_end(struct store_change *c)
{
	*(bool *)c->arg = true;
}

/* The room of a COPY in pieces is its own from the first piece on: who comes in between does not
 * get it. */
static void
between_pieces(void **state)
{
	struct between t = {.armed = false};
	struct kit kit = {0};
	struct store_mailbox *a, *b;
	struct store_change *c;
	bool ended = false;
	pthread_t copier;

	(void)state;
	kit_open(&kit, 2);
	a = make(&kit, "a");
	b = make(&kit, "b");
	for (unsigned i = 0; i < 1100; i++)
		assert_int_equal(kit_append(&kit, a, HEAD, 0), i + 1);
	set(&kit, "", NONE, 2200, NONE);
	(void)sem_init(&t.held, 0, 0);
	(void)sem_init(&t.go, 0, 0);
	engine_mem_hook(kit.disk, hold_first, &t);
	t.armed = true;
	t.copy = transfer(&kit, STORE_CHANGE_COPY, a, b, 1, 1100);
	c = message(&kit, kit.inbox, 20);
	assert_int_equal(pthread_create(&copier, NULL, run_copy, &t), 0);
	(void)sem_wait(&t.held);
	c->done = note_end;
	c->arg = &ended;
	store_submit(c);
	(void)sem_post(&t.go);
	assert_int_equal(pthread_join(copier, NULL), 0);
	while (!ended) {
		loop_fake_run(kit.loop);
		(void)sched_yield();
	}
	assert_int_equal(c->limit, STORE_LIMIT_QUOTA_MESSAGE);
	store_change_free(&c);
	assert_int_equal(t.copy->err, TS_OK);
	store_change_free(&t.copy);
	store_background_wait(kit.store);
	expect_usage(&kit, 2200 * strlen(HEAD), 2200);
	assert_int_equal(messages_of(kit.inbox), 0);
	engine_mem_hook(kit.disk, NULL, NULL);
	(void)sem_destroy(&t.held);
	(void)sem_destroy(&t.go);
	store_mailbox_unref(&a);
	store_mailbox_unref(&b);
	kit_close(&kit);
}

/* ---- several threads ---- */

struct filler {
	struct kit *kit;
	struct store_mailbox *mailbox;
	struct loop *loop;
	unsigned taken, refused;
};

static void *
keep_appending(void *arg)
{
	struct filler *f = arg;
	struct kit mine = *f->kit;

	mine.loop = loop_new_fake();
	for (unsigned i = 0; i < 100; i++) {
		struct store_change *c = message(&mine, f->mailbox, 100);
		enum ts_err err = store_submit_wait(c);

		assert_true(
		    err == TS_OK || (err == TS_LIMIT && c->limit == STORE_LIMIT_QUOTA_STORAGE));
		f->taken += err == TS_OK;
		f->refused += err != TS_OK;
		store_change_free(&c);
		loop_fake_run(mine.loop);
	}
	loop_free(&mine.loop);
	return NULL;
}

/* As many as there is room for, over several mailboxes and batches, to the byte. */
static void
many_threads(void **state)
{
	enum { THREADS = 4 };
	struct filler f[THREADS] = {{NULL}};
	pthread_t thread[THREADS];
	struct kit kit = {0};
	unsigned taken = 0;

	(void)state;
	kit_open(&kit, 2);
	set(&kit, "", 16 << 10, NONE, NONE);
	for (unsigned i = 0; i < THREADS; i++) {
		char name[8];

		(void)snprintf(name, sizeof(name), "m%u", i);
		f[i].kit = &kit;
		f[i].mailbox = make(&kit, name);
	}
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, keep_appending, &f[i]), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(thread[i], NULL), 0);
		taken += f[i].taken;
		store_mailbox_unref(&f[i].mailbox);
	}
	assert_int_equal(taken, 163);
	assert_int_equal(store_quota_refused(kit.store), 400 - 163);
	expect_usage(&kit, 16300, 163);
	kit_crash(&kit);
	expect_usage(&kit, 16300, 163);
	assert_string_equal(append(&kit, kit.inbox, 85), "storage");
	assert_string_equal(append(&kit, kit.inbox, 84), "");
	kit_close(&kit);
}

/* ---- random changes against a model ---- */

struct model {
	uint64_t bytes[3], messages[3], limit, count_limit, mailbox_limit;
};

static uint64_t
sum(const uint64_t *v)
{
	return v[0] + v[1] + v[2];
}

static bool
has_room(const struct model *m, unsigned to, uint64_t bytes, uint64_t n, bool within)
{
	if (!within && (sum(m->bytes) + bytes > m->limit || sum(m->messages) + n > m->count_limit))
		return false;
	return to != 2 || m->messages[2] + n <= m->mailbox_limit;
}

static void
random_step(struct kit *kit, struct store_mailbox **mb, struct model *m, unsigned *seed)
{
	unsigned what = (unsigned)rand_r(seed) % 10, from = (unsigned)rand_r(seed) % 3,
	         to = (unsigned)rand_r(seed) % 3;
	uint64_t n = 14 + (unsigned)rand_r(seed) % 200;
	bool fits;

	if (what < 5) {
		fits = has_room(m, to, n, 1, false);
		assert_int_equal(*append(kit, mb[to], n) == '\0', fits);
		m->bytes[to] += fits ? n : 0;
		m->messages[to] += fits;
	} else if (what < 8) {
		bool move = what == 7;
		uint64_t bytes = m->bytes[from], messages = m->messages[from];

		if (move && from == to)
			return;
		fits = messages == 0 || has_room(m, to, bytes, messages, move);
		assert_int_equal(
		    *outcome(kit, transfer(kit, move ? STORE_CHANGE_MOVE : STORE_CHANGE_COPY,
		                      mb[from], mb[to], 1, UINT32_MAX - 1)) == '\0',
		    fits);
		m->bytes[to] += fits ? bytes : 0;
		m->messages[to] += fits ? messages : 0;
		m->bytes[from] -= fits && move ? bytes : 0;
		m->messages[from] -= fits && move ? messages : 0;
	} else if (what == 8) {
		m->limit = (2 + (unsigned)rand_r(seed) % 4) * 1024;
		m->count_limit = 10 + (unsigned)rand_r(seed) % 40;
		m->mailbox_limit = (unsigned)rand_r(seed) % 20;
		set(kit, "", m->limit, m->count_limit, NONE);
		set(kit, "c", NONE, m->mailbox_limit, NONE);
	} else {
		if (m->messages[from] > 0)
			assert_int_equal(kit_flags(kit, mb[from], 1, UINT32_MAX - 1,
			                     STORE_FLAGS_ADD, 1u << STORE_DELETED, NULL),
			    TS_OK);
		assert_int_equal(kit_expunge(kit, mb[from]), TS_OK);
		m->bytes[from] = m->messages[from] = 0;
	}
	expect_usage(kit, sum(m->bytes), sum(m->messages));
}

static void
as_a_model(void **state)
{
	static const char *const names[] = {"a", "b", "c"};

	(void)state;
	for (unsigned seed = 1; seed <= 4; seed++) {
		struct model m = {.limit = 3072, .count_limit = 30, .mailbox_limit = 5};
		struct store_mailbox *mb[3];
		struct kit kit = {0};
		unsigned random = seed;

		kit_open(&kit, 0);
		for (unsigned i = 0; i < 3; i++)
			mb[i] = make(&kit, names[i]);
		set(&kit, "", m.limit, m.count_limit, NONE);
		set(&kit, "c", NONE, m.mailbox_limit, NONE);
		for (unsigned step = 0; step < 300; step++) {
			random_step(&kit, mb, &m, &random);
			if (step % 60 != 59)
				continue;
			for (unsigned i = 0; i < 3; i++)
				store_mailbox_unref(&mb[i]);
			kit_crash(&kit);
			for (unsigned i = 0; i < 3; i++)
				mb[i] = kit_mailbox(kit.account, names[i]);
		}
		kit_assert_sound(kit.store);
		for (unsigned i = 0; i < 3; i++)
			store_mailbox_unref(&mb[i]);
		kit_close(&kit);
	}
}

/* ---- cuts ---- */

#define IMAGES 128

struct cuts {
	struct kit kit;
	struct engine_mem_disk *image[IMAGES];
	unsigned n;
};

static enum ts_err
take_image(const struct engine_batch *batch, void *arg)
{
	struct cuts *cuts = arg;

	(void)batch;
	if (cuts->n < IMAGES)
		cuts->image[cuts->n++] = engine_mem_image(cuts->kit.disk);
	return TS_OK;
}

/* Before each batch of an APPEND, copies in pieces and between accounts, and a notice: what is
 * there afterwards is within the limits, and all the room that is left can be used. */
static void
cut_anywhere(void **state)
{
	struct cuts cuts = {.n = 0};
	struct store_mailbox *a, *other;
	uint64_t most = 2201;

	(void)state;
	kit_open(&cuts.kit, 0);
	other = kit_inbox_of(&cuts.kit, "bob");
	a = make(&cuts.kit, "a");
	fill(&cuts.kit, a, 1100, 20);
	fill(&cuts.kit, other, 3, 20);
	set(&cuts.kit, "", NONE, most, NONE);
	engine_mem_hook(cuts.kit.disk, take_image, &cuts);
	assert_string_equal(append(&cuts.kit, a, 20), "");
	assert_string_equal(
	    outcome(&cuts.kit, transfer(&cuts.kit, STORE_CHANGE_COPY, a, cuts.kit.inbox, 1, 1101)),
	    "message");
	assert_string_equal(
	    outcome(&cuts.kit, transfer(&cuts.kit, STORE_CHANGE_COPY, a, cuts.kit.inbox, 1, 1098)),
	    "");
	assert_string_equal(
	    outcome(&cuts.kit, transfer(&cuts.kit, STORE_CHANGE_MOVE, other, a, 1, 3)), "message");
	assert_string_equal(
	    outcome(&cuts.kit, transfer(&cuts.kit, STORE_CHANGE_MOVE, other, a, 1, 2)), "");
	store_background_wait(cuts.kit.store);
	engine_mem_hook(cuts.kit.disk, NULL, NULL);
	store_mailbox_unref(&a);
	store_mailbox_unref(&other);
	kit_shut(&cuts.kit);
	assert_true(cuts.n > 8 && cuts.n < IMAGES);
	for (unsigned i = 0; i < cuts.n; i++) {
		struct kit kit = {0};
		struct store_quota_root root;

		kit_open(&kit, 0);
		kit_on(&kit, cuts.image[i]);
		store_background_wait(kit.store);
		store_quota_account(kit.account, &root);
		assert_true(root.usage[STORE_QUOTA_MESSAGE] <= most);
		set(&kit, "", NONE, root.usage[STORE_QUOTA_MESSAGE] + 1, NONE);
		assert_string_equal(append(&kit, kit.inbox, 20), "");
		assert_string_equal(append(&kit, kit.inbox, 20), "message");
		kit_assert_sound(kit.store);
		kit_close(&kit);
	}
	engine_mem_disk_free(&cuts.kit.disk);
}

/* ---- warnings ---- */

static void
count_crossing(void *arg, struct str account)
{
	(void)account;
	++*(unsigned *)arg;
}

static enum ts_err
tell(struct kit *kit, const struct store_quota_levels *levels)
{
	struct store_change *c =
	    store_quota_told(kit->account, levels, true, kit->loop, NULL, NULL);
	struct buf text = {0};
	enum ts_err err;

	if (c->kind == STORE_CHANGE_NOTICE) {
		buf_puts(&text, HEAD "full");
		c->mailbox = kit->inbox;
		c->items = arena_array(c->arena, 1, sizeof *c->items);
		c->item_count = 1;
		c->items[0].upload = kit_upload(kit, buf_as_str(&text));
		buf_fini(&text);
	}
	err = kit_run(kit, &c);
	store_change_free(&c);
	return err;
}

/* Each level once, though there is no room; both the message and the note, or neither. */
static void
levels_are_told_once(void **state)
{
	unsigned crossings = 0;
	struct store_quota_source source = {
	    .crossed = count_crossing, .arg = &crossings, .level = {50, 90}, .slack = 10};
	struct store_quota_levels levels, stale;
	struct kit kit = {0};

	(void)state;
	kit_open(&kit, 0);
	store_quota_source(kit.store, &source);
	set(&kit, "", NONE, 10, NONE);
	fill(&kit, kit.inbox, 4, 20);
	assert_int_equal(crossings, 0);
	assert_false(store_quota_levels(kit.account, &levels));
	fill(&kit, kit.inbox, 1, 20);
	assert_int_equal(crossings, 1);
	assert_true(store_quota_levels(kit.account, &levels));
	assert_int_equal(levels.now[STORE_QUOTA_MESSAGE], 50);
	stale = levels;

	/* A flush that fails leaves neither message nor note. */
	engine_mem_fail(kit.disk, ENGINE_MEM_COMMIT, 1, TS_FULL, false);
	assert_int_equal(tell(&kit, &levels), TS_FULL);
	expect_usage(&kit, 100, 5);
	assert_true(store_quota_levels(kit.account, &levels));
	assert_int_equal(tell(&kit, &levels), TS_OK);
	expect_usage(&kit, 118, 6);
	assert_false(store_quota_levels(kit.account, &levels));
	assert_int_equal(tell(&kit, &stale), TS_EXISTS);
	expect_usage(&kit, 118, 6);

	kit_crash(&kit);
	store_quota_source(kit.store, &source);
	crossings = 0;
	fill(&kit, kit.inbox, 2, 20);
	assert_int_equal(crossings, 0);
	fill(&kit, kit.inbox, 2, 20);
	assert_int_equal(crossings, 2);
	assert_true(store_quota_levels(kit.account, &levels));
	assert_int_equal(levels.now[STORE_QUOTA_MESSAGE], 90);
	/* It needs no room. */
	assert_int_equal(tell(&kit, &levels), TS_OK);
	expect_usage(&kit, 216, 11);
	assert_string_equal(append(&kit, kit.inbox, 20), "message");

	/* Only far enough below does a level count as left; that needs no message. */
	assert_int_equal(
	    kit_flags(&kit, kit.inbox, 1, 3, STORE_FLAGS_ADD, 1u << STORE_DELETED, NULL), TS_OK);
	assert_int_equal(kit_expunge(&kit, kit.inbox), TS_OK);
	assert_false(store_quota_levels(kit.account, &levels));
	assert_int_equal(
	    kit_flags(&kit, kit.inbox, 4, 4, STORE_FLAGS_ADD, 1u << STORE_DELETED, NULL), TS_OK);
	assert_int_equal(kit_expunge(&kit, kit.inbox), TS_OK);
	assert_true(store_quota_levels(kit.account, &levels));
	assert_int_equal(levels.now[STORE_QUOTA_MESSAGE], 50);
	assert_int_equal(tell(&kit, &levels), TS_OK);
	assert_false(store_quota_levels(kit.account, &levels));
	kit_assert_sound(kit.store);
	kit_close(&kit);
}

/* Limits of a few messages: a level is reached by what is so many percent, and by no less. */
static void
levels_of_small_limits(void **state)
{
	struct store_quota_source source = {.level = {5, 50, 80}, .slack = 5};
	struct store_quota_levels levels;
	struct kit kit = {0};

	(void)state;
	kit_open(&kit, 0);
	store_quota_source(kit.store, &source);
	set(&kit, "", NONE, 1, NONE);
	assert_false(store_quota_levels(kit.account, &levels));
	set(&kit, "", 1024, 7, NONE);
	assert_false(store_quota_levels(kit.account, &levels));
	fill(&kit, kit.inbox, 3, 20);
	assert_true(store_quota_levels(kit.account, &levels));
	assert_int_equal(levels.now[STORE_QUOTA_MESSAGE], 5);
	assert_int_equal(levels.now[STORE_QUOTA_STORAGE], 5);
	assert_int_equal(tell(&kit, &levels), TS_OK);
	assert_true(store_quota_levels(kit.account, &levels));
	assert_int_equal(levels.now[STORE_QUOTA_MESSAGE], 50);
	/* The lowest level is left, too: there is nothing any more. */
	assert_int_equal(
	    kit_flags(&kit, kit.inbox, 1, 4, STORE_FLAGS_ADD, 1u << STORE_DELETED, NULL), TS_OK);
	assert_int_equal(kit_expunge(&kit, kit.inbox), TS_OK);
	assert_true(store_quota_levels(kit.account, &levels));
	assert_int_equal(levels.now[STORE_QUOTA_MESSAGE], 0);
	assert_int_equal(levels.now[STORE_QUOTA_STORAGE], 0);
	kit_close(&kit);
}

/* ---- check ---- */

static void
check_finds_wrong_limits(void **state)
{
	struct kit kit = {0};
	struct store_change *c;
	struct check_result r;
	struct check_options opt = {.repair = false};

	(void)state;
	kit_open(&kit, 0);
	set(&kit, "", 1024, 1, 1);
	set(&kit, "INBOX", NONE, 1, NONE);
	kit_assert_sound(kit.store);
	c = kit_change(&kit, STORE_CHANGE_PROPERTIES);
	c->properties = arena_array(c->arena, 2, sizeof *c->properties);
	c->properties[0] =
	    (struct store_property_op){.name = STR("quota/STORAGE"), .value = STR("much")};
	c->properties[1] =
	    (struct store_property_op){.name = STR("quota/warned/STORAGE"), .value = STR("-1")};
	c->property_count = 2;
	assert_int_equal(kit_end(&kit, c), TS_OK);
	assert_int_equal(store_check(kit.store, &opt, &r), TS_OK);
	assert_int_equal(r.found, 2);
	opt.repair = true;
	assert_int_equal(store_check(kit.store, &opt, &r), TS_OK);
	assert_int_equal(store_check(kit.store, &opt, &r), TS_OK);
	assert_int_equal(r.found, 0);
	kit_close(&kit);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(account_limits),
	    cmocka_unit_test(mailbox_limits),
	    cmocka_unit_test(limits_of_a_source),
	    cmocka_unit_test(limits_by_names),
	    cmocka_unit_test(copies_in_pieces),
	    cmocka_unit_test(pieces_that_fail),
	    cmocka_unit_test(between_pieces),
	    cmocka_unit_test(many_threads),
	    cmocka_unit_test(as_a_model),
	    cmocka_unit_test(cut_anywhere),
	    cmocka_unit_test(levels_are_told_once),
	    cmocka_unit_test(levels_of_small_limits),
	    cmocka_unit_test(check_finds_wrong_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
