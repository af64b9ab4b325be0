/* SPDX-License-Identifier: Apache-2.0 */
/* Summaries: what FETCH sends, what is kept for SEARCH and SORT, limits, damage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <xxhash.h>

#include "base/log.h"
#include "base/mem.h"
#include "mail/summary.h"

struct made {
	struct buf bytes;
	struct mail_summary s;
};

static void
make_with(struct made *m, struct str message, const struct mail_limits *limits)
{
	m->bytes = (struct buf){0};
	mail_summarize(message, limits, &m->bytes);
	assert_int_equal(mail_summary_open(buf_as_str(&m->bytes), &m->s), TS_OK);
	assert_int_equal(m->s.size, message.n);
}

static void
make(struct made *m, const char *message)
{
	make_with(m, str_of(message), NULL);
}

static void
is(const struct made *m, enum mail_text which, const char *want)
{
	struct str got = mail_summary_text(&m->s, which);

	if (want == NULL ? got.p != NULL : got.p == NULL || !str_eq(got, str_of(want)))
		fail_msg("text %d: %.*s", which, STR_ARG(got));
}

static void
shows(const char *message, enum mail_text which, const char *want)
{
	struct made m;

	make(&m, message);
	is(&m, which, want);
	buf_fini(&m.bytes);
}

#define TEXT(rest) "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" " rest ")"

static void
test_envelope(void **state)
{
	(void)state;
	shows("Date: Mon, 1 Jan 2024 10:00:00 +0000\r\n"
	      "Subject: Hello \"you\" \\o/\r\n"
	      "From: Ann <ann@a.test>\r\nReply-To: help@a.test\r\nTo: x@x.test\r\nTo: y@y.test\r\n"
	      "In-Reply-To:\r\nMessage-ID: <1@a.test>\r\n\r\n",
	    MAIL_TEXT_ENVELOPE,
	    "(\"Mon, 1 Jan 2024 10:00:00 +0000\" \"Hello \\\"you\\\" \\\\o/\" "
	    "((\"Ann\" NIL \"ann\" \"a.test\")) ((\"Ann\" NIL \"ann\" \"a.test\")) "
	    "((NIL NIL \"help\" \"a.test\")) "
	    "((NIL NIL \"x\" \"x.test\")(NIL NIL \"y\" \"y.test\")) NIL NIL \"\" \"<1@a.test>\")");
	shows("", MAIL_TEXT_ENVELOPE, "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
	shows("Subject:\nTo: \nFrom: who\n", MAIL_TEXT_ENVELOPE,
	    "(NIL \"\" ((NIL NIL \"who\" \"\")) ((NIL NIL \"who\" \"\")) ((NIL NIL \"who\" \"\")) "
	    "NIL NIL NIL NIL NIL)");
	shows("To: Team: a@a.test;\r\n\r\n", MAIL_TEXT_ENVELOPE,
	    "(NIL NIL NIL NIL NIL ((NIL NIL \"Team\" NIL)(NIL NIL \"a\" \"a.test\")(NIL NIL NIL "
	    "NIL)) NIL NIL NIL NIL)");
	/* 8-bit text becomes a literal; folds are removed. */
	shows("Subject: gr\xc3\xbc\xc3\x9f\r\n e\r\n\r\n", MAIL_TEXT_ENVELOPE,
	    "(NIL {8}\r\ngr\xc3\xbc\xc3\x9f e NIL NIL NIL NIL NIL NIL NIL NIL)");
}

static void
test_nul(void **state)
{
	struct made m;

	(void)state;
	make_with(&m, STR("Subject: a\0b\xff\0\r\n\r\n\0"), NULL);
	is(&m, MAIL_TEXT_ENVELOPE, "(NIL {3}\r\nab\xff NIL NIL NIL NIL NIL NIL NIL NIL)");
	is(&m, MAIL_TEXT_SUBJECT, "ab\xc3\xbf");
	assert_int_equal(m.s.flags, MAIL_SUMMARY_NUL | MAIL_SUMMARY_8BIT | MAIL_SUMMARY_BASE);
	buf_fini(&m.bytes);
}

