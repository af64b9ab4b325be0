/* SPDX-License-Identifier: Apache-2.0 */
/* Charsets, encoded words, folding, base subjects. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mail/text/text.h"

static void
converts(const char *charset, struct str in, const char *want, bool known)
{
	struct buf out = {0};

	assert_int_equal(mail_charset_known(str_of(charset)), known);
	assert_int_equal(mail_to_utf8(str_of(charset), in, &out), known);
	assert_string_equal(buf_cstr(&out), want);
	for (size_t piece = 1; piece <= in.n; piece++) {
		struct mail_conv *c = mail_conv_new(str_of(charset));

		out.n = 0;
		for (size_t i = 0; i < in.n; i += piece) {
			size_t n = in.n - i < piece ? in.n - i : piece;

			mail_conv_feed(c, (struct str){in.p + i, n}, i + n == in.n, &out);
		}
		assert_string_equal(buf_cstr(&out), want);
		mail_conv_free(&c);
		assert_null(c);
	}
	buf_fini(&out);
}

static void
test_charsets(void **state)
{
	(void)state;
	converts("utf-8", STR("a\xc3\xbc\xf0\x9f\x98\x80z"), "a\xc3\xbc\xf0\x9f\x98\x80z", true);
	converts("UTF-8",
	    STR("a\xc3"
	        "b\xff\xe2\x82"),
	    "a\xef\xbf\xbd"
	    "b\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
	    true);
	converts("iso-8859-1",
	    STR("\xfc"
	        "b\xe9"),
	    "\xc3\xbc"
	    "b\xc3\xa9",
	    true);
	converts("us-ascii", STR("\xc3\xbc \xe9z"), "\xc3\xbc \xc3\xa9z", true);
	converts("iso-8859-15", STR("\xa4"), "\xe2\x82\xac", true);
	converts("ISO-2022-JP", STR("\x1b$B$\"\x1b(B!"), "\xe3\x81\x82!", true);
	converts("shift_jis", STR("\x82\xa0"), "\xe3\x81\x82", true);
	converts("gb2312", STR("\xc4\xe3"), "\xe4\xbd\xa0", true);
	converts("utf-16be", STR("\xd8\x3d\xde\x00"), "\xf0\x9f\x98\x80", true);
	converts("utf-16", STR("\xfe\xff\0a\xd8\x3d\xde\x00"), "a\xf0\x9f\x98\x80", true);
	converts("utf-16",
	    STR("\xff\xfe"
	        "a\0"),
	    "a", true);
	/* Without a mark: whatever gives text. */
	converts("utf-16", STR("\0T\0e\0a"), "Tea", true);
	converts("utf-16", STR("T\0e\0a\0\r\0\n\0"), "Tea\r\n", true);
	converts("UTF-16", STR("\x1f\4@\4\x38\4\x32\4\x35\4\x42\4"),
	    "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82", true);
	converts("UTF-16", STR("\4\x1f\4@\4\x38\4\x32\4\x35\4\x42"),
	    "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82", true);
	converts("UTF-16", STR("\xe5\x65\x2c\x67\x9e\x8a"), "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
	    true);
	converts("UTF-16", STR("\x65\xe5\x67\x2c\x8a\x9e"), "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
	    true);
	converts("UTF-16", STR("\x3d\xd8\x00\xde!\0"), "\xf0\x9f\x98\x80!", true);
	converts("utf-16", STR(""), "", true);
	converts("no-such-charset", STR("a\xe9"), "a\xc3\xa9", false);
	converts("", STR("a"), "a", false);
	converts("../../etc/x", STR("a"), "a", false);
}

/* More than the byte order is guessed from. */
static void
test_utf16_long(void **state)
{
	struct buf in = {0}, want = {0};

	(void)state;
	for (int i = 0; i < 300; i++) {
		buf_put(&in, "a\0", 2);
		buf_putc(&want, 'a');
	}
	converts("utf-16", buf_as_str(&in), buf_cstr(&want), true);
	buf_fini(&in);
	buf_fini(&want);
}

