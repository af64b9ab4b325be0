/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAIL_TEXT_HTML_H
#define MAIL_TEXT_HTML_H
/*
 * The text of an HTML document as its reader sees it, for substring search:
 *
 *     struct mail_html h;
 *     mail_html_init(&h);
 *     mail_html_feed(&h, piece, last, &text, &aside);       again and again
 *
 * Tags, comments, declarations, scripts and style sheets are left out; character references are
 * decoded.  Inline tags leave nothing, so `wo<b>rd</b>` is "word"; tags that begin a line or a cell
 * become a line end, so the end of one paragraph and the start of the next do not form a word.  A
 * line end in the source becomes a blank; runs of blanks stay.  Attributes that a reader sees (alt,
 * title, href) are not part of the line: they go to aside, each value followed by a line end.
 *
 * Any bytes are a document, read as browsers do: "a < b" and "R&D" are text.  Pieces give the same
 * result as the whole.  All memory is in the struct, which may be copied.
 */
#include "base/buf.h"
#include "base/str.h"

#define MAIL_HTML_NAME 16 /* bytes of the longest name that matters */

struct mail_html {
	uint8_t state, back; /* enum state in html.c; the state in which a reference began */
	bool end_tag, seen;
	bool no_title;  /* set after mail_html_init(): leave out the document's title too */
	uint8_t dashes; /* consecutive dashes, in a comment */
	uint8_t name_n, ref_n;
	char name[MAIL_HTML_NAME]; /* of a tag or attribute, lower case; longer names do not matter
	                            */
	char ref[MAIL_HTML_NAME + 2];
	char element[MAIL_HTML_NAME]; /* tag whose attributes are read, or whose end tag ends `raw`
	                               */
	uint8_t element_n;
};

void mail_html_init(struct mail_html *h);
/* utf8 must hold whole characters.  last: nothing follows. */
void mail_html_feed(
    struct mail_html *h, struct str utf8, bool last, struct buf *text, struct buf *aside);

/* Returns the character for a name ("eacute"), without & and ;.  0: unknown. */
uint32_t mail_html_character(struct str name);
#endif