static void
test_single_part(void **state)
{
	(void)state;
	shows("Subject: x\r\n\r\none\r\ntwo\r\n", MAIL_TEXT_BODY, TEXT("10 2"));
	shows("Subject: x\n\none\ntwo", MAIL_TEXT_BODY, TEXT("7 2"));
	shows("", MAIL_TEXT_BODY, TEXT("0 0"));
	shows("\r\n", MAIL_TEXT_BODYSTRUCTURE, TEXT("0 0 NIL NIL NIL NIL"));
	shows("Content-Type: Image/PNG; name=\"a b.png\"\r\nContent-ID: "
	      "<c>\r\nContent-Description: d\r\n"
	      "Content-Transfer-Encoding: BASE64\r\nContent-MD5: m==\r\n"
	      "Content-Disposition: inline; filename=x\r\nContent-Language: en (x), de\r\n"
	      "Content-Location: http://a.test/\r\n long\r\n\r\nAAAA",
	    MAIL_TEXT_BODYSTRUCTURE,
	    "(\"Image\" \"PNG\" (\"name\" \"a b.png\") \"<c>\" \"d\" \"BASE64\" 4 \"m==\" "
	    "(\"inline\" (\"filename\" \"x\")) (\"en\" \"de\") \"http://a.test/long\")");
	/* Spaces between encoded words stay, others are from folding. */
	shows("Content-Type: a/b\r\nContent-Location: =?us-ascii?q?http://a?=\r\n "
	      "=?us-ascii?q?.test/?= x\r\n\r\n",
	    MAIL_TEXT_BODYSTRUCTURE,
	    "(\"a\" \"b\" NIL NIL NIL \"7bit\" 0 NIL NIL NIL "
	    "\"=?us-ascii?q?http://a?= =?us-ascii?q?.test/?=x\")");
	/* RFC 2045 section 5.2: an invalid type is text/plain. */
	shows("Content-Type: text\r\n\r\n", MAIL_TEXT_BODY,
	    "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 0 0)");
	shows("Content-Type: te(/x\r\n\r\n", MAIL_TEXT_BODY,
	    "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 0 0)");
	/* A word after the value is not part of it. */
	shows("Content-Type: text / html charset=utf-8\r\nContent-Disposition: inline too; a=b\r\n"
	      "Content-Language: de at, en\r\n\r\n",
	    MAIL_TEXT_BODYSTRUCTURE,
	    "(\"text\" \"html\" NIL NIL NIL \"7bit\" 0 0 NIL (\"inline\" (\"a\" \"b\")) (\"de\" "
	    "\"en\") NIL)");
	shows("Content-Type: text/html\r\n\r\n", MAIL_TEXT_BODY,
	    "(\"text\" \"html\" NIL NIL NIL \"7bit\" 0 0)");
}

static void
test_multipart(void **state)
{
	(void)state;
	shows("Content-Type: multipart/mixed; boundary=b\r\n\r\npre\r\n--b\r\n\r\none\r\n--b \r\n"
	      "Content-Type: text/x\r\n\r\ntwo\r\n\r\n--b--\r\n--b\r\nepilogue",
	    MAIL_TEXT_BODYSTRUCTURE,
	    "(" TEXT(
	        "3 1 NIL NIL NIL NIL") "(\"text\" \"x\" NIL NIL NIL \"7bit\" 5 1 NIL NIL NIL NIL) "
	                               "\"mixed\" (\"boundary\" \"b\") NIL NIL NIL)");
	/* No parts at all: there is an artificial one. */
	shows("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b--\r\n", MAIL_TEXT_BODY,
	    "(" TEXT("0 0") " \"mixed\")");
	shows("Content-Type: multipart/mixed\r\n\r\nall\r\n", MAIL_TEXT_BODY,
	    "(" TEXT("5 1") " \"mixed\")");
	shows("Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: in\n\nhi\n--b--\n",
	    MAIL_TEXT_BODY,
	    "((\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 15 (NIL \"in\" NIL NIL NIL NIL NIL NIL "
	    "NIL NIL) " TEXT("2 1") " 3) \"digest\")");
	/* The inner multipart is never closed; the outer delimiter ends it. */
	shows("Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/x; "
	      "boundary=ab\n\n"
	      "--ab\n\none\n--a\n\ntwo",
	    MAIL_TEXT_BODY, "((" TEXT("3 1") " \"x\")" TEXT("3 1") " \"mixed\")");
	/* A part that ends within its header. */
	shows(
	    "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: message/rfc822\n--a--",
	    MAIL_TEXT_BODY,
	    "((\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 0 (NIL NIL NIL NIL NIL NIL NIL NIL NIL "
	    "NIL) " TEXT("0 0") " 0) \"mixed\")");
}

