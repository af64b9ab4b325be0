/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAIL_LEX_INT_H
#define MAIL_LEX_INT_H
/* What the readers of structured fields share (RFC 5322 section 3.2). */
#include "base/str.h"

/* In a folded field a line end is a blank, too. */
static inline bool
lex_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static inline int
lex_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)ascii_lower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * Skips blanks and comments (nested, with quoted pairs); true when there were
 * any.  comment_r, if not NULL, gets the inside of the last comment.
 */
bool lex_skip_cfws(const char **p, const char *end, struct str *comment_r);
#endif
