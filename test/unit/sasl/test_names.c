/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sasl/mech.h"
#include "sasl/names.h"

struct row {
	struct str in, want; /* want.p NULL: refused */
};

typedef bool prepare_f(struct str in, struct buf *out);

static void
check(const struct row *rows, size_t n, prepare_f *prepare)
{
	for (size_t i = 0; i < n; i++) {
		struct buf b = {0};
		bool ok;

		buf_puts(&b, "+");
		ok = prepare(rows[i].in, &b);
		if (ok != (rows[i].want.p != NULL))
			fail_msg("row %zu \"%.*s\": %s", i, STR_ARG(rows[i].in),
			    ok ? "taken" : "refused");
		if (!str_eq(str_range(b.p + 1, b.p + b.n), rows[i].want))
			fail_msg(
			    "row %zu \"%.*s\": \"%.*s\"", i, STR_ARG(rows[i].in), (int)b.n, b.p);
		buf_fini(&b);
	}
}

static void
names_are_mapped(void **state)
{
	static const struct row rows[] = {
	    {STR("Gina"), STR("gina")}, {STR("~!*%/\"@"), STR("~!*%/\"@")},
	    {STR("\xc3\x84rger"), STR("\xc3\xa4rger")},
	    {STR("A\xcc\x88rger"), STR("\xc3\xa4rger")}, /* composed */
	    {STR("stra\xc3\x9f"
	         "e"),
	        STR("stra\xc3\x9f"
	            "e")},                                          /* sharp s stays */
	    {STR("\xef\xbc\xa7ina"), STR("gina")},                  /* fullwidth G */
	    {STR("\xef\xbd\xb6\xef\xbe\x9e"), STR("\xe3\x82\xac")}, /* halfwidth ka, voiced */
	    {STR("\xce\xa3\xce\xa9\xce\xa3"), STR("\xcf\x83\xcf\x89\xcf\x82")}, /* final sigma */
	    {STR("\xd7\x90\xd7\x91"
	         "2"),
	        STR("\xd7\x90\xd7\x91"
	            "2")},
	    {STR("\xd7\x90@dom.\xd7\x91"), STR("\xd7\x90@dom.\xd7\x91")}, /* bidi part by part */
	    {STR("l\xc2\xb7l"), STR("l\xc2\xb7l")},
	    {STR("L\xc2\xb7L"),
	        STR_NONE}, /* the rule requires lower case, and precedes the mapping */
	    {STR("\xe3\x82\xa2\xe3\x83\xbb"), STR("\xe3\x82\xa2\xe3\x83\xbb")}, /* middle dot */
	    {STR("\xe0\xa4\x95\xe0\xa5\x8d\xe2\x80\x8d"),                       /* virama, ZWJ */
	        STR("\xe0\xa4\x95\xe0\xa5\x8d\xe2\x80\x8d")},
	    {STR("\xd8\xa8\xe2\x80\x8c\xd8\xa8"),
	        STR("\xd8\xa8\xe2\x80\x8c\xd8\xa8")}, /* beh ZWNJ beh */
	    {STR("\xf0\x90\x90\x80"),
	        STR("\xf0\x90\x90\xa8")}, /* Deseret capital: two UTF-16 units */
	};

	(void)state;
	check(rows, sizeof(rows) / sizeof(*rows), sasl_name_prepare);
}

