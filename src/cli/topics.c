/* SPDX-License-Identifier: Apache-2.0 */
/* The help topics. */
#include "cli/topics.h"

#include <string.h>

#include "base/mem.h"
#include "conf/args.h"
#include "conf/conf.h"
#include "server/config/settings.h"

static void
exit_codes(struct buf *out)
{
	static const struct {
		int code;
		const char *text;
	} codes[] = {
	    {EXIT_OK, "success; everything to be stored is on disk"},
	    {EXIT_FAILED, "failed; standard error says why"},
	    {EXIT_USAGE, "incorrect usage; nothing was done"},
	    {EXIT_DAMAGE, "damage was found, or something could not be done: each item is named"},
	    {EXIT_NO_SERVER, "no server is running, and this needs one"},
	    {EXIT_REFUSED, "`grant explain`: not permitted"},
	};

	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++)
		buf_printf(out, "  %d  %s\n", codes[i].code, codes[i].text);
}

static bool
is_limit(const char *name)
{
	return strstr(name, "limits.") != NULL || strstr(name, "timeouts.") != NULL ||
	       strstr(name, "max_") != NULL || strstr(name, "connections") != NULL;
}

static void
limits(struct buf *out)
{
	struct conf_tables tables = settings_tables();

	for (size_t t = 0; t < tables.n; t++)
		for (size_t i = 0; i < tables.p[t]->n; i++) {
			const struct conf_opt *opt = &tables.p[t]->opts[i];

			if (!tables.p[t]->block && is_limit(opt->name))
				buf_printf(out, "  %-36s %s\n", opt->name,
				    opt->def != NULL ? opt->def : "0");
		}
}

