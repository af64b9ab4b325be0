/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LMTP_BODY_H
#define LMTP_BODY_H
/*
 * A message's text after DATA, a piece at a time: RFC 5321 section 4.5.2.
 *
 * Only CRLF "."  CRLF ends it (sections 2.3.8 and 4.1.1.4): a dot between bare
 * CRs or LFs is text, so that no part of a message can pass for commands after
 * it.  A dot at the start of a line is removed.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct lmtp_body { /* {0} is the start: after the CRLF of DATA */
	unsigned state;
	bool stray; /* a CR or LF outside a CRLF was seen */
	bool nul;
};

/*
 * Processes the next bytes.  Returns how many were used; *text_r is the part of the message in them
 * (points into in, or at constant bytes; may be empty).  *end_r: the message is complete, and the
 * rest of in is not part of it.  Call again with the rest until all is used; if none was used there
 * was text.
 */
size_t lmtp_body_next(struct lmtp_body *body, struct str in, struct str *text_r, bool *end_r);
/* For BDAT, which has lengths: only notes strays and NULs. */
void lmtp_body_look(struct lmtp_body *body, struct str in);
/* Call after the last chunk: a CR at the end is a stray one. */
void lmtp_body_close(struct lmtp_body *body);
#endif
