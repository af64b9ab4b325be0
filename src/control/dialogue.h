/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_DIALOGUE_H
#define CONTROL_DIALOGUE_H
/*
 * A request whose operation answers questions: the command asks one after another, in ordinary
 * sequential code, while talk() exchanges the frames.
 *
 * A question is one piece (at most 1 MiB); its first byte says what is asked.  An answer is any
 * number of items: a type (one byte), a length (four bytes, big-endian), and that many bytes.  The
 * operation reads a question with receive() and answers with dialogue_send(); its next receive()
 * ends the answer.
 */
#include "control/op.h"
#include "control/talk.h"

#define DIALOGUE_PIECE ((size_t)1 << 20)

struct dialogue;

/* ---- the command's side ---- */

/*
 * For a request made with *bulk_r (talk.h).  speak() runs until it returns, in a thread of its own
 * that starts when the operation wants the first question.
 */
struct dialogue *dialogue_new(
    void (*speak)(struct dialogue *d, void *arg), void *arg, struct talk_bulk *bulk_r);
/* BLOCKING.  Call after the request: all further questions fail; waits for speak(). */
void dialogue_free(struct dialogue **d);
/*
 * Asks, and calls item() for each item of the answer, in another thread while this one waits.
 * item() returns false to end everything.  False: it did, or the other side is gone, or the
 * question is too long for a piece.
 */
bool dialogue_ask(struct dialogue *d, struct str question,
    bool (*item)(char type, struct str bytes, void *arg), void *arg);

/* ---- the operation's side ---- */

bool dialogue_send(struct op_io *io, char type, struct str bytes);
#endif
