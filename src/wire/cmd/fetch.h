/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_CMD_FETCH_H
#define WIRE_CMD_FETCH_H
/*
 * FETCH and UID FETCH both ways (RFC 9051 sections 6.4.5 and 7.5.2, RFC 3516, RFC 4466).  The
 * server prints the response item by item, since bodies are streamed; whoever reads it gets a
 * struct.
 */
#include "wire/cmd/body.h"
#include "wire/date.h"
#include "wire/flags.h"
#include "wire/out.h"
#include "wire/params.h"
#include "wire/set.h"

enum wire_fetch_id {
	WIRE_FETCH_FLAGS,
	WIRE_FETCH_INTERNALDATE,
	WIRE_FETCH_UID,
	WIRE_FETCH_RFC822_SIZE,
	WIRE_FETCH_ENVELOPE,
	WIRE_FETCH_BODYSTRUCTURE,
	WIRE_FETCH_BODY,         /* without a section: the short BODYSTRUCTURE */
	WIRE_FETCH_BODY_SECTION, /* BODY[...], BODY.PEEK[...] */
	WIRE_FETCH_BINARY,       /* BINARY[...], BINARY.PEEK[...] */
	WIRE_FETCH_BINARY_SIZE,  /* BINARY.SIZE[...] */
	WIRE_FETCH_RFC822,       /* answered under its own name; RFC822 and .TEXT set \Seen */
	WIRE_FETCH_RFC822_HEADER,
	WIRE_FETCH_RFC822_TEXT,
	WIRE_FETCH_OTHER, /* an extension's: item.name */
	WIRE_FETCH_COUNT
};
/* The plain names; BODY.PEEK, BINARY.PEEK, BINARY.SIZE and the macros are not in it. */
extern const struct wire_name wire_fetch_names[];

enum wire_section_what {
	WIRE_SECTION_ALL, /* BODY[] or BODY[2.1] */
	WIRE_SECTION_HEADER,
	WIRE_SECTION_HEADER_FIELDS,
	WIRE_SECTION_HEADER_FIELDS_NOT,
	WIRE_SECTION_TEXT,
	WIRE_SECTION_MIME, /* only behind a part number */
};
extern const struct wire_name wire_section_names[];

struct wire_section {
	enum wire_section_what what;
	uint32_t *part; /* 2.1 is {2, 1} */
	size_t n_part;
	struct wire_names fields; /* as sent */
};

struct wire_fetch_item {
	enum wire_fetch_id id;
	bool peek;
	struct wire_section section; /* BODY_SECTION, BINARY, BINARY_SIZE */
	bool has_partial;
	uint64_t from;   /* <from.length> */
	uint64_t length; /* not 0 */
	struct str name; /* OTHER: capitals */
	const void *ext; /* OTHER: its row; whoever knows the name sets it */
	struct str args; /* OTHER: a raw parenthesised list behind the name; p == NULL: none */
};

struct wire_fetch {
	struct wire_set set;
	struct wire_fetch_item *items; /* as written, macros expanded; duplicates are kept */
	size_t n_items;
	struct wire_params modifiers; /* CHANGEDSINCE n, VANISHED, ... */
	/* Behind one OTHER item without parentheses: the modifiers as they were sent, since RFC
	 * 8970 would have them be the item's args (FETCH 1 PREVIEW (LAZY)).  Whoever knows the
	 * words decides.  p == NULL: there is no doubt. */
	struct str either;
};
bool wire_fetch_parse(struct wire_in *in, struct wire_fetch *cmd_r);
/* At least one item, always in parentheses. */
void wire_fetch_print(struct buf *b, const struct wire_dialect *d, const struct wire_fetch *cmd);

/* ---- what the response names an item with, too */

/* An item's name in capitals, up to "[" or "<" (which are ATOM-CHARs) or the end of the atom. */
bool wire_in_fetch_name(struct wire_in *in, struct str *name_r);
/* A section from behind "[", up to and with "]".  binary: part numbers only (RFC 3516). */
bool wire_in_section(struct wire_in *in, struct wire_section *section_r, bool binary);
/* What stands between the brackets. */
void wire_out_section(
    struct buf *b, const struct wire_dialect *d, const struct wire_section *section);

/* ---- the response */

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
