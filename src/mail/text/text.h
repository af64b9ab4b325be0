/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAIL_TEXT_TEXT_H
#define MAIL_TEXT_TEXT_H
/*
 * mail/text: bytes become text.  Start here; decode.h undoes transfer encodings, html.h takes the
 * tags away, needles.h finds many words at once.
 *
 * Text for people: charsets to UTF-8, encoded words, case folding.  What
 * comes out of here is always well-formed UTF-8.
 *
 * A charset nobody knows, US-ASCII with 8-bit bytes, and raw 8-bit bytes in a
 * header are taken as UTF-8 where they are that, and as Latin-1 byte by byte
 * where not.  UTF-16 without a byte order mark is big-endian, or little-endian
 * where that makes better text.  Malformed bytes of a known charset become U+FFFD.
 *
 * What appends to a buffer that tells of a lack of memory (base/buf.h) tells of its own, too, and
 * needs no other flag; so do the objects that are fed with it.
 */
#include "base/buf.h"
#include "base/str.h"

/* Is it a charset that can be converted (SEARCH CHARSET, BADCHARSET)? */
bool mail_charset_known(struct str charset);

/* Appends bytes in charset as UTF-8.  False when the charset is not known. */
bool mail_to_utf8(struct str charset, struct str bytes, struct buf *out);

/* The same piece by piece; characters may be split between pieces. */
struct mail_conv;
struct mail_conv *mail_conv_new(struct str charset); /* never NULL */
/* NULL, and *oom set: there is no memory. */
struct mail_conv *mail_conv_try_new(struct str charset, bool *oom);
void mail_conv_feed(struct mail_conv *c, struct str bytes, bool last, struct buf *out);
/* Whether the charset was known. */
bool mail_conv_known(const struct mail_conv *c);
void mail_conv_free(struct mail_conv **cp);

/*
 * RFC 2047: appends a field value as UTF-8, unfolded, encoded words decoded
 * wherever they stand, blanks between neighbours dropped, characters that are
 * split over neighbours of one charset put together.  NUL is dropped.
 */
void mail_words_decode(struct str value, struct buf *out);

/*
 * The same for a value that comes in pieces, in little memory: {0}, feed, feed ... the last one,
 * fini.  It differs where an encoded word or a run of blanks is longer than MAIL_WORDS_HELD: such a
 * word is none, and such blanks do not vanish.
 */
#define MAIL_WORDS_HELD 65536u
#define MAIL_WORD_CHARSET 80
struct mail_words {
	struct buf held;        /* what cannot be decided yet */
	struct buf bytes;       /* decoded words of one charset that stand together, */
	struct mail_conv *conv; /* of which it has the front, if they are many */
	char charset[MAIL_WORD_CHARSET];
	size_t charset_n;
	bool begun, after_word;
};
void mail_words_feed(struct mail_words *w, struct str piece, bool last, struct buf *out);
void mail_words_fini(struct mail_words *w);

/*
 * Appends utf8 in the form in which texts are compared: i;unicode-casemap in
 * effect (case folded, compatibility forms replaced, decomposed), so that two
 * texts are equal, ordered or contained when these bytes are.
 */
void mail_casemap(struct str utf8, struct buf *out);

/*
 * Appends the key of a text in the collation i;unicode-casemap (RFC 5051), to the letter: str_cmp()
 * of two keys orders the texts.  Each character by itself becomes titlecase and is taken apart;
 * accents that stand in another order than Unicode's are left so.  Bytes that are not UTF-8 are
 * their own key.
 */
void mail_collate(struct str utf8, struct buf *out);
/* Of the Unicode that mail_collate() knows: keys made with another one may differ. */
uint32_t mail_collate_version(void);

/*
 * RFC 5256 section 2.1: appends the base subject of a decoded subject.  True
 * when something said that it is a reply or a forward.
 */
bool mail_base_subject(struct str utf8, struct buf *out);

/* ---- small parts that what reads text in other forms needs, too ---- */

/* Appends a character as UTF-8. */
void text_put_char(struct buf *out, uint32_t c);
/* Length of the ASCII text at the front of s. */
size_t text_ascii_run(struct str s);
/* Would ASCII bytes pass unchanged now, so that feeding them can be left out? */
bool text_conv_passes_ascii(const struct mail_conv *c);
#endif
