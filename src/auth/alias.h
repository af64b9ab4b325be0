/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_ALIAS_H
#define AUTH_ALIAS_H
/*
 * Aliases: addresses that stand for users in delivery.  They cannot be used to log in.  All
 * functions except auth_recall_recipient() are BLOCKING: call them on a worker or a thread of your
 * own.
 *
 * An alias is a name like a user's: prepared, with the default domain added.  "@domain" is a
 * catch-all: it receives mail for any address of the domain that is neither a user nor an alias.
 * An alias has 1 to AUTH_ALIAS_TARGETS targets, each a user or another alias, with or without a
 * sub-address ("alice+lists").  Delivery finds out whether they exist.  An alias takes precedence
 * over a user of the same name; an alias that lists its own name means the user.
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
	bool unreadable; /* in lists: the record has an unknown format; only the name is set */
};

/* Names are as people write them.  Replaces an existing alias.  On TS_INVALID, *why_r is a static
 * sentence for the user; otherwise NULL. */
TS_CHECKED enum ts_err auth_alias_put(
    struct auth *auth, const struct auth_alias *alias, const char **why_r);
/* TS_NOT_FOUND if the alias does not exist. */
TS_CHECKED enum ts_err auth_alias_remove(struct auth *auth, struct str name, const char **why_r);
/* name is prepared.  The targets go into the arena. */
TS_CHECKED enum ts_err auth_alias_get(
    struct auth *auth, struct str name, struct arena *arena, struct auth_alias *alias_r);
/* Calls fn in the order of names until it returns false.  The alias is valid only during the call.
 */
TS_CHECKED enum ts_err auth_alias_list(
    struct auth *auth, bool (*fn)(const struct auth_alias *alias, void *arg), void *arg);

/* Who receives mail for a name: the alias of that name, or else the user. */
struct auth_recipient {
	bool is_alias;
	struct auth_alias alias;
	struct auth_user user; /* unless is_alias; its database may be gone */
};

/* name is prepared.  users_only: ignore an alias of that name, because it is being expanded.
 * Returns TS_OK or TS_NOT_FOUND; any other error means that a database cannot be asked. */
TS_CHECKED enum ts_err auth_find_recipient(struct auth *auth, struct str name, bool users_only,
    struct arena *arena, struct auth_recipient *recipient_r);
/*
 * The same from the cache, in one look.  True: the name belongs to a user who is not disabled and
 * is not an alias.  False: ask auth_find_recipient().  Does not block.  A change of an alias or a
 * user invalidates the answer before the change is acknowledged.
 */
bool auth_recall_recipient(struct auth *auth, struct str name);

/* Appends the canonical form of a name, as it is stored.  False: not a valid name. */
bool auth_alias_name(struct auth *auth, struct str name, struct buf *out);
#endif
