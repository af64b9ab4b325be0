/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_VIEWS_WORDS_H
#define TEST_VIEWS_WORDS_H
/*
 * A client's own parser for a server's output: it shares nothing with the server, so that a
 * printer's bug is not hidden by the same bug in a parser.
 */
#include "base/buf.h"

struct words {
	const char *p, *end;
	bool bad; /* something unexpected came */
};

struct numbers {
	uint32_t *v;
	size_t n, cap;
};

struct words words_of(struct str s);
/* Skips the text if it comes next, case-insensitively. */
bool words_skip(struct words *w, const char *text);
uint32_t words_number(struct words *w);
uint64_t words_number64(struct words *w);
/* Up to a space, a parenthesis or the end; includes brackets with everything in them. */
struct str words_atom(struct words *w);
/* A quoted string or a literal, not unquoted; NIL is empty. */
struct str words_string(struct words *w);
/* A parenthesized list, unparsed; or a string, or an atom. */
struct str words_value(struct words *w);

/* The length of the first response, with literals and CRLF; 0: incomplete. */
size_t words_response(struct str bytes);

void numbers_add(struct numbers *to, uint32_t n);
void numbers_fini(struct numbers *numbers);
bool numbers_has(const struct numbers *numbers, uint32_t n);
/* Expands "1:3,7", in the given order; false: not a set, or more than a hundred thousand
 * numbers. */
bool numbers_read(struct numbers *to, struct str set);
/* The reverse; neighbours become ranges. */
void numbers_print(const struct numbers *numbers, struct buf *out);
#endif
