/* SPDX-License-Identifier: Apache-2.0 */
/* The index of what is shared with whom (store/shares.h), and what a new mailbox inherits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kit.h"

#include "store/shares.h"

static enum ts_err
put(struct kit *kit, struct store_mailbox *mb, const char *name, const char *value)
{
	struct store_change *c = kit_change(kit, STORE_CHANGE_PROPERTIES);

	c->mailbox = mb;
	c->quiet = true;
	c->properties = arena_array(c->arena, 1, sizeof *c->properties);
	c->property_count = 1;
	c->properties[0] = (struct store_property_op){.name = str_of(name),
	    .value = str_of(value != NULL ? value : ""),
	    .remove = value == NULL};
	return kit_end(kit, c);
}

static bool
list_one(uint64_t account, uint32_t mailbox, void *arg)
{
	buf_printf(arg, "%llu/%u ", (unsigned long long)account, mailbox);
	return true;
}

/* Expects what is shared with an identifier: mailboxes of ada's account. */
static void
expect(struct kit *kit, const char *who, const char *mailboxes)
{
	struct buf b = {0}, want = {0};
	struct str rest = str_of(mailboxes), id;

	while (rest.n > 0 && str_split(&rest, ' ', &id))
		buf_printf(&want, "%llu/%.*s ", (unsigned long long)store_account_id(kit->account),
		    STR_ARG(id));
	assert_int_equal(store_shares_list(kit->store, str_of(who), list_one, &b), TS_OK);
	assert_string_equal(buf_cstr(&b), buf_cstr(&want));
	buf_fini(&b);
	buf_fini(&want);
}

static void
test_rows(void **state)
{
	struct kit kit = {0};
	struct store_mailbox *work;
	struct store_account *again;
	bool has = false;

	(void)state;
	kit_open(&kit, 0);
	assert_false(store_shares_any(kit.store));
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "Work", NULL), TS_OK);
	work = kit_mailbox(kit.account, "Work");
	assert_int_equal(put(&kit, work, "acl/boris@site.example", "lr"), TS_OK);
	assert_true(store_shares_any(kit.store));
	assert_int_equal(put(&kit, kit.inbox, "acl/boris@site.example", "lr"), TS_OK);
	assert_int_equal(put(&kit, work, "acl/-carla", "w"), TS_OK);
	assert_int_equal(put(&kit, work, "meta/acl", "w"), TS_OK);
	expect(&kit, "boris@site.example", "1 2");
	expect(&kit, "boris", "");
	expect(&kit, "carla", "2");
	/* A row stays as long as either of the two. */
	assert_int_equal(put(&kit, work, "acl/carla", "lr"), TS_OK);
	assert_int_equal(put(&kit, work, "acl/-carla", NULL), TS_OK);
	expect(&kit, "carla", "2");
	assert_int_equal(put(&kit, work, "acl/carla", NULL), TS_OK);
	expect(&kit, "carla", "");
	assert_int_equal(store_shares_has(kit.store, STR("boris@site.example"),
	                     store_account_id(kit.account), &has),
	    TS_OK);
	assert_true(has);
	has = false;
	assert_int_equal(
	    store_shares_has(kit.store, STR("carla"), store_account_id(kit.account), &has), TS_OK);
	assert_false(has);
	assert_int_equal(store_shares_load(kit.store, STR("boris@site.example"),
	                     store_account_id(kit.account), &again),
	    TS_OK);
	assert_ptr_equal(again, kit.account);
	store_account_unref(&again);
	store_mailbox_unref(&work);
	kit_reopen(&kit);
	assert_true(store_shares_any(kit.store));
	expect(&kit, "boris@site.example", "1 2");
	kit_close(&kit);
}

static void
create(struct kit *kit, const char *name, bool inherits)
{
	struct store_change *c = kit_change(kit, STORE_CHANGE_CREATE);

	c->name = str_of(name);
	c->inherits = inherits;
	assert_int_equal(kit_end(kit, c), TS_OK);
}

