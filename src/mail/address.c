/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address lists: see address.h.  Every byte of the value is written at most
 * once to the list's text, whose room is reserved beforehand, so addresses can
 * point into it while it grows.
 */
#include "mail/address.h"

#include "base/err.h"
#include "base/mem.h"
#include "mail/text/lex.h"
#include "mail/text/text.h"

struct parse {
	const char *p, *end;
	struct mail_addresses *list;
	bool in_group;
	/* The address being read.  Its words are in list->text from `words` on. */
	size_t words;
	size_t last; /* start of the last word without a dot before it */
	bool any;    /* there has been a word, even an empty one */
	bool gap;    /* blanks or a comment after the last token */
	bool dot;    /* the last token was a dot */
	bool whole;  /* route, mailbox, host are known */
	bool angled; /* from angle brackets */
	/* Words after a complete address, from there on; they belong to the next one if a comma is
	 * missing, or to nobody. */
	size_t behind;
	struct str comment, name, route, mailbox, host;
};

static void
append_char(struct parse *a, char c)
{
	struct buf *t = &a->list->text;

	TS_ASSERT(t->n < t->cap);
	if (c != '\0')
		t->p[t->n++] = c;
}

/* Puts the byte at p as it appears in the text of a field. */
static void
put_at(struct parse *a, const char *p)
{
	append_char(a, lex_unfolded(p, a->end));
}

static struct str
text_from(const struct parse *a, size_t from)
{
	return (struct str){a->list->text.p + from, a->list->text.n - from};
}

static void
skip_gap(struct parse *a)
{
	if (lex_skip_cfws(&a->p, a->end, &a->comment))
		a->gap = true;
}

static void
begin_address(struct parse *a)
{
	a->words = a->last = a->list->text.n;
	a->any = a->gap = a->dot = a->whole = a->angled = false;
	a->comment = a->name = a->route = a->mailbox = a->host = STR_NONE;
}

/* Makes room for the texts of a value of n bytes, and moves pointers into the text.  Returns false
 * if there is no memory. */
static bool
reserve(struct mail_addresses *l, size_t n)
{
	const char *old = l->text.p;

	if (buf_room(&l->text, n) == NULL)
		return false;
	if (old == NULL || old == l->text.p)
		return true;
	for (size_t i = 0; i < l->n; i++) {
		struct str *s[] = {&l->v[i].name, &l->v[i].route, &l->v[i].mailbox, &l->v[i].host};

		for (size_t k = 0; k < 4; k++)
			if (s[k]->p != NULL && s[k]->n > 0)
				s[k]->p = l->text.p + ((uintptr_t)s[k]->p - (uintptr_t)old);
	}
	return true;
}

static bool
more_addresses(struct mail_addresses *l)
{
	size_t cap = l->cap > 0 ? l->cap * 2 : 4;
	struct mail_address *v = mem_try_realloc(l->v, cap * sizeof(*v), l->text.oom);

	if (v == NULL)
		return false;
	l->v = v;
	l->cap = cap;
	return true;
}

static void
add_address(struct parse *a, enum mail_address_kind kind)
{
	struct mail_addresses *l = a->list;
	struct mail_address *to;

	if (l->n == l->cap && !more_addresses(l))
		return;
	to = &l->v[l->n++];
	*to = (struct mail_address){.kind = kind, .mailbox = STR(""), .host = STR("")};
	if (kind == MAIL_ADDRESS_END)
		return;
	if (a->name.n > 0)
		to->name = a->name;
	if (a->route.n > 0)
		to->route = a->route;
	if (a->mailbox.n > 0)
		to->mailbox = a->mailbox;
	if (a->host.n > 0)
		to->host = a->host;
}

/* A comment serves as the name of an address that has no other: "a@b (Name)". */
static void
name_from_comment(struct parse *a)
{
	size_t from = a->list->text.n;
	struct str c = a->comment;

	if (c.n == 0)
		return;
	append_char(a, ' '); /* for its parenthesis */
	for (size_t i = 0; i < c.n; i++) {
		if (c.p[i] == '\\' && i + 1 < c.n)
			i++;
		put_at(a, c.p + i);
	}
	a->name = str_trim(text_from(a, from));
}

/* Ends the address, at a comma, a semicolon, or the end. */
static void
end_address(struct parse *a)
{
	if (!a->whole && a->any) { /* no @: a mailbox without a host */
		a->list->broken = true;
		a->mailbox = text_from(a, a->words);
		a->whole = true;
	}
	if (a->whole) {
		if (a->name.n == 0)
			name_from_comment(a);
		add_address(a, MAIL_ADDRESS_MAILBOX);
	}
	begin_address(a);
}

/*
 * A second address follows a complete one: a comma is missing.  The words between them belong to
 * the second one, and so does a comment after these.
 */
static void
next_address(struct parse *a)
{
	struct parse second = *a;

	second.any = a->list->text.n > a->behind;
	if (second.any)
		a->comment = STR_NONE;
	else
		second.comment = STR_NONE;
	end_address(a);
	a->list->broken = true;
	if (!second.any)
		return;
	a->words = second.behind;
	a->last = second.last;
	a->any = true;
	a->gap = second.gap;
	a->dot = second.dot;
	a->comment = second.comment;
}

