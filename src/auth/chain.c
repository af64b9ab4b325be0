/* SPDX-License-Identifier: Apache-2.0 */
/* The chain of a site's databases, and the search for a user: see db.h. */
#include <stdatomic.h>

#include "auth/auth_int.h"
#include "auth/sharing.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "sasl/names.h"

enum { CHAIN_MAX = 32 };

struct auth_chain {
	_Atomic unsigned refs;
	size_t n;
	struct auth_db *dbs[CHAIN_MAX];
};

struct auth_chain *
auth_chain_new(void)
{
	struct auth_chain *chain = mem_zalloc(sizeof(*chain));

	chain->refs = 1;
	return chain;
}

void
auth_chain_add(struct auth_chain *chain, struct auth_db *db)
{
	TS_ASSERT(chain->n < CHAIN_MAX);
	chain->dbs[chain->n++] = db;
}

void
auth_chain_unref(struct auth_chain **cp)
{
	struct auth_chain *chain = *cp;

	*cp = NULL;
	if (chain == NULL || atomic_fetch_sub_explicit(&chain->refs, 1, memory_order_acq_rel) > 1)
		return;
	for (size_t i = 0; i < chain->n; i++) {
		buf_fini(&chain->dbs[i]->name);
		chain->dbs[i]->ops->free(chain->dbs[i]);
	}
	mem_free(chain);
}

struct auth_chain *
auth_chain_get(struct auth *auth)
{
	struct auth_chain *chain;

	(void)pthread_mutex_lock(&auth->chain_lock);
	chain = auth->chain;
	atomic_fetch_add_explicit(&chain->refs, 1, memory_order_relaxed);
	(void)pthread_mutex_unlock(&auth->chain_lock);
	return chain;
}

void
auth_set_chain(struct auth *auth, struct auth_chain *chain)
{
	struct auth_chain *old;

	atomic_fetch_add_explicit(&chain->refs, 1, memory_order_relaxed);
	(void)pthread_mutex_lock(&auth->chain_lock);
	old = auth->chain;
	auth->chain = chain;
	atomic_store(&auth->takes_tokens, auth_chain_token_db(chain) != NULL);
	(void)pthread_mutex_unlock(&auth->chain_lock);
	auth_chain_unref(&old);
	auth_tokens_changed(auth);
	auth_changed(auth, STR_NONE);
}

void
auth_poll(struct auth *auth)
{
	struct auth_chain *chain = auth_chain_get(auth);

	for (size_t i = 0; i < chain->n; i++)
		if (chain->dbs[i]->ops->poll != NULL)
			chain->dbs[i]->ops->poll(chain->dbs[i]);
	auth_chain_unref(&chain);
	auth_renew_poll(auth);
	auth_groups_poll(auth);
}

/* Finds the first of n databases that knows the name; *at_r is its index. */
static enum ts_err
find_in(struct auth_chain *chain, size_t n, struct str name, bool may_wait, struct arena *arena,
    struct auth_user *user_r, size_t *at_r)
{
	for (size_t i = 0; i < n; i++) {
		struct auth_db *db = chain->dbs[i];
		enum ts_err err;

		*user_r = (struct auth_user){0};
		if (db->ops->find == NULL)
			continue;
		if (db->waits && !may_wait)
			return TS_CONDITION;
		err = db->ops->find(db, name, arena, user_r);
		if (err == TS_NOT_FOUND)
			continue;
		user_r->db = db;
		*at_r = i;
		return err;
	}
	return TS_NOT_FOUND;
}

/*
 * A database may return another name for the user.  Then no earlier database may know that name;
 * otherwise anyone who can write to the directory could become a user of the store.
 */
static enum ts_err
find_canonical(struct auth_chain *chain, struct str name, bool may_wait, struct arena *arena,
    struct auth_user *user_r)
{
	struct auth_user other;
	size_t at, before;
	enum ts_err err = find_in(chain, chain->n, name, may_wait, arena, user_r, &at);

