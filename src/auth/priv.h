/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_PRIV_H
#define AUTH_PRIV_H
/* What auth.c and users.c share. */
#include <pthread.h>
#include <stdatomic.h>

#include "auth/auth.h"
#include "auth/cache.h"
#include "store/store.h"

struct auth {
	struct store *store;
	struct buf default_domain;
	struct auth_cache *cache;
	_Atomic uint64_t generation; /* grows with each change of a user's record */
	pthread_mutex_t secret_lock; /* the two below */
	bool has_secret;
	unsigned char secret[32]; /* see auth_scram_keys() */
};

/* Reads a record and remembers it; its strings are in the arena. */
enum ts_err auth_user_load(
    struct auth *auth, struct str name, struct arena *arena, struct auth_user *user_r);
/* "user/" and the name. */
void auth_user_key(struct str name, struct buf *out);
#endif
