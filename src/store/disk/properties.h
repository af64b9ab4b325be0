/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_DISK_PROPERTIES_H
#define STORE_DISK_PROPERTIES_H
/*
 * Tables of properties, from inside: see store.h.  A table never changes: a
 * change makes another one, in which all properties but a few are the same
 * ones, counted by reference.  No table at all is an empty one.
 */
#include "store/disk/keys.h"
#include "store/store.h"

struct property;

struct store_properties {
	_Atomic unsigned refs;
	size_t count;
	size_t bytes;          /* of names and values */
	struct property **one; /* in the order of names */
};

struct store_properties *properties_ref(struct store_properties *table);
/* Another table, with one more, or with another value of one; takes the table, and gives the new
 * one. */
void properties_put(struct store_properties **table, struct str name, struct str value);
/* The same without one. */
void properties_remove(struct store_properties **table, struct str name);
/* For whoever reads them from disk in order and knows the only reference: adds the last one.
 * False: its name is not above the one before. */
bool properties_add(struct store_properties **table, struct str name, struct str value);
/* Bytes of memory, as malloc gives it. */
size_t properties_cost(const struct store_properties *table);

/* The row's key; mailbox 0: the account's. */
void property_key(struct key *k, uint64_t account, uint32_t mailbox, struct str name);
#endif
