/* SPDX-License-Identifier: Apache-2.0 */
/* Where sections are (RFC 9051 section 6.4.5.1). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mail/section.h"

static const char text[] =
    "Subject: top\r\n"
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    "--b\r\nX: 1\r\n\r\none\r\n"
    "--b\r\nContent-Type: message/rfc822\r\n\r\n"
    "Subject: in\r\nContent-Type: multipart/x; boundary=c\r\n\r\n"
    "--c\r\n\r\nc1\r\n--c\r\n\r\nc2\r\n--c--\r\n"
    "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: flat\r\n\r\nflat body\r\n"
    "--b\r\nContent-Type: multipart/y; boundary=d\r\n\r\n--d\r\nY: 1\r\n\r\nd1\r\n--d--\r\n"
    "--b--\r\n";

static void
section(const char *message, const char *path, enum mail_section kind, const char *want)
{
	struct buf bytes = {0};
	struct mail_summary s;
	struct mail_range r;
	struct mail_part part;
	uint32_t numbers[8];
	size_t depth = 0;
	bool found;

	for (const char *p = path; *p != '\0'; p++)
		if (*p != '.')
			numbers[depth++] = (uint32_t)(*p - '0');
	mail_summarize(str_of(message), NULL, &bytes);
	assert_int_equal(mail_summary_open(buf_as_str(&bytes), &s), TS_OK);
	found = mail_section_find(&s, numbers, depth, kind, &r);
	if (found != (want != NULL) ||
	    (found && !str_eq((struct str){message + r.off, r.len}, str_of(want))))
		fail_msg("[%s] %d: %d %.*s", path, (int)kind, found, found ? (int)r.len : 0,
		    message + (found ? r.off : 0));
	if (want != NULL && kind == MAIL_SECTION_WHOLE && depth > 0) {
		assert_true(mail_section_part(&s, numbers, depth, &part));
		assert_int_equal(part.body_off, r.off);
	}
	buf_fini(&bytes);
}

static void
test_tree(void **state)
{
	(void)state;
	section(text, "", MAIL_SECTION_WHOLE, text);
	section(text, "", MAIL_SECTION_HEADER,
	    "Subject: top\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n");
	section(text, "", MAIL_SECTION_TEXT, strstr(text, "--b"));
	section(text, "", MAIL_SECTION_MIME, NULL);
	section(text, "1", MAIL_SECTION_WHOLE, "one");
	section(text, "1", MAIL_SECTION_MIME, "X: 1\r\n\r\n");
	section(text, "1", MAIL_SECTION_HEADER, NULL);
	section(text, "1", MAIL_SECTION_TEXT, NULL);
	section(text, "1.1", MAIL_SECTION_WHOLE, NULL);
	section(text, "2", MAIL_SECTION_MIME, "Content-Type: message/rfc822\r\n\r\n");
	section(text, "2", MAIL_SECTION_HEADER,
	    "Subject: in\r\nContent-Type: multipart/x; boundary=c\r\n\r\n");
	section(text, "2", MAIL_SECTION_TEXT, "--c\r\n\r\nc1\r\n--c\r\n\r\nc2\r\n--c--");
	section(text, "2.1", MAIL_SECTION_WHOLE, "c1");
	section(text, "2.2", MAIL_SECTION_WHOLE, "c2");
	section(text, "2.2", MAIL_SECTION_MIME, "\r\n");
	section(text, "2.3", MAIL_SECTION_WHOLE, NULL);
	section(text, "2.0", MAIL_SECTION_WHOLE, NULL);
	section(text, "3", MAIL_SECTION_WHOLE, "Subject: flat\r\n\r\nflat body");
	section(text, "3.1", MAIL_SECTION_WHOLE, "flat body");
	section(text, "3.1", MAIL_SECTION_MIME, "Subject: flat\r\n\r\n");
	section(text, "3.1", MAIL_SECTION_TEXT, NULL);
	section(text, "3.1.1", MAIL_SECTION_WHOLE, NULL);
	section(text, "3.2", MAIL_SECTION_WHOLE, NULL);
	section(text, "4.1", MAIL_SECTION_WHOLE, "d1");
	section(text, "4.1", MAIL_SECTION_MIME, "Y: 1\r\n\r\n");
	section(text, "5", MAIL_SECTION_WHOLE, NULL);
}

static void
test_single(void **state)
{
	(void)state;
	section("A: b\n\nbody", "1", MAIL_SECTION_WHOLE, "body");
	section("A: b\n\nbody", "1", MAIL_SECTION_MIME, "A: b\n\n");
	section("A: b\n\nbody", "1", MAIL_SECTION_TEXT, NULL);
	section("A: b\n\nbody", "1.1", MAIL_SECTION_WHOLE, NULL);
	section("A: b\n\nbody", "2", MAIL_SECTION_WHOLE, NULL);
	section("A: b", "", MAIL_SECTION_TEXT, "");
	section("", "1", MAIL_SECTION_WHOLE, "");
}

/* The message itself is a message/rfc822. */
static void
test_message_in_message(void **state)
{
	const char *m =
	    "Content-Type: message/rfc822\n\nContent-Type: message/rfc822\n\nA: b\n\nbody";

	(void)state;
	section(m, "1", MAIL_SECTION_WHOLE, "Content-Type: message/rfc822\n\nA: b\n\nbody");
	section(m, "1", MAIL_SECTION_TEXT, "A: b\n\nbody");
	section(m, "1.1", MAIL_SECTION_WHOLE, "A: b\n\nbody");
	section(m, "1.1", MAIL_SECTION_HEADER, "A: b\n\n");
	section(m, "1.1.1", MAIL_SECTION_WHOLE, "body");
	section(m, "1.1.1.1", MAIL_SECTION_WHOLE, NULL);
}

/* The line end before a delimiter belongs to the delimiter, even where it ends a header. */
static void
test_no_body(void **state)
{
	static const char digest[] =
	    "Content-Type: multipart/digest; boundary=b\r\n\r\n"
	    "--b\r\n\r\n\r\n"
	    "--b\r\n\r\nSubject: one\r\n\r\n"
	    "--b\r\n\r\nContent-Type: message/rfc822\r\n\r\nSubject: two\r\n\r\n"
	    "--b\r\n\r\nSubject: three\r\n\r\n\r\n--b--\r\n";

	(void)state;
	section(digest, "1", MAIL_SECTION_WHOLE, "");
	section(digest, "1", MAIL_SECTION_HEADER, "");
	section(digest, "1", MAIL_SECTION_TEXT, "");
	section(digest, "2", MAIL_SECTION_WHOLE, "Subject: one\r\n");
	section(digest, "2", MAIL_SECTION_HEADER, "Subject: one\r\n");
	section(digest, "2", MAIL_SECTION_TEXT, "");
	section(digest, "2.1", MAIL_SECTION_WHOLE, "");
	section(digest, "3.1", MAIL_SECTION_HEADER, "Subject: two\r\n");
	section(digest, "3.1", MAIL_SECTION_WHOLE, "Subject: two\r\n");
	section(digest, "4", MAIL_SECTION_HEADER, "Subject: three\r\n\r\n");
	section(digest, "4", MAIL_SECTION_TEXT, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_tree),
	    cmocka_unit_test(test_single),
	    cmocka_unit_test(test_message_in_message),
	    cmocka_unit_test(test_no_body),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
