/* SPDX-License-Identifier: Apache-2.0 */
/*
 * systemd's watchdog: fed only if each loop has run a task since the last time, and the lanes have
 * committed something if there was work.
 */
#include <signal.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/server_int.h"

static void
beat(struct loop_task *task)
{
	struct server_loop *sl = list_entry(task, struct server_loop, beat);

	atomic_store(&sl->beats_seen, atomic_load(&sl->beats_sent));
}

static bool
loops_answer(struct server *server)
{
	bool all = true;

	for (unsigned i = 0; i < server->loop_count; i++) {
		struct server_loop *sl = &server->loops[i];

		if (atomic_load(&sl->beats_seen) != atomic_load(&sl->beats_sent))
			all = false;
		else
			atomic_fetch_add(&sl->beats_sent, 1);
		sl->beat.fn = beat;
		loop_post(sl->loop, &sl->beat);
	}
	return all;
}

/* False: changes were waiting last time and are waiting now, and no batch was committed in
 * between. */
static bool
lanes_answer(struct server *server, struct server_watchdog *w)
{
	struct store_stats st;
	bool stuck;

	store_stats(server->store, &st);
	stuck = w->waited && st.changes_pending > 0 && st.batches == w->batches;
	w->waited = st.changes_pending > 0;
	w->batches = st.batches;
	return !stuck;
}

void
server_watchdog_init(struct server_watchdog *w)
{
	uint64_t usec = 0;

	*w = (struct server_watchdog){0};
	if (sd_watchdog_enabled(0, &usec) > 0)
		w->every_ms = usec / 3000 > 0 ? usec / 3000 : 1;
}

void
server_watchdog_feed(struct server *server, struct server_watchdog *w)
{
	uint64_t now = clock_mono_ms();
	bool loops, lanes;

	if (w->every_ms == 0 || now < w->due)
		return;
	w->due = now + w->every_ms;
	loops = loops_answer(server);
	lanes = lanes_answer(server, w);
	if (loops && lanes)
		sd_notify(0, "WATCHDOG=1");
	else
		log_msg(LOG_WARNING, "watchdog", "%s: systemd is not told that the server is alive",
		    loops ? "nothing is committed although changes are waiting"
		          : "a loop is not responding");
}

int
server_watchdog_wait(struct server *server, struct server_watchdog *w, const sigset_t *set)
{
	struct timespec rest = {0};
	uint64_t now;

	if (w->every_ms == 0)
		return sigwaitinfo(set, NULL);
	server_watchdog_feed(server, w);
	now = clock_mono_ms();
	if (w->due > now) {
		rest.tv_sec = (time_t)((w->due - now) / 1000);
		rest.tv_nsec = (long)((w->due - now) % 1000) * 1000000;
	}
	return sigtimedwait(set, NULL, &rest);
}
