/* SPDX-License-Identifier: Apache-2.0 */
/* The option table of listeners. */
#include "app/settings.h"
#include "base/err.h"
#include "net/network.h"

static const char *const listener_words[] = {"starttls", "imaps", "none", NULL};
static const char *const certificate_words[] = {"default", "off", "request", "require", NULL};
static const char *const preauth_words[] = {"off", "certificate", NULL};
static const char *const protocol_words[] = {"imap", "lmtp", NULL};

#define AT(field) .offset = offsetof(struct listener_settings, field)
static const struct conf_opt listener_opts[] = {
    {.name = "address",
        .type = CONF_STRING,
        .def = "",
        .when = CONF_RESTART,
        AT(address),
        .prose = "Numeric address to listen on. Empty: all, IPv6 and IPv4."},
    {.name = "port",
        .type = CONF_INT,
        .def = "143",
        .max = 65535,
        .when = CONF_RESTART,
        AT(port),
        .prose = "0: a free one, see `turnstone serve --ready-file`."},
    {.name = "tls",
        .type = CONF_ENUM,
        .def = "starttls",
        .words = listener_words,
        .when = CONF_RESTART,
        AT(tls),
        .prose = "`starttls`: begins in clear. `imaps`: TLS from the first byte. `none`: no "
                 "TLS at all, for lmtp only."},
    {.name = "protocol",
        .type = CONF_ENUM,
        .def = "imap",
        .words = protocol_words,
        .when = CONF_RESTART,
        AT(protocol),
        .prose = "`imap`: for people who read their mail. `lmtp`: for mail servers on this machine "
                 "or a network of their own that deliver it; whoever can connect can deliver."},
    {.name = "path",
        .type = CONF_PATH,
        .def = "",
        .max = 107,
        .when = CONF_RESTART,
        AT(path),
        .prose = "A UNIX socket to listen on; beside the port if `port` is given, too, else "
                 "instead of it. It has no TLS."},
    {.name = "mode",
        .type = CONF_STRING,
        .def = "0600",
        .max = 4,
        .when = CONF_RESTART,
        AT(mode),
        .prose = "Who may connect to the UNIX socket, as for chmod(1) in octal digits."},
    {.name = "owner",
        .type = CONF_STRING,
        .def = "",
        .when = CONF_RESTART,
        AT(owner),
        .prose = "The user the UNIX socket belongs to. Empty: the server's."},
    {.name = "group",
        .type = CONF_STRING,
        .def = "",
        .when = CONF_RESTART,
        AT(group),
        .prose = "The group of the UNIX socket. Empty: the server's."},
    {.name = "client_certificate",
        .type = CONF_ENUM,
        .def = "default",
        .words = certificate_words,
        .when = CONF_RESTART,
        AT(client_certificate),
        .prose = "Whether clients are asked for a certificate here; `default`: as "
                 "`tls.client_certificate` says, where it is explained."},
    {.name = "preauth",
        .type = CONF_ENUM,
        .def = "off",
        .words = preauth_words,
        .when = CONF_RESTART,
        AT(preauth),
        .prose = "`certificate`: who shows one that stands for somebody (`certificate_map`) is "
                 "logged in at once, by the PREAUTH greeting. For tls = imaps only."},
    {.name = "proxy_protocol",
        .type = CONF_BOOL,
        .def = "no",
        .when = CONF_RESTART,
        AT(proxy_protocol),
        .prose = "Whether a load balancer stands in front that tells each client's address by the "
                 "PROXY protocol (version 1 or 2), before anything else. Then nobody comes in "
                 "without it."},
    {.name = "proxy_from",
        .type = CONF_LIST,
        .max = 100,
        .when = CONF_RESTART,
        AT(proxy_from),
        .prose = "Addresses and networks of the load balancers (`10.0.0.7`, `10.0.0.0/8`, `unix`). "
                 "Connections from elsewhere are closed: whoever could send a PROXY header could "
                 "claim to be at any address."},
};
#undef AT

