/* SPDX-License-Identifier: Apache-2.0 */
/* Blanks and comments: see lex.h. */
#include "mail/text/lex.h"

/* *p stands on "("; afterwards behind the matching ")", or at the end. */
static struct str
skip_comment(const char **p, const char *end)
{
	const char *from = *p + 1, *q = from;
	size_t depth = 1; /* counted, not recursed into: comments nest without limit */

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
