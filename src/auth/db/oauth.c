/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens from an OAuth 2.0 issuer (RFC 6750).  JWTs (auth/oauth/jwt.h) are verified here with the
 * issuer's keys; for others the helper asks the introspection endpoint (RFC 7662), because the
 * server itself makes no connections.
 *
 * It cannot look up users by name: another database of the chain must know a token's user, unless
 * token_users = any.
 *
 * The key file is checked once a second and read again when it changed.  A thread that verifies a
 * token holds a reference to the keys in force.
 */
#include <pthread.h>

#include "auth/db.h"
#include "auth/helper/helper.h"
#include "auth/helper/introspect.h"
#include "auth/oauth/jwt.h"
#include "auth/settings/settings.h"
#include "auth/user/file.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

struct oauth_db {
	struct auth_db db;
	struct auth *auth;
	struct conf *conf; /* a reference that keeps s alive */
	const struct auth_db_settings *s;
	struct buf scope; /* for clients */
	struct auth_claim_rules rules;
	struct stat seen; /* only for the poller: the file when it was last tried */
	pthread_mutex_t lock;
	struct auth_jwks *keys; /* guarded by lock; NULL with introspection */
};

static struct oauth_db *
oauth_db_of(struct auth_db *db)
{
	return (struct oauth_db *)(void *)db;
}

/* ---- tokens ---- */

/* Whether the client means to talk to this server (RFC 7628 section 3.2). */
static bool
host_ok(const struct oauth_db *o, struct str host)
{
	const struct conf_list *hosts = &o->s->token_hosts;

	for (size_t i = 0; i < hosts->n; i++)
		if (str_ieq(hosts->items[i], host))
			return true;
	return hosts->n == 0 || host.n == 0;
}

static void
fill_in(const struct oauth_db *o, int64_t now, int64_t expires, struct auth_token *token_r)
{
	uint64_t left_ms;

	token_r->vouched = o->s->token_users == AUTH_TOKEN_USERS_ANY;
	token_r->cache_ms = o->s->token_cache;
	if (expires == INT64_MAX)
		return;
	left_ms = (uint64_t)(expires - now) * 1000;
	if (left_ms < token_r->cache_ms)
		token_r->cache_ms = left_ms;
	if (o->s->end_with_token)
		token_r->ends = expires;
}

static const char *
verify_here(struct oauth_db *o, struct str token, int64_t now, struct auth_token *token_r,
    int64_t *expires_r)
{
	struct auth_jwt_rules rules = {.algorithms = o->s->algorithms, .claims = o->rules};
	struct auth_jwks *keys;
	const char *why;

	(void)pthread_mutex_lock(&o->lock);
	keys = auth_jwks_ref(o->keys);
	(void)pthread_mutex_unlock(&o->lock);
	rules.keys = keys;
	why = auth_jwt_verify(token, &rules, now, &token_r->name, expires_r);
	auth_jwks_unref(&keys);
	return why;
}

/* Gets the endpoint's answer; false: failed. */
static bool
ask_endpoint(struct oauth_db *o, struct str token, struct buf *answer)
{
	struct auth_introspect question = {.url = o->s->introspection,
	    .ca_file = o->s->ca_file,
	    .client_id = o->s->client_id,
	    .client_secret_file = o->s->client_secret_file,
	    .bearer_file = o->s->bearer_file,
	    .connect_ms = o->s->connect_timeout,
	    .token = token};
	struct buf request = {0};
	bool ok;

	auth_introspect_print(&question, &request);
	ok = auth_helper_call(auth_helper(o->auth), AUTH_HELPER_OAUTH, buf_as_str(&request),
	         o->s->timeout, answer) == TS_OK;
	buf_wipe_fini(&request);
	return ok;
}

/* RFC 7662 section 2.2.  An invalid answer decides nothing. */
static enum auth_result
verify_there(struct oauth_db *o, struct str token, int64_t now, struct auth_token *token_r,
    int64_t *expires_r, const char **why_r)
{
	enum auth_result result = AUTH_UNAVAILABLE;
	struct auth_claims claims = {.expires = 0};
	struct buf answer = {0};
	json_t *json = NULL, *active;

	if (ask_endpoint(o, token, &answer))
		json = auth_json_object(buf_as_str(&answer), AUTH_INTROSPECT_MAX);
	active = json_object_get(json, "active");
	*why_r = "the introspection endpoint is unavailable";
	if (json_is_boolean(active)) {
		*why_r = json_is_true(active) ? auth_claims_judge(json, &o->rules, now, &claims)
		                              : "its issuer says that it is not active";
		result = *why_r == NULL ? AUTH_OK : AUTH_FAILED;
	} else if (answer.n > 0)
		log_msg(
		    LOG_ERROR, "auth", "%s: not a valid RFC 7662 response", o->s->introspection.p);
	if (result == AUTH_OK) {
		buf_str(&token_r->name, claims.user);
		*expires_r = claims.expires;
	}
	json_decref(json);
	buf_wipe_fini(&answer);
	return result;
}

static enum auth_result
token(struct auth_db *db, const struct auth_request *req, struct auth_token *token_r,
    const char **why_r)
{
	struct oauth_db *o = oauth_db_of(db);
	int64_t now = clock_wall_s(), expires = 0;
	enum auth_result result;

	if (!host_ok(o, req->host)) {
		*why_r = "the client expects to talk to another host";
		return AUTH_FAILED;
	}
	if (o->db.waits)
		result = verify_there(o, req->secret, now, token_r, &expires, why_r);
	else {
		*why_r = verify_here(o, req->secret, now, token_r, &expires);
		result = *why_r == NULL ? AUTH_OK : AUTH_FAILED;
	}
	if (result == AUTH_OK)
		fill_in(o, now, expires, token_r);
	return result;
}