static void
words(const char *in, const char *want)
{
	struct buf out = {0};

	mail_words_decode(str_of(in), &out);
	assert_string_equal(buf_cstr(&out), want);
	assert_true(str_is_utf8(buf_as_str(&out)));
	buf_fini(&out);
}

static void
test_words(void **state)
{
	(void)state;
	words("plain\r\n text ", "plain text");
	words("=?utf-8?q?a_b=3D?=", "a b=");
	words("x =?iso-8859-1*de?B?/A==?= y", "x \xc3\xbc y");
	words("=?utf-8?q?a?= =?utf-8?q?b?=\r\n =?us-ascii?q?c?=", "abc");
	words("=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c");
	words("=?utf-8?q?=C3?= =?utf-8?q?=BC?=", "\xc3\xbc"); /* a character in two halves */
	words("=?utf-8?b?w7w=?==?utf-8?b?w7w=?=", "\xc3\xbc\xc3\xbc");
	words("=?utf-8?q?=3D?=?=", "=?=");
	words("=?utf-8?x?a?=", "=?utf-8?x?a?=");
	words("=?utf-8?q?open", "=?utf-8?q?open");
	words("=?utf-8?q", "=?utf-8?q");
	words("=?=?=?utf-8?q?a?=", "=?=?a");
	words("=?", "=?");
	words("=", "=");
	words("", "");
	words("raw \xc3\xbc \xe9", "raw \xc3\xbc \xc3\xa9");
	words("=?iso-2022-jp?b?GyRCJCIbKEI=?= =?iso-2022-jp?b?GyRCJCIbKEI=?=",
	    "\xe3\x81\x82\xe3\x81\x82");
	words("=?nowhere?q?=E9?=", "\xc3\xa9");
	words("=?utf-8?q?a=00b=0D=0Ac?=", "ab c");
	words("a\rb\r\n c =?utf-8?q?d\re?=\rf", "a b c d e f");
}

static void
folds(const char *in, const char *want)
{
	struct buf out = {0};

	mail_casemap(str_of(in), &out);
	assert_string_equal(buf_cstr(&out), want);
	buf_fini(&out);
}

static void
test_casemap(void **state)
{
	(void)state;
	folds("Hello @[`{ WORLD 0123 AZaz", "hello @[`{ world 0123 azaz");
	folds("Stra\xc3\x9f"
	      "e",
	    "strasse");
	folds("\xc3\x9c"
	      "b",
	    "u\xcc\x88"
	    "b");
	folds("u\xcc\x88"
	      "b",
	    "u\xcc\x88"
	    "b");
	folds("\xef\xbc\xa1", "a");                    /* fullwidth A */
	folds("\xce\xa3\xcf\x82", "\xcf\x83\xcf\x83"); /* sigmas */
}

/* A long run without ASCII is folded in pieces; no character may be split. */
static void
test_casemap_long(void **state)
{
	struct buf in = {0}, out = {0};

	(void)state;
	buf_puts(&in, "\xd0\xbf");
	for (int i = 0; i < 500; i++)
		buf_puts(&in, "\xe4\xbd\xa0");
	mail_casemap(buf_as_str(&in), &out);
	assert_true(str_eq(buf_as_str(&in), buf_as_str(&out)));
	buf_fini(&in);
	buf_fini(&out);
}

static void
base(const char *in, const char *want, bool reply)
{
	struct buf out = {0};

	assert_int_equal(mail_base_subject(str_of(in), &out), reply);
	assert_string_equal(buf_cstr(&out), want);
	buf_fini(&out);
}

