/* SPDX-License-Identifier: Apache-2.0 */
/* `turnstone check` and `turnstone mailbox fsck`: what is wrong with a store. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/ask.h"
#include "cli/cli.h"
#include "control/request.h"

struct shown {
	bool bar, open;
};

static void
end_bar(struct shown *s)
{
	if (s->open)
		(void)fputs("\r\033[K", stderr);
	s->open = false;
}

static bool
print_findings(struct str bytes, void *arg)
{
	end_bar(arg);
	(void)fwrite(bytes.p, 1, bytes.n, stdout);
	return true;
}

static void
progress(const char *what, uint64_t done, uint64_t total, void *arg)
{
	struct shown *s = arg;

	if (!s->bar)
		return;
	if (total > 0)
		fprintf(stderr, "\r%s: %llu of %llu\033[K", what, (unsigned long long)done,
		    (unsigned long long)total);
	else
		fprintf(stderr, "\r%s: %llu\033[K", what, (unsigned long long)done);
	s->open = true;
}

/* Reads lines "key: number". */
static uint64_t
read_count(struct str text, const char *key)
{
	struct str line, name;
	uint64_t n = 0;

	while (str_split(&text, '\n', &line))
		if (str_split(&line, ':', &name) && str_eq(name, str_of(key)) &&
		    !str_u64(str_trim(line), UINT64_MAX, &n))
			n = 0;
	return n;
}

static void
print_json(struct str text)
{
	struct str line, name;
	const char *between = "{\"summary\":{";

	while (str_split(&text, '\n', &line)) {
		if (!str_split(&line, ':', &name) || name.n == 0)
			continue;
		line = str_trim(line);
		printf("%s\"%.*s\":%.*s", between, STR_ARG(name), STR_ARG(line));
		between = ",";
	}
	puts("}}");
}

static int
run_check(const struct args *args, const char *user, const char *mailbox)
{
	static const char *const flags[] = {"repair", "quick", "json"};
	struct buf wire = {0}, out = {0};
	struct shown shown = {.bar = isatty(STDERR_FILENO) != 0};
	struct talk_bulk bulk = {.take = print_findings, .progress = progress, .arg = &shown};
	int code;

	request_begin(&wire, "check");
	if (user != NULL)
		request_put(&wire, "user", str_of(user));
	if (mailbox != NULL)
		request_put(&wire, "mailbox", str_of(mailbox));
	for (size_t i = 0; i < 3; i++)
		if (args_has(args, flags[i]))
			request_put(&wire, flags[i], STR("yes"));
	request_end(&wire);
	code = ask_with(args, &wire, &bulk, &out);
	end_bar(&shown);
	if (code == EXIT_OK) {
		if (args_has(args, "json"))
			print_json(buf_as_str(&out));
		else
			(void)fwrite(out.p, 1, out.n, stdout);
		if (read_count(buf_as_str(&out), "found") > 0)
			code = EXIT_DAMAGE;
	}
	buf_fini(&out);
	return code;
}

static int
check_store(const struct args *args)
{
	return run_check(args, args_get(args, "user"), NULL);
}

static int
mailbox_fsck(const struct args *args)
{
	if (!args_has(args, "user")) {
		fprintf(stderr, "turnstone mailbox fsck: --user is needed\n");
		return EXIT_USAGE;
	}
	return run_check(
	    args, args_get(args, "user"), args->operand_count > 0 ? args->operands[0] : NULL);
}

static const struct args_opt opts[] = {CLI_CONFIG_OPT,
    {"repair", NULL, "repair what is damaged, and say how; the server must not be running"},
    {"quick", NULL, "do not read the messages' bytes"}, {"user", "USER", "only this user's mail"},
    {"json", NULL, "each finding as a JSON object per line, then a summary"}, {NULL, NULL, NULL}};

const struct args_cmd cli_check_cmds[] = {
    {.name = "check",
        .operands = "",
        .help = "look for damage in the store and repair it",
        .more = "Works with or without a running server. Exit code 0: the store is sound; 3: "
                "damage was found (the lines say what, and with --repair what was done); 1: the "
                "store could not be checked.",
        .opts = opts,
        .run = check_store},
    {.name = "mailbox fsck",
        .operands = "[MAILBOX] --user USER",
        .max = 1,
        .help = "the same for one user's mailboxes, or one of them",
        .opts = opts,
        .run = mailbox_fsck},
    {.name = NULL}};
