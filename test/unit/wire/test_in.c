/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "over.h"
#include "wire/date.h"
#include "wire/flags.h"
#include "wire/params.h"

static const struct wire_dialect utf8 = {.rev2 = true, .utf8 = true};

typedef bool read_f(struct wire_in *in, struct str *text_r);

/* Parses the whole text with fn; expected NULL: it must fail. */
static void
check(read_f *fn, const char *text, const struct wire_dialect *d, const char *expected)
{
	struct wire_in in = over_as(text, d);
	struct str got;
	bool ok = fn(&in, &got) && wire_in_end(&in);

	if (ok != (expected != NULL))
		fail_msg("%s: %s", text, ok ? "was taken" : in.error);
	if (expected == NULL)
		assert_non_null(in.error);
	else if (!str_eq(got, str_of(expected)))
		fail_msg("%s: gave %.*s", text, STR_ARG(got));
}

static void
quoted_strings(void **state)
{
	(void)state;
	check(wire_in_quoted, "\"\"", NULL, "");
	check(wire_in_quoted, "\"a b\"\r\n", NULL, "a b");
	check(wire_in_quoted, "\"a\\\"b\\\\\"", NULL, "a\"b\\");
	check(wire_in_quoted, "\"\\\\\\\\\"", NULL, "\\\\");
	check(wire_in_quoted, "\"a\\b\"", NULL, NULL);
	check(wire_in_quoted, "\"a\\\"", NULL, NULL);
	check(wire_in_quoted, "\"a\\", NULL, NULL);
	check(wire_in_quoted, "\"a", NULL, NULL);
	check(wire_in_quoted, "\"a\r\nb\"", NULL, NULL);
	check(wire_in_quoted, "\"a\nb\"", NULL, NULL);
	check(wire_in_quoted, "\"\xC3\xA9\"", NULL, "\xC3\xA9");
	check(wire_in_quoted, "\"\xE9\"", NULL, NULL);
	check(wire_in_quoted, "\"\xC3\xA9\"", &utf8, "\xC3\xA9");
	check(wire_in_quoted, "\"\xC3\"", &utf8, NULL);
	check(wire_in_quoted, "\"a\"b", NULL, NULL);
	check(wire_in_quoted, "", NULL, NULL);
}

static void
astrings(void **state)
{
	(void)state;
	check(wire_in_astring, "abc]", NULL, "abc]");
	check(wire_in_astring, "NIL", NULL, "NIL");
	check(wire_in_astring, "{3}\r\na\nb", NULL, "a\nb");
	check(wire_in_astring, "{3+}\r\na b\r\n", NULL, "a b");
	check(wire_in_astring, "{0}\r\n\r\n", NULL, "");
	check(wire_in_astring, "{2}\n\xC3\xA9", NULL, "\xC3\xA9");
	check(wire_in_astring, "{4}\r\nabc", NULL, NULL);
	check(wire_in_astring, "{18446744073709551615}\r\nabc", NULL, NULL);
	check(wire_in_astring, "{9223372036854775807}\r\nabc", NULL, NULL);
	check(wire_in_astring, "{}\r\n", NULL, NULL);
	check(wire_in_astring, "{3-}\r\nabc", NULL, NULL);
	check(wire_in_astring, "{3}abc", NULL, NULL);
	check(wire_in_astring, "~{3}\r\nabc", NULL, NULL); /* a literal8 is not an astring */
	check(wire_in_astring, "a*", NULL, NULL);
	check(wire_in_astring, "a\\b", NULL, NULL);
	check(wire_in_astring, "", NULL, NULL);
	check(wire_in_astring, "\r\n", NULL, NULL);
	check(wire_in_astring, "caf\xC3\xA9", &utf8, NULL);
	check(wire_in_atom, "a]", NULL, NULL);
	check(wire_in_name, "fetch.Me", NULL, "FETCH.ME");
	check(wire_in_tag, "A+1", NULL, NULL);
	check(wire_in_tag, "A]1", NULL, "A]1");
}

static void
a_nul_in_a_literal(void **state)
{
	struct wire_in in;
	struct str got;

	(void)state;
	wire_in_init(&in, (struct str){"{3}\r\na\0b", 8}, arena, NULL, NULL);
	assert_false(wire_in_string(&in, &got));
}

static void
nstrings(void **state)
{
	struct wire_in in = over_as("nil", NULL);
	struct str got = STR("x");

	(void)state;
	assert_true(wire_in_nstring(&in, &got));
	assert_null(got.p);
	check(wire_in_nstring, "\"NIL\"", NULL, "NIL");
	check(wire_in_nstring, "NILS", NULL, NULL);
	check(wire_in_nstring, "x", NULL, NULL);
}

