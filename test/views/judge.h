/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_VIEWS_JUDGE_H
#define TEST_VIEWS_JUDGE_H
/* What a session was told against what it believed, and against the truth. */
#include "session.h"

/* What the server works on for this session, or NULL. */
struct act *session_current(const struct session *s);
/* What comes now was looked at after this moment. */
uint64_t session_since(const struct session *s);
/* A command was added: if it is the only one, what it leaves is left. */
void session_started(struct session *s);

void judge_uidvalidity(struct session *s, struct mailbox *box, uint32_t uidvalidity);
void judge_fetch(struct session *s, uint32_t number, struct words *w);
void judge_status(struct session *s, struct words *w);
void judge_search(struct session *s, struct words *w);
void judge_esearch(struct session *s, struct words *w);
/* Behind the tag. */
void judge_reply(struct session *s, struct act *a, struct words *w);
/* The selected mailbox is left: nobody can find out any more what was not looked at. */
void judge_leave(struct session *s);
#endif
