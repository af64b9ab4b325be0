/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_SURROGATE_H
#define IMAP_SURROGATE_H
/*
 * Messages with UTF-8 in their header, for clients that did not say that they take it: ENVELOPE,
 * BODY and BODYSTRUCTURE of the surrogate (RFC 6858), whose header mail/surrogate.h makes.  Nothing
 * of it is stored, and RFC822.SIZE is that of the message (section 3).
 */
#include "imap/imap.h"

/* May a header that is sent to or comes from the client have UTF-8 in it? */
bool imap_takes_utf8(const struct imap_conn *conn);
/* Is it to get surrogates instead? */
bool imap_wants_surrogates(const struct imap_conn *conn);

/* Append what was made at delivery (mail/summary.h), as it is of the surrogate.  True: that is
 * something else.  Any thread. */
bool imap_surrogate_envelope(struct str text, struct buf *out);
bool imap_surrogate_structure(struct str text, struct buf *out);
#endif
