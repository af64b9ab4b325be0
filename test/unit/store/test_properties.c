/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Properties of accounts and mailboxes: what a change does and refuses, that RENAME keeps them and
 * DELETE removes them, that failed flushes and power cuts leave all of a change or nothing; and an
 * account's sums.
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

struct props {                    /* a change of one or two */
	const char *name, *value; /* value NULL: removed */
	const char *name2, *value2;
};

static struct store_change *
change_of(struct kit *kit, struct store_mailbox *mb, const struct props *p)
{
	struct store_change *c = kit_change(kit, STORE_CHANGE_PROPERTIES);
	const char *const names[] = {p->name, p->name2}, *const values[] = {p->value, p->value2};

	c->mailbox = mb;
	c->properties = arena_array(c->arena, 2, sizeof *c->properties);
	for (size_t i = 0; i < 2 && names[i] != NULL; i++)
		c->properties[c->property_count++] =
		    (struct store_property_op){.name = str_of(names[i]),
		        .value = str_of(values[i]),
		        .remove = values[i] == NULL};
	return c;
}

static enum ts_err
put(struct kit *kit, struct store_mailbox *mb, const char *name, const char *value)
{
	return kit_end(kit, change_of(kit, mb, &(struct props){name, value, NULL, NULL}));
}

static void
expect(struct store_properties *t, const char *text)
{
	struct buf b = {0};

	for (size_t i = 0; i < store_properties_count(t); i++) {
		struct str name, value;

		store_properties_at(t, i, &name, &value);
		buf_printf(&b, "%s%.*s=%.*s", i > 0 ? " " : "", STR_ARG(name), STR_ARG(value));
	}
	assert_string_equal(buf_cstr(&b), text);
	buf_fini(&b);
	store_properties_unref(&t);
}

static uint64_t
modseq(struct store_mailbox *mb)
{
	struct store_counters c;

	store_mailbox_counters(mb, &c);
	return c.modseq;
}

static void
put_and_removed(void **state)
{
	struct kit kit = {0};
	struct store_properties *t;

	(void)state;
	kit_open(&kit, 0);
	assert_int_equal(put(&kit, kit.inbox, "acl/bob", "lr"), TS_OK);
	assert_int_equal(put(&kit, kit.inbox, "acl/al", ""), TS_OK);
	assert_int_equal(put(&kit, NULL, "quota", "1000"), TS_OK);
	expect(store_mailbox_properties(kit.inbox), "acl/al= acl/bob=lr");
	expect(store_account_properties(kit.account), "quota=1000");

	t = store_mailbox_properties(kit.inbox);
	assert_non_null(store_properties_get(t, STR("acl/al")).p);
	assert_null(store_properties_get(t, STR("acl/a")).p);
	assert_int_equal(store_properties_from(t, STR("acl/b")), 1);
	assert_int_equal(store_properties_from(t, STR("b")), 2);
	/* A table that is in use never changes. */
	assert_int_equal(put(&kit, kit.inbox, "acl/al", NULL), TS_OK);
	expect(store_mailbox_properties(kit.inbox), "acl/bob=lr");
	expect(t, "acl/al= acl/bob=lr");

	kit_crash(&kit);
	expect(store_mailbox_properties(kit.inbox), "acl/bob=lr");
	expect(store_account_properties(kit.account), "quota=1000");
	assert_int_equal(put(&kit, kit.inbox, "acl/bob", NULL), TS_OK);
	assert_int_equal(put(&kit, kit.inbox, "acl/bob", NULL), TS_OK);
	assert_null(store_mailbox_properties(kit.inbox));
	kit_close(&kit);
}

static void
told(void *arg)
{
	++*(unsigned *)arg;
}

/* A mailbox's property is a change of the mailbox, unless nobody else is to notice; without an
 * effect it is none. */
