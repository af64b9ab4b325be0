/* SPDX-License-Identifier: Apache-2.0 */
/* ACL (RFC 4314): what is taken, and where "c" and "d" stand in responses.  test_both.c has the
 * round trips. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "over.h"
#include "wire/ext/acl.h"
#include "wire/response.h"

static struct buf b;

static int
end_all(void **state)
{
	buf_fini(&b);
	return end(state);
}

static void
is(struct str s, const char *expected)
{
	if (!str_eq(s, str_of(expected)))
		fail_msg("\"%.*s\" is not \"%s\"", STR_ARG(s), expected);
}

static void
printed(const char *expected)
{
	assert_string_equal(buf_cstr(&b), expected);
	b.n = 0;
}

static void
check_setacl(const char *text, const char *identifier, enum wire_acl_mode mode, const char *rights)
{
	struct wire_setacl c;
	struct wire_in in = over(text);

	assert_true(wire_setacl_parse(&in, &c));
	is(c.mailbox, "INBOX");
	is(c.identifier, identifier);
	assert_int_equal(c.mode, mode);
	is(c.rights, rights);
}

static void
commands(void **state)
{
	static const char *const refused[] = {"", " a", " a b", " a b ", " a b c d", " a b lrQs",
	    " a b l+r", " a b ++l", " a b (l)", " a b \"l r\"", " a () l", " a b {1}\r\n\xC3"};
	static const char *const refused_one[] = {"", " a", " a ", " a b c", " % b", " a ()"};
	struct wire_setacl c;
	struct wire_acl_one one;
	struct wire_in in;

	(void)state;
	check_setacl(" inbox Bob +lrswicda\r\n", "Bob", WIRE_ACL_ADD, "lrswicda");
	check_setacl(" INBOX \"-a b\" \"-\"\r\n", "-a b", WIRE_ACL_REMOVE, "");
	check_setacl(" INBOX {3}\r\nb\xC3\xBC {2}\r\nz9\r\n", "b\xC3\xBC", WIRE_ACL_REPLACE, "z9");
	check_setacl(" INBOX bob \"\"\r\n", "bob", WIRE_ACL_REPLACE, "");
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		in = over(refused[i]);
		assert_false(wire_setacl_parse(&in, &c));
		assert_non_null(in.error);
	}
	in = over(" Work/x \"\"\r\n");
	assert_true(wire_acl_one_parse(&in, &one));
	is(one.mailbox, "Work/x");
	is(one.identifier, "");
	for (size_t i = 0; i < sizeof(refused_one) / sizeof(*refused_one); i++) {
		in = over(refused_one[i]);
		assert_false(wire_acl_one_parse(&in, &one));
		assert_non_null(in.error);
	}
}

static void
put_held(const char *rights)
{
	wire_out_myrights(&b, &wire_dialect_rev1,
	    &(struct wire_myrights){.mailbox = STR("INBOX"), .rights = str_of(rights)});
}

/* Section 2.1.1: "c" and "d" show that there is any member of theirs. */
static void
held(void **state)
{
	struct wire_acl_entry v[] = {{STR("Fred"), STR("lrt")}, {STR("-a b"), STR("")}};

	(void)state;
	put_held("lrswipkxtea");
	printed("* MYRIGHTS INBOX lrswipkxteacd\r\n");
	put_held("x");
	printed("* MYRIGHTS INBOX xc\r\n");
	put_held("e");
	printed("* MYRIGHTS INBOX ed\r\n");
	put_held("lr");
	printed("* MYRIGHTS INBOX lr\r\n");
	put_held("");
	printed("* MYRIGHTS INBOX \"\"\r\n");
	wire_out_acl(&b, &wire_dialect_rev1, &(struct wire_acl){STR("Work"), v, 2});
	printed("* ACL Work Fred lrtd \"-a b\" \"\"\r\n");
	wire_out_acl(&b, &wire_dialect_rev1, &(struct wire_acl){STR("Work"), v, 0});
	printed("* ACL Work\r\n");
}

static void
put_options(const char *always, struct str *v, size_t n)
{
	wire_out_listrights(&b, &wire_dialect_rev1,
	    &(struct wire_listrights){STR("a"), STR("anyone"), str_of(always), {v, n}});
}

