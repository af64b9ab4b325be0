/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits of accounts and mailboxes as a lane sees them: their own limits come from the properties
 * of the head, those of accounts without any from the source.
 */
#include "base/mem.h"
#include "store/memory/memory_int.h"

static const char *const names[STORE_QUOTA_RESOURCES] = {"STORAGE", "MESSAGE", "MAILBOX"};

const char *
store_quota_name(enum store_quota_resource resource)
{
	return names[resource];
}

bool
store_quota_parse(struct str name, enum store_quota_resource *resource_r)
{
	for (unsigned r = 0; r < STORE_QUOTA_RESOURCES; r++)
		if (str_ieq(name, str_of(names[r]))) {
			*resource_r = r;
			return true;
		}
	return false;
}

bool
store_quota_is_property(struct str name)
{
	return str_has_prefix(name, STR(QUOTA_PROPERTY));
}

void
quota_property(enum store_quota_resource resource, bool warned, struct buf *name)
{
	buf_puts(name, warned ? QUOTA_PROPERTY_WARNED : QUOTA_PROPERTY);
	buf_puts(name, names[resource]);
}

static struct str
get(const struct store_properties *table, enum store_quota_resource resource, bool warned)
{
	struct buf name = {0};
	struct str value;

	quota_property(resource, warned, &name);
	value = store_properties_get(table, buf_as_str(&name));
	buf_fini(&name);
	return value;
}

bool
quota_value(enum store_quota_resource resource, struct str value, uint64_t *limit_r)
{
	uint64_t n;

	if (str_eq(value, STR("none"))) {
		*limit_r = STORE_QUOTA_NONE;
		return true;
	}
	if (!str_u64(value, STORE_QUOTA_MAX, &n))
		return false;
	*limit_r = resource == STORE_QUOTA_STORAGE ? n * 1024 : n;
	return true;
}

bool
quota_property_ok(struct str name, struct str value)
{
	enum store_quota_resource resource;
	bool warned = str_has_prefix(name, STR(QUOTA_PROPERTY_WARNED));
	size_t prefix = strlen(warned ? QUOTA_PROPERTY_WARNED : QUOTA_PROPERTY);
	uint64_t n;

	if (!str_has_prefix(name, STR(QUOTA_PROPERTY)) ||
	    !store_quota_parse((struct str){name.p + prefix, name.n - prefix}, &resource))
		return true;
	return warned ? str_u64(value, QUOTA_PERCENT_MAX, &n) : quota_value(resource, value, &n);
}

uint64_t
quota_of_table(
    const struct store_properties *table, enum store_quota_resource resource, uint64_t unset)
{
	struct str value =
	    store_properties_count(table) > 0 ? get(table, resource, false) : STR_NONE;
	uint64_t limit;

	return value.p != NULL && quota_value(resource, value, &limit) ? limit : unset;
}

unsigned
quota_warned_of_table(const struct store_properties *table, enum store_quota_resource resource)
{
	struct str value =
	    store_properties_count(table) > 0 ? get(table, resource, true) : STR_NONE;
	uint64_t percent;

	return value.p != NULL && str_u64(value, QUOTA_PERCENT_MAX, &percent) ? (unsigned)percent
	                                                                      : 0;
}

void
quota_init(struct store_account *a)
{
	for (unsigned r = 0; r < STORE_QUOTA_RESOURCES; r++) {
		atomic_init(&a->quota_base[r], STORE_QUOTA_NONE);
		atomic_init(&a->quota[r], QUOTA_UNSET);
	}
}

void
quota_init_mailbox(struct store_mailbox *mb)
{
	for (unsigned r = 0; r < STORE_QUOTA_RESOURCES; r++)
		atomic_init(&mb->quota[r], QUOTA_UNSET);
}