static void
modseq_is_raised(void **state)
{
	struct kit kit = {0};
	unsigned calls = 0;
	struct store_watch *w;
	struct store_change *c;
	uint64_t was, version;

	(void)state;
	kit_open(&kit, 0);
	w = store_watch_new(kit.account, kit.loop, told, &calls);
	store_watch_add(w, store_mailbox_id(kit.inbox));
	was = modseq(kit.inbox);
	version = store_account_list_version(kit.account);
	c = change_of(&kit, kit.inbox, &(struct props){"meta/shared/comment", "x", NULL, NULL});
	assert_int_equal(kit_run(&kit, &c), TS_OK);
	assert_int_equal(c->modseq, was + 1);
	store_change_free(&c);
	assert_int_equal(modseq(kit.inbox), was + 1);
	assert_true(store_account_list_version(kit.account) > version);
	assert_int_equal(calls, 1);
	assert_int_equal(put(&kit, kit.inbox, "meta/shared/comment", "x"), TS_OK);
	assert_int_equal(modseq(kit.inbox), was + 1);
	assert_int_equal(calls, 1);

	c = change_of(
	    &kit, kit.inbox, &(struct props){"meta/private/bob/comment", "x", NULL, NULL});
	c->quiet = true;
	assert_int_equal(kit_end(&kit, c), TS_OK);
	assert_int_equal(modseq(kit.inbox), was + 1);
	assert_int_equal(calls, 2);
	store_watch_free(&w);
	kit_crash(&kit);
	assert_int_equal(modseq(kit.inbox), was + 1);
	kit_close(&kit);
}

static void
all_or_none(void **state)
{
	struct kit kit = {0};
	struct store_change *c;

	(void)state;
	kit_open(&kit, 0);
	assert_int_equal(put(&kit, NULL, "a", "1"), TS_OK);

	c = change_of(&kit, NULL, &(struct props){"b", "2", "a", "2"});
	c->properties[1].must_be_new = true;
	assert_int_equal(kit_end(&kit, c), TS_EXISTS);
	c = change_of(&kit, NULL, &(struct props){"b", "2", "a", "2"});
	c->properties[1].must_be = STR("0");
	assert_int_equal(kit_end(&kit, c), TS_CONDITION);
	c = change_of(&kit, NULL, &(struct props){"b", "2", "", "2"});
	assert_int_equal(kit_end(&kit, c), TS_INVALID);
	expect(store_account_properties(kit.account), "a=1");
	c = change_of(&kit, NULL, &(struct props){"b", "2", "a", "2"});
	c->properties[1].must_be = STR("1");
	assert_int_equal(kit_end(&kit, c), TS_OK);
	expect(store_account_properties(kit.account), "a=2 b=2");

	/* By name without its state, which nobody may raise then. */
	c = change_of(&kit, NULL, &(struct props){"x", "1", NULL, NULL});
	c->name = STR("INBOX");
	assert_int_equal(kit_end(&kit, c), TS_INVALID);
	c = change_of(&kit, NULL, &(struct props){"x", "1", NULL, NULL});
	c->name = STR("nothing");
	c->quiet = true;
	assert_int_equal(kit_end(&kit, c), TS_NOT_FOUND);
	kit_close(&kit);
}

static enum store_limit
refused(struct kit *kit, struct store_mailbox *mb, const char *name, const char *value)
{
	struct store_change *c = change_of(kit, mb, &(struct props){name, value, NULL, NULL});
	enum store_limit limit;

	assert_int_equal(kit_run(kit, &c), TS_LIMIT);
	limit = c->limit;
	store_change_free(&c);
	return limit;
}

static void
bounded(void **state)
{
	struct kit kit = {0};

	(void)state;
	kit_open(&kit, 0);
	assert_int_equal(put(&kit, kit.inbox, "a", "1234567890"), TS_OK);
	assert_int_equal(put(&kit, kit.inbox, "b", "1"), TS_OK);
	assert_int_equal(put(&kit, kit.inbox, "c", "1"), TS_OK);
	/* Lower limits than what exists already. */
	kit.opt.max_properties = 2;
	kit.opt.property_bytes = 5;
	kit_reopen(&kit);
	assert_int_equal(refused(&kit, kit.inbox, "d", "1"), STORE_LIMIT_PROPERTIES);
	assert_int_equal(refused(&kit, kit.inbox, "b", "123456"), STORE_LIMIT_PROPERTY_BYTES);
	assert_int_equal(put(&kit, kit.inbox, "b", "12345"), TS_OK);
	assert_int_equal(put(&kit, kit.inbox, "c", NULL), TS_OK);
	assert_int_equal(put(&kit, NULL, "c", "1"), TS_OK);
	/* The whole account: "a" 11, "b" 6, "c" 2. */
	kit.opt.property_total = 19;
	kit_reopen(&kit);
	assert_int_equal(refused(&kit, NULL, "d", ""), STORE_LIMIT_PROPERTY_TOTAL);
	assert_int_equal(put(&kit, NULL, "c", ""), TS_OK);
	assert_int_equal(put(&kit, NULL, "d", ""), TS_OK);
	assert_int_equal(put(&kit, kit.inbox, "a", "12345"), TS_OK);
	kit_close(&kit);
}

