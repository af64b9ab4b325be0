/* SPDX-License-Identifier: Apache-2.0 */
/* LIST patterns: compared with a matcher that is too simple to be wrong, and what a match costs at
 * most. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "store/match.h"

/* Tries everything; fold: bytes of the name that match case-insensitively. */
static bool
simple(struct str p, struct str name, size_t at, size_t fold)
{
	char c;

	if (p.n == 0)
		return at == name.n;
	c = p.p[0];
	if (c == '*' || c == '%') {
		if (simple((struct str){p.p + 1, p.n - 1}, name, at, fold))
			return true;
		return at < name.n && (c == '*' || name.p[at] != '/') &&
		       simple(p, name, at + 1, fold);
	}
	if (at == name.n ||
	    (c != name.p[at] && (at >= fold || ascii_lower((unsigned char)c) !=
	                                           ascii_lower((unsigned char)name.p[at]))))
		return false;
	return simple((struct str){p.p + 1, p.n - 1}, name, at + 1, fold);
}

static uint32_t
dice(uint32_t n)
{
	static uint64_t state = 20261130;

	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 33) % n;
}

static struct str
random_text(char *p, size_t most, const char *of)
{
	size_t n = dice((uint32_t)most + 1);

	for (size_t i = 0; i < n; i++)
		p[i] = of[dice((uint32_t)strlen(of))];
	return (struct str){p, n};
}

static void
matches_as_the_simple_one(void **state)
{
	char p[80], name[16];

	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		struct str pattern = random_text(p, 10, "ab/%*%"), n = random_text(name, 12, "ab/");

		assert_int_equal(
		    store_match(pattern, n), pattern.n > 0 && simple(pattern, n, 0, 0));
	}
}

static void
inbox_without_case(void **state)
{
	static const char *const names[] = {"INBOX", "INBOX/a", "INBOXes", "Inbo", "in"};
	static const char *const patterns[] = {"inbox", "INBOX", "iNb*", "%x", "inbox/%", "inbox*",
	    "inbox/A", "inboxes", "INBOXES", "*", "i%x/a", "in", "IN", "inBOXe*"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		for (size_t k = 0; k < sizeof(patterns) / sizeof(*patterns); k++) {
			struct str name = str_of(names[i]), p = str_of(patterns[k]);

			assert_int_equal(store_match(p, name), simple(p, name, 0, i < 2 ? 5 : 0));
		}
}

/* A pattern with more positions than a word has bits, at each boundary. */
static void
long_patterns(void **state)
{
	char text[400];

	(void)state;
	for (size_t n = 1; n < 200; n++) {
		struct buf p = {0};

		memset(text, 'x', n);
		buf_put(&p, text, n);
		assert_true(store_match(buf_as_str(&p), (struct str){text, n}));
		buf_putc(&p, '%');
		buf_putc(&p, 'x');
		assert_false(store_match(buf_as_str(&p), (struct str){text, n}));
		memset(text, 'x', n + 3);
		assert_true(store_match(buf_as_str(&p), (struct str){text, n + 3}));
		text[n] = '/';
		assert_false(store_match(buf_as_str(&p), (struct str){text, n + 3}));
		p.p[n] = '*';
		assert_true(store_match(buf_as_str(&p), (struct str){text, n + 3}));
		buf_fini(&p);
	}
}

static struct str
repeated(struct buf *b, const char *text, size_t times)
{
	b->n = 0;
	for (size_t i = 0; i < times; i++)
		buf_puts(b, text);
	return buf_as_str(b);
}

/* Steps of a match; UINT64_MAX: the pattern can never match. */
static uint64_t
steps_of(struct str pattern, struct str name)
{
	struct store_pattern_text text = {.n = 0};
	struct arena *a = arena_new(NULL, ARENA_OTHER, 512);
	struct store_pattern p;
	uint64_t steps = 0;

	store_pattern_add(&text, pattern);
	if (!store_pattern_make(&text, a, &p))
		steps = UINT64_MAX;
	else
		(void)store_pattern_match(&p, name, &steps);
	arena_free(&a);
	return steps;
}

static void
steps_are_bounded(void **state)
{
	struct buf p = {0}, name = {0};
	struct str n = repeated(&name, "a", STORE_NAME_MAX);

	(void)state;
	/* a run of wildcards is one, however long */
	assert_int_equal(steps_of(repeated(&p, "%*", 120000), n), STORE_NAME_MAX);
	assert_int_equal(steps_of(repeated(&p, "%", 240000), n), STORE_NAME_MAX);
	/* no name is long enough for this */
	assert_int_equal(steps_of(repeated(&p, "%a", 120000), n), UINT64_MAX);
	assert_int_equal(steps_of(repeated(&p, "a", STORE_NAME_MAX + 1), n), UINT64_MAX);
	assert_int_equal(steps_of(repeated(&p, "%a", 900), (struct str){n.p, 899}), 0);
	/* the most that a pattern and a name may cost */
	assert_in_range(steps_of(repeated(&p, "%a", STORE_NAME_MAX), n), 1,
	    STORE_NAME_MAX * (STORE_PATTERN_MAX / 64 + 1));
	assert_in_range(steps_of(repeated(&p, "*a", STORE_NAME_MAX), n), 1,
	    STORE_NAME_MAX * (STORE_PATTERN_MAX / 64 + 1));
	buf_fini(&p);
	buf_fini(&name);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(matches_as_the_simple_one),
	    cmocka_unit_test(inbox_without_case),
	    cmocka_unit_test(long_patterns),
	    cmocka_unit_test(steps_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
