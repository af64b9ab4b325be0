/* SPDX-License-Identifier: Apache-2.0 */
/* `turnstone import` and `turnstone export`: between files on this side and an account on the
 * other. */
#include "port/port.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "control/frame.h"
#include "control/request.h"
#include "server/process/privileges.h"

struct run {
	struct port port;
	const struct args *args;
	struct port_source *(*open)(struct port *port, const char *path);
	struct port_source *source;
	struct port_sink *sink;
	struct mailstream_in in;
	struct buf rest; /* of what the source returned */
};

static void
show_port_progress(const char *what, uint64_t done, uint64_t total, void *arg)
{
	struct run *run = arg;

	progress_show(&run->port.progress, what, done, total);
}

static bool
give(struct buf *bytes, void *arg)
{
	struct run *run = arg;
	size_t n;

	/* A Maildir's list may be too large for a frame; records may be split anywhere. */
	if (run->rest.n == 0 && !run->source->fill(run->source, &run->rest))
		return false;
	n = run->rest.n < FRAME_BYTES_MAX ? run->rest.n : FRAME_BYTES_MAX;
	buf_put(bytes, run->rest.p, n);
	buf_consume(&run->rest, n);
	return true;
}

/* Reads lines "key: value"; numbers go into the summary, notes are printed. */
static uint64_t
value_of(struct str text, struct str key)
{
	struct str line;
	uint64_t v = 0;

	while (str_split(&text, '\n', &line))
		if (str_has_prefix(line, key) &&
		    str_u64((struct str){line.p + key.n, line.n - key.n}, UINT64_MAX, &v))
			break;
	return v;
}

static void
tell_notes(const struct run *run, struct str text)
{
	struct str line;

	while (str_split(&text, '\n', &line))
		if (str_has_prefix(line, STR("note: ")) ||
		    str_has_prefix(line, STR("left out: ")) ||
		    str_has_prefix(line, STR("damaged: ")))
			fprintf(stderr, "turnstone %s: %.*s\n", run->port.cmd, STR_ARG(line));
}

/* Reads "would come: 0|1 messages already name". */
static bool
read_dry_row(struct str *text, struct str *name_r, uint64_t numbers[3])
{
	const struct str key = STR("would come: ");
	struct str line, word;

	while (str_split(text, '\n', &line)) {
		bool ok = str_has_prefix(line, key);

		if (ok)
			line = (struct str){line.p + key.n, line.n - key.n};
		for (unsigned i = 0; ok && i < 3; i++)
			ok = str_split(&line, ' ', &word) && str_u64(word, UINT64_MAX, &numbers[i]);
		*name_r = line;
		if (ok)
			return true;
	}
	return false;
}

static void
print_rows(struct str text)
{
	uint64_t numbers[3];
	struct str name;

	while (read_dry_row(&text, &name, numbers))
		printf("%.*s: %llu to come, %llu there already%s\n", STR_ARG(name),
		    (unsigned long long)numbers[1], (unsigned long long)numbers[2],
		    numbers[0] != 0 ? " (a new mailbox)" : "");
}

/* Reads "would subscribe: name": to a mailbox that neither exists nor is imported. */
static bool
read_subscribed(struct str *text, struct str *name_r)
{
	const struct str key = STR("would subscribe: ");

	while (str_split(text, '\n', name_r)) {
		if (!str_has_prefix(*name_r, key))
			continue;
		*name_r = (struct str){name_r->p + key.n, name_r->n - key.n};
		return true;
	}
	return false;
}

static void
print_subscribed(struct str text)
{
	struct str name;

	while (read_subscribed(&text, &name))
		printf("%.*s: only a subscription to come, no mailbox\n", STR_ARG(name));
}

static void
put_subscribed(struct str text, struct json *j)
{
	struct str name;

	json_key(j, "only_subscribed");
	json_open(j, '[');
	while (read_subscribed(&text, &name))
		json_str(j, name);
	json_close(j, ']');
}

static void
put_rows(struct str text, struct json *j)
{
	uint64_t numbers[3];
	struct str name;

	json_key(j, "mailboxes");
	json_open(j, '[');
	while (read_dry_row(&text, &name, numbers)) {
		json_open(j, '{');
		json_key(j, "name");
		json_str(j, name);
		json_key(j, "new");
		json_bool(j, numbers[0] != 0);
		json_key(j, "messages");
		json_u64(j, numbers[1]);
		json_key(j, "already");
		json_u64(j, numbers[2]);
		json_close(j, '}');
	}
	json_close(j, ']');
}

