/* SPDX-License-Identifier: Apache-2.0 */
/* Fields, subsets of fields, parameters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mail/header.h"

static void
test_fields(void **state)
{
	struct str rest = STR("A: one\r\n two\r\nB :three\n: none\nno colon\n\r\nbody: x\r\n");
	struct mail_field f;

	(void)state;
	assert_true(mail_field_next(&rest, &f));
	assert_true(str_eq(f.name, STR("A")));
	assert_true(str_eq(f.value, STR(" one\r\n two")));
	assert_true(mail_field_next(&rest, &f));
	assert_true(str_eq(f.name, STR("B")));
	assert_true(str_eq(f.value, STR("three")));
	assert_true(mail_field_next(&rest, &f));
	assert_int_equal(f.name.n, 0);
	assert_true(mail_field_next(&rest, &f));
	assert_int_equal(f.name.n, 0);
	assert_true(str_eq(f.all, STR("no colon\n")));
	assert_false(mail_field_next(&rest, &f));
	assert_true(str_has_prefix(rest, STR("\r\nbody")));
}

/* A colon in a continuation line is no field's colon. */
static void
test_late_colon(void **state)
{
	struct str rest = STR("word\r\n a: b\r\n");
	struct mail_field f;

	(void)state;
	assert_true(mail_field_next(&rest, &f));
	assert_int_equal(f.name.n, 0);
	assert_false(mail_field_next(&rest, &f));
	assert_int_equal(mail_header_len(STR("a: b\n\nbody")), 6);
	assert_int_equal(mail_header_len(STR("a: b\r\n\r\n")), 8);
	assert_int_equal(mail_header_len(STR("a: b")), 4);
	assert_int_equal(mail_header_len(STR("")), 0);
}

static void
test_unfold(void **state)
{
	struct buf out = {0};

	(void)state;
	mail_unfold(STR("  a\r\n b\0c\td \r\n"), 100, &out);
	assert_true(str_eq(buf_as_str(&out), STR("a bc\td")));
	out.n = 0;
	mail_unfold(STR("ab\xc3\xbc"), 3, &out);
	assert_true(str_eq(buf_as_str(&out), STR("ab")));
	buf_fini(&out);
}

static void
params(const char *value, const char *want)
{
	struct mail_params p;
	struct str n, v;
	struct buf got = {0};

	mail_params_init(&p, str_of(value));
	buf_str(&got, p.first);
	while (mail_param_next(&p, &n, &v))
		buf_printf(&got, "|%.*s=%.*s", STR_ARG(n), STR_ARG(v));
	assert_string_equal(buf_cstr(&got), want);
	mail_params_fini(&p);
	buf_fini(&got);
}

static void
test_params(void **state)
{
	(void)state;
	params("text/plain; charset=utf-8", "text/plain|charset=utf-8");
	params(" Text / Plain (x) ;\r\n A = \"b;\\\"c\" (y); d=e (z)", "Text/Plain|A=b;\"c|d=e");
	params("a/b; name=my file.txt; x", "a/b|name=my file.txt");
	params("a/b;;; =x; y=; z=\"open", "a/b|y=|z=open");
	params("", "");
	params(";a=b", "|a=b");
	params("a/b; c=\"d\" junk; e=f", "a/b|c=d|e=f");
}

static void
finds(const char *value, const char *want)
{
	struct buf out = {0};
	bool found = mail_param_find(str_of(value), STR("name"), &out);

	assert_int_equal(found, want != NULL);
	if (want != NULL)
		assert_string_equal(buf_cstr(&out), want);
	buf_fini(&out);
}

static void
test_extended(void **state)
{
	(void)state;
	finds("a; Name=plain", "plain");
	finds("a; names=x", NULL);
	finds("a; name*=iso-8859-1'de'%FCber", "\xc3\xbc"
	                                       "ber");
	finds("a; name*1=two; name*0=one", "onetwo");
	finds("a; name*0*=utf-8''%C3; name*1*=%BC; name*2=%41", "\xc3\xbc%41");
	finds("a; name*0=x; name*2=z", "x");
	finds("a; name=fallback; name*=utf-8''%e2%82%ac", "\xe2\x82\xac");
	finds("a; name*=%41", "A");
	finds("a; name=\"=?utf-8?q?=C3=BC?=\"", "\xc3\xbc");
	finds("a; name*0=a; name*0=b", "a");
	finds("a; name*x=a", NULL);
	finds("a; name*=nocharset''%E9", "\xc3\xa9");
	finds("", NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_fields),
	    cmocka_unit_test(test_late_colon),
	    cmocka_unit_test(test_unfold),
	    cmocka_unit_test(test_params),
	    cmocka_unit_test(test_extended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
