/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <string.h>

#include "auth/user/siphash.h"
#include "base/err.h"

static struct siphash
reference(const unsigned char key[16], const unsigned char *p, size_t n)
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
	size_t size = 16, got = 0;
	unsigned char out[16];
	struct siphash h = {0, 0};
	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size), OSSL_PARAM_construct_end()};

	TS_ASSERT(EVP_MAC_init(ctx, key, 16, params) == 1);
	TS_ASSERT(EVP_MAC_update(ctx, p, n) == 1);
	TS_ASSERT(EVP_MAC_final(ctx, out, &got, sizeof(out)) == 1 && got == 16);
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(mac);
	for (unsigned i = 0; i < 8; i++) {
		h.lo |= (uint64_t)out[i] << (8 * i);
		h.hi |= (uint64_t)out[8 + i] << (8 * i);
	}
	return h;
}

static void
test_against_openssl(void **state)
{
	unsigned char key[16], in[64];
	struct siphash_key k = {0, 0};

	(void)state;
	for (unsigned i = 0; i < 16; i++)
		key[i] = (unsigned char)(17 * i + 3);
	for (unsigned i = 0; i < 8; i++) {
		k.k0 |= (uint64_t)key[i] << (8 * i);
		k.k1 |= (uint64_t)key[8 + i] << (8 * i);
	}
	for (unsigned n = 0; n < sizeof(in); n++) {
		struct siphash want, got;

		in[n] = (unsigned char)(200 - n);
		want = reference(key, in, n);
		got = siphash_of(&k, (struct str){(char *)in, n});
		assert_true(want.lo == got.lo);
		assert_true(want.hi == got.hi);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_openssl)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
