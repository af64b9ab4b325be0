/* SPDX-License-Identifier: Apache-2.0 */
/* Look-ups in an account: its list, sums and properties; and the names of all accounts. */
#include "store/read/read_int.h"

void
store_account_usage(const struct store_account *a, struct store_usage *u)
{
	pthread_mutex_t *counting = (pthread_mutex_t *)(uintptr_t)&a->counting;

	pthread_mutex_lock(counting);
	*u = a->usage;
	pthread_mutex_unlock(counting);
	store_looked(a->store);
}

static void
fill_info(const struct store_mailbox *mb, const struct entry *e, struct store_mailbox_info *info)
{
	struct counters_row c;

	*info = (struct store_mailbox_info){.subscribed = e->sub_pub};
	if (mb == NULL)
		return;
	info->id = mb->id;
	info->use = mb->use;
	info->own = atomic_load(&mb->has_own);
	info->properties = mb->properties;
	if (mb->properties != NULL)
		object_id_stored(mb->properties, info->object_id);
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
store_account_look(const struct store_account *a, struct str name, struct store_mailbox_info *info,
    struct store_properties **properties)
{
	bool found = false;

	pthread_rwlock_rdlock(list_lock(a));

	const struct entry *e = account_entry(a, name);

	if (e != NULL && e->pub != NULL) {
		fill_info(e->pub, e, info);
		if (properties != NULL)
			*properties = properties_ref(e->pub->properties);
		info->properties = NULL; /* it may be freed once the lock is released */
		found = true;
	}
	pthread_rwlock_unlock(list_lock(a));
	store_looked(a->store);
	return found;
}

bool
store_account_lookup(
    const struct store_account *a, struct str name, struct store_mailbox_info *info)
{
	return store_account_look(a, name, info, NULL);
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

struct store_properties *
store_account_properties(const struct store_account *a)
{
	struct store_properties *t;

	pthread_rwlock_rdlock(list_lock(a));
	t = properties_ref(a->properties);
	pthread_rwlock_unlock(list_lock(a));
	store_looked(a->store);
	return t;
}

struct store_properties *
store_mailbox_properties(const struct store_mailbox *mb)
{
	struct store_properties *t;

	pthread_rwlock_rdlock(list_lock(mb->account));
	t = properties_ref(mb->properties);
	pthread_rwlock_unlock(list_lock(mb->account));
	store_looked(mb->account->store);
	return t;
}

enum ts_err
store_account_names(struct store *store, bool (*fn)(struct str name, void *arg), void *arg)
{
	struct key k;
	struct scan scan;
	enum ts_err err;

	key_begin(&k, 0, KEY_NAME);
	scan_begin(&scan, store, &k);
	/* One with a damaged value is still an account: loading it says what is wrong. */
	while ((err = scan_next(&scan)) == TS_OK || (err == TS_DAMAGED && scan.key.n > 0))
		if (scan.key.n > 9 && !fn((struct str){scan.key.p + 9, scan.key.n - 9}, arg))
			break;
	scan_end(&scan);
	return err == TS_NOT_FOUND ? TS_OK : err;
}

enum ts_err
store_account_has_property(struct store *store, struct str account, struct str name)
{
	struct buf b = {0};
	struct str value = STR_NONE;
	struct key k;
	uint64_t id = 0;
	enum ts_err err;

	block_here("store_account_has_property");
	if (account.n == 0 || account.n > STORE_NAME_MAX || !store_property_name_ok(name))
		return TS_NOT_FOUND;
	err = account_id(store, account, &id);
	if (err != TS_OK)
		return err;
	property_key(&k, id, 0, name);
	err = store_get(store, &k, &b, &value);
	buf_fini(&b);
	return err;
}

bool
store_account_gone(const struct store_account *a)
{
	return atomic_load((_Atomic bool *)(uintptr_t)&a->gone);
}
