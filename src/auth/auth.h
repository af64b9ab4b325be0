/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_AUTH_H
#define AUTH_AUTH_H
/*
 * auth: who is this, and for whom may they act.  Start here, then db.h (where users come from) and
 * grants.h (who may act for whom).  user/ has records and hashes, db/ the databases outside,
 * oauth/ tokens, grant/ what a grant is, helper/ the processes that ask outside.
 *
 * Three facts, never mixed: the *authentication identity* (whose credentials
 * were shown), the *authorization identity* (the user acted for, whose mail is
 * seen), and what permits the second to the first.
 *
 * How a login travels: the session fills a request and calls auth_try() on its
 * loop.  A credential that was verified a moment ago answers there (the cache
 * is keyed with a secret of this process and dies when the user's record
 * changes); otherwise it says AUTH_AGAIN and the session calls auth_check() on
 * a worker, since hashing a password takes milliseconds by design.
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
	AUTH_AGAIN,      /* auth_try: ask auth_check() on a worker; auth_check, auth_scram_keys: a
	                    database has to be asked that may be slow, so ask again with may_wait on
	                    a thread that may wait for seconds */
	AUTH_FAILED,     /* wrong credentials or no such user: never say which */
	AUTH_DENIED,     /* credentials are right, but they may not act for that user (RFC 5530
	                    AUTHORIZATIONFAILED) */
	AUTH_DISABLED,   /* told as AUTH_FAILED; logged */
	AUTH_UNAVAILABLE /* the user database cannot be asked now */
};

enum auth_proof {            /* how authcid is proven */
	AUTH_BY_PASSWORD,    /* `secret`, to be verified here */
	AUTH_BY_KEYS,        /* SCRAM has proven it with keys of the record of `stamp` */
	AUTH_BY_CERTIFICATE, /* the TLS layer and the certificate map have (EXTERNAL, PREAUTH) */
	AUTH_BY_MECHANISM,   /* a mechanism that knows its users by itself has (Kerberos) */
	AUTH_BY_TOKEN,       /* `secret` is a token (RFC 7628), which says who authcid is */
	AUTH_BY_LOGIN        /* an open login of theirs has, whichever way (PROXYAUTH) */
};

struct auth_request {
	struct str mechanism; /* "PLAIN", "LOGIN" (the command), … for the log */
	enum auth_proof proof;
	struct str authcid; /* as the client gave it; of a token: who it has to be, or empty */
	struct str authzid; /* empty: the same as authcid */
	struct str secret;
	uint64_t stamp;  /* AUTH_BY_KEYS: see auth_scram */
	struct str host; /* AUTH_BY_TOKEN: the server that the client thinks to talk to, or empty */
	struct str address; /* of the client: numeric, or "unix" */
	bool tls;
	bool vouched;   /* AUTH_BY_LOGIN: no database has to know authcid: authcid_vouched of it */
	unsigned layer; /* strength of the security layer that SASL made; 0: none */
	bool may_wait;  /* databases may be asked that wait for others */
};

/* What a login may do.  The struct owns its buffers and its reference: auth_login_fini(). */
struct auth_login {
	struct buf authcid;       /* prepared */
	struct buf user;          /* prepared: the account to open */
	struct auth_grant *grant; /* by which they act for the user; NULL: as themselves */
	bool acts_for_others;     /* an admin in the sense of `unauthenticate = admins`; hangs on
	                             authcid */
	bool vouched; /* user is in no database as it stands here: a token vouches for it, or a
	                 database calls somebody else so */
	bool authcid_vouched; /* the same of authcid */
	bool server_admin;    /* server rights (--admin), hangs on the user acted as itself only */
	uint64_t generation;  /* of the users, grants and databases this was decided on */
	int64_t ends; /* the login ends then, by the wall clock, with its token; 0: it does not */
	/* (AUTH_DENIED leaves the names: authcid is proven then, and is for the log.) */
	const char *why; /* for the log, static: why not; NULL: the result says it */
};

/* store: where users live; it outlives auth. */
struct auth *auth_new(struct store *store, struct str default_domain);
/* The same with another size of its caches: sets of 8, a power of two, 64 at least. */
struct auth *auth_new_sized(struct store *store, struct str default_domain, size_t sets);
void auth_free(struct auth **auth);
struct str auth_default_domain(const struct auth *auth);
/* What databases outside are asked through (auth/helper/helper.h); it outlives auth.  Before the
 * first login. */
void auth_set_helper(struct auth *auth, struct auth_helper *helper);

/* What new passwords are hashed with, and old ones are measured by.  From any thread. */
void auth_set_hashing(struct auth *auth, const struct auth_hashing *hashing);

/* Does not block.  login_r's buffers are overwritten on AUTH_OK; the owner calls auth_login_fini.
 */
enum auth_result auth_try(
    struct auth *auth, const struct auth_request *req, struct auth_login *login_r);
/* BLOCKING: on a worker. */
enum auth_result auth_check(
    struct auth *auth, const struct auth_request *req, struct auth_login *login_r);
void auth_login_fini(struct auth_login *login);

/* What SCRAM needs to know of a user. */
struct auth_scram {
	struct sasl_scram_keys keys;
	bool known;     /* false: nobody gets in with them; made up, or the user's who is */
	bool disabled;  /* (the server's signature would tell that the password is right) */
	uint64_t stamp; /* of the user's record, for the request that follows */
};
/*
 * BLOCKING: on a worker.  AUTH_OK for any name: for one without such keys they are made up from the
 * name and a secret of this store, so that they are the same each time and in each process
 * (RFC 5802 section 9: who has an account cannot be found out).  Or AUTH_UNAVAILABLE.
 */
enum auth_result auth_scram_keys(struct auth *auth, struct str name, enum sasl_scram_hash hash,
    bool may_wait, struct auth_scram *scram_r);
/* Is there a database that takes tokens?  From any thread, does not block. */
bool auth_takes_tokens(const struct auth *auth);
/*
 * What a client whose token is not taken should ask its issuer for, as the first database that
 * takes tokens has it; appends, perhaps nothing.  BLOCKING, but only for a lock.
 */
void auth_token_hints(struct auth *auth, struct buf *scope_r, struct buf *configuration_r);
/* What tokens are verified with changed: those that were remembered die at once. */
void auth_tokens_changed(struct auth *auth);

/*
 * Has nothing that a login is decided on changed since?  If so, ask auth_try() again.
 * Who opens the session in the same turn of its loop as this says yes has none that a `user
 * disable` misses: the change comes first, then the search for sessions to end.
 */
bool auth_is_current(const struct auth *auth, const struct auth_login *login);
/* The user changed (empty: any may have): cached answers that the change could alter die at once.
 */
void auth_changed(struct auth *auth, struct str user);
#endif
