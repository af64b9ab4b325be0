/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decides on logins: from the caches (auth_try), or with the records and a hash (auth_check).
 * Whatever the caches do not clearly permit goes to auth_check, so that one place refuses.
 */
#include "auth/auth.h"

#include "auth/auth_int.h"
#include "auth/gateway.h"
#include "auth/password.h"
#include "auth/sharing.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "sasl/names.h"

enum { CACHE_SETS = 32768 }; /* sets of eight, at most */

struct auth *
auth_new(struct store *store, struct str default_domain)
{
	return auth_new_sized(store, default_domain, CACHE_SETS);
}

struct auth *
auth_new_sized(struct store *store, struct str default_domain, size_t sets)
{
	struct auth *auth = mem_zalloc(sizeof(*auth));

	auth->store = store;
	buf_str(&auth->default_domain, default_domain);
	auth->cache = auth_cache_new(sets);
	auth->tokens = auth_tokens_new();
	(void)pthread_mutex_init(&auth->secret_lock, NULL);
	auth_renew_init(auth);
	(void)pthread_mutex_init(&auth->chain_lock, NULL);
	auth->full = auth_grant_new_full();
	auth_grants_init(auth);
	auth->chain = auth_chain_new();
	auth_chain_add(auth->chain, auth_db_store_new(auth));
	return auth;
}

void
auth_free(struct auth **ap)
{
	struct auth *auth = *ap;

	if (auth == NULL)
		return;
	*ap = NULL;
	auth_chain_unref(&auth->chain);
	auth_grants_fini(auth);
	auth_grant_unref(&auth->full);
	auth_cache_free(&auth->cache);
	auth_tokens_free(&auth->tokens);
	buf_fini(&auth->default_domain);
	(void)pthread_mutex_destroy(&auth->secret_lock);
	auth_renew_fini(auth);
	(void)pthread_mutex_destroy(&auth->chain_lock);
	mem_wipe(auth->secret, sizeof(auth->secret));
	mem_free(auth);
}

/* Spends the time a real check would, so that timing does not reveal which users exist. */
static void
pretend(struct auth *auth, const struct auth_request *req)
{
	struct auth_hashing hashing = auth_hashing_get(auth);

	if (req->proof == AUTH_BY_PASSWORD)
		(void)auth_password_pretend(req->secret, &hashing);
}

void
auth_login_fini(struct auth_login *login)
{
	buf_fini(&login->authcid);
	buf_fini(&login->user);
	auth_grant_unref(&login->grant);
}

static void
forget_rights(struct auth_login *login)
{
	auth_grant_unref(&login->grant);
	login->acts_for_others = login->server_admin = false;
	login->vouched = login->authcid_vouched = false;
}

static void
forget_names(struct auth_login *login)
{
	login->authcid.n = login->user.n = 0;
	forget_rights(login);
}

/* Drops everything from an earlier decision. */
static void
begin_decision(struct auth *auth, struct auth_login *login)
{
	forget_names(login);
	login->why = NULL;
	login->ends = 0;
	login->generation = atomic_load(&auth->generation);
}

/* Puts both names of the request, prepared, into the login. */
static bool
prepare_names(struct auth *auth, const struct auth_request *req, struct auth_login *login)
{
	struct str domain = buf_as_str(&auth->default_domain);

	begin_decision(auth, login);
	if (!sasl_name_full(req->authcid, domain, &login->authcid))
		return false;
	if (req->authzid.n == 0)
		buf_str(&login->user, buf_as_str(&login->authcid));
	else if (!sasl_name_full(req->authzid, domain, &login->user))
		return false;
	return true;
}

static bool
is_self(const struct auth_login *login)
{
	return str_eq(buf_as_str(&login->authcid), buf_as_str(&login->user));
}

/*
 * Decides what the authentication identity may do, and by which grant.  AUTH_DENIED: it may not act
 * for that user.  facts describe the authentication identity and its patterns for the user.
 * grants.h has the order of grants.
 */
static enum auth_result
permit(struct auth *auth, const struct auth_request *req, const struct auth_facts *who,
    struct auth_login *login)
{
	struct auth_ask ask = {.who = buf_as_str(&login->authcid),
	    .target = buf_as_str(&login->user),
	    .address = req->address,
	    .now = clock_wall_s()};
	bool forbidden = auth_gateway_forbids(auth, ask.who);

