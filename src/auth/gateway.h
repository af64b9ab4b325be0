/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_GATEWAY_H
#define AUTH_GATEWAY_H
/*
 * Login names that carry the gateway: "alice*gateway" is the user alice, for whom gateway acts,
 * where auth.gateway_separator is "*".  For clients that have a field for the name and none for an
 * authorization identity.
 *
 * While there is a separator no user's name may contain it: such users are not made, and do not log
 * in, whichever way they are named, so that each name means one thing.
 */
#include "auth/auth.h"

enum auth_carried {
	AUTH_CARRIED_NONE, /* there is no separator, or none in the name */
	AUTH_CARRIED_TWO,
	AUTH_CARRIED_PART, /* one of the two is missing: nobody's name */
};

/* Splits the name at its last separator. */
enum auth_carried auth_gateway_split(
    const struct auth *auth, struct str name, struct str *user_r, struct str *gateway_r);
/* Can no user have this name, for the separator in it? */
bool auth_gateway_forbids(const struct auth *auth, struct str name);
/* 0: there is none.  What was decided before stays. */
void auth_gateway_set(struct auth *auth, char separator);
#endif
