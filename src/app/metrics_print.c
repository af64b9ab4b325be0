/* SPDX-License-Identifier: Apache-2.0 */
/* What Prometheus is told: one table of plain numbers, and the commands. */
#include "app/metrics.h"

#include <stdio.h>
#include <unistd.h>

#include "app/server_priv.h"
#include "app/version.h"
#include "base/clock.h"
#include "base/mem.h"

struct seen {
	struct imap_stats imap;
	struct store_stats store;
	double uptime, resident;
	uint64_t work_waiting;
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
VALUE(conns, s->imap.conns)
VALUE(conns_total, s->imap.conns_total)
VALUE(logins, s->imap.logins)
VALUE(failed_logins, s->imap.failed_logins)
VALUE(switches, s->imap.switches)
VALUE(bytes_in, s->imap.bytes_in)
VALUE(bytes_out, s->imap.bytes_out)
VALUE(changes, s->store.changes)
VALUE(pending, s->store.changes_pending)
VALUE(batches, s->store.batches)
VALUE(batch_max, s->store.batch_max)
VALUE(commits, s->store.engine.commits)
VALUE(commit_bytes, s->store.engine.commit_bytes)
VALUE(flush_seconds, (double)s->store.engine.flush_ns_total / 1e9)
VALUE(accounts, s->store.accounts_loaded)
VALUE(mailboxes, s->store.mailboxes_loaded)
VALUE(state_bytes, s->store.state_bytes)
VALUE(disk_free, s->store.engine.free_bytes)
VALUE(work_waiting, s->work_waiting)
VALUE(resident, s->resident)
VALUE(uptime, s->uptime)

static const struct metric metrics[] = {
    {"turnstone_connections", "gauge", "Connections that are open.", conns},
    {"turnstone_connections_total", "counter", "Connections that were accepted.", conns_total},
    {"turnstone_logins_total", "counter", "Logins that succeeded.", logins},
    {"turnstone_failed_logins_total", "counter", "Logins that were refused.", failed_logins},
    {"turnstone_switches_total", "counter", "Logins after UNAUTHENTICATE.", switches},
    {"turnstone_received_bytes_total", "counter", "IMAP bytes from clients.", bytes_in},
    {"turnstone_sent_bytes_total", "counter", "IMAP bytes to clients.", bytes_out},
    {"turnstone_changes_total", "counter", "Changes that the store has taken.", changes},
    {"turnstone_changes_pending", "gauge", "Changes that are not on disk yet.", pending},
    {"turnstone_batches_total", "counter", "Batches of changes with one flush each.", batches},
    {"turnstone_batch_changes_max", "gauge", "Changes in the largest batch.", batch_max},
    {"turnstone_commits_total", "counter", "Commits of the engine.", commits},
    {"turnstone_commit_bytes_total", "counter", "Bytes of these commits.", commit_bytes},
    {"turnstone_flush_seconds_total", "counter", "Time that commits took.", flush_seconds},
    {"turnstone_accounts_loaded", "gauge", "Accounts in memory.", accounts},
    {"turnstone_mailboxes_loaded", "gauge", "Mailboxes in memory.", mailboxes},
    {"turnstone_mailbox_state_bytes", "gauge", "Memory of their states.", state_bytes},
    {"turnstone_disk_free_bytes", "gauge", "Free space on the disk of the store.", disk_free},
    {"turnstone_jobs_waiting", "gauge", "Jobs that wait for a worker.", work_waiting},
    {"turnstone_resident_memory_bytes", "gauge", "Resident memory of the process.", resident},
    {"turnstone_uptime_seconds", "gauge", "Time since the start.", uptime},
};

static double
resident_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long size, pages = 0;

	if (f == NULL)
		return 0;
	/* What the kernel prints fits.  NOLINTNEXTLINE(cert-err34-c) */
	if (fscanf(f, "%lu %lu", &size, &pages) != 2)
		pages = 0;
	(void)fclose(f);
	return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static void
head(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static const char *
command_name(const struct server *server, unsigned i)
{
	const struct imap_registry *reg = &server->imap.reg;

	return i < reg->cmd_count ? reg->cmds[i]->name : "unknown";
}

static void
print_results(const struct server *server, const struct imap_command_stats *all, struct buf *out)
{
	static const char *const results[] = {NULL, "OK", "NO", "BAD"};

	head(out, "turnstone_commands_total", "counter", "Commands by name and tagged reply.");
	for (unsigned i = 0; i <= server->imap.reg.cmd_count; i++)
		for (unsigned r = 1; r < 4; r++)
			buf_printf(out,
			    "turnstone_commands_total{command=\"%s\",result=\"%s\"} %llu\n",
			    command_name(server, i), results[r],
			    (unsigned long long)all[i].results[r]);
}

static void
print_times(const struct server *server, const struct imap_command_stats *all, struct buf *out)
{
	static const char name[] = "turnstone_command_seconds";

	head(out, name, "histogram", "From a command's last byte to its tagged reply.");
	for (unsigned i = 0; i <= server->imap.reg.cmd_count; i++) {
		const struct imap_command_stats *c = &all[i];
		const char *command = command_name(server, i);
		unsigned long long count = 0;

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
	struct seen seen = {.resident = resident_bytes(),
	    .uptime = (double)(clock_mono_ms() - server->started_ms) / 1000,
	    .work_waiting = work_pool_waiting(server->workers)};

	server_gather(server, &seen.imap, commands);
	store_stats(server->store, &seen.store);
	head(out, "turnstone_build_info", "gauge", "Always 1; the version is the label.");
	buf_puts(out, "turnstone_build_info{version=\"" APP_VERSION "\"} 1\n");
	for (size_t i = 0; i < sizeof(metrics) / sizeof(*metrics); i++) {
		head(out, metrics[i].name, metrics[i].type, metrics[i].help);
		buf_printf(out, "%s %.17g\n", metrics[i].name, metrics[i].value(&seen));
	}
	print_results(server, commands, out);
	print_times(server, commands, out);
	mem_free(commands);
}
