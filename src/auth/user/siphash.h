/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_USER_SIPHASH_H
#define AUTH_USER_SIPHASH_H
/*
 * SipHash-2-4 with 128 bits of output: a keyed hash for tables that a peer
 * must not be able to fill at will, and for remembering verified credentials
 * without keeping them.  A few hundred nanoseconds for a password.
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
