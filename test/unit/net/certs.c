/* SPDX-License-Identifier: Apache-2.0 */
#include "certs.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "net/tls/certmap.h"

static void
must(bool ok)
{
	TS_ASSERT(ok);
}

static void
extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	must(ext != NULL && X509_add_ext(cert, ext, -1) == 1);
	X509_EXTENSION_free(ext);
}

void
test_cert_make(const struct test_cert_spec *spec, struct test_cert *r)
{
	static long serial = 1;
	const char *why;
	X509_NAME *name = certmap_name_parse(str_of(spec->subject), &why);
	X509 *issuer;
	int64_t now = (int64_t)time(NULL);

	must(name != NULL);
	r->key = EVP_EC_gen("P-256");
	r->cert = X509_new();
	issuer = spec->issuer != NULL ? spec->issuer->cert : r->cert;
	must(X509_set_version(r->cert, X509_VERSION_3) == 1);
	must(ASN1_INTEGER_set(X509_get_serialNumber(r->cert), serial++) == 1);
	must(ASN1_TIME_set(X509_getm_notBefore(r->cert),
	         (time_t)(spec->until != 0 ? spec->from : now - 3600)) != NULL);
	must(ASN1_TIME_set(X509_getm_notAfter(r->cert),
	         (time_t)(spec->until != 0 ? spec->until : now + 3600)) != NULL);
	must(X509_set_pubkey(r->cert, r->key) == 1);
	must(X509_set_subject_name(r->cert, name) == 1);
	must(X509_set_issuer_name(r->cert, X509_get_subject_name(issuer)) == 1);
	if (spec->ca) {
		extend(r->cert, issuer, NID_basic_constraints, "critical,CA:TRUE");
		extend(r->cert, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
	} else {
		extend(r->cert, issuer, NID_basic_constraints, "critical,CA:FALSE");
		extend(r->cert, issuer, NID_ext_key_usage,
		    spec->usage != NULL ? spec->usage : "clientAuth");
	}
	if (spec->alt != NULL)
		extend(r->cert, issuer, NID_subject_alt_name, spec->alt);
	must(X509_sign(r->cert, spec->issuer != NULL ? spec->issuer->key : r->key, EVP_sha256()) >
	     0);
	X509_NAME_free(name);
}

void
test_cert_free(struct test_cert *cert)
{
	X509_free(cert->cert);
	EVP_PKEY_free(cert->key);
	memset(cert, 0, sizeof(*cert));
}

X509_CRL *
test_crl_make(const struct test_cert *ca, const X509 *revoked, int64_t update, int64_t next)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *t = ASN1_TIME_set(NULL, (time_t)update);

	must(crl != NULL && t != NULL && X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
	     X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca->cert)) == 1 &&
	     X509_CRL_set1_lastUpdate(crl, t) == 1);
	if (revoked != NULL) {
		X509_REVOKED *r = X509_REVOKED_new();

		must(X509_REVOKED_set_serialNumber(
		         r, (ASN1_INTEGER *)(uintptr_t)X509_get0_serialNumber(revoked)) == 1 &&
		     X509_REVOKED_set_revocationDate(r, t) == 1 &&
		     X509_CRL_add0_revoked(crl, r) == 1);
	}
	must(ASN1_TIME_set(t, (time_t)next) != NULL && X509_CRL_set1_nextUpdate(crl, t) == 1 &&
	     X509_CRL_sign(crl, ca->key, EVP_sha256()) > 0);
	ASN1_TIME_free(t);
	return crl;
}

void
test_pem_write(const char *path, X509 *a, X509 *b, X509_CRL *crl, EVP_PKEY *key)
{
	FILE *f = fopen(path, "we");

	must(f != NULL && (a == NULL || PEM_write_X509(f, a) == 1) &&
	     (b == NULL || PEM_write_X509(f, b) == 1) &&
	     (crl == NULL || PEM_write_X509_CRL(f, crl) == 1) &&
	     (key == NULL || PEM_write_PKCS8PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1));
	must(fclose(f) == 0);
}
