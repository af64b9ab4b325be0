/* SPDX-License-Identifier: Apache-2.0 */
/* `turnstone serve`, `status`, `stop`, `reload`, `version`. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/version.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/cmd/status.h"
#include "control/ops/ops.h"
#include "control/request.h"
#include "server/server.h"

static int
serve(const struct args *args)
{
	return server_main(args, ops_find);
}

static int
ask_verb(const struct args *args, const char *verb, struct buf *out)
{
	struct buf wire = {0};

	request_begin(&wire, verb);
	request_end(&wire);
	return ask_quiet(args, &wire, out);
}

static int
status(const struct args *args)
{
	struct buf lines = {0}, out = {0};
	int code = ask_verb(args, "status", &lines);

	if (code == EXIT_OK && args_has(args, "json"))
		status_json(buf_as_str(&lines), &out);
	else if (code == EXIT_OK && args_has(args, "all"))
		buf_str(&out, buf_as_str(&lines));
	else if (code == EXIT_OK)
		status_summary(buf_as_str(&lines), &out);
	(void)fwrite(out.p, 1, out.n, stdout);
	buf_fini(&lines);
	buf_fini(&out);
	return code;
}

static uint64_t
pid_of(struct str text)
{
	struct str line;
	uint64_t pid;

	while (str_split(&text, '\n', &line))
		if (str_has_prefix(line, STR("pid: ")) &&
		    str_u64((struct str){line.p + 5, line.n - 5}, 1 << 30, &pid))
			return pid;
	return 0;
}

/* Waits until it has ended, even if its parent has not waited for it. */
static void
wait_for_end(pid_t pid)
{
	struct pollfd p = {.fd = pidfd_open(pid, 0), .events = POLLIN};

	if (p.fd < 0)
		return;
	while (poll(&p, 1, -1) < 0 && errno == EINTR)
		;
	close(p.fd);
}

static int
stop(const struct args *args)
{
	struct buf out = {0};
	int code = ask_verb(args, "stop", &out);
	uint64_t pid = pid_of(buf_as_str(&out));

	if (code == EXIT_OK) {
		wait_for_end((pid_t)pid);
		puts("stopped");
	}
	buf_fini(&out);
	return code;
}

static int
reload(const struct args *args)
{
	struct buf out = {0};
	int code = ask_verb(args, "reload", &out);

	(void)fwrite(out.p, 1, out.n, stdout);
	buf_fini(&out);
	return code;
}

static int
version(const struct args *args)
{
	(void)args;
	puts("turnstone " PROGRAM_VERSION);
	return EXIT_OK;
}

static const struct args_opt serve_opts[] = {CLI_CONFIG_OPT,
    {"ready-file", "FILE", "write the bound ports to FILE (NAME_PORT=NUMBER lines) when ready"},
    {"ready-fd", "N", "write the same to a file descriptor and close it"},
    {"set", "LISTENER.port=N",
        "override a listener's port (or address) in the file; may be repeated"},
    {NULL, NULL, NULL}};
static const struct args_opt status_opts[] = {CLI_CONFIG_OPT,
    {"all", NULL, "every figure, one per line"}, {"json", NULL, "every figure, as JSON"},
    {NULL, NULL, NULL}};
static const struct args_opt config_opts[] = {CLI_CONFIG_OPT, {NULL, NULL, NULL}};

const struct args_cmd cli_server_cmds[] = {
    {.name = "serve",
        .operands = "",
        .help = "run the mail server in the foreground",
        .more = "SIGTERM and SIGINT shut it down cleanly; a second one ends it at once. SIGHUP "
                "reloads the configuration and certificates.",
        .opts = serve_opts,
        .run = serve},
    {.name = "status",
        .operands = "",
        .help = "show what the running server is doing",
        .more = "A summary for people. Counts that take longer than two seconds (mail, disk) are "
                "cut off, and the line says `more than`.",
        .opts = status_opts,
        .run = status},
    {.name = "stop",
        .operands = "",
        .help = "stop the running server and wait for it to end",
        .opts = config_opts,
        .run = stop},
    {.name = "reload",
        .operands = "",
        .help = "make the running server reload its configuration and certificates",
        .opts = config_opts,
        .run = reload},
    {.name = "version", .operands = "", .help = "print the version", .run = version},
    {.name = NULL}};
