/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranks: sorts messages by their numbers or texts, then gives equal ones the same rank.  Texts that
 * were cut off and begin alike are first ordered by their hashes; then their summaries are read and
 * compared, a window of their keys at a time, so that memory does not grow with what a sender
 * wrote.  All of it can be interrupted and continued anywhere.
 */
#include "base/mem.h"
#include "store/read/columns_int.h"

#define RUN 16u         /* sorted by insertion */
#define ELEMENTS 16384u /* per piece */

static int
compare_entries(
    const struct store_columns *c, const struct entry_by_head *x, const struct entry_by_head *y)
{
	if (x->head != y->head)
		return x->head < y->head ? -1 : 1;
	return columns_is_text(c->column) ? texts_compare(&c->text[c->column], x->i, y->i) : 0;
}

/* ---- sorting ---- */

static void
sort_run(const struct store_columns *c, struct entry_by_head *a, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct entry_by_head e = a[i];
		size_t j = i;

		for (; j > 0 && compare_entries(c, &e, &a[j - 1]) < 0; j--)
			a[j] = a[j - 1];
		a[j] = e;
	}
}

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Merges the two runs at s->at, by up to max entries.  Returns true when they are merged. */
static bool
merge_some(struct store_columns *c, size_t max)
{
	struct sorting *s = &c->sort;
	size_t mid = least(s->at + s->width, c->count), end = least(mid + s->width, c->count);

	if (!s->merging) {
		s->left = s->out = s->at;
		s->right = mid;
		s->merging = true;
		if (mid >= end || compare_entries(c, &s->a[mid - 1], &s->a[mid]) <= 0) {
			memcpy(s->b + s->at, s->a + s->at, (end - s->at) * sizeof *s->a);
			s->out = end;
		}
	}
	for (; s->out < end && max > 0; max--) {
		bool right =
		    s->left == mid ||
		    (s->right < end && compare_entries(c, &s->a[s->right], &s->a[s->left]) < 0);

		s->b[s->out++] = right ? s->a[s->right++] : s->a[s->left++];
	}
	if (s->out < end)
		return false;
	s->merging = false;
	s->at = end;
	return true;
}

static bool
is_sorted(const struct store_columns *c)
{
	return c->sort.width >= c->count;
}

/* Sorts a piece. */
static void
sort_some(struct store_columns *c)
{
	struct sorting *s = &c->sort;
	struct entry_by_head *a = s->a;
	size_t from = s->at;

	if (s->width == 0) {
		for (; s->at < c->count && s->at - from < ELEMENTS; s->at += RUN)
			sort_run(c, a + s->at, least(RUN, c->count - s->at));
	} else {
		while (s->at < c->count && s->at - from < ELEMENTS && merge_some(c, ELEMENTS))
			continue;
	}
	if (s->at < c->count)
		return;
	if (s->width > 0) {
		s->a = s->b;
		s->b = a;
	}
	s->width = s->width > 0 ? 2 * s->width : RUN;
	s->at = 0;
}

/* Returns the bytes that sorting takes; for texts including their ranks. */
static uint64_t
sort_bytes(const struct store_columns *c)
{
	return c->count * (2 * sizeof(struct entry_by_head) +
	                      (columns_is_text(c->column) ? sizeof(uint32_t) : 0));
}

static bool
begin_sort(struct store_columns *c)
{
	const struct texts *t = columns_is_text(c->column) ? &c->text[c->column] : NULL;

	c->count = t != NULL ? t->n : c->n;
	if (!columns_take(c, sort_bytes(c)))
		return false;
	c->sort = (struct sorting){.a = mem_zalloc((c->count + 1) * sizeof(struct entry_by_head)),
	    .b = mem_zalloc((c->count + 1) * sizeof(struct entry_by_head))};
	for (size_t i = 0; i < c->count; i++)
		c->sort.a[i] = (struct entry_by_head){
		    t != NULL ? t->one[i].head : c->number[c->column][i], (uint32_t)i};
	return true;
}

/* ---- keys that begin alike ---- */

/* Both are cut and equal up to there, but not the same text. */
static bool
alike(const struct texts *t, size_t i, size_t j)
{
	return t->one[i].cut && t->one[j].cut && str_eq(texts_key(t, i), texts_key(t, j));
}

struct window {
	struct store_columns *c;
	struct rep *rep;
	size_t off;
};

static bool
take_window(uint32_t uid, enum ts_err err, struct str bytes, void *arg)
{
	struct window *w = arg;
	struct store_columns *c = w->c;
	struct mail_summary s;
	struct str key = STR("");

	(void)uid;
	if (err == TS_OK && mail_summary_open(bytes, &s) == TS_OK) {
		mail_sort_make(&s, 1u << c->column, &c->source.keys);
		key = mail_sort_key(&c->source.keys, (enum mail_sort)c->column);
	}
	w->rep->len = key.n > w->off ? (uint16_t)least(key.n - w->off, WINDOW) : 0;
	w->rep->more = key.n > w->off + WINDOW;
	if (w->rep->len > 0)
		memcpy(w->rep->bytes, key.p + w->off, w->rep->len);
	return true;
}

static int
compare_reps(const void *a, const void *b)
{
	const struct rep *x = a, *y = b;
	int d = memcmp(x->bytes, y->bytes, least(x->len, y->len));

	if (d != 0)
		return d;
	return x->len != y->len ? x->len - y->len : x->more - y->more;
}

