/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_ENGINE_H
#define STORE_ENGINE_H
/*
 * Engine: the layer under the store.  Ordered keys, atomic durable batches, blobs.  Nothing here
 * knows about mailboxes.
 *
 * The way of a delivery: the store puts the blobs and index entries of all waiting changes into one
 * batch and calls engine_commit().  A batch is atomic; on TS_OK all of it is on disk.
 *
 * Keys and values are bytes; keys are ordered by memcmp and begin with the 8-byte big-endian
 * account id they belong to (an engine that spreads accounts over machines splits a batch there).
 * The engine verifies by checksums that it returns what it was given; a mismatch is TS_DAMAGED for
 * that key only.
 *
 * Blobs are immutable and named by a 64-bit id.  Small ones travel in the batch.  Large ones
 * (STORE_BLOB_FILE set in the id) are streamed by a writer into a file of their own, and are on
 * disk once engine_blob_finish() returns TS_OK, before the batch that names them.
 *
 * Threads: commit, get, scan and blob calls may be made from any thread at the same time.  All may
 * block on the disk: never call them on a loop (the functions below check this, base/block.h).  One
 * commit at a time per engine is usual; more are allowed.  Readers see a commit at some time before
 * it returns TS_OK, never later; while it is being flushed they may still read the old data.
 *
 * Errors of commit: TS_UNKNOWN: the batch may or may not be on disk; the engine refuses further
 * commits with TS_UNAVAILABLE until engine_reopen().  Never retry the same batch after TS_UNKNOWN.
 * TS_FULL: nothing was written (the free-space mark).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/block.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#define STORE_BLOB_FILE ((uint64_t)1 << 63)
/* Says of a message's number that its summary has its object ids (store.h); to an engine it is one
 * more digit.  What is left without the two is a number of its own in every store. */
#define STORE_BLOB_IDS ((uint64_t)1 << 62)
#define STORE_BLOB_MARKS (STORE_BLOB_FILE | STORE_BLOB_IDS)

struct engine;
struct engine_iter;
struct engine_blob_writer;

/* A batch: operations in order, kept as bytes.  Reuse it after engine_batch_clear(). */
struct engine_batch;
struct engine_batch *engine_batch_new(void);
void engine_batch_free(struct engine_batch **batch);
void engine_batch_clear(struct engine_batch *batch);
void engine_batch_put(struct engine_batch *batch, struct str key, struct str value);
void engine_batch_delete(struct engine_batch *batch, struct str key);
/* Deletes all keys from <= key < end; end.n > 0. */
void engine_batch_delete_range(struct engine_batch *batch, struct str from, struct str end);
void engine_batch_put_blob(struct engine_batch *batch, uint64_t blob, struct str bytes);
/* Works for both kinds of blobs.  A file is removed after the batch is on disk. */
void engine_batch_delete_blob(struct engine_batch *batch, uint64_t blob);
size_t engine_batch_count(const struct engine_batch *batch);
size_t engine_batch_bytes(const struct engine_batch *batch);

enum engine_op_kind {
	ENGINE_PUT,
	ENGINE_DELETE,
	ENGINE_DELETE_RANGE, /* key = from, value = end */
	ENGINE_PUT_BLOB,
	ENGINE_DELETE_BLOB
};
struct engine_op {
	enum engine_op_kind kind;
	struct str key, value;
	uint64_t blob;
};
/* For engines: steps through the operations.  *at starts at 0.  Returns false at the end. */
bool engine_batch_next(const struct engine_batch *batch, size_t *at, struct engine_op *op_r);

struct engine_options {
	const char *path;     /* folder; created if missing */
	uint64_t cache_bytes; /* block cache */
	uint64_t write_buffer_bytes;
	uint64_t free_space_mark; /* below it messages get TS_FULL, below a quarter of it everything
	                             does */
	bool read_only;
	/* Returns whether a value proves to be the one that was put under this key.  Salvage may
	 * trust such a value where the engine's own checksum fails.  NULL: values cannot prove
	 * it. */
	bool (*whole)(struct str key, struct str value);
	struct str text; /* further options, in the engine's own syntax */
	void *own;       /* the engine's own object; mem: a struct engine_mem_disk, or NULL */
};

