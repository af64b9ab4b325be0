/* SPDX-License-Identifier: Apache-2.0 */
/* The output of `turnstone status`. */
#include "server/server_int.h"

#include <semaphore.h>
#include <sys/resource.h>
#include <unistd.h>

#include "auth/helper/helper.h"
#include "base/clock.h"
#include "base/version.h"
#include "imap/settings.h"
#include "lmtp/settings.h"
#include "store/quota.h"

struct gather {
	struct loop_task task;
	const struct imap_loop *il;
	struct imap_stats *sum;
	struct imap_command_stats *commands;
	sem_t done;
};

static void
gather_commands(const struct imap_loop *il, struct imap_command_stats *to)
{
	for (unsigned i = 0; i <= il->server->reg.cmd_count; i++) {
		const struct imap_command_stats *from = &il->commands[i];

		for (unsigned r = 0; r < sizeof(from->results) / sizeof(*from->results); r++)
			to[i].results[r] += from->results[r];
		for (unsigned t = 0; t <= IMAP_TIMES; t++)
			to[i].times[t] += from->times[t];
		to[i].ns += from->ns;
	}
}

/* On the loop, while the caller waits. */
static void
gather_loop(struct loop_task *task)
{
	struct gather *g = (struct gather *)(void *)task;
	_Static_assert(sizeof(struct imap_stats) % sizeof(uint64_t) == 0, "nothing but numbers");
	const struct imap_stats *s = &g->il->stats;
	struct imap_stats *sum = g->sum;
	const struct imap_conn *conn;

	for (size_t i = 0; i < sizeof(*s) / sizeof(uint64_t); i++)
		((uint64_t *)(void *)sum)[i] += ((const uint64_t *)(const void *)s)[i];
	LIST_EACH (conn, &g->il->sessions.list, session.link) {
		sum->sessions.bytes_in += conn->session.bytes_in;
		sum->sessions.bytes_out += conn->session.bytes_out;
		sum->selected += imap_box(conn) != NULL;
	}
	if (g->commands != NULL)
		gather_commands(g->il, g->commands);
	sem_post(&g->done);
}

void
server_gather(struct server *server, struct imap_stats *sum, struct imap_command_stats *commands)
{
	*sum = (struct imap_stats){0};
	for (unsigned i = 0; i < server->loop_count; i++) {
		struct gather g = {.task.fn = gather_loop,
		    .il = server->loops[i].il,
		    .sum = sum,
		    .commands = commands};

		sem_init(&g.done, 0, 0);
		loop_post(server->loops[i].loop, &g.task);
		while (sem_wait(&g.done) != 0)
			;
		sem_destroy(&g.done);
	}
}

static void
put_figure(struct buf *out, const char *name, uint64_t n)
{
	buf_printf(out, "%s: %llu\n", name, (unsigned long long)n);
}

struct gather_lmtp {
	struct loop_task task;
	const struct lmtp_loop *ll;
	struct lmtp_stats *sum;
	sem_t done;
};

static void
gather_lmtp_loop(struct loop_task *task)
{
	struct gather_lmtp *g = (struct gather_lmtp *)(void *)task;

	_Static_assert(sizeof(struct lmtp_stats) % sizeof(uint64_t) == 0, "nothing but numbers");

	for (size_t i = 0; i < sizeof(*g->sum) / sizeof(uint64_t); i++)
		((uint64_t *)(void *)g->sum)[i] +=
		    ((const uint64_t *)(const void *)&g->ll->stats)[i];
	sem_post(&g->done);
}

void
server_gather_lmtp(struct server *server, struct lmtp_stats *sum)
{
	*sum = (struct lmtp_stats){0};
	for (unsigned i = 0; i < server->loop_count; i++) {
		struct gather_lmtp g = {
		    .task.fn = gather_lmtp_loop, .ll = &server->loops[i].lmtp, .sum = sum};

		sem_init(&g.done, 0, 0);
		loop_post(server->loops[i].loop, &g.task);
		while (sem_wait(&g.done) != 0)
			;
		sem_destroy(&g.done);
	}
}

