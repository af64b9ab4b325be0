/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_GATEWAY_H
#define AUTH_GATEWAY_H
/*
 * Login names that carry the gateway: with auth.gateway_separator "*", the name "alice*gateway"
 * logs gateway in to act for alice.  For clients that cannot send an authorization identity.
 *
 * While a separator is set, no user's name may contain it: such users cannot be created and cannot
 * log in by any mechanism, so that every name has one meaning.
 */
#include "auth/auth.h"

enum auth_carried {
	AUTH_CARRIED_NONE, /* no separator is set, or the name does not contain it */
	AUTH_CARRIED_TWO,
	AUTH_CARRIED_PART, /* one of the two names is empty: invalid */
};

/* Splits the name at its last separator. */
enum auth_carried auth_gateway_split(
    const struct auth *auth, struct str name, struct str *user_r, struct str *gateway_r);
/* Whether the name is forbidden because it contains the separator. */
bool auth_gateway_forbids(const struct auth *auth, struct str name);
/* Sets the separator; 0: none.  Decisions already made stand. */
void auth_gateway_set(struct auth *auth, char separator);
#endif
