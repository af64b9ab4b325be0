/* SPDX-License-Identifier: Apache-2.0 */
#include "words.h"

#include "base/mem.h"

#define SET_MAX 100000u

struct words
words_of(struct str s)
{
	if (s.n == 0) /* the pointer may be NULL */
		s.p = "";
	return (struct words){.p = s.p, .end = s.p + s.n};
}

static struct str
left(const struct words *w)
{
	return str_range(w->p, w->end);
}

bool
words_skip(struct words *w, const char *text)
{
	if (!str_has_iprefix(left(w), str_of(text)))
		return false;
	w->p += strlen(text);
	return true;
}

static uint64_t
number_to(struct words *w, uint64_t max)
{
	const char *from = w->p;
	uint64_t n = 0;

	while (w->p < w->end && *w->p >= '0' && *w->p <= '9')
		w->p++;
	if (!str_u64(str_range(from, w->p), max, &n))
		w->bad = true;
	return n;
}

uint32_t
words_number(struct words *w)
{
	return (uint32_t)number_to(w, UINT32_MAX);
}

uint64_t
words_number64(struct words *w)
{
	return number_to(w, INT64_MAX);
}

struct str
words_atom(struct words *w)
{
	const char *from = w->p;
	unsigned depth = 0;

	for (; w->p < w->end; w->p++) {
		if (*w->p == '[')
			depth++;
		else if (*w->p == ']' && depth > 0)
			depth--;
		else if (depth == 0 && (*w->p == ' ' || *w->p == '(' || *w->p == ')'))
			break;
	}
	if (w->p == from)
		w->bad = true;
	return str_range(from, w->p);
}

static struct str
quoted(struct words *w)
{
	const char *from = ++w->p;

	while (w->p < w->end && *w->p != '"')
		w->p += *w->p == '\\' ? 2 : 1;
	if (w->p >= w->end) {
		w->bad = true;
		w->p = w->end;
		return STR_NONE;
	}
	w->p++;
	return str_range(from, w->p - 1);
}

static struct str
literal(struct words *w)
{
	uint32_t n;

	(void)(words_skip(w, "~{") || words_skip(w, "{"));
	n = words_number(w);
	if (w->bad || !words_skip(w, "}\r\n") || (size_t)(w->end - w->p) < n) {
		w->bad = true;
		return STR_NONE;
	}
	w->p += n;
	return str_range(w->p - n, w->p);
}

struct str
words_string(struct words *w)
{
	if (w->p < w->end && *w->p == '"')
		return quoted(w);
	if (w->p < w->end && (*w->p == '{' || *w->p == '~'))
		return literal(w);
	if (!words_skip(w, "NIL"))
		w->bad = true;
	return STR_NONE;
}

static struct str
list(struct words *w)
{
	const char *from = w->p;
	unsigned depth = 0;

	do {
		char c = w->p < w->end ? *w->p : '\0';

		if (c == '"' || c == '{' || c == '~') {
			(void)words_string(w);
			continue;
		}
		depth += c == '(' ? 1u : 0;
		depth -= c == ')' ? 1u : 0;
		w->bad = w->bad || c == '\0';
		w->p++;
	} while (depth > 0 && !w->bad);
	return w->bad ? STR_NONE : str_range(from, w->p);
}

struct str
words_value(struct words *w)
{
	char c = w->p < w->end ? *w->p : '\0';

	if (c == '(')
		return list(w);
	return c == '"' || c == '{' || c == '~' ? words_string(w) : words_atom(w);
}

/* The literal that a line announces at its end, if any. */
static bool
announced(struct str line, uint64_t *n_r)
{
	const char *open = line.p + line.n;

	if (line.n < 3 || line.p[line.n - 1] != '}')
		return false;
	while (open > line.p && *open != '{')
		open--;
	return *open == '{' && str_u64(str_range(open + 1, line.p + line.n - 1), UINT32_MAX, n_r);
}

size_t
words_response(struct str bytes)
{
	size_t at = 0;
	uint64_t n;

	for (;;) {
		struct str rest = {bytes.p + at, bytes.n - at};
		const char *nl = rest.n > 0 ? str_find(rest, STR("\r\n")) : NULL;

		if (nl == NULL)
			return 0;
		at = (size_t)(nl + 2 - bytes.p);
		if (!announced(str_range(rest.p, nl), &n))
			return at;
		if (bytes.n - at < n)
			return 0;
		at += n;
	}
}

void
numbers_add(struct numbers *to, uint32_t n)
{
	if (to->n == to->cap) {
		to->cap = to->cap > 0 ? 2 * to->cap : 8;
		to->v = mem_realloc(to->v, to->cap * sizeof(*to->v));
	}
	to->v[to->n++] = n;
}

void
numbers_fini(struct numbers *numbers)
{
	mem_free(numbers->v);
	*numbers = (struct numbers){0};
}

bool
numbers_has(const struct numbers *numbers, uint32_t n)
{
	for (size_t i = 0; i < numbers->n; i++)
		if (numbers->v[i] == n)
			return true;
	return false;
}

bool
numbers_read(struct numbers *to, struct str set)
{
	struct words w = words_of(set);

	do {
		uint32_t from = words_number(&w), upto = from;

		if (words_skip(&w, ":"))
			upto = words_number(&w);
		if (w.bad || upto < from || to->n + (upto - from) > SET_MAX)
			return false;
		for (uint64_t n = from; n <= upto; n++)
			numbers_add(to, (uint32_t)n);
	} while (words_skip(&w, ","));
	return w.p == w.end;
}

void
numbers_print(const struct numbers *numbers, struct buf *out)
{
	for (size_t i = 0, next; i < numbers->n; i = next) {
		next = i + 1;
		while (next < numbers->n && numbers->v[next] == numbers->v[next - 1] + 1)
			next++;
		buf_printf(out, "%s%u", i > 0 ? "," : "", numbers->v[i]);
		if (next > i + 1)
			buf_printf(out, ":%u", numbers->v[next - 1]);
	}
}
