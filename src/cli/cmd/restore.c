/* SPDX-License-Identifier: Apache-2.0 */
/* `turnstone restore`. */
#include <inttypes.h>
#include <stdio.h>

#include "backup/restore.h"
#include "backup/usernames.h"
#include "base/json.h"
#include "base/progress.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "server/config/settings.h"

struct command {
	const struct args *args;
	struct progress progress;
	struct restore_job *job;
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
	fprintf(stderr, "turnstone restore: %s\n", text);
}

static void
speak(struct dialogue *d, void *arg)
{
	struct command *c = arg;

	restore_job_run(c->job, d);
}

struct choice {
	const char *at, *user; /* as typed */
	struct str default_domain;
	struct buf name; /* the user's name in the run */
};

static bool
run_has(struct str name, void *arg)
{
	return backup_run_user(arg, name) != NULL;
}

/* Whether the run has the user, if one is wanted. */
static bool
suits(struct choice *c, struct backup_run *run)
{
	if (c->user == NULL)
		return true;
	c->name.n = 0;
	username_meant(str_of(c->user), c->default_domain, run_has, run, &c->name);
	return backup_run_user(run, buf_as_str(&c->name)) != NULL;
}

static bool
choose_by_id(struct choice *c, struct backup_folder *folder, struct arena *arena,
    struct backup_run *run, struct buf *why)
{
	if (backup_run_get(folder, str_of(c->at), arena, run, why) != TS_OK)
		return false;
	if (!suits(c, run)) {
		buf_printf(why, "the run %s has no user %s", c->at, buf_cstr(&c->name));
		return false;
	}
	return true;
}

static bool
choose_by_time(struct choice *c, struct backup_folder *folder, const struct str *ids, size_t n,
    struct arena *arena, struct backup_run *run, struct buf *why)
{
	int64_t until = INT64_MAX;
	struct buf what = {0};
	bool found = false;

	if (c->at != NULL && !backup_moment(str_of(c->at), &until)) {
		buf_printf(why, "--at %s: neither a run (see backup list) nor a time", c->at);
		return false;
	}
	while (n-- > 0 && !found) {
		found = backup_run_get(folder, ids[n], arena, run, &what) == TS_OK &&
		        run->started <= until && suits(c, run);
		if (what.n > 0)
			fprintf(stderr, "turnstone restore: %s\n", buf_cstr(&what));
		what.n = 0;
	}
	if (!found)
		buf_printf(why, "%s: no run%s%s%s%s", backup_path(folder),
		    c->user != NULL ? " that has user " : "",
		    c->user == NULL ? ""
		    : c->name.n > 0 ? buf_cstr(&c->name)
		                    : c->user,
		    c->at != NULL ? " up to " : "", c->at != NULL ? c->at : "");
	buf_fini(&what);
	return found;
}

/* Chooses the run with that id, or the newest one at that moment, that has the user. */
static bool
choose_run(struct choice *c, struct backup_folder *folder, struct arena *arena,
    struct backup_run *run, struct buf *why)
{
	struct str *ids;
	size_t n;

	if (!backup_run_ids(folder, arena, &ids, &n, why))
		return false;
	for (size_t i = 0; c->at != NULL && i < n; i++)
		if (str_eq(ids[i], str_of(c->at)))
			return choose_by_id(c, folder, arena, run, why);
	return choose_by_time(c, folder, ids, n, arena, run, why);
}

static void
print_counts(const struct command *c)
{
	const struct restore_job *job = c->job;
	const char *names[] = {
	    "users", "mailboxes", "added", "there", "flagged", "aside", "properties", "damaged"};
	uint64_t values[] = {job->users, job->mailboxes, job->added, job->there, job->flagged,
	    job->aside, job->properties, job->damaged};
	struct buf out = {0};
	struct json j = {.out = &out};

	if (!args_has(c->args, "json")) {
		printf("from %.*s%s: %" PRIu64 " user%s, %" PRIu64 " mailbox%s; messages: %" PRIu64
		       " added, %" PRIu64 " there already, %" PRIu64
		       " with their flags set back, %" PRIu64 " set aside; properties: %" PRIu64
		       " set\n",
		    STR_ARG(job->run->id), job->dry ? " (nothing is changed)" : "", job->users,
		    CLI_S(job->users), job->mailboxes, job->mailboxes == 1 ? "" : "es", job->added,
		    job->there, job->flagged, job->aside, job->properties);
		return;
	}
	json_open(&j, '{');
	json_key(&j, "id");
	json_str(&j, job->run->id);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		json_key(&j, names[i]);
		json_u64(&j, values[i]);
	}
	if (job->dry) {
		json_key(&j, "dry_run");
		json_bool(&j, true);
	}
	json_close(&j, '}');
	puts(buf_cstr(&out));
	buf_fini(&out);
}

