/* SPDX-License-Identifier: Apache-2.0 */
/* `turnstone backup ...`. */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "backup/audit.h"
#include "backup/job.h"
#include "backup/usernames.h"
#include "base/json.h"
#include "base/progress.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "server/config/settings.h"

struct command {
	const struct args *args;
	struct progress progress;
	struct backup_job *job;
	struct buf damage; /* vstr each */
	uint64_t damaged;
};

static void
show_progress(const char *what, uint64_t done, uint64_t total, void *arg)
{
	struct command *c = arg;

	progress_show(&c->progress, what, done, total);
}

static void
damage(const char *text, void *arg)
{
	struct command *c = arg;

	progress_clear(&c->progress);
	fprintf(stderr, "turnstone %s: %s\n", c->args->cmd->name, text);
	buf_vstr(&c->damage, str_of(text));
	c->damaged++;
}

/* Prints a note about something that went as intended. */
static void
note(const char *text, void *arg)
{
	struct command *c = arg;

	progress_clear(&c->progress);
	fprintf(stderr, "turnstone %s: %s\n", c->args->cmd->name, text);
}

static void
command_begin(struct command *c, const struct args *args)
{
	*c = (struct command){.args = args};
	progress_init(&c->progress, args_has(args, "quiet") || args_has(args, "json"));
}

static void
json_damage(struct command *c, struct json *j)
{
	struct rd r = rd_of(buf_as_str(&c->damage));

	json_key(j, "damaged");
	json_open(j, '[');
	while (rd_left(&r) > 0)
		json_str(j, rd_vstr(&r));
	json_close(j, ']');
}

static void
json_number(struct json *j, const char *key, uint64_t value)
{
	json_key(j, key);
	json_u64(j, value);
}

/* Prints and frees; returns the exit code. */
static int
command_end(struct command *c, struct backup_folder **folder, struct buf *why, struct buf *out)
{
	bool failed = why->n > 0;

	progress_clear(&c->progress);
	if (failed)
		fprintf(stderr, "turnstone %s: %s\n", c->args->cmd->name, buf_cstr(why));
	else
		(void)fwrite(out->p, 1, out->n, stdout);
	buf_fini(&c->damage);
	buf_fini(why);
	buf_fini(out);
	backup_close(folder);
	return failed ? EXIT_FAILED : c->damaged > 0 ? EXIT_DAMAGE : EXIT_OK;
}

/* ---- backup ---- */

static void
speak(struct dialogue *d, void *arg)
{
	struct command *c = arg;

	backup_job_read(c->job, d);
}

/* "3 users" */
static void
things(struct buf *out, const char *before, uint64_t n, const char *one, const char *many)
{
	buf_printf(out, "%s%" PRIu64 " %s", before, n, n == 1 ? one : many);
}

static void
print_run_text(const struct backup_job *job, struct buf *out)
{
	const struct backup_record_counts *r = &job->records;
	uint64_t objects = backup_new_objects(job->folder);

	buf_printf(out, "%.*s: ", STR_ARG(buf_as_str(&job->id)));
	things(out, "", r->users, "user", "users");
	things(out, ", ", r->grants, "grant", "grants");
	things(out, ", ", r->aliases, "alias", "aliases");
	things(out, ", ", r->others, "other record", "other records");
	things(out, "; mail of ", job->users, "account", "accounts");
	things(out, ": ", job->mailboxes, "mailbox", "mailboxes");
	things(out, ", ", job->subscriptions, "subscription", "subscriptions");
	things(out, ", ", job->messages, "message", "messages");
	buf_printf(out, " (%" PRIu64 " read, ", job->read_messages);
	things(out, "", objects, "new object", "new objects");
	things(out, ", ", backup_new_bytes(job->folder), "byte", "bytes");
	buf_puts(out, " written)\n");
	if (job->properties_left_out > 0)
		buf_printf(out,
		    "%" PRIu64 " propert%s left out, as --without-properties says; restored from "
		    "this run, mailboxes are without them\n",
		    job->properties_left_out, job->properties_left_out == 1 ? "y" : "ies");
	if (job->damaged > 0)
		buf_printf(out, "%" PRIu64 " thing%s could not be saved (see above)\n",
		    job->damaged, CLI_S(job->damaged));
}

