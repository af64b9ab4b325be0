/* SPDX-License-Identifier: Apache-2.0 */
/* Shutdown. */
#include "server/server_int.h"

#include "server/metrics.h"

#include <errno.h>
#include <signal.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "auth/helper/helper.h"
#include "base/log.h"

enum { CONNS_POLL_MS = 10 };

void
server_ask_stop(struct server *server)
{
	(void)server;
	kill(getpid(), SIGTERM);
}

static void
poll_conns(void *arg)
{
	struct server_loop *sl = arg;

	if (session_loop_is_empty(&sl->il->sessions) && session_loop_is_empty(&sl->lmtp.sessions))
		loop_stop(sl->loop);
	else
		loop_timer_set(&sl->timer, CONNS_POLL_MS);
}

static void
stop_loop(struct loop_task *task)
{
	struct server_loop *sl = list_entry(task, struct server_loop, stop);

	imap_loop_shutdown(sl->il, "The server is shutting down");
	lmtp_loop_shutdown(&sl->lmtp);
	proxy_drop(&sl->waiting);
	server_pace_end(sl);
	loop_timer_init(&sl->timer, sl->loop, poll_conns, sl);
	loop_timer_set(&sl->timer, CONNS_POLL_MS);
}

/* On the accepting loop: whatever it has handed to the others is in their queues before this. */
static void
close_listeners(struct loop_task *task)
{
	struct server *server = list_entry(task, struct server, close_listeners);

	for (size_t i = 0; i < server->listener_count; i++)
		listener_close(&server->listeners[i].listener);
	for (unsigned i = 0; i < server->loop_count; i++) {
		server->loops[i].stop.fn = stop_loop;
		loop_post(server->loops[i].loop, &server->loops[i].stop);
	}
}

static void
join_loops(struct server *server)
{
	uint64_t patience = server_settings_of(server)->stop_time;
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += (time_t)(patience / 1000);
	for (unsigned i = 0; i < server->loop_count; i++) {
		if (pthread_timedjoin_np(server->loops[i].thread, NULL, &until) == 0)
			continue;
		log_msg(LOG_WARNING, NULL,
		    "still waiting for connections to end (a second signal quits at once)");
		pthread_join(server->loops[i].thread, NULL);
	}
}

/* A second signal: everything acknowledged is on disk, so nothing can be lost.  A signal from
 * ourselves is `turnstone stop`, which may be repeated. */
static void
quit_at_once(int signo, siginfo_t *info, void *context)
{
	static const char text[] = "turnstone: second signal, quitting at once\n";

	(void)signo;
	(void)context;
	if (info->si_pid == getpid())
		return;
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(3);
	_exit(1);
}

void
server_stop_threads(struct server *server)
{
	struct sigaction act = {.sa_sigaction = quit_at_once, .sa_flags = SA_SIGINFO | SA_RESTART};
	sigset_t set;

	log_msg(LOG_INFO, NULL, "stopping");
	sd_notify(0, "STOPPING=1");
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGINT, &act, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	/* Operations use the loops, so they end first.  The socket stays to the end, to answer a
	 * second `turnstone stop` as well. */
	if (server->control != NULL)
		control_stop(server->control);
	/* Otherwise we would wait for logins that wait for others. */
	if (server->helper != NULL)
		auth_helper_hang_up(server->helper);
	server_auth_watch_end(server); /* this thread uses the loops, too */
	server->close_listeners.fn = close_listeners;
	loop_post(server->loops[0].loop, &server->close_listeners);
	join_loops(server);
	metrics_free(&server->metrics);
	control_free(&server->control);
}

/*
 * The connections are gone, but a change or job left behind by one may be in progress, and ends on
 * its loop.  Once nothing is busy and nothing is posted, nothing can follow.
 */
void
server_settle(struct server *server)
{
	bool again = true;

	while (again) {
		struct store_stats st;

		store_stats(server->store, &st);
		again = st.changes_pending > 0 || work_pool_waiting(server->workers) > 0 ||
		        work_pool_running(server->workers) > 0;
		if (server->waiters != NULL)
			again |= work_pool_waiting(server->waiters) > 0 ||
			         work_pool_running(server->waiters) > 0;
		for (unsigned i = 0; i < server->loop_count; i++)
			again |= loop_settle(server->loops[i].loop);
		if (again)
			usleep(1000);
	}
}
