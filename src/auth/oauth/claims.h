/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_OAUTH_CLAIMS_H
#define AUTH_OAUTH_CLAIMS_H
/*
 * What an issuer says of a token, in a JWT (RFC 7519, RFC 9068) or as the
 * answer of its introspection endpoint (RFC 7662), and what a site asks of it.
 * Whether it is the issuer who says it was seen before.
 */
#include <stdint.h>

#include "auth/oauth/json.h"
#include "conf/conf.h"

struct auth_claim_rules {
	struct str issuer;         /* "iss"; empty: any */
	struct conf_list audience; /* "aud" names one of these; none: any */
	struct conf_list scope;    /* "scope" (or "scp") has all of these */
	struct str user;           /* the claim that is the user's name */
	int64_t leeway, max_age;   /* seconds; max_age 0: any */
	bool expires;              /* "exp" has to be there */
};

struct auth_claims {
	struct str user; /* as long as the JSON lives */
	int64_t expires; /* with the leeway, seconds since 1970; INT64_MAX: never */
};

/* NULL: all is as it should be, *claims_r is set; else why not, static. */
const char *auth_claims_judge(const json_t *json, const struct auth_claim_rules *rules, int64_t now,
    struct auth_claims *claims_r);
#endif