struct summary {
	uint64_t added, known, renumbered;
	uint64_t left_out, others; /* others: those of them that are not messages */
	uint64_t properties;
};

static void
print_summary(const struct run *run, const struct summary *s)
{
	bool dry = args_has(run->args, "dry-run");

	printf("messages: %llu %s (%llu of them with new UIDs), %llu there already, %llu left out",
	    (unsigned long long)s->added, dry ? "would be imported" : "imported",
	    (unsigned long long)s->renumbered, (unsigned long long)s->known,
	    (unsigned long long)(s->left_out - s->others));
	if (s->others > 0)
		printf("; files, folders, mailboxes, properties and lines left out: %llu",
		    (unsigned long long)s->others);
	if (s->properties > 0)
		printf("; properties: %llu", (unsigned long long)s->properties);
	if (run->port.passed > 0)
		printf("; passed by: %llu", (unsigned long long)run->port.passed);
	if (run->port.renamed > 0)
		printf("; mailboxes with other names: %llu", (unsigned long long)run->port.renamed);
	putchar('\n');
}

static void
print_json(const struct run *run, const struct summary *s, struct str text)
{
	const char *const names[] = {"imported", "already", "new_uids", "left_out",
	    "keywords_left_out", "passed_by", "other_names", "properties"};
	const uint64_t values[] = {s->added, s->known, s->renumbered, s->left_out, run->port.words,
	    run->port.passed, run->port.renamed, s->properties};
	struct buf out = {0};
	struct json j = {.out = &out};

	json_open(&j, '{');
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		json_key(&j, names[i]);
		json_u64(&j, values[i]);
	}
	if (args_has(run->args, "dry-run")) {
		json_key(&j, "dry_run");
		json_bool(&j, true);
		put_rows(text, &j);
		put_subscribed(text, &j);
	}
	json_close(&j, '}');
	puts(buf_cstr(&out));
	buf_fini(&out);
}

static int
import_end(struct run *run, struct str text)
{
	struct summary s = {value_of(text, STR("messages: ")),
	    value_of(text, STR("there already: ")), value_of(text, STR("new uids: ")),
	    value_of(text, STR("not imported: ")) + run->port.broken,
	    value_of(text, STR("others not imported: ")) + run->port.broken - run->port.unread,
	    value_of(text, STR("properties: "))};

	tell_notes(run, text);
	if (run->port.words > 0)
		fprintf(stderr, "turnstone %s: flags and keywords left out: %llu\n",
		    run->args->cmd->name, (unsigned long long)run->port.words);
	if (args_has(run->args, "json")) {
		print_json(run, &s, text);
	} else if (!run->port.progress.quiet) {
		print_rows(text);
		print_subscribed(text);
		print_summary(run, &s);
	}
	return s.left_out > 0 || run->port.words > 0 ? EXIT_DAMAGE : EXIT_OK;
}

static void
run_init(struct run *run, const struct args *args)
{
	*run = (struct run){.args = args,
	    .port = {.cmd = args->cmd->name,
	        .mailbox = args_get(args, "mailbox"),
	        .follow_owned = args_has(args, "follow-owned"),
	        .fs_layout = args_has(args, "fs-layout"),
	        .take_properties = args_has(args, "properties"),
	        .take_ids = args_has(args, "object-ids"),
	        .keep_headers = args_has(args, "keep-headers"),
	        .mboxo = args_has(args, "mboxo")}};
	if (args_get(args, "flags") != NULL)
		run->port.no_flags = strcmp(args_get(args, "flags"), "none") == 0;
	progress_init(&run->port.progress, args_has(args, "quiet"));
}

static bool
begin_request(const struct args *args, const char *verb, struct buf *wire)
{
	const char *user = args_get(args, "user");

	if (user == NULL) {
		fprintf(stderr, "turnstone %s: --user is missing\n", args->cmd->name);
		return false;
	}
	request_begin(wire, verb);
	request_put(wire, "name", str_of(user));
	return true;
}

/* Becomes the user who may read PATH; nothing below it has been touched yet. */
static bool
begin_reading(void *arg)
{
	struct run *run = arg;
	const char *as = args_get(run->args, "as");
	struct buf why = {0};
	bool ok = as == NULL || privileges_become(as, &why);

	if (ok)
		run->source = run->open(&run->port, run->args->operands[0]);
	else
		fprintf(stderr, "turnstone %s: --as %s: %s\n", run->args->cmd->name, as,
		    buf_cstr(&why));
	buf_fini(&why);
	return run->source != NULL;
}

