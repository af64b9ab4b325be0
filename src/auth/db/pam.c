/* SPDX-License-Identifier: Apache-2.0 */
/* Users whose passwords PAM checks.  PAM runs in the helper (auth/helper/pam.c). */
#include <errno.h>
#include <unistd.h>

#include "auth/db.h"
#include "auth/helper/helper.h"
#include "auth/helper/pam_wire.h"
#include "auth/settings/settings.h"
#include "auth/user/pattern.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

struct pam_db {
	struct auth_db db;
	struct auth *auth;
	struct conf *conf; /* a reference that keeps s alive */
	const struct auth_db_settings *s;
	uint64_t stamp;
};

static struct pam_db *
pam_db_of(struct auth_db *db)
{
	return (struct pam_db *)(void *)db;
}

static enum auth_pam_answer
ask_pam(struct pam_db *p, struct auth_pam_request *r, struct str name)
{
	struct buf user = {0}, request = {0}, reply = {0};
	enum auth_pam_answer answer = AUTH_PAM_UNAVAILABLE;
	enum ts_err err;

	auth_pattern_expand(p->s->username, name, NULL, &user);
	r->service = p->s->service;
	r->confdir = p->s->confdir;
	r->user = buf_as_str(&user);
	auth_pam_request_print(r, &request);
	err = auth_helper_call(
	    auth_helper(p->auth), AUTH_HELPER_PAM, buf_as_str(&request), p->s->timeout, &reply);
	if (err == TS_OK && reply.n == 1)
		answer = (enum auth_pam_answer)reply.p[0];
	else
		log_msg(LOG_WARNING, "auth", "database %.*s: PAM gave no answer about %.*s",
		    STR_ARG(buf_as_str(&p->db.name)), STR_ARG(name));
	buf_fini(&user);
	buf_wipe_fini(&request);
	buf_fini(&reply);
	return answer;
}

static enum ts_err
find_with_pam(struct auth_db *db, struct str name, struct arena *arena, struct auth_user *user_r)
{
	struct pam_db *p = pam_db_of(db);
	struct auth_pam_request r = {.look_up = true};
	enum auth_pam_answer answer = AUTH_PAM_OK;

	if (!auth_domains_take(&p->s->domains, auth_default_domain(p->auth),
	        auth_pattern_has_domain(p->s->username), name))
		return TS_NOT_FOUND;
	if (p->s->users == AUTH_PAM_USERS_SYSTEM)
		answer = ask_pam(p, &r, name);
	if (answer != AUTH_PAM_OK)
		return answer == AUTH_PAM_FAILED ? TS_NOT_FOUND : TS_UNAVAILABLE;
	*user_r = (struct auth_user){.name = arena_str(arena, name), .stamp = p->stamp};
	return TS_OK;
}

static enum auth_result
verify_with_pam(struct auth_db *db, const struct auth_user *user, const struct auth_request *req)
{
	struct auth_pam_request r = {.password = req->secret, .address = req->address};

	/* A NUL would end the password early in PAM.  An empty password proves nothing. */
	if (req->secret.n == 0 || memchr(req->secret.p, 0, req->secret.n) != NULL)
		return AUTH_FAILED;
	switch (ask_pam(pam_db_of(db), &r, user->name)) {
	case AUTH_PAM_OK:
		return AUTH_OK;
	case AUTH_PAM_FAILED:
		return AUTH_FAILED;
	case AUTH_PAM_CLOSED:
		return AUTH_DISABLED;
	case AUTH_PAM_UNAVAILABLE:
		break;
	}
	return AUTH_UNAVAILABLE;
}

static void
free_pam_db(struct auth_db *db)
{
	conf_unref(&pam_db_of(db)->conf);
	mem_free(db);
}

static const struct auth_db_ops ops = {
    .type = "pam", .find = find_with_pam, .verify = verify_with_pam, .free = free_pam_db};

/* Looks for the service as libpam does.  It may be added later: each check looks again. */
static bool
has_service(const struct auth_db_settings *s)
{
	static const char *const folders[] = {"/etc/pam.d", "/usr/lib/pam.d", "/usr/share/pam.d"};
	size_t n = s->confdir.n > 0 ? 1 : sizeof(folders) / sizeof(*folders);
	struct buf path = {0};
	bool found = s->confdir.n == 0 && access("/etc/pam.d", F_OK) != 0; /* pam.conf(5) */

	for (size_t i = 0; i < n && !found; i++) {
		path.n = 0;
		buf_printf(&path, "%s/%.*s", s->confdir.n > 0 ? s->confdir.p : folders[i],
		    STR_ARG(s->service));
		found = access(buf_cstr(&path), F_OK) == 0 || errno == EACCES;
	}
	buf_fini(&path);
	return found;
}

static void
warn_of_service(const struct auth_db_make *make)
{
	const struct auth_db_settings *s = make->settings;
	struct buf line = {0};

	if (make->warnings == NULL || has_service(s))
		return;
	buf_printf(&line,
	    "there is no %s/%.*s: PAM uses its service `other`, which usually admits nobody",
	    s->confdir.n > 0 ? s->confdir.p : "/etc/pam.d", STR_ARG(s->service));
	auth_db_tell(make, "service", &line, make->warnings);
	buf_fini(&line);
}

struct auth_db *
auth_db_pam_new(const struct auth_db_make *make, struct buf *why)
{
	struct pam_db *p = mem_zalloc(sizeof(*p));

	(void)why;
	warn_of_service(make);
	p->db.ops = &ops;
	p->db.cache_ms = make->settings->cache;
	p->db.by_address = true;
	p->db.waits = true;
	p->auth = make->auth;
	p->conf = conf_ref(make->conf);
	p->s = make->settings;
	random_bytes(&p->stamp, sizeof(p->stamp));
	return &p->db;
}
