/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deciding about a login: from the caches (auth_try), or with the records and
 * a hash (auth_check).  Whatever is not a plain yes in the caches goes to
 * auth_check, so there is one place that refuses.
 */
#include "auth/auth.h"

#include "auth/password.h"
#include "auth/priv.h"
#include "base/log.h"
#include "base/mem.h"
#include "sasl/names.h"

#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
enum { CACHE_SETS = 64 }; /* half of a fuzzer's time went into wiping them */
#else
enum { CACHE_SETS = 32768 }; /* of eight */
#endif

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
	(void)pthread_mutex_init(&auth->secret_lock, NULL);
	return auth;
}

void
auth_free(struct auth **ap)
{
	struct auth *auth = *ap;

	if (auth == NULL)
		return;
	*ap = NULL;
	auth_cache_free(&auth->cache);
	buf_fini(&auth->default_domain);
	(void)pthread_mutex_destroy(&auth->secret_lock);
	mem_wipe(auth->secret, sizeof(auth->secret));
	mem_free(auth);
}

void
auth_login_fini(struct auth_login *login)
{
	buf_fini(&login->authcid);
	buf_fini(&login->user);
}

void
auth_changed(struct auth *auth, struct str user)
{
	/* In this order: who was answered from the cache before is of an older generation. */
	auth_cache_drop(auth->cache, user);
	atomic_fetch_add(&auth->generation, 1);
}

bool
auth_is_current(const struct auth *auth, const struct auth_login *login)
{
	return login->generation == atomic_load(&auth->generation);
}

void
auth_user_key(struct str name, struct buf *out)
{
	buf_puts(out, "user/");
	buf_str(out, name);
}

/* Both names of the request, prepared, into the login. */
static bool
prepare_names(struct auth *auth, const struct auth_request *req, struct auth_login *login)
{
	struct str domain = buf_as_str(&auth->default_domain);

	login->authcid.n = login->user.n = 0;
	login->generation = atomic_load(&auth->generation);
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

static enum auth_result
permit(const struct auth_facts *who, struct auth_login *login)
{
	login->acts_for_others = who->acts_for_some;
	/* Server rights go with the person, not with those the person acts for. */
	login->server_admin = is_self(login) && (who->flags & AUTH_USER_ADMIN) != 0;
	return AUTH_OK;
}

static void
forget(struct auth_login *login)
{
	login->authcid.n = login->user.n = 0;
	login->acts_for_others = login->server_admin = false;
}

static enum auth_result
try_caches(struct auth *auth, const struct auth_request *req, struct auth_login *login)
{
	struct auth_facts who, other;
	struct siphash key;

	if (!prepare_names(auth, req, login))
		return AUTH_AGAIN;
	if (!auth_cache_user(
	        auth->cache, buf_as_str(&login->authcid), buf_as_str(&login->user), &who) ||
	    (who.flags & AUTH_USER_DISABLED) != 0)
		return AUTH_AGAIN;
	if (req->proven) {
		if (req->stamp != who.stamp)
			return AUTH_AGAIN;
	} else if (!auth_cache_credential_key(
	               auth->cache, buf_as_str(&login->authcid), req->password, &key) ||
	           !auth_cache_credential(auth->cache, key, who.stamp)) {
		return AUTH_AGAIN;
	}
	if (!is_self(login) &&
	    (!who.acts_for_asked ||
	        !auth_cache_user(auth->cache, buf_as_str(&login->user), STR_NONE, &other) ||
	        (other.flags & AUTH_USER_DISABLED) != 0))
		return AUTH_AGAIN;
	return permit(&who, login);
}

enum auth_result
auth_try(struct auth *auth, const struct auth_request *req, struct auth_login *login_r)
{
	enum auth_result result = try_caches(auth, req, login_r);

	if (result != AUTH_OK)
		forget(login_r);
	return result;
}

enum ts_err
auth_user_load(struct auth *auth, struct str name, struct arena *arena, struct auth_user *user_r)
{
	uint64_t epoch = auth_cache_epoch(auth->cache, name);
	struct buf key = {0}, value = {0};
	enum ts_err err;

	auth_user_key(name, &key);
	err = store_record_get(auth->store, buf_as_str(&key), &value);
	if (err == TS_OK && !auth_user_parse(name, buf_as_str(&value), arena, user_r))
		err = TS_FAIL(
		    TS_DAMAGED, "the record of user %.*s is of an unknown format", STR_ARG(name));
	if (err == TS_OK)
		auth_cache_put_user(auth->cache, epoch, user_r);
	buf_fini(&key);
	buf_wipe_fini(&value);
	return err;
}

static bool
verify(struct auth *auth, const struct auth_user *user, const struct auth_request *req)
{
	struct siphash key;
	bool may_cache;

	/* Proven with keys that the user has no longer is not proven. */
	if (req->proven)
		return req->stamp == user->stamp;
	may_cache = auth_cache_credential_key(auth->cache, user->name, req->password, &key);
	if (may_cache && auth_cache_credential(auth->cache, key, user->stamp))
		return true;
	if (!auth_password_verify(req->password, user))
		return false;
	if (may_cache)
		auth_cache_put_credential(auth->cache, key, user->stamp);
	return true;
}

/* The credentials are right: may they act for the user? */
static enum auth_result
check_target(
    struct auth *auth, const struct auth_user *who, struct arena *arena, struct auth_login *login)
{
	struct auth_facts facts = {
	    .stamp = who->stamp, .flags = who->flags, .acts_for_some = who->acts_for_count > 0};
	struct auth_user other;
	enum ts_err err;

	if (is_self(login))
		return permit(&facts, login);
	if (!auth_user_acts_for(who, buf_as_str(&login->user)))
		return AUTH_DENIED;
	err = auth_user_load(auth, buf_as_str(&login->user), arena, &other);
	if (err == TS_NOT_FOUND)
		return AUTH_DENIED;
	if (err != TS_OK)
		return AUTH_UNAVAILABLE;
	return (other.flags & AUTH_USER_DISABLED) != 0 ? AUTH_DENIED : permit(&facts, login);
}

static enum auth_result
check(struct auth *auth, const struct auth_request *req, struct arena *arena,
    struct auth_login *login)
{
	struct auth_user who;
	enum ts_err err = TS_NOT_FOUND;

	if (prepare_names(auth, req, login))
		err = auth_user_load(auth, buf_as_str(&login->authcid), arena, &who);
	if (err == TS_NOT_FOUND) {
		if (!req->proven)
			auth_password_pretend(req->password);
		return AUTH_FAILED;
	}
	if (err != TS_OK)
		return AUTH_UNAVAILABLE;
	if (!verify(auth, &who, req))
		return AUTH_FAILED;
	if ((who.flags & AUTH_USER_DISABLED) != 0) {
		log_msg(LOG_INFO, NULL, "login refused: user %.*s is disabled", STR_ARG(who.name));
		return AUTH_DISABLED;
	}
	return check_target(auth, &who, arena, login);
}

enum auth_result
auth_check(struct auth *auth, const struct auth_request *req, struct auth_login *login_r)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	enum auth_result result;

	arena_wipe_on_free(arena);
	result = check(auth, req, arena, login_r);
	if (result != AUTH_OK)
		forget(login_r);
	arena_free(&arena);
	return result;
}
