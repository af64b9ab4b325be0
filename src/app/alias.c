/* SPDX-License-Identifier: Apache-2.0 */
/* `turnstone alias ...` */
#include "app/ask.h"
#include "app/cli.h"
#include "app/request.h"

static int
alias_add(const struct args *args)
{
	struct buf wire = {0};

	request_begin(&wire, "alias-add");
	request_put(&wire, "name", str_of(args->operands[0]));
	for (size_t i = 1; i < args->operand_count; i++)
		request_put(&wire, "target", str_of(args->operands[i]));
	request_end(&wire);
	return ask(args, &wire);
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

static int
alias_list(const struct args *args)
{
	struct buf wire = {0};

	request_begin(&wire, "alias-list");
	request_end(&wire);
	return ask(args, &wire);
}

static const struct args_opt config_opts[] = {CLI_CONFIG_OPT, {NULL, NULL, NULL}};

const struct app_cmd cli_alias_cmds[] = {
    {.name = "alias add",
        .operands = "NAME USER...",
        .min = 2,
        .max = 257,
        .help = "deliver mail for NAME to users; replaces an alias of that name",
        .more = "NAME is local, local@domain, or @domain for all in it that is neither a user\n"
                "nor an alias. A USER may also be another alias, or have a sub-address.",
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
        .help = "one a line: the alias, then what it stands for",
        .opts = config_opts,
        .run = alias_list},
    {.name = NULL}};
