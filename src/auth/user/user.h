/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_USER_USER_H
#define AUTH_USER_USER_H
/*
 * auth/user: a user's record, and small parts for it: password hashes (hashing.h), table hashes
 * (hash.h, siphash.h), watched files (file.h).
 *
 * The record's value, format 1 (the store adds its checksum):
 *
 *	byte     1, the format
 *	byte     flags, enum auth_user_flag
 *	8 bytes  stamp, little-endian: random, a new one with each change
 *	8 bytes  created, 8 bytes changed: seconds since 1970, little-endian
 *	varint   number of verifiers, then each: varint length, bytes
 *	varint   number of acts_for patterns, then each likewise
 *
 * Its key is "user/" and the prepared name.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

enum auth_user_flag {
	AUTH_USER_ADMIN = 1,
	AUTH_USER_DISABLED = 2,
	AUTH_USER_BY_ADDRESS = 256, /* not stored: see auth_db.by_address */
};

enum auth_user_limit {
	AUTH_VERIFIERS_MAX = 8,
	AUTH_PATTERNS_MAX = 256,
	AUTH_VERIFIER_LEN_MAX = 1024,
};

struct auth_db;

struct auth_user {
	struct str name; /* prepared, full */
	unsigned flags;  /* of enum auth_user_flag */
	uint64_t stamp;
	int64_t created, changed;
	const struct str *verifiers; /* crypt(3) strings, SCRAM keys (sasl/scram_keys.h) */
	size_t verifier_count;
	const struct str *acts_for; /* prepared; '*' stands for any characters, also '@' and none */
	size_t acts_for_count;
	struct str handle;  /* for the database's verify(); not stored */
	struct auth_db *db; /* where auth_find() found the user, see auth/db.h; not stored */
	bool unreadable;    /* in lists: the record has an unknown format; only the name is set */
};

void auth_user_print(const struct auth_user *user, struct buf *out);
/* Copies strings into the arena.  False: not a record of a known format. */
bool auth_user_parse(
    struct str name, struct str value, struct arena *arena, struct auth_user *user_r);
/* Whether the user's own patterns cover a prepared name.  Acting as oneself needs no pattern. */
bool auth_user_acts_for(const struct auth_user *user, struct str name);
/* '*' matches any characters.  Restarts at the last star only, so the time is bounded by pattern
 * times name. */
bool auth_glob(struct str pattern, struct str name);
#endif