/* The number of keys of a kind in the account; through a second engine on an image. */
static unsigned
rows(struct kit *kit, enum key_kind kind)
{
	struct engine_mem_disk *image = engine_mem_image(kit->disk);
	struct engine_options opt = {.own = image};
	struct engine *engine;
	struct engine_iter *it;
	struct key from, end;
	struct str k, v;
	unsigned n = 0;
	char *text = NULL;

	assert_int_equal(engine_open(&engine_mem_class, &opt, &engine, &text), TS_OK);
	key_begin(&from, store_account_id(kit->account), kind);
	end = from;
	key_after(&end);
	it = engine_iter_new(engine, key_str(&from), key_str(&end), false);
	while (engine_iter_next(it, &k, &v) == TS_OK)
		n++;
	engine_iter_free(&it);
	engine_close(&engine);
	engine_mem_disk_free(&image);
	return n;
}

static void
go_with_the_mailbox(void **state)
{
	struct kit kit = {0};
	struct store_mailbox *mb;

	(void)state;
	kit_open(&kit, 0);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "a", NULL), TS_OK);
	mb = kit_mailbox(kit.account, "a");
	assert_int_equal(put(&kit, mb, "acl/bob", "lr"), TS_OK);
	assert_int_equal(put(&kit, mb, "acl/eve", "l"), TS_OK);
	assert_int_equal(put(&kit, NULL, "x", "y"), TS_OK);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "a", "b"), TS_OK);
	expect(store_mailbox_properties(mb), "acl/bob=lr acl/eve=l");
	store_mailbox_unref(&mb);
	kit_crash(&kit);
	mb = kit_mailbox(kit.account, "b");
	expect(store_mailbox_properties(mb), "acl/bob=lr acl/eve=l");
	store_mailbox_unref(&mb);
	assert_int_equal(rows(&kit, KEY_PROPERTY), 3);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_DELETE, "b", NULL), TS_OK);
	assert_int_equal(rows(&kit, KEY_PROPERTY), 1);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "b", NULL), TS_OK);
	mb = kit_mailbox(kit.account, "b");
	assert_null(store_mailbox_properties(mb));
	store_mailbox_unref(&mb);
	kit_close(&kit);
}

/* An INBOX that gets another UIDVALIDITY is a new one with the same properties. */
static void
go_with_the_place(void **state)
{
	struct kit kit = {0};
	struct store_change *c;

	(void)state;
	kit_open(&kit, 0);
	assert_int_equal(put(&kit, kit.inbox, "acl/bob", "lr"), TS_OK);
	c = kit_change(&kit, STORE_CHANGE_CREATE);
	c->mailbox = kit.inbox;
	c->name = STR("INBOX");
	c->wish_uidvalidity = 1800000000;
	assert_int_equal(kit_end(&kit, c), TS_OK);
	store_mailbox_unref(&kit.inbox);
	kit.inbox = kit_mailbox(kit.account, "INBOX");
	expect(store_mailbox_properties(kit.inbox), "acl/bob=lr");
	kit_crash(&kit);
	expect(store_mailbox_properties(kit.inbox), "acl/bob=lr");
	assert_int_equal(rows(&kit, KEY_PROPERTY), 1);
	kit_close(&kit);
}

