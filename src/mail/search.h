/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAIL_SEARCH_H
#define MAIL_SEARCH_H
/*
 * Substring search for SEARCH: in decoded text, ignoring case (text/text.h says how texts are
 * compared); a tab equals a blank, since headers are folded with both.  HTML is searched as it is
 * shown (text/html.h), and there all runs of blanks are equal.  RFC 3501 and RFC 9051, both in
 * section 6.4.4, leave it to the server which parts of a body are text.
 *
 * One pass over a message, which comes in pieces, searches for everything that a SEARCH asks for:
 *
 *     key = mail_search_add(s, MAIL_SEARCH_BODY, STR_NONE, "word");      for each of them
 *     mail_search_begin(s, &summary);
 *     while (mail_search_key(s, key) == MAIL_SEARCH_OPEN && mail_search_wants(s, &range))
 *             mail_search_feed(s, bytes of the message at that range);
 *
 * Time is linear in the text, however many keys there are; memory is a few times that of the keys,
 * plus a few windows, whatever the size of the message.  One thread at a time.
 */
#include "mail/section.h"

#define MAIL_SEARCH_PIECE 65536u /* most bytes wanted at a time */

enum mail_search_in {
	/* text and message/... parts at any depth, and headers of nested messages */
	MAIL_SEARCH_BODY,
	MAIL_SEARCH_TEXT,   /* these, the message's header, and the MIME headers of its parts */
	MAIL_SEARCH_FIELD,  /* the decoded value of any field of that name; empty text: the field
	                       exists */
	MAIL_SEARCH_SUMMARY /* like FIELD, for those whose text the summary has */
};

struct mail_search;

struct mail_search *mail_search_new(void) __attribute__((returns_nonnull));
/* Reports when memory runs out (base/mem.h); then it can only be freed. */
struct mail_search *mail_search_try_new(bool *oom);
void mail_search_free(struct mail_search **sp);
/* Returns its number.  field is for FIELD, and must stay; which is for SUMMARY. */
size_t mail_search_add(struct mail_search *s, enum mail_search_in in, struct str field,
    enum mail_text which, struct str utf8);
/* Call when all are added.  Returns roughly the memory that it takes. */
size_t mail_search_ready(struct mail_search *s);

/* Starts the next message, described by its summary, which must stay until the one after. */
void mail_search_begin(struct mail_search *s, const struct mail_summary *summary);
/* OPEN: more of the message must be seen. */
enum mail_search_found { MAIL_SEARCH_NO, MAIL_SEARCH_YES, MAIL_SEARCH_OPEN };
enum mail_search_found mail_search_key(struct mail_search *s, size_t key);
/* Returns false if it wants nothing because all is known. */
bool mail_search_wants(struct mail_search *s, struct mail_range *range_r);
void mail_search_feed(struct mail_search *s, struct str bytes);
/* Returns whether it is in the middle of a header or a body. */
bool mail_search_within(const struct mail_search *s);
/* Returns what it holds now for a message, without the keys. */
size_t mail_search_held(const struct mail_search *s);
#endif
