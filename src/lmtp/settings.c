/* SPDX-License-Identifier: Apache-2.0 */
/* The option table of delivery. */
#include "lmtp/settings.h"

#include "base/host.h"
#include "lmtp/address.h"

#define AT(field) .offset = offsetof(struct lmtp_settings, field)

static const char *const missing_words[] = {"inbox", "create", NULL};
static const char *const stray_words[] = {"refuse", "keep", NULL};

static const struct conf_opt opts[] = {
    {.name = "lmtp.hostname",
        .type = CONF_STRING,
        .def = "",
        .max = 255,
        AT(hostname),
        .prose = "The server's name in the greeting and in Received lines. Empty: the system's."},
    {.name = "lmtp.domains",
        .type = CONF_LIST,
        .max = 1000,
        AT(domains),
        .prose = "The domains mail is taken for, besides default_domain; recipients in others are "
                 "refused (550 5.1.2). Where default_domain is empty, an address in one of them "
                 "that is no user is looked up without its domain. Empty: any domain in which a "
                 "user or an alias is."},
    {.name = "lmtp.separator",
        .type = CONF_STRING,
        .def = "+",
        .max = 1,
        AT(separator),
        .prose = "What stands between a user's name and a mailbox in an address: mail for "
                 "`alice+lists` goes to alice's mailbox `lists`. Empty: nothing does."},
    {.name = "lmtp.missing_mailbox",
        .type = CONF_ENUM,
        .def = "inbox",
        .words = missing_words,
        AT(missing_mailbox),
        .prose = "When the mailbox of a sub-address is not there: `inbox` delivers to INBOX, "
                 "`create` makes it."},
    {.name = "lmtp.stray_newlines",
        .type = CONF_ENUM,
        .def = "refuse",
        .words = stray_words,
        AT(stray_newlines),
        .prose = "Messages with a CR or an LF that are not CRLF: `refuse` (554), or `keep` them "
                 "as they are. Only CRLF.CRLF ever ends a message."},
    {.name = "lmtp.limits.line",
        .type = CONF_SIZE,
        .def = "4096",
        .min = 1024,
        .max = 1 << 20,
        AT(line),
        .prose = "The longest command line. Lines of a message are not limited."},
    {.name = "lmtp.limits.message",
        .type = CONF_SIZE,
        .def = "64M",
        .min = 65536,
        .max = (int64_t)4 << 30,
        AT(message),
        .prose = "The largest message, told as SIZE (RFC 1870); 552 for a larger one."},
    {.name = "lmtp.limits.recipients",
        .type = CONF_INT,
        .def = "1000",
        .min = 100,
        .max = 100000,
        AT(recipients),
        .prose = "The most recipients of one message, those that aliases stand for included; 452 "
                 "for more, which a mail server then sends again."},
    {.name = "lmtp.limits.errors",
        .type = CONF_INT,
        .def = "20",
        .min = 1,
        .max = 100000,
        AT(errors),
        .prose = "Bad commands, not refused recipients, after which a connection is closed "
                 "(421)."},
    {.name = "lmtp.limits.connections",
        .type = CONF_INT,
        .def = "1000",
        .min = 1,
        .max = 1000000,
        AT(connections),
        .prose = "The most connections that deliver, on all listeners; 421 for more."},
    {.name = "lmtp.limits.connections_per_address",
        .type = CONF_INT,
        .def = "500",
        .min = 1,
        .max = 1000000,
        AT(address_connections),
        .prose = "The most of them from one address; 421 for more. UNIX sockets have none."},
    {.name = "lmtp.limits.address_bits_v6",
        .type = CONF_INT,
        .def = "64",
        .min = 16,
        .max = 128,
        AT(address_v6_bits),
        .prose = "How much of an IPv6 address counts as one address."},
    {.name = "lmtp.limits.command_time",
        .type = CONF_DURATION,
        .def = "5m",
        .min = 1000,
        .max = 86400000,
        AT(command_time),
        .prose = "How long to wait for the next command (RFC 5321 section 4.5.3.2.7)."},
    {.name = "lmtp.limits.data_time",
        .type = CONF_DURATION,
        .def = "3m",
        .min = 1000,
        .max = 86400000,
        AT(data_time),
        .prose = "How long to wait for the next piece of a message (section 4.5.3.2.5)."},
    {.name = "lmtp.limits.message_time",
        .type = CONF_DURATION,
        .def = "1h",
        .min = 1000,
        .max = (int64_t)7 * 86400000,
        AT(message_time),
        .prose = "How long a connection may be open without a message that has come whole, counted "
                 "from its beginning or from the last message; who sends a byte now and then ends "
                 "here (421)."},
    {.name = "lmtp.limits.store_time",
        .type = CONF_DURATION,
        .def = "5m",
        .min = 1000,
        .max = 3600000,
        AT(store_time),
        .prose = "How long the store may take before the connection is closed (421)."},
    {.name = "lmtp.limits.handshake_time",
        .type = CONF_DURATION,
        .def = "30s",
        .min = 1000,
        .max = 600000,
        AT(handshake_time),
        .prose = "For a TLS handshake."},
    {.name = "lmtp.limits.output_time",
        .type = CONF_DURATION,
        .def = "5m",
        .min = 1000,
        .max = 3600000,
        AT(output_time),
        .prose = "How long a client may take none of the replies that wait for it."},
};
#undef AT

/* What stands in names, or ends them, separates nothing. */
static bool
separates(char c)
{
	return c != '\0' && strchr("!#$%&'*+-./=?^_`{|}~", c) != NULL;
}

static void
check_lmtp(const void *settings, const struct conf_report *r)
{
	const struct lmtp_settings *s = settings;

	if (s->hostname.n > 0 && s->hostname.p[0] != '[' && !host_name_ok(s->hostname, false))
		conf_report(r, "lmtp.hostname", "%s is not a host name", s->hostname.p);
	else if (s->hostname.n > 0 && s->hostname.p[0] == '[' && !lmtp_domain_ok(s->hostname))
		conf_report(r, "lmtp.hostname", "%s is not an address in brackets", s->hostname.p);
	for (size_t i = 0; i < s->domains.n; i++)
		if (!lmtp_domain_ok(s->domains.items[i]))
			conf_report_item(r, "lmtp.domains", i, "is not a domain name");
	if (s->separator.n > 0 && !separates(s->separator.p[0]))
		conf_report(r, "lmtp.separator",
		    "must be a character such as + or -, which is neither a letter nor a digit and "
		    "may stand in an address, not \"%s\"",
		    s->separator.p);
}

const struct conf_table lmtp_conf = {.name = "lmtp",
    .prose = "Delivery of mail: LMTP (RFC 2033), on listeners with `protocol = lmtp`.",
    .opts = opts,
    .n = sizeof(opts) / sizeof(*opts),
    .struct_size = sizeof(struct lmtp_settings),
    .check = check_lmtp};
