/* SPDX-License-Identifier: Apache-2.0 */
/* Previews: from the summary, and from a message in pieces of several sizes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mail/preview.h"

static void
preview_in_pieces(struct str message, const struct mail_summary *s, size_t piece, struct buf *out)
{
	struct mail_preview p;
	struct mail_range want;
	uint64_t looked = 0;

	mail_preview_begin(&p, s);
	while (mail_preview_wants(&p, &want)) {
		size_t n = want.len < piece ? (size_t)want.len : piece;

		assert_true(n > 0 && want.off + want.len <= message.n);
		mail_preview_feed(&p, (struct str){message.p + want.off, n});
		looked += n;
	}
	assert_true(looked <= MAIL_PREVIEW_BYTES);
	buf_str(out, mail_preview_text(&p));
	mail_preview_fini(&p);
}

static void
shows(struct str message, struct str want)
{
	static const size_t pieces[] = {SIZE_MAX, 1, 2, 3, 7, 100, 1000};
	struct buf bytes = {0}, out = {0};
	struct mail_summary s;

	mail_summarize(message, NULL, &bytes);
	assert_int_equal(mail_summary_open(buf_as_str(&bytes), &s), TS_OK);
	buf_str(&out, mail_summary_text(&s, MAIL_TEXT_PREVIEW));
	assert_non_null(mail_summary_text(&s, MAIL_TEXT_PREVIEW).p);
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		if (!str_eq(buf_as_str(&out), want))
			fail_msg("%.*s\nshows <%.*s>\nwant  <%.*s>", STR_ARG(message),
			    STR_ARG(buf_as_str(&out)), STR_ARG(want));
		out.n = 0;
		preview_in_pieces(message, &s, pieces[i], &out);
	}
	buf_fini(&bytes);
	buf_fini(&out);
}

#define PLAIN "Content-Type: text/plain; charset=utf-8\r\n\r\n"
#define HTML "Content-Type: text/html; charset=utf-8\r\n\r\n"
#define SHOWS(message, want) shows(STR(message), STR(want))

static void
test_plain(void **state)
{
	(void)state;
	SHOWS("\r\nHello,\r\n\r\n  how are\tyou?\r\n", "Hello, how are you?");
	SHOWS("Subject: x\n\nno line end", "no line end");
	SHOWS(PLAIN "Caf\xc3\xa9\xc2\xa0\xe2\x80\x83open\x01\x7f", "Caf\xc3\xa9 open");
	SHOWS("Content-Type: text/plain; charset=iso-8859-1\r\n"
	      "Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=FC=\r\n=DFe",
	    "Gr\xc3\xbc\xc3\x9f"
	    "e");
	SHOWS("Content-Type: text/plain; charset=koi8-r\r\nContent-Transfer-Encoding: base64\r\n"
	      "\r\n8NLJ18XU\r\n",
	    "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82");
	/* An unknown charset, and bytes that are invalid in a known one. */
	SHOWS("Content-Type: text/plain; charset=none\r\n\r\na\xe9z", "a\xc3\xa9z");
	SHOWS(PLAIN "a\xffz", "a\xef\xbf\xbdz");
}

static void
test_empty(void **state)
{
	(void)state;
	SHOWS("", "");
	SHOWS("Subject: x\r\n\r\n", "");
	SHOWS(PLAIN " \r\n\t\r\n\xe2\x80\x8b\r\n", "");
	SHOWS("Content-Type: image/png\r\n\r\nabc", "");
	SHOWS("Content-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR", "");
	SHOWS("Content-Type: text/plain\r\nContent-Transfer-Encoding: x-what\r\n\r\nabc", "");
	SHOWS("Content-Type: application/pkcs7-mime\r\n\r\nabc", "");
	SHOWS("Content-Type: multipart/encrypted; boundary=b\r\n\r\n"
	      "--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n"
	      "--b\r\nContent-Type: text/plain\r\n\r\nabc\r\n--b--\r\n",
	    "");
	SHOWS(
	    PLAIN "-----BEGIN PGP MESSAGE-----\r\n\r\nhQEMA\r\n-----END PGP MESSAGE-----\r\n", "");
}

static void
test_lines(void **state)
{
	(void)state;
	SHOWS(
	    PLAIN "Yes.\r\n\r\nOn Monday Ann wrote:\r\n\r\n> Really?\r\n>> No.\r\nBye", "Yes. Bye");
	SHOWS(PLAIN "Ann wrote:\r\n> Really?\r\n> > No.\r\n", "Really? No.");
	SHOWS(PLAIN "As follows:\r\none\r\n", "As follows: one");
	SHOWS(PLAIN "Text\r\n-- \r\nAnn\r\n", "Text");
	SHOWS(PLAIN "Text\r\n--\r\nAnn\r\n", "Text");
	SHOWS(PLAIN "=====\r\nTitle\r\n* * *\r\nx - y --- z\r\n", "Title x - y --- z");
	SHOWS(PLAIN "-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\nSigned.\r\n"
	            "-----BEGIN PGP SIGNATURE-----\r\n\r\niQ\r\n",
	    "Signed.");
	SHOWS(PLAIN "see:\r\nbegin 644 x.bin\r\nM1234\r\n", "see:");
	SHOWS(PLAIN "begin 10 days later", "begin 10 days later");
}

