/* SPDX-License-Identifier: Apache-2.0 */
/* Binary parts to base64, whole and in pieces of every size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mail/summary.h"
#include "mail/unbinary.h"

static void
convert(struct str in, size_t piece, struct buf *out)
{
	struct mail_unbinary *u = mail_unbinary_new();

	for (size_t i = 0; i < in.n; i += piece)
		mail_unbinary_feed(
		    u, (struct str){in.p + i, in.n - i < piece ? in.n - i : piece}, false, out);
	mail_unbinary_feed(u, STR(""), true, out);
	mail_unbinary_free(&u);
	assert_null(u);
}

static void
becomes(struct str in, struct str want)
{
	for (size_t piece = 1; piece <= in.n + 1; piece++) {
		struct buf out = {0};

		convert(in, piece, &out);
		if (!str_eq(buf_as_str(&out), want))
			fail_msg("%.*s in pieces of %zu: <%.*s>", STR_ARG(in), piece,
			    STR_ARG(buf_as_str(&out)));
		buf_fini(&out);
	}
}

#define BECOMES(in, want) becomes(STR(in), STR(want))
#define SAME(in) becomes(STR(in), STR(in))

static void
test_single(void **state)
{
	(void)state;
	BECOMES("Subject: x\r\ncontent-transfer-encoding:\r\n Binary (so)\r\nX: y\r\n\r\na\0b",
	    "Subject: x\r\nContent-Transfer-Encoding: base64\r\nX: y\r\n\r\nYQBi");
	BECOMES("Content-Transfer-Encoding: binary\n\na\r\n\r\n\r",
	    "Content-Transfer-Encoding: base64\n\nYQ0KDQoN");
	BECOMES("Content-Transfer-Encoding: binary\r\n\r\n",
	    "Content-Transfer-Encoding: base64\r\n\r\n");
	BECOMES("Content-Transfer-Encoding: binary\r\n\r\n"
	        "0123456789012345678901234567890123456789012345678901234567--x",
	    "Content-Transfer-Encoding: base64\r\n\r\n"
	    "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2\r\n"
	    "Ny0teA==");
	SAME("");
	SAME("no header");
	SAME("Content-Transfer-Encoding: binary");
	SAME("Content-Transfer-Encoding: 8bit\r\n\r\na\0b\r\n");
	SAME("Content-Transfer-Encoding: base64\r\nContent-Transfer-Encoding: binary\r\n\r\naa");
}

static void
test_parts(void **state)
{
	(void)state;
	BECOMES("Content-Type: multipart/mixed; boundary=\"b\"\r\n"
	        "Content-Transfer-Encoding: binary\r\n\r\n--no\r\n"
	        "--b\r\nContent-Type: application/x\r\nContent-Transfer-Encoding: binary\r\n\r\n"
	        "\0\r\n-\r\n--bb\r\n--b\r\n\r\nkept\0\r\n--b  \r\n"
	        "Content-Transfer-Encoding: binary\r\n\r\n--b\r\n"
	        "Content-Transfer-Encoding: binary\r\n\r\n\r\n--b--\r\nepilogue\0",
	    "Content-Type: multipart/mixed; boundary=\"b\"\r\n"
	    "Content-Transfer-Encoding: binary\r\n\r\n--no\r\n"
	    "--b\r\nContent-Type: application/x\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	    "AA0KLQ0KLS1iYg==\r\n--b\r\n\r\nkept\0\r\n--b  \r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\n--b\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\n\r\n--b--\r\nepilogue\0");
	/* Nested: messages, digests, an unfinished part, a header without an end. */
	BECOMES("Content-Type: message/rfc822\n\nContent-Type: multipart/x; boundary=a\n\n"
	        "--a\nContent-Type: multipart/digest; boundary=d\n\n"
	        "--d\n\nContent-Transfer-Encoding: binary\n\n\x01\n--a\n"
	        "Content-Transfer-Encoding: binary\n--a\n"
	        "Content-Transfer-Encoding: binary\n\n\x02\n--d\n--a--\n",
	    "Content-Type: message/rfc822\n\nContent-Type: multipart/x; boundary=a\n\n"
	    "--a\nContent-Type: multipart/digest; boundary=d\n\n"
	    "--d\n\nContent-Transfer-Encoding: base64\n\nAQ==\n--a\n"
	    "Content-Transfer-Encoding: binary\n--a\n"
	    "Content-Transfer-Encoding: base64\n\nAgotLWQ=\n--a--\n");
	/* Nothing inside an encoded message is a header. */
	SAME("Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"
	     "Content-Transfer-Encoding: binary\n\n\x01");
}