static bool
usable(const struct restore_job *job)
{
	const char *wrong = NULL;

	if (job->user == NULL && (job->mailbox != NULL || job->as_user != NULL))
		wrong = "--mailbox and --as-user need --user";
	else if (job->exact && job->into != NULL)
		wrong = "--exact and --into cannot be combined";
	if (wrong != NULL)
		fprintf(stderr, "turnstone restore: %s\n", wrong);
	return wrong == NULL;
}

static int
run_job(struct command *c)
{
	struct restore_job *job = c->job;
	struct buf wire = {0};
	int code;

	request_begin(&wire, job->dry ? "restore-dry" : "restore");
	request_end(&wire);
	code = ask_in_dialogue(c->args, &wire, speak, c);
	progress_clear(&c->progress);
	if (code == EXIT_OK && job->done) {
		print_counts(c);
		return job->damaged > 0 ? EXIT_DAMAGE : EXIT_OK;
	}
	if (job->why.n > 0 || code == EXIT_OK)
		fprintf(stderr, "turnstone restore: %s\n",
		    job->why.n > 0 ? buf_cstr(&job->why) : "was cut off; run it again");
	return code == EXIT_OK ? EXIT_FAILED : code;
}

/* Restores the given names from the run. */
static int
restore_from(struct command *c, struct str default_domain, struct arena *arena)
{
	struct restore_job *job = c->job;
	struct choice choice = {args_get(c->args, "at"), job->user, default_domain, {0}};
	struct buf as_user = {0};
	struct backup_run run;
	int code = EXIT_FAILED;

	if (backup_open(c->args->operands[0], BACKUP_READ, &job->folder, &job->why) &&
	    choose_run(&choice, job->folder, arena, &run, &job->why)) {
		job->run = &run;
		if (job->user != NULL)
			job->user = buf_cstr(&choice.name);
		if (job->as_user != NULL) {
			username_meant(str_of(job->as_user), default_domain, NULL, NULL, &as_user);
			job->as_user = buf_cstr(&as_user);
		}
		code = run_job(c);
	} else {
		fprintf(stderr, "turnstone restore: %s\n", buf_cstr(&job->why));
	}
	backup_close(&job->folder);
	buf_fini(&choice.name);
	buf_fini(&as_user);
	return code;
}

static int
restore(const struct args *args)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 65536);
	struct buf domain = {0};
	struct command c = {.args = args};
	struct restore_job job = {.user = args_get(args, "user"),
	    .mailbox = args_get(args, "mailbox"),
	    .as_user = args_get(args, "as-user"),
	    .into = args_get(args, "into"),
	    .exact = args_has(args, "exact"),
	    .dry = args_has(args, "dry-run"),
	    .progress = show_progress,
	    .damage = damage,
	    .arg = &c};
	int code = EXIT_USAGE;

	c.job = &job;
	progress_init(&c.progress, args_has(args, "quiet") || args_has(args, "json"));
	if (usable(&job))
		code = username_default_domain(args, &domain)
		           ? restore_from(&c, buf_as_str(&domain), arena)
		           : EXIT_FAILED;
	buf_fini(&job.why);
	buf_fini(&domain);
	arena_free(&arena);
	return code;
}

static const struct args_opt opts[] = {CLI_CONFIG_OPT, {"user", "NAME", "only this user"},
    {"mailbox", "NAME", "only this mailbox"},
    {"at", "ID|TIME",
        "the run to restore, or a time for the last one that started by then: 2026-11-23, "
        "'2026-11-23 14:30', with a trailing Z for UTC (default: the newest)"},
    {"as-user", "NAME", "into the mail of another user, who must exist"},
    {"into", "PREFIX", "into new mailboxes PREFIX/NAME; with --mailbox into PREFIX itself"},
    {"exact", NULL,
        "make mailboxes what they were: flags are set back, messages that the run does not have "
        "are moved into 'NAME (set aside ID)', and properties that it does not have are removed"},
    {"dry-run", NULL, "say what would come back, and change nothing"}, {"json", NULL, "as JSON"},
    {"quiet", NULL, "show no progress"}, {NULL, NULL, NULL}};

const struct args_cmd cli_restore_cmds[] = {
    {.name = "restore",
        .operands = "DIR",
        .min = 1,
        .max = 1,
        .help = "restore users, mailboxes and messages from a backup folder",
        .more = "Destroys nothing: in mailboxes that are there only what is missing is added. Can "
                "be started again when it was cut off. Exits with 3 when something in the folder "
                "is damaged and was left out, or does not fit here.",
        .opts = opts,
        .run = restore},
    {.name = NULL}};
