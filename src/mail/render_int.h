/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAIL_RENDER_INT_H
#define MAIL_RENDER_INT_H
/* ENVELOPE, BODY and BODYSTRUCTURE in the syntax of IMAP (RFC 9051 7.5.2 and 9). */
#include "mail/address.h"
#include "mail/mime_int.h"

/* The fields of a message's header that make its envelope, and a few more. */
struct envelope {
	struct str date, subject, in_reply_to, message_id, references; /* STR_NONE when absent */
	struct mail_addresses from, sender, reply_to, to, cc, bcc;
	bool has_from, has_to, has_cc, has_bcc; /* the field is there, maybe empty */
};

struct render {
	struct str message;
	const struct mail_limits *limits;
	struct buf scratch;
	bool cut; /* a limit left something out */
};

void envelope_read(struct render *r, struct str header, struct envelope *e);
void envelope_fini(struct envelope *e);
void render_envelope(struct render *r, const struct envelope *e, struct buf *out);
/* Both forms of the structure in one go, as IMAP4rev2 or IMAP4rev1 has them.  True when the
 * other one would be different. */
bool render_structure(
    struct render *r, const struct mime *m, bool rev2, struct buf *body, struct buf *bodystructure);

/* render_param.c: a string without CR, LF or NUL, quoted if it can be, else a literal. */
void render_string(struct str s, struct buf *out);
/* ("name" "value" ...) or NIL.  utf8: those in the extended form of RFC 2231 decoded, as RFC 9051
 * 7.5.2 wants them. */
void render_params(const struct mail_params *p, bool utf8, struct buf *out);
#endif
