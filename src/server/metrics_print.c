/* SPDX-License-Identifier: Apache-2.0 */
/* The metrics as text: one table of plain numbers, and the commands. */
#include "server/metrics.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/version.h"
#include "server/server_int.h"

struct seen {
	struct imap_stats imap;
	struct lmtp_stats lmtp;
	struct store_stats store;
	uint64_t quota_refused;
	double uptime;
};

struct metric {
	const char *name, *type, *help;
	double (*value)(const struct seen *s);
};

#define VALUE(fn, expr)                                                                            \
	static double fn(const struct seen *s)                                                     \
	{                                                                                          \
		return (double)(expr);                                                             \
	}
VALUE(conns, s->imap.sessions.open)
VALUE(conns_total, s->imap.sessions.total)
VALUE(switches, s->imap.switches)
VALUE(bytes_in, s->imap.sessions.bytes_in)
VALUE(bytes_out, s->imap.sessions.bytes_out)
VALUE(lmtp_conns, s->lmtp.sessions.open)
VALUE(lmtp_conns_total, s->lmtp.sessions.total)
VALUE(lmtp_messages, s->lmtp.messages)
VALUE(lmtp_bytes, s->lmtp.bytes)
VALUE(changes, s->store.changes)
VALUE(pending, s->store.changes_pending)
VALUE(batch_max, s->store.batch_max)
VALUE(commits, s->store.engine.commits)
VALUE(commit_bytes, s->store.engine.commit_bytes)
VALUE(accounts, s->store.accounts_loaded)
VALUE(mailboxes, s->store.mailboxes_loaded)
VALUE(state_bytes, s->store.state_bytes)
VALUE(cache_bytes, s->store.engine.cache_bytes)
VALUE(memtable_bytes, s->store.engine.memtable_bytes)
VALUE(index_bytes, s->store.engine.index_bytes)
VALUE(held_bytes, s->store.held_bytes)
VALUE(quota_refused, s->quota_refused)
VALUE(disk_free, s->store.engine.free_bytes)
VALUE(uptime, s->uptime)

static const struct metric metrics[] = {
    {"turnstone_connections", "gauge", "Open connections.", conns},
    {"turnstone_connections_total", "counter", "Accepted connections.", conns_total},
    {"turnstone_switches_total", "counter", "Logins after UNAUTHENTICATE or by PROXYAUTH.",
        switches},
    {"turnstone_received_bytes_total", "counter", "IMAP bytes from clients.", bytes_in},
    {"turnstone_sent_bytes_total", "counter", "IMAP bytes to clients.", bytes_out},
    {"turnstone_lmtp_connections", "gauge", "Open LMTP connections.", lmtp_conns},
    {"turnstone_lmtp_connections_total", "counter", "Accepted LMTP connections.", lmtp_conns_total},
    {"turnstone_lmtp_messages_total", "counter", "Messages received completely by LMTP.",
        lmtp_messages},
    {"turnstone_lmtp_message_bytes_total", "counter", "Bytes of messages received by LMTP.",
        lmtp_bytes},
    {"turnstone_changes_total", "counter", "Changes accepted by the store.", changes},
    {"turnstone_changes_pending", "gauge", "Changes not yet on disk.", pending},
    {"turnstone_batch_changes_max", "gauge", "Changes in the largest batch.", batch_max},
    {"turnstone_commits_total", "counter", "Commits of the engine.", commits},
    {"turnstone_commit_bytes_total", "counter", "Bytes written by these commits.", commit_bytes},
    {"turnstone_accounts_loaded", "gauge", "Accounts in memory.", accounts},
    {"turnstone_mailboxes_loaded", "gauge", "Mailboxes in memory.", mailboxes},
    {"turnstone_mailbox_state_bytes", "gauge", "Memory for accounts and states.", state_bytes},
    {"turnstone_store_cache_bytes", "gauge", "Memory for blocks read from disk.", cache_bytes},
    {"turnstone_store_write_buffer_bytes", "gauge",
        "Memory for changes that are in the log but not yet in a table.", memtable_bytes},
    {"turnstone_store_index_bytes", "gauge", "Memory for indexes of open tables.", index_bytes},
    {"turnstone_held_bytes", "gauge", "Bytes of expunged messages that commands are still reading.",
        held_bytes},
    {"turnstone_quota_refused_total", "counter", "Messages and mailboxes refused for a quota.",
        quota_refused},
    {"turnstone_disk_free_bytes", "gauge", "Free space on the store's disk.", disk_free},
    {"turnstone_uptime_seconds", "gauge", "Time since startup.", uptime},
};

