/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/cmd/fetch.h"
#include "wire/cmd/list.h"
#include "wire/cmd/search.h"
#include "wire/cmd/status.h"
#include "wire/code.h"
#include "wire/ext/enable.h"
#include "wire/ext/id.h"
#include "wire/ext/namespace.h"
#include "wire/response.h"

static const struct wire_dialect utf8 = {.rev2 = true, .utf8 = true};
static const struct wire_dialect *const rev1 = &wire_dialect_rev1;
static struct buf b;

static int
end(void **state)
{
	(void)state;
	buf_fini(&b);
	return 0;
}

static void
printed(const char *expected)
{
	assert_string_equal(buf_cstr(&b), expected);
	b.n = 0;
}

static void
strings(void **state)
{
	(void)state;
	wire_out_string(&b, rev1, STR("abc"));
	printed("\"abc\"");
	wire_out_astring(&b, rev1, STR("a/b-c"));
	printed("a/b-c");
	wire_out_astring(&b, rev1, STR("nil"));
	printed("\"nil\"");
	wire_out_astring(&b, rev1, STR(""));
	printed("\"\"");
	wire_out_astring(&b, rev1, STR("a \"b\\"));
	printed("\"a \\\"b\\\\\"");
	wire_out_string(&b, rev1, STR("a\r\nb"));
	printed("{4}\r\na\r\nb");
	/* Neither of the two may be in a quoted string, even alone. */
	wire_out_string(&b, rev1, STR("a\rb"));
	printed("{3}\r\na\rb");
	wire_out_string(&b, rev1, STR("a\nb"));
	printed("{3}\r\na\nb");
	wire_out_astring(&b, rev1, STR("\r"));
	printed("{1}\r\n\r");
	wire_out_mailbox(&b, &utf8, STR("a\rb"));
	printed("{3}\r\na\rb");
	wire_out_string(&b, rev1, STR("\xC3\xA9"));
	printed("{2}\r\n\xC3\xA9");
	wire_out_string(&b, &utf8, STR("\xC3\xA9"));
	printed("\"\xC3\xA9\"");
	wire_out_string(&b, &utf8, STR("\xC3"));
	printed("{1}\r\n\xC3");
	wire_out_string(&b, rev1, (struct str){"\0x", 2});
	assert_true(str_eq(buf_as_str(&b), (struct str){"~{2}\r\n\0x", 8}));
	b.n = 0;
	wire_out_nstring(&b, rev1, STR_NONE);
	printed("NIL");
	wire_out_nstring(&b, rev1, STR(""));
	printed("\"\"");
	wire_out_literal(&b, STR(""));
	printed("{0}\r\n");
	wire_out_literal_head(&b, UINT64_MAX, true);
	printed("~{18446744073709551615}\r\n");
}

static void
mailboxes(void **state)
{
	(void)state;
	wire_out_mailbox(&b, rev1, STR("INBOX"));
	printed("INBOX");
	wire_out_mailbox(&b, rev1, STR("a&b c"));
	printed("\"a&-b c\"");
	wire_out_mailbox(&b, rev1, STR("Entw\xC3\xBCrfe"));
	printed("Entw&APw-rfe");
	wire_out_mailbox(&b, &utf8, STR("Entw\xC3\xBCrfe&"));
	printed("\"Entw\xC3\xBCrfe&\"");
}

