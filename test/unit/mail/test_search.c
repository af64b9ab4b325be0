/* SPDX-License-Identifier: Apache-2.0 */
/* Substring search in texts, headers and bodies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mail/search.h"

static bool
in(const char *needle, struct str text)
{
	struct mail_needle *n = mail_needle_new(str_of(needle));
	bool found = mail_needle_in(n, text);

	mail_needle_free(&n);
	assert_null(n);
	return found;
}

static void
test_texts(void **state)
{
	(void)state;
	assert_true(in("", STR("")));
	assert_true(in("", STR("x")));
	assert_false(in("x", STR("")));
	assert_true(in("WoRld", STR("hello worLD!")));
	assert_true(in("STRASSE", STR("die Stra\xc3\x9f"
	                              "e")));
	assert_true(in("\xc3\x9c"
	               "BER",
	    STR("u\xcc\x88"
	        "ber")));
	assert_false(in("worlds", STR("hello world")));
	assert_true(in("\xd0\x9c\xd0\xb8\xd1\x80", STR("\xd0\xbc\xd0\xb8\xd1\x80")));
}

/* Matches at and across the borders of pieces and windows. */
static void
test_long(void **state)
{
	static const char word[] = "Needle\xc3\xa9"
	                           "End";
	struct buf text = {0};

	(void)state;
	for (size_t at = 16384 - 14; at < 16384 + 3; at++) {
		text.n = 0;
		memset(buf_room(&text, 200000), 'n', 200000);
		text.n = 200000;
		assert_false(in(word, buf_as_str(&text)));
		for (size_t k = 1; k <= 8; k += 3) {
			memcpy(text.p + at * k, word, sizeof(word) - 1);
			assert_true(in(word, buf_as_str(&text)));
			memset(text.p + at * k, 'n', sizeof(word) - 1);
		}
	}
	memset(text.p, 'x', text.n);
	assert_true(in(buf_cstr(&text), buf_as_str(&text))); /* a needle longer than a window */
	text.n--;
	assert_true(in(buf_cstr(&text), buf_as_str(&text)));
	buf_fini(&text);
}

static void
test_header(void **state)
{
	struct str h = STR("To: a@a\r\nX-Word: one\r\nx-word: =?utf-8?q?Tw=C3=B6?=\r\n "
	                   "zwei\r\n\r\nX-Word: body\r\n");
	struct mail_needle *n = mail_needle_new(STR("tw\xc3\x96 Z")),
	                   *none = mail_needle_new(STR(""));

	(void)state;
	assert_true(mail_search_header(n, h, STR("X-WORD")));
	assert_false(mail_search_header(n, h, STR("To")));
	assert_true(in("folded with a tab", STR("folded\twith a\ttab")));
	assert_true(in("folded\twith", STR("folded with")));
	assert_true(mail_search_header(none, h, STR("to")));
	assert_false(mail_search_header(none, h, STR("cc")));
	mail_needle_free(&n);
	mail_needle_free(&none);
}

static bool
message_has(struct str text, const char *word, enum mail_search which)
{
	struct mail_needle *n = mail_needle_new(str_of(word));
	struct buf bytes = {0};
	struct mail_summary s;
	bool found;

	mail_summarize(text, NULL, &bytes);
	assert_int_equal(mail_summary_open(buf_as_str(&bytes), &s), TS_OK);
	found = mail_search_message(n, text, &s, which);
	mail_needle_free(&n);
	buf_fini(&bytes);
	return found;
}

