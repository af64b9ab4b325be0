/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H
/*
 * Arena: memory and cleanups that share one lifetime.
 *
 * Everything taken from an arena dies in arena_free(): children first, then
 * cleanups newest first, then memory.  Single allocations cannot be freed, so
 * there is no list of fields to keep in step.  What is replaced often within a
 * long lifetime belongs in a child arena.
 *
 * Memory comes zeroed.  Allocation never returns NULL: out of memory aborts
 * (limits on what a peer may send apply first).  arena_try_*() do return NULL,
 * in an arena whose owner wants to be told (arena_tell_oom): libraries use only
 * these, so that the owner decides.
 *
 * An arena belongs to one thread.  The pool counts what is alive per kind;
 * tests read it to prove that a lifetime has ended.  The first chunk is
 * allocated together with the arena itself, in a size chosen by the creator: an
 * idle connection may cost only a few KiB in all.
 *
 * When built with -Darena_emu=true (ARENA_EMU) each allocation is a separate
 * malloc, so ASan and valgrind detect overruns and use after free inside an
 * arena.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum arena_kind {
	ARENA_SERVER,
	ARENA_CONN,
	ARENA_TURN,
	ARENA_LOGIN,
	ARENA_BOX,
	ARENA_CMD,
	ARENA_ERRAND,
	ARENA_OTHER,
	ARENA_KINDS
};

struct arena_pool { /* one per event loop */
	size_t live_arenas[ARENA_KINDS];
	size_t live_cleanups[ARENA_KINDS];
	size_t live_bytes; /* chunks of all arenas of the pool */
};

struct arena; /* opaque */
typedef void arena_cleanup_f(void *arg);

/* pool may be NULL (counts nothing).  first: bytes of the first chunk. */
struct arena *arena_new(struct arena_pool *pool, enum arena_kind kind, size_t first);
struct arena *arena_child(struct arena *parent, size_t first);
/*
 * Makes arena_try_*() set *oom and return NULL when memory runs out, also in children made later;
 * see base/mem.h.  oom NULL: they abort, as all others always do.
 */
void arena_tell_oom(struct arena *a, bool *oom);
/* Returns the flag; NULL: out of memory aborts.  For a buffer that reports like the arena: {.oom =
 * arena_oom(a)}. */
bool *arena_oom(const struct arena *a);
/* Makes an arena that reports; returns NULL if there is no memory for it. */
struct arena *arena_try_new(struct arena_pool *pool, enum arena_kind kind, size_t first, bool *oom);
/* Frees children, runs cleanups, frees memory, sets *ap to NULL.  NULL is fine. */
void arena_free(struct arena **ap);

/* Returns a unique non-NULL pointer for size 0. */
void *arena_zalloc(struct arena *a, size_t size) __attribute__((returns_nonnull));
/* Allocates n objects of size bytes; aborts if the product overflows. */
void *arena_array(struct arena *a, size_t n, size_t size) __attribute__((returns_nonnull));
char *arena_strdup(struct arena *a, const char *s) __attribute__((returns_nonnull));
/* Copies s, adding a NUL that is not counted. */
struct str arena_str(struct arena *a, struct str s);
char *arena_printf(struct arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3), returns_nonnull));
void *arena_try_zalloc(struct arena *a, size_t size);
void *arena_try_array(struct arena *a, size_t n, size_t size);
struct str arena_try_str(struct arena *a, struct str s); /* STR_NONE if out of memory */
/* Calls fn(arg) when the arena is freed.  For what is not memory. */
void arena_on_free(struct arena *a, arena_cleanup_f *fn, void *arg);
/* Marks the arena's memory as secret: it is wiped before it is freed. */
void arena_wipe_on_free(struct arena *a);
/* Returns whether p points into the arena itself (not a child).  For assertions: looks through
 * everything. */
bool arena_holds(const struct arena *a, const void *p);
/* Returns the bytes in chunks, without children. */
size_t arena_bytes(const struct arena *a);

#define arena_new_object(a, type) ((type *)arena_zalloc((a), sizeof(type)))
#define arena_try_object(a, type) ((type *)arena_try_zalloc((a), sizeof(type)))
#endif
