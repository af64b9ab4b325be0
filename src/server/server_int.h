/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_SERVER_INT_H
#define SERVER_SERVER_INT_H
/*
 * The running server from inside, for the files of this folder: server.c makes it and waits for
 * signals, stop.c takes it down, reload.c changes it while it runs.  Others see server.h only.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "conf/args.h"
#include "control/control.h"
#include "imap/imap.h"
#include "lmtp/lmtp.h"
#include "net/listen.h"
#include "net/proxy.h"
#include "net/work.h"
#include "server/check/config_check.h"
#include "server/config/settings.h"
#include "server/process/inherit.h"
#include "server/process/sandbox.h"
#include "server/process/trim.h"
#include "server/process/usage.h"
#include "server/server.h"

/* What happened lately: totals, taken each second by a timer of each loop. */
enum server_pace {
	PACE_COMMANDS,
	PACE_LOGINS,
	PACE_SWITCHES,
	PACE_DELIVERIES, /* messages by LMTP */
	PACE_BATCHES,    /* this and the rest: of the store, by the first loop only */
	PACE_BATCH_CHANGES,
	PACE_FLUSH_NS,
	PACE_COUNT
};

enum { PACE_SECONDS = 60 };

struct server_pace_past {
	struct loop_timer timer;
	uint64_t taken; /* samples so far; the newest is at (taken - 1) % (PACE_SECONDS + 1) */
	struct server_pace_sample {
		uint64_t ms, n[PACE_COUNT];
	} samples[PACE_SECONDS + 1];
};

struct server_loop {
	struct server *server;
	struct loop *loop;
	struct imap_loop *il;
	struct lmtp_loop lmtp;
	pthread_t thread;
	struct loop_task stop;
	struct proxy_waiting waiting; /* for their PROXY header */
	struct loop_timer timer;
	struct server_pace_past past;
	struct loop_task beat; /* for the watchdog */
	atomic_uint beats_sent, beats_seen;
	_Atomic uint64_t memory; /* bytes that its connections hold, about */
};

struct server_listener {
	struct server *server;
	struct listener *listener;
	struct str name;
	struct imap_entrance entrance;
	bool lmtp;
	enum lmtp_tls lmtp_tls;
	struct proxy_door door;    /* no networks: no PROXY protocol */
	struct net_network *front; /* those of the door */
	struct str path;           /* of a UNIX socket, in the configuration; empty: a port */
};

/* Users whose logins may have to end.  A set without the names: what is not in it certainly did not
 * change, what is in it is looked at. */
struct server_suspects {
	bool any, all;
	uint64_t bits[64];
};

struct server_recheck;

struct server_auth_watch { /* all private to auth.c */
	struct auth *auth;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop; /* under lock, and the next */
	struct server_suspects suspects;
	/* the thread's alone */
	struct server_recheck *rest; /* NULL: none is left to look at */
	int64_t looked;              /* until when it has looked for what ended, seconds */
};

struct server {
	const struct args *args;
	const struct op *(*find_op)(struct str verb); /* for the control socket */
	struct conf *conf;                            /* under `reload` once threads run */
	struct conf *started; /* what it began with: options for a restart are in force as here */
	struct config_starter starter; /* who it was at its start */
	pthread_mutex_t reload;
	uint64_t started_ms;

	struct tls_slot *tls;
	struct tls_tickets *tickets;
	struct texts_set *languages; /* as conf; NULL: none are configured */
	struct sasl_cyrus *cyrus;    /* NULL: no mechanism of libsasl2 */
	struct store *store;
	struct auth *auth;
	struct server_auth_watch auth_watch;
	struct auth_helper *helper; /* NULL: no database needs it */
	struct work_pool *workers;
	struct work_pool *waiters; /* NULL without helper: see imap_server */
	struct imap_server imap;
	struct lmtp_server lmtp;
	struct buf default_domain; /* kept over reloads */
	struct server_loop *loops;
	unsigned loop_count;
	struct server_listener listeners[SERVER_LISTENERS_MAX];
	size_t listener_count;
	struct control *control;
	struct metrics *metrics; /* NULL: off */
	struct sandbox_state sandbox;
	struct usage_count usage;
	struct trim trim;       /* the watch's thread's alone */
	_Atomic uint64_t trims; /* how often memory was given back */
	int statm;              /* /proc/self/statm, opened before the sandbox; -1: not readable */
	struct loop_task close_listeners;
};

