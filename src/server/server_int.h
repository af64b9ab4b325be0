/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_SERVER_INT_H
#define SERVER_SERVER_INT_H
/*
 * The running server, for the files of this folder: server.c makes it and waits for signals, stop.c
 * takes it down, reload.c changes it while it runs.  Others include only server.h.
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

/* Recent activity: totals that a timer of each loop takes every second. */
enum server_pace {
	PACE_COMMANDS,
	PACE_LOGINS,
	PACE_SWITCHES,
	PACE_DELIVERIES, /* messages by LMTP */
	PACE_BATCHES,    /* this and the rest: the store's, only in the first loop */
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
	struct proxy_waiting waiting; /* waiting for their PROXY headers */
	struct loop_timer timer;
	struct server_pace_past past;
	struct loop_task beat; /* for the watchdog */
	atomic_uint beats_sent, beats_seen;
	_Atomic uint64_t memory; /* approximate bytes held by its connections */
};

struct server_listener {
	struct server *server;
	struct listener *listener;
	struct str name;
	struct imap_entrance entrance;
	bool lmtp;
	enum lmtp_tls lmtp_tls;
	struct proxy_door door;    /* no networks: no PROXY protocol */
	struct net_network *front; /* the door's networks */
	struct str path;           /* a UNIX socket's, from the configuration; empty: a port */
};

/* Users whose logins may have to end.  A set without names: a user not in it is certainly
 * unchanged, a user in it is checked. */
struct server_suspects {
	bool any, all;
	uint64_t bits[64];
};

struct server_recheck;
struct server_quota;

struct server_auth_watch { /* all private to auth.c */
	struct auth *auth;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop; /* under lock, as is the next */
	struct server_suspects suspects;
	/* used only by the thread */
	struct server_recheck *rest; /* NULL: nothing left to check */
	int64_t looked;              /* has looked for expired grants up to this second */
};

struct server {
	const struct args *args;
	const struct op *(*find_op)(struct str verb); /* for the control socket */
	struct conf *conf;                            /* under `reload` once threads run */
	struct conf *started;          /* as at the start, for options that need a restart */
	struct config_starter starter; /* the process at its start */
	pthread_mutex_t reload;
	uint64_t started_ms;

	struct tls_slot *tls;
	struct tls_tickets *tickets;
	struct texts_set *languages; /* locked as conf is; NULL: none are configured */
	struct sasl_cyrus *cyrus;    /* NULL: no mechanism of libsasl2 */
	struct store *store;
	struct auth *auth;
	struct server_auth_watch auth_watch;
	struct server_quota *quota;
	struct auth_helper *helper; /* NULL: no database and no command needs it */
	struct work_pool *workers;
	struct work_pool *waiters; /* NULL without helper: see imap_server */
	struct imap_server imap;
	struct lmtp_server lmtp;
	struct buf default_domain; /* kept across reloads */
	struct server_loop *loops;
	unsigned loop_count;
	struct server_listener listeners[SERVER_LISTENERS_MAX];
	size_t listener_count;
	struct control *control;
	struct metrics *metrics; /* NULL: off */
	struct sandbox_state sandbox;
	struct usage_count usage;
	struct trim trim;       /* used only by the auth watch's thread */
	_Atomic uint64_t trims; /* how often memory was returned */
	int statm;              /* /proc/self/statm, opened before the sandbox; -1: unreadable */
	struct loop_task close_listeners;
};

static inline const struct server_settings *
server_settings_of(const struct server *server)
{
	return conf_get(server->conf, &server_conf);
}

/*
 * Uses the certificate of the configuration, or a self-signed one, made in the data folder.
 * expired: accept an expired one, with a warning.
 */
TS_CHECKED enum ts_err server_make_tls(struct server *server, const struct conf *conf, bool expired,
    struct buf *why, struct tls_ctx **ctx_r);
/* Fills the slot; false: logged. */
bool server_open_tls(struct server *server);

/* The catalogues of languages.folder; NULL: none are configured.  Logs what it loads;
 * config_check() has reported what is wrong with them. */
struct texts_set *server_load_languages(const struct conf *conf);
void server_log_languages(const struct texts_set *set); /* NULL: there are none */

/* Forks the helper if a configured database or command needs it.  Call before privileges are
 * dropped and before the first thread.  False: logged. */
bool server_start_helper(struct server *server);
/* Opens auth with the configured databases; the store is open.  False: logged. */
bool server_open_auth(struct server *server);
void server_close_auth(struct server *server); /* NULL auth is fine */
/* quota.c: limits of the configuration, and warnings of users; between auth and the end of the
 * store. */
void server_quota_begin(struct server *server);
void server_quota_end(struct server *server); /* not begun is fine */
/* The configuration is another one. */
void server_quota_configure(struct server *server, struct conf *conf);
/* Each second: groups may be others. */
void server_quota_poll(struct server *server);
/* Starts a thread that calls auth_poll() every second, and ends logins that are no longer
 * permitted, after changes and as grants expire.  Call after the sandbox.  It ends before the loops
 * do. */
void server_auth_watch_begin(struct server *server);
void server_auth_watch_end(struct server *server);
/*
 * recheck.c: ends those logins of suspects that are no longer permitted.  _new() decides whatever
 * needs no waiting for others; each _step() checks one of the rest (false: none is left).  Not on a
 * loop.
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
/* Waits for a signal of the set, and feeds the watchdog when due; -1: no signal, call again. */
int server_watchdog_wait(struct server *server, struct server_watchdog *w, const sigset_t *set);

/* Opens all configured listeners; call before the loops run.  False: logged. */
bool server_listen(struct server *server);

/* Enters the sandbox that server.sandbox asks for; call before the first thread.  False: must not
 * start, logged. */
bool server_enter_sandbox(struct server *server);

/* Sums the loops' counters; commands has IMAP_CMD_MAX entries, or is NULL.  Not on a loop. */
void server_gather(
    struct server *server, struct imap_stats *sum, struct imap_command_stats *commands);

/* The same for LMTP. */
void server_gather_lmtp(struct server *server, struct lmtp_stats *sum);

/* memory.c.  _note() runs on the loop now and then, the other on another thread every second. */
void server_memory_note(struct server_loop *sl);
void server_memory_look(struct server *server);
/* The process's resident memory; false: unknown. */
bool server_resident(const struct server *server, uint64_t *bytes_r);

/* Begins taking samples; call before the loop runs.  The other ends it, on the loop. */
void server_pace_begin(struct server_loop *sl);
void server_pace_end(struct server_loop *sl);
/* The average of each per second, over the last `seconds` (at most PACE_SECONDS) or as far as
 * samples go back.  Not on a loop. */
void server_pace(struct server *server, unsigned seconds, double per_second_r[PACE_COUNT]);

/* Reports to whoever started the server that it is ready, and where it listens.  False: logged. */
bool server_announce(const struct server *server);

/* Ends the threads: refuses new connections, says goodbye on the open ones, and waits for them to
 * end. */
void server_stop_threads(struct server *server);
/* After that: waits until nothing that connections left behind is in progress. */
void server_settle(struct server *server);
#endif
