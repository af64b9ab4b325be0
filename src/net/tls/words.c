/* SPDX-License-Identifier: Apache-2.0 */
/* Says what is wrong with certificates, keys and ciphers, in words for administrators. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "net/tls/tls_int.h"

static const char damaged[] = "it is damaged";

/* reason 0: any of the library. */
static const struct {
	int lib, reason;
	const char *words;
} words[] = {
    {ERR_LIB_SSL, SSL_R_EE_KEY_TOO_SMALL, "its key is too weak (RSA needs 2048 bits or more)"},
    {ERR_LIB_SSL, SSL_R_CA_KEY_TOO_SMALL,
        "a key of its chain is too weak (RSA needs 2048 bits or more)"},
    {ERR_LIB_SSL, SSL_R_CA_MD_TOO_WEAK,
        "a certificate of its chain is signed with a hash that is too weak (SHA-1, MD5)"},
    {ERR_LIB_SSL, SSL_R_NO_CIPHER_MATCH, "OpenSSL has none of these"},
    {ERR_LIB_SSL, SSL_R_UNKNOWN_CERTIFICATE_TYPE, "its key is of a type that TLS cannot use"},
    {ERR_LIB_X509, X509_R_UNKNOWN_KEY_TYPE, "its key is of a type that TLS cannot use"},
    {ERR_LIB_OSSL_DECODER, ERR_R_UNSUPPORTED, "it is damaged or of an unknown type"},
    {ERR_LIB_PEM, 0, damaged},
    {ERR_LIB_ASN1, 0, damaged},
};

const char *
tls_why(void)
{
	unsigned long code = ERR_get_error();
	const char *reason = NULL;

	if (code != 0)
		reason = ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code))
		                                : ERR_reason_error_string(code);
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (code != 0 && ERR_GET_LIB(code) == words[i].lib &&
		    (words[i].reason == 0 || ERR_GET_REASON(code) == words[i].reason)) {
			reason = words[i].words;
			break;
		}
	ERR_clear_error();
	return reason != NULL ? reason : "no reason given";
}

/* ---- PEM ---- */

enum pem_found { PEM_NOTHING, PEM_FOUND, PEM_LOCKED, PEM_UNREADABLE /* errno */ };

static bool
ends_in(const char *name, const char *end)
{
	size_t n = strlen(name), e = strlen(end);

	return n >= e && strcmp(name + n - e, end) == 0;
}

/* Looks for a block of that kind.  LOCKED: it has a passphrase. */
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
	/* A block that begins but cannot be read. */
	if (found == PEM_NOTHING && ERR_peek_last_error() != 0 &&
	    ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		found = PEM_FOUND;
	(void)fclose(f);
	ERR_clear_error();
	return found;
}

void
tls_pem_fault(const char *file, const char *what, const char *kind, struct buf *out)
{
	const char *reason = tls_why();

	switch (pem_look(file, kind)) {
	case PEM_UNREADABLE:
		buf_printf(out, "cannot read %s: %s", file, strerrordesc_np(errno));
		break;
	case PEM_NOTHING:
		buf_printf(out, "%s holds no %s (PEM)", file, what);
		break;
	case PEM_LOCKED:
		buf_printf(out, "the %s in %s is encrypted with a passphrase: store it without one",
		    what, file);
		break;
	case PEM_FOUND:
		buf_printf(out, "the %s in %s cannot be used: %s", what, file, reason);
		break;
	}
}

bool
tls_certificates_ok(const char *file, struct buf *why)
{
	FILE *f = fopen(file, "re");
	X509 *cert = f != NULL ? PEM_read_X509_AUX(f, NULL, NULL, NULL) : NULL;
	bool ok = cert != NULL;

	if (!ok)
		tls_pem_fault(file, "certificate", "CERTIFICATE", why);
	X509_free(cert);
	if (f != NULL)
		(void)fclose(f);
	ERR_clear_error();
	return ok;
}

enum { BLOCKS_NAMED = 8 };

/* Returns whether a block's name ends in one of the kinds: "TRUSTED CERTIFICATE" is a
 * "CERTIFICATE". */
static bool
is_kind(const char *name, const char *const *kinds)
{
	for (; *kinds != NULL; kinds++)
		if (str_has_suffix(str_of(name), str_of(*kinds)))
			return true;
	return false;
}

void
tls_name_other_blocks(const char *file, const char *const *kinds, struct buf *warnings)
{
	FILE *f = fopen(file, "re");
	char *name = NULL, *header = NULL;
	unsigned char *data = NULL;
	struct buf names = {0};
	bool key = false;
	size_t n = 0;
	long size;

	while (f != NULL && PEM_read(f, &name, &header, &data, &size) == 1) {
		if (!is_kind(name, kinds)) {
			if (n++ < BLOCKS_NAMED)
				buf_printf(&names, "%s%s", n > 1 ? ", " : "", name);
			key |= str_has_suffix(str_of(name), STR("PRIVATE KEY"));
		}
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_clear_free(data, (size_t)size);
	}
	if (n > 0)
		buf_printf(warnings, "%s: %zu other block%s in it %s skipped: %s%s%s\n", file, n,
		    n == 1 ? "" : "s", n == 1 ? "is" : "are", buf_cstr(&names),
		    n > BLOCKS_NAMED ? ", ..." : "",
		    key ? "; a private key does not belong there" : "");
	ERR_clear_error();
	if (f != NULL)
		(void)fclose(f);
	buf_fini(&names);
}

