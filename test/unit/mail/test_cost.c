/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Input from anybody must cost no more than its length.  Each construct is repeated n and 4n times;
 * the test counts basic blocks, and the bytes that memchr() and the like go through, instead of
 * measuring time, and allows 8 times as many: sorting is permitted, quadratic work is not.  Nor may
 * it take more than PER_BYTE steps per byte and PER_UNIT per repetition, which shows repeated
 * searches.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mail/fields.h"
#include "mail/search.h"
#include "mail/unbinary.h"

#define N 1000u
#define RATIO 8u
#define PER_BYTE 250u
#define PER_UNIT 1500u
#define PER_STEP 48000000u /* of a summary: some milliseconds */

/* ---- counting ---- */

static uint64_t steps;

void __sanitizer_cov_trace_pc(void);
void *__real_memchr(const void *s, int c, size_t n);
void *__wrap_memchr(const void *s, int c, size_t n);
void *__real_memmem(const void *s, size_t n, const void *part, size_t part_n);
void *__wrap_memmem(const void *s, size_t n, const void *part, size_t part_n);
void *__real_memcpy(void *to, const void *from, size_t n);
void *__wrap_memcpy(void *to, const void *from, size_t n);
void *__real_memmove(void *to, const void *from, size_t n);
void *__wrap_memmove(void *to, const void *from, size_t n);
int __real_memcmp(const void *a, const void *b, size_t n);
int __wrap_memcmp(const void *a, const void *b, size_t n);

/* Called at each basic block of the tested code. */
void
__sanitizer_cov_trace_pc(void)
{
	steps++;
}

void *
__wrap_memchr(const void *s, int c, size_t n)
{
	const char *at = __real_memchr(s, c, n);

	steps += at != NULL ? (size_t)(at - (const char *)s) : n;
	return (void *)(uintptr_t)at;
}

void *
__wrap_memmem(const void *s, size_t n, const void *part, size_t part_n)
{
	const char *at = __real_memmem(s, n, part, part_n);

	steps += at != NULL ? (size_t)(at - (const char *)s) : n;
	return (void *)(uintptr_t)at;
}

void *
__wrap_memcpy(void *to, const void *from, size_t n)
{
	steps += n;
	return __real_memcpy(to, from, n);
}

void *
__wrap_memmove(void *to, const void *from, size_t n)
{
	steps += n;
	return __real_memmove(to, from, n);
}

int
__wrap_memcmp(const void *a, const void *b, size_t n)
{
	steps += n;
	return __real_memcmp(a, b, n);
}

/* ---- constructs ---- */

/* `#` in unit becomes its number, `~` its number modulo 32. */
struct construct {
	const char *name, *head, *unit, *tail;
};

static void
build(const struct construct *c, size_t n, struct buf *out)
{
	out->n = 0;
	buf_puts(out, c->head);
	for (size_t i = 0; i < n; i++)
		for (const char *p = c->unit; *p != '\0'; p++) {
			if (*p == '#')
				buf_u64(out, i);
			else if (*p == '~')
				buf_u64(out, i % 32);
			else
				buf_putc(out, *p);
		}
	buf_puts(out, c->tail);
}

#define TYPE "Content-Type: text/plain"
#define END "\r\n\r\nbody\r\n"
#define MIXED "Content-Type: multipart/mixed; boundary=b\r\n\r\n"

