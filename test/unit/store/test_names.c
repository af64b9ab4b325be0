/* SPDX-License-Identifier: Apache-2.0 */
/* Mailboxes and accounts: their names, lists and uses; then the same read from disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "kit.h"

#define F(flag) (1u << (flag))
#define MSG "From: a@b.example\r\nSubject: one\r\n\r\nHello\r\n"

static bool
list_one(const struct store_mailbox_info *info, void *arg)
{
	buf_printf(arg, "%.*s%s%s ", STR_ARG(info->name), info->id == 0 ? "!" : "",
	    info->subscribed ? "+" : "");
	return true;
}

static void
expect_list(struct kit *kit, const char *text)
{
	struct buf b = {0};

	store_account_list(kit->account, list_one, &b);
	assert_string_equal(buf_cstr(&b), text);
	buf_fini(&b);
}

static void
names(void **state)
{
	struct kit kit = {0};
	uint32_t first, second;
	(void)state;

	kit_open(&kit, 0);

	uint64_t version = store_account_list_version(kit.account);

	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "a/b/c", NULL), TS_OK);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "a", NULL), TS_OK);
	assert_true(store_account_list_version(kit.account) > version);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "a", NULL), TS_EXISTS);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "INBOX", NULL), TS_EXISTS);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "a//b", NULL), TS_INVALID);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "/b", NULL), TS_INVALID);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "b/", NULL), TS_INVALID);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "", NULL), TS_INVALID);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "x\xff", NULL), TS_INVALID);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_DELETE, "INBOX", NULL), TS_INVALID);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_DELETE, "a/b", NULL), TS_NOT_FOUND);
	expect_list(&kit, "INBOX a a/b/c ");
	assert_true(store_account_has_children(kit.account, STR("a")));
	assert_false(store_account_has_children(kit.account, STR("INBOX")));

	first = kit_uidvalidity(&kit, "a");
	assert_int_equal(kit_name(&kit, STORE_CHANGE_DELETE, "a", NULL), TS_OK);
	expect_list(&kit, "INBOX a/b/c ");
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "a", NULL), TS_OK);
	assert_true(kit_uidvalidity(&kit, "a") > first);

	assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "a", "z/y"), TS_OK);
	expect_list(&kit, "INBOX z/y z/y/b/c ");
	assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "z/y", "z/y/k"), TS_INVALID);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "nix", "z/k"), TS_NOT_FOUND);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "z/y", "INBOX"), TS_EXISTS);
	/* z is not a mailbox, but there is something below it. */
	assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "z", "q"), TS_OK);
	expect_list(&kit, "INBOX q/y q/y/b/c ");
	second = kit_uidvalidity(&kit, "q/y");
	assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "q/y", "a"), TS_OK);
	/* a was once another mailbox's name. */
	assert_true(kit_uidvalidity(&kit, "a") > second);

	assert_int_equal(kit_name(&kit, STORE_CHANGE_SUBSCRIBE, "nobody", NULL), TS_OK);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_SUBSCRIBE, "a", NULL), TS_OK);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_SUBSCRIBE, "INBOX", NULL), TS_OK);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_UNSUBSCRIBE, "INBOX", NULL), TS_OK);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_UNSUBSCRIBE, "other", NULL), TS_OK);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_DELETE, "a", NULL), TS_OK);
	expect_list(&kit, "INBOX a!+ a/b/c nobody!+ ");
	kit_crash(&kit);
	expect_list(&kit, "INBOX a!+ a/b/c nobody!+ ");
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "a", NULL), TS_OK);
	assert_true(kit_uidvalidity(&kit, "a") > second + 1);
	kit_close(&kit);
}