	if (forbidden || auth_gateway_forbids(auth, ask.target)) {
		login->why = "auth.gateway_separator is in the name";
		return forbidden ? AUTH_FAILED : AUTH_DENIED;
	}
	login->acts_for_others = who->acts_for_some || auth_grants_name(auth, ask.who, ask.now);
	/* Server rights belong to the person, not to the users the person acts for. */
	login->server_admin = is_self(login) && (who->flags & AUTH_USER_ADMIN) != 0;
	if (is_self(login))
		return AUTH_OK;
	login->grant = auth_grants_find(auth, &ask);
	if (login->grant == NULL && who->acts_for_asked)
		login->grant = auth_grant_ref(auth->full);
	if (login->grant != NULL)
		return AUTH_OK;
	login->why = "no grant permits acting for that user";
	return AUTH_DENIED;
}

/* ---- tokens */

/* Determines the user that the token's owner acts for.  A name the client gives must be the
 * owner's. */
static bool
prepare_user(struct auth *auth, const struct auth_request *req, struct auth_login *login)
{
	struct str domain = buf_as_str(&auth->default_domain);
	struct buf named = {0};
	bool ok =
	    req->authcid.n == 0 || (sasl_name_full(req->authcid, domain, &named) &&
	                               str_eq(buf_as_str(&named), buf_as_str(&login->authcid)));

	buf_fini(&named);
	if (!ok) {
		login->why = "the token belongs to another user";
		return false;
	}
	if (req->authzid.n > 0)
		return sasl_name_full(req->authzid, domain, &login->user);
	buf_str(&login->user, buf_as_str(&login->authcid));
	return true;
}

/* Looks for a recently verified token.  *vouched_r: its user need not be in a database. */
static bool
recall_token(
    struct auth *auth, const struct auth_request *req, struct auth_login *login, bool *vouched_r)
{
	struct auth_token_facts facts;

	begin_decision(auth, login);
	if (!auth_tokens_get(auth->tokens, req->secret, req->host, &login->authcid, &facts))
		return false;
	login->ends = facts.ends;
	/* No database knew the user when it was verified: is that still so? */
	*vouched_r = facts.vouched && facts.generation == login->generation;
	return prepare_user(auth, req, login);
}

/* Asks whose token it is.  remember_token() caches it once the user was found. */
static enum auth_result
read_token(struct auth *auth, const struct auth_request *req, struct auth_token *token,
    struct auth_login *login)
{
	struct auth_chain *chain = auth_chain_get(auth);
	enum auth_result result = auth_chain_token(chain, req, token, &login->why);

	auth_chain_unref(&chain);
	if (result != AUTH_OK)
		return result;
	login->why = NULL;
	login->ends = token->ends;
	if (!sasl_name_full(
	        buf_as_str(&token->name), buf_as_str(&auth->default_domain), &login->authcid)) {
		login->why = "the token names an invalid user";
		return AUTH_FAILED;
	}
	return prepare_user(auth, req, login) ? AUTH_OK : AUTH_FAILED;
}

static void
remember_token(struct auth *auth, const struct auth_request *req, const struct auth_token *token,
    uint64_t epoch, bool vouched, const struct auth_login *login)
{
	struct auth_token_facts facts = {.name = buf_as_str(&login->authcid),
	    .until = clock_mono_ms() + token->cache_ms,
	    .generation = login->generation,
	    .ends = token->ends,
	    .vouched = vouched};

	if (token->cache_ms > 0)
		auth_tokens_put(auth->tokens, epoch, req->secret, req->host, &facts);
}

bool
auth_takes_tokens(const struct auth *auth)
{
	return atomic_load(&auth->takes_tokens);
}

void
auth_token_hints(struct auth *auth, struct buf *scope_r, struct buf *configuration_r)
{
	struct auth_chain *chain = auth_chain_get(auth);
	const struct auth_db *db = auth_chain_token_db(chain);

	if (db != NULL) {
		buf_str(scope_r, db->token_scope);
		buf_str(configuration_r, db->token_configuration);
	}
	auth_chain_unref(&chain);
}

/* ---- from memory */

/* The part of the address that the check of a password depends on. */
static struct str
deciding_address(const struct auth_request *req, unsigned flags)
{
	return (flags & AUTH_USER_BY_ADDRESS) != 0 ? req->address : STR_NONE;
}

/* Whether the credentials are known to be right. */
static bool
is_proven(struct auth *auth, const struct auth_request *req, const struct auth_login *login,
    const struct auth_facts *who)
{
	struct siphash key;

	switch (req->proof) {
	case AUTH_BY_PASSWORD:
		return auth_cache_credential_key(auth->cache, buf_as_str(&login->authcid),
		           req->secret, deciding_address(req, who->flags), &key) &&
		       auth_cache_credential(auth->cache, key, who->stamp);
	case AUTH_BY_KEYS:
		return req->stamp == who->stamp;
	case AUTH_BY_CERTIFICATE:
	case AUTH_BY_MECHANISM:
	case AUTH_BY_TOKEN: /* the name came from it */
	case AUTH_BY_LOGIN:
		return true;
	}
	TS_WRONG("no such proof");
}

