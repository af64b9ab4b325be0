/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_PRIV_H
#define AUTH_PRIV_H
/* What auth.c and users.c share. */
#include <stdatomic.h>

#include "auth/auth.h"
#include "auth/cache.h"
#include "store/store.h"

struct auth {
	struct store *store;
	struct buf default_domain;
	struct auth_cache *cache;
	_Atomic uint64_t generation; /* grows with each change of a user's record */
};

/* "user/" and the name. */
void auth_user_key(struct str name, struct buf *out);
#endif
