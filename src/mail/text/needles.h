/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAIL_TEXT_NEEDLES_H
#define MAIL_TEXT_NEEDLES_H
/*
 * Texts that are looked for all at once, in texts that come in pieces:
 *
 *     number = mail_needles_add(n, "word");              for each of them
 *     mail_needles_begin(n);
 *     mail_needles_feed(n, MAIL_NEEDLES_PLAIN, folded);  again and again
 *     mail_needles_end(n, MAIL_NEEDLES_PLAIN);           nothing matches across this point
 *     if (mail_needles_found(n, number))
 *
 * What is fed went through mail_needles_fold() before (text.h says how texts are compared; a tab
 * is as good as a blank, since headers are folded with both).  Streams do not know of each other.
 *
 * Time is linear in the text, however many needles there are; memory is some times that of the
 * needles, and a window, whatever the text.  One thread at a time.
 */
#include "base/buf.h"
#include "base/str.h"

struct mail_needles;

enum mail_needles_stream {
	MAIL_NEEDLES_PLAIN,
	/* In these any run of blanks is as good as another; the text comes with one for each. */
	MAIL_NEEDLES_SHOWN,
	MAIL_NEEDLES_ASIDE,
	MAIL_NEEDLES_STREAMS
};

struct mail_needles *mail_needles_new(void) __attribute__((returns_nonnull));
/* Tells when memory runs out (base/mem.h); then it is good for nothing but being freed. */
struct mail_needles *mail_needles_try_new(bool *oom);
void mail_needles_free(struct mail_needles **np);
/* Its number; the empty text is in every text that has ended. */
size_t mail_needles_add(struct mail_needles *n, struct str utf8);
/* About the memory that it takes, and may take for the text between feed() and end(). */
size_t mail_needles_bytes(const struct mail_needles *n);
size_t mail_needles_window(const struct mail_needles *n);

/* Nothing is found yet. */
void mail_needles_begin(struct mail_needles *n);
void mail_needles_feed(struct mail_needles *n, enum mail_needles_stream stream, struct str folded);
void mail_needles_end(struct mail_needles *n, enum mail_needles_stream stream);
bool mail_needles_found(const struct mail_needles *n, size_t number);
/* How many were not found yet. */
size_t mail_needles_left(const struct mail_needles *n);

/* Appends whole characters as they are compared. */
void mail_needles_fold(struct str utf8, struct buf *out);
/* Of each run of blanks behind `from` one stays.  *blank: was there one before, and at the end. */
void mail_needles_squeeze(struct buf *b, size_t from, bool *blank);
#endif
