/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H
/*
 * control: how commands talk to the server.  Start here, then op.h (an operation) and talk.h (the
 * command's side); frame.h and request.h have the format, dialogue.h is for operations that answer
 * questions.  Operations never touch files outside the store.
 *
 * The control socket: a UNIX socket with mode 0600 on which the server accepts requests (request.h,
 * in frames: frame.h) from root and from the user it runs as.
 *
 * One thread accepts connections; each has a thread of its own, in which its operation may block,
 * and their number is limited.  The loops are not involved.
 */
#include "base/err.h"
#include "control/op.h"

struct control;

struct control_options {
	const char *path;
	unsigned connections; /* the most at a time; further ones are refused */
	int64_t patience;     /* milliseconds to wait for a command that is stuck */
};

/* Binds the socket and starts accepting; replaces a dead server's socket (the caller holds the
 * store's lock, so no live server can have it).  Errors are logged. */
TS_CHECKED enum ts_err control_new(
    const struct control_options *opt, const struct ops *ops, struct control **control_r);
/* BLOCKING.  From now on requests are refused, except those that are permitted while stopping.
 * Tells running operations to end (gone() becomes true), and waits for them. */
void control_stop(struct control *control);
/* BLOCKING.  Calls control_stop(), ends all connections, and removes the socket. */
void control_free(struct control **control);

/* The command's side.  Connects; -1 with errno on failure. */
int control_dial(const char *path);
#endif
