/* SPDX-License-Identifier: Apache-2.0 */
/* The topics of the help. */
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
	    {EXIT_OK, "done; what was to be stored is on disk"},
	    {EXIT_FAILED, "failed; standard error says why"},
	    {EXIT_USAGE, "wrong usage; nothing was done"},
	    {EXIT_DAMAGE, "damage was found, or not all could be done: each thing is named"},
	    {EXIT_NO_SERVER, "no server runs, and this needs one"},
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
    {"config", "CONFIGURATION", "where settings come from, and how to change them",
        "The file is the one that `--config` names, else the one that the variable\n"
        "`TURNSTONE_CONFIG` of the environment names, else\n"
        "`/etc/turnstone/turnstone.conf` if it is there; without a file all options\n"
        "have their defaults. `turnstone config defaults` prints all of them with\n"
        "their meaning, as a file to begin with.\n"
        "\n"
        "  # a comment\n"
        "  default_domain = example.net;\n"
        "  tls { certificate = /etc/ssl/mail.pem; key = /etc/ssl/mail.key; }\n"
        "  limits.append = 64M;\n"
        "\n"
        "Sizes are bytes, or end in K, M, G or T; durations have ms, s, m,\n"
        "h, d, w. Paths are relative to the folder of the file.\n"
        "\n"
        "Before a change is put in force, `turnstone config check` looks for faults\n"
        "and names each with its line. `turnstone reload`, or SIGHUP, applies it; a\n"
        "file with a fault leaves the old settings in force and says so. Some options\n"
        "need a restart: the reload names those that have changed.\n",
        NULL},
    {"switching", "SWITCHING USERS", "one connection for many users (RFC 8437)",
        "A gateway, such as a web mailer, holds a few connections open and gives\n"
        "each to one user after the other; none is closed between them. It logs in\n"
        "as itself, for a user, and ends that login with UNAUTHENTICATE:\n"
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
        "trip. TLS and the answer to ID stay; what was selected or enabled does not.\n"
        "The option `unauthenticate` says who may do it.\n"
        "\n"
        "JavaMail, imaplib and Mail::IMAPClient send PROXYAUTH instead, after a login\n"
        "as the gateway itself; the option is `proxyauth`:\n"
        "\n"
        "  C: a LOGIN gateway password\n"
        "  C: b PROXYAUTH alice\n"
        "  S: b OK [CAPABILITY ...] Acting for that user\n",
        NULL},
    {"grants", "GRANTS", "who may act for whom, and how far",
        "Who logs in as one user to act for another needs a grant. It says who, for\n"
        "whom, and how far: which mailboxes there are for such a login, which rights\n"
        "it has at the most, from where, until when:\n"
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
        "The first that fits decides, in this order: those of the configuration as\n"
        "they stand in the file; those of `grant add`, the oldest first; the patterns\n"
        "of `user add --acts-for`. One that does not fit (another address, expired) is\n"
        "passed over. `turnstone grant explain gateway alice` says which decides, and\n"
        "why the others do not.\n"
        "\n"
        "Rights are the upper bound: such a login may do what the user may and the\n"
        "grant allows, both. A mailbox that the grant does not name does not exist for\n"
        "it; what is below a mailbox has to be named, too (`Voicemail/*`).\n"
        "\n"
        "When a grant is removed, changed or expires, when a user is disabled or leaves\n"
        "a group, the logins that it permitted end with BYE. Groups are those of the\n"
        "file `auth.group_file`.\n",
        NULL},
    {"limits", "LIMITS", "what the server refuses, and the options for it",
        "Whatever a client can make large, many or slow has a limit. Beyond it a\n"
        "command gets BAD or NO, or the connection BYE, with the reason. These are\n"
        "the options and their defaults. What each means is in\n"
        "turnstone.conf(5) and in `turnstone config defaults`.\n"
        "\n",
        limits},
    {"files", "FILES", "where things are on disk",
        "In the data folder, `server.data`, which is `/var/lib/turnstone` by default:\n"
        "\n"
        "  store/           users, mailboxes, messages; one process at a time has it\n"
        "  control.sock     for commands to the running server (`server.control`)\n"
        "  tls/             a self-signed certificate, made when none is configured\n"
        "\n"
        "Elsewhere:\n"
        "\n"
        "  /etc/turnstone/turnstone.conf                  the configuration\n"
        "  /usr/lib/systemd/system/turnstone.service      the unit of the package\n"
        "\n"
        "To save the store use `turnstone backup`: a copy of the files of a running\n"
        "server is no backup.\n",
        NULL},
    {"exit-codes", "EXIT STATUS", "what the exit code of a command means",
        "All commands end with one of these:\n"
        "\n",
        exit_codes},
    {NULL, NULL, NULL, NULL, NULL},
};

/* Is the option what the word names, or in the section it names? */
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
