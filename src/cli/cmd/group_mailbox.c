/* SPDX-License-Identifier: Apache-2.0 */
/* `turnstone group-mailbox ...`. */
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/cmd/sharing.h"
#include "control/request.h"
#include "control/rows.h"

static int
group_mailbox_create(const struct args *args)
{
	struct buf wire = {0}, out = {0};
	const char *entry;
	int code;

	request_begin(&wire, "group-mailbox-create");
	request_put(&wire, "name", str_of(args->operands[0]));
	for (size_t i = 0; (entry = args_nth(args, "acl", i)) != NULL; i++)
		request_put(&wire, "acl", str_of(entry));
	sharing_put_options(args, &wire);
	request_end(&wire);
	code = ask_quiet(args, &wire, &out);
	sharing_print_notes(args, buf_as_str(&out));
	buf_fini(&out);
	return code;
}

static int
group_mailbox_delete(const struct args *args)
{
	struct buf wire = {0};

	request_begin(&wire, "group-mailbox-delete");
	request_put(&wire, "name", str_of(args->operands[0]));
	if (args_has(args, "yes"))
		request_put(&wire, "yes", STR("yes"));
	request_end(&wire);
	return ask(args, &wire);
}

static int
group_mailbox_list(const struct args *args)
{
	static const struct rows_column columns[] = {{"mailboxes", "MAILBOXES", true},
	    {"messages", "MESSAGES", true}, {"name", "NAME", false}, {NULL, NULL, false}};
	struct buf wire = {0}, out = {0};
	int code;

	request_begin(&wire, "group-mailbox-list");
	request_end(&wire);
	code = ask_quiet(args, &wire, &out);
	if (code == EXIT_OK) {
		if (args_has(args, "json"))
			rows_print_json(buf_as_str(&out));
		else
			rows_print_table(buf_as_str(&out), columns);
		if (rows_tell_faults(buf_as_str(&out), "group-mailbox list", "group mailbox"))
			code = EXIT_DAMAGE;
	}
	buf_fini(&out);
	return code;
}

static const struct args_opt create_opts[] = {CLI_CONFIG_OPT,
    {"acl", "IDENTIFIER=RIGHTS", "who may use its INBOX, as in `acl set`; may be repeated"},
    {NULL, NULL, NULL}};
static const struct args_opt delete_opts[] = {
    CLI_CONFIG_OPT, {"yes", NULL, "do it: nothing asks again"}, {NULL, NULL, NULL}};
static const struct args_opt list_opts[] = {CLI_CONFIG_OPT, CLI_JSON_OPT, {NULL, NULL, NULL}};

const struct args_cmd cli_group_mailbox_cmds[] = {
    {.name = "group-mailbox create",
        .operands = "NAME",
        .min = 1,
        .max = 1,
        .help = "create a mailbox that belongs to nobody, for a group",
        .more = "Nobody can log in as it. Who has rights finds it below `Shared/` "
                "(sharing.shared_prefix); mail for NAME is delivered to its INBOX. `acl`, "
                "`mailbox`, `quota`, `export` and `import` take NAME where they take a user.",
        .opts = create_opts,
        .run = group_mailbox_create},
    {.name = "group-mailbox delete",
        .operands = "NAME",
        .min = 1,
        .max = 1,
        .help = "remove a group mailbox and all its mail",
        .opts = delete_opts,
        .run = group_mailbox_delete},
    {.name = "group-mailbox list",
        .operands = "",
        .help = "list all group mailboxes",
        .opts = list_opts,
        .run = group_mailbox_list},
    {.name = NULL}};
