/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire must parse what mail makes of a message for FETCH, once and for all: ENVELOPE, BODY and
 * BODYSTRUCTURE, of valid and of damaged messages.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gen.h"
#include "mail/summary.h"

#define ROUNDS 400

static const char message[] =
    "From: =?utf-8?q?J=C3=B6rg?= <a@example.net>, b@example.net (Bea)\r\n"
    "To: friends: one@example.net, \"t \\\"w\\\" o\" <two@example.net>;, <@r:c@example.net>\r\n"
    "Subject: one \"two\" \xC3\xA9\r\n"
    "Date: Wed, 17 Jul 1996 02:44:25 -0700\r\nMessage-ID: <1@example.net>\r\n"
    "Content-Type: multipart/mixed; boundary=\"ab\"\r\n\r\n"
    "--ab\r\nContent-Type: text/plain; charset=utf-8; name*=utf-8''%c3%a9\r\n"
    "Content-Disposition: attachment; filename=\"a \\\"b\"\r\nContent-MD5: xyz\r\n"
    "Content-Language: en, de\r\nContent-Location: http://example.net/a\r\n"
    "Content-ID: <2@example.net>\r\nContent-Description: what it is\r\n\r\nabc\r\n"
    "--ab\r\nContent-Type: message/rfc822\r\n\r\n"
    "Subject: inner\r\nContent-Type: multipart/alternative; boundary=q\r\n\r\n"
    "--q\r\nContent-Type: text/html\r\n\r\n<p>\r\n--q\r\nContent-Type: "
    "image/png\r\n\r\nx\r\n--q--\r\n"
    "--ab\r\nContent-Type: message/global\r\n\r\nSubject: \xC3\xBC\r\n\r\ntext\r\n"
    "--ab\r\nContent-Type: multipart/digest; boundary=z\r\n\r\n--z--\r\n--ab--\r\n";

static struct wire_in
over(struct arena *a, struct str text)
{
	static const struct wire_limits deep = {.list_depth = 1000, .items = 100000};
	struct wire_in in;

	wire_in_init(&in, text, a, NULL, &deep);
	return in;
}

static void
read_ok(const struct wire_in *in, bool ok, struct str text)
{
	if (!ok || in->p != in->end)
		print_error("%s at %zu of\n%.*s\n", in->error != NULL ? in->error : "too short",
		    in->error_at, STR_ARG(text));
	assert_true(ok && in->p == in->end);
}

static void
check_envelope(struct arena *a, struct str text)
{
	struct wire_in in = over(a, text);
	struct wire_envelope x, y;
	struct buf b = {0};
	bool ok = wire_in_envelope(&in, &x);

	read_ok(&in, ok, text);
	wire_out_envelope(&b, &wire_dialect_rev1, &x);
	in = over(a, buf_as_str(&b));
	ok = wire_in_envelope(&in, &y);
	read_ok(&in, ok, buf_as_str(&b));
	assert_true(same_envelope(&x, &y));
	buf_fini(&b);
}

static void
check_body(struct arena *a, struct str text)
{
	struct wire_in in = over(a, text);
	struct wire_body x, y;
	struct buf b = {0};
	bool ok = wire_in_body(&in, &x);

	read_ok(&in, ok, text);
	wire_out_body(&b, &wire_dialect_rev1, &x);
	in = over(a, buf_as_str(&b));
	ok = wire_in_body(&in, &y);
	read_ok(&in, ok, buf_as_str(&b));
	assert_true(same_body(&x, &y));
	buf_fini(&b);
}

static void
check_message(struct str text)
{
	struct arena *a = arena_new(NULL, ARENA_OTHER, 4096);
	struct mail_summary summary;
	struct buf b = {0};

	mail_summarize(text, NULL, &b);
	assert_int_equal(mail_summary_open(buf_as_str(&b), &summary), TS_OK);
	check_envelope(a, mail_summary_text(&summary, MAIL_TEXT_ENVELOPE));
	for (int form = 0; form < 4; form++)
		check_body(a, mail_summary_structure(&summary, form / 2 != 0, form % 2 != 0));
	buf_fini(&b);
	arena_free(&a);
}

static void
as_it_should_be(void **state)
{
	(void)state;
	check_message((struct str){message, sizeof(message) - 1});
	check_message(STR("Subject: only a header\r\n"));
	check_message(STR(""));
}

/* Bytes are changed, removed and duplicated. */
static void
damaged(void **state)
{
	struct gen g = {.state = 11};
	struct buf text = {0};

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		text.n = 0;
		buf_put(&text, message, sizeof(message) - 1);
		for (unsigned n = 1 + gen_below(&g, 6); n > 0; n--) {
			size_t at = gen_below(&g, (unsigned)text.n);

			if (gen_one_in(&g, 2))
				text.p[at] = "\"\\()\r\n=;:,<>@ \x80"[gen_below(&g, 15)];
			else if (gen_one_in(&g, 2))
				text.n = at + 1;
			else
				buf_put(&text, message + at % (sizeof(message) / 2),
				    sizeof(message) / 2 - 1);
		}
		check_message(buf_as_str(&text));
	}
	buf_fini(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(as_it_should_be),
	    cmocka_unit_test(damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
