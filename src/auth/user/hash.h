/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_USER_HASH_H
#define AUTH_USER_HASH_H
/* A hash for tables that only an administrator fills: FNV-1a with its halves folded.  Fast, but no
 * defence against an attacker who chooses the keys: use siphash.h there. */
#include <stdint.h>

#include "base/str.h"

static inline uint64_t
auth_hash(struct str text)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < text.n; i++)
		h = (h ^ (unsigned char)text.p[i]) * 0x100000001b3u;
	return h ^ h >> 32;
}
#endif
