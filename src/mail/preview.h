/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAIL_PREVIEW_H
#define MAIL_PREVIEW_H
/*
 * The front of what a message says, for lists of messages (RFC 8970): in UTF-8, in one line, no
 * run of blanks longer than one.
 *
 *     struct mail_preview p;
 *     mail_preview_begin(&p, &summary);
 *     while (mail_preview_wants(&p, &range))
 *             mail_preview_feed(&p, bytes from the front of that range);
 *     buf_str(out, mail_preview_text(&p));
 *     mail_preview_fini(&p);
 *
 * It is taken from the first part in text/plain or text/html that says anything and is no
 * attachment; of HTML it is what is shown (text/html.h), without the title.  Quoted lines, and the
 * line that announces them, are left out unless there is nothing else; so is what stands behind the
 * dashes of a signature.  What is encrypted has an empty preview, as has a message without text.
 *
 * The struct stays where it is from begin to fini.
 *
 * Any bytes are a message.  However large it is, no more than MAIL_PREVIEW_BYTES of it are looked
 * at, and what is found in them is the preview.
 */
#include "mail/section.h"
#include "mail/text/html.h"
#include "mail/text/text.h"

#define MAIL_PREVIEW_CHARS 200u /* RFC 8970 section 3.3 */
#define MAIL_PREVIEW_BYTES ((uint32_t)256 << 10)
#define MAIL_PREVIEW_LINE 256u

struct mail_preview_text {
	unsigned chars;
	size_t n;
	bool blank;      /* one is due before the next character */
	unsigned hidden; /* characters without a shape, at the end */
	size_t line_n;   /* up to here without the last line, */
	unsigned line_chars;
	char *p; /* room for MAIL_PREVIEW_CHARS */
};

struct mail_preview {
	struct mail_summary summary;
	uint32_t next; /* part */
	struct mail_part part;
	enum mail_preview_at {
		MAIL_PREVIEW_BETWEEN,
		MAIL_PREVIEW_HEADER,
		MAIL_PREVIEW_BODY,
		MAIL_PREVIEW_DONE
	} at;
	struct mail_range range; /* what is left of the header or body at hand */
	uint32_t left;           /* of MAIL_PREVIEW_BYTES */

	struct mail_decoder decoder;
	struct mail_conv *conv;
	struct mail_html html;
	bool is_html;
	struct buf bytes, utf8, shown, aside;

	size_t line_n; /* of `line` */
	bool begun;    /* the line's front was looked at */
	bool quote;    /* it is one */
	bool skipping; /* up to an empty line */
	bool ended;    /* nothing more is said in this part */
	struct mail_preview_text text, quoted;

	/* What stands in these is as long as the numbers above say. */
	char line[MAIL_PREVIEW_LINE]; /* the front of one, or what came of it since */
	char text_bytes[MAIL_PREVIEW_CHARS * 4], quoted_bytes[MAIL_PREVIEW_CHARS * 4];
};

/* The summary's bytes must stay until the end. */
void mail_preview_begin(struct mail_preview *p, const struct mail_summary *summary);
/* From now on it tells when memory runs out (base/mem.h); then it is good for nothing but fini().
 */
void mail_preview_tell_oom(struct mail_preview *p, bool *oom);
/* Bytes of the message that come next.  False: nothing more is needed. */
bool mail_preview_wants(struct mail_preview *p, struct mail_range *range_r);
/* At least one byte of the front of that range, at most all of it. */
void mail_preview_feed(struct mail_preview *p, struct str bytes);
/* Empty, but not NULL: there is nothing to show. */
struct str mail_preview_text(const struct mail_preview *p);
void mail_preview_fini(struct mail_preview *p);
#endif
