/* SPDX-License-Identifier: Apache-2.0 */
/* The secret of DIGEST-MD5, the first part of what the protocol hashes. */
#include <openssl/evp.h>

#include "base/err.h"
#include "sasl/cyrus.h"

/*
 * RFC 2831 section 2.1.2.1: text that fits ISO 8859-1 is hashed in that charset.  U+0080 to U+00FF
 * have two bytes in UTF-8, the first C2 or C3.
 */
static bool
is_latin1(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < 0x80)
			continue;
		if ((c != 0xc2 && c != 0xc3) || ++i >= s.n)
			return false;
	}
	return true;
}

static void
hash(EVP_MD_CTX *md, struct str s)
{
	if (!is_latin1(s)) {
		TS_ASSERT(EVP_DigestUpdate(md, s.p, s.n) == 1);
		return;
	}
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c >= 0x80)
			c = (unsigned char)(c << 6 | ((unsigned char)s.p[++i] & 0x3f));
		TS_ASSERT(EVP_DigestUpdate(md, &c, 1) == 1);
	}
}

void
sasl_digest_md5_secret(
    struct str name, struct str realm, struct str password, unsigned char secret_r[16])
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();

	TS_ASSERT(md != NULL && EVP_DigestInit_ex(md, EVP_md5(), NULL) == 1);
	hash(md, name);
	hash(md, STR(":"));
	hash(md, realm);
	hash(md, STR(":"));
	hash(md, password);
	TS_ASSERT(EVP_DigestFinal_ex(md, secret_r, NULL) == 1);
	EVP_MD_CTX_free(md);
}