static void
numbers(void **state)
{
	uint32_t n;
	uint64_t big;
	struct wire_in in = over_as("4294967295", NULL);

	(void)state;
	assert_true(wire_in_number(&in, &n) && n == UINT32_MAX);
	in = over_as("4294967296", NULL);
	assert_false(wire_in_number(&in, &n));
	in = over_as("007", NULL);
	assert_true(wire_in_number(&in, &n) && n == 7);
	in = over_as("007", NULL);
	assert_false(wire_in_nz_number(&in, &n));
	in = over_as("0", NULL);
	assert_false(wire_in_nz_number(&in, &n));
	in = over_as("9223372036854775807", NULL);
	assert_true(wire_in_number64(&in, &big) && big == INT64_MAX);
	in = over_as("9223372036854775808", NULL);
	assert_false(wire_in_number64(&in, &big));
	in = over_as("-1", NULL);
	assert_false(wire_in_number64(&in, &big));
	in = over_as("", NULL);
	assert_false(wire_in_number(&in, &n));
}

static void
mailboxes(void **state)
{
	(void)state;
	check(wire_in_mailbox, "inBox", NULL, "INBOX");
	check(wire_in_mailbox, "\"inbox\"", NULL, "INBOX");
	check(wire_in_mailbox, "{5}\r\ninbox", NULL, "INBOX");
	check(wire_in_mailbox, "inbox/a", NULL, "INBOX/a");
	check(wire_in_mailbox, "inboxes/a", NULL, "inboxes/a");
	check(wire_in_mailbox, "Entw&APw-rfe", NULL, "Entw\xC3\xBCrfe");
	check(wire_in_mailbox, "Entw&APw-rfe", &utf8, "Entw&APw-rfe");
	check(wire_in_mailbox, "\"Entw\xC3\xBCrfe\"", &utf8, "Entw\xC3\xBCrfe");
	check(wire_in_mailbox, "{7}\r\nEntw\xC3\xBCr", NULL, NULL);
	check(wire_in_mailbox, "{7}\r\nEntw\xC3\xBCr", &utf8, "Entw\xC3\xBCr");
	check(wire_in_mailbox, "{2}\r\n\xC3(", &utf8, NULL);
	check(wire_in_mailbox, "a&b", NULL, NULL);
	/* one spelling: normalization form C */
	check(wire_in_mailbox, "e&AwE-", NULL, "\xC3\xA9");
	check(wire_in_mailbox, "\"e\xCC\x81\"", &utf8, "\xC3\xA9");
	check(wire_in_mailbox, "&1V8-", NULL, "\xED\x95\x9F");
	check(wire_in_mailbox, "&ERIRYRGr-", NULL, "\xED\x95\x9C");
	check(wire_in_list_mailbox, "e&AwE-*", NULL, "\xC3\xA9*");
	check(wire_in_mailbox, "&AAE-", NULL, NULL); /* a control character, spelt well */
	check(wire_in_mailbox, "{3}\r\na\tb", NULL, NULL);
	check(wire_in_mailbox, "\"\"", NULL, NULL);
	check(wire_in_mailbox, "a%", NULL, NULL);
	check(wire_in_list_mailbox, "a%*]", NULL, "a%*]");
	check(wire_in_list_mailbox, "\"\"", NULL, "");
	check(wire_in_list_mailbox, "\"a *\"", NULL, "a *");
	check(wire_in_list_mailbox, "&APw-*", NULL, "\xC3\xBC*");
	check(wire_in_list_mailbox, "&*", NULL, ""); /* matches nothing */
	check(wire_in_list_mailbox, "a(", NULL, NULL);
	check(wire_in_list_mailbox, "", NULL, NULL);
}

static void
dates(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		int32_t day;
	} cases[] = {
	    {"1-Jan-1970", true, 0},
	    {"01-jAN-1970", true, 0},
	    {"\"31-Dec-1969\"", true, -1},
	    {"29-Feb-2000", true, 11016},
	    {"1-Mar-2000", true, 11017},
	    {"29-Feb-1900", false, 0},
	    {"29-Feb-2023", false, 0},
	    {"31-Apr-2023", false, 0},
	    {"0-Jan-2023", false, 0},
	    {"1-Foo-2023", false, 0},
	    {"1-Jan-99", false, 0},
	    {"1-Jan-20233", false, 0},
	    {"001-Jan-2023", false, 0},
	    {"\"1-Jan-2023", false, 0},
	    {"1-Jan-2023\"", false, 0},
	    {" 1-Jan-2023", false, 0},
	    {"\" 1-Jan-1970\"", true, 0},
	    {"\"  1-Jan-1970\"", false, 0},
	    {"1 Jan 2023", false, 0},
	    {"1-J", false, 0},
	    {"", false, 0},
	    {"1-Jan-0000", true, -719528},
	    {"31-Dec-9999", true, 2932896},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wire_in in = over_as(cases[i].text, NULL);
		int32_t day;
		bool ok = wire_in_date(&in, &day) && wire_in_end(&in);

		if (ok != cases[i].ok || (ok && day != cases[i].day))
			fail_msg("%s: %d", cases[i].text, (int)day);
	}
}

