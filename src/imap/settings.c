/* SPDX-License-Identifier: Apache-2.0 */
/* The option table of the IMAP engine. */
#include "imap/settings.h"

#include "base/host.h"
#include "sasl/mech.h"
#include "sasl/names.h"

#define AT(field) .offset = offsetof(struct imap_settings, field)

static const char *const unauthenticate_words[] = {"off", "admins", "everyone", NULL};
static const char *const plaintext_words[] = {"never", "loopback", "always", NULL};

const char *const imap_separators[] = {"/", ".", NULL};

static const struct conf_opt opts[] = {
    {.name = "unauthenticate",
        .type = CONF_ENUM,
        .def = "admins",
        .words = unauthenticate_words,
        AT(unauthenticate),
        .prose =
            "Who may end a login with UNAUTHENTICATE and continue as another user on the same "
            "connection: nobody (off), identities that may act for others (admins), or everyone."},
    {.name = "plaintext_login",
        .type = CONF_ENUM,
        .def = "never",
        .words = plaintext_words,
        AT(plaintext),
        .prose = "Whether a password may be sent without TLS: never, only from this machine "
                 "(loopback), or always."},
    {.name = "mechanisms",
        .type = CONF_LIST,
        .def = "EXTERNAL, SCRAM-SHA-256-PLUS, SCRAM-SHA-256, SCRAM-SHA-1-PLUS, SCRAM-SHA-1, "
               "OAUTHBEARER, XOAUTH2, PLAIN, LOGIN",
        .min = 1,
        .max = 32,
        AT(mechanisms),
        .prose = "The SASL mechanisms that AUTHENTICATE accepts. Mechanisms that send a password "
                 "are offered only where `plaintext_login` permits, -PLUS only over TLS. Those "
                 "that send a token (OAUTHBEARER, XOAUTH2) are treated like passwords and need a "
                 "database that accepts tokens. EXTERNAL is for clients whose certificate "
                 "identifies a user (`certificate_map`)."},
    {.name = "auth.sasl_mechanisms",
        .type = CONF_LIST,
        .max = 16,
        .when = CONF_RESTART,
        AT(sasl_mechanisms),
        .prose = "Additional mechanisms provided by libsasl2: `GSSAPI`, `DIGEST-MD5` and whatever "
                 "else is installed. They are loaded at startup; to be offered they must also be "
                 "listed in `mechanisms`."},
    {.name = "auth.sasl_host",
        .type = CONF_STRING,
        .def = "",
        .max = 253,
        .when = CONF_RESTART,
        AT(sasl_host),
        .prose = "The name of this host in Kerberos: the keytab holds a key for `imap/HOST`. "
                 "Empty: the machine's host name."},
    {.name = "auth.sasl_min_strength",
        .type = CONF_INT,
        .def = "0",
        .max = 256,
        .when = CONF_RESTART,
        AT(sasl_min_strength),
        .prose = "The minimum strength of the security layer that a mechanism of libsasl2 must "
                 "establish without TLS: 0 for none, 1 for integrity, 56 or more for bits of "
                 "encryption."},
    {.name = "auth.sasl_max_strength",
        .type = CONF_INT,
        .def = "256",
        .max = 256,
        .when = CONF_RESTART,
        AT(sasl_max_strength),
        .prose = "The maximum strength of such a layer, also over TLS: 1 allows integrity only, 0 "
                 "allows no layer at all."},
    {.name = "auth.digest_md5_encryption",
        .type = CONF_BOOL,
        .def = "no",
        .when = CONF_RESTART,
        AT(digest_md5_encrypts),
        .prose = "Whether DIGEST-MD5 may encrypt as well as protect integrity. Its ciphers are "
                 "broken, and Debian's plugin leaks about 13 KiB of memory with each such login "
                 "until the server is restarted."},
    {.name = "auth.sasl_buffer",
        .type = CONF_SIZE,
        .def = "64K",
        .min = 1024,
        .max = 0xffffff,
        .when = CONF_RESTART,
        AT(sasl_buffer),
        .prose = "The largest packet that a client may send in such a layer."},
    {.name = "auth.kerberos_keytab",
        .type = CONF_PATH,
        .def = "",
        .flags = CONF_READABLE,
        .when = CONF_RESTART,
        AT(kerberos_keytab),
        .prose = "The keytab with the key for `imap/HOST`. Empty: the system's, /etc/krb5.keytab, "
                 "or the one that KRB5_KTNAME names in the environment."},
    {.name = "auth.kerberos_realms",
        .type = CONF_LIST,
        .max = 100,
        .when = CONF_RESTART,
        AT(kerberos_realms),
        .prose = "Realms, besides the default realm, whose principals may log in: "
                 "`anna@OTHER.REALM` becomes the user `anna@other.realm`. A principal of the "
                 "default realm is the user of the same name without the realm."},
    {.name = "hide_capabilities",
        .type = CONF_LIST,
        AT(hide_capabilities),
        .prose = "Capabilities that are hidden from everyone. What they stand for is BAD, as if "
                 "this server did not have it; literals of LITERAL+ are still read. `hide` blocks "
                 "hide them from some clients."},

    {.name = "mailbox_separator",
        .type = CONF_ENUM,
        .def = "/",
        .words = imap_separators,
        AT(separator),
        .prose =
            "The character between the levels of mailbox names that IMAP clients see: `/`, or `.` "
            "for users whose clients remember names from a server that has it. With `.` the two "
            "change places in every name: the mailbox `Notes/v1.0` is `Notes.v1/0` to clients. "
            "Tools, other options and delivery by LMTP go on with `/`. It counts for new logins."},
    {.name = "utf8_downgrade",
        .type = CONF_BOOL,
        .def = "yes",
        AT(downgrades),
        .prose =
            "Whether messages with UTF-8 in their header are sent to clients that enabled neither "
            "UTF8=ACCEPT nor IMAP4rev2 with a header in ASCII (RFC 6858): addresses in UTF-8 "
            "become invalid ones, and fields and parameters that cannot be shown are left out. The "
            "stored message stays as it is. With `no` they are sent as they are."},
    {.name = "languages.folder",
        .type = CONF_PATH,
        .def = "",
        .flags = CONF_READABLE | CONF_FOLDER,
        AT(languages),
        .prose = "Translations of what the server says to users, one catalogue for each language "
                 "(`de.mo`, `pt-BR.mo`), as made by msgfmt(1). They are read and checked at "
                 "startup and on each reload. No command selects a language yet, so clients are "
                 "answered in English. Empty: none."},

    {.name = "log.protocol_for",
        .type = CONF_LIST,
        .max = 1000,
        AT(protocol_for),
        .prose = "Users whose sessions are recorded line by line, without passwords and messages, "
                 "in `protocol/USER.log` in the data folder. Recording starts with the next login "
                 "and stops when the user is removed from the list."},
    {.name = "log.protocol_size",
        .type = CONF_SIZE,
        .def = "16M",
        .min = 65536,
        .max = (int64_t)1 << 40,
        AT(protocol_size),
        .prose = "When such a file would grow beyond this size it is renamed to `USER.log.1`, "
                 "replacing the previous one, and a new file is started."},
    {.name = "log.protocol_literal",
        .type = CONF_SIZE,
        .def = "0",
        .max = 4096,
        AT(protocol_literal),
        .prose = "How much of each literal (messages and their parts, texts to search for) is "
                 "recorded; of the rest only the size is."},

    {.name = "limits.line",
        .type = CONF_SIZE,
        .def = "64K",
        .min = 8192,
        .max = 16 << 20,
        AT(line),
        .prose = "The longest line of a command."},
    {.name = "limits.literal",
        .type = CONF_SIZE,
        .def = "64K",
        .min = 4096,
        .max = 16 << 20,
        AT(literal),
        .prose = "The largest literal in a command, except messages of APPEND."},
    {.name = "limits.command",
        .type = CONF_SIZE,
        .def = "256K",
        .min = 8192,
        .max = 64 << 20,
        AT(command),
        .prose = "The largest command as a whole, except messages of APPEND."},
    {.name = "limits.literals",
        .type = CONF_INT,
        .def = "256",
        .min = 1,
        .max = 100000,
        AT(literals),
        .prose = "The maximum number of literals in one command."},
    {.name = "limits.login_command",
        .type = CONF_SIZE,
        .def = "8K",
        .min = 1024,
        .max = 1 << 20,
        AT(login_command),
        .prose = "The largest command before login. Only two may be larger: responses of "
                 "mechanisms with longer tokens, up to what the mechanism allows, and ID, up to 62 "
                 "KiB in one line, which is the most that RFC 2971 lets a client send."},
    {.name = "limits.append",
        .type = CONF_SIZE,
        .def = "128M",
        .min = 1024,
        .max = (int64_t)4 << 30,
        AT(append_limit),
        .prose = "The largest message that APPEND accepts."},
    {.name = "limits.append_messages",
        .type = CONF_INT,
        .def = "1000",
        .min = 1,
        .max = 1000000,
        AT(append_messages),
        .prose = "The maximum number of messages that one APPEND accepts (MULTIAPPEND)."},
    {.name = "limits.nesting",
        .type = CONF_INT,
        .def = "50",
        .min = 4,
        .max = 1000,
        AT(nesting),
        .prose = "How deeply parentheses may be nested in a command."},
    {.name = "limits.set_ranges",
        .type = CONF_INT,
        .def = "20000",
        .min = 100,
        .max = 10000000,
        AT(set_ranges),
        .prose = "The maximum number of ranges in one set of messages."},
    {.name = "limits.search_keys",
        .type = CONF_INT,
        .def = "2000",
        .min = 16,
        .max = 1000000,
        AT(search_keys),
        .prose = "The maximum number of keys in one SEARCH."},
    {.name = "limits.items",
        .type = CONF_INT,
        .def = "1000",
        .min = 16,
        .max = 1000000,
        AT(items),
        .prose =
            "The maximum number of items in any other list: FETCH attributes, flags, patterns."},
    {.name = "limits.errands",
        .type = CONF_INT,
        .def = "4",
        .min = 1,
        .max = 1000,
        AT(errands),
        .prose = "How many jobs that belong to no command a user may have in progress on a "
                 "connection: what extensions look up on their own to inform the client. Further "
                 "jobs wait. As many may still be running for earlier users of the connection."},
    {.name = "limits.pipeline",
        .type = CONF_SIZE,
        .def = "64K",
        .min = 4096,
        .max = 64 << 20,
        AT(pipeline),
        .prose = "How many bytes of further commands are read while a command runs. The rest waits "
                 "in the network."},
    {.name = "limits.out_high",
        .type = CONF_SIZE,
        .def = "256K",
        .min = 16384,
        .max = 64 << 20,
        AT(out_high),
        .prose = "A command pauses when this much output is waiting for a slow client."},
    {.name = "limits.out_low",
        .type = CONF_SIZE,
        .def = "64K",
        .min = 4096,
        .max = 64 << 20,
        AT(out_low),
        .prose = "A paused command resumes when the waiting output falls to this."},
    {.name = "limits.connection_memory",
        .type = CONF_SIZE,
        .def = "64M",
        .min = 1 << 20,
        .max = (int64_t)16 << 30,
        AT(connection_memory),
        .prose = "The maximum memory for one connection. A command that would need more (a LIST of "
                 "very many mailboxes, a SEARCH with very many sets or texts, an APPEND of many "
                 "messages) is refused."},
    {.name = "limits.connections",
        .type = CONF_INT,
        .def = "20000",
        .min = 1,
        .max = 10000000,
        AT(connections),
        .prose = "The maximum number of simultaneous connections."},
    {.name = "limits.connections_per_address",
        .type = CONF_INT,
        .def = "5000",
        .min = 1,
        .max = 10000000,
        AT(address_connections),
        .prose = "The maximum number of simultaneous connections from one address. UNIX sockets "
                 "are not limited."},
    {.name = "limits.address_bits_v6",
        .type = CONF_INT,
        .def = "64",
        .min = 16,
        .max = 128,
        AT(address_v6_bits),
        .prose = "How many bits of an IPv6 address count as one address, here and for failed "
                 "logins. A household usually has a /64 of its own."},
    {.name = "limits.logins_per_user",
        .type = CONF_INT,
        .def = "200",
        .min = 1,
        .max = 10000000,
        AT(user_logins),
        .prose = "The maximum number of simultaneous logins that act for one user. UNAUTHENTICATE "
                 "and PROXYAUTH free the slot."},
    {.name = "limits.waiting_logins",
        .type = CONF_INT,
        .def = "1000",
        .min = 1,
        .max = 1000000,
        AT(waiting_logins),
        .prose = "The maximum number of passwords from one address that wait to be checked. "
                 "Addresses take turns; a password that was checked a moment ago does not wait."},
    {.name = "limits.bad_commands",
        .type = CONF_INT,
        .def = "20",
        .min = 1,
        .max = 100000,
        AT(bad_commands),
        .prose = "The connection is closed after this many invalid commands in a row."},
    {.name = "limits.failed_logins",
        .type = CONF_INT,
        .def = "10",
        .min = 1,
        .max = 100000,
        AT(failed_logins),
        .prose = "The connection is closed after this many failed logins."},
    {.name = "limits.failed_switches",
        .type = CONF_INT,
        .def = "100",
        .min = 1,
        .max = 1000000,
        AT(failed_switches),
        .prose = "The same for logins after UNAUTHENTICATE, and for PROXYAUTH."},
    {.name = "limits.failed_logins_per_address",
        .type = CONF_INT,
        .def = "20",
        .min = 1,
        .max = 1000000,
        AT(failed_address),
        .prose = "After this many recent failed logins from an address, further passwords from it, "
                 "right or wrong, wait before they are checked: `timeouts.failed_login` at first, "
                 "then longer each time. A password that was checked a moment ago does not wait."},

    {.name = "timeouts.login",
        .type = CONF_DURATION,
        .def = "3m",
        .min = 1000,
        .max = 86400000,
        AT(login_time),
        .prose = "A new connection must log in within this time, which is long enough for a person "
                 "at a password dialog."},
    {.name = "timeouts.idle",
        .type = CONF_DURATION,
        .def = "30m",
        .min = 60000,
        .max = 7 * 86400000,
        AT(idle_time),
        .prose = "A logged-in client that sends nothing for this long is logged out. RFC 9051 "
                 "requires at least 30 minutes."},
    {.name = "timeouts.turn",
        .type = CONF_DURATION,
        .def = "30m",
        .min = 1000,
        .max = 7 * 86400000,
        AT(turn_time),
        .prose = "How long a connection may wait for its next user after UNAUTHENTICATE."},
    {.name = "timeouts.store",
        .type = CONF_DURATION,
        .def = "1m",
        .min = 1000,
        .max = 86400000,
        AT(store_time),
        .prose = "If a change is not on disk after this time the connection is closed, and its "
                 "client does not learn the outcome. The same applies if for this long the disk "
                 "accepts no more of a large message, or does not flush it."},
    {.name = "timeouts.job",
        .type = CONF_DURATION,
        .def = "10m",
        .min = 1000,
        .max = 86400000,
        AT(job_time),
        .prose = "The same for reading: loading a mailbox, searching bodies. The work ends with "
                 "the connection."},
    {.name = "timeouts.handshake",
        .type = CONF_DURATION,
        .def = "30s",
        .min = 1000,
        .max = 3600000,
        AT(handshake_time),
        .prose = "The time allowed for a TLS handshake."},
    {.name = "timeouts.output",
        .type = CONF_DURATION,
        .def = "5m",
        .min = 1000,
        .max = 86400000,
        AT(output_time),
        .prose = "A client that accepts none of its waiting output for this long is disconnected."},
    {.name = "timeouts.failed_login",
        .type = CONF_DURATION,
        .def = "500ms",
        .max = 60000,
        AT(fail_delay),
        .prose = "How long the reply to a first failed login is delayed. The delay doubles with "
                 "each further failure on the connection, from its address, or for the account, "
                 "whichever has the most. Correct passwords are not delayed because of what others "
                 "did to the account."},
    {.name = "timeouts.failed_login_max",
        .type = CONF_DURATION,
        .def = "10s",
        .max = 60000,
        AT(fail_delay_max),
        .prose = "The longest such delay."},
    {.name = "timeouts.failed_login_forget",
        .type = CONF_DURATION,
        .def = "1m",
        .min = 1000,
        .max = 86400000,
        AT(fail_forget),
        .prose = "Each time this period passes, one failed login of an address, and of an account, "
                 "is forgotten."},
};

