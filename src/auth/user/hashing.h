/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_USER_HASHING_H
#define AUTH_USER_HASHING_H
/*
 * Password hashes: the supported methods, their cost and their strength.  Hashes for crypt(3) begin
 * as crypt(5) says; argon2 hashes have the encoded form "$argon2id$v=19$m=…,t=…,p=…$SALT$HASH" of
 * the reference implementation.
 *
 * A hash determines the memory and time needed to verify it.  A hash from outside could demand
 * gigabytes, so one beyond our bounds is invalid.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

enum auth_scheme { /* the index of the method's word */
	AUTH_SCHEME_YESCRYPT,
	AUTH_SCHEME_BCRYPT,
	AUTH_SCHEME_SHA512,
	AUTH_SCHEME_SHA256,
	AUTH_SCHEME_ARGON2ID,
	AUTH_SCHEME_ARGON2I,
	AUTH_SCHEMES,
	AUTH_SCHEME_OTHER = AUTH_SCHEMES, /* crypt(3) verifies it, but nobody should choose it */
};

/* yescrypt, bcrypt, sha512, sha256, argon2id, argon2i, NULL */
extern const char *const auth_scheme_words[];

/* How a site makes new hashes. */
struct auth_hashing {
	enum auth_scheme scheme;
	/* yescrypt: 1 to 9; bcrypt: 4 to 16, twice the time for one more; sha512, sha256: rounds,
	 * 1000 to 5000000; argon2id, argon2i: MiB of memory, 8 to 256.  0: the default. */
	uint32_t cost;
};

/* Returns NULL, or a sentence about what is wrong with the cost. */
const char *auth_hashing_fault(const struct auth_hashing *h);
/* The cost, or the default if it is 0. */
uint32_t auth_hashing_cost(const struct auth_hashing *h);

/* Whether it is a hash of a known method within our bounds.  Computes nothing: it may still match
 * no password. */
bool auth_hash_plausible(struct str hash);
/* Whether it has the full length and only valid characters after the last '$'.  Computes nothing;
 * true for methods that we do not know. */
bool auth_hash_seems_whole(struct str hash);
/* Whether it is a complete hash, not only a salt and settings.  Takes as long as verifying. */
bool auth_hash_is_whole(struct str hash);
/* Whether a hash is weaker than the site's choice: of a lower-ranked method, or cheaper. */
bool auth_hash_is_weak(struct str hash, const struct auth_hashing *h);
/* The method's name for people: "yescrypt", "bcrypt", …, "crypt(3)". */
const char *auth_hash_name(struct str hash);

/* Appends a new hash of a NUL-terminated password.  False: this system does not support the method.
 */
bool auth_hash_make(const char *password, const struct auth_hashing *h, struct buf *out);
/* Takes as long as the hash's method and cost demand. */
bool auth_hash_verify(const char *password, struct str hash);
#endif
