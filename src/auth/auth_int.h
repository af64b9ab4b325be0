/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_AUTH_INT_H
#define AUTH_AUTH_INT_H
/*
 * Auth from inside: what it is made of, and how its files ask each other.  Calls go downwards in
 * this order, and never back:
 *
 *	auth.c, users.c, recheck.c   decisions about logins; users as people manage them
 *	digest.c, alias.c, scram.c   what a user's record has besides
 *	chain.c                      the databases in their order
 *	renew.c, grants.c, group_file.c
 *	password.c
 *	records.c, state.c           the store's records; what auth is made with
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
	_Atomic bool takes_tokens;   /* a database of the chain does */
	_Atomic char separator;      /* auth/gateway.h; 0: none */
	_Atomic uint64_t generation; /* grows with each change of what a login is decided on */
	pthread_mutex_t chain_lock;
	struct auth_chain *chain;    /* under chain_lock; never NULL */
	struct auth_grant *full;     /* what a user's own acts_for patterns give */
	pthread_mutex_t change_lock; /* one change of grants at a time; the three below */
	uint64_t mark;               /* of what was put in force last */
	struct auth_grant_list {
		struct auth_grant **p;
		size_t n;
	} config_grants, store_grants; /* in order */
	pthread_rwlock_t grants_lock;  /* the two below, both never NULL */
	struct auth_index *index;
	struct auth_groups *groups;
	char *group_path;       /* under change_lock, and the next; NULL: no file */
	struct stat group_seen; /* as it was tried last */
	void (*on_change)(struct str user, void *arg); /* see auth_on_change(); may be NULL */
	void *on_change_arg;
	_Atomic uint64_t hashing;   /* scheme << 32 | cost */
	pthread_mutex_t renew_lock; /* the two below */
	struct auth_renewal *renewals;
	size_t renewal_count;
	struct auth_renewing *renewing; /* referenced */
	pthread_mutex_t secret_lock;    /* the two below */
	bool has_secret;
	unsigned char secret[32]; /* see auth_scram_keys() */
};

/* A reference to the chain in force. */
struct auth_chain *auth_chain_get(struct auth *auth);
/* The first database that takes the request's token says whose it is: see db.h. */
enum auth_result auth_chain_token(struct auth_chain *chain, const struct auth_request *req,
    struct auth_token *token_r, const char **why_r);
/* The first that takes tokens, or NULL. */
const struct auth_db *auth_chain_token_db(const struct auth_chain *chain);
/* auth_find(), but TS_CONDITION instead of asking a database that may be slow, unless may_wait. */
TS_CHECKED enum ts_err auth_find_or_wait(struct auth *auth, struct str name, bool may_wait,
    struct arena *arena, struct auth_user *user_r, struct auth_chain **chain_r);
/* What new hashes are made with now. */
struct auth_hashing auth_hashing_get(struct auth *auth);
/* A password that was right: if the hash of the store's user is weak, auth_renew_poll() makes a
 * new one.  Does not block. */
void auth_renew_note(struct auth *auth, const struct auth_user *user, struct str password);
void auth_renew_poll(struct auth *auth);
void auth_renew_init(struct auth *auth);
void auth_renew_fini(struct auth *auth);
/* Until when what the database says now may be remembered. */
uint64_t auth_cache_until(const struct auth_db *db);
/* Grants of the store, read; those of the configuration, none. */
void auth_grants_init(struct auth *auth);
void auth_grants_fini(struct auth *auth);
/* What logins are decided on is another now. */
void auth_grants_changed(struct auth *auth);
/* By which grant, a reference; NULL: none.  Does not block. */
struct auth_grant *auth_grants_find(struct auth *auth, const struct auth_ask *ask);
/* Is there any grant by which they may act? */
bool auth_grants_name(struct auth *auth, struct str who, int64_t now);
#endif
