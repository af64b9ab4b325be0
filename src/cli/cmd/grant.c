/* SPDX-License-Identifier: Apache-2.0 */
/* `turnstone grant ...` */
#include <stdio.h>

#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/cmd/grant_print.h"
#include "control/request.h"
#include "control/rows.h"

static void
put_all(const struct args *args, const char *option, const char *key, struct buf *wire)
{
	const char *value;

	for (size_t i = 0; (value = args_nth(args, option, i)) != NULL; i++)
		request_put(wire, key, str_of(value));
}

static void
put_option(const struct args *args, const char *option, struct buf *wire)
{
	if (args_has(args, option))
		request_put(wire, option, str_of(args_get(args, option)));
}

static int
usage(const struct args *args, const char *what)
{
	fprintf(stderr, "turnstone %s: %s\n", args->cmd->name, what);
	return EXIT_USAGE;
}

static int
grant_add(const struct args *args)
{
	struct buf wire = {0};

	if (!args_has(args, "for"))
		return usage(args, "--for is needed: the users to act for");
	if (args_has(args, "rights") && args_has(args, "read-only"))
		return usage(args, "--read-only means --rights lr: use only one of them");
	if (args_has(args, "rights") && args_get(args, "rights")[0] == '\0')
		return usage(args, "--rights needs letters of RFC 4314, such as lrs");
	request_begin(&wire, "grant-add");
	put_option(args, "name", &wire);
	request_put(&wire, "who", str_of(args->operands[0]));
	put_option(args, "for", &wire);
	put_all(args, "mailboxes", "mailbox", &wire);
	put_option(args, "rights", &wire);
	if (args_has(args, "read-only"))
		request_put(&wire, "rights", STR("lr"));
	put_all(args, "from", "from", &wire);
	put_option(args, "until", &wire);
	request_end(&wire);
	return ask(args, &wire);
}

static int
grant_remove(const struct args *args)
{
	struct buf wire = {0};

	request_begin(&wire, "grant-remove");
	request_put(&wire, "name", str_of(args->operands[0]));
	request_end(&wire);
	return ask(args, &wire);
}

static int
grant_list(const struct args *args)
{
	struct buf wire = {0}, out = {0};
	int code;

	request_begin(&wire, "grant-list");
	request_end(&wire);
	code = ask_quiet(args, &wire, &out);
	if (code == EXIT_OK)
		(args_has(args, "json") ? rows_print_json : grant_print_list)(buf_as_str(&out));
	buf_fini(&out);
	return code;
}

static bool
is_permitted(struct str rows)
{
	struct buf value = {0};
	struct str row;
	bool yes = rows_next(&rows, &row) && row_find(row, "permitted", 0, &value) &&
	           str_eq(buf_as_str(&value), STR("yes"));

	buf_fini(&value);
	return yes;
}

static int
grant_explain(const struct args *args)
{
	struct buf wire = {0}, out = {0};
	int code;

	request_begin(&wire, "grant-explain");
	request_put(&wire, "who", str_of(args->operands[0]));
	request_put(&wire, "for", str_of(args->operands[1]));
	put_option(args, "from", &wire);
	put_option(args, "at", &wire);
	request_end(&wire);
	code = ask_quiet(args, &wire, &out);
	if (code == EXIT_OK) {
		(args_has(args, "json") ? grant_print_explained_json : grant_print_explained)(
		    buf_as_str(&out));
		code = is_permitted(buf_as_str(&out)) ? EXIT_OK : EXIT_REFUSED;
	}
	buf_fini(&out);
	return code;
}

#define END                                                                                        \
	{                                                                                          \
		NULL, NULL, NULL                                                                   \
	}

static const struct args_opt add_opts[] = {CLI_CONFIG_OPT,
    {"for", "USERS", "for whom: a user, a pattern such as '*@voice.example', or group:NAME"},
    {"mailboxes", "NAME",
        "only this mailbox ('*' stands for any characters, '%' for any but '/'); may be repeated"},
    {"rights", "LETTERS", "at most these rights, in the letters of RFC 4314 (default: all)"},
    {"read-only", NULL, "the same as --rights lr"},
    {"from", "NETWORK", "only from this address or network, or unix; may be repeated"},
    {"until", "WHEN", "until the end of a day (2027-01-01) or a time (2027-01-01T12:30Z), in UTC"},
    {"name", "NAME", "its name (default: WHO and a number)"}, END};
static const struct args_opt explain_opts[] = {CLI_CONFIG_OPT, CLI_JSON_OPT,
    {"from", "ADDRESS", "from this address, or unix (default: an address that is permitted)"},
    {"at", "WHEN", "at this time, or the beginning of a day (default: now)"}, END};
static const struct args_opt json_opts[] = {CLI_CONFIG_OPT, CLI_JSON_OPT, END};
static const struct args_opt plain_opts[] = {CLI_CONFIG_OPT, END};

const struct args_cmd cli_grant_cmds[] = {
    {.name = "grant add",
        .operands = "WHO",
        .min = 1,
        .max = 1,
        .help = "let WHO act for other users, and how far",
        .more = "WHO is a user, a pattern, or group:NAME. Prints the name of the "
                "grant.\n`turnstone help grants` explains which of several decides.",
        .opts = add_opts,
        .run = grant_add},
    {.name = "grant remove",
        .operands = "NAME",
        .min = 1,
        .max = 1,
        .help = "remove a grant and end the logins it permitted",
        .opts = plain_opts,
        .run = grant_remove},
    {.name = "grant list",
        .operands = "",
        .help = "list all grants in the order in which they are checked",
        .more = "Those of the configuration, those of `grant add`, the patterns of\n"
                "`user add --acts-for`.",
        .opts = json_opts,
        .run = grant_list},
    {.name = "grant explain",
        .operands = "WHO USER",
        .min = 2,
        .max = 2,
        .help = "say whether WHO may act for USER, which grant permits it, and why others do not",
        .more = "The exit code is 0 when they may, 5 when they may not.",
        .opts = explain_opts,
        .run = grant_explain},
    {.name = NULL}};