/* BODYSTRUCTURE shows the encoding that BINARY and SEARCH use. */
static void
test_encoding(void **state)
{
	static const struct {
		const char *value, *shown;
		enum mail_encoding encoding;
	} rows[] = {
	    {"base64", "base64", MAIL_ENCODING_BASE64},
	    {"base 64", "base", MAIL_ENCODING_UNKNOWN},
	    {"Base64 x", "Base64", MAIL_ENCODING_BASE64},
	    {"base64, x", "base64", MAIL_ENCODING_BASE64},
	    {"base64;x=y", "base64", MAIL_ENCODING_BASE64},
	    {"(c)base64(d)", "base64", MAIL_ENCODING_BASE64},
	    {"\"base64\"", "base64", MAIL_ENCODING_BASE64},
	    {"\" base64 x", "base64", MAIL_ENCODING_BASE64},
	    {"base64.", "base64.", MAIL_ENCODING_UNKNOWN},
	    {"base64\r\n x", "base64", MAIL_ENCODING_BASE64},
	    {"quoted printable", "quoted", MAIL_ENCODING_UNKNOWN},
	    {"quoted-printable charset=utf-8", "quoted-printable", MAIL_ENCODING_QP},
	    {"7bit 8bit", "7bit", MAIL_ENCODING_7BIT},
	    {"x base64", "x", MAIL_ENCODING_UNKNOWN},
	    {"(only this)", "7bit", MAIL_ENCODING_7BIT},
	    {"", "7bit", MAIL_ENCODING_7BIT},
	};
	struct buf text = {0}, want = {0};
	struct mail_part p;
	struct made m;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		text.n = want.n = 0;
		buf_printf(&text, "Content-Transfer-Encoding: %s\r\n\r\nx", rows[i].value);
		buf_printf(&want,
		    "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"%s\" 1 1)",
		    rows[i].shown);
		make_with(&m, buf_as_str(&text), NULL);
		is(&m, MAIL_TEXT_BODY, buf_cstr(&want));
		mail_summary_part(&m.s, 0, &p);
		assert_int_equal(p.encoding, rows[i].encoding);
		buf_fini(&m.bytes);
	}
	buf_fini(&text);
	buf_fini(&want);
}

/* RFC 2046 section 5.1.1: a delimiter line need only begin with the delimiter. */
static void
test_delimiters(void **state)
{
	(void)state;
	shows("Content-Type: multipart/mixed; boundary=b\n\n--b by a gateway\n\none\n--b{\n\ntwo\n"
	      "--bb\n--b.\n--b-\n--b--x\n--b-- end\n--b\n\nepilogue",
	    MAIL_TEXT_BODY, "(" TEXT("3 1") TEXT("25 5") " \"mixed\")");
	/* The longest one counts; of equal ones the innermost. */
	shows("Content-Type: multipart/x; boundary=\"b c\"\n\n--b c\nContent-Type: multipart/y; "
	      "boundary=b\n\n--b d\n\none\n--b c\n\ntwo\n--b c--\n",
	    MAIL_TEXT_BODY, "((" TEXT("3 1") " \"y\")" TEXT("3 1") " \"x\")");
	shows("Content-Type: multipart/x; boundary=b\n\n--b\nContent-Type: multipart/y; "
	      "boundary=b\n\n--b\n\none\n--b--\n--b--\n",
	    MAIL_TEXT_BODY, "((" TEXT("3 1") " \"y\") \"x\")");
}

static void
test_parts(void **state)
{
	const char *text =
	    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
	    "Content-Type: TEXT/Plain; charset=UTF-8\r\nContent-Transfer-Encoding: "
	    "base64\r\n\r\naGk=\r\n"
	    "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: s\r\n\r\nbody\r\n--b--\r\n";
	struct made m;
	struct mail_part p;

	(void)state;
	make(&m, text);
	assert_int_equal(m.s.part_count, 4);
	mail_summary_part(&m.s, 0, &p);
	assert_int_equal(p.kind, MAIL_PART_MULTIPART);
	assert_int_equal(p.end, 4);
	assert_int_equal(p.header_len, m.s.header_len);
	mail_summary_part(&m.s, 1, &p);
	assert_int_equal(p.encoding, MAIL_ENCODING_BASE64);
	assert_true(str_eq(p.type, STR("text")) && str_eq(p.subtype, STR("plain")));
	assert_true(str_eq(p.charset, STR("utf-8")));
	assert_memory_equal(text + p.body_off, "aGk=", p.body_len);
	assert_int_equal(p.body_len, 4);
	mail_summary_part(&m.s, 2, &p);
	assert_int_equal(p.kind, MAIL_PART_MESSAGE);
	assert_int_equal(p.number, 2);
	mail_summary_part(&m.s, 3, &p);
	assert_int_equal(p.parent, 2);
	assert_int_equal(p.header_len, strlen("Subject: s\r\n\r\n"));
	assert_memory_equal(text + p.body_off, "body", 4);
	assert_int_equal(p.body_len, 4);
	buf_fini(&m.bytes);
}

