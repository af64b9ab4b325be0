/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_TALK_H
#define CONTROL_TALK_H
/*
 * The command's side of a request (op_serve() is the other one).  It runs until
 * the operation has answered, and may block as long as that takes.
 */
#include "base/buf.h"

/* Bulk data and progress; a function that is NULL takes nothing, gives nothing. */
struct talk_bulk {
	/* NULL, or called once there is somebody to ask, before anything is asked; false: nothing
	 * is (the caller has said why). */
	bool (*begin)(void *arg);
	/* From the operation's send(); false: no more of it, the operation is ended (the caller has
	 * said why). */
	bool (*take)(struct str bytes, void *arg);
	/* For its receive(): appends at most 1 MiB; false: that was all. */
	bool (*give)(struct buf *bytes, void *arg);
	/* total 0: unknown.  what is only good until it returns. */
	void (*progress)(const char *what, uint64_t done, uint64_t total, void *arg);
	void *arg;
};

enum talk_answer {
	TALK_OK,
	TALK_FAILED,
	TALK_NONE,     /* the other side went away, or does not speak this */
	TALK_NOT_ASKED /* begin() said no */
};

/* BLOCKING.  Sends the request (request.h) over the socket, appends what the operation has to say
 * to text.  bulk may be NULL. */
enum talk_answer talk(int fd, struct str wire, const struct talk_bulk *bulk, struct buf *text);
#endif
