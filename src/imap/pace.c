/* SPDX-License-Identifier: Apache-2.0 */
/* Whose turn it is on a loop, see pace.h. */
#include "imap/pace.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "imap/cmd.h"
#include "imap/settings.h"
#include "net/tally.h"

enum {
	LATELY_MS = 1000,
	LONG_PART = 8,       /* an eighth of a slice is long */
	FORGET_AT_ONCE = 64, /* so that forgetting many does not delay the loop */
};

struct paced {
	struct paced *next; /* in its bucket */
	uint64_t who;
	uint64_t until_ms;
	struct link known; /* in no list: its time is over, but connections wait */
	struct link ring;
	struct link conns; /* those that wait; of pace_place */
};

/* ---- slices ---- */

void
slice_begin(struct imap_loop *il)
{
	uint64_t now = clock_mono_ns();

	il->slice_end_ns = now + il->slice_ns;
	pace_begins(il, now);
}

bool
slice_over(const struct imap_loop *il)
{
	return clock_mono_ns() >= il->slice_end_ns;
}

/* ---- who is paced ---- */

static uint64_t
who_is(const struct imap_conn *conn)
{
	const struct imap_login *login = imap_login(conn);
	char text[TALLY_NETWORK_MAX];

	if (login != NULL)
		return login->who.user;
	return tally_hash(conn->server->sessions.addresses,
	    tally_network(
	        conn->session.address, (unsigned)imap_settings(conn)->address_v6_bits, text));
}

static struct paced **
find(struct pace *pace, uint64_t who)
{
	struct paced **at = &pace->bucket[who % PACE_BUCKETS];

	while (*at != NULL && (*at)->who != who)
		at = &(*at)->next;
	return at;
}

static void
forget_paced(struct pace *pace, struct paced *p)
{
	*find(pace, p->who) = p->next;
	list_remove(&p->known);
	pace->count--;
	mem_free(p);
}

static void
set_timer(struct imap_loop *il)
{
	struct pace *pace = &il->pace;
	uint64_t now = loop_now(il->loop), until;

	if (list_empty(&pace->known) || loop_timer_is_set(&pace->timer))
		return;
	until = list_entry(pace->known.next, struct paced, known)->until_ms;
	loop_timer_set(&pace->timer, until > now ? until - now : 1);
}

/* Forgets users who have not computed for long recently.  Those who wait are forgotten later. */
static void
forget_some(void *arg)
{
	struct imap_loop *il = arg;
	struct pace *pace = &il->pace;

	for (unsigned i = 0; i < FORGET_AT_ONCE && !list_empty(&pace->known); i++) {
		struct paced *p = list_entry(pace->known.next, struct paced, known);

		if (p->until_ms > loop_now(il->loop))
			break;
		list_remove(&p->known);
		if (list_empty(&p->conns))
			forget_paced(pace, p);
	}
	set_timer(il);
}

static void
remember(struct imap_loop *il, uint64_t who)
{
	struct pace *pace = &il->pace;
	struct paced **at = find(pace, who), *p = *at;

	if (p == NULL) {
		p = *at = mem_zalloc(sizeof(*p));
		p->who = who;
		list_init(&p->known);
		list_init(&p->ring);
		list_init(&p->conns);
		pace->count++;
	}
	p->until_ms = loop_now(il->loop) + LATELY_MS;
	list_remove(&p->known);
	list_push_back(&pace->known, &p->known);
	set_timer(il);
}

/* Returns NULL if it is served at once. */
static struct paced *
paced_of(const struct imap_conn *conn)
{
	struct pace *pace = &conn->il->pace;

	return pace->count > 0 ? *find(pace, who_is(conn)) : NULL;
}

bool
pace_holds(const struct imap_conn *conn)
{
	return paced_of(conn) != NULL;
}

/* ---- what is computed ---- */

static void
look_at_cpu(struct imap_loop *il, uint64_t now)
{
	il->pace.look_ns = now;
	il->pace.look_cpu_ns = loop_cpu_ns(il->loop);
}

void
pace_begins(struct imap_loop *il, uint64_t now)
{
	struct pace *pace = &il->pace;

	pace->since_ns = now;
	pace->exact = loop_now(il->loop) < pace->exact_until_ms;
	if (pace->exact && now - pace->look_ns >= pace->long_ns / 2)
		look_at_cpu(il, now);
}

/* Returns how long the thread did not run since the last look, and makes this the new one. */
static uint64_t
idle_since_look(struct imap_loop *il, uint64_t now)
{
	uint64_t ns = il->pace.look_ns, cpu_ns = il->pace.look_cpu_ns;

	look_at_cpu(il, now);
	ns = now - ns;
	cpu_ns = il->pace.look_cpu_ns - cpu_ns;
	return ns > cpu_ns ? ns - cpu_ns : 0;
}

