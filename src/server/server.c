/* SPDX-License-Identifier: Apache-2.0 */
/* The running server: how it is made, watches for signals and ends. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "auth/helper/helper.h"
#include "auth/settings/settings.h"
#include "base/block.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/version.h"
#include "imap/ext/list.h"
#include "imap/log/transcript_file.h"
#include "imap/settings.h"
#include "server/check/config_check.h"
#include "server/metrics.h"
#include "server/process/logsink.h"
#include "server/process/pid_file.h"
#include "server/process/privileges.h"
#include "server/process/sasl.h"
#include "server/server_int.h"
#include "texts/texts.h"

static unsigned
processors(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > 256 ? 256 : (unsigned)n;
}

/* ---- making ---- */

static void
make_loops(struct server *server)
{
	const struct server_settings *s = server_settings_of(server);

	if (getenv("TURNSTONE_WATCH_BLOCKING") != NULL)
		block_watch(); /* for tests */
	server->loop_count = s->loops > 0 ? (unsigned)s->loops : processors();
	server->loops = mem_zalloc(server->loop_count * sizeof(*server->loops));
	for (unsigned i = 0; i < server->loop_count; i++) {
		server->loops[i] = (struct server_loop){.server = server, .loop = loop_new()};
		list_init(&server->loops[i].waiting.conns);
	}
}

static void
make_imap(struct server *server)
{
	const struct server_settings *s = server_settings_of(server);
	unsigned workers = s->workers > 0 ? (unsigned)s->workers : 2 * processors();

	server->workers = work_pool_new(workers < 4 && s->workers == 0 ? 4 : workers);
	work_pool_set_slice(server->workers, (unsigned)s->work_slice);
	if (server->helper != NULL) {
		const struct auth_settings *as = conf_get(server->conf, &auth_conf);

		/* Checks before login may take half of the threads. */
		server->waiters = work_pool_new(2 * (unsigned)as->waiting_checks);
	}
	server->imap.waiters = server->lmtp.waiters = server->waiters;
	server->lmtp.store = server->store;
	server->lmtp.auth = server->auth;
	server->lmtp.workers = server->workers;
	server->lmtp.tls = server->tls;
	buf_str(&server->default_domain, s->default_domain);
	server->lmtp.default_domain = buf_as_str(&server->default_domain);
	server->imap.store = server->store;
	server->imap.auth = server->auth;
	server->imap.workers = server->workers;
	server_sasl_set_users(server->cyrus, server->auth);
	if (server->cyrus != NULL)
		server->imap.more_mechs = sasl_cyrus_mechs(server->cyrus);
	server->imap.tls = server->tls;
	server->imap.app = server;
	server->imap.loop_count = server->loop_count;
	server->imap.loops = mem_zalloc(server->loop_count * sizeof(*server->imap.loops));
	imap_server_init(&server->imap);
	server->imap.transcripts = transcript_files_new(s->data, s->default_domain);
	lmtp_server_init(&server->lmtp);
	imap_registry_build(&server->imap.reg, imap_all_extensions, imap_all_extensions_count);
	for (unsigned i = 0; i < server->loop_count; i++) {
		struct server_loop *sl = &server->loops[i];

		sl->il = &server->imap.loops[i];
		imap_loop_init(sl->il, &server->imap, i, sl->loop, server->conf, server->languages);
		lmtp_loop_init(
		    &sl->lmtp, &server->lmtp, i, server->loop_count, sl->loop, server->conf);
	}
}

static void *
loop_thread(void *arg)
{
	struct server_loop *sl = arg;

	loop_run(sl->loop);
	return NULL;
}

static void
start_threads(struct server *server)
{
	for (unsigned i = 0; i < server->loop_count; i++)
		server_pace_begin(&server->loops[i]);
	for (unsigned i = 0; i < server->loop_count; i++)
		TS_ASSERT(pthread_create(
		              &server->loops[i].thread, NULL, loop_thread, &server->loops[i]) == 0);
}

static bool
start_control(struct server *server)
{
	struct ops ops = {.find = server->find_op,
	    .store = server->store,
	    .auth = server->auth,
	    .server = server};
	const struct server_settings *s = server_settings_of(server);
	struct control_options opt = {.connections = (unsigned)s->control_connections,
	    .patience = (int64_t)s->control_patience};
	struct buf path = {0};
	bool ok;

	settings_control_path(server->conf, &path);
	opt.path = buf_cstr(&path);
	ok = control_new(&opt, &ops, &server->control) == TS_OK;
	buf_fini(&path);
	return ok;
}

/* ---- the end ---- */

/* Ends whatever was made, newest first. */
static void
end_server(struct server *server)
{
	const struct server_settings *s = conf_get(server->started, &server_conf);

	for (size_t i = 0; i < server->listener_count; i++) {
		listener_close(&server->listeners[i].listener);
		mem_free(server->listeners[i].front);
	}
	if (server->workers != NULL)
		work_pool_free(&server->workers);
	if (server->waiters != NULL)
		work_pool_free(&server->waiters);
	for (unsigned i = 0; i < server->loop_count; i++)
		if (server->loops[i].il != NULL) {
			imap_loop_fini(server->loops[i].il);
			lmtp_loop_fini(&server->loops[i].lmtp);
		}
	for (unsigned i = 0; i < server->loop_count; i++)
		loop_free(&server->loops[i].loop);
	mem_free(server->loops);
	imap_server_fini(&server->imap);
	transcript_files_free(&server->imap.transcripts);
	lmtp_server_fini(&server->lmtp);
	mem_free(server->imap.loops);
	sasl_cyrus_close(&server->cyrus);
	server_quota_end(server);
	server_close_auth(server);
	auth_helper_stop(&server->helper);
	buf_fini(&server->default_domain);
	if (server->store != NULL)
		store_close(&server->store);
	texts_set_unref(&server->languages);
	tls_slot_free(&server->tls);
	tls_tickets_free(&server->tickets);
	if (s->pid_file.n > 0)
		pid_file_remove(s->pid_file.p);
	conf_unref(&server->started);
	conf_unref(&server->conf);
	pthread_mutex_destroy(&server->reload);
}

