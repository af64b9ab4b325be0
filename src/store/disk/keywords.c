/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of keywords: see keywords.h. */
#include "store/disk/keywords.h"

#include <stdatomic.h>

#include "base/mem.h"

struct keyword {
	_Atomic unsigned refs;
	bool ok; /* the result of keyword_ok() */
	size_t n;
	char bytes[];
};

static struct keyword *
keyword_new(struct str name)
{
	struct keyword *k = mem_zalloc(sizeof *k + name.n + 1);

	k->refs = 1;
	k->n = name.n;
	k->ok = keyword_ok(name);
	if (name.n > 0)
		memcpy(k->bytes, name.p, name.n);
	return k;
}

static void
keyword_unref(struct keyword *k)
{
	if (k != NULL && atomic_fetch_sub(&k->refs, 1) == 1)
		mem_free(k);
}

struct store_keywords *
keywords_new(void)
{
	struct store_keywords *t = mem_zalloc(sizeof *t);

	t->refs = 1;
	t->id = 1;
	t->end = STORE_FIRST_KEYWORD;
	return t;
}

struct store_keywords *
keywords_ref(struct store_keywords *t)
{
	atomic_fetch_add(&t->refs, 1);
	return t;
}

void
store_keywords_unref(struct store_keywords **tp)
{
	struct store_keywords *t = *tp;

	*tp = NULL;
	if (t == NULL || atomic_fetch_sub(&t->refs, 1) > 1)
		return;
	for (unsigned f = STORE_FIRST_KEYWORD; f < t->end; f++)
		keyword_unref(t->name[f]);
	mem_free(t->name);
	mem_free(t);
}

static void
reserve(struct store_keywords *t, unsigned end)
{
	unsigned cap = t->cap;

	if (end <= cap)
		return;
	t->cap = end + 8 < STORE_FLAGS_MAX ? end + 8 : STORE_FLAGS_MAX;
	t->name = mem_realloc(t->name, t->cap * sizeof(struct keyword *));
	memset(t->name + cap, 0, (t->cap - cap) * sizeof(struct keyword *));
}

/* Makes the table the caller's own, for changing. */
static struct store_keywords *
own(struct store_keywords **tp)
{
	struct store_keywords *t = *tp, *copy;

	if (atomic_load(&t->refs) > 1) {
		copy = keywords_new();
		reserve(copy, t->end);
		copy->id = t->id;
		copy->end = t->end;
		copy->count = t->count;
		copy->bytes = t->bytes;
		for (unsigned f = STORE_FIRST_KEYWORD; f < t->end; f++) {
			copy->name[f] = t->name[f];
			if (copy->name[f] != NULL)
				atomic_fetch_add(&copy->name[f]->refs, 1);
		}
		store_keywords_unref(tp);
		*tp = t = copy;
	}
	t->id++;
	return t;
}

void
keywords_drop(struct store_keywords **tp, unsigned flag)
{
	struct store_keywords *t;

	if (keywords_stored(*tp, flag).p == NULL)
		return;
	t = own(tp);
	t->count--;
	t->bytes -= t->name[flag]->n;
	keyword_unref(t->name[flag]);
	t->name[flag] = NULL;
	while (t->end > STORE_FIRST_KEYWORD && t->name[t->end - 1] == NULL)
		t->end--;
}

void
keywords_put(struct store_keywords **tp, unsigned flag, struct str name)
{
	struct store_keywords *t;

	keywords_drop(tp, flag);
	t = own(tp);
	reserve(t, flag + 1);
	t->name[flag] = keyword_new(name);
	t->count++;
	t->bytes += name.n;
	if (flag >= t->end)
		t->end = flag + 1;
}

unsigned
keywords_free_number(const struct store_keywords *t)
{
	unsigned flag = STORE_FIRST_KEYWORD;

	while (flag < t->end && t->name[flag] != NULL)
		flag++;
	return flag;
}

void
keywords_follow(struct store_keywords **tp, const struct store_keywords *before)
{
	own(tp)->id = before->id + 1;
}

uint64_t
store_keywords_id(const struct store_keywords *t)
{
	return t->id;
}

unsigned
store_keywords_end(const struct store_keywords *t)
{
	return t->end;
}

bool
keyword_ok(struct str name)
{
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];

		if (c <= ' ' || c >= 0x7f || strchr("(){%*\"\\]", c) != NULL)
			return false;
	}
	return name.n > 0;
}

static const struct keyword *
keyword_at(const struct store_keywords *t, unsigned flag)
{
	return flag >= STORE_FIRST_KEYWORD && flag < t->end ? t->name[flag] : NULL;
}

struct str
keywords_stored(const struct store_keywords *t, unsigned flag)
{
	const struct keyword *k = keyword_at(t, flag);

	return k != NULL ? (struct str){k->bytes, k->n} : STR_NONE;
}

struct str
store_keywords_name(const struct store_keywords *t, unsigned flag)
{
	const struct keyword *k = keyword_at(t, flag);

	return k != NULL && k->ok ? (struct str){k->bytes, k->n} : STR_NONE;
}

int
store_keywords_find(const struct store_keywords *t, struct str name)
{
	for (unsigned f = STORE_FIRST_KEYWORD; f < t->end; f++)
		if (t->name[f] != NULL && t->name[f]->ok &&
		    str_ieq(store_keywords_name(t, f), name))
			return (int)f;
	return -1;
}

struct store_flags
store_keywords_translate(const struct store_flags *flags, const struct store_keywords *from,
    const struct store_keywords *to)
{
	struct store_flags out = {{flags->w[0] & ((1u << STORE_FIRST_KEYWORD) - 1)}};

	if (from->id == to->id)
		return *flags;
	for (unsigned f = STORE_FIRST_KEYWORD; f < from->end; f++) {
		struct str name = store_keywords_name(from, f);
		int there = name.p != NULL && store_flags_has(flags, f)
		                ? store_keywords_find(to, name)
		                : -1;

		if (there >= 0)
			store_flags_set(&out, (unsigned)there);
	}
	return out;
}
