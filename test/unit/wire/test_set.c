/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "over.h"
#include "wire/set.h"
#include "wire/utf7.h"

static bool
parse(const char *text, struct wire_set *set_r)
{
	struct wire_in in = over(text);

	return wire_in_set(&in, set_r) && wire_in_end(&in);
}

/* As it prints, as it prints resolved with max 5, and its highest number with max 5. */
static void
parsing(void **state)
{
	static const struct {
		const char *text, *printed, *resolved;
		uint32_t highest;
	} cases[] = {
	    {"1", "1", "1", 1},
	    {"1:3,5", "1:3,5", "1:3,5", 5},
	    {"3:1", "1:3", "1:3", 3},
	    {"2:2", "2", "2", 2},
	    {"*", "*", "5", 5},
	    {"*:*", "*", "5", 5},
	    {"*:3", "3:*", "3:5", 5},
	    {"3:*", "3:*", "3:5", 5},
	    {"9:*", "9:*", "5:9", 5},
	    {"*:4294967295", "4294967295:*", "5:4294967295", 5},
	    {"4294967295", "4294967295", "4294967295", UINT32_MAX},
	    {"5,4,3,1", "5,4,3,1", "1,3:5", 5},
	    {"1:4,2:3,4:4", "1:4,2:3,4", "1:4", 4},
	    {"4294967294,4294967295,1", "4294967294,4294967295,1", "1,4294967294:4294967295",
	        UINT32_MAX},
	    {"$", "$", "$", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf b = {0};
		struct wire_set set, resolved;

		assert_true(parse(cases[i].text, &set));
		wire_set_print(&b, &set);
		assert_string_equal(buf_cstr(&b), cases[i].printed);
		resolved = wire_set_resolve(&set, 5, arena);
		b.n = 0;
		wire_set_print(&b, &resolved);
		assert_string_equal(buf_cstr(&b), cases[i].resolved);
		assert_int_equal(wire_set_highest(&set, 5), cases[i].highest);
		buf_fini(&b);
	}
}

static void
what_is_no_set(void **state)
{
	static const char *const cases[] = {"", "0", "01", "1:0", "1,", ",1", "1,,2", "1:", ":1",
	    "1:2:3", "4294967296", "99999999999999999999999", "-1", "a", "1 ,2", "$,1", "1,$", "**",
	    "*1", "1*", "\"1\"", "1\xC3\xA9", "1:*,"};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wire_set set;

		if (parse(cases[i], &set))
			fail_msg("%s was taken", cases[i]);
	}
}

static void
an_empty_mailbox(void **state)
{
	struct wire_set set, resolved;

	(void)state;
	assert_true(parse("*,*:*", &set));
	resolved = wire_set_resolve(&set, 0, arena);
	assert_int_equal(resolved.n, 0);
	assert_true(parse("1:*", &set));
	assert_int_equal(wire_set_highest(&set, 0), 0);
}

static void
ranges_are_bounded(void **state)
{
	struct wire_limits limits = wire_limits_default;
	struct wire_in in;
	struct wire_set set;

	(void)state;
	limits.set_ranges = 3;
	wire_in_init(&in, STR("1,2,3"), arena, NULL, &limits);
	assert_true(wire_in_set(&in, &set));
	wire_in_init(&in, STR("1,2,3,4"), arena, NULL, &limits);
	assert_false(wire_in_set(&in, &set));
	assert_non_null(in.error);
}

static void
printing_from_numbers(void **state)
{
	struct buf b = {0};
	struct wire_set_out o = {.b = &b};

	(void)state;
	wire_set_out_add(&o, 1, 1);
	wire_set_out_add(&o, 2, 2);
	wire_set_out_add(&o, 3, 7);
	wire_set_out_add(&o, 9, 9);
	wire_set_out_add(&o, 8, 8);
	wire_set_out_add(&o, UINT32_MAX, UINT32_MAX);
	wire_set_out_end(&o);
	assert_string_equal(buf_cstr(&b), "1:7,9,8,4294967295");
	b.n = 0;
	o = (struct wire_set_out){.b = &b};
	wire_set_out_end(&o);
	assert_int_equal(b.n, 0);
	buf_fini(&b);
}

static void
names_in_both_spellings(void **state)
{
	static const struct {
		const char *utf7, *utf8;
	} cases[] = {
	    {"", ""},
	    {"Plain/name *%", "Plain/name *%"},
	    {"a&-b", "a&b"},
	    {"&-&-", "&&"},
	    {"Entw&APw-rfe", "Entw\xC3\xBCrfe"},
	    {"&AOk-&-", "\xC3\xA9&"},
	    {"&IKw-x&IKw-", "\xE2\x82\xACx\xE2\x82\xAC"},
	    {"&AOkA6QDp-", "\xC3\xA9\xC3\xA9\xC3\xA9"},
	    {"&2D3cJg-", "\xF0\x9F\x90\xA6"},
	    {"&AAE-", "\x01"},
	    {"&AH8-", "\x7F"},
	};
	struct buf b = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		b.n = 0;
		assert_true(wire_utf7_to_utf8(&b, str_of(cases[i].utf7)));
		assert_true(str_eq(buf_as_str(&b), str_of(cases[i].utf8)));
		b.n = 0;
		wire_utf8_to_utf7(&b, str_of(cases[i].utf8));
		assert_string_equal(buf_cstr(&b), cases[i].utf7);
	}
	buf_fini(&b);
}