static int
import_from(
    const struct args *args, struct port_source *(*open)(struct port *port, const char *path))
{
	struct run run;
	struct buf wire = {0}, out = {0};
	struct talk_bulk bulk = {
	    .begin = begin_reading, .give = give, .progress = show_port_progress, .arg = &run};
	int code;

	run_init(&run, args);
	run.open = open;
	if (!port_top_ok(&run.port) ||
	    !begin_request(args, args_has(args, "dry-run") ? "import-dry" : "import", &wire))
		return EXIT_USAGE;
	request_end(&wire);
	code = ask_with(args, &wire, &bulk, &out);
	progress_clear(&run.port.progress);
	if (code == EXIT_OK)
		code = import_end(&run, buf_as_str(&out));
	if (run.source != NULL)
		run.source->free(run.source);
	buf_fini(&run.rest);
	buf_fini(&wire);
	buf_fini(&out);
	return code;
}

static int
import_maildir(const struct args *args)
{
	return import_from(args, port_maildir_open);
}

/* ---- export ---- */

static bool
feed_sink(struct str bytes, void *arg)
{
	struct run *run = arg;
	struct mailstream_record rec;
	enum mailstream_got got;

	buf_str(&run->in.bytes, bytes);
	while ((got = mailstream_next(&run->in, &rec)) == MAILSTREAM_GOT)
		if (!run->sink->take(run->sink, &rec))
			return false;
	if (got == MAILSTREAM_BAD)
		fprintf(stderr, "turnstone %s: the stream of messages is damaged\n", run->port.cmd);
	return got == MAILSTREAM_MORE;
}

static bool
give_have(struct buf *bytes, void *arg)
{
	struct run *run = arg;

	run->sink->have(run->sink, bytes);
	return true;
}

static int
export_end(const struct args *args, const struct run *run, struct str text)
{
	uint64_t done = value_of(text, STR("messages: "));
	uint64_t damaged = value_of(text, STR("damaged messages: "));
	uint64_t words = value_of(text, STR("keywords left out: "));
	uint64_t properties = value_of(text, STR("properties left out: ")) + run->port.properties;

	tell_notes(run, text);
	if (properties > 0)
		fprintf(stderr, "turnstone %s: properties left out: %llu\n", run->port.cmd,
		    (unsigned long long)properties);
	if (!run->in.ended) {
		fprintf(stderr, "turnstone %s: the stream ended early\n", run->port.cmd);
		return EXIT_FAILED;
	}
	if (args_has(args, "json"))
		printf("{\"exported\": %llu, \"damaged\": %llu, \"keywords_left_out\": %llu, "
		       "\"properties_left_out\": %llu}\n",
		    (unsigned long long)done, (unsigned long long)damaged,
		    (unsigned long long)words, (unsigned long long)properties);
	else if (!run->port.progress.quiet)
		printf("messages: %llu exported, %llu damaged\n",
		    (unsigned long long)(done - damaged), (unsigned long long)damaged);
	return damaged > 0 || words > 0 || properties > 0 ? EXIT_DAMAGE : EXIT_OK;
}

static int
export_to(const struct args *args, struct port_sink *(*create)(struct port *port, const char *path))
{
	struct run run;
	struct buf wire = {0}, out = {0};
	int code = EXIT_FAILED;

	run_init(&run, args);
	if (!begin_request(args, "export", &wire))
		return EXIT_USAGE;
	request_put(&wire, "have", STR("yes"));
	if (create == port_maildir_create)
		request_put(&wire, "ids", STR("yes"));
	if (run.port.mailbox != NULL)
		request_put(&wire, "mailbox", str_of(run.port.mailbox));
	request_end(&wire);
	run.sink = create(&run.port, args->operands[0]);
	if (run.sink != NULL) {
		struct talk_bulk bulk = {.take = feed_sink,
		    .give = give_have,
		    .progress = show_port_progress,
		    .arg = &run};

		code = ask_with(args, &wire, &bulk, &out);
		progress_clear(&run.port.progress);
		if (code == EXIT_OK)
			code = export_end(args, &run, buf_as_str(&out));
		run.sink->free(run.sink);
	}
	mailstream_in_fini(&run.in);
	buf_fini(&wire);
	buf_fini(&out);
	return code;
}