static void
test_search_texts(void **state)
{
	struct made m;

	(void)state;
	make(&m,
	    "From: =?utf-8?q?J=C3=B6rg?= <Jo@a.test>\r\nTo: g: Bo@b.test;, c@c.test\r\nBcc:\r\n"
	    "Subject: Re: =?iso-8859-1?q?=DCber?=\r\n uns\r\nDate: Sun, 1 Mar 2020 00:30:00 "
	    "+0200\r\n"
	    "Message-ID: <m@a> (x)\r\nReferences: <r1@a>\r\n <r2@a>junk<open\r\nIn-Reply-To: your "
	    "mail\r\n\r\n");
	is(&m, MAIL_TEXT_SUBJECT,
	    "Re: \xc3\x9c"
	    "ber uns");
	is(&m, MAIL_TEXT_FROM, "J\xc3\xb6rg <Jo@a.test>");
	is(&m, MAIL_TEXT_TO, "g: Bo@b.test;, c@c.test");
	is(&m, MAIL_TEXT_CC, NULL);
	is(&m, MAIL_TEXT_BCC, "");
	is(&m, MAIL_TEXT_BASE_SUBJECT,
	    "\xc3\x9c"
	    "ber uns");
	for (int i = 0; i < 5; i++)
		is(&m, MAIL_TEXT_UNUSED + i, NULL);
	is(&m, MAIL_TEXT_MESSAGE_ID, "<m@a>");
	is(&m, MAIL_TEXT_REFERENCES, "<r1@a> <r2@a>");
	is(&m, MAIL_TEXT_IN_REPLY_TO, NULL);
	assert_int_equal(m.s.flags, MAIL_SUMMARY_DATED | MAIL_SUMMARY_REPLY | MAIL_SUMMARY_BASE);
	assert_int_equal(m.s.sent, 1583015400);
	assert_int_equal(m.s.sent_day, 18322);
	buf_fini(&m.bytes);
}

/* Ten thousand nested multiparts. */
static void
test_deep(void **state)
{
	struct buf text = {0};
	struct made m;
	struct mail_limits l = MAIL_LIMITS_DEFAULT;

	(void)state;
	for (int i = 0; i < 10000; i++)
		buf_printf(
		    &text, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i);
	make_with(&m, buf_as_str(&text), NULL);
	assert_int_equal(m.s.part_count, 51);
	assert_true((m.s.flags & MAIL_SUMMARY_CUT) != 0);
	struct mail_part p;
	mail_summary_part(&m.s, 50, &p);
	assert_true(str_eq(p.type, STR("application")));
	assert_int_equal(p.body_off + p.body_len, text.n);
	buf_fini(&m.bytes);
	l.nesting = 100000;
	make_with(&m, buf_as_str(&text), &l);
	assert_int_equal(m.s.part_count, MAIL_NESTING_MAX + 1);
	buf_fini(&m.bytes);
	buf_fini(&text);
	for (int i = 0; i < 10000; i++)
		buf_puts(&text, "Content-Type: message/rfc822\n\n");
	make_with(&m, buf_as_str(&text), NULL);
	assert_int_equal(m.s.part_count, 51);
	buf_fini(&m.bytes);
	buf_fini(&text);
}

