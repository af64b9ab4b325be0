/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_UTF7_H
#define WIRE_UTF7_H
/*
 * Mailbox names: modified UTF-7 (RFC 3501 section 5.1.3) to and from UTF-8, and
 * what a name may contain (RFC 9051 section 5.1).
 */
#include "base/arena.h"
#include "base/buf.h"

/*
 * Decodes strictly: refuses 8-bit bytes, an unterminated shift, printable ASCII
 * inside one, leftover bits, two shifts in a row, and lone surrogates, so that
 * each name has one spelling.  On failure b is unchanged.
 */
bool wire_utf7_to_utf8(struct buf *b, struct str utf7);
/* utf8 must be well-formed (TS_ASSERT). */
void wire_utf8_to_utf7(struct buf *b, struct str utf8);
/* Returns whether it is well-formed UTF-8 without control characters (C0, DEL, C1), U+2028 and
 * U+2029, and not empty. */
bool wire_name_ok(struct str utf8);
/* Returns a name from outside in the form in which it is stored: normalized (base/normal.h), INBOX
 * in capitals.  The result is utf8 itself, a constant, or a copy in the arena.  STR_NONE: memory
 * ran out (arena_oom). */
struct str wire_name_kept(struct arena *a, struct str utf8);
/*
 * Returns why no mailbox can have that name, as CREATE would say it; NULL: one can.  All code that
 * makes mailboxes uses this and nothing else.  utf8 is a name in stored form.
 */
const char *wire_name_fault(struct str utf8);
#endif