static int
export_maildir(const struct args *args)
{
	return export_to(args, port_maildir_create);
}

static int
import_mbox(const struct args *args)
{
	const char *flags = args_get(args, "flags");

	if (flags != NULL && strcmp(flags, "headers") != 0 && strcmp(flags, "none") != 0) {
		fprintf(stderr, "turnstone %s: --flags is headers or none\n", args->cmd->name);
		return EXIT_USAGE;
	}
	return import_from(args, port_mbox_open);
}

static int
export_mbox(const struct args *args)
{
	return export_to(args, port_mbox_create);
}

#define PORT_OPTS                                                                                  \
	CLI_CONFIG_OPT, {"user", "NAME", "whose mail it is"}, {"quiet", NULL, "show no progress"}, \
	{                                                                                          \
		"json", NULL, "the summary as one JSON object"                                     \
	}

#define IMPORT_OPTS                                                                                \
	PORT_OPTS, {"dry-run", NULL, "say what would be imported, and change nothing"},            \
	{                                                                                          \
		"as", "USER", "read PATH as this system user instead of root"                      \
	}

#define FOLLOW_OPT                                                                                 \
	{                                                                                          \
		"follow-owned", NULL, "follow symbolic links to files of PATH's owner"             \
	}

static const struct args_opt import_maildir_opts[] = {IMPORT_OPTS,
    {"mailbox", "MAILBOX", "where PATH's own mail goes, with its folders below (default: INBOX)"},
    FOLLOW_OPT, {"fs-layout", NULL, "folders are plain directories (a/b), not .a.b"},
    {"properties", NULL,
        "take the properties of account and mailboxes, too, as an export wrote them (rights, "
        "annotations, limits): only if nobody else could change PATH"},
    {"object-ids", NULL,
        "give mailboxes and messages the MAILBOXIDs and EMAILIDs that an export wrote (RFC 8474), "
        "where they keep UIDVALIDITY: only if nobody else could change PATH, and not for a copy "
        "of mail whose original stays"},
    {NULL, NULL, NULL}};

static const struct args_opt import_mbox_opts[] = {IMPORT_OPTS,
    {"mailbox", "MAILBOX",
        "where a file goes (default: INBOX), or below which a folder of files goes"},
    FOLLOW_OPT,
    {"keep-headers", NULL, "leave Status, X-Mozilla-Status and the like in the messages"},
    {"flags", "headers|none", "none: Status and the like are text, not flags (else headers)"},
    {"mboxo", NULL, "only >From was quoted by the writer, not >>From"}, {NULL, NULL, NULL}};
static const struct args_opt export_opts[] = {
    PORT_OPTS, {"mailbox", "MAILBOX", "only this one"}, {NULL, NULL, NULL}};

#define AGAIN                                                                                      \
	"May be interrupted and run again: what already exists is skipped. Exit code 3: some "     \
	"files, lines, mailboxes, messages, flags or keywords were left out, and named. What is "  \
	"passed by was recognised and is not mail."

const struct args_cmd cli_port_cmds[] = {{.name = "import maildir",
                                             .operands = "PATH",
                                             .min = 1,
                                             .max = 1,
                                             .help = "import a Maildir into a user's account",
                                             .more = AGAIN,
                                             .opts = import_maildir_opts,
                                             .run = import_maildir},
    {.name = "export maildir",
        .operands = "PATH",
        .min = 1,
        .max = 1,
        .help =
            "export a user's mail as a Maildir, with UIDs, flags, keywords, dates and properties",
        .more = "May be interrupted and run again: only what is missing is written, and what was "
                "expunged in the meantime is removed. Exit code 3: some messages are damaged, or "
                "keywords or properties were left out, and named.",
        .opts = export_opts,
        .run = export_maildir},
    {.name = "import mbox",
        .operands = "PATH",
        .min = 1,
        .max = 1,
        .help = "import an mbox file, or a folder of them, into a user's account",
        .more = AGAIN,
        .opts = import_mbox_opts,
        .run = import_mbox},
    {.name = "export mbox",
        .operands = "PATH",
        .min = 1,
        .max = 1,
        .help =
            "export a user's mail as mbox files, one per mailbox (UIDs and properties are lost)",
        .more = "Each file is replaced as a whole, when all of it is written. Exit code 3: some "
                "messages are damaged, or keywords or properties were left out, and named.",
        .opts = export_opts,
        .run = export_mbox},
    {.name = NULL}};
