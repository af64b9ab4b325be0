/* SPDX-License-Identifier: Apache-2.0 */
/* See tokens.h.  A shard's sets are allocated with its first token. */
#include "auth/memory/tokens.h"

#include <pthread.h>
#include <stdatomic.h>

#include "auth/user/siphash.h"
#include "base/clock.h"
#include "base/mem.h"

enum { SHARDS = 16, SETS = 64, WAYS = 8 };

struct entry {
	struct siphash key;
	struct auth_token_facts facts; /* its name follows */
	char name[];
};

struct set {
	struct entry *way[WAYS]; /* the last used first, free ones last */
};

struct shard {
	pthread_mutex_t lock;
	struct set *sets;
} __attribute__((aligned(64)));

struct auth_tokens {
	struct siphash_key key;
	_Atomic uint64_t epoch;
	struct shard shards[SHARDS];
};

struct auth_tokens *
auth_tokens_new(void)
{
	struct auth_tokens *t = mem_zalloc(sizeof(*t));

	random_bytes(&t->key, sizeof(t->key));
	for (size_t i = 0; i < SHARDS; i++)
		(void)pthread_mutex_init(&t->shards[i].lock, NULL);
	return t;
}

static void
empty(struct shard *shard)
{
	for (size_t i = 0; shard->sets != NULL && i < SETS; i++)
		for (size_t w = 0; w < WAYS; w++)
			mem_free(shard->sets[i].way[w]);
	mem_free(shard->sets);
	shard->sets = NULL;
}

void
auth_tokens_free(struct auth_tokens **tp)
{
	struct auth_tokens *t = *tp;

	if (t == NULL)
		return;
	*tp = NULL;
	for (size_t i = 0; i < SHARDS; i++) {
		empty(&t->shards[i]);
		(void)pthread_mutex_destroy(&t->shards[i].lock);
	}
	mem_wipe(t, sizeof(*t));
	mem_free(t);
}

/* Hashes a token and its host so that no other pair has the same input. */
static struct siphash
key_of(const struct auth_tokens *t, struct str token, struct str host)
{
	struct siphash key = siphash_of(&t->key, token);
	struct siphash_key with = {t->key.k0 ^ key.lo, t->key.k1 ^ key.hi};

	return siphash_of(&with, host);
}

static struct shard *
lock_shard(struct auth_tokens *t, struct siphash key)
{
	struct shard *shard = &t->shards[key.lo % SHARDS];

	(void)pthread_mutex_lock(&shard->lock);
	return shard;
}

/* The lock is held, and the sets exist. */
static struct set *
set_of(struct shard *shard, struct siphash key)
{
	return &shard->sets[key.lo / SHARDS % SETS];
}

static size_t
token_way(const struct set *set, struct siphash key)
{
	for (size_t w = 0; w < WAYS && set->way[w] != NULL; w++)
		if (set->way[w]->key.lo == key.lo && set->way[w]->key.hi == key.hi)
			return w;
	return WAYS;
}

static void
to_front(struct set *set, size_t w, struct entry *e)
{
	memmove(&set->way[1], &set->way[0], w * sizeof(e));
	set->way[0] = e;
}

bool
auth_tokens_get(struct auth_tokens *t, struct str token, struct str host, struct buf *name_r,
    struct auth_token_facts *facts_r)
{
	struct siphash key = key_of(t, token, host);
	struct shard *shard = lock_shard(t, key);
	struct entry *e = NULL;

	if (shard->sets != NULL) {
		struct set *set = set_of(shard, key);
		size_t w = token_way(set, key);

		if (w < WAYS && clock_mono_ms() < set->way[w]->facts.until)
			to_front(set, w, e = set->way[w]);
	}
	if (e != NULL) {
		size_t at = name_r->n;

		*facts_r = e->facts;
		buf_str(name_r, e->facts.name);
		facts_r->name = (struct str){name_r->p + at, e->facts.name.n};
	}
	(void)pthread_mutex_unlock(&shard->lock);
	return e != NULL;
}

uint64_t
auth_tokens_epoch(struct auth_tokens *t)
{
	return atomic_load(&t->epoch);
}

void
auth_tokens_put(struct auth_tokens *t, uint64_t epoch, struct str token, struct str host,
    const struct auth_token_facts *facts)
{
	struct siphash key = key_of(t, token, host);
	struct entry *e = mem_zalloc(sizeof(*e) + facts->name.n), *gone = e;
	struct shard *shard;

	e->key = key;
	e->facts = *facts;
	memcpy(e->name, facts->name.p, facts->name.n);
	e->facts.name.p = e->name;
	shard = lock_shard(t, key);
	/* The lock is held; auth_tokens_drop() counts first and then takes the locks. */
	if (atomic_load(&t->epoch) == epoch) {
		struct set *set;
		size_t w;

		if (shard->sets == NULL)
			shard->sets = mem_zalloc(SETS * sizeof(*shard->sets));
		set = set_of(shard, key);
		w = token_way(set, key);
		if (w == WAYS)
			w = WAYS - 1;
		gone = set->way[w];
		to_front(set, w, e);
	}
	(void)pthread_mutex_unlock(&shard->lock);
	mem_free(gone);
}

void
auth_tokens_drop(struct auth_tokens *t)
{
	atomic_fetch_add(&t->epoch, 1);
	for (size_t i = 0; i < SHARDS; i++) {
		(void)pthread_mutex_lock(&t->shards[i].lock);
		empty(&t->shards[i]);
		(void)pthread_mutex_unlock(&t->shards[i].lock);
	}
}