void
quota_read_head(struct store_account *a, struct store_mailbox *mb)
{
	for (unsigned r = 0; r < STORE_QUOTA_RESOURCES; r++) {
		if (mb != NULL) {
			atomic_store(
			    &mb->quota[r], quota_of_table(mb->head_properties, r, QUOTA_UNSET));
			continue;
		}
		atomic_store(&a->quota[r], quota_of_table(a->head_properties, r, QUOTA_UNSET));
		atomic_store(&a->quota_warned[r], quota_warned_of_table(a->head_properties, r));
	}
}

uint64_t
quota_limit(const struct store_account *a, enum store_quota_resource resource)
{
	uint64_t own = atomic_load(&a->quota[resource]);

	return own != QUOTA_UNSET ? own : atomic_load(&a->quota_base[resource]);
}

/* ---- the source ---- */

void
quota_ask_source(struct store_account *a)
{
	struct store *store = a->store;
	struct store_quota quota = {{STORE_QUOTA_NONE, STORE_QUOTA_NONE, STORE_QUOTA_NONE}};

	pthread_rwlock_rdlock(&store->quota_lock);
	if (store->quota_source.limits != NULL)
		store->quota_source.limits(store->quota_source.arg, a->name, &quota);
	pthread_rwlock_unlock(&store->quota_lock);
	for (unsigned r = 0; r < STORE_QUOTA_RESOURCES; r++)
		atomic_store(&a->quota_base[r], quota.limit[r]);
}

static const struct store_quota unlimited = {
    {STORE_QUOTA_NONE, STORE_QUOTA_NONE, STORE_QUOTA_NONE}};

/* Call with store.quota_lock. */
static void
ask_of_mailbox(struct store_account *a, size_t i, struct store_quota *quota)
{
	const struct store_quota_source *s = &a->store->quota_source;

	if (i < s->mailboxes)
		s->mailbox_limits(s->arg, a->name, i, quota);
}

void
quota_of_name(struct store_account *a, struct str name, struct store_quota *quota)
{
	struct store *store = a->store;
	size_t i = 0;

	*quota = unlimited;
	if (!atomic_load(&store->quota_named))
		return;
	pthread_rwlock_rdlock(&store->quota_lock);
	while (i < store->quota_source.mailboxes && !str_eq(store->quota_source.mailbox[i], name))
		i++;
	ask_of_mailbox(a, i, quota);
	pthread_rwlock_unlock(&store->quota_lock);
}

void
quota_of_mailbox(
    struct store_account *a, const struct store_mailbox *mb, bool head, struct store_quota *quota)
{
	struct store *store = a->store;
	bool found = false;
	size_t i = 0;

	*quota = unlimited;
	if (!atomic_load(&store->quota_named))
		return;
	pthread_rwlock_rdlock(&a->lock);
	pthread_rwlock_rdlock(&store->quota_lock);
	while (!found && i < store->quota_source.mailboxes) {
		const struct entry *e = account_entry(a, store->quota_source.mailbox[i]);

		found = e != NULL && (head ? e->head : e->pub) == mb;
		i += !found;
	}
	pthread_rwlock_unlock(&a->lock);
	ask_of_mailbox(a, i, quota);
	pthread_rwlock_unlock(&store->quota_lock);
}

bool
store_quota_is_named(struct store *store, struct str mailbox)
{
	bool is = false;

	pthread_rwlock_rdlock(&store->quota_lock);
	for (size_t i = 0; i < store->quota_source.mailboxes; i++)
		is |= str_eq(store->quota_source.mailbox[i], mailbox);
	pthread_rwlock_unlock(&store->quota_lock);
	return is;
}

/* Asks without holding the shard's mutex, for which look-ups of accounts wait: the source may have
 * many rules. */
static void
ask_for_shard(struct shard *shard)
{
	struct store_account *a, *tmp, **accounts;
	size_t n = 0;

	pthread_mutex_lock(&shard->mutex);
	accounts = mem_realloc(NULL, (HASH_COUNT(shard->accounts) + 1) * sizeof(*accounts));
	HASH_ITER(hh, shard->accounts, a, tmp)
	accounts[n++] = store_account_ref(a);
	pthread_mutex_unlock(&shard->mutex);
	for (size_t i = 0; i < n; i++) {
		quota_ask_source(accounts[i]);
		quota_note(accounts[i]);
		account_drop(accounts[i]);
	}
	mem_free(accounts);
}

