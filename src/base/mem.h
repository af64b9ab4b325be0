/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_MEM_H
#define BASE_MEM_H
/*
 * Heap memory that never comes back NULL: out of memory aborts.  A peer
 * cannot cause it, because limits on what a peer may send come first.
 *
 * A library must not abort its host.  So base, wire, mail and sasl allocate
 * with mem_try_*(): whoever wants to be told hands them a flag, `bool *oom`.
 * When memory runs out the flag is set, and stays set; what was being made is
 * incomplete and good for nothing but being freed.  The flag belongs to the
 * caller, may serve many objects of one thread, and outlives them all.  NULL,
 * which is what the server gives, aborts as before.
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
/* Like realloc; what is new is not zeroed. */
void *mem_realloc(void *p, size_t size) __attribute__((returns_nonnull));
void *mem_dup(const void *p, size_t n) __attribute__((returns_nonnull));
char *mem_strdup(const char *s) __attribute__((returns_nonnull));
void mem_free(void *p);
/* The same; NULL, and *oom set, when there is no memory and oom is not NULL. */
void *mem_try_zalloc(size_t size, bool *oom) __attribute__((malloc));
/* p is as it was when this gives NULL. */
void *mem_try_realloc(void *p, size_t size, bool *oom);
/* What malloc takes for a block of so many bytes, as glibc does. */
static inline size_t
mem_cost(size_t size)
{
	size_t whole = (size + 8 + 15) & ~(size_t)15;

	return whole < 32 ? 32 : whole;
}
/* Overwrites with zeroes in a way that the compiler keeps. */
void mem_wipe(void *p, size_t n);
/* For libraries that take such functions in place of free() and realloc(), as their secrets lie in
 * what malloc() gave them: nothing is given back without being wiped.  NULL: no memory. */
void mem_wipe_free(void *p);
void *mem_wipe_realloc(void *p, size_t n);
#endif
