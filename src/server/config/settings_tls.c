/* SPDX-License-Identifier: Apache-2.0 */
/* Option tables for certificates, ours and our clients', and the contexts made from them. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/tls/certmap.h"
#include "server/config/settings.h"

static const char *const client_words[] = {"off", "request", "require", NULL};
static const char *const version_words[] = {"1.2", "1.3", NULL};

#define AT(field) .offset = offsetof(struct tls_settings, field)
static const struct conf_opt tls_opts[] = {
    {.name = "tls.certificate",
        .type = CONF_PATH,
        .def = "",
        .flags = CONF_READABLE,
        AT(certificate),
        .prose = "PEM file with the certificate and its chain. Empty: a self-signed certificate is "
                 "created in the data folder."},
    {.name = "tls.key",
        .type = CONF_PATH,
        .def = "",
        .flags = CONF_READABLE,
        AT(key),
        .prose = "PEM file with its private key. Empty: the key is in the certificate's file."},
    {.name = "tls.min_version",
        .type = CONF_ENUM,
        .def = "1.2",
        .words = version_words,
        AT(min_version),
        .prose = "The oldest TLS version that a client may use."},
    {.name = "tls.ciphers",
        .type = CONF_STRING,
        .def = "",
        AT(ciphers),
        .prose = "Ciphers for TLS 1.2 in OpenSSL's notation. Empty: OpenSSL's default."},
    {.name = "tls.ciphersuites",
        .type = CONF_STRING,
        .def = "",
        AT(ciphersuites),
        .prose = "Cipher suites for TLS 1.3. Empty: OpenSSL's default."},
    {.name = "tls.ocsp_response",
        .type = CONF_PATH,
        .def = "",
        .flags = CONF_READABLE,
        AT(ocsp_response),
        .prose = "File with an OCSP response (DER) for the certificate, sent to clients that ask "
                 "for it. It must be for that certificate and signed by its issuer, whose "
                 "certificate must be in the chain. An outdated response is not sent."},
    {.name = "tls.ticket_time",
        .type = CONF_DURATION,
        .def = "1h",
        .max = 86400000,
        AT(ticket_time),
        .prose = "How long a key for session tickets is used; with a ticket a client resumes a "
                 "session without a full handshake. Tickets are accepted for one such period more. "
                 "0: sessions are not resumed."},
    {.name = "tls.client_certificate",
        .type = CONF_ENUM,
        .def = "off",
        .words = client_words,
        .when = CONF_RESTART,
        AT(client_certificate),
        .prose = "Whether clients are asked for a certificate, unless the listener says otherwise. "
                 "`request`: a client without a trusted certificate may still connect, but must "
                 "log in another way. `require`: other clients are refused."},
    {.name = "tls.client_ca",
        .type = CONF_PATH,
        .def = "",
        .flags = CONF_READABLE,
        AT(client_ca),
        .prose = "PEM file with trusted certificates: of CAs, to verify those of clients, or of "
                 "individual clients."},
    {.name = "tls.client_crl",
        .type = CONF_PATH,
        .def = "",
        .flags = CONF_READABLE,
        AT(client_crl),
        .prose =
            "PEM file with the revocation lists of those CAs. If set, each CA needs a valid list, "
            "otherwise none of its certificates is trusted. Empty: revocation is not checked."},
};
#undef AT

static void
check_tls_settings(const void *settings, const struct conf_report *r)
{
	const struct tls_settings *s = settings;

	if (s->client_certificate != TLS_CLIENT_OFF && s->client_ca.n == 0)
		conf_report(r, "tls.client_certificate tls.client_ca",
		    "tls.client_ca is needed to verify client certificates");
	if (s->client_crl.n > 0 && s->client_ca.n == 0)
		conf_report(r, "tls.client_crl tls.client_ca", "needs tls.client_ca");
	if (s->ocsp_response.n > 0 && s->certificate.n == 0)
		conf_report(r, "tls.ocsp_response tls.certificate", "needs tls.certificate");
	if (s->key.n > 0 && s->certificate.n == 0)
		conf_report(r, "tls.key tls.certificate", "needs tls.certificate");
	if (s->ticket_time > 0 && s->ticket_time < 60000)
		conf_report(r, "tls.ticket_time", "must be 0 or at least a minute");
}

const struct conf_table tls_conf = {.name = "tls",
    .prose = "Certificates. `turnstone reload` and SIGHUP read them again.",
    .opts = tls_opts,
    .n = sizeof(tls_opts) / sizeof(*tls_opts),
    .struct_size = sizeof(struct tls_settings),
    .check = check_tls_settings};

#define AT(field) .offset = offsetof(struct certificate_settings, field)
static const struct conf_opt certificate_opts[] = {
    {.name = "names",
        .type = CONF_LIST,
        .min = 1,
        .max = 1000,
        .flags = CONF_REQUIRED,
        AT(names),
        .prose = "The host names it is for; `*.example.com` stands for exactly one more label."},
    {.name = "certificate",
        .type = CONF_PATH,
        .flags = CONF_READABLE | CONF_REQUIRED,
        AT(certificate),
        .prose = "PEM file with the certificate and its chain."},
    {.name = "key",
        .type = CONF_PATH,
        .def = "",
        .flags = CONF_READABLE,
        AT(key),
        .prose = "PEM file with its private key. Empty: the key is in the certificate's file."},
    {.name = "ocsp_response",
        .type = CONF_PATH,
        .def = "",
        .flags = CONF_READABLE,
        AT(ocsp_response),
        .prose = "As `tls.ocsp_response`, for this certificate."},
};
#undef AT

static void
check_certificate_names(const void *settings, const struct conf_report *r)
{
	const struct certificate_settings *s = settings;

	for (size_t i = 0; i < s->names.n; i++)
		if (!tls_name_ok(s->names.items[i]))
			conf_report_item(
			    r, "names", i, "is not a host name, or *. and the name of a domain");
}

const struct conf_table certificate_conf = {.name = "certificate",
    .prose = "Additional certificates of the server, shown to clients that ask for one of their "
             "names (SNI): `certificate NAME { ... }`. An exact name takes precedence over a `*`. "
             "All other clients see `tls.certificate`.",
    .opts = certificate_opts,
    .n = sizeof(certificate_opts) / sizeof(*certificate_opts),
    .struct_size = sizeof(struct certificate_settings),
    .check = check_certificate_names,
    .block = true};

static const char *const from_words[] = {"none", "san_email", "cn", NULL};

#define AT(field) .offset = offsetof(struct certificate_map_settings, field)
static const struct conf_opt certificate_map_opts[] = {
    {.name = "subject",
        .type = CONF_STRING,
        .def = "",
        .max = 4096,
        AT(subject),
        .prose = "The subject, as RFC 4514 writes it: `CN=gateway,O=Example`. `openssl x509 -noout "
                 "-subject -nameopt RFC2253` shows it."},
    {.name = "issuer",
        .type = CONF_STRING,
        .def = "",
        .max = 4096,
        AT(issuer),
        .prose = "The name of the issuing CA, written likewise. With several CAs in "
                 "`tls.client_ca`, set it to say which CA may vouch for whom."},
    {.name = "san_email",
        .type = CONF_STRING,
        .def = "",
        .max = 512,
        AT(san_email),
        .prose = "An e-mail address in the certificate: `anna@example.com`, or `*@example.com` for "
                 "any at that host."},
    {.name = "san_uri",
        .type = CONF_STRING,
        .def = "",
        .max = 2048,
        AT(san_uri),
        .prose = "A URI in the certificate: `spiffe://example.com/gateway`; a `*` at the end "
                 "stands for exactly one segment of the path."},
    {.name = "fingerprint",
        .type = CONF_STRING,
        .def = "",
        .max = 128,
        AT(fingerprint),
        .prose = "`sha256:` and the SHA-256 of the certificate in hex digits: exactly this "
                 "certificate."},
    {.name = "user",
        .type = CONF_STRING,
        .def = "",
        .max = 512,
        AT(user),
        .prose = "The user that the certificate identifies."},
    {.name = "user_from",
        .type = CONF_ENUM,
        .def = "none",
        .words = from_words,
        AT(user_from),
        .prose = "Instead of `user`: where in the certificate the name is. `san_email`: the "
                 "matching address; `cn`: the common name of the subject."},
};
#undef AT

static void
check_map_settings(const void *settings, const struct conf_report *r)
{
	const struct certificate_map_settings *s = settings;

	if (s->subject.n == 0 && s->issuer.n == 0 && s->san_email.n == 0 && s->san_uri.n == 0 &&
	    s->fingerprint.n == 0)
		conf_report(r, "subject issuer san_email san_uri fingerprint",
		    "a condition is needed: subject, issuer, san_email, san_uri or fingerprint");
	if (s->user_from == CERTMAP_FIXED && s->user.n == 0)
		conf_report(r, "user_from user", "either a user or user_from is needed");
	if (s->user_from != CERTMAP_FIXED && s->user.n > 0)
		conf_report(r, "user_from user", "either a user or user_from is needed, not both");
	if (s->user_from == CERTMAP_SAN_EMAIL && s->san_email.n == 0)
		conf_report(r, "user_from san_email", "user_from = san_email needs a san_email");
}

const struct conf_table certificate_map_conf = {.name = "certificate_map",
    .prose =
        "Which user a client's certificate identifies: any number of `certificate_map NAME { ... "
        "}` blocks, of which the first whose conditions all hold decides. A certificate that "
        "matches none gives no access. The blocks are consulted at each EXTERNAL and PREAUTH.",
    .opts = certificate_map_opts,
    .n = sizeof(certificate_map_opts) / sizeof(*certificate_map_opts),
    .struct_size = sizeof(struct certificate_map_settings),
    .check = check_map_settings,
    .block = true};

/* ---- contexts ---- */

