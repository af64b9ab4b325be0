/* SPDX-License-Identifier: Apache-2.0 */
/* Explains which grant decides, and why the others do not: see grants.h. */
#include "auth/auth_int.h"
#include "auth/grants.h"
#include "base/mem.h"
#include "sasl/names.h"

typedef void explain_f(const struct auth_grant *grant, enum auth_fit fit, bool decides, void *arg);

/* user_r is valid as long as the arena. */
static void
look_up_person(struct auth *auth, struct str text, struct auth_person *person, struct arena *arena,
    struct auth_user *user_r)
{
	struct auth_chain *chain = NULL;

	*user_r = (struct auth_user){0};
	person->err = TS_NOT_FOUND;
	if (!sasl_name_full(text, buf_as_str(&auth->default_domain), &person->name))
		return;
	person->err = auth_find(auth, buf_as_str(&person->name), arena, user_r, &chain);
	if (person->err == TS_OK) {
		/* A database may return another name, and grants apply to that one. */
		person->name.n = 0;
		buf_str(&person->name, user_r->name);
		person->disabled = (user_r->flags & AUTH_USER_DISABLED) != 0;
		buf_str(&person->database, buf_as_str(&user_r->db->name));
	}
	auth_chain_unref(&chain);
}

static void
look_at(struct auth_explain *e, const struct auth_groups *groups, struct auth_grant *grant,
    explain_f *fn, void *arg)
{
	struct auth_ask ask = {.who = buf_as_str(&e->who_is.name),
	    .target = buf_as_str(&e->target_is.name),
	    .address = e->address,
	    .any_address = e->address.n == 0,
	    .now = e->now};
	enum auth_fit fit = auth_grant_fits(grant, groups, &ask);
	bool decides = fit == AUTH_FITS && !e->self && e->grant == NULL;

	if (decides)
		e->grant = auth_grant_ref(grant);
	fn(grant, fit, decides, arg);
}

/* Explains the patterns in the user's own record as if each were a grant. */
static void
look_at_patterns(struct auth_explain *e, const struct auth_groups *groups,
    const struct auth_user *user, explain_f *fn, void *arg)
{
	for (size_t i = 0; i < user->acts_for_count; i++) {
		struct auth_grant *grant = auth_grant_new_full();

		grant->who =
		    (struct auth_names){AUTH_NAMES_ONE, arena_str(grant->arena, user->name)};
		/* "*", "*@domain" and names are patterns, too. */
		grant->target = (struct auth_names){
		    AUTH_NAMES_PATTERN, arena_str(grant->arena, user->acts_for[i])};
		look_at(e, groups, grant, fn, arg);
		auth_grant_unref(&grant);
	}
}

/* The conditions that auth.c checks besides grants, in its order. */
static const char *
refusal(const struct auth_explain *e)
{
	const struct auth_person *who = &e->who_is, *target = &e->target_is;

	if (who->name.n == 0 || target->name.n == 0)
		return "that is not a user name";
	if (who->err == TS_NOT_FOUND)
		return "the acting user is in no database";
	if (who->err != TS_OK)
		return "the database of the acting user is unavailable";
	if (who->disabled)
		return "the acting user is disabled";
	if (e->self)
		return NULL;
	if (e->grant == NULL)
		return "no grant matches";
	if (target->err == TS_NOT_FOUND)
		return "the user to act for is in no database";
	if (target->err != TS_OK)
		return "the database of the user to act for is unavailable";
	return target->disabled ? "the user to act for is disabled" : NULL;
}

void
auth_grants_explain(struct auth *auth, struct auth_explain *e, explain_f *fn, void *arg)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	struct auth_groups *groups = auth_groups_get(auth);
	struct auth_user who, target;
	struct auth_grant **grants;
	size_t n = auth_grants_get(auth, &grants);

	arena_wipe_on_free(arena);
	look_up_person(auth, e->who, &e->who_is, arena, &who);
	look_up_person(auth, e->target, &e->target_is, arena, &target);
	e->self = str_eq(buf_as_str(&e->who_is.name), buf_as_str(&e->target_is.name));
	for (size_t i = 0; i < n; i++) {
		look_at(e, groups, grants[i], fn, arg);
		auth_grant_unref(&grants[i]);
	}
	look_at_patterns(e, groups, &who, fn, arg);
	e->why = refusal(e);
	e->permitted = e->why == NULL;
	mem_free(grants);
	auth_groups_unref(&groups);
	arena_free(&arena);
}

static void
person_fini(struct auth_person *person)
{
	buf_fini(&person->name);
	buf_fini(&person->database);
}

void
auth_explain_fini(struct auth_explain *e)
{
	person_fini(&e->who_is);
	person_fini(&e->target_is);
	auth_grant_unref(&e->grant);
}
