/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_CACHE_H
#define AUTH_CACHE_H
/*
 * What auth remembers, so that a login costs microseconds: user records as far
 * as a login needs them, and which credentials were verified.
 *
 * A credential is remembered as a keyed hash of name and password, the key
 * random and of this process, together with the stamp of the user's record.
 * A record's every change gives it a new stamp, so a credential verified
 * before the change fits no more.  What comes from a database that does not tell
 * of changes is remembered until a point in time.  Nothing negative is remembered, but of a user
 * that the name is no alias.
 *
 * Bounded: two tables of sets of eight, which grow with what is put into them; what
 * was not used goes first.  Safe from any thread, in 64 shards with a lock each.
 */
#include <stdbool.h>
#include <stdint.h>

#include "auth/user/siphash.h"
#include "auth/user/user.h"
#include "base/str.h"

struct auth_cache;

/* sets: the most that a table grows to, of eight entries each; a power of two, at least 64. */
struct auth_cache *auth_cache_new(size_t sets);
void auth_cache_free(struct auth_cache **cache);

struct auth_facts {
	uint64_t stamp;
	unsigned flags;      /* of enum auth_user_flag */
	bool acts_for_some;  /* there is a grant */
	bool acts_for_asked; /* it covers the name that was asked for */
	bool no_alias;       /* the name is known to be none: auth_cache_note_no_alias() */
};

/* What is known about the user, and whether they may act for `other`. */
bool auth_cache_user(
    struct auth_cache *cache, struct str name, struct str other, struct auth_facts *facts_r);
/*
 * Ask before reading the record; put refuses when the user was dropped since,
 * for what was read may be the old record.
 */
uint64_t auth_cache_epoch(struct auth_cache *cache, struct str name);
/* until: on clock_mono_ms(), UINT64_MAX for good. */
void auth_cache_put_user(
    struct auth_cache *cache, uint64_t epoch, const struct auth_user *user, uint64_t until);
/* The user's name is no alias; nothing if the user is not remembered, or was dropped since the
 * epoch was asked for, which is before the look for an alias.  It holds until the user is dropped.
 */
void auth_cache_note_no_alias(struct auth_cache *cache, uint64_t epoch, struct str name);
/* Empty: all users. */
void auth_cache_drop(struct auth_cache *cache, struct str name);

/* address: of the client, where the answer may depend on it; else empty.  False when the three
 * together are too long to be remembered. */
bool auth_cache_credential_key(struct auth_cache *cache, struct str name, struct str password,
    struct str address, struct siphash *key_r);
bool auth_cache_credential(struct auth_cache *cache, struct siphash key, uint64_t stamp);
/* All of them: each is verified anew. */
void auth_cache_forget_credentials(struct auth_cache *cache);
void auth_cache_put_credential(
    struct auth_cache *cache, struct siphash key, uint64_t stamp, uint64_t until);
#endif
