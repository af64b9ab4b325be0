/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens of an OAuth 2.0 issuer (RFC 6750): verified here with its keys, when
 * they are JWTs (jwt.h), or by asking its introspection endpoint (RFC 7662)
 * through the helper, since the server itself connects to nobody.
 *
 * It knows no users by name: whose a token is, another database of the chain
 * has to know, unless token_users = any.
 *
 * The keys' file is looked at once a second and read again when it is another
 * one; who verifies a token takes a reference to what is in force.
 */
#include <pthread.h>

#include "auth/file.h"
#include "auth/jwt.h"
#include "auth/priv.h"
#include "auth/settings.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

struct oauth_db {
	struct auth_db db;
	struct auth *auth;
	struct arena *arena;       /* of what the settings point to */
	struct auth_db_settings s; /* those of this type */
	struct auth_claim_rules rules;
	struct stat seen; /* the poller's alone: of the file as it was tried last */
	pthread_mutex_t lock;
	struct auth_jwks *keys; /* under lock; NULL with introspection */
};

static struct oauth_db *
own(struct auth_db *db)
{
	return (struct oauth_db *)(void *)db;
}

/* ---- tokens ---- */

/* Is it us whom the client thinks to talk to (RFC 7628 section 3.2)? */
static bool
host_ok(const struct oauth_db *o, struct str host)
{
	const struct conf_list *hosts = &o->s.token_hosts;

	for (size_t i = 0; i < hosts->n; i++)
		if (str_ieq(hosts->items[i], host))
			return true;
	return hosts->n == 0 || host.n == 0;
}

static void
fill_in(const struct oauth_db *o, int64_t now, int64_t expires, struct auth_token *token_r)
{
	uint64_t left_ms;

	token_r->vouched = o->s.token_users == AUTH_TOKEN_USERS_ANY;
	token_r->cache_ms = o->s.token_cache;
	if (expires == INT64_MAX)
		return;
	left_ms = (uint64_t)(expires - now) * 1000;
	if (left_ms < token_r->cache_ms)
		token_r->cache_ms = left_ms;
	if (o->s.end_with_token)
		token_r->ends = expires;
}

static const char *
verify_here(struct oauth_db *o, struct str token, int64_t now, struct auth_token *token_r,
    int64_t *expires_r)
{
	struct auth_jwt_rules rules = {.algorithms = o->s.algorithms, .claims = o->rules};
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

static enum auth_result
token(struct auth_db *db, const struct auth_request *req, struct auth_token *token_r,
    const char **why_r)
{
	struct oauth_db *o = own(db);
	int64_t now = clock_wall_s(), expires = 0;

	if (!host_ok(o, req->host)) {
		*why_r = "the client thinks to talk to another host";
		return AUTH_FAILED;
	}
	*why_r = verify_here(o, req->secret, now, token_r, &expires);
	if (*why_r != NULL)
		return AUTH_FAILED;
	fill_in(o, now, expires, token_r);
	return AUTH_OK;
}

/* ---- keys ---- */

/* NULL: a line was appended to why. */
static struct auth_jwks *
load(struct oauth_db *o, struct buf *why)
{
	struct auth_jwks *keys = NULL;
	struct buf text = {0};
	const char *fault = auth_file_read(o->s.jwks.p, AUTH_JWKS_MAX, &text, &o->seen);

	if (fault == NULL)
		keys = auth_jwks_parse(buf_as_str(&text), &fault);
	buf_wipe_fini(&text);
	if (keys == NULL)
		buf_printf(why, "%s: %s\n", o->s.jwks.p, fault);
	return keys;
}

static void
take(struct oauth_db *o, struct auth_jwks *keys)
{
	struct auth_jwks *old;

	(void)pthread_mutex_lock(&o->lock);
	old = o->keys;
	o->keys = keys;
	(void)pthread_mutex_unlock(&o->lock);
	auth_jwks_unref(&old);
	auth_tokens_changed(o->auth);
	log_msg(
	    LOG_INFO, "auth", "%s was read again: %zu keys", o->s.jwks.p, auth_jwks_count(keys));
}

static void
poll(struct auth_db *db)
{
	struct oauth_db *o = own(db);
	struct auth_jwks *keys;
	struct buf why = {0};
	struct stat now;

	if (o->s.jwks.n == 0)
		return;
	now = auth_file_look(o->s.jwks.p);
	if (auth_file_same(&now, &o->seen))
		return;
	o->seen = now; /* what cannot be opened is told once */
	keys = load(o, &why);
	if (keys != NULL)
		take(o, keys);
	else
		log_msg(LOG_ERROR, "auth", "%.*s: what was read before stays in force",
		    (int)(why.n - 1), why.p);
	buf_fini(&why);
}

static void
free_own(struct auth_db *db)
{
	struct oauth_db *o = own(db);

	auth_jwks_unref(&o->keys);
	(void)pthread_mutex_destroy(&o->lock);
	arena_free(&o->arena);
	mem_free(o);
}

static const struct auth_db_ops ops = {
    .type = "oauth", .token = token, .poll = poll, .free = free_own};

/* ---- making one ---- */

/* With a NUL behind it, as in the configuration. */
static struct str
keep(struct oauth_db *o, struct str text)
{
	char *p = arena_zalloc(o->arena, text.n + 1);

	if (text.n > 0)
		memcpy(p, text.p, text.n);
	return (struct str){p, text.n};
}

static struct conf_list
keep_list(struct oauth_db *o, struct conf_list list)
{
	struct str *items = arena_array(o->arena, list.n, sizeof(*items));

	for (size_t i = 0; i < list.n; i++)
		items[i] = keep(o, list.items[i]);
	return (struct conf_list){items, list.n};
}

/* Words with a blank between them. */
static struct str
joined(struct oauth_db *o, struct conf_list words)
{
	struct buf text = {0};
	struct str kept;

	for (size_t i = 0; i < words.n; i++) {
		if (i > 0)
			buf_putc(&text, ' ');
		buf_str(&text, words.items[i]);
	}
	kept = keep(o, buf_as_str(&text));
	buf_fini(&text);
	return kept;
}

static void
keep_settings(struct oauth_db *o, const struct auth_db_settings *s)
{
	o->s = *s;
	o->s.jwks = keep(o, s->jwks);
	o->s.algorithms = keep_list(o, s->algorithms);
	o->s.token_hosts = keep_list(o, s->token_hosts);
	o->rules = (struct auth_claim_rules){.issuer = keep(o, s->issuer),
	    .audience = keep_list(o, s->audience),
	    .scope = keep_list(o, s->token_scope),
	    .user = keep(o, s->user_claim),
	    .leeway = (int64_t)(s->leeway / 1000),
	    .max_age = (int64_t)(s->token_age / 1000),
	    .expires = s->jwks.n > 0};
	o->db.token_scope = joined(o, s->token_scope);
	o->db.token_configuration = keep(o, s->openid_configuration);
}

struct auth_db *
auth_db_oauth_new(const struct auth_db_make *make, struct buf *why)
{
	struct oauth_db *o = mem_zalloc(sizeof(*o));

	o->db.ops = &ops;
	o->auth = make->auth;
	o->arena = arena_new(NULL, ARENA_OTHER, 1024);
	keep_settings(o, make->settings);
	(void)pthread_mutex_init(&o->lock, NULL);
	if (o->s.jwks.n > 0 && (o->keys = load(o, why)) == NULL) {
		free_own(&o->db);
		return NULL;
	}
	return &o->db;
}
