/* SPDX-License-Identifier: Apache-2.0 */
/* The option table for listeners. */
#include <sys/un.h>

#include "auth/networks.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/network.h"
#include "server/config/settings.h"

#define SOCKET_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

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
        .prose = "Numeric address to listen on. Empty: all addresses, IPv6 and IPv4."},
    {.name = "port",
        .type = CONF_INT,
        .def = "143",
        .max = 65535,
        .when = CONF_RESTART,
        AT(port),
        .prose = "The port. 0: a free one, see `turnstone serve --ready-file`."},
    {.name = "tls",
        .type = CONF_ENUM,
        .def = "starttls",
        .words = listener_words,
        .when = CONF_RESTART,
        AT(tls),
        .prose = "`starttls`: connections start without TLS. `imaps`: TLS from the first byte. "
                 "`none`: no TLS at all, for lmtp only."},
    {.name = "protocol",
        .type = CONF_ENUM,
        .def = "imap",
        .words = protocol_words,
        .when = CONF_RESTART,
        AT(protocol),
        .prose =
            "`imap`: for people who read their mail. `lmtp`: for mail servers that deliver it, on "
            "this machine or on a network of their own; anyone who can connect can deliver."},
    {.name = "path",
        .type = CONF_PATH,
        .def = "",
        .max = 107,
        .when = CONF_RESTART,
        AT(path),
        .prose = "A UNIX socket to listen on, in addition to the port if `port` is given, "
                 "otherwise instead of it. It has no TLS."},
    {.name = "mode",
        .type = CONF_STRING,
        .def = "0600",
        .max = 4,
        .when = CONF_RESTART,
        AT(mode),
        .prose = "Who may connect to the UNIX socket: octal digits, as for chmod(1)."},
    {.name = "owner",
        .type = CONF_STRING,
        .def = "",
        .when = CONF_RESTART,
        AT(owner),
        .prose = "The user who owns the UNIX socket. Empty: the server's user."},
    {.name = "group",
        .type = CONF_STRING,
        .def = "",
        .when = CONF_RESTART,
        AT(group),
        .prose = "The group of the UNIX socket. Empty: the server's group."},
    {.name = "client_certificate",
        .type = CONF_ENUM,
        .def = "default",
        .words = certificate_words,
        .when = CONF_RESTART,
        AT(client_certificate),
        .prose = "Whether clients are asked for a certificate on this listener. `default`: as set "
                 "by `tls.client_certificate`, which explains the values."},
    {.name = "preauth",
        .type = CONF_ENUM,
        .def = "off",
        .words = preauth_words,
        .when = CONF_RESTART,
        AT(preauth),
        .prose = "`certificate`: a client whose certificate identifies a user (`certificate_map`) "
                 "is logged in at once, with a PREAUTH greeting. Only for tls = imaps."},
    {.name = "proxy_protocol",
        .type = CONF_BOOL,
        .def = "no",
        .when = CONF_RESTART,
        AT(proxy_protocol),
        .prose = "Whether a load balancer in front of this listener announces each client's "
                 "address by the PROXY protocol (version 1 or 2). Connections without a PROXY "
                 "header are then refused."},
    {.name = "proxy_from",
        .type = CONF_LIST,
        .max = 100,
        .when = CONF_RESTART,
        AT(proxy_from),
        .prose = "Addresses and networks of the load balancers (`10.0.0.7`, `10.0.0.0/8`, `unix`). "
                 "Connections from anywhere else are closed: anyone able to send a PROXY header "
                 "could claim any address."},
};
#undef AT

bool
settings_parse_mode(struct str text, unsigned *mode_r)
{
	*mode_r = 0;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '7')
			return false;
		*mode_r = *mode_r * 8 + (unsigned)(text.p[i] - '0');
	}
	return text.n > 0 && *mode_r <= 0777;
}

static void
check_proxy(const struct listener_settings *s, const struct conf_report *r)
{
	if (s->proxy_protocol != (s->proxy_from.n > 0))
		conf_report(r, "proxy_protocol proxy_from",
		    "proxy_protocol = yes and proxy_from must be set together");
	auth_networks_check(r, "proxy_from", &s->proxy_from);
}

