/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H
/*
 * server: the process.  Start here and with server_main(); server_int.h is for the files of this
 * folder.  config/ has the options, process/ what surrounds the server, check/ whether it would
 * start.
 *
 * The running server: everything made from the configuration, in order; it is taken down in
 * reverse.
 *
 *	main thread     waits for signals
 *	loop threads    connections
 *	workers, lanes  in net/work.h and store
 *	control threads control/control.h
 */
#include <stdbool.h>

#include "base/buf.h"
#include "conf/args.h"
#include "conf/conf.h"

struct server; /* opaque */

/* `turnstone serve`; returns the exit code.  find: looks up operations, for the control socket. */
struct op;
int server_main(const struct args *args, const struct op *(*find)(struct str verb));

/* Call these from any control thread. */
void server_status(struct server *server, struct buf *out);
/* Which connections; fields that are empty or 0 match all. */
struct server_sessions {
	struct str user; /* whose mail it is, or who logged in to act for that user */
	uint64_t id;
	struct str address; /* without the port */
};
/* Appends a row (control/rows.h) for each connection: id, address, host (the address without the
 * port), user, login, state, mailbox, seconds, idle_seconds (since the client last sent anything),
 * login_seconds, tls, commands, client (from its ID command). */
void server_who(struct server *server, const struct server_sessions *which, struct buf *out);
/* Counts the open logins, and the different users whose mail they are for. */
void server_count_users(struct server *server, uint64_t *logins_r, uint64_t *users_r);
/* Ends them with BYE; returns how many. */
uint64_t server_kick(struct server *server, const struct server_sessions *which, const char *text);
/* Ends logins that are no longer permitted, with BYE; returns how many. */
uint64_t server_recheck(struct server *server);
/* Like SIGTERM, but does nothing if the server is stopping already. */
void server_ask_stop(struct server *server);
/* Reloads the configuration and the certificates.  Appends the outcome; false: nothing was
 * changed.  Loops take the new configuration a moment later. */
bool server_reload(struct server *server, struct buf *out);
/* Returns when each loop has done what was posted to it before this call, such as taking a new
 * configuration.  Not from a loop, nor from the watchdog's thread, which a loop that hangs would
 * stop. */
void server_wait_for_loops(struct server *server);
#endif
