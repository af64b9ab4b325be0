/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_DB_H
#define AUTH_DB_H
/*
 * User databases: where users and their credentials are looked up.
 *
 * A site has a chain of them.  The first database that knows a name decides: its verifiers, its
 * password check, its flags.  A database that is not available stops the search
 * (AUTH_UNAVAILABLE), because a later one could otherwise answer for a name that is not its own.
 *
 * Passwords: auth_check() walks the chain with find(), then calls verify() of the database that
 * knows the user; without verify() it uses the verifiers that find() returned.  Tokens: each
 * database that has token() is asked in order until one accepts the token, because each knows the
 * tokens of its own issuer; the name it returns is then looked up like any other.
 *
 * A database is made from the configuration (one file each in auth/db) and is freed with the last
 * chain that holds it.  All functions are BLOCKING and are called on workers, several at a time.
 */
#include "auth/auth.h"
#include "auth/user/user.h"
#include "base/arena.h"
#include "conf/conf.h"

struct auth_db;
struct auth_db_settings; /* auth/settings/settings.h */

struct auth_token {        /* a token that was accepted; the caller frees name */
	struct buf name;   /* whose it is, as the issuer writes it */
	uint64_t cache_ms; /* how long the result may be cached; 0: not at all */
	int64_t ends;      /* when the login must end, by the wall clock; 0: no limit */
	bool vouched;      /* the issuer vouches for the user: the name need not be in a database */
};

struct auth_db_ops {
	const char *type; /* its name in the configuration */
	/* Looks up a prepared, full name.  Strings go into the arena.  user_r->name may differ from
	 * the name asked for, and is then the user's name.  user_r->stamp must change whenever the
	 * answer changes.  Returns TS_OK or TS_NOT_FOUND; any other error means not available, and
	 * is logged.  NULL: the database cannot look up names. */
	enum ts_err (*find)(
	    struct auth_db *db, struct str name, struct arena *arena, struct auth_user *user_r);
	/* Checks req->secret against the user's password.  Returns AUTH_OK, AUTH_FAILED,
	 * AUTH_DISABLED (right, but the account is closed) or AUTH_UNAVAILABLE.  NULL: the
	 * verifiers that find() returned decide. */
	enum auth_result (*verify)(
	    struct auth_db *db, const struct auth_user *user, const struct auth_request *req);
	/* Finds out whose token it is.  AUTH_OK: fills in *token_r, which is zeroed before.
	 * AUTH_FAILED: not a token of this database, or not valid (*why_r: a static text for the
	 * log).  Or AUTH_UNAVAILABLE.  NULL: the database accepts no tokens. */
	enum auth_result (*token)(struct auth_db *db, const struct auth_request *req,
	    struct auth_token *token_r, const char **why_r);
	/* Called once a second, by one thread at a time: looks whether its source changed, and
	 * calls auth_changed() for the users concerned.  May be NULL. */
	void (*poll)(struct auth_db *db);
	void (*free)(struct auth_db *db);
};

struct auth_db {
	const struct auth_db_ops *ops;
	struct buf name; /* the name of its block in the configuration; "store" for the store's own
	                    users */
	/* How long its answers about users and passwords may be cached, in milliseconds.
	 * AUTH_DB_WATCHED: until auth_changed() is called. */
	uint64_t cache_ms;
	/* For a client whose token was rejected: see auth_token_hints().  Live as long as the
	 * database. */
	struct str token_scope, token_configuration;
	bool is_store;   /* weak hashes may be renewed */
	bool waits;      /* it asks another server, which may be slow: see auth_request.may_wait */
	bool by_address; /* the answer of verify() may depend on the client's address */
};
#define AUTH_DB_WATCHED UINT64_MAX

/* For the makers of databases. */
struct store *auth_store(const struct auth *auth);
struct auth_helper *auth_helper(const struct auth *auth); /* NULL: none */

/* The store's own users (auth/db/store.c) and their records. */
/* Appends the record's key: "user/" and the name. */
void auth_user_key(struct str name, struct buf *out);
struct auth_db *auth_db_store_new(struct auth *auth);
/* Reads the store's record of a prepared name; strings go into the arena. */
enum ts_err auth_user_read(
    struct store *store, struct str name, struct arena *arena, struct auth_user *user_r);

/* What a maker gets. */
struct auth_db_make {
	struct conf *conf;                       /* call conf_ref() to keep the settings */
	const struct auth_db_settings *settings; /* of conf */
	struct auth *auth;                       /* outlives the database */
	struct str name;
	struct buf
	    *warnings; /* lines about doubtful settings that are accepted; NULL: not wanted */
};
/*
 * Makes a database of the type in the settings, which need not have been checked.  BLOCKING.
 * NULL: appends lines to why, "FILE:LINE: OPTION: what is wrong".
 */
struct auth_db *auth_db_new(const struct auth_db_make *make, struct buf *why);
/* Makes the database and frees it again: for the faults that go to why. */
void auth_db_look(const struct auth_db_make *make, struct buf *why);
/* For makers: appends each line, with the option's file and line before it. */
void auth_db_tell(
    const struct auth_db_make *make, const char *option, const struct buf *lines, struct buf *out);
/*
 * For makers: check that the file an option names can be used: CA certificates, or a secret in the
 * first line.  An empty option is fine, and so is a file that only the helper can read.  False:
 * why has the reason.
 */
bool auth_db_ca_ok(
    const struct auth_db_make *make, const char *option, struct str file, struct buf *why);
bool auth_db_secret_ok(
    const struct auth_db_make *make, const char *option, struct str file, struct buf *why);
/* The makers by type, one file each in auth/db; auth_db_new() fills in the name. */
struct auth_db *auth_db_passwd_new(const struct auth_db_make *make, struct buf *why);
struct auth_db *auth_db_oauth_new(const struct auth_db_make *make, struct buf *why);
struct auth_db *auth_db_pam_new(const struct auth_db_make *make, struct buf *why);
struct auth_db *auth_db_ldap_new(const struct auth_db_make *make, struct buf *why);

/* Databases in order; reference-counted, the first reference is the maker's. */
struct auth_chain;
struct auth_chain *auth_chain_new(void);
/* Takes over db.  Call before the chain is given to auth. */
void auth_chain_add(struct auth_chain *chain, struct auth_db *db);
void auth_chain_unref(struct auth_chain **chain);
/* Puts the chain in force and takes a reference.  Drops everything cached. */
void auth_set_chain(struct auth *auth, struct auth_chain *chain);
/* Call once a second: lets databases look for changes.  BLOCKING; one caller at a time. */
void auth_poll(struct auth *auth);
/* Whether a database depends on another server, so that finding a user may take seconds. */
bool auth_waits(struct auth *auth);
/*
 * Finds a user by a prepared, full name in the chain in force, and caches the answer as far as the
 * database allows.  BLOCKING.  *chain_r is a reference that keeps user_r->db alive: release it
 * after the last use.
 */
TS_CHECKED enum ts_err auth_find(struct auth *auth, struct str name, struct arena *arena,
    struct auth_user *user_r, struct auth_chain **chain_r);
/* The same for callers that need only the user; name is as people write it. */
TS_CHECKED enum ts_err auth_find_user(
    struct auth *auth, struct str name, struct arena *arena, struct auth_user *user_r);
#endif
