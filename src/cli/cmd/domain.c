/* SPDX-License-Identifier: Apache-2.0 */
/* `turnstone domain-help`: checks names and makes records. */
#include "cli/cmd/domain.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "imap/settings.h"
#include "lmtp/settings.h"
#include "server/config/settings.h"

enum { NAME_MAX_BYTES = 253, LABEL_MAX = 63, ADDRESSES_MAX = 8 };

/* ---- names ---- */

static const char *
check_label(struct str label)
{
	if (label.n == 0)
		return "it has two dots in a row, or begins with one";
	if (label.n > LABEL_MAX)
		return "a part of it is longer than 63 bytes";
	for (size_t i = 0; i < label.n; i++) {
		unsigned char c = (unsigned char)label.p[i];

		if (c >= 0x80)
			return "write it in ASCII, as it is registered (xn--...)";
		if (!(c >= '0' && c <= '9') && !(ascii_upper(c) >= 'A' && ascii_upper(c) <= 'Z') &&
		    c != '-')
			return "a domain has only letters, digits, '-' and dots";
	}
	if (label.p[0] == '-' || label.p[label.n - 1] == '-')
		return "no part of it may begin or end with '-'";
	return NULL;
}

static bool
all_digits(struct str label)
{
	for (size_t i = 0; i < label.n; i++)
		if (label.p[i] < '0' || label.p[i] > '9')
			return false;
	return true;
}

const char *
domain_check(struct str text, struct buf *out)
{
	struct str rest = text, label = STR_NONE;
	const char *why = NULL;
	unsigned labels = 0;

	if (rest.n > 0 && rest.p[rest.n - 1] == '.')
		rest.n--;
	text = rest;
	if (rest.n > NAME_MAX_BYTES)
		return "it is longer than 253 bytes";
	/* A dot at the end was removed; a second one means an empty label. */
	if (rest.n > 0 && rest.p[rest.n - 1] == '.')
		return check_label(STR(""));
	while (why == NULL && rest.n > 0 && str_split(&rest, '.', &label)) {
		why = check_label(label);
		labels++;
	}
	if (why == NULL && labels < 2)
		why = "a domain has at least two parts, such as example.org";
	if (why == NULL && all_digits(label))
		why = "this is an address, not a domain";
	for (size_t i = 0; why == NULL && i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		buf_putc(out, (char)(c >= 'A' && c <= 'Z' ? c + 'a' - 'A' : c));
	}
	return why;
}

/* ---- notes ---- */

