/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAIL_SEARCH_H
#define MAIL_SEARCH_H
/*
 * Substring search as SEARCH wants it: in decoded text, without regard to
 * case (text/text.h says how texts are compared); a tab is as good as a blank, since
 * headers are folded with both.  HTML is searched as it is shown (text/html.h), and there any
 * run of blanks is as good as another.  RFC 3501 and RFC 9051, both 6.4.4, leave it to
 * the server what of a body is text.
 *
 * All that a SEARCH looks for is looked for in one pass over a message, which comes in
 * pieces:
 *
 *     key = mail_search_add(s, MAIL_SEARCH_BODY, STR_NONE, "word");      for each of them
 *     mail_search_begin(s, &summary);
 *     while (mail_search_key(s, key) == MAIL_SEARCH_OPEN && mail_search_wants(s, &range))
 *             mail_search_feed(s, bytes of the message at that range);
 *
 * Time is linear in the text, however many keys there are; memory is some times that of the
 * keys, and a few windows, whatever the size of the message.  One thread at a time.
 */
#include "mail/section.h"

#define MAIL_SEARCH_PIECE 65536u /* the most that it wants at a time */

enum mail_search_in {
	/* text and message/... parts at any depth, and headers of nested messages */
	MAIL_SEARCH_BODY,
	MAIL_SEARCH_TEXT,   /* these, the message's header, and the MIME headers of its parts */
	MAIL_SEARCH_FIELD,  /* the decoded value of any field of that name; of the empty text: is
	                       there  one? */
	MAIL_SEARCH_SUMMARY /* as FIELD, of those whose text the summary has */
};

struct mail_search;

struct mail_search *mail_search_new(void) __attribute__((returns_nonnull));
/* Tells when memory runs out (base/mem.h); then it is good for nothing but being freed. */
struct mail_search *mail_search_try_new(bool *oom);
void mail_search_free(struct mail_search **sp);
/* Returns its number.  field, which must stay: FIELD; which: SUMMARY. */
size_t mail_search_add(struct mail_search *s, enum mail_search_in in, struct str field,
    enum mail_text which, struct str utf8);
/* All are added.  About the memory that it takes. */
size_t mail_search_ready(struct mail_search *s);

/* The next message: what its summary is about.  The summary must stay until the next one. */
void mail_search_begin(struct mail_search *s, const struct mail_summary *summary);
/* OPEN: more of the message has to be seen. */
enum mail_search_found { MAIL_SEARCH_NO, MAIL_SEARCH_YES, MAIL_SEARCH_OPEN };
enum mail_search_found mail_search_key(struct mail_search *s, size_t key);
/* False: nothing, all is known. */
bool mail_search_wants(struct mail_search *s, struct mail_range *range_r);
void mail_search_feed(struct mail_search *s, struct str bytes);
/* Is it in the middle of a header or a body? */
bool mail_search_within(const struct mail_search *s);
/* What it holds now of a message, without the keys. */
size_t mail_search_held(const struct mail_search *s);
#endif
