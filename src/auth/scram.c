/* SPDX-License-Identifier: Apache-2.0 */
/* SCRAM keys, for users and for unknown names: auth_scram_keys() in auth.h. */
#include "auth/auth_int.h"
#include "auth/password.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "sasl/names.h"

#define SECRET_KEY STR("site/scram-secret")

static bool
find_keys(const struct auth_user *user, enum sasl_scram_hash hash, struct sasl_scram_keys *keys_r)
{
	for (size_t i = 0; i < user->verifier_count; i++)
		if (sasl_scram_keys_parse(user->verifiers[i], keys_r) && keys_r->hash == hash)
			return true;
	return false;
}

static void
kept(const struct store_change *change)
{
	if (change->err != TS_OK)
		log_msg(LOG_WARNING, NULL,
		    "the secret for SCRAM salts cannot be stored: the next start makes a new one");
}

/* No login waits for the write: the secret is in memory. */
static void
keep_secret(struct auth *auth)
{
	struct store_change *change = store_change_new_records(auth->store, NULL, NULL, NULL);
	struct str secret = {(const char *)auth->secret, sizeof(auth->secret)};

	arena_wipe_on_free(change->arena);
	change->records = arena_array(change->arena, 1, sizeof(*change->records));
	change->records[0] = (struct store_record_op){.key = arena_str(change->arena, SECRET_KEY),
	    .value = arena_str(change->arena, secret),
	    .must_be_new = true};
	change->record_count = 1;
	store_submit_alone(change, kept);
}

/* Gets the store's secret, and makes it at the first need; if the store is read-only, one for this
 * process. */
static void
load_secret(struct auth *auth)
{
	struct buf value = {0};
	enum ts_err err = store_record_get(auth->store, SECRET_KEY, &value);

	if (err == TS_OK && value.n == sizeof(auth->secret)) {
		memcpy(auth->secret, value.p, value.n);
	} else {
		random_bytes(auth->secret, sizeof(auth->secret));
		if (err == TS_NOT_FOUND)
			keep_secret(auth);
	}
	buf_wipe_fini(&value);
	auth->has_secret = true;
}

/* Makes up salt and keys. */
static void
make_up(struct auth *auth, struct str name, enum sasl_scram_hash hash, struct sasl_scram_keys *keys)
{
	unsigned char sum[SASL_SCRAM_HASH_MAX];

	(void)pthread_mutex_lock(&auth->secret_lock);
	if (!auth->has_secret)
		load_secret(auth);
	(void)pthread_mutex_unlock(&auth->secret_lock);
	sasl_scram_hmac(SASL_SCRAM_SHA256,
	    (struct str){(const char *)auth->secret, sizeof(auth->secret)}, name, sum);
	*keys = (struct sasl_scram_keys){
	    .hash = hash, .iterations = AUTH_SCRAM_ITERATIONS, .salt_n = AUTH_SCRAM_SALT};
	memcpy(keys->salt, sum + (hash == SASL_SCRAM_SHA1 ? AUTH_SCRAM_SALT : 0), AUTH_SCRAM_SALT);
	random_bytes(keys->stored_key, sizeof(keys->stored_key));
	random_bytes(keys->server_key, sizeof(keys->server_key));
}

enum auth_result
auth_scram_keys(struct auth *auth, struct str name, enum sasl_scram_hash hash, bool may_wait,
    struct auth_scram *scram_r)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	struct sasl_scram_keys made;
	struct auth_user user = {0};
	struct auth_chain *chain = NULL;
	struct buf full = {0};
	enum ts_err err = TS_NOT_FOUND;

	arena_wipe_on_free(arena);
	*scram_r = (struct auth_scram){0};
	if (sasl_name_full(name, buf_as_str(&auth->default_domain), &full))
		err = auth_find_or_wait(auth, buf_as_str(&full), may_wait, arena, &user, &chain);
	else
		buf_str(&full, name);
	/* Always: otherwise the time it takes would reveal who has no keys. */
	make_up(auth, buf_as_str(&full), hash, &made);
	if (err == TS_OK && find_keys(&user, hash, &scram_r->keys)) {
		scram_r->disabled = (user.flags & AUTH_USER_DISABLED) != 0;
		scram_r->known = !scram_r->disabled;
		scram_r->stamp = user.stamp;
	} else if (err == TS_OK || err == TS_NOT_FOUND) {
		scram_r->keys = made;
		err = TS_OK;
	}
	mem_wipe(&made, sizeof(made));
	auth_chain_unref(&chain);
	buf_fini(&full);
	arena_free(&arena);
	return err == TS_OK ? AUTH_OK : err == TS_CONDITION ? AUTH_AGAIN : AUTH_UNAVAILABLE;
}