static void
rename_inbox(void **state)
{
	struct kit kit = {0};
	(void)state;

	kit_open(&kit, 0);
	kit_append(&kit, kit.inbox, MSG, F(STORE_SEEN));
	kit_append(&kit, kit.inbox, MSG, 0);
	kit_flags(&kit, kit.inbox, 1, 1, STORE_FLAGS_ADD, 0, "blue");
	assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "INBOX", "old/mail"), TS_OK);
	kit_expect(kit.inbox, "");
	for (int i = 0; i < 2; i++) {
		struct store_mailbox *old = kit_mailbox(kit.account, "old/mail");

		kit_expect(old, "1:S[blue] 2:");
		store_mailbox_unref(&old);
		kit_crash(&kit);
	}
	assert_int_equal(kit_append(&kit, kit.inbox, MSG, 0), 3);
	kit_close(&kit);
}

static void
delete_contents(void **state)
{
	struct kit kit = {0};
	struct buf b = {0};
	struct store_message m;
	(void)state;

	kit_open(&kit, 0);
	kit_name(&kit, STORE_CHANGE_CREATE, "Box", NULL);

	struct store_mailbox *box = kit_mailbox(kit.account, "Box");

	for (int i = 0; i < 3; i++)
		kit_append(&kit, box, MSG, 0);
	store_mailbox_read_begin(box);
	store_mailbox_message(box, 2, &m);
	store_mailbox_read_end(box);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_DELETE, "Box", NULL), TS_OK);
	assert_true(store_mailbox_gone(box));
	kit_expect(box, "1: 2: 3:"); /* whoever has it open still sees it */
	assert_int_equal(kit_append(&kit, box, MSG, 0), 0);
	assert_int_equal(
	    kit_flags(&kit, box, 1, 3, STORE_FLAGS_ADD, F(STORE_SEEN), NULL), TS_NOT_FOUND);
	store_mailbox_unref(&box);
	kit_crash(&kit); /* before the background did anything */
	store_background_wait(kit.store);
	assert_int_equal(store_read_blob(kit.store, m.blob, 0, 10, &b), TS_NOT_FOUND);
	buf_fini(&b);
	kit_close(&kit);
}

static void
accounts(void **state)
{
	struct kit kit = {0};
	struct store_account *bob;
	struct buf b = {0};
	struct store_message m;
	(void)state;

	kit_open(&kit, 0);
	assert_int_equal(store_account_load(kit.store, STR("bob"), false, &bob), TS_NOT_FOUND);
	assert_null(store_account_find(kit.store, STR("bob")));
	assert_int_equal(store_account_load(kit.store, STR("bob"), true, &bob), TS_OK);

	uint64_t id = store_account_id(bob);
	struct store_mailbox *box = kit_mailbox(bob, "INBOX");

	assert_true(id != store_account_id(kit.account));
	assert_int_equal(kit_append(&kit, box, MSG, 0), 1);
	store_mailbox_read_begin(box);
	store_mailbox_message(box, 1, &m);
	store_mailbox_read_end(box);
	assert_int_equal(store_account_delete(kit.store, STR("bob")), TS_OK);
	assert_true(store_mailbox_gone(box));
	assert_int_equal(kit_append(&kit, box, MSG, 0), 0);
	assert_int_equal(store_account_delete(kit.store, STR("bob")), TS_NOT_FOUND);
	store_mailbox_unref(&box);
	store_account_unref(&bob);
	store_background_wait(kit.store);
	assert_int_equal(store_read_blob(kit.store, m.blob, 0, 10, &b), TS_NOT_FOUND);
	assert_int_equal(store_account_load(kit.store, STR("bob"), true, &bob), TS_OK);
	assert_true(store_account_id(bob) != id);
	store_account_unref(&bob);
	buf_fini(&b);
	kit_close(&kit);
}

static bool
list_uses(const struct store_mailbox_info *info, void *arg)
{
	buf_printf(arg, "%.*s%s%s=%u ", STR_ARG(info->name), info->id == 0 ? "!" : "",
	    info->subscribed ? "+" : "", info->use);
	return true;
}

static void
expect_uses(struct kit *kit, const char *name, bool bare, const char *text)
{
	struct store_account *account = NULL;
	struct buf b = {0};

	if (bare)
		assert_int_equal(
		    store_account_load_bare(kit->store, str_of(name), &account), TS_OK);
	else
		assert_int_equal(
		    store_account_load(kit->store, str_of(name), true, &account), TS_OK);
	store_account_list(account, list_uses, &b);
	assert_string_equal(buf_cstr(&b), text);
	store_account_unref(&account);
	buf_fini(&b);
}

