/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_PASSWORD_H
#define AUTH_PASSWORD_H
/*
 * Passwords and their verifiers: hashes (user/hashing.h) and SCRAM keys.  Except for the functions
 * that only look at a verifier, everything here takes milliseconds by design: call it on a worker,
 * never on a loop.
 */
#include <stdbool.h>

#include "auth/user/hashing.h"
#include "auth/user/user.h"
#include "base/arena.h"
#include "base/str.h"

enum { AUTH_SCRAM_ITERATIONS = 10000, AUTH_SCRAM_SALT = 16 };
/* The longest prepared password, in bytes: the limit of crypt(3). */
#define AUTH_PASSWORD_MAX 511
/* The prefix of a verifier that is the password itself.  Only databases that allow plain passwords
 * make such verifiers; the functions that validate verifiers below reject them. */
#define AUTH_PLAIN_PREFIX "{PLAIN}"

/*
 * Makes the verifiers for a new password, in the arena: a hash of the site's choice and the keys
 * for SCRAM-SHA-256 and SCRAM-SHA-1.  Returns NULL, or a sentence for the user why the password
 * cannot be used.
 */
const char *auth_password_make(
    struct str password, const struct auth_hashing *h, struct arena *arena, struct auth_user *user);
/*
 * Replaces a hash weaker than the site's choice by a new one; the password is known to be right.
 * False: no hash is weak, or a new one cannot be made.
 */
bool auth_password_renew(
    struct str password, const struct auth_hashing *h, struct arena *arena, struct auth_user *user);
/* Whether the user has a hash that auth_password_renew() would replace. */
bool auth_password_is_weak(const struct auth_user *user, const struct auth_hashing *h);
/* Whether it is a complete verifier of a method that this system supports. */
bool auth_verifier_ok(struct str verifier);
/* The same without computing a hash: a plausible verifier may still match no password. */
bool auth_verifier_plausible(struct str verifier);
/* Plausible and not truncated, without computing a hash: the first step of auth_verifier_ok(). */
bool auth_verifier_seems_whole(struct str verifier);
/* Whether the password matches one of the user's verifiers.  A user without one takes as long as
 * one with a hash of the site's choice. */
bool auth_password_verify(
    struct str password, const struct auth_hashing *h, const struct auth_user *user);
/* For an unknown user: does the work of verifying a hash of the site's choice, and returns false.
 */
bool auth_password_pretend(struct str password, const struct auth_hashing *h);
#endif
