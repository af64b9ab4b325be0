/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_DISK_KEYWORDS_H
#define STORE_DISK_KEYWORDS_H
/*
 * Tables of keywords, from inside: see store.h.  A table that somebody else has
 * a reference to is copied before it is changed; names are shared by copies.
 * Who changes one holds the mailbox's write lock, or is the lane with its head.
 */
#include "store/store.h"

struct keyword;

struct store_keywords {
	_Atomic unsigned refs;
	unsigned end;   /* all numbers in use are below */
	unsigned count; /* of names */
	uint64_t id;
	size_t bytes; /* of names */
	struct keyword **name;
	unsigned cap;
};

/* May a new keyword be called so?  A flag-keyword of RFC 9051: an atom. */
bool keyword_ok(struct str name);
/* What is stored, also a name that is not one: store_keywords_name() and store_keywords_find() know
 * only good ones, so nobody is told of others.  STR_NONE: the number is free. */
struct str keywords_stored(const struct store_keywords *table, unsigned flag);

struct store_keywords *keywords_new(void);
struct store_keywords *keywords_ref(struct store_keywords *table);
/* Gives the number that name, whatever it was called before.  The table gets another id. */
void keywords_put(struct store_keywords **table, unsigned flag, struct str name);
/* Takes the number's name away. */
void keywords_drop(struct store_keywords **table, unsigned flag);
/* The first number that has no name; there is one as long as there are fewer than
 * STORE_KEYWORDS_MAX. */
unsigned keywords_free_number(const struct store_keywords *table);
/* Gives it an id that `before` and those before it have not had. */
void keywords_follow(struct store_keywords **table, const struct store_keywords *before);
#endif
