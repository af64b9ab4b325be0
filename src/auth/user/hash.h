/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_USER_HASH_H
#define AUTH_USER_HASH_H
/* A hash for tables that only an administrator fills (FNV-1a, its halves folded): fast and short,
 * and no defence against who may choose the keys; for those there is siphash.h. */
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
