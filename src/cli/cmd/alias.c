/* SPDX-License-Identifier: Apache-2.0 */
/* `turnstone alias ...` */
#include <stdio.h>

#include "cli/ask.h"
#include "cli/cli.h"
#include "control/request.h"
#include "control/rows.h"
#include "lmtp/settings.h"
#include "server/config/settings.h"

/* Adds the separator between a name and a sub-address.  This command does not report faults in the
 * file. */
static void
put_separator(const struct args *args, struct buf *wire)
{
	const char *path = settings_path(args);
	struct conf_faults faults = {0};
	struct conf *conf = NULL;

	if (path != NULL ? conf_load_sound(settings_tables(), path, NULL, &conf)
	                 : conf_load(settings_tables(), NULL, &faults, &conf) == TS_OK) {
		const struct lmtp_settings *s = conf_get(conf, &lmtp_conf);

		request_put(wire, "separator", s->separator);
	}
	conf_faults_fini(&faults);
	conf_unref(&conf);
}

static void
print_warnings(const struct args *args, struct str text)
{
	struct str line;

	while (str_split(&text, '\n', &line))
		if (line.n > 0)
			fprintf(stderr, "turnstone %s: warning: %.*s\n", args->cmd->name,
			    STR_ARG(line));
}

static int
alias_add(const struct args *args)
{
	struct buf wire = {0}, out = {0};
	int code;

	request_begin(&wire, "alias-add");
	request_put(&wire, "name", str_of(args->operands[0]));
	for (size_t i = 1; i < args->operand_count; i++)
		request_put(&wire, "target", str_of(args->operands[i]));
	put_separator(args, &wire);
	request_end(&wire);
	code = ask_quiet(args, &wire, &out);
	print_warnings(args, buf_as_str(&out));
	buf_fini(&out);
	return code;
}

static int
alias_remove(const struct args *args)
{
	struct buf wire = {0};

	request_begin(&wire, "alias-remove");
	request_put(&wire, "name", str_of(args->operands[0]));
	request_end(&wire);
	return ask(args, &wire);
}

static void
print_aliases(struct str rows)
{
	struct buf value = {0};
	struct str row;

	while (rows_next(&rows, &row)) {
		if (row_find(row, ROW_FAULT, 0, &value))
			continue;
		row_find(row, "name", 0, &value);
		printf("%.*s", STR_ARG(buf_as_str(&value)));
		for (size_t i = 0; row_find(row, "targets", i, &value); i++)
			printf(" %.*s", STR_ARG(buf_as_str(&value)));
		putchar('\n');
	}
	buf_fini(&value);
}

static int
alias_list(const struct args *args)
{
	struct buf wire = {0}, out = {0};
	int code;

	request_begin(&wire, "alias-list");
	request_end(&wire);
	code = ask_quiet(args, &wire, &out);
	if (code == EXIT_OK) {
		(args_has(args, "json") ? rows_print_json : print_aliases)(buf_as_str(&out));
		if (rows_tell_faults(buf_as_str(&out), "alias list", "alias"))
			code = EXIT_DAMAGE;
	}
	buf_fini(&out);
	return code;
}

static const struct args_opt config_opts[] = {CLI_CONFIG_OPT, {NULL, NULL, NULL}};
static const struct args_opt json_opts[] = {CLI_CONFIG_OPT, CLI_JSON_OPT, {NULL, NULL, NULL}};

const struct args_cmd cli_alias_cmds[] = {
    {.name = "alias add",
        .operands = "NAME USER...",
        .min = 2,
        .max = 257,
        .help = "deliver mail for NAME to users; replaces an alias of that name",
        .more = "NAME is local, local@domain, or @domain for every address in it that is neither\n"
                "a user nor an alias. A USER may also be another alias, or have a sub-address.\n"
                "Warns of a USER that does not exist or is disabled, of a NAME that is also a\n"
                "user, and of a loop.",
        .opts = config_opts,
        .run = alias_add},
    {.name = "alias remove",
        .operands = "NAME",
        .min = 1,
        .max = 1,
        .help = "remove an alias",
        .opts = config_opts,
        .run = alias_remove},
    {.name = "alias list",
        .operands = "",
        .help = "one per line: the alias, then its targets",
        .opts = json_opts,
        .run = alias_list},
    {.name = NULL}};
