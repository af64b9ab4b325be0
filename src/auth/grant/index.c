/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See index.h.  Two levels of the same table: the outer table is keyed by who acts, each inner one
 * by the target; the values of an inner table are lists of grants in order.  A name has few keys:
 * itself, its domain, "any" and its groups.
 */
#include "auth/grant/index.h"

#include <stdlib.h>

#include "auth/user/hash.h"
#include "auth/user/user.h"
#include "base/mem.h"

struct item { /* in a list of grants */
	struct auth_grant *grant;
	size_t order;
	struct item *next;
};

struct slot {
	uint64_t hash;
	const struct auth_names *key; /* NULL: free */
	void *value;
};

struct table {
	struct slot *slots;
	size_t mask, n;
	struct slot *patterns; /* with keys of kind AUTH_NAMES_PATTERN */
	size_t pattern_n, pattern_cap;
	bool has_groups;
};

struct whom { /* the grants under one key of who acts */
	struct table table;
	int64_t until; /* the latest end of its grants */
};

struct auth_index {
	struct arena *arena;
	struct auth_grant **grants;
	size_t n;
	struct table who;
	bool has_groups;
	int64_t *ends; /* the ends of grants that expire, sorted */
	size_t end_n;
};

/* ---- tables */

static uint64_t
key_hash(enum auth_names_kind kind, struct str text)
{
	return auth_hash(text) ^ (uint64_t)kind * 0x9e3779b97f4a7c15u;
}

static void *
table_find(const struct table *t, enum auth_names_kind kind, struct str text)
{
	uint64_t hash = key_hash(kind, text);

	if (t->n == 0)
		return NULL;
	for (size_t at = hash & t->mask; t->slots[at].key != NULL; at = (at + 1) & t->mask) {
		const struct slot *s = &t->slots[at];

		if (s->hash == hash && s->key->kind == kind && str_eq(s->key->text, text))
			return s->value;
	}
	return NULL;
}

static struct slot *
free_slot(struct slot *slots, size_t mask, uint64_t hash)
{
	size_t at = hash & mask;

	while (slots[at].key != NULL)
		at = (at + 1) & mask;
	return &slots[at];
}

static void
table_grow(struct table *t, struct arena *arena)
{
	size_t size = t->slots == NULL ? 4 : 2 * (t->mask + 1);
	struct slot *slots = arena_array(arena, size, sizeof(*slots));

	for (size_t i = 0; t->slots != NULL && i <= t->mask; i++)
		if (t->slots[i].key != NULL)
			*free_slot(slots, size - 1, t->slots[i].hash) = t->slots[i];
	t->slots = slots;
	t->mask = size - 1;
}

static struct slot *
pattern_slot(struct table *t, struct arena *arena, const struct auth_names *key)
{
	for (size_t i = 0; i < t->pattern_n; i++)
		if (str_eq(t->patterns[i].key->text, key->text))
			return &t->patterns[i];
	if (t->pattern_n == t->pattern_cap) {
		size_t cap = 2 * t->pattern_cap + 2;
		struct slot *more = arena_array(arena, cap, sizeof(*more));

		if (t->pattern_n > 0)
			memcpy(more, t->patterns, t->pattern_n * sizeof(*more));
		t->patterns = more;
		t->pattern_cap = cap;
	}
	t->patterns[t->pattern_n].key = key;
	return &t->patterns[t->pattern_n++];
}

/* Returns the place of the key's value, and makes it if it is missing. */
static void **
table_place(struct table *t, struct arena *arena, const struct auth_names *key)
{
	uint64_t hash = key_hash(key->kind, key->text);
	struct slot *s;

	if (key->kind == AUTH_NAMES_PATTERN)
		return &pattern_slot(t, arena, key)->value;
	t->has_groups |= key->kind == AUTH_NAMES_GROUP;
	for (size_t at = hash & t->mask; t->n > 0 && t->slots[at].key != NULL;
	     at = (at + 1) & t->mask) {
		s = &t->slots[at];
		if (s->hash == hash && s->key->kind == key->kind && str_eq(s->key->text, key->text))
			return &s->value;
	}
	if (t->slots == NULL || t->n >= (t->mask + 1) / 2)
		table_grow(t, arena);
	s = free_slot(t->slots, t->mask, hash);
	*s = (struct slot){.hash = hash, .key = key};
	t->n++;
	return &s->value;
}

