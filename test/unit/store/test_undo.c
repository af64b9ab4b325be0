/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A commit that fails: everything a change did besides messages and names is undone, and if it
 * turns out to exist nevertheless, it stays.  (Properties, RENAME of very many and users' own \Seen
 * have tests of their own.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "kit.h"

static const struct fault {
	enum ts_err err;
	bool happened;
} faults[] = {{TS_FULL, false}, {TS_UNAVAILABLE, false}, {TS_UNKNOWN, false}, {TS_UNKNOWN, true}};
#define FAULTS (sizeof faults / sizeof *faults)

static void
next_commit_fails(struct kit *kit, const struct fault *f)
{
	engine_mem_fail(kit->disk, ENGINE_MEM_COMMIT, 1, f->err, f->happened);
}

static struct str
long_text(struct buf *b)
{
	buf_puts(b, "Subject: long\r\n\r\n");
	while (b->n < 4000)
		buf_puts(b, "0123456789012345678901234567890123456789\r\n");
	return buf_as_str(b);
}

/* A file that no change took is removed; one that a change took after all stays. */
static void
append(void **state)
{
	(void)state;
	for (size_t i = 0; i < FAULTS; i++) {
		const struct fault *f = &faults[i];
		struct kit kit = {.opt.blob_threshold = 1000};
		struct store_upload *u;
		struct buf b = {0};

		kit_open(&kit, 0);
		store_background_wait(kit.store);
		u = kit_upload(&kit, long_text(&b));
		assert_int_equal(kit_files(&kit), 1);
		next_commit_fails(&kit, f);
		assert_int_equal(kit_append_upload(&kit, kit.inbox, u), f->err);
		store_background_wait(kit.store);
		assert_int_equal(kit_files(&kit), f->happened);
		kit_expect(kit.inbox, f->happened ? "1:" : "");
		kit_assert_sound(kit.store);
		kit_close(&kit);
		buf_fini(&b);
	}
}

/* What was not expunged exists, and a second request removes it. */
static void
expunge(void **state)
{
	(void)state;
	for (size_t i = 0; i < FAULTS; i++) {
		const struct fault *f = &faults[i];
		struct store_change *c;
		struct kit kit = {0};

		kit_open(&kit, 0);
		(void)kit_append(&kit, kit.inbox, "x", 1u << STORE_DELETED);
		next_commit_fails(&kit, f);
		c = kit_change(&kit, STORE_CHANGE_EXPUNGE);
		c->mailbox = kit.inbox;
		assert_int_equal(kit_run(&kit, &c), f->err);
		assert_true(roaring_bitmap_is_empty(c->affected));
		store_change_free(&c);
		kit_expect(kit.inbox, f->happened ? "" : "1:D");
		assert_int_equal(kit_expunge(&kit, kit.inbox), TS_OK);
		kit_expect(kit.inbox, "");
		kit_assert_sound(kit.store);
		kit_close(&kit);
	}
}

/* An account that was not removed is used as before. */
static void
removed_account(void **state)
{
	(void)state;
	for (size_t i = 0; i < FAULTS; i++) {
		const struct fault *f = &faults[i];
		struct store_mailbox *other;
		struct kit kit = {0};

		kit_open(&kit, 0);
		other = kit_inbox_of(&kit, "bea");
		next_commit_fails(&kit, f);
		assert_int_equal(store_account_delete(kit.store, STR("bea")), f->err);
		assert_int_equal(store_mailbox_gone(other), f->happened);
		assert_int_equal(kit_flags(&kit, other, 1, 1, STORE_FLAGS_ADD, 1, NULL),
		    f->happened ? TS_NOT_FOUND : TS_OK);
		assert_int_equal(store_account_delete(kit.store, STR("bea")),
		    f->happened ? TS_NOT_FOUND : TS_OK);
		store_mailbox_unref(&other);
		kit_close(&kit);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(append),
	    cmocka_unit_test(expunge),
	    cmocka_unit_test(removed_account),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
