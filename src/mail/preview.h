/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAIL_PREVIEW_H
#define MAIL_PREVIEW_H
/*
 * The beginning of a message's text, for lists of messages (RFC 8970): in UTF-8, in one line, with
 * single blanks only.
 *
 *     struct mail_preview p;
 *     mail_preview_begin(&p, &summary);
 *     while (mail_preview_wants(&p, &range))
 *             mail_preview_feed(&p, bytes from the front of that range);
 *     buf_str(out, mail_preview_text(&p));
 *     mail_preview_fini(&p);
 *
 * It is taken from the first text/plain or text/html part that says anything and is not an
 * attachment; for HTML it is what is shown (text/html.h), without the title.  Quoted lines, and the
 * line that announces them, are left out unless there is nothing else; so is what follows the
 * dashes of a signature.  Encrypted messages and messages without text have an empty preview.
 *
 * The struct must not move from begin to fini.
 *
 * Any bytes are a message.  However large it is, at most MAIL_PREVIEW_BYTES of it are read, and
 * what is found in them is the preview.
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
	bool blank;      /* a blank is due before the next character */
	unsigned hidden; /* characters without a shape, at the end */
	size_t line_n;   /* up to here without the last line */
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
	struct mail_range range; /* what is left of the current header or body */
	uint32_t left;           /* of MAIL_PREVIEW_BYTES */

	struct mail_decoder decoder;
	struct mail_conv *conv;
	struct mail_html html;
	bool is_html;
	struct buf bytes, utf8, shown, aside;

	size_t line_n; /* of `line` */
	bool begun;    /* the line's front was looked at */
	bool quote;    /* the line is quoted */
	bool skipping; /* until an empty line */
	bool ended;    /* nothing more of this part is used */
	struct mail_preview_text text, quoted;

	/* What these hold is as long as the numbers above say. */
	char line[MAIL_PREVIEW_LINE]; /* the front of a line, or what has become of it */
	char text_bytes[MAIL_PREVIEW_CHARS * 4], quoted_bytes[MAIL_PREVIEW_CHARS * 4];
};

/* The summary's bytes must stay until the end. */
void mail_preview_begin(struct mail_preview *p, const struct mail_summary *summary);
/* Makes it report when memory runs out (base/mem.h); then only fini() may be called. */
void mail_preview_tell_oom(struct mail_preview *p, bool *oom);
/* Gets the next bytes of the message that are needed.  Returns false if none are. */
bool mail_preview_wants(struct mail_preview *p, struct mail_range *range_r);
/* Feed at least one byte of the front of that range, at most all of it. */
void mail_preview_feed(struct mail_preview *p, struct str bytes);
/* Empty, but not NULL: there is nothing to show. */
struct str mail_preview_text(const struct mail_preview *p);
void mail_preview_fini(struct mail_preview *p);
#endif
