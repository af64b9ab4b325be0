/* SPDX-License-Identifier: Apache-2.0 */
/* The option table of delivery. */
#include "lmtp/settings.h"

#include "base/host.h"
#include "lmtp/address.h"

#define AT(field) .offset = offsetof(struct lmtp_settings, field)

static const char *const missing_words[] = {"inbox", "create", NULL};
static const char *const over_quota_words[] = {"452", "552", NULL};
static const char *const stray_words[] = {"refuse", "keep", NULL};

static const struct conf_opt opts[] = {
    {.name = "lmtp.hostname",
        .type = CONF_STRING,
        .def = "",
        .max = 255,
        AT(hostname),
        .prose = "The server's name in the greeting and in Received lines. Empty: the system's "
                 "host name."},
    {.name = "lmtp.domains",
        .type = CONF_LIST,
        .max = 1000,
        AT(domains),
        .prose = "Domains for which mail is accepted, besides default_domain; recipients in others "
                 "are refused (550 5.1.2). If default_domain is empty, an address in one of them "
                 "that is nobody's is looked up without its domain. Empty: any domain with a user, "
                 "a group mailbox or an alias."},
    {.name = "lmtp.separator",
        .type = CONF_STRING,
        .def = "+",
        .max = 1,
        AT(separator),
        .prose =
            "What separates a user's name from a mailbox in an address: mail for `alice+lists` "
            "goes to alice's mailbox `lists`, and for `alice+shared/support/orders` to the mailbox "
            "`orders` of the group mailbox `support` if alice has the right `p` there. Empty: "
            "addresses have no such part."},
    {.name = "lmtp.missing_mailbox",
        .type = CONF_ENUM,
        .def = "inbox",
        .words = missing_words,
        AT(missing_mailbox),
        .prose = "If the mailbox of such an address does not exist: `inbox` delivers to INBOX, "
                 "`create` creates it. For a mailbox of others it is always INBOX, also if the "
                 "user may not post there."},
    {.name = "lmtp.over_quota",
        .type = CONF_ENUM,
        .def = "452",
        .words = over_quota_words,
        AT(over_quota),
        .prose = "The reply for a user whose quota has no room for a message: with `452` the mail "
                 "server that sends it keeps it and tries again for some days, with `552` the "
                 "sender gets it back at once."},
    {.name = "lmtp.stray_newlines",
        .type = CONF_ENUM,
        .def = "refuse",
        .words = stray_words,
        AT(stray_newlines),
        .prose = "Messages with a CR or LF that is not part of a CRLF: `refuse` them (554), or "
                 "`keep` them unchanged. Only CRLF.CRLF ever ends a message."},
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
        .prose =
            "The largest message, announced as SIZE (RFC 1870); larger ones are refused with 552."},
    {.name = "lmtp.limits.recipients",
        .type = CONF_INT,
        .def = "1000",
        .min = 100,
        .max = 100000,
        AT(recipients),
        .prose = "The maximum number of recipients of one message, including those that aliases "
                 "expand to. Further ones get 452, and a mail server tries them again."},
    {.name = "lmtp.limits.errors",
        .type = CONF_INT,
        .def = "20",
        .min = 1,
        .max = 100000,
        AT(errors),
        .prose = "A connection is closed (421) after this many invalid commands. Refused "
                 "recipients do not count."},
    {.name = "lmtp.limits.connections",
        .type = CONF_INT,
        .def = "1000",
        .min = 1,
        .max = 1000000,
        AT(connections),
        .prose =
            "The maximum number of delivering connections on all listeners; further ones get 421."},
    {.name = "lmtp.limits.connections_per_address",
        .type = CONF_INT,
        .def = "500",
        .min = 1,
        .max = 1000000,
        AT(address_connections),
        .prose = "The same for one address; further ones get 421. UNIX sockets are not limited."},
    {.name = "lmtp.limits.address_bits_v6",
        .type = CONF_INT,
        .def = "64",
        .min = 16,
        .max = 128,
        AT(address_v6_bits),
        .prose = "How many bits of an IPv6 address count as one address."},
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
        .prose = "How long a connection may stay open without completing a message, counted from "
                 "its start or from the last message; this stops clients that send a byte now and "
                 "then (421)."},
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
        .prose = "The time allowed for a TLS handshake."},
    {.name = "lmtp.limits.output_time",
        .type = CONF_DURATION,
        .def = "5m",
        .min = 1000,
        .max = 3600000,
        AT(output_time),
        .prose =
            "A client that accepts none of its waiting replies for this long is disconnected."},
};
#undef AT

/* Characters that occur in names, or end them, cannot be separators. */
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
