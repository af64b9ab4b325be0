/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_ALIAS_H
#define AUTH_ALIAS_H
/*
 * Aliases: addresses that stand for users, for delivery only; nobody logs in
 * with one.  All functions but auth_recall_recipient() are BLOCKING: a worker or a thread of its
 * own.
 *
 * An alias is a name like a user's, prepared, with the default domain behind
 * it; or "@domain", which takes what is addressed to the domain and is neither
 * a user nor an alias.  It stands for one to AUTH_ALIAS_TARGETS names, each a
 * user or another alias, with or without a sub-address ("alice+lists").  Whether
 * they exist is found out at delivery.  An alias goes before a user of the same
 * name; where it names itself, the user is meant.
 *
 * The record, under "alias/" and the name, format 1 (the store adds its checksum):
 *
 *	byte     1, the format
 *	varint   number of targets, then each: varint length, bytes
 */
#include "auth/auth.h"
#include "auth/user/user.h"
#include "base/arena.h"

enum { AUTH_ALIAS_TARGETS = 256 };

struct auth_alias {
	struct str name;
	const struct str *targets;
	size_t target_count;
	bool unreadable; /* in lists: the record is of an unknown format, only the name is there */
};

/* The names are as people write them.  Replaces an alias that is there.  On TS_INVALID *why_r is a
 * sentence for them, static, else NULL. */
TS_CHECKED enum ts_err auth_alias_put(
    struct auth *auth, const struct auth_alias *alias, const char **why_r);
/* TS_NOT_FOUND: there is no such alias. */
TS_CHECKED enum ts_err auth_alias_remove(struct auth *auth, struct str name, const char **why_r);
/* name is prepared.  The targets go into the arena. */
TS_CHECKED enum ts_err auth_alias_get(
    struct auth *auth, struct str name, struct arena *arena, struct auth_alias *alias_r);
/* In the order of names, until fn returns false; the alias is valid inside fn only. */
TS_CHECKED enum ts_err auth_alias_list(
    struct auth *auth, bool (*fn)(const struct auth_alias *alias, void *arg), void *arg);

/* Whom a name means in delivery: an alias of that name, or else a user. */
struct auth_recipient {
	bool is_alias;
	struct auth_alias alias;
	struct auth_user user; /* unless is_alias; its database may be gone */
};

/* name is prepared; users_only: it is no alias here, since that is being expanded.  TS_OK,
 * TS_NOT_FOUND; else it cannot be asked. */
TS_CHECKED enum ts_err auth_find_recipient(struct auth *auth, struct str name, bool users_only,
    struct arena *arena, struct auth_recipient *recipient_r);
/*
 * The same from what auth remembers, in one look: true if the name is known to be no alias, and
 * that of a user who is not disabled; false: ask auth_find_recipient().  Does not block.  Whoever
 * changes an alias or a user makes it false before the change is acknowledged.
 */
bool auth_recall_recipient(struct auth *auth, struct str name);

/* The form in which names are kept: appends it.  False: it is no name. */
bool auth_alias_name(struct auth *auth, struct str name, struct buf *out);
#endif
