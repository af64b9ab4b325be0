/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_UTF7_H
#define WIRE_UTF7_H
/*
 * Mailbox names: modified UTF-7 (RFC 3501 section 5.1.3) to and from UTF-8,
 * their one spelling, and what a name may be made of (RFC 9051 section 5.1).
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
/*
 * The name in Unicode's normal form C, the one spelling in which mailboxes are kept (RFC 9051
 * section 5.1, RFC 5198): whoever takes a name from outside asks for it.  utf8 itself when it is in
 * that form, or no UTF-8; else a copy in the arena.
 */
struct str wire_name_normal(struct arena *a, struct str utf8);
#endif
