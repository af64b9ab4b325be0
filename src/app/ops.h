/* SPDX-License-Identifier: Apache-2.0 */
#ifndef APP_OPS_H
#define APP_OPS_H
/*
 * The operations behind requests: the running server carries them out for its
 * control socket, a command by itself when no server runs.  One table has
 * them all; a row says whether it needs a server.
 */
#include "app/request.h"
#include "auth/auth.h"
#include "store/store.h"

struct server;

struct ops {
	struct store *store;
	struct auth *auth;
	struct server *server; /* NULL: no server runs */
};

/* BLOCKING.  Appends text for the user to out; true: done. */
bool ops_run(const struct ops *ops, const struct request *req, struct buf *out);
#endif
