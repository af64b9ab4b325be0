/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_ENGINE_MEM_MEM_H
#define STORE_ENGINE_MEM_MEM_H
/*
 * The engine for tests: everything in memory, faults on demand.
 *
 * Durable data lives in a disk that outlives engines: pass one in
 * engine_options.own, close the engine, open another on the same disk.  Without
 * one the engine makes its own and frees it at close.
 *
 * An image simulates a crash: engine_mem_image() copies (in constant time) what
 * is durable at this instant into a new disk, on which a second engine opens as
 * after a power cut, while the first may still be stuck in a flush.  The image
 * lacks what was being committed or written with a blob writer.
 *
 * Only one engine at a time may use a disk (opening a second is TS_EXISTS, like
 * the lock file of a real one).  All functions here may be called from any
 * thread, but close the engine before engine_mem_disk_free().
 */
#include "store/engine.h"

extern const struct engine_class engine_mem_class;

struct engine_mem_disk;
struct engine_mem_disk *engine_mem_disk_new(void);
void engine_mem_disk_free(struct engine_mem_disk **disk);
struct engine_mem_disk *engine_mem_image(struct engine_mem_disk *disk);

enum engine_mem_op {
	ENGINE_MEM_COMMIT,
	ENGINE_MEM_GET,
	ENGINE_MEM_ITER_NEXT,
	ENGINE_MEM_BLOB_READ, /* and blob_size */
	ENGINE_MEM_BLOB_CREATE,
	ENGINE_MEM_BLOB_WRITE,
	ENGINE_MEM_BLOB_FINISH,
	ENGINE_MEM_REOPEN,
	ENGINE_MEM_OPS
};

/*
 * Makes the nth call of op from now on (1: the next) fail with err.  Each op
 * has at most one pending fault; nth 0 cancels it.  A commit that fails with
 * TS_UNKNOWN makes the engine refuse commits until reopen; `happened` decides
 * whether its batch turns out to be there, which shows at the next reopen, open
 * or image.  With any other err a commit writes nothing.
 */
void engine_mem_fail(struct engine_mem_disk *disk, enum engine_mem_op op, uint64_t nth,
    enum ts_err err, bool happened);
/* Counts calls of op so far, including failed ones. */
uint64_t engine_mem_count(struct engine_mem_disk *disk, enum engine_mem_op op);
/*
 * Sets a hook that runs in each commit, on its thread, before anything of the
 * batch is durable or visible; the flush lasts until it returns.  A result
 * other than TS_OK fails the commit as engine_mem_fail() would.  Reads and
 * further commits go on meanwhile.  NULL: none.  Set it while no commit is
 * running.
 */
void engine_mem_hook(struct engine_mem_disk *disk,
    enum ts_err (*hook)(const struct engine_batch *batch, void *arg), void *arg);
/* Makes the key (the blob) TS_DAMAGED when read, until it is put again.  Returns false if there is
 * none. */
bool engine_mem_damage(struct engine_mem_disk *disk, struct str key);
bool engine_mem_damage_blob(struct engine_mem_disk *disk, uint64_t blob);
/* Makes commits TS_FULL while set: 1 MiB is free, 3 must stay free. */
void engine_mem_full(struct engine_mem_disk *disk, bool full);
#endif
