/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_PASSWORD_H
#define AUTH_PASSWORD_H
/*
 * Passwords and their verifiers: hashes (user/hashing.h) and SCRAM keys.  Everything
 * here but the looks at a verifier takes milliseconds by design: on a worker,
 * never on a loop.
 */
#include <stdbool.h>

#include "auth/user/hashing.h"
#include "auth/user/user.h"
#include "base/arena.h"
#include "base/str.h"

enum { AUTH_SCRAM_ITERATIONS = 10000, AUTH_SCRAM_SALT = 16 };
/* Bytes of a password, prepared: what crypt(3) takes. */
#define AUTH_PASSWORD_MAX 511
/* A verifier that is the password itself begins so.  Databases that may have such make them; the
 * functions that say whether a verifier is one do not know it. */
#define AUTH_PLAIN_PREFIX "{PLAIN}"

/*
 * Verifiers for a new password, in the arena: a hash of the site's choice, SCRAM-SHA-256,
 * SCRAM-SHA-1.  NULL when done, else why the password cannot be taken (a sentence for the user).
 */
const char *auth_password_make(
    struct str password, const struct auth_hashing *h, struct arena *arena, struct auth_user *user);
/*
 * The user's verifiers with a new hash in place of the one that is weaker than the site's choice;
 * the password is known to fit.  False: there is no such, or none can be made.
 */
bool auth_password_renew(
    struct str password, const struct auth_hashing *h, struct arena *arena, struct auth_user *user);
/* Has the user a hash that auth_password_renew() would change? */
bool auth_password_is_weak(const struct auth_user *user, const struct auth_hashing *h);
/* Is it a verifier as a whole, of a method that this system knows? */
bool auth_verifier_ok(struct str verifier);
/* The same without the milliseconds of a hash: it may still be one that nothing fits. */
bool auth_verifier_plausible(struct str verifier);
/* Plausible, and not cut off either, which costs no hash: what auth_verifier_ok() asks first. */
bool auth_verifier_seems_whole(struct str verifier);
/* Does the password fit one of the user's verifiers?  One without a verifier costs as much as one
 * with the site's choice. */
bool auth_password_verify(
    struct str password, const struct auth_hashing *h, const struct auth_user *user);
/* For a user that does not exist: as much work as verifying with the site's choice, then false. */
bool auth_password_pretend(struct str password, const struct auth_hashing *h);
#endif
