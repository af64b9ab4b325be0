/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns and shares, see work_queue.h.
 *
 * The works of one user and kind form a lot, first come, first served.  The lots of a kind that
 * have any form a ring; after its turn a lot goes to the back.  A lot whose user or identity has
 * used up its share of the threads is passed over, but keeps its place in the ring.
 */
#include "net/work_queue.h"

#include "base/err.h"
#include "base/list.h"
#include "base/mem.h"

enum { BUCKETS = 1024, LONG_WAITS = 8 };

struct work_lot {
	struct work *first, **last;
	struct link link; /* in the ring, if it has any work */
	size_t waiting;
};

/* A user or an identity with work that waits or runs. */
struct party {
	struct party *next; /* in its bucket */
	uint64_t key;
	size_t works, running;
	struct work_lot lots[WORK_KINDS]; /* for a user */
};

struct work_queue {
	size_t threads;
	struct link rings[WORK_KINDS]; /* of lots */
	struct work_counts counts;
	bool login_last;     /* whether a login check was taken last, rather than short work */
	unsigned long_waits; /* turns that others had since long work could have had one */
	struct party *users[BUCKETS], *identities[BUCKETS];
};

/* ---- who there is ---- */

static struct party **
party_place(struct party **table, uint64_t key)
{
	struct party **at = &table[key % BUCKETS];

	while (*at != NULL && (*at)->key != key)
		at = &(*at)->next;
	return at;
}

static struct party *
enter_party(struct party **table, uint64_t key)
{
	struct party **at = party_place(table, key), *p = *at;

	if (p == NULL) {
		p = *at = mem_zalloc(sizeof(*p));
		p->key = key;
		for (unsigned kind = 0; kind < WORK_KINDS; kind++) {
			p->lots[kind].last = &p->lots[kind].first;
			list_init(&p->lots[kind].link);
		}
	}
	p->works++;
	return p;
}

static void
leave_party(struct party **table, uint64_t key)
{
	struct party **at = party_place(table, key), *p = *at;

	TS_ASSERT(p != NULL);
	if (--p->works > 0)
		return;
	*at = p->next;
	mem_free(p);
}

/* Gets both parties of a work; the second may be NULL. */
static void
parties(struct work_queue *q, struct work_who who, struct party *two_r[2])
{
	two_r[0] = *party_place(q->users, who.user);
	TS_ASSERT(two_r[0] != NULL);
	two_r[1] = who.identity != 0 ? *party_place(q->identities, who.identity) : NULL;
}

static void
leave_all(struct work_queue *q, struct work_who who)
{
	leave_party(q->users, who.user);
	if (who.identity != 0)
		leave_party(q->identities, who.identity);
}

/* ---- what waits ---- */

void
work_queue_put(struct work_queue *q, struct work *w)
{
	struct work_lot *lot = &enter_party(q->users, w->who.user)->lots[w->kind];

	if (w->who.identity != 0)
		(void)enter_party(q->identities, w->who.identity);
	if (lot->first == NULL)
		list_push_back(&q->rings[w->kind], &lot->link);
	w->next = NULL;
	w->at = lot->last;
	*lot->last = w;
	lot->last = &w->next;
	lot->waiting++;
	q->counts.waiting[w->kind]++;
}

static void
take_out(struct work_queue *q, struct work *w)
{
	struct party *two[2];
	struct work_lot *lot;

	parties(q, w->who, two);
	lot = &two[0]->lots[w->kind];
	*w->at = w->next;
	if (w->next != NULL)
		w->next->at = w->at;
	else
		lot->last = w->at;
	w->at = NULL;
	if (lot->first == NULL)
		list_remove(&lot->link);
	lot->waiting--;
	q->counts.waiting[w->kind]--;
}

bool
work_queue_remove(struct work_queue *q, struct work *w)
{
	if (w->at == NULL)
		return false;
	take_out(q, w);
	leave_all(q, w->who);
	return true;
}

