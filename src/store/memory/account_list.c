/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of an account's mailboxes in memory.  An entry is a name with two sides: the published
 * one, which readers see, and the head, which the lane prepares on.
 */
#include "base/mem.h"
#include "store/memory/memory_int.h"

/* ---- entries ---- */

size_t
account_entry_at(const struct store_account *a, struct str name)
{
	size_t lo = 0, hi = a->entry_count;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (str_cmp(entry_name(a->entry[mid]), name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct entry *
account_entry(const struct store_account *a, struct str name)
{
	size_t at = account_entry_at(a, name);

	return at < a->entry_count && str_eq(entry_name(a->entry[at]), name) ? a->entry[at] : NULL;
}

void
account_make_room(struct store_account *a)
{
	if (a->entry_count < a->entry_cap)
		return;
	a->entry_cap = a->entry_cap > 0 ? a->entry_cap * 2 : 8;
	a->entry = mem_realloc(a->entry, a->entry_cap * sizeof(struct entry *));
}

/* Returns the bytes of an entry and its mailbox. */
static size_t
entry_cost(const struct entry *e)
{
	return mem_cost(sizeof *e) + mem_cost(e->n) + mem_cost(sizeof(struct store_mailbox));
}

/* Adds to the count until the account is counted again.  Needs its lock. */
static void
count_more(struct store_account *a, size_t bytes)
{
	atomic_fetch_add(&a->counted, bytes);
	atomic_fetch_add(&a->store->state_bytes, bytes);
}

struct entry *
account_entry_add(struct store_account *a, struct str name)
{
	size_t at = account_entry_at(a, name);

	if (at < a->entry_count && str_eq(entry_name(a->entry[at]), name))
		return a->entry[at];
	account_make_room(a);
	memmove(a->entry + at + 1, a->entry + at, (a->entry_count - at) * sizeof(struct entry *));
	a->entry_count++;
	a->entry[at] = account_entry_new(name);
	count_more(a, entry_cost(a->entry[at]));
	return a->entry[at];
}

void
account_entries_add(struct store_account *a, const struct str *names, size_t n, struct entry **out)
{
	struct entry **fresh = mem_zalloc((n + 1) * sizeof(*fresh));
	size_t old = a->entry_count, more = 0;

	for (size_t i = 0; i < n; i++) {
		out[i] = account_entry(a, names[i]);
		if (out[i] == NULL) {
			out[i] = fresh[more++] = account_entry_new(names[i]);
			count_more(a, entry_cost(out[i]));
		}
	}
	a->entry_count += more;
	if (a->entry_count > a->entry_cap) {
		a->entry_cap = a->entry_count;
		a->entry = mem_realloc(a->entry, a->entry_cap * sizeof(struct entry *));
	}
	/* Both are in order: go from the back, so that nothing moves twice. */
	for (size_t at = a->entry_count; more > 0;) {
		bool newer = old == 0 || str_cmp(entry_name(a->entry[old - 1]),
		                             entry_name(fresh[more - 1])) < 0;

		a->entry[--at] = newer ? fresh[--more] : a->entry[--old];
	}
	mem_free(fresh);
}

bool
account_entry_empty(const struct entry *e)
{
	return e->pub == NULL && e->head == NULL && !e->sub_pub && !e->sub_head &&
	       e->tombstone == 0 && e->ops == 0;
}

/* Bytes for an account's place in its shard's table. */
#define TABLE_COST 16

void
account_count_bytes(struct store_account *a)
{
	size_t now = mem_cost(sizeof *a) + mem_cost(a->name.n) + TABLE_COST +
	             mem_cost(a->entry_cap * sizeof(struct entry *)),
	       before;

	now += properties_cost(a->properties);
	for (size_t i = 0; i < a->entry_count; i++) {
		const struct entry *e = a->entry[i];

		now += e->head != NULL ? entry_cost(e) : mem_cost(sizeof *e) + mem_cost(e->n);
		now += e->pub != NULL ? properties_cost(e->pub->properties) : 0;
	}
	before = atomic_exchange(&a->counted, now);
	atomic_fetch_add(&a->store->state_bytes, now);
	atomic_fetch_sub(&a->store->state_bytes, before);
}

void
account_count_properties(
    struct store_account *a, const struct store_properties *old, const struct store_properties *now)
{
	size_t less = properties_cost(old);

	count_more(a, properties_cost(now));
	atomic_fetch_sub(&a->counted, less);
	atomic_fetch_sub(&a->store->state_bytes, less);
}

void
account_tidy(struct store_account *a)
{
	size_t kept = 0;

	pthread_rwlock_wrlock(&a->lock);
	for (size_t i = 0; i < a->entry_count; i++)
		if (account_entry_empty(a->entry[i]))
			account_entry_free(a->entry[i]);
		else
			a->entry[kept++] = a->entry[i];
	a->entry_count = kept;
	account_count_bytes(a);
	pthread_rwlock_unlock(&a->lock);
}

void
account_tidy_some(struct store_account *a)
{
	if (a->entry_count < a->tidy_at)
		return;
	account_tidy(a);
	a->tidy_at = 2 * a->entry_count + 1000;
}
