/* SPDX-License-Identifier: Apache-2.0 */
/* Substring search in texts, headers and bodies; streaming gives the same result as the whole
 * message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mail/header.h"
#include "mail/search.h"
#include "mail/text/html.h"
#include "mail/text/needles.h"
#include "mail/text/text.h"

static bool
in(const char *needle, struct str text)
{
	struct mail_needles *n = mail_needles_new();
	size_t key = mail_needles_add(n, str_of(needle));
	struct buf folded = {0};
	bool found;

	mail_needles_begin(n);
	mail_needles_fold(text, &folded);
	mail_needles_feed(n, MAIL_NEEDLES_PLAIN, buf_as_str(&folded));
	mail_needles_end(n, MAIL_NEEDLES_PLAIN);
	found = mail_needles_found(n, key);
	mail_needles_free(&n);
	assert_null(n);
	buf_fini(&folded);
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
	assert_true(in("\xc3\x9c"
	               "BER",
	    STR("u\xcc\x88"
	        "ber")));
	assert_false(in("worlds", STR("hello world")));
	assert_true(in("\xd0\x9c\xd0\xb8\xd1\x80", STR("\xd0\xbc\xd0\xb8\xd1\x80")));
}

/* i;unicode-casemap (RFC 5051), to the letter: titlecase and compatibility forms, a character at a
 * time. */
