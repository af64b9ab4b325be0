/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_DIALECT_H
#define WIRE_DIALECT_H
/*
 * What both sides agreed on (derived once from the ENABLE set of a login and
 * passed to every parser and printer), and the limits of the grammar.  A zeroed
 * struct is plain IMAP4rev1.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wire_dialect {
	bool rev2;      /* IMAP4rev2: no RECENT, ESEARCH instead of SEARCH; set utf8 with it */
	bool utf8;      /* UTF-8 in quoted strings and mailbox names (rev2, UTF8=ACCEPT) */
	bool utf8_only; /* UTF8=ACCEPT: a search program names no charset; not used in wire */
	bool condstore; /* MODSEQ is reported; not used in wire */
	bool qresync;   /* VANISHED instead of EXPUNGE; not used in wire */
	bool uidonly;   /* UIDONLY: UIDFETCH instead of FETCH, no message numbers */
	char separator; /* between levels of mailbox names on the wire; 0: '/' */
};

/*
 * Names and patterns that parsers return and printers take have '/' between levels.  With another
 * separator both characters change places on the wire, so that each name has exactly one form
 * there: with '.', the mailbox "Notes/v1.0" is "Notes.v1/0".
 */
char wire_separator(const struct wire_dialect *dialect);

/* What a peer may ask of the parser, beyond the limits of struct wire_frame_limits. */
struct wire_limits {
	uint32_t set_ranges;   /* in one set */
	uint32_t search_keys;  /* in one SEARCH, all levels */
	uint32_t search_depth; /* nesting of parentheses, NOT and OR */
	uint32_t list_depth;   /* parentheses in a parameter of an extension */
	uint32_t items;        /* in one list: attributes, flags, parameters, patterns */
};

extern const struct wire_dialect wire_dialect_rev1; /* all false */
extern const struct wire_limits wire_limits_default;
#endif
