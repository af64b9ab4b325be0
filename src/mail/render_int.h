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
	/* private */
	struct str rest; /* of the header */
	struct mail_field_scan scan;
	unsigned put; /* items that render_envelope() has put */
};

struct render {
	struct str message;
	const struct mail_limits *limits;
	struct buf scratch;
	bool cut; /* a limit left something out */
};

/*
 * All of these go in steps, as mime_walk_step() does: true when they are done, and to be called
 * again, with the same of all but the budget, when they are not.  When memory runs out
 * (render.scratch.oom) what they put lacks something.
 */
void envelope_begin(struct envelope *e, struct str header, bool *oom);
bool envelope_read(struct render *r, struct envelope *e, size_t *budget);
void envelope_fini(struct envelope *e);
bool render_envelope(struct render *r, struct envelope *e, size_t *budget, struct buf *out);

/* Both forms of the structure in one go, as IMAP4rev2 or IMAP4rev1 has them. */
struct structure {
	struct render *r;
	const struct mime *m;
	struct buf *body;          /* BODY; what both forms share is written here first */
	struct buf *bodystructure; /* and copied there by share() */
	bool rev2;
	bool differs; /* the other version of the protocol shows something else */
	/* private */
	size_t shared; /* how far */
	uint32_t index;
	unsigned next; /* what of the part is put next */
	struct envelope envelope;
};
bool render_structure(struct structure *s, size_t *budget);
void structure_fini(struct structure *s);

/* render_param.c: a string without CR, LF or NUL, quoted if it can be, else a literal. */
void render_string(struct str s, struct buf *out);
/* ("name" "value" ...) or NIL.  utf8: those in the extended form of RFC 2231 decoded, as RFC 9051
 * 7.5.2 wants them. */
void render_params(const struct mail_params *p, bool utf8, struct buf *out);
#endif