/* ---- shares ---- */

static size_t
half(const struct work_queue *q)
{
	return q->threads > 1 ? q->threads / 2 : 1;
}

static size_t
most(const struct work_queue *q, enum work_kind kind)
{
	if (kind == WORK_LOGIN)
		return half(q);
	return kind == WORK_LONG && q->threads > 1 ? q->threads - 1 : q->threads;
}

/* Returns the first work of the lot whose parties may have another thread, or NULL. */
static struct work *
first_runnable(struct work_queue *q, const struct work_lot *lot)
{
	struct party *two[2];

	for (struct work *w = lot->first; w != NULL; w = w->next) {
		parties(q, w->who, two);
		if (two[0]->running >= half(q))
			return NULL; /* all works of a lot have the same user */
		if (two[1] == NULL || two[1]->running < half(q))
			return w;
	}
	return NULL;
}

/* Returns the next work of a kind, or NULL. */
static struct work *
next_of(struct work_queue *q, enum work_kind kind)
{
	struct work_lot *lot;
	struct work *w = NULL;

	if (q->counts.running[kind] >= most(q, kind))
		return NULL;
	LIST_EACH (lot, &q->rings[kind], link)
		if ((w = first_runnable(q, lot)) != NULL)
			break;
	return w;
}

/* ---- turns ---- */

static struct work *
choose_work(struct work_queue *q)
{
	enum work_kind first = q->login_last ? WORK_SHORT : WORK_LOGIN;
	struct work *slow = next_of(q, WORK_LONG), *w;

	if (slow != NULL && q->long_waits >= LONG_WAITS)
		return slow;
	w = next_of(q, first);
	if (w == NULL)
		w = next_of(q, first == WORK_SHORT ? WORK_LOGIN : WORK_SHORT);
	if (w == NULL)
		return slow;
	q->login_last = w->kind == WORK_LOGIN;
	q->long_waits += slow != NULL;
	return w;
}

struct work *
work_queue_take(struct work_queue *q)
{
	struct work *w = choose_work(q);
	struct party *two[2];
	struct work_lot *lot;

	if (w == NULL)
		return NULL;
	if (w->kind == WORK_LONG)
		q->long_waits = 0;
	parties(q, w->who, two);
	take_out(q, w);
	lot = &two[0]->lots[w->kind];
	if (lot->first != NULL) {
		list_remove(&lot->link);
		list_push_back(&q->rings[w->kind], &lot->link);
	}
	two[0]->running++;
	if (two[1] != NULL)
		two[1]->running++;
	q->counts.running[w->kind]++;
	return w;
}

void
work_queue_ran(struct work_queue *q, enum work_kind kind, struct work_who who)
{
	struct party *two[2];

	parties(q, who, two);
	two[0]->running--;
	if (two[1] != NULL)
		two[1]->running--;
	q->counts.running[kind]--;
	leave_all(q, who);
}

/* ---- life ---- */

struct work_queue *
work_queue_new(unsigned threads)
{
	struct work_queue *q = mem_zalloc(sizeof(*q));

	q->threads = threads > 0 ? threads : 1;
	for (unsigned kind = 0; kind < WORK_KINDS; kind++)
		list_init(&q->rings[kind]);
	return q;
}

void
work_queue_free(struct work_queue **queue)
{
	struct work_queue *q = *queue;

	*queue = NULL;
	for (size_t i = 0; i < BUCKETS; i++)
		TS_ASSERT(q->users[i] == NULL && q->identities[i] == NULL);
	mem_free(q);
}

const struct work_counts *
work_queue_counts(const struct work_queue *q)
{
	return &q->counts;
}

size_t
work_queue_waiting_of(const struct work_queue *q, enum work_kind kind, uint64_t user)
{
	const struct party *p = q->users[user % BUCKETS];

	while (p != NULL && p->key != user)
		p = p->next;
	return p != NULL ? p->lots[kind].waiting : 0;
}
