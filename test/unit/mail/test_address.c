/* SPDX-License-Identifier: Apache-2.0 */
/* Address lists, good and broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mail/address.h"

/* Each entry as name|route|mailbox|host, "-" for none, G:name and ";" for groups. */
static void
gives_max(const char *value, size_t max, const char *want)
{
	struct mail_addresses l = {0};
	struct buf got = {0};

	mail_parse_addresses(str_of(value), max, &l);
	for (size_t i = 0; i < l.n; i++) {
		const struct mail_address *a = &l.v[i];

		if (i > 0)
			buf_putc(&got, ' ');
		if (a->kind == MAIL_ADDRESS_END)
			buf_puts(&got, ";");
		else if (a->kind == MAIL_ADDRESS_GROUP)
			buf_printf(&got, "G:%.*s", STR_ARG(a->mailbox));
		else
			buf_printf(&got, "%.*s|%.*s|%.*s|%.*s",
			    STR_ARG(a->name.p != NULL ? a->name : STR("-")),
			    STR_ARG(a->route.p != NULL ? a->route : STR("-")), STR_ARG(a->mailbox),
			    STR_ARG(a->host));
	}
	assert_string_equal(buf_cstr(&got), want);
	buf_fini(&got);
	mail_addresses_fini(&l);
}

static void
gives(const char *value, const char *want)
{
	gives_max(value, 100, want);
}

static void
test_plain(void **state)
{
	(void)state;
	gives("ann@site.test", "-|-|ann|site.test");
	gives(" Ann Lee <ann@site.test>", "Ann Lee|-|ann|site.test");
	gives("\"Lee, Ann \\\"A\\\"\" <ann@site.test>,bob@b.test",
	    "Lee, Ann \"A\"|-|ann|site.test -|-|bob|b.test");
	gives("ann@site.test (Ann (the) Lee)", "Ann (the) Lee|-|ann|site.test");
	gives("Ann (x) Lee (y) <ann@site.test> (z)", "Ann Lee|-|ann|site.test");
	gives("\"a b\"@site.test", "-|-|a b|site.test");
	gives("<\"a b\"@[127.0.0.1]>", "-|-|a b|[127.0.0.1]");
	gives("J\xc3\xb6rg <j@\xc3\xbc.test>", "J\xc3\xb6rg|-|j|\xc3\xbc.test");
	gives("=?utf-8?q?a?= =?utf-8?q?b?= <a@b>", "=?utf-8?q?a?= =?utf-8?q?b?=|-|a|b");
}

static void
test_obsolete(void **state)
{
	(void)state;
	gives("J. R. Public <j@site.test>", "J. R. Public|-|j|site.test");
	gives("x <@one.test,@two.test:ann@site.test>", "x|@one.test,@two.test|ann|site.test");
	gives("ann . lee @ site . test", "-|-|ann.lee|site.test");
	gives("ann@site.test,, ,bob@b.test,", "-|-|ann|site.test -|-|bob|b.test");
	gives("Ann\r\n Lee\r\n\t<ann@\r\n site.test>", "Ann Lee|-|ann|site.test");
}

static void
test_groups(void **state)
{
	(void)state;
	gives("Undisclosed:;", "G:Undisclosed ;");
	gives("A B: ann@a.test, Bob <b@b.test>; c@c.test",
	    "G:A B -|-|ann|a.test Bob|-|b|b.test ; -|-|c|c.test");
	gives("Open: ann@a.test", "G:Open -|-|ann|a.test ;");
	gives("A: B: x@y;", "G:A -|-|x|y ;");
}

static void
test_broken(void **state)
{
	(void)state;
	gives("", "");
	gives(",;,", "");
	gives("ann", "-|-|ann|");
	gives("<>", "-|-||");
	gives("Ann <>", "Ann|-||");
	gives("Ann <ann@site.test", "Ann|-|ann|site.test");
	gives("Ann <ann@site.test, bob@b.test", "Ann|-|ann|site.test -|-|bob|b.test");
	gives("Ann Lee ann@site.test", "Ann Lee|-|ann|site.test");
	gives("ann@site.test <ann@site.test>", "ann@site.test|-|ann|site.test");
	gives("a@b@c", "-|-|a|b");
	gives("@b", "-|-||b");
	gives("a@", "-|-|a|");
	gives("<@host>", "-|-||host");
	gives("\"open <a@b>", "-|-|open <a@b>|");
	gives("(open a@b", "");
	gives("<a@b> <c@d>", "-|-|a|b");
	gives(">>)) a@b", "-|-|a|b");
	gives("\\", "-|-|\\|");
}

static void
test_nul(void **state)
{
	struct mail_addresses l = {0};

	(void)state;
	mail_parse_addresses(STR("A\0nn <a\0b@c\0d>"), 10, &l);
	assert_int_equal(l.n, 1);
	assert_true(str_eq(l.v[0].name, STR("Ann")));
	assert_true(str_eq(l.v[0].mailbox, STR("ab")));
	assert_true(str_eq(l.v[0].host, STR("cd")));
	mail_addresses_fini(&l);
}

static void
test_limit(void **state)
{
	(void)state;
	gives_max("a@a, b@b, c@c", 2, "-|-|a|a -|-|b|b");
	gives_max("g: a@a, b@b, c@c;", 2, "G:g -|-|a|a ;");
}

/* Several fields in one list: what was read first stays readable while the text moves. */
static void
test_several_fields(void **state)
{
	struct mail_addresses l = {0};
	struct buf text = {0};

	(void)state;
	for (int i = 0; i < 200; i++)
		mail_parse_addresses(STR("Some Name <box@host.test>"), 1000, &l);
	assert_int_equal(l.n, 200);
	for (size_t i = 0; i < l.n; i++)
		assert_true(str_eq(l.v[i].host, STR("host.test")));
	l.n = 2;
	mail_addresses_text(&l, &text);
	assert_string_equal(
	    buf_cstr(&text), "Some Name <box@host.test>, Some Name <box@host.test>");
	buf_fini(&text);
	mail_addresses_fini(&l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_plain),
	    cmocka_unit_test(test_obsolete),
	    cmocka_unit_test(test_groups),
	    cmocka_unit_test(test_broken),
	    cmocka_unit_test(test_nul),
	    cmocka_unit_test(test_limit),
	    cmocka_unit_test(test_several_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
