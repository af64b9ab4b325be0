/* SPDX-License-Identifier: Apache-2.0 */
/* Headers in pieces give the same result as the whole, in little memory; names among very many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mail/fields.h"

static const struct str listed[] = {{"to", 2}, {"SUBJECT", 7}, {"X-Very-Long", 11}};

/* The whole header at once, and names one by one: the expected result. */
static void
choose_simply(struct str header, bool not, struct buf *out)
{
	struct mail_field f;

	while (mail_field_next(&header, &f)) {
		bool found = false;

		for (size_t i = 0; i < sizeof(listed) / sizeof(*listed); i++)
			found = found || (f.name.n > 0 && str_ieq(f.name, listed[i]));
		if (found != not )
			buf_str(out, f.all);
	}
	if (header.n > 0)
		buf_put(out, header.p, header.p[0] == '\n' ? 1 : 2);
}

/* Returns the most that was held at a time. */
static size_t
choose(struct str header, size_t piece, bool not, struct buf *out)
{
	struct str v[sizeof(listed) / sizeof(*listed)];
	struct mail_names names;
	struct mail_choice c = {.names = &names, .not = not };
	size_t held = 0, at = 0;

	memcpy(v, listed, sizeof(listed));
	mail_names_init(&names, v, sizeof(v) / sizeof(*v));
	do {
		size_t n = header.n - at < piece ? header.n - at : piece;
		char *copy = malloc(n + 1); /* freed when more arrives */

		if (n > 0)
			memcpy(copy, header.p + at, n);
		at += n;
		mail_choose(&c, (struct str){copy, n}, at == header.n, out);
		free(copy);
		held = c.fields.held.cap > held ? c.fields.held.cap : held;
	} while (at < header.n);
	mail_choice_fini(&c);
	return held;
}

static void
check(struct str header, size_t piece)
{
	for (int not = 0; not < 2; not ++) {
		struct buf want = {0}, got = {0};

		choose_simply(header, not != 0, &want);
		(void)choose(header, piece, not != 0, &got);
		assert_true(str_eq(buf_as_str(&want), buf_as_str(&got)));
		buf_fini(&want);
		buf_fini(&got);
	}
}

static void
chosen(const char *header, bool not, const char *want)
{
	struct buf out = {0};

	(void)choose(str_of(header), 1000, not, &out);
	assert_string_equal(buf_cstr(&out), want);
	buf_fini(&out);
	for (size_t piece = 1; piece < 9; piece++)
		check(str_of(header), piece);
}

static void
test_choice(void **state)
{
	(void)state;
	chosen("To: a\r\n b\r\nX: y\r\nSubject : s\r\n\r\n", false,
	    "To: a\r\n b\r\nSubject : s\r\n\r\n");
	chosen("To: a\r\n b\r\nX: y\r\nbad\r\n\r\n", true, "X: y\r\nbad\r\n\r\n");
	chosen("X: y\r\n\r\n", false, "\r\n");
	chosen("X: y\r\n", false, "");
	chosen("To: y", false, "To: y");
	chosen("To: y\n\r", false, "To: y\n");
	chosen("\r\n", true, "\r\n");
	chosen("\n", false, "\n");
	chosen("", true, "");
	chosen(" To: x\r\nTo: y\r\n", false, "To: y\r\n");
	chosen("To: x\n\n\n", false, "To: x\n\n");
}

/* Any bytes, cut anywhere. */
static void
test_random(void **state)
{
	static const char *const bits[] = {"To", "subject", "X", ":", ": ", " ", "\t", "\r\n", "\n",
	    "\r", "\r\n ", "\n\t", "x-very-long", "\r\n\r\n", "a", "\0"};

	(void)state;
	srandom(1);
	for (int round = 0; round < 3000; round++) {
		struct buf header = {0};
		long n = random() % 30;

		for (long i = 0; i < n; i++) {
			size_t k = (size_t)random() % (sizeof(bits) / sizeof(*bits));

			buf_put(&header, bits[k], bits[k][0] == '\0' ? 1 : strlen(bits[k]));
		}
		/* Nothing after the empty line is a header. */
		check((struct str){header.p, mail_header_len(buf_as_str(&header))},
		    1 + (size_t)random() % 7);
		buf_fini(&header);
	}
}

static void
long_field(struct buf *out, const char *head, size_t n, const char *unit)
{
	buf_puts(out, head);
	while (n-- > 0)
		buf_puts(out, unit);
	buf_puts(out, "\r\n");
}

/* Fields of megabytes, in one line and in many: only a small part is held at a time. */
static void
test_memory(void **state)
{
	static const size_t pieces[] = {4096, 65536};
	struct buf header = {0};

	(void)state;
	long_field(&header, "X-Very-Long: ", 300000, "word\r\n ");
	long_field(&header, "X: ", 300000, "word\r\n\t");
	long_field(&header, "Subject: ", 2000000, "s");
	long_field(&header, "no colon ", 100000, "in any line\r\n ");
	long_field(&header, "To: ", 1, "a@example.com");
	long_field(&header, "", 200000, "no colon in this line either");
	buf_puts(&header, "To: b\r\n\r\n");
	for (size_t i = 0; i < 2; i++) {
		struct buf out = {0};

		assert_in_range(choose(buf_as_str(&header), pieces[i], false, &out), 1, 256 * 1024);
		buf_fini(&out);
		check(buf_as_str(&header), pieces[i]);
		check(buf_as_str(&header), pieces[i] + 1);
	}
	buf_fini(&header);
}

static void
test_names(void **state)
{
	enum { N = 3000 };
	struct mail_names names, none;
	static struct str v[N];
	static char text[N][8];

	(void)state;
	for (size_t i = 0; i < N; i++) {
		snprintf(text[i], sizeof(text[i]), "X-%zu", i * 7919 % N);
		v[i] = str_of(text[i]);
	}
	mail_names_init(&names, v, N);
	for (size_t i = 0; i < N; i++) {
		size_t at;

		text[i][0] = 'x';
		at = mail_names_find(&names, str_of(text[i]));
		assert_true(at < N && str_ieq(names.v[at], str_of(text[i])));
	}
	assert_int_equal(mail_names_find(&names, STR("X-3000")), N);
	assert_int_equal(mail_names_find(&names, STR("")), N);
	mail_names_init(&none, NULL, 0);
	assert_int_equal(mail_names_find(&none, STR("X-1")), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_choice),
	    cmocka_unit_test(test_random),
	    cmocka_unit_test(test_memory),
	    cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
