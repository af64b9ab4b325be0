/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SASL_SCRAM_KEYS_H
#define SASL_SCRAM_KEYS_H
/*
 * The keys that a server stores for SCRAM-SHA-1 and SCRAM-SHA-256 (RFC 5802 section 3, RFC 7677),
 * as text in the form of RFC 5803:
 *
 *	SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>
 *
 * with the last three in base64.  Callers prepare passwords (sasl_password_prepare); RFC 8265
 * replaces SASLprep.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"

enum sasl_scram_hash { SASL_SCRAM_SHA1, SASL_SCRAM_SHA256, SASL_SCRAM_HASHES };

enum sasl_scram {
	SASL_SCRAM_HASH_MAX = 32, /* bytes */
	SASL_SCRAM_SALT_MAX = 64,
	SASL_SCRAM_ITERATIONS_MIN = 4096, /* RFC 7677 section 4 */
	SASL_SCRAM_ITERATIONS_MAX = 1000000,
};

struct sasl_scram_keys {
	enum sasl_scram_hash hash;
	unsigned iterations;
	size_t salt_n;
	unsigned char salt[SASL_SCRAM_SALT_MAX];
	/* sasl_scram_hash_len(hash) bytes of each, padded with zeros */
	unsigned char stored_key[SASL_SCRAM_HASH_MAX];
	unsigned char server_key[SASL_SCRAM_HASH_MAX];
};

/* 20 or 32. */
size_t sasl_scram_hash_len(enum sasl_scram_hash hash);
/* HMAC() and H() of RFC 5802 section 2.2; out_r has room for SASL_SCRAM_HASH_MAX. */
void sasl_scram_hmac(
    enum sasl_scram_hash hash, struct str key, struct str text, unsigned char *out_r);
void sasl_scram_digest(enum sasl_scram_hash hash, struct str text, unsigned char *out_r);
/* Computes SaltedPassword, from which client and server derive everything else. */
void sasl_scram_salted(enum sasl_scram_hash hash, struct str password, unsigned iterations,
    struct str salt, unsigned char *out_r);

/* Makes keys with a random salt of 16 bytes.  Takes some milliseconds: not on a loop. */
void sasl_scram_keys_make(enum sasl_scram_hash hash, struct str password, unsigned iterations,
    struct sasl_scram_keys *keys_r);
/* Makes keys with a given salt of 1 to SASL_SCRAM_SALT_MAX bytes. */
void sasl_scram_keys_derive(enum sasl_scram_hash hash, struct str password, unsigned iterations,
    struct str salt, struct sasl_scram_keys *keys_r);
/* Whether the keys were made from this password.  As slow as making them. */
bool sasl_scram_keys_verify(const struct sasl_scram_keys *keys, struct str password);
void sasl_scram_keys_print(const struct sasl_scram_keys *keys, struct buf *out);
/* False: text is not exactly in this form, or the iterations are out of range. */
bool sasl_scram_keys_parse(struct str text, struct sasl_scram_keys *keys_r);

/* Compares in a time that depends only on the lengths. */
bool sasl_secret_equal(struct str a, struct str b);
#endif