static void
json_records(struct json *j, const struct backup_record_counts *r)
{
	json_key(j, "records");
	json_open(j, '{');
	json_number(j, "users", r->users);
	json_number(j, "grants", r->grants);
	json_number(j, "aliases", r->aliases);
	json_number(j, "others", r->others);
	json_close(j, '}');
}

static void
print_run(struct command *c, const struct backup_job *job, struct buf *out)
{
	struct json j = {.out = out};

	if (!args_has(c->args, "json")) {
		print_run_text(job, out);
		return;
	}
	json_open(&j, '{');
	json_key(&j, "id");
	json_str(&j, buf_as_str(&job->id));
	json_number(&j, "users", job->users);
	json_number(&j, "read_users", job->read_users);
	json_number(&j, "mailboxes", job->mailboxes);
	json_number(&j, "subscriptions", job->subscriptions);
	json_number(&j, "messages", job->messages);
	json_number(&j, "read_messages", job->read_messages);
	json_number(&j, "properties_left_out", job->properties_left_out);
	json_records(&j, &job->records);
	json_number(&j, "new_objects", backup_new_objects(job->folder));
	json_number(&j, "new_bytes", backup_new_bytes(job->folder));
	json_number(&j, "files_opened", backup_costs(job->folder)->opened);
	json_number(&j, "files_written", backup_costs(job->folder)->written);
	json_number(&j, "flushes", backup_costs(job->folder)->flushes);
	json_damage(c, &j);
	json_close(&j, '}');
	buf_putc(out, '\n');
}

static int
backup(const struct args *args)
{
	const char *only[256];
	struct command c;
	struct backup_job job = {.only = only,
	    .full = args_has(args, "full"),
	    .verify = !args_has(args, "no-verify"),
	    .without_properties = args_has(args, "without-properties"),
	    .progress = show_progress,
	    .damage = damage,
	    .note = note,
	    .arg = &c};
	struct buf wire = {0}, why = {0}, out = {0};
	int code;

	command_begin(&c, args);
	c.job = &job;
	while (job.only_count < 256 &&
	       (only[job.only_count] = args_nth(args, "user", job.only_count)) != NULL)
		job.only_count++;
	if (job.only_count == 256) {
		fprintf(stderr, "turnstone backup: at most 255 times --user\n");
		return EXIT_USAGE;
	}
	if (!username_default_domain(args, &job.default_domain))
		return EXIT_FAILED;
	if (!backup_open(args->operands[0], BACKUP_WRITE, &job.folder, &why)) {
		backup_job_fini(&job);
		return command_end(&c, &job.folder, &why, &out);
	}
	request_begin(&wire, "backup");
	request_end(&wire);
	code = ask_in_dialogue(args, &wire, speak, &c);
	if (code == EXIT_OK && backup_job_end(&job))
		print_run(&c, &job, &out);
	else if (code == EXIT_OK || job.why.n > 0)
		buf_printf(&why, "%s", job.why.n > 0 ? buf_cstr(&job.why) : "was cut off");
	backup_job_fini(&job);

	int end = command_end(&c, &job.folder, &why, &out);

	return end == EXIT_FAILED || code == EXIT_OK ? end : code;
}

/* ---- list ---- */

static void
print_time(int64_t t, struct buf *out)
{
	time_t when = (time_t)t;
	struct tm tm;
	char text[64];

	gmtime_r(&when, &tm);
	(void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm);
	buf_puts(out, text);
}

