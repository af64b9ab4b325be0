/* SPDX-License-Identifier: Apache-2.0 */
#ifndef APP_SERVER_H
#define APP_SERVER_H
/*
 * The running server: everything that is made from the configuration, in the
 * order in which it is made, and taken down in the opposite one.
 *
 *	main thread     waits for signals
 *	loop threads    connections
 *	workers, lanes  in net/work.h and store
 *	control threads control.h
 */
#include <stdbool.h>

#include "app/args.h"
#include "base/buf.h"
#include "conf/conf.h"

struct server; /* opaque */

/* `turnstone serve`; gives the exit code. */
int server_main(const struct args *args);

/* From any control thread: */
void server_status(struct server *server, struct buf *out);
/* Like SIGTERM; but once it is stopping, nothing. */
void server_ask_stop(struct server *server);
/* Reads the configuration and certificates again.  Appends what became of it; false: nothing was
 * changed. */
bool server_reload(struct server *server, struct buf *out);
#endif
