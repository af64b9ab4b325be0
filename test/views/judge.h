/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_VIEWS_JUDGE_H
#define TEST_VIEWS_JUDGE_H
/* What a session was told against what it believed, and against the truth. */
#include "viewer.h"

/* What the server works on for this session, or NULL. */
struct act *viewer_current(const struct viewer *s);
/* What comes now was looked at after this moment. */
uint64_t viewer_since(const struct viewer *s);
/* A command was added: if it is the only one, what it leaves is left. */
void viewer_started(struct viewer *s);

void judge_uidvalidity(struct viewer *s, struct mailbox *box, uint32_t uidvalidity);
void judge_fetch(struct viewer *s, uint32_t number, struct words *w);
void judge_status(struct viewer *s, struct words *w);
void judge_search(struct viewer *s, struct words *w);
void judge_esearch(struct viewer *s, struct words *w);
/* Behind the tag. */
void judge_reply(struct viewer *s, struct act *a, struct words *w);
/* The selected mailbox is left: nobody can find out any more what was not looked at. */
void judge_leave(struct viewer *s);
#endif