/* ---- ciphers ---- */

/* Ciphers of TLS 1.3 have only this name. */
static bool
is_suite(const SSL_CTX *ssl, struct str name)
{
	STACK_OF(SSL_CIPHER) *list = SSL_CTX_get_ciphers(ssl);

	for (int i = 0; i < sk_SSL_CIPHER_num(list); i++)
		if (str_eq(name, str_of(SSL_CIPHER_get_name(sk_SSL_CIPHER_value(list, i)))))
			return true;
	return false;
}

/* OpenSSL ignores unknown names. */
bool
tls_suites_ok(const char *suites, struct buf *why)
{
	static const char all[] =
	    "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:"
	    "TLS_AES_128_CCM_SHA256:TLS_AES_128_CCM_8_SHA256";
	SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());
	struct str rest = str_of(suites), name;
	bool ok = ssl != NULL && SSL_CTX_set_ciphersuites(ssl, all) == 1;

	while (ok && str_split(&rest, ':', &name)) {
		ok = is_suite(ssl, name);
		if (!ok)
			buf_printf(why,
			    "%.*s: there is no such suite; there are TLS_AES_256_GCM_SHA384, "
			    "TLS_CHACHA20_POLY1305_SHA256, TLS_AES_128_GCM_SHA256, "
			    "TLS_AES_128_CCM_SHA256 and TLS_AES_128_CCM_8_SHA256, with colons "
			    "between them",
			    STR_ARG(name.n > 0 ? name : STR("\"\"")));
	}
	SSL_CTX_free(ssl);
	ERR_clear_error();
	return ok;
}

/* Parts of cipher names that OpenSSL had, has in some builds, or knows without having one. */
static bool
is_retired(struct str part)
{
	static const char *const names[] = {"RC2", "RC4", "IDEA", "SEED", "DES", "3DES", "MD5",
	    "EXP", "EXPORT", "EXPORT40", "EXPORT56", "LOW", "MEDIUM", "NULL", "eNULL", "aNULL",
	    "SSLv2", "SSLv3", "KRB5", "kKRB5", "aKRB5", "FZA", "kFZA", "aFZA", "eFZA", "DH", "kDH",
	    "kDHr", "kDHd", "aDH", "ADH", "AECDH", "kECDH", "kECDHr", "kECDHe", "aECDH", "DSS",
	    "aDSS", "SRP", "kSRP", "aSRP", "PSK", "kPSK", "aPSK", "CAMELLIA", "CAMELLIA128",
	    "CAMELLIA256", "ARIA", "ARIA128", "ARIA256", "GOST", "GOST89", "GOST89MAC", "GOST94",
	    "GOST12", "kGOST", "aGOST", "aGOST01", "aGOST12", "kGOST18", "kGOST12"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (str_eq(part, str_of(names[i])))
			return true;
	return false;
}

/* Returns whether the word removes a cipher that no longer exists, such as RC4, kDHr+SHA1, RC4-SHA
 * or EXP-DES-CBC-SHA. */
static bool
names_retired(struct str word)
{
	size_t from = 0;

	for (size_t i = 0; i <= word.n; i++) {
		if (i < word.n && word.p[i] != '-' && word.p[i] != '+')
			continue;
		if (is_retired((struct str){word.p + from, i - from}))
			return true;
		from = i + 1;
	}
	return false;
}

/* OpenSSL parses rules for the whole list; what is removed may not exist any more. */
static bool
names_none(SSL_CTX *ssl, struct str word)
{
	struct buf copy = {0};
	bool none, away = word.n > 0 && strchr("!-+", word.p[0]) != NULL;

	if (away)
		word = str_range(word.p + 1, word.p + word.n);
	if (word.n == 0 || word.p[0] == '@' || (away && names_retired(word)))
		return false;
	buf_str(&copy, word);
	none = SSL_CTX_set_cipher_list(ssl, buf_cstr(&copy)) != 1;
	buf_fini(&copy);
	return none;
}

void
tls_ciphers_look(const char *ciphers, struct buf *warnings)
{
	SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());
	const char *p = ciphers;

	while (ssl != NULL && *p != '\0') {
		size_t n = strcspn(p, ":, ;");

		if (names_none(ssl, (struct str){p, n}))
			buf_printf(warnings, "%.*s: OpenSSL has no such cipher\n", (int)n, p);
		p += n;
		p += *p != '\0';
	}
	SSL_CTX_free(ssl);
	ERR_clear_error();
}