/* ---- keys ---- */

/* Reads the keys.  NULL: appends a line to why. */
static struct auth_jwks *
load_keys(struct oauth_db *o, struct buf *why)
{
	struct auth_jwks *keys = NULL;
	struct buf text = {0};
	const char *fault = auth_file_read(o->s->jwks.p, AUTH_JWKS_MAX, &text, &o->seen);

	if (fault == NULL)
		keys = auth_jwks_parse(buf_as_str(&text), &fault);
	buf_wipe_fini(&text);
	if (keys == NULL)
		buf_printf(why, "%s: %s\n", o->s->jwks.p, fault);
	return keys;
}

/* "3 keys; 2 passed over: k1 (its use is not sig), ..." */
static void
tell_keys(const struct auth_jwks *keys, struct buf *out)
{
	struct str which;
	size_t n = auth_jwks_passed_over(keys, &which);

	buf_printf(out, "%zu keys", auth_jwks_count(keys));
	if (n > 0)
		buf_printf(out, "; %zu skipped: %.*s", n, STR_ARG(which));
}

static void
use_keys(struct oauth_db *o, struct auth_jwks *keys)
{
	struct auth_jwks *old;
	struct buf text = {0};

	tell_keys(keys, &text);
	(void)pthread_mutex_lock(&o->lock);
	old = o->keys;
	o->keys = keys;
	(void)pthread_mutex_unlock(&o->lock);
	auth_jwks_unref(&old);
	auth_tokens_changed(o->auth);
	log_msg(LOG_INFO, "auth", "%s was read again: %s", o->s->jwks.p, buf_cstr(&text));
	buf_fini(&text);
}

static void
poll(struct auth_db *db)
{
	struct oauth_db *o = oauth_db_of(db);
	struct auth_jwks *keys;
	struct buf why = {0};
	struct stat now;

	if (o->s->jwks.n == 0)
		return;
	now = auth_file_look(o->s->jwks.p);
	if (auth_file_same(&now, &o->seen))
		return;
	o->seen = now; /* report a file that cannot be opened only once */
	keys = load_keys(o, &why);
	if (keys != NULL)
		use_keys(o, keys);
	else
		log_msg(LOG_ERROR, "auth", "%.*s: what was read earlier stays in force",
		    (int)(why.n - 1), why.p);
	buf_fini(&why);
}

static void
free_oauth_db(struct auth_db *db)
{
	struct oauth_db *o = oauth_db_of(db);

	auth_jwks_unref(&o->keys);
	(void)pthread_mutex_destroy(&o->lock);
	conf_unref(&o->conf);
	buf_fini(&o->scope);
	mem_free(o);
}

static const struct auth_db_ops ops = {
    .type = "oauth", .token = token, .poll = poll, .free = free_oauth_db};

/* Names the keys that are not for signatures, in case they were meant to be used. */
static void
warn_of_keys(const struct auth_db_make *make, const struct oauth_db *o)
{
	struct str which;
	size_t n = auth_jwks_passed_over(o->keys, &which);
	struct buf line = {0};

	if (n == 0 || make->warnings == NULL)
		return;
	buf_printf(&line, "%s: %zu of its %zu keys %s skipped: %.*s\n", o->s->jwks.p, n,
	    n + auth_jwks_count(o->keys), n == 1 ? "is" : "are", STR_ARG(which));
	auth_db_tell(make, "jwks", &line, make->warnings);
	buf_fini(&line);
}

/* ---- making one ---- */

/* Joins words with spaces. */
static void
join(const struct conf_list *words, struct buf *out)
{
	for (size_t i = 0; i < words->n; i++) {
		if (i > 0)
			buf_putc(out, ' ');
		buf_str(out, words->items[i]);
	}
}

struct auth_db *
auth_db_oauth_new(const struct auth_db_make *make, struct buf *why)
{
	const struct auth_db_settings *s = make->settings;
	struct oauth_db *o = mem_zalloc(sizeof(*o));
	struct buf lines = {0};
	bool ok = true;

	o->db.ops = &ops;
	o->db.waits = s->introspection.n > 0;
	o->auth = make->auth;
	o->conf = conf_ref(make->conf);
	o->s = s;
	o->rules = (struct auth_claim_rules){.issuer = s->issuer,
	    .audience = s->audience,
	    .scope = s->token_scope,
	    .user = s->user_claim,
	    .leeway = (int64_t)(s->leeway / 1000),
	    .max_age = (int64_t)(s->token_age / 1000),
	    .expires = s->jwks.n > 0};
	join(&s->token_scope, &o->scope);
	o->db.token_scope = buf_as_str(&o->scope);
	o->db.token_configuration = s->openid_configuration;
	(void)pthread_mutex_init(&o->lock, NULL);
	if (s->jwks.n > 0 && (o->keys = load_keys(o, &lines)) == NULL)
		ok = false;
	if (o->keys != NULL)
		warn_of_keys(make, o);
	auth_db_tell(make, "jwks", &lines, why);
	buf_fini(&lines);
	ok &= auth_db_ca_ok(make, "ca_file", s->ca_file, why);
	ok &= auth_db_secret_ok(make, "client_secret_file", s->client_secret_file, why);
	ok &= auth_db_secret_ok(make, "bearer_file", s->bearer_file, why);
	if (ok)
		return &o->db;
	free_oauth_db(&o->db);
	return NULL;
}
