/* SPDX-License-Identifier: Apache-2.0 */
/* `turnstone user ...` and `turnstone passwd`: reading passwords, making requests. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "auth/password.h"
#include "base/mem.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "control/request.h"
#include "control/rows.h"

/* Reads the first line of a file, without its end. */
static bool
read_password_line(FILE *f, struct buf *out)
{
	int c;

	while ((c = getc(f)) != EOF && c != '\n')
		buf_putc(out, (char)c);
	if (out->n > 0 && out->p[out->n - 1] == '\r')
		out->n--;
	return !ferror(f);
}

static bool
prompt(const char *text, struct buf *out)
{
	struct termios old, quiet;
	bool ok;

	if (tcgetattr(STDIN_FILENO, &old) != 0)
		return false;
	quiet = old;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	/* Do this before the prompt, or what the user types as soon as it appears would be lost. */
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	fprintf(stderr, "%s: ", text);
	ok = read_password_line(stdin, out);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
	(void)fputc('\n', stderr);
	return ok;
}

static bool
prompt_twice(const struct args *args, struct buf *out)
{
	struct buf again = {0};
	bool ok;

	if (!isatty(STDIN_FILENO)) {
		fprintf(stderr,
		    "turnstone %s: no terminal to ask for a password: give it with "
		    "--password-file or --password-stdin\n",
		    args->cmd->name);
		return false;
	}
	ok = prompt("Password", out) && prompt("Again", &again);
	if (ok && !str_eq(buf_as_str(out), buf_as_str(&again))) {
		fprintf(stderr, "turnstone %s: the passwords do not match\n", args->cmd->name);
		ok = false;
	}
	buf_wipe_fini(&again);
	return ok;
}

/* Reads it from where the options say.  The caller wipes out. */
static bool
read_password(const struct args *args, struct buf *out)
{
	const char *path = args_get(args, "password-file");
	bool ok;
	FILE *f;

	if (args_has(args, "password-stdin")) {
		ok = read_password_line(stdin, out);
	} else if (path != NULL) {
		f = fopen(path, "re");
		ok = f != NULL && read_password_line(f, out);
		if (!ok)
			fprintf(stderr, "turnstone %s: --password-file %s: %s\n", args->cmd->name,
			    path, strerror(errno));
		if (f != NULL)
			(void)fclose(f);
	} else {
		return prompt_twice(args, out);
	}
	if (ok && out->n == 0) {
		fprintf(stderr, "turnstone %s: the password is empty\n", args->cmd->name);
		ok = false;
	}
	return ok;
}

/* Puts password or hash into the request. */
static bool
put_secret(const struct args *args, struct buf *wire)
{
	struct buf password = {0};
	bool ok = true;

	if (args_has(args, "hash")) {
		request_put(wire, "hash", str_of(args_get(args, "hash")));
		return true;
	}
	ok = read_password(args, &password);
	if (ok)
		request_put(wire, "password", buf_as_str(&password));
	buf_wipe_fini(&password);
	return ok;
}

static int
end_and_ask(const struct args *args, struct buf *wire, bool ok)
{
	if (!ok) {
		buf_wipe_fini(wire);
		return EXIT_FAILED;
	}
	request_end(wire);
	return ask(args, wire);
}

static void
put_digest(const struct args *args, struct buf *wire)
{
	if (args_has(args, "digest-md5"))
		request_put(wire, "digest-md5", STR("yes"));
}

/* Whether somebody types the password. */
static bool
will_ask(const struct args *args)
{
	if (args_has(args, "hash") || args_has(args, "password-file"))
		return false;
	return !args_has(args, "password-stdin") || isatty(STDIN_FILENO);
}

static void
put_user_request(const struct args *args, struct buf *wire)
{
	const char *pattern;

	request_put(wire, "name", str_of(args->operands[0]));
	for (size_t i = 0; (pattern = args_nth(args, "acts-for", i)) != NULL; i++)
		request_put(wire, "acts-for", str_of(pattern));
	if (args_has(args, "admin"))
		request_put(wire, "admin", STR("yes"));
	put_digest(args, wire);
}

