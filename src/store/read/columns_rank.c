/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranks: the messages are sorted by their cells, then equal ones get one number.  Keys that were
 * cut off, begin alike and are not the same are first put in order by their hashes; then their
 * summaries are read and they are compared, a window of their keys at a time, so that memory does
 * not grow with what a sender wrote.  All of it stops and goes on anywhere.
 */
#include "base/mem.h"
#include "store/read/columns_int.h"

#define RUN 16u         /* sorted by insertion */
#define ELEMENTS 16384u /* of a piece */

struct str
columns_text(const struct store_columns *c, enum store_column column, size_t i)
{
	const struct cell *cell = &c->cell[column][i];

	return cell->len > 8 ? (struct str){c->pool[column].p + cell->off, cell->len} : STR("");
}

static uint64_t
hash_of(const struct store_columns *c, size_t i)
{
	const struct cell *cell = &c->cell[c->column][i];
	uint64_t hash;

	memcpy(&hash, c->pool[c->column].p + cell->off + cell->len, 8);
	return hash;
}

/* Of two with one and the same head: what their rows say. */
static int
compare_rest(const struct store_columns *c, size_t i, size_t j)
{
	const struct cell *x = &c->cell[c->column][i], *y = &c->cell[c->column][j];
	size_t n = x->len < y->len ? x->len : y->len;
	int d = 0;

	if (c->column >= STORE_COLUMN_DATE)
		return 0;
	if (n > 8)
		d = memcmp(columns_text(c, c->column, i).p + 8, columns_text(c, c->column, j).p + 8,
		    n - 8);
	if (d != 0)
		return d;
	if (x->len != y->len || x->cut != y->cut)
		return x->len != y->len ? x->len - y->len : x->cut - y->cut;
	if (!x->cut)
		return 0;
	return hash_of(c, i) < hash_of(c, j) ? -1 : hash_of(c, i) > hash_of(c, j);
}

static int
compare(const struct store_columns *c, const struct entry_by_head *x, const struct entry_by_head *y)
{
	if (x->head != y->head)
		return x->head < y->head ? -1 : 1;
	return compare_rest(c, x->i, y->i);
}

/* ---- sorting ---- */

static void
sort_run(const struct store_columns *c, struct entry_by_head *a, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct entry_by_head e = a[i];
		size_t j = i;

		for (; j > 0 && compare(c, &e, &a[j - 1]) < 0; j--)
			a[j] = a[j - 1];
		a[j] = e;
	}
}

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Merges the two runs at s->at, up to max entries more; true: they are merged. */
static bool
merge_some(struct store_columns *c, size_t max)
{
	struct sorting *s = &c->sort;
	size_t mid = least(s->at + s->width, c->n), end = least(mid + s->width, c->n);

	if (!s->merging) {
		s->left = s->out = s->at;
		s->right = mid;
		s->merging = true;
		if (mid >= end || compare(c, &s->a[mid - 1], &s->a[mid]) <= 0) {
			memcpy(s->b + s->at, s->a + s->at, (end - s->at) * sizeof *s->a);
			s->out = end;
		}
	}
	for (; s->out < end && max > 0; max--) {
		bool right = s->left == mid ||
		             (s->right < end && compare(c, &s->a[s->right], &s->a[s->left]) < 0);

		s->b[s->out++] = right ? s->a[s->right++] : s->a[s->left++];
	}
	if (s->out < end)
		return false;
	s->merging = false;
	s->at = end;
	return true;
}

/* A piece of it; true: they are sorted. */
static bool
sort_some(struct store_columns *c)
{
	struct sorting *s = &c->sort;
	struct entry_by_head *a = s->a;
	size_t from = s->at;

	if (s->width == 0) {
		for (; s->at < c->n && s->at - from < ELEMENTS; s->at += RUN)
			sort_run(c, a + s->at, least(RUN, c->n - s->at));
	} else {
		while (s->at < c->n && s->at - from < ELEMENTS && merge_some(c, ELEMENTS))
			continue;
	}
	if (s->at < c->n)
		return false;
	if (s->width > 0) {
		s->a = s->b;
		s->b = a;
	}
	s->width = s->width > 0 ? 2 * s->width : RUN;
	s->at = 0;
	return s->width >= c->n;
}

static bool
begin_sort(struct store_columns *c)
{
	uint64_t bytes = c->n * (2 * sizeof(struct entry_by_head) + sizeof(uint32_t));

	if (!columns_room(c, bytes))
		return false;
	columns_take(c, bytes);
	c->sort = (struct sorting){.a = mem_zalloc((c->n + 1) * sizeof(struct entry_by_head)),
	    .b = mem_zalloc((c->n + 1) * sizeof(struct entry_by_head))};
	c->rank[c->column] = mem_zalloc((c->n + 1) * sizeof(uint32_t));
	for (size_t i = 0; i < c->n; i++)
		c->sort.a[i] = (struct entry_by_head){c->cell[c->column][i].head, (uint32_t)i};
	c->sorted = false;
	c->resolve = (struct resolving){.at = 0};
	return true;
}