/* Calls fn for the value of each key that matches the name, until it returns true. */
typedef bool each_f(const void *value, void *arg);

struct name { /* a name and the keys it has */
	struct str text, domain;
	const struct str *groups;
	size_t group_count;
};

static struct name
make_name(struct str text, const struct auth_groups *groups, bool with_groups)
{
	struct name name = {.text = text};
	const char *at = str_chr(text, '@');

	if (at != NULL)
		name.domain = str_range(at + 1, text.p + text.n);
	if (with_groups)
		name.group_count = auth_groups_of(groups, text, &name.groups);
	return name;
}

static bool
table_each(const struct table *t, const struct name *name, each_f *fn, void *arg)
{
	static const struct str star = {"*", 1};
	const void *value;

	if ((value = table_find(t, AUTH_NAMES_ONE, name->text)) != NULL && fn(value, arg))
		return true;
	if (name->domain.n > 0 &&
	    (value = table_find(t, AUTH_NAMES_DOMAIN, name->domain)) != NULL && fn(value, arg))
		return true;
	if ((value = table_find(t, AUTH_NAMES_ANY, star)) != NULL && fn(value, arg))
		return true;
	for (size_t i = 0; t->has_groups && i < name->group_count; i++)
		if ((value = table_find(t, AUTH_NAMES_GROUP, name->groups[i])) != NULL &&
		    fn(value, arg))
			return true;
	for (size_t i = 0; i < t->pattern_n; i++)
		if (auth_glob(t->patterns[i].key->text, name->text) &&
		    fn(t->patterns[i].value, arg))
			return true;
	return false;
}

/* ---- making */

static void
index_grant(struct auth_index *index, size_t order)
{
	struct auth_grant *grant = index->grants[order];
	void **place = table_place(&index->who, index->arena, &grant->who);
	struct item *item = arena_new_object(index->arena, struct item);
	struct whom *whom;
	struct item **last;

	if (*place == NULL)
		*place = arena_new_object(index->arena, struct whom);
	whom = *place;
	if (whom->until < grant->until)
		whom->until = grant->until;
	item->grant = grant;
	item->order = order;
	place = table_place(&whom->table, index->arena, &grant->target);
	last = (struct item **)(void *)place;
	while (*last != NULL) /* with the same who and for, but other addresses or ends */
		last = &(*last)->next;
	*last = item;
	index->has_groups |=
	    grant->who.kind == AUTH_NAMES_GROUP || grant->target.kind == AUTH_NAMES_GROUP;
}

static int
by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void
sort_ends(struct auth_index *index)
{
	index->ends = arena_array(index->arena, index->n, sizeof(*index->ends));
	for (size_t i = 0; i < index->n; i++)
		if (index->grants[i]->until != AUTH_GRANT_FOR_GOOD)
			index->ends[index->end_n++] = index->grants[i]->until;
	if (index->end_n > 0)
		qsort(index->ends, index->end_n, sizeof(*index->ends), by_value);
}

struct auth_index *
auth_index_new(struct auth_grant *const *grants, size_t n)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	struct auth_index *index = arena_new_object(arena, struct auth_index);

	index->arena = arena;
	index->grants = arena_array(arena, n, sizeof(*index->grants));
	index->n = n;
	for (size_t i = 0; i < n; i++) {
		index->grants[i] = auth_grant_ref(grants[i]);
		index_grant(index, i);
	}
	sort_ends(index);
	return index;
}

void
auth_index_free(struct auth_index **ip)
{
	struct auth_index *index = *ip;
	struct arena *arena;

	*ip = NULL;
	if (index == NULL)
		return;
	for (size_t i = 0; i < index->n; i++)
		auth_grant_unref(&index->grants[i]);
	arena = index->arena;
	arena_free(&arena);
}

