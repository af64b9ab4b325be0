/* SPDX-License-Identifier: Apache-2.0 */
/* Transfer encodings, whole and in pieces of every size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mail/text/decode.h"

static void
decodes(enum mail_encoding e, struct str in, struct str want, bool junk)
{
	for (size_t piece = 1; piece <= in.n + 1; piece++) {
		struct mail_decoder d;
		struct buf out = {0};

		mail_decoder_init(&d, e);
		for (size_t i = 0; i < in.n; i += piece) {
			size_t n = in.n - i < piece ? in.n - i : piece;

			mail_decode(&d, (struct str){in.p + i, n}, i + n == in.n, &out);
		}
		if (!str_eq(buf_as_str(&out), want))
			fail_msg("%.*s in pieces of %zu: %.*s", STR_ARG(in), piece,
			    STR_ARG(buf_as_str(&out)));
		assert_int_equal(d.junk, junk);
		buf_fini(&out);
	}
	bool said = !junk;
	assert_int_equal(mail_decoded_size(e, in, &said), want.n);
	assert_int_equal(said, junk);
}

static void
test_names(void **state)
{
	(void)state;
	assert_int_equal(mail_encoding_of(STR_NONE), MAIL_ENCODING_7BIT);
	assert_int_equal(mail_encoding_of(STR("  ")), MAIL_ENCODING_7BIT);
	assert_int_equal(mail_encoding_of(STR(" Base64 (yes)")), MAIL_ENCODING_BASE64);
	assert_int_equal(mail_encoding_of(STR("(a)QUOTED-printable;")), MAIL_ENCODING_QP);
	assert_int_equal(mail_encoding_of(STR("x-uuencode")), MAIL_ENCODING_UNKNOWN);
}

static void
test_base64(void **state)
{
	(void)state;
	decodes(MAIL_ENCODING_BASE64, STR("aGVsbG8="), STR("hello"), false);
	decodes(MAIL_ENCODING_BASE64, STR("aGVs\r\nbG8h\r\n"), STR("hello!"), false);
	decodes(MAIL_ENCODING_BASE64, STR("aA==\r\n"), STR("h"), false);
	decodes(MAIL_ENCODING_BASE64, STR("aGVsbG8"), STR("hello"), true);
	decodes(MAIL_ENCODING_BASE64, STR("a*G-V\xffs"), STR("hel"), true);
	decodes(MAIL_ENCODING_BASE64, STR("aA==aA=="), STR("hh"), true);
	decodes(MAIL_ENCODING_BASE64, STR("aGVsb"), STR("hel"), true);
	decodes(MAIL_ENCODING_BASE64, STR("===="), STR(""), true);
	decodes(MAIL_ENCODING_BASE64, STR("AP//"), STR("\0\xff\xff"), false);
}

static void
test_quoted_printable(void **state)
{
	(void)state;
	decodes(MAIL_ENCODING_QP, STR("a=3Db=c3=BC"), STR("a=b\xc3\xbc"), false);
	decodes(MAIL_ENCODING_QP, STR("one=\r\ntwo=\nthree"), STR("onetwothree"), false);
	decodes(MAIL_ENCODING_QP, STR("one= \t\r\ntwo"), STR("onetwo"), false);
	decodes(MAIL_ENCODING_QP, STR("a  \t\r\nb \nc d"), STR("a\r\nb\nc d"), false);
	decodes(MAIL_ENCODING_QP, STR("end="), STR("end"), false);
	decodes(MAIL_ENCODING_QP, STR("end  "), STR("end"), false);
	decodes(MAIL_ENCODING_QP, STR("a=zzb"), STR("a=zzb"), true);
	decodes(MAIL_ENCODING_QP, STR("a=4zb"), STR("a=4zb"), true);
	decodes(MAIL_ENCODING_QP, STR("a=4"), STR("a=4"), true);
	decodes(MAIL_ENCODING_QP, STR("=="), STR("="), true);
	decodes(MAIL_ENCODING_QP, STR("= x"), STR("= x"), true);
	decodes(MAIL_ENCODING_QP, STR("a \rb"), STR("a \rb"), false);
}

static void
test_identity(void **state)
{
	(void)state;
	decodes(MAIL_ENCODING_8BIT, STR("a=3D\0 \r\n"), STR("a=3D\0 \r\n"), false);
	decodes(MAIL_ENCODING_UNKNOWN, STR("a=3D"), STR("a=3D"), true);
}

/* More spaces than a decoder holds: none may be lost or duplicated. */
static void
test_many_blanks(void **state)
{
	char in[500];
	bool junk;

	(void)state;
	memset(in, ' ', sizeof(in));
	in[499] = 'x';
	assert_int_equal(mail_decoded_size(MAIL_ENCODING_QP, (struct str){in, 500}, &junk), 500);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_base64),
	    cmocka_unit_test(test_quoted_printable),
	    cmocka_unit_test(test_identity),
	    cmocka_unit_test(test_many_blanks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
