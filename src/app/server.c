/* SPDX-License-Identifier: Apache-2.0 */
/* The running server: made, watched for signals, reloaded, taken down. */
#include "app/server.h"

#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "app/cert.h"
#include "app/control.h"
#include "app/logsink.h"
#include "app/settings.h"
#include "app/version.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "imap/ext/list.h"
#include "imap/imap.h"
#include "net/listen.h"
#include "net/work.h"

enum { LISTENERS_MAX = 64, CONNS_POLL_MS = 10 };

struct server_loop {
	struct server *server;
	struct loop *loop;
	struct imap_loop *il;
	pthread_t thread;
	struct loop_task stop;
	struct loop_timer timer;
};

struct server_listener {
	struct server *server;
	struct listener *listener;
	struct str name;
	bool imaps;
};

struct server {
	const struct args *args;
	struct conf *conf; /* under `reload` once threads run */
	pthread_mutex_t reload;
	uint64_t started_ms;

	struct tls_slot *tls;
	struct store *store;
	struct auth *auth;
	struct work_pool *workers;
	struct imap_server imap;
	struct server_loop *loops;
	unsigned loop_count;
	struct server_listener listeners[LISTENERS_MAX];
	size_t listener_count;
	struct control *control;
	struct loop_task close_listeners;
};

static const struct server_settings *
settings(const struct server *server)
{
	return conf_get(server->conf, &server_conf);
}

static unsigned
processors(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > 256 ? 256 : (unsigned)n;
}

/* ---- certificates ---- */

/* The certificate of the configuration, or a self-signed one that is made in the data folder. */
static enum ts_err
make_tls(const struct conf *conf, struct buf *why, struct tls_ctx **ctx_r)
{
	const struct server_settings *s = conf_get(conf, &server_conf);
	enum ts_err err = app_tls_new(conf, why, ctx_r);
	struct buf folder = {0}, cert = {0}, key = {0};

	if (err != TS_NOT_FOUND)
		return err;
	buf_printf(&folder, "%s/tls", s->data.p);
	buf_printf(&cert, "%s/cert.pem", buf_cstr(&folder));
	buf_printf(&key, "%s/key.pem", buf_cstr(&folder));
	err = TS_IO;
	if (cert_make(buf_cstr(&folder), why)) {
		struct tls_options opt = {.cert_file = buf_cstr(&cert), .key_file = buf_cstr(&key)};

		log_msg(LOG_INFO, NULL,
		    "no tls.certificate is set: using the self-signed one in %s (clients verify "
		    "it with its ca.pem)",
		    buf_cstr(&folder));
		err = tls_ctx_new(&opt, why, ctx_r);
	}
	buf_fini(&folder);
	buf_fini(&cert);
	buf_fini(&key);
	return err;
}

/* ---- accepting ---- */

static struct imap_loop *
imap_loop_of(struct server *server, const struct loop *loop)
{
	for (unsigned i = 0; i < server->loop_count; i++)
		if (server->loops[i].loop == loop)
			return server->loops[i].il;
	TS_WRONG("a connection for a loop that is not ours");
}

static void
accepted(void *arg, struct loop *loop, int fd, const char *peer)
{
	struct server_listener *l = arg;
	struct tls_ctx *tls = l->imaps ? tls_slot_get(l->server->tls) : NULL;
	struct imap_conn *conn = imap_conn_new(imap_loop_of(l->server, loop), str_of(peer));
	struct stream *stream = stream_new(loop, fd, tls, imap_conn_events(), conn);

	tls_ctx_free(&tls);
	imap_conn_start(conn, stream, l->imaps);
}

static bool
listen_on(
    struct server *server, struct str name, const struct listener_settings *s, struct loop **loops)
{
	struct server_listener *l = &server->listeners[server->listener_count];
	struct listener_options opt = {.address = s->address.n > 0 ? s->address.p : "",
	    .port = (uint16_t)s->port,
	    .inherited_fd = -1,
	    .loop = loops[0],
	    .loops = loops,
	    .nloops = server->loop_count,
	    .fn = accepted,
	    .arg = l};

