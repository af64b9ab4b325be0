/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAIL_SURROGATE_H
#define MAIL_SURROGATE_H
/*
 * Headers in UTF-8 (RFC 6532) for clients that take ASCII only: surrogates as RFC 6858 has them.
 *
 * What is ASCII stays as it is, byte for byte, and so does what is not well-formed UTF-8: that is
 * no internationalized header.
 */
#include "mail/address.h"
#include "mail/fields.h"

/* Does it have to be replaced: is it UTF-8 with something beyond ASCII? */
bool mail_surrogate_needed(struct str s);

/*
 * A header, in pieces, in little memory: {0}, feed, feed … the last one, fini.  Addresses,
 * parameters and the subject become what section 2 says; other fields are left out.  A field of
 * more than MAIL_FIELD_WHOLE bytes is left out as well, or, when UTF-8 is further behind, gets "?"
 * there.
 */
struct mail_surrogate {
	struct mail_fields fields;
	bool dropped; /* the field at hand, whose front is left out */
	bool changed; /* something of the header is not as it was */
};
void mail_surrogate_feed(struct mail_surrogate *s, struct str bytes, bool last, struct buf *out);
void mail_surrogate_fini(struct mail_surrogate *s);

/* Appends text in encoded words (RFC 2047), with between between them.  Words that it has are
 * decoded first. */
void mail_surrogate_words(struct str text, const char *between, struct buf *out);
/* What an address becomes (section 2.1); its texts are put into text, which is emptied before. */
struct mail_address mail_surrogate_address(const struct mail_address *a, struct buf *text);
#endif
