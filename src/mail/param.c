/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameter lists (RFC 2045 section 5.1) and their extended form (RFC 2231):
 * see header.h.
 */
#include <stdlib.h>

#include "mail/header.h"
#include "mail/lex_int.h"
#include "mail/text.h"

/* A quoted string; *p stands on its first quote, afterwards behind its last one. */
static void
take_quoted(const char **p, const char *end, struct buf *out)
{
	const char *q = *p + 1;

	for (; q < end && *q != '"'; q++) {
		if (*q == '\\' && q + 1 < end)
			q++;
		if (*q != '\r' && *q != '\n' && *q != '\0')
			buf_putc(out, *q);
	}
	*p = q < end ? q + 1 : end;
}

static bool
is_one_of(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

/* Words up to one of stop, comments removed; blanks between words become `join`, if it is one. */
static void
take_words(const char **p, const char *end, const char *stop, char join, struct buf *out)
{
	size_t from = out->n;

	for (;;) {
		bool gap = lex_skip_cfws(p, end, NULL);

		if (*p >= end || is_one_of(**p, stop))
			return;
		if (gap && join != '\0' && out->n > from)
			buf_putc(out, join);
		while (*p < end && !lex_blank(**p) && **p != '(' && !is_one_of(**p, stop)) {
			if (**p != '\0')
				buf_putc(out, **p);
			(*p)++;
		}
	}
}

void
mail_params_init(struct mail_params *p, struct str value)
{
	const char *q, *end;

	if (value.n == 0)
		value = STR("");
	q = value.p;
	end = q + value.n;
	*p = (struct mail_params){0};
	take_words(&q, end, ";", '\0', &p->head);
	p->first = p->head.n > 0 ? buf_as_str(&p->head) : STR("");
	p->rest = str_range(q, end);
}

bool
mail_param_next(struct mail_params *p, struct str *name_r, struct str *value_r)
{
	const char *q = p->rest.p, *end = p->rest.n > 0 ? q + p->rest.n : q;
	size_t name_n;

	while (q < end) {
		p->text.n = 0;
		if (*q == ';') {
			q++;
			continue;
		}
		take_words(&q, end, ";=", '\0', &p->text);
		name_n = p->text.n;
		if (q >= end || *q != '=')
			continue;
		q++;
		lex_skip_cfws(&q, end, NULL);
		if (q < end && *q == '"') {
			take_quoted(&q, end, &p->text);
			while (q < end && *q != ';')
				q++;
		} else {
			take_words(&q, end, ";", ' ', &p->text);
		}
		if (name_n == 0)
			continue;
		*name_r = (struct str){p->text.p, name_n};
		*value_r = (struct str){p->text.p + name_n, p->text.n - name_n};
		p->rest = str_range(q, end);
		return true;
	}
	p->rest.n = 0;
	return false;
}

void
mail_params_fini(struct mail_params *p)
{
	buf_fini(&p->text);
	buf_fini(&p->head);
}

/* ---- RFC 2231 ---- */

#define PIECES_MAX 1000u

struct piece {
	uint32_t number;
	bool extended;
	size_t off, len; /* in the collector's text */
};

struct pieces {
	struct buf text;
	struct buf list;             /* of struct piece */
	size_t plain_off, plain_len; /* of the parameter without any star */
	bool have_plain;
};

static int
piece_cmp(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return x->off < y->off ? -1 : x->off > y->off; /* the first of two equal ones comes first */
}

/* Is `got` the name itself, name*, name*1 or name*1*? */
static bool
piece_name(struct str got, struct str name, struct piece *piece_r, bool *plain_r)
{
	uint64_t number = 0;

	if (!str_has_iprefix(got, name))
		return false;
	got = (struct str){got.p + name.n, got.n - name.n};
	*plain_r = got.n == 0;
	*piece_r = (struct piece){0};
	if (got.n == 0)
		return true;
	if (got.p[0] != '*')
		return false;
	got = (struct str){got.p + 1, got.n - 1};
	piece_r->extended = got.n == 0 || got.p[got.n - 1] == '*';
	if (got.n > 0 && piece_r->extended)
		got.n--;
	if (got.n > 0 && !str_u64(got, PIECES_MAX, &number))
		return false;
	piece_r->number = (uint32_t)number;
	return true;
}

static void
pieces_collect(struct pieces *c, struct str value, struct str name)
{
	struct mail_params p;
	struct str n, v;

	mail_params_init(&p, value);
	while (mail_param_next(&p, &n, &v)) {
		struct piece piece;
		bool plain;

		if (!piece_name(n, name, &piece, &plain) || (plain && c->have_plain))
			continue;
		piece.off = c->text.n;
		piece.len = v.n;
		buf_str(&c->text, v);
		if (plain) {
			c->have_plain = true;
			c->plain_off = piece.off;
			c->plain_len = piece.len;
		} else if (c->list.n < PIECES_MAX * sizeof(piece)) {
			buf_put(&c->list, &piece, sizeof(piece));
		}
	}
	mail_params_fini(&p);
}

static void
percent_decode(struct str s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		int hi, lo;

		if (s.p[i] == '%' && s.n - i > 2 && (hi = lex_hex(s.p[i + 1])) >= 0 &&
		    (lo = lex_hex(s.p[i + 2])) >= 0) {
			buf_putc(out, (char)(hi * 16 + lo));
			i += 2;
		} else {
			buf_putc(out, s.p[i]);
		}
	}
}

