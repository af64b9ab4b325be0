/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_OP_H
#define CONTROL_OP_H
/*
 * Operations: what requests (request.h) ask for.  A running server carries them out for its control
 * socket; without a server a command does so itself, in a process of its own that has the store's
 * lock.  An operation cannot tell the difference, and runs in a thread that may block.
 *
 * The command reads and writes files outside the store, never the operation: the server may run as
 * another user and have access only to its store.  Their contents travel through send() and
 * receive().
 *
 * An operation that takes long calls gone() now and then, and ends early if the command was
 * interrupted or the server is shutting down.
 */
#include "auth/auth.h"
#include "control/frame.h"
#include "control/request.h"
#include "store/store.h"

struct op;
struct server;

struct ops {
	const struct op *(*find)(struct str verb); /* ops_find(); NULL: unknown */
	struct store *store;
	struct auth *auth;
	struct server *server; /* NULL: no server is running */
	/* Why the store could not be opened normally; it was opened in spite of it, or store is
	 * NULL.  Only for operations that are `still`. */
	const char *recovered;
};

/* What an operation communicates through.  Half duplex: it sends and asks, the command answers. */
struct op_io {
	/* total 0: unknown.  Cheap enough to call for every message: calls in quick succession are
	 * dropped. */
	void (*progress)(struct op_io *io, const char *what, uint64_t done, uint64_t total);
	/* Sends bulk data of any size to the command; false: the command is gone. */
	bool (*send)(struct op_io *io, struct str bytes);
	/* Asks the command for its next piece (at most 1 MiB) and appends it; false: the end, or
	 * the command is gone. */
	bool (*receive)(struct op_io *io, struct buf *bytes);
	bool (*gone)(struct op_io *io);
};

/* BLOCKING.  Appends text for the user to out; true: done. */
typedef bool op_fn(
    const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io);

/* A row; each group in control/ops has a table of them, which ends in a row without a verb. */
struct op {
	const char *verb;
	op_fn *run;
	bool needs_server;
	/* Runs without a server, on a store with no background work that may be too damaged to be
	 * opened. */
	bool still;
	bool while_stopping; /* may run even while the server is shutting down */
};

/* BLOCKING.  Reads a request from the channel, carries it out and answers.  If it comes while the
 * channel is stopping, it is refused unless it may run then. */
void op_serve(const struct channel *ch, const struct ops *ops);
#endif
