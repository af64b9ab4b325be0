/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_SURROGATE_H
#define IMAP_SURROGATE_H
/*
 * For messages with UTF-8 in their header, and clients that have not enabled it: ENVELOPE, BODY and
 * BODYSTRUCTURE of the surrogate (RFC 6858), whose header mail/surrogate.h makes.  None of it is
 * stored, and RFC822.SIZE is that of the message (section 3).
 */
#include "imap/imap.h"

/* Returns whether headers exchanged with the client may contain UTF-8. */
bool imap_takes_utf8(const struct imap_conn *conn);
/* Returns whether it gets surrogates instead. */
bool imap_wants_surrogates(const struct imap_conn *conn);

/* Append the surrogate's version of what was made at delivery (mail/summary.h).  Return true if it
 * differs.  Any thread. */
bool imap_surrogate_envelope(struct str text, struct buf *out);
bool imap_surrogate_structure(struct str text, struct buf *out);
#endif
