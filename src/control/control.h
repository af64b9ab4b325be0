/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H
/*
 * control: what commands and the server say to each other.  Start here, then op.h (an operation)
 * and talk.h (the command's side); frame.h and request.h are the form, dialogue.h is for
 * operations that answer questions.  Files outside the store are no operation's business.
 *
 * The control socket: a UNIX socket of mode 0600 on which the server takes
 * requests (request.h, in frames: frame.h) from root and from the user it runs
 * as.
 *
 * One thread accepts; each connection has a thread of its own, in which its
 * operation may block, up to a number of them.  The loops never see any of it.
 */
#include "base/err.h"
#include "control/op.h"

struct control;

struct control_options {
	const char *path;
	unsigned connections; /* the most at a time; what comes beyond is refused */
	int64_t patience;     /* milliseconds for a command that does not get on */
};

/* Binds and starts to accept; a socket that a dead server left is replaced (the caller holds the
 * store's lock, so no live server can have it).  Errors are logged. */
TS_CHECKED enum ts_err control_new(
    const struct control_options *opt, const struct ops *ops, struct control **control_r);
/* BLOCKING.  From now on requests are refused, but for those that are carried out while stopping.
 * Operations that run are told to end (gone() is true), and waited for. */
void control_stop(struct control *control);
/* BLOCKING.  control_stop(), and no connection any more; removes the socket. */
void control_free(struct control **control);

/* The command's side.  Connects: -1 with errno when it cannot. */
int control_dial(const char *path);
#endif
