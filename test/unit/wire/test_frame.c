/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "wire/frame.h"

static const struct wire_frame_limits limits = {
    .line = 100, .literal = 50, .command = 300, .literals = 3, .bare_lf = true};

/* Feeds byte by byte until something happens; *fed keeps the number of bytes. */
static enum wire_frame_result
feed(struct wire_frame *f, const struct wire_frame_limits *lim, struct str all, size_t *fed)
{
	enum wire_frame_result result = WIRE_FRAME_MORE;

	while (result == WIRE_FRAME_MORE && *fed < all.n)
		result = wire_frame_scan(f, lim, (struct str){all.p, ++*fed});
	return result;
}

static void
a_line_is_a_command(void **state)
{
	struct wire_frame f = {0};
	size_t fed = 0;

	(void)state;
	assert_int_equal(feed(&f, &limits, STR("a1 NOOP\r\nb"), &fed), WIRE_FRAME_DONE);
	assert_int_equal(f.end, 9);
	assert_int_equal(fed, 9);
	f = (struct wire_frame){0};
	assert_int_equal(wire_frame_scan(&f, &limits, STR("a NOOP\nb NOOP\n")), WIRE_FRAME_DONE);
	assert_int_equal(f.end, 7);
	f = (struct wire_frame){0};
	assert_int_equal(wire_frame_scan(&f, &limits, STR("\r\n")), WIRE_FRAME_DONE);
	assert_int_equal(f.end, 2);
}

static void
inline_literals(void **state)
{
	static const struct str all = {"a LOGIN {3}\r\nj\nx {0+}\r\n ~{2}\r\n{}\r\n", 34};
	struct wire_frame f = {0};
	size_t fed = 0;

	(void)state;
	assert_int_equal(feed(&f, &limits, all, &fed), WIRE_FRAME_LITERAL);
	assert_int_equal(f.lit.at, 8);
	assert_int_equal(f.lit.data, 13);
	assert_int_equal(f.lit.size, 3);
	assert_true(f.lit.sync && !f.lit.literal8);
	wire_frame_accept(&f);
	assert_int_equal(feed(&f, &limits, all, &fed), WIRE_FRAME_LITERAL);
	assert_int_equal(f.lit.size, 0);
	assert_false(f.lit.sync);
	wire_frame_accept(&f);
	assert_int_equal(feed(&f, &limits, all, &fed), WIRE_FRAME_LITERAL);
	assert_true(f.lit.literal8);
	assert_int_equal(all.p[f.lit.at], '~');
	wire_frame_accept(&f);
	assert_int_equal(feed(&f, &limits, all, &fed), WIRE_FRAME_DONE);
	assert_int_equal(f.end, all.n);
}

static void
what_is_no_literal(void **state)
{
	static const char *const lines[] = {"a {}\r\n", "a {+}\r\n", "a {3-}\r\n", "a 3}\r\n",
	    "3}\r\n", "}\r\n", "+}\r\n", "a {3} \r\n", "a {3++}\r\n", "a {3x}\r\n", "a {3}\r\r\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct wire_frame f = {0};

		assert_int_equal(wire_frame_scan(&f, &limits, str_of(lines[i])), WIRE_FRAME_DONE);
	}
}

static void
lines_of_exchanges_have_no_literals(void **state)
{
	struct wire_frame f = {.line_only = true};

	(void)state;
	assert_int_equal(wire_frame_scan(&f, &limits, STR("abc{5}\r\n")), WIRE_FRAME_DONE);
	assert_int_equal(f.end, 8);
}