	if (err != TS_OK || str_eq(user_r->name, name))
		return err;
	err = find_in(chain, at, user_r->name, may_wait, arena, &other, &before);
	if (err == TS_NOT_FOUND)
		return TS_OK;
	if (err == TS_OK) {
		log_msg(LOG_ERROR, "auth",
		    "database %.*s maps %.*s to %.*s, a user of database %.*s: refused",
		    STR_ARG(buf_as_str(&chain->dbs[at]->name)), STR_ARG(name),
		    STR_ARG(user_r->name), STR_ARG(buf_as_str(&chain->dbs[before]->name)));
		err = TS_UNAVAILABLE;
	}
	return err;
}

/* A group mailbox belongs to nobody, even if a database has a user of that name or takes any. */
static enum ts_err
refuse_group_mailbox(struct auth *auth, struct str name)
{
	enum ts_err err = auth_is_group_mailbox(auth->store, name);

	return err == TS_OK ? TS_NOT_FOUND : err == TS_NOT_FOUND ? TS_OK : err;
}

enum ts_err
auth_find_or_wait(struct auth *auth, struct str name, bool may_wait, struct arena *arena,
    struct auth_user *user_r, struct auth_chain **chain_r)
{
	struct auth_chain *chain = auth_chain_get(auth);
	uint64_t epoch = auth_cache_epoch(auth->cache, name);
	enum ts_err err = find_canonical(chain, name, may_wait, arena, user_r);

	if (err == TS_OK)
		err = refuse_group_mailbox(auth, user_r->name);
	if (err != TS_OK) {
		auth_chain_unref(&chain);
		*chain_r = NULL;
		return err;
	}
	if (user_r->db->by_address)
		user_r->flags |= AUTH_USER_BY_ADDRESS;
	/* A user found under another name is looked up each time. */
	if (user_r->db->cache_ms > 0 && str_eq(user_r->name, name))
		auth_cache_put_user(auth->cache, epoch, user_r, auth_cache_until(user_r->db));
	*chain_r = chain;
	return TS_OK;
}

enum ts_err
auth_find(struct auth *auth, struct str name, struct arena *arena, struct auth_user *user_r,
    struct auth_chain **chain_r)
{
	return auth_find_or_wait(auth, name, true, arena, user_r, chain_r);
}

bool
auth_waits(struct auth *auth)
{
	struct auth_chain *chain = auth_chain_get(auth);
	bool waits = false;

	for (size_t i = 0; i < chain->n; i++)
		waits |= chain->dbs[i]->waits;
	auth_chain_unref(&chain);
	return waits;
}

uint64_t
auth_cache_until(const struct auth_db *db)
{
	return db->cache_ms == AUTH_DB_WATCHED ? UINT64_MAX : clock_mono_ms() + db->cache_ms;
}

enum ts_err
auth_find_user(struct auth *auth, struct str name_in, struct arena *arena, struct auth_user *user_r)
{
	struct auth_chain *chain = NULL;
	struct buf name = {0};
	enum ts_err err = TS_NOT_FOUND;

	if (sasl_name_full(name_in, buf_as_str(&auth->default_domain), &name))
		err = auth_find(auth, buf_as_str(&name), arena, user_r, &chain);
	if (err == TS_OK)
		user_r->db = NULL; /* its chain may be freed */
	auth_chain_unref(&chain);
	buf_fini(&name);
	return err;
}

const struct auth_db *
auth_chain_token_db(const struct auth_chain *chain)
{
	for (size_t i = 0; i < chain->n; i++)
		if (chain->dbs[i]->ops->token != NULL)
			return chain->dbs[i];
	return NULL;
}

enum auth_result
auth_chain_token(struct auth_chain *chain, const struct auth_request *req,
    struct auth_token *token_r, const char **why_r)
{
	enum auth_result result = AUTH_FAILED;
	const char *why = NULL;

	*why_r = "no database accepts tokens";
	for (size_t i = 0; i < chain->n; i++) {
		struct auth_db *db = chain->dbs[i];
		enum auth_result one;

		if (db->ops->token == NULL)
			continue;
		if (db->waits && !req->may_wait)
			return AUTH_AGAIN;
		*token_r = (struct auth_token){.vouched = false};
		one = db->ops->token(db, req, token_r, &why);
		if (one == AUTH_OK)
			return AUTH_OK;
		buf_fini(&token_r->name);
		if (result != AUTH_UNAVAILABLE) {
			result = one;
			*why_r = why;
		}
	}
	return result;
}
