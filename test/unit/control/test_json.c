/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "control/rows.h"

static void
test_shapes(void **state)
{
	struct buf out = {0};
	struct json j = {.out = &out};

	(void)state;
	json_open(&j, '{');
	json_key(&j, "a");
	json_open(&j, '[');
	json_close(&j, ']');
	json_key(&j, "b");
	json_open(&j, '[');
	json_u64(&j, UINT64_MAX);
	json_i64(&j, -1);
	json_open(&j, '{');
	json_close(&j, '}');
	json_bool(&j, true);
	json_null(&j);
	json_close(&j, ']');
	json_key(&j, "c");
	json_str(&j, STR(""));
	json_close(&j, '}');
	assert_string_equal(buf_cstr(&out),
	    "{\"a\": [], \"b\": [18446744073709551615, -1, {}, true, "
	    "null], \"c\": \"\"}");
	buf_fini(&out);
}

static void
expect(struct str in, const char *want)
{
	struct buf out = {0};
	struct json j = {.out = &out};

	json_str(&j, in);
	assert_string_equal(buf_cstr(&out), want);
	buf_fini(&out);
}

static void
test_strings(void **state)
{
	(void)state;
	expect(STR("a\"b\\c/"), "\"a\\\"b\\\\c/\"");
	expect(STR("\0\x01\n\x1f\x7f"), "\"\\u0000\\u0001\\u000a\\u001f\\u007f\"");
	expect(STR("Gr\xc3\xb6\xc3\x9f"
	           "e \xf0\x9f\x90\xa6"),
	    "\"Gr\xc3\xb6\xc3\x9f"
	    "e \xf0\x9f\x90\xa6\"");
	/* A continuation byte alone, a cut sequence, too long, a surrogate. */
	expect(STR("\x80z"), "\"\xef\xbf\xbdz\"");
	expect(STR("\xc3"), "\"\xef\xbf\xbd\"");
	expect(STR("\xc0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\"");
	expect(STR("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
	expect(STR("\xff\""), "\"\xef\xbf\xbd\\\"\"");
}

static void
test_rows(void **state)
{
	struct buf out = {0}, value = {0};
	struct str rows, row, key;
	char type;

	(void)state;
	row_str(&out, "name", STR("two\nlines %41"));
	row_u64(&out, "n", 7);
	row_list(&out, "l");
	row_item(&out, "l", STR(""));
	row_item(&out, "l", STR("x y"));
	row_end(&out);
	row_bool(&out, "yes", false);
	row_end(&out);
	rows = buf_as_str(&out);
	assert_true(rows_next(&rows, &row));
	assert_true(row_find(row, "name", 0, &value));
	assert_true(str_eq(buf_as_str(&value), STR("two\nlines %41")));
	assert_false(row_find(row, "name", 1, &value));
	assert_true(row_find(row, "l", 0, &value) && value.n == 0);
	assert_true(row_find(row, "l", 1, &value) && str_eq(buf_as_str(&value), STR("x y")));
	assert_true(rows_next(&rows, &row));
	assert_true(row_next(&row, &type, &key, &value));
	assert_true(
	    type == 'b' && str_eq(key, STR("yes")) && str_eq(buf_as_str(&value), STR("no")));
	assert_false(row_next(&row, &type, &key, &value));
	assert_false(rows_next(&rows, &row));
	/* Anything but a row ends it. */
	row = STR("s name %4\n");
	assert_false(row_next(&row, &type, &key, &value));
	row = STR("name\n\n");
	assert_false(row_next(&row, &type, &key, &value));
	buf_fini(&out);
	buf_fini(&value);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_shapes),
	    cmocka_unit_test(test_strings), cmocka_unit_test(test_rows)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
