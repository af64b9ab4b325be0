/* SPDX-License-Identifier: Apache-2.0 */
/* The modifiers of PREVIEW: printed and parsed again, and invalid ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/ext/preview.h"

static struct arena *arena;

static struct wire_in
over(struct str text)
{
	struct wire_in in;

	wire_in_init(&in, text, arena, NULL, NULL);
	return in;
}

static void
modifiers_of_preview(void **state)
{
	static const char *const none[] = {"", "()", "LAZY", "(EAGER)", "(LAZY EAGER)", "(LAZY"};
	struct buf b = {0};
	struct wire_preview p;
	struct wire_in in;

	(void)state;
	wire_preview_print(&b, &(struct wire_preview){0});
	assert_int_equal(b.n, 0);
	wire_preview_print(&b, &(struct wire_preview){.lazy = true});
	in = over(buf_as_str(&b));
	assert_true(wire_in_sp(&in) && wire_preview_parse(&in, &p) && wire_in_end(&in));
	assert_true(p.lazy);
	in = over(STR("(lazy  LAZY )"));
	assert_true(wire_preview_parse(&in, &p) && wire_in_end(&in) && p.lazy);
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		in = over(str_of(none[i]));
		assert_false(wire_preview_parse(&in, &p) && wire_in_end(&in));
	}
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(modifiers_of_preview),
	};
	int failed;

	arena = arena_new(NULL, ARENA_OTHER, 1024);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_free(&arena);
	return failed;
}
