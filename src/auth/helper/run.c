/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The helper's processes: the supervisor, the network process, and one for each PAM check or
 * command.
 *
 * The supervisor waits for orders for these, the end of a child, and the end of the server (its
 * sockets close).  It is single-threaded, so its table needs no lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth/helper/helper_int.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

enum {
	PAUSE_MS = 500, /* before restarting a network process that died early */
	SOON_MS = 1000,
	GRACE_MS = 100, /* a check is killed this long after its deadline */
};

struct check { /* a process for a PAM check or a command */
	pid_t pid;
	unsigned from;     /* the socket that its order came from */
	uint64_t deadline; /* UINT64_MAX: killed */
};

struct supervisor {
	const struct auth_helper_options *opt;
	struct helper_shared *shared;
	int sockets[HELPER_SOCKETS], ends; /* ends: a signalfd of SIGCHLD */
	struct check *checks;
	size_t running, places[HELPER_SOCKETS]; /* places: that are free for orders from there */
	pid_t network;
	bool orphans;            /* there may be orphans: see kill_orphans() */
	uint64_t started, again; /* when it started, and when to restart it (0: it runs) */
};

/* ---- the processes that are forked ---- */

static void
default_signals(void)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
	sigset_t none;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		(void)signal(numbers[i], SIG_DFL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

struct job {
	struct helper_order order;
	int fd;
	uint64_t deadline;
	sem_t *slots;
};

static void *
serve_thread(void *arg)
{
	struct job *job = arg;

	helper_serve((enum auth_helper_kind)job->order.kind, job->fd, job->deadline);
	(void)sem_post(job->slots);
	mem_free(job);
	return NULL;
}

static void
start_thread(sem_t *slots, const struct helper_order *order, int fd)
{
	struct job *job = mem_zalloc(sizeof(*job));
	pthread_attr_t attr;
	pthread_t thread;

	*job = (struct job){*order, fd, clock_mono_ms() + order->ms, slots};
	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&thread, &attr, serve_thread, job) != 0) {
		close(fd);
		(void)sem_post(slots);
		mem_free(job);
	}
	(void)pthread_attr_destroy(&attr);
}

/* Runs the network process, which ends with the server. */
static void __attribute__((noreturn)) serve_network(const struct supervisor *sv)
{
	static sem_t slots;
	struct helper_order order;
	int fd;

	(void)prctl(PR_SET_NAME, "turnstone-net");
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(sv->sockets[HELPER_PROCESS]);
	close(sv->sockets[HELPER_COMMAND]);
	close(sv->ends);
	if (sv->opt->shed != NULL && !sv->opt->shed(sv->opt->arg))
		_exit(1);
	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)setenv("LDAPNOINIT", "1", 1); /* use only the server's configuration */
	(void)sem_init(&slots, 0, sv->opt->parallel);
	for (;;) {
		while (sem_wait(&slots) != 0)
			;
		if (!helper_order_receive(sv->sockets[HELPER_NETWORK], &order, &fd))
			_exit(0);
		if (fd >= 0 &&
		    helper_socket_of((enum auth_helper_kind)order.kind) == HELPER_NETWORK) {
			start_thread(&slots, &order, fd);
			continue;
		}
		if (fd >= 0)
			close(fd);
		(void)sem_post(&slots);
	}
}

static void __attribute__((noreturn))
serve_check(const struct supervisor *sv, const struct helper_order *order, int fd)
{
	bool command = order->kind == AUTH_HELPER_COMMAND;

	(void)prctl(PR_SET_NAME, command ? "turnstone-run" : "turnstone-pam");
	if (command && sv->opt->shed != NULL && !sv->opt->shed(sv->opt->arg))
		_exit(1);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* after shed(), since a change of user clears it */
	(void)setpgid(0, 0);                    /* whatever a module starts is killed with it */
	default_signals();
	for (unsigned i = 0; i < HELPER_SOCKETS; i++)
		close(sv->sockets[i]);
	close(sv->ends);
	helper_serve((enum auth_helper_kind)order->kind, fd, clock_mono_ms() + order->ms);
	_exit(0);
}

