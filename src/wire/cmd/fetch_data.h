/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_CMD_FETCH_DATA_H
#define WIRE_CMD_FETCH_DATA_H
/*
 * The response FETCH both ways (RFC 9051 section 7.5.2, RFC 3516).  The server prints it item by
 * item, since bodies are streamed; whoever reads it gets a struct.
 */
#include "wire/cmd/body.h"
#include "wire/cmd/fetch.h"
#include "wire/date.h"
#include "wire/flags.h"

/* One with a section, or RFC822, RFC822.HEADER, RFC822.TEXT. */
struct wire_fetch_content {
	struct wire_fetch_item item; /* id, section, has_partial, from */
	struct str bytes;            /* p == NULL: NIL */
	uint64_t size;               /* BINARY.SIZE */
};

struct wire_fetch_data {
	unsigned has; /* 1u << WIRE_FETCH_FLAGS, …, for those up to WIRE_FETCH_BODY */
	struct wire_flags flags;
	struct wire_time internaldate;
	uint32_t uid;
	uint64_t size; /* RFC822.SIZE */
	struct wire_envelope envelope;
	struct wire_body body, bodystructure;
	struct wire_fetch_content *contents; /* in the order in which they came */
	size_t n_contents;
	struct wire_params other; /* MODSEQ (12), SAVEDATE …: raw values */
};
/* From behind the name of the response. */
bool wire_in_fetch(struct wire_in *in, struct wire_fetch_data *data_r);
/* All of it; at least one item. */
void wire_out_fetch(
    struct buf *b, const struct wire_dialect *d, uint32_t seq, const struct wire_fetch_data *data);

/* ---- item by item: begin, items with a blank between them, end */
void wire_out_fetch_begin(struct buf *b, uint32_t seq); /* "* 12 FETCH (" */
void wire_out_fetch_end(struct buf *b);                 /* ")" CRLF */
/* Between two items, and between a section and what it is. */
static inline void
wire_out_fetch_sp(struct buf *b)
{
	buf_putc(b, ' ');
}
/* "UID 7", "RFC822.SIZE 9": any plain name of wire_fetch_names with a number. */
void wire_out_fetch_number(struct buf *b, enum wire_fetch_id id, uint64_t n);
/* "FLAGS ": any plain name of wire_fetch_names, with a blank behind it. */
void wire_out_fetch_name(struct buf *b, enum wire_fetch_id id);
/* The same with an extension's name. */
void wire_out_fetch_other(struct buf *b, const char *name);
/* "BODY[2.HEADER.FIELDS (To)]<0>" or "BINARY[1]<0>", "BINARY.SIZE[1]", "RFC822": what stands before
 * contents; no blank behind. */
void wire_out_fetch_section(
    struct buf *b, const struct wire_dialect *d, const struct wire_fetch_item *item);
/* What was printed before: an ENVELOPE, a BODYSTRUCTURE, bytes of a literal, items. */
static inline void
wire_out_fetch_bytes(struct buf *b, struct str bytes)
{
	buf_str(b, bytes);
}
#endif
