/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS contexts, see tls.h.  Idle connections must be small: buffers are
 * released between records, and sessions are not cached here, but travel in
 * tickets.
 */
#include "net/tls/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/host.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/tls/tls_int.h"

enum { HOST_MAX = 253 };

struct own { /* a certificate of ours */
	SSL_CTX *ssl;
	struct tls_staple *staple; /* may be NULL */
	struct str *names;         /* lower case, copied */
	size_t name_count;
};

struct tls_ctx {
	size_t refs;     /* atomic */
	struct own *own; /* the first is for all names that no other has */
	size_t count;
	struct tls_trust *trust; /* may be NULL */
	struct certmap *map;     /* may be NULL */
};

struct tls_slot {
	pthread_mutex_t lock;
	struct tls_ctx *ctx; /* written under the lock, atomically */
	uint64_t generation; /* the same; 0: never set */
};

/* A context being made, and where its faults go. */
struct making {
	const struct tls_options *o;
	struct buf *why;
	struct tls_ctx *ctx;
	size_t named; /* see struct tls_fault */
	size_t faults;
	int64_t now;
};

static enum ts_err
complain_text(struct making *m, enum tls_part part, const struct buf *text)
{
	struct tls_fault fault = {part, m->named};

	if (m->o->on_fault != NULL)
		m->o->on_fault(m->o->fault_arg, &fault, buf_as_str(text));
	if (m->faults++ > 0)
		return TS_INVALID;
	if (m->o->fault != NULL)
		*m->o->fault = fault;
	if (m->why == NULL)
		return TS_FAIL(TS_INVALID, "%.*s", STR_ARG(buf_as_str(text)));
	buf_str(m->why, buf_as_str(text));
	return TS_INVALID;
}

/* Reports what is not right, but no reason to refuse. */
static void
warn(struct making *m, enum tls_part part, struct str text)
{
	struct tls_fault fault = {part, m->named};

	if (m->o->on_warning != NULL)
		m->o->on_warning(m->o->fault_arg, &fault, text);
	if (m->o->warnings != NULL) {
		buf_str(m->o->warnings, text);
		buf_putc(m->o->warnings, '\n');
	}
}

static void
warn_lines(struct making *m, enum tls_part part, struct buf *lines)
{
	struct str rest = buf_as_str(lines), line;

	while (str_split(&rest, '\n', &line))
		if (line.n > 0)
			warn(m, part, line);
	buf_fini(lines);
}

static enum ts_err
complain(struct making *m, enum tls_part part, const char *what, const char *name)
{
	struct buf text = {0};
	enum ts_err err;

	buf_printf(&text, "%s %s: %s", what, name, tls_why());
	err = complain_text(m, part, &text);
	buf_fini(&text);
	return err;
}

/* A key with a passphrase is an error, not a prompt on the terminal. */
static int
no_passphrase(char *p, int size, int writing, void *arg)
{
	(void)p;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

static bool
set_min_version(SSL_CTX *ssl, const char *name)
{
	if (name == NULL || strcmp(name, "1.2") == 0 || strcmp(name, "TLSv1.2") == 0)
		return SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) == 1;
	if (strcmp(name, "1.3") == 0 || strcmp(name, "TLSv1.3") == 0)
		return SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION) == 1;
	ERR_raise_data(ERR_LIB_USER, ERR_R_PASSED_INVALID_ARGUMENT, "version");
	return false;
}

static void
set_modes(SSL_CTX *ssl)
{
	(void)SSL_CTX_set_options(ssl,
	    SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
	        SSL_OP_PRIORITIZE_CHACHA | SSL_OP_CLEANSE_PLAINTEXT | SSL_OP_IGNORE_UNEXPECTED_EOF);
	(void)SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
	                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_AUTO_RETRY);
	(void)SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	(void)SSL_CTX_set_session_id_context(ssl, (const unsigned char *)"turnstone", 9);
	(void)SSL_CTX_set_dh_auto(ssl, 1);
	/* One read(2) for what is available, not two for each record. */
	SSL_CTX_set_read_ahead(ssl, 1);
	SSL_CTX_set_default_passwd_cb(ssl, no_passphrase);
}

/* ---- a certificate of ours */

