/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAIL_HEADER_H
#define MAIL_HEADER_H
/*
 * Header fields over bytes (RFC 5322 sections 2.2 and 4.5), and the parameter
 * lists of Content-Type and Content-Disposition (RFC 2045 5.1, RFC 2231).
 *
 * A header ends behind its first empty line, or at the end of the bytes.
 * Lines end in LF or CRLF.  A line without a colon that continues nothing is
 * a field without a name.
 */
#include "base/buf.h"
#include "base/str.h"

struct mail_field {
	struct str name;  /* blanks before the colon cut off; empty for a line without a colon */
	struct str value; /* behind the colon, folded as it is, without the last line end */
	struct str all;   /* the whole field with its line ends */
};

/* Takes the next field off *rest; false at the empty line or the end of the
 * bytes.  An empty line is left standing. */
bool mail_field_next(struct str *rest, struct mail_field *field_r);

/*
 * The same in steps, for a header of any size: {0} before each field, and *rest stays as it is
 * until one is found.  A step looks at no more than *budget bytes (at least one), and takes them
 * off it.
 */
struct mail_field_scan {
	const char *at; /* looked at up to here; NULL: nothing yet */
	const char *eol, *next, *colon;
	bool named; /* the colon was looked for; at goes back from the end of the name */
};
enum mail_field_found {
	MAIL_FIELD_FOUND,
	MAIL_FIELD_NONE,
	MAIL_FIELD_UNDECIDED /* go on with the same scan */
};
enum mail_field_found mail_field_step(
    struct mail_field_scan *scan, struct str *rest, size_t *budget, struct mail_field *field_r);

/* The value of the first field of that name, unfolding is left to the caller; STR_NONE if none. */
struct str mail_field_find(struct str header, struct str name);

/* Length of the header at the front of bytes, with the empty line. */
size_t mail_header_len(struct str bytes);

/*
 * The front of a value that fits into max bytes, whole words only, and no encoded word (RFC 2047)
 * cut in two.  When its first word is too long: STR_NONE, or, of text for people, the characters
 * of it that fit.  Blanks are no part of it, at either end; of more than MAIL_BLANKS_MAX of them
 * the others are taken for a word.
 */
#define MAIL_BLANKS_MAX ((size_t)1 << 20)
struct str mail_field_fit(struct str value, size_t max, bool text);

/* Appends value unfolded, without NUL, and without blanks at both ends; a CR or LF that is no fold
 * is a blank. */
void mail_unfold(struct str value, struct buf *out);

/*
 * Parameters: `type/subtype; name=value; ...`.  mail_params_read() reads them in one pass,
 * comments and quoting removed, and no more than max bytes: what reaches beyond is left out as
 * a whole, and cut is set.
 *
 * Pieces of a parameter (RFC 2231 section 3: name*0, name*1*, ...) become one, at the place of
 * the first, unless one is missing, or the plain name stands beside pieces that are not
 * extended, so that nobody can say which of them counts: then they are parameters like others.
 */
struct mail_param {
	struct str name; /* of the extended form: with one star behind it */
	struct str
	    value;     /* of the extended form: charset'language'text, percent signs as they are */
	bool extended; /* RFC 2231 section 4 */
};

struct mail_params {
	struct str
	    first; /* "text/plain", "attachment"; comments removed, each blank is one space */
	struct mail_param *v;
	size_t n;
	bool extended; /* one of them is */
	bool cut;
	struct buf text, joined;
};

void mail_params_read(struct mail_params *p, struct str value, size_t max);
/* Tells when memory runs out (base/mem.h); parameters are then missing. */
void mail_params_try_read(struct mail_params *p, struct str value, size_t max, bool *oom);
void mail_params_fini(struct mail_params *p);

/* The first one of that name, better in the extended form; NULL if there is none. */
const struct mail_param *mail_params_find(const struct mail_params *p, struct str name);

/* Appends the value: of the extended form in UTF-8, decoded. */
void mail_param_value(const struct mail_param *p, struct buf *out);

/*
 * Appends the value of one parameter in UTF-8, RFC 2047 words decoded where a sender put them
 * against the rules.  False when there is no such parameter.
 */
bool mail_param_find(struct str value, struct str name, struct buf *out);
#endif