/* Checks the name first, so that nobody types a password twice for a name that is then refused. */
static int
check_first(const struct args *args, bool exists)
{
	struct buf wire = {0};

	if (!will_ask(args))
		return EXIT_OK;
	request_begin(&wire, "user-check");
	put_user_request(args, &wire);
	if (exists)
		request_put(&wire, "exists", STR("yes"));
	request_end(&wire);
	return ask(args, &wire);
}

/* The same for the first of many: they differ only in digits. */
static int
check_bulk(const struct args *args)
{
	struct buf wire = {0}, name = {0};

	if (!will_ask(args))
		return EXIT_OK;
	buf_printf(&name, "%s1", args_get(args, "prefix"));
	request_begin(&wire, "user-check");
	request_put(&wire, "name", buf_as_str(&name));
	request_put(&wire, "bulk", STR("yes"));
	request_end(&wire);
	buf_fini(&name);
	return ask(args, &wire);
}

/* Prints the notes about what was done. */
static void
print_notes(const struct args *args, struct str text)
{
	struct str line;

	while (str_split(&text, '\n', &line))
		if (line.n > 0)
			fprintf(stderr, "turnstone %s: %.*s\n", args->cmd->name, STR_ARG(line));
}

static int
put_password(const struct args *args, const char *verb, bool exists)
{
	struct buf wire = {0}, out = {0};
	int code = check_first(args, exists);

	if (code != EXIT_OK)
		return code;
	request_begin(&wire, verb);
	put_user_request(args, &wire);
	if (!put_secret(args, &wire)) {
		buf_wipe_fini(&wire);
		return EXIT_FAILED;
	}
	request_end(&wire);
	code = ask_quiet(args, &wire, &out);
	print_notes(args, buf_as_str(&out));
	buf_fini(&out);
	return code;
}

static int
user_add(const struct args *args)
{
	return put_password(args, "user-add", false);
}

static int
user_passwd(const struct args *args)
{
	return put_password(args, "user-passwd", true);
}

static int
simple(const struct args *args, const char *verb)
{
	struct buf wire = {0};

	request_begin(&wire, verb);
	if (args->operand_count > 0)
		request_put(&wire, "name", str_of(args->operands[0]));
	if (args_has(args, "purge"))
		request_put(&wire, "purge", STR("yes"));
	return end_and_ask(args, &wire, true);
}

static int
user_delete(const struct args *args)
{
	return simple(args, "user-delete");
}

static int
user_disable(const struct args *args)
{
	return simple(args, "user-disable");
}

static int
user_enable(const struct args *args)
{
	return simple(args, "user-enable");
}

static void
print_users(struct str rows)
{
	struct buf value = {0};
	struct str row;

	while (rows_next(&rows, &row)) {
		if (row_find(row, ROW_FAULT, 0, &value))
			continue;
		row_find(row, "name", 0, &value);
		printf("%.*s", STR_ARG(buf_as_str(&value)));
		if (row_find(row, "admin", 0, &value) && value.p[0] == 'y')
			printf(" admin");
		if (row_find(row, "disabled", 0, &value) && value.p[0] == 'y')
			printf(" disabled");
		for (size_t i = 0; row_find(row, "acts_for", i, &value); i++)
			printf("%s%.*s", i == 0 ? " acts-for=" : ",", STR_ARG(buf_as_str(&value)));
		putchar('\n');
	}
	buf_fini(&value);
}

static void
print_time(const char *what, struct str seconds)
{
	uint64_t n = 0;
	time_t when;
	struct tm tm;
	char text[64];

	(void)str_u64(seconds, INT64_MAX, &n);
	when = (time_t)n;
	gmtime_r(&when, &tm);
	(void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm);
	printf("%s: %s\n", what, text);
}

static void
print_user(struct str row)
{
	static const char *const names[][2] = {{"acts_for", "acts for"}, {"verifiers", "verifier"}};
	struct buf value = {0};
	struct str key;
	char type;

	while (row_next(&row, &type, &key, &value)) {
		struct str text = buf_as_str(&value);

		for (size_t i = 0; i < 2; i++)
			if (str_eq(key, str_of(names[i][0])))
				key = str_of(names[i][1]);
		if (type == 'n')
			print_time(str_eq(key, STR("created")) ? "created" : "changed", text);
		else if (type != 'L')
			printf("%.*s: %.*s\n", STR_ARG(key), STR_ARG(text));
	}
	buf_fini(&value);
}

