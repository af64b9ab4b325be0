/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_DB_H
#define AUTH_DB_H
/*
 * User databases: where users and what proves them are looked up.
 *
 * A site has a chain of them, in order.  The first that knows a name decides
 * about it: its verifiers, its password check, its flags.  One that cannot be
 * asked stops the search (AUTH_UNAVAILABLE), since going on could let a
 * later database answer for a name that is not its own.
 *
 * How a password travels: auth_check() walks the chain with find(); the user
 * found is verified by verify() of that database, or, where it has none, by the
 * verifiers that find() gave.  A token is shown to the databases that have
 * token(), in order, until one takes it, since each knows those of its issuer;
 * the name that it gives is then found like any other.
 *
 * A database is made from the configuration (auth/db, one a file) and
 * is freed when the last chain that holds it is.  All
 * functions are BLOCKING and are called on workers, several at a time.
 */
#include "auth/auth.h"
#include "auth/user/user.h"
#include "base/arena.h"
#include "conf/conf.h"

struct auth_db;
struct auth_db_settings; /* auth/settings/settings.h */

struct auth_token {        /* that was found good; the asker frees name */
	struct buf name;   /* whose it is, as the issuer writes it */
	uint64_t cache_ms; /* how long this may be remembered; 0: not at all */
	int64_t ends;      /* the login with it is to end then, by the wall clock; 0: it is not */
	bool vouched;      /* the issuer vouches for the user: no database has to know the name */
};

struct auth_db_ops {
	const char *type; /* as the configuration names it */
	/* The user of a prepared, full name.  Strings go into the arena.  user_r->name may be
	 * another than was asked for: the user is that one.  user_r->stamp must differ whenever
	 * what the database says of the user differs.  TS_OK, TS_NOT_FOUND; else it cannot be asked
	 * (logged).  NULL: it knows no names by itself. */
	enum ts_err (*find)(
	    struct auth_db *db, struct str name, struct arena *arena, struct auth_user *user_r);
	/* Is req->secret the user's password?  AUTH_OK, AUTH_FAILED, AUTH_DISABLED (it is right,
	 * but the account is closed), AUTH_UNAVAILABLE.  NULL: the verifiers that find() gave say
	 * it. */
	enum auth_result (*verify)(
	    struct auth_db *db, const struct auth_user *user, const struct auth_request *req);
	/* Whose token is it?  AUTH_OK: *token_r, which was zeroed, says it; AUTH_FAILED: not one of
	 * this database's, or not valid (*why_r: a static text for the log); AUTH_UNAVAILABLE.
	 * NULL: it takes no tokens. */
	enum auth_result (*token)(struct auth_db *db, const struct auth_request *req,
	    struct auth_token *token_r, const char **why_r);
	/* Called once a second, by one thread at a time: has what it is made from changed?  It
	 * tells auth_changed() of it.  May be NULL. */
	void (*poll)(struct auth_db *db);
	void (*free)(struct auth_db *db);
};

struct auth_db {
	const struct auth_db_ops *ops;
	struct buf name; /* of its block in the configuration; "store" for the store's own users */
	/* How long what it said of a user, and a password that it found right, may be remembered,
	 * in milliseconds.  AUTH_DB_WATCHED: until auth_changed() says that it changed. */
	uint64_t cache_ms;
	/* For a client whose token is not taken: see auth_token_hints().  They live as long as it.
	 */
	struct str token_scope, token_configuration;
	bool is_store;   /* its hashes may be renewed */
	bool waits;      /* it asks others, who may be slow: see auth_request.may_wait */
	bool by_address; /* what verify() says may depend on the client's address */
};
#define AUTH_DB_WATCHED UINT64_MAX

/* What databases are made with. */
struct store *auth_store(const struct auth *auth);
struct auth_helper *auth_helper(const struct auth *auth); /* NULL: none */

/* The store's own users (auth/db/store.c), and their records. */
/* "user/" and the name. */
void auth_user_key(struct str name, struct buf *out);
struct auth_db *auth_db_store_new(struct auth *auth);
/* Reads the store's record of a (prepared) name; its strings are in the arena. */
enum ts_err auth_user_read(
    struct store *store, struct str name, struct arena *arena, struct auth_user *user_r);

/* What a database is made from. */
struct auth_db_make {
	struct conf *conf;                       /* conf_ref() it to keep the settings */
	const struct auth_db_settings *settings; /* of conf */
	struct auth *auth;                       /* outlives the database */
	struct str name;
	struct buf *warnings; /* lines about what is taken all the same; NULL: nobody is told */
};
/*
 * Of the type that the settings say, which may have been found wanting.  BLOCKING.  NULL: lines
 * appended to why, "FILE:LINE: OPTION: what is wrong".
 */
struct auth_db *auth_db_new(const struct auth_db_make *make, struct buf *why);
/* Makes and frees it, for what is appended to why. */
void auth_db_look(const struct auth_db_make *make, struct buf *why);
/* For makers: appends each line, with the option's place before it. */
void auth_db_tell(
    const struct auth_db_make *make, const char *option, const struct buf *lines, struct buf *out);
/*
 * For makers: can what the option names be used?  Certificates of authorities; a secret in the
 * first line.  Empty is fine, and so is what only the helper can read.  False: told in why.
 */
bool auth_db_ca_ok(
    const struct auth_db_make *make, const char *option, struct str file, struct buf *why);
bool auth_db_secret_ok(
    const struct auth_db_make *make, const char *option, struct str file, struct buf *why);
/* The makers by type, a file in auth/db each; auth_db_new() fills in the name. */
struct auth_db *auth_db_passwd_new(const struct auth_db_make *make, struct buf *why);
struct auth_db *auth_db_oauth_new(const struct auth_db_make *make, struct buf *why);
struct auth_db *auth_db_pam_new(const struct auth_db_make *make, struct buf *why);
struct auth_db *auth_db_ldap_new(const struct auth_db_make *make, struct buf *why);

/* Databases in order; counted references, the maker's is the first. */
struct auth_chain;
struct auth_chain *auth_chain_new(void);
/* Takes over db.  Before the chain is given to auth. */
void auth_chain_add(struct auth_chain *chain, struct auth_db *db);
void auth_chain_unref(struct auth_chain **chain);
/* From now on this chain is asked; takes a reference.  What was remembered dies. */
void auth_set_chain(struct auth *auth, struct auth_chain *chain);
/* Once a second: databases look whether they changed.  BLOCKING, one caller at a time. */
void auth_poll(struct auth *auth);
/* Is there a database that waits for others?  Then finding a user may take seconds. */
bool auth_waits(struct auth *auth);
/*
 * Finds a user by a prepared, full name in the chain that is in force, and remembers it as far as
 * its database allows.  BLOCKING.  *chain_r: a reference that keeps user_r->db alive; give it
 * back after the last use.
 */
TS_CHECKED enum ts_err auth_find(struct auth *auth, struct str name, struct arena *arena,
    struct auth_user *user_r, struct auth_chain **chain_r);
/* The same for who only wants to know the user: name as people write it. */
TS_CHECKED enum ts_err auth_find_user(
    struct auth *auth, struct str name, struct arena *arena, struct auth_user *user_r);
#endif
