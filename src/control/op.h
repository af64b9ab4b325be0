/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_OP_H
#define CONTROL_OP_H
/*
 * Operations: what a request (request.h) asks for.  The running server carries
 * them out for its control socket; without one a command does it by itself, in
 * a process of its own that has the store's lock.  An operation cannot tell
 * the difference, and runs in a thread that may block.
 *
 * Files outside the store are read and written by the command, never here: the
 * server may run as another user and see nothing but its store.  What is in
 * them travels through send() and receive().
 *
 * An operation that takes long asks gone() every now and then and ends early:
 * the command was interrupted, or the server is going down.
 */
#include "auth/auth.h"
#include "control/frame.h"
#include "control/request.h"
#include "store/store.h"

struct op;
struct server;

struct ops {
	const struct op *(*find)(struct str verb); /* ops_find(); NULL: there is none */
	struct store *store;
	struct auth *auth;
	struct server *server; /* NULL: no server runs */
	/* What kept the store from being opened; it was opened in spite of it, or store is NULL.
	 * Only for operations that are `still`. */
	const char *recovered;
};

/* What an operation talks through.  Half duplex: it pulls and pushes, the command answers. */
struct op_io {
	/* total 0: unknown.  Cheap enough for every message: what comes too often is left out. */
	void (*progress)(struct op_io *io, const char *what, uint64_t done, uint64_t total);
	/* Bulk data to the command, of any size; false: it is gone. */
	bool (*send)(struct op_io *io, struct str bytes);
	/* Asks the command for its next piece (at most 1 MiB), appended; false: the end, or gone.
	 */
	bool (*receive)(struct op_io *io, struct buf *bytes);
	bool (*gone)(struct op_io *io);
};

/* BLOCKING.  Appends text for the user to out; true: done. */
typedef bool op_fn(
    const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io);

/* A row; each group in control/ops has a table of them, which ends in a row without verb. */
struct op {
	const char *verb;
	op_fn *run;
	bool needs_server;
	/* Without a server: on a store on which nothing works in the background, and that may be
	 * too damaged to be opened. */
	bool still;
	bool while_stopping; /* is carried out even when the server is going down */
};

/* BLOCKING.  One request from the channel, carried out and answered.  When it comes while the
 * channel is stopping it is refused, but for what is carried out even then. */
void op_serve(const struct channel *ch, const struct ops *ops);
#endif