static void
list_json(const struct backup_run *run, struct json *j)
{
	json_open(j, '{');
	json_key(j, "id");
	json_str(j, run->id);
	json_key(j, "started");
	json_i64(j, run->started);
	json_key(j, "ended");
	json_i64(j, run->ended);
	json_key(j, "users");
	json_open(j, '[');
	for (size_t i = 0; i < run->user_count; i++) {
		json_open(j, '{');
		json_key(j, "name");
		json_str(j, run->users[i].name);
		json_number(j, "messages", run->users[i].messages);
		json_number(j, "bytes", run->users[i].bytes);
		json_close(j, '}');
	}
	json_close(j, ']');
	json_key(j, "damaged");
	json_open(j, '[');
	for (size_t i = 0; i < run->damaged_count; i++)
		json_str(j, run->damaged[i]);
	json_close(j, ']');
	json_close(j, '}');
}

static void
list_text(const struct backup_run *run, struct buf *out)
{
	uint64_t messages = 0, bytes = 0;

	for (size_t i = 0; i < run->user_count; i++) {
		messages += run->users[i].messages;
		bytes += run->users[i].bytes;
	}
	buf_printf(out, "%.*s  ", STR_ARG(run->id));
	print_time(run->started, out);
	buf_printf(out, "  %zu user%s, %" PRIu64 " message%s, %" PRIu64 " bytes", run->user_count,
	    CLI_S(run->user_count), messages, CLI_S(messages), bytes);
	if (run->damaged_count > 0)
		buf_printf(out, ", %zu damaged", run->damaged_count);
	buf_putc(out, '\n');
}

static int
list(const struct args *args)
{
	struct command c;
	struct backup_folder *folder;
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 4096);
	struct buf why = {0}, out = {0}, what = {0};
	struct json j = {.out = &out};
	struct str *ids;
	size_t n = 0;
	bool json = args_has(args, "json");

	command_begin(&c, args);
	if (json)
		json_open(&j, '[');
	if (backup_open(args->operands[0], BACKUP_READ, &folder, &why))
		(void)backup_run_ids(folder, arena, &ids, &n, &why);
	for (size_t i = 0; i < n; i++) {
		struct arena *one = arena_new(NULL, ARENA_OTHER, 65536);
		struct backup_run run;

		what.n = 0;
		if (backup_run_get(folder, ids[i], one, &run, &what) != TS_OK)
			damage(buf_cstr(&what), &c);
		else if (json)
			list_json(&run, &j);
		else
			list_text(&run, &out);
		arena_free(&one);
	}
	if (json) {
		json_close(&j, ']');
		buf_putc(&out, '\n');
	}
	buf_fini(&what);
	arena_free(&arena);
	return command_end(&c, &folder, &why, &out);
}

/* ---- verify, prune ---- */

static void
print_audit(struct command *c, const struct backup_audit *a, bool prune, struct buf *out)
{
	struct json j = {.out = out};

	if (!args_has(c->args, "json")) {
		if (prune)
			buf_printf(out,
			    "removed: %" PRIu64 " run%s and %" PRIu64 " object%s, %" PRIu64
			    " bytes; kept: %" PRIu64 " run%s, and %" PRIu64
			    " bytes that no run needs in packs that some need\n",
			    a->removed_runs, CLI_S(a->removed_runs), a->removed_objects,
			    CLI_S(a->removed_objects), a->removed_bytes, a->runs - a->removed_runs,
			    CLI_S(a->runs - a->removed_runs), a->dead_bytes);
		else
			buf_printf(out,
			    "%" PRIu64 " run%s, %" PRIu64 " object%s, %" PRIu64 " bytes: %" PRIu64
			    " fault%s\n",
			    a->runs, CLI_S(a->runs), a->objects, CLI_S(a->objects), a->bytes,
			    a->faults, CLI_S(a->faults));
		return;
	}
	json_open(&j, '{');
	json_number(&j, "runs", a->runs);
	json_number(&j, "objects", a->objects);
	json_number(&j, "bytes", a->bytes);
	if (prune) {
		json_number(&j, "removed_runs", a->removed_runs);
		json_number(&j, "removed_objects", a->removed_objects);
		json_number(&j, "removed_bytes", a->removed_bytes);
		json_number(&j, "dead_objects", a->dead_objects);
		json_number(&j, "dead_bytes", a->dead_bytes);
	}
	json_damage(c, &j);
	json_close(&j, '}');
	buf_putc(out, '\n');
}

