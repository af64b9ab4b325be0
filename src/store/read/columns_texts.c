/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The texts of a column, each stored once: a mailbox has fewer subjects and people than messages,
 * so there is less to hold and to sort.
 */
#include "base/mem.h"
#include "store/read/columns_int.h"

struct str
texts_key(const struct texts *t, size_t i)
{
	return t->one[i].len > 0 ? (struct str){t->pool.p + t->one[i].off, t->one[i].len} : STR("");
}

static uint64_t
texts_hash(const struct texts *t, size_t i)
{
	uint64_t hash;

	memcpy(&hash, t->pool.p + t->one[i].off + t->one[i].len, 8);
	return hash;
}

/* ---- room ---- */

static size_t
cap_for(const struct texts *t, size_t more)
{
	if (t->n + more <= t->cap)
		return t->cap;
	return t->n + more > 2 * t->cap ? t->n + more : 2 * t->cap;
}

/* At most half of the slots are used. */
static size_t
slots_for(const struct texts *t, size_t more)
{
	size_t slots = t->slots > 0 ? t->slots : 64;

	while (slots < 2 * (t->n + more))
		slots *= 2;
	return slots;
}

size_t
columns_cap(const struct buf *b, size_t more)
{
	size_t cap = b->cap;

	if (b->n + more <= cap)
		return cap;
	for (cap = cap > 0 ? 2 * cap : 64; cap < b->n + more;)
		cap *= 2;
	return cap;
}

static uint64_t
array_bytes(size_t cap, size_t slots, size_t pool)
{
	return cap * sizeof(struct text) + slots * sizeof(uint32_t) + pool;
}

uint64_t
texts_held(const struct texts *t)
{
	return array_bytes(t->cap, t->slots, t->pool.cap);
}

uint64_t
texts_growth(const struct texts *t, size_t more)
{
	return array_bytes(cap_for(t, more), slots_for(t, more),
	           columns_cap(&t->pool, more * (COMPACT_CUT + 8))) -
	       texts_held(t);
}

/* ---- finding ---- */

static uint64_t
hash_text(struct str key, uint64_t whole)
{
	return XXH3_64bits_withSeed(key.p != NULL ? key.p : "", key.n, whole);
}

static size_t
first_slot(const struct texts *t, uint64_t hash)
{
	return (size_t)hash & (t->slots - 1);
}

static void
put_slot(struct texts *t, size_t i)
{
	uint64_t whole = t->one[i].cut ? texts_hash(t, i) : 0;
	size_t at = first_slot(t, hash_text(texts_key(t, i), whole));

	while (t->slot[at] != 0)
		at = (at + 1) & (t->slots - 1);
	t->slot[at] = (uint32_t)i + 1;
}

void
texts_grow(struct texts *t, size_t more)
{
	size_t cap = cap_for(t, more), slots = slots_for(t, more);

	(void)buf_room(&t->pool, more * (COMPACT_CUT + 8));
	if (cap > t->cap)
		t->one = mem_realloc(t->one, cap * sizeof *t->one);
	t->cap = cap;
	if (slots == t->slots)
		return;
	mem_free(t->slot);
	t->slot = mem_zalloc(slots * sizeof *t->slot);
	t->slots = slots;
	for (size_t i = 0; i < t->n; i++)
		put_slot(t, i);
}

static bool
is_the_text(const struct texts *t, size_t i, const struct compact_cell *cell)
{
	return t->one[i].cut == cell->cut && str_eq(texts_key(t, i), cell->key) &&
	       (!cell->cut || texts_hash(t, i) == cell->hash);
}

uint32_t
texts_put(struct texts *t, const struct compact_cell *cell, size_t message)
{
	size_t at = first_slot(t, hash_text(cell->key, cell->cut ? cell->hash : 0));
	struct text *one;

	for (; t->slot[at] != 0; at = (at + 1) & (t->slots - 1))
		if (is_the_text(t, t->slot[at] - 1, cell))
			return t->slot[at] - 1;
	one = &t->one[t->n++];
	*one = (struct text){.off = (uint32_t)t->pool.n,
	    .message = (uint32_t)message,
	    .len = (uint16_t)cell->key.n,
	    .cut = cell->cut};
	for (size_t i = 0; i < 8; i++)
		one->head = one->head << 8 | (i < cell->key.n ? (unsigned char)cell->key.p[i] : 0);
	buf_str(&t->pool, cell->key);
	if (cell->cut)
		buf_put(&t->pool, &cell->hash, 8);
	t->slot[at] = (uint32_t)t->n;
	return (uint32_t)t->n - 1;
}

int
texts_compare(const struct texts *t, size_t i, size_t j)
{
	const struct text *x = &t->one[i], *y = &t->one[j];
	int d = str_cmp(texts_key(t, i), texts_key(t, j));

	if (d != 0 || x->cut != y->cut)
		return d != 0 ? d : x->cut - y->cut;
	if (!x->cut)
		return 0;
	return texts_hash(t, i) < texts_hash(t, j) ? -1 : texts_hash(t, i) > texts_hash(t, j);
}

void
texts_fini(struct texts *t)
{
	mem_free(t->one);
	mem_free(t->slot);
	buf_fini(&t->pool);
	*t = (struct texts){.n = 0};
}