static void
names_are_refused(void **state)
{
	static const struct row rows[] = {
	    {STR(""), STR_NONE}, {STR("a b"), STR_NONE}, {STR(" "), STR_NONE},
	    {STR("a\0"), STR_NONE}, {STR("a\n"), STR_NONE}, {STR("a\x7f"), STR_NONE},
	    {STR("\xc3"), STR_NONE}, {STR("\xff"), STR_NONE}, {STR("\xed\xa0\x80"), STR_NONE},
	    {STR("\xc2\xa0"), STR_NONE}, /* no-break space */
	    {STR("a\xc2\xad"
	         "b"),
	        STR_NONE},                    /* soft hyphen */
	    {STR("a\xe2\x80\x8b"), STR_NONE}, /* zero width space */
	    {STR("a\xe2\x80\x8c"
	         "b"),
	        STR_NONE},                    /* ZWNJ between Latin letters */
	    {STR("a\xe2\x80\x8d"), STR_NONE}, /* ZWJ */
	    {STR("\xe2\x80\x8d"), STR_NONE},
	    {STR("\xe2\x80\xae"
	         "a"),
	        STR_NONE},                   /* right to left override */
	    {STR("\xef\xbf\xbf"), STR_NONE}, /* noncharacter */
	    {STR("\xee\x80\x80"), STR_NONE}, /* private use */
	    {STR("\xcd\xb8"), STR_NONE},     /* unassigned */
	    {STR("\xe2\x98\x83"), STR_NONE}, /* a symbol */
	    {STR("\xef\xac\x81"), STR_NONE}, /* the fi ligature */
	    {STR("\xe2\x84\xaa"), STR_NONE}, /* the Kelvin sign */
	    {STR("\xe2\x85\xa3"), STR_NONE}, /* Roman numeral four */
	    {STR("\xe1\x84\x80"), STR_NONE}, /* a conjoining jamo */
	    {STR("\xd9\x80"), STR_NONE},     /* tatweel */
	    {STR("a\xc2\xb7"
	         "b"),
	        STR_NONE}, /* middle dot */
	    {STR("\xc2\xb7"), STR_NONE}, {STR("\xcd\xb5"), STR_NONE},
	    {STR("\xd7\xb3\xd7\x90"), STR_NONE},         /* geresh with nothing before it */
	    {STR("a\xe3\x83\xbb"), STR_NONE},            /* katakana middle dot alone */
	    {STR("\xd8\xa8\xd9\xa1\xdb\xb1"), STR_NONE}, /* digits of two kinds */
	    {STR("a\xd7\x90"), STR_NONE},                /* left and right mixed */
	    {STR("\xd7\x90"
	         "a"),
	        STR_NONE},
	    {STR("2\xd7\x90"), STR_NONE},    /* begins with a number */
	    {STR("\xd7\x90\x21"), STR_NONE}, /* ends with a neutral */
	    {STR("\xd8\xa8"
	         "1\xd9\xa1"),
	        STR_NONE}, /* European and Arabic numbers */
	};

	(void)state;
	check(rows, sizeof(rows) / sizeof(*rows), sasl_name_prepare);
}

static void
passwords_are_mapped(void **state)
{
	static const struct row rows[] = {
	    {STR("Tide Table"), STR("Tide Table")},
	    {STR(" "), STR(" ")},
	    {STR("a\xc2\xa0"
	         "b\xe3\x80\x80"),
	        STR("a b ")},
	    {STR("A\xcc\x88"), STR("\xc3\x84")},
	    {STR("\xef\xbc\xa1"), STR("\xef\xbc\xa1")}, /* no width mapping here */
	    {STR("\xe2\x98\x83"), STR("\xe2\x98\x83")},
	    {STR("a\xd7\x90!"), STR("a\xd7\x90!")}, /* no bidi rule */
	    {STR(""), STR_NONE},
	    {STR("a\t"), STR_NONE},
	    {STR("a\0b"), STR_NONE},
	    {STR("\x7f"), STR_NONE},
	    {STR("\xe2\x80\x8b"), STR_NONE},
	    {STR("\xc2\xad"), STR_NONE},
	    {STR("\x80"), STR_NONE},
	    {STR("\xcd\xb8"), STR_NONE},
	};

	(void)state;
	check(rows, sizeof(rows) / sizeof(*rows), sasl_password_prepare);
}

static void
preparing_twice_changes_nothing(void **state)
{
	(void)state;
	/* All code points by themselves: the result is accepted again, and stays the same. */
	for (uint32_t c = 1; c < 0x3000; c++) {
		char utf8[4];
		size_t n = 0;
		struct buf once = {0}, twice = {0};

		if (c < 0x80) {
			utf8[n++] = (char)c;
		} else if (c < 0x800) {
			utf8[n++] = (char)(0xC0 | c >> 6);
			utf8[n++] = (char)(0x80 | (c & 63));
		} else {
			utf8[n++] = (char)(0xE0 | c >> 12);
			utf8[n++] = (char)(0x80 | (c >> 6 & 63));
			utf8[n++] = (char)(0x80 | (c & 63));
		}
		if (sasl_name_prepare((struct str){utf8, n}, &once)) {
			assert_true(sasl_name_prepare(buf_as_str(&once), &twice));
			assert_true(str_eq(buf_as_str(&once), buf_as_str(&twice)));
		}
		buf_fini(&once);
		buf_fini(&twice);
	}
}

