/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "over.h"
#include "wire/cmd/append.h"
#include "wire/frame.h"

/*
 * Runs the arguments of an APPEND through framer and parser as a server does, and records what
 * happens: "box:12+", "box:3~", "end", "bad".  Drops the messages' bytes.
 */
static const char *
run(struct str bytes)
{
	static const struct wire_frame_limits limits = {
	    .line = 200, .literal = 20, .command = 400, .literals = 10};
	struct wire_frame f = {0};
	struct wire_append ap;
	struct buf told = {0};
	char *result;

	wire_append_init(&ap, arena, NULL, NULL);
	for (;;) {
		enum wire_frame_result framed = wire_frame_scan(&f, &limits, bytes);
		size_t n = framed == WIRE_FRAME_DONE ? f.end : f.lit.data;
		/* a copy that is freed: nothing may point into it */
		struct buf segment = {0};
		enum wire_append_result fed;

		assert_int_not_equal(framed, WIRE_FRAME_MORE);
		buf_put(&segment, bytes.p, n);
		fed = wire_append_feed(&ap, buf_as_str(&segment));
		buf_fini(&segment);
		if (fed == WIRE_APPEND_STRING) {
			assert_int_equal(framed, WIRE_FRAME_LITERAL);
			wire_frame_accept(&f);
			buf_puts(&told, "string ");
			continue;
		}
		if (fed != WIRE_APPEND_MESSAGE) {
			buf_puts(&told, fed == WIRE_APPEND_END ? "end" : "bad");
			assert_true((fed == WIRE_APPEND_BAD) == (ap.error != NULL));
			break;
		}
		assert_true(ap.message.size == f.lit.size);
		assert_true(ap.message.sync == f.lit.sync);
		buf_printf(&told, "%.*s:%llu%s%s", STR_ARG(ap.mailbox),
		    (unsigned long long)ap.message.size, ap.message.sync ? "" : "+",
		    ap.message.literal8 ? "~" : "");
		if (ap.message.utf8)
			buf_puts(&told, "u");
		if (ap.message.has_time)
			buf_printf(&told, "@%lld", (long long)ap.message.time.unix_s);
		for (size_t i = 0; i < ap.message.flags.n_keywords; i++)
			buf_printf(&told, "/%.*s", STR_ARG(ap.message.flags.keywords[i]));
		if (ap.message.flags.unknown.p != NULL)
			buf_printf(&told, "!%.*s", STR_ARG(ap.message.flags.unknown));
		buf_putc(&told, ' ');
		n += (size_t)ap.message.size;
		assert_true(n <= bytes.n);
		bytes = (struct str){bytes.p + n, bytes.n - n};
		wire_frame_cut(&f);
	}
	result = arena_strdup(arena, buf_cstr(&told));
	buf_fini(&told);
	return result;
}

static void
appends(void **state)
{
	static const struct {
		const char *text, *told;
	} cases[] = {
	    {" inbox {3}\r\nabc\r\n", "INBOX:3 end"},
	    {" x {3+}\r\nabc\r\n", "x:3+ end"},
	    {" {1}\r\nx {3}\r\nabc\r\n", "string x:3 end"},
	    {" {5+}\r\nINbox {0}\r\n\r\n", "string INBOX:0 end"},
	    {" {0}\r\n {3}\r\nabc\r\n", "string bad"},
	    {" Entw&APw-rfe ~{2}\r\nab\r\n", "Entw\xC3\xBCrfe:2~ end"},
	    {" x (\\Seen a b \\Odd) \" 1-Jan-1970 00:00:09 +0000\" {2}\r\n\r\n\r\n",
	        "x:2@9/a/b!\\Odd end"},
	    {" x () {30}\r\n012345678901234567890123456789\r\n", "x:30 end"},
	    {" x {1}\r\na (q) {2+}\r\nbb \"01-Jan-1970 00:00:01 +0000\" ~{3}\r\nccc\r\n",
	        "x:1 x:2+/q x:3~@1 end"},
	    {" x UTF8 (~{2}\r\nab)\r\n", "x:2~u end"},
	    {" x UTF8 (~{2}\r\nab) (k) UTF8 (~{1+}\r\nc)\r\n", "x:2~u x:1+~u/k end"},
	    {" x UTF8 (~{2}\r\nab\r\n", "x:2~u bad"},
	    {" x {2}\r\nab)\r\n", "x:2 bad"},
	    {" x UTF8 ({2}\r\nab)\r\n", "bad"},
	    {" x {2}\r\nab \r\n", "x:2 bad"},
	    {" x {2}\r\nabc\r\n", "x:2 bad"},
	    {" x {2}\r\nab (\\Seen)\r\n", "x:2 bad"},
	    {"\r\n", "bad"},
	    {" x\r\n", "bad"},
	    {" x \r\n", "bad"},
	    {" x (\\Seen)\r\n", "bad"},
	    {" x (\\Seen\r\n", "bad"},
	    {" x abc\r\n", "bad"},
	    {" x (a)(b) {1}\r\nx\r\n", "bad"},
	    {" x \"01-Jan-1970 00:00:01 +0000\" (a) {1}\r\nx\r\n", "bad"},
	    {" x \"yesterday\" {1}\r\nx\r\n", "bad"},
	    {" x y {1}\r\nx\r\n", "bad"},
	    {" x& {1}\r\nx\r\n", "bad"},
	    {" ~{1}\r\nx {1}\r\nx\r\n", "bad"},
	    {" x CATENATE (TEXT {1}\r\nx)\r\n", "bad"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(run(str_of(cases[i].text)), cases[i].told);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(appends, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