static void
test_many_parts(void **state)
{
	struct buf text = {0};
	struct mail_limits l = MAIL_LIMITS_DEFAULT;
	struct mail_part p;
	struct made m;

	(void)state;
	buf_puts(&text, "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
	for (int i = 0; i < 5000; i++)
		buf_puts(&text, "--b\r\n\r\nx\r\n");
	l.parts = 10;
	make_with(&m, buf_as_str(&text), &l);
	assert_int_equal(m.s.part_count, 10);
	mail_summary_part(&m.s, 9, &p);
	assert_int_equal(p.body_off + p.body_len, text.n); /* nothing is hidden */
	buf_fini(&m.bytes);
	l = MAIL_LIMITS_DEFAULT;
	l.summary = 0;
	make_with(&m, buf_as_str(&text), &l);
	assert_true(m.bytes.n <= MAIL_SUMMARY_MIN);
	assert_true((m.s.flags & MAIL_SUMMARY_CUT) != 0);
	buf_fini(&m.bytes);
	buf_fini(&text);
}

/* Limits leave out complete elements, and the summary says so. */
static void
test_limits_between(void **state)
{
	struct mail_limits l = MAIL_LIMITS_DEFAULT;
	struct buf text = {0};
	struct str got;
	struct made m;

	(void)state;
	buf_puts(&text, "To: ");
	for (unsigned i = 0; i < 1500; i++)
		buf_printf(
		    &text, "Member Number%04u <member.number%04u@club.site.test>,\r\n ", i, i);
	buf_puts(&text, "last@site.test\r\n\r\n");
	make_with(&m, buf_as_str(&text), NULL);
	got = mail_summary_text(&m.s, MAIL_TEXT_TO);
	assert_non_null(str_find(got, STR("<member.number1499@club.site.test>, last@site.test")));
	assert_int_equal(m.s.flags & MAIL_SUMMARY_CUT, 0);
	buf_fini(&m.bytes);
	for (l.address_field = 1000; l.address_field < 1200; l.address_field += 7) {
		make_with(&m, buf_as_str(&text), &l);
		got = mail_summary_text(&m.s, MAIL_TEXT_TO);
		assert_true(str_has_suffix(got, STR("@club.site.test>")));
		assert_int_equal(m.s.flags & MAIL_SUMMARY_CUT, MAIL_SUMMARY_CUT);
		buf_fini(&m.bytes);
	}
	buf_fini(&text);
	l = MAIL_LIMITS_DEFAULT;
	l.field = 25;
	make_with(&m,
	    STR("Subject: =?utf-8?q?eins?= =?utf-8?q?zwei?=\r\nMessage-ID: "
	        "<0123456789012345@site.test>\r\n"
	        "In-Reply-To: <1@site.test> <0123456789@site.test>\r\n"
	        "Content-Type: a/b; c=0123456789; e=0123456789\r\n"
	        "Content-Language: de, en, fr, es, it, pt, nl\r\n"
	        "Content-Location: http://site.test/0123456789\r\n\r\n"),
	    &l);
	is(&m, MAIL_TEXT_SUBJECT, "eins");
	is(&m, MAIL_TEXT_ENVELOPE,
	    "(NIL \"=?utf-8?q?eins?=\" NIL NIL NIL NIL NIL NIL \"<1@site.test>\" NIL)");
	is(&m, MAIL_TEXT_BODYSTRUCTURE,
	    "(\"a\" \"b\" (\"c\" \"0123456789\") NIL NIL \"7bit\" 0 NIL NIL "
	    "(\"de\" \"en\" \"fr\" \"es\" \"it\" \"pt\") NIL)");
	assert_int_equal(m.s.flags & MAIL_SUMMARY_CUT, MAIL_SUMMARY_CUT);
	buf_fini(&m.bytes);
}

/* Huge fields shrink; the message keeps a valid envelope. */
static void
test_huge_fields(void **state)
{
	static const char *const names[] = {"Subject", "From", "To", "Cc", "Bcc", "Sender",
	    "Reply-To", "Date", "Message-ID", "References", "In-Reply-To", "Content-Type",
	    "Content-ID", "Content-Description", "Content-Disposition", "Content-Language",
	    "Content-Location", "Content-MD5", "Content-Transfer-Encoding"};
	struct mail_limits l = MAIL_LIMITS_DEFAULT;
	struct buf text = {0};
	struct made m;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		buf_printf(&text, "%s: ", names[i]);
		for (int k = 0; k < 20000; k++)
			buf_puts(
			    &text, k % 3 == 0 ? "<\"\xff\" a@b>; x=\"\\\"," : "\\\xef\xb7\xba\"; ");
		buf_puts(&text, "\r\n");
	}
	l.summary = 0;
	make_with(&m, buf_as_str(&text), &l);
	assert_true(m.bytes.n <= MAIL_SUMMARY_MIN);
	buf_fini(&m.bytes);
	make_with(&m, buf_as_str(&text), NULL);
	assert_true(m.bytes.n <= 2u << 20);
	buf_fini(&m.bytes);
	buf_fini(&text);
}

static void
structures(const char *message, const char *rev1, const char *rev2)
{
	struct made m;

	make(&m, message);
	is(&m, MAIL_TEXT_BODYSTRUCTURE, rev1);
	is(&m, MAIL_TEXT_BODYSTRUCTURE_REV2, rev2);
	assert_true(str_eq(mail_summary_structure(&m.s, false, true), str_of(rev1)));
	assert_true(
	    str_eq(mail_summary_structure(&m.s, true, true), str_of(rev2 != NULL ? rev2 : rev1)));
	assert_true(mail_summary_structure(&m.s, true, false).n > 0);
	buf_fini(&m.bytes);
}

#define HEAD_OF(params) "Content-Type: a/b" params "\r\n\r\n"
#define LEAF(params) "(\"a\" \"b\" " params " NIL NIL \"7bit\" 0 NIL NIL NIL NIL)"

