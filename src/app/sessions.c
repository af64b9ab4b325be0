/* SPDX-License-Identifier: Apache-2.0 */
/* `turnstone who`, `turnstone kick`. */
#include <stdio.h>
#include <stdlib.h>

#include "app/ask.h"
#include "app/cli.h"
#include "app/request.h"
#include "app/rows.h"

/* False: printed. */
static bool
put_which(const struct args *args, struct buf *wire)
{
	unsigned long long id;
	struct buf text = {0};

	if (!args_number(args, "conn", 1, UINT64_MAX, 0, &id))
		return false;
	if (args->operand_count > 0)
		request_put(wire, "name", str_of(args->operands[0]));
	if (args_has(args, "address"))
		request_put(wire, "address", str_of(args_get(args, "address")));
	if (id > 0) {
		buf_u64(&text, id);
		request_put(wire, "id", buf_as_str(&text));
		buf_fini(&text);
	}
	return true;
}

static int
who(const struct args *args)
{
	static const struct rows_column columns[] = {{"id", "ID", true},
	    {"address", "ADDRESS", false}, {"user", "USER", false}, {"login", "LOGIN", false},
	    {"state", "STATE", false}, {"mailbox", "MAILBOX", false}, {"seconds", "SECONDS", true},
	    {"tls", "TLS", false}, {"commands", "COMMANDS", true}, {NULL, NULL, false}};
	struct buf wire = {0}, out = {0};
	int code;

	request_begin(&wire, "who");
	if (!put_which(args, &wire)) {
		buf_fini(&wire);
		return APP_USAGE;
	}
	request_end(&wire);
	code = ask_quiet(args, &wire, &out);
	if (code == APP_OK && args_has(args, "json"))
		rows_print_json(buf_as_str(&out));
	else if (code == APP_OK)
		rows_print_table(buf_as_str(&out), columns);
	buf_fini(&out);
	return code;
}

static void
print_ended(const struct args *args, uint64_t n)
{
	if (args_has(args, "json"))
		printf("{\"ended\": %llu}\n", (unsigned long long)n);
	else if (n > 0)
		printf("%llu connection%s ended\n", (unsigned long long)n, CLI_S(n));
	else
		fprintf(stderr, "turnstone kick: no such connection: nothing was ended (see: "
		                "turnstone who)\n");
}

static int
kick(const struct args *args)
{
	struct buf wire = {0}, out = {0};
	uint64_t n = 0;
	int code;

	if (args->operand_count == 0 && !args_has(args, "conn") && !args_has(args, "address")) {
		fprintf(stderr, "turnstone kick: say which connections: turnstone kick USER, "
		                "--conn ID or --address ADDRESS (see: turnstone who)\n");
		return APP_USAGE;
	}
	request_begin(&wire, "kick");
	if (!put_which(args, &wire)) {
		buf_fini(&wire);
		return APP_USAGE;
	}
	request_end(&wire);
	code = ask_quiet(args, &wire, &out);
	if (code == APP_OK) {
		(void)str_u64(str_trim(buf_as_str(&out)), UINT64_MAX, &n);
		code = n > 0 ? APP_OK : APP_FAILED;
		print_ended(args, n);
	}
	buf_fini(&out);
	return code;
}

static const struct args_opt opts[] = {CLI_CONFIG_OPT, CLI_JSON_OPT,
    {"conn", "ID", "only the connection of this number"},
    {"address", "ADDRESS", "only connections from this address"}, {NULL, NULL, NULL}};

const struct app_cmd cli_sessions_cmds[] = {
    {.name = "who",
        .operands = "[USER]",
        .max = 1,
        .help = "list the open connections",
        .more = "USER is whose mail it is; LOGIN is who gave the password, which is another name "
                "where a gateway acts for a user.  With USER: where it is either of them.",
        .opts = opts,
        .run = who},
    {.name = "kick",
        .operands = "[USER]",
        .max = 1,
        .help = "end open connections, with BYE",
        .more = "Ends those that meet all of what is given, and says how many they were; exits "
                "with 1 when there was none.  They may log in again: see `turnstone user "
                "disable`.",
        .opts = opts,
        .run = kick},
    {.name = NULL}};
