/* SPDX-License-Identifier: Apache-2.0 */
/* Headers in UTF-8 for clients that only accept ASCII: see surrogate.h. */
#include "mail/surrogate.h"

#include "base/base64.h"
#include "mail/text/text.h"

/* Bytes in an encoded word: with "=?utf-8?B?"  and "?=" at most 75 (RFC 2047 section 2). */
#define WORD_BYTES 45u
#define ADDRESSES_MAX 10000u

/* An address that belongs to nobody (section 2.1). */
static const struct str nobody = {"invalid", 7},
                        nowhere = {"internationalized-address.invalid", 33};

bool
mail_surrogate_needed(struct str s)
{
	return s.p != NULL && !str_is_ascii(s) && str_is_utf8(s);
}

/* ---- encoded words */

/* Returns the length of the front of utf8 that fits into a word, in whole characters. */
static size_t
word_front(struct str utf8)
{
	size_t n = utf8.n < WORD_BYTES ? utf8.n : WORD_BYTES;

	while (n < utf8.n && n > 0 && ((unsigned char)utf8.p[n] & 0xC0) == 0x80)
		n--;
	return n;
}

void
mail_surrogate_words(struct str text, const char *between, struct buf *out)
{
	struct buf decoded = buf_like(out);
	struct str rest;
	const char *before = "";

	mail_words_decode(text, &decoded);
	for (rest = buf_as_str(&decoded); rest.n > 0;) {
		size_t n = word_front(rest);

		buf_puts(out, before);
		buf_puts(out, "=?utf-8?B?");
		base64_encode((struct str){rest.p, n}, out);
		buf_puts(out, "?=");
		rest = (struct str){rest.p + n, rest.n - n};
		before = between;
	}
	buf_fini(&decoded);
}

/* ---- addresses */

static bool
is_international(const struct mail_address *a)
{
	return mail_surrogate_needed(a->mailbox) || mail_surrogate_needed(a->host) ||
	       mail_surrogate_needed(a->route);
}

static void
put_full(const struct mail_address *a, struct buf *out)
{
	if (a->name.n > 0) {
		mail_words_decode(a->name, out);
		buf_puts(out, " <");
	}
	buf_str(out, a->mailbox);
	if (a->host.n > 0)
		buf_putc(out, '@');
	buf_str(out, a->host);
	if (a->name.n > 0)
		buf_putc(out, '>');
}

struct mail_address
mail_surrogate_address(const struct mail_address *a, struct buf *text)
{
	struct mail_address made = *a;
	struct str *shown = a->kind == MAIL_ADDRESS_GROUP ? &made.mailbox : &made.name;
	struct buf full = buf_like(text);

	text->n = 0;
	if (a->kind == MAIL_ADDRESS_MAILBOX && is_international(a)) {
		made.mailbox = nobody;
		made.host = nowhere;
		made.route = STR_NONE;
		put_full(a, &full);
	} else if (mail_surrogate_needed(*shown)) {
		buf_str(&full, *shown);
	}
	if (full.n > 0) {
		mail_surrogate_words(buf_as_str(&full), " ", text);
		*shown = buf_as_str(text);
	}
	buf_fini(&full);
	return made;
}

/* Returns whether it needs no quotes. */
static bool
is_plain(struct str s)
{
	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] == 0x7F || strchr("()<>[]:;@\\,\"", s.p[i]) != NULL)
			return false;
	return true;
}

static void
put_quoted(struct str s, struct buf *out)
{
	buf_putc(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_putc(out, '\\');
		buf_putc(out, s.p[i]);
	}
	buf_putc(out, '"');
}

/* Puts a display name or the name of a group.  Encoded words are not recognised in quotes. */
static void
put_phrase(struct str s, struct buf *out)
{
	if (memmem(s.p, s.n, "=?", 2) != NULL)
		mail_surrogate_words(s, " ", out);
	else
		put_quoted(s, out);
}

static void
put_mailbox(const struct mail_address *a, struct buf *out)
{
	if (a->name.n > 0) {
		put_phrase(a->name, out);
		buf_putc(out, ' ');
	}
	buf_putc(out, '<');
	if (a->route.n > 0) {
		buf_str(out, a->route);
		buf_putc(out, ':');
	}
	if (is_plain(a->mailbox) || a->mailbox.n == 0)
		buf_str(out, a->mailbox);
	else
		put_quoted(a->mailbox, out);
	if (a->host.n > 0)
		buf_putc(out, '@');
	buf_str(out, a->host);
	buf_putc(out, '>');
}

