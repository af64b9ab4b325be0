/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAIL_TEXT_TEXT_H
#define MAIL_TEXT_TEXT_H
/*
 * mail/text: turns bytes into text.  Start here; decode.h decodes transfer encodings, html.h
 * removes tags, needles.h finds many words at once.
 *
 * Text for people: charsets to UTF-8, encoded words, case folding.  What
 * comes out of here is always well-formed UTF-8.
 *
 * Unknown charsets, US-ASCII with 8-bit bytes, and raw 8-bit bytes in a header are taken as UTF-8
 * where valid, and byte by byte as Latin-1 elsewhere.  UTF-16 without a byte order mark is
 * big-endian, or little-endian if that makes better text.  Malformed bytes of a known charset
 * become U+FFFD.
 *
 * Functions that append to a buffer that reports a lack of memory (base/buf.h) report their own
 * through it too, and need no other flag; so do objects fed with such a buffer.
 */
#include "base/buf.h"
#include "base/str.h"

/* Returns whether the charset can be converted (SEARCH CHARSET, BADCHARSET). */
bool mail_charset_known(struct str charset);

/* Appends bytes in charset as UTF-8.  Returns false if the charset is unknown. */
bool mail_to_utf8(struct str charset, struct str bytes, struct buf *out);

/* Same, piece by piece; characters may be split between pieces. */
struct mail_conv;
struct mail_conv *mail_conv_new(struct str charset); /* never NULL */
/* Returns NULL and sets *oom if there is no memory. */
struct mail_conv *mail_conv_try_new(struct str charset, bool *oom);
void mail_conv_feed(struct mail_conv *c, struct str bytes, bool last, struct buf *out);
/* Returns whether the charset was known. */
bool mail_conv_known(const struct mail_conv *c);
void mail_conv_free(struct mail_conv **cp);

/*
 * RFC 2047: appends a field value as UTF-8, unfolded.  Decodes encoded words
 * wherever they are, drops blanks between neighbouring ones, and joins
 * characters split between neighbours of one charset.  Drops NUL.
 */
void mail_words_decode(struct str value, struct buf *out);

/*
 * Same for a value that comes in pieces, in little memory: {0}, feed, feed ... the last one, fini.
 * It differs if an encoded word or a run of blanks is longer than MAIL_WORDS_HELD: such a word is
 * not decoded, and such blanks do not vanish.
 */
#define MAIL_WORDS_HELD 65536u
#define MAIL_WORD_CHARSET 80
struct mail_words {
	struct buf held;        /* what cannot be decided yet */
	struct buf bytes;       /* adjacent decoded words of one charset, */
	struct mail_conv *conv; /* which has received the first of them, if they are many */
	char charset[MAIL_WORD_CHARSET];
	size_t charset_n;
	bool begun, after_word;
};
void mail_words_feed(struct mail_words *w, struct str piece, bool last, struct buf *out);
void mail_words_fini(struct mail_words *w);

/*
 * Appends utf8 in a form in which names that people consider the same are equal: case folded,
 * compatibility forms replaced, decomposed ("ss" equals a sharp s).
 */
void mail_casemap(struct str utf8, struct buf *out);

/*
 * Appends the key of a text in the collation i;unicode-casemap (RFC 5051), exactly: str_cmp() of
 * two keys orders the texts, and a text contains another if its key contains the other's.  Each
 * character is converted to titlecase and decomposed by itself; accents in a different order than
 * Unicode's stay so.  Bytes that are not UTF-8 are their own key.
 */
void mail_collate(struct str utf8, struct buf *out);
/* The same for a piece of a UTF-8 text, cut between characters: the keys of the pieces, one after
 * another, are the key of the whole. */
void mail_collate_text(struct str utf8, struct buf *out);
/* Returns the version of Unicode in mail_collate(): keys made with another one may differ. */
uint32_t mail_collate_version(void);

/*
 * RFC 5256 section 2.1: appends the base subject of a decoded subject.  Returns
 * true if the subject says that it is a reply or a forward.
 */
bool mail_base_subject(struct str utf8, struct buf *out);

/* ---- small parts that other readers of text need too ---- */

/* Appends a character as UTF-8. */
void text_put_char(struct buf *out, uint32_t c);
/* Returns the length of the ASCII text at the front of s. */
size_t text_ascii_run(struct str s);
/* Returns whether ASCII bytes would pass unchanged now, so that feeding them can be skipped. */
bool text_conv_passes_ascii(const struct mail_conv *c);
#endif
