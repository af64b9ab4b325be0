/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users in an LDAP directory.  The helper has the connections (auth/helper/ldap.c); this file makes
 * the requests and interprets the answers.
 */
#include "auth/db.h"
#include "auth/db/passwd_file.h"
#include "auth/helper/helper.h"
#include "auth/helper/ldap_wire.h"
#include "auth/settings/settings.h"
#include "auth/user/pattern.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "sasl/names.h"

struct ldap_db {
	struct auth_db db;
	struct auth *auth;
	struct conf *conf; /* a reference that keeps s alive */
	const struct auth_db_settings *s;
	struct siphash_key key; /* random: for the stamps of this database */
};

static struct ldap_db *
ldap_db_of(struct auth_db *db)
{
	return (struct ldap_db *)(void *)db;
}

/* RFC 4515 section 3: an assertion value in a filter. */
static void
escape_filter(struct str s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '*' || c == '(' || c == ')' || c == '\\' || c < 0x20 || c == 0x7f)
			buf_printf(out, "\\%02x", c);
		else
			buf_putc(out, s.p[i]);
	}
}

/* RFC 4514 section 2.4: a value in a DN. */
static void
escape_dn(struct str s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < 0x20 || c == 0x7f)
			buf_printf(out, "\\%02x", c);
		else if (strchr("\"+,;<>\\=", c) != NULL || (c == '#' && i == 0) ||
		         (c == ' ' && (i == 0 || i + 1 == s.n)))
			buf_printf(out, "\\%c", c);
		else
			buf_putc(out, s.p[i]);
	}
}

static enum auth_ldap_answer
ask_directory(struct ldap_db *l, struct auth_ldap_request *r, struct arena *arena,
    struct auth_ldap_reply *reply)
{
	const struct auth_db_settings *s = l->s;
	struct buf request = {0}, answer = {0};
	bool ok;

	r->uri_count = s->uri.n;
	for (size_t i = 0; i < s->uri.n; i++)
		r->uris[i] = s->uri.items[i];
	r->starttls = s->tls == AUTH_LDAP_STARTTLS;
	r->ca_file = s->ca_file;
	r->bind_dn = s->bind_dn;
	r->bind_password_file = s->bind_password_file;
	r->connect_ms = s->connect_timeout;
	r->connections = (uint64_t)s->connections;
	auth_ldap_request_print(r, &request);
	ok = auth_helper_call(auth_helper(l->auth), AUTH_HELPER_LDAP, buf_as_str(&request),
	         s->timeout, &answer) == TS_OK &&
	     auth_ldap_reply_parse(buf_as_str(&answer), arena, reply);
	buf_wipe_fini(&request);
	buf_wipe_fini(&answer);
	if (ok && reply->answer != AUTH_LDAP_UNAVAILABLE)
		return reply->answer;
	log_msg(LOG_WARNING, "auth", "database %.*s: LDAP is unavailable",
	    STR_ARG(buf_as_str(&l->db.name)));
	return AUTH_LDAP_UNAVAILABLE;
}

/* Collects the verifiers in the password attribute; ignores and logs those we cannot verify. */
static void
take_passwords(struct ldap_db *l, const struct auth_ldap_reply *reply, struct arena *arena,
    struct auth_user *user)
{
	struct str *list = arena_array(arena, reply->password_count, sizeof(*list));
	struct buf verifier = {0};
	const char *why = NULL;

	for (size_t i = 0; i < reply->password_count; i++) {
		const char *fault;

		verifier.n = 0;
		fault = auth_passwd_verifier(reply->passwords[i], false, &verifier);
		if (fault == NULL)
			list[user->verifier_count++] = arena_str(arena, buf_as_str(&verifier));
		else
			why = fault;
	}
	user->verifiers = list;
	buf_wipe_fini(&verifier);
	if (why != NULL)
		log_msg(user->verifier_count == 0 ? LOG_WARNING : LOG_INFO, "auth",
		    "database %.*s: of %zu passwords of %.*s %zu cannot be verified: %s",
		    STR_ARG(buf_as_str(&l->db.name)), reply->password_count, STR_ARG(reply->dn),
		    reply->password_count - user->verifier_count, why);
}

/* Derives the stamp from everything known about the user. */
static uint64_t
stamp_of(const struct ldap_db *l, const struct auth_user *user)
{
	struct buf all = {0};
	uint64_t stamp;

	buf_vstr(&all, user->name);
	buf_vstr(&all, user->handle);
	buf_varint(&all, user->flags);
	for (size_t i = 0; i < user->verifier_count; i++)
		buf_vstr(&all, user->verifiers[i]);
	stamp = siphash_of(&l->key, buf_as_str(&all)).lo;
	buf_wipe_fini(&all);
	return stamp;
}

