/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LDAP, in the helper's network process.
 *
 * Connections are kept for later requests with the same server and settings: some bound as the
 * service's DN, others used to try users' passwords.  When one fails, it is closed together with
 * the others of its kind; the request continues on a new connection to the first address that
 * answers.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ldap.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/helper/helper_int.h"
#include "auth/helper/ldap_wire.h"
#include "auth/settings/settings.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

enum { IDLE_MS = 60 * 1000, IDLE_MAX = 256, TRIES = 2, SECRET_MAX = 4096 };

struct idle { /* an idle connection */
	struct idle *next;
	LDAP *ld;
	struct buf server; /* auth_ldap_request_server() */
	bool for_users;
	uint64_t since;
};

/* One per process: the network process serves nothing else. */
static struct pool {
	pthread_mutex_t lock;
	struct idle *first;
	size_t n;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct work {
	const struct auth_ldap_request *r;
	struct str server;
	uint64_t deadline;
	LDAP *ld;
	bool pooled; /* ld is from the pool, and may have died there */
};

/* ---- the pool ---- */

static void
idle_free(struct idle *idle)
{
	(void)ldap_unbind_ext_s(idle->ld, NULL, NULL);
	buf_fini(&idle->server);
	mem_free(idle);
}

static bool
is_of(const struct idle *idle, const struct work *w)
{
	return idle->for_users == w->r->verify && str_eq(buf_as_str(&idle->server), w->server);
}

/* Unlinks the connections that are too old, and the first that fits.  The list has the last used
 * first. */
static struct idle *
unlink_idle(const struct work *w, bool all, struct idle **gone_r)
{
	struct idle *found = NULL, **at = &pool.first;
	uint64_t now = clock_mono_ms();

	while (*at != NULL) {
		struct idle *idle = *at;
		bool fits = is_of(idle, w);

		if (fits && !all && found == NULL && now - idle->since < IDLE_MS)
			found = idle;
		else if (now - idle->since < IDLE_MS && !(fits && all)) {
			at = &idle->next;
			continue;
		}
		*at = idle->next;
		pool.n--;
		if (idle != found) {
			idle->next = *gone_r;
			*gone_r = idle;
		}
	}
	return found;
}

/* all: take none, and close those to this server. */
static LDAP *
pool_take(const struct work *w, bool all)
{
	struct idle *gone = NULL, *found;
	LDAP *ld = NULL;

	(void)pthread_mutex_lock(&pool.lock);
	found = unlink_idle(w, all, &gone);
	(void)pthread_mutex_unlock(&pool.lock);
	while (gone != NULL) {
		struct idle *next = gone->next;

		idle_free(gone);
		gone = next;
	}
	if (found != NULL) {
		ld = found->ld;
		buf_fini(&found->server);
		mem_free(found);
	}
	return ld;
}

static void
pool_give(struct work *w)
{
	struct idle *idle = mem_zalloc(sizeof(*idle));
	uint64_t fellows = 0;

	idle->ld = w->ld;
	w->ld = NULL;
	idle->for_users = w->r->verify;
	idle->since = clock_mono_ms();
	buf_str(&idle->server, w->server);
	(void)pthread_mutex_lock(&pool.lock);
	for (const struct idle *i = pool.first; i != NULL; i = i->next)
		fellows += is_of(i, w);
	if (fellows < w->r->connections && pool.n < IDLE_MAX) {
		idle->next = pool.first;
		pool.first = idle;
		pool.n++;
		idle = NULL;
	}
	(void)pthread_mutex_unlock(&pool.lock);
	if (idle != NULL)
		idle_free(idle);
}

/* ---- a connection ---- */

static void
unbind(struct work *w)
{
	if (w->ld != NULL)
		(void)ldap_unbind_ext_s(w->ld, NULL, NULL);
	w->ld = NULL;
}

static struct timeval
time_left(const struct work *w)
{
	uint64_t now = clock_mono_ms(), ms = w->deadline > now ? w->deadline - now : 1;

	return (struct timeval){
	    .tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
}

/* Sets options for all operations that follow. */
static void
limit_time(const struct work *w)
{
	struct timeval tv = time_left(w);

	(void)ldap_set_option(w->ld, LDAP_OPT_TIMEOUT, &tv);
}

static int
set_options(const struct work *w)
{
	const struct auth_ldap_request *r = w->r;
	int version = LDAP_VERSION3, demand = LDAP_OPT_X_TLS_DEMAND, client = 0;
	struct timeval connect = {.tv_sec = (time_t)(r->connect_ms / 1000),
	    .tv_usec = (suseconds_t)(r->connect_ms % 1000 * 1000)};
	int rc = ldap_set_option(w->ld, LDAP_OPT_PROTOCOL_VERSION, &version);

	/* A referral would lead to servers that nobody configured. */
	rc = rc ? rc : ldap_set_option(w->ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
	rc = rc ? rc : ldap_set_option(w->ld, LDAP_OPT_RESTART, LDAP_OPT_ON);
	rc = rc ? rc : ldap_set_option(w->ld, LDAP_OPT_NETWORK_TIMEOUT, &connect);
	rc = rc ? rc : ldap_set_option(w->ld, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand);
	if (r->ca_file.n > 0)
		rc = rc ? rc : ldap_set_option(w->ld, LDAP_OPT_X_TLS_CACERTFILE, r->ca_file.p);
	rc = rc ? rc : ldap_set_option(w->ld, LDAP_OPT_X_TLS_NEWCTX, &client);
	limit_time(w);
	return rc;
}

/* Reads the file's first line.  The caller wipes out. */
static bool
read_secret(const char *path, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf_room(out, SECRET_MAX), SECRET_MAX);

	if (n < 0)
		log_msg(LOG_ERROR, "auth", "%s: %s", path, strerrordesc_np(errno));
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return false;
	out->n = (size_t)n;
	for (size_t i = 0; i < out->n; i++)
		if (out->p[i] == '\n' || out->p[i] == '\r')
			out->n = i;
	return out->n > 0;
}

static int
bind_as(struct work *w, const char *dn, struct str password)
{
	struct berval secret = {.bv_len = password.n, .bv_val = (char *)(uintptr_t)password.p};

	/* RFC 4513 section 5.1.2: a name without a password does not authenticate. */
	TS_ASSERT(password.n > 0);
	limit_time(w);
	return ldap_sasl_bind_s(w->ld, dn, LDAP_SASL_SIMPLE, &secret, NULL, NULL, NULL);
}

static int
bind_service(struct work *w)
{
	struct buf secret = {0};
	int rc = LDAP_PARAM_ERROR;

	if (read_secret(w->r->bind_password_file.p, &secret))
		rc = bind_as(w, w->r->bind_dn.p, buf_as_str(&secret));
	buf_wipe_fini(&secret);
	return rc;
}

static void
log_ldap_error(const struct work *w, const char *uri, const char *what, int rc)
{
	char *more = NULL;

	if (w->ld != NULL)
		(void)ldap_get_option(w->ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &more);
	log_msg(LOG_WARNING, "auth", "LDAP %s: %s: %s%s%s", uri, what, ldap_err2string(rc),
	    more != NULL && more[0] != '\0' ? ": " : "", more != NULL ? more : "");
	ldap_memfree(more);
}

static bool
has_prefix(const char *uri, const char *scheme)
{
	return strncasecmp(uri, scheme, strlen(scheme)) == 0;
}

static bool
connect_to(struct work *w, const char *uri)
{
	const char *what = "connecting";
	int rc = ldap_initialize(&w->ld, uri);

	if (rc == LDAP_SUCCESS)
		rc = set_options(w);
	if (rc == LDAP_SUCCESS)
		rc = ldap_connect(w->ld);
	if (rc == LDAP_SUCCESS && w->r->starttls && has_prefix(uri, "ldap:")) {
		what = "StartTLS";
		rc = ldap_start_tls_s(w->ld, NULL, NULL);
	}
	if (rc == LDAP_SUCCESS && !w->r->verify && w->r->bind_dn.n > 0) {
		what = "binding as bind_dn";
		rc = bind_service(w);
	}
	if (rc == LDAP_SUCCESS)
		return true;
	log_ldap_error(w, uri, what, rc);
	unbind(w);
	return false;
}

/* Gets a connection that works, as far as we can tell. */
static bool
get_connection(struct work *w, unsigned attempt)
{
	w->ld = pool_take(w, attempt > 0);
	w->pooled = w->ld != NULL;
	for (size_t i = 0; w->ld == NULL && i < w->r->uri_count; i++) {
		if (clock_mono_ms() >= w->deadline)
			return false;
		(void)connect_to(w, w->r->uris[i].p);
	}
	return w->ld != NULL;
}

/* ---- what is asked ---- */

/* Whether the server answered. */
static bool
is_answer(int rc)
{
	return rc >= 0 && rc != LDAP_BUSY && rc != LDAP_UNAVAILABLE && rc != LDAP_OTHER &&
	       rc != LDAP_OPERATIONS_ERROR;
}

static int
search(struct work *w, const char *base, int scope, const char *filter, char **attributes,
    LDAPMessage **result_r)
{
	struct timeval tv = time_left(w);

	limit_time(w);
	*result_r = NULL;
	return ldap_search_ext_s(
	    w->ld, base, scope, filter, attributes, 0, NULL, NULL, &tv, 2, result_r);
}

static struct str
copy_value(const struct berval *v, struct arena *arena)
{
	return arena_str(arena, (struct str){v->bv_val, v->bv_len});
}

static void
take_attributes(
    struct work *w, LDAPMessage *entry, struct arena *arena, struct auth_ldap_reply *reply)
{
	const struct auth_ldap_request *r = w->r;
	struct berval **values;
	char *dn = ldap_get_dn(w->ld, entry);

	if (dn != NULL)
		reply->dn = arena_str(arena, str_of(dn));
	ldap_memfree(dn);
	if (r->name_attribute.n > 0) {
		values = ldap_get_values_len(w->ld, entry, r->name_attribute.p);
		if (values != NULL && values[0] != NULL)
			reply->name = copy_value(values[0], arena);
		ldap_value_free_len(values);
	}
	if (r->password_attribute.n > 0) {
		values = ldap_get_values_len(w->ld, entry, r->password_attribute.p);
		for (size_t i = 0; values != NULL && values[i] != NULL &&
		                   reply->password_count < AUTH_LDAP_PASSWORDS;
		     i++) {
			reply->passwords[reply->password_count++] = copy_value(values[i], arena);
			mem_wipe(values[i]->bv_val, values[i]->bv_len);
		}
		ldap_value_free_len(values);
	}
}

static int
look_disabled(struct work *w, struct auth_ldap_reply *reply)
{
	char none[] = LDAP_NO_ATTRS, *attributes[] = {none, NULL};
	LDAPMessage *result = NULL;
	int rc;

	if (w->r->disabled_filter.n == 0)
		return LDAP_SUCCESS;
	rc = search(w, reply->dn.p, LDAP_SCOPE_BASE, w->r->disabled_filter.p, attributes, &result);
	reply->disabled = rc == LDAP_SUCCESS && ldap_count_entries(w->ld, result) > 0;
	ldap_msgfree(result);
	return rc;
}

static int
search_user(struct work *w, struct arena *arena, struct auth_ldap_reply *reply)
{
	static const int scopes[] = {[AUTH_LDAP_SUB] = LDAP_SCOPE_SUBTREE,
	    [AUTH_LDAP_ONE] = LDAP_SCOPE_ONELEVEL,
	    [AUTH_LDAP_BASE] = LDAP_SCOPE_BASE};
	const struct auth_ldap_request *r = w->r;
	char none[] = LDAP_NO_ATTRS, *attributes[3] = {NULL};
	LDAPMessage *result = NULL;
	size_t n = 0;
	int rc, count;

	if (r->name_attribute.n > 0)
		attributes[n++] = (char *)(uintptr_t)r->name_attribute.p;
	if (r->password_attribute.n > 0)
		attributes[n++] = (char *)(uintptr_t)r->password_attribute.p;
	if (n == 0)
		attributes[n++] = none;
	rc = search(w, r->base.p, scopes[r->scope], r->filter.p, attributes, &result);
	count = result != NULL ? ldap_count_entries(w->ld, result) : 0;
	if (rc == LDAP_NO_SUCH_OBJECT && r->scope == AUTH_LDAP_BASE)
		rc = LDAP_SUCCESS; /* the DN was made from the name: no such user */
	if ((rc == LDAP_SUCCESS || rc == LDAP_SIZELIMIT_EXCEEDED) && count > 1) {
		log_msg(LOG_WARNING, "auth", "LDAP: the filter %s matches more than one entry",
		    r->filter.p);
		rc = LDAP_SIZELIMIT_EXCEEDED;
	} else if (rc == LDAP_SUCCESS && count == 1) {
		take_attributes(w, ldap_first_entry(w->ld, result), arena, reply);
		rc = look_disabled(w, reply);
		reply->answer = AUTH_LDAP_OK;
	}
	ldap_msgfree(result);
	return rc;
}

/* Whether it is an answer about the user, not about our request. */
static bool
is_refusal(int rc)
{
	return rc == LDAP_INVALID_CREDENTIALS || rc == LDAP_NO_SUCH_OBJECT ||
	       rc == LDAP_INAPPROPRIATE_AUTH || rc == LDAP_CONSTRAINT_VIOLATION ||
	       rc == LDAP_INSUFFICIENT_ACCESS || rc == LDAP_INVALID_DN_SYNTAX;
}

static int
ask_server(struct work *w, struct arena *arena, struct auth_ldap_reply *reply)
{
	int rc;

	*reply = (struct auth_ldap_reply){.answer = AUTH_LDAP_NO};
	if (!w->r->verify)
		return search_user(w, arena, reply);
	if (w->r->password.n == 0)
		return LDAP_SUCCESS;
	rc = bind_as(w, w->r->dn.p, w->r->password);
	if (rc == LDAP_SUCCESS)
		reply->answer = AUTH_LDAP_OK;
	return is_refusal(rc) ? LDAP_SUCCESS : rc;
}

static void
serve_request(struct work *w, struct arena *arena, struct auth_ldap_reply *reply)
{
	for (unsigned attempt = 0; attempt < TRIES && get_connection(w, attempt); attempt++) {
		bool pooled = w->pooled;
		int rc = ask_server(w, arena, reply);

		if (rc == LDAP_SUCCESS) {
			pool_give(w);
			return;
		}
		if (!pooled || is_answer(rc))
			log_ldap_error(
			    w, w->r->uris[0].p, w->r->verify ? "binding" : "searching", rc);
		unbind(w);
		if (is_answer(rc))
			break;
	}
	*reply = (struct auth_ldap_reply){.answer = AUTH_LDAP_UNAVAILABLE};
}

bool
auth_helper_ldap(struct str request, uint64_t deadline, struct buf *reply)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 4096);
	struct auth_ldap_reply answer;
	struct auth_ldap_request r;
	struct work w = {
	    .r = &r, .server = auth_ldap_request_server(request), .deadline = deadline};
	bool ok;

	arena_wipe_on_free(arena);
	ok = auth_ldap_request_parse(request, arena, &r) && r.scope >= AUTH_LDAP_SUB &&
	     r.scope <= AUTH_LDAP_BASE;
	if (ok) {
		serve_request(&w, arena, &answer);
		auth_ldap_reply_print(&answer, reply);
	}
	arena_free(&arena);
	return ok;
}
