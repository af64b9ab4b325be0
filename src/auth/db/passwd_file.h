/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_DB_PASSWD_FILE_H
#define AUTH_DB_PASSWD_FILE_H
/*
 * A parsed passwd-file: immutable, reference-counted.
 *
 *	# comment
 *	NAME:VERIFIER[:uid:gid:gecos:home:shell[:extra]]
 *
 * A verifier is a string for crypt(3), {SCHEME} and a hash, or SCRAM keys.  '!' or '*' before it
 * or in its place locks the user; an empty one belongs to a user without a password.  The fields
 * after it are ignored, except the extra fields: one that does not begin with "userdb_"
 * (allow_nets, nologin) may be there to keep the user out, so such a line is a fault.
 *
 * The file's bytes and 16 bytes for each user are kept; names are prepared again when they are
 * compared.
 */
#include <stdbool.h>

#include "auth/user/siphash.h"
#include "auth/user/user.h"
#include "base/buf.h"

enum auth_passwd_limit {
	AUTH_PASSWD_LINE_MAX = 4096,
	AUTH_PASSWD_FAULTS_MAX = 20, /* lines named in faults; the others are only counted */
};
#define AUTH_PASSWD_FILE_MAX ((size_t)1 << 30)

struct auth_passwd_options {
	struct str default_domain;
	const struct siphash_key *key; /* for the table and for stamps; must outlive the file */
	struct str separator;          /* auth.gateway_separator; empty: none */
	bool plain;                    /* {PLAIN} is accepted */
};

struct auth_passwd;

/*
 * Takes over text's bytes and leaves text empty.  Never fails: an invalid line is left out, and
 * "line N: why" with a newline is appended to faults; *bad_r counts them.  A line with a truncated
 * hash, or with the separator in the name, is reported, too, but the user is kept, so that no
 * later database answers for the name.
 */
struct auth_passwd *auth_passwd_parse(
    const struct auth_passwd_options *opt, struct buf *text, struct buf *faults, size_t *bad_r);
/* Converts a verifier from the file's form to auth's and appends it to out, which the caller wipes.
 * Returns NULL, or what is wrong with it (static). */
const char *auth_passwd_verifier(struct str text, bool plain, struct buf *out);
struct auth_passwd *auth_passwd_ref(struct auth_passwd *file);
void auth_passwd_unref(struct auth_passwd **file);
size_t auth_passwd_users(const struct auth_passwd *file);
/* Finds a prepared, full name.  Copies strings into the arena; derives the stamp from the line. */
bool auth_passwd_find(
    const struct auth_passwd *file, struct str name, struct arena *arena, struct auth_user *user_r);
/* Calls fn for each prepared name whose line differs, or is in only one of the two files. */
void auth_passwd_compare(const struct auth_passwd *old, const struct auth_passwd *file,
    void (*changed)(struct str name, void *arg), void *arg);
#endif