	*l = (struct server_listener){
	    .server = server, .name = name, .imaps = s->tls == LISTENER_IMAPS};
	if (listener_new(&opt, &l->listener) != TS_OK) {
		log_msg(LOG_ERROR, NULL,
		    "listener %.*s cannot use address '%s' port %u: is another server running, "
		    "or are you not root? (listener %.*s { address; port })",
		    STR_ARG(name), opt.address, opt.port, STR_ARG(name));
		return false;
	}
	server->listener_count++;
	log_msg(LOG_INFO, NULL, "listener %.*s: %s port %u, %s", STR_ARG(name),
	    s->address.n > 0 ? s->address.p : "all addresses", listener_port(l->listener),
	    l->imaps ? "TLS from the start" : "STARTTLS");
	return true;
}

/* --set NAME.port=N and NAME.address=A go before the file. */
static bool
override(const struct args *args, struct str name, struct listener_settings *s)
{
	const char *text;
	struct buf prefix = {0};
	bool ok = true;

	for (size_t i = 0; ok && (text = args_nth(args, "set", i)) != NULL; i++) {
		struct str word = str_of(text), key;
		uint64_t port;

		prefix.n = 0;
		buf_str(&prefix, name);
		buf_putc(&prefix, '.');
		if (!str_split(&word, '=', &key) || !str_has_prefix(key, buf_as_str(&prefix)))
			continue;
		key.p += prefix.n;
		key.n -= prefix.n;
		if (str_eq(key, STR("port")) && str_u64(word, 65535, &port)) {
			s->port = (int64_t)port;
		} else if (str_eq(key, STR("address"))) {
			s->address = word;
		} else {
			log_msg(LOG_ERROR, NULL,
			    "--set %s: it takes LISTENER.port=NUMBER or LISTENER.address=ADDRESS",
			    text);
			ok = false;
		}
	}
	buf_fini(&prefix);
	return ok;
}

/* Does every --set name a listener? */
static bool
sets_are_known(const struct args *args, struct conf_blocks blocks)
{
	const char *text;

	for (size_t i = 0; (text = args_nth(args, "set", i)) != NULL; i++) {
		struct str word = str_of(text), name;
		bool known = false;

		str_split(&word, '.', &name);
		for (size_t b = 0; b < blocks.n; b++)
			known |= str_eq(blocks.p[b].name, name);
		if (!known) {
			log_msg(LOG_ERROR, NULL,
			    "--set %s: there is no listener %.*s in the configuration", text,
			    STR_ARG(name));
			return false;
		}
	}
	return true;
}

static bool
listen_all(struct server *server)
{
	static const struct listener_settings imap = {.port = 143, .tls = LISTENER_STARTTLS},
	                                      imaps = {.port = 993, .tls = LISTENER_IMAPS};
	static const struct conf_block none[] = {
	    {.name = {"imap", 4}, .settings = &imap}, {.name = {"imaps", 5}, .settings = &imaps}};
	struct conf_blocks blocks = conf_blocks(server->conf, &listener_conf);
	struct loop **loops = mem_zalloc(server->loop_count * sizeof(struct loop *));
	bool ok;

	for (unsigned i = 0; i < server->loop_count; i++)
		loops[i] = server->loops[i].loop;
	if (blocks.n == 0)
		blocks = (struct conf_blocks){none, 2};
	ok = sets_are_known(server->args, blocks);
	for (size_t i = 0; ok && i < blocks.n; i++) {
		struct listener_settings s =
		    *(const struct listener_settings *)blocks.p[i].settings;

		ok = server->listener_count < LISTENERS_MAX &&
		     override(server->args, blocks.p[i].name, &s) &&
		     listen_on(server, blocks.p[i].name, &s, loops);
	}
	mem_free(loops);
	return ok;
}

/* ---- making ---- */

static void
raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* Ports are bound by now; the store is opened as the user. */
static bool
drop_privileges(const struct server *server)
{
	const struct server_settings *s = settings(server);
	const struct passwd *pw;

	pw = getpwnam(s->user.p);
	if (pw == NULL) {
		log_msg(LOG_ERROR, NULL, "server.user: there is no user %s", s->user.p);
		return false;
	}
	if (mkdir(s->data.p, 0700) == 0 && chown(s->data.p, pw->pw_uid, pw->pw_gid) != 0)
		log_msg(LOG_WARNING, NULL, "cannot give %s to %s: %s", s->data.p, s->user.p,
		    strerror(errno));
	if (initgroups(pw->pw_name, pw->pw_gid) != 0 || setgid(pw->pw_gid) != 0 ||
	    setuid(pw->pw_uid) != 0) {
		log_msg(LOG_ERROR, NULL, "cannot become user %s: %s", s->user.p, strerror(errno));
		return false;
	}
	return true;
}

