/* SPDX-License-Identifier: Apache-2.0 */
#ifndef APP_CONTROL_H
#define APP_CONTROL_H
/*
 * The control socket: a UNIX socket of mode 0600 on which the server takes
 * requests (request.h) from root and from the user it runs as.
 *
 * It has a thread of its own, which takes one request after the other and may
 * block on the store; the loops never see it.
 */
#include "app/ops.h"
#include "base/err.h"

struct control;

/* Binds and starts the thread; a socket that a dead server left is replaced (the caller holds the
 * store's lock, so no live server can have it).  Errors are logged. */
TS_CHECKED enum ts_err control_new(
    const char *path, const struct ops *ops, struct control **control_r);
/* Ends the thread when its request is answered, removes the socket. */
void control_free(struct control **control);

enum control_answer {
	CONTROL_DONE,
	CONTROL_FAILED, /* the server says so, in text */
	CONTROL_NOBODY, /* no server listens there */
	CONTROL_BROKEN  /* it cannot be asked: text says why */
};
/* BLOCKING.  The client's side. */
enum control_answer control_ask(const char *path, struct str wire, struct buf *text);
#endif
