/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAIL_TEXT_NEEDLES_H
#define MAIL_TEXT_NEEDLES_H
/*
 * Searches for many texts at once, in texts that come in pieces:
 *
 *     number = mail_needles_add(n, "word");              for each of them
 *     mail_needles_begin(n);
 *     mail_needles_feed(n, MAIL_NEEDLES_PLAIN, folded);  again and again
 *     mail_needles_end(n, MAIL_NEEDLES_PLAIN);           nothing matches across this point
 *     if (mail_needles_found(n, number))
 *
 * Fold what you feed with mail_needles_fold() first (text.h says how texts are compared; a tab
 * equals a blank, since headers are folded with both).  Streams are independent of each other.
 *
 * Time is linear in the text, however many needles there are; memory is a few times that of the
 * needles, plus a window, whatever the text.  One thread at a time.
 */
#include "base/buf.h"
#include "base/str.h"

struct mail_needles;

enum mail_needles_stream {
	MAIL_NEEDLES_PLAIN,
	/* In these all runs of blanks are equal; the text comes with one blank for each. */
	MAIL_NEEDLES_SHOWN,
	MAIL_NEEDLES_ASIDE,
	MAIL_NEEDLES_STREAMS
};

struct mail_needles *mail_needles_new(void) __attribute__((returns_nonnull));
/* Reports when memory runs out (base/mem.h); then it can only be freed. */
struct mail_needles *mail_needles_try_new(bool *oom);
void mail_needles_free(struct mail_needles **np);
/* Returns the needle's number.  The empty text is in every text that has ended. */
size_t mail_needles_add(struct mail_needles *n, struct str utf8);
/* Return roughly the memory that it takes, and may take for text between feed() and end(). */
size_t mail_needles_bytes(const struct mail_needles *n);
size_t mail_needles_window(const struct mail_needles *n);

/* Starts over: nothing is found yet. */
void mail_needles_begin(struct mail_needles *n);
void mail_needles_feed(struct mail_needles *n, enum mail_needles_stream stream, struct str folded);
void mail_needles_end(struct mail_needles *n, enum mail_needles_stream stream);
bool mail_needles_found(const struct mail_needles *n, size_t number);
/* Returns how many have not been found yet. */
size_t mail_needles_left(const struct mail_needles *n);

/* Appends whole characters in the form for comparison. */
void mail_needles_fold(struct str utf8, struct buf *out);
/* Reduces each run of blanks after `from` to one.  *blank: whether there was one before, and
 * whether there is at the end. */
void mail_needles_squeeze(struct buf *b, size_t from, bool *blank);
#endif