static void
date_times(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		int64_t unix_s;
		int zone;
	} cases[] = {
	    {"\" 1-Jan-1970 00:00:00 +0000\"", true, 0, 0},
	    {"\"01-Jan-1970 01:00:00 +0100\"", true, 0, 60},
	    {"\"31-Dec-1969 19:30:01 -0430\"", true, 1, -270},
	    {"\"29-Feb-2024 23:59:60 +0000\"", true, 1709251200, 0},
	    {"\"1-Jan-1970 00:00:00 +0000\"", true, 0, 0},
	    {"\"001-Jan-1970 00:00:00 +0000\"", false, 0, 0},
	    {"\"  1-Jan-1970 00:00:00 +0000\"", false, 0, 0},
	    {"\"1-Jan-1970  00:00:00 +0000\"", false, 0, 0},
	    {"01-Jan-1970 00:00:00 +0000", false, 0, 0},
	    {"\"01-Jan-1970 24:00:00 +0000\"", false, 0, 0},
	    {"\"01-Jan-1970 00:60:00 +0000\"", false, 0, 0},
	    {"\"01-Jan-1970 00:00:61 +0000\"", false, 0, 0},
	    {"\"01-Jan-1970 00:00:00 +2400\"", false, 0, 0},
	    {"\"01-Jan-1970 00:00:00 +0060\"", false, 0, 0},
	    {"\"01-Jan-1970 00:00:00 0000\"", false, 0, 0},
	    {"\"01-Jan-1970 00:00:00\"", false, 0, 0},
	    {"\"01-Jan-1970 00:00:00 GMT\"", false, 0, 0},
	    {"\"01-Jan-1970 00:00:00 +0000", false, 0, 0},
	    {"\"00-Jan-1970 00:00:00 +0000\"", false, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wire_in in = over_as(cases[i].text, NULL);
		struct wire_time t;
		bool ok = wire_in_date_time(&in, &t) && wire_in_end(&in);

		if (ok != cases[i].ok ||
		    (ok && (t.unix_s != cases[i].unix_s || t.zone_min != cases[i].zone)))
			fail_msg("%s: %lld", cases[i].text, (long long)t.unix_s);
	}
}

static void
flags(void **state)
{
	struct wire_flags f;
	struct wire_in in = over_as("(\\seen \\DRAFT work $Forwarded work)", NULL);

	(void)state;
	assert_true(wire_in_flag_list(&in, &f) && wire_in_end(&in));
	assert_int_equal(f.system, WIRE_FLAG_SEEN | WIRE_FLAG_DRAFT);
	assert_int_equal(f.n_keywords, 3);
	assert_true(str_eq(f.keywords[1], STR("$Forwarded")));
	assert_null(f.unknown.p);
	in = over_as("()", NULL);
	assert_true(wire_in_flag_list(&in, &f));
	assert_int_equal(f.n_keywords, 0);
	in = over_as("\\Recent \\* \\Odd x", NULL);
	assert_true(wire_in_flags(&in, &f) && wire_in_end(&in));
	assert_true(str_eq(f.unknown, STR("\\Recent")));
	in = over_as("(\\*)", NULL);
	assert_true(wire_in_flags(&in, &f));
	assert_true(str_eq(f.unknown, STR("\\*")));
	in = over_as("", NULL);
	assert_false(wire_in_flags(&in, &f));
	in = over_as("(\\Seen", NULL);
	assert_false(wire_in_flags(&in, &f));
	in = over_as("(  \\Seen   work ) ", NULL);
	assert_true(wire_in_flags(&in, &f) && wire_in_end(&in));
	assert_int_equal(f.n_keywords, 1);
	in = over_as("( )", NULL);
	assert_true(wire_in_flags(&in, &f) && wire_in_end(&in));
	in = over_as("(\\Seen(work))", NULL);
	assert_false(wire_in_flags(&in, &f));
	in = over_as("(\\)", NULL);
	assert_false(wire_in_flags(&in, &f));
	in = over_as("(a\"b\")", NULL);
	assert_false(wire_in_flags(&in, &f));
}

