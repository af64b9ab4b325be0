/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LMTP_BODY_H
#define LMTP_BODY_H
/*
 * A message's text behind DATA, a piece at a time: RFC 5321 section 4.5.2.
 *
 * Only CRLF "." CRLF ends it (section 2.3.8 and 4.1.1.4): a dot between bare
 * CRs or LFs is text, so that nothing a message holds can be taken for the
 * commands behind it.  A dot at the beginning of a line is taken off.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct lmtp_body { /* {0} is the beginning: behind the CRLF of DATA */
	unsigned state;
	bool stray; /* a CR or LF that was not of a CRLF came by */
	bool nul;
};

/*
 * Looks at the next bytes.  Returns how many were used; *text_r is what of the
 * message they hold (points into in, or at constant bytes; may be empty).
 * *end_r: the message is complete, and the rest of in is not its.  Call again with
 * the rest until all is used; when none was used there was text.
 */
size_t lmtp_body_next(struct lmtp_body *body, struct str in, struct str *text_r, bool *end_r);
/* For BDAT, which has lengths: notes strays and NULs only. */
void lmtp_body_look(struct lmtp_body *body, struct str in);
/* At the end of all chunks: a last CR is a stray one. */
void lmtp_body_close(struct lmtp_body *body);
#endif