/* Returns false if there are none. */
static bool
put_addresses(struct str value, const char *fold, struct buf *out)
{
	struct mail_addresses list = {.text.oom = out->oom};
	struct buf text = buf_like(out);
	bool first = true, any;

	mail_parse_addresses(value, ADDRESSES_MAX, MAIL_FIELD_WHOLE, &list);
	for (size_t i = 0; i < list.n; i++) {
		struct mail_address a = mail_surrogate_address(&list.v[i], &text);

		if (a.kind == MAIL_ADDRESS_END) {
			buf_putc(out, ';');
			first = false;
			continue;
		}
		buf_puts(out, first ? "" : ",");
		buf_puts(out, i == 0 ? "" : fold);
		first = a.kind == MAIL_ADDRESS_GROUP;
		if (first) {
			put_phrase(a.mailbox, out);
			buf_putc(out, ':');
		} else {
			put_mailbox(&a, out);
		}
	}
	any = list.n > 0;
	buf_fini(&text);
	mail_addresses_fini(&list);
	return any;
}

/* ---- parameters (section 2.2) */

/* Returns the end of what begins at p, at least one byte: a quoted string or a comment. */
static const char *
past_quoted(const char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++)
		if (*p == '\\' && end - p > 1)
			p++;
	return p < end ? p + 1 : end;
}

static const char *
past_comment(const char *p, const char *end)
{
	size_t depth = 0;

	for (; p < end; p++) {
		if (*p == '\\' && end - p > 1)
			p++;
		else if (*p == '(')
			depth++;
		else if (*p == ')' && --depth == 0)
			return p + 1;
	}
	return end;
}

/* Takes everything before a semicolon off *rest. */
static struct str
take_parameter(struct str *rest)
{
	const char *p = rest->p, *end = rest->p + rest->n;
	struct str front;

	while (p < end && *p != ';')
		p = *p == '"' ? past_quoted(p, end) : *p == '(' ? past_comment(p, end) : p + 1;
	front = str_range(rest->p, p);
	*rest = p < end ? str_range(p + 1, end) : STR_NONE;
	return front;
}

/* Returns false if its first word cannot be shown, so that nothing can. */
static bool
put_parameters(struct str value, struct buf *out)
{
	struct str part = take_parameter(&value);

	if (!str_is_ascii(part))
		return false;
	buf_str(out, part);
	while (value.p != NULL) {
		part = take_parameter(&value);
		if (!str_is_ascii(part))
			continue;
		buf_putc(out, ';');
		buf_str(out, part);
	}
	return true;
}

/* ---- fields */

static bool
is_one_of(struct str name, const char *const *names)
{
	for (; *names != NULL; names++)
		if (str_ieq(name, str_of(*names)))
			return true;
	return false;
}

/* Puts the field in a form that can be shown, or leaves it out (section 2.4). */
static void
put_field(const struct mail_field *f, struct buf *out)
{
	static const char *const addresses[] = {"bcc", "cc", "from", "reply-to", "resent-bcc",
	    "resent-cc", "resent-from", "resent-sender", "resent-to", "return-path", "sender", "to",
	    NULL};
	static const char *const parameters[] = {"content-type", "content-disposition", NULL};
	bool crlf = f->all.n > 1 && memcmp(f->all.p + f->all.n - 2, "\r\n", 2) == 0;
	struct buf made = buf_like(out);
	bool shown = true;

	if (is_one_of(f->name, addresses)) {
		buf_putc(&made, ' ');
		shown = put_addresses(f->value, crlf ? "\r\n " : "\n ", &made);
	} else if (str_ieq(f->name, STR("subject"))) {
		buf_putc(&made, ' ');
		mail_surrogate_words(f->value, crlf ? "\r\n " : "\n ", &made);
	} else {
		shown = is_one_of(f->name, parameters) && put_parameters(f->value, &made);
	}
	if (shown) {
		buf_str(out, f->name);
		buf_putc(out, ':');
		buf_str(out, buf_as_str(&made));
		buf_puts(out, crlf ? "\r\n" : "\n");
	}
	buf_fini(&made);
}

/* Puts more of a field that is longer than others. */
static void
put_further(struct mail_surrogate *s, struct str bytes, struct buf *out)
{
	if (s->dropped)
		return;
	for (size_t i = 0; i < bytes.n; i++) {
		bool high = (unsigned char)bytes.p[i] >= 0x80;

		s->changed |= high;
		buf_putc(out, high ? '?' : bytes.p[i]);
	}
}

static void
put_piece(struct mail_surrogate *s, const struct mail_fields_piece *p, struct buf *out)
{
	if (!p->first) {
		put_further(s, p->field.all, out);
		return;
	}
	/* The front of a long field may end inside a character. */
	s->dropped = p->last ? mail_surrogate_needed(p->field.all) : !str_is_ascii(p->field.all);
	if (!s->dropped)
		buf_str(out, p->field.all);
	else if (p->last)
		put_field(&p->field, out);
	s->changed |= s->dropped;
}

void
mail_surrogate_feed(struct mail_surrogate *s, struct str bytes, bool last, struct buf *out)
{
	struct mail_fields_piece p;

	s->fields.held.oom = out->oom;
	mail_fields_feed(&s->fields, bytes, last);
	while (mail_fields_next(&s->fields, &p))
		put_piece(s, &p, out);
}

void
mail_surrogate_fini(struct mail_surrogate *s)
{
	mail_fields_fini(&s->fields);
}