/* With another separator names go both ways: nothing is lost or ambiguous. */
static void
separators(void **state)
{
	static const struct wire_dialect dot = {.separator = '.'},
	                                 dot_utf8 = {.separator = '.', .utf8 = true};
	static const char *const names[] = {"INBOX", "a/b", "a.b", "Notes/v1.0/x",
	    "Entw\xC3\xBCrfe/&/alt.eu", "\xF0\x9F\x93\xAC/x."};
	struct arena *a = arena_new(NULL, ARENA_OTHER, 512);

	(void)state;
	wire_out_mailbox(&b, &dot, STR("Notes/v1.0"));
	printed("Notes.v1/0");
	wire_out_mailbox_string(&b, &dot, STR("Entw\xC3\xBCrfe/x"));
	printed("\"Entw&APw-rfe.x\"");
	for (size_t i = 0; i < 2 * (sizeof(names) / sizeof(*names)); i++) {
		const struct wire_dialect *d = i % 2 == 0 ? &dot : &dot_utf8;
		struct str name = str_of(names[i / 2]), got;
		struct wire_in in;

		wire_out_mailbox(&b, d, name);
		wire_in_init(&in, buf_as_str(&b), a, d, NULL);
		assert_true(wire_in_mailbox(&in, &got));
		assert_true(str_eq(got, name));
		b.n = 0;
	}
	arena_free(&a);
}

/* Parsing the printed time must give the same time. */
static void
time_round_trip(int64_t unix_s, int zone)
{
	struct arena *a = arena_new(NULL, ARENA_OTHER, 64);
	struct wire_time back;
	struct wire_in in;

	b.n = 0;
	wire_out_time(&b, (struct wire_time){unix_s, (int16_t)zone});
	wire_in_init(&in, buf_as_str(&b), a, NULL, NULL);
	assert_true(wire_in_date_time(&in, &back) && wire_in_end(&in));
	assert_true(back.unix_s == unix_s && back.zone_min == zone);
	arena_free(&a);
	b.n = 0;
}

static void
times(void **state)
{
	(void)state;
	wire_out_time(&b, (struct wire_time){0, 0});
	printed("\" 1-Jan-1970 00:00:00 +0000\"");
	wire_out_time(&b, (struct wire_time){-1, -330});
	printed("\"31-Dec-1969 18:29:59 -0530\"");
	wire_out_time(&b, (struct wire_time){1709210096, 90});
	printed("\"29-Feb-2024 14:04:56 +0130\"");
	wire_out_time(&b, (struct wire_time){INT64_MIN, 30});
	printed("\" 1-Jan-0000 00:00:00 +0000\"");
	wire_out_time(&b, (struct wire_time){INT64_MAX, -30});
	printed("\"31-Dec-9999 23:59:59 +0000\"");
	wire_out_time(&b, (struct wire_time){0, INT16_MAX});
	printed("\" 1-Jan-1970 00:00:00 +0000\"");
	for (int64_t day = -719000; day < 2932000; day += 97)
		time_round_trip(day * 86400 + day % 86400, (int)(day % 1440));
}

static void
flags(void **state)
{
	static const struct str words[] = {{"one", 3}, {"$two", 4}};

	(void)state;
	wire_out_flags(&b, 0, NULL, 0, false);
	printed("()");
	wire_out_flags(&b, 63, words, 2, true);
	printed("(\\Answered \\Flagged \\Deleted \\Seen \\Draft \\Recent one $two \\*)");
	wire_out_flags(&b, 0, words, 1, false);
	printed("(one)");
	wire_out_flags(&b, WIRE_FLAG_SEEN, NULL, 0, false);
	printed("(\\Seen)");
	wire_out_flags(&b, 0, NULL, 0, true);
	printed("(\\*)");
}

