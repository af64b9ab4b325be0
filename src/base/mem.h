/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_MEM_H
#define BASE_MEM_H
/*
 * Heap memory that never comes back NULL: out of memory aborts.  A peer
 * cannot cause it, because limits on what a peer may send come first.
 */
#include <stddef.h>

void *mem_zalloc(size_t size) __attribute__((returns_nonnull, malloc));
/* Like realloc; what is new is not zeroed. */
void *mem_realloc(void *p, size_t size) __attribute__((returns_nonnull));
void *mem_dup(const void *p, size_t n) __attribute__((returns_nonnull));
char *mem_strdup(const char *s) __attribute__((returns_nonnull));
void mem_free(void *p);
/* What malloc takes for a block of so many bytes, as glibc does. */
static inline size_t
mem_cost(size_t size)
{
	size_t whole = (size + 8 + 15) & ~(size_t)15;

	return whole < 32 ? 32 : whole;
}
/* Overwrites with zeroes in a way that the compiler keeps. */
void mem_wipe(void *p, size_t n);
#endif