/* Takes the next texts that begin alike, up to end.  Returns false if there is no room. */
static bool
begin_reps(struct store_columns *c, size_t end)
{
	struct resolving *z = &c->resolve;
	size_t n = end - z->at;

	if (!columns_take(c, n * (sizeof *z->rep + sizeof *z->stack)))
		return false;
	z->rep = mem_zalloc(n * sizeof *z->rep);
	z->stack = mem_zalloc(n * sizeof *z->stack);
	for (z->reps = 0; z->reps < n; z->reps++)
		z->rep[z->reps].first = (uint32_t)(z->at + z->reps);
	z->stack[z->depth++] = (struct range){0, z->reps, COMPACT_CUT};
	z->filled = 0;
	return true;
}

/* Returns where the texts that begin like the one at `from` end. */
static size_t
alike_until(const struct store_columns *c, size_t from)
{
	const struct entry_by_head *a = c->sort.a;
	size_t end = from + 1;

	while (end < c->count && alike(&c->text[c->column], a[from].i, a[end].i))
		end++;
	return end;
}

/* After sorting by a window: pushes the ranges that are still alike, to be read further. */
static void
push_alike(struct resolving *z, struct range r)
{
	for (size_t i = r.from, j; i < r.end; i = j) {
		for (j = i + 1; j < r.end && compare_reps(&z->rep[i], &z->rep[j]) == 0;)
			j++;
		if (j - i > 1 && z->rep[i].more)
			z->stack[z->depth++] = (struct range){i, j, r.off + WINDOW};
	}
}

/* Stores the final order. */
static void
put_in_order(struct store_columns *c)
{
	struct resolving *z = &c->resolve;
	struct entry_by_head *a = c->sort.a, *b = c->sort.b;
	size_t at = z->at;

	for (size_t i = 0; i < z->reps; i++)
		b[at++] = a[z->rep[i].first];
	memcpy(a + z->at, b + z->at, (at - z->at) * sizeof *a);
	columns_give(c, z->reps * (sizeof *z->rep + sizeof *z->stack));
	mem_free(z->rep);
	mem_free(z->stack);
	*z = (struct resolving){.at = at};
}

/* Reads one window of one key, and acts on it. */
static void
resolve_one(struct store_columns *c)
{
	struct resolving *z = &c->resolve;
	struct range r = z->stack[z->depth - 1];
	struct window w = {c, &z->rep[r.from + z->filled], r.off};
	const struct text *text = &c->text[c->column].one[c->sort.a[w.rep->first].i];

	store_read_summaries(c->mailbox, &c->uid[text->message], 1, take_window, &w);
	if (++z->filled < r.end - r.from)
		return;
	qsort(z->rep + r.from, r.end - r.from, sizeof *z->rep, compare_reps);
	z->depth--;
	z->filled = 0;
	push_alike(z, r);
	if (z->depth == 0)
		put_in_order(c);
}

static enum store_columns_state
resolve(struct store_columns *c)
{
	struct resolving *z = &c->resolve;
	size_t looked = 0;

	while (z->at < c->count) {
		if (z->rep != NULL) {
			resolve_one(c);
		} else {
			size_t end = alike_until(c, z->at);

			if (end - z->at > 1 && !begin_reps(c, end))
				return STORE_COLUMNS_ROOM;
			z->at = end - z->at > 1 ? z->at : end;
		}
		if (++looked % 64 == 0 && columns_enough(c))
			return STORE_COLUMNS_AGAIN;
	}
	return STORE_COLUMNS_DONE;
}

/* ---- ranks ---- */

/* Turns the sorted order into ranks. */
static void
put_order(const struct store_columns *c, uint32_t *rank)
{
	const struct entry_by_head *a = c->sort.a;
	uint32_t last = 0;

	for (size_t i = 0; i < c->count; i++) {
		if (i > 0 && compare_entries(c, &a[i - 1], &a[i]) != 0)
			last++;
		rank[a[i].i] = last;
	}
}

static void
put_ranks(struct store_columns *c)
{
	uint32_t *rank = c->rank[c->column], *of_text;

	if (!columns_is_text(c->column)) {
		put_order(c, rank);
		return;
	}
	of_text = mem_zalloc((c->count + 1) * sizeof *of_text);
	put_order(c, of_text);
	for (size_t i = 0; i < c->n; i++)
		rank[i] = of_text[rank[i]];
	mem_free(of_text);
}

static void
end_column(struct store_columns *c)
{
	put_ranks(c);
	columns_give(c, sort_bytes(c));
	columns_rank_fini(c);
	if (columns_is_text(c->column))
		texts_fini(&c->text[c->column]);
	else
		columns_give(c, c->n * sizeof(uint64_t));
	mem_free(c->number[c->column]);
	c->number[c->column] = NULL;
}

void
columns_rank_fini(struct store_columns *c)
{
	mem_free(c->sort.a);
	mem_free(c->sort.b);
	mem_free(c->resolve.rep);
	mem_free(c->resolve.stack);
	c->sort = (struct sorting){.a = NULL};
	c->resolve = (struct resolving){.at = 0};
}

static enum store_columns_state
rank_column(struct store_columns *c)
{
	enum store_columns_state state = STORE_COLUMNS_DONE;

	if (c->sort.a == NULL && !begin_sort(c))
		return STORE_COLUMNS_ROOM;
	while (!is_sorted(c)) {
		sort_some(c);
		if (columns_enough(c))
			return STORE_COLUMNS_AGAIN;
	}
	if (columns_is_text(c->column))
		state = resolve(c);
	if (state == STORE_COLUMNS_DONE)
		end_column(c);
	return state;
}

enum store_columns_state
columns_rank(struct store_columns *c)
{
	for (; c->column < STORE_COLUMNS; c->column++) {
		enum store_columns_state state =
		    c->rank[c->column] != NULL ? rank_column(c) : STORE_COLUMNS_DONE;

		if (state != STORE_COLUMNS_DONE)
			return state;
	}
	return STORE_COLUMNS_DONE;
}
