/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAIL_UNBINARY_H
#define MAIL_UNBINARY_H
/*
 * Converts parts in Content-Transfer-Encoding binary to base64, on the way in:
 *
 *     struct mail_unbinary *u = mail_unbinary_new();
 *     mail_unbinary_feed(u, piece, last, &out);             again and again
 *     mail_unbinary_free(&u);
 *
 * RFC 3516 section 6: a message with such parts (from an APPEND with a literal8) must show them in
 * BODY and BODYSTRUCTURE in an encoding that IMAP without BINARY can carry; section 4.4 lets the
 * server change it when the message arrives.  BINARY returns the same bytes as before.
 *
 * It changes the field Content-Transfer-Encoding and the body of leaf parts that say binary.
 * Multiparts and messages keep theirs, which says nothing about their own bytes.  Structure is
 * found as in mime.c; what is nested deeper than NESTING or has a header longer than HEADER (see
 * the .c) passes unchanged.  These bound the memory.
 */
#include "base/buf.h"
#include "base/str.h"

struct mail_unbinary;

struct mail_unbinary *mail_unbinary_new(void);
/* Reports when memory runs out (base/mem.h), as does what it is fed with; then it must be freed. */
struct mail_unbinary *mail_unbinary_try_new(bool *oom);
/* Appends the converted piece.  last: nothing follows. */
void mail_unbinary_feed(struct mail_unbinary *u, struct str piece, bool last, struct buf *out);
void mail_unbinary_free(struct mail_unbinary **up);
#endif
