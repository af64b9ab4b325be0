/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of properties. */
#include "store/disk/properties.h"
#include "base/mem.h"

#include <stdatomic.h>

struct property {
	_Atomic unsigned refs;
	struct str name, value; /* stored after it, in the same block */
};

/* ---- tables ---- */

static struct property *
property_new(struct str name, struct str value)
{
	struct property *p = mem_zalloc(sizeof(*p) + name.n + value.n);
	char *bytes = (char *)(p + 1);

	p->refs = 1;
	memcpy(bytes, name.p, name.n);
	if (value.n > 0)
		memcpy(bytes + name.n, value.p, value.n);
	p->name = (struct str){bytes, name.n};
	p->value = (struct str){bytes + name.n, value.n};
	return p;
}

static void
property_unref(struct property *p)
{
	if (atomic_fetch_sub(&p->refs, 1) == 1)
		mem_free(p);
}

struct store_properties *
properties_ref(struct store_properties *t)
{
	if (t != NULL)
		atomic_fetch_add(&t->refs, 1);
	return t;
}

struct store_properties *
store_properties_ref(const struct store_properties *t)
{
	return properties_ref((struct store_properties *)(uintptr_t)t);
}

void
store_properties_unref(struct store_properties **tp)
{
	struct store_properties *t = *tp;

	*tp = NULL;
	if (t == NULL || atomic_fetch_sub(&t->refs, 1) > 1)
		return;
	for (size_t i = 0; i < t->count; i++)
		property_unref(t->one[i]);
	mem_free(t->one);
	mem_free(t);
}

bool
store_property_is_object_id(struct str name)
{
	return str_eq(name, STR(STORE_OBJECT_ID_PROPERTY));
}

bool
store_property_is_reserved(struct str name)
{
	return store_property_is_object_id(name) || str_eq(name, STR(STORE_OWN_SEEN_PROPERTY));
}

size_t
store_properties_count(const struct store_properties *t)
{
	return t != NULL ? t->count : 0;
}

void
store_properties_at(
    const struct store_properties *t, size_t i, struct str *name_r, struct str *value_r)
{
	TS_ASSERT(i < t->count);
	*name_r = t->one[i]->name;
	*value_r = t->one[i]->value;
}

size_t
store_properties_from(const struct store_properties *t, struct str name)
{
	size_t lo = 0, hi = store_properties_count(t);

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (str_cmp(t->one[mid]->name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool
is_at(const struct store_properties *t, size_t at, struct str name)
{
	return at < store_properties_count(t) && str_eq(t->one[at]->name, name);
}

struct str
store_properties_get(const struct store_properties *t, struct str name)
{
	size_t at = store_properties_from(t, name);

	return is_at(t, at, name) ? t->one[at]->value : STR_NONE;
}

/* Returns a copy with room for one more. */
static struct store_properties *
copy_table(const struct store_properties *t)
{
	struct store_properties *c = mem_zalloc(sizeof *c);

	c->refs = 1;
	c->count = store_properties_count(t);
	c->bytes = t != NULL ? t->bytes : 0;
	c->one = mem_zalloc((c->count + 1) * sizeof(struct property *));
	for (size_t i = 0; i < c->count; i++) {
		c->one[i] = t->one[i];
		atomic_fetch_add(&c->one[i]->refs, 1);
	}
	return c;
}

/* What the store itself put takes no room from the others. */
static size_t
counted_bytes(struct str name, struct str value)
{
	return store_property_is_reserved(name) ? 0 : name.n + value.n;
}

static void
take_out(struct store_properties *t, size_t at)
{
	t->bytes -= counted_bytes(t->one[at]->name, t->one[at]->value);
	property_unref(t->one[at]);
	t->count--;
	memmove(&t->one[at], &t->one[at + 1], (t->count - at) * sizeof(struct property *));
}

void
properties_put(struct store_properties **tp, struct str name, struct str value)
{
	struct store_properties *t = copy_table(*tp);
	size_t at = store_properties_from(t, name);

	if (is_at(t, at, name))
		take_out(t, at);
	memmove(&t->one[at + 1], &t->one[at], (t->count - at) * sizeof(struct property *));
	t->one[at] = property_new(name, value);
	t->count++;
	t->bytes += counted_bytes(name, value);
	store_properties_unref(tp);
	*tp = t;
}

void
properties_remove(struct store_properties **tp, struct str name)
{
	size_t at = store_properties_from(*tp, name);
	struct store_properties *t = NULL;

	if (!is_at(*tp, at, name))
		return;
	if ((*tp)->count > 1) {
		t = copy_table(*tp);
		take_out(t, at);
	}
	store_properties_unref(tp);
	*tp = t;
}

bool
properties_add(struct store_properties **tp, struct str name, struct str value)
{
	struct store_properties *t = *tp;

	if (t == NULL) {
		t = *tp = mem_zalloc(sizeof *t);
		t->refs = 1;
	}
	if (t->count > 0 && str_cmp(t->one[t->count - 1]->name, name) >= 0)
		return false;
	/* Double the room. */
	if ((t->count & (t->count - 1)) == 0)
		t->one = mem_realloc(t->one, (2 * t->count + 1) * sizeof(struct property *));
	t->one[t->count++] = property_new(name, value);
	t->bytes += counted_bytes(name, value);
	return true;
}

size_t
properties_cost(const struct store_properties *t)
{
	size_t bytes = 0;

	if (t == NULL)
		return 0;
	for (size_t i = 0; i < t->count; i++)
		bytes += mem_cost(sizeof(struct property) + t->one[i]->name.n + t->one[i]->value.n);
	return bytes + mem_cost(sizeof *t) + mem_cost(t->count * sizeof(struct property *));
}

/* ---- rows ---- */

void
property_key(struct key *k, uint64_t account, uint32_t mailbox, struct str name)
{
	key_begin(k, account, KEY_PROPERTY);
	key_be32(k, mailbox);
	key_bytes(k, name);
}

bool
store_property_name_ok(struct str name)
{
	return name.n > 0 && name.n <= STORE_NAME_MAX && memchr(name.p, 0, name.n) == NULL;
}