static void
put_lmtp(struct server *server, struct buf *out)
{
	struct lmtp_stats sum;

	server_gather_lmtp(server, &sum);
	put_figure(out, "lmtp_connections", sum.sessions.open);
	put_figure(out, "lmtp_connections_total", sum.sessions.total);
	put_figure(out, "lmtp_messages", sum.messages);
	put_figure(out, "lmtp_delivered", sum.delivered);
	put_figure(out, "lmtp_deferred", sum.deferred);
	put_figure(out, "lmtp_refused", sum.refused);
	put_figure(out, "lmtp_unknown", sum.unknown);
	put_figure(out, "lmtp_abandoned", sum.abandoned);
	put_figure(out, "lmtp_rcpt_deferred", sum.rcpt_deferred);
	put_figure(out, "lmtp_rcpt_refused", sum.rcpt_refused);
	put_figure(out, "lmtp_bytes", sum.bytes);
}

/* Appends "NAME_SUFFIX: 1.5", or nothing if the divisor is 0. */
static void
put_ratio(struct buf *out, const char *name, const char *suffix, double value, double by)
{
	if (by > 0)
		buf_printf(out, "%s%s: %.1f\n", name, suffix, value / by);
}

static void
put_pace(struct server *server, struct buf *out, unsigned seconds, const char *suffix)
{
	double pace[PACE_COUNT];

	server_pace(server, seconds, pace);
	put_ratio(out, "commands_per_second", suffix, pace[PACE_COMMANDS], 1);
	put_ratio(out, "logins_per_second", suffix, pace[PACE_LOGINS], 1);
	put_ratio(out, "switches_per_second", suffix, pace[PACE_SWITCHES], 1);
	put_ratio(out, "lmtp_messages_per_second", suffix, pace[PACE_DELIVERIES], 1);
	put_ratio(out, "commits_per_second", suffix, pace[PACE_BATCHES], 1);
	put_ratio(out, "changes_per_commit", suffix, pace[PACE_BATCH_CHANGES], pace[PACE_BATCHES]);
	put_ratio(out, "flush_milliseconds", suffix, pace[PACE_FLUSH_NS] / 1e6, pace[PACE_BATCHES]);
}

static void
put_work(const struct server *server, struct buf *out)
{
	struct work_counts counts;
	uint64_t waiting = 0, running = 0;

	work_pool_counts(server->workers, &counts);
	for (unsigned kind = 0; kind < WORK_KINDS; kind++) {
		buf_printf(out, "work_waiting_%s: %zu\nwork_running_%s: %zu\n",
		    work_kind_words[kind], counts.waiting[kind], work_kind_words[kind],
		    counts.running[kind]);
		waiting += counts.waiting[kind];
		running += counts.running[kind];
	}
	put_figure(out, "work_waiting", waiting);
	put_figure(out, "work_running", running);
}

static void
put_helper(const struct server *server, struct buf *out)
{
	struct auth_helper_state state;

	if (server->helper == NULL)
		return;
	auth_helper_state(server->helper, &state);
	buf_printf(out, "auth_helper: %s\n", state.alive ? "yes" : "gone");
	put_figure(out, "auth_helper_pid", (uint64_t)state.supervisor);
	put_figure(out, "auth_helper_network_pid", (uint64_t)state.network);
	put_figure(out, "auth_helper_restarts", state.restarts);
	put_figure(out, "auth_helper_requests", state.requests);
	put_figure(out, "auth_helper_unanswered", state.unanswered);
	put_figure(out, "auth_helper_killed", state.killed);
	put_figure(out, "auth_checks_waiting", work_pool_waiting(server->waiters));
	put_figure(out, "auth_checks_running", work_pool_running(server->waiters));
}

static void
put_users(struct server *server, struct buf *out)
{
	uint64_t logins, users;

	server_count_users(server, &logins, &users);
	put_figure(out, "logged_in", logins);
	put_figure(out, "users_logged_in", users);
}

static void
put_usage(struct server *server, struct buf *out)
{
	const struct server_settings *started = conf_get(server->started, &server_conf);
	struct usage usage;

	usage_get(&server->usage, started->data.p, server->store, &usage);
	put_figure(out, "disk_used_bytes", usage.disk_bytes);
	put_figure(out, "disk_used_files", usage.disk_files);
	if (!usage.disk_whole)
		buf_puts(out, "disk_used_cut_off: yes\n");
	put_figure(out, "mail_accounts", usage.mail.accounts);
	put_figure(out, "mail_mailboxes", usage.mail.mailboxes);
	put_figure(out, "mail_messages", usage.mail.messages);
	put_figure(out, "mail_bytes", usage.mail.bytes);
	if (!usage.mail_whole)
		buf_puts(out, "mail_cut_off: yes\n");
}

