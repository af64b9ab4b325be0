/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"

static void
numbers_come_back(void **state)
{
	static const uint64_t values[] = {0, 1, 127, 128, 300, 65535, UINT32_MAX, UINT64_MAX};
	struct buf b = {0};
	struct rd r;

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		buf_be64(&b, values[i]);
		buf_le64(&b, values[i]);
		buf_be32(&b, (uint32_t)values[i]);
		buf_le32(&b, (uint32_t)values[i]);
		buf_be16(&b, (uint16_t)values[i]);
		buf_varint(&b, values[i]);
	}
	buf_vstr(&b, STR("text"));
	r = rd_of(buf_as_str(&b));
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		assert_true(rd_be64(&r) == values[i]);
		assert_true(rd_le64(&r) == values[i]);
		assert_true(rd_be32(&r) == (uint32_t)values[i]);
		assert_true(rd_le32(&r) == (uint32_t)values[i]);
		assert_true(rd_be16(&r) == (uint16_t)values[i]);
		assert_true(rd_varint(&r) == values[i]);
	}
	assert_true(str_eq(rd_vstr(&r), STR("text")));
	assert_int_equal(rd_left(&r), 0);
	assert_false(r.bad);
	(void)rd_u8(&r);
	assert_true(r.bad);
	buf_fini(&b);
}

static void
a_reader_refuses_what_is_too_long(void **state)
{
	struct rd r = rd_of(STR("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"));

	(void)state;
	(void)rd_varint(&r);
	assert_true(r.bad);
	r = rd_of(STR("\x05"
	              "abc"));
	assert_int_equal(rd_vstr(&r).n, 0);
	assert_true(r.bad);
	r = rd_of(STR_NONE);
	assert_int_equal(rd_bytes(&r, 0).n, 0); /* of no memory at all: UBSan watches */
	assert_false(r.bad);
}

static void
text_is_printed(void **state)
{
	struct buf b = {0};

	(void)state;
	buf_u64(&b, 0);
	buf_putc(&b, ' ');
	buf_u64(&b, UINT64_MAX);
	buf_printf(&b, " %s %d", "x", -3);
	assert_string_equal(buf_cstr(&b), "0 18446744073709551615 x -3");
	buf_consume(&b, 2);
	assert_string_equal(buf_cstr(&b), "18446744073709551615 x -3");
	buf_wipe_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(numbers_come_back),
	    cmocka_unit_test(a_reader_refuses_what_is_too_long),
	    cmocka_unit_test(text_is_printed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
