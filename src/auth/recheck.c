/* SPDX-License-Identifier: Apache-2.0 */
/* May a login that was permitted go on?  See grants.h. */
#include "auth/grants.h"
#include "auth/priv.h"
#include "base/clock.h"

static const char withdrawn[] = "The permission to act for this user was withdrawn";

static const char *
grant_is_over(
    struct auth *auth, struct str authcid, struct str user, const struct auth_grant *grant)
{
	struct auth_groups *groups;
	const char *why = NULL;

	if (atomic_load(&grant->gone))
		return withdrawn;
	if (clock_wall_s() >= grant->until)
		return "The permission to act for this user has expired";
	if (grant->source == AUTH_GRANT_USER)
		return NULL; /* see below */
	groups = auth_groups_get(auth);
	if (!auth_names_fit(&grant->who, groups, authcid) ||
	    !auth_names_fit(&grant->target, groups, user))
		why = withdrawn;
	auth_groups_unref(&groups);
	return why;
}

/* From memory, or with the databases. */
static enum ts_err
facts_of(struct auth *auth, struct str name, struct str other, struct auth_facts *facts_r)
{
	struct auth_chain *chain = NULL;
	struct auth_user user;
	struct arena *arena;
	enum ts_err err;

	if (auth_cache_user(auth->cache, name, other, facts_r))
		return TS_OK;
	arena = arena_new(NULL, ARENA_OTHER, 1024);
	arena_wipe_on_free(arena);
	err = auth_find(auth, name, arena, &user, &chain);
	if (err == TS_OK)
		*facts_r = (struct auth_facts){
		    .flags = user.flags, .acts_for_asked = auth_user_acts_for(&user, other)};
	auth_chain_unref(&chain);
	arena_free(&arena);
	return err;
}

const char *
auth_recheck(struct auth *auth, struct str authcid, struct str user, bool vouched,
    const struct auth_grant *grant)
{
	const char *why = grant != NULL ? grant_is_over(auth, authcid, user, grant) : NULL;
	struct auth_facts who, other;
	enum ts_err err, other_err = TS_OK;

	if (why != NULL)
		return why;
	err = facts_of(auth, authcid, user, &who);
	if (vouched && err == TS_NOT_FOUND) {
		who = (struct auth_facts){.flags = 0};
		err = TS_OK;
	}
	if (!str_eq(authcid, user))
		other_err = facts_of(auth, user, STR_NONE, &other);
	if (err == TS_NOT_FOUND || other_err == TS_NOT_FOUND)
		return "This user was removed";
	if (err == TS_OK && (who.flags & AUTH_USER_DISABLED) != 0)
		return "This user was disabled";
	if (other_err == TS_OK && !str_eq(authcid, user) && (other.flags & AUTH_USER_DISABLED) != 0)
		return "This user was disabled";
	if (err == TS_OK && grant != NULL && grant->source == AUTH_GRANT_USER &&
	    !who.acts_for_asked)
		return withdrawn;
	return NULL;
}
