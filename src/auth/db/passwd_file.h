/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_DB_PASSWD_FILE_H
#define AUTH_DB_PASSWD_FILE_H
/*
 * A passwd-file as it was read: never changes, counted.
 *
 *	# comment
 *	NAME:VERIFIER[:uid:gid:gecos:home:shell[:extra]]
 *
 * A verifier is what crypt(3) takes, or {SCHEME} and then a hash, or SCRAM keys;
 * '!' or '*' before it, or instead of it, locks the user; an empty one is that
 * of a user without a password.  What is behind it is not looked at, but for the extra
 * fields: one that does not begin with "userdb_" (allow_nets, nologin) may keep the user out,
 * so such a line is not understood.
 *
 * Kept are the file's bytes and 16 bytes for each user: names are prepared again
 * when they are compared.
 */
#include <stdbool.h>

#include "auth/user/siphash.h"
#include "auth/user/user.h"
#include "base/buf.h"

enum auth_passwd_limit {
	AUTH_PASSWD_LINE_MAX = 4096,
	AUTH_PASSWD_FAULTS_MAX = 20, /* lines named; then only how many more */
};
#define AUTH_PASSWD_FILE_MAX ((size_t)1 << 30)

struct auth_passwd_options {
	struct str default_domain;
	const struct siphash_key *key; /* of the table and of stamps; lives longer */
	struct str separator;          /* auth.gateway_separator; empty: none */
	bool plain;                    /* {PLAIN} is taken */
};

struct auth_passwd;

/*
 * Takes over text's bytes (text is then empty).  Never fails: a line that is not understood is
 * left out, "line N: why" and a newline appended to faults; *bad_r is how many there are.  A hash
 * that is cut off, and a name with the separator in it, is told in the same way, but its user is
 * one: nobody else answers for them.
 */
struct auth_passwd *auth_passwd_parse(
    const struct auth_passwd_options *opt, struct buf *text, struct buf *faults, size_t *bad_r);
/* A verifier as such a file has it, as auth knows it: appended to out, which is to be wiped.  NULL,
 * or what is wrong with it (static). */
const char *auth_passwd_verifier(struct str text, bool plain, struct buf *out);
struct auth_passwd *auth_passwd_ref(struct auth_passwd *file);
void auth_passwd_unref(struct auth_passwd **file);
size_t auth_passwd_users(const struct auth_passwd *file);
/* By a prepared, full name.  Strings are copied into the arena; the stamp is made of the line. */
bool auth_passwd_find(
    const struct auth_passwd *file, struct str name, struct arena *arena, struct auth_user *user_r);
/* Calls for each (prepared) name whose line is another one, or there in one of the two only. */
void auth_passwd_compare(const struct auth_passwd *old, const struct auth_passwd *file,
    void (*changed)(struct str name, void *arg), void *arg);
#endif
