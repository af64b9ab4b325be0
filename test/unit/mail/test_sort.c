/* SPDX-License-Identifier: Apache-2.0 */
/* Sort keys, base subjects and hashed ids, compared with a literal reading of RFC 5051, 5256 and
 * 5957. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/utf16.h>
#include <xxhash.h>

#include "mail/sort.h"
#include "mail/text/text.h"

/* ---- RFC 5051 ---- */

/* Step (2)(b) as written: the property of a character, then that of each result. */
static void
take_apart(uint32_t c, struct buf *out)
{
	UErrorCode err = U_ZERO_ERROR;
	UChar raw[40];
	int32_t n =
	    unorm2_getRawDecomposition(unorm2_getNFKDInstance(&err), (UChar32)c, raw, 40, &err);
	UChar32 next;

	assert_true(U_SUCCESS(err));
	if (n < 0)
		text_put_char(out, c);
	for (int32_t i = 0; i < n;) {
		U16_NEXT(raw, i, n, next);
		take_apart((uint32_t)next, out);
	}
}

static void
same_key(struct str text, struct str want)
{
	struct buf got = {0};

	mail_collate(text, &got);
	if (!str_eq(buf_as_str(&got), want))
		fail_msg("'%.*s': key '%.*s', not '%.*s'", STR_ARG(text), STR_ARG(buf_as_str(&got)),
		    STR_ARG(want));
	buf_fini(&got);
}

static void
every_character(void **state)
{
	struct buf text = {0}, want = {0};

	(void)state;
	for (uint32_t c = 1; c <= 0x10ffff; c++) {
		if (c == 0xd800)
			c = 0xe000;
		text.n = want.n = 0;
		text_put_char(&text, c);
		take_apart((uint32_t)u_totitle((UChar32)c), &want);
		same_key(buf_as_str(&text), buf_as_str(&want));
	}
	buf_fini(&text);
	buf_fini(&want);
}

static void
known_keys(void **state)
{
	(void)state;
	same_key(STR("Tea_ at 4!"), STR("TEA_ AT 4!"));
	same_key(STR("\xc7\x84"), STR("Dz\xcc\x8c")); /* the RFC's example: U+01C4 */
	same_key(STR("\xc3\xa4z"), STR("A\xcc\x88Z"));
	same_key(STR("Stra\xc3\x9f"
	             "e"),
	    STR("STRA\xc3\x9f"
	        "E"));                            /* no simple titlecase */
	same_key(STR("\xef\xac\x81"), STR("fi")); /* a ligature has none, either */
	same_key(STR("\xed\x95\x9c"), STR("\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab")); /* Hangul */
	same_key(STR("a\xffz"), STR("a\xffz"));                                     /* (1)(b) */
	same_key(STR("a\xc3"), STR("a\xc3"));
	same_key(STR(""), STR(""));
}

/* A text's key is the keys of its characters, one after another. */
static void
mixed_texts(void **state)
{
	(void)state;
	srandom(5);
	for (int round = 0; round < 3000; round++) {
		struct buf text = {0}, want = {0};

		for (long n = random() % 60; n > 0; n--) {
			static const uint32_t tops[] = {0x7f, 0x7f, 0x250, 0x3000, 0xd7ff, 0x1ffff};
			uint32_t c = (uint32_t)random() % tops[random() % 6] + 1;

			if (c >= 0xd800 && c < 0xe000)
				c = 'x';
			text_put_char(&text, c);
			take_apart((uint32_t)u_totitle((UChar32)c), &want);
		}
		same_key(buf_as_str(&text), want.n > 0 ? buf_as_str(&want) : STR(""));
		buf_fini(&text);
		buf_fini(&want);
	}
}

/* ---- RFC 5256 section 2.1, step by step ---- */

static bool
begins(const char *s, const char *word)
{
	return str_has_iprefix(str_of(s), str_of(word));
}

