/* SPDX-License-Identifier: Apache-2.0 */
/* See tally.h. */
#include "net/tally.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"

enum { CHAINS = 4096, SETS = 4096, WAYS = 4 };

struct tally_place { /* one for all that share a key */
	struct tally_place *next;
	uint64_t hash;
	unsigned count;
	size_t n;
	char key[];
};

struct tally {
	pthread_mutex_t lock; /* guards all below except the seed */
	uint64_t seed[2];     /* so that nobody can choose keys that fall into one chain */
	struct tally_place *chains[CHAINS];
};

static uint64_t
hash_key(const uint64_t seed[2], struct str key)
{
	uint64_t h = seed[0];

	for (size_t i = 0; i < key.n; i++) {
		h = (h ^ (unsigned char)key.p[i]) * (seed[1] | 1);
		h ^= h >> 29;
	}
	return h ^ (h >> 32);
}

struct tally *
tally_new(void)
{
	struct tally *t = mem_zalloc(sizeof(*t));

	(void)pthread_mutex_init(&t->lock, NULL);
	random_bytes(t->seed, sizeof(t->seed));
	return t;
}

void
tally_free(struct tally **tally)
{
	struct tally *t = *tally;

	*tally = NULL;
	if (t == NULL)
		return;
	for (size_t i = 0; i < CHAINS; i++)
		TS_ASSERT(t->chains[i] == NULL);
	(void)pthread_mutex_destroy(&t->lock);
	mem_free(t);
}

static struct tally_place *
place_new(struct str key, uint64_t hash)
{
	struct tally_place *p = mem_zalloc(sizeof(*p) + key.n);

	p->hash = hash;
	p->n = key.n;
	if (key.n > 0)
		memcpy(p->key, key.p, key.n);
	return p;
}

uint64_t
tally_hash(const struct tally *t, struct str key)
{
	return hash_key(t->seed, key);
}

struct tally_place *
tally_enter(struct tally *t, struct str key, unsigned max)
{
	uint64_t hash = hash_key(t->seed, key);
	struct tally_place **chain = &t->chains[hash % CHAINS], *p;

	(void)pthread_mutex_lock(&t->lock);
	for (p = *chain; p != NULL; p = p->next)
		if (p->hash == hash && str_eq((struct str){p->key, p->n}, key))
			break;
	if (p == NULL && max > 0) {
		p = place_new(key, hash);
		p->next = *chain;
		*chain = p;
	}
	if (p != NULL && p->count < max)
		p->count++;
	else
		p = NULL;
	(void)pthread_mutex_unlock(&t->lock);
	return p;
}

void
tally_leave(struct tally *t, struct tally_place **place)
{
	struct tally_place *p = *place, **at;

	*place = NULL;
	if (p == NULL)
		return;
	(void)pthread_mutex_lock(&t->lock);
	TS_ASSERT(p->count > 0);
	if (--p->count == 0) {
		for (at = &t->chains[p->hash % CHAINS]; *at != p; at = &(*at)->next)
			;
		*at = p->next;
	} else
		p = NULL;
	(void)pthread_mutex_unlock(&t->lock);
	mem_free(p);
}

/* ---- failures */

struct failure {
	uint64_t hash; /* of the key; two keys are not expected to share one */
	uint64_t since_ms;
	unsigned count; /* 0: free */
};

struct failures {
	pthread_mutex_t lock; /* guards the sets */
	uint64_t seed[2];
	struct failure sets[SETS][WAYS];
};

struct failures *
failures_new(void)
{
	struct failures *f = mem_zalloc(sizeof(*f));

	(void)pthread_mutex_init(&f->lock, NULL);
	random_bytes(f->seed, sizeof(f->seed));
	return f;
}

void
failures_free(struct failures **failures)
{
	struct failures *f = *failures;

	*failures = NULL;
	if (f == NULL)
		return;
	(void)pthread_mutex_destroy(&f->lock);
	mem_free(f);
}

static unsigned
left_of(const struct failure *way, uint64_t now, uint64_t forget_ms)
{
	uint64_t forgotten =
	    forget_ms > 0 && now > way->since_ms ? (now - way->since_ms) / forget_ms : 0;

	return forgotten < way->count ? way->count - (unsigned)forgotten : 0;
}

/* Returns the key's entry, or the one with the fewest failures, the oldest of these. */
static struct failure *
way_of(struct failure *set, uint64_t hash, uint64_t now, uint64_t forget_ms)
{
	struct failure *best = &set[0];
	unsigned least = left_of(best, now, forget_ms);

	for (size_t i = 0; i < WAYS; i++) {
		unsigned left = left_of(&set[i], now, forget_ms);

		if (set[i].count > 0 && set[i].hash == hash)
			return &set[i];
		if (left < least || (left == least && set[i].since_ms < best->since_ms)) {
			best = &set[i];
			least = left;
		}
	}
	return best;
}

unsigned
failures_add(struct failures *f, struct str key, uint64_t now, uint64_t forget_ms)
{
	uint64_t hash = hash_key(f->seed, key);
	struct failure *way;
	unsigned before;

	(void)pthread_mutex_lock(&f->lock);
	way = way_of(f->sets[hash % SETS], hash, now, forget_ms);
	if (way->count == 0 || way->hash != hash)
		*way = (struct failure){.hash = hash, .since_ms = now};
	before = left_of(way, now, forget_ms);
	way->since_ms =
	    before == 0 ? now : way->since_ms + (uint64_t)(way->count - before) * forget_ms;
	way->count = before + 1;
	(void)pthread_mutex_unlock(&f->lock);
	return before;
}

unsigned
failures_left(struct failures *f, struct str key, uint64_t now, uint64_t forget_ms)
{
	uint64_t hash = hash_key(f->seed, key);
	const struct failure *set = f->sets[hash % SETS];
	unsigned left = 0;

	(void)pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < WAYS; i++)
		if (set[i].count > 0 && set[i].hash == hash)
			left = left_of(&set[i], now, forget_ms);
	(void)pthread_mutex_unlock(&f->lock);
	return left;
}

/* ---- addresses */

struct str
tally_network(struct str address, unsigned v6_bits, char text[TALLY_NETWORK_MAX])
{
	unsigned char a[16];

	if (address.n >= TALLY_NETWORK_MAX || memchr(address.p, ':', address.n) == NULL)
		return address;
	memcpy(text, address.p, address.n);
	text[address.n] = '\0';
	if (inet_pton(AF_INET6, text, a) != 1)
		return address;
	for (unsigned bit = v6_bits; bit < 128; bit++)
		a[bit / 8] &= (unsigned char)~(0x80u >> (bit % 8));
	return inet_ntop(AF_INET6, a, text, TALLY_NETWORK_MAX) != NULL ? str_of(text) : address;
}
