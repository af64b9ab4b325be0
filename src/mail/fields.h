/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAIL_FIELDS_H
#define MAIL_FIELDS_H
/*
 * A header that comes in pieces, field by field, in little memory, however long it is:
 *
 *     struct mail_fields f = {0};
 *     struct mail_fields_piece p;
 *     mail_fields_feed(&f, bytes, last);               again and again
 *     while (mail_fields_next(&f, &p))
 *             ...
 *     mail_fields_fini(&f);
 *
 * Fields are what mail_field_next() makes of the whole.  One of up to MAIL_FIELD_WHOLE
 * bytes comes in one piece; of a longer one the front comes first, then more of it.
 * That its first line has a colon is seen in so many bytes; else it has no name.
 */
#include "mail/header.h"

#define MAIL_FIELD_WHOLE 65536u

struct mail_fields {     /* {.held.oom = &flag} tells when memory runs out (base/mem.h) */
	struct buf held; /* the front of a field whose end has not come */
	struct str rest; /* what has not been looked at; in held, or what was fed */
	bool last, within, at_line, ended;
};

struct mail_fields_piece {
	struct mail_field field; /* of this piece; the name is there in the first one only */
	bool first, last;        /* of the field */
	bool blank;              /* no field but the line that ends the header, in field.all */
};

/* bytes must stay until mail_fields_next() has given false.  last: nothing is behind them. */
void mail_fields_feed(struct mail_fields *f, struct str bytes, bool last);
bool mail_fields_next(struct mail_fields *f, struct mail_fields_piece *piece_r);
void mail_fields_fini(struct mail_fields *f);

/* Names of fields, without regard to case, found in a time that hardly depends on their number. */
struct mail_names {
	const struct str *v; /* sorted */
	size_t n;
	uint64_t bits;
};

/* Sorts v, which must stay. */
void mail_names_init(struct mail_names *names, struct str *v, size_t n);
/* Where in v, or names->n: it is none of them. */
size_t mail_names_find(const struct mail_names *names, struct str name);

/*
 * BODY[HEADER.FIELDS (...)] and .NOT (RFC 9051 section 6.4.5.1): of a header that comes in
 * pieces the fields whose name is (not) among names, as they are, and the empty line if
 * there is one.
 */
struct mail_choice {
	const struct mail_names *names;
	bool not, chosen;
	struct mail_fields fields;
};

/* Appends what is chosen of the bytes, as far as that can be told yet. */
void mail_choose(struct mail_choice *c, struct str bytes, bool last, struct buf *out);
void mail_choice_fini(struct mail_choice *c);
#endif
