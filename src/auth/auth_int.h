/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_AUTH_INT_H
#define AUTH_AUTH_INT_H
/*
 * The internals of auth, and how its files call each other.  Calls go down this list, never up:
 *
 *	auth.c, users.c, recheck.c   decisions about logins; users as people manage them
 *	digest.c, alias.c, scram.c   what else belongs to a user
 *	chain.c                      the databases in their order
 *	renew.c, grants.c, group_file.c
 *	password.c
 *	records.c, state.c           the store's records; the state of auth
 */
#include <pthread.h>
#include <stdatomic.h>

#include "auth/auth.h"
#include "auth/db.h"
#include "auth/grant/grant.h"
#include "auth/grants.h"
#include "auth/memory/cache.h"
#include "auth/memory/tokens.h"
#include "auth/user/hashing.h"
#include "store/store.h"

struct auth_renewal; /* renew.c; the next, too */
struct auth_renewing;

struct auth {
	struct store *store;
	struct auth_helper *helper; /* NULL: none */
	struct buf default_domain;
	struct auth_cache *cache;
	struct auth_tokens *tokens;
	_Atomic bool takes_tokens;   /* whether a database of the chain does */
	_Atomic char separator;      /* auth/gateway.h; 0: none */
	_Atomic uint64_t generation; /* grows with each change that may affect a login */
	pthread_mutex_t chain_lock;
	struct auth_chain *chain;    /* under chain_lock; never NULL */
	struct auth_grant *full;     /* the grant that a user's own acts_for patterns give */
	pthread_mutex_t change_lock; /* one change of grants at a time; guards the next three */
	uint64_t mark;               /* of the latest configuration in force */
	struct auth_grant_list {
		struct auth_grant **p;
		size_t n;
	} config_grants, store_grants; /* in order */
	pthread_rwlock_t grants_lock;  /* guards the next two, which are never NULL */
	struct auth_index *index;
	struct auth_groups *groups;
	char *group_path;       /* guarded by change_lock, as is the next; NULL: no file */
	struct stat group_seen; /* when it was last read */
	void (*on_change)(struct str user, void *arg); /* auth_on_change(); may be NULL */
	void *on_change_arg;
	_Atomic uint64_t hashing;   /* scheme << 32 | cost */
	pthread_mutex_t renew_lock; /* guards the next two */
	struct auth_renewal *renewals;
	size_t renewal_count;
	struct auth_renewing *renewing; /* referenced */
	pthread_mutex_t secret_lock;    /* guards the next two */
	bool has_secret;
	unsigned char secret[32]; /* for auth_scram_keys() */
};

/* Returns a reference to the chain in force. */
struct auth_chain *auth_chain_get(struct auth *auth);
/* Asks the databases in turn whose token it is; the first that accepts it decides (db.h). */
enum auth_result auth_chain_token(struct auth_chain *chain, const struct auth_request *req,
    struct auth_token *token_r, const char **why_r);
/* The first database that accepts tokens, or NULL. */
const struct auth_db *auth_chain_token_db(const struct auth_chain *chain);
/* Like auth_find(), but returns TS_CONDITION instead of asking a slow database unless may_wait is
 * set. */
TS_CHECKED enum ts_err auth_find_or_wait(struct auth *auth, struct str name, bool may_wait,
    struct arena *arena, struct auth_user *user_r, struct auth_chain **chain_r);
/* How new passwords are hashed now. */
struct auth_hashing auth_hashing_get(struct auth *auth);
/* Call with a password that was right: if its hash is weak and the user is the store's,
 * auth_renew_poll() makes a new one.  Does not block. */
void auth_renew_note(struct auth *auth, const struct auth_user *user, struct str password);
void auth_renew_poll(struct auth *auth);
void auth_renew_init(struct auth *auth);
void auth_renew_fini(struct auth *auth);
/* How long an answer of the database may be cached, on clock_mono_ms(). */
uint64_t auth_cache_until(const struct auth_db *db);
/* Reads the store's grants; there are none from the configuration yet. */
void auth_grants_init(struct auth *auth);
void auth_grants_fini(struct auth *auth);
/* Call when the grants changed: logins decided before are no longer current. */
void auth_grants_changed(struct auth *auth);
/* Returns a reference to the grant that decides; NULL: none.  Does not block. */
struct auth_grant *auth_grants_find(struct auth *auth, const struct auth_ask *ask);
/* Whether any grant lets `who` act for somebody. */
bool auth_grants_name(struct auth *auth, struct str who, int64_t now);
#endif
