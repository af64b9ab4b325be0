/* SPDX-License-Identifier: Apache-2.0 */
/* The program `turnstone`: finds the subcommand, prints help. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app/cli.h"
#include "app/version.h"
#include "base/buf.h"

static const struct app_cmd *const groups[] = {
    cli_server_cmds,
    cli_user_cmds,
    cli_alias_cmds,
    cli_check_cmds,
    cli_config_cmds,
    cli_port_cmds,
    cli_demo_cmds,
    cli_backup_cmds,
    cli_restore_cmds,
    cli_mailbox_cmds,
    cli_sessions_cmds,
};

#define GROUPS (sizeof(groups) / sizeof(*groups))

/* The words of argv that name the subcommand, and how many they are. */
static const struct app_cmd *
find_cmd(int argc, char **argv, int *words_r)
{
	struct buf two = {0};
	const struct app_cmd *found = NULL;

	*words_r = 0;
	if (argc < 1)
		return NULL;
	buf_puts(&two, argv[0]);
	if (argc > 1)
		buf_printf(&two, " %s", argv[1]);
	for (size_t g = 0; g < GROUPS; g++)
		for (const struct app_cmd *c = groups[g]; c->name != NULL; c++) {
			int words = strchr(c->name, ' ') != NULL ? 2 : 1;

			if (strcmp(c->name, words == 2 ? buf_cstr(&two) : argv[0]) == 0) {
				found = c;
				*words_r = words;
			}
		}
	buf_fini(&two);
	return found;
}

static void
list_cmds(FILE *f, const char *prefix)
{
	for (size_t g = 0; g < GROUPS; g++)
		for (const struct app_cmd *c = groups[g]; c->name != NULL; c++)
			if (prefix == NULL || strncmp(c->name, prefix, strlen(prefix)) == 0)
				fprintf(f, "  %-16s %s\n", c->name, c->help);
}

static void
usage(FILE *f)
{
	fprintf(f, "usage: turnstone COMMAND [OPTIONS]\n\nCommands:\n");
	list_cmds(f, NULL);
	fprintf(f, "\nMore: turnstone help COMMAND\n");
}

static void
help_cmd(const struct app_cmd *c)
{
	printf("turnstone %s%s%s%s\n    %s\n", c->name, c->operands[0] != '\0' ? " " : "",
	    c->operands, c->opts != NULL ? " [OPTIONS]" : "", c->help);
	if (c->more != NULL)
		printf("\n%s\n", c->more);
	if (c->opts == NULL)
		return;
	printf("\nOptions:\n");
	for (const struct args_opt *o = c->opts; o->name != NULL; o++) {
		struct buf left = {0};

		buf_printf(&left, "--%s%s%s", o->name, o->value != NULL ? " " : "",
		    o->value != NULL ? o->value : "");
		printf("  %-24s %s\n", buf_cstr(&left), o->help);
		buf_fini(&left);
	}
}

/* Is it the first word of commands ("user")? */
static bool
is_group(const char *word)
{
	size_t n = strlen(word);

	for (size_t g = 0; g < GROUPS; g++)
		for (const struct app_cmd *c = groups[g]; c->name != NULL; c++)
			if (strncmp(c->name, word, n) == 0 && c->name[n] == ' ')
				return true;
	return false;
}

static int
help(int argc, char **argv)
{
	int words;
	const struct app_cmd *c = find_cmd(argc, argv, &words);

	if (argc == 0) {
		usage(stdout);
		return APP_OK;
	}
	if (c != NULL) {
		help_cmd(c);
		return APP_OK;
	}
	if (is_group(argv[0])) {
		printf("turnstone %s ...\n", argv[0]);
		list_cmds(stdout, argv[0]);
		return APP_OK;
	}
	fprintf(stderr, "turnstone: there is no command '%s'\n\n", argv[0]);
	usage(stderr);
	return APP_USAGE;
}

static bool
wants_help(int argc, char **argv)
{
	for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0)
			return true;
	return false;
}

int
main(int argc, char **argv)
{
	const struct app_cmd *cmd;
	struct args args;
	int words, code;

	argc--;
	argv++;
	if (argc == 0) {
		usage(stderr);
		return APP_USAGE;
	}
	if (strcmp(argv[0], "help") == 0 || strcmp(argv[0], "--help") == 0)
		return help(argc - 1, argv + 1);
	if (strcmp(argv[0], "--version") == 0) {
		puts("turnstone " APP_VERSION);
		return APP_OK;
	}
	cmd = find_cmd(argc, argv, &words);
	if (cmd == NULL) {
		fprintf(stderr, "turnstone: there is no command '%s%s%s'\n\n", argv[0],
		    is_group(argv[0]) && argc > 1 ? " " : "",
		    is_group(argv[0]) && argc > 1 ? argv[1] : "");
		if (is_group(argv[0]))
			list_cmds(stderr, argv[0]);
		else
			usage(stderr);
		return APP_USAGE;
	}
	if (wants_help(argc - words, argv + words)) {
		help_cmd(cmd);
		return APP_OK;
	}
	if (!args_parse(cmd, argc - words, argv + words, &args))
		return APP_USAGE;
	code = cmd->run(&args);
	args_fini(&args);
	/* What was asked for may not have got out: a full disk, say. */
	if ((fflush(stdout) != 0 || ferror(stdout)) && code == APP_OK) {
		fprintf(stderr, "turnstone: cannot write the output: %s\n", strerror(errno));
		code = APP_FAILED;
	}
	return code;
}
