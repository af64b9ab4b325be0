/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_OAUTH_JWT_H
#define AUTH_OAUTH_JWT_H
/*
 * auth/oauth: access tokens.  Start here; jwk.h has the keys, claims.h checks the claims, json.h
 * parses untrusted JSON.  Nothing here talks to a server: auth/db/oauth.c does, through the helper.
 *
 * JSON Web Tokens (RFC 7519) as access tokens: one signature in the compact
 * form (RFC 7515 section 7.1), with the care of RFC 8725.
 */
#include "auth/oauth/claims.h"
#include "auth/oauth/jwk.h"

enum { AUTH_JWT_HEADER_MAX = 4096, AUTH_JWT_CLAIMS_MAX = 12288 }; /* bytes, decoded */

struct auth_jwt_rules {
	const struct auth_jwks *keys;
	struct conf_list algorithms; /* accepted ones */
	struct auth_claim_rules claims;
};

/* NULL: the token is valid and the user's name is appended to name_r; otherwise the reason, static.
 */
const char *auth_jwt_verify(struct str token, const struct auth_jwt_rules *rules, int64_t now,
    struct buf *name_r, int64_t *expires_r);
#endif
