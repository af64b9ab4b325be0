/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_MATCH_H
#define STORE_MATCH_H
/*
 * LIST patterns (RFC 9051 section 6.3.9): '*' stands for any bytes, '%' for any without the
 * separator.  INBOX at the first level matches without case (section 5.1).
 *
 *	struct store_pattern_text text = {0};
 *	store_pattern_add(&text, reference);           // what a pattern is put together of
 *	store_pattern_add(&text, pattern);
 *	if (store_pattern_make(&text, arena, &p))      // false: it matches nothing
 *		store_pattern_match(&p, name, NULL);
 *
 * A run of wildcards is as good as one of them, and a pattern with more bytes to be found than a
 * name may have matches nothing, so a pattern comes to STORE_PATTERN_MAX bytes at most whatever was
 * sent.  All its places are followed through the name at once, 64 in a word: a match costs at most
 *a step for each byte of the name and each word of the pattern, and there is no way back.
 */
#include "base/arena.h"
#include "base/str.h"
#include "store/store.h"

#define STORE_PATTERN_MAX (2 * STORE_NAME_MAX + 1)

struct store_pattern_text {
	char p[STORE_PATTERN_MAX];
	size_t n, literal; /* literal: bytes of it that are no wildcards */
	bool never;        /* longer than any name */
};

struct store_pattern {
	struct str text;
	bool exact;       /* no wildcards: it is a name, INBOX in capitals */
	struct str fixed; /* what each name that matches begins with, but for the case of INBOX */
	size_t literal, words;
	struct str bytes;           /* the different bytes of its text */
	const uint64_t *rows;       /* words for each of them: the places where it stands */
	const uint64_t *any, *wild; /* the places of '*'; of '*' and '%' */
};

void store_pattern_add(struct store_pattern_text *text, struct str more);
bool store_pattern_make(
    const struct store_pattern_text *text, struct arena *arena, struct store_pattern *pattern_r);
/* steps may be NULL: what it took is added. */
bool store_pattern_match(const struct store_pattern *pattern, struct str name, uint64_t *steps);
/* "INBOX" instead of the first bytes, as far as they are those of INBOX in any case. */
void store_pattern_inbox(struct str text, char *copy);

/* All in one, for a pattern that is used once. */
bool store_match(struct str pattern, struct str name);
#endif
