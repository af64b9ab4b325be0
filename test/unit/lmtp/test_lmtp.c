/* SPDX-License-Identifier: Apache-2.0 */
/* Paths of MAIL and RCPT, and the data after DATA, cut at every position. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lmtp/address.h"
#include "lmtp/body.h"

static void
check_path(const char *in, const char *local, const char *domain, const char *rest)
{
	struct str s = str_of(in);
	struct buf buf = {0};
	struct lmtp_path path;

	if (!lmtp_path_parse(&s, &buf, &path))
		fail_msg("refused: %s", in);
	assert_true(str_eq(path.local, str_of(local)));
	assert_true(str_eq(path.domain, str_of(domain)));
	assert_true(str_eq(s, str_of(rest)));
	buf_fini(&buf);
}

static void
paths(void **state)
{
	(void)state;
	check_path("<>", "", "", "");
	check_path("<a@b.example>", "a", "b.example", "");
	check_path("<a.b+c@b.example> SIZE=3", "a.b+c", "b.example", " SIZE=3");
	check_path("<postmaster>", "postmaster", "", "");
	check_path("<@x.example,@y.example:a@b>", "a", "b", "");
	check_path("<\"a b\\\"@>\"@b>", "a b\"@>", "b", "");
	check_path("<a@[192.0.2.1]>", "a", "[192.0.2.1]", "");
	check_path("<a@[IPv6:2001:db8::1]>", "a", "[IPv6:2001:db8::1]", "");
	check_path("<J\xc3\xb6rg@b\xc3\xbc.example>", "J\xc3\xb6rg", "b\xc3\xbc.example", "");
}

static void
no_paths(void **state)
{
	static const char *const bad[] = {"", "<", "a@b", "<a@b", "<a@>", "<@b>", "<.a@b>",
	    "<a.@b>", "<a..b@c>", "<a b@c>", "<a@b c>", "<a@-b>", "<a@b->", "<a@b..c>", "<a@.b>",
	    "<\"a@b>", "<\"a\"b@c>", "<\"\"@c>", "<a@[]>", "<a@[x>", "<@x a@b>", "<@x:>", "<a@b@c>",
	    "<a\xff@b>", "<a\r@b>", "<\"a\rb\"@c>", "<a,b@c>", "<<a@b>>", "<\"a\\"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct str s = str_of(bad[i]);
		struct buf buf = {0};
		struct lmtp_path path;

		if (lmtp_path_parse(&s, &buf, &path))
			fail_msg("taken: %s", bad[i]);
		buf_fini(&buf);
	}
}

/* Mail servers have accepted what they pass on; a trace line must be able to hold it. */
static void
senders(void **state)
{
	static const char *const good[][2] = {{"<>", ""},
	    {"<a@my_host.example>", "a@my_host.example"},
	    {"<user..name@b.example>", "user..name@b.example"}, {"<name.@b>", "name.@b"},
	    {"<a@host.>", "a@host."}, {"<root@(none)>", "root@(none)"}, {"<a@b@c>", "a@b@c"},
	    {"<a,b@c>", "a,b@c"}, {"<a@>", "a@"}, {"<a\"b@c>", "a\"b@c"},
	    {"<\"a > b\\\"\"@c>", "\"a > b\\\"\"@c"}, {"<@x.example:a@b>", "a@b"}, {"<@b>", "@b"},
	    {"<MAILER-DAEMON>", "MAILER-DAEMON"}};
	static const char *const bad[] = {"", "<", "a@b", "<a@b", "<a b@c>", "<a@b\r\nX: y>",
	    "<a\x01@b>", "<a\xff@b>", "<<a@b>>", "<\"a@b>", "<\"a\\\r\nX: y\"@b>", "<a\x7f@b>",
	    "<a\tb@c>"};
	struct lmtp_path path;
	struct str s;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		s = str_of(good[i][0]);
		if (!lmtp_sender_parse(&s, &path))
			fail_msg("refused: %s", good[i][0]);
		assert_true(str_eq(path.text, str_of(good[i][1])));
		assert_int_equal(s.n, 0);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		s = str_of(bad[i]);
		if (lmtp_sender_parse(&s, &path))
			fail_msg("taken: %s", bad[i]);
	}
}

