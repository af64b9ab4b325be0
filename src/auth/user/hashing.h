/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_USER_HASHING_H
#define AUTH_USER_HASHING_H
/*
 * Password hashes: the methods there are, what they cost, which is the stronger.
 * Those of crypt(3) begin as crypt(5) says; argon2's are in the encoded form
 * "$argon2id$v=19$m=…,t=…,p=…$SALT$HASH" of its reference implementation.
 *
 * A hash says itself how much memory and time it takes to verify.  Where it
 * comes from outside that could be gigabytes, so what is beyond bounds is no
 * hash for us.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

enum auth_scheme { /* the index of its word */
	AUTH_SCHEME_YESCRYPT,
	AUTH_SCHEME_BCRYPT,
	AUTH_SCHEME_SHA512,
	AUTH_SCHEME_SHA256,
	AUTH_SCHEME_ARGON2ID,
	AUTH_SCHEME_ARGON2I,
	AUTH_SCHEMES,
	AUTH_SCHEME_OTHER = AUTH_SCHEMES, /* what crypt(3) verifies, and nobody should choose */
};

/* yescrypt, bcrypt, sha512, sha256, argon2id, argon2i, NULL */
extern const char *const auth_scheme_words[];

/* What a site makes new hashes with. */
struct auth_hashing {
	enum auth_scheme scheme;
	/* yescrypt: 1 to 9; bcrypt: 4 to 16, twice the time for one more; sha512, sha256: rounds,
	 * 1000 to 5000000; argon2id, argon2i: MiB of memory, 8 to 256.  0: the default. */
	uint32_t cost;
};

/* NULL, or a sentence: what is wrong with the cost. */
const char *auth_hashing_fault(const struct auth_hashing *h);
/* The default in place of 0. */
uint32_t auth_hashing_cost(const struct auth_hashing *h);

/* Is it a hash of a method known here, within bounds?  Nothing is hashed: it may still be one that
 * nothing fits. */
bool auth_hash_plausible(struct str hash);
/* Has it the length of a whole one, and what is behind the last '$' its letters?  Nothing is
 * hashed: of a method that is not of ours it is true. */
bool auth_hash_seems_whole(struct str hash);
/* Is it a whole hash, not only the setting of one?  It takes as long as verifying. */
bool auth_hash_is_whole(struct str hash);
/* Does a password that fits it deserve a new one?  Of another method of a lower rank, or cheaper.
 */
bool auth_hash_is_weak(struct str hash, const struct auth_hashing *h);
/* What it is, for people: "yescrypt", "bcrypt", …, "crypt(3)". */
const char *auth_hash_name(struct str hash);

/* Appends a new hash of a password, NUL-terminated.  False: this system cannot make such. */
bool auth_hash_make(const char *password, const struct auth_hashing *h, struct buf *out);
/* Takes as long as its method says. */
bool auth_hash_verify(const char *password, struct str hash);
#endif