/* They come with the account, all in the batch that makes it, and never again. */
static void
default_mailboxes(void **state)
{
	static const struct store_default defaults[] = {
	    {{"Sent", 4}, STORE_USE_SENT}, {{"Lists/Mine", 10}, 0}};
	struct kit kit = {0};
	struct store_account *bob;
	struct store_mailbox_info inbox, sent, mine;
	(void)state;

	kit_open(&kit, 0);
	kit.opt.defaults = defaults;
	kit.opt.default_count = 2;
	kit_reopen(&kit);
	expect_uses(&kit, "ada", false, "INBOX=0 ");
	expect_uses(&kit, "bare", true, "INBOX=0 ");
	expect_uses(&kit, "bare", false, "INBOX=0 ");
	expect_uses(&kit, "bob", false, "INBOX=0 Lists/Mine+=0 Sent+=32 ");
	assert_int_equal(store_account_load(kit.store, STR("bob"), false, &bob), TS_OK);
	assert_true(store_account_lookup(bob, STR("INBOX"), &inbox));
	assert_true(store_account_lookup(bob, STR("Sent"), &sent));
	assert_true(store_account_lookup(bob, STR("Lists/Mine"), &mine));
	assert_true(inbox.id != sent.id && sent.id != mine.id && mine.id != inbox.id);
	assert_true(inbox.counters.uidvalidity != sent.counters.uidvalidity &&
	            sent.counters.uidvalidity != mine.counters.uidvalidity);
	/* What is made afterwards gets its own numbers. */
	struct store_change *c = store_change_new(bob, STORE_CHANGE_DELETE, kit.loop, NULL, NULL);

	c->name = STR("Sent");
	assert_int_equal(kit_end(&kit, c), TS_OK);
	c = store_change_new(bob, STORE_CHANGE_CREATE, kit.loop, NULL, NULL);
	c->name = STR("Sent");
	assert_int_equal(kit_end(&kit, c), TS_OK);
	assert_true(store_account_lookup(bob, STR("Sent"), &sent));
	assert_true(sent.id > mine.id && sent.counters.uidvalidity > mine.counters.uidvalidity);
	c = store_change_new(bob, STORE_CHANGE_DELETE, kit.loop, NULL, NULL);
	c->name = STR("Lists/Mine");
	assert_int_equal(kit_end(&kit, c), TS_OK);
	store_account_unref(&bob);
	kit_crash(&kit);
	expect_uses(&kit, "bob", false, "INBOX=0 Lists/Mine!+=0 Sent+=0 ");
	kit_close(&kit);
}

static bool
list_name(const struct store_mailbox_info *info, void *arg)
{
	buf_printf(arg, "%.*s%s%s,", STR_ARG(info->name), info->id != 0 ? "" : "-",
	    info->subscribed ? "+" : "");
	return true;
}

static void
expect_names(struct kit *kit, const char *want)
{
	struct buf got = {0};

	store_account_list(kit->account, list_name, &got);
	assert_string_equal(buf_cstr(&got), want);
	buf_fini(&got);
}

static bool
same_mark(struct str name, uint64_t account, const struct store_mark *mark, void *arg)
{
	struct store_mark *want = arg;

	(void)account;
	assert_true(str_eq(name, STR("ada")));
	assert_true(mark->low == want->low && mark->high == want->high);
	return true;
}

static bool
add_mark(const struct store_mailbox_info *info, void *arg)
{
	store_mark_add(arg, info);
	return true;
}

