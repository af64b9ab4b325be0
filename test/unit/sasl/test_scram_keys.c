/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sasl/scram_keys.h"

/* Made with Python's hashlib and hmac. */
#define SALT_1 "AQIDBAUGBwgJCgsMDQ4PEA=="
#define STORED_1 "KA4bsGQc0HekShMLvqxhlCbjnvn4PqWNSqqk7v9nb+g="
#define SERVER_1 "AvKHaXWsgHEitEs2hMcLksYQBC5i07AT4xarONpU37w="
#define KEYS_1 "SCRAM-SHA-256$4096:" SALT_1 "$" STORED_1 ":" SERVER_1
#define KEYS_2                                                                                     \
	"SCRAM-SHA-256$5000:AP9z$Bm3Rg7E1qEe5GMprnwHWeSYtbhT1KdTTVrAsAEtGvb0="                     \
	":uAlF43jC06zk2D3G+q2CXDAjaMVpgxOrLHyoDp9Xca4="

static void
known_keys(void **state)
{
	static const struct {
		struct str password, salt, text;
		unsigned iterations;
	} rows[] = {
	    {STR("tide table"),
	        STR("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10"),
	        STR(KEYS_1), 4096},
	    {STR("p\xc3\xa2t\xc3\xa9 \xc3\xa9"), STR("\0\xff\x73"), STR(KEYS_2), 5000},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct sasl_scram_keys keys, back;
		struct buf b = {0};

		sasl_scram_keys_derive(
		    SASL_SCRAM_SHA256, rows[i].password, rows[i].iterations, rows[i].salt, &keys);
		sasl_scram_keys_print(&keys, &b);
		assert_true(str_eq(buf_as_str(&b), rows[i].text));
		assert_true(sasl_scram_keys_parse(rows[i].text, &back));
		assert_memory_equal(&back, &keys, sizeof(keys));
		assert_true(sasl_scram_keys_verify(&back, rows[i].password));
		assert_false(sasl_scram_keys_verify(&back, STR("tide Table")));
		assert_false(sasl_scram_keys_verify(&back, STR("")));
		back.server_key[31] ^= 1;
		assert_false(sasl_scram_keys_verify(&back, rows[i].password));
		buf_fini(&b);
	}
}

static void
salts_differ(void **state)
{
	struct sasl_scram_keys a, b;

	(void)state;
	sasl_scram_keys_make(SASL_SCRAM_SHA256, STR("same"), 4096, &a);
	sasl_scram_keys_make(SASL_SCRAM_SHA256, STR("same"), 4096, &b);
	assert_int_equal(a.salt_n, 16);
	assert_memory_not_equal(a.salt, b.salt, 16);
	assert_memory_not_equal(a.stored_key, b.stored_key, sizeof(a.stored_key));
	assert_true(sasl_scram_keys_verify(&a, STR("same")));
	assert_true(sasl_scram_keys_verify(&b, STR("same")));
}

static void
other_texts_are_refused(void **state)
{
	static const struct str bad[] = {
	    STR_NONE,
	    STR(""),
	    STR("$"),
	    STR("SCRAM-SHA-256"),
	    STR("SCRAM-SHA-256$"),
	    STR("SCRAM-SHA-256$4096"),
	    STR("SCRAM-SHA-256$4096:" SALT_1),
	    STR("SCRAM-SHA-256$4096:" SALT_1 "$"),
	    STR("SCRAM-SHA-256$4096:" SALT_1 "$" STORED_1),
	    STR("SCRAM-SHA-256$4096:" SALT_1 "$" STORED_1 ":"),
	    STR("SCRAM-SHA-256$4096:$" STORED_1 ":" SERVER_1),
	    STR("SCRAM-SHA-256$4096$" STORED_1 ":" SERVER_1),
	    STR("SCRAM-SHA-256$4095:" SALT_1 "$" STORED_1 ":" SERVER_1),
	    STR("SCRAM-SHA-256$04096:" SALT_1 "$" STORED_1 ":" SERVER_1),
	    STR("SCRAM-SHA-256$-4096:" SALT_1 "$" STORED_1 ":" SERVER_1),
	    STR("SCRAM-SHA-256$1000001:" SALT_1 "$" STORED_1 ":" SERVER_1),
	    STR("SCRAM-SHA-256$18446744073709555712:" SALT_1 "$" STORED_1 ":" SERVER_1),
	    STR("SCRAM-SHA-256$:" SALT_1 "$" STORED_1 ":" SERVER_1),
	    STR("SCRAM-SHA-1$4096:" SALT_1 "$" STORED_1 ":" SERVER_1),
	    STR("scram-sha-256$4096:" SALT_1 "$" STORED_1 ":" SERVER_1),
	    STR("SCRAM-SHA-256$4096:AQ$" STORED_1 ":" SERVER_1),
	    STR("SCRAM-SHA-256$4096:" SALT_1 "$" SALT_1 ":" SERVER_1),
	    STR(KEYS_1 " "),
	    STR(KEYS_1 "\0"),
	    STR(KEYS_1 ":"),
	    STR(KEYS_1 "$"),
	    STR(" " KEYS_1),
	    STR("SCRAM-SHA-256$4096:" SALT_1 "$" STORED_1 ":" SERVER_1 SERVER_1),
	};
	struct sasl_scram_keys keys;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (sasl_scram_keys_parse(bad[i], &keys))
			fail_msg("row %zu was taken", i);
}

static void
a_long_salt_is_refused(void **state)
{
	struct sasl_scram_keys keys;
	struct buf b = {0};

	(void)state;
	for (size_t n = 63; n <= 66;
	     n += 3) { /* 64 is the limit; base64 of 63 and 66 has no padding */
		b.n = 0;
		buf_puts(&b, "SCRAM-SHA-256$4096:");
		for (size_t i = 0; i < n / 3; i++)
			buf_puts(&b, "AAAA");
		buf_puts(&b, "$" STORED_1 ":" SERVER_1);
		assert_int_equal(sasl_scram_keys_parse(buf_as_str(&b), &keys), n <= 64);
	}
	buf_fini(&b);
}

static void
secrets_compare(void **state)
{
	(void)state;
	assert_true(sasl_secret_equal(STR(""), STR_NONE));
	assert_true(sasl_secret_equal(STR("a\0b"), STR("a\0b")));
	assert_false(sasl_secret_equal(STR("a\0b"), STR("a\0c")));
	assert_false(sasl_secret_equal(STR("a"), STR("ab")));
	assert_false(sasl_secret_equal(STR("a"), STR("")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(known_keys),
	    cmocka_unit_test(salts_differ),
	    cmocka_unit_test(other_texts_are_refused),
	    cmocka_unit_test(a_long_salt_is_refused),
	    cmocka_unit_test(secrets_compare),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
