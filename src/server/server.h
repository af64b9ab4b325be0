/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H
/*
 * server: the process.  Start here and with server_main(); server_int.h is the server from inside.
 * config/ has its options, process/ what surrounds it, check/ whether it would start.
 *
 * The running server: everything that is made from the configuration, in the
 * order in which it is made, and taken down in the opposite one.
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

/* `turnstone serve`; gives the exit code.  find: the operations, for the control socket. */
struct op;
int server_main(const struct args *args, const struct op *(*find)(struct str verb));

/* From any control thread: */
void server_status(struct server *server, struct buf *out);
/* Which connections; what is empty or 0 does not matter. */
struct server_sessions {
	struct str user; /* whose mail it is, or who logged in to act for them */
	uint64_t id;
	struct str address; /* without the port */
};
/* Appends a row (control/rows.h) for each: id, address, host (the address without the port), user,
 * login, state, mailbox, seconds, idle_seconds (since the client sent something), login_seconds,
 * tls, commands, client (what it said of itself by ID). */
void server_who(struct server *server, const struct server_sessions *which, struct buf *out);
/* Logins that are open, and how many different users' mail they are of. */
void server_count_users(struct server *server, uint64_t *logins_r, uint64_t *users_r);
/* Ends them with BYE; gives their number. */
uint64_t server_kick(struct server *server, const struct server_sessions *which, const char *text);
/* Ends the logins that are not permitted any more, with BYE; gives their number. */
uint64_t server_recheck(struct server *server);
/* Like SIGTERM; but once it is stopping, nothing. */
void server_ask_stop(struct server *server);
/* Reads the configuration and certificates again.  Appends what became of it; false: nothing was
 * changed. */
bool server_reload(struct server *server, struct buf *out);
#endif
