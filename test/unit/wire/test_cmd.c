/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "over.h"
#include "wire/cmd.h"
#include "wire/cmd/auth.h"
#include "wire/cmd/copy.h"
#include "wire/cmd/list.h"
#include "wire/cmd/mailbox.h"
#include "wire/cmd/select.h"
#include "wire/cmd/status.h"
#include "wire/ext/compress.h"
#include "wire/ext/enable.h"
#include "wire/ext/id.h"
#include "wire/ext/proxyauth.h"

#define EQ(s, z) assert_true(str_eq((s), STR(z)))

/* Texts that parse must refuse with an error. */
#define REFUSED(fn, type, ...)                                                                     \
	do {                                                                                       \
		static const char *const bad_[] = {__VA_ARGS__};                                   \
		for (size_t i_ = 0; i_ < sizeof(bad_) / sizeof(bad_[0]); i_++) {                   \
			struct wire_in in_ = over(bad_[i_]);                                       \
			type cmd_;                                                                 \
			if (fn(&in_, &cmd_))                                                       \
				fail_msg("%s was taken", bad_[i_]);                                \
			assert_non_null(in_.error);                                                \
		}                                                                                  \
	} while (0)

static void
heads(void **state)
{
	struct wire_in in = over("a.1 uid Fetch 1 FLAGS\r\n");
	struct wire_head h;

	(void)state;
	assert_true(wire_cmd_head(&in, &h));
	EQ(h.tag, "a.1");
	EQ(h.name, "FETCH");
	assert_true(h.uid);
	EQ(wire_in_rest(&in), " 1 FLAGS\r\n");
	in = over("b noop\r\n");
	assert_true(wire_cmd_head(&in, &h) && wire_none_parse(&in));
	EQ(h.name, "NOOP");
	assert_false(h.uid);
	in = over("b noop \r\n");
	assert_true(wire_cmd_head(&in, &h));
	assert_true(wire_none_parse(&in));
	in = over("b noop x\r\n");
	assert_true(wire_cmd_head(&in, &h));
	assert_false(wire_none_parse(&in));
	REFUSED(wire_cmd_head, struct wire_head, "", "\r\n", " a NOOP\r\n", "a\r\n", "a \r\n",
	    "a UID\r\n", "a UID \r\n", "a+b NOOP\r\n", "* NOOP\r\n", "a  NOOP\r\n", "a (x)\r\n");
	in = over("tag9\r\n");
	assert_false(wire_cmd_head(&in, &h));
	EQ(h.tag, "tag9");
}

static void
authenticate(void **state)
{
	struct wire_authenticate c;
	struct wire_in in = over(" plain\r\n");

	(void)state;
	assert_true(wire_authenticate_parse(&in, &c));
	EQ(c.mech, "PLAIN");
	assert_false(c.has_initial);
	in = over(" external =\r\n");
	assert_true(wire_authenticate_parse(&in, &c));
	assert_true(c.has_initial);
	assert_int_equal(c.initial.n, 0);
	in = over(" X b25l\r\n");
	assert_true(wire_authenticate_parse(&in, &c));
	EQ(c.initial, "one");
	REFUSED(wire_authenticate_parse, struct wire_authenticate, "\r\n", " \r\n", " PLAIN \r\n",
	    " PLAIN a\r\n", " PLAIN = x\r\n", " PLAIN b25l b25l\r\n", " \"PLAIN\"\r\n");
}

static void
lines_of_exchanges(void **state)
{
	struct str got;

	(void)state;
	assert_int_equal(wire_sasl_line_parse(arena, STR("*\r\n"), &got), WIRE_SASL_CANCEL);
	assert_int_equal(wire_sasl_line_parse(arena, STR("b25l\r\n"), &got), WIRE_SASL_DATA);
	EQ(got, "one");
	assert_int_equal(wire_sasl_line_parse(arena, STR("\r\n"), &got), WIRE_SASL_DATA);
	assert_int_equal(got.n, 0);
	assert_int_equal(wire_sasl_line_parse(arena, STR("="), &got), WIRE_SASL_BAD);
	assert_int_equal(wire_sasl_line_parse(arena, STR("b25 \n"), &got), WIRE_SASL_BAD);
	assert_true(wire_done_parse(STR("DONE\r\n")));
	assert_true(wire_done_parse(STR("done\n")));
	assert_true(wire_done_parse(STR("DONE \r\n")));
	assert_false(wire_done_parse(STR("DONE x\r\n")));
	assert_false(wire_done_parse(STR("a NOOP\r\n")));
}