static uint64_t
free_space_mark(const struct server *server)
{
	const struct store_settings *s = conf_get(server->started, &store_conf);

	return s->free_space;
}

/* The connection limits, and the limit on open files, which may allow fewer connections. */
static void
put_mosts(struct server *server, struct buf *out)
{
	const struct imap_settings *imap;
	const struct lmtp_settings *lmtp;
	struct rlimit limit;

	pthread_mutex_lock(&server->reload);
	imap = conf_get(server->conf, &imap_conf);
	lmtp = conf_get(server->conf, &lmtp_conf);
	put_figure(out, "connections_most", (uint64_t)imap->connections);
	put_figure(out, "lmtp_connections_most", (uint64_t)lmtp->connections);
	pthread_mutex_unlock(&server->reload);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		put_figure(out, "files_most", limit.rlim_cur);
}

void
server_status(struct server *server, struct buf *out)
{
	struct imap_stats imap;
	struct store_stats st;
	uint64_t resident;

	server_gather(server, &imap, NULL);
	store_stats(server->store, &st);
	buf_printf(out, "version: %s\n", PROGRAM_VERSION);
	put_figure(out, "pid", (uint64_t)getpid());
	put_figure(out, "uptime_seconds", (clock_mono_ms() - server->started_ms) / 1000);
	for (size_t i = 0; i < server->listener_count; i++) {
		const struct server_listener *l = &server->listeners[i];

		if (l->path.n > 0) /* besides a port of the same listener, maybe */
			buf_printf(out, "listener_%.*s_socket: %.*s\n", STR_ARG(l->name),
			    STR_ARG(l->path));
		else
			buf_printf(out, "listener_%.*s: %u\n", STR_ARG(l->name),
			    listener_port(l->listener));
	}
	put_figure(out, "loops", server->loop_count);
	buf_printf(out, "sandbox_seccomp: %s\n", server->sandbox.seccomp ? "yes" : "no");
	put_figure(out, "sandbox_landlock", (uint64_t)server->sandbox.landlock);
	put_figure(out, "connections", imap.sessions.open);
	put_mosts(server, out);
	put_figure(out, "connections_total", imap.sessions.total);
	put_users(server, out);
	put_figure(out, "logins", imap.logins);
	put_figure(out, "failed_logins", imap.failed_logins);
	put_figure(out, "switches", imap.switches);
	put_figure(out, "commands", imap.commands);
	put_figure(out, "bytes_in", imap.sessions.bytes_in);
	put_figure(out, "bytes_out", imap.sessions.bytes_out);
	put_lmtp(server, out);
	put_helper(server, out);
	put_work(server, out);
	put_figure(out, "accounts_loaded", st.accounts_loaded);
	put_figure(out, "mailboxes_selected", imap.selected);
	put_figure(out, "mailboxes_loaded", st.mailboxes_loaded);
	put_figure(out, "state_bytes", st.state_bytes);
	put_figure(out, "store_cache_bytes", st.engine.cache_bytes);
	put_figure(out, "store_write_buffer_bytes", st.engine.memtable_bytes);
	put_figure(out, "store_index_bytes", st.engine.index_bytes);
	if (server_resident(server, &resident))
		put_figure(out, "resident_bytes", resident);
	put_figure(out, "memory_given_back", atomic_load(&server->trims));
	put_figure(out, "watches", st.watches);
	put_figure(out, "holds", st.holds);
	put_figure(out, "held_messages", st.held_messages);
	put_figure(out, "held_bytes", st.held_bytes);
	put_figure(out, "held_refused", st.held_refused);
	put_figure(out, "quota_refused", store_quota_refused(server->store));
	put_figure(out, "lanes", st.lanes);
	put_figure(out, "changes", st.changes);
	put_figure(out, "changes_pending", st.changes_pending);
	put_figure(out, "batches", st.batches);
	put_figure(out, "largest_batch", st.batch_max);
	put_figure(out, "commits", st.engine.commits);
	put_figure(out, "commit_bytes", st.engine.commit_bytes);
	put_figure(out, "flush_nanoseconds", st.engine.flush_ns_total);
	put_figure(out, "disk_free_bytes", st.engine.free_bytes);
	put_figure(out, "disk_free_mark_bytes", free_space_mark(server));
	put_usage(server, out);
	put_pace(server, out, 10, "_10s");
	put_pace(server, out, 60, "_1m");
}
