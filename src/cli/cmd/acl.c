/* SPDX-License-Identifier: Apache-2.0 */
/* `turnstone acl ...`. */
#include <stdio.h>

#include "auth/sharing.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/cmd/acl_print.h"
#include "cli/cmd/sharing.h"
#include "control/request.h"
#include "control/rows.h"
#include "server/config/settings.h"

void
sharing_put_options(const struct args *args, struct buf *wire)
{
	const char *path = settings_path(args);
	struct conf_faults faults = {0};
	struct conf *conf = NULL;

	if (path != NULL ? conf_load_sound(settings_tables(), path, NULL, &conf)
	                 : conf_load(settings_tables(), NULL, &faults, &conf) == TS_OK) {
		const struct auth_sharing *s = conf_get(conf, &auth_sharing_conf);

		if (!s->anyone)
			request_put(wire, "no-anyone", STR("yes"));
		request_put(wire, "others", s->others_prefix);
		request_put(wire, "shared", s->shared_prefix);
	}
	conf_faults_fini(&faults);
	conf_unref(&conf);
}

void
sharing_print_notes(const struct args *args, struct str text)
{
	struct str line;

	while (str_split(&text, '\n', &line))
		if (line.n > 0)
			fprintf(stderr, "turnstone %s: %.*s\n", args->cmd->name, STR_ARG(line));
}

/* The operands in order are the values of these fields; the last one is NULL. */
static void
begin(const struct args *args, const char *verb, const char *const *fields, struct buf *wire)
{
	request_begin(wire, verb);
	for (size_t i = 0; i < args->operand_count && fields[i] != NULL; i++)
		request_put(wire, fields[i], str_of(args->operands[i]));
}

static int
acl_list(const struct args *args)
{
	static const char *const fields[] = {"user", "mailbox", NULL};
	static const struct rows_column columns[] = {{"mailbox", "MAILBOX", false},
	    {"identifier", "IDENTIFIER", false}, {"rights", "RIGHTS", false}, {NULL, NULL, false}};
	struct buf wire = {0}, out = {0};
	int code;

	begin(args, "acl-list", fields, &wire);
	request_end(&wire);
	code = ask_quiet(args, &wire, &out);
	if (code == EXIT_OK) {
		if (args_has(args, "json"))
			rows_print_json(buf_as_str(&out));
		else
			rows_print_table(buf_as_str(&out), columns);
		if (rows_tell_faults(buf_as_str(&out), "acl list", "entry"))
			code = EXIT_DAMAGE;
	}
	buf_fini(&out);
	return code;
}

static int
change(const struct args *args, const char *verb)
{
	static const char *const fields[] = {"user", "mailbox", "identifier", "rights", NULL};
	struct buf wire = {0}, out = {0};
	int code;

	begin(args, verb, fields, &wire);
	sharing_put_options(args, &wire);
	request_end(&wire);
	code = ask_quiet(args, &wire, &out);
	sharing_print_notes(args, buf_as_str(&out));
	buf_fini(&out);
	return code;
}

static int
acl_set(const struct args *args)
{
	return change(args, "acl-set");
}

static int
acl_remove(const struct args *args)
{
	return change(args, "acl-remove");
}

static int
acl_explain(const struct args *args)
{
	static const char *const fields[] = {"user", "mailbox", "who", NULL};
	struct buf wire = {0}, out = {0};
	int code;

	begin(args, "acl-explain", fields, &wire);
	sharing_put_options(args, &wire);
	request_end(&wire);
	code = ask_quiet(args, &wire, &out);
	if (code == EXIT_OK) {
		(args_has(args, "json") ? acl_print_explained_json : acl_print_explained)(
		    buf_as_str(&out));
		code = acl_has_rights(buf_as_str(&out)) ? EXIT_OK : EXIT_REFUSED;
	}
	buf_fini(&out);
	return code;
}

static int
acl_forget(const struct args *args)
{
	static const char *const fields[] = {"identifier", NULL};
	struct buf wire = {0};

	begin(args, "acl-forget", fields, &wire);
	request_end(&wire);
	return ask(args, &wire);
}

static const struct args_opt plain_opts[] = {CLI_CONFIG_OPT, {NULL, NULL, NULL}};
static const struct args_opt json_opts[] = {CLI_CONFIG_OPT, CLI_JSON_OPT, {NULL, NULL, NULL}};

const struct args_cmd cli_acl_cmds[] = {
    {.name = "acl list",
        .operands = "USER [MAILBOX]",
        .min = 1,
        .max = 2,
        .help = "list who may use a user's mailboxes, or one of them",
        .more = "The owner, who always has all rights, is not in the list. USER may also be a "
                "group mailbox.",
        .opts = json_opts,
        .run = acl_list},
    {.name = "acl set",
        .operands = "USER MAILBOX IDENTIFIER RIGHTS",
        .min = 4,
        .max = 4,
        .help = "give rights on a user's mailbox, or change them",
        .more = "IDENTIFIER is a user, group:NAME, anyone or authenticated; with '-' before it "
                "the entry takes rights away, whoever else gives them. RIGHTS are letters; with "
                "'+' before them they are added to those of the entry, with '-' removed. "
                "`turnstone help acl` says what each allows. The same as SETACL in IMAP.",
        .opts = plain_opts,
        .run = acl_set},
    {.name = "acl remove",
        .operands = "USER MAILBOX IDENTIFIER",
        .min = 3,
        .max = 3,
        .help = "remove an entry of a user's mailbox",
        .more = "Whoever loses the right to read the mailbox loses it at once, also in open "
                "connections. The same as DELETEACL in IMAP.",
        .opts = plain_opts,
        .run = acl_remove},
    {.name = "acl explain",
        .operands = "USER MAILBOX WHO",
        .min = 3,
        .max = 3,
        .help = "say which rights WHO has on a user's mailbox, and why",
        .more = "The exit code is 0 if there are any, 5 if there are none. Whether somebody may "
                "act for WHO says `grant explain`.",
        .opts = json_opts,
        .run = acl_explain},
    {.name = "acl forget",
        .operands = "IDENTIFIER",
        .min = 1,
        .max = 1,
        .help = "remove all entries for somebody from all mailboxes of all users",
        .more =
            "Negative entries, too. `user delete` does it for the user. Use it for a group that "
            "is no more, or for somebody who is gone from another user database.",
        .opts = plain_opts,
        .run = acl_forget},
    {.name = NULL}};