/* RFC 2231 section 6: parameters in pieces are joined; RFC 9051 section 7.5.2: and decoded. */
static void
test_pieces(void **state)
{
	(void)state;
	structures(HEAD_OF("; x=1"), LEAF("(\"x\" \"1\")"), NULL);
	structures(HEAD_OF("; n*1=two; x=1; N*0=\"one \"; y=2"),
	    LEAF("(\"N\" \"one two\" \"x\" \"1\" \"y\" \"2\")"), NULL);
	structures(HEAD_OF("; n*0*=iso-8859-1'de'gr%FC; n*1=\"%FC\"; n*2*=%DFe"),
	    LEAF("(\"n*\" \"iso-8859-1'de'gr%FC%25FC%DFe\")"),
	    LEAF("(\"n*\" {10}\r\ngr\xc3\xbc%FC\xc3\x9f"
	         "e)"));
	/* A plain one beside an extended one is for readers without RFC 2231. */
	structures(HEAD_OF("; n=plain; n*=''%41%0D%0A B%0DC%00"),
	    LEAF("(\"n\" \"plain\" \"n*\" \"''%41%0D%0A B%0DC%00\")"),
	    LEAF("(\"n\" \"plain\" \"n*\" \"A B C\")"));
	/* One is missing; several are ambiguous; no name: they stay unchanged. */
	structures(HEAD_OF("; n*1*=b"), LEAF("(\"n*1*\" \"b\")"), NULL);
	structures(HEAD_OF("; n=x; n*0=a"), LEAF("(\"n\" \"x\" \"n*0\" \"a\")"), NULL);
	structures(HEAD_OF("; *0=a"), LEAF("(\"*0\" \"a\")"), NULL);
	structures("Content-Type: a/b\r\nContent-Disposition: x; f*=utf-8''%C3%A4\r\n\r\n",
	    "(\"a\" \"b\" NIL NIL NIL \"7bit\" 0 NIL (\"x\" (\"f*\" \"utf-8''%C3%A4\")) NIL NIL)",
	    "(\"a\" \"b\" NIL NIL NIL \"7bit\" 0 NIL (\"x\" (\"f*\" {2}\r\n\xc3\xa4)) NIL NIL)");
}

/* The parser of parts reads parameters as the code that shows them does. */
static void
test_pieces_count(void **state)
{
	struct made m;
	struct mail_part p;

	(void)state;
	shows("Content-Type: multipart/mixed; boundary*0=\"o \"; boundary*1=p\n\n--o p\n\nx\n--o "
	      "p--\n",
	    MAIL_TEXT_BODY, "(" TEXT("1 1") " \"mixed\")");
	shows("Content-Type: multipart/mixed; boundary*=us-ascii''o%2Fp\n\n--o/p\n\nx\n--o/p--\n",
	    MAIL_TEXT_BODY, "(" TEXT("1 1") " \"mixed\")");
	make(&m, "Content-Type: text/plain; charset*0=koi; charset*1=8-r\n\nx");
	mail_summary_part(&m.s, 0, &p);
	assert_true(str_eq(p.charset, STR("koi8-r")));
	buf_fini(&m.bytes);
}

/* RFC 3501 section 9 does not have message/global in media-message, RFC 9051 does. */
static void
test_global(void **state)
{
	static const char message[] =
	    "Content-Type: message/global\r\n\r\nSubject: in\r\n\r\nx\r\n";

	(void)state;
	structures(message, "(\"message\" \"global\" NIL NIL NIL \"7bit\" 18 NIL NIL NIL NIL)",
	    "(\"message\" \"global\" NIL NIL NIL \"7bit\" 18 "
	    "(NIL \"in\" NIL NIL NIL NIL NIL NIL NIL NIL) "
	    "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 3 1 NIL NIL NIL NIL) "
	    "3 "
	    "NIL NIL NIL NIL)");
}

static void
quiet(enum log_level level, const char *context, const char *text, void *arg)
{
	(void)level;
	(void)context;
	(void)text;
	(*(int *)arg)++;
}

/* Every flipped bit and every cut is detected. */
static void
test_damage(void **state)
{
	struct made m;
	struct mail_summary s;
	int logged = 0, tried = 0;

	(void)state;
	make(&m, "Subject: x\r\n\r\nbody");
	log_set_sink(quiet, &logged);
	for (size_t i = 0; i < m.bytes.n; i++) {
		m.bytes.p[i] ^= 1;
		assert_int_equal(mail_summary_open(buf_as_str(&m.bytes), &s), TS_DAMAGED);
		m.bytes.p[i] ^= 1;
		assert_int_equal(mail_summary_open((struct str){m.bytes.p, i}, &s), TS_DAMAGED);
		tried += 2;
	}
	assert_int_equal(mail_summary_open(STR_NONE, &s), TS_DAMAGED);
	assert_int_equal(logged, tried + 1);
	log_set_sink(NULL, NULL);
	buf_fini(&m.bytes);
}

