/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameter lists (RFC 2045 section 5.1) and their extended form (RFC 2231):
 * see header.h.
 */
#include <stdlib.h>

#include "base/mem.h"
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
		lex_put_unfolded(q, end, out);
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

/* ---- reading ---- */

/* A parameter as it stands.  Texts are offsets until all of them are there. */
struct raw {
	size_t name, name_n, value, value_n;
	struct str base; /* of the name, before its first star */
	uint32_t number; /* of the piece */
	bool piece;      /* name*, name*1, name*1* */
	bool extended;   /* name*, name*1* */
	bool gone;       /* put together with another one, or there twice */
	bool joined;     /* here goes what was put together: its name and value are in `joined` */
};

struct reading {
	const char *p, *end;
	bool cut; /* the value goes on behind end */
	struct buf *text;
	struct buf raw;  /* of struct raw */
	bool any_pieces; /* a name has a star */
};

/* The next one, with its name and then its value at the end of the text.  False: there is none. */
static bool
next_raw(struct reading *r, struct raw *raw_r)
{
	while (r->p < r->end) {
		size_t from = r->text->n;

		if (*r->p == ';') {
			r->p++;
			continue;
		}
		take_words(&r->p, r->end, ";=", '\0', r->text);
		*raw_r = (struct raw){.name = from, .name_n = r->text->n - from};
		if (r->p >= r->end || *r->p != '=')
			continue;
		r->p++;
		lex_skip_cfws(&r->p, r->end, NULL);
		raw_r->value = r->text->n;
		if (r->p < r->end && *r->p == '"') {
			take_quoted(&r->p, r->end, r->text);
			raw_r->value_n = r->text->n - raw_r->value;
			while (r->p < r->end && *r->p != ';')
				r->p++;
		} else {
			take_words(&r->p, r->end, ";", ' ', r->text);
			raw_r->value_n = r->text->n - raw_r->value;
		}
		if (raw_r->name_n > 0 && (r->p < r->end || !r->cut))
			return true;
	}
	return false;
}

/* Is it the name of a piece (RFC 2231 sections 3 and 4)? */
static void
name_piece(struct raw *raw, struct str name)
{
	const char *star = str_chr(name, '*');
	struct str tail;
	uint64_t number = 0;

	raw->base = name;
	if (star == NULL || star == name.p)
		return;
	tail = str_range(star + 1, name.p + name.n);
	raw->extended = tail.n == 0 || tail.p[tail.n - 1] == '*';
	if (tail.n > 0 && raw->extended)
		tail.n--;
	raw->piece = tail.n == 0 || str_u64(tail, UINT32_MAX, &number);
	raw->number = (uint32_t)number;
	if (raw->piece)
		raw->base = str_range(name.p, star);
}

static struct str
text_at(const struct buf *text, size_t off, size_t n)
{
	return n > 0 ? (struct str){text->p + off, n} : STR("");
}

static void
read_all(struct reading *r)
{
	struct raw raw, *v;

	while (next_raw(r, &raw))
		buf_put(&r->raw, &raw, sizeof(raw));
	v = (struct raw *)(void *)r->raw.p;
	for (size_t i = 0; i < r->raw.n / sizeof(*v); i++) {
		name_piece(&v[i], text_at(r->text, v[i].name, v[i].name_n));
		r->any_pieces |= v[i].piece;
	}
}

/* ---- pieces ---- */

/* Those of one name together, the plain ones first, then pieces by number, then as they stand. */
static int
raw_cmp(const void *a, const void *b)
{
	const struct raw *x = *(struct raw *const *)a, *y = *(struct raw *const *)b;
	int order = str_icmp(x->base, y->base);

	if (order != 0)
		return order;
	if (x->piece != y->piece)
		return x->piece ? 1 : -1;
	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* charset'language'text? */
static bool
has_charset(struct str value)
{
	struct str part;

	return str_split(&value, '\'', &part) && value.p != NULL && str_chr(value, '\'') != NULL;
}

/* A piece that is not in the extended form, among others that are: its percent signs are none. */
static void
put_literal(struct str s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '%')
			buf_puts(out, "%25");
		else
			buf_putc(out, s.p[i]);
}

/* v[0..n) are the pieces of one name by their numbers.  Are all there?  Second ones go. */
static bool
pieces_complete(struct raw *const *v, size_t n, bool *extended_r)
{
	uint32_t want = 0;

	*extended_r = false;
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && v[i]->number == v[i - 1]->number)
			continue;
		if (v[i]->number != want++)
			return false;
		*extended_r |= v[i]->extended;
	}
	return true;
}