static void
check_listener(const void *settings, const struct conf_report *r)
{
	const struct listener_settings *s = settings;
	unsigned mode;

	if (!settings_parse_mode(s->mode, &mode))
		conf_report(r, "mode", "must be octal digits such as 0600, not %s", s->mode.p);
	else if ((mode & 0222) == 0)
		conf_report(r, "mode",
		    "%s lets nobody connect, which needs write permission, as in 0600", s->mode.p);
	if (s->tls == LISTENER_NO_TLS && s->protocol != LISTENER_LMTP)
		conf_report(r, "tls protocol", "tls = none is only for protocol = lmtp");
	if (s->preauth != 0 && (s->tls != LISTENER_IMAPS || s->protocol != LISTENER_IMAP))
		conf_report(r, "preauth tls protocol",
		    "preauth is only for tls = imaps and protocol = imap: STARTTLS is not possible "
		    "after it (RFC 9051 section 7.1.4)");
	if (s->client_certificate > LISTENER_CERTIFICATE_OFF && s->tls == LISTENER_NO_TLS)
		conf_report(r, "client_certificate tls", "client_certificate needs TLS");
	if (s->path.n > 0 && s->tls == LISTENER_IMAPS)
		conf_report(r, "path tls",
		    "a UNIX socket has no TLS: tls = imaps needs a listener of its own");
	if (s->path.n > SOCKET_PATH_MAX)
		conf_report(r, "path", "the path of a socket must be shorter than %zu bytes: %s",
		    SOCKET_PATH_MAX + 1, s->path.p);
	check_proxy(s, r);
}

const struct conf_table listener_conf = {.name = "listener",
    .prose = "Where clients connect: any number of `listener NAME { ... }` blocks. Without any: "
             "imap on port 143 and imaps on port 993.",
    .opts = listener_opts,
    .n = sizeof(listener_opts) / sizeof(*listener_opts),
    .struct_size = sizeof(struct listener_settings),
    .check = check_listener,
    .block = true};

bool
settings_listener_has_port(const struct conf *conf, const struct listener_settings *s)
{
	return s->path.n == 0 || conf_given(conf, s, "port");
}

enum tls_client
settings_listener_client(const struct conf *conf, const struct listener_settings *s)
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

/* ---- the listeners of a server ---- */

static bool
set_option(struct settings_listener *l, const char *text, struct str key, struct str word,
    struct buf *faults)
{
	uint64_t port;

	if (str_eq(key, STR("port")) && str_u64(word, 65535, &port)) {
		l->s.port = (int64_t)port;
	} else if (str_eq(key, STR("address"))) {
		l->s.address = word;
	} else {
		buf_printf(faults,
		    "--set %s: it takes LISTENER.port=NUMBER or LISTENER.address=ADDRESS\n", text);
		return false;
	}
	return true;
}

/* Applies --set NAME.port=N and NAME.address=A, which override the file. */
static bool
set(const char *text, struct settings_listener *list, size_t n, struct buf *faults)
{
	struct str word = str_of(text), key, name;

	str_split(&word, '=', &key);
	str_split(&key, '.', &name);
	for (size_t i = 0; i < n; i++)
		if (str_eq(list[i].name, name))
			return set_option(&list[i], text, key, word, faults);
	buf_printf(faults, "--set %s: there is no listener %.*s in the configuration\n", text,
	    STR_ARG(name));
	return false;
}

bool
settings_listeners(const struct conf *conf, const struct args *args, struct buf *faults,
    struct settings_listener **list_r, size_t *n_r)
{
	static const struct settings_listener usual[] = {
	    {{"imap", 4}, {.port = 143, .tls = LISTENER_STARTTLS}, NULL, true},
	    {{"imaps", 5}, {.port = 993, .tls = LISTENER_IMAPS}, NULL, true}};
	struct conf_blocks blocks = conf_blocks(conf, &listener_conf);
	struct settings_listener *list = mem_zalloc((blocks.n + 2) * sizeof(*list));
	size_t n = blocks.n > 0 ? blocks.n : 2;
	const char *text;
	bool ok = true;