static void
expect_right(struct kit *kit, const char *name, const char *property, const char *value)
{
	struct store_mailbox *mb = kit_mailbox(kit->account, name);
	struct store_properties *t = store_mailbox_properties(mb);
	struct str v = store_properties_get(t, str_of(property));

	assert_int_equal(v.p != NULL, value != NULL);
	if (value != NULL)
		assert_true(str_eq(v, str_of(value)));
	store_properties_unref(&t);
	store_mailbox_unref(&mb);
}

static void
test_inherited(void **state)
{
	struct kit kit = {0};
	struct store_mailbox *mb;

	(void)state;
	kit_open(&kit, 0);
	create(&kit, "Team", true);
	mb = kit_mailbox(kit.account, "Team");
	assert_int_equal(put(&kit, mb, "acl/boris", "lr"), TS_OK);
	assert_int_equal(put(&kit, mb, "acl/-carla", "w"), TS_OK);
	assert_int_equal(put(&kit, mb, "meta/shared", "x"), TS_OK);
	store_mailbox_unref(&mb);
	create(&kit, "Team/2026/March", true); /* Team/2026 is none */
	create(&kit, "Team/bare", false);
	create(&kit, "Teams", true);
	expect_right(&kit, "Team/2026/March", "acl/boris", "lr");
	expect_right(&kit, "Team/2026/March", "acl/-carla", "w");
	expect_right(&kit, "Team/2026/March", "meta/shared", NULL);
	expect_right(&kit, "Team/bare", "acl/boris", NULL);
	expect_right(&kit, "Teams", "acl/boris", NULL);
	expect(&kit, "boris", "2 3");
	expect(&kit, "carla", "2 3");
	/* What it got is its own. */
	mb = kit_mailbox(kit.account, "Team");
	assert_int_equal(put(&kit, mb, "acl/boris", NULL), TS_OK);
	store_mailbox_unref(&mb);
	expect(&kit, "boris", "3");
	kit_reopen(&kit);
	expect_right(&kit, "Team/2026/March", "acl/boris", "lr");
	kit_close(&kit);
}

/* ---- after a start */

static void
background(struct kit *kit)
{
	kit_reopen(kit);
	while (store_background_step(kit->store))
		;
}

/* The right is on disk, and the row is not. */
static void
test_put_after_a_crash(void **state)
{
	struct kit kit = {0};
	struct store_mailbox *mb;

	(void)state;
	kit_open(&kit, 0);
	create(&kit, "Team", true);
	mb = kit_mailbox(kit.account, "Team");
	engine_mem_fail(kit.disk, ENGINE_MEM_COMMIT, 2, TS_UNKNOWN, false);
	assert_int_equal(put(&kit, mb, "acl/boris", "lr"), TS_UNKNOWN);
	store_mailbox_unref(&mb);
	expect(&kit, "boris", "");
	background(&kit);
	expect(&kit, "boris", "2");
	expect_right(&kit, "Team", "acl/boris", "lr");
	kit_close(&kit);
}

static void
test_gone_after_a_start(void **state)
{
	struct kit kit = {0};
	struct store_mailbox *mb;
	struct store_account *other;
	struct buf b = {0};

	(void)state;
	kit_open(&kit, 0);
	create(&kit, "Team", true);
	mb = kit_mailbox(kit.account, "Team");
	assert_int_equal(put(&kit, mb, "acl/boris", "lr"), TS_OK);
	assert_int_equal(put(&kit, kit.inbox, "acl/boris", "lr"), TS_OK);
	store_mailbox_unref(&mb);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_DELETE, "Team", NULL), TS_OK);
	mb = kit_inbox_of(&kit, "zoe");
	other = store_mailbox_account(mb);
	assert_int_not_equal(store_account_id(other), store_account_id(kit.account));
	store_mailbox_unref(&mb);
	background(&kit);
	expect(&kit, "boris", "1");
	assert_int_equal(store_account_delete(kit.store, STR("zoe")), TS_OK);
	background(&kit);
	assert_int_equal(store_shares_list(kit.store, STR("zoe"), list_one, &b), TS_OK);
	assert_int_equal(b.n, 0);
	buf_fini(&b);
	kit_close(&kit);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rows),
	    cmocka_unit_test(test_inherited),
	    cmocka_unit_test(test_put_after_a_crash),
	    cmocka_unit_test(test_gone_after_a_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