/* Appends the pieces' bytes to raw, up to the first that is missing; how many there were. */
static uint32_t
pieces_raw(struct pieces *c, struct str *charset_r, struct buf *raw)
{
	struct piece *v = (struct piece *)(void *)c->list.p;
	size_t n = c->list.n / sizeof(*v);
	uint32_t want = 0;

	*charset_r = STR_NONE;
	if (n > 1)
		qsort(v, n, sizeof(*v), piece_cmp);
	for (size_t i = 0; i < n; i++) {
		struct str s = {c->text.p != NULL ? c->text.p + v[i].off : "", v[i].len};
		struct str tail = s, part;

		if (i > 0 && v[i].number == v[i - 1].number)
			continue;
		if (v[i].number != want++)
			break;
		/* RFC 2231 section 4: charset'language'text, in the first piece only. */
		if (i == 0 && v[i].extended && str_chr(s, '\'') != NULL) {
			str_split(&tail, '\'', charset_r);
			str_split(&tail, '\'', &part);
			s = tail.n > 0 ? tail : STR("");
		}
		if (v[i].extended)
			percent_decode(s, raw);
		else
			buf_str(raw, s);
	}
	return want;
}

static void
pieces_join(struct pieces *c, struct buf *out)
{
	struct str charset;
	struct buf raw = {0};

	pieces_raw(c, &charset, &raw);
	if (charset.n > 0)
		mail_to_utf8(charset, buf_as_str(&raw), out);
	else
		mail_words_decode(buf_as_str(&raw), out);
	buf_fini(&raw);
}

bool
mail_param_join(struct str value, struct str name, struct buf *out, bool *extended_r)
{
	struct pieces c = {0};
	struct str charset;
	struct buf raw = {0};
	uint32_t joined, highest = 0;
	bool ok;

	*extended_r = false;
	pieces_collect(&c, value, name);
	for (size_t i = 0; i < c.list.n / sizeof(struct piece); i++) {
		const struct piece *piece = (const struct piece *)(void *)c.list.p + i;

		*extended_r |= piece->extended;
		if (piece->number > highest)
			highest = piece->number;
	}
	joined = pieces_raw(&c, &charset, &raw);
	ok = joined == highest + 1 && (*extended_r || !c.have_plain);
	if (ok && *extended_r)
		mail_to_utf8(charset.n > 0 ? charset : STR("us-ascii"), buf_as_str(&raw), out);
	else if (ok)
		buf_str(out, buf_as_str(&raw));
	buf_fini(&raw);
	buf_fini(&c.text);
	buf_fini(&c.list);
	return ok;
}

bool
mail_param_find(struct str value, struct str name, struct buf *out)
{
	struct pieces c = {0};
	bool found;

	pieces_collect(&c, value, name);
	found = c.list.n > 0 || c.have_plain;
	if (c.list.n > 0)
		pieces_join(&c, out);
	else if (c.have_plain && c.plain_len > 0)
		mail_words_decode((struct str){c.text.p + c.plain_off, c.plain_len}, out);
	buf_fini(&c.text);
	buf_fini(&c.list);
	return found;
}
