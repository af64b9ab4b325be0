/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_BOX_BOX_INT_H
#define IMAP_BOX_BOX_INT_H
/*
 * The selected mailbox as its client knows it: numbers, flags, updates.  imap/imap.h has its struct
 * and how it is opened, imap/view.h what commands do with it.  Calls go downwards:
 *
 *	box.c    selecting, and leaving
 *	sync.c   what is told of it
 *	view.c   numbers;  flags.c  names of flags
 */
#include "imap/cmd.h"

/* view.c.  Begins a reading of the mailbox that takes new messages into the view; returns the mark
 * above which they are \Recent for this session. */
uint32_t imap_box_claim_begin(struct imap_box *box);
void imap_box_claim_end(struct imap_box *box);
/* Those of uids above mark are. */
void imap_box_add_recent(struct imap_box *box, const roaring_bitmap_t *uids, uint32_t mark);
/* sync.c.  The one place that sends untagged updates of the selected mailbox, its teller: EXISTS,
 * RECENT, FETCH with changed flags, and EXPUNGE where allowed.  BYE when the mailbox is gone. */
bool imap_sync(struct imap_teller *teller, struct imap_conn *conn, bool may_expunge);
#endif
