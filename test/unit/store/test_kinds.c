/* SPDX-License-Identifier: Apache-2.0 */
/* The table of kinds of change: no number is missing, and no two share a name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store/change/batch_int.h"

static void
each_kind_has_a_row(void **state)
{
	(void)state;
	for (int i = 0; i < CHANGE_KINDS; i++) {
		assert_non_null(store_kinds[i].name);
		assert_non_null(store_kinds[i].prepare);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(store_kinds[i].name, store_kinds[j].name);
	}
}

/* Whatever undo takes back, apply must show, and vice versa. */
static void
apply_and_undo_go_together(void **state)
{
	(void)state;
	for (int i = 0; i < CHANGE_KINDS; i++)
		assert_int_equal(store_kinds[i].apply != NULL, store_kinds[i].undo != NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_kind_has_a_row),
	    cmocka_unit_test(apply_and_undo_go_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
