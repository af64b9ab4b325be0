/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_DISK_PROPERTIES_H
#define STORE_DISK_PROPERTIES_H
/*
 * Tables of properties, internals; see store.h.  A table is immutable: a change
 * makes a new one, which shares the unchanged properties by reference counts.
 * NULL is an empty table.
 */
#include "store/disk/keys.h"
#include "store/store.h"

struct property;

struct store_properties {
	_Atomic unsigned refs;
	size_t count;
	size_t bytes;          /* of names and values, but for a mailbox's object id */
	struct property **one; /* in order of names */
};

struct store_properties *properties_ref(struct store_properties *table);
/* Replaces the table by one in which `name` has this value, new or not. */
void properties_put(struct store_properties **table, struct str name, struct str value);
/* Replaces the table by one without `name`. */
void properties_remove(struct store_properties **table, struct str name);
/* For readers that take properties from disk in order and have the only reference: appends one.
 * Returns false if its name is not above the previous one. */
bool properties_add(struct store_properties **table, struct str name, struct str value);
/* Returns the bytes of memory it takes, as malloc hands them out. */
size_t properties_cost(const struct store_properties *table);

/* Makes the row's key; mailbox 0: the account itself. */
void property_key(struct key *k, uint64_t account, uint32_t mailbox, struct str name);
#endif
