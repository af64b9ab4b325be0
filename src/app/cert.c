/* SPDX-License-Identifier: Apache-2.0 */
/* Making a CA and a certificate with OpenSSL (RFC 5280, P-256). */
#include "app/cert.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"

#define YEARS(n) ((long)(n)*365 * 24 * 3600)

static bool
add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;
	bool ok;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ok = ext != NULL && X509_add_ext(cert, ext, -1) == 1;
	X509_EXTENSION_free(ext);
	return ok;
}

static bool
set_serial(X509 *cert)
{
	unsigned char bytes[16];
	BIGNUM *bn;
	bool ok;

	/* RFC 5280 4.1.2.2: positive, at most 20 bytes. */
	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return false;
	bytes[0] &= 0x7f;
	bytes[0] |= 0x40;
	bn = BN_bin2bn(bytes, sizeof(bytes), NULL);
	ok = bn != NULL && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(cert)) != NULL;
	BN_free(bn);
	return ok;
}

/* issuer NULL: signs itself. */
static X509 *
make(const char *name, EVP_PKEY *key, X509 *issuer, EVP_PKEY *signer, const char *alt)
{
	X509 *cert = X509_new();
	X509_NAME *subject;
	bool ok = cert != NULL && X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
	          X509_gmtime_adj(X509_getm_notBefore(cert), -3600) != NULL &&
	          X509_gmtime_adj(X509_getm_notAfter(cert), YEARS(2)) != NULL &&
	          X509_set_pubkey(cert, key) == 1;

	if (!ok)
		goto fail;
	subject = X509_get_subject_name(cert);
	ok = X509_NAME_add_entry_by_txt(
	         subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0) == 1 &&
	     X509_set_issuer_name(cert, issuer != NULL ? X509_get_subject_name(issuer) : subject) ==
	         1;
	if (issuer == NULL)
		issuer = cert;
	ok = ok && add_extension(cert, issuer, NID_subject_key_identifier, "hash");
	if (alt == NULL)
		ok = ok && add_extension(cert, issuer, NID_basic_constraints, "critical,CA:TRUE") &&
		     add_extension(cert, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
	else
		ok = ok &&
		     add_extension(cert, issuer, NID_authority_key_identifier, "keyid:always") &&
		     add_extension(cert, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
		     add_extension(cert, issuer, NID_key_usage, "critical,digitalSignature") &&
		     add_extension(cert, issuer, NID_ext_key_usage, "serverAuth") &&
		     add_extension(cert, issuer, NID_subject_alt_name, alt);
	if (ok && X509_sign(cert, signer, EVP_sha256()) > 0)
		return cert;
fail:
	X509_free(cert);
	return NULL;
}

/* One PEM file; in place of nothing or of an old one. */
static bool
put_pem(const char *folder, const char *name, mode_t mode, X509 *first, X509 *second, EVP_PKEY *key,
    struct buf *why)
{
	struct buf path = {0};
	FILE *f = NULL;
	bool ok;
	int fd;

	buf_printf(&path, "%s/%s", folder, name);
	fd = open(buf_cstr(&path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	if (fd >= 0)
		f = fdopen(fd, "w");
	ok = f != NULL && (first == NULL || PEM_write_X509(f, first) == 1) &&
	     (second == NULL || PEM_write_X509(f, second) == 1) &&
	     (key == NULL || PEM_write_PKCS8PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1);
	if (f != NULL && fclose(f) != 0)
		ok = false;
	if (!ok)
		buf_printf(why, "cannot write %s: %s", buf_cstr(&path), strerror(errno));
	buf_fini(&path);
	return ok;
}

static bool
have(const char *folder, const char *name)
{
	struct buf path = {0};
	bool there;

	buf_printf(&path, "%s/%s", folder, name);
	there = access(buf_cstr(&path), F_OK) == 0;
	buf_fini(&path);
	return there;
}

static void
alternatives(struct buf *out)
{
	char host[256] = "";

	buf_puts(out, "DNS:localhost,IP:127.0.0.1,IP:::1");
	if (gethostname(host, sizeof(host) - 1) != 0 || strcmp(host, "localhost") == 0)
		return;
	for (const char *p = host; *p != '\0'; p++)
		if (strchr("abcdefghijklmnopqrstuvwxyz0123456789.-",
		        ascii_lower((unsigned char)*p)) == NULL)
			return;
	if (host[0] != '\0')
		buf_printf(out, ",DNS:%s", host);
}

bool
cert_make(const char *folder, struct buf *why)
{
	EVP_PKEY *ca_key, *key;
	X509 *ca = NULL, *cert = NULL;
	struct buf alt = {0};
	bool ok;

	if (have(folder, "cert.pem") && have(folder, "key.pem"))
		return true;
	if (mkdir(folder, 0755) != 0 && errno != EEXIST) {
		buf_printf(why, "cannot make the folder %s: %s", folder, strerror(errno));
		return false;
	}
	alternatives(&alt);
	ca_key = EVP_EC_gen("P-256");
	key = EVP_EC_gen("P-256");
	if (ca_key != NULL && key != NULL)
		ca = make("Turnstone CA of this site", ca_key, NULL, ca_key, NULL);
	if (ca != NULL)
		cert = make("localhost", key, ca, ca_key, buf_cstr(&alt));
	if (cert == NULL)
		buf_printf(
		    why, "cannot make a certificate: %s", ERR_reason_error_string(ERR_get_error()));
	ok = cert != NULL && put_pem(folder, "ca.pem", 0644, ca, NULL, NULL, why) &&
	     put_pem(folder, "key.pem", 0600, NULL, NULL, key, why) &&
	     put_pem(folder, "cert.pem", 0644, cert, ca, NULL, why);
	X509_free(ca);
	X509_free(cert);
	EVP_PKEY_free(ca_key);
	EVP_PKEY_free(key);
	buf_fini(&alt);
	return ok;
}