static void
conditions(void **state)
{
	struct wire_range one[] = {{4, 5, false, false}, {9, 9, false, false}};
	struct wire_set set = {one, 2, false};
	static const char *const charsets[] = {"US-ASCII", "UTF-8"};
	static const struct str keyword = {"work", 4};
	struct wire_set_out uids;
	struct buf code = {0};

	(void)state;
	wire_out_cond(&b, STR("a1"), WIRE_OK, STR_NONE, STR("Done"));
	printed("a1 OK Done\r\n");
	wire_out_cond(&b, STR_NONE, WIRE_BYE, STR("UNAVAILABLE"), STR("Later\r\n* x"));
	printed("* BYE [UNAVAILABLE] Later??* x\r\n");
	wire_out_cond(&b, STR("a"), WIRE_NO, STR_NONE, STR("x\ry\nz"));
	printed("a NO x?y?z\r\n");
	wire_out_cond(&b, STR("a"), WIRE_NO, STR_NONE, (struct str){"\r\r\0\n\0x\n", 7});
	printed("a NO ?????x?\r\n");
	wire_out_cond(&b, STR("a"), WIRE_NO, STR_NONE, STR_NONE);
	printed("a NO -\r\n");
	wire_out_cond(&b, STR("a"), WIRE_BAD, STR_NONE, STR("[x] y"));
	printed("a BAD -[x] y\r\n");
	wire_out_code_appenduid(&code, 7, &set);
	wire_out_cond(&b, STR("a"), WIRE_OK, buf_as_str(&code), STR("x"));
	printed("a OK [APPENDUID 7 4:5,9] x\r\n");
	code.n = 0;
	wire_out_code_copyuid_begin(&b, 7, &uids);
	wire_set_out_add(&uids, 4, 4);
	wire_set_out_add(&uids, 5, 5);
	wire_set_out_add(&uids, 9, 9);
	wire_out_code_copyuid_to(&uids);
	wire_set_out_add(&uids, 1, 3);
	wire_set_out_end(&uids);
	printed("COPYUID 7 4:5,9 1:3");
	wire_out_ok_begin(&b);
	wire_out_code_number(&b, "UIDNEXT", 7);
	wire_out_ok_end(&b, STR("Next"));
	printed("* OK [UIDNEXT 7] Next\r\n");
	wire_out_code_permanentflags(&b, 0, NULL, 0, false);
	printed("PERMANENTFLAGS ()");
	wire_out_code_permanentflags(&b, WIRE_FLAG_SEEN, &keyword, 1, true);
	printed("PERMANENTFLAGS (\\Seen work \\*)");
	wire_out_code_badcharset(&b, charsets, 2);
	printed("BADCHARSET (US-ASCII UTF-8)");
	wire_out_continue(&b, STR("Go"));
	printed("+ Go\r\n");
	wire_out_challenge(&b, STR("one"));
	printed("+ b25l\r\n");
	wire_out_challenge(&b, STR(""));
	printed("+ \r\n");
	buf_fini(&code);
}

static void
data(void **state)
{
	static const struct str caps[] = {{"IMAP4rev1", 9}, {"ID", 2}};
	static const struct wire_pair pairs[] = {{{"name", 4}, {"x y", 3}}, {{"os", 2}, {NULL, 0}}};
	struct wire_list_row row = {
	    .attrs = WIRE_ATTR_NOINFERIORS | WIRE_ATTR_SENT, .delimiter = '/', .name = STR("a b")};
	struct wire_status_values st = {
	    .mask = 1u << WIRE_STATUS_UNSEEN | 1u << WIRE_STATUS_MESSAGES,
	    .v = {[WIRE_STATUS_UNSEEN] = 2, [WIRE_STATUS_MESSAGES] = 12345678901}};
	struct wire_namespace personal[] = {{{"", 0}, '/'}, {{"\xC3\xA9/", 3}, '\\'}};
	struct wire_namespaces ns[3] = {{personal, 2}};

	(void)state;
	wire_out_number(&b, 23, "EXISTS");
	printed("* 23 EXISTS\r\n");
	wire_out_line(&b, STR("CAPABILITY ID"));
	printed("* CAPABILITY ID\r\n");
	wire_out_flags_line(&b, WIRE_FLAG_SEEN, caps, 2);
	printed("* FLAGS (\\Seen IMAP4rev1 ID)\r\n");
	wire_out_words_line(&b, "CAPABILITY", caps, 2);
	printed("* CAPABILITY IMAP4rev1 ID\r\n");
	wire_out_words_line(&b, "ENABLED", NULL, 0);
	printed("* ENABLED\r\n");
	wire_out_list(&b, rev1, &row);
	printed("* LIST (\\Noinferiors \\Sent) \"/\" \"a b\"\r\n");
	row = (struct wire_list_row){.lsub = true, .delimiter = '\\', .name = STR("a")};
	wire_out_list(&b, rev1, &row);
	printed("* LSUB () \"\\\\\" a\r\n");
	row = (struct wire_list_row){
	    .name = STR("a"), .childinfo = WIRE_LIST_SUBSCRIBED, .oldname = STR("b c")};
	wire_out_list(&b, rev1, &row);
	printed("* LIST () NIL a (\"CHILDINFO\" (\"SUBSCRIBED\") \"OLDNAME\" (\"b c\"))\r\n");
	row.childinfo = 0;
	wire_out_list(&b, rev1, &row);
	printed("* LIST () NIL a (\"OLDNAME\" (\"b c\"))\r\n");
	wire_out_status(&b, rev1, STR("a"), &st, STR("X 5"));
	printed("* STATUS a (MESSAGES 12345678901 UNSEEN 2 X 5)\r\n");
	wire_out_namespace(&b, rev1, ns);
	printed("* NAMESPACE ((\"\" \"/\")(\"&AOk-/\" \"\\\\\")) NIL NIL\r\n");
	wire_out_namespace(&b, &utf8, ns);
	printed("* NAMESPACE ((\"\" \"/\")(\"\xC3\xA9/\" \"\\\\\")) NIL NIL\r\n");
	wire_out_id(&b, rev1, pairs, 2);
	printed("* ID (\"name\" \"x y\" \"os\" NIL)\r\n");
	wire_out_id(&b, rev1, NULL, 0);
	printed("* ID NIL\r\n");
}