static void note(struct domain_help *h, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void
note(struct domain_help *h, const char *format, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (h->note_count < DOMAIN_NOTES)
		h->notes[h->note_count++] = arena_str(h->arena, str_of(text));
}

/* ---- listeners ---- */

static bool
is_loopback(struct str address)
{
	return str_has_prefix(address, STR("127.")) || str_eq(address, STR("::1")) ||
	       str_eq(address, STR("localhost"));
}

/* Why not all clients can use a listener; NULL: they can. */
static const char *
not_public(const struct conf *conf, const struct listener_settings *s)
{
	if (!settings_listener_has_port(conf, s))
		return "is only a UNIX socket";
	if (s->port == 0)
		return "uses any free port (port = 0)";
	if (is_loopback(s->address))
		return "listens only on this machine";
	if (s->proxy_protocol)
		return "is behind a load balancer: publish the balancer's port";
	if (settings_listener_client(conf, s) == TLS_CLIENT_REQUIRE)
		return "is for clients with certificates";
	return NULL;
}

static void
add_client(struct domain_help *h, bool tls, uint16_t port)
{
	size_t at = h->client_count;

	if (at == DOMAIN_CLIENTS)
		return;
	/* Implicit TLS comes first (RFC 8314 section 3). */
	for (; tls && at > 0 && !h->clients[at - 1].tls; at--)
		h->clients[at] = h->clients[at - 1];
	h->clients[at] = (struct domain_client){port, tls};
	h->client_count++;
}

static void
find_clients(const struct conf *conf, struct domain_help *h)
{
	struct conf_blocks blocks = conf_blocks(conf, &listener_conf);

	if (blocks.n == 0) { /* the defaults */
		add_client(h, true, 993);
		add_client(h, false, 143);
	}
	for (size_t i = 0; i < blocks.n; i++) {
		const struct listener_settings *s = blocks.p[i].settings;
		const char *why = not_public(conf, s);

		if (s->protocol != LISTENER_IMAP)
			continue;
		if (why != NULL)
			note(h, "listener %.*s %s; it is not published", STR_ARG(blocks.p[i].name),
			    why);
		else
			add_client(h, s->tls == LISTENER_IMAPS, (uint16_t)s->port);
	}
	if (h->client_count == 0)
		note(h, "no listener is reachable from other machines");
}

/* ---- records ---- */

static void add_record(struct domain_help *h, const char *what, bool open, const char *prefix,
    struct str base, const char *type, const char *format, ...)
    __attribute__((format(printf, 7, 8)));

/* The name is prefix and base, with a final dot. */
static void
add_record(struct domain_help *h, const char *what, bool open, const char *prefix, struct str base,
    const char *type, const char *format, ...)
{
	struct domain_record *r = &h->records[h->record_count];
	struct buf name = {0};
	char value[1024];
	va_list ap;

	if (h->record_count == DOMAIN_RECORDS)
		return;
	va_start(ap, format);
	(void)vsnprintf(value, sizeof(value), format, ap);
	va_end(ap);
	buf_printf(&name, "%s%.*s.", prefix, STR_ARG(base));
	*r = (struct domain_record){.name = arena_str(h->arena, buf_as_str(&name)),
	    .type = str_of(type),
	    .value = arena_str(h->arena, str_of(value)),
	    .what = what,
	    .open = open};
	h->record_count++;
	buf_fini(&name);
}

/* Whether the host's name is in the domain's zone. */
static bool
in_zone(const struct domain_help *h)
{
	struct str tail = h->host;

	if (tail.n <= h->domain.n)
		return str_eq(h->host, h->domain);
	tail.p += tail.n - h->domain.n;
	tail.n = h->domain.n;
	return str_eq(tail, h->domain) && tail.p[-1] == '.';
}

static void
add_addresses(struct domain_help *h, const struct domain_wish *wish)
{
	bool here = in_zone(h);
	const char *what =
	    here ? "The host's addresses. Their reverse names (PTR) must lead back to it."
	         : "The host's addresses, in the zone of its own domain; reverse names (PTR) too.";
	struct in6_addr v6;

	for (size_t i = 0; i < wish->address_count; i++) {
		struct str a = wish->addresses[i];

		add_record(h, i == 0 ? what : NULL, !here, "", h->host,
		    inet_pton(AF_INET6, a.p, &v6) == 1 ? "AAAA" : "A", "%.*s", STR_ARG(a));
	}
	if (wish->address_count > 0)
		return;
	add_record(h, what, true, "", h->host, "A", "192.0.2.1");
	add_record(h, NULL, true, "", h->host, "AAAA", "2001:db8::1");
}

static void
add_mail(struct domain_help *h)
{
	add_record(h,
	    "Where mail for the domain goes: your mail server (Postfix, say), not Turnstone.",
	    false, "", h->domain, "MX", "10 %.*s.", STR_ARG(h->mx));
	add_record(h, "SPF: only the MX hosts send mail for this domain.", false, "", h->domain,
	    "TXT", "\"v=spf1 mx -all\"");
	add_record(h,
	    "DKIM: the program that signs outgoing mail (rspamd, OpenDKIM) creates the key and "
	    "prints this record.",
	    true, "default._domainkey.", h->domain, "TXT", "\"v=DKIM1; k=rsa; p=PUBLIC-KEY\"");
	add_record(h,
	    "DMARC: reports first; p=quarantine or p=reject when they show that all your mail "
	    "passes.",
	    false, "_dmarc.", h->domain, "TXT", "\"v=DMARC1; p=none; rua=mailto:postmaster@%.*s\"",
	    STR_ARG(h->domain));
}

/* RFC 6186: a target of "." means that there is no such service. */
static void
add_service(struct domain_help *h, const char *name, bool tls, const char *what)
{
	bool any = false;

	for (size_t i = 0; i < h->client_count; i++)
		if (h->clients[i].tls == tls) {
			add_record(h, any ? NULL : what, false, name, h->domain, "SRV",
			    "0 1 %u %.*s.", h->clients[i].port, STR_ARG(h->host));
			any = true;
		}
	if (!any)
		add_record(h, what, false, name, h->domain, "SRV", "0 0 0 .");
}

static void
add_services(struct domain_help *h)
{
	add_service(h, "_imaps._tcp.", true,
	    "Where clients read mail (RFC 6186, RFC 8314). A target of \".\": no such service.");
	add_service(h, "_imap._tcp.", false, NULL);
	add_record(h, NULL, false, "_pop3s._tcp.", h->domain, "SRV", "0 0 0 .");
	add_record(h, NULL, false, "_pop3._tcp.", h->domain, "SRV", "0 0 0 .");
	add_record(h,
	    "Where clients send mail: your mail server's submission service, if it has one.", true,
	    "_submissions._tcp.", h->domain, "SRV", "0 1 465 %.*s.", STR_ARG(h->mx));
	add_record(
	    h, NULL, true, "_submission._tcp.", h->domain, "SRV", "0 1 587 %.*s.", STR_ARG(h->mx));
}

static void
add_rest(struct domain_help *h)
{
	add_record(h,
	    "Thunderbird and others ask a web server of that name for "
	    "/mail/config-v1.1.xml (turnstone domain-help --autoconfig prints it).",
	    true, "autoconfig.", h->domain, "CNAME", "%.*s.", STR_ARG(h->host));
	add_record(h, "Optional: who may issue certificates for the domain's names.", true, "",
	    h->domain, "CAA", "0 issue \"letsencrypt.org\"");
}

/* ---- all of it ---- */

/* A name of this machine that others can look up, as far as we can tell. */
static void
choose_host(const struct conf *conf, struct domain_help *h, struct buf *out)
{
	const struct lmtp_settings *lmtp = conf_get(conf, &lmtp_conf);
	const struct imap_settings *imap = conf_get(conf, &imap_conf);
	char name[256] = "";

	(void)gethostname(name, sizeof(name) - 1);
	if (domain_check(imap->sasl_host, out) == NULL ||
	    domain_check(lmtp->hostname, out) == NULL || domain_check(str_of(name), out) == NULL)
		return;
	buf_printf(out, "mail.%.*s", STR_ARG(h->domain));
	note(h,
	    "the host's name is a guess (%s): this machine has no full name, nor do lmtp.hostname "
	    "and "
	    "auth.sasl_host; give it with --host",
	    buf_cstr(out));
}

static void
note_domain(const struct conf *conf, struct domain_help *h)
{
	const struct server_settings *s = conf_get(conf, &server_conf);
	const struct lmtp_settings *lmtp = conf_get(conf, &lmtp_conf);
	bool is_default = str_ieq(s->default_domain, h->domain), listed = false;
	struct buf user = {0};

	buf_printf(&user, "alice@%.*s", STR_ARG(h->domain));
	for (size_t i = 0; i < lmtp->domains.n; i++)
		listed |= str_ieq(lmtp->domains.items[i], h->domain);
	if (lmtp->domains.n > 0 && !listed && !is_default)
		note(h, "lmtp.domains does not include %.*s: mail for it is refused",
		    STR_ARG(h->domain));
	if (s->default_domain.n == 0 && listed) {
		user.n = 0;
		buf_puts(&user, "alice");
	}
	h->user = arena_str(h->arena, buf_as_str(&user));
	buf_fini(&user);
}

static const char *
set_name(struct domain_help *h, struct str text, struct str *to)
{
	struct buf name = {0};
	const char *why = domain_check(text, &name);

	if (why == NULL)
		*to = arena_str(h->arena, buf_as_str(&name));
	buf_fini(&name);
	return why;
}

static const char *
take_names(const struct conf *conf, const struct domain_wish *wish, struct domain_help *h)
{
	const char *why = set_name(h, wish->domain, &h->domain);
	struct buf host = {0};

	if (why != NULL)
		return why;
	if (wish->host.p != NULL) {
		why = set_name(h, wish->host, &h->host);
	} else {
		choose_host(conf, h, &host);
		h->host = arena_str(h->arena, buf_as_str(&host));
	}
	buf_fini(&host);
	h->mx = h->host;
	if (why == NULL && wish->mx.p != NULL)
		why = set_name(h, wish->mx, &h->mx);
	return why;
}

const char *
domain_make(const struct conf *conf, const struct domain_wish *wish, struct domain_help *h)
{
	const char *why;

	*h = (struct domain_help){.arena = arena_new(NULL, ARENA_OTHER, 4096)};
	why = take_names(conf, wish, h);
	if (why != NULL)
		return why;
	note_domain(conf, h);
	find_clients(conf, h);
	add_addresses(h, wish);
	add_mail(h);
	add_services(h);
	add_rest(h);
	return NULL;
}

void
domain_fini(struct domain_help *h)
{
	if (h->arena != NULL)
		arena_free(&h->arena);
}

/* ---- the command ---- */

/* False: printed. */
static bool
read_addresses(const struct args *args, struct str *to, size_t *n_r)
{
	const char *text;
	struct in6_addr v6;
	struct in_addr v4;

	for (*n_r = 0; (text = args_nth(args, "address", *n_r)) != NULL; ++*n_r) {
		if (*n_r == ADDRESSES_MAX ||
		    (inet_pton(AF_INET, text, &v4) != 1 && inet_pton(AF_INET6, text, &v6) != 1)) {
			fprintf(stderr, "turnstone domain-help: --address %s: %s\n", text,
			    *n_r == ADDRESSES_MAX ? "at most 8 of them"
			                          : "this is not an IP address");
			return false;
		}
		to[*n_r] = str_of(text);
	}
	return true;
}

static struct str
option(const struct args *args, const char *name)
{
	const char *text = args_get(args, name);

	return text != NULL ? str_of(text) : STR_NONE;
}

/* The name with the fault. */
static const char *
faulty(const struct args *args, const struct domain_help *h)
{
	return h->domain.n == 0 ? args->operands[0]
	       : h->host.n == 0 ? args_get(args, "host")
	                        : args_get(args, "mx");
}

static int
domain_help(const struct args *args)
{
	struct str addresses[ADDRESSES_MAX];
	struct domain_wish wish = {.domain = str_of(args->operands[0]),
	    .host = option(args, "host"),
	    .mx = option(args, "mx"),
	    .addresses = addresses};
	struct conf *conf = NULL;
	struct domain_help help;
	struct buf out = {0};
	const char *why;

	if (!read_addresses(args, addresses, &wish.address_count))
		return EXIT_USAGE;
	if (!settings_load(args, &conf))
		return EXIT_FAILED;
	why = domain_make(conf, &wish, &help);
	if (why != NULL)
		fprintf(stderr, "turnstone domain-help: '%s': %s\n", faulty(args, &help), why);
	else if (args_has(args, "autoconfig"))
		domain_print_autoconfig(&help, &out);
	else if (args_has(args, "json"))
		domain_print_json(&help, &out);
	else
		domain_print(&help, &out);
	(void)fwrite(out.p, 1, out.n, stdout);
	buf_fini(&out);
	domain_fini(&help);
	conf_unref(&conf);
	return why != NULL ? EXIT_USAGE : EXIT_OK;
}

static const struct args_opt opts[] = {CLI_CONFIG_OPT, CLI_JSON_OPT,
    {"host", "NAME", "the name under which clients reach this server"},
    {"mx", "NAME", "the mail server that accepts the domain's mail (default: the same host)"},
    {"address", "IP", "an address of the host, for its A or AAAA record; may be repeated"},
    {"autoconfig", NULL,
        "print only the file config-v1.1.xml, with which clients configure themselves"},
    {NULL, NULL, NULL}};

const struct args_cmd cli_domain_cmds[] = {
    {.name = "domain-help",
        .operands = "DOMAIN",
        .min = 1,
        .max = 1,
        .help = "print the DNS records and client settings "
                "to publish for a domain",
        .more = "The records are in zone file syntax; those in comments need something filled in "
                "or decided first. Ports are those of the configured listeners. It looks nothing "
                "up and changes nothing.",
        .opts = opts,
        .run = domain_help},
    {.name = NULL}};
