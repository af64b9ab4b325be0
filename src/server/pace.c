/* SPDX-License-Identifier: Apache-2.0 */
/* Rates: each loop remembers its totals for the last minute. */
#include <semaphore.h>

#include "base/clock.h"
#include "server/server_int.h"

enum { EVERY_MS = 1000, SAMPLES = PACE_SECONDS + 1 };

static void
take_sample(struct server_loop *sl, struct server_pace_sample *to)
{
	const struct imap_stats *s = &sl->il->stats;

	*to = (struct server_pace_sample){.ms = clock_mono_ms(),
	    .n = {[PACE_COMMANDS] = s->commands,
	        [PACE_LOGINS] = s->logins,
	        [PACE_SWITCHES] = s->switches,
	        [PACE_DELIVERIES] = sl->lmtp.stats.messages}};
	if (sl == sl->server->loops)
		store_pace(sl->server->store, &to->n[PACE_BATCHES], &to->n[PACE_BATCH_CHANGES],
		    &to->n[PACE_FLUSH_NS]);
}

static void
tick(void *arg)
{
	struct server_loop *sl = arg;

	take_sample(sl, &sl->past.samples[sl->past.taken++ % SAMPLES]);
	server_memory_note(sl);
	if (sl == &sl->server->loops[0]) /* do not keep expired keys in memory */
		tls_tickets_rotate(sl->server->tickets, clock_mono_ms());
	loop_timer_set(&sl->past.timer, EVERY_MS);
}

void
server_pace_begin(struct server_loop *sl)
{
	loop_timer_init(&sl->past.timer, sl->loop, tick, sl);
	tick(sl);
}

void
server_pace_end(struct server_loop *sl)
{
	loop_timer_clear(&sl->past.timer);
}

struct ask {
	struct loop_task task;
	struct server_loop *sl;
	uint64_t seconds;
	double *per_second;
	sem_t done;
};

/* On the loop, while the caller waits. */
static void
add_loop(struct loop_task *task)
{
	struct ask *ask = (struct ask *)(void *)task;
	const struct server_pace_past *past = &ask->sl->past;
	uint64_t back = ask->seconds < past->taken ? ask->seconds : past->taken;
	const struct server_pace_sample *then = &past->samples[(past->taken - back) % SAMPLES];
	struct server_pace_sample now;

	take_sample(ask->sl, &now);
	if (now.ms > then->ms)
		for (unsigned i = 0; i < PACE_COUNT; i++)
			ask->per_second[i] +=
			    (double)(now.n[i] - then->n[i]) * 1000 / (double)(now.ms - then->ms);
	sem_post(&ask->done);
}

void
server_pace(struct server *server, unsigned seconds, double per_second_r[PACE_COUNT])
{
	for (unsigned i = 0; i < PACE_COUNT; i++)
		per_second_r[i] = 0;
	for (unsigned i = 0; i < server->loop_count; i++) {
		struct ask ask = {.task.fn = add_loop,
		    .sl = &server->loops[i],
		    .seconds = seconds,
		    .per_second = per_second_r};

		sem_init(&ask.done, 0, 0);
		loop_post(server->loops[i].loop, &ask.task);
		while (sem_wait(&ask.done) != 0)
			;
		sem_destroy(&ask.done);
	}
}