/* ---- finding */

struct search {
	const struct auth_ask *ask;
	struct name target;
	struct net_network address;
	enum { UNREAD, READ, NONE } address_is;
	const struct item *best;
};

/* Only a grant with `from` needs the address parsed. */
static bool
is_from(const struct auth_grant *grant, struct search *s)
{
	if (grant->from_count == 0 || s->ask->any_address)
		return true;
	if (s->address_is == UNREAD)
		s->address_is = net_address_parse(s->ask->address, &s->address) ? READ : NONE;
	for (size_t i = 0; s->address_is == READ && i < grant->from_count; i++)
		if (net_network_has(&grant->from[i], &s->address))
			return true;
	return false;
}

static bool
try_list(const void *value, void *arg)
{
	struct search *s = arg;

	for (const struct item *item = value;
	     item != NULL && (s->best == NULL || item->order < s->best->order); item = item->next)
		if (s->ask->now < item->grant->until && is_from(item->grant, s)) {
			s->best = item;
			break;
		}
	return false;
}

static bool
try_whom(const void *value, void *arg)
{
	const struct whom *whom = value;
	struct search *s = arg;

	if (s->ask->now < whom->until)
		(void)table_each(&whom->table, &s->target, try_list, s);
	return false;
}

struct auth_grant *
auth_index_find(
    const struct auth_index *index, const struct auth_groups *groups, const struct auth_ask *ask)
{
	struct search s = {.ask = ask};
	struct name who;

	if (index->n == 0)
		return NULL;
	who = make_name(ask->who, groups, index->has_groups);
	s.target = make_name(ask->target, groups, index->has_groups);
	(void)table_each(&index->who, &who, try_whom, &s);
	return s.best != NULL ? s.best->grant : NULL;
}

static bool
is_not_over(const void *value, void *arg)
{
	return *(const int64_t *)arg < ((const struct whom *)value)->until;
}

bool
auth_index_names(
    const struct auth_index *index, const struct auth_groups *groups, struct str who, int64_t now)
{
	struct name name;

	if (index->n == 0)
		return false;
	name = make_name(who, groups, index->has_groups);
	return table_each(&index->who, &name, is_not_over, &now);
}

int64_t
auth_index_next_end(const struct auth_index *index, int64_t now)
{
	size_t from = 0, to = index->end_n;

	while (from < to) {
		size_t at = from + (to - from) / 2;

		if (index->ends[at] > now)
			to = at;
		else
			from = at + 1;
	}
	return from < index->end_n ? index->ends[from] : AUTH_GRANT_FOR_GOOD;
}

/* ---- one by one */

size_t
auth_index_grants(const struct auth_index *index, struct auth_grant *const **grants_r)
{
	*grants_r = index->grants;
	return index->n;
}

bool
auth_names_fit(const struct auth_names *names, const struct auth_groups *groups, struct str name)
{
	const char *at = str_chr(name, '@');

	switch (names->kind) {
	case AUTH_NAMES_ONE:
		return str_eq(names->text, name);
	case AUTH_NAMES_DOMAIN:
		return at != NULL && str_eq(names->text, str_range(at + 1, name.p + name.n));
	case AUTH_NAMES_ANY:
		return true;
	case AUTH_NAMES_PATTERN:
		return auth_glob(names->text, name);
	case AUTH_NAMES_GROUP:
		return auth_groups_has(groups, names->text, name);
	}
	TS_WRONG("no such kind of names");
}

enum auth_fit
auth_grant_fits(
    const struct auth_grant *grant, const struct auth_groups *groups, const struct auth_ask *ask)
{
	struct search s = {.ask = ask};

	if (!auth_names_fit(&grant->who, groups, ask->who))
		return AUTH_NOT_WHO;
	if (!auth_names_fit(&grant->target, groups, ask->target))
		return AUTH_NOT_FOR;
	if (!is_from(grant, &s))
		return AUTH_NOT_FROM;
	return ask->now < grant->until ? AUTH_FITS : AUTH_EXPIRED;
}
