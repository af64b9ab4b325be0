/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When memory runs out at any point, mail must report it and leave nothing behind: this runs
 * everything that allocates under an allocator that fails at a different point each time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../oom.h"

#include "mail/address.h"
#include "mail/fields.h"
#include "mail/search.h"
#include "mail/sort.h"
#include "mail/summary.h"
#include "mail/text/needles.h"
#include "mail/text/text.h"
#include "mail/unbinary.h"

/* Nested parts, a message in a message, a parameter in pieces, encoded words, groups, charsets. */
static const char nested[] =
    "From: =?utf-8?q?J=C3=B6rg?= <a@example.net>, b@example.net (Bea)\r\n"
    "Sender: s@example.net\r\n"
    "To: friends: one@example.net, \"t \\\"w\\\" o\" <two@example.net>;, c@example.net,\r\n"
    " d@example.net, e@example.net, f@example.net\r\n"
    "Subject: =?iso-2022-jp?b?GyRCRnxLXBsoQg==?= =?utf-8?b?w6k=?= Re: [x] y\r\n"
    "Date: Wed, 17 Jul 1996 02:44:25 -0700\r\n"
    "Message-ID: <1@example.net>\r\n"
    "References: <2@example.net> <3@example.net>\r\n"
    "Content-Type: multipart/mixed; boundary*0=\"ab\"; boundary*1=\"cd\"\r\n\r\n"
    "--abcd\r\n"
    "Content-Type: text/plain; charset=utf-16; name*0*=utf-8''%c3%a9; name*1=x\r\n"
    "Content-Disposition: attachment; filename*0=a; filename*1=b\r\n"
    "Content-Language: en, de\r\nContent-Location: http://example.net/a b\r\n"
    "Content-Transfer-Encoding: base64\r\n\r\nAGEAYgBj\r\n"
    "--abcd\r\nContent-Type: message/rfc822\r\n\r\n"
    "Subject: inner\r\nContent-Type: multipart/alternative; boundary=q\r\n\r\n"
    "--q\r\nContent-Type: text/html; charset=koi8-r\r\n\r\n<p>w\xCF\xD2\xC4 <b>bold</b>\r\n"
    "--q--\r\n"
    "--abcd\r\nContent-Type: multipart/digest; boundary=z\r\n\r\n--z--\r\n"
    "--abcd\r\nContent-Transfer-Encoding: binary\r\n\r\nraw bytes of some length, so that a"
    " line of base64 is filled, and then another one begins\r\n"
    "--abcd--\r\n";

static const struct str message = {nested, sizeof(nested) - 1};

static struct buf expected;

/* ---- summaries */

static bool
summarize(void *arg, bool *oom)
{
	struct buf out = {.oom = oom};
	bool ok;

	mail_summarize(message, arg, &out);
	assert_true(!*oom || out.n == 0);
	ok = str_eq(buf_as_str(&out), buf_as_str(&expected));
	buf_fini(&out);
	return ok;
}

static void
summaries(void **state)
{
	struct mail_limits few = MAIL_LIMITS_DEFAULT;

	(void)state;
	mail_summarize(message, NULL, &expected);
	assert_true(oom_each(summarize, NULL) > 50);
	few.nesting = 1; /* and what is cut */
	few.addresses = 2;
	few.field = 12;
	expected.n = 0;
	mail_summarize(message, &few, &expected);
	assert_true(oom_each(summarize, &few) > 25);
	buf_fini(&expected);
}

/* ---- searches */

struct wanted {
	const struct mail_summary *summary;
	size_t n; /* keys of each kind */
};

static const char *const words[] = {"abc", "bold", "none", "\xD0\xBE", "inner", "\xC3\xA9"};