static void
test_message(void **state)
{
	struct str m =
	    STR("Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nContent-Type: multipart/mixed; "
	        "boundary=b\r\n\r\n"
	        "preamble\r\n--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
	        "Content-Transfer-Encoding: quoted-printable\r\n\r\nM=FCnchen ist sch=\r\n=F6n\r\n"
	        "--b\r\nContent-Type: application/x; name=secret.bin\r\n\r\nbinarybytes\r\n"
	        "--b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: "
	        "base64\r\n\r\n"
	        "PGI+Qm9udCBib29rPC9i\r\nPg==\r\n"
	        "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner subject\r\n\r\ninner "
	        "body\r\n--b--\r\n");

	(void)state;
	assert_true(message_has(m, "m\xc3\xbcnchen", MAIL_SEARCH_BODY));
	assert_true(message_has(m, "IST SCH\xc3\x96N", MAIL_SEARCH_BODY));
	assert_true(message_has(m, "bont book", MAIL_SEARCH_BODY));
	assert_true(message_has(m, "Inner Body", MAIL_SEARCH_BODY));
	assert_true(message_has(m, "Inner Subject", MAIL_SEARCH_BODY));
	assert_false(message_has(m, "binarybytes", MAIL_SEARCH_TEXT));
	assert_false(message_has(m,
	    "gr\xc3\xbc\xc3\x9f"
	    "e",
	    MAIL_SEARCH_BODY));
	assert_true(message_has(m, "gr\xc3\xbcsse", MAIL_SEARCH_TEXT));
	assert_true(message_has(m, "secret.bin", MAIL_SEARCH_TEXT));
	assert_false(message_has(m, "secret.bin", MAIL_SEARCH_BODY));
	assert_true(message_has(m, "", MAIL_SEARCH_BODY));
	/* Nothing matches from one part into the next. */
	assert_false(
	    message_has(STR("Content-Type: multipart/x; boundary=b\n\n--b\n\nab\n--b\n\ncd\n--b--"),
	        "abcd", MAIL_SEARCH_BODY));
	assert_false(message_has(STR(""), "x", MAIL_SEARCH_TEXT));
}

static bool
html_has(const char *body, const char *word)
{
	struct buf text = {0};
	bool found;

	buf_puts(&text, "Content-Type: text/HTML; charset=utf-8\r\n\r\n");
	buf_puts(&text, body);
	found = message_has(buf_as_str(&text), word, MAIL_SEARCH_BODY);
	buf_fini(&text);
	return found;
}

/* What a reader sees is found, what is markup is not. */
static void
test_html(void **state)
{
	static const char page[] =
	    "<html><head><style>p { color: red }</style></head><body class=\"body\">\r\n"
	    "<p>Dear <b>Mr</b>s&nbsp;<i>M\xc3\xbc</i>ller,\r\n  how are&#32; you?</p><p>Well"
	    "</p><!-- hidden --><a href=\"https://shop.example/?a=1&amp;b=2\">sh<span>op</span>"
	    "</a><td>1 &lt; 2</td><img alt=\"our logo\">";
	struct buf long_page = {0};

	(void)state;
	assert_true(html_has(page, "dear mrs m\xc3\x9cller, how are you?"));
	assert_true(html_has(page, "mrs \xc2\xa0 m\xc3\xbcller")); /* blanks are blanks */
	assert_true(html_has(page, "m\xc3\xbcller,\r\n  how"));
	assert_true(html_has(page, "1 < 2"));
	assert_true(html_has(page, "https://shop.example/?a=1&b=2"));
	assert_true(html_has(page, "Our Logo"));
	assert_true(html_has(page, "shop"));
	assert_false(html_has(page, "you?Well"));
	assert_false(html_has(page, "shop1"));
	assert_false(html_has(page, "shopour"));
	assert_false(html_has(page, "hidden"));
	assert_false(html_has(page, "color"));
	assert_false(html_has(page, "<b>"));
	assert_false(html_has(page, "span"));
	assert_false(html_has(page, "&lt;"));
	/* Across pieces and windows, in a page of markup. */
	for (size_t i = 0; i < 30000; i++)
		buf_puts(&long_page, i == 20000 ? "<b>Nee</b>&#100;<i>le</i>" : "<b> </b>x ");
	assert_true(html_has(buf_cstr(&long_page), "x needle x"));
	assert_true(html_has(buf_cstr(&long_page), "x  x x"));
	assert_false(html_has(buf_cstr(&long_page), "xx"));
	buf_fini(&long_page);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_texts),
	    cmocka_unit_test(test_long),
	    cmocka_unit_test(test_header),
	    cmocka_unit_test(test_message),
	    cmocka_unit_test(test_html),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