static enum ts_err
fill_user(struct ldap_db *l, struct str name, const struct auth_ldap_reply *reply,
    struct arena *arena, struct auth_user *user)
{
	struct buf full = {0};

	*user = (struct auth_user){.name = arena_str(arena, name),
	    .handle = reply->dn,
	    .flags = reply->disabled ? AUTH_USER_DISABLED : 0};
	if (l->s->name_attribute.n > 0) {
		if (!sasl_name_full(reply->name, auth_default_domain(l->auth), &full)) {
			log_msg(LOG_WARNING, "auth",
			    "database %.*s: %.*s has no user name in its attribute %.*s",
			    STR_ARG(buf_as_str(&l->db.name)), STR_ARG(reply->dn),
			    STR_ARG(l->s->name_attribute));
			buf_fini(&full);
			return TS_UNAVAILABLE;
		}
		user->name = arena_str(arena, buf_as_str(&full));
		buf_fini(&full);
	}
	take_passwords(l, reply, arena, user);
	user->stamp = stamp_of(l, user);
	return TS_OK;
}

static enum ts_err
find_in_directory(
    struct auth_db *db, struct str name, struct arena *arena, struct auth_user *user_r)
{
	struct ldap_db *l = ldap_db_of(db);
	const struct auth_db_settings *s = l->s;
	struct str pattern = s->dn.n > 0 ? s->dn : s->filter;
	struct auth_ldap_request r = {.name_attribute = s->name_attribute,
	    .disabled_filter = s->disabled_filter,
	    .base = s->base,
	    .scope = s->scope};
	struct buf base = {0}, filter = {0};
	struct auth_ldap_reply reply;
	enum auth_ldap_answer answer;

	if (!auth_domains_take(
	        &s->domains, auth_default_domain(l->auth), auth_pattern_has_domain(pattern), name))
		return TS_NOT_FOUND;
	if (s->mode == AUTH_LDAP_SEARCH)
		r.password_attribute = s->password_attribute;
	if (s->dn.n > 0) {
		auth_pattern_expand(s->dn, name, escape_dn, &base);
		r.base = buf_as_str(&base);
		r.scope = AUTH_LDAP_BASE;
	}
	auth_pattern_expand(s->filter, name, escape_filter, &filter);
	r.filter = buf_as_str(&filter);
	answer = ask_directory(l, &r, arena, &reply);
	buf_fini(&base);
	buf_fini(&filter);
	return answer == AUTH_LDAP_OK   ? fill_user(l, name, &reply, arena, user_r)
	       : answer == AUTH_LDAP_NO ? TS_NOT_FOUND
	                                : TS_UNAVAILABLE;
}

static enum auth_result
bind_as_user(struct auth_db *db, const struct auth_user *user, const struct auth_request *req)
{
	struct auth_ldap_request r = {.verify = true, .dn = user->handle, .password = req->secret};
	struct arena *arena;
	struct auth_ldap_reply reply;
	enum auth_ldap_answer answer;

	/* RFC 4513 section 5.1.2: an unauthenticated bind succeeds and proves nothing. */
	if (req->secret.n == 0 || user->handle.n == 0)
		return AUTH_FAILED;
	arena = arena_new(NULL, ARENA_OTHER, 256);
	answer = ask_directory(ldap_db_of(db), &r, arena, &reply);
	arena_free(&arena);
	return answer == AUTH_LDAP_OK   ? AUTH_OK
	       : answer == AUTH_LDAP_NO ? AUTH_FAILED
	                                : AUTH_UNAVAILABLE;
}

static void
free_ldap_db(struct auth_db *db)
{
	conf_unref(&ldap_db_of(db)->conf);
	mem_free(db);
}

static const struct auth_db_ops bind_ops = {
    .type = "ldap", .find = find_in_directory, .verify = bind_as_user, .free = free_ldap_db};
static const struct auth_db_ops search_ops = {
    .type = "ldap", .find = find_in_directory, .free = free_ldap_db};

struct auth_db *
auth_db_ldap_new(const struct auth_db_make *make, struct buf *why)
{
	const struct auth_db_settings *s = make->settings;
	struct ldap_db *l;
	bool ok = auth_db_ca_ok(make, "ca_file", s->ca_file, why);

	ok &= auth_db_secret_ok(make, "bind_password_file", s->bind_password_file, why);
	if (!ok)
		return NULL;
	l = mem_zalloc(sizeof(*l));
	l->db.ops = make->settings->mode == AUTH_LDAP_BIND ? &bind_ops : &search_ops;
	l->db.cache_ms = make->settings->cache;
	l->db.waits = true;
	l->auth = make->auth;
	l->conf = conf_ref(make->conf);
	l->s = make->settings;
	random_bytes(&l->key, sizeof(l->key));
	return &l->db;
}
