/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SASL_SCRAM_KEYS_H
#define SASL_SCRAM_KEYS_H
/*
 * What a server keeps of a password for SCRAM-SHA-256 (RFC 5802 section 3,
 * RFC 7677).  Stored as text in the form of RFC 5803:
 *
 *	SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>
 *
 * with the last three in base64.  Passwords are prepared before
 * (sasl_password_prepare); RFC 8265 took the place of SASLprep.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"

enum sasl_scram {
	SASL_SCRAM_HASH = 32,
	SASL_SCRAM_SALT_MAX = 64,
	SASL_SCRAM_ITERATIONS_MIN = 4096, /* RFC 7677 section 4 */
	SASL_SCRAM_ITERATIONS_MAX = 1000000,
};

struct sasl_scram_keys {
	unsigned iterations;
	size_t salt_n;
	unsigned char salt[SASL_SCRAM_SALT_MAX];
	unsigned char stored_key[SASL_SCRAM_HASH];
	unsigned char server_key[SASL_SCRAM_HASH];
};

/* With a random salt of 16 bytes.  Takes some milliseconds: not in an event loop. */
void sasl_scram_keys_make(struct str password, unsigned iterations, struct sasl_scram_keys *keys_r);
/* With a given salt of 1 to SASL_SCRAM_SALT_MAX bytes. */
void sasl_scram_keys_derive(
    struct str password, unsigned iterations, struct str salt, struct sasl_scram_keys *keys_r);
/* Is it the password the keys were made from?  As slow as making them. */
bool sasl_scram_keys_verify(const struct sasl_scram_keys *keys, struct str password);
void sasl_scram_keys_print(const struct sasl_scram_keys *keys, struct buf *out);
/* False when text is not exactly such a form with iterations within the limits. */
bool sasl_scram_keys_parse(struct str text, struct sasl_scram_keys *keys_r);

/* Equal, in a time that depends on the lengths only. */
bool sasl_secret_equal(struct str a, struct str b);
#endif
