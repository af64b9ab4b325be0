/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a message: summary, sections, decoders, search.  All ranges must lie in the message,
 * and output for clients must follow the grammar of RFC 9051 section 9.  The first byte chooses
 * limits, and whether to damage the summary afterwards (with a valid checksum) and open it again.
 */
#include <stdlib.h>
#include <xxhash.h>

#include "base/err.h"
#include "base/log.h"
#include "mail/address.h"
#include "mail/date.h"
#include "mail/fields.h"
#include "mail/search.h"
#include "mail/section.h"
#include "mail/text/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- the grammar ---- */

struct check {
	const char *p, *end;
};

static bool
at(const struct check *c, char ch)
{
	return c->p < c->end && *c->p == ch;
}

static void
want(struct check *c, char ch)
{
	TS_ASSERT(at(c, ch));
	c->p++;
}

static uint64_t
number(struct check *c)
{
	uint64_t v = 0;

	TS_ASSERT(c->p < c->end && *c->p >= '0' && *c->p <= '9');
	while (c->p < c->end && *c->p >= '0' && *c->p <= '9')
		v = v * 10 + (uint64_t)(*c->p++ - '0');
	return v;
}

static struct str
string(struct check *c)
{
	const char *from;

	if (at(c, '{')) {
		uint64_t n;

		c->p++;
		n = number(c);
		want(c, '}');
		want(c, '\r');
		want(c, '\n');
		TS_ASSERT(n <= (uint64_t)(c->end - c->p));
		TS_ASSERT(n == 0 || memchr(c->p, 0, n) == NULL);
		c->p += n;
		return (struct str){c->p - n, n};
	}
	want(c, '"');
	from = c->p;
	while (!at(c, '"')) {
		if (at(c, '\\')) {
			c->p++;
			TS_ASSERT(at(c, '"') || at(c, '\\'));
		}
		TS_ASSERT(c->p<c->end && * c->p> 0 && *c->p != '\r' && *c->p != '\n');
		c->p++;
	}
	c->p++;
	return str_range(from, c->p - 1);
}

static bool
nil(struct check *c)
{
	if (c->end - c->p < 3 || memcmp(c->p, "NIL", 3) != 0)
		return false;
	c->p += 3;
	return true;
}

static bool
nstring(struct check *c)
{
	if (nil(c))
		return false;
	string(c);
	return true;
}

static void
addresses(struct check *c)
{
	bool group = false;

	if (nil(c))
		return;
	want(c, '(');
	do {
		bool mailbox, host;

		want(c, '(');
		nstring(c);
		want(c, ' ');
		nstring(c);
		want(c, ' ');
		mailbox = nstring(c);
		want(c, ' ');
		host = nstring(c);
		want(c, ')');
		if (!host) {
			TS_ASSERT(mailbox != group); /* groups begin and end, and do not nest */
			group = mailbox;
		}
	} while (!at(c, ')'));
	TS_ASSERT(!group);
	c->p++;
}

static void
envelope(struct check *c)
{
	want(c, '(');
	nstring(c);
	want(c, ' ');
	nstring(c);
	for (int i = 0; i < 6; i++) {
		want(c, ' ');
		addresses(c);
	}
	want(c, ' ');
	nstring(c);
	want(c, ' ');
	nstring(c);
	want(c, ')');
}

/* ("name" "value" ...) if pairs, else ("one" ...); or NIL. */
static void
strings(struct check *c, bool pairs)
{
	if (nil(c))
		return;
	want(c, '(');
	for (;;) {
		string(c);
		if (pairs) {
			want(c, ' ');
			string(c);
		}
		if (!at(c, ' '))
			break;
		c->p++;
	}
	want(c, ')');
}

static void
extension_tail(struct check *c)
{
	want(c, ' ');
	if (!nil(c)) {
		want(c, '(');
		string(c);
		want(c, ' ');
		strings(c, true);
		want(c, ')');
	}
	want(c, ' ');
	strings(c, false);
	want(c, ' ');
	nstring(c);
}

static void body(struct check *c, bool extended);

