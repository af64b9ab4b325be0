/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_CMD_FETCH_H
#define WIRE_CMD_FETCH_H
/*
 * Parses and prints FETCH and UID FETCH (RFC 9051 sections 6.4.5 and 7.5.2, RFC 3516, RFC 4466).
 * The server prints the response item by item, since bodies are streamed; a client parses it into a
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
	WIRE_FETCH_RFC822,       /* the response uses its own name; RFC822 and .TEXT set \Seen */
	WIRE_FETCH_RFC822_HEADER,
	WIRE_FETCH_RFC822_TEXT,
	WIRE_FETCH_OTHER, /* an extension's: item.name */
	WIRE_FETCH_COUNT
};
/* The plain names, without BODY.PEEK, BINARY.PEEK, BINARY.SIZE and the macros. */
extern const struct wire_name wire_fetch_names[];

enum wire_section_what {
	WIRE_SECTION_ALL, /* BODY[] or BODY[2.1] */
	WIRE_SECTION_HEADER,
	WIRE_SECTION_HEADER_FIELDS,
	WIRE_SECTION_HEADER_FIELDS_NOT,
	WIRE_SECTION_TEXT,
	WIRE_SECTION_MIME, /* only after a part number */
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
	const void *ext; /* OTHER: its row, set by code that knows the name */
	struct str args; /* OTHER: a raw parenthesized list after the name; p == NULL: none */
};

struct wire_fetch {
	struct wire_set set;
	struct wire_fetch_item *items; /* as written, macros expanded; keeps duplicates */
	size_t n_items;
	struct wire_params modifiers; /* CHANGEDSINCE n, VANISHED, ... */
	/* After a single OTHER item without parentheses: the modifiers as sent, since RFC 8970
	 * would take them as the item's args (FETCH 1 PREVIEW (LAZY)).  Code that knows the words
	 * decides.  p == NULL: not ambiguous. */
	struct str either;
};
bool wire_fetch_parse(struct wire_in *in, struct wire_fetch *cmd_r);
/* Prints at least one item, always in parentheses. */
void wire_fetch_print(struct buf *b, const struct wire_dialect *d, const struct wire_fetch *cmd);

/* ---- names of items, also used in the response */

/* Parses an item's name in capitals, up to "[" or "<" (which are ATOM-CHARs) or the end of the
 * atom. */
bool wire_in_fetch_name(struct wire_in *in, struct str *name_r);
/* Parses a section from after "[" through "]".  binary: part numbers only (RFC 3516). */
bool wire_in_section(struct wire_in *in, struct wire_section *section_r, bool binary);
/* Prints what goes between the brackets. */
void wire_out_section(
    struct buf *b, const struct wire_dialect *d, const struct wire_section *section);

/* ---- the response */

/* An item with a section, or RFC822, RFC822.HEADER, RFC822.TEXT. */
struct wire_fetch_content {
	struct wire_fetch_item item; /* id, section, has_partial, from */
	struct str bytes;            /* p == NULL: NIL */
	uint64_t size;               /* BINARY.SIZE */
};

struct wire_fetch_data {
	unsigned has; /* bits 1u << WIRE_FETCH_FLAGS, …, up to WIRE_FETCH_BODY */
	struct wire_flags flags;
	struct wire_time internaldate;
	uint32_t uid;
	uint64_t size; /* RFC822.SIZE */
	struct wire_envelope envelope;
	struct wire_body body, bodystructure;
	struct wire_fetch_content *contents; /* in the order received */
	size_t n_contents;
	struct wire_params other; /* MODSEQ (12), SAVEDATE …: raw values */
};
/* Parses from after the name of the response. */
bool wire_in_fetch(struct wire_in *in, struct wire_fetch_data *data_r);
/* Prints all of it; at least one item. */
void wire_out_fetch(
    struct buf *b, const struct wire_dialect *d, uint32_t seq, const struct wire_fetch_data *data);

/* ---- item by item: begin, items separated by a blank, end */
/* "* 12 FETCH (", or in UIDONLY "* 99 UIDFETCH (" with the UID (RFC 9586 section 3.3). */
void wire_out_fetch_begin(struct buf *b, const struct wire_dialect *d, uint32_t number);
void wire_out_fetch_end(struct buf *b); /* ")" CRLF */
/* Prints the blank between two items, or between a section and its value. */
static inline void
wire_out_fetch_sp(struct buf *b)
{
	buf_putc(b, ' ');
}
/* Prints "UID 7", "RFC822.SIZE 9": any plain name of wire_fetch_names with a number. */
void wire_out_fetch_number(struct buf *b, enum wire_fetch_id id, uint64_t n);
/* Prints "FLAGS ": any plain name of wire_fetch_names, followed by a blank. */
void wire_out_fetch_name(struct buf *b, enum wire_fetch_id id);
/* Same with an extension's name. */
void wire_out_fetch_other(struct buf *b, const char *name);
/* Prints "BODY[2.HEADER.FIELDS (To)]<0>" or "BINARY[1]<0>", "BINARY.SIZE[1]", "RFC822": what
 * precedes contents; without a blank after it. */
void wire_out_fetch_section(
    struct buf *b, const struct wire_dialect *d, const struct wire_fetch_item *item);
/* Prints what was formatted before: an ENVELOPE, a BODYSTRUCTURE, bytes of a literal, items. */
static inline void
wire_out_fetch_bytes(struct buf *b, struct str bytes)
{
	buf_str(b, bytes);
}
#endif
