/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_USERS_H
#define AUTH_USERS_H
/*
 * Making, changing and listing users.  All BLOCKING: a tool's main thread, or
 * a thread of its own in the server, never a loop.  What a change could alter
 * in auth's caches is dropped before the function returns, so a password that
 * was changed is refused from then on.
 *
 * Names and patterns are as people write them; they are prepared here.  On
 * TS_INVALID *why_r is a sentence for them, static, else NULL.
 */
#include "auth/auth.h"
#include "auth/user/user.h"

struct auth_user_spec {
	struct str name;
	struct str password; /* or: */
	struct str hash;     /* a ready verifier */
	const struct str *acts_for;
	size_t acts_for_count;
	bool admin;
	bool digest_md5; /* and a secret for that mechanism: auth/digest.h; needs the password */
};

/* What is wrong with a full name, so that no user of it is to be made: a static sentence; NULL:
 * nothing. */
const char *auth_users_name_fault(const struct auth *auth, struct str name);
TS_CHECKED enum ts_err auth_users_add(
    struct auth *auth, const struct auth_user_spec *spec, const char **why_r);
/* What auth_users_add() would refuse whatever the password is, so that nobody is asked for one in
 * vain.  TS_OK: nothing.  TS_EXISTS. */
TS_CHECKED enum ts_err auth_users_check(
    struct auth *auth, const struct auth_user_spec *spec, const char **why_r);
/* Changes password (or hash, and digest_md5) only; the rest of spec is not looked at. */
TS_CHECKED enum ts_err auth_users_passwd(
    struct auth *auth, const struct auth_user_spec *spec, const char **why_r);
TS_CHECKED enum ts_err auth_users_disable(
    struct auth *auth, struct str name, bool disabled, const char **why_r);
/* The account with its mail stays. */
TS_CHECKED enum ts_err auth_users_delete(struct auth *auth, struct str name, const char **why_r);
TS_CHECKED enum ts_err auth_users_get(struct auth *auth, struct str name, struct arena *arena,
    struct auth_user *user_r, const char **why_r);
/* In the order of names, until fn returns false; the user is valid inside fn only, and may be
 * `unreadable`. */
TS_CHECKED enum ts_err auth_users_list(
    struct auth *auth, bool (*fn)(const struct auth_user *user, void *arg), void *arg);

/*
 * Many users at once, named prefix + number (from … to, with at least `digits`
 * digits), all with the same verifiers; who exists already keeps what they
 * have.  *made_r: how many are new.  A second for 100,000.
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