/* Length of a subj-blob at s; 0: none. */
static size_t
blob_at(const char *s)
{
	size_t n;

	if (s[0] != '[')
		return 0;
	n = 1 + strcspn(s + 1, "[]");
	if (s[n] != ']')
		return 0;
	for (n++; s[n] == ' ';)
		n++;
	return n;
}

static size_t
refwd_at(const char *s)
{
	static const char *const words[] = {"re", "fwd", "fw"};

	for (size_t i = 0; i < 3; i++) {
		size_t n = strlen(words[i]), blob;

		if (!begins(s, words[i]))
			continue;
		while (s[n] == ' ')
			n++;
		blob = blob_at(s + n);
		if (s[n] == ':')
			return n + 1;
		if (blob > 0 && s[n + blob] == ':')
			return n + blob + 1;
	}
	return 0;
}

/* Length of a subj-leader. */
static size_t
leader_at(const char *s, bool *reply)
{
	size_t blobs = 0, n;

	if (s[0] == ' ')
		return 1;
	do {
		if (refwd_at(s + blobs) > 0) {
			*reply = true;
			return blobs + refwd_at(s + blobs);
		}
		n = blob_at(s + blobs);
		blobs += n;
	} while (n > 0);
	return 0;
}

static bool
cut_trailer(char *s, bool *reply)
{
	size_t n = strlen(s);

	if (n > 0 && s[n - 1] == ' ') {
		s[n - 1] = '\0';
		return true;
	}
	if (n < 5 || !begins(s + n - 5, "(fwd)"))
		return false;
	s[n - 5] = '\0';
	return *reply = true;
}

static bool
naive_base(const char *subject, char *out)
{
	bool reply = false, more;
	char *s = out;
	size_t n = 0;

	for (; *subject != '\0'; subject++) {
		char c = strchr(" \t\r\n", *subject) != NULL ? ' ' : *subject;

		if (c != ' ' || n == 0 || out[n - 1] != ' ')
			out[n++] = c;
	}
	out[n] = '\0';
	for (;;) {
		while (cut_trailer(s, &reply))
			continue;
		do {
			more = false;
			while ((n = leader_at(s, &reply)) > 0) {
				s += n;
				more = true;
			}
			n = blob_at(s);
			if (n > 0 && s[n] != '\0' && s[n] != ' ') {
				s += n;
				more = true;
			}
		} while (more);
		n = strlen(s);
		if (!begins(s, "[fwd:") || s[n - 1] != ']')
			break;
		reply = true;
		s[n - 1] = '\0';
		s += 5;
	}
	memmove(out, s, strlen(s) + 1);
	return reply;
}

static void
base_subjects(void **state)
{
	static const char *const bits[] = {"re", "Re:", "RE :", "fw", "Fw:", "fwd",
	    "FWD:", "[fwd:", "[Fwd: ", "]", "[", "[list]", "[a] ", "[]", ":", " ", "  ", "\t",
	    "\r\n ", "(fwd)", " (FWD) ", "Tea", "four", "(", ")", "re[2]:", "\xc3\xa9", "d"};

	(void)state;
	srandom(11);
	for (int round = 0; round < 200000; round++) {
		struct buf subject = {0}, got = {0};
		char want[400];
		bool reply, is_reply;

		for (long n = random() % 12; n > 0; n--)
			buf_puts(&subject, bits[(size_t)random() % (sizeof(bits) / sizeof(*bits))]);
		reply = naive_base(buf_cstr(&subject), want);
		is_reply = mail_base_subject(buf_as_str(&subject), &got);
		if (reply != is_reply || strcmp(buf_cstr(&got), want) != 0)
			fail_msg("'%s': '%s' %d, not '%s' %d", buf_cstr(&subject), buf_cstr(&got),
			    is_reply, want, reply);
		buf_fini(&subject);
		buf_fini(&got);
	}
}

/* ---- keys of messages ---- */

#define ALL ((1u << MAIL_SORTS) - 1)

struct made {
	struct buf bytes;
	struct mail_summary s;
	struct mail_sort_keys keys;
};

