/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_BOX_BOX_INT_H
#define IMAP_BOX_BOX_INT_H
/*
 * The selected mailbox as its client knows it: numbers, flags, updates.  imap/imap.h has its struct
 * and opens it, imap/view.h has what commands do with it.  Calls go downwards:
 *
 *	box.c    selecting and closing
 *	sync.c   what is told about it
 *	view.c   numbers;  flags.c  names of flags
 */
#include "imap/cmd.h"

/* view.c.  Begins a read of the mailbox that takes new messages into the view; returns the mark
 * above which they are \Recent for this session. */
uint32_t imap_box_claim_begin(struct imap_box *box);
void imap_box_claim_end(struct imap_box *box);
/* Marks those of uids above mark as \Recent. */
void imap_box_add_recent(struct imap_box *box, const roaring_bitmap_t *uids, uint32_t mark);
/* sync.c.  The only place that sends untagged updates of the selected mailbox, its teller: EXISTS,
 * RECENT, FETCH with changed flags, and EXPUNGE where allowed.  BYE if the mailbox is gone. */
bool imap_sync(struct imap_teller *teller, struct imap_conn *conn, bool may_expunge);
#endif
