/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two tables.  An entry's hash selects its shard and its set in that shard's table.  Entries of
 * a set are in order of use, the last used first, followed by free ways.  A table begins with one
 * set.  When an entry would drop out of its set, the table is doubled; only a table of full size
 * drops it.  So a site with few users does not pay for pages it never fills.
 */
#include "auth/memory/cache.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "sasl/mech.h"

enum {
	WAYS = 8,
	SHARDS = 64,
	ADDRESS_MAX = 64,
	SHORT = SASL_NAME_MAX + SASL_PASSWORD_MAX + ADDRESS_MAX
};

struct entry { /* one user's entry */
	struct siphash hash;
	uint64_t stamp, until;
	unsigned flags;
	bool no_alias;
	size_t name_n, pattern_count, packed_n;
	char packed[]; /* the name, then the patterns as varint length and bytes */
};

struct user_set {
	struct entry *way[WAYS];
};

struct credential {
	struct siphash key;
	uint64_t stamp, until;
	bool used;
};

struct credential_set {
	struct credential way[WAYS];
};

struct shard {
	pthread_mutex_t lock;
	uint64_t epoch;
	size_t user_sets, credential_sets; /* powers of two */
	struct user_set *users;
	struct credential_set *credentials;
} __attribute__((aligned(64)));

struct auth_cache {
	struct siphash_key key;
	size_t most; /* sets of each table of a shard */
	struct shard shards[SHARDS];
};

struct auth_cache *
auth_cache_new(size_t sets)
{
	struct auth_cache *cache = mem_zalloc(sizeof(*cache));

	TS_ASSERT(sets >= SHARDS && (sets & (sets - 1)) == 0);
	random_bytes(&cache->key, sizeof(cache->key));
	cache->most = sets / SHARDS;
	for (size_t i = 0; i < SHARDS; i++) {
		struct shard *shard = &cache->shards[i];

		pthread_mutex_init(&shard->lock, NULL);
		shard->user_sets = shard->credential_sets = 1;
		shard->users = mem_zalloc(sizeof(*shard->users));
		shard->credentials = mem_zalloc(sizeof(*shard->credentials));
	}
	return cache;
}

static void
drop_shard(struct shard *shard)
{
	for (size_t i = 0; i < shard->user_sets; i++)
		for (size_t w = 0; w < WAYS && shard->users[i].way[w] != NULL; w++) {
			mem_free(shard->users[i].way[w]);
			shard->users[i].way[w] = NULL;
		}
}

static void
free_credentials(struct shard *shard)
{
	mem_wipe(shard->credentials, shard->credential_sets * sizeof(*shard->credentials));
	mem_free(shard->credentials);
}

void
auth_cache_free(struct auth_cache **cp)
{
	struct auth_cache *cache = *cp;

	if (cache == NULL)
		return;
	*cp = NULL;
	for (size_t i = 0; i < SHARDS; i++) {
		struct shard *shard = &cache->shards[i];

		drop_shard(shard);
		mem_free(shard->users);
		free_credentials(shard);
		pthread_mutex_destroy(&shard->lock);
	}
	mem_wipe(cache, sizeof(*cache));
	mem_free(cache);
}

static struct shard *
lock_shard(struct auth_cache *cache, struct siphash hash)
{
	struct shard *shard = &cache->shards[hash.lo % SHARDS];

	pthread_mutex_lock(&shard->lock);
	return shard;
}

static void
unlock(struct shard *shard)
{
	pthread_mutex_unlock(&shard->lock);
}

/* ---- users ---- */

static struct user_set *
user_set(struct shard *shard, struct siphash hash)
{
	return &shard->users[hash.lo / SHARDS & (shard->user_sets - 1)];
}

/* Splits each set into two by one more bit of the hash. */
static void
grow_users(struct shard *shard)
{
	struct user_set *old = shard->users;
	size_t n = shard->user_sets;

	shard->user_sets = 2 * n;
	shard->users = mem_zalloc(2 * n * sizeof(*old));
	for (size_t i = 0; i < n; i++)
		for (size_t w = 0; w < WAYS && old[i].way[w] != NULL; w++) {
			struct user_set *to = user_set(shard, old[i].way[w]->hash);
			size_t free_way = 0;

			while (to->way[free_way] != NULL)
				free_way++;
			to->way[free_way] = old[i].way[w];
		}
	mem_free(old);
}