/* The same for all certificates. */
static enum ts_err
check_protocol(struct making *m, SSL_CTX *ssl)
{
	const struct tls_options *o = m->o;
	struct buf why = {0}, lines = {0};
	enum ts_err err = TS_OK;

	if (!set_min_version(ssl, o->min_version))
		err = complain(m, TLS_PART_VERSION, "TLS version",
		    o->min_version != NULL ? o->min_version : "1.2");
	if (o->ciphers != NULL && SSL_CTX_set_cipher_list(ssl, o->ciphers) != 1)
		err = complain(m, TLS_PART_CIPHERS, "TLS ciphers", o->ciphers);
	else if (o->ciphers != NULL)
		tls_ciphers_look(o->ciphers, &lines);
	warn_lines(m, TLS_PART_CIPHERS, &lines);
	if (o->ciphersuites != NULL && !tls_suites_ok(o->ciphersuites, &why))
		err = complain_text(m, TLS_PART_CIPHERSUITES, &why);
	else if (o->ciphersuites != NULL && SSL_CTX_set_ciphersuites(ssl, o->ciphersuites) != 1)
		err = complain(m, TLS_PART_CIPHERSUITES, "TLS cipher suites", o->ciphersuites);
	buf_fini(&why);
	return err;
}

static enum ts_err
set_protocol(struct making *m, SSL_CTX *ssl)
{
	const struct tls_options *o = m->o;

	set_modes(ssl);
	if (m->named == 0)
		return check_protocol(m, ssl);
	if (set_min_version(ssl, o->min_version) &&
	    (o->ciphers == NULL || SSL_CTX_set_cipher_list(ssl, o->ciphers) == 1) &&
	    (o->ciphersuites == NULL || SSL_CTX_set_ciphersuites(ssl, o->ciphersuites) == 1))
		return TS_OK;
	ERR_clear_error();
	return TS_INVALID; /* reported with the first */
}

/* what: "certificate", "private key". */
static enum ts_err
file_fault(struct making *m, enum tls_part part, const char *what, const char *kind,
    const char *file, const char *more)
{
	struct buf text = {0};
	enum ts_err err;

	tls_pem_fault(file, what, kind, &text);
	buf_puts(&text, more);
	err = complain_text(m, part, &text);
	buf_fini(&text);
	return err;
}

/* Clients judge it themselves, but administrators want to know. */
static enum ts_err
check_dates(struct making *m, const X509 *cert, const char *file)
{
	struct buf text = {0};
	int64_t from = 0, end = INT64_MAX;
	enum ts_err err = TS_OK;

	(void)tls_time(X509_get0_notBefore(cert), &from);
	(void)tls_time(X509_get0_notAfter(cert), &end);
	if (m->now > end)
		buf_printf(&text, "certificate %s: it has expired", file);
	else if (m->now < from)
		buf_printf(&text, "certificate %s: it is not valid yet", file);
	if (text.n > 0 && !m->o->expired)
		err = complain_text(m, TLS_PART_CERT, &text);
	else if (text.n > 0)
		warn(m, TLS_PART_CERT, buf_as_str(&text));
	buf_fini(&text);
	return err;
}

/* Returns whether the key does not fit.  OpenSSL also checks that when it takes the key. */
static bool
is_mismatch(void)
{
	unsigned long code = ERR_peek_error();

	return ERR_GET_LIB(code) == ERR_LIB_X509 &&
	       (ERR_GET_REASON(code) == X509_R_KEY_VALUES_MISMATCH ||
	           ERR_GET_REASON(code) == X509_R_KEY_TYPE_MISMATCH);
}

/* alone: there is no certificate that it could fit. */
static enum ts_err
set_key(struct making *m, SSL_CTX *ssl, const char *cert, const char *key, bool alone)
{
	struct buf text = {0};
	enum ts_err err;

	ERR_clear_error();
	if (SSL_CTX_use_PrivateKey_file(ssl, key != NULL ? key : cert, SSL_FILETYPE_PEM) == 1 &&
	    (alone || SSL_CTX_check_private_key(ssl) == 1))
		return TS_OK;
	if (!is_mismatch())
		return file_fault(m, TLS_PART_KEY, "private key", "PRIVATE KEY",
		    key != NULL ? key : cert,
		    key != NULL
		        ? ""
		        : "; it is looked for in the certificate's file where no other is set");
	buf_printf(&text, "the private key in %s does not belong to the certificate in %s",
	    key != NULL ? key : cert, cert);
	ERR_clear_error();
	err = complain_text(m, TLS_PART_KEY, &text);
	buf_fini(&text);
	return err;
}