static void
test_collation(void **state)
{
	static const struct {
		const char *needle, *text;
		bool found;
	} cases[] = {
	    {"grüße", "GRÜßE", true},
	    {"strasse", "Straße", false}, /* no titlecase, no decomposition */
	    {"straße", "STRASSE", false},
	    {"I", "ı", true}, /* dotless: its titlecase is I */
	    {"i", "ı", true},
	    {"İ", "i\u0307", true},
	    {"s", "ſ", true}, /* long s */
	    {"σ", "ς", true},
	    {"ΣΊΣΥΦΟΣ", "Σίσυφος", true},
	    {"a", "ä", true}, /* an accent is a character behind its letter, */
	    {"ä", "a", false},
	    {"a\u030a", "a\u030a\u0323", true}, /* in the order in which it is written */
	    {"a\u0323", "a\u030a\u0323", false},
	    {"a\u0323\u030a", "a\u030a\u0323", false},
	    {"ﬁ", "ﬁ", true},
	    {"fi", "ﬁ", false}, /* taken apart after the titlecase, which stays small */
	    {"Ａ", "a", true},  /* full width */
	    {"１", "x1y", true},
	    {"①", "1", true},
	    {"soft", "so\u00adft", false}, /* a soft hyphen is a character */
	    {"so\u00adft", "SO\u00adFT", true},
	    {"ǆ", "ǅ", true},
	    {"ǆ", "Ǆ", true}, /* RFC 5051 section 2: the titlecase of both is U+01C5 */
	    {"漢字", "x漢字y", true},
	    {"가", "각", true}, /* jamo */
	    {"мир", "МИР", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (in(cases[i].needle, str_of(cases[i].text)) != cases[i].found)
			fail_msg("%s in %s", cases[i].needle, cases[i].text);
}

/* Pieces, whole characters each, give what the whole gives. */
static void
test_collation_pieces(void **state)
{
	struct buf whole = {0}, pieces = {0}, text = {0};

	(void)state;
	for (uint32_t c = 1; c < 0x30000; c += c < 0x3000 ? 1 : 37)
		if (c < 0xD800 || c > 0xDFFF)
			text_put_char(&text, c);
	mail_collate(buf_as_str(&text), &whole);
	for (size_t i = 0, n; i < text.n; i += n) {
		n = 1;
		while (i + n < text.n && ((unsigned char)text.p[i + n] & 0xC0) == 0x80)
			n++;
		mail_collate_text((struct str){text.p + i, n}, &pieces);
	}
	assert_true(str_eq(buf_as_str(&whole), buf_as_str(&pieces)));
	buf_fini(&whole);
	buf_fini(&pieces);
	buf_fini(&text);
}

/* Matches at and across the boundaries of pieces and windows. */
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

/* A key, and whether it is found. */
struct sought {
	enum mail_search_in in;
	struct str field;
	enum mail_text which;
	struct str text;
	bool found;
	size_t key;
};

/* Looks for all of them in one message, in the pieces that the search asks for.  Returns the most
 * memory that this took for the message. */
static size_t
seek(struct str message, struct sought *v, size_t n)
{
	struct mail_search *s = mail_search_new();
	struct buf bytes = {0};
	struct mail_summary summary;
	struct mail_range range;
	size_t held = 0;

	mail_summarize(message, NULL, &bytes);
	assert_int_equal(mail_summary_open(buf_as_str(&bytes), &summary), TS_OK);
	for (size_t i = 0; i < n; i++)
		v[i].key = mail_search_add(s, v[i].in, v[i].field, v[i].which, v[i].text);
	(void)mail_search_ready(s);
	for (int again = 0; again < 2; again++) { /* nothing may remain of the message before */
		mail_search_begin(s, &summary);
		while (mail_search_wants(s, &range)) {
			char *copy = malloc(range.len);

			assert_in_range(range.len, 1, MAIL_SEARCH_PIECE);
			assert_true(range.off + range.len <= message.n);
			memcpy(copy, message.p + range.off, range.len);
			mail_search_feed(s, (struct str){copy, range.len});
			free(copy);
			held = mail_search_held(s) > held ? mail_search_held(s) : held;
		}
		for (size_t i = 0; i < n; i++) {
			enum mail_search_found found = mail_search_key(s, v[i].key);

			assert_int_not_equal(found, MAIL_SEARCH_OPEN);
			v[i].found = found == MAIL_SEARCH_YES;
		}
	}
	mail_search_free(&s);
	buf_fini(&bytes);
	return held;
}

static bool
header_has(const char *field, const char *word, struct str message)
{
	struct sought sought = {
	    .in = MAIL_SEARCH_FIELD, .field = str_of(field), .text = str_of(word)};

	seek(message, &sought, 1);
	return sought.found;
}

static void
test_header(void **state)
{
	struct str h = STR("To: a@a\r\nX-Word: one\r\nx-word: =?utf-8?q?Tw=C3=B6?=\r\n "
	                   "zwei\r\nno colon\r\n\r\nX-Word: body\r\n");

	(void)state;
	assert_true(header_has("X-WORD", "tw\xc3\x96 Z", h));
	assert_false(header_has("To", "tw\xc3\x96 Z", h));
	assert_true(in("folded with a tab", STR("folded\twith a\ttab")));
	assert_true(in("folded\twith", STR("folded with")));
	assert_true(header_has("to", "", h));
	assert_false(header_has("cc", "", h));
	assert_false(header_has("x-word", "body", h));
	assert_true(header_has("", "colon", h));
	assert_false(header_has("", "one", h));
}

/* What a limit kept out of the summary is found nevertheless: TO finds what HEADER TO finds. */
static void
test_cut(void **state)
{
	struct buf m = {0};

	(void)state;
	buf_puts(&m, "To: ");
	for (unsigned i = 0; i < 12000; i++)
		buf_printf(&m, "box%u@b.test,\r\n ", i);
	buf_puts(&m, "last@b.test\r\nSubject:");
	for (unsigned i = 0; i < 20000; i++)
		buf_puts(&m, " word");
	buf_puts(&m, " omega\r\nX: nowhere\r\n\r\nbody");
	struct sought v[] = {
	    {.in = MAIL_SEARCH_SUMMARY, .which = MAIL_TEXT_TO, .text = STR("last@b.test")},
	    {.in = MAIL_SEARCH_SUMMARY, .which = MAIL_TEXT_TO, .text = STR("box1@b.test")},
	    {.in = MAIL_SEARCH_FIELD, .field = STR("to"), .text = STR("last@b.test")},
	    {.in = MAIL_SEARCH_SUMMARY, .which = MAIL_TEXT_SUBJECT, .text = STR("Omega")},
	    {.in = MAIL_SEARCH_SUMMARY, .which = MAIL_TEXT_SUBJECT, .text = STR("last@")},
	    {.in = MAIL_SEARCH_SUMMARY, .which = MAIL_TEXT_TO, .text = STR("nowhere")},
	    {.in = MAIL_SEARCH_SUMMARY, .which = MAIL_TEXT_CC, .text = STR("")},
	};
	seek(buf_as_str(&m), v, sizeof(v) / sizeof(*v));
	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++)
		assert_int_equal(v[i].found, i < 4);
	buf_fini(&m);
}

static bool
message_has(struct str message, const char *word, enum mail_search_in in)
{
	struct sought sought = {.in = in, .text = str_of(word)};

	seek(message, &sought, 1);
	return sought.found;
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
	assert_true(message_has(m,
	    "GR\xc3\x9c\xc3\x9f"
	    "E",
	    MAIL_SEARCH_TEXT));
	assert_true(message_has(m, "secret.bin", MAIL_SEARCH_TEXT));
	assert_false(message_has(m, "secret.bin", MAIL_SEARCH_BODY));
	assert_true(message_has(m, "", MAIL_SEARCH_BODY));
	/* Text in message/... that is not a nested message. */
	assert_true(message_has(
	    STR("Content-Type: multipart/report; boundary=b\n\n--b\n"
	        "Content-Type: message/delivery-status\n\nReporting-MTA: dns; a.test\n\n"
	        "Final-Recipient: rfc822; zebra@b.test\n--b--\n"),
	    "zebra@b.test", MAIL_SEARCH_BODY));
	assert_true(message_has(STR("Content-Type: message/global-delivery-status; charset=utf-8\n"
	                            "Content-Transfer-Encoding: base64\n\nWsOpYnJh\n"),
	    "Z\xc3\xa9"
	    "bra",
	    MAIL_SEARCH_BODY));
	assert_true(message_has(
	    STR("Content-Type: message/html\n\n<b>zebra"), "<b>zebra", MAIL_SEARCH_TEXT));
	/* Nothing matches across two parts. */
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

/* Visible text is found, markup is not. */
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
	assert_true(html_has(page, "mrs \xc2\xa0 m\xc3\xbcller")); /* any space is a space */
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

/* ---- the same, simply: all of a text at once, and one key after the other ---- */

static void
fold_simply(struct str text, bool squeezed, struct buf *out)
{
	struct buf folded = {0};

	mail_collate(text, &folded);
	for (size_t i = 0; i < folded.n; i++) {
		char c = folded.p[i] == '\t' ? ' ' : folded.p[i];

		if (!squeezed || c != ' ' || out->n == 0 || out->p[out->n - 1] != ' ')
			buf_putc(out, c);
	}
	buf_fini(&folded);
}

static bool
in_simply(struct str word, struct str text, bool squeezed)
{
	struct buf needle = {0}, blanks = {0}, folded = {0};
	bool found;

	fold_simply(word, false, &blanks);
	for (size_t i = 0; squeezed && i < blanks.n; i++)
		if (blanks.p[i] == '\r' || blanks.p[i] == '\n')
			blanks.p[i] = ' ';
	fold_simply(buf_as_str(&blanks), squeezed, &needle);
	fold_simply(text, squeezed, &folded);
	found = needle.n == 0 || (folded.n >= needle.n &&
	                             str_find(buf_as_str(&folded), buf_as_str(&needle)) != NULL);
	buf_fini(&needle);
	buf_fini(&blanks);
	buf_fini(&folded);
	return found;
}

static bool
header_simply(struct str header, const struct sought *k)
{
	struct buf all = {0}, value = {0};
	struct mail_field f;
	bool found = false;

	while (mail_field_next(&header, &f)) {
		value.n = 0;
		mail_words_decode(f.value, &value);
		if (k->in == MAIL_SEARCH_FIELD)
			found = found || (str_ieq(f.name, k->field) &&
			                     in_simply(k->text, buf_as_str(&value), false));
		if (str_is_ascii(f.name))
			buf_str(&all, f.name);
		buf_puts(&all, ": ");
		buf_str(&all, buf_as_str(&value));
		buf_puts(&all, "\r\n");
	}
	if (k->in != MAIL_SEARCH_FIELD)
		found = in_simply(k->text, buf_as_str(&all), false);
	buf_fini(&all);
	buf_fini(&value);
	return found;
}

static bool
body_simply(const struct mail_part *p, struct str body, struct str word)
{
	bool is_html = str_eq(p->subtype, STR("html")), found;
	struct buf bytes = {0}, text = {0}, shown = {0}, aside = {0};
	struct mail_decoder d;
	struct mail_html html;

	mail_decoder_init(&d, p->encoding);
	mail_decode(&d, body, true, &bytes);
	mail_to_utf8(p->charset.n > 0 ? p->charset : STR("us-ascii"), buf_as_str(&bytes), &text);
	mail_html_init(&html);
	if (is_html)
		mail_html_feed(&html, buf_as_str(&text), true, &shown, &aside);
	found = is_html ? in_simply(word, buf_as_str(&shown), true) ||
	                      in_simply(word, buf_as_str(&aside), true)
	                : in_simply(word, buf_as_str(&text), false);
	buf_fini(&bytes);
	buf_fini(&text);
	buf_fini(&shown);
	buf_fini(&aside);
	return found;
}

static bool
seek_simply(struct str message, const struct sought *k)
{
	struct buf bytes = {0};
	struct mail_summary s;
	struct mail_part p, parent;
	struct str text;
	bool found = false;

	mail_summarize(message, NULL, &bytes);
	assert_int_equal(mail_summary_open(buf_as_str(&bytes), &s), TS_OK);
	if (k->in == MAIL_SEARCH_SUMMARY) {
		text = mail_summary_text(&s, k->which);
		found = text.p != NULL && in_simply(k->text, text, false);
	}
	for (uint32_t i = 0; i < s.part_count && k->in != MAIL_SEARCH_SUMMARY; i++) {
		mail_summary_part(&s, i, &p);
		mail_summary_part(&s, p.parent, &parent);
		if (k->in == MAIL_SEARCH_FIELD
		        ? i == 0
		        : k->in == MAIL_SEARCH_TEXT || (i > 0 && parent.kind == MAIL_PART_MESSAGE))
			found =
			    found ||
			    header_simply((struct str){message.p + p.header_off, p.header_len}, k);
		if (k->in != MAIL_SEARCH_FIELD && p.kind == MAIL_PART_LEAF &&
		    str_eq(p.type, STR("text")))
			found =
			    found || body_simply(&p,
			                 (struct str){message.p + p.body_off, p.body_len}, k->text);
	}
	buf_fini(&bytes);
	return found;
}

/* ---- messages of all kinds ---- */

static const char *const words[] = {"Alpha", "beta",
    ("stra\xc3\x9f"
     "e"),
    "\xd0\x9c\xd0\xb8\xd1\x80", "caf\xc3\xa9", "x", "and then", "a  b", "\xe6\x97\xa5\xe6\x9c\xac",
    "1 < 2", "\t", "longer-than-others-are"};

static size_t
upto(size_t n)
{
	return (size_t)random() % n;
}

static const char *
word(void)
{
	return words[upto(sizeof(words) / sizeof(*words))];
}

static void
put_field(struct buf *m)
{
	static const char *const names[] = {
	    "Subject", "X-One", "x-two", "To", "From", "", "Odd Name"};
	size_t n = upto(6) == 0 ? upto(9000) : upto(12);

	buf_printf(m, "%s%s", names[upto(7)], upto(20) == 0 ? "" : ": ");
	while (n-- > 0) {
		switch (upto(7)) {
		case 0:
			buf_printf(m, " =?utf-8?q?=%02X%s?=", (unsigned)upto(128) + 33, "=C3=A9t");
			break;
		case 1:
			buf_puts(m, "=?iso-8859-1?Q?_caf=E9?=");
			break;
		case 2:
			buf_puts(m, " =?utf-8?b?w6kgYWxwaGE?=\r\n ");
			break;
		case 3:
			buf_puts(m, "\r\n\t");
			break;
		case 4:
			buf_puts(m, upto(2) == 0 ? "=?broken?q?" : "=");
			break;
		default:
			buf_printf(m, "%s ", word());
		}
	}
	buf_puts(m, "\r\n");
}

static void
put_text(struct buf *m)
{
	static const char *const html[] = {"<b>", "</b>", "<p title=\"beta x\">", "&eacute;",
	    "&lt;", "<!-- alpha -->", "<br>", "  ", "\r\n", "<style>beta</style>", "<a href='x'>"};
	size_t n = upto(8) == 0 ? 5000 + upto(30000) : upto(40);

	while (n-- > 0)
		if (upto(3) == 0)
			buf_puts(m, html[upto(11)]);
		else
			buf_printf(m, "%s%s", word(), upto(8) == 0 ? "\r\n" : " ");
}

static void
put_encoded(struct buf *m, struct str text, bool base64)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < text.n; i += base64 ? 3 : 1) {
		unsigned v = (unsigned char)text.p[i];

		if (!base64) {
			if (v > 126 || v < 32 || v == '=' || upto(50) == 0)
				buf_printf(m, "=%02X", v);
			else
				buf_putc(m, (char)v);
			if (i % 70 == 69)
				buf_puts(m, "=\r\n");
			continue;
		}
		v = v << 16 | (i + 1 < text.n ? (unsigned char)text.p[i + 1] << 8 : 0) |
		    (i + 2 < text.n ? (unsigned char)text.p[i + 2] : 0);
		for (int k = 18; k >= 0; k -= 6)
			buf_putc(m, digits[v >> k & 63]);
		if (i % 54 == 51)
			buf_puts(m, "\r\n");
	}
	buf_puts(m, "\r\n");
}