static enum auth_result
try_caches(struct auth *auth, const struct auth_request *req, struct auth_login *login)
{
	struct auth_facts who, other;
	bool vouched = false;

	if (req->proof == AUTH_BY_TOKEN ? !recall_token(auth, req, login, &vouched)
	                                : !prepare_names(auth, req, login))
		return AUTH_AGAIN;
	if (!auth_cache_user(
	        auth->cache, buf_as_str(&login->authcid), buf_as_str(&login->user), &who)) {
		if (!vouched)
			return AUTH_AGAIN;
		who = (struct auth_facts){.flags = 0};
		login->authcid_vouched = true;
		login->vouched = is_self(login);
	}
	if ((who.flags & AUTH_USER_DISABLED) != 0 || !is_proven(auth, req, login, &who))
		return AUTH_AGAIN;
	if (!is_self(login) &&
	    (!auth_cache_user(auth->cache, buf_as_str(&login->user), STR_NONE, &other) ||
	        (other.flags & AUTH_USER_DISABLED) != 0))
		return AUTH_AGAIN;
	return permit(auth, req, &who, login) == AUTH_OK ? AUTH_OK : AUTH_AGAIN;
}

enum auth_result
auth_try(struct auth *auth, const struct auth_request *req, struct auth_login *login_r)
{
	enum auth_result result = try_caches(auth, req, login_r);

	if (result != AUTH_OK)
		forget_names(login_r);
	return result;
}

/* ---- with the databases */

static enum auth_result
verify_password(struct auth *auth, const struct auth_user *user, const struct auth_request *req)
{
	struct auth_db *db = user->db;
	struct auth_hashing hashing = auth_hashing_get(auth);
	enum auth_result result;
	struct siphash key;
	bool may_cache =
	    db->cache_ms > 0 && auth_cache_credential_key(auth->cache, user->name, req->secret,
	                            deciding_address(req, user->flags), &key);
	bool known = may_cache && auth_cache_credential(auth->cache, key, user->stamp);

	if (known)
		result = AUTH_OK;
	else if (db->ops->verify != NULL)
		result = db->ops->verify(db, user, req);
	else
		result = auth_password_verify(req->secret, &hashing, user) ? AUTH_OK : AUTH_FAILED;
	if (result == AUTH_OK && db->is_store)
		auth_renew_note(auth, user, req->secret);
	if (result == AUTH_OK && may_cache && !known) /* or it would never leave the cache */
		auth_cache_put_credential(auth->cache, key, user->stamp, auth_cache_until(db));
	return result;
}

static enum auth_result
verify_proof(struct auth *auth, const struct auth_user *user, const struct auth_request *req)
{
	switch (req->proof) {
	case AUTH_BY_PASSWORD:
		return verify_password(auth, user, req);
	case AUTH_BY_KEYS:
		/* A proof with keys that the user no longer has proves nothing. */
		return req->stamp == user->stamp ? AUTH_OK : AUTH_FAILED;
	case AUTH_BY_CERTIFICATE:
	case AUTH_BY_MECHANISM:
	case AUTH_BY_TOKEN: /* the name came from it */
	case AUTH_BY_LOGIN:
		return AUTH_OK;
	}
	TS_WRONG("no such proof");
}

static void
rename_to(struct buf *name, struct str other)
{
	name->n = 0;
	buf_str(name, other);
}

static enum auth_result
permit_user(struct auth *auth, const struct auth_request *req, const struct auth_user *who,
    struct auth_login *login)
{
	struct auth_facts facts = {.stamp = who->stamp,
	    .flags = who->flags,
	    .acts_for_some = who->acts_for_count > 0,
	    .acts_for_asked = auth_user_acts_for(who, buf_as_str(&login->user))};

	return permit(auth, req, &facts, login);
}

/* The credentials are right: may they act for the user? */
static enum auth_result
check_target(struct auth *auth, const struct auth_request *req, const struct auth_user *who,
    struct arena *arena, struct auth_login *login)
{
	struct auth_chain *chain;
	struct auth_user other;
	enum auth_result result = permit_user(auth, req, who, login);
	enum ts_err err;