static void
open_made(struct made *m)
{
	assert_int_equal(mail_summary_open(buf_as_str(&m->bytes), &m->s), TS_OK);
	mail_sort_make(&m->s, ALL, &m->keys);
}

static void
make(struct made *m, const char *text)
{
	*m = (struct made){.bytes = {0}};
	mail_summarize(str_of(text), NULL, &m->bytes);
	open_made(m);
}

static void
drop(struct made *m)
{
	mail_sort_fini(&m->keys);
	buf_fini(&m->bytes);
}

static void
is(const struct made *m, enum mail_sort which, const char *want)
{
	struct str got = mail_sort_key(&m->keys, which);

	if (!str_eq(got, str_of(want)))
		fail_msg("key %d: '%.*s', not '%s'", which, STR_ARG(got), want);
}

static void
keys_of_fields(void **state)
{
	struct made m;

	(void)state;
	make(&m, "From: =?utf-8?q?J=C3=B6rg?= <Jo@a.test>\r\nTo: g: Bo@b.test;, c@c.test\r\n"
	         "Cc: \"q\\\"u (x) \\\\ y\" <\"a b\"@c.test>, z@z\r\n"
	         "Subject: Re: =?iso-8859-1?q?=DCber?=\r\n \t uns (fwd)\r\n\r\n");
	is(&m, MAIL_SORT_SUBJECT,
	    "U\xcc\x88"
	    "BER UNS");
	is(&m, MAIL_SORT_FROM, "JO");
	is(&m, MAIL_SORT_DISPLAYFROM, "JO\xcc\x88RG");
	is(&m, MAIL_SORT_TO, "G");
	is(&m, MAIL_SORT_DISPLAYTO, "G"); /* no host: the name of the group */
	is(&m, MAIL_SORT_CC, "A B");
	drop(&m);
	make(&m, "From: a@b.test\r\nTo: nobody\r\nSubject: [x]\r\n\r\n");
	is(&m, MAIL_SORT_SUBJECT, "[X]");
	is(&m, MAIL_SORT_DISPLAYFROM, "A@B.TEST");
	is(&m, MAIL_SORT_TO, "NOBODY");
	is(&m, MAIL_SORT_CC, "");
	drop(&m);
	make(&m, "To: =?utf-8?q?"
	         "?= <e@f>, x@y\r\nFrom: \"J\xc3\xb6\" <j@k>\r\n\r\n");
	is(&m, MAIL_SORT_SUBJECT, "");
	is(&m, MAIL_SORT_DISPLAYTO, "E@F"); /* the name is empty after decoding */
	is(&m, MAIL_SORT_DISPLAYFROM, "JO\xcc\x88");
	drop(&m);
	make(&m, "");
	for (enum mail_sort which = 0; which < MAIL_SORTS; which++)
		is(&m, which, "");
	drop(&m);
}

/* Keys are complete, however long; a name of megabytes ends at the summary's limit. */
static void
long_keys(void **state)
{
	struct buf text = {0}, want = {0};
	struct made m;

	(void)state;
	buf_puts(&text, "Subject: ");
	for (int i = 0; i < 4000; i++)
		buf_printf(&text, "w%d ", i);
	for (int i = 0; i < 4000; i++)
		buf_printf(&want, i < 3999 ? "W%d " : "W%d", i);
	buf_puts(&text, "\r\nFrom: \"");
	for (int i = 0; i < 4000; i++)
		buf_puts(&text, "n ");
	buf_puts(&text, "\" <a@b>\r\n\r\n");
	make(&m, buf_cstr(&text));
	is(&m, MAIL_SORT_SUBJECT, buf_cstr(&want));
	assert_true(mail_sort_key(&m.keys, MAIL_SORT_DISPLAYFROM).n >= 7999);
	drop(&m);
	buf_fini(&text);
	buf_fini(&want);
}