static const char *
or_null(struct str s)
{
	return s.n == 0 ? NULL : s.p;
}

static const char *
map_option(enum certmap_part part)
{
	static const char *const names[] = {
	    [CERTMAP_PART_NONE] = "subject",
	    [CERTMAP_PART_SUBJECT] = "subject",
	    [CERTMAP_PART_ISSUER] = "issuer",
	    [CERTMAP_PART_SAN_EMAIL] = "san_email",
	    [CERTMAP_PART_SAN_URI] = "san_uri",
	    [CERTMAP_PART_FINGERPRINT] = "fingerprint",
	    [CERTMAP_PART_USER] = "user",
	};

	return names[part];
}

/* Replaces an invalid part that was reported, so that further faults show. */
static void
set_right(struct certmap_rule *rule, enum certmap_part part)
{
	struct str *const parts[] = {
	    [CERTMAP_PART_SUBJECT] = &rule->subject,
	    [CERTMAP_PART_ISSUER] = &rule->issuer,
	    [CERTMAP_PART_SAN_EMAIL] = &rule->san_email,
	    [CERTMAP_PART_SAN_URI] = &rule->san_uri,
	    [CERTMAP_PART_FINGERPRINT] = &rule->fingerprint,
	};

	if (part == CERTMAP_PART_NONE) {
		rule->subject = STR("CN=x");
	} else if (part == CERTMAP_PART_USER) {
		rule->from = CERTMAP_FIXED;
		rule->user = STR("x");
	} else {
		*parts[part] = STR_NONE;
		if (part == CERTMAP_PART_SAN_EMAIL && rule->from == CERTMAP_SAN_EMAIL)
			set_right(rule, CERTMAP_PART_USER);
	}
}

