/* SPDX-License-Identifier: Apache-2.0 */
/* Headers in UTF-8 for clients that accept only ASCII (RFC 6858). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mail/surrogate.h"
#include "mail/text/text.h"

static size_t
feed(struct str header, size_t piece, struct buf *out, bool *changed_r)
{
	struct mail_surrogate s = {.dropped = false};
	size_t held = 0, at = 0;

	do {
		size_t n = header.n - at < piece ? header.n - at : piece;
		char *copy = malloc(n + 1); /* freed when more arrives */

		if (n > 0)
			memcpy(copy, header.p + at, n);
		at += n;
		mail_surrogate_feed(&s, (struct str){copy, n}, at == header.n, out);
		free(copy);
		held = s.fields.held.cap > held ? s.fields.held.cap : held;
	} while (at < header.n);
	*changed_r = s.changed;
	mail_surrogate_fini(&s);
	return held;
}

static void
becomes(const char *header, const char *want)
{
	static const size_t pieces[] = {1, 2, 7, 100000};

	for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
		struct buf out = {0};
		bool changed;

		feed(str_of(header), pieces[i], &out, &changed);
		buf_putc(&out, '\0');
		assert_string_equal(out.p, want);
		assert_int_equal(changed, strcmp(header, want) != 0);
		buf_fini(&out);
	}
}

#define NOBODY "<invalid@internationalized-address.invalid>"

static void
addresses(void **state)
{
	(void)state;
	becomes(
	    "From: ü@x.example\r\n\r\n", "From: =?utf-8?B?w7xAeC5leGFtcGxl?= " NOBODY "\r\n\r\n");
	becomes("From: a <a@ü.example>\r\n",
	    "From: =?utf-8?B?YSA8YUDDvC5leGFtcGxlPg==?= " NOBODY "\r\n");
	becomes("From: ü <a@x>\n", "From: =?utf-8?B?w7w=?= <a@x>\n");
	becomes("sender: =?utf-8?Q?=C3=BC?= <ü@x>, \"a \\\"b\" <\"c d\"@[1.2.3.4]>\r\n",
	    "sender: =?utf-8?B?w7wgPMO8QHg+?= " NOBODY ",\r\n \"a \\\"b\" <\"c d\"@[1.2.3.4]>\r\n");
	becomes("To: ü:;, v: a@x, ü@x;\r\n",
	    "To: =?utf-8?B?w7w=?=:;,\r\n \"v\":\r\n <a@x>,\r\n =?utf-8?B?w7xAeA==?= " NOBODY
	    ";\r\n");
	becomes("Cc: <@ü.example:a@x>\r\n", "Cc: =?utf-8?B?YUB4?= " NOBODY "\r\n");
	becomes("Resent-To: ü\r\n", "Resent-To: =?utf-8?B?w7w=?= " NOBODY "\r\n");
	becomes("Cc: (ü) a@x\r\n", "Cc: =?utf-8?B?w7w=?= <a@x>\r\n");
	becomes("Bcc: (ü)\r\nTo: a@x\r\n", "To: a@x\r\n");
}

static void
others(void **state)
{
	(void)state;
	becomes("", "");
	becomes("A: b\r\n\r\n", "A: b\r\n\r\n");
	becomes("Subject: ü\r\n b\r\nX: ü\r\nY: u\r\n\r\n",
	    "Subject: =?utf-8?B?w7wgYg==?=\r\nY: u\r\n\r\n");
	becomes("Ü: b\r\nA: ü\r\n c\r\nD: e\r\n", "D: e\r\n");
	becomes("Message-ID: <ü@x>\r\nReceived: from ü\r\n\r\n", "\r\n");
	/* not UTF-8 */
	becomes("Subject: \xfc\r\nFrom: \xfc@x\r\n", "Subject: \xfc\r\nFrom: \xfc@x\r\n");
}

