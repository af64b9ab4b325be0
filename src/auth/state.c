/* SPDX-License-Identifier: Apache-2.0 */
/* The state of auth and its generation.  All other files of this folder build on this. */
#include "auth/auth_int.h"

struct str
auth_default_domain(const struct auth *auth)
{
	return buf_as_str(&auth->default_domain);
}

struct store *
auth_store(const struct auth *auth)
{
	return auth->store;
}

struct auth_helper *
auth_helper(const struct auth *auth)
{
	return auth->helper;
}

void
auth_set_hashing(struct auth *auth, const struct auth_hashing *hashing)
{
	uint64_t both = (uint64_t)hashing->scheme << 32 | hashing->cost;

	/* A cached password never reaches the check for weak hashes. */
	if (atomic_exchange(&auth->hashing, both) != both)
		auth_cache_forget_credentials(auth->cache);
}

struct auth_hashing
auth_hashing_get(struct auth *auth)
{
	uint64_t both = atomic_load(&auth->hashing);

	return (struct auth_hashing){(enum auth_scheme)(both >> 32), (uint32_t)both};
}

void
auth_set_helper(struct auth *auth, struct auth_helper *helper)
{
	auth->helper = helper;
}

/* ---- changes */

void
auth_changed(struct auth *auth, struct str user)
{
	/* In this order: an answer from the old cache has an older generation. */
	auth_cache_drop(auth->cache, user);
	atomic_fetch_add(&auth->generation, 1);
	if (auth->on_change != NULL)
		auth->on_change(user, auth->on_change_arg);
}

bool
auth_is_current(const struct auth *auth, const struct auth_login *login)
{
	return login->generation == atomic_load(&auth->generation);
}

void
auth_tokens_changed(struct auth *auth)
{
	auth_tokens_drop(auth->tokens);
}