static uint32_t
le32_at(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;

	return u[0] | (uint32_t)u[1] << 8 | (uint32_t)u[2] << 16 | (uint32_t)u[3] << 24;
}

static void
take_from(char *p, uint32_t less)
{
	uint32_t v = le32_at(p) - less;

	for (int i = 0; i < 4; i++)
		p[i] = (char)(v >> (8 * i));
}

/* A summary as of an older version, with fewer texts. */
static void
make_older(struct made *m, char version, uint32_t texts)
{
	const size_t rows = 56, last = rows + texts * 8;
	const uint32_t less = (MAIL_TEXT_COUNT - texts) * 8;
	XXH64_hash_t hash;
	char *p = m->bytes.p;

	memmove(p + last, p + last + less, m->bytes.n - last - less);
	m->bytes.n -= less;
	p[3] = version;
	take_from(p + 4, less);
	take_from(p + 52, less);
	for (size_t i = 0; i < texts; i++)
		take_from(p + rows + i * 8, less);
	hash =
	    XXH3_64bits_withSeed(p + 16, m->bytes.n - 16, version == 1 ? 0 : (XXH64_hash_t)version);
	for (int i = 0; i < 8; i++)
		p[8 + i] = (char)(hash >> (8 * i));
}

static void
test_version_2(void **state)
{
	struct made m;
	struct mail_summary s;

	(void)state;
	make(&m, "Content-Type: text/plain; name*0=a; name*1=b\r\n\r\nbody");
	make_older(&m, 2, MAIL_TEXT_PREVIEW);
	assert_int_equal(mail_summary_open(buf_as_str(&m.bytes), &s), TS_OK);
	assert_null(mail_summary_text(&s, MAIL_TEXT_PREVIEW).p);
	assert_true(
	    str_has_prefix(mail_summary_structure(&s, true, true), STR("(\"text\" \"plain\"")));
	buf_fini(&m.bytes);
}

/* Its checksum had no version. */
static void
test_version_1(void **state)
{
	struct made m;
	struct mail_summary s;
	struct mail_part part;

	(void)state;
	make(&m, "Subject: x\r\nContent-Type: text/plain; charset=koi8-r\r\n\r\nbody");
	make_older(&m, 1, MAIL_TEXT_BODY_REV2);
	assert_int_equal(mail_summary_open(buf_as_str(&m.bytes), &s), TS_OK);
	assert_true(str_eq(mail_summary_text(&s, MAIL_TEXT_SUBJECT), STR("x")));
	assert_null(mail_summary_text(&s, MAIL_TEXT_BODYSTRUCTURE_REV2).p);
	assert_true(
	    str_has_prefix(mail_summary_structure(&s, true, true), STR("(\"text\" \"plain\"")));
	mail_summary_part(&s, 0, &part);
	assert_true(str_eq(part.charset, STR("koi8-r")));
	buf_fini(&m.bytes);
}

/* A summary is appended: whatever comes before does not matter. */
static void
test_append(void **state)
{
	struct buf a = {0}, b = {0};

	(void)state;
	buf_puts(&a, "abc");
	mail_summarize(STR("Subject: x\n\ny"), NULL, &a);
	mail_summarize(STR("Subject: x\n\ny"), NULL, &b);
	assert_int_equal(a.n, b.n + 3);
	assert_memory_equal(a.p + 3, b.p, b.n);
	buf_fini(&a);
	buf_fini(&b);
}

/* However small the steps, the bytes are the same as in one. */
static void
in_steps(struct str message, const struct mail_limits *limits, size_t budget)
{
	struct buf at_once = {0}, out = {0};
	struct mail_summarizer *s;
	size_t steps = 1;

	mail_summarize(message, limits, &at_once);
	buf_puts(&out, "in front");
	s = mail_summarizer_new(message, limits, &out);
	while (!mail_summarizer_step(s, budget))
		steps++;
	assert_true(mail_summarizer_step(s, budget));
	mail_summarizer_free(&s);
	assert_int_equal(out.n, 8 + at_once.n);
	assert_memory_equal(out.p + 8, at_once.p, at_once.n);
	assert_true(budget > 1 || steps > message.n);
	buf_fini(&at_once);
	buf_fini(&out);
}