static inline const struct server_settings *
server_settings_of(const struct server *server)
{
	return conf_get(server->conf, &server_conf);
}

/*
 * With the certificate of the configuration, or a self-signed one that is made in the data folder.
 * expired: one that has expired is taken, with a warning.
 */
TS_CHECKED enum ts_err server_make_tls(struct server *server, const struct conf *conf, bool expired,
    struct buf *why, struct tls_ctx **ctx_r);
/* Fills the slot; false: logged. */
bool server_open_tls(struct server *server);

/* The catalogues of languages.folder; NULL: none are configured.  Logs what there is; what is wrong
 * with them config_check() has told. */
struct texts_set *server_load_languages(const struct conf *conf);

/* Forks the helper if a database of the configuration needs it; before privileges are dropped and
 * before the first thread.  False: logged. */
bool server_start_helper(struct server *server);
/* Auth with the databases of the configuration; the store is open.  False: logged. */
bool server_open_auth(struct server *server);
void server_close_auth(struct server *server); /* NULL auth is fine */
/* A thread that calls auth_poll() each second, and ends logins that are not permitted any more,
 * after changes and when time has come; after the sandbox.  It ends before the loops do. */
void server_auth_watch_begin(struct server *server);
void server_auth_watch_end(struct server *server);
/*
 * recheck.c: the logins of suspects that are not permitted any more are ended, all of which
 * that can be said without waiting for others; a step looks at one of the rest (false: there is
 * none).  Not from a loop.
 */
struct server_recheck *server_recheck_new(
    struct server *server, const struct server_suspects *suspects);
bool server_recheck_step(struct server_recheck *recheck);
const struct server_suspects *server_recheck_of(const struct server_recheck *recheck);
void server_recheck_free(struct server_recheck **recheck);              /* NULL is fine */
void server_suspect(struct server_suspects *suspects, struct str user); /* empty: all */

struct server_watchdog { /* all private */
	uint64_t every_ms, due, batches;
	bool waited;
};

void server_watchdog_init(struct server_watchdog *w);
void server_watchdog_feed(struct server *server, struct server_watchdog *w);
/* Waits for a signal of the set, feeding the watchdog when it is due; -1: none, call it again. */
int server_watchdog_wait(struct server *server, struct server_watchdog *w, const sigset_t *set);

/* All listeners of the configuration; before the loops run.  False: logged. */
bool server_listen(struct server *server);

/* What server.sandbox asks for; before the first thread.  False: must not start, logged. */
bool server_enter_sandbox(struct server *server);

/* Sums the loops' counters; commands has IMAP_CMD_MAX of them, or is NULL.  Not from a loop. */
void server_gather(
    struct server *server, struct imap_stats *sum, struct imap_command_stats *commands);

/* The same for deliveries. */
void server_gather_lmtp(struct server *server, struct lmtp_stats *sum);

/* memory.c.  On the loop, now and then; on another thread, each second. */
void server_memory_note(struct server_loop *sl);
void server_memory_look(struct server *server);
/* Resident memory of the process; false: not known. */
bool server_resident(const struct server *server, uint64_t *bytes_r);

/* Begins to take samples; before the loop runs.  Ends it; on the loop. */
void server_pace_begin(struct server_loop *sl);
void server_pace_end(struct server_loop *sl);
/* How much of each came in a second, over the last `seconds` (at most PACE_SECONDS) or as long as
 * there are samples.  Not from a loop. */
void server_pace(struct server *server, unsigned seconds, double per_second_r[PACE_COUNT]);

/* Tells whoever started it that it is ready, and where it listens.  False: logged. */
bool server_announce(const struct server *server);

/* Ends the threads: no new connections, a word to the old ones, then waits for them. */
void server_stop_threads(struct server *server);
/* After that: waits until nothing of what connections left behind is under way. */
void server_settle(struct server *server);
#endif