static void
names_in_no_spelling(void **state)
{
	static const char *const cases[] = {
	    "&",           /* no end */
	    "a&AOk",       /* the same */
	    "&AGE-",       /* "a" stands for itself */
	    "&AOl-",       /* bits left over */
	    "&AOkA-",      /* a digit too many */
	    "&AO-",        /* half a unit */
	    "&AOk-&AOk-",  /* could have been one */
	    "&2D0-",       /* half a pair */
	    "&3CY-",       /* the other half */
	    "&2D0A6Q-",    /* a half and something else */
	    "&AO/k-",      /* "/" is no digit here */
	    "&AOk=-",      /* no padding */
	    "caf\xC3\xA9", /* 8 bits */
	    "a\tb",        /* control */
	    "a\x7F",
	};
	struct buf b = {0};

	(void)state;
	buf_puts(&b, "kept");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (wire_utf7_to_utf8(&b, str_of(cases[i])))
			fail_msg("%s was taken", cases[i]);
		assert_string_equal(buf_cstr(&b), "kept");
	}
	buf_fini(&b);
}

static void
names_to_use(void **state)
{
	(void)state;
	assert_true(wire_name_ok(STR("caf\xC3\xA9 \xF0\x9F\x90\xA6")));
	assert_true(wire_name_ok(STR("\xC2\xA0")));
	assert_false(wire_name_ok(STR("")));
	assert_false(wire_name_ok(STR("a\x01")));
	assert_false(wire_name_ok(STR("a\x7F")));
	assert_false(wire_name_ok(STR("\xC2\x80")));
	assert_false(wire_name_ok(STR("\xC2\x9F")));
	assert_false(wire_name_ok(STR("\xE2\x80\xA8")));
	assert_false(wire_name_ok(STR("\xE2\x80\xA9")));
	assert_false(wire_name_ok(STR("\xC3")));
	assert_false(wire_name_ok((struct str){"a\0b", 3}));
}

/* Both halves of what everybody asks who makes a mailbox. */
static void
names_to_make(void **state)
{
	static const struct {
		const char *name, *kept;
		bool ok;
	} rows[] = {
	    {"a/b", "a/b", true},
	    {"inbox/A", "INBOX/A", true},
	    {"inboxes", "inboxes", true},
	    {"e\xcc\x81", "\xc3\xa9", true},
	    {"", "", false},
	    {"/a", "/a", false},
	    {"a/", "a/", false},
	    {"a//b", "a//b", false},
	    {"#news", "#news", false},
	    {"a#", "a#", true},
	    {"a*b", "a*b", false},
	    {"a/%", "a/%", false},
	    {"a\tb", "a\tb", false},
	    {"a\xc2\x85", "a\xc2\x85", false},
	    {"a\xe2\x80\xa8", "a\xe2\x80\xa8", false},
	    {"a\xff", "a\xff", false},
	};
	struct arena *a = arena_new(NULL, ARENA_OTHER, 256);
	struct buf b = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct str kept = wire_name_kept(a, str_of(rows[i].name));

		if (!str_eq(kept, str_of(rows[i].kept)) ||
		    (wire_name_fault(kept) == NULL) != rows[i].ok)
			fail_msg("%s", rows[i].name);
	}
	for (unsigned i = 0; i < 1000; i++)
		buf_putc(&b, 'x');
	assert_null(wire_name_fault(buf_as_str(&b)));
	buf_putc(&b, 'x');
	assert_non_null(wire_name_fault(buf_as_str(&b)));
	b.n = 0;
	for (unsigned i = 0; i < 49; i++)
		buf_puts(&b, "x/");
	buf_putc(&b, 'x');
	assert_null(wire_name_fault(buf_as_str(&b)));
	buf_puts(&b, "/x");
	assert_non_null(wire_name_fault(buf_as_str(&b)));
	buf_fini(&b);
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(parsing, begin, end),
	    cmocka_unit_test_setup_teardown(what_is_no_set, begin, end),
	    cmocka_unit_test_setup_teardown(an_empty_mailbox, begin, end),
	    cmocka_unit_test_setup_teardown(ranges_are_bounded, begin, end),
	    cmocka_unit_test(printing_from_numbers),
	    cmocka_unit_test(names_in_both_spellings),
	    cmocka_unit_test(names_in_no_spelling),
	    cmocka_unit_test(names_to_use),
	    cmocka_unit_test(names_to_make),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
