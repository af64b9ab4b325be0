/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAIL_SEARCH_H
#define MAIL_SEARCH_H
/*
 * Substring search as SEARCH wants it: in decoded text, without regard to
 * case (text.h says how texts are compared); a tab is as good as a blank, since
 * headers are folded with both.  HTML is searched as it is shown (html.h), and there any
 * run of blanks is as good as another.  RFC 3501 and RFC 9051, both 6.4.4, leave it to
 * the server what of a body is text.
 *
 * A needle is made once per search key and is constant from then on: threads may share
 * it.  Time is linear in the text; memory is a few windows per call, whatever the size
 * of the message.
 */
#include "mail/summary.h"

struct mail_needle;

struct mail_needle *mail_needle_new(struct str utf8);
void mail_needle_free(struct mail_needle **np);

/* Is it in this UTF-8 text?  The empty needle is in every text. */
bool mail_needle_in(const struct mail_needle *n, struct str utf8);

/*
 * SEARCH HEADER: is it in the decoded value of any field of that name?  With
 * the empty needle: is there such a field?
 */
bool mail_search_header(const struct mail_needle *n, struct str header, struct str field);

enum mail_search {
	MAIL_SEARCH_BODY, /* text parts at any depth, and headers of nested messages */
	MAIL_SEARCH_TEXT  /* these, the message's header, and the MIME headers of its parts */
};

/* message and s belong together: s is the summary of message (its size is checked). */
bool mail_search_message(const struct mail_needle *n, struct str message,
    const struct mail_summary *s, enum mail_search which);
#endif