static void
parameters(void **state)
{
	(void)state;
	becomes("Content-Disposition: attachment; filename=ü\r\n",
	    "Content-Disposition: attachment\r\n");
	becomes(
	    "Content-Type: text/plain;\r\n charset=utf-8; name=\"a;ü\\\"\";\r\n x=(;ü) y; z=1\r\n",
	    "Content-Type: text/plain;\r\n charset=utf-8; z=1\r\n");
	becomes("Content-Type: text/ü; a=b\r\nX: y\r\n", "X: y\r\n");
	becomes("Content-Type: a/b; n=\"ü; c=d\r\n", "Content-Type: a/b\r\n");
	becomes("Content-Type: a/b; n=(ü; c=d\r\n", "Content-Type: a/b\r\n");
}

/* Words are short, characters complete, and decoded they give the text. */
static void
words(void **state)
{
	struct buf text = {0}, made = {0}, back = {0};
	const char *p;

	(void)state;
	for (int i = 0; i < 200; i++)
		buf_puts(&text, i % 3 == 0 ? "ü" : i % 3 == 1 ? "a" : "\xf0\x9f\x98\x80");
	mail_surrogate_words(buf_as_str(&text), " ", &made);
	assert_true(str_is_ascii(buf_as_str(&made)));
	mail_words_decode(buf_as_str(&made), &back);
	assert_true(str_eq(buf_as_str(&back), buf_as_str(&text)));
	buf_putc(&made, '\0');
	for (p = made.p; p != NULL; p = strchr(p + 1, ' '))
		assert_true(strcspn(p + 1, " ") <= 75);
	buf_fini(&text);
	buf_fini(&made);
	buf_fini(&back);
}

/* A field of any length needs little memory. */
static void
long_fields(void **state)
{
	struct buf header = {0}, out = {0};
	bool changed;

	(void)state;
	for (int i = 0; i < 2; i++) {
		buf_puts(&header, i == 0 ? "X: ü" : "Y: a");
		for (int k = 0; k < 200000; k++)
			buf_putc(&header, 'b');
		buf_puts(&header, "ü\r\n");
	}
	buf_puts(&header, "Z: c\r\n\r\n");
	assert_true(feed(buf_as_str(&header), 1000, &out, &changed) < 4 * MAIL_FIELD_WHOLE);
	assert_true(changed);
	assert_int_equal(out.n, 4 + 200000 + 4 + 8);
	assert_true(str_is_ascii(buf_as_str(&out)));
	assert_memory_equal(out.p + out.n - 12, "\?\?\r\nZ: c\r\n\r\n", 12);
	buf_fini(&header);
	buf_fini(&out);
}

/* Any input: UTF-8 becomes ASCII, and a second pass changes nothing. */
static void
anything(void **state)
{
	static const char *const bits[] = {"From", "To", "Subject", "Content-Type", "X", ":", ":",
	    ": ", "\r\n", "\r\n", "\n", " ", "\t", "ü", "\xf0\x9f\x98\x80", "a", "@", "x.example",
	    "<", ">", ",", ";", "\"", "\\", "(", ")", "=?utf-8?Q?=C3=BC?=", "=?", "?="};
	uint32_t seed = 1;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct buf header = {0}, once = {0}, twice = {0};
		bool changed;

		for (int k = 0; k < 30; k++) {
			seed = seed * 1664525 + 1013904223;
			buf_puts(&header, bits[(seed >> 8) % (sizeof(bits) / sizeof(*bits))]);
		}
		feed(buf_as_str(&header), 1 + i % 50, &once, &changed);
		assert_true(str_is_ascii(buf_as_str(&once)));
		/* A header ends at its first empty line. */
		assert_true(
		    changed || (once.n <= header.n && memcmp(once.p, header.p, once.n) == 0));
		feed(buf_as_str(&once), 1 + i % 7, &twice, &changed);
		assert_false(changed);
		assert_true(str_eq(buf_as_str(&once), buf_as_str(&twice)));
		buf_fini(&header);
		buf_fini(&once);
		buf_fini(&twice);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(addresses),
	    cmocka_unit_test(others),
	    cmocka_unit_test(parameters),
	    cmocka_unit_test(words),
	    cmocka_unit_test(long_fields),
	    cmocka_unit_test(anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
