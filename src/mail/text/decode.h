/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAIL_TEXT_DECODE_H
#define MAIL_TEXT_DECODE_H
/*
 * Decodes Content-Transfer-Encoding (RFC 2045 section 6) piece by piece.  A
 * decoder is a plain value without memory of its own; copying it copies its
 * state.
 */
#include "base/buf.h"
#include "base/str.h"

enum mail_encoding {
	MAIL_ENCODING_7BIT, /* also if none is given */
	MAIL_ENCODING_8BIT,
	MAIL_ENCODING_BINARY,
	MAIL_ENCODING_QP,
	MAIL_ENCODING_BASE64,
	MAIL_ENCODING_UNKNOWN /* for [UNKNOWN-CTE]; bytes pass unchanged */
};

/*
 * Returns the word of a Content-Transfer-Encoding that names it: the first one, ignoring comments;
 * of a quoted string the inside.  Empty if there is none.  All code that reads the field uses this.
 */
struct str mail_encoding_word(struct str value);
/* Returns what that word means; MAIL_ENCODING_7BIT if there is none. */
enum mail_encoding mail_encoding_of(struct str value);

struct mail_decoder {
	enum mail_encoding encoding;
	bool junk;   /* something was invalid, and was skipped or kept as it was */
	bool ended;  /* base64: padding has been seen */
	uint8_t got; /* base64: sextets waiting; qp: bytes in held */
	uint32_t bits;
	char held[128];
};

void mail_decoder_init(struct mail_decoder *d, enum mail_encoding encoding);
/* Appends the decoded form of in.  last: nothing follows. */
void mail_decode(struct mail_decoder *d, struct str in, bool last, struct buf *out);

/* Returns how many bytes body decodes to (BINARY.SIZE), without keeping them.  junk_r may be
 * NULL. */
uint64_t mail_decoded_size(enum mail_encoding encoding, struct str body, bool *junk_r);
#endif
