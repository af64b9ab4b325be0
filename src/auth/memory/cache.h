/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_CACHE_H
#define AUTH_CACHE_H
/*
 * The cache of auth, which makes a login cost microseconds: the parts of user records that logins
 * need, and the credentials that were verified.
 *
 * A credential is stored as a keyed hash of name and password, with the stamp of the user's record;
 * the key is random and belongs to this process.  Each change of a record gives it a new stamp, so
 * credentials verified before no longer match.  Answers from a database that does not report
 * changes expire.  Negative answers are not cached, except that a user's name is not an alias.
 *
 * Bounded: two tables of sets of eight entries, which grow as they fill; the least used entry goes
 * first.  Safe from any thread: 64 shards, each with a lock.
 */
#include <stdbool.h>
#include <stdint.h>

#include "auth/user/siphash.h"
#include "auth/user/user.h"
#include "base/str.h"

struct auth_cache;

/* sets: the largest size of a table, in sets of eight entries; a power of two, at least 64. */
struct auth_cache *auth_cache_new(size_t sets);
void auth_cache_free(struct auth_cache **cache);

struct auth_facts {
	uint64_t stamp;
	unsigned flags;      /* of enum auth_user_flag */
	bool acts_for_some;  /* some grant names the user */
	bool acts_for_asked; /* a grant covers the name asked for */
	bool no_alias;       /* the name is known not to be an alias: auth_cache_note_no_alias() */
};

/* Looks up a user, and whether they may act for `other`. */
bool auth_cache_user(
    struct auth_cache *cache, struct str name, struct str other, struct auth_facts *facts_r);
/*
 * Call before reading the record.  auth_cache_put_user() does nothing if the user was dropped
 * since, because the record that was read may be the old one.
 */
uint64_t auth_cache_epoch(struct auth_cache *cache, struct str name);
/* until: on clock_mono_ms(); UINT64_MAX: does not expire. */
void auth_cache_put_user(
    struct auth_cache *cache, uint64_t epoch, const struct auth_user *user, uint64_t until);
/* Notes that the user's name is not an alias, until the user is dropped.  Get the epoch before the
 * look for an alias.  Does nothing if the user is not cached or was dropped since. */
void auth_cache_note_no_alias(struct auth_cache *cache, uint64_t epoch, struct str name);
/* Drops a user; empty: all. */
void auth_cache_drop(struct auth_cache *cache, struct str name);

/* address: the client's, if the answer may depend on it; otherwise empty.  False: the three
 * together are too long to be cached. */
bool auth_cache_credential_key(struct auth_cache *cache, struct str name, struct str password,
    struct str address, struct siphash *key_r);
bool auth_cache_credential(struct auth_cache *cache, struct siphash key, uint64_t stamp);
/* Forgets all credentials, so that each is verified again. */
void auth_cache_forget_credentials(struct auth_cache *cache);
void auth_cache_put_credential(
    struct auth_cache *cache, struct siphash key, uint64_t stamp, uint64_t until);
#endif