static void
one_part(struct check *c, bool extended)
{
	struct str type = string(c), subtype;

	want(c, ' ');
	subtype = string(c);
	want(c, ' ');
	strings(c, true);
	want(c, ' ');
	nstring(c);
	want(c, ' ');
	nstring(c);
	want(c, ' ');
	string(c);
	want(c, ' ');
	number(c);
	TS_ASSERT(!str_ieq(type, STR("multipart")));
	/* In IMAP4rev1 message/global is an ordinary part (media-message of RFC 3501 is only
	 * RFC822). */
	if (str_ieq(type, STR("message")) &&
	    (str_ieq(subtype, STR("rfc822")) || (str_ieq(subtype, STR("global")) && at(c, ' ') &&
	                                            c->end - c->p > 1 && c->p[1] == '('))) {
		want(c, ' ');
		envelope(c);
		want(c, ' ');
		body(c, extended);
		want(c, ' ');
		number(c);
	} else if (str_ieq(type, STR("text"))) {
		want(c, ' ');
		number(c);
	}
	if (extended) {
		want(c, ' ');
		nstring(c);
		extension_tail(c);
	}
}

static void
body(struct check *c, bool extended)
{
	want(c, '(');
	if (!at(c, '(')) {
		one_part(c, extended);
	} else {
		while (at(c, '('))
			body(c, extended);
		want(c, ' ');
		string(c);
		if (extended) {
			want(c, ' ');
			strings(c, true);
			extension_tail(c);
		}
	}
	want(c, ')');
}

static struct check
check_of(struct str s)
{
	TS_ASSERT(s.p != NULL);
	return (struct check){s.p, s.p + s.n};
}

static void
check_replies(const struct mail_summary *s)
{
	struct check c = check_of(mail_summary_text(s, MAIL_TEXT_ENVELOPE));

	envelope(&c);
	TS_ASSERT(c.p == c.end);
	c = check_of(mail_summary_text(s, MAIL_TEXT_BODY));
	body(&c, false);
	TS_ASSERT(c.p == c.end);
	c = check_of(mail_summary_text(s, MAIL_TEXT_BODYSTRUCTURE));
	body(&c, true);
	TS_ASSERT(c.p == c.end);
	for (int i = MAIL_TEXT_SUBJECT; i < MAIL_TEXT_UNUSED; i++)
		TS_ASSERT(str_is_utf8(mail_summary_text(s, (enum mail_text)i)));
}

/* ---- everything else ---- */

static void
walk_sections(const struct mail_summary *s, uint32_t *path, size_t depth, unsigned *budget)
{
	for (int kind = MAIL_SECTION_WHOLE; kind <= MAIL_SECTION_MIME; kind++) {
		struct mail_range r;

		if (mail_section_find(s, path, depth, (enum mail_section)kind, &r))
			TS_ASSERT(r.off <= s->size && r.len <= s->size - r.off);
		else
			TS_ASSERT(kind != MAIL_SECTION_WHOLE);
	}
	for (path[depth] = 1; depth < 20 && *budget > 0; path[depth]++) {
		struct mail_part part;

		if (!mail_section_part(s, path, depth + 1, &part))
			break;
		--*budget;
		walk_sections(s, path, depth + 1, budget);
	}
}

static void
use_part(const struct mail_part *p, struct str message)
{
	struct str header = {message.p + p->header_off, p->header_len};
	struct str bytes = {message.p + p->body_off, p->body_len};
	struct str names[] = {STR("subject"), STR("x")};
	struct mail_names listed;
	struct mail_choice choice, others;
	struct buf out = {0}, text = {0};
	struct mail_field f;
	struct mail_decoder d;

	TS_ASSERT(p->lines <= p->body_len);
	mail_names_init(&listed, names, 2);
	choice = (struct mail_choice){.names = &listed};
	others = (struct mail_choice){.names = &listed, .not = true};
	mail_choose(&choice, header, true, &out);
	for (size_t i = 0; i < header.n; i += 5)
		mail_choose(&others,
		    (struct str){header.p + i, header.n - i < 5 ? header.n - i : 5},
		    header.n - i <= 5, &out);
	mail_choice_fini(&choice);
	mail_choice_fini(&others);
	/* Each field is in one of them, the empty line in both; nothing follows it. */
	TS_ASSERT(out.n <= header.n + 2);
	TS_ASSERT(mail_header_len(header) < header.n || out.n >= header.n);
	while (mail_field_next(&header, &f)) {
		struct mail_date date;

		out.n = 0;
		mail_param_find(f.value, STR("name"), &out);
		mail_words_decode(f.value, &out);
		TS_ASSERT(out.n == 0 || str_is_utf8(buf_as_str(&out)));
		mail_date_parse(f.value, &date);
	}
	out.n = 0;
	mail_decoder_init(&d, p->encoding);
	for (size_t i = 0; i < bytes.n; i += 7)
		mail_decode(&d, (struct str){bytes.p + i, bytes.n - i < 7 ? bytes.n - i : 7},
		    bytes.n - i <= 7, &out);
	TS_ASSERT(out.n == mail_decoded_size(p->encoding, bytes, NULL));
	mail_to_utf8(p->charset, buf_as_str(&out), &text);
	TS_ASSERT(text.n == 0 || str_is_utf8(buf_as_str(&text)));
	buf_fini(&out);
	buf_fini(&text);
}