/* A failed flush, of known and of unknown outcome: what is reported is what is on disk. */
static void
flush_fails(void **state)
{
	(void)state;
	for (unsigned happened = 0; happened < 3; happened++) {
		struct kit kit = {0};
		enum ts_err err = happened == 2 ? TS_FULL : TS_UNKNOWN;
		uint64_t was;

		kit_open(&kit, 0);
		assert_int_equal(put(&kit, kit.inbox, "a", "1"), TS_OK);
		assert_int_equal(put(&kit, NULL, "a", "1"), TS_OK);
		was = modseq(kit.inbox);
		engine_mem_fail(kit.disk, ENGINE_MEM_COMMIT, 1, err, happened == 1);
		assert_int_equal(put(&kit, kit.inbox, "a", "2"), err);
		expect(store_mailbox_properties(kit.inbox), happened == 1 ? "a=2" : "a=1");
		assert_int_equal(modseq(kit.inbox), was + (happened == 1));
		engine_mem_fail(kit.disk, ENGINE_MEM_COMMIT, 1, err, happened == 1);
		assert_int_equal(put(&kit, NULL, "a", "2"), err);
		expect(store_account_properties(kit.account), happened == 1 ? "a=2" : "a=1");
		/* The same again: what failed is not mistaken for what exists. */
		assert_int_equal(put(&kit, NULL, "a", "2"), TS_OK);
		assert_int_equal(put(&kit, kit.inbox, "b", "3"), TS_OK);
		kit_crash(&kit);
		expect(store_account_properties(kit.account), "a=2");
		expect(store_mailbox_properties(kit.inbox), happened == 1 ? "a=2 b=3" : "a=1 b=3");
		kit_close(&kit);
	}
}

static void
mark_tells(void **state)
{
	struct kit kit = {0};
	struct store_mark mark[4] = {{0}};

	(void)state;
	kit_open(&kit, 0);
	for (unsigned i = 0; i < 4; i++) {
		struct store_mailbox_info info;
		struct store_properties *own = store_account_properties(kit.account),
		                        *t = store_mailbox_properties(kit.inbox);

		assert_true(store_account_lookup(kit.account, STR("INBOX"), &info));
		info.name = STR("INBOX");
		info.properties = t;
		store_mark_add(&mark[i], &info);
		store_mark_add_properties(&mark[i], own);
		store_properties_unref(&own);
		store_properties_unref(&t);
		for (unsigned k = 0; k < i; k++)
			assert_memory_not_equal(&mark[i], &mark[k], sizeof *mark);
		if (i == 0)
			assert_int_equal(put(&kit, NULL, "a", "1"), TS_OK);
		if (i == 1)
			assert_int_equal(put(&kit, kit.inbox, "a", "1"), TS_OK);
		if (i == 2)
			assert_int_equal(put(&kit, kit.inbox, "a", "2"), TS_OK);
	}
	kit_close(&kit);
}

static bool
same_mark(struct str name, uint64_t account, const struct store_mark *mark, void *arg)
{
	(void)account;
	assert_true(str_eq(name, STR("ada")));
	assert_memory_equal(mark, arg, sizeof *mark);
	return true;
}

static void
mark_of_the_disk_is_the_same(void **state)
{
	struct kit kit = {0};
	struct store_mailbox_info info;
	struct store_mark mark = {0};
	struct store_properties *own, *t;

	(void)state;
	kit_open(&kit, 0);
	assert_int_equal(put(&kit, NULL, "a", "1"), TS_OK);
	assert_int_equal(put(&kit, kit.inbox, "b", ""), TS_OK);
	assert_true(store_account_lookup(kit.account, STR("INBOX"), &info));
	info.name = STR("INBOX");
	t = store_mailbox_properties(kit.inbox);
	own = store_account_properties(kit.account);
	info.properties = t;
	store_mark_add(&mark, &info);
	store_mark_add_properties(&mark, own);
	store_properties_unref(&own);
	store_properties_unref(&t);
	assert_int_equal(store_account_marks(kit.store, STR(""), 10, same_mark, &mark), TS_OK);
	kit_close(&kit);
}

/* ---- the check ---- */

struct found {
	unsigned n;
	char what[200];
};

static void
found(const struct check_finding *f, void *arg)
{
	struct found *all = arg;

	all->n++;
	(void)snprintf(all->what, sizeof all->what, "%s", f->what);
}