/* Delimiter lines and types are those that the parser of stored messages sees. */
static void
test_as_stored(void **state)
{
	struct buf in = {0}, out = {0}, want = {0};

	(void)state;
	BECOMES("Content-Type: multipart/mixed; boundary*0=b; boundary*1=c\n\n--bc by a gateway\n"
	        "Content-Transfer-Encoding: \"binary\"\n\na\n--b\n--bc-- end\nepilogue\n",
	    "Content-Type: multipart/mixed; boundary*0=b; boundary*1=c\n\n--bc by a gateway\n"
	    "Content-Transfer-Encoding: base64\n\nYQotLWI=\n--bc-- end\nepilogue\n");
	SAME("Content-Type: multi part/mixed; boundary=b\n\n--b\n"
	     "Content-Transfer-Encoding: binary\n\na\n--b--\n");
	/* A delimiter line of any length. */
	for (size_t piece = 1; piece < 5000; piece += 499) {
		in.n = out.n = want.n = 0;
		buf_puts(&in, "Content-Type: multipart/mixed; boundary=b\n\n--b ");
		for (int i = 0; i < 100000; i++)
			buf_putc(&in, 'x');
		buf_str(&want, buf_as_str(&in));
		buf_puts(&in, "\nContent-Transfer-Encoding: binary\n\na\n--b--");
		buf_puts(&want, "\nContent-Transfer-Encoding: base64\n\nYQ==\n--b--");
		convert(buf_as_str(&in), piece, &out);
		assert_true(str_eq(buf_as_str(&out), buf_as_str(&want)));
	}
	/* Only as much of it is kept as identifies it. */
	struct mail_unbinary *u = mail_unbinary_new();

	out.n = 0;
	mail_unbinary_feed(u, (struct str){in.p, 90000}, false, &out);
	assert_int_equal(out.n, 90000);
	mail_unbinary_free(&u);
	buf_fini(&in);
	buf_fini(&out);
	buf_fini(&want);
}

/* Longer lines than what is kept pass through, and memory stays small. */
static void
test_long(void **state)
{
	struct buf in = {0}, out = {0};

	(void)state;
	buf_puts(&in, "Content-Transfer-Encoding: binary\r\nX: ");
	for (int i = 0; i < 100000; i++)
		buf_putc(&in, 'x');
	buf_puts(&in, "\r\n\r\nbody");
	convert(buf_as_str(&in), 1000, &out);
	assert_true(str_eq(buf_as_str(&in), buf_as_str(&out)));
	in.n = out.n = 0;
	buf_puts(&in, "Content-Type: multipart/x; boundary=b\n\n--b\n"
	              "Content-Transfer-Encoding: binary\n\n--");
	for (int i = 0; i < 100000; i++)
		buf_putc(&in, 'x');
	buf_puts(&in, "\n--b--\n");
	convert(buf_as_str(&in), 777, &out);
	assert_non_null(str_find(buf_as_str(&out), STR("base64\n\nLS14")));
	assert_non_null(str_find(buf_as_str(&out), STR("\n--b--\n")));
	buf_fini(&in);
	buf_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_single),
	    cmocka_unit_test(test_parts),
	    cmocka_unit_test(test_as_stored),
	    cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