/* Becomes one at the place of the piece that comes first. */
static void
pieces_join(struct raw *const *v, size_t n, bool extended, struct str text, struct buf *joined)
{
	struct raw *first = v[0];
	struct raw out = {.name = joined->n, .joined = true, .extended = extended};

	buf_str(joined, v[0]->base);
	if (extended)
		buf_putc(joined, '*');
	out.name_n = joined->n - out.name;
	out.value = joined->n;
	if (extended && n > 1 &&
	    (!v[0]->extended || !has_charset((struct str){text.p + v[0]->value, v[0]->value_n})))
		buf_puts(joined, "''"); /* so that no other piece is taken for a charset */
	for (size_t i = 0; i < n; i++) {
		struct str s = {text.p + v[i]->value, v[i]->value_n};

		if (i > 0 && v[i]->number == v[i - 1]->number)
			continue;
		if (extended && !v[i]->extended)
			put_literal(s, joined);
		else
			buf_str(joined, s);
	}
	out.value_n = joined->n - out.value;
	for (size_t i = 0; i < n; i++) {
		first = v[i] < first ? v[i] : first;
		v[i]->gone = true;
	}
	*first = out;
}

/* One pass over the names in order, so that thousands of them cost no more than their bytes. */
static void
join_all(struct reading *r, struct buf *joined)
{
	struct raw *v = (struct raw *)(void *)r->raw.p, **by_name;
	size_t n = r->raw.n / sizeof(*v);
	struct str text = buf_as_str(r->text);

	by_name = mem_zalloc(n * sizeof(struct raw *));
	for (size_t i = 0; i < n; i++)
		by_name[i] = &v[i];
	qsort(by_name, n, sizeof(struct raw *), raw_cmp);
	for (size_t i = 0, end; i < n; i = end) {
		size_t pieces = i;
		bool extended;

		while (pieces < n && !by_name[pieces]->piece &&
		       str_ieq(by_name[pieces]->base, by_name[i]->base))
			pieces++;
		for (end = pieces; end < n && by_name[end]->piece &&
		                   str_ieq(by_name[end]->base, by_name[i]->base);)
			end++;
		/* A plain one beside pieces that are not extended: nobody knows which counts. */
		if (end > pieces && pieces_complete(by_name + pieces, end - pieces, &extended) &&
		    (extended || pieces == i))
			pieces_join(by_name + pieces, end - pieces, extended, text, joined);
	}
	mem_free(by_name);
}

void
mail_params_read(struct mail_params *p, struct str value, size_t max)
{
	struct reading r = {.text = &p->text};
	const struct raw *v;
	size_t n;

	*p = (struct mail_params){.cut = value.n > max};
	if (value.n == 0)
		value = STR("");
	r.p = value.p;
	r.cut = p->cut;
	r.end = value.p + (p->cut ? max : value.n);
	take_words(&r.p, r.end, ";", ' ', &p->text);
	n = r.p < r.end || !r.cut ? p->text.n : 0;
	read_all(&r);
	if (r.any_pieces)
		join_all(&r, &p->joined);
	p->first = text_at(&p->text, 0, n);
	v = (const struct raw *)(const void *)r.raw.p;
	n = r.raw.n / sizeof(*v);
	p->v = n > 0 ? mem_zalloc(n * sizeof(*p->v)) : NULL;
	for (size_t i = 0; i < n; i++) {
		const struct buf *text = v[i].joined ? &p->joined : &p->text;

		if (v[i].gone)
			continue;
		p->v[p->n++] = (struct mail_param){
		    .name = text_at(text, v[i].name, v[i].name_n),
		    .value = text_at(text, v[i].value, v[i].value_n),
		    .extended = v[i].joined && v[i].extended,
		};
		p->extended |= p->v[p->n - 1].extended;
	}
	buf_fini(&r.raw);
}

void
mail_params_fini(struct mail_params *p)
{
	mem_free(p->v);
	buf_fini(&p->text);
	buf_fini(&p->joined);
	*p = (struct mail_params){0};
}

const struct mail_param *
mail_params_find(const struct mail_params *p, struct str name)
{
	const struct mail_param *plain = NULL;

	for (size_t i = 0; i < p->n; i++) {
		const struct mail_param *one = &p->v[i];

		if (one->extended && one->name.n == name.n + 1 && str_has_iprefix(one->name, name))
			return one;
		if (plain == NULL && !one->extended && str_ieq(one->name, name))
			plain = one;
	}
	return plain;
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

void
mail_param_value(const struct mail_param *p, struct buf *out)
{
	struct str text = p->value, charset = STR_NONE, language;
	struct buf bytes = {0};

	if (!p->extended) {
		buf_str(out, p->value);
		return;
	}
	if (has_charset(text)) {
		str_split(&text, '\'', &charset);
		str_split(&text, '\'', &language);
	}
	if (text.n > 0)
		percent_decode(text, &bytes);
	mail_to_utf8(charset.n > 0 ? charset : STR("us-ascii"), buf_as_str(&bytes), out);
	buf_fini(&bytes);
}

bool
mail_param_find(struct str value, struct str name, struct buf *out)
{
	struct mail_params p;
	const struct mail_param *found;

	mail_params_read(&p, value, SIZE_MAX);
	found = mail_params_find(&p, name);
	if (found != NULL && found->extended)
		mail_param_value(found, out);
	else if (found != NULL)
		mail_words_decode(found->value, out);
	mail_params_fini(&p);
	return found != NULL;
}
