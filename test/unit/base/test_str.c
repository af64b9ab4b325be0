/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"

static void
comparing(void **state)
{
	(void)state;
	assert_true(str_ieq(STR("InBoX"), STR("inbox")));
	assert_false(str_eq(STR("InBoX"), STR("inbox")));
	assert_true(str_cmp(STR("a"), STR("ab")) < 0);
	assert_true(str_icmp(STR("B"), STR("a")) > 0);
	assert_true(str_has_prefix(STR("INBOX/x"), STR("INBOX/")));
	assert_true(str_has_iprefix(STR("inbox/x"), STR("INBOX/")));
	assert_true(str_has_suffix(STR("x.txt"), STR(".txt")));
	assert_false(str_has_suffix(STR("t"), STR(".txt")));
}

static void
splitting(void **state)
{
	struct str rest = STR("a,,b"), part;

	(void)state;
	assert_true(str_split(&rest, ',', &part) && str_eq(part, STR("a")));
	assert_true(str_split(&rest, ',', &part) && part.n == 0);
	assert_true(str_split(&rest, ',', &part) && str_eq(part, STR("b")));
	assert_false(str_split(&rest, ',', &part));
	assert_true(str_eq(str_trim(STR(" \tx y\r\n")), STR("x y")));
}

static void
numbers(void **state)
{
	uint64_t v = 0;

	(void)state;
	assert_true(str_u64(STR("4294967295"), UINT32_MAX, &v) && v == UINT32_MAX);
	assert_false(str_u64(STR("4294967296"), UINT32_MAX, &v));
	assert_true(str_u64(STR("18446744073709551615"), UINT64_MAX, &v) && v == UINT64_MAX);
	assert_false(str_u64(STR("18446744073709551616"), UINT64_MAX, &v));
	assert_false(str_u64(STR(""), 9, &v));
	assert_false(str_u64(STR("-1"), 9, &v));
}

static void
utf8_is_checked_to_the_letter(void **state)
{
	(void)state;
	assert_true(str_is_utf8(STR("plain \xC3\xA9 \xE2\x82\xAC \xF0\x9F\x90\xA6")));
	assert_false(str_is_utf8(STR("\xC0\x80")));         /* not the shortest form */
	assert_false(str_is_utf8(STR("\xE0\x80\x80")));     /* the same */
	assert_false(str_is_utf8(STR("\xED\xA0\x80")));     /* a surrogate */
	assert_false(str_is_utf8(STR("\xF4\x90\x80\x80"))); /* above U+10FFFF */
	assert_false(str_is_utf8(STR("\xE2\x82")));         /* cut short */
	assert_false(str_is_utf8(STR("\x80")));
	/* a word at a time, and the bytes before and after it */
	for (size_t at = 0; at < 24; at++) {
		char text[] = "0123456789abcdefghijklmnop";

		assert_true(str_is_ascii(str_of(text)) && str_is_utf8(str_of(text)));
		text[at] = '\xC3';
		assert_false(str_is_ascii(str_of(text)) || str_is_utf8(str_of(text)));
		text[at + 1] = '\xA9';
		assert_true(str_is_utf8(str_of(text)));
		text[at] = 'x';
		assert_false(str_is_utf8(str_of(text)));
	}
	assert_true(str_is_ascii(STR("abc")));
	assert_false(str_is_ascii(STR("\xC3\xA9")));
}

/* A terminal that shows a log must not obey it. */
static void
what_a_terminal_may_have(void **state)
{
	(void)state;
	assert_int_equal(str_showable(STR("a")), 1);
	assert_int_equal(str_showable(STR("\xC3\xA9")), 2);
	assert_int_equal(str_showable(STR("\xE2\x82\xAC")), 3);
	assert_int_equal(str_showable(STR("\xF0\x9F\x90\xA6")), 4);
	assert_int_equal(str_showable(STR("\x1b[2J")), 0);
	assert_int_equal(str_showable(STR("\x7f")), 0);
	assert_int_equal(str_showable(STR("\x9b")), 0);
	assert_int_equal(str_showable(STR("\xC2\x9b")), 0); /* CSI of C1 */
	assert_int_equal(str_showable(STR("\xC2\xA0")), 2);
	assert_int_equal(str_showable(STR("\xE2\x80\xAE")), 0); /* reverses text */
	assert_int_equal(str_showable(STR("\xE2\x81\xA6")), 0);
	assert_int_equal(str_showable(STR("\xEF\xBB\xBF")), 0);
	assert_int_equal(str_showable(STR("\xE2\x80")), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(comparing),
	    cmocka_unit_test(splitting),
	    cmocka_unit_test(numbers),
	    cmocka_unit_test(utf8_is_checked_to_the_letter),
	    cmocka_unit_test(what_a_terminal_may_have),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