static void
login(void **state)
{
	struct wire_login c;
	struct wire_in in = over(" {5}\r\nalice \"p \\\"w\"\r\n");

	(void)state;
	assert_true(wire_login_parse(&in, &c));
	EQ(c.user, "alice");
	EQ(c.password, "p \"w");
	REFUSED(wire_login_parse, struct wire_login, "\r\n", " alice\r\n", " alice pw x\r\n",
	    " alice \r\n", " alice p*\r\n", " (a) b\r\n", " {5}\r\nalicepw\r\n", "a b\r\n");
}

static void
proxyauth(void **state)
{
	struct str user;
	struct wire_in in = over(" {5}\r\nalice\r\n");
	struct buf b = {0};

	(void)state;
	assert_true(wire_proxyauth_parse(&in, &user));
	EQ(user, "alice");
	in = over(" \"a b\"\r\n");
	assert_true(wire_proxyauth_parse(&in, &user));
	EQ(user, "a b");
	wire_proxyauth_print(&b, &wire_dialect_rev1, user);
	EQ(buf_as_str(&b), " \"a b\"");
	buf_fini(&b);
	REFUSED(wire_proxyauth_parse, struct str, "\r\n", " \r\n", " alice x\r\n", " (alice)\r\n",
	    "alice\r\n");
}

static void
compress(void **state)
{
	struct wire_in in = over(" deflate\r\n");
	struct buf b = {0};

	(void)state;
	assert_true(wire_compress_parse(&in));
	wire_compress_print(&b);
	EQ(buf_as_str(&b), " DEFLATE");
	buf_puts(&b, "\r\n");
	in = over(buf_cstr(&b));
	assert_true(wire_compress_parse(&in));
	buf_fini(&b);
	for (size_t i = 0; i < 6; i++) {
		in = over((const char *const[]){"\r\n", " \r\n", " DEFLATE x\r\n", " GZIP\r\n",
		    " \"DEFLATE\"\r\n", "DEFLATE\r\n"}[i]);
		assert_false(wire_compress_parse(&in));
	}
}

static void
enable(void **state)
{
	struct wire_names c;
	struct wire_in in = over(" Condstore IMAP4rev2\r\n");

	(void)state;
	assert_true(wire_enable_parse(&in, &c));
	assert_int_equal(c.n, 2);
	EQ(c.v[1], "IMAP4REV2");
	in = over("  X   Y  \r\n");
	assert_true(wire_enable_parse(&in, &c));
	assert_int_equal(c.n, 2);
	REFUSED(wire_enable_parse, struct wire_names, "\r\n", " \r\n", " \"X\"\r\n", " X\tY\r\n");
}

static void
id(void **state)
{
	struct wire_id c;
	struct wire_in in = over(" (\"name\" \"Tern\" \"os\" NIL)\r\n");

	(void)state;
	assert_true(wire_id_parse(&in, &c));
	assert_int_equal(c.n, 2);
	EQ(c.v[0].value, "Tern");
	assert_null(c.v[1].value.p);
	in = over(" nil\r\n");
	assert_true(wire_id_parse(&in, &c) && c.n == 0);
	in = over(" ()\r\n");
	assert_true(wire_id_parse(&in, &c) && c.n == 0);
	in = over("\r\n");
	assert_true(wire_id_parse(&in, &c) && c.n == 0);
	in = over(" ( name  x \"os\" nil ) \r\n");
	assert_true(wire_id_parse(&in, &c));
	assert_int_equal(c.n, 2);
	EQ(c.v[0].value, "x");
	assert_null(c.v[1].value.p);
	REFUSED(wire_id_parse, struct wire_id, " \"x\"\r\n", " (\"name\")\r\n", " (name ( ))\r\n",
	    " (NIL NIL)\r\n", " (\"a\" \"b\"\r\n", " NIL NIL\r\n");
}