static void
peer_names(void **state)
{
	struct buf out = {0};

	(void)state;
	assert_true(lmtp_peer_name_ok(STR("mail_postfix_1")));
	assert_true(lmtp_peer_name_ok(STR("(none)")));
	assert_false(lmtp_peer_name_ok(STR("")));
	assert_false(lmtp_peer_name_ok(STR("a b")));
	assert_false(lmtp_peer_name_ok(STR("a\r\nX: y")));
	assert_false(lmtp_peer_name_ok(STR("a\xff")));
	lmtp_peer_name_put(STR("mail_1.b:[::1]"), &out);
	assert_true(str_eq(buf_as_str(&out), STR("mail_1.b:[::1]")));
	out.n = 0;
	lmtp_peer_name_put(STR("(x);<y>\"\\@,"), &out);
	assert_true(str_eq(buf_as_str(&out), STR("?x???y?????")));
	buf_fini(&out);
}

/* Feeds `in`, cut in two at `cut`; returns how much was used up to the end, SIZE_MAX: no end. */
static size_t
feed(struct lmtp_body *b, struct str in, size_t cut, struct buf *out)
{
	size_t used = 0;

	while (used < in.n) {
		size_t stop = used < cut ? cut : in.n;
		struct str text;
		bool end;
		size_t n = lmtp_body_next(b, (struct str){in.p + used, stop - used}, &text, &end);

		used += n;
		buf_str(out, text);
		if (end)
			return used;
		assert_true(n > 0 || text.n > 0);
	}
	return SIZE_MAX;
}

static void
check_body(struct str in, struct str text, size_t end, bool stray)
{
	for (size_t cut = 0; cut <= in.n; cut++) {
		struct lmtp_body b = {0};
		struct buf out = {0};

		assert_int_equal(feed(&b, in, cut, &out), end);
		assert_true(str_eq(buf_as_str(&out), text));
		assert_int_equal(b.stray, stray);
		buf_fini(&out);
	}
}

static void
bodies(void **state)
{
	(void)state;
	check_body(STR(".\r\nQUIT\r\n"), STR(""), 3, false);
	check_body(STR("a\r\n.\r\nX"), STR("a\r\n"), 6, false);
	check_body(STR("..a\r\n...\r\n.\r\n"), STR(".a\r\n..\r\n"), 13, false);
	check_body(STR(".a\r\n.\r\n"), STR("a\r\n"), 7, false);
	/* These must not end a message: every mixture of bare CR and LF around the dot. */
	check_body(STR("a\n.\n"), STR("a\n.\n"), SIZE_MAX, true);
	check_body(STR("a\n.\r\nMAIL"), STR("a\n.\r\nMAIL"), SIZE_MAX, true);
	check_body(STR("a\r.\r\nMAIL"), STR("a\r.\r\nMAIL"), SIZE_MAX, true);
	check_body(STR("a\r\n.\nMAIL"), STR("a\r\n\nMAIL"), SIZE_MAX, true);
	check_body(STR("a\r\n.\rMAIL"), STR("a\r\n\rMAIL"), SIZE_MAX, true);
	check_body(STR("a\r\n.\r\r\nMAIL"), STR("a\r\n\r\r\nMAIL"), SIZE_MAX, true);
	check_body(STR("a\r\r\n.\r\n"), STR("a\r\r\n"), 7, true);
	check_body(STR("a\n\r\n.\r\n"), STR("a\n\r\n"), 7, true);
}

static void
noticed(void **state)
{
	struct lmtp_body b = {0};

	(void)state;
	lmtp_body_look(&b, STR("a\r\nb\r"));
	lmtp_body_look(&b, STR("\n.\r\n"));
	lmtp_body_close(&b);
	assert_false(b.stray || b.nul);
	lmtp_body_look(&b, STR("x\0y\r"));
	lmtp_body_close(&b);
	assert_true(b.stray && b.nul);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(paths), cmocka_unit_test(no_paths),
	    cmocka_unit_test(senders), cmocka_unit_test(peer_names), cmocka_unit_test(bodies),
	    cmocka_unit_test(noticed)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
