/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's auth: made at the start, and looked after once a second by a
 * thread of its own, since looking at a file may wait for a disk or a network.
 */
#include <time.h>

#include "app/auth_setup.h"
#include "app/server_priv.h"
#include "auth/db.h"
#include "base/log.h"
#include "base/mem.h"

bool
server_open_auth(struct server *server)
{
	struct auth_setup *setup;
	struct buf why = {0};
	struct str rest, line;
	bool ok;

	server->auth = auth_new(server->store, server_settings_of(server)->default_domain);
	ok = auth_setup_make(server->conf, server->auth, &why, &setup);
	if (ok)
		auth_setup_take(server->auth, &setup);
	rest = buf_as_str(&why);
	while (rest.n > 0 && str_split(&rest, '\n', &line))
		log_msg(ok ? LOG_WARNING : LOG_ERROR, NULL, "%.*s", STR_ARG(line));
	buf_fini(&why);
	return ok;
}

static void *
watch(void *arg)
{
	struct server_auth_watch *w = arg;
	struct timespec until;

	(void)pthread_mutex_lock(&w->lock);
	while (!w->stop) {
		(void)clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec++;
		if (pthread_cond_timedwait(&w->wake, &w->lock, &until) == 0)
			continue; /* it is to end, or it was nothing */
		(void)pthread_mutex_unlock(&w->lock);
		auth_poll(w->auth);
		(void)pthread_mutex_lock(&w->lock);
	}
	(void)pthread_mutex_unlock(&w->lock);
	return NULL;
}

void
server_auth_watch_begin(struct server *server)
{
	struct server_auth_watch *w = &server->auth_watch;
	pthread_condattr_t attr;

	w->auth = server->auth;
	(void)pthread_mutex_init(&w->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&w->wake, &attr);
	(void)pthread_condattr_destroy(&attr);
	TS_ASSERT(pthread_create(&w->thread, NULL, watch, w) == 0);
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
	(void)pthread_cond_destroy(&w->wake);
	(void)pthread_mutex_destroy(&w->lock);
}