static void
use_summary(const struct mail_summary *s, struct str message)
{
	uint32_t path[32];
	unsigned budget = 200;

	for (uint32_t i = 0; i < s->part_count; i++) {
		struct mail_part p;

		mail_summary_part(s, i, &p);
		TS_ASSERT(p.header_off <= s->size && p.header_len <= s->size - p.header_off);
		TS_ASSERT(p.body_off <= s->size && p.body_len <= s->size - p.body_off);
		if (message.n == s->size && i < 50)
			use_part(&p, message);
	}
	for (int i = 0; i < MAIL_TEXT_COUNT; i++) {
		struct str t = mail_summary_text(s, (enum mail_text)i);

		TS_ASSERT(
		    t.n == 0 || memchr(t.p, t.p[t.n - 1], t.n) != NULL); /* all of it is readable */
	}
	walk_sections(s, path, 0, &budget);
}

static void
use_search(const struct mail_summary *s, struct str message)
{
	struct mail_search *search = mail_search_new();
	struct str word = {message.p, message.n < 5 ? message.n : 5};
	struct mail_range range;
	size_t body, text;

	body = mail_search_add(search, MAIL_SEARCH_BODY, STR_NONE, MAIL_TEXT_COUNT, word);
	text = mail_search_add(search, MAIL_SEARCH_TEXT, STR_NONE, MAIL_TEXT_COUNT, word);
	(void)mail_search_add(search, MAIL_SEARCH_FIELD, STR("to"), MAIL_TEXT_COUNT, word);
	(void)mail_search_ready(search);
	mail_search_begin(search, s);
	while (mail_search_wants(search, &range)) {
		TS_ASSERT(range.len > 0 && range.off + range.len <= message.n);
		mail_search_feed(search, (struct str){message.p + range.off, range.len});
	}
	TS_ASSERT(mail_search_key(search, body) == MAIL_SEARCH_NO ||
	          mail_search_key(search, text) == MAIL_SEARCH_YES);
	mail_search_free(&search);
}

/* Changes four bytes at a time and corrects the checksum, to reach the checks after it. */
static void
damage(struct buf *b, const uint8_t *data, size_t size)
{
	XXH64_hash_t hash;

	for (; size >= 3; size -= 3, data += 3)
		b->p[(data[0] | (size_t)data[1] << 8) % b->n] = (char)data[2];
	hash = XXH3_64bits_withSeed(b->p + 16, b->n - 16, (uint8_t)b->p[3]); /* the version */
	memcpy(b->p + 8, &hash, 8);
}

static void
quiet(enum log_level level, const char *context, const char *text, void *arg)
{
	(void)level;
	(void)context;
	(void)text;
	(void)arg;
}

/* Reading in steps of any size must give the same bytes. */
static void
use_steps(struct str message, const struct mail_limits *limits, size_t budget, struct str at_once)
{
	struct buf bytes = {0};
	struct mail_summarizer *s = mail_summarizer_new(message, limits, &bytes);

	while (!mail_summarizer_step(s, budget))
		continue;
	mail_summarizer_free(&s);
	TS_ASSERT(str_eq(buf_as_str(&bytes), at_once));
	buf_fini(&bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mail_limits limits = MAIL_LIMITS_DEFAULT;
	struct buf bytes = {0};
	struct mail_summary s;
	struct str message;

	if (size == 0)
		return 0;
	log_set_sink(quiet, NULL);
	if ((data[0] & 1) != 0)
		limits = (struct mail_limits){
		    .nesting = 2, .parts = 4, .addresses = 3, .address_field = 60, .field = 60};
	message = (struct str){(const char *)data + 1, size - 1};
	mail_summarize(message, &limits, &bytes);
	if (mail_summary_open(buf_as_str(&bytes), &s) != TS_OK)
		TS_WRONG("a fresh summary is not sound");
	TS_ASSERT(s.size == message.n);
	use_steps(message, &limits, 1 + (data[0] >> 2), buf_as_str(&bytes));
	check_replies(&s);
	use_summary(&s, message);
	use_search(&s, message);
	if ((data[0] & 2) != 0) {
		damage(&bytes, data + size / 2, size - size / 2);
		if (mail_summary_open(buf_as_str(&bytes), &s) == TS_OK)
			use_summary(&s, message);
	}
	buf_fini(&bytes);
	return 0;
}
