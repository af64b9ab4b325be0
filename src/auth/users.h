/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_USERS_H
#define AUTH_USERS_H
/*
 * Create, change and list users.  All functions are BLOCKING: call them on a tool's main thread or
 * a thread of your own in the server, never on a loop.  A change drops the cached answers it
 * affects before it returns, so an old password is refused from then on.
 *
 * Names and patterns are as people write them; they are prepared here.  On TS_INVALID, *why_r is a
 * static sentence for the user; otherwise NULL.
 */
#include "auth/auth.h"
#include "auth/user/user.h"

struct auth_user_spec {
	struct str name;
	struct str password; /* or: */
	struct str hash;     /* a verifier */
	const struct str *acts_for;
	size_t acts_for_count;
	bool admin;
	bool digest_md5; /* add a secret for DIGEST-MD5 (auth/digest.h); needs the password */
};

/* Returns why a user of this full name cannot be created, a static sentence; NULL: nothing is
 * wrong. */
const char *auth_users_name_fault(const struct auth *auth, struct str name);
TS_CHECKED enum ts_err auth_users_add(
    struct auth *auth, const struct auth_user_spec *spec, const char **why_r);
/* Checks everything that auth_users_add() checks except the password, so that a tool can report a
 * fault before it asks for one.  TS_OK: nothing is wrong.  TS_EXISTS: the user exists. */
TS_CHECKED enum ts_err auth_users_check(
    struct auth *auth, const struct auth_user_spec *spec, const char **why_r);
/* Changes only the password (or hash, and digest_md5); ignores the rest of spec. */
TS_CHECKED enum ts_err auth_users_passwd(
    struct auth *auth, const struct auth_user_spec *spec, const char **why_r);
TS_CHECKED enum ts_err auth_users_disable(
    struct auth *auth, struct str name, bool disabled, const char **why_r);
/* Keeps the account and its mail. */
TS_CHECKED enum ts_err auth_users_delete(struct auth *auth, struct str name, const char **why_r);
TS_CHECKED enum ts_err auth_users_get(struct auth *auth, struct str name, struct arena *arena,
    struct auth_user *user_r, const char **why_r);
/* Calls fn in the order of names until it returns false.  The user is valid only during the call,
 * and may be `unreadable`. */
TS_CHECKED enum ts_err auth_users_list(
    struct auth *auth, bool (*fn)(const struct auth_user *user, void *arg), void *arg);

/*
 * Creates many users at once, named prefix + number (from … to, with at least `digits` digits), all
 * with the same verifiers.  Existing users are not changed.  *made_r: how many were created.
 * 100,000 users take a second.
 */
struct auth_bulk {
	struct str prefix;
	uint64_t from, to;
	unsigned digits;
	struct str password, hash;
};
TS_CHECKED enum ts_err auth_users_bulk(
    struct auth *auth, const struct auth_bulk *bulk, uint64_t *made_r, const char **why_r);
/* Appends the n-th name, not prepared. */
void auth_bulk_name(const struct auth_bulk *bulk, uint64_t n, struct buf *out);
#endif
