/* SPDX-License-Identifier: Apache-2.0 */
/* Dots and line ends: see body.h. */
#include "lmtp/body.h"

enum state {
	LINE,   /* at the start of a line */
	TEXT,   /* inside one */
	CR,     /* after a CR inside a line */
	DOT,    /* after a dot at the start of a line */
	DOT_CR, /* after that dot and a CR */
};

/* Returns the length of the text before the first CR, LF or NUL. */
static size_t
plain(struct str in)
{
	size_t i = 0;

	while (i < in.n && in.p[i] != '\r' && in.p[i] != '\n' && in.p[i] != '\0')
		i++;
	return i;
}

static void
step_text(struct lmtp_body *b, char c)
{
	if (c == '\n' && b->state == CR) {
		b->state = LINE;
		return;
	}
	if (c == '\n' || b->state == CR)
		b->stray = true;
	if (c == '\0')
		b->nul = true;
	b->state = c == '\r' ? CR : TEXT;
}

/* Passes plain text up to the start of the next line, or the end of the input. */
static size_t
pass_text(struct lmtp_body *b, struct str in)
{
	size_t i = 0;

	while (i < in.n) {
		if (b->state == TEXT)
			i += plain((struct str){in.p + i, in.n - i});
		if (i == in.n)
			break;
		step_text(b, in.p[i++]);
		if (b->state == LINE)
			break;
	}
	return i;
}

size_t
lmtp_body_next(struct lmtp_body *b, struct str in, struct str *text_r, bool *end_r)
{
	size_t n;

	*text_r = STR_NONE;
	*end_r = false;
	if (in.n == 0)
		return 0;
	if (b->state == LINE && in.p[0] == '.') {
		b->state = DOT;
		return 1;
	}
	if (b->state == DOT && in.p[0] == '\r') {
		b->state = DOT_CR;
		return 1;
	}
	if (b->state == DOT_CR && in.p[0] == '\n') {
		*end_r = true;
		return 1;
	}
	if (b->state == DOT_CR) { /* so that CR was text */
		*text_r = STR("\r");
		b->state = TEXT;
		b->stray = true;
		return 0;
	}
	if (b->state == DOT || b->state == LINE)
		b->state = TEXT;
	n = pass_text(b, in);
	*text_r = (struct str){in.p, n};
	return n;
}

void
lmtp_body_look(struct lmtp_body *b, struct str in)
{
	for (size_t i = 0; i < in.n;) {
		i += pass_text(b, (struct str){in.p + i, in.n - i});
	}
}

void
lmtp_body_close(struct lmtp_body *b)
{
	if (b->state == CR)
		b->stray = true;
}
