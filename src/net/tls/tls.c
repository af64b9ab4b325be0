/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS contexts, see tls.h.  An idle connection must be small: buffers are
 * given back between records, sessions are not cached here: they travel in
 * tickets.
 */
#include "net/tls/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <pthread.h>

#include "base/clock.h"
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
	uint64_t generation; /* likewise; 0: never set */
};

const char *
tls_why(void)
{
	unsigned long code = ERR_get_error();
	const char *reason = NULL;

	if (code != 0)
		reason = ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code))
		                                : ERR_reason_error_string(code);
	ERR_clear_error();
	return reason != NULL ? reason : "no reason given";
}

/* What is being made, and where its faults go. */
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

/* A key with a passphrase is an error, not a question on the terminal. */
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
	/* One read(2) for what is there, not two for each record. */
	SSL_CTX_set_read_ahead(ssl, 1);
	SSL_CTX_set_default_passwd_cb(ssl, no_passphrase);
}

/* ---- a certificate of ours */

/* They are the same for all certificates. */
static enum ts_err
check_protocol(struct making *m, SSL_CTX *ssl)
{
	const struct tls_options *o = m->o;
	enum ts_err err = TS_OK;

	if (!set_min_version(ssl, o->min_version))
		err = complain(m, TLS_PART_VERSION, "TLS version",
		    o->min_version != NULL ? o->min_version : "1.2");
	if (o->ciphers != NULL && SSL_CTX_set_cipher_list(ssl, o->ciphers) != 1)
		err = complain(m, TLS_PART_CIPHERS, "TLS ciphers", o->ciphers);
	if (o->ciphersuites != NULL && SSL_CTX_set_ciphersuites(ssl, o->ciphersuites) != 1)
		err = complain(m, TLS_PART_CIPHERSUITES, "TLS cipher suites", o->ciphersuites);
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
	return TS_INVALID; /* told with the first */
}

/* ---- what a file holds, in words for who keeps it */

enum pem_found { PEM_NOTHING, PEM_FOUND, PEM_LOCKED, PEM_UNREADABLE /* errno */ };

static bool
ends_in(const char *name, const char *end)
{
	size_t n = strlen(name), e = strlen(end);

	return n >= e && strcmp(name + n - e, end) == 0;
}

/* Is there a block of that kind?  LOCKED: with a passphrase. */
static enum pem_found
pem_look(const char *file, const char *kind)
{
	enum pem_found found = PEM_NOTHING;
	char *name = NULL, *header = NULL;
	unsigned char *data = NULL;
	long n;
	FILE *f = fopen(file, "re");

	if (f == NULL)
		return PEM_UNREADABLE;
	while (found == PEM_NOTHING && PEM_read(f, &name, &header, &data, &n) == 1) {
		if (ends_in(name, kind))
			found =
			    strstr(name, "ENCRYPTED") != NULL || strstr(header, "ENCRYPTED") != NULL
			        ? PEM_LOCKED
			        : PEM_FOUND;
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_clear_free(data, (size_t)n);
	}
	(void)fclose(f);
	return found;
}

/* what: "certificate", "private key".  OpenSSL's reason is taken where it says more. */
static enum ts_err
file_fault(struct making *m, enum tls_part part, const char *what, const char *kind,
    const char *file, const char *more)
{
	const char *reason = tls_why();
	enum pem_found found = pem_look(file, kind);
	struct buf text = {0};
	enum ts_err err;

	if (found == PEM_UNREADABLE)
		buf_printf(&text, "cannot read %s: %s", file, strerrordesc_np(errno));
	else if (found == PEM_NOTHING)
		buf_printf(&text, "%s holds no %s (PEM)", file, what);
	else if (found == PEM_LOCKED)
		buf_printf(&text,
		    "the %s in %s has a passphrase, which nobody can type here: store it without "
		    "one",
		    what, file);
	else
		buf_printf(&text, "the %s in %s cannot be used: %s", what, file, reason);
	ERR_clear_error();
	buf_puts(&text, more);
	err = complain_text(m, part, &text);
	buf_fini(&text);
	return err;
}

/* Clients judge it themselves; who looks at the configuration wants to know. */
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
	if (text.n > 0 && !m->o->expired) {
		err = complain_text(m, TLS_PART_CERT, &text);
	} else if (text.n > 0 && m->o->warnings != NULL) {
		buf_str(m->o->warnings, buf_as_str(&text));
		buf_putc(m->o->warnings, '\n');
	}
	buf_fini(&text);
	return err;
}

