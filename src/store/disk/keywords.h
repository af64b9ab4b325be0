/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_DISK_KEYWORDS_H
#define STORE_DISK_KEYWORDS_H
/*
 * Tables of keywords, internals; see store.h.  A table with other references is
 * copied before it is changed; copies share the names.  To change one, hold the
 * mailbox's write lock, or be the lane with its head.
 */
#include "store/store.h"

struct keyword;

struct store_keywords {
	_Atomic unsigned refs;
	unsigned end;   /* above all numbers in use */
	unsigned count; /* of names */
	uint64_t id;
	size_t bytes; /* of names */
	struct keyword **name;
	unsigned cap;
};

/* Returns whether the name is valid for a new keyword: a flag-keyword of RFC 9051, which is an
 * atom. */
bool keyword_ok(struct str name);
/* Returns the stored name even if it is invalid; STR_NONE: the number is free.
 * store_keywords_name() and store_keywords_find() know valid names only, so nobody else is shown
 * invalid ones. */
struct str keywords_stored(const struct store_keywords *table, unsigned flag);

struct store_keywords *keywords_new(void);
struct store_keywords *keywords_ref(struct store_keywords *table);
/* Gives the number this name, replacing its old one.  The table gets a new id. */
void keywords_put(struct store_keywords **table, unsigned flag, struct str name);
/* Removes the number's name. */
void keywords_drop(struct store_keywords **table, unsigned flag);
/* Returns the first number without a name.  There is one as long as fewer than STORE_KEYWORDS_MAX
 * are in use. */
unsigned keywords_free_number(const struct store_keywords *table);
/* Gives the table an id that `before` and its predecessors never had. */
void keywords_follow(struct store_keywords **table, const struct store_keywords *before);
#endif
