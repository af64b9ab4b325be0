/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_RESPONSE_H
#define WIRE_RESPONSE_H
/*
 * The common parts of responses (RFC 9051 section 7): their heads, status responses, the greeting,
 * BYE, continuations, and those that are a number and a word.  Every other response is in a
 * subject's file.  A client parses them like this:
 *
 *	wire_in_init(&in, response, arena, dialect, limits);
 *	if (!wire_in_response(&in, &r))          not a response: in.error
 *	if (wire_cond_of(&r, &cond))             OK, NO, BAD, BYE, PREAUTH:
 *	        wire_in_cond(&in, &c)            code and text
 *	else switch on r.name                    wire_in_list(), wire_in_fetch(), …
 *
 * The framer (wire/frame.h) finds where a response ends, like for a command; a status response is
 * one line, whatever its text ends in.
 */
#include "wire/code.h"
#include "wire/out.h"

enum wire_response_kind {
	WIRE_UNTAGGED, /* "* " */
	WIRE_TAGGED,
	WIRE_CONTINUE, /* "+" */
};

struct wire_response {
	enum wire_response_kind kind;
	struct str tag;  /* TAGGED */
	bool has_number; /* "* 5 EXISTS", "* 12 FETCH (…)" */
	uint32_t number;
	struct str name; /* capitals; empty in CONTINUE */
};
/* Reads through the name; through "+" or "+ ". */
bool wire_in_response(struct wire_in *in, struct wire_response *r_r);

enum wire_cond { WIRE_OK, WIRE_NO, WIRE_BAD, WIRE_BYE, WIRE_PREAUTH };
/* Returns whether it is a status response, and which. */
bool wire_cond_of(const struct wire_response *r, enum wire_cond *cond_r);

/* The rest of a status response. */
struct wire_status_line {
	struct wire_code code; /* code.name.n == 0: none */
	struct str text;
};
bool wire_in_cond(struct wire_in *in, struct wire_status_line *line_r);
/* tag.n == 0: untagged.  code: what goes between the brackets; n == 0: none. */
void wire_out_cond(
    struct buf *b, struct str tag, enum wire_cond cond, struct str code, struct str text);
/* Print "* OK [", then the contents of a code go in, then "] text": for codes printed in pieces. */
void wire_out_ok_begin(struct buf *b);
void wire_out_ok_end(struct buf *b, struct str text);

void wire_out_continue(struct buf *b, struct str text);   /* "+ text" */
void wire_out_challenge(struct buf *b, struct str bytes); /* "+ base64" */
/* Parse the rest of a continuation: as text, or decoded as a challenge, which may be empty. */
bool wire_in_continue(struct wire_in *in, struct str *text_r);
bool wire_in_challenge(struct wire_in *in, struct str *bytes_r);

void wire_out_number(struct buf *b, uint32_t n, const char *name); /* "* 5 EXISTS" */
/* Prints a line that was formatted before: "* CAPABILITY …". */
void wire_out_line(struct buf *b, struct str line);
#endif
