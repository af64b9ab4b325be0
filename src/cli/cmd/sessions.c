/* SPDX-License-Identifier: Apache-2.0 */
/* `turnstone who`, `turnstone kick`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/cmd/sessions_group.h"
#include "control/request.h"
#include "control/rows.h"
#include "net/network.h"

/* As `who` shows it: 10.0.0.1, ::1, unix; or followed by the port: 10.0.0.1:4711, [::1]:4711. */
static bool
is_address(struct str text)
{
	struct net_network address;
	const char *colon = memrchr(text.p, ':', text.n);
	uint64_t port;

	if (net_address_parse(text, &address))
		return true;
	if (colon != NULL && text.p[text.n - 1] != ']') {
		if (!str_u64(str_range(colon + 1, text.p + text.n), UINT16_MAX, &port))
			return false;
		text.n = (size_t)(colon - text.p);
		if (net_address_parse(text, &address))
			return address.family == NET_FAMILY_V4;
	}
	return text.n > 2 && text.p[0] == '[' && text.p[text.n - 1] == ']' &&
	       net_address_parse((struct str){text.p + 1, text.n - 2}, &address);
}

/* False: printed. */
static bool
address_ok(const struct args *args)
{
	const char *text = args_get(args, "address");

	if (text == NULL || is_address(str_of(text)))
		return true;
	fprintf(stderr,
	    "turnstone %s: --address must be an address such as 10.0.0.1 or 2001:db8::1, or unix, "
	    "not '%s'\n",
	    args->cmd->name, text);
	return false;
}

/* False: printed. */
static bool
put_which(const struct args *args, struct buf *wire)
{
	unsigned long long id;
	struct buf text = {0};

	if (!args_number(args, "conn", 1, UINT64_MAX, 0, &id) || !address_ok(args))
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

/* False: printed. */
static bool
read_by(const struct args *args, enum sessions_by *by_r)
{
	const char *word = args_get(args, "by");

	*by_r =
	    word != NULL && strcmp(word, "address") == 0 ? SESSIONS_BY_ADDRESS : SESSIONS_BY_USER;
	if (word == NULL || *by_r == SESSIONS_BY_ADDRESS || strcmp(word, "user") == 0)
		return true;
	fprintf(stderr, "turnstone who: --by must be user or address, not '%s'\n", word);
	return false;
}

static void
print_groups(const struct args *args, struct str rows, enum sessions_by by)
{
	static const struct rows_column users[] = {{"user", "USER", false},
	    {"connections", "CONNECTIONS", true}, {"idle_seconds", "IDLE", true},
	    {"addresses", "ADDRESSES", false}, {"clients", "CLIENTS", false}, {NULL, NULL, false}},
	                                addresses[] = {{"address", "ADDRESS", false},
	                                    {"connections", "CONNECTIONS", true},
	                                    {"idle_seconds", "IDLE", true},
	                                    {"users", "USERS", false},
	                                    {"clients", "CLIENTS", false}, {NULL, NULL, false}};
	bool json = args_has(args, "json");
	struct buf groups = {0};

	sessions_group(rows, by, json, &groups);
	if (json)
		rows_print_json(buf_as_str(&groups));
	else
		rows_print_table(buf_as_str(&groups), by == SESSIONS_BY_USER ? users : addresses);
	buf_fini(&groups);
}

static void
print_connections(const struct args *args, struct str rows)
{
	static const struct rows_column columns[] = {{"id", "ID", true},
	    {"address", "ADDRESS", false}, {"user", "USER", false}, {"login", "LOGIN", false},
	    {"state", "STATE", false}, {"mailbox", "MAILBOX", false}, {"seconds", "SECONDS", true},
	    {"idle_seconds", "IDLE", true}, {"tls", "TLS", false}, {"commands", "COMMANDS", true},
	    {"client", "CLIENT", false}, {NULL, NULL, false}};

	if (args_has(args, "json"))
		rows_print_json(rows);
	else
		rows_print_table(rows, columns);
}

static int
who(const struct args *args)
{
	struct buf wire = {0}, out = {0};
	enum sessions_by by;
	int code;

	request_begin(&wire, "who");
	if (!read_by(args, &by) || !put_which(args, &wire)) {
		buf_fini(&wire);
		return EXIT_USAGE;
	}
	request_end(&wire);
	code = ask_quiet(args, &wire, &out);
	if (code == EXIT_OK && args_has(args, "by"))
		print_groups(args, buf_as_str(&out), by);
	else if (code == EXIT_OK)
		print_connections(args, buf_as_str(&out));
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
		return EXIT_USAGE;
	}
	request_begin(&wire, "kick");
	if (!put_which(args, &wire)) {
		buf_fini(&wire);
		return EXIT_USAGE;
	}
	request_end(&wire);
	code = ask_quiet(args, &wire, &out);
	if (code == EXIT_OK) {
		(void)str_u64(str_trim(buf_as_str(&out)), UINT64_MAX, &n);
		code = n > 0 ? EXIT_OK : EXIT_FAILED;
		print_ended(args, n);
	}
	buf_fini(&out);
	return code;
}

#define WHICH_OPTS                                                                                 \
	CLI_CONFIG_OPT, CLI_JSON_OPT, {"conn", "ID", "only the connection with this ID"},          \
	{                                                                                          \
		"address", "ADDRESS", "only connections from this address"                         \
	}

static const struct args_opt opts[] = {WHICH_OPTS, {NULL, NULL, NULL}};
static const struct args_opt who_opts[] = {WHICH_OPTS,
    {"by", "user|address", "one line per user or address, not per connection"}, {NULL, NULL, NULL}};

const struct args_cmd cli_sessions_cmds[] = {
    {.name = "who",
        .operands = "[USER]",
        .max = 1,
        .help = "list the open connections",
        .more =
            "USER is the owner of the mail; LOGIN is who authenticated, which differs when a "
            "gateway acts for a user. With USER, lists the connections where it is either. IDLE is "
            "the seconds since the client last sent something, CLIENT the name it gave (ID).",
        .opts = who_opts,
        .run = who},
    {.name = "kick",
        .operands = "[USER]",
        .max = 1,
        .help = "end open connections, with BYE",
        .more = "Ends those that match everything given, and says how many there were; exits with "
                "1 if there were none. Their users may log in again: see `turnstone user disable`.",
        .opts = opts,
        .run = kick},
    {.name = NULL}};