/* Names that older programs stored in another form: e and U+0301, u and U+0308. */
static void
spelling(void **state)
{
	struct store_mailbox_info info;
	struct store_mark mark = {0};
	struct kit kit = {0};
	uint32_t id;
	(void)state;

	kit_open(&kit, 0);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "cafe\xcc\x81", NULL), TS_OK);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "cafe\xcc\x81/x", NULL), TS_OK);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_SUBSCRIBE, "cafe\xcc\x81", NULL), TS_OK);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_SUBSCRIBE, "nu\xcc\x88r", NULL), TS_OK);
	assert_true(store_account_lookup(kit.account, STR("cafe\xcc\x81"), &info));
	id = info.id;
	kit_reopen(&kit);
	expect_names(&kit, "INBOX,caf\xc3\xa9+,caf\xc3\xa9/x,n\xc3\xbcr-+,");
	assert_true(store_account_lookup(kit.account, STR("caf\xc3\xa9"), &info) && info.id == id);
	store_account_list(kit.account, add_mark, &mark);
	assert_int_equal(store_account_marks(kit.store, STR(""), 10, same_mark, &mark), TS_OK);
	/* What was unsubscribed stays so when it is read again. */
	assert_int_equal(kit_name(&kit, STORE_CHANGE_UNSUBSCRIBE, "caf\xc3\xa9", NULL), TS_OK);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_UNSUBSCRIBE, "n\xc3\xbcr", NULL), TS_OK);
	kit_reopen(&kit);
	expect_names(&kit, "INBOX,caf\xc3\xa9,caf\xc3\xa9/x,");
	assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "caf\xc3\xa9", "bar"), TS_OK);
	kit_reopen(&kit);
	expect_names(&kit, "INBOX,bar,bar/x,");
	/* Two that differ only in spelling keep their names, and so do their subscriptions. */
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "u\xcc\x88", NULL), TS_OK);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "\xc3\xbc", NULL), TS_OK);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_SUBSCRIBE, "u\xcc\x88", NULL), TS_OK);
	kit_reopen(&kit);
	expect_names(&kit, "INBOX,bar,bar/x,u\xcc\x88+,\xc3\xbc,");
	assert_int_equal(kit_name(&kit, STORE_CHANGE_DELETE, "\xc3\xbc", NULL), TS_OK);
	kit_reopen(&kit);
	expect_names(&kit, "INBOX,bar,bar/x,\xc3\xbc+,");
	kit_close(&kit);
}

/* INBOX has more keywords than are permitted since the last start. */
static void
rename_inbox_keywords(void **state)
{
	struct kit kit = {0};
	struct store_mailbox_info info;
	(void)state;

	kit_open(&kit, 0);
	kit_append(&kit, kit.inbox, MSG, 0);
	kit_flags(&kit, kit.inbox, 1, 1, STORE_FLAGS_ADD, 0, "blue");
	kit_flags(&kit, kit.inbox, 1, 1, STORE_FLAGS_ADD, 0, "red");
	kit.opt.max_keywords = 1;
	kit_reopen(&kit);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "INBOX", "old"), TS_LIMIT);
	assert_false(store_account_lookup(kit.account, STR("old"), &info));
	kit_expect(kit.inbox, "1:[blue][red]");
	kit_close(&kit);
}

static bool
collect_name(struct str name, void *arg)
{
	struct buf *out = arg;

	buf_str(out, name);
	buf_putc(out, ' ');
	return true;
}

static void
account_names(void **state)
{
	struct kit kit = {0};
	struct store_account *other = NULL;
	struct buf names = {0};
	(void)state;

	kit_open(&kit, 0);
	assert_int_equal(store_account_load(kit.store, STR("zoe"), true, &other), TS_OK);
	assert_int_equal(store_account_names(kit.store, collect_name, &names), TS_OK);
	assert_string_equal(buf_cstr(&names), "ada zoe ");
	buf_fini(&names);
	store_account_unref(&other);
	kit_close(&kit);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names),
	    cmocka_unit_test(default_mailboxes),
	    cmocka_unit_test(rename_inbox),
	    cmocka_unit_test(delete_contents),
	    cmocka_unit_test(accounts),
	    cmocka_unit_test(spelling),
	    cmocka_unit_test(rename_inbox_keywords),
	    cmocka_unit_test(account_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
