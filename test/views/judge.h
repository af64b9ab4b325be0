/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_VIEWS_JUDGE_H
#define TEST_VIEWS_JUDGE_H
/* Compares what a session was told with what it believed, and with the truth. */
#include "viewer.h"

/* The command that the server is working on for this session, or NULL. */
struct act *viewer_current(const struct viewer *s);
/* What arrives now was read after this moment. */
uint64_t viewer_since(const struct viewer *s);
/* A message is expunged, by EXPUNGE or VANISHED. */
void viewer_expunged(struct viewer *s, uint32_t n);
/* Call when a command was added: if it is the only one, whatever it leaves is left now. */
void viewer_started(struct viewer *s);

void judge_uidvalidity(struct viewer *s, struct mailbox *box, uint32_t uidvalidity);
void judge_fetch(struct viewer *s, uint32_t number, struct words *w);
/* Number at + 1 is this UID and has these flags, as if FETCH had said it. */
void judge_known(struct viewer *s, size_t at, uint32_t uid, uint32_t flags);
void judge_status(struct viewer *s, struct words *w);
void judge_search(struct viewer *s, struct words *w);
void judge_esearch(struct viewer *s, struct words *w);
/* The rest of the line after the tag. */
void judge_reply(struct viewer *s, struct act *a, struct words *w);
/* The session leaves the selected mailbox: what it has not looked at can no longer be found out. */
void judge_leave(struct viewer *s);
#endif