static void
select_and_create(void **state)
{
	struct wire_select s;
	struct wire_create c;
	struct wire_in in = over(" inbox\r\n");

	(void)state;
	assert_true(wire_select_parse(&in, &s));
	EQ(s.mailbox, "INBOX");
	in = over(" Box (CONDSTORE)\r\n");
	assert_true(wire_select_parse(&in, &s));
	assert_int_equal(s.params.n, 1);
	REFUSED(wire_select_parse, struct wire_select, "\r\n", " \r\n", " a b\r\n", " a ()x\r\n",
	    " a (\r\n", " \"\"\r\n", " a& \r\n");
	in = over(" Box (USE (\\Sent \\Archive) X 5)\r\n");
	assert_true(wire_create_parse(&in, &c));
	assert_true(c.has_use);
	assert_int_equal(c.use.n, 2);
	EQ(c.use.v[0], "\\Sent");
	EQ(c.use.v[1], "\\Archive");
	assert_int_equal(c.params.n, 1);
	EQ(c.params.v[0].name, "X");
	in = over(" Box (USE ())\r\n");
	assert_true(wire_create_parse(&in, &c));
	assert_true(c.has_use && c.use.n == 0);
	REFUSED(wire_create_parse, struct wire_create, "\r\n", " a (USE)\r\n",
	    " a (USE (Sent))\r\n", " a (USE 5)\r\n", " a (USE (\\Sent) USE (\\All))\r\n",
	    " a (USE (\\Sent\\All))\r\n", " a (USE (\\Sent)\r\n");
	in = over("  Box  ( USE ( \\Sent  \\Archive ) X  5 ) \r\n");
	assert_true(wire_create_parse(&in, &c));
	assert_int_equal(c.use.n, 2);
	assert_int_equal(c.params.n, 1);
}

static void
names_and_sets(void **state)
{
	struct str name;
	struct wire_rename r;
	struct wire_copy c;
	struct wire_in in = over(" {3}\r\na b\r\n");

	(void)state;
	assert_true(wire_mailbox_parse(&in, &name));
	EQ(name, "a b");
	in = over(" a INBOX\r\n");
	assert_true(wire_rename_parse(&in, &r));
	EQ(r.to, "INBOX");
	in = over(" 1:*,3 \"x y\"\r\n");
	assert_true(wire_copy_parse(&in, &c));
	assert_int_equal(c.set.n, 2);
	EQ(c.mailbox, "x y");
	in = over(" $ x\r\n");
	assert_true(wire_copy_parse(&in, &c) && c.set.saved);
	REFUSED(wire_mailbox_parse, struct str, "\r\n", " a b\r\n", " a%\r\n");
	REFUSED(wire_rename_parse, struct wire_rename, " a\r\n", " a b c\r\n");
	REFUSED(wire_copy_parse, struct wire_copy, " a\r\n", " 1\r\n", " 0 a\r\n", " 1,2\r\n",
	    " 1 a b\r\n", " 1: a\r\n");
	REFUSED(wire_uid_expunge_parse, struct wire_set, "\r\n", " x\r\n", " 1 2\r\n");
}

static void
status(void **state)
{
	struct wire_status c;
	struct wire_in in = over(" inbox (messages Size UNSEEN x-new)\r\n");

	(void)state;
	assert_true(wire_status_parse(&in, &c));
	assert_int_equal(c.items.mask,
	    1u << WIRE_STATUS_MESSAGES | 1u << WIRE_STATUS_SIZE | 1u << WIRE_STATUS_UNSEEN);
	assert_int_equal(c.items.other.n, 1);
	EQ(c.items.other.v[0], "X-NEW");
	REFUSED(wire_status_parse, struct wire_status, "\r\n", " a\r\n", " a ()\r\n",
	    " a MESSAGES\r\n", " a (MESSAGES\r\n", " a (MESSAGES) x\r\n", " a ( )\r\n");
	in = over("  a ( MESSAGES  SIZE ) \r\n");
	assert_true(wire_status_parse(&in, &c));
}