/* Before a word: puts what separates it from the previous one. */
static void
begin_word(struct parse *a)
{
	/* After a complete address: a comment of its own is its name, what comes now is not. */
	if (a->whole && a->list->text.n == a->behind) {
		a->list->broken = true;
		if (a->name.n == 0)
			name_from_comment(a);
		a->comment = STR_NONE;
		a->behind = a->last = a->list->text.n;
	}
	if (a->gap && a->any)
		append_char(a, ' ');
	if (!a->any || (a->gap && !a->dot))
		a->last = a->list->text.n;
	a->any = true;
	a->gap = a->dot = false;
}

static void
take_quoted_word(struct parse *a)
{
	begin_word(a);
	for (a->p++; a->p < a->end && *a->p != '"'; a->p++) {
		if (*a->p == '\\' && a->p + 1 < a->end)
			a->p++;
		put_at(a, a->p);
	}
	if (a->p < a->end)
		a->p++;
	else
		a->list->broken = true;
}

static bool
special(char c)
{
	return lex_blank(c) || c == '(' || c == ')' || c == '<' || c == '>' || c == ',' ||
	       c == ';' || c == ':' || c == '@' || c == '"' || c == '.';
}

static void
take_atom(struct parse *a)
{
	begin_word(a);
	do
		append_char(a, *a->p++);
	while (a->p < a->end && !special(*a->p));
}

static void
take_dot(struct parse *a)
{
	a->gap = false; /* "J . Doe" is "J. Doe" */
	a->any = a->dot = true;
	append_char(a, '.');
	a->p++;
}

/* Takes what follows the @, leaving out blanks and comments around its dots. */
static struct str
take_domain(struct parse *a)
{
	size_t from = a->list->text.n;
	bool joined = true;

	for (;;) {
		skip_gap(a);
		if (a->p >= a->end || (special(*a->p) && *a->p != '.'))
			break;
		if (*a->p == '[') { /* a domain literal, with its brackets */
			for (; a->p < a->end && *a->p != ']' && *a->p != '>' && *a->p != ',';
			     a->p++)
				put_at(a, a->p);
			if (a->p < a->end && *a->p == ']')
				append_char(a, *a->p++);
			break;
		}
		if (!joined && *a->p != '.')
			break;
		do
			append_char(a, *a->p++);
		while (a->p < a->end && !special(*a->p));
		joined = a->p[-1] == '.'; /* RFC 5322 section 4.4: blanks around dots only */
	}
	if (a->list->text.n == from)
		a->list->broken = true;
	return text_from(a, from);
}

/* "foo.bar @ host" without angle brackets; a->p is after the @. */
static void
take_bare(struct parse *a)
{
	struct buf *t = &a->list->text;
	size_t to = a->last;

	/* "john . doe@host" (RFC 5322 obs-local-part): no blanks after dots. */
	for (size_t i = a->last; i < t->n; i++)
		if (t->p[i] != ' ' || i == a->last || t->p[i - 1] != '.')
			t->p[to++] = t->p[i];
	t->n = to;
	if (!a->any)
		a->last = t->n;
	a->list->broken |= !a->any || a->last > a->words;
	a->mailbox = text_from(a, a->last);
	a->name = str_trim((struct str){t->p + a->words, a->last - a->words});
	append_char(a, '@');
	a->host = take_domain(a);
	a->any = a->whole = true;
	a->behind = a->last = t->n;
	a->gap = a->dot = false;
}

/* "@one,@two:" in front of an angle address (RFC 5322 obs-route). */
static void
take_route(struct parse *a)
{
	size_t from = a->list->text.n;

	while (a->p < a->end && *a->p != ':' && *a->p != '>') {
		skip_gap(a);
		if (a->p < a->end && *a->p != ':' && *a->p != '>')
			append_char(a, *a->p++);
	}
	if (a->p < a->end && *a->p == ':') {
		a->p++;
		a->route = text_from(a, from);
		return;
	}
	/* "<@host>": no mailbox. */
	a->list->broken = true;
	a->host = text_from(a, from);
	if (a->host.n > 0)
		a->host = (struct str){a->host.p + 1, a->host.n - 1};
}

static void
take_local_part(struct parse *a)
{
	size_t from = a->list->text.n;

	for (;;) {
		skip_gap(a);
		if (a->p >= a->end || *a->p == '@' || *a->p == '>' || *a->p == ',')
			break;
		if (*a->p == '"') {
			a->any = a->gap = false; /* no space before it */
			take_quoted_word(a);
		} else {
			append_char(a, *a->p++);
		}
	}
	a->mailbox = text_from(a, from);
}