	if (result != AUTH_OK || is_self(login))
		return result;
	err =
	    auth_find_or_wait(auth, buf_as_str(&login->user), req->may_wait, arena, &other, &chain);
	if (err == TS_NOT_FOUND)
		return AUTH_DENIED;
	if (err != TS_OK)
		return err == TS_CONDITION ? AUTH_AGAIN : AUTH_UNAVAILABLE;
	auth_chain_unref(&chain);
	if ((other.flags & AUTH_USER_DISABLED) != 0)
		return AUTH_DENIED;
	if (str_eq(other.name, buf_as_str(&login->user)))
		return AUTH_OK;
	/* The database has another name for the user: may it act for that one? */
	auth_grant_unref(&login->grant);
	rename_to(&login->user, other.name);
	login->vouched = true;
	return permit_user(auth, req, who, login);
}

static enum auth_result
check_user(struct auth *auth, const struct auth_request *req, const struct auth_user *who,
    struct arena *arena, struct auth_login *login)
{
	enum auth_result result = verify_proof(auth, who, req);

	if (result != AUTH_OK)
		return result;
	if ((who->flags & AUTH_USER_DISABLED) != 0) {
		log_msg(LOG_INFO, NULL, "login refused: user %.*s is disabled", STR_ARG(who->name));
		return AUTH_DISABLED;
	}
	return check_target(auth, req, who, arena, login);
}

/* Replaces the name by the one in the database. */
static void
take_found_name(struct auth_login *login, const struct auth_user *who)
{
	if (str_eq(who->name, buf_as_str(&login->authcid)))
		return;
	if (is_self(login)) {
		rename_to(&login->user, who->name);
		login->vouched = true;
	}
	rename_to(&login->authcid, who->name);
	login->authcid_vouched = true;
}

/* Whether the proof of authcid also vouches for it, so that it need not be in a database.  Nothing
 * vouches for a group mailbox, or an account of which that is unknown. */
static bool
vouches(struct auth *auth, const struct auth_request *req, const struct auth_token *token,
    const struct auth_login *login)
{
	bool vouched = token != NULL ? token->vouched : req->proof == AUTH_BY_LOGIN && req->vouched;

	return vouched &&
	       auth_is_group_mailbox(auth->store, buf_as_str(&login->authcid)) == TS_NOT_FOUND;
}

/* Finds the user with the login's authcid; token: where the name came from, or NULL. */
static enum auth_result
check_named(struct auth *auth, const struct auth_request *req, const struct auth_token *token,
    struct arena *arena, struct auth_login *login, bool *vouched_r)
{
	struct auth_chain *chain = NULL;
	struct auth_user who;
	enum auth_result result;
	enum ts_err err = auth_find_or_wait(
	    auth, buf_as_str(&login->authcid), req->may_wait, arena, &who, &chain);

	*vouched_r = err == TS_NOT_FOUND && vouches(auth, req, token, login);
	login->authcid_vouched = *vouched_r;
	login->vouched = *vouched_r && is_self(login);
	if (*vouched_r)
		who = (struct auth_user){.name = buf_as_str(&login->authcid)};
	else if (err == TS_NOT_FOUND) {
		pretend(auth, req);
		if (token != NULL)
			login->why = "the token's user is unknown here";
		return AUTH_FAILED;
	} else if (err != TS_OK)
		return err == TS_CONDITION ? AUTH_AGAIN : AUTH_UNAVAILABLE;
	take_found_name(login, &who);
	result = check_user(auth, req, &who, arena, login);
	auth_chain_unref(&chain);
	return result;
}

static enum auth_result
check_token(struct auth *auth, const struct auth_request *req, struct arena *arena,
    struct auth_login *login)
{
	uint64_t epoch = auth_tokens_epoch(auth->tokens);
	struct auth_token token = {.vouched = false};
	enum auth_result result;
	bool vouched;

	begin_decision(auth, login);
	result = read_token(auth, req, &token, login);
	if (result == AUTH_OK) {
		result = check_named(auth, req, &token, arena, login, &vouched);
		if (result == AUTH_OK)
			remember_token(auth, req, &token, epoch, vouched, login);
	}
	buf_fini(&token.name);
	return result;
}

static enum auth_result
check_login(struct auth *auth, const struct auth_request *req, struct arena *arena,
    struct auth_login *login)
{
	bool vouched;

	if (req->proof == AUTH_BY_TOKEN)
		return check_token(auth, req, arena, login);
	if (!prepare_names(auth, req, login)) {
		pretend(auth, req);
		return AUTH_FAILED;
	}
	return check_named(auth, req, NULL, arena, login, &vouched);
}

enum auth_result
auth_check(struct auth *auth, const struct auth_request *req, struct auth_login *login_r)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	enum auth_result result;

	arena_wipe_on_free(arena);
	result = check_login(auth, req, arena, login_r);
	if (result == AUTH_DENIED) /* the identity is proven, and belongs in the log */
		forget_rights(login_r);
	else if (result != AUTH_OK)
		forget_names(login_r);
	arena_free(&arena);
	return result;
}