static const struct construct constructs[] = {
    {"lines", "\r\n", "text of a line\r\n", ""},
    {"line ends", "\r\n", "\n", ""},
    {"carriage returns", "X: ", "\r", END},
    {"one long line", "\r\n", "text ", ""},
    {"fields", "", "a#: b\r\n", END},
    {"fields without name", "", ":\r\n", END},
    {"lines without colon", "", "a\r\n", END},
    {"folds", "Subject:", " a\r\n", END},
    {"From fields", "", "From: a@b\r\n", END},
    {"To fields", "", "To: a#@b\r\n", END},
    {"addresses", "To: ", "Ann <a#@b>,", END},
    {"addresses without commas", "To: ", "<a#@b>", END},
    {"bare addresses without commas", "To: ", "a#@b ", END},
    {"words", "To: ", "word ", END},
    {"words behind an address", "To: a@b", " word", END},
    {"dots", "To: ", "a . ", END},
    {"many @", "To: a", "@b", END},
    {"domain dots", "To: a@b", " . b", END},
    {"routes", "To: <", "@r#,", ":a@b>" END},
    {"groups", "To: ", "g#:", END},
    {"groups that end", "To: ", "g#:;", END},
    {"comments", "To: ", "(c#)", "a@b" END},
    {"nested comments", "To: ", "(", "a@b" END},
    {"open comments", "To: ", "a@b (((,", END},
    {"brackets", "To: ", "<", "a@b" END},
    {"brackets closed", "To: ", ">", "a@b" END},
    {"quotes", "To: ", "\"", "a@b" END},
    {"backslashes", "To: \"", "\\", END},
    {"domain literals", "To: a@", "[", END},
    {"colons", "To: a", ":", END},
    {"parameters", TYPE, "; a#=b", END},
    {"parameters of one name", TYPE, "; a=b", END},
    {"quoted parameters", TYPE, "; a#=\"b\"", END},
    {"parameters without value", TYPE, "; a#", END},
    {"semicolons", TYPE, ";", END},
    {"equals signs", TYPE, "=", END},
    {"equals signs behind", TYPE "; a", "=", END},
    {"parameter comments", TYPE "; a=b", "(c)", END},
    {"parameter words", TYPE "; a=b", " c", END},
    {"distinct pieces", TYPE, "; n#*0=x", END},
    {"distinct extended pieces", TYPE, "; n#*0*=utf-8''x", END},
    {"pieces of one", TYPE, "; n*#=x", END},
    {"extended pieces of one", TYPE, "; n*#*=%C3%A4", END},
    {"pieces of 32", TYPE, "; n~*#=x", END},
    {"equal pieces", TYPE, "; n*0=x", END},
    {"pieces that are missing", TYPE "; n*1=x", "; n*1#=x", END},
    {"long names of pieces", TYPE "; ", "n", "*0=x; n*0=y" END},
    {"plain names beside pieces", TYPE, "; n#*0=x; n#=y", END},
    {"disposition", "Content-Disposition: attachment", "; n#*0*=''x", END},
    {"percent signs", TYPE "; a*=utf-8''", "%41", END},
    {"quotes of a charset", TYPE "; a*=", "'", END},
    {"stars", TYPE "; a", "*", "=b" END},
    {"encoded words", "Subject: ", "=?utf-8?q?a?= ", END},
    {"encoded words of charsets", "Subject: ", "=?utf-8?q?a?= =?koi8-r?q?a?= ", END},
    {"open encoded words", "Subject: ", "=?utf-8?q?", END},
    {"half encoded words", "Subject: ", "=?", END},
    {"many equals signs", "Subject: ", "=", END},
    {"Re:", "Subject: ", "Re: ", END},
    {"blobs", "Subject: ", "[b]", END},
    {"blobs before Re:", "Subject: ", "[b] Re: ", END},
    {"[fwd:", "Subject: ", "[fwd:", END},
    {"(fwd)", "Subject: a", " (fwd)", END},
    {"message ids", "References: ", "<a#@b> ", END},
    {"open message ids", "References: ", "<", END},
    {"date comments", "Date: 1 Jan 2020", " (c)", END},
    {"date words", "Date: ", "1 ", END},
    {"languages", "Content-Language: ", "a,", END},
    {"locations", "Content-Location: ", "=?a?q?b?= ", END},
    {"blanks in locations", "Content-Location: ", "a ", END},
    {"encoding", "Content-Transfer-Encoding: ", "(c) ", END},
    {"parts", MIXED, "--b\r\n\r\nx\r\n", "--b--\r\n"},
    {"empty parts", MIXED, "--b\r\n", "--b--\r\n"},
    {"parts with a type", MIXED, "--b\r\n" TYPE "; n~*0=x\r\n\r\nx\r\n", "--b--\r\n"},
    {"messages as parts", MIXED, "--b\r\nContent-Type: message/rfc822\r\n\r\nTo: a@b\r\n\r\nx\r\n",
        "--b--\r\n"},
    {"multiparts as parts", MIXED,
        "--b\r\nContent-Type: multipart/mixed; boundary=c#\r\n\r\n--c#\r\n\r\nx\r\n", "--b--\r\n"},
    {"nested multiparts", "", "Content-Type: multipart/mixed; boundary=c#\r\n\r\n--c#\r\n",
        "\r\nx"},
    {"nested messages", "", "Content-Type: message/rfc822\r\n\r\n", "x"},
    {"dashes", MIXED, "--", "\r\n"},
    {"lines of dashes", MIXED, "--\r\n", ""},
    {"lines that are nearly delimiters", MIXED, "--bx\r\n", ""},
    {"closed", MIXED, "--b--\r\n", ""},
    {"tags", "Content-Type: text/html\r\n\r\n", "<b>", ""},
    {"open tags", "Content-Type: text/html\r\n\r\n", "<", ""},
    {"attributes", "Content-Type: text/html\r\n\r\n<a", " b=c", ""},
    {"references to characters", "Content-Type: text/html\r\n\r\n", "&amp", ""},
    {"HTML comments", "Content-Type: text/html\r\n\r\n", "<!--", ""},
    {"scripts", "Content-Type: text/html\r\n\r\n<script>", "</", ""},
    {"base64", "Content-Transfer-Encoding: base64\r\n\r\n", "QUJD\r\n", ""},
    {"quoted-printable", "Content-Transfer-Encoding: quoted-printable\r\n\r\n", "= =3D ", ""},
    {"blanks", "Content-Transfer-Encoding: quoted-printable\r\n\r\n", " ", ""},
    {"binary", "Content-Transfer-Encoding: binary\r\n\r\n", "a\n", ""},
    {"utf-16", TYPE "; charset=utf-16\r\n\r\n", "a b ", ""},
};