/* ---- the supervisor ---- */

static void
start_network(struct supervisor *sv)
{
	pid_t pid = fork();

	if (pid == 0)
		serve_network(sv);
	sv->started = clock_mono_ms();
	if (pid < 0) {
		log_msg(LOG_ERROR, "auth", "the helper's network process cannot be started: %s",
		    strerrordesc_np(errno));
		sv->again = sv->started + PAUSE_MS;
		return;
	}
	sv->network = pid;
	sv->again = 0;
	atomic_store(&sv->shared->network, pid);
}

static void
network_ended(struct supervisor *sv, int status)
{
	uint64_t now = clock_mono_ms();

	sv->network = 0;
	atomic_store(&sv->shared->network, 0);
	sv->again = now + PAUSE_MS;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return; /* the server hung up; the caller notices */
	atomic_fetch_add(&sv->shared->restarts, 1);
	sv->again = now - sv->started < SOON_MS ? now + PAUSE_MS : now;
	if (WIFSIGNALED(status))
		log_msg(LOG_WARNING, "auth",
		    "the helper's network process was killed by signal %d: it is restarted",
		    WTERMSIG(status));
	else
		log_msg(LOG_WARNING, "auth",
		    "the helper's network process exited with status %d: it is restarted",
		    WEXITSTATUS(status));
}

static bool
is_known(const void *arg, pid_t child)
{
	const struct supervisor *sv = arg;
	bool known = child == sv->network;

	for (size_t i = 0; i < sv->running; i++)
		known |= sv->checks[i].pid == child;
	return known;
}

/*
 * Kills what a killed check left behind: a program it started, perhaps in another process group,
 * which is now our child (we are a subreaper).  Kills every unknown child; true if there was one.
 */
static bool
kill_orphans(const struct supervisor *sv)
{
	return helper_kill_children(is_known, sv);
}

static void
check_ended(struct supervisor *sv, pid_t pid)
{
	for (size_t i = 0; i < sv->running; i++) {
		if (sv->checks[i].pid != pid)
			continue;
		sv->orphans |= sv->checks[i].deadline == UINT64_MAX;
		sv->places[sv->checks[i].from]++;
		sv->checks[i] = sv->checks[--sv->running];
		return;
	}
}

static void
reap(struct supervisor *sv)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	while (read(sv->ends, &info, sizeof(info)) > 0)
		;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == sv->network)
			network_ended(sv, status);
		else
			check_ended(sv, pid);
	}
	/* Each that ends may leave others: we are called again. */
	if (sv->orphans)
		sv->orphans = kill_orphans(sv);
}

/* False: the server is gone. */
static bool
take_order(struct supervisor *sv, unsigned from)
{
	struct helper_order order;
	pid_t pid = -1;
	int fd;

	if (!helper_order_receive(sv->sockets[from], &order, &fd))
		return false;
	if (fd < 0)
		return true;
	if (helper_socket_of((enum auth_helper_kind)order.kind) == from)
		pid = fork();
	if (pid == 0)
		serve_check(sv, &order, fd);
	close(fd);
	if (pid > 0) {
		sv->places[from]--;
		sv->checks[sv->running++] =
		    (struct check){pid, from, clock_mono_ms() + order.ms + GRACE_MS};
	}
	return true;
}

/* Kills what exceeded its deadline; returns the milliseconds until the next deadline, -1: none. */
static int
look_at_clock(struct supervisor *sv)
{
	uint64_t now = clock_mono_ms(), next = UINT64_MAX;

	for (size_t i = 0; i < sv->running; i++) {
		struct check *c = &sv->checks[i];

		if (now >= c->deadline) {
			(void)kill(-c->pid, SIGKILL);
			(void)kill(c->pid, SIGKILL); /* if it has no process group of its own yet */
			c->deadline = UINT64_MAX;
			atomic_fetch_add(&sv->shared->killed, 1);
		}
		next = c->deadline < next ? c->deadline : next;
	}
	if (sv->network == 0 && now >= sv->again)
		start_network(sv);
	if (sv->network == 0)
		next = sv->again < next ? sv->again : next;
	return next == UINT64_MAX ? -1 : next <= now ? 0 : (int)(next - now);
}

