/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_ASK_H
#define CLI_ASK_H
/*
 * Has a request carried out: by the server that runs, else by a process of our
 * own that takes the store's lock (as the user of server.user, when we are
 * root).  The command speaks with both in the same way and keeps its own user,
 * so that files outside the store are its business alone.
 *
 * wire is wiped.  What went wrong has been printed to standard error.  The
 * result is an exit code: EXIT_OK, EXIT_FAILED, or EXIT_NO_SERVER when the request
 * needs a server and none runs.
 */
#include "base/buf.h"
#include "conf/args.h"
#include "control/dialogue.h"
#include "control/talk.h"

/* The operation's text is appended to out when it was done.  bulk may be NULL. */
int ask_with(
    const struct args *args, struct buf *wire, const struct talk_bulk *bulk, struct buf *out);
/* The same without bulk data. */
int ask_quiet(const struct args *args, struct buf *wire, struct buf *out);
/* The same with an operation that answers questions: speak() asks them (dialogue_ask()), in a
 * thread of its own, until it returns. */
int ask_in_dialogue(const struct args *args, struct buf *wire,
    void (*speak)(struct dialogue *d, void *arg), void *arg);
/* The same as ask_quiet(), and prints the text. */
int ask(const struct args *args, struct buf *wire);
#endif