static enum ts_err
set_certificate(struct making *m, SSL_CTX *ssl, const char *cert, const char *key)
{
	enum ts_err err, also;

	if (cert == NULL && key == NULL)
		return TS_OK;
	if (cert == NULL)
		return set_key(m, ssl, cert, key, true);
	if (SSL_CTX_use_certificate_chain_file(ssl, cert) != 1) {
		err = file_fault(m, TLS_PART_CERT, "certificate", "CERTIFICATE", cert, "");
		/* A key in the same file is only looked for if there is a certificate. */
		if (key != NULL)
			(void)set_key(m, ssl, cert, key, true);
		return err;
	}
	err = check_dates(m, SSL_CTX_get0_certificate(ssl), cert);
	also = set_key(m, ssl, cert, key, false);
	return err == TS_OK ? also : err;
}

static enum ts_err
set_staple(struct making *m, struct own *own, const char *file)
{
	struct buf why = {0}, lines = {0};
	enum ts_err err = TS_OK;

	if (file == NULL)
		return TS_OK;
	own->staple = tls_staple_new(file, own->ssl, m->now, &why, &lines);
	if (own->staple == NULL)
		err = complain_text(m, TLS_PART_OCSP, &why);
	warn_lines(m, TLS_PART_OCSP, &lines);
	buf_fini(&why);
	(void)SSL_CTX_set_tlsext_status_cb(own->ssl, tls_staple_send);
	(void)SSL_CTX_set_tlsext_status_arg(own->ssl, own->staple);
	return err;
}

/* ---- names that clients ask for */

bool
tls_name_ok(struct str name)
{
	if (str_has_prefix(name, STR("*.")))
		name = (struct str){name.p + 2, name.n - 2};
	return host_name_ok(name, false);
}

static enum ts_err
set_names(struct making *m, struct own *own, const struct tls_named *named)
{
	struct buf text = {0};
	enum ts_err err = TS_OK;

	own->names = mem_zalloc((named->name_count + 1) * sizeof(*own->names));
	for (size_t i = 0; i < named->name_count; i++) {
		struct str name = named->names[i];
		char *copy = mem_dup(name.n > 0 ? name.p : "", name.n + 1);

		for (size_t c = 0; c < name.n; c++)
			copy[c] = (char)ascii_lower((unsigned char)copy[c]);
		own->names[own->name_count++] = (struct str){copy, name.n};
		if (!tls_name_ok(name)) {
			text.n = 0;
			buf_printf(&text, "%.*s: is not a host name", STR_ARG(name));
			err = complain_text(m, TLS_PART_NAMES, &text);
		}
	}
	buf_fini(&text);
	return err;
}

/* Clients compare the name they asked for with the certificate. */
static void
look_at_names(struct making *m, const struct own *own, const char *file)
{
	X509 *cert = SSL_CTX_get0_certificate(own->ssl);
	struct buf host = {0}, text = {0};

	for (size_t i = 0; cert != NULL && i < own->name_count; i++) {
		struct str name = own->names[i];

		host.n = text.n = 0;
		if (str_has_prefix(name, STR("*.")))
			buf_printf(&host, "x%.*s", (int)name.n - 1, name.p + 1);
		else
			buf_str(&host, name);
		if (!tls_name_ok(name) || X509_check_host(cert, host.p, host.n, 0, NULL) == 1)
			continue;
		buf_printf(&text,
		    "%.*s: the certificate in %s is for other names: clients refuse it",
		    STR_ARG(name), file);
		warn(m, TLS_PART_NAMES, buf_as_str(&text));
	}
	buf_fini(&host);
	buf_fini(&text);
}

