/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_TALK_H
#define CONTROL_TALK_H
/*
 * The command's side of a request (the other side is op_serve()).  It blocks until the operation
 * has answered.
 */
#include "base/buf.h"

/* Bulk data and progress; a NULL function takes or gives nothing. */
struct talk_bulk {
	/* NULL, or called once a server or process is there, before anything is asked; false:
	 * nothing is asked (the caller has said why). */
	bool (*begin)(void *arg);
	/* For the operation's send(); false: end the operation (the caller has said why). */
	bool (*take)(struct str bytes, void *arg);
	/* For its receive(): appends at most 1 MiB; false: the end. */
	bool (*give)(struct buf *bytes, void *arg);
	/* total 0: unknown.  what is valid only during the call. */
	void (*progress)(const char *what, uint64_t done, uint64_t total, void *arg);
	void *arg;
};

enum talk_answer {
	TALK_OK,
	TALK_FAILED,
	TALK_NONE,     /* the other side has gone, or does not speak this protocol */
	TALK_NOT_ASKED /* begin() returned false */
};

/* BLOCKING.  Sends the request (request.h) over the socket, and appends the operation's text to
 * text.  bulk may be NULL. */
enum talk_answer talk(int fd, struct str wire, const struct talk_bulk *bulk, struct buf *text);
#endif