/* Does the key fit?  OpenSSL looks when it takes it, too. */
static bool
is_mismatch(void)
{
	unsigned long code = ERR_peek_error();

	return ERR_GET_LIB(code) == ERR_LIB_X509 &&
	       (ERR_GET_REASON(code) == X509_R_KEY_VALUES_MISMATCH ||
	           ERR_GET_REASON(code) == X509_R_KEY_TYPE_MISMATCH);
}

static enum ts_err
set_key(struct making *m, SSL_CTX *ssl, const char *cert, const char *key)
{
	struct buf text = {0};
	enum ts_err err;

	ERR_clear_error();
	if (SSL_CTX_use_PrivateKey_file(ssl, key != NULL ? key : cert, SSL_FILETYPE_PEM) == 1 &&
	    SSL_CTX_check_private_key(ssl) == 1)
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
	enum ts_err err;

	if (cert == NULL)
		return TS_OK;
	if (SSL_CTX_use_certificate_chain_file(ssl, cert) != 1)
		return file_fault(m, TLS_PART_CERT, "certificate", "CERTIFICATE", cert, "");
	err = set_key(m, ssl, cert, key);
	if (err != TS_OK)
		return err;
	return check_dates(m, SSL_CTX_get0_certificate(ssl), cert);
}

static enum ts_err
set_staple(struct making *m, struct own *own, const char *file)
{
	struct buf why = {0};
	enum ts_err err = TS_OK;

	if (file == NULL)
		return TS_OK;
	own->staple = tls_staple_new(file, own->ssl, m->now, &why, m->o->warnings);
	if (own->staple == NULL)
		err = complain_text(m, TLS_PART_OCSP, &why);
	buf_fini(&why);
	(void)SSL_CTX_set_tlsext_status_cb(own->ssl, tls_staple_send);
	(void)SSL_CTX_set_tlsext_status_arg(own->ssl, own->staple);
	return err;
}

/* ---- names that clients ask for */

static bool
is_host(struct str name)
{
	if (str_has_prefix(name, STR("*."))) {
		name.p += 2;
		name.n -= 2;
	}
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = ascii_lower((unsigned char)name.p[i]);

		if (c == '\0' || strchr("abcdefghijklmnopqrstuvwxyz0123456789-._", c) == NULL)
			return false;
	}
	return name.n > 0 && name.n <= HOST_MAX && name.p[0] != '.';
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
		if (!is_host(name)) {
			text.n = 0;
			buf_printf(&text, "%.*s: is not a host name", STR_ARG(name));
			err = complain_text(m, TLS_PART_NAMES, &text);
		}
	}
	buf_fini(&text);
	return err;
}

/* A wildcard is for exactly one label (RFC 6125 section 6.4.3). */
static bool
name_fits(struct str pattern, struct str host)
{
	const char *dot = str_chr(host, '.');

	if (str_eq(pattern, host))
		return true;
	return str_has_prefix(pattern, STR("*.")) && dot != NULL && dot != host.p &&
	       str_eq((struct str){pattern.p + 1, pattern.n - 1}, str_range(dot, host.p + host.n));
}

static int
on_server_name(SSL *ssl, int *alert, void *arg)
{
	const struct tls_ctx *ctx = arg;
	struct str asked = str_of(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
	char lower[HOST_MAX];

	(void)alert;
	if (asked.n == 0 || asked.n > sizeof(lower))
		return SSL_TLSEXT_ERR_NOACK;
	for (size_t c = 0; c < asked.n; c++)
		lower[c] = (char)ascii_lower((unsigned char)asked.p[c]);
	asked.p = lower;
	for (size_t i = 1; i < ctx->count; i++)
		for (size_t n = 0; n < ctx->own[i].name_count; n++)
			if (name_fits(ctx->own[i].names[n], asked)) {
				(void)SSL_set_SSL_CTX(ssl, ctx->own[i].ssl);
				return SSL_TLSEXT_ERR_OK;
			}
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
	/* All that is wrong is told. */
	err = set_protocol(m, ssl);
	also = set_names(m, own, named);
	err = err == TS_OK ? also : err;
	also = set_certificate(m, ssl, named->cert_file, named->key_file);
	if (also == TS_OK)
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
	enum tls_trust_file file;
	struct buf why = {0};
	enum ts_err err = TS_OK;

	if (m->o->client_ca == NULL)
		return TS_OK;
	m->ctx->trust =
	    tls_trust_new(m->o->client_ca, m->o->client_crl, m->now, &why, &file, m->o->warnings);
	if (m->ctx->trust == NULL)
		err = complain_text(
		    m, file == TLS_TRUST_CA ? TLS_PART_CLIENT_CA : TLS_PART_CLIENT_CRL, &why);
	buf_fini(&why);
	return err;
}

static enum ts_err
make(struct making *m)
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
	err = make(&m);
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