/* A wildcard is for exactly one label (RFC 6125 section 6.4.3). */
static bool
wildcard_fits(struct str pattern, struct str host)
{
	const char *dot = str_chr(host, '.');

	return str_has_prefix(pattern, STR("*.")) && dot != NULL && dot != host.p &&
	       str_eq((struct str){pattern.p + 1, pattern.n - 1}, str_range(dot, host.p + host.n));
}

/* An exact name takes precedence over a wildcard, whichever comes first.  NULL: none fits. */
static const struct own *
own_for(const struct tls_ctx *ctx, struct str host)
{
	const struct own *wild = NULL;

	for (size_t i = 1; i < ctx->count; i++)
		for (size_t n = 0; n < ctx->own[i].name_count; n++) {
			if (str_eq(ctx->own[i].names[n], host))
				return &ctx->own[i];
			if (wild == NULL && wildcard_fits(ctx->own[i].names[n], host))
				wild = &ctx->own[i];
		}
	return wild;
}

static int
on_server_name(SSL *ssl, int *alert, void *arg)
{
	const struct tls_ctx *ctx = arg;
	struct str asked = str_of(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
	const struct own *own;
	char lower[HOST_MAX];

	(void)alert;
	if (asked.n == 0 || asked.n > sizeof(lower))
		return SSL_TLSEXT_ERR_NOACK;
	for (size_t c = 0; c < asked.n; c++)
		lower[c] = (char)ascii_lower((unsigned char)asked.p[c]);
	asked.p = lower;
	own = own_for(ctx, asked);
	if (own != NULL)
		(void)SSL_set_SSL_CTX(ssl, own->ssl);
	return SSL_TLSEXT_ERR_OK;
}

/* ---- the whole */

static enum ts_err
make_own(struct making *m, struct own *own, const struct tls_named *named)
{
	SSL_CTX *ssl = own->ssl = SSL_CTX_new(TLS_server_method());
	enum ts_err err, also;

	if (ssl == NULL)
		return complain(m, TLS_PART_CERT, "TLS", "library");
	/* Report everything that is wrong. */
	err = set_protocol(m, ssl);
	also = set_names(m, own, named);
	err = err == TS_OK ? also : err;
	also = set_certificate(m, ssl, named->cert_file, named->key_file);
	err = err == TS_OK ? also : err;
	look_at_names(m, own, named->cert_file);
	also = set_staple(m, own, named->ocsp_file);
	err = err == TS_OK ? also : err;
	if (err != TS_OK)
		return err;
	tls_client_setup(ssl, m->ctx);
	tls_tickets_setup(ssl, m->o->tickets, m->o->ticket_ms);
	return TS_OK;
}

static enum ts_err
make_trust(struct making *m)
{
	struct tls_trust_files files = {
	    .ca = {.name = m->o->client_ca}, .crl = {.name = m->o->client_crl}};
	enum ts_err err = TS_OK;

	m->ctx->trust = tls_trust_new(&files, m->now);
	if (files.ca.why.n > 0)
		err = complain_text(m, TLS_PART_CLIENT_CA, &files.ca.why);
	if (files.crl.why.n > 0)
		err = complain_text(m, TLS_PART_CLIENT_CRL, &files.crl.why);
	warn_lines(m, TLS_PART_CLIENT_CA, &files.ca.warnings);
	warn_lines(m, TLS_PART_CLIENT_CRL, &files.crl.warnings);
	buf_fini(&files.ca.why);
	buf_fini(&files.crl.why);
	return err;
}

static enum ts_err
make_ctx(struct making *m)
{
	const struct tls_options *o = m->o;
	const struct tls_named first = {
	    .cert_file = o->cert_file, .key_file = o->key_file, .ocsp_file = o->ocsp_file};
	enum ts_err err = make_trust(m);

	for (size_t i = 0; i < m->ctx->count; i++) {
		enum ts_err also;

		m->named = i;
		also = make_own(m, &m->ctx->own[i], i == 0 ? &first : &o->named[i - 1]);
		err = err == TS_OK ? also : err;
	}
	if (err != TS_OK || m->ctx->count == 1)
		return err;
	(void)SSL_CTX_set_tlsext_servername_callback(m->ctx->own[0].ssl, on_server_name);
	(void)SSL_CTX_set_tlsext_servername_arg(m->ctx->own[0].ssl, m->ctx);
	return TS_OK;
}

enum ts_err
tls_ctx_new(const struct tls_options *options, struct buf *why, struct tls_ctx **ctx_r)
{
	struct tls_ctx *ctx = mem_zalloc(sizeof(*ctx));
	struct making m = {.o = options, .why = why, .ctx = ctx, .now = clock_wall_s()};
	enum ts_err err;

	ERR_clear_error();
	ctx->refs = 1;
	ctx->count = 1 + options->named_count;
	ctx->own = mem_zalloc(ctx->count * sizeof(*ctx->own));
	if (options->map != NULL)
		ctx->map = certmap_ref(options->map);
	err = make_ctx(&m);
	if (err != TS_OK)
		tls_ctx_free(&ctx);
	*ctx_r = ctx;
	return err;
}

struct tls_ctx *
tls_ctx_ref(struct tls_ctx *ctx)
{
	(void)__atomic_add_fetch(&ctx->refs, 1, __ATOMIC_RELAXED);
	return ctx;
}

void
tls_ctx_free(struct tls_ctx **ctx)
{
	struct tls_ctx *c = *ctx;

	*ctx = NULL;
	if (c == NULL || __atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	for (size_t i = 0; i < c->count; i++) {
		SSL_CTX_free(c->own[i].ssl);
		tls_staple_free(&c->own[i].staple);
		for (size_t n = 0; n < c->own[i].name_count; n++)
			mem_free((void *)(uintptr_t)c->own[i].names[n].p);
		mem_free(c->own[i].names);
	}
	mem_free(c->own);
	tls_trust_free(&c->trust);
	certmap_free(&c->map);
	mem_free(c);
}

const struct tls_trust *
tls_ctx_trust(const struct tls_ctx *ctx)
{
	return ctx->trust;
}

const struct certmap *
tls_ctx_map(const struct tls_ctx *ctx)
{
	return ctx->map;
}

struct tls_slot *
tls_slot_new(void)
{
	struct tls_slot *slot = mem_zalloc(sizeof(*slot));

	(void)pthread_mutex_init(&slot->lock, NULL);
	return slot;
}

void
tls_slot_free(struct tls_slot **slot)
{
	struct tls_slot *s = *slot;

	*slot = NULL;
	if (s == NULL)
		return;
	tls_ctx_free(&s->ctx);
	(void)pthread_mutex_destroy(&s->lock);
	mem_free(s);
}

void
tls_slot_set(struct tls_slot *slot, struct tls_ctx *ctx)
{
	struct tls_ctx *old;

	if (ctx != NULL)
		(void)tls_ctx_ref(ctx);
	(void)pthread_mutex_lock(&slot->lock);
	old = slot->ctx;
	__atomic_store_n(&slot->ctx, ctx, __ATOMIC_RELAXED);
	__atomic_store_n(&slot->generation, slot->generation + 1, __ATOMIC_RELEASE);
	(void)pthread_mutex_unlock(&slot->lock);
	tls_ctx_free(&old);
}

struct tls_ctx *
tls_slot_get(struct tls_slot *slot)
{
	struct tls_ctx *ctx;

	(void)pthread_mutex_lock(&slot->lock);
	ctx = slot->ctx != NULL ? tls_ctx_ref(slot->ctx) : NULL;
	(void)pthread_mutex_unlock(&slot->lock);
	return ctx;
}

bool
tls_slot_filled(const struct tls_slot *slot)
{
	return __atomic_load_n(&slot->ctx, __ATOMIC_RELAXED) != NULL;
}

uint64_t
tls_slot_generation(const struct tls_slot *slot)
{
	return __atomic_load_n(&slot->generation, __ATOMIC_ACQUIRE);
}

SSL *
tls_ssl_new(struct tls_ctx *ctx, int fd, const struct tls_terms *terms, char **refusal)
{
	SSL *ssl = SSL_new(ctx->own[0].ssl);

	if (ssl != NULL && SSL_set_fd(ssl, fd) != 1) {
		SSL_free(ssl);
		return NULL;
	}
	if (ssl != NULL) {
		SSL_set_accept_state(ssl);
		tls_client_begin(ssl, terms, refusal);
	}
	return ssl;
}
