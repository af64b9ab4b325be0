/* SPDX-License-Identifier: Apache-2.0 */
/* HTML to text, whole and in pieces of every size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mail/text/html.h"

static void
shows(struct str in, struct str want, struct str want_aside)
{
	for (size_t piece = 1; piece <= in.n + 1; piece++) {
		struct mail_html h;
		struct buf text = {0}, aside = {0};

		mail_html_init(&h);
		for (size_t i = 0; i < in.n; i += piece) {
			size_t n = in.n - i < piece ? in.n - i : piece;

			mail_html_feed(&h, (struct str){in.p + i, n}, i + n == in.n, &text, &aside);
		}
		if (!str_eq(buf_as_str(&text), want) || !str_eq(buf_as_str(&aside), want_aside))
			fail_msg("%.*s in pieces of %zu: <%.*s> and <%.*s>", STR_ARG(in), piece,
			    STR_ARG(buf_as_str(&text)), STR_ARG(buf_as_str(&aside)));
		buf_fini(&text);
		buf_fini(&aside);
	}
}

#define SHOWS(in, want) shows(STR(in), STR(want), STR(""))

static void
test_tags(void **state)
{
	(void)state;
	SHOWS("", "");
	SHOWS("plain\r\ntext", "plain  text");
	SHOWS("wo<b>r</B>d <unknown-thing>x</unknown-thing>", "word x");
	SHOWS("one<p>two</P >three<br/>four<TD\nclass=x>five", "one\ntwo\nthree\nfour\nfive");
	SHOWS("a<o:p></o:p>b", "ab");
	SHOWS("<a name='>'>x</a><i a=\"<>'\" b=>y</i><i c=d>z</i>", "xyz");
	SHOWS("<abcdefghijklmnopqrstuvwxyz>x</abcdefghijklmnopqrstuvwxyz>", "x");
	SHOWS("a</>b</ p>c", "abc");
	SHOWS("unfinished <b", "unfinished ");
	SHOWS("unfinished <b x='y", "unfinished ");
}

static void
test_text_that_looks_like_markup(void **state)
{
	(void)state;
	SHOWS("1 < 2 <3 <", "1 < 2 <3 <");
	SHOWS("a </", "a </");
	SHOWS("<<b>>", "<>");
	SHOWS("R&D && & &; AT&T &", "R&D && & &; AT&T &");
	SHOWS("a > b", "a > b");
}

static void
test_left_out(void **state)
{
	(void)state;
	SHOWS("a<!-- <b>x</b> -- > --->b", "ab");
	SHOWS("a<!-->b<!--->c<!---->d<!----!>e<!-- x --!>f", "abcdef");
	SHOWS("a<!--!>x-->b", "ab");
	SHOWS("a<!DOCTYPE html>b<?xml version='1.0'?>c<![if !x]>d<![endif]>e<!>f", "abcdef");
	SHOWS("a<!-- never ended", "a");
	SHOWS("a<style>p > a {}</style>b", "a\nb");
	SHOWS("a<Script type=x>if (a</b && '</scripts>' <!-- </SCRIPT\n x=y>b", "a\nb");
	SHOWS("a<style></ style><</style/>b", "a\nb");
	SHOWS("a</style>b", "a\nb");
}

static void
test_references(void **state)
{
	(void)state;
	SHOWS("5 &lt; 6 &amp;amp; &quot;&apos;&gt;", "5 < 6 &amp; \"'>");
	SHOWS("caf&eacute; &Eacute; &scaron; &hellip; &euro;",
	    "caf\xc3\xa9 \xc3\x89 \xc5\xa1 \xe2\x80\xa6 \xe2\x82\xac");
	SHOWS("&#65;&#x42;&#X63;&#68 &#x45g", "ABcD Eg");
	SHOWS("&#128;&#0;&#xd800;&#x110000;&#99999999999;",
	    "\xe2\x82\xac\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	SHOWS("&#13;&#10;x&#9;", "  x ");
	SHOWS("&#;&#x;&#xg;&zzz;&EACUTE;", "&#;&#x;&#xg;&zzz;&EACUTE;");
	SHOWS("&copy 2026 &copy2026 &notit; &euro 5", "\xc2\xa9 2026 \xc2\xa9"
	                                              "2026 \xc2\xacit; &euro 5");
	SHOWS("&am<b>p;</b>", "&amp;");
	SHOWS("a&nbsp;b&NonBreakingSpace;c", "a\xc2\xa0"
	                                     "b\xc2\xa0"
	                                     "c");
	SHOWS("&divide;&div &divide", "\xc3\xb7&div \xc3\xb7");
	SHOWS("&abcdefghijklmnopqrstuvwxyz;", "&abcdefghijklmnopqrstuvwxyz;");
}

static void
test_attributes(void **state)
{
	(void)state;
	shows(STR("wo<a href=\"https://x.example/?a=1&copy=2&amp;b\" class='not'>rd</a>"),
	    STR("word"), STR("https://x.example/?a=1&copy=2&b\n"));
	shows(STR("<img ALT='a &lt;\r\nb' src=s title=bare&eacute;>"), STR("\n"),
	    STR("a <  b\nbare\xc3\xa9\n"));
	shows(STR("<i title>x</i><i title = y alt= ''>"), STR("x"), STR("y\n\n"));
	shows(STR("<i title=/x/>y</i title=z>"), STR("y"), STR("/x/\n"));
	shows(STR("<i\ttitle=x/alt=y>z"), STR("z"), STR("x/alt=y\n"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_tags),
	    cmocka_unit_test(test_text_that_looks_like_markup),
	    cmocka_unit_test(test_left_out),
	    cmocka_unit_test(test_references),
	    cmocka_unit_test(test_attributes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
