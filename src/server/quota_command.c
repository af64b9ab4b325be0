/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the command of quotas: see quota_command.h. */
#include "server/quota_command.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "auth/helper/command_wire.h"
#include "base/arena.h"
#include "base/log.h"
#include "base/mem.h"

enum {
	QUEUE_MAX = 256,
	ANSWER_MS = 5000, /* for the helper, beyond the time that the program has */
};

struct run { /* of the program; in an arena of its own */
	struct arena *arena;
	struct command_request request;
	struct str user, what; /* "STORAGE at 80%" */
};

struct quota_command {
	struct auth_helper *helper;
	unsigned parallel;
	pthread_mutex_t lock; /* all below */
	pthread_cond_t wake;
	bool stop, full; /* full: that was logged */
	struct arena *settings;
	struct str args[COMMAND_WORDS_MAX];
	size_t arg_count;
	uint32_t ms;
	struct run *queue[QUEUE_MAX];
	size_t queued;
	pthread_t *thread; /* `parallel` of them at most; made when they are needed */
	unsigned threads, idle;
};

/* ---- one run ---- */

static void
log_end(const struct run *run, enum ts_err err, const struct command_reply *end)
{
	const char *program = run->request.args[0].p;
	char how[128];

	if (err != TS_OK)
		(void)snprintf(how, sizeof(how), "the helper does not answer");
	else if (end->end == COMMAND_NOT_STARTED)
		(void)snprintf(how, sizeof(how), "cannot be started: %s",
		    strerrordesc_np((int)end->code) != NULL ? strerrordesc_np((int)end->code)
		                                            : "unknown error");
	else if (end->end == COMMAND_TIMEOUT)
		(void)snprintf(
		    how, sizeof(how), "killed, since it ran for %u ms", (unsigned)run->request.ms);
	else if (end->end == COMMAND_KILLED)
		(void)snprintf(how, sizeof(how), "killed by signal %u", end->code);
	else
		(void)snprintf(how, sizeof(how), "exit status %u", end->code);
	log_msg(
	    err == TS_OK && end->end == COMMAND_EXITED && end->code == 0 ? LOG_DEBUG : LOG_WARNING,
	    NULL, "quota: command %s for %.*s (%.*s): %s", program, STR_ARG(run->user),
	    STR_ARG(run->what), how);
}

static void
do_run(struct auth_helper *helper, const struct run *run)
{
	struct command_reply end = {0};
	struct buf request = {0}, reply = {0};
	enum ts_err err;

	command_request_print(&run->request, &request);
	err = auth_helper_call(
	    helper, AUTH_HELPER_COMMAND, buf_as_str(&request), run->request.ms + ANSWER_MS, &reply);
	if (err == TS_OK && !command_reply_parse(buf_as_str(&reply), &end))
		err = TS_UNAVAILABLE;
	log_end(run, err, &end);
	buf_fini(&request);
	buf_fini(&reply);
}

static void
put_env(struct run *run, const char *name, struct str value)
{
	struct buf b = {0};

	buf_printf(&b, "%s=%.*s", name, STR_ARG(value));
	run->request.env[run->request.env_count++] = arena_str(run->arena, buf_as_str(&b));
	buf_fini(&b);
}

static void
put_number(struct run *run, const char *name, uint64_t n)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
	put_env(run, name, str_of(text));
}

/* Called with the lock held. */
static struct run *
make_run(const struct quota_command *c, struct str user, const struct store_quota_levels *l,
    enum store_quota_resource r)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 4096);
	struct run *run = arena_new_object(arena, struct run);
	struct str resource = str_of(store_quota_name(r));
	char what[64];

	run->arena = arena;
	run->request.ms = c->ms;
	for (size_t i = 0; i < c->arg_count; i++)
		run->request.args[run->request.arg_count++] = arena_str(arena, c->args[i]);
	put_env(run, "PATH", STR("/usr/local/bin:/usr/bin:/bin"));
	put_env(run, "LANG", STR("C.UTF-8"));
	put_env(run, "QUOTA_USER", user);
	put_env(run, "QUOTA_ROOT", STR(""));
	put_env(run, "QUOTA_RESOURCE", resource);
	put_number(run, "QUOTA_LEVEL", l->now[r]);
	put_number(run, "QUOTA_USAGE", l->root.usage[r]);
	put_number(run, "QUOTA_LIMIT", l->root.in_force.limit[r]);
	(void)snprintf(what, sizeof(what), "%.*s at %u%%", STR_ARG(resource), l->now[r]);
	run->what = arena_str(arena, str_of(what));
	run->user = arena_str(arena, user);
	return run;
}

