/* SPDX-License-Identifier: Apache-2.0 */
/* Dates as they occur. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mail/date.h"

static void
reads(const char *text, int64_t utc, int zone, int32_t day)
{
	struct mail_date d;

	if (!mail_date_parse(str_of(text), &d))
		fail_msg("not read: %s", text);
	if (d.utc != utc || d.zone != zone || d.day != day)
		fail_msg("%s: %lld %d %d", text, (long long)d.utc, d.zone, d.day);
}

static void
test_days(void **state)
{
	(void)state;
	assert_int_equal(mail_days_of(1970, 1, 1), 0);
	assert_int_equal(mail_days_of(1969, 12, 31), -1);
	assert_int_equal(mail_days_of(2000, 2, 29), 11016);
	assert_int_equal(mail_days_of(2000, 3, 1), 11017);
	assert_int_equal(mail_days_of(1600, 3, 1), -135080);
}

static void
test_forms(void **state)
{
	(void)state;
	reads("Thu, 01 Jan 1970 00:00:00 +0000", 0, 0, 0);
	/* The day is as written, whatever it is in UTC. */
	reads("Sun, 1 Mar 2020 00:30:00 +0200", 1583015400, 120, 18322);
	reads("1 Mar 2020 23:30 -0130", 1583110800, -90, 18322);
	reads("Sun,\r\n 1 (first) Mar 2020 (in (spring)) 00 : 30 : 00 (x) +0200 (CEST)", 1583015400,
	    120, 18322);
	reads("1 Mar 20 00:00:00 GMT", 1583020800, 0, 18322);
	reads("1 Mar 99 00:00:00 UT", 920246400, 0, 10651);
	reads("1 Mar 120 00:00:00 Z", 1583020800, 0, 18322);
	reads("1 Mar 2020 00:00:00 EST", 1583020800 + 5 * 3600, -300, 18322);
	reads("1 Mar 2020 00:00:00 PDT", 1583020800 + 7 * 3600, -420, 18322);
	reads(
	    "1 Mar 2020 00:00:00 A", 1583020800, 0, 18322); /* RFC 5322 section 4.3: not reliable */
	reads("1 Mar 2020 00:00:00", 1583020800, 0, 18322);
	reads("1 Mar 2020", 1583020800, 0, 18322);
	reads("Sun Mar  1 00:00:00 2020", 1583020800, 0, 18322);
	reads("1-Mar-2020 00:00:00 +01:00", 1583017200, 60, 18322);
	reads("1 March 2020 00:00:60 +0000", 1583020860, 0, 18322);
}

static void
test_refused(void **state)
{
	static const char *const bad[] = {"", "   ", "yesterday", "31 Feb 2020 10:00:00 +0000",
	    "29 Feb 2019 10:00:00 +0000", "1 Mar 2020 24:00:00 +0000", "0 Mar 2020 10:00:00 +0000",
	    "1 Mar 2020 10:60:00 +0000", "10:00:00 +0000",
	    "1 Mar 99999999999999999999 10:00:00 +0000", "((((((", "1 Mar 2020 10:"};
	struct mail_date d;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (mail_date_parse(str_of(bad[i]), &d))
			fail_msg("read: %s", bad[i]);
	assert_false(mail_date_parse(STR_NONE, &d));
}

/* RFC 5256 section 2.2: only the day counts if the time is invalid. */
static void
test_sent(void **state)
{
	static const char *const no_time[] = {"1 Mar 2020 24:00:00 +0100", "1 Mar 2020 10:60 -0500",
	    "Sun, 1 Mar 2020 10:", "1 Mar 2020 1:2:99 EST", "1 Mar 2020"};
	struct mail_date d;

	(void)state;
	for (size_t i = 0; i < sizeof(no_time) / sizeof(no_time[0]); i++) {
		assert_true(mail_date_sent(str_of(no_time[i]), &d));
		assert_int_equal(d.utc, 1583020800);
		assert_int_equal(d.day, 18322);
	}
	assert_true(mail_date_sent(STR("31 Dec 2000 16:01:33 -0800"), &d));
	assert_int_equal(d.utc, 978307293); /* the RFC's example: 1 Jan 2001 00:01:33 */
	assert_true(mail_date_sent(STR("1 Mar 2020 10:00:00 +9999"), &d));
	assert_int_equal(d.utc, 1583056800);
	assert_false(mail_date_sent(STR("31 Feb 2020 10:00:00 +0000"), &d));
	assert_false(mail_date_sent(STR("10:00:00 +0000"), &d));
	assert_false(mail_date_sent(STR_NONE, &d));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_days),
	    cmocka_unit_test(test_forms),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
