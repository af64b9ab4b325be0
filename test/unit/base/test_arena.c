/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"

static int order[4], ordered;

static void
note(void *arg)
{
	order[ordered++] = *(int *)arg;
}

static void
cleanups_run_newest_first_children_before_parents(void **state)
{
	struct arena_pool pool = {0};
	struct arena *a = arena_new(&pool, ARENA_LOGIN, 64), *child;
	int one = 1, two = 2, three = 3;

	(void)state;
	ordered = 0;
	arena_on_free(a, note, &one);
	arena_on_free(a, note, &two);
	child = arena_child(a, 0);
	arena_on_free(child, note, &three);
	assert_int_equal(pool.live_arenas[ARENA_LOGIN], 2);
	assert_int_equal(pool.live_cleanups[ARENA_LOGIN], 3);
	arena_free(&a);
	assert_null(a);
	assert_int_equal(ordered, 3);
	assert_int_equal(order[0], 3);
	assert_int_equal(order[1], 2);
	assert_int_equal(order[2], 1);
	assert_int_equal(pool.live_arenas[ARENA_LOGIN], 0);
	assert_int_equal(pool.live_cleanups[ARENA_LOGIN], 0);
	assert_int_equal(pool.live_bytes, 0);
}

static void
memory_is_zeroed_and_aligned(void **state)
{
	struct arena *a = arena_new(NULL, ARENA_CMD, 100);

	(void)state;
	for (size_t n = 0; n < 3000; n = n * 2 + 1) {
		unsigned char *p = arena_zalloc(a, n);

		assert_int_equal((uintptr_t)p % 16, 0);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xAA, n);
	}
	arena_free(&a);
}

static void
a_child_freed_early_leaves_its_siblings(void **state)
{
	struct arena_pool pool = {0};
	struct arena *a = arena_new(&pool, ARENA_BOX, 0);
	struct arena *x = arena_child(a, 0), *y = arena_child(a, 0), *z = arena_child(a, 0);

	(void)state;
	arena_free(&y);
	assert_int_equal(pool.live_arenas[ARENA_BOX], 3);
	arena_free(&z);
	arena_free(&x);
	assert_int_equal(pool.live_arenas[ARENA_BOX], 1);
	arena_free(&a);
	assert_int_equal(pool.live_arenas[ARENA_BOX], 0);
}

static void
text_is_copied(void **state)
{
	struct arena *a = arena_new(NULL, ARENA_CMD, 0);
	struct str s = arena_str(a, STR("ab\0c"));

	(void)state;
	assert_int_equal(s.n, 4);
	assert_memory_equal(s.p, "ab\0c", 5);
	assert_string_equal(arena_printf(a, "%d-%s", 7, "x"), "7-x");
	assert_string_equal(arena_strdup(a, "hey"), "hey");
	arena_wipe_on_free(a);
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(cleanups_run_newest_first_children_before_parents),
	    cmocka_unit_test(memory_is_zeroed_and_aligned),
	    cmocka_unit_test(a_child_freed_early_leaves_its_siblings),
	    cmocka_unit_test(text_is_copied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
