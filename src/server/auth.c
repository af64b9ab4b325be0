/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's auth: made at the start, then polled once a second by a thread of its own, because
 * checking a file may wait for a disk or a network.  The thread also ends logins that are no longer
 * permitted: soon after a change, and in the second in which a grant expires.
 */
#include <time.h>
#include <unistd.h>

#include "auth/db.h"
#include "auth/grants.h"
#include "auth/helper/helper.h"
#include "auth/settings/settings.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "server/config/auth_setup.h"
#include "server/config/quota.h"
#include "server/process/privileges.h"
#include "server/server_int.h"

enum {
	SETTLE_MS = 250
}; /* changes often come in groups, and whoever makes one may end the logins first */

/* Something changed.  Any thread. */
static void
suspect(struct str user, void *arg)
{
	struct server_auth_watch *w = &((struct server *)arg)->auth_watch;

	(void)pthread_mutex_lock(&w->lock);
	server_suspect(&w->suspects, user);
	(void)pthread_cond_signal(&w->wake);
	(void)pthread_mutex_unlock(&w->lock);
}

static void
watch_init(struct server *server)
{
	struct server_auth_watch *w = &server->auth_watch;
	pthread_condattr_t attr;

	(void)pthread_mutex_init(&w->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&w->wake, &attr);
	(void)pthread_condattr_destroy(&attr);
}

static bool
shed(void *arg)
{
	const struct server_settings *s = arg;

	return s->user.n == 0 || geteuid() != 0 || privileges_drop_helper(s);
}

bool
server_start_helper(struct server *server)
{
	const struct auth_settings *s = conf_get(server->conf, &auth_conf);
	const struct quota_settings *q = conf_get(server->conf, &quota_conf);
	struct auth_helper_options opt = {.parallel = (unsigned)s->waiting_checks,
	    .commands = (unsigned)q->warn_commands,
	    .shed = shed,
	    /* The helper process has a copy of the server's memory. */
	    .arg = (void *)(uintptr_t)server_settings_of(server)};

	if (!auth_settings_need_helper(server->conf) && q->warn_command.n == 0)
		return true;
	server->helper = auth_helper_start(&opt);
	return server->helper != NULL;
}

bool
server_open_auth(struct server *server)
{
	struct auth_setup *setup;
	struct buf why = {0};
	struct str rest, line;
	bool ok;

	watch_init(server);
	server->auth = auth_new(server->store, server_settings_of(server)->default_domain);
	auth_on_change(server->auth, suspect, server);
	auth_set_helper(server->auth, server->helper);
	ok = auth_setup_make(server->conf, server->auth, &why, NULL, &setup);
	if (ok) {
		auth_setup_take(server->auth, &setup);
		auth_setup_check_names(server->conf, server->auth, &why);
	}
	rest = buf_as_str(&why);
	while (rest.n > 0 && str_split(&rest, '\n', &line))
		log_msg(ok ? LOG_WARNING : LOG_ERROR, NULL, "%.*s", STR_ARG(line));
	buf_fini(&why);
	return ok;
}

void
server_close_auth(struct server *server)
{
	struct server_auth_watch *w = &server->auth_watch;

	if (server->auth == NULL)
		return;
	auth_free(&server->auth);
	(void)pthread_cond_destroy(&w->wake);
	(void)pthread_mutex_destroy(&w->lock);
}

/* Whether a grant has expired since the last call; that voids all decisions based on it. */
static bool
has_expired(struct server_auth_watch *w)
{
	int64_t now = clock_wall_s();
	bool is = auth_grants_next_end(w->auth, w->looked) <= now;

	w->looked = now;
	if (is)
		auth_expire(w->auth);
	return is;
}

/* Includes what is left of the previous recheck. */
static void
begin_recheck(struct server *server, struct server_suspects *suspects)
{
	struct server_auth_watch *w = &server->auth_watch;

	if (w->rest != NULL) {
		const struct server_suspects *old = server_recheck_of(w->rest);

		suspects->all |= old->all;
		for (size_t i = 0; i < sizeof(old->bits) / sizeof(*old->bits); i++)
			suspects->bits[i] |= old->bits[i];
	}
	server_recheck_free(&w->rest);
	w->rest = server_recheck_new(server, suspects);
}

/* Called with the lock held; releases it while it works. */
static void
look_after(struct server *server)
{
	struct server_auth_watch *w = &server->auth_watch;
	struct server_suspects suspects = w->suspects;

	w->suspects = (struct server_suspects){0};
	(void)pthread_mutex_unlock(&w->lock);
	if (has_expired(w))
		server_suspect(&suspects, STR_NONE);
	if (suspects.any)
		begin_recheck(server, &suspects);
	else if (w->rest != NULL && !server_recheck_step(w->rest))
		server_recheck_free(&w->rest);
	(void)pthread_mutex_lock(&w->lock);
}

static void
add_ms(struct timespec *t, unsigned ms)
{
	t->tv_nsec += (long)ms * 1000000;
	t->tv_sec += t->tv_nsec / 1000000000;
	t->tv_nsec %= 1000000000;
}

/* Waits for a change or for the given time; after a change, waits a moment for more.  Called with
 * the lock held. */
static void
wait_until(struct server_auth_watch *w, const struct timespec *until)
{
	struct timespec settled;

	while (!w->stop && !w->suspects.any && w->rest == NULL &&
	       pthread_cond_timedwait(&w->wake, &w->lock, until) == 0)
		;
	if (w->stop || !w->suspects.any)
		return;
	(void)clock_gettime(CLOCK_MONOTONIC, &settled);
	add_ms(&settled, SETTLE_MS);
	while (!w->stop && pthread_cond_timedwait(&w->wake, &w->lock, &settled) == 0)
		;
}

static bool
is_past(const struct timespec *t)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec != t->tv_sec ? now.tv_sec > t->tv_sec : now.tv_nsec >= t->tv_nsec;
}

static void *
watch(void *arg)
{
	struct server *server = arg;
	struct server_auth_watch *w = &server->auth_watch;
	struct timespec poll;

	(void)pthread_mutex_lock(&w->lock);
	(void)clock_gettime(CLOCK_MONOTONIC, &poll);
	add_ms(&poll, 1000);
	while (!w->stop) {
		wait_until(w, &poll);
		if (!w->stop && is_past(&poll)) {
			(void)pthread_mutex_unlock(&w->lock);
			auth_poll(w->auth);
			server_quota_poll(server);
			server_memory_look(server);
			(void)clock_gettime(CLOCK_MONOTONIC, &poll);
			add_ms(&poll, 1000);
			(void)pthread_mutex_lock(&w->lock);
		}
		if (!w->stop)
			look_after(server);
	}
	(void)pthread_mutex_unlock(&w->lock);
	return NULL;
}

void
server_auth_watch_begin(struct server *server)
{
	struct server_auth_watch *w = &server->auth_watch;

	w->auth = server->auth;
	w->looked = clock_wall_s();
	TS_ASSERT(pthread_create(&w->thread, NULL, watch, server) == 0);
}

void
server_auth_watch_end(struct server *server)
{
	struct server_auth_watch *w = &server->auth_watch;

	(void)pthread_mutex_lock(&w->lock);
	w->stop = true;
	(void)pthread_cond_signal(&w->wake);
	(void)pthread_mutex_unlock(&w->lock);
	(void)pthread_join(w->thread, NULL);
	server_recheck_free(&w->rest);
}