static bool
is_name(struct str name)
{
	struct buf full = {0};
	/* No pattern: no user has such a name. */
	bool ok = str_chr(name, '*') == NULL && sasl_name_full(name, STR_NONE, &full);

	buf_fini(&full);
	return ok;
}

static bool
is_in(const struct conf_list *list, struct str word)
{
	for (size_t i = 0; i < list->n; i++)
		if (str_ieq(list->items[i], word))
			return true;
	return false;
}

enum { MECHANISMS_MAX = 64 }; /* most names searched for a similar one */

static void
check_mechanisms(const struct imap_settings *s, const struct conf_report *r)
{
	const char *words[MECHANISMS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < sasl_mechs_n && n < MECHANISMS_MAX; i++)
		words[n++] = sasl_mechs[i]->name;
	for (size_t i = 0; i < s->sasl_mechanisms.n && n < MECHANISMS_MAX; i++)
		words[n++] = s->sasl_mechanisms.items[i].p;
	for (size_t i = 0; i < s->mechanisms.n; i++) {
		const char *guess = str_nearest(s->mechanisms.items[i], words, n);

		if (sasl_mech_find(s->mechanisms.items[i]) != NULL ||
		    is_in(&s->sasl_mechanisms, s->mechanisms.items[i]))
			continue;
		conf_report_item(r, "mechanisms", i,
		    "there is no such mechanism; %s%s%sone of libsasl2 must be listed in "
		    "auth.sasl_mechanisms, too",
		    guess != NULL ? "did you mean " : "", guess != NULL ? guess : "",
		    guess != NULL ? "? " : "");
	}
	for (size_t i = 0; i < s->sasl_mechanisms.n; i++)
		if (sasl_mech_find(s->sasl_mechanisms.items[i]) != NULL)
			conf_report_item(r, "auth.sasl_mechanisms", i,
			    "is built in; list it under mechanisms instead");
	if (s->sasl_min_strength > s->sasl_max_strength)
		conf_report(r, "auth.sasl_min_strength auth.sasl_max_strength",
		    "auth.sasl_min_strength must not be above auth.sasl_max_strength");
}

