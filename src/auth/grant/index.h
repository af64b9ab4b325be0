/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_GRANT_INDEX_H
#define AUTH_GRANT_INDEX_H
/*
 * All grants in force, and the search for the one that decides on a login.
 *
 * An index is immutable; adding or removing a grant makes a new one.  The first grant in order that
 * fits decides.  The search does not walk all grants: it looks up those for the identity's name,
 * domain and groups, and among those the ones for the target user.  Only patterns other than a
 * whole name, "*@domain" and "*" are tried one by one.
 */
#include "auth/grant/grant.h"
#include "auth/grant/groups.h"

struct auth_index;

/* The question that a login asks.  Names are prepared. */
struct auth_ask {
	struct str who, target;
	struct str address; /* of the client: numeric, or "unix" */
	int64_t now;        /* seconds since 1970 */
	bool any_address;   /* every rule on addresses matches; for explaining */
};

enum auth_fit { /* whether a grant fits a login: the first condition that fails */
	AUTH_FITS,
	AUTH_NOT_WHO,
	AUTH_NOT_FOR,
	AUTH_NOT_FROM,
	AUTH_EXPIRED
};

/* Takes a reference to each grant; grants are in order. */
struct auth_index *auth_index_new(struct auth_grant *const *grants, size_t n);
void auth_index_free(struct auth_index **index);

/* Neither blocks nor allocates.  NULL: none fits.  The index owns the grant. */
struct auth_grant *auth_index_find(
    const struct auth_index *index, const struct auth_groups *groups, const struct auth_ask *ask);
/* Whether any grant lets `who` act now, for anybody and from any address. */
bool auth_index_names(
    const struct auth_index *index, const struct auth_groups *groups, struct str who, int64_t now);
/* When the next grant expires; AUTH_GRANT_FOR_GOOD: none will. */
int64_t auth_index_next_end(const struct auth_index *index, int64_t now);

/* All grants in order. */
size_t auth_index_grants(const struct auth_index *index, struct auth_grant *const **grants_r);
/* Whether a grant fits, and why not.  auth_index_find() returns the first that does. */
enum auth_fit auth_grant_fits(
    const struct auth_grant *grant, const struct auth_groups *groups, const struct auth_ask *ask);
bool auth_names_fit(
    const struct auth_names *names, const struct auth_groups *groups, struct str name);
#endif