/* Returns whether much was computed since the last call. */
static bool
took_long(struct imap_loop *il, uint64_t now)
{
	struct pace *pace = &il->pace;
	uint64_t ns = now - pace->since_ns, idle;
	bool known = pace->exact;

	pace->since_ns = now;
	if (ns < pace->long_ns)
		return false;
	pace->exact_until_ms = loop_now(il->loop) + LATELY_MS;
	pace->exact = true;
	idle = idle_since_look(il, now);
	return known && ns >= idle && ns - idle >= pace->long_ns;
}

void
pace_ran(struct imap_conn *conn)
{
	struct imap_loop *il = conn->il;
	uint64_t began = il->slice_end_ns - il->slice_ns, now = clock_mono_ns();

	if (conn->pace.turn) { /* a whole slice was counted */
		conn->pace.turn = false;
		il->pace.credit_ns += (int64_t)il->slice_ns - (int64_t)(now - began);
	}
	if (took_long(il, now))
		remember(il, who_is(conn));
}

void
pace_worked(struct imap_conn *conn)
{
	if (took_long(conn->il, clock_mono_ns()))
		remember(conn->il, who_is(conn));
}

/* ---- turns ---- */

bool
pace_waits(const struct imap_conn *conn)
{
	return conn->pace.paced != NULL;
}

void
pace_ask(struct imap_conn *conn)
{
	struct pace *pace = &conn->il->pace;
	struct paced *p = paced_of(conn);

	if (pace_waits(conn))
		return;
	if (p == NULL) {
		loop_post(conn->il->loop, &conn->task);
		return;
	}
	if (list_empty(&p->conns))
		list_push_back(&pace->ring, &p->ring);
	conn->pace.paced = p;
	list_push_back(&p->conns, &conn->pace.link);
	loop_post(conn->il->loop, &pace->task);
}

static void
stop_waiting(struct pace *pace, struct pace_place *place)
{
	struct paced *p = place->paced;

	list_remove(&place->link);
	place->link = (struct link){NULL, NULL};
	place->paced = NULL;
	if (!list_empty(&p->conns))
		return;
	list_remove(&p->ring);
	if (list_empty(&p->known))
		forget_paced(pace, p);
}

void
pace_leave(struct imap_conn *conn, uint64_t user)
{
	if (took_long(conn->il, clock_mono_ns()))
		remember(conn->il, user);
	if (pace_waits(conn))
		stop_waiting(&conn->il->pace, &conn->pace);
}

/* Takes the first connection of the first in the ring, which moves to the back. */
static struct imap_conn *
take_next_conn(struct pace *pace)
{
	struct paced *p = list_entry(pace->ring.next, struct paced, ring);
	struct pace_place *place = list_entry(p->conns.next, struct pace_place, link);

	list_remove(&p->ring);
	list_push_back(&pace->ring, &p->ring);
	stop_waiting(pace, place);
	return list_entry(place, struct imap_conn, pace);
}

static void
serve(struct loop_task *task)
{
	struct pace *pace = list_entry(task, struct pace, task);
	struct imap_loop *il = list_entry(pace, struct imap_loop, pace);
	int64_t most = PACE_SLICES * (int64_t)il->slice_ns;

	pace->credit_ns = pace->credit_ns > 0 ? most : pace->credit_ns + most;
	while (!list_empty(&pace->ring)) {
		struct imap_conn *conn = take_next_conn(pace);
		uint64_t began = clock_mono_ns();

		conn->task.fn(&conn->task); /* which may free it */
		pace->credit_ns -= (int64_t)(clock_mono_ns() - began);
		if (pace->credit_ns <= 0)
			break;
	}
	if (!list_empty(&pace->ring))
		loop_post(il->loop, &pace->task);
}

/* ---- input ---- */

bool
pace_hold_input(struct imap_conn *conn)
{
	if (conn->pace.turn || !pace_holds(conn))
		return false;
	conn->pace.held = true;
	pace_ask(conn);
	return true;
}

bool
pace_give_input(struct imap_conn *conn)
{
	if (!conn->pace.held)
		return false;
	conn->pace.held = false;
	conn->pace.turn = true;
	conn->il->pace.credit_ns -= (int64_t)conn->il->slice_ns;
	return true;
}

/* ---- life ---- */

void
pace_init(struct imap_loop *il)
{
	list_init(&il->pace.ring);
	list_init(&il->pace.known);
	il->pace.task.fn = serve;
	il->pace.long_ns = il->slice_ns / LONG_PART;
	loop_timer_init(&il->pace.timer, il->loop, forget_some, il);
}

void
pace_fini(struct imap_loop *il)
{
	struct pace *pace = &il->pace;

	TS_ASSERT(list_empty(&pace->ring));
	loop_timer_clear(&pace->timer);
	while (!list_empty(&pace->known))
		forget_paced(pace, list_entry(pace->known.next, struct paced, known));
	TS_ASSERT(pace->count == 0);
}