static void
check_names(const struct imap_settings *s, const struct conf_report *r)
{
	if (s->sasl_host.n > 0 && !host_name_ok(s->sasl_host, false))
		conf_report(r, "auth.sasl_host", "%s is not a host name", s->sasl_host.p);
	for (size_t i = 0; i < s->kerberos_realms.n; i++)
		if (!host_name_ok(s->kerberos_realms.items[i], true))
			conf_report_item(r, "auth.kerberos_realms", i, "is not a realm");
	for (size_t i = 0; i < s->protocol_for.n; i++)
		if (!is_name(s->protocol_for.items[i]))
			conf_report_item(r, "log.protocol_for", i, "is not a user name");
}

static void
check(const void *settings, const struct conf_report *r)
{
	const struct imap_settings *s = settings;

	check_mechanisms(s, r);
	check_names(s, r);
	if (s->out_low > s->out_high)
		conf_report(r, "limits.out_low limits.out_high",
		    "limits.out_low must not be above limits.out_high");
	if (s->command < s->line)
		conf_report(r, "limits.command limits.line",
		    "limits.command must not be below limits.line");
	if (s->command < s->literal)
		conf_report(r, "limits.command limits.literal",
		    "limits.command must not be below limits.literal");
	if (s->connection_memory < s->command + s->pipeline + s->out_high)
		conf_report(r,
		    "limits.connection_memory limits.command limits.pipeline limits.out_high",
		    "limits.connection_memory must not be below limits.command, limits.pipeline "
		    "and limits.out_high together");
}

bool
imap_mechanism_on(const struct imap_settings *settings, struct str name)
{
	return is_in(&settings->mechanisms, name);
}

const struct conf_table imap_conf = {
    .name = "imap",
    .prose = "Sessions of IMAP clients: limits, times, and who may do what.",
    .opts = opts,
    .n = sizeof(opts) / sizeof(*opts),
    .struct_size = sizeof(struct imap_settings),
    .check = check,
};
