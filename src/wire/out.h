/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_OUT_H
#define WIRE_OUT_H
/*
 * The words of the grammar (RFC 9051 section 9), printed into a buffer; wire/in.h
 * reads them.  They put no blanks around themselves.
 *
 * Each subject has a file of its own that goes both ways:
 *
 *	wire_<subject>_parse(in, &cmd)       reads a command, from behind its name to its end
 *	wire_<subject>_print(b, d, &cmd)     prints the same, from the blank behind the name to
 *	                                     before the line end (wire/cmd.h has head and end)
 *	wire_out_<response>(b, d, …)         prints a response whole, with "* " and CRLF
 *	wire_in_<response>(in, …)            reads it from behind its name (wire/response.h)
 *
 * What one of a pair prints the other reads, to the same.  What would break the grammar
 * (CR, LF or NUL in a text line) is replaced by '?', never sent.
 *
 * Commands are printed with their literals inline: "{5}" CRLF and the bytes.  Who sends one walks
 * over it with the framer (wire/frame.h) and waits at each literal for the "+", unless the server
 * takes literals without (RFC 7888).
 */
#include "base/buf.h"
#include "wire/in.h"

void wire_out_quoted(struct buf *b, struct str s);                       /* s must be quotable */
void wire_out_literal_head(struct buf *b, uint64_t size, bool literal8); /* "{5}" CRLF */
void wire_out_literal(struct buf *b, struct str s);
/* Quoted if it can be (UTF-8 only with d->utf8), else a literal; ~{n} for a NUL inside. */
void wire_out_string(struct buf *b, const struct wire_dialect *d, struct str s);
void wire_out_nstring(struct buf *b, const struct wire_dialect *d, struct str s); /* NULL: NIL */
void wire_out_astring(struct buf *b, const struct wire_dialect *d, struct str s);
/* "(a b)": what wire_in_astrings() reads. */
void wire_out_astrings(struct buf *b, const struct wire_dialect *d, const struct wire_names *names);
/* A UTF-8 name: as it is with d->utf8, else in modified UTF-7; atom, quoted or literal. */
void wire_out_mailbox(struct buf *b, const struct wire_dialect *d, struct str name);
/* The same, never an atom: prefixes of NAMESPACE, patterns of LIST. */
void wire_out_mailbox_string(struct buf *b, const struct wire_dialect *d, struct str name);
static inline void
wire_out_nil(struct buf *b)
{
	buf_put(b, "NIL", 3);
}
/* A number of any kind. */
static inline void
wire_out_u64(struct buf *b, uint64_t n)
{
	buf_u64(b, n);
}
/* A hierarchy delimiter, quoted; 0: NIL. */
void wire_out_delimiter(struct buf *b, char delimiter);
/* What text lines may hold: no line ends, no NUL. */
void wire_out_text(struct buf *b, struct str text);
/* The names of the bits of mask in the order of the table, with a blank between them; before the
 * first one, what *between is, which is a blank from then on. */
void wire_out_bits(
    struct buf *b, const struct wire_name *table, unsigned mask, const char **between);
#endif