static void
searches(void **state)
{
	static const uint32_t ids[] = {1, 20, 4294967295};
	struct wire_set_out all;
	struct wire_esearch e = {.tag = STR("a\"1"),
	    .uid = true,
	    .has = WIRE_RETURN_MIN | WIRE_RETURN_MAX | WIRE_RETURN_COUNT | WIRE_RETURN_ALL,
	    .min = 1,
	    .max = 3,
	    .count = 3};

	(void)state;
	wire_out_search_begin(&b);
	wire_out_search_add(&b, ids, 2);
	wire_out_search_add(&b, ids + 2, 1);
	wire_out_search_end(&b);
	printed("* SEARCH 1 20 4294967295\r\n");
	wire_out_search_begin(&b);
	wire_out_search_end(&b);
	printed("* SEARCH\r\n");
	wire_out_esearch_begin(&b, &e, &all);
	wire_set_out_add(&all, 1, 2);
	wire_set_out_add(&all, 3, 3);
	wire_out_esearch_end(&b, &all);
	printed("* ESEARCH (TAG \"a\\\"1\") UID MIN 1 MAX 3 COUNT 3 ALL 1:3\r\n");
	e = (struct wire_esearch){.tag = STR("t"), .has = WIRE_RETURN_COUNT};
	wire_out_esearch_begin(&b, &e, &all);
	wire_out_esearch_end(&b, &all);
	printed("* ESEARCH (TAG \"t\") COUNT 0\r\n");
}

static void
fetches(void **state)
{
	(void)state;
	wire_out_fetch_begin(&b, rev1, 12);
	wire_out_fetch_number(&b, WIRE_FETCH_UID, 99);
	buf_putc(&b, ' ');
	wire_out_fetch_number(&b, WIRE_FETCH_RFC822_SIZE, 12345678901);
	wire_out_fetch_end(&b);
	printed("* 12 FETCH (UID 99 RFC822.SIZE 12345678901)\r\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(strings, end),
	    cmocka_unit_test_teardown(mailboxes, end),
	    cmocka_unit_test_teardown(separators, end),
	    cmocka_unit_test_teardown(times, end),
	    cmocka_unit_test_teardown(flags, end),
	    cmocka_unit_test_teardown(conditions, end),
	    cmocka_unit_test_teardown(data, end),
	    cmocka_unit_test_teardown(searches, end),
	    cmocka_unit_test_teardown(fetches, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