/* Returns the user's way in the set, WAYS if there is none.  The lock is held. */
static size_t
way_of(const struct user_set *set, struct siphash hash, struct str name)
{
	for (size_t w = 0; w < WAYS; w++) {
		const struct entry *e = set->way[w];

		if (e != NULL && e->hash.lo == hash.lo && e->hash.hi == hash.hi &&
		    str_eq((struct str){e->packed, e->name_n}, name))
			return w;
	}
	return WAYS;
}

static bool
covers(const struct entry *e, struct str other)
{
	struct rd r = rd_of((struct str){e->packed + e->name_n, e->packed_n - e->name_n});

	for (size_t i = 0; i < e->pattern_count; i++)
		if (auth_glob(rd_vstr(&r), other))
			return true;
	return false;
}

/* Entries that never expire need no clock. */
static bool
is_over(uint64_t until)
{
	return until != UINT64_MAX && clock_mono_ms() >= until;
}

bool
auth_cache_user(
    struct auth_cache *cache, struct str name, struct str other, struct auth_facts *facts_r)
{
	struct siphash hash = siphash_of(&cache->key, name);
	struct shard *shard = lock_shard(cache, hash);
	struct user_set *set = user_set(shard, hash);
	size_t w = way_of(set, hash, name);

	if (w < WAYS && is_over(set->way[w]->until))
		w = WAYS; /* the way is used again when the user is put back */
	if (w < WAYS) {
		struct entry *e = set->way[w];

		memmove(&set->way[1], &set->way[0], w * sizeof(e));
		set->way[0] = e;
		facts_r->stamp = e->stamp;
		facts_r->flags = e->flags;
		facts_r->acts_for_some = e->pattern_count > 0;
		facts_r->acts_for_asked = covers(e, other);
		facts_r->no_alias = e->no_alias;
	}
	unlock(shard);
	return w < WAYS;
}

uint64_t
auth_cache_epoch(struct auth_cache *cache, struct str name)
{
	struct shard *shard = lock_shard(cache, siphash_of(&cache->key, name));
	uint64_t epoch = shard->epoch;

	unlock(shard);
	return epoch;
}

static struct entry *
entry_of(struct siphash hash, const struct auth_user *user, uint64_t until)
{
	struct buf packed = {0};
	struct entry *e;

	buf_str(&packed, user->name);
	for (size_t i = 0; i < user->acts_for_count; i++)
		buf_vstr(&packed, user->acts_for[i]);
	e = mem_zalloc(sizeof(*e) + packed.n);
	e->hash = hash;
	e->stamp = user->stamp;
	e->until = until;
	e->flags = user->flags;
	e->name_n = user->name.n;
	e->pattern_count = user->acts_for_count;
	e->packed_n = packed.n;
	if (packed.n > 0)
		memcpy(e->packed, packed.p, packed.n);
	buf_fini(&packed);
	return e;
}

void
auth_cache_put_user(
    struct auth_cache *cache, uint64_t epoch, const struct auth_user *user, uint64_t until)
{
	struct siphash hash = siphash_of(&cache->key, user->name);
	struct entry *e = entry_of(hash, user, until), *gone = e;
	struct shard *shard = lock_shard(cache, hash);

	if (shard->epoch == epoch) {
		struct user_set *set = user_set(shard, hash);
		size_t w = way_of(set, hash, user->name);

		while (w == WAYS && set->way[WAYS - 1] != NULL && shard->user_sets < cache->most) {
			grow_users(shard);
			set = user_set(shard, hash);
		}
		if (w < WAYS)
			e->no_alias = set->way[w]->no_alias;
		else
			w = WAYS - 1;
		gone = set->way[w];
		memmove(&set->way[1], &set->way[0], w * sizeof(e));
		set->way[0] = e;
	}
	unlock(shard);
	mem_free(gone);
}

void
auth_cache_note_no_alias(struct auth_cache *cache, uint64_t epoch, struct str name)
{
	struct siphash hash = siphash_of(&cache->key, name);
	struct shard *shard = lock_shard(cache, hash);
	struct user_set *set = user_set(shard, hash);
	size_t w = way_of(set, hash, name);

	if (shard->epoch == epoch && w < WAYS)
		set->way[w]->no_alias = true;
	unlock(shard);
}

static void
drop_all(struct auth_cache *cache)
{
	for (size_t i = 0; i < SHARDS; i++) {
		struct shard *shard = lock_shard(cache, (struct siphash){i, 0});

		shard->epoch++;
		drop_shard(shard);
		unlock(shard);
	}
}