/* Closes everything but the supervisor's descriptors: no port or file of the server stays open. */
static void
close_others(struct supervisor *sv)
{
	int keep[HELPER_SOCKETS + 1], n = 0;
	unsigned from = 3;

	for (unsigned i = 0; i < HELPER_SOCKETS; i++)
		keep[n++] = sv->sockets[i];
	keep[n++] = sv->ends;
	for (;;) {
		int lowest = -1;

		for (int i = 0; i < n; i++)
			if (keep[i] >= (int)from && (lowest < 0 || keep[i] < lowest))
				lowest = keep[i];
		if (lowest < 0)
			break;
		if (lowest > (int)from)
			(void)close_range(from, (unsigned)lowest - 1, 0);
		from = (unsigned)lowest + 1;
	}
	(void)close_range(from, ~0u, 0);
}

static void
end_all(struct supervisor *sv)
{
	if (sv->network > 0)
		(void)kill(sv->network, SIGKILL);
	for (size_t i = 0; i < sv->running; i++) {
		(void)kill(-sv->checks[i].pid, SIGKILL);
		(void)kill(sv->checks[i].pid, SIGKILL);
	}
	sv->running = 0;
	sv->network = 0;
	/* Each generation becomes our child when the one before is gone. */
	do
		(void)kill_orphans(sv);
	while (waitpid(-1, NULL, 0) > 0);
	_exit(0);
}

static void
prepare_supervisor(struct supervisor *sv)
{
	sigset_t set;

	(void)prctl(PR_SET_NAME, "turnstone-auth");
	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	/* Signals to the process group are for the server: when it ends, we end. */
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	(void)sigprocmask(SIG_SETMASK, &set, NULL);
	sv->ends = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	TS_ASSERT(sv->ends >= 0);
	close_others(sv);
	(void)fcntl(sv->sockets[HELPER_PROCESS], F_SETFL, O_NONBLOCK);
	(void)fcntl(sv->sockets[HELPER_COMMAND], F_SETFL, O_NONBLOCK);
}

/* False: the server is gone. */
static bool
take_if_any(struct supervisor *sv, unsigned from, short seen)
{
	if ((seen & POLLIN) != 0)
		return take_order(sv, from);
	return (seen & (POLLHUP | POLLERR | POLLNVAL)) == 0;
}

void
helper_supervise(const struct auth_helper_options *opt, const int sockets[HELPER_SOCKETS],
    struct helper_shared *shared)
{
	struct supervisor sv = {.opt = opt,
	    .shared = shared,
	    .places = {[HELPER_PROCESS] = opt->parallel, [HELPER_COMMAND] = opt->commands}};

	memcpy(sv.sockets, sockets, sizeof(sv.sockets));
	sv.checks = mem_zalloc((opt->parallel + opt->commands) * sizeof(*sv.checks));
	prepare_supervisor(&sv);
	for (;;) {
		int wait = look_at_clock(&sv);
		struct pollfd fds[] = {
		    {.fd = sv.ends, .events = POLLIN},
		    /* With all places taken, orders wait in the socket. */
		    {.fd = sv.sockets[HELPER_PROCESS],
		        .events = sv.places[HELPER_PROCESS] > 0 ? POLLIN : 0},
		    {.fd = sv.sockets[HELPER_COMMAND],
		        .events = sv.places[HELPER_COMMAND] > 0 ? POLLIN : 0},
		};

		if (poll(fds, 3, wait) < 0 && errno != EINTR)
			end_all(&sv);
		if ((fds[0].revents & POLLIN) != 0)
			reap(&sv);
		if (!take_if_any(&sv, HELPER_PROCESS, fds[1].revents) ||
		    !take_if_any(&sv, HELPER_COMMAND, fds[2].revents))
			end_all(&sv);
	}
}
