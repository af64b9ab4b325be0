/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAIL_RENDER_INT_H
#define MAIL_RENDER_INT_H
/* ENVELOPE, BODY and BODYSTRUCTURE in IMAP's syntax (RFC 9051 sections 7.5.2 and 9). */
#include "mail/address.h"
#include "mail/mime_int.h"

/* The header fields that make up the envelope, and a few more. */
struct envelope {
	struct str date, subject, in_reply_to, message_id, references; /* STR_NONE if absent */
	struct mail_addresses from, sender, reply_to, to, cc, bcc;
	bool has_from, has_to, has_cc, has_bcc; /* the field exists, maybe empty */
	/* private */
	struct str rest; /* of the header */
	struct mail_field_scan scan;
	unsigned put; /* items put by render_envelope() */
};

struct render {
	struct str message;
	const struct mail_limits *limits;
	struct buf scratch;
	bool cut; /* a limit left something out */
};

/*
 * All of these work in steps, like mime_walk_step(): true when done; otherwise call again with the
 * same arguments except the budget.  If memory runs out (render.scratch.oom), the output is
 * incomplete.
 */
void envelope_begin(struct envelope *e, struct str header, bool *oom);
bool envelope_read(struct render *r, struct envelope *e, size_t *budget);
void envelope_fini(struct envelope *e);
bool render_envelope(struct render *r, struct envelope *e, size_t *budget, struct buf *out);

/* Makes both forms of the structure at once, as in IMAP4rev2 or IMAP4rev1. */
struct structure {
	struct render *r;
	const struct mime *m;
	struct buf *body;          /* BODY; parts common to both forms are written here first */
	struct buf *bodystructure; /* and copied there by share() */
	bool rev2;
	bool differs; /* the other protocol version shows something else */
	/* private */
	size_t shared; /* how far */
	uint32_t index;
	unsigned next; /* what to put next for the part */
	struct envelope envelope;
};
bool render_structure(struct structure *s, size_t *budget);
void structure_fini(struct structure *s);

/* render_param.c: puts a string without CR, LF or NUL, quoted if possible, else as a literal. */
void render_string(struct str s, struct buf *out);
/* Puts ("name" "value" ...) or NIL.  utf8: decodes values in the extended form of RFC 2231, as RFC
 * 9051 section 7.5.2 requires. */
void render_params(const struct mail_params *p, bool utf8, struct buf *out);
#endif
