/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base64.h"

static void
known_forms(void **state)
{
	static const struct {
		struct str plain, coded;
	} rows[] = {
	    {STR(""), STR("")},
	    {STR("\0"), STR("AA==")},
	    {STR("t"), STR("dA==")},
	    {STR("tu"), STR("dHU=")},
	    {STR("tur"), STR("dHVy")},
	    {STR("turn"), STR("dHVybg==")},
	    {STR("\xff\xfe\xfd\xfb"), STR("//79+w==")},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct buf b = {0};

		buf_puts(&b, "+");
		base64_encode(rows[i].plain, &b);
		assert_int_equal(b.n, rows[i].coded.n + 1);
		assert_memory_equal(b.p + 1, rows[i].coded.p, rows[i].coded.n);
		b.n = 1;
		assert_true(base64_decode(rows[i].coded, &b));
		assert_int_equal(b.n, rows[i].plain.n + 1);
		assert_memory_equal(b.p + 1, rows[i].plain.p, rows[i].plain.n);
		buf_fini(&b);
	}
}

static void
all_lengths_come_back(void **state)
{
	unsigned char bytes[259];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i * 167 + 13);
	for (size_t n = 0; n <= sizeof(bytes); n++) {
		struct buf coded = {0}, plain = {0};

		base64_encode((struct str){(const char *)bytes, n}, &coded);
		assert_int_equal(coded.n, (n + 2) / 3 * 4);
		assert_true(base64_decode(buf_as_str(&coded), &plain));
		assert_int_equal(plain.n, n);
		if (n > 0)
			assert_memory_equal(plain.p, bytes, n);
		buf_fini(&coded);
		buf_fini(&plain);
	}
}

static void
what_is_not_strict_is_refused(void **state)
{
	static const struct str bad[] = {
	    STR("="),
	    STR("=="),
	    STR("==="),
	    STR("===="),
	    STR("A==="),
	    STR("dA"),
	    STR("dA="),
	    STR("dA== "),
	    STR(" dA=="),
	    STR("dA==\n"),
	    STR("d A="),
	    STR("dA=A"),
	    STR("dA==dA=="),
	    STR("d=A="),
	    STR("dHU=dHVy"),
	    STR("dB=="), /* an unused bit is set */
	    STR("dHV="),
	    STR("dHV_"),
	    STR("dHV-"),
	    STR("dHV\0"),
	    STR("dHV\x80"),
	    STR("dHVy*"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct buf b = {0};

		buf_puts(&b, "kept");
		if (base64_decode(bad[i], &b))
			fail_msg("\"%.*s\" was taken", STR_ARG(bad[i]));
		assert_true(str_eq(buf_as_str(&b), STR("kept")));
		buf_fini(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(known_forms),
	    cmocka_unit_test(all_lengths_come_back),
	    cmocka_unit_test(what_is_not_strict_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