/* ---- work ---- */

/* None of these limits may be the reason that it stays linear. */
static void
summarize_all(struct str message, struct buf *out)
{
	struct mail_limits l = MAIL_LIMITS_DEFAULT;

	l.parts = l.addresses = l.field = l.address_field = l.summary = 1u << 30;
	mail_summarize(message, &l, out);
}

static void
summarize(struct str message)
{
	struct buf out = {0};

	summarize_all(message, &out);
	buf_fini(&out);
}

static void
search(struct str message)
{
	struct mail_search *s = mail_search_new();
	struct buf out = {0};
	struct mail_summary summary;
	struct mail_range range;

	summarize_all(message, &out);
	assert_int_equal(mail_summary_open(buf_as_str(&out), &summary), TS_OK);
	mail_search_add(s, MAIL_SEARCH_TEXT, STR_NONE, MAIL_TEXT_COUNT, STR("nowhere"));
	mail_search_add(s, MAIL_SEARCH_FIELD, STR("to"), MAIL_TEXT_COUNT, STR("nowhere"));
	mail_search_ready(s);
	steps = 0;
	mail_search_begin(s, &summary);
	while (mail_search_wants(s, &range))
		mail_search_feed(s, (struct str){message.p + range.off, range.len});
	mail_search_free(&s);
	buf_fini(&out);
}

static void
unbinary(struct str message)
{
	struct mail_unbinary *u = mail_unbinary_new();
	struct buf out = {0};

	for (size_t i = 0; i < message.n; i += 100)
		mail_unbinary_feed(u,
		    (struct str){message.p + i, message.n - i < 100 ? message.n - i : 100}, false,
		    &out);
	mail_unbinary_feed(u, STR(""), true, &out);
	mail_unbinary_free(&u);
	buf_fini(&out);
}

static void
choose(struct str message, struct str *names, size_t n, struct buf *out)
{
	struct mail_names sorted;
	struct mail_choice c = {.names = &sorted};

	mail_names_init(&sorted, names, n);
	mail_choose(&c, message, true, out);
	mail_choice_fini(&c);
}

static void
subset(struct str message)
{
	struct str names[] = {STR("to"), STR("subject")};
	struct buf out = {0};

	choose(message, names, 2, &out);
	buf_fini(&out);
}