static void
take_angle(struct parse *a)
{
	size_t words = a->words;

	a->name = a->any ? str_trim(text_from(a, words)) : STR_NONE;
	a->route = a->mailbox = a->host = STR_NONE;
	for (a->p++, skip_gap(a); a->p < a->end && *a->p == '<'; skip_gap(a)) {
		a->list->broken = true;
		a->p++;
	}
	if (a->p < a->end && *a->p == '@')
		take_route(a);
	if (a->host.p == NULL)
		take_local_part(a);
	if (a->p < a->end && *a->p == '@') {
		a->p++;
		a->host = take_domain(a);
	}
	while (a->p < a->end && *a->p != '>' && *a->p != ',' && *a->p != '<') {
		a->list->broken = true;
		a->p++;
	}
	if (a->p < a->end && *a->p == '>')
		a->p++;
	else
		a->list->broken = true;
	a->any = a->whole = a->angled = true;
	a->behind = a->last = a->list->text.n;
	a->gap = a->dot = false;
}

/* Handles an @ that is not the first one of its address. */
static void
take_second_at(struct parse *a)
{
	if (a->list->text.n > a->behind) { /* the word before it is another mailbox */
		next_address(a);
		take_bare(a);
		return;
	}
	a->list->broken = true; /* "a@b@c": no other host */
	(void)take_domain(a);
	a->list->text.n = a->behind;
}

static void
take_colon(struct parse *a)
{
	a->p++;
	if (a->in_group || !a->any || a->whole) {
		a->list->broken = true;
		if (!a->whole) /* a group inside a group: drop its name */
			begin_address(a);
		return;
	}
	a->mailbox = text_from(a, a->words);
	add_address(a, MAIL_ADDRESS_GROUP);
	a->in_group = true;
	begin_address(a);
}

static void
take_token(struct parse *a)
{
	switch (*a->p) {
	case ',':
		a->p++;
		end_address(a);
		break;
	case ';':
		a->p++;
		end_address(a);
		a->list->broken |= !a->in_group;
		if (a->in_group)
			add_address(a, MAIL_ADDRESS_END);
		a->in_group = false;
		break;
	case ':':
		take_colon(a);
		break;
	case '<':
		if (a->angled)
			next_address(a);
		take_angle(a);
		break;
	case '@':
		a->p++;
		if (!a->whole)
			take_bare(a);
		else
			take_second_at(a);
		break;
	case '"':
		take_quoted_word(a);
		break;
	case '.':
		take_dot(a);
		break;
	case '>':
	case ')':
		a->list->broken = true;
		a->p++;
		break;
	default:
		take_atom(a);
	}
}

void
mail_parse_addresses(struct str value, size_t max, size_t max_bytes, struct mail_addresses *list)
{
	size_t room = max_bytes > list->bytes ? max_bytes - list->bytes : 0;
	size_t n = value.n < room ? value.n : room;
	struct parse a = {.p = value.p, .end = value.p + n, .list = list};
	bool cut = n < value.n;

	list->bytes += n;
	list->cut |= cut;
	if (n == 0 || !reserve(list, n * 2 + 16))
		return;
	begin_address(&a);
	for (;;) {
		skip_gap(&a);
		if (a.p >= a.end)
			break;
		if (list->n >= max) {
			cut = true;
			break;
		}
		take_token(&a);
	}
	if (list->n >= max && (a.any || a.whole))
		cut = true;
	if (cut) /* what is being read may be incomplete */
		begin_address(&a);
	list->cut |= cut;
	end_address(&a);
	if (a.in_group)
		add_address(&a, MAIL_ADDRESS_END);
}

void
mail_addresses_fini(struct mail_addresses *list)
{
	mem_free(list->v);
	buf_fini(&list->text);
	*list = (struct mail_addresses){0};
}

/* `name <@one,@two:mailbox@host>`, with angle brackets where needed. */
static void
address_text(const struct mail_address *a, struct buf *out)
{
	bool angle = a->name.n > 0 || a->route.n > 0;

	if (a->name.n > 0) {
		mail_words_decode(a->name, out);
		buf_putc(out, ' ');
	}
	if (angle)
		buf_putc(out, '<');
	if (a->route.n > 0) {
		mail_words_decode(a->route, out);
		buf_putc(out, ':');
	}
	mail_words_decode(a->mailbox, out);
	if (a->host.n > 0) {
		buf_putc(out, '@');
		mail_words_decode(a->host, out);
	}
	if (angle)
		buf_putc(out, '>');
}

void
mail_addresses_text_one(const struct mail_addresses *list, size_t i, struct buf *out)
{
	const struct mail_address *a = &list->v[i];

	if (a->kind == MAIL_ADDRESS_END) {
		buf_putc(out, ';');
		return;
	}
	if (i > 0 && list->v[i - 1].kind != MAIL_ADDRESS_GROUP)
		buf_puts(out, ", ");
	if (a->kind == MAIL_ADDRESS_GROUP) {
		mail_words_decode(a->mailbox, out);
		buf_puts(out, ": ");
	} else {
		address_text(a, out);
	}
}

void
mail_addresses_text(const struct mail_addresses *list, struct buf *out)
{
	for (size_t i = 0; i < list->n; i++)
		mail_addresses_text_one(list, i, out);
}