static void
limits_are_kept(void **state)
{
	struct wire_frame f = {0};
	char line[101];

	(void)state;
	memset(line, 'x', sizeof(line));
	assert_int_equal(wire_frame_scan(&f, &limits, (struct str){line, 100}), WIRE_FRAME_MORE);
	assert_int_equal(
	    wire_frame_scan(&f, &limits, (struct str){line, 101}), WIRE_FRAME_LINE_TOO_LONG);
	assert_non_null(f.error);

	f = (struct wire_frame){0};
	assert_int_equal(
	    wire_frame_scan(&f, &limits, STR("a X {51+}\r\n")), WIRE_FRAME_LITERAL_TOO_BIG);
	assert_int_equal(f.lit.size, 51);
	f = (struct wire_frame){0};
	assert_int_equal(wire_frame_scan(&f, &limits, STR("a X {50+}\r\n")), WIRE_FRAME_LITERAL);
	f = (struct wire_frame){0};
	assert_int_equal(wire_frame_scan(&f, &limits, STR("a X {9223372036854775808}\r\n")),
	    WIRE_FRAME_LITERAL_TOO_BIG);
	assert_true(f.lit.size == UINT64_MAX);
	f = (struct wire_frame){0};
	assert_int_equal(
	    wire_frame_scan(&f, &limits, STR("a X {000000000000000000000000000001}\r\n")),
	    WIRE_FRAME_LITERAL_TOO_BIG);
	assert_true(f.lit.size == UINT64_MAX);

	f = (struct wire_frame){0};
	for (int i = 0; i < 3; i++) {
		static const struct str four = {"{0}\r\n{0}\r\n{0}\r\n{0}\r\n", 20};

		assert_int_equal(wire_frame_scan(&f, &limits, four), WIRE_FRAME_LITERAL);
		wire_frame_accept(&f);
		if (i == 2)
			assert_int_equal(
			    wire_frame_scan(&f, &limits, four), WIRE_FRAME_LITERAL_TOO_BIG);
	}
}

static void
a_command_of_many_literals_is_bounded(void **state)
{
	struct wire_frame_limits lim = limits;
	struct wire_frame f = {0};
	struct buf b = {0};

	(void)state;
	lim.command = 60;
	buf_puts(&b, "a X {50}\r\n");
	assert_int_equal(wire_frame_scan(&f, &lim, buf_as_str(&b)), WIRE_FRAME_LITERAL);
	wire_frame_accept(&f);
	memset(buf_room(&b, 50), 'x', 50);
	b.n += 50;
	assert_int_equal(wire_frame_scan(&f, &lim, buf_as_str(&b)), WIRE_FRAME_MORE);
	buf_puts(&b, "y");
	assert_int_equal(wire_frame_scan(&f, &lim, buf_as_str(&b)), WIRE_FRAME_LINE_TOO_LONG);
	buf_fini(&b);
}

static void
nul_and_bare_lf(void **state)
{
	struct wire_frame_limits strict = limits;
	struct wire_frame f = {0};

	(void)state;
	strict.bare_lf = false;
	assert_int_equal(
	    wire_frame_scan(&f, &limits, (struct str){"a \0b\r\n", 6}), WIRE_FRAME_BAD);
	f = (struct wire_frame){0};
	assert_int_equal(wire_frame_scan(&f, &strict, STR("a b\n")), WIRE_FRAME_BAD);
	/* The CR at the end of a literal does not belong to the LF after it. */
	f = (struct wire_frame){0};
	assert_int_equal(wire_frame_scan(&f, &strict, STR("{1}\r\n\r\n")), WIRE_FRAME_LITERAL);
	wire_frame_accept(&f);
	assert_int_equal(wire_frame_scan(&f, &strict, STR("{1}\r\n\r\n")), WIRE_FRAME_BAD);
}

static void
streamed_literals_are_cut_out(void **state)
{
	struct wire_frame f = {0};

	(void)state;
	assert_int_equal(
	    wire_frame_scan(&f, &limits, STR("a APPEND x {900}\r\n")), WIRE_FRAME_LITERAL_TOO_BIG);
	wire_frame_cut(&f);
	assert_int_equal(wire_frame_scan(&f, &limits, STR(" {9}\r\n")), WIRE_FRAME_LITERAL);
	assert_int_equal(f.lit.data, 6);
	wire_frame_cut(&f);
	assert_int_equal(wire_frame_scan(&f, &limits, STR("\r\nb")), WIRE_FRAME_DONE);
	assert_int_equal(f.end, 2);
}

/* Skips with all.n bytes available, or one more at a time; returns where the command ended. */
static size_t
skip_all(struct wire_frame f, struct str all, bool slowly)
{
	size_t dropped = 0, there = slowly ? 0 : all.n;
	bool done = false;

	for (;;) {
		dropped +=
		    wire_frame_skip(&f, (struct str){all.p + dropped, there - dropped}, &done);
		assert_true(dropped <= there);
		if (done)
			return dropped;
		if (there == all.n)
			return SIZE_MAX;
		there++;
	}
}

