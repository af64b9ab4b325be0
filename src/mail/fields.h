/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAIL_FIELDS_H
#define MAIL_FIELDS_H
/*
 * Splits a header that comes in pieces into fields, in little memory, however long it is:
 *
 *     struct mail_fields f = {0};
 *     struct mail_fields_piece p;
 *     mail_fields_feed(&f, bytes, last);               again and again
 *     while (mail_fields_next(&f, &p))
 *             ...
 *     mail_fields_fini(&f);
 *
 * The fields are those that mail_field_next() finds in the whole.  A field of up to
 * MAIL_FIELD_WHOLE bytes comes in one piece; of a longer one the front comes first, then more of
 * it.  A colon must be found within that many bytes, else the field has no name.
 */
#include "mail/header.h"

#define MAIL_FIELD_WHOLE 65536u

struct mail_fields {     /* with {.held.oom = &flag} it reports when memory runs out (base/mem.h) */
	struct buf held; /* the front of a field whose end has not come */
	struct str rest; /* not looked at yet; in held, or in what was fed */
	bool last, within, at_line, ended;
};

struct mail_fields_piece {
	struct mail_field field; /* of this piece; only the first has the name */
	bool first, last;        /* of the field */
	bool blank;              /* not a field but the line that ends the header, in field.all */
};

/* bytes must stay until mail_fields_next() has returned false.  last: nothing follows. */
void mail_fields_feed(struct mail_fields *f, struct str bytes, bool last);
bool mail_fields_next(struct mail_fields *f, struct mail_fields_piece *piece_r);
void mail_fields_fini(struct mail_fields *f);

/* Names of fields, case-insensitive; looked up in a time that hardly depends on their number. */
struct mail_names {
	const struct str *v; /* sorted */
	size_t n;
	uint64_t bits;
};

/* Sorts v, which must stay. */
void mail_names_init(struct mail_names *names, struct str *v, size_t n);
/* Returns the index in v, or names->n if there is none. */
size_t mail_names_find(const struct mail_names *names, struct str name);

/*
 * BODY[HEADER.FIELDS (...)] and .NOT (RFC 9051 section 6.4.5.1): selects from a header in pieces
 * the fields whose name is (not) among names, unchanged, and the empty line if there is one.
 */
struct mail_choice {
	const struct mail_names *names;
	bool not, chosen;
	struct mail_fields fields;
};

/* Appends what is selected, as far as that can be decided yet. */
void mail_choose(struct mail_choice *c, struct str bytes, bool last, struct buf *out);
void mail_choice_fini(struct mail_choice *c);
#endif
