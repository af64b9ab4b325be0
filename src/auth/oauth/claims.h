/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_OAUTH_CLAIMS_H
#define AUTH_OAUTH_CLAIMS_H
/*
 * The claims of a token, from a JWT (RFC 7519, RFC 9068) or an answer of the introspection endpoint
 * (RFC 7662), and the site's rules for them.  The caller has verified that they are the issuer's.
 */
#include <stdint.h>

#include "auth/oauth/json.h"
#include "conf/conf.h"

struct auth_claim_rules {
	struct str issuer;         /* "iss"; empty: any */
	struct conf_list audience; /* "aud" must name one of these; empty: any */
	struct conf_list scope;    /* "scope" (or "scp") must have all of these */
	struct str user;           /* the claim with the user's name */
	int64_t leeway, max_age;   /* seconds; max_age 0: any */
	bool expires;              /* "exp" is required */
};

struct auth_claims {
	struct str user; /* valid as long as the JSON */
	int64_t expires; /* leeway included, seconds since 1970; INT64_MAX: never */
};

/* NULL: the rules are met and *claims_r is set; otherwise the reason, static. */
const char *auth_claims_judge(const json_t *json, const struct auth_claim_rules *rules, int64_t now,
    struct auth_claims *claims_r);
#endif
