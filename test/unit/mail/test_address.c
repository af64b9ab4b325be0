/* SPDX-License-Identifier: Apache-2.0 */
/* Address lists, valid and broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mail/address.h"

/* Each entry as name|route|mailbox|host, "-" for none, G:name and ";" for groups. */
static void
gives_max(const char *value, size_t max, size_t bytes, const char *want)
{
	struct mail_addresses l = {0};
	struct buf got = {0};

	mail_parse_addresses(str_of(value), max, bytes, &l);
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
	gives_max(value, 100, SIZE_MAX, want);
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
	gives("Ann <ann@site.test <bob@b.test>", "Ann|-|ann|site.test -|-|bob|b.test");
	gives("<<ann@site.test>>", "-|-|ann|site.test");
	gives("ann@site.test <ann@site.test>", "ann@site.test|-|ann|site.test");
	gives("a@b@c", "-|-|a|b");
	gives("@b", "-|-||b");
	gives("a@", "-|-|a|");
	gives("<@host>", "-|-||host");
	gives("\"open <a@b>", "-|-|open <a@b>|");
	gives("(open a@b", "");
	gives(">>)) a@b", "-|-|a|b");
	gives("\\", "-|-|\\|");
}

/* Words after an address are not part of it, and an address after another is separate. */
static void
test_no_comma(void **state)
{
	(void)state;
	gives("ann@site.test written by hand", "-|-|ann|site.test");
	gives("ann@site.test bob@b.test", "-|-|ann|site.test -|-|bob|b.test");
	gives("ann@site.test Bob Lee bob@b.test carl", "-|-|ann|site.test Bob Lee|-|bob|b.test");
	gives("<carl@third.test fourth>", "-|-|carl|third.test");
	gives("<carl@ third . test fourth . com> x", "-|-|carl|third.test");
	gives("<a@b> <c@d>", "-|-|a|b -|-|c|d");
	gives("<a@b><c@d>,<e@f>", "-|-|a|b -|-|c|d -|-|e|f");
	gives("Ann <a@b> Carl Lee <c@d> tail", "Ann|-|a|b Carl Lee|-|c|d");
	gives("Ann <a@b> c@d", "Ann|-|a|b -|-|c|d");
	gives("<a@b>c.c@d", "-|-|a|b -|-|c.c|d");
	gives("<a@b> \"c c\"@d", "-|-|a|b -|-|c c|d");
	gives("<a@b> (Ann) <c@d> (Carl)", "Ann|-|a|b Carl|-|c|d");
	gives("a@b (Ann) c@d (Carl)", "Ann|-|a|b Carl|-|c|d");
	gives("a@b (Ann) Carl (x) <c@d>", "a@b AnnCarl|-|c|d");
	gives("<a@b> (Ann) Carl (x) <c@d>", "Ann|-|a|b Carl|-|c|d");
	gives("g: a@b <c@d> <e@f>; <g@h> <i@j>", "G:g a@b|-|c|d -|-|e|f ; -|-|g|h -|-|i|j");
	gives("a@b: c@d", "-|-|a|b -|-|c|d");
	gives("a@b@c d@e", "-|-|a|b -|-|d|e");
	gives("<a@b>@c <d@e>", "-|-|a|b -|-|d|e");
	gives("a@[127.0.0.1] b@c", "-|-|a|[127.0.0.1] -|-|b|c");
}

/* A CR within a line is a space. */
static void
test_bare_cr(void **state)
{
	(void)state;
	gives("Ann\rLee <ann@site.test>", "Ann Lee|-|ann|site.test");
	gives("\"Ann\rLee\" <ann@site.test>", "Ann Lee|-|ann|site.test");
	gives("\"Ann\r\n Lee\" <ann@site.test>", "Ann Lee|-|ann|site.test");
	gives("ann@site.test (Ann\rLee)", "Ann Lee|-|ann|site.test");
	gives("ann@site.test\rbob@b.test", "-|-|ann|site.test -|-|bob|b.test");
}

static void
test_text(void **state)
{
	struct mail_addresses l = {0};
	struct buf text = {0};

	(void)state;
	mail_parse_addresses(
	    STR("Ann <@one.test,@two.test:a@b>, g: <@three.test:c@d>, e@f;"), 10, SIZE_MAX, &l);
	mail_addresses_text(&l, &text);
	assert_string_equal(
	    buf_cstr(&text), "Ann <@one.test,@two.test:a@b>, g: <@three.test:c@d>, e@f;");
	buf_fini(&text);
	mail_addresses_fini(&l);
}

static void
test_nul(void **state)
{
	struct mail_addresses l = {0};

	(void)state;
	mail_parse_addresses(STR("A\0nn <a\0b@c\0d>"), 10, SIZE_MAX, &l);
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
	gives_max("a@a, b@b, c@c", 2, SIZE_MAX, "-|-|a|a -|-|b|b");
	gives_max("g: a@a, b@b, c@c;", 2, SIZE_MAX, "G:g -|-|a|a ;");
	gives_max("<a@a> <b@b> <c@c>", 2, SIZE_MAX, "-|-|a|a -|-|b|b");
	gives_max("<a@a> <b@b>", 1, SIZE_MAX, "-|-|a|a");
	/* Wherever the bytes end, there are only complete addresses. */
	for (size_t n = 0; n < 40; n++) {
		static const char value[] = "Ann <ann@one.test>, g: ben@two.test;";

		gives_max(value, 100, n,
		    n >= sizeof(value) - 1 ? "Ann|-|ann|one.test G:g -|-|ben|two.test ;"
		    : n >= 22              ? "Ann|-|ann|one.test G:g ;"
		    : n >= 19              ? "Ann|-|ann|one.test"
		                           : "");
	}
}

/* Several fields in one list: earlier entries stay readable while the text moves. */
static void
test_several_fields(void **state)
{
	struct mail_addresses l = {0};
	struct buf text = {0};

	(void)state;
	for (int i = 0; i < 200; i++)
		mail_parse_addresses(STR("Some Name <box@host.test>"), 1000, SIZE_MAX, &l);
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
	    cmocka_unit_test(test_no_comma),
	    cmocka_unit_test(test_bare_cr),
	    cmocka_unit_test(test_text),
	    cmocka_unit_test(test_nul),
	    cmocka_unit_test(test_limit),
	    cmocka_unit_test(test_several_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