static uint64_t
count(const struct construct *c, size_t n, void (*work)(struct str message))
{
	struct buf text = {0};

	build(c, n, &text);
	steps = 0;
	work(buf_as_str(&text));
	if (steps > PER_BYTE * text.n + PER_UNIT * n)
		fail_msg(
		    "%s: %llu steps for %zu bytes", c->name, (unsigned long long)steps, text.n);
	buf_fini(&text);
	return steps;
}

static void
is_linear(const char *what, void (*work)(struct str message))
{
	for (size_t i = 0; i < sizeof(constructs) / sizeof(constructs[0]); i++) {
		const struct construct *c = &constructs[i];
		uint64_t once = count(c, N, work), more = count(c, 4u * N, work);

		if (once == 0 || more > RATIO * once)
			fail_msg("%s of %s: %llu steps for %u, %llu for %u", what, c->name,
			    (unsigned long long)once, N, (unsigned long long)more, 4 * N);
	}
}

static void
test_summary(void **state)
{
	(void)state;
	is_linear("summary", summarize);
}

/* With the actual limits, no step of a summary is long, whatever the message. */
static void
test_summary_steps(void **state)
{
	struct mail_summarizer *s;

	(void)state;
	for (size_t i = 0; i < sizeof(constructs) / sizeof(constructs[0]); i++) {
		struct buf text = {0}, out = {0};
		uint64_t worst = 0;
		bool done = false;

		build(&constructs[i], 100u * N, &text);
		s = mail_summarizer_new(buf_as_str(&text), NULL, &out);
		while (!done) {
			steps = 0;
			done = mail_summarizer_step(s, MAIL_SUMMARIZER_STEP);
			worst = steps > worst ? steps : worst;
		}
		mail_summarizer_free(&s);
		if (worst > PER_STEP)
			fail_msg("%s: %llu steps at once", constructs[i].name,
			    (unsigned long long)worst);
		buf_fini(&text);
		buf_fini(&out);
	}
}

/* Parameters in pieces cost little more than ordinary ones of the same size; those with a charset
 * are also decoded, and rendered for both dialects. */
static void
test_pieces(void **state)
{
	static const struct construct plain = {"plain", TYPE, ";\r\n n#00=x", END},
	                              pieces = {"pieces", TYPE, ";\r\n n#*0=x", END},
	                              extended = {"extended", TYPE, ";\r\n n#*0*=x", END};
	uint64_t least = count(&plain, 4u * N, summarize);
	uint64_t joined = count(&pieces, 4u * N, summarize);
	uint64_t decoded = count(&extended, 4u * N, summarize);

	(void)state;
	if (joined * 10 > least * 16 || decoded > least * 3)
		fail_msg("%llu and %llu steps, %llu of plain ones", (unsigned long long)joined,
		    (unsigned long long)decoded, (unsigned long long)least);
}

static void
test_search(void **state)
{
	(void)state;
	is_linear("search", search);
}

static void
test_unbinary(void **state)
{
	(void)state;
	is_linear("unbinary", unbinary);
}

static void
test_subset(void **state)
{
	(void)state;
	is_linear("subset", subset);
}

/* As many names as fields. */
static uint64_t
count_names(size_t n)
{
	static const struct construct fields = {"", "", "x#: y\r\n", "\r\n"};
	struct buf header = {0}, out = {0}, names = {0};
	struct str rest;
	struct mail_field f;

	build(&fields, n, &header);
	rest = buf_as_str(&header);
	while (mail_field_next(&rest, &f))
		buf_put(&names, &f.name, sizeof(f.name));
	steps = 0;
	choose(
	    buf_as_str(&header), (struct str *)(void *)names.p, names.n / sizeof(struct str), &out);
	assert_true(str_eq(buf_as_str(&out), buf_as_str(&header)));
	buf_fini(&header);
	buf_fini(&out);
	buf_fini(&names);
	return steps;
}

static void
test_names(void **state)
{
	uint64_t once = count_names(N), more = count_names(4u * N);

	(void)state;
	assert_true(once > 0 && more <= RATIO * once);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_summary),
	    cmocka_unit_test(test_summary_steps),
	    cmocka_unit_test(test_pieces),
	    cmocka_unit_test(test_search),
	    cmocka_unit_test(test_unbinary),
	    cmocka_unit_test(test_subset),
	    cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
