/* SPDX-License-Identifier: Apache-2.0 */
#ifndef APP_ASK_H
#define APP_ASK_H
/*
 * Has a request carried out: by the server that runs, else by a process of our
 * own that takes the store's lock (as the user of server.user, when we are
 * root).  The command speaks with both in the same way and keeps its own user,
 * so that files outside the store are its business alone.
 *
 * wire is wiped.  What went wrong has been printed to standard error.  The
 * result is an exit code: APP_OK, APP_FAILED, or APP_NO_SERVER when the request
 * needs a server and none runs.
 */
#include "app/args.h"
#include "base/buf.h"

/* Bulk data and progress; a function that is NULL takes nothing, gives nothing. */
struct ask_bulk {
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

/* The operation's text is appended to out when it was done.  bulk may be NULL. */
int ask_with(
    const struct args *args, struct buf *wire, const struct ask_bulk *bulk, struct buf *out);
/* The same without bulk data. */
int ask_quiet(const struct args *args, struct buf *wire, struct buf *out);
/* The same, and prints the text. */
int ask(const struct args *args, struct buf *wire);
#endif
