/* SPDX-License-Identifier: Apache-2.0 */
/* The program `turnstone`: finds the subcommand and runs it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/version.h"
#include "cli/help.h"

static bool
is_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static bool
wants_help(int argc, char **argv)
{
	for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (is_help(argv[i]))
			return true;
	return false;
}

int
main(int argc, char **argv)
{
	const struct args_cmd *cmd;
	struct args args;
	int words, code;

	argc--;
	argv++;
	if (argc == 0) {
		help_usage(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[0], "help") == 0 || is_help(argv[0]))
		return help_run(argc - 1, argv + 1);
	if (strcmp(argv[0], "--version") == 0) {
		puts("turnstone " PROGRAM_VERSION);
		return EXIT_OK;
	}
	cmd = help_find(argc, argv, &words);
	if (cmd == NULL && argc == 2 && is_help(argv[1])) /* `import --help` */
		return help_run(1, argv);
	if (cmd == NULL) {
		help_no_cmd(argc, argv);
		return EXIT_USAGE;
	}
	if (wants_help(argc - words, argv + words)) {
		help_cmd(cmd);
		return EXIT_OK;
	}
	if (!args_parse(cmd, argc - words, argv + words, &args))
		return EXIT_USAGE;
	code = cmd->run(&args);
	args_fini(&args);
	/* The output may be incomplete: a full disk, say. */
	if ((fflush(stdout) != 0 || ferror(stdout)) && code == EXIT_OK) {
		fprintf(stderr, "turnstone: cannot write the output: %s\n", strerror(errno));
		code = EXIT_FAILED;
	}
	return code;
}