static int
show_rows(const struct args *args, const char *verb, void (*print)(struct str rows),
    void (*print_json)(struct str rows))
{
	struct buf wire = {0}, out = {0};
	int code;

	request_begin(&wire, verb);
	if (args->operand_count > 0)
		request_put(&wire, "name", str_of(args->operands[0]));
	request_end(&wire);
	code = ask_quiet(args, &wire, &out);
	if (code == EXIT_OK) {
		(args_has(args, "json") ? print_json : print)(buf_as_str(&out));
		if (rows_tell_faults(buf_as_str(&out), "user list", "user"))
			code = EXIT_DAMAGE;
	}
	buf_fini(&out);
	return code;
}

static int
user_list(const struct args *args)
{
	return show_rows(args, "user-list", print_users, rows_print_json);
}

static int
user_show(const struct args *args)
{
	return show_rows(args, "user-show", print_user, row_print_json);
}

static int
user_bulk(const struct args *args)
{
	unsigned long long from, to, digits;
	struct buf wire = {0}, n = {0};
	int code;

	if (!args_number(args, "from", 0, 1000000000, 1, &from) ||
	    !args_number(args, "to", from, 1000000000, from, &to) ||
	    !args_number(args, "digits", 1, 20, 4, &digits))
		return EXIT_USAGE;
	if (!args_has(args, "prefix") || !args_has(args, "to")) {
		fprintf(stderr, "turnstone user bulk: --prefix and --to are needed\n");
		return EXIT_USAGE;
	}
	code = check_bulk(args);
	if (code != EXIT_OK)
		return code;
	request_begin(&wire, "user-bulk");
	request_put(&wire, "prefix", str_of(args_get(args, "prefix")));
	buf_u64(&n, from);
	request_put(&wire, "from", buf_as_str(&n));
	n.n = 0;
	buf_u64(&n, to);
	request_put(&wire, "to", buf_as_str(&n));
	n.n = 0;
	buf_u64(&n, digits);
	request_put(&wire, "digits", buf_as_str(&n));
	buf_fini(&n);
	return end_and_ask(args, &wire, put_secret(args, &wire));
}

/* --scheme, --cost. */
static bool
read_hashing(const struct args *args, struct auth_hashing *h_r)
{
	const char *word = args_get(args, "scheme"), *fault;
	unsigned long long cost;
	unsigned at = 0;

	if (!args_number(args, "cost", 0, UINT32_MAX, 0, &cost))
		return false;
	while (word != NULL && auth_scheme_words[at] != NULL &&
	       strcmp(word, auth_scheme_words[at]) != 0)
		at++;
	if (auth_scheme_words[at] == NULL) {
		fprintf(
		    stderr, "turnstone %s: --scheme %s: unknown scheme\n", args->cmd->name, word);
		return false;
	}
	*h_r = (struct auth_hashing){(enum auth_scheme)at, (uint32_t)cost};
	fault = auth_hashing_fault(h_r);
	if (fault != NULL)
		fprintf(stderr, "turnstone %s: --cost: %s\n", args->cmd->name, fault);
	return fault == NULL;
}

/* Prints the verifiers of a password, for --hash. */
static int
passwd(const struct args *args)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	struct buf password = {0};
	struct auth_user user = {0};
	struct auth_hashing hashing;
	int code = EXIT_FAILED;

	if (!read_hashing(args, &hashing)) {
		code = EXIT_USAGE;
	} else if (read_password(args, &password)) {
		const char *why = auth_password_make(buf_as_str(&password), &hashing, arena, &user);

		if (why != NULL)
			fprintf(stderr, "turnstone passwd: %s\n", why);
		else
			code = printf("%.*s\n",
			           STR_ARG(user.verifiers[args_has(args, "scram") ? 1 : 0])) > 0
			           ? EXIT_OK
			           : EXIT_FAILED;
	}
	buf_wipe_fini(&password);
	arena_free(&arena);
	return code;
}

#define PASSWORD_OPTS                                                                              \
	{"password-file", "FILE", "read the password from the first line of FILE"},                \
	{                                                                                          \
		"password-stdin", NULL, "read it from the first line of standard input"            \
	}
