/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAIL_SURROGATE_H
#define MAIL_SURROGATE_H
/*
 * Headers in UTF-8 (RFC 6532) for clients that only accept ASCII: surrogates as in RFC 6858.
 *
 * ASCII stays as it is, byte for byte, and so does what is not well-formed UTF-8, since that is not
 * an internationalized header.
 */
#include "mail/address.h"
#include "mail/fields.h"

/* Returns whether it must be replaced: it is UTF-8 with characters beyond ASCII. */
bool mail_surrogate_needed(struct str s);

/*
 * A header in pieces, in little memory: {0}, feed, feed … the last one, fini.  Addresses,
 * parameters and the subject become what section 2 says; other fields are left out.  A field of
 * more than MAIL_FIELD_WHOLE bytes is left out as well, or, if UTF-8 comes later in it, gets "?"
 * there.
 */
struct mail_surrogate {
	struct mail_fields fields;
	bool dropped; /* the current field's front was left out */
	bool changed; /* something in the header was changed */
};
void mail_surrogate_feed(struct mail_surrogate *s, struct str bytes, bool last, struct buf *out);
void mail_surrogate_fini(struct mail_surrogate *s);

/* Appends text in encoded words (RFC 2047), separated by between.  Decodes words that it has
 * first. */
void mail_surrogate_words(struct str text, const char *between, struct buf *out);
/* Returns what an address becomes (section 2.1); empties text, then puts its texts there. */
struct mail_address mail_surrogate_address(const struct mail_address *a, struct buf *text);
#endif