static void
add_keys(struct mail_search *s, const struct wanted *w)
{
	for (size_t i = 0; i < w->n; i++) {
		mail_search_add(s, MAIL_SEARCH_BODY, STR_NONE, 0, str_of(words[i]));
		mail_search_add(s, MAIL_SEARCH_TEXT, STR_NONE, 0, str_of(words[i]));
		mail_search_add(s, MAIL_SEARCH_FIELD, STR("Subject"), 0, str_of(words[i]));
		mail_search_add(s, MAIL_SEARCH_SUMMARY, STR_NONE, MAIL_TEXT_FROM, str_of(words[i]));
	}
}

static void
read_message(struct mail_search *s, bool *oom)
{
	struct mail_range range;

	while (!*oom && mail_search_wants(s, &range))
		mail_search_feed(s, (struct str){message.p + range.off, (size_t)range.len});
}

static bool
search(void *arg, bool *oom)
{
	const struct wanted *w = arg;
	struct mail_search *s = mail_search_try_new(oom);
	bool ok = false;

	if (s != NULL) {
		add_keys(s, w);
		(void)mail_search_ready(s);
		if (!*oom)
			mail_search_begin(s, w->summary);
		read_message(s, oom);
		ok = !*oom && mail_search_key(s, 4) == MAIL_SEARCH_YES &&
		     mail_search_key(s, 8) == MAIL_SEARCH_NO;
	}
	mail_search_free(&s);
	return ok && !*oom;
}

static void
searches(void **state)
{
	struct mail_summary summary;
	struct buf b = {0};

	(void)state;
	mail_summarize(message, NULL, &b);
	assert_int_equal(mail_summary_open(buf_as_str(&b), &summary), TS_OK);
	assert_true(oom_each(search, &(struct wanted){&summary, 3}) > 20);
	assert_true(oom_each(search, &(struct wanted){&summary, 6}) > 20); /* by trees */
	buf_fini(&b);
}

/* ---- the smaller things */

static bool
unbinary(void *arg, bool *oom)
{
	struct mail_unbinary *u = mail_unbinary_try_new(oom);
	struct buf out = {.oom = oom};
	size_t piece = *(const size_t *)arg;
	bool ok;

	for (size_t at = 0; u != NULL && at < message.n; at += piece) {
		size_t n = message.n - at < piece ? message.n - at : piece;

		mail_unbinary_feed(u, (struct str){message.p + at, n}, at + n == message.n, &out);
	}
	ok = str_find(buf_as_str(&out), STR("cmF3IGJ5dGVz")) != NULL; /* "raw bytes" */
	mail_unbinary_free(&u);
	buf_fini(&out);
	return ok;
}

static bool
choose(void *arg, bool *oom)
{
	struct str wanted[] = {STR("date")};
	struct mail_names names;
	struct mail_choice c = {.names = &names};
	struct buf out = {.oom = oom};
	size_t piece = *(const size_t *)arg;
	bool ok;

	mail_names_init(&names, wanted, 1);
	for (size_t at = 0; at < message.n; at += piece) {
		size_t n = message.n - at < piece ? message.n - at : piece;

		mail_choose(&c, (struct str){message.p + at, n}, at + n == message.n, &out);
	}
	ok = str_has_prefix(buf_as_str(&out), STR("Date: Wed"));
	mail_choice_fini(&c);
	buf_fini(&out);
	return ok;
}

static bool
decode_words(void *arg, bool *oom)
{
	struct str subject = mail_field_find(message, STR("Subject"));
	struct mail_words w = {0};
	struct buf out = {.oom = oom}, base = {.oom = oom};
	bool ok;

	for (size_t at = 0; at < subject.n; at++)
		mail_words_feed(&w, (struct str){subject.p + at, 1}, at + 1 == subject.n, &out);
	ok = str_eq(buf_as_str(&out), str_of(arg));
	(void)mail_base_subject(buf_as_str(&out), &base);
	mail_words_fini(&w);
	buf_fini(&out);
	buf_fini(&base);
	return ok;
}

