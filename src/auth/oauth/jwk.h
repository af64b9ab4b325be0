/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_OAUTH_JWK_H
#define AUTH_OAUTH_JWK_H
/*
 * The keys of an issuer (JWKS, RFC 7517, 7518, 8037) and the signatures that
 * are made with them (RFC 7515).  OpenSSL does the sums.
 *
 * Which algorithm a signature is of is said by the token, whom nobody trusts
 * yet; so a key is only ever used for algorithms of its own type, and with a
 * secret (HS256 …) only keys that the file says to be secrets are.  "none" is
 * no algorithm here.
 *
 * A set never changes; it is counted.  Safe in any thread.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"

enum auth_jwk {
	AUTH_JWKS_MAX = 1 << 20, /* bytes of a file */
	AUTH_JWKS_KEYS = 64,
};

struct auth_jwks;

/*
 * From the text of a file.  What is not for signatures, or of a type that is not known, is passed
 * over (RFC 7517 section 5), and counted.  NULL: *why_r is a sentence, static.
 */
struct auth_jwks *auth_jwks_parse(struct str text, const char **why_r);
struct auth_jwks *auth_jwks_ref(struct auth_jwks *jwks);
/* Sets *jwks to NULL; NULL is fine. */
void auth_jwks_unref(struct auth_jwks **jwks);
size_t auth_jwks_count(const struct auth_jwks *jwks);
/* How many were passed over; *which_r: "k1 (why), key 3 (why)", as long as the set lives. */
size_t auth_jwks_passed_over(const struct auth_jwks *jwks, struct str *which_r);
/* Is there a secret among them? */
bool auth_jwks_symmetric(const struct auth_jwks *jwks);

struct auth_alg;
/* By the name that tokens use, case counts; NULL: there is none. */
const struct auth_alg *auth_alg_find(struct str name);
/* One of those with a secret? */
bool auth_alg_symmetric(const struct auth_alg *alg);

/*
 * Is signature one of text, by a key of the set that is for this algorithm?  kid: by the key of
 * that name only (p NULL: by any).  *why_r: static, when not.
 */
bool auth_jwks_verify(const struct auth_jwks *jwks, const struct auth_alg *alg, struct str kid,
    struct str text, struct str signature, const char **why_r);
#endif
