/* SPDX-License-Identifier: Apache-2.0 */
/* `turnstone config ...`. */
#include <stdio.h>

#include "cli/cli.h"
#include "server/check/config_check.h"
#include "server/config/settings.h"

static void
print_lines(const char *before, const struct buf *lines)
{
	struct str rest = buf_as_str(lines), line;

	while (str_split(&rest, '\n', &line))
		if (line.n > 0)
			fprintf(stderr, "%s%.*s\n", before, STR_ARG(line));
}

static int
check_config(const struct args *args)
{
	struct config_check how = {.purpose = CONFIG_CHECK_FILE, .args = args};
	struct conf *conf = NULL;
	struct buf faults = {0}, warnings = {0};
	bool ok = config_check(&how, &faults, &warnings, &conf);
	const char *path = settings_path(args);

	print_lines("", &faults);
	print_lines("warning: ", &warnings);
	if (!ok)
		settings_source(args);
	else
		printf("%s: no faults\n", path != NULL ? path : "defaults (no file)");
	buf_fini(&faults);
	buf_fini(&warnings);
	conf_unref(&conf);
	return ok ? EXIT_OK : EXIT_FAILED;
}

static int
config_show(const struct args *args)
{
	struct conf *conf = NULL;
	struct buf out = {0};

	if (!settings_load(args, &conf))
		return EXIT_FAILED;
	conf_print_show(conf, &out);
	(void)fwrite(out.p, 1, out.n, stdout);
	buf_fini(&out);
	conf_unref(&conf);
	return EXIT_OK;
}

static int
defaults(const struct args *args)
{
	struct buf out = {0};

	if (args_has(args, "markdown"))
		conf_print_markdown(settings_tables(), &out);
	else if (args_has(args, "roff"))
		conf_print_roff(settings_tables(), &out);
	else
		conf_print_defaults(settings_tables(), &out);
	(void)fwrite(out.p, 1, out.n, stdout);
	buf_fini(&out);
	return EXIT_OK;
}

static const struct args_opt file_opts[] = {CLI_CONFIG_OPT, {NULL, NULL, NULL}};
static const struct args_opt defaults_opts[] = {{"markdown", NULL, "as tables for the manual"},
    {"roff", NULL, "as tables for the manual page"}, {NULL, NULL, NULL}};

const struct args_cmd cli_config_cmds[] = {
    {.name = "config check",
        .operands = "",
        .help = "check the configuration for faults",
        .more = "Prints every fault that would keep `serve` from starting or `reload` from taking "
                "effect, each with its line, and exits with 1 if there is any. No port is bound, "
                "and a running server is not disturbed. Run it as root if root starts the server: "
                "what the server does after it has become `server.user` is checked as that user. "
                "Lines that begin with `warning:` name what works at startup but will fail later.",
        .opts = file_opts,
        .run = check_config},
    {.name = "config show",
        .operands = "",
        .help = "print the settings in force",
        .opts = file_opts,
        .run = config_show},
    {.name = "config defaults",
        .operands = "",
        .help = "print a sample file: all options with their defaults",
        .opts = defaults_opts,
        .run = defaults},
    {.name = NULL}};
