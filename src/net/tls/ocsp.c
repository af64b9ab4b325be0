/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An OCSP response for our own certificate, sent with it (RFC 6066 section 8,
 * RFC 6960).  Another program fetches it and puts it into a file; it is checked
 * once when read, and its end each time it is sent.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/tls/tls_int.h"

enum { RESPONSE_MAX = 64 * 1024, SKEW = 300 /* seconds that clocks may differ */ };

struct tls_staple {
	int64_t from, until; /* until: not included */
	size_t n;
	unsigned char der[];
};

static OCSP_RESPONSE *
read_response(const char *file, unsigned char *der, size_t *n_r, struct buf *why)
{
	const unsigned char *p = der;
	OCSP_RESPONSE *response = NULL;
	FILE *f = fopen(file, "re");

	if (f == NULL) {
		buf_printf(why, "%s: %s", file, strerror(errno));
		return NULL;
	}
	*n_r = fread(der, 1, RESPONSE_MAX, f);
	if (*n_r > 0 && *n_r < RESPONSE_MAX)
		response = d2i_OCSP_RESPONSE(NULL, &p, (long)*n_r);
	(void)fclose(f);
	if (response == NULL)
		buf_printf(why, "%s holds no OCSP response (DER)", file);
	return response;
}

/* Finds the CA that signed the certificate, in the chain that we send. */
static X509 *
issuer_of(X509 *cert, STACK_OF(X509) * chain)
{
	for (int i = 0; i < sk_X509_num(chain); i++)
		if (X509_check_issued(sk_X509_value(chain, i), cert) == X509_V_OK)
			return sk_X509_value(chain, i);
	return X509_check_issued(cert, cert) == X509_V_OK ? cert : NULL;
}

/* Signed by that CA, or by a responder it delegated to (RFC 6960 section 4.2.2.2). */
static bool
signed_by(OCSP_BASICRESP *basic, X509 *issuer, STACK_OF(X509) * chain)
{
	X509_STORE *store = X509_STORE_new();
	bool ok = store != NULL && X509_STORE_add_cert(store, issuer) == 1 &&
	          X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) == 1 &&
	          OCSP_basic_verify(basic, chain, store, 0) == 1;

	X509_STORE_free(store);
	return ok;
}

/* Gets its period of validity.  Returns NULL, or what is wrong with it. */
static const char *
check_response(OCSP_BASICRESP *basic, X509 *cert, STACK_OF(X509) * chain, struct tls_staple *staple)
{
	X509 *issuer = issuer_of(cert, chain);
	ASN1_GENERALIZEDTIME *from = NULL, *until = NULL;
	OCSP_CERTID *id;
	int status = -1, found;

	if (issuer == NULL)
		return "the issuer of the certificate is needed in its chain to check it";
	id = OCSP_cert_to_id(NULL, cert, issuer);
	found =
	    id != NULL ? OCSP_resp_find_status(basic, id, &status, NULL, NULL, &from, &until) : 0;
	OCSP_CERTID_free(id);
	if (found != 1)
		return "it is not about the certificate beside it";
	if (!signed_by(basic, issuer, chain))
		return "it is not signed by the certificate's issuer";
	if (status == V_OCSP_CERTSTATUS_REVOKED)
		return "it says that the certificate was revoked";
	if (!tls_time(from, &staple->from) || (until != NULL && !tls_time(until, &staple->until)))
		return "its times are not readable";
	return NULL;
}

struct tls_staple *
tls_staple_new(const char *file, SSL_CTX *ssl, int64_t now, struct buf *why, struct buf *warnings)
{
	struct tls_staple *staple = mem_zalloc(sizeof(*staple) + RESPONSE_MAX);
	STACK_OF(X509) *chain = NULL;
	OCSP_BASICRESP *basic = NULL;
	OCSP_RESPONSE *response = read_response(file, staple->der, &staple->n, why);
	const char *fault = NULL;

	/* A response without an end is good until there is a newer one. */
	staple->until = INT64_MAX;
	(void)SSL_CTX_get0_chain_certs(ssl, &chain);
	if (response != NULL && OCSP_response_status(response) != OCSP_RESPONSE_STATUS_SUCCESSFUL)
		fault = "the responder had no answer";
	else if (response != NULL && (basic = OCSP_response_get1_basic(response)) == NULL)
		fault = "it is of a kind that is not known";
	else if (response != NULL && SSL_CTX_get0_certificate(ssl) != NULL)
		fault = check_response(basic, SSL_CTX_get0_certificate(ssl), chain, staple);
	if (fault != NULL)
		buf_printf(why, "%s: the OCSP response: %s", file, fault);
	else if (response != NULL && (now >= staple->until || now + SKEW < staple->from))
		buf_printf(warnings,
		    "the OCSP response in %s is out of date: it is not sent until there is a newer "
		    "one and the server reads it\n",
		    file);
	if (response == NULL || fault != NULL)
		tls_staple_free(&staple);
	else
		staple = mem_realloc(staple, sizeof(*staple) + staple->n);
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(response);
	ERR_clear_error();
	return staple;
}

void
tls_staple_free(struct tls_staple **staple)
{
	mem_free(*staple);
	*staple = NULL;
}

int
tls_staple_send(SSL *ssl, void *arg)
{
	const struct tls_staple *staple = arg;
	int64_t now = clock_wall_s();
	unsigned char *copy;

	if (staple == NULL || now >= staple->until || now + SKEW < staple->from)
		return SSL_TLSEXT_ERR_NOACK;
	copy = OPENSSL_memdup(staple->der, staple->n);
	if (copy == NULL)
		return SSL_TLSEXT_ERR_NOACK;
	(void)SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)staple->n);
	return SSL_TLSEXT_ERR_OK;
}
