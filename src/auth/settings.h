/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_SETTINGS_H
#define AUTH_SETTINGS_H
/*
 * The options of auth: which user databases there are, and their order.
 *
 * One table serves blocks of all types, since a block's keyword belongs to one
 * table; settings.c has a row for each option that says which types take it and
 * which need it.  A new type adds its word, its options and their rows.
 */
#include "conf/conf.h"

enum auth_db_type { AUTH_DB_PASSWD, AUTH_DB_OAUTH }; /* the index of its word */

struct auth_settings {
	struct conf_list databases; /* "store", and names of database blocks */
	struct str group_file;
};

struct auth_db_settings { /* of a block */
	int type;         /* enum auth_db_type */
	struct str file;
	bool plain;

	/* oauth */
	struct str jwks, issuer, user_claim, openid_configuration;
	struct conf_list audience, token_scope, token_hosts, algorithms;
	int token_users;                         /* enum auth_token_users */
	uint64_t leeway, token_age, token_cache; /* milliseconds */
	bool end_with_token;
};

enum auth_token_users { AUTH_TOKEN_USERS_KNOWN, AUTH_TOKEN_USERS_ANY };

struct auth_grant_settings { /* of a block */
	struct str who, target, rights, until;
	struct conf_list mailboxes, from;
};

extern const struct conf_table auth_conf, auth_database_conf, auth_grant_conf;

/* What hangs together over several options or blocks.  Appends a line for each fault; true when
 * there is none. */
bool auth_settings_check(const struct conf *conf, struct buf *faults);
/* The same for one block of type oauth (settings_oauth.c). */
bool auth_settings_check_oauth(
    const struct conf *conf, const struct auth_db_settings *s, struct buf *faults);
/* The block of that name; NULL: there is none. */
const struct auth_db_settings *auth_settings_database(const struct conf *conf, struct str name);

/* grant_settings.c: the grant blocks. */
struct auth_grant;
struct auth_grants_read { /* in order */
	struct auth_grant **p;
	size_t n;
};
/* False: lines appended to faults, each with its place in the file. */
bool auth_grants_read(const struct conf *conf, struct str default_domain, struct buf *faults,
    struct auth_grants_read *read_r);
void auth_grants_read_fini(struct auth_grants_read *read);
#endif
