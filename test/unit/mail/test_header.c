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

/* A colon in a continuation line does not end a field's name. */
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
	mail_unfold(STR("  a\r\n b\0c\td \r\n"), &out);
	assert_true(str_eq(buf_as_str(&out), STR("a bc\td")));
	out.n = 0; /* a CR or LF outside a fold is a space */
	mail_unfold(STR("a\rb\r\n c\r\r\n d\ne\r\nf\r"), &out);
	assert_true(str_eq(buf_as_str(&out), STR("a b c  d e f")));
	buf_fini(&out);
}

static void
fits(const char *value, size_t max, bool text, const char *want)
{
	struct str got = mail_field_fit(str_of(value), max, text);

	if (want == NULL)
		assert_null(got.p);
	else if (!str_eq(got, str_of(want)))
		fail_msg("%s in %zu: <%.*s>", value, max, STR_ARG(got));
}

static void
test_fit(void **state)
{
	(void)state;
	fits(" ab cd ", 5, true, "ab cd");
	fits("ab cd", 4, true, "ab");
	fits("ab  cd", 3, true, "ab");
	fits("ab\r\n cd", 5, false, "ab");
	fits("abcd", 3, true, "abc");
	fits("ab\xc3\xbc", 3, true, "ab");
	fits("<abcd@e>", 5, false, NULL);
	fits("x =?utf-8?q?a_b?= =?utf-8?q?c?=", 20, true, "x =?utf-8?q?a_b?=");
	fits("x =?utf-8?q?a b?= y", 15, true, "x"); /* spaces inside are invalid */
	fits("x =?utf-8?q y z", 13, true, "x =?utf-8?q y");
}

static void
params_max(const char *value, size_t max, const char *want)
{
	struct mail_params p;
	struct buf got = {0};

	mail_params_read(&p, str_of(value), max);
	buf_str(&got, p.first);
	for (size_t i = 0; i < p.n; i++)
		buf_printf(&got, "|%.*s=%.*s", STR_ARG(p.v[i].name), STR_ARG(p.v[i].value));
	assert_string_equal(buf_cstr(&got), want);
	assert_int_equal(p.cut, strlen(value) > max);
	mail_params_fini(&p);
	buf_fini(&got);
}

static void
params(const char *value, const char *want)
{
	params_max(value, SIZE_MAX, want);
}

static void
test_params(void **state)
{
	(void)state;
	params("text/plain; charset=utf-8", "text/plain|charset=utf-8");
	params(" Text / Plain (x) ;\r\n A = \"b;\\\"c\" (y); d=e (z)", "Text / Plain|A=b;\"c|d=e");
	params("a/b; name=my file.txt; x", "a/b|name=my file.txt");
	params("a/b;;; =x; y=; z=\"open", "a/b|y=|z=open");
	params("", "");
	params(";a=b", "|a=b");
	params("a/b; c=\"d\" junk; e=f", "a/b|c=d|e=f");
	params("a/b; c=\"d\re\r\n f\"; g=h\ri", "a/b|c=d e f|g=h i");
}

/* Pieces become one parameter if that is unambiguous. */
static void
test_pieces(void **state)
{
	(void)state;
	params("a/b; n*1=two; x=1; N*0=\"one \"; y=2", "a/b|N=one two|x=1|y=2");
	params(
	    "a/b; n*0*=utf-8''J%C3%A4ger%20; n*1*=2026.pdf", "a/b|n*=utf-8''J%C3%A4ger%202026.pdf");
	params("a/b; n*0*=utf-8'de'%41; n*1=50%; n*2*=%42", "a/b|n*=utf-8'de'%4150%25%42");
	params("a/b; n*0=it's; n*1*='%41", "a/b|n*=''it's'%41");
	params("a/b; n*0*=%41; n*1*=it''s", "a/b|n*=''%41it''s");
	params("a/b; n*=%41", "a/b|n*=%41");
	params("a/b; n*0*=''%41", "a/b|n*=''%41");
	params("a/b; n*0=one", "a/b|n=one");
	params("a/b; n*0=a; n*0=b; n*1=c", "a/b|n=ac");
	params("a/b; n=plain; n*1*=b; n*0*=''a", "a/b|n=plain|n*=''ab");
	params("a/b; m*0=1; n*0=a; m*1=2; n*1=b", "a/b|m=12|n=ab");
	/* Missing pieces; ambiguous pieces; no pieces. */
	params("a/b; n*1=b; n*2=c", "a/b|n*1=b|n*2=c");
	params("a/b; n*0=a; n*2=c", "a/b|n*0=a|n*2=c");
	params("a/b; n=x; n*0=a", "a/b|n=x|n*0=a");
	params("a/b; *0=a; n*x=b; n*1*2=c", "a/b|*0=a|n*x=b|n*1*2=c");
}

/* Only complete parameters. */
static void
test_params_max(void **state)
{
	static const char value[] = "a/b; c=d; e=\"f\";g=h";

	(void)state;
	for (size_t n = 0; n < sizeof(value); n++)
		params_max(value, n,
		    n == sizeof(value) - 1 ? "a/b|c=d|e=f|g=h"
		    : n > 15               ? "a/b|c=d|e=f"
		    : n > 8                ? "a/b|c=d"
		    : n > 3                ? "a/b"
		                           : "");
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
	finds("a; name*0=x; name*2=z", NULL);
	finds("a; name=fallback; name*=utf-8''%e2%82%ac", "\xe2\x82\xac");
	finds("a; name*=%41", "A");
	finds("a; name=\"=?utf-8?q?=C3=BC?=\"", "\xc3\xbc");
	finds("a; name*0=a; name*0=b", "a");
	finds("a; name*x=a", NULL);
	finds("a; name*=don't", "don't");
	finds("a; name*0*=utf-8''a%25; name*1=b%41; name*2*=%43", "a%b%41C");
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
	    cmocka_unit_test(test_fit),
	    cmocka_unit_test(test_params),
	    cmocka_unit_test(test_pieces),
	    cmocka_unit_test(test_params_max),
	    cmocka_unit_test(test_extended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
