/* SPDX-License-Identifier: Apache-2.0 */
/* Heap memory: see mem.h. */
#include "base/mem.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

enum { SMALL = 1032 }; /* the largest block in the thread's cache */

/* Sets the flag, or aborts if there is none. */
static void
ran_out(bool *oom)
{
	if (oom == NULL)
		TS_WRONG("out of memory");
	*oom = true;
}

void *
mem_try_zalloc(size_t size, bool *oom)
{
	void *p;

	/*
	 * glibc's calloc bypasses the thread's cache of free blocks, from which malloc serves small
	 * ones without its arena's lists and lock.
	 */
	if (size <= SMALL) {
		p = malloc(size > 0 ? size : 1);
		if (p != NULL)
			memset(p, 0, size);
	} else
		p = calloc(1, size);
	if (p == NULL)
		ran_out(oom);
	return p;
}

void *
mem_try_realloc(void *p, size_t size, bool *oom)
{
	p = realloc(p, size > 0 ? size : 1);
	if (p == NULL)
		ran_out(oom);
	return p;
}

void *
mem_zalloc(size_t size)
{
	return mem_try_zalloc(size, NULL);
}

void *
mem_realloc(void *p, size_t size)
{
	return mem_try_realloc(p, size, NULL);
}

void *
mem_dup(const void *p, size_t n)
{
	void *q = mem_realloc(NULL, n);

	if (n > 0)
		memcpy(q, p, n);
	return q;
}

char *
mem_strdup(const char *s)
{
	return mem_dup(s, strlen(s) + 1);
}

void
mem_free(void *p)
{
	free(p);
}

void
mem_wipe(void *p, size_t n)
{
	if (n > 0)
		explicit_bzero(p, n);
}

void
mem_wipe_free(void *p)
{
	if (p != NULL)
		mem_wipe(p, malloc_usable_size(p));
	free(p);
}

void *
mem_wipe_realloc(void *p, size_t n)
{
	size_t old = p != NULL ? malloc_usable_size(p) : 0;
	void *q;

	if (p != NULL && n <= old && n > old / 4)
		return p;
	q = malloc(n);
	if (q == NULL)
		return NULL;
	if (p != NULL)
		memcpy(q, p, old < n ? old : n);
	mem_wipe_free(p);
	return q;
}
