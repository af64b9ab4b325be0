/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_UTF7_H
#define WIRE_UTF7_H
/*
 * Mailbox names: modified UTF-7 (RFC 3501 section 5.1.3) to and from UTF-8,
 * and what a name may be made of (RFC 9051 section 5.1).
 */
#include "base/arena.h"
#include "base/buf.h"

/*
 * Decodes strictly: 8-bit bytes, an unended shift, printable ASCII inside one,
 * bits left over, two shifts in a row, lone surrogates are refused, so that
 * each name has one spelling.  On failure b is as it was.
 */
bool wire_utf7_to_utf8(struct buf *b, struct str utf7);
/* utf8 must be well-formed (TS_ASSERT). */
void wire_utf8_to_utf7(struct buf *b, struct str utf8);
/* Well-formed UTF-8 without control characters (C0, DEL, C1), U+2028 and U+2029; not empty. */
bool wire_name_ok(struct str utf8);
/* A name from outside as it is kept: in normal form (base/normal.h), INBOX in capitals.  utf8
 * itself, a constant, or a copy in the arena.  STR_NONE: memory ran out (arena_oom). */
struct str wire_name_kept(struct arena *a, struct str utf8);
/*
 * Why no mailbox can be made of that name, as CREATE would say it; NULL: one can.  Whoever makes
 * mailboxes asks this, and nothing else.  utf8 is a name as it is kept.
 */
const char *wire_name_fault(struct str utf8);
#endif
