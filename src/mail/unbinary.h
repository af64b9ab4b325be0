/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAIL_UNBINARY_H
#define MAIL_UNBINARY_H
/*
 * Parts in Content-Transfer-Encoding binary become base64, on the way in:
 *
 *     struct mail_unbinary *u = mail_unbinary_new();
 *     mail_unbinary_feed(u, piece, last, &out);             again and again
 *     mail_unbinary_free(&u);
 *
 * RFC 3516 section 6: a message that has such parts (an APPEND with a literal8 brings them) shows
 * them in BODY and BODYSTRUCTURE in an encoding that IMAP without BINARY can carry; section 4.4
 * lets the server change it when the message comes in.  BINARY gives the same bytes as ever.
 *
 * What changes is the field Content-Transfer-Encoding and the body of leaf parts that say binary.
 * Multiparts and messages keep theirs: it says nothing of their own bytes.  Structure is found as
 * mime.c finds it; what is nested deeper than NESTING or has a header longer than HEADER (see the
 * .c) passes as it is.  Memory is bounded by these.
 */
#include "base/buf.h"
#include "base/str.h"

struct mail_unbinary;

struct mail_unbinary *mail_unbinary_new(void);
/* Tells when memory runs out (base/mem.h), as does what it is fed with; then it is to be freed. */
struct mail_unbinary *mail_unbinary_try_new(bool *oom);
/* Appends what piece becomes.  last: there is nothing behind it. */
void mail_unbinary_feed(struct mail_unbinary *u, struct str piece, bool last, struct buf *out);
void mail_unbinary_free(struct mail_unbinary **up);
#endif