#define HASH_OPT                                                                                   \
	{                                                                                          \
		"hash", "HASH", "a crypt(3) hash or SCRAM-SHA-256 verifier instead of a password"  \
	}
#define DIGEST_OPT                                                                                 \
	{                                                                                          \
		"digest-md5", NULL,                                                                \
		    "also store the secret of that mechanism; anyone holding it can log in as if " \
		    "they had the password"                                                        \
	}
#define END                                                                                        \
	{                                                                                          \
		NULL, NULL, NULL                                                                   \
	}

static const struct args_opt add_opts[] = {CLI_CONFIG_OPT, PASSWORD_OPTS, HASH_OPT,
    {"acts-for", "PATTERN",
        "may act for these users: a name in which '*' stands for any characters; may be repeated"},
    {"admin", NULL, "administrator rights (not the right to act for others)"}, DIGEST_OPT, END};
static const struct args_opt passwd_opts[] = {
    CLI_CONFIG_OPT, PASSWORD_OPTS, HASH_OPT, DIGEST_OPT, END};
static const struct args_opt delete_opts[] = {CLI_CONFIG_OPT,
    {"purge", NULL, "also delete all mail of the account, even if the user no longer exists"}, END};
static const struct args_opt json_opts[] = {CLI_CONFIG_OPT, CLI_JSON_OPT, END};
static const struct args_opt plain_opts[] = {CLI_CONFIG_OPT, END};
static const struct args_opt bulk_opts[] = {CLI_CONFIG_OPT, PASSWORD_OPTS, HASH_OPT,
    {"prefix", "NAME", "the names are this followed by a number"},
    {"from", "N", "the first number (1)"}, {"to", "N", "the last number"},
    {"digits", "N", "minimum digits of a number (4)"}, END};
static const struct args_opt hash_opts[] = {PASSWORD_OPTS,
    {"scram", NULL, "a SCRAM-SHA-256 verifier instead of a hash"},
    {"scheme", "SCHEME", "yescrypt (the default), bcrypt, sha512, sha256, argon2id or argon2i"},
    {"cost", "N", "as auth.password_cost in the configuration"}, END};

const struct args_cmd cli_user_cmds[] = {
    {.name = "user add",
        .operands = "NAME",
        .min = 1,
        .max = 1,
        .help = "add a user",
        .more = "Prompts for the password unless an option gives it. The name is local or "
                "local@domain. Mail left by an earlier user of that name goes to the new one; a "
                "warning says so.",
        .opts = add_opts,
        .run = user_add},
    {.name = "user passwd",
        .operands = "NAME",
        .min = 1,
        .max = 1,
        .help = "change a password",
        .more = "The old password is refused from then on; open sessions continue.",
        .opts = passwd_opts,
        .run = user_passwd},
    {.name = "user delete",
        .operands = "NAME",
        .min = 1,
        .max = 1,
        .help = "delete a user; the mail stays unless --purge is given",
        .more = "Ends that user's open connections, including those in which they act for others.",
        .opts = delete_opts,
        .run = user_delete},
    {.name = "user list",
        .operands = "",
        .help = "list the users, one per line",
        .opts = json_opts,
        .run = user_list},
    {.name = "user show",
        .operands = "NAME",
        .min = 1,
        .max = 1,
        .help = "show a user",
        .opts = json_opts,
        .run = user_show},
    {.name = "user disable",
        .operands = "NAME",
        .min = 1,
        .max = 1,
        .help = "refuse a user's logins, and acting for that user",
        .more = "Ends that user's open connections, including those in which they act for others.",
        .opts = plain_opts,
        .run = user_disable},
    {.name = "user enable",
        .operands = "NAME",
        .min = 1,
        .max = 1,
        .help = "undo `user disable`",
        .opts = plain_opts,
        .run = user_enable},
    {.name = "user bulk",
        .operands = "",
        .help = "add many users with one password",
        .more = "Existing users are not changed.",
        .opts = bulk_opts,
        .run = user_bulk},
    {.name = "passwd",
        .operands = "",
        .help = "print the hash of a password, for --hash",
        .opts = hash_opts,
        .run = passwd},
    {.name = NULL}};