bool
app_mode_parse(struct str text, unsigned *mode_r)
{
	*mode_r = 0;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '7')
			return false;
		*mode_r = *mode_r * 8 + (unsigned)(text.p[i] - '0');
	}
	return text.n > 0 && *mode_r <= 0777;
}

static const char *
check_listener(const void *settings)
{
	const struct listener_settings *s = settings;
	struct net_network network;
	unsigned mode;

	if (!app_mode_parse(s->mode, &mode))
		return "mode is octal digits, 0600 say";
	if (s->tls == LISTENER_NO_TLS && s->protocol != LISTENER_LMTP)
		return "tls = none is for protocol = lmtp only";
	if (s->preauth != 0 && (s->tls != LISTENER_IMAPS || s->protocol != LISTENER_IMAP))
		return "preauth is for tls = imaps and protocol = imap only: after it there is no "
		       "STARTTLS any more (RFC 9051 section 7.1.4)";
	if (s->proxy_protocol != (s->proxy_from.n > 0))
		return "proxy_protocol = yes and proxy_from belong together";
	for (size_t i = 0; i < s->proxy_from.n; i++)
		if (net_network_parse(s->proxy_from.items[i], &network) != NULL)
			return "proxy_from takes addresses and networks such as 10.0.0.7, "
			       "10.0.0.0/8, "
			       "2001:db8::/32, or unix";
	if (s->client_certificate > LISTENER_CERTIFICATE_OFF && s->tls == LISTENER_NO_TLS)
		return "client_certificate needs TLS";
	if (s->path.n > 0 && s->tls == LISTENER_IMAPS)
		return "a UNIX socket has no TLS: tls = imaps needs a listener of its own";
	return NULL;
}

const struct conf_table listener_conf = {.name = "listener",
    .prose = "Where clients connect: `listener NAME { ... }`, as many as wanted. Without any: "
             "imap on port 143 and imaps on port 993.",
    .opts = listener_opts,
    .n = sizeof(listener_opts) / sizeof(*listener_opts),
    .struct_size = sizeof(struct listener_settings),
    .check = check_listener,
    .block = true};

bool
app_listener_has_port(const struct conf *conf, const struct listener_settings *s)
{
	return s->path.n == 0 || conf_given(conf, s, "port");
}

enum tls_client
app_listener_client(const struct conf *conf, const struct listener_settings *s)
{
	const struct tls_settings *tls = conf_get(conf, &tls_conf);

	switch (s->client_certificate) {
	case LISTENER_CERTIFICATE_DEFAULT:
		return (enum tls_client)tls->client_certificate;
	case LISTENER_CERTIFICATE_OFF:
		return TLS_CLIENT_OFF;
	case LISTENER_CERTIFICATE_REQUEST:
		return TLS_CLIENT_REQUEST;
	case LISTENER_CERTIFICATE_REQUIRE:
		return TLS_CLIENT_REQUIRE;
	}
	TS_WRONG("no such word");
}

static void
fault(const struct conf *conf, const struct listener_settings *s, const char *option,
    const char *text, struct buf *faults)
{
	conf_where(conf, s, option, faults);
	buf_printf(faults, ": %s\n", text);
}

void
app_check_listeners(const struct conf *conf, struct buf *faults)
{
	struct conf_blocks blocks = conf_blocks(conf, &listener_conf);
	const struct tls_settings *tls = conf_get(conf, &tls_conf);

	for (size_t i = 0; i < blocks.n; i++) {
		const struct listener_settings *s = blocks.p[i].settings;
		enum tls_client client = app_listener_client(conf, s);

		/* Port 143 is nothing that lmtp should be on because somebody forgot it. */
		if (s->protocol == LISTENER_LMTP && s->path.n == 0 && !conf_given(conf, s, "port"))
			fault(conf, s, "protocol",
			    "a listener with protocol = lmtp needs a port or a path", faults);
		if (client != TLS_CLIENT_OFF && tls->client_ca.n == 0)
			fault(conf, s, "client_certificate",
			    "tls.client_ca is needed, by which they are verified", faults);
		if (s->preauth != 0 && client == TLS_CLIENT_OFF)
			fault(conf, s, "preauth",
			    "client_certificate = request or require is needed with it", faults);
	}
}
