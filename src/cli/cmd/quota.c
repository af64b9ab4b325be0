/* SPDX-License-Identifier: Apache-2.0 */
/* `turnstone quota ...`. */
#include <stdio.h>

#include "cli/ask.h"
#include "cli/cli.h"
#include "control/request.h"
#include "control/rows.h"

/* 500M and the like, by 1024, as in the configuration; anything else the operation refuses. */
static void
put_size(struct buf *wire, const char *key, struct str text)
{
	static const char units[] = "KMGT";
	const char *unit = text.n > 1 ? strchr(units, text.p[text.n - 1]) : NULL;
	struct buf bytes = {0};
	uint64_t n;

	if (unit != NULL && *unit != '\0' &&
	    str_u64((struct str){text.p, text.n - 1}, (uint64_t)1 << 20, &n)) {
		buf_u64(&bytes, n << (10 * (unit - units + 1)));
		text = buf_as_str(&bytes);
	}
	request_put(wire, key, text);
	buf_fini(&bytes);
}

static void
put_option(struct buf *wire, const struct args *args, const char *name)
{
	if (args_has(args, name))
		request_put(wire, name, str_of(args_get(args, name)));
}

static void
begin(struct buf *wire, const struct args *args, const char *verb)
{
	request_begin(wire, verb);
	if (args->operand_count > 0)
		request_put(wire, "user", str_of(args->operands[0]));
}

static int
print_rows(const struct args *args, struct buf *wire)
{
	static const struct rows_column columns[] = {{"percent", "USED%", true},
	    {"storage", "BYTES", true}, {"storage_limit", "LIMIT", true},
	    {"messages", "MESSAGES", true}, {"messages_limit", "LIMIT", true},
	    {"mailboxes", "MAILBOXES", true}, {"mailboxes_limit", "LIMIT", true},
	    {"user", "USER", false}, {"mailbox", "MAILBOX", false}, {NULL, NULL, false}};
	struct buf out = {0};
	int code = ask_quiet(args, wire, &out);

	if (code == EXIT_OK && args_has(args, "json"))
		rows_print_json(buf_as_str(&out));
	else if (code == EXIT_OK)
		rows_print_table(buf_as_str(&out), columns);
	buf_fini(&out);
	return code;
}

static int
quota_list(const struct args *args)
{
	struct buf wire = {0};

	begin(&wire, args, "quota-list");
	put_option(&wire, args, "over");
	request_end(&wire);
	return print_rows(args, &wire);
}

static int
quota_show(const struct args *args)
{
	struct buf wire = {0};

	begin(&wire, args, "quota-show");
	request_end(&wire);
	return print_rows(args, &wire);
}

static int
quota_set(const struct args *args)
{
	struct buf wire = {0};

	begin(&wire, args, "quota-set");
	put_option(&wire, args, "mailbox");
	if (args_has(args, "storage"))
		put_size(&wire, "storage", str_of(args_get(args, "storage")));
	put_option(&wire, args, "messages");
	put_option(&wire, args, "mailboxes");
	request_end(&wire);
	return ask(args, &wire);
}

static int
quota_remove(const struct args *args)
{
	struct buf wire = {0};

	begin(&wire, args, "quota-remove");
	put_option(&wire, args, "mailbox");
	request_end(&wire);
	return ask(args, &wire);
}

#define MAILBOX_OPT                                                                                \
	{                                                                                          \
		"mailbox", "NAME", "the limits of this mailbox of the user, by itself"             \
	}
static const struct args_opt list_opts[] = {CLI_CONFIG_OPT,
    {"over", "PERCENT", "only those who have used at least so much of a limit"}, CLI_JSON_OPT,
    {NULL, NULL, NULL}};
static const struct args_opt show_opts[] = {CLI_CONFIG_OPT, CLI_JSON_OPT, {NULL, NULL, NULL}};
static const struct args_opt set_opts[] = {CLI_CONFIG_OPT, MAILBOX_OPT,
    {"storage", "SIZE", "bytes, such as 500M or 10G; none: unlimited"},
    {"messages", "NUMBER", "messages; none: unlimited"},
    {"mailboxes", "NUMBER", "mailboxes; none: unlimited"}, {NULL, NULL, NULL}};
static const struct args_opt remove_opts[] = {CLI_CONFIG_OPT, MAILBOX_OPT, {NULL, NULL, NULL}};

const struct args_cmd cli_quota_cmds[] = {
    {.name = "quota list",
        .operands = "",
        .help = "list users and mailboxes that have limits, and what they use",
        .more = "Use --over 90 to see who has used 90 percent of a limit, or more.",
        .opts = list_opts,
        .run = quota_list},
    {.name = "quota show",
        .operands = "USER",
        .min = 1,
        .max = 1,
        .help = "show a user's limits, those of mailboxes, and the usage",
        .opts = show_opts,
        .run = quota_show},
    {.name = "quota set",
        .operands = "USER",
        .min = 1,
        .max = 1,
        .help = "set limits of a user, or of a mailbox",
        .more = "They come before those in the configuration. Limits that are not named stay as "
                "they are. Below the usage, a limit removes nothing: it refuses new mail.",
        .opts = set_opts,
        .run = quota_set},
    {.name = "quota remove",
        .operands = "USER",
        .min = 1,
        .max = 1,
        .help = "remove the limits that were set of a user, or of a mailbox",
        .more = "Those of the configuration apply to the user again.",
        .opts = remove_opts,
        .run = quota_remove},
    {.name = NULL}};
