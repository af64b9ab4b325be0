/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_MEM_H
#define BASE_MEM_H
/*
 * Heap memory that is never NULL: out of memory aborts.  A peer cannot cause that, because limits
 * on what a peer may send apply first.
 *
 * A library must not abort its host.  So base, wire, mail and sasl allocate with mem_try_*(): a
 * caller who wants to be told passes a flag, `bool *oom`.  When memory runs out the flag is set and
 * stays set; what was being made is incomplete and can only be freed.  The flag belongs to the
 * caller, may serve many objects of one thread, and must outlive them all.  NULL, which the server
 * passes, aborts.
 *
 *	bool oom = false;
 *	struct buf out = {.oom = &oom};
 *	... any calls that write to out, and make buffers of their own like it ...
 *	if (oom)
 *		free what there is, report it
 */
#include <stdbool.h>
#include <stddef.h>

void *mem_zalloc(size_t size) __attribute__((returns_nonnull, malloc));
/* Like realloc; new bytes are not zeroed. */
void *mem_realloc(void *p, size_t size) __attribute__((returns_nonnull));
void *mem_dup(const void *p, size_t n) __attribute__((returns_nonnull));
char *mem_strdup(const char *s) __attribute__((returns_nonnull));
void mem_free(void *p);
/* Same, but returns NULL and sets *oom if there is no memory and oom is not NULL. */
void *mem_try_zalloc(size_t size, bool *oom) __attribute__((malloc));
/* p is unchanged if this returns NULL. */
void *mem_try_realloc(void *p, size_t size, bool *oom);
/* Returns what malloc uses for a block of that size, assuming glibc. */
static inline size_t
mem_cost(size_t size)
{
	size_t whole = (size + 8 + 15) & ~(size_t)15;

	return whole < 32 ? 32 : whole;
}
/* Overwrites with zeros in a way that the compiler keeps. */
void mem_wipe(void *p, size_t n);
/* For libraries that accept replacements for free() and realloc(), since their secrets are in
 * memory from malloc(): wipes whatever is released.  NULL: no memory. */
void mem_wipe_free(void *p);
void *mem_wipe_realloc(void *p, size_t n);
#endif
