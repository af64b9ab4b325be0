/* SPDX-License-Identifier: Apache-2.0 */
/* When memory is returned: after a peak, once, when usage has stopped falling. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/process/trim.h"

#define MIB ((uint64_t)1 << 20)

static unsigned
looks(struct trim *t, const uint64_t *mib, unsigned n)
{
	unsigned due = 0;

	for (unsigned i = 0; i < n; i++)
		due += trim_due(t, mib[i] * MIB);
	return due;
}

#define LOOKS(t, ...)                                                                              \
	looks(t, (const uint64_t[]){__VA_ARGS__},                                                  \
	    sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

static void
peaks(void **state)
{
	struct trim t = {0};
	(void)state;

	/* it rises, and varies a little */
	assert_int_equal(LOOKS(&t, 5, 20, 100, 95, 100, 90, 99, 80, 100), 0);
	/* it is falling, and will fall further */
	assert_int_equal(LOOKS(&t, 80, 60, 40, 20), 0);
	/* it stays there: once */
	assert_int_equal(LOOKS(&t, 18), 1);
	assert_int_equal(LOOKS(&t, 18, 17, 18, 10, 5, 5, 3, 3), 0);
	/* the next peak */
	assert_int_equal(LOOKS(&t, 300, 120, 119, 119, 118), 1);
}

static void
small(void **state)
{
	struct trim t = {0};
	(void)state;

	/* 15 MiB are not worthwhile, nor is less than a quarter */
	assert_int_equal(LOOKS(&t, 16, 1, 1, 1, 1), 0);
	t = (struct trim){0};
	assert_int_equal(LOOKS(&t, 1000, 800, 799, 799, 799), 0);
	assert_int_equal(LOOKS(&t, 700, 700), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(peaks),
	    cmocka_unit_test(small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