static void
test_characters(void **state)
{
	(void)state;
	/* Fillers vanish; joiners and variation selectors stay with their character. */
	SHOWS(PLAIN "a\xc2\xad"
	            "b\xe2\x80\x8c \xcd\x8f \xe2\x80\x8c\xef\xbb\xbf"
	            "c",
	    "ab\xe2\x80\x8c c");
	SHOWS(PLAIN "\xe2\x9d\xa4\xef\xb8\x8f\xe2\x80\x8d\xf0\x9f\x94\xa5!",
	    "\xe2\x9d\xa4\xef\xb8\x8f\xe2\x80\x8d\xf0\x9f\x94\xa5!");
	/* No text may reverse the text after it. */
	SHOWS(PLAIN "\xe2\x80\xae"
	            "abc\xe2\x81\xa6",
	    "abc");
}

static void
test_html(void **state)
{
	(void)state;
	SHOWS(HTML "<html><head><title>Offer</title><style>p{}</style></head><body>"
	           "<p>R&amp;D <b>now</b></p>\r\n<p>&nbsp;</p><script>x()</script><div>more</div>",
	    "R&D now more");
	SHOWS(HTML "<img alt='logo' src=x>", "");
	SHOWS(HTML "<title>never ended", "");
}

/* Whatever comes before the field, an attachment is not part of the text. */
static void
test_long_headers(void **state)
{
	static const size_t pads[] = {0, 3900, 4100, 16000, 17000, 70000};
	(void)state;

	for (size_t i = 0; i < sizeof(pads) / sizeof(pads[0]); i++) {
		struct buf message = {0};

		buf_puts(
		    &message, "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nX-Pad: ");
		memset(buf_room(&message, pads[i]), 'x', pads[i]);
		message.n += pads[i];
		buf_puts(&message,
		    "\r\nContent-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\n"
		    "hidden\r\n--b\r\nContent-Type: text/plain\r\n\r\nshown\r\n--b--\r\n");
		shows(buf_as_str(&message), STR("shown"));
		buf_fini(&message);
	}
}

static void
test_parts(void **state)
{
	(void)state;
	SHOWS("Content-Type: multipart/alternative; boundary=b\r\n\r\npreamble\r\n"
	      "--b\r\nContent-Type: text/plain\r\n\r\n\r\n"
	      "--b\r\nContent-Type: text/html\r\n\r\n<p>shown</p>\r\n--b--\r\n",
	    "shown");
	SHOWS(
	    "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
	    "--b\r\nContent-Type: text/plain\r\nContent-Disposition: (x) Attachment; filename=a\r\n"
	    "\r\nattached\r\n"
	    "--b\r\nContent-Type: text/plain\r\nContent-Disposition: "
	    "inline\r\n\r\nsaid\r\n--b--\r\n",
	    "said");
	/* A message that was forwarded without any text. */
	SHOWS("Content-Type: multipart/mixed; boundary=b\r\n\r\n"
	      "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\ninside\r\n--b--\r\n",
	    "inside");
	SHOWS("Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nsigned\r\n"
	      "--b\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n--b--\r\n",
	    "signed");
}

/* The first n characters of a text that repeats one. */
static void
shows_chars(const char *each, size_t n)
{
	struct buf message = {0}, want = {0};

	buf_puts(&message, PLAIN);
	for (size_t i = 0; i < 3000; i++) {
		buf_puts(&message, each);
		if (i < n)
			buf_puts(&want, each);
	}
	shows(buf_as_str(&message), buf_as_str(&want));
	buf_fini(&message);
	buf_fini(&want);
}

static void
test_length(void **state)
{
	(void)state;
	shows_chars("a", MAIL_PREVIEW_CHARS);
	shows_chars("\xc3\xa4", MAIL_PREVIEW_CHARS);
	shows_chars("\xf0\x9f\x98\x80", MAIL_PREVIEW_CHARS);
}

/* Beyond the bytes that are read there may be anything. */
static void
test_bound(void **state)
{
	struct buf message = {0};

	(void)state;
	buf_puts(&message, HTML "<style>");
	for (size_t i = 0; i < MAIL_PREVIEW_BYTES; i += 8)
		buf_puts(&message, "p{a:b;}\n");
	buf_puts(&message, "</style>text");
	shows(buf_as_str(&message), STR(""));
	message.n = 0;
	buf_puts(&message, PLAIN "begin\r\n");
	for (size_t i = 0; i < 2 * MAIL_PREVIEW_BYTES; i += 8)
		buf_puts(&message, "      \r\n");
	buf_puts(&message, "end");
	shows(buf_as_str(&message), STR("begin"));
	buf_fini(&message);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_plain),
	    cmocka_unit_test(test_empty),
	    cmocka_unit_test(test_lines),
	    cmocka_unit_test(test_characters),
	    cmocka_unit_test(test_html),
	    cmocka_unit_test(test_long_headers),
	    cmocka_unit_test(test_parts),
	    cmocka_unit_test(test_length),
	    cmocka_unit_test(test_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
