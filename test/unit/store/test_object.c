/* SPDX-License-Identifier: Apache-2.0 */
/* Object ids: each object has its own, different in each store, and they lead back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kit.h"

#define BLOBS 2000u
#define ID STORE_OBJECT_ID

static void
put_blob(const struct kit *kit, uint64_t blob, struct buf *out)
{
	char id[ID];

	buf_str(out, store_blob_object_id(kit->store, 'M', blob, id));
}

static void
put_mailbox(const struct kit *kit, uint32_t mailbox, struct buf *out)
{
	char id[ID];

	buf_str(out, store_mailbox_object_id(kit->account, mailbox, id));
}

static int
by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, ID);
}

static void
expect_form(struct str id, char letter)
{
	assert_int_equal(id.n, ID);
	assert_int_equal(id.p[0], letter);
	for (size_t i = 1; i < id.n; i++)
		assert_non_null(strchr("0123456789abcdef", id.p[i]));
}

static void
differ(void **state)
{
	struct kit kit = {0};
	struct buf ids = {0};
	size_t n;

	(void)state;
	kit_open(&kit, 0);
	for (uint64_t i = 1; i <= BLOBS; i++) {
		put_blob(&kit, i, &ids);
		put_blob(&kit, i | (uint64_t)1 << 63, &ids);
		put_mailbox(&kit, (uint32_t)i, &ids);
	}
	n = ids.n / ID;
	assert_int_equal(n, (size_t)3 * BLOBS);
	for (size_t i = 0; i < n; i++)
		expect_form((struct str){ids.p + i * ID, ID}, i % 3 == 2 ? 'F' : 'M');
	qsort(ids.p, n, ID, by_bytes);
	for (size_t i = 1; i < n; i++)
		assert_memory_not_equal(ids.p + (i - 1) * ID, ids.p + i * ID, ID);
	buf_fini(&ids);
	kit_close(&kit);
}

static void
lead_back(void **state)
{
	struct kit kit = {0};
	struct buf id = {0};
	uint64_t blob;

	(void)state;
	kit_open(&kit, 0);
	for (uint64_t i = 1; i <= BLOBS; i++) {
		id.n = 0;
		put_blob(&kit, i, &id);
		assert_true(store_object_id_blob(kit.store, 'M', buf_as_str(&id), &blob));
		assert_int_equal(blob, i);
	}
	/* One of another kind, one that was never assigned, and an invalid one. */
	assert_false(store_object_id_blob(kit.store, 'T', buf_as_str(&id), &blob));
	id.p[0] = 'T';
	assert_false(store_object_id_blob(kit.store, 'T', buf_as_str(&id), &blob));
	id.p[0] = 'M';
	id.p[9] = id.p[9] == '0' ? '1' : '0';
	assert_false(store_object_id_blob(kit.store, 'M', buf_as_str(&id), &blob));
	id.p[9] = 'A';
	assert_false(store_object_id_blob(kit.store, 'M', buf_as_str(&id), &blob));
	assert_false(store_object_id_blob(kit.store, 'M', STR("M1"), &blob));
	assert_false(store_object_id_blob(kit.store, 'M', STR(""), &blob));
	buf_fini(&id);
	kit_close(&kit);
}

/* The same numbers in another store, and in this one after reopening. */
static void
of_a_store(void **state)
{
	static const char other[STORE_OWN_ID_BYTES + 1] = "fedcba9876543210";
	struct kit kit = {0};
	struct buf first = {0}, second = {0};
	uint64_t blob;

	(void)state;
	kit_open(&kit, 0);
	put_blob(&kit, 7, &first);
	put_mailbox(&kit, 3, &first);
	kit_reopen(&kit);
	put_blob(&kit, 7, &second);
	put_mailbox(&kit, 3, &second);
	assert_true(str_eq(buf_as_str(&first), buf_as_str(&second)));
	kit.opt.own_id = other;
	kit_on(&kit, engine_mem_disk_new());
	assert_memory_equal(store_own_id(kit.store).p, other, STORE_OWN_ID_BYTES);
	assert_false(store_object_id_blob(kit.store, 'M', (struct str){first.p, ID}, &blob));
	second.n = 0;
	put_blob(&kit, 7, &second);
	put_mailbox(&kit, 3, &second);
	assert_memory_not_equal(first.p, second.p, ID);
	assert_memory_not_equal(first.p + ID, second.p + ID, ID);
	buf_fini(&first);
	buf_fini(&second);
	kit_close(&kit);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(differ),
	    cmocka_unit_test(lead_back),
	    cmocka_unit_test(of_a_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
