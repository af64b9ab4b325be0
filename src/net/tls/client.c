/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Client certificates in a handshake, and sessions of clients that showed one.
 *
 * If a certificate is requested, the handshake accepts any: the connection goes
 * on, and the certificate is judged when it is to let somebody in (peer.h),
 * with words for the log.  If one is required, the handshake ends with the
 * alert that says what is wrong (RFC 8446 section 6.2).
 *
 * A session ticket holds the client's certificate but none of those that came
 * with it, and without them a chain may be impossible to build; so they go into
 * the ticket as application data.
 */
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/tls/peer_int.h"
#include "net/tls/tls_int.h"

enum {
	CHAIN_MAX = 8 * 1024, /* most bytes of a chain in a ticket */
	CHAIN_DEPTH = 10,
};

static bool
is_required(const SSL *ssl)
{
	return (SSL_get_verify_mode(ssl) & SSL_VERIFY_FAIL_IF_NO_PEER_CERT) != 0;
}

/* ---- the chain in a ticket: for each certificate its length in four bytes, and its DER */

static void
put_chain(STACK_OF(X509) * chain, struct buf *out)
{
	for (int i = 0; i < sk_X509_num(chain) && i < CHAIN_DEPTH; i++) {
		size_t before = out->n;
		unsigned char *der = NULL;
		int n = i2d_X509(sk_X509_value(chain, i), &der);

		if (n > 0) {
			buf_be32(out, (uint32_t)n);
			buf_put(out, der, (size_t)n);
		}
		OPENSSL_free(der);
		if (out->n > CHAIN_MAX) {
			out->n = before;
			return;
		}
	}
}

static STACK_OF(X509) * take_chain(struct str in)
{
	STACK_OF(X509) *chain = NULL;
	struct rd r = rd_of(in);

	while (rd_left(&r) > 0) {
		struct str der = rd_bytes(&r, rd_be32(&r));
		const unsigned char *p = (const unsigned char *)der.p;
		X509 *cert = r.bad ? NULL : d2i_X509(NULL, &p, (long)der.n);

		if (cert == NULL)
			break;
		if (chain == NULL)
			chain = sk_X509_new_null();
		if (chain == NULL || sk_X509_push(chain, cert) <= 0) {
			X509_free(cert);
			break;
		}
	}
	ERR_clear_error();
	return chain;
}

static STACK_OF(X509) * chain_of_session(SSL_SESSION *session)
{
	void *data = NULL;
	size_t n = 0;

	if (session == NULL || SSL_SESSION_get0_ticket_appdata(session, &data, &n) != 1 || n == 0)
		return NULL;
	return take_chain((struct str){data, n});
}

/* Called when a ticket is made. */
static int
fill_ticket(SSL *ssl, void *arg)
{
	STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);
	struct buf data = {0};
	int ok = 1;

	(void)arg;
	/* A ticket made from another has no chain of its own: the old ticket's stays. */
	if (chain == NULL)
		return 1;
	put_chain(chain, &data);
	if (data.n > 0)
		ok = SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), data.p, data.n);
	buf_fini(&data);
	return ok;
}

/*
 * Called when a ticket comes back.  If a certificate is required, an untrusted one resumes nothing:
 * the handshake is then done in full, and refuses it.
 */