/* ---- keys that begin alike ---- */

/* Both are cut, and the same up to there. */
static bool
alike(const struct store_columns *c, size_t i, size_t j)
{
	const struct cell *x = &c->cell[c->column][i], *y = &c->cell[c->column][j];

	return x->cut && y->cut && x->head == y->head &&
	       str_eq(columns_text(c, c->column, i), columns_text(c, c->column, j));
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

/* The next messages that begin alike; of each key there is one to be read.  False: no room. */
static bool
begin_reps(struct store_columns *c, size_t end, size_t keys)
{
	struct resolving *z = &c->resolve;
	uint64_t bytes = keys * (sizeof *z->rep + sizeof *z->stack);

	if (!columns_room(c, bytes))
		return false;
	columns_take(c, bytes);
	z->rep = mem_zalloc(keys * sizeof *z->rep);
	z->stack = mem_zalloc(keys * sizeof *z->stack);
	for (size_t i = z->at; i < end; i++) {
		if (i == z->at || hash_of(c, c->sort.a[i].i) != hash_of(c, c->sort.a[i - 1].i))
			z->rep[z->reps++].first = (uint32_t)i;
		z->rep[z->reps - 1].n++;
	}
	z->stack[z->depth++] = (struct range){0, z->reps, COMPACT_CUT};
	z->filled = 0;
	return true;
}

/* From there on: where those that begin alike end, and how many keys they have. */
static size_t
alike_until(const struct store_columns *c, size_t from, size_t *keys_r)
{
	const struct entry_by_head *a = c->sort.a;
	size_t end = from + 1;

	*keys_r = 1;
	for (; end < c->n && alike(c, a[from].i, a[end].i); end++)
		*keys_r += hash_of(c, a[end].i) != hash_of(c, a[end - 1].i);
	return end;
}

/* Sorted by a window: those that are still alike are to be read on. */
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

/* All are in order now. */
static void
put_in_order(struct store_columns *c)
{
	struct resolving *z = &c->resolve;
	struct entry_by_head *a = c->sort.a, *b = c->sort.b;
	size_t at = z->at;

	for (size_t i = 0; i < z->reps; i++) {
		memcpy(b + at, a + z->rep[i].first, z->rep[i].n * sizeof *b);
		at += z->rep[i].n;
	}
	memcpy(a + z->at, b + z->at, (at - z->at) * sizeof *a);
	columns_give(c, z->reps * (sizeof *z->rep + sizeof *z->stack));
	mem_free(z->rep);
	mem_free(z->stack);
	*z = (struct resolving){.at = at};
}

/* One window of one key, and what follows from it. */
static void
resolve_one(struct store_columns *c)
{
	struct resolving *z = &c->resolve;
	struct range r = z->stack[z->depth - 1];
	struct window w = {c, &z->rep[r.from + z->filled], r.off};

	store_read_summaries(c->mailbox, &c->uid[c->sort.a[w.rep->first].i], 1, take_window, &w);
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

	while (z->at < c->n) {
		if (z->rep != NULL) {
			resolve_one(c);
		} else if (!c->cell[c->column][c->sort.a[z->at].i].cut) {
			z->at++;
		} else {
			size_t keys, end = alike_until(c, z->at, &keys);

			if (keys > 1 && !begin_reps(c, end, keys))
				return STORE_COLUMNS_ROOM;
			z->at = keys > 1 ? z->at : end;
		}
		if (++looked % 64 == 0 && columns_enough(c))
			return STORE_COLUMNS_AGAIN;
	}
	return STORE_COLUMNS_DONE;
}

/* ---- ranks ---- */

static void
put_ranks(struct store_columns *c)
{
	const struct entry_by_head *a = c->sort.a;
	uint32_t *rank = c->rank[c->column], last = 0;

	for (size_t i = 0; i < c->n; i++) {
		if (i > 0 && compare(c, &a[i - 1], &a[i]) != 0)
			last++;
		rank[a[i].i] = last;
	}
}

static void
end_column(struct store_columns *c)
{
	put_ranks(c);
	mem_free(c->cell[c->column]);
	c->cell[c->column] = NULL;
	buf_fini(&c->pool[c->column]);
	columns_rank_fini(c);
	columns_give(c, c->n * (2 * sizeof(struct entry_by_head) + sizeof(struct cell)));
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
	while (!c->sorted) {
		c->sorted = sort_some(c);
		if (columns_enough(c))
			return STORE_COLUMNS_AGAIN;
	}
	if (c->column < STORE_COLUMN_DATE)
		state = resolve(c);
	if (state == STORE_COLUMNS_DONE)
		end_column(c);
	return state;
}

enum store_columns_state
columns_rank(struct store_columns *c)
{
	enum store_columns_state state = STORE_COLUMNS_DONE;

	for (; c->column < STORE_COLUMNS && state == STORE_COLUMNS_DONE;) {
		if (c->cell[c->column] != NULL)
			state = rank_column(c);
		if (state == STORE_COLUMNS_DONE)
			c->column++;
	}
	return state;
}