const struct topic topics[] = {
    {"config", "CONFIGURATION", "where settings come from and how to change them",
        "The configuration file is the one given with `--config`, or else the one named\n"
        "by the environment variable `TURNSTONE_CONFIG`, or else\n"
        "`/etc/turnstone/turnstone.conf` if it exists; without a file all options have\n"
        "their defaults. `turnstone config defaults` prints all options with their\n"
        "meaning, as a file to start from.\n"
        "\n"
        "  # a comment\n"
        "  default_domain = example.net;\n"
        "  tls { certificate = /etc/ssl/mail.pem; key = /etc/ssl/mail.key; }\n"
        "  limits.append = 64M;\n"
        "\n"
        "Sizes are bytes, or end in K, M, G or T; durations have ms, s, m,\n"
        "h, d, w. Paths are relative to the folder of the file.\n"
        "\n"
        "Before you apply a change, `turnstone config check` looks for faults and names\n"
        "each with its line. `turnstone reload`, or SIGHUP, applies it; if the file has\n"
        "a fault, the reload says so and the old settings stay in force. Some options\n"
        "need a restart: the reload names those that have changed.\n",
        NULL},
    {"switching", "SWITCHING USERS", "one connection for many users (RFC 8437)",
        "A gateway, such as a webmail, keeps a few connections open and uses each for\n"
        "one user after another without closing it in between. It authenticates as\n"
        "itself, acts for a user, and ends that login with UNAUTHENTICATE:\n"
        "\n"
        "  turnstone user add gateway --acts-for '*@example.net'\n"
        "\n"
        "  C: a AUTHENTICATE PLAIN base64(alice NUL gateway NUL password)\n"
        "  S: a OK [CAPABILITY ... UNAUTHENTICATE] Logged in\n"
        "  C: b SELECT INBOX              ... what alice wants\n"
        "  C: c UNAUTHENTICATE\n"
        "  S: c OK ...                    nothing of alice is left\n"
        "  C: d AUTHENTICATE PLAIN base64(bob NUL gateway NUL password)\n"
        "\n"
        "The lines from c on may be sent in one segment: the switch costs no round\n"
        "trip. TLS and what the client said with ID stay; what was selected or enabled\n"
        "does not. The option `unauthenticate` says who may use it.\n"
        "\n"
        "JavaMail, imaplib and Mail::IMAPClient send PROXYAUTH instead, after a login\n"
        "as the gateway itself; the option is `proxyauth`:\n"
        "\n"
        "  C: a LOGIN gateway password\n"
        "  C: b PROXYAUTH alice\n"
        "  S: b OK [CAPABILITY ...] Acting for that user\n",
        NULL},
    {"grants", "GRANTS", "who may act for whom, and how far",
        "Acting for another user requires a grant. A grant says who may act, for whom,\n"
        "and how far: which mailboxes such a login can see, which rights it has at\n"
        "most, from where, and until when:\n"
        "\n"
        "  turnstone grant add gateway --for '*@voice.example' \\\n"
        "      --mailboxes Voicemail --rights lrswit --from 10.0.0.0/8 \\\n"
        "      --until 2027-01-01\n"
        "\n"
        "or in the configuration\n"
        "\n"
        "  grant voicemail {\n"
        "    who = gateway; for = \"*@voice.example\"; mailboxes = [Voicemail]\n"
        "    rights = lrswit; from = [10.0.0.0/8]; until = 2027-01-01\n"
        "  }\n"
        "\n"
        "The first grant that matches decides, in this order: those of the configuration\n"
        "in the order of the file; those of `grant add`, oldest first; the patterns of\n"
        "`user add --acts-for`. A grant that does not match (another address, expired)\n"
        "is skipped. `turnstone grant explain gateway alice` says which one decides, and\n"
        "why the others do not.\n"
        "\n"
        "Rights are an upper bound: such a login may do only what both the user may do\n"
        "and the grant allows. Mailboxes that the grant does not name do not exist for\n"
        "it; mailboxes below another must be named as well (`Voicemail/*`).\n"
        "\n"
        "When a grant is removed, changed or expires, or a user is disabled or leaves a\n"
        "group, the logins that it permitted end with BYE. Groups come from the file\n"
        "`auth.group_file`.\n",
        NULL},
    {"acl", "SHARING", "mailboxes of others, group mailboxes, and what each right allows",
        "Users share their mailboxes with their clients (SETACL, RFC 4314); `turnstone acl set`\n"
        "does the same for them. Others find the mailbox as `Other Users/USER/MAILBOX`, that of\n"
        "a group mailbox as `Shared/NAME/MAILBOX`. The owner always has all rights. Each\n"
        "letter is a right:\n"
        "\n"
        "  l  see the mailbox in lists, and subscribe\n"
        "  r  open it, read and search its messages\n"
        "  s  have \\Seen kept\n"
        "  w  set and remove other flags and keywords\n"
        "  i  add messages: save, copy\n"
        "  p  have one's own mail delivered there\n"
        "  k  create mailboxes below it\n"
        "  x  delete and rename it\n"
        "  t  mark messages as deleted, and undo that\n"
        "  e  expunge\n"
        "  a  see and change who has rights\n"
        "\n"
        "So `lrs` is for readers, `lrswite` for whoever works with it. An entry is for a user,\n"
        "`group:NAME` (`auth.group_file`), `authenticated` or `anyone`. A user has the rights of\n"
        "all entries that fit, without those of all entries with a `-` before the identifier.\n"
        "`turnstone acl explain alice Projects bob` says which, and why.\n",
        NULL},
    {"limits", "LIMITS", "what the server refuses, and which options control it",
        "Everything that a client can make large, numerous or slow has a limit. Beyond\n"
        "it a command gets BAD or NO, or the connection BYE, with the reason. These\n"
        "are the options and their defaults; turnstone.conf(5) and\n"
        "`turnstone config defaults` explain each.\n"
        "\n",
        limits},
    {"files", "FILES", "where things are on disk",
        "In the data folder, `server.data`, which is `/var/lib/turnstone` by default:\n"
        "\n"
        "  store/           users, mailboxes, messages; one process at a time uses it\n"
        "  control.sock     for commands to the running server (`server.control`)\n"
        "  tls/             a self-signed certificate, created if none is configured\n"
        "\n"
        "Elsewhere:\n"
        "\n"
        "  /etc/turnstone/turnstone.conf                  the configuration\n"
        "  /usr/lib/systemd/system/turnstone.service      the unit of the package\n"
        "\n"
        "To back up the store use `turnstone backup`: a copy of the files of a running\n"
        "server is not a backup.\n",
        NULL},
    {"exit-codes", "EXIT STATUS", "what the exit code of a command means",
        "All commands end with one of these:\n"
        "\n",
        exit_codes},
    {NULL, NULL, NULL, NULL, NULL},
};

/* Whether the word names the option, or its section. */
static bool
is_of(const struct conf_table *table, const struct conf_opt *opt, const char *word)
{
	size_t n = strlen(word);

	return strcmp(table->name, word) == 0 || strcmp(opt->name, word) == 0 ||
	       (strncmp(opt->name, word, n) == 0 && opt->name[n] == '.');
}

bool
topic_options(const char *word, struct buf *out)
{
	struct conf_tables tables = settings_tables();
	bool any = false;

	for (size_t t = 0; t < tables.n; t++) {
		const struct conf_table *whole = tables.p[t];
		struct conf_opt *opts = mem_zalloc(whole->n * sizeof(*opts));
		struct conf_table some = *whole;
		const struct conf_table *one = &some;

		some.opts = opts;
		some.n = 0;
		for (size_t i = 0; i < whole->n; i++)
			if (is_of(whole, &whole->opts[i], word))
				opts[some.n++] = whole->opts[i];
		if (some.n > 0) {
			if (any)
				buf_putc(out, '\n');
			conf_print_defaults((struct conf_tables){.p = &one, .n = 1}, out);
			any = true;
		}
		mem_free(opts);
	}
	return any;
}

const struct topic *
topic_find(const char *name)
{
	for (const struct topic *t = topics; t->name != NULL; t++)
		if (strcmp(t->name, name) == 0)
			return t;
	return NULL;
}

void
topic_text(const struct topic *topic, struct buf *out)
{
	buf_puts(out, topic->text);
	if (topic->more != NULL)
		topic->more(out);
}