static SSL_TICKET_RETURN
judge_ticket(SSL *ssl, SSL_SESSION *session, const unsigned char *name, size_t n,
    SSL_TICKET_STATUS status, void *arg)
{
	const struct tls_trust *trust = tls_ctx_trust(arg);
	struct tls_verdict v = {.code = X509_V_OK};
	STACK_OF(X509) * chain;
	X509 *cert;

	(void)name;
	(void)n;
	if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	cert = SSL_SESSION_get0_peer(session);
	if (is_required(ssl) && cert != NULL && trust != NULL) {
		chain = chain_of_session(session);
		tls_trust_verify(trust, cert, chain, clock_wall_s(), &v);
		sk_X509_pop_free(chain, X509_free);
	}
	if (v.code != X509_V_OK)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

/* ---- the handshake */

/* Keeps the reason for the log of the connection's owner, who knows whose it was. */
static void
note_refusal(const SSL *ssl, const struct buf *text)
{
	char **refusal = SSL_get_app_data(ssl);

	if (refusal == NULL)
		return;
	mem_free(*refusal);
	*refusal = mem_zalloc(text->n + 1);
	memcpy(*refusal, text->p, text->n);
}

static void
refused(const SSL *ssl, X509 *cert, const char *why)
{
	struct buf text = {0};

	buf_printf(&text, "the client's certificate is not believed: %s (subject '", why);
	certmap_name_print(X509_get_subject_name(cert), &text);
	buf_puts(&text, "', issuer '");
	certmap_name_print(X509_get_issuer_name(cert), &text);
	buf_puts(&text, "', ");
	certmap_fingerprint(cert, &text);
	buf_putc(&text, ')');
	note_refusal(ssl, &text);
	buf_fini(&text);
}

static int
on_certificate(X509_STORE_CTX *x, void *arg)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(x, SSL_get_ex_data_X509_STORE_CTX_idx());
	const struct tls_trust *trust = tls_ctx_trust(arg);
	X509 *cert = X509_STORE_CTX_get0_cert(x);
	struct tls_verdict v = {.code = X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY};

	X509_STORE_CTX_set_error(x, X509_V_OK);
	if (!is_required(ssl))
		return 1;
	if (trust != NULL)
		tls_trust_verify(trust, cert, X509_STORE_CTX_get0_untrusted(x), clock_wall_s(), &v);
	if (v.code == X509_V_OK)
		return 1;
	refused(ssl, cert, X509_verify_cert_error_string(v.code));
	X509_STORE_CTX_set_error(x, v.code);
	return 0;
}

bool
tls_client_refused(const SSL *ssl)
{
	unsigned long e = ERR_peek_last_error();
	struct buf text = {0};

	if (!is_required(ssl) || ERR_GET_LIB(e) != ERR_LIB_SSL)
		return false;
	if (ERR_GET_REASON(e) == SSL_R_CERTIFICATE_VERIFY_FAILED)
		return true; /* on_certificate() has noted why */
	if (ERR_GET_REASON(e) != SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
		return false;
	buf_puts(&text, "the client showed no certificate");
	note_refusal(ssl, &text);
	buf_fini(&text);
	return true;
}

void
tls_client_setup(SSL_CTX *ssl, struct tls_ctx *ctx)
{
	const struct tls_trust *trust = tls_ctx_trust(ctx);
	STACK_OF(X509) *anchors = trust != NULL ? tls_trust_anchors(trust) : NULL;

	SSL_CTX_set_cert_verify_callback(ssl, on_certificate, ctx);
	(void)SSL_CTX_set_session_ticket_cb(ssl, fill_ticket, judge_ticket, ctx);
	for (int i = 0; i < sk_X509_num(anchors); i++)
		(void)SSL_CTX_add_client_CA(ssl, sk_X509_value(anchors, i));
}

void
tls_client_begin(SSL *ssl, const struct tls_terms *terms, char **refusal)
{
	int mode = SSL_VERIFY_NONE;

	(void)SSL_set_app_data(ssl, refusal);
	if (terms == NULL)
		return;
	if (terms->client != TLS_CLIENT_OFF)
		mode = SSL_VERIFY_PEER;
	if (terms->client == TLS_CLIENT_REQUIRE)
		mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	SSL_set_verify(ssl, mode, NULL);
	/* A session that began elsewhere must not resume here (RFC 8446 section 4.6.1). */
	(void)SSL_set_session_id_context(ssl, terms->context, sizeof(terms->context));
}

struct tls_peer *
tls_peer_new(SSL *ssl)
{
	X509 *cert = SSL_get1_peer_certificate(ssl);
	STACK_OF(X509) * chain;

	if (cert == NULL)
		return NULL;
	chain = SSL_get_peer_cert_chain(ssl);
	chain = chain != NULL ? X509_chain_up_ref(chain) : chain_of_session(SSL_get_session(ssl));
	return tls_peer_make(cert, chain);
}