struct engine_stats {
	uint64_t commits, commit_ops, commit_bytes, flush_ns_total;
	uint64_t free_bytes, used_bytes;
	uint64_t cache_bytes, memtable_bytes, index_bytes; /* memory */
};

/* Figures of the last lack of space: bytes free, bytes needed, and the mark that must stay free. */
struct engine_space {
	uint64_t free, needed, mark;
};

/* Returns the least number of bytes that were lacking.  0: space has sufficed so far, or
 * unknown. */
static inline uint64_t
engine_space_lacking(const struct engine_space *space)
{
	uint64_t wanted = space->mark + space->needed;

	return wanted > space->free ? wanted - space->free : 0;
}

enum engine_aside { ENGINE_ASIDE_DAMAGED, ENGINE_ASIDE_LOST };

struct engine_class {
	const char *name; /* "mem", "rocks" */
	/* On failure *text_r (malloc'ed, may be NULL) says which file is at fault and what to do;
	 * on success it says what had to be done, if anything. */
	enum ts_err (*open)(
	    const struct engine_options *opt, struct engine **engine_r, char **text_r);
	void (*close)(struct engine *engine);
	enum ts_err (*commit)(struct engine *engine, const struct engine_batch *batch);
	/* Returns whether a batch with messages would get TS_FULL.  Other batches may still be
	 * taken.  May block.  NULL: never full. */
	bool (*full)(struct engine *engine);
	/* Returns the figures of the last TS_FULL.  Does not block.  NULL: unknown. */
	void (*space)(struct engine *engine, struct engine_space *space_r);
	/* Appends to value.  On TS_NOT_FOUND, TS_DAMAGED and TS_IO value is unchanged. */
	enum ts_err (*get)(struct engine *engine, struct str key, struct buf *value);
	/*
	 * Iterates over keys from <= key < end in order, or from the end down if reverse. end.n ==
	 * 0: no upper bound. from and end are copied.  The iterator sees the keys as of its
	 * creation.  It delays reopen and pins old versions: keep it for a bounded piece of work,
	 * never while waiting for a peer, and never make one while you have another.
	 */
	struct engine_iter *(*iter_new)(
	    struct engine *engine, struct str from, struct str end, bool reverse);
	/*
	 * TS_OK: key and value are set, valid until the next call.  TS_NOT_FOUND: the end.  Any
	 * other result, such as TS_DAMAGED, also ends the iteration and is returned again.
	 */
	enum ts_err (*iter_next)(struct engine_iter *iter, struct str *key_r, struct str *value_r);
	void (*iter_free)(struct engine_iter *iter);
	/* Appends bytes [off, off+len) of the blob to value, or fewer if it ends earlier.  On
	 * failure value is unchanged. */
	enum ts_err (*blob_read)(
	    struct engine *engine, uint64_t blob, uint64_t off, uint64_t len, struct buf *value);
	enum ts_err (*blob_size)(struct engine *engine, uint64_t blob, uint64_t *size_r);
	/* blob must have STORE_BLOB_FILE set and be unused. */
	enum ts_err (*blob_create)(
	    struct engine *engine, uint64_t blob, struct engine_blob_writer **w_r);
	enum ts_err (*blob_write)(struct engine_blob_writer *w, struct str bytes);
	/* Maps the content written so far.  Valid until the next write, finish or abort. */
	enum ts_err (*blob_map)(struct engine_blob_writer *w, struct str *bytes_r);
	/* Frees the writer even on failure; nothing of the blob is left then. */
	enum ts_err (*blob_finish)(struct engine_blob_writer **w);
	void (*blob_abort)(struct engine_blob_writer **w);
	/* Calls fn for each large blob file (for collecting orphans). */
	enum ts_err (*blob_files)(
	    struct engine *engine, void (*fn)(uint64_t blob, void *arg), void *arg);
	/* Moves a damaged blob, or a large one that has lost its place, to where nobody looks for
	 * it and nobody removes it, for people to examine; for a small one it saves a copy of what
	 * is left.  NULL: the engine has no such place. */
	enum ts_err (*blob_set_aside)(struct engine *engine, uint64_t blob, enum engine_aside why);
	/* Puts all blobs that were set aside as lost back into their places.  If there were any,
	 * recovered() returns true from now on.  NULL: there are none. */
	enum ts_err (*blob_take_back)(struct engine *engine);
	/* Verifies all checksums of the structures that locate keys and small blobs, including
	 * those not checked on reads.  TS_DAMAGED: one is wrong; *text_r (malloc'ed) says where.
	 * NULL: there are none. */
	enum ts_err (*verify)(struct engine *engine, char **text_r);
	/*
	 * For repairs, with exclusive use of the store.  A small blob that cannot be read may lie
	 * in a file that nothing points to any longer: if its bytes are whole they are put back.
	 * TS_NOT_FOUND: they are nowhere.  NULL: there are no such files.
	 */
	enum ts_err (*blob_rescue)(struct engine *engine, uint64_t blob);
	/* Calls fn for each small blob, without reading its bytes. */
	enum ts_err (*blob_each)(
	    struct engine *engine, void (*fn)(uint64_t blob, void *arg), void *arg);
	/*
	 * Same, for small blobs that can be rescued only if the records of their use were lost
	 * together with what pointed to them: nobody knows whether they had been deleted.  NULL:
	 * there are none.
	 */
	enum ts_err (*blob_each_stray)(
	    struct engine *engine, void (*fn)(uint64_t blob, void *arg), void *arg);
	/* Returns whether acknowledged data was given up in order to open the store, now or at an
	 * earlier time.  If so, large blobs that nobody refers to may be messages.  NULL: never. */
	bool (*recovered)(struct engine *engine);
	/* Call when all such blobs have been dealt with. */
	enum ts_err (*recovered_end)(struct engine *engine);
	/*
	 * Closes and opens again under a running server; waits for running calls and iterators.  If
	 * it fails the engine answers TS_UNAVAILABLE to everything, and it may be tried again.
	 * Blob writers survive it.
	 */
	enum ts_err (*reopen)(struct engine *engine, char **text_r);
	void (*stats)(struct engine *engine, struct engine_stats *stats_r);
};

