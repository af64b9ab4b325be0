/* SPDX-License-Identifier: Apache-2.0 */
/* `turnstone mailbox ...`. */
#include <stdio.h>

#include "cli/ask.h"
#include "cli/cli.h"
#include "control/request.h"
#include "control/rows.h"

/* Asks; false: *code_r has the exit code. */
static bool
ask_about(const struct args *args, const char *verb, struct buf *out, int *code_r)
{
	struct buf wire = {0};

	if (!args_has(args, "user")) {
		fprintf(
		    stderr, "turnstone %s: say whose mailboxes: --user USER\n", args->cmd->name);
		*code_r = EXIT_USAGE;
		return false;
	}
	request_begin(&wire, verb);
	request_put(&wire, "user", str_of(args_get(args, "user")));
	if (args->operand_count > 0)
		request_put(&wire, "name", str_of(args->operands[0]));
	if (args_has(args, "subscribe"))
		request_put(&wire, "subscribe", STR("yes"));
	request_end(&wire);
	*code_r = ask_quiet(args, &wire, out);
	return *code_r == EXIT_OK;
}

static int
mailbox_list(const struct args *args)
{
	static const struct rows_column columns[] = {{"messages", "MESSAGES", true},
	    {"unseen", "UNSEEN", true}, {"size", "BYTES", true}, {"name", "NAME", false},
	    {NULL, NULL, false}};
	struct buf out = {0};
	int code;

	if (ask_about(args, "mailbox-list", &out, &code)) {
		if (args_has(args, "json"))
			rows_print_json(buf_as_str(&out));
		else
			rows_print_table(buf_as_str(&out), columns);
	}
	buf_fini(&out);
	return code;
}

static void
print_status(struct str row)
{
	struct buf value = {0};
	struct str key;
	char type;

	while (row_next(&row, &type, &key, &value))
		if (type != 'L')
			printf("%.*s: %.*s\n", STR_ARG(key), STR_ARG(buf_as_str(&value)));
	buf_fini(&value);
}

static int
mailbox_status(const struct args *args)
{
	struct buf out = {0};
	int code;

	if (ask_about(args, "mailbox-status", &out, &code)) {
		if (args_has(args, "json"))
			row_print_json(buf_as_str(&out));
		else
			print_status(buf_as_str(&out));
	}
	buf_fini(&out);
	return code;
}

static int
mailbox_create(const struct args *args)
{
	struct buf out = {0};
	int code;

	(void)ask_about(args, "mailbox-create", &out, &code);
	buf_fini(&out);
	return code;
}

static int
mailbox_delete(const struct args *args)
{
	struct buf out = {0};
	int code;

	(void)ask_about(args, "mailbox-delete", &out, &code);
	buf_fini(&out);
	return code;
}

#define USER_OPT                                                                                   \
	{                                                                                          \
		"user", "USER", "whose mailboxes (required)"                                       \
	}
static const struct args_opt list_opts[] = {
    CLI_CONFIG_OPT, USER_OPT, CLI_JSON_OPT, {NULL, NULL, NULL}};
static const struct args_opt create_opts[] = {
    CLI_CONFIG_OPT, USER_OPT, {"subscribe", NULL, "and subscribe to it"}, {NULL, NULL, NULL}};
static const struct args_opt delete_opts[] = {CLI_CONFIG_OPT, USER_OPT, {NULL, NULL, NULL}};

const struct args_cmd cli_mailbox_cmds[] = {{.name = "mailbox list",
                                                .operands = "--user USER",
                                                .help = "list a user's mailboxes",
                                                .opts = list_opts,
                                                .run = mailbox_list},
    {.name = "mailbox status",
        .operands = "NAME --user USER",
        .min = 1,
        .max = 1,
        .help = "show the counters of a mailbox",
        .opts = list_opts,
        .run = mailbox_status},
    {.name = "mailbox create",
        .operands = "NAME --user USER",
        .min = 1,
        .max = 1,
        .help = "create a mailbox",
        .more = "The name is UTF-8; `/` separates levels.",
        .opts = create_opts,
        .run = mailbox_create},
    {.name = "mailbox delete",
        .operands = "NAME --user USER",
        .min = 1,
        .max = 1,
        .help = "delete a mailbox and its messages",
        .more = "Mailboxes below it stay. Connections that have it selected are told or ended.",
        .opts = delete_opts,
        .run = mailbox_delete},
    {.name = NULL}};