static void
head(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
print_jobs(const struct server *server, struct buf *out)
{
	struct work_counts counts;

	work_pool_counts(server->workers, &counts);
	head(out, "turnstone_jobs_waiting", "gauge", "Jobs waiting for a worker.");
	for (unsigned i = 0; i < WORK_KINDS; i++)
		buf_printf(out, "turnstone_jobs_waiting{kind=\"%s\"} %zu\n", work_kind_words[i],
		    counts.waiting[i]);
	head(out, "turnstone_jobs_running", "gauge", "Jobs running on a worker.");
	for (unsigned i = 0; i < WORK_KINDS; i++)
		buf_printf(out, "turnstone_jobs_running{kind=\"%s\"} %zu\n", work_kind_words[i],
		    counts.running[i]);
}

static void
print_logins(const struct imap_stats *s, struct buf *out)
{
	static const char *const results[IMAP_LOGIN_RESULTS] = {[IMAP_LOGIN_OK] = "ok",
	    [IMAP_LOGIN_FAILED] = "failed",
	    [IMAP_LOGIN_DENIED] = "denied",
	    [IMAP_LOGIN_DISABLED] = "disabled",
	    [IMAP_LOGIN_UNAVAILABLE] = "unavailable",
	    [IMAP_LOGIN_LIMIT] = "limit"};

	head(out, "turnstone_logins_total", "counter", "Logins by result.");
	for (unsigned i = 0; i < IMAP_LOGIN_RESULTS; i++)
		buf_printf(out, "turnstone_logins_total{result=\"%s\"} %llu\n", results[i],
		    (unsigned long long)s->login_results[i]);
}

static void
print_lookups(const struct seen *s, struct buf *out)
{
	static const char *const results[] = {"miss", "hit"};
	const struct {
		const char *what;
		const uint64_t *n;
	} all[] = {{"credential", s->imap.credential}, {"account", s->imap.account},
	    {"mailbox", s->imap.mailbox}, {"recipient", s->lmtp.lookups}};

	head(out, "turnstone_lookups_total", "counter", "Look-ups by whether it was in memory.");
	for (unsigned i = 0; i < sizeof(all) / sizeof(*all); i++)
		for (unsigned hit = 0; hit < 2; hit++)
			buf_printf(out, "turnstone_lookups_total{what=\"%s\",result=\"%s\"} %llu\n",
			    all[i].what, results[hit], (unsigned long long)all[i].n[hit]);
}

static void
print_lmtp_recipients(const struct lmtp_stats *s, struct buf *out)
{
	const struct {
		const char *at, *result;
		uint64_t n;
	} all[] = {{"rcpt", "deferred", s->rcpt_deferred}, {"rcpt", "refused", s->rcpt_refused},
	    {"message", "delivered", s->delivered}, {"message", "deferred", s->deferred},
	    {"message", "refused", s->refused}, {"message", "unknown", s->unknown},
	    {"message", "abandoned", s->abandoned}};

	head(out, "turnstone_lmtp_recipients_total", "counter",
	    "Recipients by result and by when it was reported.");
	for (unsigned i = 0; i < sizeof(all) / sizeof(*all); i++)
		buf_printf(out, "turnstone_lmtp_recipients_total{at=\"%s\",result=\"%s\"} %llu\n",
		    all[i].at, all[i].result, (unsigned long long)all[i].n);
}

static void
print_errors(const struct imap_stats *s, struct buf *out)
{
	head(out, "turnstone_errors_total", "counter", "Failed commands by kind of error.");
	for (unsigned i = TS_OK + 1; i < TS_ERR_COUNT; i++)
		buf_printf(out, "turnstone_errors_total{kind=\"%s\"} %llu\n",
		    ts_err_name((enum ts_err)i), (unsigned long long)s->errors[i]);
}

/* unit: how many units of the ends make one of the metric's; sums of times are in nanoseconds. */
static void
print_classes(struct buf *out, const char *name, const char *help, const struct store_classes *c,
    const uint32_t ends[STORE_CLASSES], double unit)
{
	unsigned long long count = 0;

	head(out, name, "histogram", help);
	for (unsigned i = 0; i <= STORE_CLASSES; i++) {
		count += c->n[i];
		buf_printf(out, "%s_bucket{le=\"", name);
		if (i < STORE_CLASSES)
			buf_printf(out, "%g", (double)ends[i] / unit);
		else
			buf_puts(out, "+Inf");
		buf_printf(out, "\"} %llu\n", count);
	}
	buf_printf(out, "%s_sum %.9f\n%s_count %llu\n", name,
	    (double)c->sum / (unit > 1 ? unit * 1e3 : 1), name, count);
}

static const char *
command_name(const struct server *server, unsigned i)
{
	const struct imap_registry *reg = &server->imap.reg;

	return i < reg->cmd_count ? reg->cmds[i]->name : "unknown";
}

/* A command that does not exist: it only counts as BAD and takes no time. */
static bool
lacks(const struct server *server, unsigned i)
{
	const struct imap_registry *reg = &server->imap.reg;

	return i < reg->cmd_count && (reg->cmds[i]->traits & IMAP_TRAIT_LACKING) != 0;
}

static void
print_results(const struct server *server, const struct imap_command_stats *all, struct buf *out)
{
	static const char *const results[] = {NULL, "OK", "NO", "BAD"};

	head(out, "turnstone_commands_total", "counter", "Commands by name and tagged reply.");
	for (unsigned i = 0; i <= server->imap.reg.cmd_count; i++)
		for (unsigned r = lacks(server, i) ? IMAP_RESULT_BAD : 1; r < 4; r++)
			buf_printf(out,
			    "turnstone_commands_total{command=\"%s\",result=\"%s\"} %llu\n",
			    command_name(server, i), results[r],
			    (unsigned long long)all[i].results[r]);
}

static void
print_times(const struct server *server, const struct imap_command_stats *all, struct buf *out)
{
	static const char name[] = "turnstone_command_seconds";

	head(out, name, "histogram", "Time from a command's last byte to its tagged reply.");
	for (unsigned i = 0; i <= server->imap.reg.cmd_count; i++) {
		const struct imap_command_stats *c = &all[i];
		const char *command = command_name(server, i);
		unsigned long long count = 0;

		if (lacks(server, i))
			continue;
		for (unsigned b = 0; b <= IMAP_TIMES; b++) {
			count += c->times[b];
			buf_printf(out, "%s_bucket{command=\"%s\",le=\"", name, command);
			if (b < IMAP_TIMES)
				buf_printf(out, "%g", (double)imap_times_us[b] / 1e6);
			else
				buf_puts(out, "+Inf");
			buf_printf(out, "\"} %llu\n", count);
		}
		buf_printf(out, "%s_sum{command=\"%s\"} %.9f\n%s_count{command=\"%s\"} %llu\n",
		    name, command, (double)c->ns / 1e9, name, command, count);
	}
}

void
metrics_print(struct server *server, struct buf *out)
{
	struct imap_command_stats *commands = mem_zalloc(IMAP_CMD_MAX * sizeof(*commands));
	uint64_t resident;
	struct seen seen = {.uptime = (double)(clock_mono_ms() - server->started_ms) / 1000};

	server_gather(server, &seen.imap, commands);
	server_gather_lmtp(server, &seen.lmtp);
	store_stats(server->store, &seen.store);
	seen.quota_refused = store_quota_refused(server->store);
	head(out, "turnstone_build_info", "gauge", "Always 1; the version is the label.");
	buf_puts(out, "turnstone_build_info{version=\"" PROGRAM_VERSION "\"} 1\n");
	for (size_t i = 0; i < sizeof(metrics) / sizeof(*metrics); i++) {
		head(out, metrics[i].name, metrics[i].type, metrics[i].help);
		buf_printf(out, "%s %.17g\n", metrics[i].name, metrics[i].value(&seen));
	}
	if (server_resident(server, &resident)) {
		head(out, "turnstone_resident_memory_bytes", "gauge",
		    "Resident memory of the process.");
		buf_printf(
		    out, "turnstone_resident_memory_bytes %llu\n", (unsigned long long)resident);
	}
	print_jobs(server, out);
	print_logins(&seen.imap, out);
	print_lookups(&seen, out);
	print_errors(&seen.imap, out);
	print_lmtp_recipients(&seen.lmtp, out);
	print_classes(out, "turnstone_lmtp_message_seconds",
	    "Time from the last byte of an LMTP message to its replies.", &seen.lmtp.times,
	    store_flush_us, 1e6);
	print_classes(out, "turnstone_batch_changes", "Changes per flush.", &seen.store.batch_sizes,
	    store_batch_sizes, 1);
	print_classes(out, "turnstone_flush_seconds", "Time to flush a batch.",
	    &seen.store.flush_ns, store_flush_us, 1e6);
	print_results(server, commands, out);
	print_times(server, commands, out);
	mem_free(commands);
}
