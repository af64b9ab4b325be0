/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_VIEWS_WORDS_H
#define TEST_VIEWS_WORDS_H
/*
 * Reading what a server says, by a client of its own: nothing here is shared with the server, so
 * that a fault of its printers is not read back by the same fault.
 */
#include "base/buf.h"

struct words {
	const char *p, *end;
	bool bad; /* something else came than was asked for */
};

struct numbers {
	uint32_t *v;
	size_t n, cap;
};

struct words words_of(struct str s);
/* Skips the text if it comes next, letters without case. */
bool words_skip(struct words *w, const char *text);
uint32_t words_number(struct words *w);
/* Up to a blank, a parenthesis or the end; brackets belong to it with all that is in them. */
struct str words_atom(struct words *w);
/* Quoted or a literal, without unquoting; NIL is empty. */
struct str words_string(struct words *w);
/* A parenthesised list as it stands, or a string, or an atom. */
struct str words_value(struct words *w);

/* How many bytes the first response has, with literals and CRLF; 0: not all of it is there. */
size_t words_response(struct str bytes);

void numbers_add(struct numbers *to, uint32_t n);
void numbers_fini(struct numbers *numbers);
bool numbers_has(const struct numbers *numbers, uint32_t n);
/* "1:3,7" in full, in the order in which they stand; false: it is no set, or has more than a
 * hundred thousand. */
bool numbers_read(struct numbers *to, struct str set);
/* The same way round; neighbours become ranges. */
void numbers_print(const struct numbers *numbers, struct buf *out);
#endif
