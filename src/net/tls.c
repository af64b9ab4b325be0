/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS contexts, see tls.h.  An idle connection must be small: buffers are
 * given back between records, sessions are not cached.
 */
#include "net/tls.h"

#include <openssl/err.h>
#include <pthread.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/tls_int.h"

struct tls_ctx {
	SSL_CTX *ssl;
	size_t refs; /* atomic */
};

struct tls_slot {
	pthread_mutex_t lock;
	struct tls_ctx *ctx; /* written under the lock, atomically */
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

static enum ts_err
complain(struct buf *why, const char *what, const char *name)
{
	const char *reason = tls_why();

	if (why == NULL)
		return TS_FAIL(TS_INVALID, "%s %s: %s", what, name, reason);
	buf_printf(why, "%s %s: %s", what, name, reason);
	return TS_INVALID;
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
	(void)SSL_CTX_set_num_tickets(ssl, 1);
	(void)SSL_CTX_set_dh_auto(ssl, 1);
	/* One read(2) for what is there, not two for each record. */
	SSL_CTX_set_read_ahead(ssl, 1);
	SSL_CTX_set_default_passwd_cb(ssl, no_passphrase);
}

static enum ts_err
configure(SSL_CTX *ssl, const struct tls_options *o, struct buf *why)
{
	const char *key = o->key_file != NULL ? o->key_file : o->cert_file;

	set_modes(ssl);
	if (!set_min_version(ssl, o->min_version))
		return complain(
		    why, "TLS version", o->min_version != NULL ? o->min_version : "1.2");
	if (o->ciphers != NULL && SSL_CTX_set_cipher_list(ssl, o->ciphers) != 1)
		return complain(why, "TLS ciphers", o->ciphers);
	if (o->ciphersuites != NULL && SSL_CTX_set_ciphersuites(ssl, o->ciphersuites) != 1)
		return complain(why, "TLS cipher suites", o->ciphersuites);
	if (SSL_CTX_use_certificate_chain_file(ssl, o->cert_file) != 1)
		return complain(why, "certificate", o->cert_file);
	if (SSL_CTX_use_PrivateKey_file(ssl, key, SSL_FILETYPE_PEM) != 1)
		return complain(why, "key", key);
	if (SSL_CTX_check_private_key(ssl) != 1)
		return complain(why, "key", key);
	return TS_OK;
}

enum ts_err
tls_ctx_new(const struct tls_options *options, struct buf *why, struct tls_ctx **ctx_r)
{
	SSL_CTX *ssl;
	enum ts_err err;

	*ctx_r = NULL;
	ERR_clear_error();
	ssl = SSL_CTX_new(TLS_server_method());
	if (ssl == NULL)
		return complain(why, "TLS", "library");
	err = configure(ssl, options, why);
	if (err != TS_OK) {
		SSL_CTX_free(ssl);
		return err;
	}
	*ctx_r = mem_zalloc(sizeof(**ctx_r));
	**ctx_r = (struct tls_ctx){.ssl = ssl, .refs = 1};
	return TS_OK;
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
	SSL_CTX_free(c->ssl);
	mem_free(c);
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

SSL *
tls_ssl_new(struct tls_ctx *ctx, int fd)
{
	SSL *ssl = SSL_new(ctx->ssl);

	if (ssl != NULL && SSL_set_fd(ssl, fd) != 1) {
		SSL_free(ssl);
		return NULL;
	}
	if (ssl != NULL)
		SSL_set_accept_state(ssl);
	return ssl;
}
