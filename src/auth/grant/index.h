/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_GRANT_INDEX_H
#define AUTH_GRANT_INDEX_H
/*
 * All grants in force, and finding the one that decides about a login.
 *
 * An index never changes; it is made anew when a grant comes or goes.  Its
 * grants stand in their order, and the first that fits decides.  A search does
 * not walk over them: it looks up, for the identity's name, its domain, its
 * groups, which grants are theirs, and in those the same for the user acted
 * for.  Only patterns that are neither a whole name, nor "*@domain", nor "*" are tried
 * one by one.
 */
#include "auth/grant/grant.h"
#include "auth/grant/groups.h"

struct auth_index;

/* What a login asks.  Names are prepared. */
struct auth_ask {
	struct str who, target;
	struct str address; /* of the client: numeric, or "unix" */
	int64_t now;        /* seconds since 1970 */
	bool any_address;   /* rules about addresses hold; for explaining */
};

enum auth_fit { /* of a grant with a login; the first that does not hold */
	AUTH_FITS,
	AUTH_NOT_WHO,
	AUTH_NOT_FOR,
	AUTH_NOT_FROM,
	AUTH_EXPIRED
};

/* Takes a reference to each of the grants, which stand in order. */
struct auth_index *auth_index_new(struct auth_grant *const *grants, size_t n);
void auth_index_free(struct auth_index **index);

/* Does not block nor allocate.  NULL: none fits.  The grant is the index's. */
struct auth_grant *auth_index_find(
    const struct auth_index *index, const struct auth_groups *groups, const struct auth_ask *ask);
/* Is there any by which who may act, for somebody, from somewhere, now? */
bool auth_index_names(
    const struct auth_index *index, const struct auth_groups *groups, struct str who, int64_t now);
/* When the next of them ends, of those that have not; AUTH_GRANT_FOR_GOOD: none does. */
int64_t auth_index_next_end(const struct auth_index *index, int64_t now);

/* The grants in order, to be looked at one by one. */
size_t auth_index_grants(const struct auth_index *index, struct auth_grant *const **grants_r);
/* Whether, and why not.  What auth_index_find() gives is the first grant that fits. */
enum auth_fit auth_grant_fits(
    const struct auth_grant *grant, const struct auth_groups *groups, const struct auth_ask *ask);
bool auth_names_fit(
    const struct auth_names *names, const struct auth_groups *groups, struct str name);
#endif