/* ---- main ---- */

static void
block_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, set, NULL);
}

static void
wait_for_stop(struct server *server, const sigset_t *set)
{
	struct server_watchdog watchdog;
	int signo = 0;

	server_watchdog_init(&watchdog);
	while (signo != SIGTERM && signo != SIGINT) {
		signo = server_watchdog_wait(server, &watchdog, set);
		if (signo == SIGHUP) {
			struct buf text = {0};

			server_reload(server, &text);
			buf_fini(&text);
		}
	}
}

/* After dropping privileges, since this user must be able to read the keytab, and before the
 * sandbox. */
static bool
open_sasl(struct server *server)
{
	struct buf faults = {0};
	bool ok = server_sasl_open(server->conf, &faults, &server->cyrus);

	if (!ok)
		fprintf(stderr, "%s", buf_cstr(&faults));
	buf_fini(&faults);
	return ok;
}

/*
 * Opens the store first: its lock stops a second server before that gets to the ports.  But if
 * privileges are to be dropped, the ports and a configured key need them, while the store must be
 * made without them and its threads belong in the sandbox.
 */
static bool
make_server(struct server *server)
{
	const struct tls_settings *tls = conf_get(server->conf, &tls_conf);
	const struct server_settings *s = server_settings_of(server);
	bool drops = s->user.n > 0 && geteuid() == 0;
	bool boxed = s->user.n > 0 || s->sandbox == SANDBOX_REQUIRE;
	bool configured = tls->certificate.n > 0;

	if (!server_start_helper(server))
		return false;
	privileges_check_file_limit(server->conf);
	server_sasl_prepare(server->conf);
	make_loops(server);
	server->tls = tls_slot_new();
	server->tickets = tls_tickets_new(tls->ticket_time);
	if (!drops && !boxed && !settings_open_store(server->conf, &server->store))
		return false;
	if (configured && !server_open_tls(server))
		return false;
	if (!server_listen(server) || (drops && !privileges_drop(s)) || !open_sasl(server) ||
	    !server_enter_sandbox(server))
		return false;
	if (server->store == NULL && !settings_open_store(server->conf, &server->store))
		return false;
	return (configured || server_open_tls(server)) && server_open_auth(server);
}

static int
run_server(struct server *server, const sigset_t *set)
{
	int code = EXIT_FAILED;
	bool ready;

	if (!make_server(server)) {
		end_server(server);
		return code;
	}
	server->languages = server_load_languages(server->conf);
	make_imap(server);
	server_quota_begin(server);
	start_threads(server);
	server_auth_watch_begin(server);
	/* From here on a control thread could replace the configuration. */
	pthread_mutex_lock(&server->reload);
	ready = metrics_new(server, &server->metrics) && start_control(server) &&
	        server_announce(server);
	pthread_mutex_unlock(&server->reload);
	if (ready) {
		sd_notifyf(0, "READY=1\nMAINPID=%d", (int)getpid());
		log_msg(LOG_INFO, NULL, "ready (version %s, process %d)", PROGRAM_VERSION,
		    (int)getpid());
		log_collect_begin(); /* a switch of users logs two lines: avoid a write(2) for each
		                      */
		wait_for_stop(server, set);
		code = EXIT_OK;
	}
	server_stop_threads(server);
	server_settle(server);
	end_server(server);
	if (code == EXIT_OK)
		log_msg(LOG_INFO, NULL, "stopped");
	return code;
}

static void
log_warnings(const struct buf *warnings)
{
	struct str rest = buf_as_str(warnings), line;

	while (str_split(&rest, '\n', &line))
		if (line.n > 0)
			log_msg(LOG_WARNING, NULL, "%.*s", STR_ARG(line));
}

int
server_main(const struct args *args, const struct op *(*find)(struct str verb))
{
	struct server *server = mem_zalloc(sizeof(*server));
	struct config_check how = {.purpose = CONFIG_CHECK_START, .args = args};
	struct buf faults = {0}, warnings = {0};
	sigset_t set;
	bool sound;
	int code = EXIT_FAILED;

	server->args = args;
	server->find_op = find;
	trim_init();
	server->statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	pthread_mutex_init(&server->reload, NULL);
	usage_init(&server->usage);
	server->started_ms = clock_mono_ms();
	block_signals(&set);
	privileges_raise_file_limit();
	config_starter_now(&server->starter);
	sound = config_check(&how, &faults, &warnings, &server->conf);
	if (sound) {
		logsink_init((enum logsink_format)server_settings_of(server)->log_format);
		log_set_level((enum log_level)server_settings_of(server)->log_level);
		log_warnings(&warnings);
		server->started = conf_ref(server->conf);
		code = run_server(server, &set);
	}
	fprintf(stderr, "%s", buf_cstr(&faults));
	if (!sound)
		settings_source(args);
	buf_fini(&faults);
	usage_fini(&server->usage);
	buf_fini(&warnings);
	if (server->statm >= 0)
		close(server->statm);
	mem_free(server);
	log_collect_end();
	return code;
}
