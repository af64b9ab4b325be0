/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of SCRAM-SHA-256 (RFC 5802 section 3, RFC 7677): see scram_keys.h. */
#include "sasl/scram_keys.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"

#define SCHEME STR("SCRAM-SHA-256")
#define SALT_BYTES 16

bool
sasl_secret_equal(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || CRYPTO_memcmp(a.p, b.p, a.n) == 0);
}

static void
keyed_hash(const unsigned char key[SASL_SCRAM_HASH], struct str text, unsigned char *hash_r)
{
	unsigned n = 0;

	if (HMAC(EVP_sha256(), key, SASL_SCRAM_HASH, (const unsigned char *)text.p, text.n, hash_r,
	        &n) == NULL ||
	    n != SASL_SCRAM_HASH)
		TS_WRONG("HMAC-SHA-256 is not to be had");
}

void
sasl_scram_keys_derive(
    struct str password, unsigned iterations, struct str salt, struct sasl_scram_keys *keys_r)
{
	unsigned char salted[SASL_SCRAM_HASH], client[SASL_SCRAM_HASH];

	TS_ASSERT(salt.n > 0 && salt.n <= SASL_SCRAM_SALT_MAX);
	TS_ASSERT(iterations > 0 && iterations <= SASL_SCRAM_ITERATIONS_MAX);
	TS_ASSERT(password.n <= INT32_MAX);
	*keys_r = (struct sasl_scram_keys){.iterations = iterations, .salt_n = salt.n};
	memcpy(keys_r->salt, salt.p, salt.n);
	/* Hi() of RFC 5802 section 2.2 is PBKDF2 with HMAC as its function. */
	if (PKCS5_PBKDF2_HMAC(password.n > 0 ? password.p : "", (int)password.n, keys_r->salt,
	        (int)salt.n, (int)iterations, EVP_sha256(), sizeof(salted), salted) != 1)
		TS_WRONG("PBKDF2 is not to be had");
	keyed_hash(salted, STR("Client Key"), client);
	if (SHA256(client, sizeof(client), keys_r->stored_key) == NULL)
		TS_WRONG("SHA-256 is not to be had");
	keyed_hash(salted, STR("Server Key"), keys_r->server_key);
	mem_wipe(salted, sizeof(salted));
	mem_wipe(client, sizeof(client));
}

void
sasl_scram_keys_make(struct str password, unsigned iterations, struct sasl_scram_keys *keys_r)
{
	char salt[SALT_BYTES];

	random_bytes(salt, sizeof(salt));
	sasl_scram_keys_derive(password, iterations, (struct str){salt, sizeof(salt)}, keys_r);
}

bool
sasl_scram_keys_verify(const struct sasl_scram_keys *keys, struct str password)
{
	struct sasl_scram_keys made;
	bool equal;

	sasl_scram_keys_derive(password, keys->iterations,
	    (struct str){(const char *)keys->salt, keys->salt_n}, &made);
	equal = CRYPTO_memcmp(made.stored_key, keys->stored_key, SASL_SCRAM_HASH) == 0 &&
	        CRYPTO_memcmp(made.server_key, keys->server_key, SASL_SCRAM_HASH) == 0;
	mem_wipe(&made, sizeof(made));
	return equal;
}

static struct str
bytes(const unsigned char *p, size_t n)
{
	return (struct str){(const char *)p, n};
}

void
sasl_scram_keys_print(const struct sasl_scram_keys *keys, struct buf *out)
{
	buf_str(out, SCHEME);
	buf_putc(out, '$');
	buf_u64(out, keys->iterations);
	buf_putc(out, ':');
	base64_encode(bytes(keys->salt, keys->salt_n), out);
	buf_putc(out, '$');
	base64_encode(bytes(keys->stored_key, SASL_SCRAM_HASH), out);
	buf_putc(out, ':');
	base64_encode(bytes(keys->server_key, SASL_SCRAM_HASH), out);
}

/* Base64 of min to max bytes. */
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
	size_t n;

	/* info takes iterations and salt, rest becomes the two keys. */
	if (!str_split(&rest, '$', &scheme) || !str_eq(scheme, SCHEME) ||
	    !str_split(&rest, '$', &info) || rest.p == NULL)
		return false;
	if (!str_split(&info, ':', &iterations) || info.p == NULL ||
	    !str_u64(iterations, SASL_SCRAM_ITERATIONS_MAX, &count) || iterations.p[0] == '0' ||
	    count < SASL_SCRAM_ITERATIONS_MIN)
		return false;
	keys.iterations = (unsigned)count;
	if (!parse_bytes(info, 1, SASL_SCRAM_SALT_MAX, keys.salt, &keys.salt_n) ||
	    !str_split(&rest, ':', &info) || rest.p == NULL ||
	    !parse_bytes(info, SASL_SCRAM_HASH, SASL_SCRAM_HASH, keys.stored_key, &n) ||
	    !parse_bytes(rest, SASL_SCRAM_HASH, SASL_SCRAM_HASH, keys.server_key, &n))
		return false;
	*keys_r = keys;
	return true;
}