static void
lists(void **state)
{
	struct wire_list c;
	struct wire_in in = over(" \"\" *\r\n");

	(void)state;
	assert_true(wire_list_parse(&in, &c));
	assert_false(c.extended);
	assert_int_equal(c.reference.n, 0);
	assert_int_equal(c.patterns.n, 1);
	EQ(c.patterns.v[0], "*");
	in = over(" (Subscribed RecursiveMatch) a/ (INBOX \"x %\" {1}\r\n*) RETURN (children "
	          "STATUS (MESSAGES X) special-use SUBSCRIBED)\r\n");
	assert_true(wire_list_parse(&in, &c));
	assert_true(c.extended);
	assert_int_equal(c.select, WIRE_LIST_SUBSCRIBED | WIRE_LIST_RECURSIVEMATCH);
	assert_int_equal(c.patterns.n, 3);
	EQ(c.patterns.v[2], "*");
	assert_int_equal(c.returns, WIRE_LIST_RET_CHILDREN | WIRE_LIST_RET_STATUS |
	                                WIRE_LIST_RET_SPECIAL_USE | WIRE_LIST_RET_SUBSCRIBED);
	assert_int_equal(c.status.mask, 1u << WIRE_STATUS_MESSAGES);
	assert_int_equal(c.status.other.n, 1);
	in = over(" () \"\" % RETURN ()\r\n");
	assert_true(wire_list_parse(&in, &c));
	assert_true(c.extended);
	in = over(" (REMOTE WILD (1 2)) \"\" % RETURN (MYRIGHTS)\r\n");
	assert_true(wire_list_parse(&in, &c));
	assert_int_equal(c.select_other.n, 1);
	EQ(c.select_other.v[0].value, "(1 2)");
	assert_int_equal(c.return_other.n, 1);
	EQ(c.return_other.v[0].name, "MYRIGHTS");
	REFUSED(wire_list_parse, struct wire_list, "\r\n", " \"\"\r\n", " \"\" * x\r\n",
	    " \"\" * RETURN\r\n", " \"\" * RETURN x\r\n", " \"\" * RETURN (STATUS)\r\n",
	    " \"\" * RETURN (STATUS (MESSAGES)\r\n", " \"\" * RETURN (STATUS 5)\r\n",
	    " \"\" * RETURN (CHILDREN 5)\r\n", " (SUBSCRIBED)\r\n", " (SUBSCRIBED) \"\"\r\n",
	    " \"\" ()\r\n", " \"\" (a\r\n", " (RECURSIVEMATCH) \"\" *\r\n",
	    " (REMOTE RECURSIVEMATCH) \"\" *\r\n", " \"\" ( )\r\n",
	    " \"\" * RETURN (STATUS ())\r\n");
	in = over("  ( SUBSCRIBED )  a  ( b  c )  RETURN  ( STATUS  ( SIZE ) ) \r\n");
	assert_true(wire_list_parse(&in, &c));
	assert_int_equal(c.patterns.n, 2);
	assert_int_equal(c.status.mask, 1u << WIRE_STATUS_SIZE);
	in = over(" a %\r\n");
	assert_true(wire_lsub_parse(&in, &c));
	EQ(c.patterns.v[0], "%");
	REFUSED(wire_lsub_parse, struct wire_list, " (SUBSCRIBED) \"\" *\r\n", " \"\" (a b)\r\n",
	    " \"\" * RETURN ()\r\n", " a\r\n");
}

int
main(void)
{
#define WITH_ARENA(t) cmocka_unit_test_setup_teardown(t, begin, end)
	const struct CMUnitTest tests[] = {
	    WITH_ARENA(heads),
	    WITH_ARENA(authenticate),
	    WITH_ARENA(lines_of_exchanges),
	    WITH_ARENA(login),
	    WITH_ARENA(proxyauth),
	    WITH_ARENA(compress),
	    WITH_ARENA(enable),
	    WITH_ARENA(id),
	    WITH_ARENA(select_and_create),
	    WITH_ARENA(names_and_sets),
	    WITH_ARENA(status),
	    WITH_ARENA(lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
