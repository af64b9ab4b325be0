/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_DIGEST_H
#define AUTH_DIGEST_H
/*
 * Secrets of DIGEST-MD5 (RFC 2831; RFC 6331 calls it historic), for users whose administrator asked
 * for one.  Who has it can log in as that user by this mechanism, as with the password itself.
 *
 * Verifiers of a kind of their own, beside those that the password is checked with:
 *
 *	{DIGEST-MD5}NAME:REALM:HEX	HEX is H(NAME:REALM:PASSWORD)
 *
 * one for each way to write the name, since the hash has it in: with the domain, and without it
 * where that is the default one.
 */
#include "auth/auth.h"
#include "auth/user/user.h"
#include "base/arena.h"

#define AUTH_DIGEST_PREFIX "{DIGEST-MD5}"

/* Appends the realm of this site: the default domain, prepared; "turnstone" without one. */
void auth_digest_realm(struct str default_domain, struct buf *out);
/* Adds the verifiers; user->name is set.  NULL when done, else why not (a sentence). */
const char *auth_digest_add(
    struct str default_domain, struct str password, struct arena *arena, struct auth_user *user);
/* BLOCKING.  The secret of a name as a client sent it; AUTH_FAILED: there is none. */
enum auth_result auth_digest_secret(
    struct auth *auth, struct str name, unsigned char secret_r[16], uint64_t *stamp_r);
#endif