static unsigned
check(struct kit *kit, bool repair, const char *what)
{
	struct found all = {0};
	struct check_options opt = {.repair = repair, .found = found, .arg = &all};
	struct check_result result;

	assert_int_equal(store_check(kit->store, &opt, &result), TS_OK);
	if (all.n > 0 && strstr(all.what, what) == NULL)
		fail_msg("%s", all.what);
	return all.n;
}

static void
put_raw(struct kit *kit, uint32_t mailbox, const char *name, bool whole)
{
	struct engine_batch *batch = engine_batch_new();
	struct engine_options opt = {.own = kit->disk};
	struct engine *engine;
	struct buf b = {0};
	struct key k;
	char *text = NULL;

	assert_int_equal(engine_open(&engine_mem_class, &opt, &engine, &text), TS_OK);
	key_begin(&k, 1, KEY_PROPERTY);
	key_be32(&k, mailbox);
	key_bytes(&k, str_of(name));
	value_begin(&b);
	buf_puts(&b, "value");
	value_seal(&b, key_str(&k));
	b.p[0] ^= whole ? 0 : 1;
	engine_batch_put(batch, key_str(&k), buf_as_str(&b));
	assert_int_equal(engine_commit(engine, batch), TS_OK);
	engine_batch_free(&batch);
	engine_close(&engine);
	buf_fini(&b);
}

static void
check_finds_them(void **state)
{
	static const struct {
		uint32_t mailbox;
		const char *said;
		bool whole;
	} cases[] = {{1, "b of mailbox 1 is damaged", false},
	    {77, "b is of mailbox 77, which is not there", true},
	    {0, "b of the account is damaged", false}};

	(void)state;
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct kit kit = {0};

		kit_open(&kit, 0);
		assert_int_equal(put(&kit, kit.inbox, "a", "1"), TS_OK);
		assert_int_equal(put(&kit, NULL, "a", "1"), TS_OK);
		assert_int_equal(check(&kit, false, ""), 0);
		store_mailbox_unref(&kit.inbox);
		store_account_unref(&kit.account);
		store_close(&kit.store);
		put_raw(&kit, cases[i].mailbox, "b", cases[i].whole);

		char *text = NULL;

		assert_int_equal(store_open(&kit.opt, &kit.store, &text), TS_OK);
		assert_int_equal(check(&kit, false, cases[i].said), 1);
		assert_int_equal(check(&kit, true, cases[i].said), 1);
		assert_int_equal(check(&kit, false, ""), 0);
		assert_int_equal(
		    store_account_load(kit.store, STR("ada"), false, &kit.account), TS_OK);
		kit.inbox = kit_mailbox(kit.account, "INBOX");
		expect(store_mailbox_properties(kit.inbox), "a=1");
		expect(store_account_properties(kit.account), "a=1");
		kit_close(&kit);
	}
}

/* ---- sums ---- */

static void
expect_usage(struct kit *kit, uint64_t mailboxes, uint64_t messages, uint64_t deleted)
{
	struct store_usage u, disk;
	uint64_t size = sizeof MSG - 1;

	store_account_usage(kit->account, &u);
	assert_int_equal(u.mailboxes, mailboxes);
	assert_int_equal(u.messages, messages);
	assert_int_equal(u.bytes, messages * size);
	assert_int_equal(u.deleted, deleted);
	assert_int_equal(u.deleted_bytes, deleted * size);
	assert_int_equal(store_usage_read(kit->store, STR("ada"), &disk), TS_OK);
	assert_memory_equal(&u, &disk, sizeof u);
}

