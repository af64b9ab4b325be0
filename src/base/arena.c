/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arenas: see arena.h.  A list of chunks with pointer bump; the arena header
 * and its first chunk are one allocation.  Freed memory is poisoned in builds
 * that check memory (ARENA_EMU or ASan), so that stale pointers show.
 */
#include "base/arena.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

#define ARENA_ALIGN 16u
#define ARENA_CHUNK 4096u

struct chunk {
	struct chunk *next;
	size_t used, size;
	_Alignas(ARENA_ALIGN) unsigned char data[];
};

struct cleanup {
	struct cleanup *next;
	arena_cleanup_f *fn;
	void *arg;
};

struct arena {
	struct arena_pool *pool;
	struct chunk *chunks;
	struct cleanup *cleanups;
	struct arena *children, *sibling, **linked_from; /* linked_from: NULL in a root */
	size_t bytes;
	bool *oom; /* NULL: out of memory aborts */
	enum arena_kind kind;
	bool wipe;
};

struct arena *
arena_try_new(struct arena_pool *pool, enum arena_kind kind, size_t first, bool *oom)
{
	struct arena *a;

#ifdef ARENA_EMU
	(void)first;
	a = mem_try_zalloc(sizeof(*a), oom);
	if (a == NULL)
		return NULL;
	a->bytes = sizeof(*a);
#else
	struct chunk *c;
	size_t head = (sizeof(*a) + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);

	first = (first + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	a = mem_try_zalloc(head + sizeof(*c) + first, oom);
	if (a == NULL)
		return NULL;
	c = (struct chunk *)(void *)((char *)a + head);
	c->size = first;
	a->chunks = c;
	a->bytes = head + sizeof(*c) + first;
#endif
	a->pool = pool;
	a->kind = kind;
	a->oom = oom;
	if (pool != NULL) {
		pool->live_arenas[kind]++;
		pool->live_bytes += a->bytes;
	}
	return a;
}

struct arena *
arena_new(struct arena_pool *pool, enum arena_kind kind, size_t first)
{
	return arena_try_new(pool, kind, first, NULL);
}

void
arena_tell_oom(struct arena *a, bool *oom)
{
	a->oom = oom;
}

bool *
arena_oom(const struct arena *a)
{
	return a->oom;
}

struct arena *
arena_child(struct arena *parent, size_t first)
{
	struct arena *a = arena_new(parent->pool, parent->kind, first);

	a->oom = parent->oom;
	a->wipe = parent->wipe;
	a->sibling = parent->children;
	if (a->sibling != NULL)
		a->sibling->linked_from = &a->sibling;
	a->linked_from = &parent->children;
	parent->children = a;
	return a;
}

/* Returns NULL if there is no memory. */
static struct chunk *
chunk_for(struct arena *a, size_t need, bool *oom)
{
	struct chunk *c;
	size_t size = need;

#ifndef ARENA_EMU
	if (a->chunks != NULL && a->chunks->size - a->chunks->used >= need)
		return a->chunks;
	/* Chunks grow with the arena, from half a KiB to a page. */
	size = a->bytes < ARENA_CHUNK / 4 ? ARENA_CHUNK / 8 : ARENA_CHUNK - sizeof(*c);
	if (need > size)
		size = need;
#endif
	c = mem_try_zalloc(sizeof(*c) + size, oom);
	if (c == NULL)
		return NULL;
	c->size = size;
	c->next = a->chunks;
	a->chunks = c;
	a->bytes += sizeof(*c) + size;
	if (a->pool != NULL)
		a->pool->live_bytes += sizeof(*c) + size;
	return c;
}

static void *
carve(struct arena *a, size_t size, bool *oom)
{
	struct chunk *c;
	void *p;
	size_t need = size;

	TS_ASSERT(size < SIZE_MAX / 2);
#ifndef ARENA_EMU
	need = (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
#endif
	c = chunk_for(a, need, oom);
	if (c == NULL)
		return NULL;
	p = c->data + c->used;
	c->used += need;
	return p;
}

void *
arena_zalloc(struct arena *a, size_t size)
{
	return carve(a, size, NULL);
}

void *
arena_try_zalloc(struct arena *a, size_t size)
{
	return carve(a, size, a->oom);
}

static size_t
array_bytes(size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total))
		TS_WRONG("array size overflow");
	return total;
}

void *
arena_array(struct arena *a, size_t n, size_t size)
{
	return carve(a, array_bytes(n, size), NULL);
}

void *
arena_try_array(struct arena *a, size_t n, size_t size)
{
	return carve(a, array_bytes(n, size), a->oom);
}

char *
arena_strdup(struct arena *a, const char *s)
{
	size_t n = strlen(s) + 1;

	return memcpy(arena_zalloc(a, n), s, n);
}

struct str
arena_str(struct arena *a, struct str s)
{
	char *p = arena_zalloc(a, s.n + 1);

	if (s.n > 0)
		memcpy(p, s.p, s.n);
	return (struct str){p, s.n};
}

struct str
arena_try_str(struct arena *a, struct str s)
{
	char *p = arena_try_zalloc(a, s.n + 1);

	if (p == NULL)
		return STR_NONE;
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	return (struct str){p, s.n};
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	char *p;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	TS_ASSERT(n >= 0);
	p = arena_zalloc(a, (size_t)n + 1);
	(void)vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	return p;
}

void
arena_on_free(struct arena *a, arena_cleanup_f *fn, void *arg)
{
	struct cleanup *c = arena_zalloc(a, sizeof(*c));

	c->fn = fn;
	c->arg = arg;
	c->next = a->cleanups;
	a->cleanups = c;
	if (a->pool != NULL)
		a->pool->live_cleanups[a->kind]++;
}

void
arena_wipe_on_free(struct arena *a)
{
	a->wipe = true;
}

bool
arena_holds(const struct arena *a, const void *p)
{
	uintptr_t at = (uintptr_t)p;

	for (const struct chunk *c = a->chunks; c != NULL; c = c->next)
		if (at >= (uintptr_t)c->data && at < (uintptr_t)c->data + c->size)
			return true;
	return false;
}

size_t
arena_bytes(const struct arena *a)
{
	return a->bytes;
}

static void
unlink_from_parent(struct arena *a)
{
	if (a->linked_from == NULL)
		return;
	*a->linked_from = a->sibling;
	if (a->sibling != NULL)
		a->sibling->linked_from = a->linked_from;
}

static void
free_chunks(struct arena *a)
{
	struct chunk *c, *next;

	for (c = a->chunks; c != NULL; c = next) {
		next = c->next;
		if (a->wipe)
			mem_wipe(c->data, c->size);
#ifndef ARENA_EMU
		if (next == NULL) /* the first chunk is part of the arena itself */
			break;
#endif
		mem_free(c);
	}
}

void
arena_free(struct arena **ap)
{
	struct arena *a = *ap;
	struct cleanup *cl;

	*ap = NULL;
	if (a == NULL)
		return;
	while (a->children != NULL) {
		struct arena *child = a->children;

		a->children = child->sibling;
		if (a->children != NULL)
			a->children->linked_from = &a->children;
		child->linked_from = NULL;
		child->sibling = NULL;
		arena_free(&child);
	}
	unlink_from_parent(a);
	while ((cl = a->cleanups) != NULL) {
		a->cleanups = cl->next;
		if (a->pool != NULL)
			a->pool->live_cleanups[a->kind]--;
		cl->fn(cl->arg);
	}
	if (a->pool != NULL) {
		a->pool->live_arenas[a->kind]--;
		a->pool->live_bytes -= a->bytes;
	}
	free_chunks(a);
	mem_free(a);
}
