/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_OUT_H
#define WIRE_OUT_H
/*
 * Prints the words of the grammar (RFC 9051 section 9) into a buffer; wire/in.h parses them.  They
 * add no blanks around themselves.
 *
 * Each subject has a file of its own that parses and prints:
 *
 *	wire_<subject>_parse(in, &cmd)       parses a command, from after its name to its end
 *	wire_<subject>_print(b, d, &cmd)     prints the same, from the blank after the name to
 *	                                     before the line end (wire/cmd.h has head and end)
 *	wire_out_<response>(b, d, …)         prints a response whole, with "* " and CRLF
 *	wire_in_<response>(in, …)            parses it from after its name (wire/response.h)
 *
 * What one of a pair prints, the other parses back to the same value.  Anything that would break
 * the grammar (CR, LF or NUL in a text line) is replaced by '?', never sent.
 *
 * Commands are printed with their literals inline: "{5}" CRLF and the bytes.  To send one, go over
 * it with the framer (wire/frame.h) and wait for the "+" at each literal, unless the server takes
 * non-synchronizing ones (RFC 7888).
 */
#include "base/buf.h"
#include "wire/in.h"

void wire_out_quoted(struct buf *b, struct str s);                       /* s must be quotable */
void wire_out_literal_head(struct buf *b, uint64_t size, bool literal8); /* "{5}" CRLF */
void wire_out_literal(struct buf *b, struct str s);
/* Prints a quoted string if possible (UTF-8 only with d->utf8), else a literal; ~{n} if it has a
 * NUL. */
void wire_out_string(struct buf *b, const struct wire_dialect *d, struct str s);
void wire_out_nstring(struct buf *b, const struct wire_dialect *d, struct str s); /* NULL: NIL */
void wire_out_astring(struct buf *b, const struct wire_dialect *d, struct str s);
/* Prints "(a b)", which wire_in_astrings() parses. */
void wire_out_astrings(struct buf *b, const struct wire_dialect *d, const struct wire_names *names);
/* Prints a UTF-8 name: unchanged with d->utf8, else in modified UTF-7; as atom, quoted or
 * literal. */
void wire_out_mailbox(struct buf *b, const struct wire_dialect *d, struct str name);
/* Same, but never as an atom: prefixes of NAMESPACE, patterns of LIST. */
void wire_out_mailbox_string(struct buf *b, const struct wire_dialect *d, struct str name);
static inline void
wire_out_nil(struct buf *b)
{
	buf_put(b, "NIL", 3);
}
/* Prints a number of any kind. */
static inline void
wire_out_u64(struct buf *b, uint64_t n)
{
	buf_u64(b, n);
}
/* Prints a hierarchy delimiter, quoted; 0: NIL. */
void wire_out_delimiter(struct buf *b, char delimiter);
/* Prints what text lines may hold: no line ends, no NUL. */
void wire_out_text(struct buf *b, struct str text);
/* Prints the names of the bits of mask in the order of the table, separated by a blank; before the
 * first one prints *between, which is a blank from then on. */
void wire_out_bits(
    struct buf *b, const struct wire_name *table, unsigned mask, const char **between);
#endif