static void
sums_follow(void **state)
{
	struct kit kit = {0};
	struct store_usage u;

	(void)state;
	kit_open(&kit, 0);
	expect_usage(&kit, 1, 0, 0);
	for (unsigned i = 0; i < 3; i++)
		kit_append(&kit, kit.inbox, MSG, 1u << STORE_DELETED);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "a", NULL), TS_OK);
	struct store_mailbox *a = kit_mailbox(kit.account, "a");

	assert_int_equal(kit_move(&kit, STORE_CHANGE_COPY, kit.inbox, a, 1, 2), TS_OK);
	expect_usage(&kit, 2, 5, 5);
	assert_int_equal(
	    kit_flags(&kit, a, 1, 1, STORE_FLAGS_REMOVE, 1u << STORE_DELETED, NULL), TS_OK);
	expect_usage(&kit, 2, 5, 4);
	assert_int_equal(kit_expunge(&kit, kit.inbox), TS_OK);
	expect_usage(&kit, 2, 2, 1);
	store_mailbox_unref(&a);
	kit_crash(&kit);
	expect_usage(&kit, 2, 2, 1);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "a", "b"), TS_OK);
	expect_usage(&kit, 2, 2, 1);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_DELETE, "b", NULL), TS_OK);
	expect_usage(&kit, 1, 0, 0);
	assert_int_equal(store_usage_read(kit.store, STR("nobody"), &u), TS_NOT_FOUND);
	assert_int_equal(check(&kit, false, ""), 0);
	kit_close(&kit);
}

/* An account that is not loaded is read from its rows. */
static void
sums_of_the_disk(void **state)
{
	struct kit kit = {0};
	struct store_usage u;
	struct store_account *bob;
	struct store_mailbox *mb;
	char *text = NULL;

	(void)state;
	kit_open(&kit, 0);
	assert_int_equal(store_account_load(kit.store, STR("bob"), true, &bob), TS_OK);
	mb = kit_mailbox(bob, "INBOX");
	kit_append(&kit, mb, MSG, 0);
	store_mailbox_unref(&mb);
	store_account_unref(&bob);
	store_mailbox_unref(&kit.inbox);
	store_account_unref(&kit.account);
	store_close(&kit.store);
	assert_int_equal(store_open(&kit.opt, &kit.store, &text), TS_OK);
	assert_int_equal(store_usage_read(kit.store, STR("bob"), &u), TS_OK);
	assert_int_equal(u.messages, 1);
	assert_int_equal(u.mailboxes, 1);
	assert_int_equal(u.bytes, sizeof MSG - 1);
	assert_int_equal(store_account_load(kit.store, STR("ada"), false, &kit.account), TS_OK);
	kit.inbox = kit_mailbox(kit.account, "INBOX");
	kit_close(&kit);
}

/* ---- the store's own id ---- */

static void
own_id(void **state)
{
	struct kit kit = {0};
	char first[STORE_OWN_ID_BYTES], *text = NULL;

	(void)state;
	kit_open(&kit, 0);
	assert_int_equal(store_own_id(kit.store).n, STORE_OWN_ID_BYTES);
	assert_memory_equal(store_own_id(kit.store).p, kit.opt.own_id, STORE_OWN_ID_BYTES);
	kit.opt.own_id = NULL;
	kit_crash(&kit);
	assert_true(str_eq(store_own_id(kit.store), STR("0123456789abcdef")));
	kit_close(&kit);

	/* Otherwise random ids, and the same after a crash. */
	kit.disk = engine_mem_disk_new();
	kit.opt.engine_options.own = kit.disk;
	assert_int_equal(store_open(&kit.opt, &kit.store, &text), TS_OK);
	memcpy(first, store_own_id(kit.store).p, sizeof first);
	assert_memory_not_equal(first, "0123456789abcdef", sizeof first);
	store_close(&kit.store);
	assert_int_equal(store_open(&kit.opt, &kit.store, &text), TS_OK);
	assert_memory_equal(first, store_own_id(kit.store).p, sizeof first);
	store_close(&kit.store);
	engine_mem_disk_free(&kit.disk);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(put_and_removed),
	    cmocka_unit_test(modseq_is_raised),
	    cmocka_unit_test(all_or_none),
	    cmocka_unit_test(bounded),
	    cmocka_unit_test(go_with_the_mailbox),
	    cmocka_unit_test(go_with_the_place),
	    cmocka_unit_test(flush_fails),
	    cmocka_unit_test(mark_tells),
	    cmocka_unit_test(mark_of_the_disk_is_the_same),
	    cmocka_unit_test(check_finds_them),
	    cmocka_unit_test(sums_follow),
	    cmocka_unit_test(sums_of_the_disk),
	    cmocka_unit_test(own_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
