/* SPDX-License-Identifier: Apache-2.0 */
/* LIST patterns: see match.h. */
#include "store/match.h"

#define WORD_BITS 64
#define MOST_WORDS (STORE_PATTERN_MAX / WORD_BITS + 1)

static const struct str inbox = {"INBOX", 5};

static bool
is_wild(char c)
{
	return (c == '*') | (c == '%'); /* without a branch: there may be very many calls */
}

/* Adds a run of wildcards from i on, perhaps after another one; returns its end. */
static size_t
add_wild(struct store_pattern_text *text, struct str more, size_t i)
{
	unsigned stars = 0;

	for (; i < more.n && is_wild(more.p[i]); i++)
		stars |= more.p[i] == '*';
	if (text->n == 0 || !is_wild(text->p[text->n - 1]))
		text->p[text->n++] = '%';
	if (stars != 0)
		text->p[text->n - 1] = '*';
	return i;
}

void
store_pattern_add(struct store_pattern_text *text, struct str more)
{
	for (size_t i = 0; i < more.n && !text->never;) {
		char c = more.p[i];

		if (is_wild(c)) {
			i = add_wild(text, more, i);
			continue;
		}
		i++;
		if (++text->literal > STORE_NAME_MAX)
			text->never = true;
		else
			text->p[text->n++] = c;
	}
}

void
store_pattern_inbox(struct str text, char *copy)
{
	size_t n = text.n < inbox.n ? text.n : inbox.n;

	memcpy(copy, text.p, text.n);
	if (str_ieq((struct str){text.p, n}, (struct str){inbox.p, n}))
		memcpy(copy, inbox.p, n);
}

static bool
is_inbox(struct str name)
{
	return str_has_iprefix(name, inbox) && (name.n == inbox.n || name.p[inbox.n] == '/');
}

static void
set_bit(uint64_t *row, size_t at)
{
	row[at / WORD_BITS] |= (uint64_t)1 << (at % WORD_BITS);
}

static void
make_rows(struct store_pattern *p, struct arena *a)
{
	char *bytes = arena_zalloc(a, p->literal < 256 ? p->literal : 256);
	uint64_t *rows, *any, *wild;

	p->bytes.p = bytes;
	for (size_t i = 0; i < p->text.n; i++)
		if (!is_wild(p->text.p[i]) && str_chr(p->bytes, p->text.p[i]) == NULL)
			bytes[p->bytes.n++] = p->text.p[i];
	p->words = p->text.n / WORD_BITS + 1;
	rows = arena_array(a, (p->bytes.n + 2) * p->words, sizeof(*rows));
	any = rows + p->bytes.n * p->words;
	wild = any + p->words;
	for (size_t i = 0; i < p->text.n; i++) {
		char c = p->text.p[i];

		if (is_wild(c))
			set_bit(wild, i);
		else
			set_bit(rows + (size_t)(str_chr(p->bytes, c) - bytes) * p->words, i);
		if (c == '*')
			set_bit(any, i);
	}
	p->rows = rows;
	p->any = any;
	p->wild = wild;
}

bool
store_pattern_make(
    const struct store_pattern_text *text, struct arena *arena, struct store_pattern *p)
{
	char *copy;
	size_t fixed = 0;

	*p = (struct store_pattern){.literal = text->literal};
	if (text->never || text->n == 0)
		return false;
	copy = arena_zalloc(arena, text->n);
	memcpy(copy, text->p, text->n);
	p->text = (struct str){copy, text->n};
	while (fixed < text->n && !is_wild(copy[fixed]))
		fixed++;
	p->fixed = (struct str){copy, fixed};
	p->exact = fixed == text->n;
	if (!p->exact)
		make_rows(p, arena);
	else if (is_inbox(p->text))
		store_pattern_inbox((struct str){text->p, text->n}, copy);
	return true;
}

/* The places where byte c may be consumed; fold: ignoring case. */
struct taken {
	const uint64_t *row[2];
};

static struct taken
taken(const struct store_pattern *p, char c, bool fold)
{
	static const uint64_t none[MOST_WORDS];
	char cases[2] = {c, c};
	struct taken t = {{none, none}};

	if (fold)
		cases[1] = (char)ascii_lower((unsigned char)c);
	for (size_t i = 0; i < 2; i++) {
		const char *at = str_chr(p->bytes, cases[i]);

		if (at != NULL)
			t.row[i] = p->rows + (size_t)(at - p->bytes.p) * p->words;
	}
	return t;
}

/* Moves from the places before a byte to those after it.  Returns false if there are none. */
static bool
places_behind(const struct store_pattern *p, uint64_t *at, const struct taken *t, char c)
{
	const uint64_t *stay = c == '/' ? p->any : p->wild;
	uint64_t carry = 0, over = 0, all = 0;

	for (size_t w = 0; w < p->words; w++) {
		uint64_t took = at[w] & (t->row[0][w] | t->row[1][w]);
		uint64_t next = took << 1 | carry | over | (at[w] & stay[w]);
		uint64_t wild = next & p->wild[w];

		carry = took >> (WORD_BITS - 1);
		/* A wildcard may be skipped at once; it is never followed by another. */
		over = wild >> (WORD_BITS - 1);
		at[w] = next | wild << 1;
		all |= at[w];
	}
	return all != 0;
}

bool
store_pattern_match(const struct store_pattern *p, struct str name, uint64_t *steps)
{
	bool fold = is_inbox(name) && str_has_prefix(name, inbox);
	uint64_t at[MOST_WORDS] = {0};

	if (p->exact)
		return str_eq(p->text, name);
	if (name.n < p->literal)
		return false;
	at[0] = 1 | (p->wild[0] & 1) << 1;
	for (size_t i = 0; i < name.n; i++) {
		struct taken t = taken(p, name.p[i], fold && i < inbox.n);

		if (steps != NULL)
			*steps += p->words;
		if (!places_behind(p, at, &t, name.p[i]))
			return false;
	}
	return (at[p->text.n / WORD_BITS] >> p->text.n % WORD_BITS & 1) != 0;
}

bool
store_match(struct str pattern, struct str name)
{
	struct store_pattern_text text = {.n = 0};
	struct arena *a = arena_new(NULL, ARENA_OTHER, 512);
	struct store_pattern p;
	bool matches;

	store_pattern_add(&text, pattern);
	matches = store_pattern_make(&text, a, &p) && store_pattern_match(&p, name, NULL);
	arena_free(&a);
	return matches;
}
