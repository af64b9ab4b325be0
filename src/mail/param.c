/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameter lists (RFC 2045 section 5.1) and their extended form (RFC 2231):
 * see header.h.
 */
#include <stdlib.h>
#include <xxhash.h>

#include "base/clock.h"
#include "base/mem.h"
#include "mail/header.h"
#include "mail/text/lex.h"
#include "mail/text/text.h"

/* What a byte means to the readers here. */
enum {
	BLANK = 1,
	FOLD = 2, /* CR, LF: blanks that may be nothing */
	COMMENT = 4,
	SEMICOLON = 8,
	EQUALS = 16,
	QUOTE = 32,
	BACKSLASH = 64,
	NOTHING = 128,
};

static const unsigned char kinds[256] = {[' '] = BLANK,
    ['\t'] = BLANK,
    ['\r'] = BLANK | FOLD,
    ['\n'] = BLANK | FOLD,
    ['('] = COMMENT,
    [';'] = SEMICOLON,
    ['='] = EQUALS,
    ['"'] = QUOTE,
    ['\\'] = BACKSLASH,
    ['\0'] = NOTHING};

static inline unsigned
kind(char c)
{
	return kinds[(unsigned char)c];
}

struct reading {
	const char *p, *end;
	bool cut;   /* the value continues after end */
	char *to;   /* where its text is written: never longer than the input */
	size_t cap; /* of the list */
	bool stars; /* a name has one */
};

/* Takes a quoted string; p is at its opening quote, afterwards after the closing one. */
static void
take_quoted(struct reading *r)
{
	const char *q = r->p + 1, *end = r->end;
	char *to = r->to;

	for (; q < end && *q != '"'; q++) {
		if (kind(*q) == BACKSLASH && q + 1 < end)
			q++;
		if ((kind(*q) & (FOLD | NOTHING)) == 0) {
			*to++ = *q;
		} else {
			*to = lex_unfolded(q, end);
			to += *to != '\0';
		}
	}
	r->p = q < end ? q + 1 : end;
	r->to = to;
}

/* Takes words up to one of stop, without comments; blanks between words become `join`, if it is a
 * character. */
static void
take_words(struct reading *r, unsigned stop, char join)
{
	const char *from = r->to, *p = r->p, *end = r->end;
	char *to = r->to;

	for (;;) {
		bool gap =
		    p < end && (kind(*p) & (BLANK | COMMENT)) != 0 && lex_skip_cfws(&p, end, NULL);

		if (p >= end || (kind(*p) & stop) != 0)
			break;
		if (gap && join != '\0' && to > from)
			*to++ = join;
		for (; p < end && (kind(*p) & (BLANK | COMMENT | stop)) == 0; p++) {
			*to = *p;
			to += *p != '\0';
		}
	}
	r->p = p;
	r->to = to;
}

/* ---- reading ---- */

static struct str
written(const struct reading *r, const char *from)
{
	return (struct str){from, (size_t)(r->to - from)};
}

static void
take_value(struct reading *r)
{
	if (r->p < r->end && (kind(*r->p) & (BLANK | COMMENT)) != 0)
		lex_skip_cfws(&r->p, r->end, NULL);
	if (r->p >= r->end || *r->p != '"') {
		take_words(r, SEMICOLON, ' ');
		return;
	}
	take_quoted(r);
	while (r->p < r->end && *r->p != ';')
		r->p++;
}

/* Gets the next parameter as written.  Returns false if there is none. */
static bool
next_param(struct reading *r, struct mail_param *param)
{
	while (r->p < r->end) {
		const char *from = r->to;

		if (*r->p == ';') {
			r->p++;
			continue;
		}
		take_words(r, SEMICOLON | EQUALS, '\0');
		*param = (struct mail_param){.name = written(r, from)};
		if (r->p >= r->end || *r->p != '=')
			continue;
		r->p++;
		from = r->to;
		take_value(r);
		param->value = written(r, from);
		if (param->name.n > 0 && (r->p < r->end || !r->cut))
			return true;
	}
	return false;
}

static bool
more_params(struct reading *r, struct mail_params *p)
{
	size_t cap = r->cap > 0 ? 2 * r->cap : 8;
	struct mail_param *v = mem_try_realloc(p->v, cap * sizeof(*v), p->text.oom);

	if (v == NULL)
		return false;
	p->v = v;
	r->cap = cap;
	return true;
}

static void
gather_params(struct reading *r, struct mail_params *p)
{
	struct mail_param param;

	while (next_param(r, &param)) {
		if (p->n == r->cap && !more_params(r, p))
			return;
		r->stars |= memchr(param.name.p, '*', param.name.n) != NULL;
		p->v[p->n++] = param;
	}
}

/* ---- pieces (RFC 2231 sections 3 and 4) ---- */

#define NONE SIZE_MAX

struct piece {           /* of the parameter in the same place */
	size_t base_n;   /* bytes of its name before the first star */
	uint32_t number; /* of the piece */
	bool piece;      /* name*, name*1, name*1* */
	bool extended;   /* name*, name*1* */
	bool gone;       /* joined with another one, or a duplicate */
	bool joined;     /* the result of joining, in `joined` at these places: */
	size_t name, value;
	size_t next; /* of the same name */
};

