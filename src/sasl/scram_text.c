/* SPDX-License-Identifier: Apache-2.0 */
/* The messages and computations of SCRAM: see scram_text.h. */
#include "sasl/scram_text.h"

#include "base/base64.h"
#include "base/clock.h"
#include "base/mem.h"

bool
scram_attribute(struct str *rest, char name, struct str *value_r)
{
	struct str part, left = *rest;

	if (left.p == NULL || !str_split(&left, ',', &part) || part.n < 2 || part.p[0] != name ||
	    part.p[1] != '=')
		return false;
	*value_r = (struct str){part.p + 2, part.n - 2};
	*rest = left;
	return true;
}

bool
scram_extensions_ok(struct str rest)
{
	struct str part;

	while (rest.p != NULL) {
		if (!str_split(&rest, ',', &part) || part.n < 3 || part.p[1] != '=' ||
		    ascii_lower((unsigned char)part.p[0]) < 'a' ||
		    ascii_lower((unsigned char)part.p[0]) > 'z' || part.p[0] == 'm')
			return false;
	}
	return true;
}

bool
scram_name_decode(struct str in, struct buf *out)
{
	size_t had = out->n;

	for (size_t i = 0; i < in.n; i++) {
		if (in.p[i] != '=') {
			buf_putc(out, in.p[i]);
		} else if (in.n - i > 2 && memcmp(in.p + i, "=2C", 3) == 0) {
			buf_putc(out, ',');
			i += 2;
		} else if (in.n - i > 2 && memcmp(in.p + i, "=3D", 3) == 0) {
			buf_putc(out, '=');
			i += 2;
		} else {
			out->n = had;
			return false;
		}
	}
	return true;
}

void
scram_name_encode(struct str in, struct buf *out)
{
	for (size_t i = 0; i < in.n; i++) {
		if (in.p[i] == ',')
			buf_puts(out, "=2C");
		else if (in.p[i] == '=')
			buf_puts(out, "=3D");
		else
			buf_putc(out, in.p[i]);
	}
}

bool
scram_nonce_ok(struct str nonce)
{
	if (nonce.n == 0 || nonce.n > SCRAM_NONCE_MAX)
		return false;
	for (size_t i = 0; i < nonce.n; i++)
		if (nonce.p[i] < 0x21 || nonce.p[i] > 0x7e || nonce.p[i] == ',')
			return false;
	return true;
}

void
scram_nonce_make(struct buf *out)
{
	char raw[SCRAM_NONCE_MADE / 4 * 3];

	random_bytes(raw, sizeof(raw));
	base64_encode((struct str){raw, sizeof(raw)}, out);
}

void
scram_xor(unsigned char *to, const unsigned char *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] ^= from[i];
}

bool
scram_proof_ok(const struct sasl_scram_keys *keys, struct str auth_message, struct str proof)
{
	unsigned char key[SASL_SCRAM_HASH_MAX], stored[SASL_SCRAM_HASH_MAX];
	size_t len = sasl_scram_hash_len(keys->hash);
	bool ok;

	if (proof.n != len)
		return false;
	sasl_scram_hmac(
	    keys->hash, (struct str){(const char *)keys->stored_key, len}, auth_message, key);
	scram_xor(key, (const unsigned char *)proof.p, len);
	sasl_scram_digest(keys->hash, (struct str){(const char *)key, len}, stored);
	ok = sasl_secret_equal((struct str){(const char *)stored, len},
	    (struct str){(const char *)keys->stored_key, len});
	mem_wipe(key, sizeof(key));
	return ok;
}
