/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_ASK_H
#define CLI_ASK_H
/*
 * Has a request carried out by the running server, or else by a process of our own that takes the
 * store's lock (as server.user, if we are root).  The command talks to both in the same way and
 * remains its own user, so it alone handles files outside the store.
 *
 * wire is wiped.  Errors have been printed to standard error.  Returns an exit code: EXIT_OK,
 * EXIT_FAILED, or EXIT_NO_SERVER if the request needs a server and none is running.
 */
#include "base/buf.h"
#include "conf/args.h"
#include "control/dialogue.h"
#include "control/talk.h"

/* Appends the operation's text to out if it succeeds.  bulk may be NULL. */
int ask_with(
    const struct args *args, struct buf *wire, const struct talk_bulk *bulk, struct buf *out);
/* The same without bulk data. */
int ask_quiet(const struct args *args, struct buf *wire, struct buf *out);
/* The same with an operation that answers questions: speak() asks them (dialogue_ask()) until it
 * returns, in a thread of its own. */
int ask_in_dialogue(const struct args *args, struct buf *wire,
    void (*speak)(struct dialogue *d, void *arg), void *arg);
/* Like ask_quiet(), and prints the text. */
int ask(const struct args *args, struct buf *wire);
#endif
