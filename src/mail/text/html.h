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
 * Tags, comments, declarations, scripts and style sheets are left out, character
 * references decoded.  Tags within a line leave nothing, so `wo<b>rd</b>` is
 * "word"; those that begin a line or a cell become a line end, so no word is made
 * of the end of one paragraph and the beginning of the next.  A line end of the source
 * becomes a blank; runs of blanks stay.  What a reader
 * sees of attributes (alt, title, href) is not in the line: it goes to aside, each value
 * with a line end behind it.
 *
 * Any bytes are a document, read as browsers read it: "a < b" and "R&D" are text.
 * Pieces give what the whole gives.  Memory is the struct, which may be copied.
 */
#include "base/buf.h"
#include "base/str.h"

#define MAIL_HTML_NAME 16 /* bytes of the longest name that is looked at */

struct mail_html {
	uint8_t state, back; /* enum state in html.c; that from which a reference began */
	bool end_tag, seen;
	bool no_title;  /* set behind mail_html_init(): that of the document is left out, too */
	uint8_t dashes; /* of a comment, that stand behind one another */
	uint8_t name_n, ref_n;
	char name[MAIL_HTML_NAME]; /* of a tag or attribute, lower case; longer ones are nobody's */
	char ref[MAIL_HTML_NAME + 2];
	char element[MAIL_HTML_NAME]; /* the tag whose attributes are read, or whose end ends `raw`
	                               */
	uint8_t element_n;
};

void mail_html_init(struct mail_html *h);
/* utf8 holds whole characters.  last: there is nothing behind it. */
void mail_html_feed(
    struct mail_html *h, struct str utf8, bool last, struct buf *text, struct buf *aside);

/* The character of a name ("eacute"), without & and ;.  0: not known. */
uint32_t mail_html_character(struct str name);
#endif
