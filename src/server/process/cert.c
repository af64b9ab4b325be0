/* SPDX-License-Identifier: Apache-2.0 */
/* Makes a CA and a certificate with OpenSSL (RFC 5280, P-256). */
#include "server/process/cert.h"

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
#include <time.h>
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

enum use { USE_CA, USE_SERVER, USE_CLIENT };

static bool
set_extensions(X509 *cert, X509 *issuer, enum use use, const char *alt)
{
	if (!add_extension(cert, issuer, NID_subject_key_identifier, "hash"))
		return false;
	if (use == USE_CA)
		return add_extension(cert, issuer, NID_basic_constraints, "critical,CA:TRUE") &&
		       add_extension(cert, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
	return add_extension(cert, issuer, NID_authority_key_identifier, "keyid:always") &&
	       add_extension(cert, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
	       add_extension(cert, issuer, NID_key_usage, "critical,digitalSignature") &&
	       add_extension(cert, issuer, NID_ext_key_usage,
	           use == USE_SERVER ? "serverAuth" : "clientAuth") &&
	       add_extension(cert, issuer, NID_subject_alt_name, alt);
}

struct pair {
	EVP_PKEY *key;
	X509 *cert;
};

static void
pair_free(struct pair *p)
{
	X509_free(p->cert);
	EVP_PKEY_free(p->key);
}

/* ca NULL: self-signed.  False: the caller must free p all the same. */
static bool
make_cert(const char *name, const struct pair *ca, enum use use, const char *alt, struct pair *p)
{
	X509 *cert = p->cert = X509_new(), *issuer = ca != NULL ? ca->cert : cert;
	X509_NAME *subject;

	p->key = EVP_EC_gen("P-256");
	if (cert == NULL || p->key == NULL || X509_set_version(cert, X509_VERSION_3) != 1 ||
	    !set_serial(cert) || X509_gmtime_adj(X509_getm_notBefore(cert), -3600) == NULL ||
	    X509_gmtime_adj(X509_getm_notAfter(cert), YEARS(2)) == NULL ||
	    X509_set_pubkey(cert, p->key) != 1)
		return false;
	subject = X509_get_subject_name(cert);
	return X509_NAME_add_entry_by_txt(
	           subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0) == 1 &&
	       X509_set_issuer_name(cert, X509_get_subject_name(issuer)) == 1 &&
	       set_extensions(cert, issuer, use, alt) &&
	       X509_sign(cert, ca != NULL ? ca->key : p->key, EVP_sha256()) > 0;
}

/* Writes a PEM file, which may replace an old one. */
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
file_is_there(const char *folder, const char *name)
{
	struct buf path = {0};
	bool there;

	buf_printf(&path, "%s/%s", folder, name);
	there = access(buf_cstr(&path), F_OK) == 0;
	buf_fini(&path);
	return there;
}

/* Whether the certificate exists and will still be valid tomorrow. */
static bool
have_cert(const char *folder, const char *name)
{
	struct buf path = {0};
	X509 *cert = NULL;
	FILE *f;
	time_t tomorrow = time(NULL) + 24 * 3600;
	bool good;

	buf_printf(&path, "%s/%s", folder, name);
	f = fopen(buf_cstr(&path), "re");
	if (f != NULL) {
		cert = PEM_read_X509(f, NULL, NULL, NULL);
		(void)fclose(f);
	}
	good = cert != NULL && X509_cmp_time(X509_get0_notAfter(cert), &tomorrow) > 0;
	X509_free(cert);
	ERR_clear_error();
	buf_fini(&path);
	return good;
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

static bool
make_folder(const char *folder, struct buf *why)
{
	if (mkdir(folder, 0755) == 0 || errno == EEXIST)
		return true;
	buf_printf(why, "cannot make the folder %s: %s", folder, strerror(errno));
	return false;
}

/* user NULL: makes no client certificate. */
static bool
make_all(
    struct pair *ca, struct pair *server, struct pair *client, const char *user, struct buf *why)
{
	struct buf alt = {0}, mail = {0};
	bool ok;

	alternatives(&alt);
	buf_printf(&mail, "email:%s@turnstone.example", user != NULL ? user : "nobody");
	ok = make_cert("Turnstone CA of this site", NULL, USE_CA, NULL, ca) &&
	     make_cert("localhost", ca, USE_SERVER, buf_cstr(&alt), server) &&
	     (user == NULL || make_cert(user, ca, USE_CLIENT, buf_cstr(&mail), client));
	if (!ok)
		buf_printf(
		    why, "cannot make a certificate: %s", ERR_reason_error_string(ERR_get_error()));
	buf_fini(&alt);
	buf_fini(&mail);
	return ok;
}

static bool
put_server(const char *folder, const struct pair *ca, const struct pair *server, struct buf *why)
{
	return put_pem(folder, "ca.pem", 0644, ca->cert, NULL, NULL, why) &&
	       put_pem(folder, "key.pem", 0600, NULL, NULL, server->key, why) &&
	       put_pem(folder, "cert.pem", 0644, server->cert, ca->cert, NULL, why);
}

bool
cert_make(const char *folder, struct buf *why)
{
	struct pair ca = {0}, server = {0};
	bool ok;

	if (have_cert(folder, "cert.pem") && file_is_there(folder, "key.pem"))
		return true;
	ok = make_folder(folder, why) && make_all(&ca, &server, NULL, NULL, why) &&
	     put_server(folder, &ca, &server, why);
	pair_free(&ca);
	pair_free(&server);
	return ok;
}

bool
cert_make_site(const char *folder, const char *user, struct buf *why)
{
	struct pair ca = {0}, server = {0}, client = {0};
	struct buf cert = {0}, key = {0};
	bool ok;

	buf_printf(&cert, "%s-cert.pem", user);
	buf_printf(&key, "%s-key.pem", user);
	ok = have_cert(folder, "ca.pem") && file_is_there(folder, "ca-key.pem") &&
	     have_cert(folder, "cert.pem") && file_is_there(folder, "key.pem") &&
	     have_cert(folder, buf_cstr(&cert)) && file_is_there(folder, buf_cstr(&key));
	if (!ok)
		ok = make_folder(folder, why) && make_all(&ca, &server, &client, user, why) &&
		     put_server(folder, &ca, &server, why) &&
		     put_pem(folder, "ca-key.pem", 0600, NULL, NULL, ca.key, why) &&
		     put_pem(folder, buf_cstr(&key), 0600, NULL, NULL, client.key, why) &&
		     put_pem(folder, buf_cstr(&cert), 0644, client.cert, NULL, NULL, why);
	pair_free(&ca);
	pair_free(&server);
	pair_free(&client);
	buf_fini(&cert);
	buf_fini(&key);
	return ok;
}