static int
verify_folder(const struct args *args)
{
	struct command c;
	struct backup_folder *folder;
	struct backup_audit audit = {.bad = damage, .progress = show_progress, .arg = &c};
	struct buf why = {0}, out = {0};

	command_begin(&c, args);
	if (backup_open(args->operands[0], BACKUP_READ, &folder, &why) &&
	    backup_verify(folder, &audit, &why))
		print_audit(&c, &audit, false, &out);
	return command_end(&c, &folder, &why, &out);
}

static int
prune(const struct args *args)
{
	struct command c;
	struct backup_folder *folder;
	struct backup_audit audit = {.bad = damage, .progress = show_progress, .arg = &c};
	struct buf why = {0}, out = {0};
	unsigned long long keep;

	if (!args_number(args, "keep", 1, 1000000, 0, &keep))
		return EXIT_USAGE;
	if (keep == 0) {
		fprintf(stderr, "turnstone backup prune: --keep is needed\n");
		return EXIT_USAGE;
	}
	command_begin(&c, args);
	if (backup_open(args->operands[0], BACKUP_WRITE, &folder, &why) &&
	    backup_prune(folder, keep, &audit, &why))
		print_audit(&c, &audit, true, &out);
	return command_end(&c, &folder, &why, &out);
}

#define JSON_OPT                                                                                   \
	{                                                                                          \
		"json", NULL, "as JSON"                                                            \
	}
#define QUIET_OPT                                                                                  \
	{                                                                                          \
		"quiet", NULL, "show no progress"                                                  \
	}
#define END                                                                                        \
	{                                                                                          \
		NULL, NULL, NULL                                                                   \
	}

static const struct args_opt backup_opts[] = {CLI_CONFIG_OPT,
    {"user", "NAME", "only this user; may be repeated"},
    {"full", NULL, "read every message again, and compare with what is in the folder"},
    {"no-verify", NULL, "do not read back what was written"},
    {"without-properties", NULL,
        "leave out the properties of accounts and mailboxes (rights, annotations, limits), so that "
        "a version without them can restore everything else"},
    JSON_OPT, QUIET_OPT, END};
/* For scripts that give it to every command. */
#define UNREAD_CONFIG_OPT                                                                          \
	{                                                                                          \
		"config", "FILE", "accepted, but not read: only the folder is looked at"           \
	}
static const struct args_opt list_opts[] = {UNREAD_CONFIG_OPT, JSON_OPT, END};
static const struct args_opt verify_opts[] = {UNREAD_CONFIG_OPT, JSON_OPT, QUIET_OPT, END};
static const struct args_opt prune_opts[] = {UNREAD_CONFIG_OPT,
    {"keep", "N", "how many runs of each user to keep"}, JSON_OPT, QUIET_OPT, END};

const struct args_cmd cli_backup_cmds[] = {
    {.name = "backup",
        .operands = "DIR",
        .min = 1,
        .max = 1,
        .help = "save users, mailboxes and messages into a folder",
        .more = "Works with or without a running server. Only what is new since the last run into "
                "this folder is read. Exits with 3 if something could not be saved; each such item "
                "is named.",
        .opts = backup_opts,
        .run = backup},
    {.name = "backup list",
        .operands = "DIR",
        .min = 1,
        .max = 1,
        .help = "list the runs in a backup folder",
        .opts = list_opts,
        .run = list},
    {.name = "backup verify",
        .operands = "DIR",
        .min = 1,
        .max = 1,
        .help = "check every checksum in a backup folder",
        .more = "Needs no server. If there is damage, it names each damaged file and exits with 3.",
        .opts = verify_opts,
        .run = verify_folder},
    {.name = "backup prune",
        .operands = "DIR",
        .min = 1,
        .max = 1,
        .help = "remove old runs and whatever only they need",
        .more = "Keeps the newest runs of each user.",
        .opts = prune_opts,
        .run = prune},
    {.name = NULL}};
