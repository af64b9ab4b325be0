/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_CMD_BODY_H
#define WIRE_CMD_BODY_H
/*
 * Parses and prints BODY and BODYSTRUCTURE (RFC 9051 section 7.5.2).  The fields after the basic
 * ones may end anywhere, so the number of fields sent is kept.
 *
 * The server prints them once, at delivery (mail/summary.h); this is for clients.
 */
#include "wire/cmd/envelope.h"

enum wire_body_kind {
	WIRE_BODY_BASIC,
	WIRE_BODY_TEXT,      /* "TEXT" and any subtype: lines */
	WIRE_BODY_MESSAGE,   /* "MESSAGE" "RFC822" or "GLOBAL": envelope, one child, lines */
	WIRE_BODY_MULTIPART, /* children, subtype */
};

/* Name, value, name, value, …; n == 0: NIL. */
struct wire_body_fields {
	struct str *v;
	size_t n;
};

struct wire_body {
	enum wire_body_kind kind;
	struct wire_body *next, *child;
	struct str type, subtype;       /* as sent; no type in MULTIPART */
	struct wire_body_fields params; /* in MULTIPART the first extension field */
	struct str id, description;     /* p == NULL: NIL */
	struct str encoding;
	uint64_t size, lines;
	struct wire_envelope *envelope; /* MESSAGE */
	/* Fields after the basic ones: 1 is params in MULTIPART and md5 in the others, 2 the
	 * disposition, 3 languages, 4 location; more are in further. */
	unsigned n_extension;
	struct str md5;
	struct str disposition; /* p == NULL: NIL */
	struct wire_body_fields disposition_params;
	struct wire_names languages; /* n == 0: NIL */
	struct str location;
	struct wire_names further; /* raw */
};

/* limits->list_depth bounds the nesting. */
bool wire_in_body(struct wire_in *in, struct wire_body *body_r);
void wire_out_body(struct buf *b, const struct wire_dialect *d, const struct wire_body *body);
#endif