static void
lengths_are_limited(void **state)
{
	char s[SASL_PASSWORD_MAX + 1];
	struct buf b = {0};

	(void)state;
	memset(s, 'a', sizeof(s));
	assert_true(sasl_name_prepare((struct str){s, SASL_NAME_MAX}, &b));
	assert_false(sasl_name_prepare((struct str){s, SASL_NAME_MAX + 1}, &b));
	assert_true(sasl_password_prepare((struct str){s, SASL_PASSWORD_MAX}, &b));
	assert_false(sasl_password_prepare((struct str){s, SASL_PASSWORD_MAX + 1}, &b));
	assert_int_equal(b.n, SASL_NAME_MAX + SASL_PASSWORD_MAX);
	b.n = 0;
	/* U+023A, two bytes, becomes U+2C65, three bytes: too long only after the mapping. */
	for (size_t i = 0; i < SASL_NAME_MAX; i += 2)
		memcpy(s + i, "\xc8\xba", 2);
	assert_true(sasl_name_prepare((struct str){s, 340}, &b));
	assert_int_equal(b.n, 510);
	assert_false(sasl_name_prepare((struct str){s, SASL_NAME_MAX}, &b));
	assert_int_equal(b.n, 510);
	assert_false(sasl_name_full(STR("xy"), (struct str){s, 340}, &b)); /* one byte too many */
	assert_int_equal(b.n, 510);
	buf_fini(&b);
}

static void
names_are_cut(void **state)
{
	static const struct {
		struct str in, local, domain;
		bool ok;
	} rows[] = {
	    {STR("gina"), STR("gina"), STR(""), true},
	    {STR("gina@dom.test"), STR("gina"), STR("dom.test"), true},
	    {STR("@dom"), STR(""), STR(""), false},
	    {STR("gina@"), STR(""), STR(""), false},
	    {STR("@"), STR(""), STR(""), false},
	    {STR("a@b@c"), STR(""), STR(""), false},
	    {STR("a@@c"), STR(""), STR(""), false},
	    {STR(""), STR(""), STR(""), false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct str local, domain;

		assert_int_equal(sasl_name_split(rows[i].in, &local, &domain), rows[i].ok);
		if (rows[i].ok) {
			assert_true(str_eq(local, rows[i].local));
			assert_true(str_eq(domain, rows[i].domain));
		}
	}
}

static void
the_default_domain_joins(void **state)
{
	static const struct {
		struct str in, domain, want;
	} rows[] = {
	    {STR("Gina"), STR("Dom.Test"), STR("gina@dom.test")},
	    {STR("Gina@Dom.Test"), STR("other.test"), STR("gina@dom.test")},
	    {STR("Gina"), STR(""), STR("gina")},
	    {STR("gina\xef\xbc\xa0"
	         "dom"),
	        STR("x"), STR("gina@dom")}, /* fullwidth @ */
	    {STR("gina\xef\xbc\xa0"), STR("x"), STR_NONE},
	    {STR("gina@"), STR("x"), STR_NONE},
	    {STR("@x"), STR("x"), STR_NONE},
	    {STR("a@b@c"), STR("x"), STR_NONE},
	    {STR("gina"), STR("a@b"), STR_NONE},
	    {STR("gina"), STR("a b"), STR_NONE},
	    {STR(""), STR("x"), STR_NONE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct buf b = {0};

		buf_puts(&b, "k:");
		assert_int_equal(
		    sasl_name_full(rows[i].in, rows[i].domain, &b), rows[i].want.p != NULL);
		assert_true(str_eq(str_range(b.p + 2, b.p + b.n), rows[i].want));
		buf_fini(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_are_mapped),
	    cmocka_unit_test(names_are_refused),
	    cmocka_unit_test(passwords_are_mapped),
	    cmocka_unit_test(preparing_twice_changes_nothing),
	    cmocka_unit_test(lengths_are_limited),
	    cmocka_unit_test(names_are_cut),
	    cmocka_unit_test(the_default_domain_joins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
