/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/list.h"

struct item {
	int n;
	struct link link;
};

static void
pushing_and_removing(void **state)
{
	struct link head;
	struct item items[4], *i, *next;
	int sum = 0;

	(void)state;
	list_init(&head);
	assert_true(list_empty(&head));
	for (int k = 0; k < 4; k++) {
		items[k].n = k;
		if (k % 2 == 0)
			list_push_back(&head, &items[k].link);
		else
			list_push_front(&head, &items[k].link);
	}
	/* 3 1 0 2 */
	LIST_EACH (i, &head, link)
		sum = sum * 10 + i->n;
	assert_int_equal(sum, 3102);
	LIST_EACH_SAFE (i, next, &head, link)
		if (i->n % 2 == 0)
			list_remove(&i->link);
	sum = 0;
	LIST_EACH (i, &head, link)
		sum = sum * 10 + i->n;
	assert_int_equal(sum, 31);
	list_remove(&items[0].link); /* twice is harmless */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(pushing_and_removing)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