static void
base64_words(void **state)
{
	struct wire_in in = over_as("AGJvYgBwdw==\r\n", NULL);
	struct str got;

	(void)state;
	assert_true(wire_in_base64(&in, &got));
	assert_true(str_eq(got, (struct str){"\0bob\0pw", 7}));
	check(wire_in_base64, "=", NULL, "");
	check(wire_in_base64, "eA==", NULL, "x");
	check(wire_in_base64, "eA=", NULL, NULL);
	check(wire_in_base64, "eA", NULL, NULL);
	check(wire_in_base64, "eB==", NULL, NULL);
	check(wire_in_base64, "==", NULL, NULL);
	check(wire_in_base64, "", NULL, NULL);
	check(wire_in_base64, "e*==", NULL, NULL);
}

static void
parameters(void **state)
{
	struct wire_in in =
	    over_as("(CondStore QRESYNC (7 20 1:3 (1 2)) X 1:* Y \"a)b\" Z -1:-5 -W)", NULL);
	struct wire_params p;

	(void)state;
	assert_true(wire_in_params(&in, &p) && wire_in_end(&in));
	assert_int_equal(p.n, 6);
	assert_true(str_eq(p.v[0].name, STR("CONDSTORE")));
	assert_null(p.v[0].value.p);
	assert_true(str_eq(p.v[1].value, STR("(7 20 1:3 (1 2))")));
	assert_true(str_eq(p.v[2].value, STR("1:*")));
	assert_true(str_eq(p.v[3].value, STR("\"a)b\"")));
	assert_true(str_eq(p.v[4].value, STR("-1:-5")));
	assert_true(str_eq(p.v[5].name, STR("-W")));
	in = over_as("()", NULL);
	assert_true(wire_in_params(&in, &p) && p.n == 0);
	in = over_as("(X ({3}\r\n()) y))", NULL);
	assert_true(wire_in_params(&in, &p) && wire_in_end(&in));
	assert_true(str_eq(p.v[0].value, STR("({3}\r\n()) y)")));
}

static void
bad_parameters(void **state)
{
	static const char *const cases[] = {"", "X", "(", "(X", "(X ", "(X)Y", "( )Y", "(X\tY)",
	    "(X (", "(X (a)", "(X ())) ", "(X \"a)", "(X ({9}\r\na))", "(X {9}\r\na)", "(())"};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wire_in in = over_as(cases[i], NULL);
		struct wire_params p;

		if (wire_in_params(&in, &p) && wire_in_end(&in))
			fail_msg("%s was taken", cases[i]);
		assert_non_null(in.error);
	}
}

static void
deep_parameters(void **state)
{
	char text[200] = "(X ";
	struct wire_params p;
	struct wire_in in;

	(void)state;
	memset(text + 3, '(', 20);
	memset(text + 23, ')', 21);
	in = over_as(text, NULL);
	assert_true(wire_in_params(&in, &p) && wire_in_end(&in));
	memset(text + 3, '(', 21);
	memset(text + 24, ')', 22);
	in = over_as(text, NULL);
	assert_false(wire_in_params(&in, &p));
}

static void
the_first_error_stays(void **state)
{
	struct wire_in in = over_as("abc def", NULL);
	struct str got;
	const char *first;

	(void)state;
	assert_true(wire_in_atom(&in, &got));
	assert_false(wire_in_end(&in));
	first = in.error;
	assert_int_equal(in.error_at, 3);
	assert_false(wire_in_try_char(&in, ' '));
	assert_false(wire_in_sp(&in));
	assert_false(wire_in_atom(&in, &got));
	assert_false(wire_in_try_word(&in, "def"));
	assert_ptr_equal(in.error, first);
}

int
main(void)
{
#define WITH_ARENA(t) cmocka_unit_test_setup_teardown(t, begin, end)
	const struct CMUnitTest tests[] = {
	    WITH_ARENA(quoted_strings),
	    WITH_ARENA(astrings),
	    WITH_ARENA(a_nul_in_a_literal),
	    WITH_ARENA(nstrings),
	    WITH_ARENA(numbers),
	    WITH_ARENA(mailboxes),
	    WITH_ARENA(dates),
	    WITH_ARENA(date_times),
	    WITH_ARENA(flags),
	    WITH_ARENA(base64_words),
	    WITH_ARENA(parameters),
	    WITH_ARENA(bad_parameters),
	    WITH_ARENA(deep_parameters),
	    WITH_ARENA(the_first_error_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