#define EVERYTHING                                                                                 \
	"From: \"A\" <a@b.example>, c@d (E)\r\nTo: g: x@y, z@w;, =?utf-8?q?h=C3=A9?= <q@r>\r\n"    \
	"Subject  \t : Re: [x] =?iso-8859-1?q?=e9?=\r\n two\r\nDate: Mon, 1 Jan 2024 10:00:00 "    \
	"+0100\r\nMessage-ID: <m@i>\r\nReferences: <a>\r\n <b>\r\nno colon\r\n"                    \
	"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: "                   \
	"message/rfc822\r\n\r\nSubject: in\r\nTo: a@b\r\nContent-Type: multipart/digest; "         \
	"boundary=c\r\n\r\n--c\r\n\r\nSubject: x\r\n\r\ny\r\n--c--\r\n--b\r\nContent-Type: "       \
	"message/global\n\nSubject: \xc3\xa9\n\nz\n--b\nContent-Type: text/html; n*0=a; "          \
	"n*1*=b%20\nContent-Language: de, (x) en\nContent-Location: a\n b\n\n\0\n--b\n--b--\n"

static void
test_steps(void **state)
{
	struct mail_limits small = MAIL_LIMITS_DEFAULT;
	struct buf parts = {0};

	(void)state;
	for (size_t budget = 1; budget < 40; budget += budget) {
		in_steps(STR(EVERYTHING), NULL, budget);
		in_steps(STR(""), NULL, budget);
		in_steps(STR("Subject:"), NULL, budget);
		in_steps(STR("\r\n"), NULL, budget);
	}
	/* Made again with smaller limits */
	buf_puts(&parts, "Content-Type: multipart/mixed; boundary=b\n\n");
	for (int i = 0; i < 1000; i++)
		buf_puts(&parts, "--b\nContent-Description: x\n\n");
	small.summary = MAIL_SUMMARY_MIN;
	in_steps(buf_as_str(&parts), &small, 1);
	in_steps(buf_as_str(&parts), NULL, 1);
	buf_fini(&parts);
}

/* Abandoned at any step: nothing leaks. */
static void
test_steps_left(void **state)
{
	struct mail_summarizer *s;
	struct buf out = {0};
	size_t steps = 0;

	(void)state;
	for (bool done = false; !done; steps++) {
		out.n = 0;
		s = mail_summarizer_new(STR(EVERYTHING), NULL, &out);
		for (size_t i = 0; i <= steps && !done; i++)
			done = mail_summarizer_step(s, 8);
		mail_summarizer_free(&s);
	}
	assert_true(steps > 100);
	buf_fini(&out);
}

/* The work of a step does not grow with the message: no header or structure is completed in memory
 * only to be found too large. */
static void
test_steps_memory(void **state)
{
	struct mail_summarizer *s;
	struct mail_limits limits = MAIL_LIMITS_DEFAULT;
	struct buf message = {0}, out = {0};

	(void)state;
	buf_puts(&message, "Content-Type: multipart/mixed; boundary=b\n\n");
	for (int i = 0; i < 500; i++) {
		buf_puts(&message, "--b\nContent-Description: ");
		memset(buf_room(&message, 20000), '"', 20000);
		message.n += 20000;
		buf_puts(&message, "\n\n");
	}
	limits.summary = 100000;
	s = mail_summarizer_new(buf_as_str(&message), &limits, &out);
	while (!mail_summarizer_step(s, 1000))
		assert_true(out.n < limits.summary + 100000);
	mail_summarizer_free(&s);
	assert_true(out.cap < 1000000);
	buf_fini(&message);
	buf_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_envelope),
	    cmocka_unit_test(test_nul),
	    cmocka_unit_test(test_single_part),
	    cmocka_unit_test(test_multipart),
	    cmocka_unit_test(test_parts),
	    cmocka_unit_test(test_search_texts),
	    cmocka_unit_test(test_deep),
	    cmocka_unit_test(test_many_parts),
	    cmocka_unit_test(test_limits_between),
	    cmocka_unit_test(test_encoding),
	    cmocka_unit_test(test_delimiters),
	    cmocka_unit_test(test_huge_fields),
	    cmocka_unit_test(test_pieces),
	    cmocka_unit_test(test_pieces_count),
	    cmocka_unit_test(test_global),
	    cmocka_unit_test(test_damage),
	    cmocka_unit_test(test_version_1),
	    cmocka_unit_test(test_version_2),
	    cmocka_unit_test(test_append),
	    cmocka_unit_test(test_steps),
	    cmocka_unit_test(test_steps_left),
	    cmocka_unit_test(test_steps_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
