/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of SCRAM (RFC 5802 section 3, RFC 7677): see scram_keys.h. */
#include "sasl/scram_keys.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"

enum { SALT_BYTES = 16 };

static const struct {
	struct str scheme;
	size_t len;
	const EVP_MD *(*md)(void);
} hashes[] = {
    [SASL_SCRAM_SHA1] = {{"SCRAM-SHA-1", 11}, 20, EVP_sha1},
    [SASL_SCRAM_SHA256] = {{"SCRAM-SHA-256", 13}, 32, EVP_sha256},
};

bool
sasl_secret_equal(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || CRYPTO_memcmp(a.p, b.p, a.n) == 0);
}

size_t
sasl_scram_hash_len(enum sasl_scram_hash hash)
{
	return hashes[hash].len;
}

void
sasl_scram_hmac(enum sasl_scram_hash hash, struct str key, struct str text, unsigned char *out_r)
{
	unsigned n = 0;

	if (HMAC(hashes[hash].md(), key.p, (int)key.n, (const unsigned char *)text.p, text.n, out_r,
	        &n) == NULL ||
	    n != hashes[hash].len)
		TS_WRONG("HMAC is not available");
}

void
sasl_scram_digest(enum sasl_scram_hash hash, struct str text, unsigned char *out_r)
{
	if (EVP_Digest(text.p, text.n, out_r, NULL, hashes[hash].md(), NULL) != 1)
		TS_WRONG("a SCRAM hash is not available");
}

static struct str
bytes(const unsigned char *p, size_t n)
{
	return (struct str){(const char *)p, n};
}

void
sasl_scram_salted(enum sasl_scram_hash hash, struct str password, unsigned iterations,
    struct str salt, unsigned char *out_r)
{
	TS_ASSERT(salt.n > 0 && salt.n <= SASL_SCRAM_SALT_MAX);
	TS_ASSERT(iterations > 0 && iterations <= SASL_SCRAM_ITERATIONS_MAX);
	TS_ASSERT(password.n <= INT32_MAX);
	/* Hi() of RFC 5802 section 2.2 is PBKDF2 with HMAC as its function. */
	if (PKCS5_PBKDF2_HMAC(password.n > 0 ? password.p : "", (int)password.n,
	        (const unsigned char *)salt.p, (int)salt.n, (int)iterations, hashes[hash].md(),
	        (int)hashes[hash].len, out_r) != 1)
		TS_WRONG("PBKDF2 is not available");
}

void
sasl_scram_keys_derive(enum sasl_scram_hash hash, struct str password, unsigned iterations,
    struct str salt, struct sasl_scram_keys *keys_r)
{
	unsigned char salted[SASL_SCRAM_HASH_MAX], client[SASL_SCRAM_HASH_MAX];
	size_t len = hashes[hash].len;

	*keys_r =
	    (struct sasl_scram_keys){.hash = hash, .iterations = iterations, .salt_n = salt.n};
	sasl_scram_salted(hash, password, iterations, salt, salted);
	memcpy(keys_r->salt, salt.p, salt.n);
	sasl_scram_hmac(hash, bytes(salted, len), STR("Client Key"), client);
	sasl_scram_digest(hash, bytes(client, len), keys_r->stored_key);
	sasl_scram_hmac(hash, bytes(salted, len), STR("Server Key"), keys_r->server_key);
	mem_wipe(salted, sizeof(salted));
	mem_wipe(client, sizeof(client));
}

void
sasl_scram_keys_make(enum sasl_scram_hash hash, struct str password, unsigned iterations,
    struct sasl_scram_keys *keys_r)
{
	char salt[SALT_BYTES];

	random_bytes(salt, sizeof(salt));
	sasl_scram_keys_derive(
	    hash, password, iterations, (struct str){salt, sizeof(salt)}, keys_r);
}

bool
sasl_scram_keys_verify(const struct sasl_scram_keys *keys, struct str password)
{
	struct sasl_scram_keys made;
	bool equal;

	sasl_scram_keys_derive(
	    keys->hash, password, keys->iterations, bytes(keys->salt, keys->salt_n), &made);
	equal = CRYPTO_memcmp(made.stored_key, keys->stored_key, SASL_SCRAM_HASH_MAX) == 0 &&
	        CRYPTO_memcmp(made.server_key, keys->server_key, SASL_SCRAM_HASH_MAX) == 0;
	mem_wipe(&made, sizeof(made));
	return equal;
}

void
sasl_scram_keys_print(const struct sasl_scram_keys *keys, struct buf *out)
{
	size_t len = hashes[keys->hash].len;

	buf_str(out, hashes[keys->hash].scheme);
	buf_putc(out, '$');
	buf_u64(out, keys->iterations);
	buf_putc(out, ':');
	base64_encode(bytes(keys->salt, keys->salt_n), out);
	buf_putc(out, '$');
	base64_encode(bytes(keys->stored_key, len), out);
	buf_putc(out, ':');
	base64_encode(bytes(keys->server_key, len), out);
}

/* Decodes base64 of min to max bytes. */
static bool
parse_bytes(struct str text, size_t min, size_t max, unsigned char *to, size_t *n_r)
{
	struct buf b = {0};
	bool ok = text.n <= 4 * SASL_SCRAM_SALT_MAX && base64_decode(text, &b) && b.n >= min &&
	          b.n <= max;

	if (ok) {
		memcpy(to, b.p, b.n);
		*n_r = b.n;
	}
	buf_wipe_fini(&b);
	return ok;
}

bool
sasl_scram_keys_parse(struct str text, struct sasl_scram_keys *keys_r)
{
	struct sasl_scram_keys keys = {0};
	struct str rest = text, scheme, info, iterations;
	uint64_t count;
	size_t n, len;

	/* info gets iterations and salt; rest keeps the two keys. */
	if (!str_split(&rest, '$', &scheme))
		return false;
	while (keys.hash < SASL_SCRAM_HASHES && !str_eq(scheme, hashes[keys.hash].scheme))
		keys.hash++;
	if (keys.hash == SASL_SCRAM_HASHES || !str_split(&rest, '$', &info) || rest.p == NULL)
		return false;
	if (!str_split(&info, ':', &iterations) || info.p == NULL ||
	    !str_u64(iterations, SASL_SCRAM_ITERATIONS_MAX, &count) || iterations.p[0] == '0' ||
	    count < SASL_SCRAM_ITERATIONS_MIN)
		return false;
	keys.iterations = (unsigned)count;
	len = hashes[keys.hash].len;
	if (!parse_bytes(info, 1, SASL_SCRAM_SALT_MAX, keys.salt, &keys.salt_n) ||
	    !str_split(&rest, ':', &info) || rest.p == NULL ||
	    !parse_bytes(info, len, len, keys.stored_key, &n) ||
	    !parse_bytes(rest, len, len, keys.server_key, &n))
		return false;
	*keys_r = keys;
	return true;
}
