/* SPDX-License-Identifier: Apache-2.0 */
#ifndef APP_DIALOGUE_H
#define APP_DIALOGUE_H
/*
 * A request whose operation answers questions: the command asks one after the
 * other, in plain order, while ask_with() does the talking.
 *
 * A question is one piece (at most 1 MiB), its first byte says what is asked.
 * An answer is any number of items: a type (one byte), a length (four bytes,
 * the highest first), so many bytes.  The operation reads a question with
 * receive() and answers with dialogue_send(); the next receive() is the end of
 * the answer.
 */
#include "app/ask.h"
#include "app/op.h"

#define DIALOGUE_PIECE ((size_t)1 << 20)

struct dialogue;

/* ---- the command's side ---- */

/*
 * Runs talk() in a thread of its own until it returns; gives the exit code of the request.  wire as
 * for ask_with().  progress may be NULL.
 */
int dialogue_run(const struct args *args, struct buf *wire,
    void (*talk)(struct dialogue *d, void *arg),
    void (*progress)(const char *what, uint64_t done, uint64_t total, void *arg), void *arg);
/*
 * Asks, and calls item() for each item of the answer, in another thread while this one waits.
 * item() gives false to end everything.  False: it did, or the other side is gone, or the question
 * is longer than a piece.
 */
bool dialogue_ask(struct dialogue *d, struct str question,
    bool (*item)(char type, struct str bytes, void *arg), void *arg);

/* ---- the operation's side ---- */

bool dialogue_send(struct op_io *io, char type, struct str bytes);
#endif