struct group { /* the pieces of one name, in their written order */
	struct str base;
	size_t first, last, count;
	bool ordered; /* by their numbers */
	bool plain;   /* one of this name has no star */
	size_t next;  /* of the same slot */
};

struct joining {
	struct mail_params *p;
	struct piece *pieces;
	size_t *slots, mask; /* groups by their names */
	struct group *groups;
	size_t group_count;
	uint64_t seed;
	size_t *places; /* the pieces of one group */
};

static void
name_piece(struct piece *piece, struct str name)
{
	const char *star = str_chr(name, '*');
	struct str tail;
	uint64_t number = 0;

	*piece = (struct piece){.base_n = name.n, .next = NONE};
	if (star == NULL || star == name.p)
		return;
	tail = str_range(star + 1, name.p + name.n);
	piece->extended = tail.n == 0 || tail.p[tail.n - 1] == '*';
	if (tail.n > 0 && piece->extended)
		tail.n--;
	piece->piece = tail.n == 0 || str_u64(tail, UINT32_MAX, &number);
	piece->number = (uint32_t)number;
	if (piece->piece)
		piece->base_n = (size_t)(star - name.p);
}

static struct str
base_of(const struct joining *j, size_t i)
{
	return (struct str){j->p->v[i].name.p, j->pieces[i].base_n};
}

/* Letters are case-insensitive; nobody can choose names of one slot. */
static uint64_t
hash_name(struct str s, uint64_t seed)
{
	char piece[64];

	for (size_t at = 0; at < s.n;) {
		size_t n = 0;

		while (n < sizeof(piece) && at < s.n)
			piece[n++] = (char)ascii_lower((unsigned char)s.p[at++]);
		seed = XXH3_64bits_withSeed(piece, n, seed);
	}
	return seed;
}

/* Returns NULL if there is none; *slot_r is then its slot. */
static struct group *
find_group(struct joining *j, struct str base, size_t **slot_r)
{
	size_t *slot = &j->slots[hash_name(base, j->seed) & j->mask];

	*slot_r = slot;
	for (size_t at = *slot; at != NONE; at = j->groups[at].next)
		if (str_ieq(j->groups[at].base, base))
			return &j->groups[at];
	return NULL;
}

static void
add_piece(struct joining *j, size_t i)
{
	struct str base = base_of(j, i);
	size_t *slot;
	struct group *g = find_group(j, base, &slot);

	if (g == NULL) {
		g = &j->groups[j->group_count];
		*g = (struct group){base, i, i, 1, true, false, *slot};
		*slot = j->group_count++;
		return;
	}
	g->ordered = g->ordered && j->pieces[i].number > j->pieces[g->last].number;
	j->pieces[g->last].next = i;
	g->last = i;
	g->count++;
}

/* Returns false if there is no memory. */
static bool
joining_begin(struct joining *j)
{
	size_t n = j->p->n, slots = 16;
	bool *oom = j->p->text.oom;

	while (slots < n)
		slots *= 2;
	random_bytes(&j->seed, sizeof(j->seed));
	j->mask = slots - 1;
	j->slots = mem_try_realloc(NULL, slots * sizeof(*j->slots), oom);
	j->groups = mem_try_realloc(NULL, n * sizeof(*j->groups), oom);
	j->places = mem_try_realloc(NULL, n * sizeof(*j->places), oom);
	if (j->slots == NULL || j->groups == NULL || j->places == NULL)
		return false;
	memset(j->slots, 0xff, slots * sizeof(*j->slots));
	return true;
}

static void
make_groups(struct joining *j)
{
	size_t n = j->p->n;

	for (size_t i = 0; i < n; i++)
		if (j->pieces[i].piece)
			add_piece(j, i);
	for (size_t i = 0; i < n; i++) {
		size_t *slot;
		struct group *g = j->pieces[i].piece ? NULL : find_group(j, j->p->v[i].name, &slot);

		if (g != NULL)
			g->plain = true;
	}
}

/* Orders by number, then by position. */
static int
piece_cmp(const void *a, const void *b, void *arg)
{
	const struct joining *j = arg;
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	if (j->pieces[x].number != j->pieces[y].number)
		return j->pieces[x].number < j->pieces[y].number ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* charset'language'text? */
static bool
has_charset(struct str value)
{
	struct str part;

	return str_split(&value, '\'', &part) && value.p != NULL && str_chr(value, '\'') != NULL;
}

/* For a piece not in the extended form among others that are: escapes its percent signs. */
static void
put_literal(struct str s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '%')
			buf_puts(out, "%25");
		else
			buf_putc(out, s.p[i]);
}

/* at[0..n) are the pieces of one name by number.  Returns whether all are there; drops
 * duplicates. */
static bool
pieces_complete(const struct joining *j, size_t n, bool *extended_r)
{
	uint32_t want = 0;

	*extended_r = false;
	for (size_t i = 0; i < n; i++) {
		const struct piece *piece = &j->pieces[j->places[i]];

		if (i > 0 && piece->number == j->pieces[j->places[i - 1]].number)
			continue;
		if (piece->number != want++)
			return false;
		*extended_r |= piece->extended;
	}
	return true;
}