static void
put_map_fault(const struct certmap_rule *rule, const struct certmap_fault *fault, struct buf *out)
{
	const struct str given[] = {
	    [CERTMAP_PART_NONE] = STR_NONE,
	    [CERTMAP_PART_SUBJECT] = rule->subject,
	    [CERTMAP_PART_ISSUER] = rule->issuer,
	    [CERTMAP_PART_SAN_EMAIL] = rule->san_email,
	    [CERTMAP_PART_SAN_URI] = rule->san_uri,
	    [CERTMAP_PART_FINGERPRINT] = rule->fingerprint,
	    [CERTMAP_PART_USER] = rule->user,
	};

	if (given[fault->part].n > 0)
		buf_printf(out, ": %.*s", STR_ARG(given[fault->part]));
	buf_printf(out, ": %s\n", fault->why);
}

/* Whether check_map_settings() has reported it. */
static bool
is_told(const struct certmap_rule *rule, enum certmap_part part)
{
	return part == CERTMAP_PART_NONE ||
	       (part == CERTMAP_PART_USER &&
	           ((rule->from == CERTMAP_FIXED) != (rule->user.n > 0) ||
	               (rule->from == CERTMAP_SAN_EMAIL && rule->san_email.n == 0)));
}

/* False: why has a line for each invalid part. */
static bool
check_rule(const struct conf *conf, const struct certificate_map_settings *s,
    const struct certmap_rule *given, struct buf *why)
{
	struct certmap_rule rule = *given;
	struct certmap_fault fault;
	struct certmap *map;
	bool ok = true;

	while ((map = certmap_new(&rule, 1, settings_default_domain(conf), &fault)) == NULL) {
		if (!is_told(&rule, fault.part) && conf_blame(conf, s, map_option(fault.part), why))
			put_map_fault(&rule, &fault, why);
		set_right(&rule, fault.part);
		ok = false;
	}
	certmap_free(&map);
	return ok;
}

