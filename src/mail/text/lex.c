/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens, blanks and comments: see lex.h. */
#include "mail/text/lex.h"

/* Bits of the bytes 32 to 63 and 64 to 95 that are no part of a token: the blank, "(),/:;<=>? and
 * @[\]. */
#define SPECIALS_32 0xFC009305u
#define SPECIALS_64 0x38000001u

static bool
is_token_char(unsigned char c)
{
	if (c < 32 || c >= 127)
		return false;
	return c >= 96 || ((c < 64 ? SPECIALS_32 : SPECIALS_64) >> (c % 32) & 1) == 0;
}

bool
lex_is_token(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_token_char((unsigned char)s.p[i]))
			return false;
	return s.n > 0;
}

/* *p stands on "("; afterwards behind the matching ")", or at the end. */
static struct str
skip_comment(const char **p, const char *end)
{
	const char *from = *p + 1, *q = from;
	size_t depth = 1; /* counted without recursion: comments nest without limit */

	for (; q < end; q++) {
		if (*q == '\\' && q + 1 < end) {
			q++;
		} else if (*q == '(') {
			depth++;
		} else if (*q == ')' && --depth == 0) {
			*p = q + 1;
			return str_range(from, q);
		}
	}
	*p = end;
	return str_range(from, end);
}

bool
lex_skip_cfws(const char **p, const char *end, struct str *comment_r)
{
	const char *from = *p;

	while (*p < end) {
		if (lex_blank(**p)) {
			(*p)++;
		} else if (**p == '(') {
			struct str c = skip_comment(p, end);

			if (comment_r != NULL)
				*comment_r = c;
		} else {
			break;
		}
	}
	return *p > from;
}