static bool
parameters(void *arg, bool *oom)
{
	static const char value[] = "a/b; x=1; y=2; n*0*=utf-8''%c3; n*1*=%a9; z=3; m*1=b; m*0=a;"
	                            " o=4; p=5; q=6; r=7; s=8";
	struct mail_params p;
	const struct mail_param *n;
	struct buf out = {.oom = oom};
	bool ok;

	(void)arg;
	mail_params_try_read(&p, str_of(value), SIZE_MAX, oom);
	n = mail_params_find(&p, STR("n"));
	if (n != NULL)
		mail_param_value(n, &out);
	ok = !*oom && p.n == 10 && str_eq(buf_as_str(&out), STR("\xC3\xA9"));
	out.n = 0;
	ok = mail_param_find(str_of(value), STR("m"), &out) && ok &&
	     str_eq(buf_as_str(&out), STR("ab"));
	mail_params_fini(&p);
	buf_fini(&out);
	return ok;
}

static bool
addresses(void *arg, bool *oom)
{
	struct mail_addresses list = {.text.oom = oom};
	struct buf out = {.oom = oom};
	bool ok;

	(void)arg;
	mail_parse_addresses(mail_field_find(message, STR("From")), 100, SIZE_MAX, &list);
	mail_parse_addresses(mail_field_find(message, STR("To")), 100, SIZE_MAX, &list);
	mail_addresses_text(&list, &out);
	ok = list.n == 10 && out.n > 100;
	mail_addresses_fini(&list);
	buf_fini(&out);
	return ok;
}

static bool
convert(void *arg, bool *oom)
{
	static const char *const charsets[] = {"utf-8", "utf-16", "iso-2022-jp", "koi8-r", "none"};
	struct buf out = {.oom = oom}, folded = {.oom = oom};

	(void)arg;
	for (size_t i = 0; i < sizeof(charsets) / sizeof(charsets[0]); i++) {
		struct mail_conv *c = mail_conv_try_new(str_of(charsets[i]), oom);

		if (c != NULL)
			mail_conv_feed(c, STR("a\0b\0c\0\xC3\xA9"), true, &out);
		mail_conv_free(&c);
	}
	mail_casemap(buf_as_str(&out), &folded);
	buf_fini(&folded);
	buf_fini(&out);
	return true;
}

/* Sort keys from a summary whose names are encoded. */
static bool
sort_keys(void *arg, bool *oom)
{
	struct mail_sort_keys keys = {.bytes.oom = oom, .scratch.oom = oom};
	struct buf refs = {.oom = oom};
	uint64_t id;
	bool ok;

	mail_sort_make(arg, UINT32_MAX, &keys);
	mail_thread_ids(arg, &id, &refs);
	ok = mail_sort_key(&keys, MAIL_SORT_DISPLAYFROM).n > 0;
	mail_sort_fini(&keys);
	buf_fini(&refs);
	return ok;
}

static void
small_things(void **state)
{
	static const char subject[] = "\xE6\x97\xA5\xE6\x9C\xAC\xC3\xA9 Re: [x] y";
	size_t pieces[] = {1, 40, 4000};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		assert_true(oom_each(unbinary, &pieces[i]) > 5);
		assert_true(oom_each(choose, &pieces[i]) > 0);
	}
	assert_true(oom_each(decode_words, (void *)(uintptr_t)subject) > 4);
	assert_true(oom_each(parameters, NULL) > 6);
	assert_true(oom_each(addresses, NULL) > 4);
	assert_true(oom_each(convert, NULL) > 5);

	struct mail_summary s;
	struct buf bytes = {0};

	mail_summarize(message, NULL, &bytes);
	assert_int_equal(mail_summary_open(buf_as_str(&bytes), &s), TS_OK);
	assert_true(oom_each(sort_keys, &s) > 4);
	buf_fini(&bytes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(summaries),
	    cmocka_unit_test(searches),
	    cmocka_unit_test(small_things),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