	for (size_t i = 0; i < blocks.n; i++) {
		const struct listener_settings *s = blocks.p[i].settings;

		list[i] = (struct settings_listener){
		    blocks.p[i].name, *s, s, settings_listener_has_port(conf, s)};
	}
	if (blocks.n == 0)
		memcpy(list, usual, sizeof(usual));
	for (size_t i = 0; args != NULL && (text = args_nth(args, "set", i)) != NULL; i++)
		ok &= set(text, list, n, faults);
	*list_r = list;
	*n_r = n;
	return ok;
}

bool
settings_listener_blame(const struct conf *conf, const struct settings_listener *l,
    const char *options, struct buf *out)
{
	if (l->given != NULL)
		return conf_blame(conf, l->given, options, out);
	buf_printf(out, "listener %.*s", STR_ARG(l->name));
	return true;
}

static void
listener_fault(const struct conf *conf, const struct listener_settings *s, const char *options,
    const char *text, struct buf *faults)
{
	if (conf_blame(conf, s, options, faults))
		buf_printf(faults, ": %s\n", text);
}

static bool
is_wrong(const struct conf *conf, const char *option)
{
	struct buf where = {0};
	bool wrong = !conf_blame(conf, conf_get(conf, &tls_conf), option, &where);

	buf_fini(&where);
	return wrong;
}

/* Whether proxy_from lets anybody in by UNIX socket, or by port. */
static bool
lets_in(const struct listener_settings *s, bool by_unix)
{
	struct net_network network;

	for (size_t i = 0; i < s->proxy_from.n; i++)
		if (net_network_parse(s->proxy_from.items[i], &network) == NULL &&
		    (network.family == NET_FAMILY_UNIX) == by_unix)
			return true;
	return s->proxy_from.n == 0;
}

static void
check_let_in(const struct conf *conf, const struct listener_settings *s, struct buf *faults)
{
	bool port = settings_listener_has_port(conf, s);

	/* If there are both, one of them may admit nobody. */
	if (!port && !lets_in(s, true))
		listener_fault(conf, s, "proxy_from path",
		    "nobody could connect to the UNIX socket: list unix as well", faults);
	if (s->path.n == 0 && !lets_in(s, false))
		listener_fault(conf, s, "proxy_from port",
		    "nobody could connect to the port: list a network as well", faults);
}

/* Checks for options of a kind of socket that the listener does not have. */
static void
check_about_nothing(const struct conf *conf, const struct listener_settings *s, struct buf *faults)
{
	static const char *const of_path[] = {"mode", "owner", "group"};

	for (size_t i = 0; s->path.n == 0 && i < 3; i++)
		if (conf_given(conf, s, of_path[i]))
			listener_fault(conf, s, of_path[i],
			    "is for a UNIX socket, which needs a path", faults);
	if (settings_listener_has_port(conf, s))
		return;
	if (conf_given(conf, s, "address"))
		listener_fault(conf, s, "address path port",
		    "is for a port: with a path, set the port as well", faults);
	if (s->client_certificate > LISTENER_CERTIFICATE_OFF)
		listener_fault(conf, s, "client_certificate path port",
		    "a UNIX socket has no TLS, and there is no port", faults);
}

void
settings_check_listeners(const struct conf *conf, struct buf *faults)
{
	struct conf_blocks blocks = conf_blocks(conf, &listener_conf);
	const struct tls_settings *tls = conf_get(conf, &tls_conf);
	bool no_ca = tls->client_ca.n == 0 && !is_wrong(conf, "tls.client_ca");

	for (size_t i = 0; i < blocks.n; i++) {
		const struct listener_settings *s = blocks.p[i].settings;
		enum tls_client client = settings_listener_client(conf, s);

		check_about_nothing(conf, s, faults);
		check_let_in(conf, s, faults);
		/* A forgotten port must not put LMTP on port 143. */
		if (s->protocol == LISTENER_LMTP && s->path.n == 0 && !conf_given(conf, s, "port"))
			listener_fault(conf, s, "protocol port path",
			    "a listener with protocol = lmtp needs a port or a path", faults);
		/* tls.client_certificate has its own check. */
		if (s->client_certificate > LISTENER_CERTIFICATE_OFF && no_ca)
			listener_fault(conf, s, "client_certificate",
			    "tls.client_ca is needed to verify them", faults);
		if (s->preauth != 0 && client == TLS_CLIENT_OFF)
			listener_fault(conf, s, "preauth client_certificate",
			    "client_certificate = request or require is needed with it", faults);
	}
}
