/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_DIGEST_H
#define AUTH_DIGEST_H
/*
 * Secrets for DIGEST-MD5 (RFC 2831; RFC 6331 calls it historic), for users whose administrator asks
 * for one.  Anyone who has the secret can log in as that user with this mechanism.
 *
 * They are a separate kind of verifier, beside those that check the password:
 *
 *	{DIGEST-MD5}NAME:REALM:HEX	HEX is H(NAME:REALM:PASSWORD)
 *
 * There is one for each way to write the name, because the hash includes it: with the domain, and
 * without it if it is the default domain.
 */
#include "auth/auth.h"
#include "auth/user/user.h"
#include "base/arena.h"

#define AUTH_DIGEST_PREFIX "{DIGEST-MD5}"

/* Appends the realm of this site: the default domain, prepared; "turnstone" without one. */
void auth_digest_realm(struct str default_domain, struct buf *out);
/* Adds the verifiers; user->name must be set.  Returns NULL, or a sentence why it cannot. */
const char *auth_digest_add(
    struct str default_domain, struct str password, struct arena *arena, struct auth_user *user);
/* BLOCKING.  Looks up the secret for a name as the client sent it; AUTH_FAILED: none. */
enum auth_result auth_digest_secret(
    struct auth *auth, struct str name, unsigned char secret_r[16], uint64_t *stamp_r);
#endif