static void
put_pieces(struct joining *j, size_t n, bool extended, struct buf *joined)
{
	const size_t *at = j->places;
	const struct mail_param *v = j->p->v;

	if (extended && (!j->pieces[at[0]].extended || !has_charset(v[at[0]].value)))
		buf_puts(joined, "''"); /* so that no other piece is mistaken for a charset */
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && j->pieces[at[i]].number == j->pieces[at[i - 1]].number)
			continue;
		if (extended && !j->pieces[at[i]].extended)
			put_literal(v[at[i]].value, joined);
		else
			buf_str(joined, v[at[i]].value);
	}
}

/* Joins the pieces into one, at the place of the first. */
static void
join_pieces(struct joining *j, const struct group *g, bool extended)
{
	struct buf *joined = &j->p->joined;
	struct str base = base_of(j, j->places[0]);
	struct piece *first = &j->pieces[g->first];
	struct mail_param *param = &j->p->v[g->first];

	param->extended = extended;
	if (g->count == 1) { /* it has its final name already, up to its star */
		param->name.n = base.n + extended;
		return;
	}
	first->name = joined->n;
	buf_str(joined, base);
	if (extended)
		buf_putc(joined, '*');
	first->value = joined->n;
	put_pieces(j, g->count, extended, joined);
	param->name.n = base.n + extended;
	param->value.n = joined->n - first->value;
	for (size_t i = 0; i < g->count; i++)
		j->pieces[j->places[i]].gone = j->places[i] != g->first;
	first->joined = true;
}

static void
join_group(struct joining *j, const struct group *g)
{
	size_t n = 0;
	bool extended;

	for (size_t at = g->first; at != NONE; at = j->pieces[at].next)
		j->places[n++] = at;
	if (!g->ordered)
		qsort_r(j->places, n, sizeof(*j->places), piece_cmp, j);
	/* A plain one next to pieces that are not extended: nobody knows which counts. */
	if (pieces_complete(j, n, &extended) && (extended || !g->plain))
		join_pieces(j, g, extended);
}

/* Gives joined texts their final place. */
static void
close_up(struct joining *j)
{
	struct mail_params *p = j->p;
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++) {
		const struct piece *piece = &j->pieces[i];

		if (piece->gone)
			continue;
		if (piece->joined) {
			p->v[i].name.p = p->joined.p + piece->name;
			p->v[i].value.p = p->joined.p + piece->value;
		}
		p->v[n] = p->v[i];
		p->extended |= p->v[n++].extended;
	}
	p->n = n;
}

/* Returns whether one of them is a piece. */
static bool
name_pieces(struct joining *j)
{
	bool any = false;

	for (size_t i = 0; i < j->p->n; i++) {
		name_piece(&j->pieces[i], j->p->v[i].name);
		any |= j->pieces[i].piece;
	}
	return any;
}

/* One pass over all of them, so that thousands cost no more than their bytes. */
static void
join_all(struct mail_params *p)
{
	struct joining j = {.p = p};

	j.pieces = mem_try_realloc(NULL, p->n * sizeof(*j.pieces), p->text.oom);
	if (j.pieces != NULL && name_pieces(&j) && joining_begin(&j)) {
		make_groups(&j);
		for (size_t i = 0; i < j.group_count; i++)
			join_group(&j, &j.groups[i]);
		if (!buf_failed(&p->joined))
			close_up(&j);
	}
	if (buf_failed(&p->joined)) /* some are only half joined */
		p->n = 0;
	mem_free(j.places);
	mem_free(j.groups);
	mem_free(j.slots);
	mem_free(j.pieces);
}

void
mail_params_try_read(struct mail_params *p, struct str value, size_t max, bool *oom)
{
	struct reading r = {0};

	*p = (struct mail_params){
	    .first = STR(""), .cut = value.n > max, .text.oom = oom, .joined.oom = oom};
	if (value.n == 0)
		value = STR("");
	r.p = value.p;
	r.cut = p->cut;
	r.end = value.p + (p->cut ? max : value.n);
	r.to = buf_room(&p->text, (size_t)(r.end - r.p) + 1);
	if (r.to == NULL)
		return;
	take_words(&r, SEMICOLON, ' ');
	p->first = r.p < r.end || !r.cut ? written(&r, p->text.p) : STR("");
	gather_params(&r, p);
	p->text.n = (size_t)(r.to - p->text.p);
	if (r.stars)
		join_all(p);
}

void
mail_params_read(struct mail_params *p, struct str value, size_t max)
{
	mail_params_try_read(p, value, max, NULL);
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
	struct buf bytes = buf_like(out);

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

	mail_params_try_read(&p, value, SIZE_MAX, out->oom);
	found = mail_params_find(&p, name);
	if (found != NULL && found->extended)
		mail_param_value(found, out);
	else if (found != NULL)
		mail_words_decode(found->value, out);
	mail_params_fini(&p);
	return found != NULL;
}