/* An engine's own versions of these three structs begin with this. */
struct engine {
	const struct engine_class *class;
};
struct engine_iter {
	const struct engine_class *class;
};
struct engine_blob_writer {
	const struct engine_class *class;
};

static inline enum ts_err
engine_open(const struct engine_class *class, const struct engine_options *opt,
    struct engine **engine_r, char **text_r)
{
	block_here("engine_open");
	return class->open(opt, engine_r, text_r);
}

static inline void
engine_close(struct engine **engine)
{
	block_here("engine_close");
	if (*engine != NULL)
		(*engine)->class->close(*engine);
	*engine = NULL;
}

static inline enum ts_err
engine_commit(struct engine *e, const struct engine_batch *batch)
{
	block_here("engine_commit");
	return e->class->commit(e, batch);
}

static inline bool
engine_full(struct engine *e)
{
	block_here("engine_full");
	return e->class->full != NULL && e->class->full(e);
}

static inline void
engine_space(struct engine *e, struct engine_space *space_r)
{
	*space_r = (struct engine_space){0};
	if (e->class->space != NULL)
		e->class->space(e, space_r);
}

static inline enum ts_err
engine_get(struct engine *e, struct str key, struct buf *value)
{
	block_here("engine_get");
	return e->class->get(e, key, value);
}

static inline struct engine_iter *
engine_iter_new(struct engine *e, struct str from, struct str end, bool reverse)
{
	block_here("engine_iter_new");
	return e->class->iter_new(e, from, end, reverse);
}

static inline enum ts_err
engine_iter_next(struct engine_iter *iter, struct str *key_r, struct str *value_r)
{
	block_here("engine_iter_next");
	return iter->class->iter_next(iter, key_r, value_r);
}

