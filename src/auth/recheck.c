/* SPDX-License-Identifier: Apache-2.0 */
/* Whether an open login may go on: see grants.h. */
#include "auth/auth_int.h"
#include "auth/grants.h"
#include "base/clock.h"

static enum ts_err
deny(const char **why_r, const char *why)
{
	*why_r = why;
	return TS_DENIED;
}

static enum ts_err
look_at_grant(struct auth *auth, const struct auth_session *s, const char **why_r)
{
	const struct auth_grant *grant = s->grant;
	struct auth_groups *groups;
	bool fit;

	*why_r = auth_grant_ended(grant, clock_wall_s());
	if (*why_r != NULL)
		return TS_DENIED;
	if (grant->source == AUTH_GRANT_USER)
		return TS_OK; /* depends on the user's record */
	groups = auth_groups_get(auth);
	fit = auth_names_fit(&grant->who, groups, s->authcid) &&
	      auth_names_fit(&grant->target, groups, s->user);
	auth_groups_unref(&groups);
	return fit ? TS_OK : deny(why_r, auth_grant_withdrawn);
}

/* Looks in the cache, or asks the databases. */
static enum ts_err
facts_of(
    struct auth *auth, struct str name, struct str other, bool may_wait, struct auth_facts *facts_r)
{
	struct auth_chain *chain = NULL;
	struct auth_user user;
	struct arena *arena;
	enum ts_err err;

	if (auth_cache_user(auth->cache, name, other, facts_r))
		return TS_OK;
	arena = arena_new(NULL, ARENA_OTHER, 1024);
	arena_wipe_on_free(arena);
	err = auth_find_or_wait(auth, name, may_wait, arena, &user, &chain);
	if (err == TS_OK)
		*facts_r = (struct auth_facts){
		    .flags = user.flags, .acts_for_asked = auth_user_acts_for(&user, other)};
	auth_chain_unref(&chain);
	arena_free(&arena);
	return err;
}

static enum ts_err
look_at_user(struct auth *auth, struct str name, struct str other, bool vouched, bool may_wait,
    struct auth_facts *facts_r, const char **why_r)
{
	enum ts_err err = facts_of(auth, name, other, may_wait, facts_r);

	if (err == TS_NOT_FOUND && vouched) {
		*facts_r = (struct auth_facts){.flags = 0};
		return TS_OK;
	}
	if (err == TS_NOT_FOUND)
		return deny(why_r, N_("This user was removed"));
	if (err == TS_OK && (facts_r->flags & AUTH_USER_DISABLED) != 0)
		return deny(why_r, N_("This user was disabled"));
	return err;
}

enum ts_err
auth_recheck(struct auth *auth, const struct auth_session *s, bool may_wait, const char **why_r)
{
	struct auth_facts who, other;
	enum ts_err err = TS_OK, err_other = TS_OK;

	if (s->grant != NULL)
		err = look_at_grant(auth, s, why_r);
	if (err == TS_OK)
		err = look_at_user(
		    auth, s->authcid, s->user, s->authcid_vouched, may_wait, &who, why_r);
	if (err == TS_OK && s->grant != NULL && s->grant->source == AUTH_GRANT_USER &&
	    !who.acts_for_asked)
		err = deny(why_r, auth_grant_withdrawn);
	/* Check the second even if the first is unknown: it may be gone. */
	if (err != TS_DENIED && !str_eq(s->authcid, s->user))
		err_other =
		    look_at_user(auth, s->user, STR_NONE, s->vouched, may_wait, &other, why_r);
	return err == TS_OK || err_other == TS_DENIED ? err_other : err;
}
