/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_NET_CERTS_H
#define TEST_NET_CERTS_H
/* Certificates and revocation lists for tests; names as in RFC 4514. */
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

struct test_cert {
	EVP_PKEY *key;
	X509 *cert;
};

struct test_cert_spec {
	const char *subject;
	const struct test_cert *issuer; /* NULL: self-signed */
	int64_t from, until;            /* until 0: both around now */
	bool ca;
	const char *usage; /* "clientAuth" (NULL), … */
	const char
	    *alt; /* in the form of OpenSSL's configuration: "email:a@b,URI:x:y"; NULL: none */
};

void test_cert_make(const struct test_cert_spec *spec, struct test_cert *cert_r);
void test_cert_free(struct test_cert *cert);
/* revoked NULL: an empty list.  update: thisUpdate, next: nextUpdate. */
X509_CRL *test_crl_make(
    const struct test_cert *ca, const X509 *revoked, int64_t update, int64_t next);
/* Writes PEM; NULLs are skipped. */
void test_pem_write(const char *path, X509 *a, X509 *b, X509_CRL *crl, EVP_PKEY *key);
#endif
