/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_MATCH_H
#define STORE_MATCH_H
/*
 * LIST patterns (RFC 9051 section 6.3.9): '*' matches any bytes, '%' any bytes but the separator.
 * INBOX at the first level matches case-insensitively (section 5.1).
 *
 *	struct store_pattern_text text = {0};
 *	store_pattern_add(&text, reference);           // the parts of a pattern
 *	store_pattern_add(&text, pattern);
 *	if (store_pattern_make(&text, arena, &p))      // false: matches nothing
 *		store_pattern_match(&p, name, NULL);
 *
 * A run of wildcards equals a single one, and a pattern with more literal bytes than a name may
 * have matches nothing, so a pattern takes at most STORE_PATTERN_MAX bytes whatever was sent.  A
 * match follows all places of the pattern through the name at once, 64 in a word: it costs at most
 * a step for each byte of the name and each word of the pattern, without backtracking.
 */
#include "base/arena.h"
#include "base/str.h"
#include "store/store.h"

#define STORE_PATTERN_MAX (2 * STORE_NAME_MAX + 1)

struct store_pattern_text {
	char p[STORE_PATTERN_MAX];
	size_t n, literal; /* literal: bytes that are not wildcards */
	bool never;        /* longer than any name */
};

struct store_pattern {
	struct str text;
	bool exact;       /* no wildcards: a name, with INBOX in capitals */
	struct str fixed; /* prefix of every name that matches, apart from the case of INBOX */
	size_t literal, words;
	struct str bytes;           /* the distinct bytes of its text */
	const uint64_t *rows;       /* for each byte, the places where it stands: `words` words */
	const uint64_t *any, *wild; /* the places of '*', and of '*' and '%' */
};

void store_pattern_add(struct store_pattern_text *text, struct str more);
bool store_pattern_make(
    const struct store_pattern_text *text, struct arena *arena, struct store_pattern *pattern_r);
/* Adds the steps taken to *steps, which may be NULL. */
bool store_pattern_match(const struct store_pattern *pattern, struct str name, uint64_t *steps);
/* Writes "INBOX" over as much of the copy's start as equals INBOX in any case. */
void store_pattern_inbox(struct str text, char *copy);

/* Does all of the above, for a pattern used once. */
bool store_match(struct str pattern, struct str name);
#endif