static void
put_part(struct buf *m, int depth)
{
	static const char *const charsets[] = {
	    "utf-8", "us-ascii", "windows-1252", "utf-16le", "none"};
	static const char *const encodings[] = {"8bit", "base64", "quoted-printable"};
	size_t kind = upto(depth > 2 ? 2 : 4), encoding = upto(3);
	struct buf text = {0};

	for (size_t n = upto(4); n > 0; n--)
		put_field(m);
	if (kind < 2) {
		buf_printf(m, "Content-Type: text/%s; charset=%s\r\n", kind == 0 ? "plain" : "html",
		    charsets[upto(5)]);
		buf_printf(m, "Content-Transfer-Encoding: %s\r\n\r\n", encodings[encoding]);
		put_text(&text);
		if (encoding == 0)
			buf_str(m, buf_as_str(&text));
		else
			put_encoded(m, buf_as_str(&text), encoding == 1);
	} else if (kind == 2) {
		buf_puts(m, "Content-Type: message/rfc822\r\n\r\n");
		put_part(m, depth + 1);
	} else {
		buf_printf(
		    m, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\nalpha\r\n", depth);
		for (size_t n = 1 + upto(4); n > 0; n--) {
			buf_printf(m, "\r\n--b%d\r\n", depth);
			put_part(m, depth + 1);
		}
		buf_printf(m, "\r\n--b%d--\r\n", depth);
	}
	buf_fini(&text);
}

static void
some_key(struct sought *k, struct buf *text)
{
	static const struct str fields[] = {
	    {"subject", 7}, {"X-TWO", 5}, {"x-one", 5}, {"", 0}, {"cc", 2}};
	static const enum mail_text which[] = {MAIL_TEXT_SUBJECT, MAIL_TEXT_FROM, MAIL_TEXT_TO};

	*k = (struct sought){
	    .in = (enum mail_search_in)upto(4), .field = fields[upto(5)], .which = which[upto(3)]};
	for (size_t n = upto(4); n > 0; n--)
		buf_printf(text, "%s%s", word(), upto(2) == 0 ? " " : "");
	k->text = text->n > 0 ? buf_as_str(text) : STR("");
	/* The beginning or the end of it, cut between characters. */
	for (size_t n = upto(6);
	     n > 0 && k->text.n > 1 && ((unsigned char)k->text.p[1] & 0xc0) != 0x80; n--)
		k->text = (struct str){k->text.p + 1, k->text.n - 1};
}

/* Few or many keys at once give the same result as each alone in the whole text. */
static void
test_as_simply(void **state)
{
	enum { KEYS = 40 };
	size_t yes = 0, no = 0;

	(void)state;
	srandom(7);
	for (int round = 0; round < 60; round++) {
		struct buf message = {0}, texts[KEYS] = {{0}};
		struct sought v[KEYS];
		size_t n = round % 2 == 0 ? 1 + upto(4) : KEYS;

		put_part(&message, 0);
		for (size_t i = 0; i < n; i++)
			some_key(&v[i], &texts[i]);
		seek(buf_as_str(&message), v, n);
		for (size_t i = 0; i < n; i++) {
			if (v[i].found != seek_simply(buf_as_str(&message), &v[i])) {
				(void)fwrite(message.p, 1, message.n, stderr);
				fail_msg("in %d, field %.*s, text '%.*s': %d", v[i].in,
				    STR_ARG(v[i].field), STR_ARG(v[i].text), v[i].found);
			}
			yes += v[i].found;
			no += !v[i].found;
			buf_fini(&texts[i]);
		}
		buf_fini(&message);
	}
	assert_true(yes > 100 && no > 100);
}

static void
put_times(struct buf *b, size_t n, const char *unit)
{
	while (n-- > 0)
		buf_puts(b, unit);
}

/* Fields and bodies of megabytes: little is held at a time, and everything is found. */
static void
test_memory(void **state)
{
	static const char *const found[] = {
	    "first", "\xc3\xa9t\xc3\xa9 end", "late words", "last", "behind", "hidden end"};
	struct buf m = {0};
	struct sought v[8] = {0};
	size_t n = sizeof(found) / sizeof(*found);

	(void)state;
	buf_puts(&m, "X-One: first");
	put_times(&m, 150000, " =?utf-8?q?=C3=A9t?=\r\n");
	buf_puts(&m, " =?utf-8?q?=C3?= =?utf-8?q?=A9_end?=\r\nX-Two: ");
	put_times(&m, 300000, "a word ");
	buf_puts(&m, "late words\r\nX-Three: ");
	put_times(&m, 2000000, "y");
	buf_puts(&m, " last\r\nX-Four: behind\r\nContent-Type: text/html\r\n\r\n<p title='");
	put_times(&m, 500000, "aside ");
	buf_puts(&m, "hidden  end'>");
	put_times(&m, 500000, "<b> </b>x ");
	for (size_t i = 0; i < n; i++) {
		v[i].in = MAIL_SEARCH_TEXT;
		v[i].text = str_of(found[i]);
	}
	v[n] = (struct sought){
	    .in = MAIL_SEARCH_FIELD, .field = STR("x-three"), .text = STR("yyy last")};
	v[n + 1] = (struct sought){
	    .in = MAIL_SEARCH_FIELD, .field = STR("x-three"), .text = STR("behind")};
	assert_in_range(seek(buf_as_str(&m), v, n + 2), 1, 2u << 20);
	for (size_t i = 0; i <= n; i++)
		assert_true(v[i].found);
	assert_false(v[n + 1].found);
	buf_fini(&m);
}

/* A match across the boundary of two pieces, small and large, with few needles and many. */
static void
test_borders(void **state)
{
	enum { TEXT = 40000 };
	static const char word[] = "NEEDLE AT THE BORDER";
	static const size_t pieces[] = {1, 7, 4096, 5000, 16384, TEXT};
	static char text[TEXT];

	(void)state;
	for (size_t keys = 1; keys < 10; keys += 8) {
		struct mail_needles *n = mail_needles_new();

		for (size_t i = 0; i < keys; i++)
			(void)mail_needles_add(n, (struct str){word + i, sizeof(word) - 1 - i});
		(void)mail_needles_add(n, STR("needle that is not there"));
		for (int round = 0; round < 400; round++) {
			size_t border = pieces[2 + (size_t)round % 3],
			       at = border - 1 - (size_t)round % 18;

			memset(text, 'N', TEXT);
			memcpy(text + at, word, sizeof(word) - 1);
			mail_needles_begin(n);
			for (size_t from = 0, piece; from < TEXT; from += piece) {
				piece = from == 0 ? border : pieces[(size_t)round / 18 % 6];
				piece = TEXT - from < piece ? TEXT - from : piece;
				mail_needles_feed(
				    n, MAIL_NEEDLES_PLAIN, (struct str){text + from, piece});
			}
			mail_needles_end(n, MAIL_NEEDLES_PLAIN);
			for (size_t i = 0; i < keys; i++)
				assert_true(mail_needles_found(n, i));
			assert_false(mail_needles_found(n, keys));
		}
		mail_needles_free(&n);
	}
}

/* Needles that are suffixes or prefixes of others, duplicates, and long runs of one letter. */
static void
test_many(void **state)
{
	enum { N = 300 };
	struct mail_needles *n = mail_needles_new();
	static char text[N + 1];
	struct str as = {text, N};

	(void)state;
	memset(text, 'A', N);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(mail_needles_add(n, (struct str){text, i + 1}), i);
	assert_int_equal(mail_needles_add(n, STR("AB")), N);
	assert_int_equal(mail_needles_add(n, STR("ab")), N + 1);
	assert_int_equal(mail_needles_add(n, STR("")), N + 2);
	for (size_t len = 0; len < N; len += 7) {
		mail_needles_begin(n);
		for (size_t at = 0; at < len; at += 5) {
			size_t left = len - at < 5 ? len - at : 5;

			mail_needles_feed(n, MAIL_NEEDLES_PLAIN, (struct str){as.p + at, left});
		}
		mail_needles_feed(n, MAIL_NEEDLES_SHOWN, as); /* another text */
		mail_needles_begin(n);
		mail_needles_feed(n, MAIL_NEEDLES_PLAIN, (struct str){as.p, len});
		if (len % 2 == 0)
			mail_needles_end(n, MAIL_NEEDLES_PLAIN);
		mail_needles_feed(n, MAIL_NEEDLES_PLAIN, STR("B"));
		for (size_t i = 0; i < N; i++)
			assert_int_equal(mail_needles_found(n, i), i < len);
		assert_int_equal(mail_needles_found(n, N), len > 0 && len % 2 != 0);
		assert_int_equal(mail_needles_found(n, N + 1), len > 0 && len % 2 != 0);
		assert_int_equal(mail_needles_found(n, N + 2), len % 2 == 0);
	}
	mail_needles_free(&n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_texts),
	    cmocka_unit_test(test_collation),
	    cmocka_unit_test(test_collation_pieces),
	    cmocka_unit_test(test_long),
	    cmocka_unit_test(test_header),
	    cmocka_unit_test(test_cut),
	    cmocka_unit_test(test_message),
	    cmocka_unit_test(test_html),
	    cmocka_unit_test(test_as_simply),
	    cmocka_unit_test(test_memory),
	    cmocka_unit_test(test_borders),
	    cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