static void
test_base_subject(void **state)
{
	(void)state;
	base("Tea  at\tfour ", "Tea at four", false);
	base("Re: Tea", "Tea", true);
	base("RE : fw:FWD: Tea", "Tea", true);
	base("Re[2]: Tea", "Tea", true);
	base("[list] Re: Tea", "Tea", true);
	base("[list] Tea", "Tea", false);
	base("Re: [list]", "[list]", true);
	base("[a] [b] [c]", "[c]", false);
	base("Tea (fwd) (FWD)", "Tea", true);
	base("[Fwd: Re: Tea]", "Tea", true);
	base("[fwd: [fwd: Tea] (fwd)]", "Tea", true);
	base("Reply", "Reply", false);
	base("Re", "Re", false);
	base("Re:", "", true);
	base("", "", false);
	base("[unclosed", "[unclosed", false);
}

/* A field's value in pieces, cut anywhere, gives the same result as the whole. */
static void
test_words_in_pieces(void **state)
{
	static const char *const bits[] = {"\r\n", "\n", "\r", "\xc3\xa9", "\xff",
	    "=?utf-8?q?a=C3=A9?=", "=?utf-8?b?w6k=?=", "=?utf-8?q?=C3?=", "=?utf-8?q?=A9?=",
	    "=?iso-8859-1?q?=E9_?=", "=?iso-2022-jp?b?GyRCRnwbKEI=?=", "=?none?q?x?=", "=?", "=",
	    "?=", "?q?", " ", "\r\n ", "\t", "word", "\xc3\xa9", "\xe9", "\xf0\x9f\x98\x80",
	    "\xe6\x97", "  ", "=?utf-8*en?Q?tagged?="};

	(void)state;
	srandom(3);
	for (int round = 0; round < 4000; round++) {
		struct buf value = {0}, whole = {0}, got = {0};
		struct mail_words w = {0};
		size_t at = 0;

		for (long n = random() % 14; n > 0; n--)
			buf_puts(&value, bits[(size_t)random() % (sizeof(bits) / sizeof(*bits))]);
		mail_words_decode(buf_as_str(&value), &whole);
		do {
			size_t n = (size_t)random() % 9;
			char *copy = malloc(n + 1);

			n = value.n - at < n ? value.n - at : n;
			if (n > 0)
				memcpy(copy, value.p + at, n);
			at += n;
			mail_words_feed(&w, (struct str){copy, n}, at == value.n, &got);
			free(copy);
		} while (at < value.n);
		if (!str_eq(buf_as_str(&whole), buf_as_str(&got)))
			fail_msg("'%.*s': '%.*s', in pieces '%.*s'", STR_ARG(buf_as_str(&value)),
			    STR_ARG(buf_as_str(&whole)), STR_ARG(buf_as_str(&got)));
		mail_words_fini(&w);
		buf_fini(&value);
		buf_fini(&whole);
		buf_fini(&got);
	}
}

/* Little of a value of megabytes is held, whatever it contains. */
static void
test_words_memory(void **state)
{
	static const char *const units[] = {"=?utf-8?q?=C3=A9?= ", "word ", "                ",
	    "=?utf-8?q?no_end ", "yyyyyyyyyyyyyyyy", "================"};

	(void)state;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		struct mail_words w = {0};
		struct buf piece = {0}, out = {0};

		while (piece.n < 16384)
			buf_puts(&piece, units[i]);
		for (int n = 0; n < 300; n++) {
			out.n = 0;
			mail_words_feed(&w, buf_as_str(&piece), n == 299, &out);
			assert_true(w.held.cap + w.bytes.cap + out.cap < 512 * 1024);
		}
		mail_words_fini(&w);
		buf_fini(&piece);
		buf_fini(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_charsets),
	    cmocka_unit_test(test_utf16_long),
	    cmocka_unit_test(test_words),
	    cmocka_unit_test(test_casemap),
	    cmocka_unit_test(test_casemap_long),
	    cmocka_unit_test(test_base_subject),
	    cmocka_unit_test(test_words_in_pieces),
	    cmocka_unit_test(test_words_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
