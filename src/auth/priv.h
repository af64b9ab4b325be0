/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_PRIV_H
#define AUTH_PRIV_H
/* What auth.c and users.c share. */
#include <pthread.h>
#include <stdatomic.h>

#include "auth/auth.h"
#include "auth/cache.h"
#include "auth/db.h"
#include "auth/grant.h"
#include "store/store.h"

struct auth {
	struct store *store;
	struct buf default_domain;
	struct auth_cache *cache;
	_Atomic uint64_t generation; /* grows with each change of what a login is decided on */
	pthread_mutex_t chain_lock;
	struct auth_chain *chain;    /* under chain_lock; never NULL */
	struct auth_grant *full;     /* what a user's own acts_for patterns give */
	pthread_mutex_t secret_lock; /* the two below */
	bool has_secret;
	unsigned char secret[32]; /* see auth_scram_keys() */
};

/* Reads the store's record of a (prepared) name; its strings are in the arena. */
enum ts_err auth_user_read(
    struct store *store, struct str name, struct arena *arena, struct auth_user *user_r);
/* A reference to the chain in force. */
struct auth_chain *auth_chain_get(struct auth *auth);
/* The first database that takes the request's token says whose it is: see db.h. */
enum auth_result auth_chain_token(struct auth_chain *chain, const struct auth_request *req,
    struct buf *name_r, const char **why_r);
/* Until when what the database says now may be remembered. */
uint64_t auth_cache_until(const struct auth_db *db);
/* "user/" and the name. */
void auth_user_key(struct str name, struct buf *out);
#endif
