/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of an account's mailboxes in memory, its sums, and what is asked of
 * it.  An entry is a name; it has a published side, which readers see, and a head
 * side, which the lane prepares on.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "store/store_int.h"

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

struct entry *
account_entry_new(struct str name)
{
	struct entry *e = mem_zalloc(sizeof *e);

	e->name = mem_dup(name.p, name.n);
	e->n = name.n;
	return e;
}

void
account_entry_free(struct entry *e)
{
	mem_free(e->name);
	mem_free(e);
}

void
account_make_room(struct store_account *a)
{
	if (a->entry_count < a->entry_cap)
		return;
	a->entry_cap = a->entry_cap > 0 ? a->entry_cap * 2 : 8;
	a->entry = mem_realloc(a->entry, a->entry_cap * sizeof(struct entry *));
}

/* An entry, and its mailbox. */
static size_t
entry_cost(const struct entry *e)
{
	return mem_cost(sizeof *e) + mem_cost(e->n) + mem_cost(sizeof(struct store_mailbox));
}

/* Until the account is counted anew; its lock is held. */
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
	/* Both are in order: from the back, so that nothing is moved twice. */
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

/* Of an account's place in its shard's table. */
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
account_reset_usage(struct store_account *a)
{
	static const struct counters_row none = {0};
	struct store_usage *u = &a->head_usage;

	*u = (struct store_usage){0};
	pthread_rwlock_rdlock(&a->lock);
	for (size_t i = 0; i < a->entry_count; i++) {
		const struct store_mailbox *mb = a->entry[i]->head;
		struct counters_row listed;

		if (mb == NULL)
			continue;
		listed = mailbox_listed(mb);
		usage_change(u, &none, mb->state != NULL ? &mb->head.c : &listed);
		u->mailboxes++;
	}
	pthread_rwlock_unlock(&a->lock);
}

void
store_account_usage(const struct store_account *a, struct store_usage *u)
{
	pthread_mutex_t *counting = (pthread_mutex_t *)(uintptr_t)&a->counting;

	pthread_mutex_lock(counting);
	*u = a->usage;
	pthread_mutex_unlock(counting);
	store_looked(a->store);
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

/* ---- what is asked ---- */

static void
fill_info(const struct store_mailbox *mb, const struct entry *e, struct store_mailbox_info *info)
{
	struct counters_row c;

	*info = (struct store_mailbox_info){.subscribed = e->sub_pub};
	if (mb == NULL)
		return;
	info->id = mb->id;
	info->use = mb->use;
	info->properties = mb->properties;
	c = mailbox_listed(mb);
	info->counters = (struct store_counters){.messages = c.messages,
	    .unseen = c.unseen,
	    .deleted = c.deleted,
	    .recent = c.recent,
	    .uidnext = c.uidnext,
	    .uidvalidity = atomic_load(&mb->uidvalidity),
	    .size = c.size,
	    .modseq = c.modseq,
	    .deleted_size = c.deleted_size};
}

static pthread_rwlock_t *
list_lock(const struct store_account *a)
{
	return (pthread_rwlock_t *)(uintptr_t)&a->lock;
}

uint64_t
store_account_list_from(const struct store_account *a, struct str from,
    bool (*fn)(const struct store_mailbox_info *info, void *arg), void *arg)
{
	uint64_t version;

	pthread_rwlock_rdlock(list_lock(a));
	version = store_account_list_version(a);
	for (size_t i = from.n > 0 ? account_entry_at(a, from) : 0; i < a->entry_count; i++) {
		const struct entry *e = a->entry[i];
		struct store_mailbox_info info;

		if (e->pub == NULL && !e->sub_pub)
			continue;
		fill_info(e->pub, e, &info);
		info.name = entry_name(e);
		if (!fn(&info, arg))
			break;
	}
	pthread_rwlock_unlock(list_lock(a));
	store_looked(a->store);
	return version;
}

void
store_account_list(const struct store_account *a,
    bool (*fn)(const struct store_mailbox_info *info, void *arg), void *arg)
{
	(void)store_account_list_from(a, STR(""), fn, arg);
}

bool
store_account_lookup(
    const struct store_account *a, struct str name, struct store_mailbox_info *info)
{
	bool found = false;

	pthread_rwlock_rdlock(list_lock(a));

	const struct entry *e = account_entry(a, name);

	if (e != NULL && e->pub != NULL) {
		fill_info(e->pub, e, info);
		info->properties = NULL; /* it may go when the lock does */
		found = true;
	}
	pthread_rwlock_unlock(list_lock(a));
	store_looked(a->store);
	return found;
}

bool
store_account_has_children(const struct store_account *a, struct str name)
{
	struct buf b = {0};
	bool found = false;

	buf_str(&b, name);
	buf_putc(&b, '/');
	pthread_rwlock_rdlock(list_lock(a));
	for (size_t i = account_entry_at(a, buf_as_str(&b)); i < a->entry_count && !found; i++) {
		if (!str_has_prefix(entry_name(a->entry[i]), buf_as_str(&b)))
			break;
		found = a->entry[i]->pub != NULL;
	}
	pthread_rwlock_unlock(list_lock(a));
	store_looked(a->store);
	buf_fini(&b);
	return found;
}

uint64_t
store_account_list_version(const struct store_account *a)
{
	return atomic_load((_Atomic uint64_t *)(uintptr_t)&a->list_version);
}
