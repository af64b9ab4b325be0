/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_DIALOGUE_H
#define CONTROL_DIALOGUE_H
/*
 * A request whose operation answers questions: the command asks one after the
 * other, in plain order, while talk() does the talking.
 *
 * A question is one piece (at most 1 MiB), its first byte says what is asked.
 * An answer is any number of items: a type (one byte), a length (four bytes,
 * the highest first), so many bytes.  The operation reads a question with
 * receive() and answers with dialogue_send(); the next receive() is the end of
 * the answer.
 */
#include "control/op.h"
#include "control/talk.h"

#define DIALOGUE_PIECE ((size_t)1 << 20)

struct dialogue;

/* ---- the command's side ---- */

/*
 * For a request that is made with *bulk_r (talk.h).  speak() runs in a thread of its own, begun
 * when the operation wants the first question, until it returns.
 */
struct dialogue *dialogue_new(
    void (*speak)(struct dialogue *d, void *arg), void *arg, struct talk_bulk *bulk_r);
/* BLOCKING.  After the request: whatever is asked from now on fails; waits for speak(). */
void dialogue_free(struct dialogue **d);
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