/* Made by an older program: no flag, and another text in place of the base subject. */
static void
older_summaries(void **state)
{
	struct made m;
	uint64_t hash;
	char *p;

	(void)state;
	make(&m, "Subject: Re: [l] Old\r\nFrom: a@b\r\n\r\n");
	p = m.bytes.p;
	p[44] = (char)(p[44] & ~MAIL_SUMMARY_BASE);
	memset(p + 56 + (size_t)MAIL_TEXT_BASE_SUBJECT * 8, 0, 8);
	hash = XXH3_64bits_withSeed(p + 16, m.bytes.n - 16, 3);
	memcpy(p + 8, &hash, 8);
	open_made(&m);
	is(&m, MAIL_SORT_SUBJECT, "OLD");
	is(&m, MAIL_SORT_FROM, "A");
	drop(&m);
}

/* ---- ids ---- */

static void
ids_of(const char *text, uint64_t *id_r, struct buf *refs)
{
	struct made m;

	make(&m, text);
	refs->n = 0;
	mail_thread_ids(&m.s, id_r, refs);
	drop(&m);
}

static uint64_t
id_of(const char *id)
{
	struct buf text = {0}, refs = {0};
	uint64_t hash;

	buf_printf(&text, "Message-ID: %s\r\n\r\n", id);
	ids_of(buf_cstr(&text), &hash, &refs);
	assert_int_equal(refs.n, 0);
	buf_fini(&refs);
	buf_fini(&text);
	return hash;
}

static void
ids(void **state)
{
	static const char *const none[] = {
	    "", "none", "<>", "<a>", "<@b>", "<a@>", "<\"@b>", "<a@b", "a@b>", "<\"a@b\">"};

	(void)state;
	assert_true(id_of("<01KF8JCEOCBS0045PS@xxx.yyy.com>") != 0);
	assert_true(id_of("<\"01KF8JCEOCBS0045PS\"@xxx.yyy.com>") ==
	            id_of("<01KF8JCEOCBS0045PS@xxx.yyy.com>"));
	assert_true(id_of("<\"a\\\"b\"@c>") == id_of("<\"a\\\"\\b\"@c>"));
	assert_true(id_of("<a@[1.2\\.3.4]>") == id_of("<a@[1.2.3.4]>"));
	assert_true(id_of("(c) <a@\r\n b> (d)") == id_of("<a@b>"));
	assert_true(id_of("<A@b>") != id_of("<a@b>")); /* by case */
	assert_true(id_of("<\"x@y\"@b>") != 0);
	assert_true(id_of("<bad> <a@b>") == id_of("<a@b>"));
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		if (id_of(none[i]) != 0)
			fail_msg("%s is an id", none[i]);
}

static void
refers(const char *text, const char *const *want)
{
	struct buf refs = {0}, hashes = {0};
	uint64_t id;

	ids_of(text, &id, &refs);
	for (; *want != NULL; want++)
		buf_le64(&hashes, id_of(*want));
	if (!str_eq(buf_as_str(&refs), buf_as_str(&hashes)))
		fail_msg("other references: %s", text);
	buf_fini(&refs);
	buf_fini(&hashes);
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static void
references(void **state)
{
	(void)state;
	refers("References: <a@b> <\"c\"@d>\r\n <e@f>junk<g@h>\r\nIn-Reply-To: <x@y>\r\n\r\n",
	    LIST("<a@b>", "<c@d>", "<e@f>", "<g@h>"));
	refers("References: <none> nothing\r\nIn-Reply-To: <x@y> <z@y>\r\n\r\n", LIST("<x@y>"));
	refers("In-Reply-To: your mail of <Monday> <x@y>\r\n\r\n", LIST("<x@y>"));
	refers("In-Reply-To: your mail\r\n\r\n", LIST(NULL));
	refers("Subject: Re: x\r\n\r\n", LIST(NULL));
	refers("References:\r\n\r\n", LIST(NULL));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_character),
	    cmocka_unit_test(known_keys),
	    cmocka_unit_test(mixed_texts),
	    cmocka_unit_test(base_subjects),
	    cmocka_unit_test(keys_of_fields),
	    cmocka_unit_test(long_keys),
	    cmocka_unit_test(older_summaries),
	    cmocka_unit_test(ids),
	    cmocka_unit_test(references),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
