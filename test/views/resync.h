/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_VIEWS_RESYNC_H
#define TEST_VIEWS_RESYNC_H
/*
 * What a client keeps of a mailbox that it leaves, and what must come when it is back (RFC 7162
 * sections 3.2.5 and 6).  The client does what the RFC says: it goes by its HIGHESTMODSEQ, takes
 * VANISHED (EARLIER) and FETCH for all that it missed, and believes that nothing else changed. What
 * it believes then is compared with the truth as if FETCH had just said it.
 */
#include "viewer.h"

/* The mailbox is being left, with what is believed of it. */
void resync_keep(struct viewer *s);
/* Adds the parameter QRESYNC to the SELECT of a->box, if something is kept of it. */
void resync_ask(struct viewer *s, struct act *a);
/* VANISHED, behind the word. */
void resync_vanished(struct viewer *s, struct words *w);
/* HIGHESTMODSEQ was told; a MODSEQ was, of a message with these flags (flagged) or without. */
void resync_code(struct viewer *s, uint64_t modseq);
void resync_modseq(
    struct viewer *s, struct message *m, uint64_t modseq, bool flagged, uint32_t flags);
/* A tagged reply has come. */
void resync_answered(struct viewer *s);
/* SELECT was answered: all that was missed has been told. */
void resync_selected(struct viewer *s, struct act *a);
void resync_fini(struct viewer *s);
#endif