/* NULL: why has a line for each invalid rule. */
static struct certmap *
make_map(const struct conf *conf, struct buf *why)
{
	struct conf_blocks blocks = conf_blocks(conf, &certificate_map_conf);
	struct certmap_rule *rules = mem_zalloc((blocks.n + 1) * sizeof(*rules));
	struct certmap_fault fault;
	struct certmap *map = NULL;
	bool ok = true;

	for (size_t i = 0; i < blocks.n; i++) {
		const struct certificate_map_settings *s = blocks.p[i].settings;

		rules[i] = (struct certmap_rule){.name = blocks.p[i].name,
		    .subject = s->subject,
		    .issuer = s->issuer,
		    .san_email = s->san_email,
		    .san_uri = s->san_uri,
		    .fingerprint = s->fingerprint,
		    .user = s->user,
		    .from = (enum certmap_from)s->user_from};
		ok &= check_rule(conf, s, &rules[i], why);
	}
	if (ok)
		map = certmap_new(rules, blocks.n, settings_default_domain(conf), &fault);
	mem_free(rules);
	return map;
}

struct tls_faults {
	const struct conf *conf;
	struct buf *out, *warnings; /* warnings may be NULL */
};

static void
put(const struct conf *conf, const struct tls_fault *fault, struct str text, struct buf *out)
{
	static const char *const names[] = {
	    [TLS_PART_VERSION] = "tls.min_version",
	    [TLS_PART_CIPHERS] = "tls.ciphers",
	    [TLS_PART_CIPHERSUITES] = "tls.ciphersuites",
	    [TLS_PART_CERT] = "tls.certificate",
	    [TLS_PART_KEY] = "tls.key",
	    [TLS_PART_OCSP] = "tls.ocsp_response",
	    [TLS_PART_NAMES] = "tls.names", /* only in blocks */
	    [TLS_PART_CLIENT_CA] = "tls.client_ca",
	    [TLS_PART_CLIENT_CRL] = "tls.client_crl",
	};
	struct conf_blocks blocks = conf_blocks(conf, &certificate_conf);
	const void *settings =
	    fault->named > 0 ? blocks.p[fault->named - 1].settings : conf_get(conf, &tls_conf);
	size_t section = fault->named > 0 ? strlen("tls.") : 0;
	const char *name = names[fault->part] + section;
	bool told;

	/* A key that no option names is read from the certificate's file. */
	if (fault->part == TLS_PART_KEY && !conf_given(conf, settings, name))
		name = names[TLS_PART_CERT] + section;
	told = conf_blame(conf, settings, name, out);
	if (told)
		buf_printf(out, ": %.*s\n", STR_ARG(text));
}

static void
tell_tls_fault(void *arg, const struct tls_fault *fault, struct str text)
{
	const struct tls_faults *f = arg;

	/* The check of the table has reported faults in names. */
	if (fault->part != TLS_PART_NAMES)
		put(f->conf, fault, text, f->out);
}

static void
tell_warning(void *arg, const struct tls_fault *fault, struct str text)
{
	const struct tls_faults *f = arg;

	if (f->warnings != NULL)
		put(f->conf, fault, text, f->warnings);
}

static struct tls_named *
named_of(struct conf_blocks blocks)
{
	struct tls_named *named = mem_zalloc((blocks.n + 1) * sizeof(*named));

	for (size_t i = 0; i < blocks.n; i++) {
		const struct certificate_settings *s = blocks.p[i].settings;

		named[i] = (struct tls_named){.names = s->names.items,
		    .name_count = s->names.n,
		    .cert_file = or_null(s->certificate),
		    .key_file = or_null(s->key),
		    .ocsp_file = or_null(s->ocsp_response)};
	}
	return named;
}