/* The examples of section 2.1.1, and an owner. */
static void
options(void **state)
{
	struct str loose[] = {STR("lr"), STR("s"), STR("k"), STR("x"), STR("t")};
	struct str tied[] = {STR("lr"), STR("swte"), STR("i"), STR("p"), STR("k"), STR("x")};
	struct str few[] = {STR("lr"), STR("te")}, mixed[] = {STR("kx"), STR("tes")};

	(void)state;
	put_options("", loose, 5);
	printed("* LISTRIGHTS a anyone \"\" lr s k x t c d\r\n");
	put_options("", tied, 6);
	printed("* LISTRIGHTS a anyone \"\" lr swted i p k x c\r\n");
	put_options("", few, 2);
	printed("* LISTRIGHTS a anyone \"\" lr te d\r\n");
	put_options("", mixed, 2);
	printed("* LISTRIGHTS a anyone \"\" kx tesd c\r\n");
	put_options("lrswipkxtea", NULL, 0);
	printed("* LISTRIGHTS a anyone lrswipkxteacd\r\n");
	put_options("x", few, 2);
	printed("* LISTRIGHTS a anyone xc lr te d\r\n");
	put_options("", NULL, 0);
	printed("* LISTRIGHTS a anyone \"\"\r\n");
}

static struct wire_in
response(const char *text)
{
	struct wire_response head;
	struct wire_in in = over(text);

	assert_true(wire_in_response(&in, &head));
	return in;
}

/* Clients ignore "c" and "d", and keep rights they do not know (section 5.1.2). */
static void
responses(void **state)
{
	struct wire_acl acl;
	struct wire_listrights rights;
	struct wire_myrights mine;
	struct wire_in in = response("* ACL INBOX Fred rwipslxcetda -Fred wetd $team w c \"\"\r\n");

	(void)state;
	assert_true(wire_in_acl(&in, &acl));
	assert_int_equal(acl.n, 4);
	is(acl.v[0].rights, "rwipslxeta");
	is(acl.v[1].identifier, "-Fred");
	is(acl.v[1].rights, "wet");
	is(acl.v[2].identifier, "$team");
	is(acl.v[3].identifier, "c");
	is(acl.v[3].rights, "");
	in = response("* LISTRIGHTS ~/Mail/saved smith la r swicdkxte c \"\" 0 z\r\n");
	assert_true(wire_in_listrights(&in, &rights));
	is(rights.always, "la");
	assert_int_equal(rights.options.n, 4);
	is(rights.options.v[1], "swikxte");
	is(rights.options.v[3], "z");
	in = response("* MYRIGHTS INBOX rwiptsldaex\r\n");
	assert_true(wire_in_myrights(&in, &mine));
	is(mine.rights, "rwiptslaex");
	in = response("* ACL INBOX Fred\r\n");
	assert_false(wire_in_acl(&in, &acl));
	in = response("* ACL INBOX Fred lR\r\n");
	assert_false(wire_in_acl(&in, &acl));
	in = response("* LISTRIGHTS INBOX Fred\r\n");
	assert_false(wire_in_listrights(&in, &rights));
	in = response("* MYRIGHTS INBOX\r\n");
	assert_false(wire_in_myrights(&in, &mine));
	in = response("* MYRIGHTS INBOX lr s\r\n");
	assert_false(wire_in_myrights(&in, &mine));
}

static void
check_word(const char *word, const char *rights)
{
	struct str found = STR("?");

	assert_int_equal(wire_rights_word_parse(str_of(word), &found), rights != NULL);
	if (rights == NULL)
		return;
	is(found, rights);
	wire_out_rights_word(&b, found);
	assert_true(
	    wire_rights_word_parse(str_of(buf_cstr(&b) + 1), &found)); /* behind the blank */
	is(found, rights);
	b.n = 0;
}

static void
word(void **state)
{
	(void)state;
	check_word("RIGHTS=texk", "texk");
	check_word("rights=kxtez", "kxtez");
	check_word("RIGHTS=", NULL);
	check_word("RIGHTS=tex", NULL);   /* no "k" */
	check_word("RIGHTS=texkl", NULL); /* one of RFC 2086 */
	check_word("RIGHTS=texk9", NULL);
	check_word("RIGHTS=TEXK", NULL);
	check_word("RIGHT=texk", NULL);
	wire_out_rights_word(&b, STR("lrswipkxteacd"));
	printed(" RIGHTS=kxte");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(commands, begin, end_all),
	    cmocka_unit_test_setup_teardown(held, begin, end_all),
	    cmocka_unit_test_setup_teardown(options, begin, end_all),
	    cmocka_unit_test_setup_teardown(responses, begin, end_all),
	    cmocka_unit_test_setup_teardown(word, begin, end_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
