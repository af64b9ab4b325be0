/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H
/*
 * Arena: memory and cleanups that share one lifetime.
 *
 * Everything taken from an arena dies in arena_free(), children first, then
 * cleanups newest first, then memory.  One allocation cannot be freed alone,
 * so there is no list of fields to keep in step.  What is replaced again and
 * again inside a long lifetime lives in a child arena.
 *
 * Memory comes zeroed.  Allocation never returns NULL: out of memory aborts
 * (limits on what a peer may send come first).  The arena_try_*() do return it,
 * in an arena whose owner wants to be told (arena_tell_oom): libraries use no
 * others, so that the owner decides.
 *
 * An arena belongs to one thread.  The pool counts what is alive per kind;
 * tests read it to prove that a lifetime ended.  The first chunk is allocated
 * together with the arena itself, its size given by the creator: an idle
 * connection must cost a few KiB in all.
 *
 * Built with -Darena_emu=true (ARENA_EMU) each allocation is a malloc of its
 * own, so ASan and valgrind see overruns and use after free inside an arena.
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

/* pool may be NULL (nothing is counted).  first: bytes of the first chunk. */
struct arena *arena_new(struct arena_pool *pool, enum arena_kind kind, size_t first);
struct arena *arena_child(struct arena *parent, size_t first);
/*
 * From now on arena_try_*() set *oom and give NULL when memory runs out, in children made later,
 * too; see base/mem.h.  oom NULL: they abort, as all others always do.
 */
void arena_tell_oom(struct arena *a, bool *oom);
/* The flag; NULL: out of memory aborts.  For a buffer that is to tell like the arena:
 * {.oom = arena_oom(a)}. */
bool *arena_oom(const struct arena *a);
/* A new arena that tells; NULL when there is no memory for it either. */
struct arena *arena_try_new(struct arena_pool *pool, enum arena_kind kind, size_t first, bool *oom);
/* Frees children, runs cleanups, frees memory, sets *ap to NULL.  NULL is fine. */
void arena_free(struct arena **ap);

/* size 0 gives a unique non-NULL pointer. */
void *arena_zalloc(struct arena *a, size_t size) __attribute__((returns_nonnull));
/* n objects of size bytes; an overflow of the product aborts. */
void *arena_array(struct arena *a, size_t n, size_t size) __attribute__((returns_nonnull));
char *arena_strdup(struct arena *a, const char *s) __attribute__((returns_nonnull));
/* A copy of s, with a NUL behind it that is not counted. */
struct str arena_str(struct arena *a, struct str s);
char *arena_printf(struct arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3), returns_nonnull));
void *arena_try_zalloc(struct arena *a, size_t size);
void *arena_try_array(struct arena *a, size_t n, size_t size);
struct str arena_try_str(struct arena *a, struct str s); /* no memory: STR_NONE */
/* fn(arg) runs when the arena is freed.  For what is not memory. */
void arena_on_free(struct arena *a, arena_cleanup_f *fn, void *arg);
/* Marks the arena's memory as secret: it is wiped before it is freed. */
void arena_wipe_on_free(struct arena *a);
/* Is what p points to in the arena itself (not in a child)?  For assertions: looks through all. */
bool arena_holds(const struct arena *a, const void *p);
/* Bytes held in chunks, children not counted. */
size_t arena_bytes(const struct arena *a);

#define arena_new_object(a, type) ((type *)arena_zalloc((a), sizeof(type)))
#define arena_try_object(a, type) ((type *)arena_try_zalloc((a), sizeof(type)))
#endif
