/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quota: what limits refuse and what they never refuse, where they come from, that room is given
 * once only, whole and to the byte, and that failed flushes and power cuts neither keep nor lose
 * it.
 */
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
	assert_true(store_quota_find(kit.account, buf_as_str(&name), &root));
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(account_limits),
	    cmocka_unit_test(mailbox_limits),
	    cmocka_unit_test(limits_of_a_source),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
