/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_OAUTH_JWK_H
#define AUTH_OAUTH_JWK_H
/*
 * The keys of an issuer (JWKS, RFC 7517, 7518, 8037) and the signatures made with them (RFC 7515).
 * OpenSSL does the cryptography.
 *
 * The token, which is not trusted yet, names the algorithm of its signature.  Therefore a key is
 * used only for algorithms of its own type, and an algorithm with a shared secret (HS256 …) only
 * with keys that the file declares as secrets.  "none" is not supported.
 *
 * A set is immutable and reference-counted.  Safe from any thread.
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
 * Parses the text of a file.  Ignores and counts keys that are not for signatures or have an
 * unknown type (RFC 7517 section 5).  NULL: *why_r is a static sentence.
 */
struct auth_jwks *auth_jwks_parse(struct str text, const char **why_r);
struct auth_jwks *auth_jwks_ref(struct auth_jwks *jwks);
/* Sets *jwks to NULL; NULL is fine. */
void auth_jwks_unref(struct auth_jwks **jwks);
size_t auth_jwks_count(const struct auth_jwks *jwks);
/* How many keys were ignored; *which_r is "k1 (why), key 3 (why)" and lives as long as the set. */
size_t auth_jwks_passed_over(const struct auth_jwks *jwks, struct str *which_r);
/* Whether the set has shared secrets. */
bool auth_jwks_symmetric(const struct auth_jwks *jwks);

struct auth_alg;
/* Finds an algorithm by its name in tokens, case-sensitive; NULL: unknown. */
const struct auth_alg *auth_alg_find(struct str name);
/* Whether it uses a shared secret. */
bool auth_alg_symmetric(const struct auth_alg *alg);

/*
 * Verifies the signature of a text with the keys of the set that are for this algorithm; with kid,
 * only with the key of that name (p NULL: with any).  False: *why_r is a static sentence.
 */
bool auth_jwks_verify(const struct auth_jwks *jwks, const struct auth_alg *alg, struct str kid,
    struct str text, struct str signature, const char **why_r);
#endif
