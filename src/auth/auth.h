/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_AUTH_H
#define AUTH_AUTH_H
/*
 * auth: who is this, and for whom may they act?  Start here, then read db.h (where users come from)
 * and grants.h (who may act for whom).  user/ has records and hashes, db/ the external databases,
 * oauth/ tokens, grant/ a single grant, helper/ the processes that talk to other servers.
 *
 * Keep three things apart: the *authentication identity* (whose credentials were presented), the
 * *authorization identity* (the user they act for, whose mail they see), and the grant that lets
 * the first act for the second.
 *
 * The way of a login: the session fills in a request and calls auth_try() on its loop.  If the
 * credentials were verified recently, the cache answers there (it is keyed with a secret of this
 * process, and an entry dies when the user's record changes).  Otherwise auth_try() returns
 * AUTH_AGAIN, and the session calls auth_check() on a worker, because hashing a password takes
 * milliseconds by design.
 *
 * Names are prepared (RFC 8265 UsernameCaseMapped) before any comparison.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "sasl/scram_keys.h"

struct auth;
struct auth_grant;   /* auth/grant/grant.h */
struct auth_hashing; /* auth/user/hashing.h */
struct auth_helper;  /* auth/helper/helper.h */
struct store;

enum auth_result {
	AUTH_OK,
	AUTH_AGAIN,      /* from auth_try: call auth_check() on a worker.  From auth_check and
	                    auth_scram_keys: the answer needs a database that may be slow; call again
	                    with may_wait on a thread that may wait for seconds */
	AUTH_FAILED,     /* wrong credentials or unknown user; never tell the client which */
	AUTH_DENIED,     /* credentials are right, but may not act for that user (RFC 5530
	                    AUTHORIZATIONFAILED) */
	AUTH_DISABLED,   /* the client sees AUTH_FAILED; the log has the reason */
	AUTH_UNAVAILABLE /* the user database is not available now */
};

enum auth_proof {            /* how authcid was proven */
	AUTH_BY_PASSWORD,    /* verify `secret` */
	AUTH_BY_KEYS,        /* by SCRAM, with the keys of the record with `stamp` */
	AUTH_BY_CERTIFICATE, /* by the TLS layer and the certificate map (EXTERNAL, PREAUTH) */
	AUTH_BY_MECHANISM,   /* by a mechanism that knows its users itself (Kerberos) */
	AUTH_BY_TOKEN,       /* `secret` is a token (RFC 7628), which names authcid */
	AUTH_BY_LOGIN        /* by an earlier login that is still open (PROXYAUTH) */
};

struct auth_request {
	struct str mechanism; /* "PLAIN", "LOGIN" (the command), … for the log */
	enum auth_proof proof;
	struct str
	    authcid; /* as the client sent it; with a token: the name it must have, or empty */
	struct str authzid; /* empty: the same as authcid */
	struct str secret;
	uint64_t stamp;  /* AUTH_BY_KEYS: see auth_scram */
	struct str host; /* AUTH_BY_TOKEN: the server the client believes it talks to, or empty */
	struct str address; /* the client's: numeric, or "unix" */
	bool tls;
	bool vouched; /* AUTH_BY_LOGIN: the earlier login's authcid_vouched: authcid need not be in
	                 a database */
	unsigned layer; /* strength of the SASL security layer; 0: none */
	bool may_wait;  /* slow databases may be asked, too */
};

/* What a login may do.  Owns its buffers and the reference to the grant: free with
 * auth_login_fini(). */
struct auth_login {
	struct buf authcid;       /* prepared */
	struct buf user;          /* prepared: the account to open */
	struct auth_grant *grant; /* allows authcid to act for user; NULL: they are the same */
	bool acts_for_others;     /* an administrator for `unauthenticate = admins`; depends on
	                             authcid */
	bool vouched; /* no database lists user under this name: a token vouches for it, or a
	                 database maps the name to somebody else */
	bool authcid_vouched; /* the same for authcid */
	bool server_admin;    /* server rights (--admin); only for users acting as themselves */
	uint64_t generation; /* the state of users, grants and databases that this was decided on */
	int64_t
	    ends; /* when the login's token expires (wall clock), and the login with it; 0: never */
	/* On AUTH_DENIED the names remain set: authcid is proven and belongs in the log. */
	const char *why; /* the reason for the log, static; NULL: the result says it all */
};

/* store has the users' records; it must outlive auth. */
struct auth *auth_new(struct store *store, struct str default_domain);
/* The same with caches of `sets` sets of 8 entries; a power of two, at least 64. */
struct auth *auth_new_sized(struct store *store, struct str default_domain, size_t sets);
void auth_free(struct auth **auth);
struct str auth_default_domain(const struct auth *auth);
/* Sets the helper that asks external databases (auth/helper/helper.h).  Call before the first
 * login; the helper must outlive auth. */
void auth_set_helper(struct auth *auth, struct auth_helper *helper);

/* Sets how new passwords are hashed and which old hashes count as weak.  From any thread. */
void auth_set_hashing(struct auth *auth, const struct auth_hashing *hashing);

/* Does not block.  Overwrites login_r's buffers on AUTH_OK; the caller frees them with
 * auth_login_fini().
 */
enum auth_result auth_try(
    struct auth *auth, const struct auth_request *req, struct auth_login *login_r);
/* BLOCKING: call it on a worker. */
enum auth_result auth_check(
    struct auth *auth, const struct auth_request *req, struct auth_login *login_r);
void auth_login_fini(struct auth_login *login);

/* What SCRAM needs to know about a user. */
struct auth_scram {
	struct sasl_scram_keys keys;
	bool known; /* false: no login succeeds with these keys: they are made up, or the user is */
	bool disabled; /* disabled (the server signature would reveal that the password is right) */
	uint64_t stamp; /* the record's, for the request that follows */
};
/*
 * BLOCKING: call it on a worker.  Returns AUTH_OK for any name, or AUTH_UNAVAILABLE.  For a name
 * without keys it derives some from the name and a secret of this store, the same each time and in
 * each process, so that nobody can find out who has an account (RFC 5802 section 9).
 */
enum auth_result auth_scram_keys(struct auth *auth, struct str name, enum sasl_scram_hash hash,
    bool may_wait, struct auth_scram *scram_r);
/* Whether any database accepts tokens.  From any thread; does not block. */
bool auth_takes_tokens(const struct auth *auth);
/*
 * Appends what a client whose token was rejected should request from its issuer, as configured for
 * the first database that accepts tokens; may append nothing.  Blocks only for a lock.
 */
void auth_token_hints(struct auth *auth, struct buf *scope_r, struct buf *configuration_r);
/* Call when the keys or rules for tokens changed: forgets all remembered tokens at once. */
void auth_tokens_changed(struct auth *auth);

/*
 * Whether the decision on a login still stands: no user, grant or database has changed since.  If
 * not, call auth_try() again.  Open the session in the same loop iteration in which this returned
 * true: `user disable` changes the user first and then looks for sessions, so it misses none.
 */
bool auth_is_current(const struct auth *auth, const struct auth_login *login);
/* Call when a user changed (empty: any may have): drops every cached answer that may be affected.
 */
void auth_changed(struct auth *auth, struct str user);
#endif
