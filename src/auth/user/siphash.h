/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_USER_SIPHASH_H
#define AUTH_USER_SIPHASH_H
/*
 * SipHash-2-4 with 128 bits of output: a keyed hash for tables whose keys a peer chooses, and for
 * recognizing verified credentials without storing them.  A few hundred nanoseconds for a password.
 */
#include <stdint.h>

#include "base/str.h"

struct siphash_key {
	uint64_t k0, k1;
};

struct siphash {
	uint64_t lo, hi;
};

struct siphash siphash_of(const struct siphash_key *key, struct str in);
#endif
