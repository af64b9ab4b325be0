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

/* The value of the first field of that name, unfolding is left to the caller; STR_NONE if none. */
struct str mail_field_find(struct str header, struct str name);

/* Length of the header at the front of bytes, with the empty line. */
size_t mail_header_len(struct str bytes);

/* Appends value without CR, LF and NUL, and without blanks at both ends; at most max bytes of it.
 */
void mail_unfold(struct str value, size_t max, struct buf *out);

/*
 * Parameters: `type/subtype; name=value; ...`.  mail_params_init() takes what
 * stands before the first semicolon; each mail_param_next() gives the next
 * parameter with its raw name, comments and quoting removed.  name and value
 * live until the next call; mail_params_fini() at the end.
 */
struct mail_params {
	struct str rest;
	struct str first; /* "text/plain", "attachment"; comments and blanks removed */
	struct buf text;
	struct buf head;
};

void mail_params_init(struct mail_params *p, struct str value);
bool mail_param_next(struct mail_params *p, struct str *name_r, struct str *value_r);
void mail_params_fini(struct mail_params *p);

/*
 * Appends the value of one parameter in UTF-8: RFC 2231 continuations joined
 * and charsets converted, RFC 2047 words decoded where a sender put them
 * against the rules.  False when there is no such parameter.
 */
bool mail_param_find(struct str value, struct str name, struct buf *out);

/*
 * RFC 2231 alone: the pieces of the parameter `name` (name*, name*0, name*1*, ...) as one
 * value.  *extended_r: some piece was in the extended form, and the value is UTF-8.  False,
 * and nothing appended: there are none, one is missing, or the plain name stands beside
 * pieces that are not extended, so that nobody can say which of them counts.
 */
bool mail_param_join(struct str value, struct str name, struct buf *out, bool *extended_r);
#endif
