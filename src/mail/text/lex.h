/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAIL_TEXT_LEX_H
#define MAIL_TEXT_LEX_H
/* Shared by readers of structured fields (RFC 5322 section 3.2). */
#include "base/ascii.h"
#include "base/buf.h"
#include "base/str.h"

/* In a folded field a line end is a blank too. */
static inline bool
lex_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static inline int
lex_hex(char c)
{
	return ascii_hex((char)ascii_lower((unsigned char)c));
}

/*
 * Returns what the byte at p is in the text of a field: '\0' if nothing.  The line end of a fold
 * vanishes, since a blank follows (RFC 5322 section 2.2.3); any other CR or LF is a blank; NUL is
 * nothing.
 */
static inline char
lex_unfolded(const char *p, const char *end)
{
	if (*p == '\r')
		return end - p > 1 && p[1] == '\n' ? '\0' : ' ';
	if (*p == '\n')
		return end - p < 2 || p[1] == ' ' || p[1] == '\t' ? '\0' : ' ';
	return *p;
}

static inline void
lex_put_unfolded(const char *p, const char *end, struct buf *out)
{
	char c = lex_unfolded(p, end);

	if (c != '\0')
		buf_putc(out, c);
}

/* Returns the first word of a text without comments; ignores what follows. */
static inline struct str
lex_first_word(struct str s)
{
	size_t n = 0;

	s = str_trim(s);
	while (n < s.n && !lex_blank(s.p[n]) && s.p[n] != ',')
		n++;
	s.n = n;
	return s;
}

/* Is it a token (RFC 2045 section 5.1)? */
bool lex_is_token(struct str s);
/*
 * Skips blanks and comments (nested, with quoted pairs); returns whether there
 * were any.  comment_r, if not NULL, gets the inside of the last comment.
 */
bool lex_skip_cfws(const char **p, const char *end, struct str *comment_r);
#endif