static inline void
engine_iter_free(struct engine_iter **iter)
{
	block_here("engine_iter_free");
	if (*iter != NULL)
		(*iter)->class->iter_free(*iter);
	*iter = NULL;
}

static inline enum ts_err
engine_blob_read(struct engine *e, uint64_t blob, uint64_t off, uint64_t len, struct buf *value)
{
	block_here("engine_blob_read");
	return e->class->blob_read(e, blob, off, len, value);
}

static inline enum ts_err
engine_blob_size(struct engine *e, uint64_t blob, uint64_t *size_r)
{
	block_here("engine_blob_size");
	return e->class->blob_size(e, blob, size_r);
}

static inline enum ts_err
engine_blob_create(struct engine *e, uint64_t blob, struct engine_blob_writer **w_r)
{
	block_here("engine_blob_create");
	return e->class->blob_create(e, blob, w_r);
}

static inline enum ts_err
engine_blob_write(struct engine_blob_writer *w, struct str bytes)
{
	block_here("engine_blob_write");
	return w->class->blob_write(w, bytes);
}

static inline enum ts_err
engine_blob_map(struct engine_blob_writer *w, struct str *bytes_r)
{
	return w->class->blob_map(w, bytes_r);
}

static inline enum ts_err
engine_blob_finish(struct engine_blob_writer **w)
{
	block_here("engine_blob_finish");
	return (*w)->class->blob_finish(w);
}

static inline void
engine_blob_abort(struct engine_blob_writer **w)
{
	block_here("engine_blob_abort");
	if (*w != NULL)
		(*w)->class->blob_abort(w);
}

static inline enum ts_err
engine_blob_files(struct engine *e, void (*fn)(uint64_t blob, void *arg), void *arg)
{
	block_here("engine_blob_files");
	return e->class->blob_files(e, fn, arg);
}

static inline enum ts_err
engine_blob_set_aside(struct engine *e, uint64_t blob, enum engine_aside why)
{
	block_here("engine_blob_set_aside");
	return e->class->blob_set_aside != NULL ? e->class->blob_set_aside(e, blob, why) : TS_OK;
}

static inline enum ts_err
engine_verify(struct engine *e, char **text_r)
{
	block_here("engine_verify");
	*text_r = NULL;
	return e->class->verify != NULL ? e->class->verify(e, text_r) : TS_OK;
}

static inline enum ts_err
engine_blob_rescue(struct engine *e, uint64_t blob)
{
	block_here("engine_blob_rescue");
	return e->class->blob_rescue != NULL ? e->class->blob_rescue(e, blob) : TS_NOT_FOUND;
}

static inline enum ts_err
engine_blob_each(struct engine *e, void (*fn)(uint64_t blob, void *arg), void *arg)
{
	block_here("engine_blob_each");
	return e->class->blob_each(e, fn, arg);
}

static inline enum ts_err
engine_blob_each_stray(struct engine *e, void (*fn)(uint64_t blob, void *arg), void *arg)
{
	block_here("engine_blob_each_stray");
	return e->class->blob_each_stray != NULL ? e->class->blob_each_stray(e, fn, arg) : TS_OK;
}

static inline enum ts_err
engine_blob_take_back(struct engine *e)
{
	block_here("engine_blob_take_back");
	return e->class->blob_take_back != NULL ? e->class->blob_take_back(e) : TS_OK;
}

static inline bool
engine_recovered(struct engine *e)
{
	return e->class->recovered != NULL && e->class->recovered(e);
}

static inline enum ts_err
engine_recovered_end(struct engine *e)
{
	block_here("engine_recovered_end");
	return e->class->recovered_end != NULL ? e->class->recovered_end(e) : TS_OK;
}

static inline enum ts_err
engine_reopen(struct engine *e, char **text_r)
{
	block_here("engine_reopen");
	return e->class->reopen(e, text_r);
}

static inline void
engine_stats(struct engine *e, struct engine_stats *stats_r)
{
	block_here("engine_stats");
	e->class->stats(e, stats_r);
}
#endif
