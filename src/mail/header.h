/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAIL_HEADER_H
#define MAIL_HEADER_H
/*
 * Header fields over bytes (RFC 5322 sections 2.2 and 4.5), and the parameter
 * lists of Content-Type and Content-Disposition (RFC 2045 section 5.1, RFC
 * 2231).
 *
 * A header ends after its first empty line, or at the end of the bytes.  Lines
 * end in LF or CRLF.  A line without a colon that continues nothing is a field
 * without a name.
 */
#include "base/buf.h"
#include "base/str.h"

struct mail_field {
	struct str name;  /* without blanks before the colon; empty for a line without a colon */
	struct str value; /* after the colon, still folded, without the last line end */
	struct str all;   /* the whole field with its line ends */
};

/* Takes the next field off *rest; returns false at the empty line or the end of the bytes.  Does
 * not take an empty line. */
bool mail_field_next(struct str *rest, struct mail_field *field_r);

/*
 * Same in steps, for a header of any size.  Start each field with {0}; *rest stays unchanged until
 * a field is found.  A step looks at no more than *budget bytes (at least one), and subtracts them.
 */
struct mail_field_scan {
	const char *at; /* looked at up to here; NULL: nothing so far */
	const char *eol, *next, *colon;
	bool named; /* the colon was looked for; at goes back from the end of the name */
};
enum mail_field_found {
	MAIL_FIELD_FOUND,
	MAIL_FIELD_NONE,
	MAIL_FIELD_UNDECIDED /* continue with the same scan */
};
enum mail_field_found mail_field_step(
    struct mail_field_scan *scan, struct str *rest, size_t *budget, struct mail_field *field_r);

/* Returns the value of the first field of that name, still folded; STR_NONE if there is none. */
struct str mail_field_find(struct str header, struct str name);

/* Returns the length of the header at the front of bytes, with the empty line. */
size_t mail_header_len(struct str bytes);

/*
 * Returns the front of a value that fits into max bytes: whole words only, and no encoded word (RFC
 * 2047) cut in two.  If its first word is too long: STR_NONE, or, for text for people, the
 * characters of it that fit.  Blanks at either end are not part of it; more than MAIL_BLANKS_MAX of
 * them count as a word.
 */
#define MAIL_BLANKS_MAX ((size_t)1 << 20)
struct str mail_field_fit(struct str value, size_t max, bool text);

/* Appends value unfolded, without NUL, and without blanks at both ends; a CR or LF that is not part
 * of a fold becomes a blank. */
void mail_unfold(struct str value, struct buf *out);

/*
 * Parameters: `type/subtype; name=value; ...`.  mail_params_read() reads them in one pass, removes
 * comments and quoting, and takes no more than max bytes: parameters that go beyond are left out
 * entirely, and cut is set.
 *
 * Pieces of a parameter (RFC 2231 section 3: name*0, name*1*, ...) are joined, at the place of the
 * first, unless one is missing, or there is also a plain name while the pieces are not extended, so
 * that nobody can say which of them counts: then they remain separate parameters.
 */
struct mail_param {
	struct str name;  /* in the extended form: followed by one star */
	struct str value; /* in the extended form: charset'language'text, percent signs unchanged */
	bool extended;    /* RFC 2231 section 4 */
};

struct mail_params {
	struct str first; /* "text/plain", "attachment"; without comments, each blank one space */
	struct mail_param *v;
	size_t n;
	bool extended; /* one of them is */
	bool cut;
	struct buf text, joined;
};

void mail_params_read(struct mail_params *p, struct str value, size_t max);
/* Reports when memory runs out (base/mem.h); parameters are then missing. */
void mail_params_try_read(struct mail_params *p, struct str value, size_t max, bool *oom);
void mail_params_fini(struct mail_params *p);

/* Returns the first of that name, preferably in the extended form; NULL if there is none. */
const struct mail_param *mail_params_find(const struct mail_params *p, struct str name);

/* Appends the value; the extended form is decoded to UTF-8. */
void mail_param_value(const struct mail_param *p, struct buf *out);

/*
 * Appends the value of one parameter in UTF-8, also decoding RFC 2047 words, which senders put
 * there against the rules.  Returns false if there is no such parameter.
 */
bool mail_param_find(struct str value, struct str name, struct buf *out);
#endif