void
auth_cache_drop(struct auth_cache *cache, struct str name)
{
	struct siphash hash = siphash_of(&cache->key, name);
	struct entry *gone = NULL;
	struct user_set *set;
	struct shard *shard;
	size_t w;

	if (name.n == 0) {
		drop_all(cache);
		return;
	}
	shard = lock_shard(cache, hash);
	shard->epoch++;
	set = user_set(shard, hash);
	w = way_of(set, hash, name);
	if (w < WAYS) {
		gone = set->way[w];
		memmove(&set->way[w], &set->way[w + 1], (WAYS - 1 - w) * sizeof(gone));
		set->way[WAYS - 1] = NULL;
	}
	unlock(shard);
	mem_free(gone);
}

/* ---- credentials ---- */

bool
auth_cache_credential_key(struct auth_cache *cache, struct str name, struct str password,
    struct str address, struct siphash *key_r)
{
	char text[4 + SHORT];
	uint16_t lengths[2] = {(uint16_t)name.n, (uint16_t)address.n};
	char *p = text;

	_Static_assert(sizeof(lengths) == 4, "what stands before the texts");
	if (name.n > SASL_NAME_MAX || password.n > SASL_PASSWORD_MAX || address.n > ADDRESS_MAX ||
	    name.n == 0 || password.n == 0)
		return false;
	/* The lengths come first, so that no other input has the same bytes. */
	p = mempcpy(p, lengths, sizeof(lengths));
	p = mempcpy(p, name.p, name.n);
	if (address.n > 0)
		p = mempcpy(p, address.p, address.n);
	p = mempcpy(p, password.p, password.n);
	*key_r = siphash_of(&cache->key, str_range(text, p));
	mem_wipe(text, (size_t)(p - text));
	return true;
}

static struct credential_set *
credential_set(struct shard *shard, struct siphash key)
{
	return &shard->credentials[key.lo / SHARDS & (shard->credential_sets - 1)];
}

static void
grow_credentials(struct shard *shard)
{
	struct shard old = *shard;

	shard->credential_sets *= 2;
	shard->credentials = mem_zalloc(shard->credential_sets * sizeof(*shard->credentials));
	for (size_t i = 0; i < old.credential_sets; i++)
		for (size_t w = 0; w < WAYS && old.credentials[i].way[w].used; w++) {
			const struct credential *c = &old.credentials[i].way[w];
			struct credential_set *to = credential_set(shard, c->key);
			size_t free_way = 0;

			while (to->way[free_way].used)
				free_way++;
			to->way[free_way] = *c;
		}
	free_credentials(&old);
}

static size_t
find_credential(const struct credential_set *set, struct siphash key)
{
	for (size_t w = 0; w < WAYS; w++)
		if (set->way[w].used && set->way[w].key.lo == key.lo &&
		    set->way[w].key.hi == key.hi)
			return w;
	return WAYS;
}

static void
to_front(struct credential_set *set, size_t w, struct credential c)
{
	memmove(&set->way[1], &set->way[0], w * sizeof(c));
	set->way[0] = c;
}

bool
auth_cache_credential(struct auth_cache *cache, struct siphash key, uint64_t stamp)
{
	struct shard *shard = lock_shard(cache, key);
	struct credential_set *set = credential_set(shard, key);
	size_t w = find_credential(set, key);
	bool ok = w < WAYS && set->way[w].stamp == stamp && !is_over(set->way[w].until);

	if (ok && w > 0)
		to_front(set, w, set->way[w]);
	unlock(shard);
	return ok;
}

void
auth_cache_put_credential(
    struct auth_cache *cache, struct siphash key, uint64_t stamp, uint64_t until)
{
	struct shard *shard = lock_shard(cache, key);
	struct credential_set *set = credential_set(shard, key);
	size_t w = find_credential(set, key);

	while (w == WAYS && set->way[WAYS - 1].used && shard->credential_sets < cache->most) {
		grow_credentials(shard);
		set = credential_set(shard, key);
	}
	to_front(set, w < WAYS ? w : WAYS - 1,
	    (struct credential){.key = key, .stamp = stamp, .until = until, .used = true});
	unlock(shard);
}

void
auth_cache_forget_credentials(struct auth_cache *cache)
{
	for (size_t i = 0; i < SHARDS; i++) {
		struct shard *shard = lock_shard(cache, (struct siphash){i, 0});

		mem_wipe(shard->credentials, shard->credential_sets * sizeof(*shard->credentials));
		unlock(shard);
	}
}