/* ---- the queue ---- */

static void *
work(void *arg)
{
	struct quota_command *c = arg;

	(void)pthread_mutex_lock(&c->lock);
	while (!c->stop) {
		struct run *run;

		if (c->queued == 0) {
			c->idle++;
			(void)pthread_cond_wait(&c->wake, &c->lock);
			c->idle--;
			continue;
		}
		run = c->queue[0];
		c->queued--;
		memmove(c->queue, c->queue + 1, c->queued * sizeof(*c->queue));
		(void)pthread_mutex_unlock(&c->lock);
		do_run(c->helper, run);
		arena_free(&run->arena);
		(void)pthread_mutex_lock(&c->lock);
	}
	(void)pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* Called with the lock held. */
static void
add(struct quota_command *c, struct run *run)
{
	TS_ASSERT(c->queued < QUEUE_MAX);
	c->queue[c->queued++] = run;
	if (c->queued > c->idle && c->threads < c->parallel &&
	    pthread_create(&c->thread[c->threads], NULL, work, c) == 0)
		c->threads++;
	(void)pthread_cond_signal(&c->wake);
}

bool
quota_command_has_room(struct quota_command *c)
{
	bool has;

	(void)pthread_mutex_lock(&c->lock);
	has = c->arg_count == 0 || c->queued + STORE_QUOTA_RESOURCES <= QUEUE_MAX;
	if (!has && !c->full)
		log_msg(LOG_WARNING, NULL,
		    "quota: %zu runs of the command %s wait: further warnings are put off until "
		    "the accounts' next changes",
		    c->queued, c->args[0].p);
	c->full = !has;
	(void)pthread_mutex_unlock(&c->lock);
	return has;
}

void
quota_command_run(struct quota_command *c, struct str user, const struct store_quota_levels *levels)
{
	(void)pthread_mutex_lock(&c->lock);
	for (unsigned r = 0; r < STORE_QUOTA_RESOURCES; r++)
		if (c->arg_count > 0 && c->helper != NULL && levels->now[r] > levels->warned[r] &&
		    c->queued < QUEUE_MAX)
			add(c, make_run(c, user, levels, (enum store_quota_resource)r));
	(void)pthread_mutex_unlock(&c->lock);
}

/* ---- the whole ---- */

struct quota_command *
quota_command_new(struct auth_helper *helper, unsigned parallel)
{
	struct quota_command *c = mem_zalloc(sizeof(*c));

	c->helper = helper;
	c->parallel = parallel;
	c->thread = mem_zalloc(parallel * sizeof(*c->thread));
	(void)pthread_mutex_init(&c->lock, NULL);
	(void)pthread_cond_init(&c->wake, NULL);
	return c;
}

void
quota_command_configure(struct quota_command *c, const struct quota_settings *s)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);

	(void)pthread_mutex_lock(&c->lock);
	if (c->settings != NULL)
		arena_free(&c->settings);
	c->settings = arena;
	c->arg_count = s->warn_command.n;
	for (size_t i = 0; i < c->arg_count; i++)
		c->args[i] = arena_str(arena, s->warn_command.items[i]);
	c->ms = (uint32_t)s->warn_command_time;
	(void)pthread_mutex_unlock(&c->lock);
}

void
quota_command_free(struct quota_command **command)
{
	struct quota_command *c = *command;

	(void)pthread_mutex_lock(&c->lock);
	c->stop = true;
	(void)pthread_cond_broadcast(&c->wake);
	(void)pthread_mutex_unlock(&c->lock);
	for (unsigned i = 0; i < c->threads; i++)
		(void)pthread_join(c->thread[i], NULL);
	for (size_t i = 0; i < c->queued; i++) {
		log_msg(LOG_WARNING, NULL,
		    "quota: command %s for %.*s (%.*s): not run, since the server stops",
		    c->queue[i]->request.args[0].p, STR_ARG(c->queue[i]->user),
		    STR_ARG(c->queue[i]->what));
		arena_free(&c->queue[i]->arena);
	}
	if (c->settings != NULL)
		arena_free(&c->settings);
	(void)pthread_cond_destroy(&c->wake);
	(void)pthread_mutex_destroy(&c->lock);
	mem_free(c->thread);
	mem_free(c);
	*command = NULL;
}