void
store_quota_source(struct store *store, const struct store_quota_source *source)
{
	pthread_rwlock_wrlock(&store->quota_lock);
	store->quota_source = source != NULL ? *source : (struct store_quota_source){0};
	atomic_store(&store->quota_named, store->quota_source.mailboxes > 0);
	pthread_rwlock_unlock(&store->quota_lock);
	for (unsigned i = 0; i < SHARDS; i++)
		ask_for_shard(&store->shard[i]);
}

/* ---- levels ---- */

/* Returns the least usage that is so many percent of the limit; never 0, which is no usage. */
static uint64_t
threshold(uint64_t limit, unsigned percent)
{
	uint64_t least =
	    limit < UINT64_MAX / 1000 ? (limit * percent + 99) / 100 : limit / 100 * percent;

	return least > 0 ? least : 1;
}

/* Returns the level that the user has reached, given the one last announced. */
static unsigned
level_of(const struct store_quota_source *s, uint64_t usage, uint64_t limit, unsigned warned)
{
	unsigned now = 0;

	/* A limit of 0 is a ban: nobody needs a warning. */
	if (limit == STORE_QUOTA_NONE || limit == 0)
		return 0;
	for (unsigned i = 0; i < STORE_QUOTA_LEVELS_MAX && s->level[i] != 0; i++) {
		unsigned level = s->level[i], slack = level < s->slack ? level : s->slack;

		if (usage >= threshold(limit, level <= warned ? level - slack : level))
			now = level;
	}
	return now;
}

void
quota_usage(struct store_account *a, uint64_t usage[STORE_QUOTA_RESOURCES])
{
	pthread_mutex_lock(&a->counting);
	usage[STORE_QUOTA_STORAGE] = a->usage.bytes;
	usage[STORE_QUOTA_MESSAGE] = a->usage.messages;
	usage[STORE_QUOTA_MAILBOX] = a->usage.mailboxes;
	pthread_mutex_unlock(&a->counting);
}

bool
quota_levels(struct store_account *a, const uint64_t limit[STORE_QUOTA_RESOURCES],
    const unsigned warned[STORE_QUOTA_RESOURCES], unsigned now_r[STORE_QUOTA_RESOURCES])
{
	uint64_t usage[STORE_QUOTA_RESOURCES];
	struct store *store = a->store;
	bool crossed = false;

	quota_usage(a, usage);
	pthread_rwlock_rdlock(&store->quota_lock);
	for (unsigned r = 0; r < STORE_QUOTA_RESOURCES; r++) {
		now_r[r] = level_of(&store->quota_source, usage[r], limit[r], warned[r]);
		crossed |= now_r[r] != warned[r];
	}
	pthread_rwlock_unlock(&store->quota_lock);
	return crossed;
}

void
quota_note(struct store_account *a)
{
	uint64_t limit[STORE_QUOTA_RESOURCES];
	unsigned warned[STORE_QUOTA_RESOURCES], now[STORE_QUOTA_RESOURCES];
	struct store *store = a->store;
	bool any = false;

	for (unsigned r = 0; r < STORE_QUOTA_RESOURCES; r++) {
		limit[r] = quota_limit(a, r);
		warned[r] = atomic_load(&a->quota_warned[r]);
		any |= limit[r] != STORE_QUOTA_NONE || warned[r] != 0;
	}
	if (!any || !quota_levels(a, limit, warned, now))
		return;
	pthread_rwlock_rdlock(&store->quota_lock);
	if (store->quota_source.crossed != NULL)
		store->quota_source.crossed(store->quota_source.arg, a->name);
	pthread_rwlock_unlock(&store->quota_lock);
}
