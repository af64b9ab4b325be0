/* SPDX-License-Identifier: Apache-2.0 */
/* Published values of quota roots. */
#include "store/read/read_int.h"

#define PREFIX "mailbox/"

/* Call with account.lock held for reading; takes the lock of the sums inside it, so that all values
 * are of one moment. */
static void
fill_account(struct store_account *a, struct store_quota_root *root)
{
	*root = (struct store_quota_root){0};
	for (unsigned r = 0; r < STORE_QUOTA_RESOURCES; r++) {
		uint64_t limit = quota_of_table(a->properties, r, QUOTA_UNSET);

		root->own[r] = limit != QUOTA_UNSET;
		root->in_force.limit[r] = root->own[r] ? limit : atomic_load(&a->quota_base[r]);
	}
	quota_usage(a, root->usage);
}

/* base: what the source says of it. */
static bool
fill_mailbox(
    const struct store_mailbox *mb, const struct store_quota *base, struct store_quota_root *root)
{
	struct counters_row c = mailbox_listed(mb);
	bool any = false;

	*root = (struct store_quota_root){.mailbox = mb->id};
	root->in_force.limit[STORE_QUOTA_MAILBOX] = STORE_QUOTA_NONE;
	for (unsigned r = 0; r < STORE_QUOTA_MAILBOX; r++) {
		uint64_t limit = quota_of_table(mb->properties, r, QUOTA_UNSET);

		root->own[r] = limit != QUOTA_UNSET;
		root->in_force.limit[r] = root->own[r] ? limit : base->limit[r];
		any |= root->own[r] || base->limit[r] != STORE_QUOTA_NONE;
	}
	root->usage[STORE_QUOTA_STORAGE] = c.size;
	root->usage[STORE_QUOTA_MESSAGE] = c.messages;
	return any;
}

static bool
find_mailbox(struct store_account *a, struct str mailbox, const struct store_quota *base,
    struct store_quota_root *root)
{
	const struct entry *e = account_entry(a, mailbox);

	return e != NULL && e->pub != NULL && fill_mailbox(e->pub, base, root);
}

void
store_quota_account(struct store_account *a, struct store_quota_root *root)
{
	pthread_rwlock_rdlock(&a->lock);
	fill_account(a, root);
	pthread_rwlock_unlock(&a->lock);
	store_looked(a->store);
}

bool
store_quota_mailbox(struct store_account *a, struct str mailbox, struct store_quota_root *root)
{
	struct store_quota base;
	bool found;

	quota_of_name(a, mailbox, &base);
	pthread_rwlock_rdlock(&a->lock);
	found = find_mailbox(a, mailbox, &base, root);
	pthread_rwlock_unlock(&a->lock);
	store_looked(a->store);
	return found;
}

bool
store_quota_of(struct store_mailbox *mb, struct store_quota_root *root)
{
	struct store_account *a = mb->account;
	struct store_quota base;
	bool found;

	quota_of_mailbox(a, mb, false, &base);
	pthread_rwlock_rdlock(&a->lock);
	found = fill_mailbox(mb, &base, root);
	pthread_rwlock_unlock(&a->lock);
	store_looked(a->store);
	return found;
}

void
store_quota_root_name(struct str mailbox, struct buf *out)
{
	buf_puts(out, PREFIX);
	buf_str(out, mailbox);
}

bool
store_quota_root_mailbox(struct str root, struct str *mailbox_r)
{
	if (!str_has_prefix(root, STR(PREFIX)))
		return false;
	*mailbox_r = (struct str){root.p + sizeof(PREFIX) - 1, root.n - (sizeof(PREFIX) - 1)};
	return true;
}

static bool
fits(const struct store_quota_root *root, enum store_quota_resource r, uint64_t more,
    enum store_quota_resource *resource_r)
{
	uint64_t limit = root->in_force.limit[r], usage = root->usage[r];

	if (more == 0 || limit == STORE_QUOTA_NONE || (usage <= limit && more <= limit - usage))
		return true;
	*resource_r = r;
	return false;
}

bool
store_quota_room(struct store_account *a, struct str mailbox, uint64_t bytes, uint64_t messages,
    enum store_quota_resource *resource_r)
{
	struct store_quota_root root, own;
	struct store_quota base;
	bool found;

	quota_of_name(a, mailbox, &base);
	pthread_rwlock_rdlock(&a->lock);
	fill_account(a, &root);
	found = find_mailbox(a, mailbox, &base, &own);
	pthread_rwlock_unlock(&a->lock);
	store_looked(a->store);
	return fits(&root, STORE_QUOTA_STORAGE, bytes, resource_r) &&
	       fits(&root, STORE_QUOTA_MESSAGE, messages, resource_r) &&
	       (!found || (fits(&own, STORE_QUOTA_STORAGE, bytes, resource_r) &&
	                      fits(&own, STORE_QUOTA_MESSAGE, messages, resource_r)));
}

bool
store_quota_levels(struct store_account *a, struct store_quota_levels *levels)
{
	bool crossed;

	pthread_rwlock_rdlock(&a->lock);
	fill_account(a, &levels->root);
	for (unsigned r = 0; r < STORE_QUOTA_RESOURCES; r++)
		levels->warned[r] = quota_warned_of_table(a->properties, r);
	crossed = quota_levels(a, levels->root.in_force.limit, levels->warned, levels->now);
	pthread_rwlock_unlock(&a->lock);
	store_looked(a->store);
	return crossed;
}

uint64_t
store_quota_refused(const struct store *store)
{
	return atomic_load((_Atomic uint64_t *)(uintptr_t)&store->quota_refused);
}

void
store_quota_count_refusal(struct store *store)
{
	atomic_fetch_add(&store->quota_refused, 1);
}
