/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_SETTINGS_H
#define AUTH_SETTINGS_H
/*
 * The options of auth: the user databases and their order.
 *
 * A block's keyword belongs to one option table, so one table serves databases of all types;
 * settings.c has a row for each option that says which types accept it and which require it.  A new
 * type adds its word, its options and their rows.
 */
#include "conf/conf.h"

/* Each value is the index of its word. */
enum auth_db_type { AUTH_DB_PASSWD, AUTH_DB_OAUTH, AUTH_DB_PAM, AUTH_DB_LDAP };
enum auth_pam_users { AUTH_PAM_USERS_SYSTEM, AUTH_PAM_USERS_ANY };
enum auth_ldap_scope { AUTH_LDAP_SUB, AUTH_LDAP_ONE, AUTH_LDAP_BASE };
enum auth_ldap_mode { AUTH_LDAP_BIND, AUTH_LDAP_SEARCH };
enum auth_ldap_tls { AUTH_LDAP_STARTTLS, AUTH_LDAP_NO_TLS };

struct auth_settings {
	struct conf_list databases; /* "store", and names of database blocks */
	struct str group_file, gateway_separator;
	int64_t waiting_checks;
	int password_scheme; /* enum auth_scheme */
	int64_t password_cost;
};

struct auth_db_settings { /* of a block */
	int type;         /* enum auth_db_type */
	/* passwd */
	struct str file;
	bool plain;
	/* databases that depend on another server */
	uint64_t cache, timeout;
	struct conf_list domains;
	/* pam */
	struct str service, confdir, username;
	int users; /* enum auth_pam_users */
	/* ldap */
	struct conf_list uri;
	int tls, mode, scope; /* enum auth_ldap_… */
	struct str ca_file, bind_dn, bind_password_file, base, filter, dn, name_attribute,
	    password_attribute, disabled_filter;
	int64_t connections;
	uint64_t connect_timeout;
	/* oauth */
	struct str introspection, client_id, client_secret_file, bearer_file;
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

/* Checks options and blocks that depend on each other.  Appends a line for each fault; true: none.
 */
bool auth_settings_check(const struct conf *conf, struct buf *faults);
/* The same for a block of type oauth (oauth.c). */
bool auth_settings_check_oauth(
    const struct conf *conf, const struct auth_db_settings *s, struct buf *faults);
/* The same for type ldap (ldap.c). */
bool auth_settings_check_ldap(
    const struct conf *conf, const struct auth_db_settings *s, struct buf *faults);
/* For these checks: append a line about options (as for conf_blame()) or one item of a list, and
 * return false. */
bool auth_db_fault(const struct conf *conf, const struct auth_db_settings *s, const char *options,
    const char *what, struct buf *faults);
bool auth_db_item_fault(const struct conf *conf, const struct auth_db_settings *s,
    const char *option, size_t item, const char *what, struct buf *faults);
/* Appends warnings about settings that are valid but have no effect. */
void auth_settings_look(const struct conf *conf, struct buf *warnings);
/* Whether a database in auth.databases needs the helper (auth/helper/helper.h). */
bool auth_settings_need_helper(const struct conf *conf);
/* The block of that name; NULL: none. */
const struct auth_db_settings *auth_settings_database(const struct conf *conf, struct str name);
#endif
