/* SPDX-License-Identifier: Apache-2.0 */
/* Reloading the configuration and the certificates. */
#include "server/process/privileges.h"
#include "server/server_int.h"

#include <semaphore.h>
#include <systemd/sd-daemon.h>

#include "auth/settings/settings.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "server/check/config_check.h"
#include "server/config/auth_setup.h"
#include "server/config/quota.h"
#include "texts/texts.h"

struct new_conf {
	struct loop_task task;
	struct imap_loop *il;
	struct lmtp_loop *lmtp;
	struct conf *conf;
	struct texts_set *languages;
};

static void
configure_loop(struct loop_task *task)
{
	struct new_conf *n = (struct new_conf *)(void *)task;

	imap_loop_configure(n->il, n->conf, n->languages);
	lmtp_loop_configure(n->lmtp, n->conf);
	conf_unref(&n->conf);
	texts_set_unref(&n->languages);
	mem_free(n);
}

static void
take_conf(
    struct server *server, struct conf *conf, struct texts_set *languages, struct tls_ctx *tls)
{
	tls_slot_set(server->tls, tls);
	conf_unref(&server->conf);
	server->conf = conf;
	texts_set_unref(&server->languages);
	server->languages = texts_set_ref(languages);
	server_log_languages(languages);
	log_set_level((enum log_level)server_settings_of(server)->log_level);
	for (unsigned i = 0; i < server->loop_count; i++) {
		struct new_conf *n = mem_zalloc(sizeof(*n));

		n->task.fn = configure_loop;
		n->il = server->loops[i].il;
		n->lmtp = &server->loops[i].lmtp;
		n->conf = conf_ref(conf);
		n->languages = texts_set_ref(server->languages);
		loop_post(server->loops[i].loop, &n->task);
	}
}

/* Appends each line as a warning. */
static void
put_warnings(const struct buf *warnings, struct buf *out)
{
	struct str rest = buf_as_str(warnings), line;

	while (str_split(&rest, '\n', &line))
		if (line.n > 0)
			buf_printf(out, "warning: %.*s\n", STR_ARG(line));
}

/* The helper must exist since the start: the sandbox takes away what it needs. */
static bool
has_helper(const struct server *server, const struct conf *conf, struct buf *out)
{
	const struct quota_settings *quota = conf_get(conf, &quota_conf);
	bool databases = auth_settings_need_helper(conf), command = quota->warn_command.n > 0;

	if (server->helper != NULL || (!databases && !command))
		return true;
	if (databases)
		config_check_fault(conf, conf_get(conf, &auth_conf), "auth.databases", out,
		    "adding the first external database (pam, ldap, oauth with introspection) "
		    "needs a restart");
	if (command)
		config_check_fault(conf, quota, "quota.warn_command", out,
		    "adding the first command needs a restart");
	return false;
}

static void
put_in_force(struct server *server, struct conf *conf, struct texts_set *languages,
    struct tls_ctx *tls, struct auth_setup **setup, struct buf *out)
{
	struct buf restart = {0};

	buf_puts(out, "configuration and certificates were read again\n");
	if (conf_restart_needed(server->started, conf, &restart))
		buf_printf(out, "these take effect only after a restart:\n%s", buf_cstr(&restart));
	take_conf(server, conf, languages, tls);
	auth_setup_take(server->auth, setup);
	server_quota_configure(server, conf);
	privileges_check_file_limit(conf);
	buf_fini(&restart);
}

static bool
load_again(struct server *server, struct buf *out)
{
	struct texts_set *languages = NULL;
	struct config_check how = {.purpose = CONFIG_CHECK_RELOAD,
	    .languages_r = &languages,
	    .args = server->args,
	    .starter = &server->starter,
	    .started = server->started,
	    .sandboxed = server->sandbox.landlock > 0};
	struct conf *conf = NULL;
	struct tls_ctx *tls = NULL;
	struct auth_setup *setup = NULL;
	struct buf warnings = {0};
	bool ok = config_check(&how, out, &warnings, &conf);

	if (ok) { /* each reports its own faults */
		ok = server_make_tls(server, conf, false, out, &tls) == TS_OK;
		ok &= has_helper(server, conf, out);
		ok &= auth_setup_make(conf, server->auth, out, &warnings, &setup);
	}
	if (ok) {
		put_in_force(server, conf, languages, tls, &setup, out);
		auth_setup_check_names(conf, server->auth, &warnings);
	} else {
		auth_setup_free(&setup);
		conf_unref(&conf);
	}
	put_warnings(&warnings, out);
	tls_ctx_free(&tls);
	texts_set_unref(&languages);
	buf_fini(&warnings);
	return ok;
}

static void
log_line(bool ok, struct str line)
{
	if (str_has_prefix(line, STR("warning: ")))
		log_msg(LOG_WARNING, "reload", "%.*s", (int)line.n - 9, line.p + 9);
	else
		log_msg(ok ? LOG_INFO : LOG_ERROR, "reload", "%.*s", STR_ARG(line));
}

bool
server_reload(struct server *server, struct buf *out)
{
	struct buf text = {0};
	struct str rest, line;
	bool ok;

	pthread_mutex_lock(&server->reload);
	/* The time tells systemd (Type=notify-reload) which reload this is. */
	sd_notifyf(
	    0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)clock_mono_ns() / 1000);
	ok = load_again(server, &text);
	if (!ok)
		buf_puts(&text, "nothing was changed\n");
	sd_notify(0, "READY=1");
	pthread_mutex_unlock(&server->reload);
	rest = buf_as_str(&text);
	while (str_split(&rest, '\n', &line))
		if (line.n > 0)
			log_line(ok, line);
	buf_str(out, buf_as_str(&text));
	buf_fini(&text);
	return ok;
}

struct passed {
	struct loop_task task;
	sem_t done;
};

static void
pass(struct loop_task *task)
{
	sem_post(&((struct passed *)(void *)task)->done);
}

void
server_wait_for_loops(struct server *server)
{
	for (unsigned i = 0; i < server->loop_count; i++) {
		struct passed p = {.task.fn = pass};

		sem_init(&p.done, 0, 0);
		loop_post(server->loops[i].loop, &p.task);
		while (sem_wait(&p.done) != 0)
			;
		sem_destroy(&p.done);
	}
}