static void
refused_commands_are_skipped(void **state)
{
	static const struct {
		const char *text;
		enum wire_frame_result result;
		size_t end; /* SIZE_MAX: incomplete */
	} cases[] = {
	    /* synchronising: nothing follows */
	    {"a X {99}\r\nb NOOP\r\n", WIRE_FRAME_LITERAL_TOO_BIG, 10},
	    /* not synchronising: its bytes and the rest of the line follow */
	    {"a X {60+}\r\n"
	     "012345678901234567890123456789012345678901234567890123456789 y\r\nb NOOP\r\n",
	        WIRE_FRAME_LITERAL_TOO_BIG, 75},
	    {"a X {60+}\r\n"
	     "01234567890123456789012345678901234567890123456789\r\n0123456 {3+}\r\nb\r\n\r\nc "
	     "N\r\n",
	        WIRE_FRAME_LITERAL_TOO_BIG, 82},
	    /* one that waits, after one that does not */
	    {"a X {60+}\r\n"
	     "012345678901234567890123456789012345678901234567890123456789 {7}\r\nb NOOP\r\n",
	        WIRE_FRAME_LITERAL_TOO_BIG, 77},
	    {"a X {99999999999999999999999+}\r\nxxx\r\nb NOOP\r\n", WIRE_FRAME_LITERAL_TOO_BIG,
	        SIZE_MAX},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wire_frame f = {0};
		struct str all = str_of(cases[i].text);

		assert_int_equal(wire_frame_scan(&f, &limits, all), cases[i].result);
		wire_frame_refuse(&f);
		assert_int_equal(skip_all(f, all, false), cases[i].end);
		assert_int_equal(skip_all(f, all, true), cases[i].end);
	}
}

static void
long_lines_are_skipped(void **state)
{
	static const char *const tails[] = {"\r\n", " {4+}\r\nab\r\n\r\n", " {4}\r\n",
	    "{99999999999999999999999999999999999999+}\r\n",
	    "99999999999999999999999999999999999999+}\r\n"};
	struct buf b = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		struct wire_frame f = {0};
		size_t end;

		b.n = 0;
		memset(buf_room(&b, 500), 'x', 500);
		b.n = 500;
		assert_int_equal(
		    wire_frame_scan(&f, &limits, buf_as_str(&b)), WIRE_FRAME_LINE_TOO_LONG);
		wire_frame_refuse(&f);
		buf_puts(&b, tails[i]);
		end = i == 3 ? SIZE_MAX : b.n;
		buf_puts(&b, "b NOOP\r\n");
		assert_int_equal(skip_all(f, buf_as_str(&b), false), end);
		assert_int_equal(skip_all(f, buf_as_str(&b), true), end);
	}
	buf_fini(&b);
}

static void
the_tag_of_a_part(void **state)
{
	(void)state;
	assert_true(str_eq(wire_frame_tag(STR("a1] LOGIN {5}\r\n")), STR("a1]")));
	assert_true(str_eq(wire_frame_tag(STR("a1\r\n")), STR("a1")));
	assert_null(wire_frame_tag(STR("a1")).p);
	assert_null(wire_frame_tag(STR(" a1 ")).p);
	assert_null(wire_frame_tag(STR("* x")).p);
	assert_null(wire_frame_tag(STR("a+ x")).p);
	assert_null(wire_frame_tag(STR("\xC3\xA9 x")).p);
	assert_null(wire_frame_tag(STR("")).p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_line_is_a_command),
	    cmocka_unit_test(inline_literals),
	    cmocka_unit_test(what_is_no_literal),
	    cmocka_unit_test(lines_of_exchanges_have_no_literals),
	    cmocka_unit_test(limits_are_kept),
	    cmocka_unit_test(a_command_of_many_literals_is_bounded),
	    cmocka_unit_test(nul_and_bare_lf),
	    cmocka_unit_test(streamed_literals_are_cut_out),
	    cmocka_unit_test(refused_commands_are_skipped),
	    cmocka_unit_test(long_lines_are_skipped),
	    cmocka_unit_test(the_tag_of_a_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