static bool
open_tls(struct server *server)
{
	struct tls_ctx *ctx = NULL;
	struct buf why = {0};
	bool ok = make_tls(server->conf, &why, &ctx) == TS_OK;

	if (ok)
		tls_slot_set(server->tls, ctx);
	else
		log_msg(LOG_ERROR, NULL, "%s", buf_cstr(&why));
	tls_ctx_free(&ctx);
	buf_fini(&why);
	return ok;
}

static void
make_loops(struct server *server)
{
	const struct server_settings *s = settings(server);

	server->loop_count = s->loops > 0 ? (unsigned)s->loops : processors();
	server->loops = mem_zalloc(server->loop_count * sizeof(*server->loops));
	for (unsigned i = 0; i < server->loop_count; i++)
		server->loops[i] = (struct server_loop){.server = server, .loop = loop_new()};
}

static void
make_imap(struct server *server)
{
	const struct server_settings *s = settings(server);
	unsigned workers = s->workers > 0 ? (unsigned)s->workers : 2 * processors();

	server->auth = auth_new(server->store, s->default_domain);
	server->workers = work_pool_new(workers < 4 && s->workers == 0 ? 4 : workers);
	server->imap.store = server->store;
	server->imap.auth = server->auth;
	server->imap.workers = server->workers;
	server->imap.tls = server->tls;
	server->imap.app = server;
	server->imap.loop_count = server->loop_count;
	server->imap.loops = mem_zalloc(server->loop_count * sizeof(*server->imap.loops));
	imap_registry_build(&server->imap.reg, imap_all_extensions, imap_all_extensions_count);
	for (unsigned i = 0; i < server->loop_count; i++) {
		struct server_loop *sl = &server->loops[i];

		sl->il = &server->imap.loops[i];
		imap_loop_init(sl->il, &server->imap, i, sl->loop, server->conf);
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
		TS_ASSERT(pthread_create(
		              &server->loops[i].thread, NULL, loop_thread, &server->loops[i]) == 0);
}

static bool
start_control(struct server *server)
{
	struct ops ops = {.store = server->store, .auth = server->auth, .server = server};
	struct buf path = {0};
	bool ok;

	app_control_path(server->conf, &path);
	ok = control_new(buf_cstr(&path), &ops, &server->control) == TS_OK;
	buf_fini(&path);
	return ok;
}

/* ---- telling that it is ready ---- */

static void
describe(const struct server *server, struct buf *out)
{
	for (size_t i = 0; i < server->listener_count; i++) {
		const struct server_listener *l = &server->listeners[i];

		for (size_t c = 0; c < l->name.n; c++) {
			unsigned char up = ascii_upper((unsigned char)l->name.p[c]);

			buf_putc(out,
			    (up >= 'A' && up <= 'Z') || (up >= '0' && up <= '9') ? (char)up : '_');
		}
		buf_printf(out, "_PORT=%u\n", listener_port(l->listener));
	}
	buf_printf(out, "PID=%d\n", (int)getpid());
}

/* In one step, so that nobody reads half of it. */
static bool
put_file(const char *path, struct str text)
{
	struct buf temp = {0};
	FILE *f;
	bool ok;

	buf_printf(&temp, "%s.new", path);
	f = fopen(buf_cstr(&temp), "we");
	ok = f != NULL && fwrite(text.p, 1, text.n, f) == text.n;
	if (f != NULL && fclose(f) != 0)
		ok = false;
	ok = ok && rename(buf_cstr(&temp), path) == 0;
	if (!ok)
		log_msg(LOG_ERROR, NULL, "cannot write %s: %s", path, strerror(errno));
	buf_fini(&temp);
	return ok;
}

static bool
announce(const struct server *server)
{
	const struct server_settings *s = settings(server);
	const char *file = args_get(server->args, "ready-file");
	struct buf text = {0}, pid = {0};
	unsigned long long fd;
	bool ok = true;

	describe(server, &text);
	buf_printf(&pid, "%d\n", (int)getpid());
	if (s->pid_file.n > 0)
		ok = put_file(s->pid_file.p, buf_as_str(&pid));
	if (ok && file != NULL)
		ok = put_file(file, buf_as_str(&text));
	if (ok && args_has(server->args, "ready-fd")) {
		ok = args_number(server->args, "ready-fd", 0, 65535, 0, &fd) &&
		     write((int)fd, text.p, text.n) == (ssize_t)text.n;
		if (ok && fd > 2)
			close((int)fd);
	}
	buf_fini(&pid);
	buf_fini(&text);
	return ok;
}

/* ---- reload ---- */

struct new_conf {
	struct loop_task task;
	struct imap_loop *il;
	struct conf *conf;
};

static void
configure_loop(struct loop_task *task)
{
	struct new_conf *n = (struct new_conf *)(void *)task;

	imap_loop_configure(n->il, n->conf);
	conf_unref(&n->conf);
	mem_free(n);
}

static void
take_conf(struct server *server, struct conf *conf, struct tls_ctx *tls)
{
	tls_slot_set(server->tls, tls);
	conf_unref(&server->conf);
	server->conf = conf;
	log_set_level((enum log_level)settings(server)->log_level);
	for (unsigned i = 0; i < server->loop_count; i++) {
		struct new_conf *n = mem_zalloc(sizeof(*n));

		n->task.fn = configure_loop;
		n->il = server->loops[i].il;
		n->conf = conf_ref(conf);
		loop_post(server->loops[i].loop, &n->task);
	}
}

static bool
load_again(struct server *server, struct buf *out)
{
	struct conf_faults faults = {0};
	struct conf *conf = NULL;
	struct tls_ctx *tls = NULL;
	struct buf restart = {0};
	bool ok;

	ok = conf_load(app_tables(), app_conf_path(server->args), &faults, &conf) == TS_OK;
	for (size_t i = 0; i < faults.n; i++)
		buf_printf(out, "%s\n", faults.text[i]);
	conf_faults_fini(&faults);
	ok = ok && app_conf_check(conf, out);
	if (ok && make_tls(conf, out, &tls) != TS_OK) {
		buf_putc(out, '\n');
		ok = false;
	}
	if (!ok) {
		conf_unref(&conf);
		return false;
	}
	buf_puts(out, "configuration and certificates were read again\n");
	if (conf_restart_needed(server->conf, conf, &restart))
		buf_printf(out, "these take effect after a restart only:\n%s", buf_cstr(&restart));
	take_conf(server, conf, tls);
	tls_ctx_free(&tls);
	buf_fini(&restart);
	return true;
}

bool
server_reload(struct server *server, struct buf *out)
{
	struct buf text = {0};
	struct str rest, line;
	bool ok;

	pthread_mutex_lock(&server->reload);
	sd_notify(0, "RELOADING=1");
	ok = load_again(server, &text);
	if (!ok)
		buf_puts(&text, "nothing was changed\n");
	sd_notify(0, "READY=1");
	pthread_mutex_unlock(&server->reload);
	rest = buf_as_str(&text);
	while (str_split(&rest, '\n', &line))
		if (line.n > 0)
			log_msg(ok ? LOG_INFO : LOG_ERROR, "reload", "%.*s", STR_ARG(line));
	buf_str(out, buf_as_str(&text));
	buf_fini(&text);
	return ok;
}

/* ---- status ---- */

struct gather {
	struct loop_task task;
	const struct imap_loop *il;
	struct imap_stats stats;
	sem_t done;
};

static void
gather_loop(struct loop_task *task)
{
	struct gather *g = (struct gather *)(void *)task;

	g->stats = g->il->stats;
	sem_post(&g->done);
}

static void
gather_stats(struct server *server, struct imap_stats *sum)
{
	*sum = (struct imap_stats){0};
	for (unsigned i = 0; i < server->loop_count; i++) {
		struct gather g = {.task.fn = gather_loop, .il = server->loops[i].il};

		sem_init(&g.done, 0, 0);
		loop_post(server->loops[i].loop, &g.task);
		while (sem_wait(&g.done) != 0)
			;
		sem_destroy(&g.done);
		sum->conns += g.stats.conns;
		sum->conns_total += g.stats.conns_total;
		sum->logins += g.stats.logins;
		sum->switches += g.stats.switches;
		sum->commands += g.stats.commands;
		sum->failed_logins += g.stats.failed_logins;
	}
}

static void
put_number(struct buf *out, const char *name, uint64_t n)
{
	buf_printf(out, "%s: %llu\n", name, (unsigned long long)n);
}

void
server_status(struct server *server, struct buf *out)
{
	struct imap_stats imap;
	struct store_stats st;

	gather_stats(server, &imap);
	store_stats(server->store, &st);
	buf_printf(out, "version: %s\n", APP_VERSION);
	put_number(out, "pid", (uint64_t)getpid());
	put_number(out, "uptime_seconds", (clock_mono_ms() - server->started_ms) / 1000);
	for (size_t i = 0; i < server->listener_count; i++)
		buf_printf(out, "listener_%.*s: %u\n", STR_ARG(server->listeners[i].name),
		    listener_port(server->listeners[i].listener));
	put_number(out, "loops", server->loop_count);
	put_number(out, "connections", imap.conns);
	put_number(out, "connections_total", imap.conns_total);
	put_number(out, "logins", imap.logins);
	put_number(out, "failed_logins", imap.failed_logins);
	put_number(out, "switches", imap.switches);
	put_number(out, "commands", imap.commands);
	put_number(out, "work_waiting", work_pool_waiting(server->workers));
	put_number(out, "work_running", work_pool_running(server->workers));
	put_number(out, "accounts_loaded", st.accounts_loaded);
	put_number(out, "mailboxes_loaded", st.mailboxes_loaded);
	put_number(out, "state_bytes", st.state_bytes);
	put_number(out, "watches", st.watches);
	put_number(out, "changes", st.changes);
	put_number(out, "changes_pending", st.changes_pending);
	put_number(out, "batches", st.batches);
	put_number(out, "largest_batch", st.batch_max);
	put_number(out, "commits", st.engine.commits);
	put_number(out, "commit_bytes", st.engine.commit_bytes);
	put_number(out, "flush_nanoseconds", st.engine.flush_ns_total);
	put_number(out, "disk_free_bytes", st.engine.free_bytes);
	put_number(out, "disk_used_bytes", st.engine.used_bytes);
}

/* ---- the end ---- */

void
server_ask_stop(struct server *server)
{
	(void)server;
	kill(getpid(), SIGTERM);
}

static void
poll_conns(void *arg)
{
	struct server_loop *sl = arg;

	if (sl->il->stats.conns == 0)
		loop_stop(sl->loop);
	else
		loop_timer_set(&sl->timer, CONNS_POLL_MS);
}

static void
stop_loop(struct loop_task *task)
{
	struct server_loop *sl = list_entry(task, struct server_loop, stop);

	imap_loop_shutdown(sl->il, "The server is going down");
	loop_timer_init(&sl->timer, sl->loop, poll_conns, sl);
	loop_timer_set(&sl->timer, CONNS_POLL_MS);
}

/* On the accepting loop: what it has handed to the others stands in their queues before this. */
static void
close_listeners(struct loop_task *task)
{
	struct server *server = list_entry(task, struct server, close_listeners);

	for (size_t i = 0; i < server->listener_count; i++)
		listener_close(&server->listeners[i].listener);
	for (unsigned i = 0; i < server->loop_count; i++) {
		server->loops[i].stop.fn = stop_loop;
		loop_post(server->loops[i].loop, &server->loops[i].stop);
	}
}

static void
join_loops(struct server *server)
{
	uint64_t patience = settings(server)->stop_time;
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += (time_t)(patience / 1000);
	for (unsigned i = 0; i < server->loop_count; i++) {
		if (pthread_timedjoin_np(server->loops[i].thread, NULL, &until) == 0)
			continue;
		log_msg(LOG_WARNING, NULL,
		    "still waiting for connections to end (a second signal quits at once)");
		pthread_join(server->loops[i].thread, NULL);
	}
}

/* A second signal: what was acknowledged is on disk, so there is nothing to lose. */
static void
quit_at_once(int signo)
{
	static const char text[] = "turnstone: second signal, quitting at once\n";

	(void)signo;
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(3);
	_exit(1);
}

static void
stop_threads(struct server *server)
{
	struct sigaction act = {.sa_handler = quit_at_once};
	sigset_t set;

	log_msg(LOG_INFO, NULL, "stopping");
	sd_notify(0, "STOPPING=1");
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGINT, &act, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	control_free(&server->control);
	server->close_listeners.fn = close_listeners;
	loop_post(server->loops[0].loop, &server->close_listeners);
	join_loops(server);
}

/*
 * Connections are gone, but a change or a job that one of them left behind may
 * be under way, and ends on its loop.  Nothing busy, and nothing posted then:
 * nothing can come any more.
 */
static void
settle(struct server *server)
{
	bool again = true;

	while (again) {
		struct store_stats st;

		store_stats(server->store, &st);
		again = st.changes_pending > 0 || work_pool_waiting(server->workers) > 0 ||
		        work_pool_running(server->workers) > 0;
		for (unsigned i = 0; i < server->loop_count; i++)
			again |= loop_settle(server->loops[i].loop);
		if (again)
			usleep(1000);
	}
}

/* Whatever was made, newest first. */
static void
server_fini(struct server *server)
{
	const struct server_settings *s = settings(server);

	for (size_t i = 0; i < server->listener_count; i++)
		listener_close(&server->listeners[i].listener);
	if (server->workers != NULL)
		work_pool_free(&server->workers);
	for (unsigned i = 0; i < server->loop_count; i++)
		if (server->loops[i].il != NULL)
			imap_loop_fini(server->loops[i].il);
	for (unsigned i = 0; i < server->loop_count; i++)
		loop_free(&server->loops[i].loop);
	mem_free(server->loops);
	mem_free(server->imap.loops);
	auth_free(&server->auth);
	if (server->store != NULL)
		store_close(&server->store);
	tls_slot_free(&server->tls);
	if (s->pid_file.n > 0)
		unlink(s->pid_file.p);
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
	int signo = 0;

	while (signo != SIGTERM && signo != SIGINT) {
		signo = sigwaitinfo(set, NULL);
		if (signo == SIGHUP) {
			struct buf text = {0};

			server_reload(server, &text);
			buf_fini(&text);
		}
	}
}

/*
 * The store's lock comes first, so that a second server does not get as far as
 * ports; unless privileges are dropped on the way: ports and a configured key
 * need them, the store must not be made with them.
 */
static bool
server_make(struct server *server)
{
	const struct tls_settings *tls = conf_get(server->conf, &tls_conf);
	bool drops = settings(server)->user.n > 0 && geteuid() == 0;
	bool configured = tls->certificate.n > 0;

	make_loops(server);
	server->tls = tls_slot_new();
	if (!drops && !app_store_open(server->conf, &server->store))
		return false;
	return (!configured || open_tls(server)) && listen_all(server) &&
	       (!drops ||
	           (drop_privileges(server) && app_store_open(server->conf, &server->store))) &&
	       (configured || open_tls(server));
}

static int
run(struct server *server, const sigset_t *set)
{
	int code = APP_FAILED;
	bool ready;

	if (!server_make(server)) {
		server_fini(server);
		return code;
	}
	make_imap(server);
	start_threads(server);
	/* From here on the control thread could take another configuration. */
	pthread_mutex_lock(&server->reload);
	ready = start_control(server) && announce(server);
	pthread_mutex_unlock(&server->reload);
	if (ready) {
		sd_notifyf(0, "READY=1\nMAINPID=%d", (int)getpid());
		log_msg(
		    LOG_INFO, NULL, "ready (version %s, process %d)", APP_VERSION, (int)getpid());
		log_collect_begin(); /* two lines for each switch of user: not a write(2) each */
		wait_for_stop(server, set);
		code = APP_OK;
	}
	stop_threads(server);
	settle(server);
	server_fini(server);
	if (code == APP_OK)
		log_msg(LOG_INFO, NULL, "stopped");
	return code;
}

int
server_main(const struct args *args)
{
	struct server *server = mem_zalloc(sizeof(*server));
	struct buf faults = {0};
	sigset_t set;
	int code = APP_FAILED;

	logsink_init();
	server->args = args;
	pthread_mutex_init(&server->reload, NULL);
	server->started_ms = clock_mono_ms();
	block_signals(&set);
	raise_file_limit();
	if (app_conf_load(args, &server->conf)) {
		log_set_level((enum log_level)settings(server)->log_level);
		if (app_conf_check(server->conf, &faults)) {
			code = run(server, &set);
		} else {
			fprintf(stderr, "%s", buf_cstr(&faults));
			conf_unref(&server->conf);
		}
	}
	buf_fini(&faults);
	mem_free(server);
	log_collect_end();
	return code;
}
