/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_CMD_ENVELOPE_H
#define WIRE_CMD_ENVELOPE_H
/*
 * Parses and prints ENVELOPE (RFC 9051 section 7.5.2).  Strings are bytes of the header as the
 * server extracted them: in IMAP4rev1 with encoded words (RFC 2047), never decoded here.
 *
 * The server prints it once, at delivery (mail/summary.h); this is for clients.
 */
#include "wire/out.h"

/* p == NULL in any field means NIL.  A group begins with host NIL and its name in mailbox, and ends
 * with both NIL. */
struct wire_address {
	struct str name, adl, mailbox, host;
};
struct wire_addresses {
	struct wire_address *v;
	size_t n; /* 0: NIL */
};

enum wire_envelope_list {
	WIRE_ENVELOPE_FROM,
	WIRE_ENVELOPE_SENDER,
	WIRE_ENVELOPE_REPLY_TO,
	WIRE_ENVELOPE_TO,
	WIRE_ENVELOPE_CC,
	WIRE_ENVELOPE_BCC,
	WIRE_ENVELOPE_LISTS
};

struct wire_envelope {
	struct str date, subject; /* p == NULL: NIL, as in the other two below */
	struct wire_addresses lists[WIRE_ENVELOPE_LISTS];
	struct str in_reply_to, message_id;
};
bool wire_in_envelope(struct wire_in *in, struct wire_envelope *e_r);
void wire_out_envelope(struct buf *b, const struct wire_dialect *d, const struct wire_envelope *e);
#endif
