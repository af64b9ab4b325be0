/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a store costs others, without a clock: how long chains are, which
 * thread commits, how much one batch holds; and numbers that come to an end.
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
#include "store/engine/rocks/rocks.h"
#include "store/inside.h"

/* ---- the table of accounts ---- */

static unsigned
longest_chain(const struct store *store)
{
	unsigned longest = 0;

	for (unsigned i = 0; i < SHARDS; i++) {
		const struct store_account *first = store->shard[i].accounts;
		const UT_hash_table *t = first != NULL ? first->hh.tbl : NULL;

		for (unsigned b = 0; t != NULL && b < t->num_buckets; b++)
			if (t->buckets[b].count > longest)
				longest = t->buckets[b].count;
	}
	return longest;
}

/* Forty names in each shard, on average: in one bucket they would be a chain of forty. */
static void
chains(void **state)
{
	struct kit kit = {0};
	(void)state;

	kit_open(&kit, 0);
	for (unsigned i = 0; i < 40 * SHARDS; i++) {
		struct store_account *a;
		char name[32];

		(void)snprintf(name, sizeof name, "user%u@example.org", i);
		assert_int_equal(store_account_load(kit.store, str_of(name), true, &a), TS_OK);
		store_account_unref(&a);
	}
	assert_true(longest_chain(kit.store) <= HASH_BKT_CAPACITY_THRESH);
	kit_close(&kit);
}

/* ---- numbers that are used up ---- */

static void
refused_for_good(struct kit *kit)
{
	assert_int_equal(kit_name(kit, STORE_CHANGE_CREATE, "B", NULL), TS_LIMIT);
	assert_int_equal(kit_name(kit, STORE_CHANGE_RENAME, "A", "B"), TS_LIMIT);
	assert_int_equal(kit_name(kit, STORE_CHANGE_RENAME, "INBOX", "B"), TS_LIMIT);
}

static void
last_uidvalidity(const struct engine_class *engine)
{
	struct kit kit = {.opt.engine = engine};
	struct store_mailbox_info info;

	kit_open(&kit, 0);
	kit.account->last_uidvalidity = UINT32_MAX - 1;
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "A", NULL), TS_OK);
	assert_true(store_account_lookup(kit.account, STR("A"), &info));
	assert_int_equal(info.counters.uidvalidity, UINT32_MAX);
	refused_for_good(&kit);
	kit_reopen(&kit);
	refused_for_good(&kit);
	/* What is there goes on. */
	assert_int_equal(kit_append(&kit, kit.inbox, "a: b\r\n\r\nc\r\n", 0), 1);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_DELETE, "A", NULL), TS_OK);
	kit_close(&kit);
}

static void
last_mailbox(const struct engine_class *engine)
{
	struct kit kit = {.opt.engine = engine};
	struct store_mailbox_info info;

	kit_open(&kit, 0);
	kit.account->next_mailbox = UINT32_MAX - 1;
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "A", NULL), TS_OK);
	assert_true(store_account_lookup(kit.account, STR("A"), &info));
	assert_int_equal(info.id, UINT32_MAX - 1);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "B", NULL), TS_LIMIT);
	kit_reopen(&kit);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "B", NULL), TS_LIMIT);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "A", "B"), TS_OK);
	kit_close(&kit);
}

static void
used_up(void **state)
{
	(void)state;
	last_uidvalidity(NULL);
	last_uidvalidity(&engine_rocks_class);
	last_mailbox(NULL);
	last_mailbox(&engine_rocks_class);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(chains),
	    cmocka_unit_test(used_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
