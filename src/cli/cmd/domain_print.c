/* SPDX-License-Identifier: Apache-2.0 */
/* `turnstone domain-help`: a zone file, JSON, and the autoconfiguration file for clients. */
#include "cli/cmd/domain.h"

#include "base/json.h"

static size_t
widest_name(const struct domain_help *h)
{
	size_t n = 0;

	for (size_t i = 0; i < h->record_count; i++)
		n = h->records[i].name.n > n ? h->records[i].name.n : n;
	return n;
}

static void
print_records(const struct domain_help *h, struct buf *out)
{
	int width = (int)widest_name(h) + 2;

	for (size_t i = 0; i < h->record_count; i++) {
		const struct domain_record *r = &h->records[i];

		if (r->what != NULL)
			buf_printf(out, "\n; %s\n", r->what);
		buf_printf(out, "%s%.*s%*s%d IN %-5.*s %.*s\n", r->open ? "; " : "",
		    STR_ARG(r->name), width - (int)r->name.n - (r->open ? 2 : 0) + 1, " ",
		    DOMAIN_TTL, STR_ARG(r->type), STR_ARG(r->value));
	}
}

static const char *
security(const struct domain_client *c)
{
	return c->tls ? "SSL/TLS" : "STARTTLS";
}

/* In comments, so that everything can be pasted. */
static void
print_clients(const struct domain_help *h, struct buf *out)
{
	buf_puts(out, "\n; ---- what users enter if their program does not find it ----\n");
	for (size_t i = 0; i < h->client_count; i++)
		buf_printf(out, "; IMAP       %.*s, port %u, %s\n", STR_ARG(h->host),
		    h->clients[i].port, security(&h->clients[i]));
	buf_printf(out,
	    "; SMTP       %.*s, port 465, SSL/TLS, or port 587, STARTTLS: whichever your mail "
	    "server offers\n; User name  %.*s, for the user alice\n; Password   the usual one "
	    "(\"normal password\")\n",
	    STR_ARG(h->mx), STR_ARG(h->user));
}

void
domain_print(const struct domain_help *h, struct buf *out)
{
	buf_printf(out,
	    "; To publish for %.*s, whose mail is read on %.*s.\n; Lines after ';' need something "
	    "filled in or decided first.\n; The certificate must be for %.*s.\n",
	    STR_ARG(h->domain), STR_ARG(h->host), STR_ARG(h->host));
	for (size_t i = 0; i < h->note_count; i++)
		buf_printf(out, "; Note: %.*s.\n", STR_ARG(h->notes[i]));
	print_records(h, out);
	print_clients(h, out);
}

static void
json_text(struct json *j, const char *key, struct str value)
{
	json_key(j, key);
	json_str(j, value);
}

static void
json_records(const struct domain_help *h, struct json *j)
{
	json_key(j, "records");
	json_open(j, '[');
	for (size_t i = 0; i < h->record_count; i++) {
		const struct domain_record *r = &h->records[i];

		json_open(j, '{');
		json_text(j, "name", r->name);
		json_key(j, "ttl");
		json_u64(j, DOMAIN_TTL);
		json_text(j, "type", r->type);
		json_text(j, "value", r->value);
		json_key(j, "to_decide");
		json_bool(j, r->open);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void
json_clients(const struct domain_help *h, struct json *j)
{
	json_key(j, "clients");
	json_open(j, '[');
	for (size_t i = 0; i < h->client_count; i++) {
		json_open(j, '{');
		json_text(j, "protocol", STR("imap"));
		json_text(j, "host", h->host);
		json_key(j, "port");
		json_u64(j, h->clients[i].port);
		json_text(j, "security", str_of(security(&h->clients[i])));
		json_text(j, "user", h->user);
		json_close(j, '}');
	}
	json_close(j, ']');
}

void
domain_print_json(const struct domain_help *h, struct buf *out)
{
	struct json j = {.out = out};

	json_open(&j, '{');
	json_text(&j, "domain", h->domain);
	json_text(&j, "host", h->host);
	json_text(&j, "mx", h->mx);
	json_records(h, &j);
	json_clients(h, &j);
	json_key(&j, "notes");
	json_open(&j, '[');
	for (size_t i = 0; i < h->note_count; i++)
		json_str(&j, h->notes[i]);
	json_close(&j, ']');
	json_close(&j, '}');
	buf_putc(out, '\n');
}

static void
print_server(const char *kind, const char *type, struct str host, unsigned port, const char *socket,
    const char *user, struct buf *out)
{
	buf_printf(out,
	    "    <%s type=\"%s\">\n      <hostname>%.*s</hostname>\n      <port>%u</port>\n"
	    "      <socketType>%s</socketType>\n      <username>%s</username>\n"
	    "      <authentication>password-cleartext</authentication>\n    </%s>\n",
	    kind, type, STR_ARG(host), port, socket, user, kind);
}

/* Names have only letters, digits, '-' and dots: nothing needs escaping in XML. */
void
domain_print_autoconfig(const struct domain_help *h, struct buf *out)
{
	const char *user = str_chr(h->user, '@') != NULL ? "%EMAILADDRESS%" : "%EMAILLOCALPART%";

	buf_printf(out,
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<clientConfig version=\"1.1\">\n"
	    "  <emailProvider id=\"%.*s\">\n    <domain>%.*s</domain>\n"
	    "    <displayName>%.*s</displayName>\n",
	    STR_ARG(h->domain), STR_ARG(h->domain), STR_ARG(h->domain));
	for (size_t i = 0; i < h->client_count; i++)
		print_server("incomingServer", "imap", h->host, h->clients[i].port,
		    h->clients[i].tls ? "SSL" : "STARTTLS", user, out);
	print_server("outgoingServer", "smtp", h->mx, 465, "SSL", user, out);
	print_server("outgoingServer", "smtp", h->mx, 587, "STARTTLS", user, out);
	buf_puts(out, "  </emailProvider>\n</clientConfig>\n");
}