enum ts_err
settings_make_tls(const struct conf *conf, const struct settings_tls_how *how, struct buf *why,
    struct tls_ctx **ctx_r)
{
	const struct tls_settings *s = conf_get(conf, &tls_conf);
	struct conf_blocks blocks = conf_blocks(conf, &certificate_conf);
	struct tls_named *named = named_of(blocks);
	struct tls_faults faults = {conf, why, how->warnings};
	struct buf text = {0};
	struct tls_options opt = {.cert_file = or_null(s->certificate),
	    .key_file = or_null(s->key),
	    .ocsp_file = or_null(s->ocsp_response),
	    .min_version = version_words[s->min_version],
	    .ciphers = or_null(s->ciphers),
	    .ciphersuites = or_null(s->ciphersuites),
	    .named = named,
	    .named_count = blocks.n,
	    .client_ca = or_null(s->client_ca),
	    .client_crl = or_null(s->client_crl),
	    .map = make_map(conf, why),
	    .tickets = how->tickets,
	    .ticket_ms = s->ticket_time,
	    .expired = how->expired,
	    .on_fault = tell_tls_fault,
	    .on_warning = tell_warning,
	    .fault_arg = &faults};
	enum ts_err err = TS_INVALID;

	*ctx_r = NULL;
	if (opt.cert_file == NULL && how->cert_file != NULL) {
		opt.cert_file = how->cert_file;
		opt.key_file = how->key_file;
	}
	if (tls_ctx_new(&opt, &text, ctx_r) == TS_OK && opt.map != NULL)
		err = TS_OK;
	if (err != TS_OK)
		tls_ctx_free(ctx_r);
	certmap_free(&opt.map);
	mem_free(named);
	buf_fini(&text);
	return err;
}

/* ---- one certificate for a name ---- */

struct shown { /* a name, and where it is configured */
	struct str name;
	size_t block, item;
};

static int
by_name(const void *a, const void *b)
{
	const struct shown *x = a, *y = b;
	int c = str_icmp(x->name, y->name);

	if (c == 0)
		c = x->block != y->block ? (x->block < y->block ? -1 : 1)
		                         : (x->item > y->item) - (x->item < y->item);
	return c;
}

static void
check_doubled(const struct conf *conf, const struct shown *first, const struct shown *second,
    struct buf *faults)
{
	struct conf_blocks blocks = conf_blocks(conf, &certificate_conf);
	struct buf where = {0};

	conf_blame_block(conf, blocks.p[first->block].settings, &where);
	if (conf_blame_item(conf, blocks.p[second->block].settings, "names", second->item, faults))
		buf_printf(faults, ": is listed already, by %s\n", buf_cstr(&where));
	buf_fini(&where);
}

static void
check_names_once(const struct conf *conf, struct buf *faults)
{
	struct conf_blocks blocks = conf_blocks(conf, &certificate_conf);
	struct buf all = {0};
	const struct shown *list;
	size_t n, first = 0;

	for (size_t i = 0; i < blocks.n; i++) {
		const struct certificate_settings *s = blocks.p[i].settings;

		for (size_t j = 0; j < s->names.n; j++) {
			struct shown one = {s->names.items[j], i, j};

			buf_put(&all, &one, sizeof(one));
		}
	}
	n = all.n / sizeof(*list);
	list = (const struct shown *)(const void *)all.p;
	if (n > 0)
		qsort(all.p, n, sizeof(*list), by_name);
	for (size_t i = 1; i < n; i++)
		if (str_ieq(list[first].name, list[i].name))
			check_doubled(conf, &list[first], &list[i], faults);
		else
			first = i;
	buf_fini(&all);
}

void
settings_check_tls(const struct conf *conf, bool starting, struct buf *faults, struct buf *warnings)
{
	struct settings_tls_how how = {.expired = starting, .warnings = warnings};
	struct tls_ctx *ctx;

	if (settings_make_tls(conf, &how, faults, &ctx) == TS_OK)
		tls_ctx_free(&ctx);
	check_names_once(conf, faults);
}
