/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine for tests: see mem.h.  It has three maps: keys, blobs that came in
 * batches, blob files.  A reader takes a reference to a map's version and needs
 * no lock after that.  A batch is applied under the lock, so it is seen whole.
 */
#include "store/engine/mem/mem.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/engine/mem/tree.h"

enum mem_map { MAP_KEYS, MAP_BLOBS, MAP_FILES, MAPS };

struct mem_fault {
	uint64_t calls, at; /* at: the call that is to fail; 0: none */
	enum ts_err err;
	bool happened;
};

struct engine_mem_disk {
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t idle;  /* iters became 0 */
	struct tree *maps[MAPS];
	struct engine_batch *limbo; /* a batch whose commit was TS_UNKNOWN but did happen */
	struct mem_fault faults[ENGINE_MEM_OPS];
	enum ts_err (*hook)(const struct engine_batch *batch, void *arg);
	void *hook_arg;
	uint64_t iters;
	bool opened, full;
};

struct mem_engine {
	struct engine base;
	struct engine_mem_disk *disk;
	bool own_disk, read_only;
	bool broken; /* a commit's outcome is unknown, or a reopen failed; disk->lock */
	bool closed; /* a reopen failed */
	struct engine_stats stats; /* under disk->lock */
};

struct mem_iter {
	struct engine_iter base;
	struct mem_engine *engine;
	struct tree *root;
	const struct tree_item *at;
	struct buf from, end;
	enum ts_err over; /* stays once it is not TS_OK */
	bool reverse;
};

struct mem_writer {
	struct engine_blob_writer base;
	struct mem_engine *engine;
	uint64_t blob;
	struct buf bytes;
};

/* ---- disks and faults ---- */

struct engine_mem_disk *
engine_mem_disk_new(void)
{
	struct engine_mem_disk *disk = mem_zalloc(sizeof(*disk));

	TS_ASSERT(pthread_mutex_init(&disk->lock, NULL) == 0);
	TS_ASSERT(pthread_cond_init(&disk->idle, NULL) == 0);
	return disk;
}

void
engine_mem_disk_free(struct engine_mem_disk **diskp)
{
	struct engine_mem_disk *disk = *diskp;

	*diskp = NULL;
	if (disk == NULL)
		return;
	TS_ASSERT(!disk->opened);
	for (int i = 0; i < MAPS; i++)
		tree_unref(&disk->maps[i]);
	engine_batch_free(&disk->limbo);
	(void)pthread_cond_destroy(&disk->idle);
	(void)pthread_mutex_destroy(&disk->lock);
	mem_free(disk);
}

static void
disk_lock(struct engine_mem_disk *disk)
{
	TS_ASSERT(pthread_mutex_lock(&disk->lock) == 0);
}

static void
disk_unlock(struct engine_mem_disk *disk)
{
	TS_ASSERT(pthread_mutex_unlock(&disk->lock) == 0);
}

static struct str
blob_key(uint64_t blob, char key[8])
{
	for (int i = 7; i >= 0; i--, blob >>= 8)
		key[i] = (char)(blob & 0xFF);
	return (struct str){key, 8};
}

static enum mem_map
blob_map_of(uint64_t blob)
{
	return (blob & STORE_BLOB_FILE) != 0 ? MAP_FILES : MAP_BLOBS;
}

static void
disk_apply_op(struct tree *maps[MAPS], const struct engine_op *op)
{
	char key[8];

	switch (op->kind) {
	case ENGINE_PUT:
		tree_put(&maps[MAP_KEYS], op->key, op->value, false);
		break;
	case ENGINE_DELETE:
		tree_delete(&maps[MAP_KEYS], op->key);
		break;
	case ENGINE_DELETE_RANGE:
		tree_cut(&maps[MAP_KEYS], op->key, op->value);
		break;
	case ENGINE_PUT_BLOB:
		tree_put(&maps[MAP_BLOBS], blob_key(op->blob, key), op->value, false);
		break;
	case ENGINE_DELETE_BLOB:
		tree_delete(&maps[blob_map_of(op->blob)], blob_key(op->blob, key));
		break;
	}
}

static void
disk_apply(struct tree *maps[MAPS], const struct engine_batch *batch)
{
	struct engine_op op;

	for (size_t at = 0; engine_batch_next(batch, &at, &op);)
		disk_apply_op(maps, &op);
}

/* What a restart finds: the batch in limbo did happen. */
static void
disk_settle(struct engine_mem_disk *disk)
{
	if (disk->limbo != NULL)
		disk_apply(disk->maps, disk->limbo);
	engine_batch_free(&disk->limbo);
}

static struct engine_batch *
batch_copy(const struct engine_batch *batch)
{
	struct engine_batch *copy = engine_batch_new();
	struct engine_op op;

	for (size_t at = 0; engine_batch_next(batch, &at, &op);) {
		switch (op.kind) {
		case ENGINE_PUT:
			engine_batch_put(copy, op.key, op.value);
			break;
		case ENGINE_DELETE:
			engine_batch_delete(copy, op.key);
			break;
		case ENGINE_DELETE_RANGE:
			engine_batch_delete_range(copy, op.key, op.value);
			break;
		case ENGINE_PUT_BLOB:
			engine_batch_put_blob(copy, op.blob, op.value);
			break;
		case ENGINE_DELETE_BLOB:
			engine_batch_delete_blob(copy, op.blob);
			break;
		}
	}
	return copy;
}

struct engine_mem_disk *
engine_mem_image(struct engine_mem_disk *disk)
{
	struct engine_mem_disk *image = engine_mem_disk_new();

	disk_lock(disk);
	for (int i = 0; i < MAPS; i++)
		image->maps[i] = tree_ref(disk->maps[i]);
	if (disk->limbo != NULL)
		disk_apply(image->maps, disk->limbo);
	disk_unlock(disk);
	return image;
}

void
engine_mem_fail(struct engine_mem_disk *disk, enum engine_mem_op op, uint64_t nth, enum ts_err err,
    bool happened)
{
	struct mem_fault *fault = &disk->faults[op];

	disk_lock(disk);
	fault->at = nth > 0 ? fault->calls + nth : 0;
	fault->err = err;
	fault->happened = happened;
	disk_unlock(disk);
}

uint64_t
engine_mem_count(struct engine_mem_disk *disk, enum engine_mem_op op)
{
	uint64_t calls;

	disk_lock(disk);
	calls = disk->faults[op].calls;
	disk_unlock(disk);
	return calls;
}

void
engine_mem_hook(struct engine_mem_disk *disk,
    enum ts_err (*hook)(const struct engine_batch *batch, void *arg), void *arg)
{
	disk_lock(disk);
	disk->hook = hook;
	disk->hook_arg = arg;
	disk_unlock(disk);
}

static bool
disk_damage(struct engine_mem_disk *disk, enum mem_map map, struct str key)
{
	const struct tree_item *item;

	disk_lock(disk);
	item = tree_get(disk->maps[map], key);
	if (item != NULL)
		tree_put(&disk->maps[map], key, item->value, true);
	disk_unlock(disk);
	return item != NULL;
}

bool
engine_mem_damage(struct engine_mem_disk *disk, struct str key)
{
	return disk_damage(disk, MAP_KEYS, key);
}

bool
engine_mem_damage_blob(struct engine_mem_disk *disk, uint64_t blob)
{
	char key[8];

	return disk_damage(disk, blob_map_of(blob), blob_key(blob, key));
}

void
engine_mem_full(struct engine_mem_disk *disk, bool full)
{
	disk_lock(disk);
	disk->full = full;
	disk_unlock(disk);
}

static void
mem_space(struct engine *engine, struct engine_space *space_r)
{
	struct engine_mem_disk *disk = ((struct mem_engine *)engine)->disk;

	disk_lock(disk);
	if (disk->full)
		*space_r = (struct engine_space){.free = 1 << 20, .mark = 3 << 20};
	disk_unlock(disk);
}

/* Counts a call; returns the fault that is due, if any.  Needs the lock. */
static enum ts_err
disk_step(struct engine_mem_disk *disk, enum engine_mem_op op, bool *happened_r)
{
	struct mem_fault *fault = &disk->faults[op];

	if (++fault->calls != fault->at)
		return TS_OK;
	fault->at = 0;
	if (happened_r != NULL)
		*happened_r = fault->happened;
	return fault->err;
}

static enum ts_err
engine_step(struct mem_engine *e, enum engine_mem_op op)
{
	enum ts_err err;

	disk_lock(e->disk);
	err = disk_step(e->disk, op, NULL);
	if (err == TS_OK && e->closed)
		err = TS_UNAVAILABLE;
	disk_unlock(e->disk);
	return err;
}

/* ---- the engine ---- */

static enum ts_err
mem_open(const struct engine_options *opt, struct engine **engine_r, char **text_r)
{
	struct engine_mem_disk *disk = opt->own != NULL ? opt->own : engine_mem_disk_new();
	struct mem_engine *e;

	*engine_r = NULL;
	if (text_r != NULL)
		*text_r = NULL;
	disk_lock(disk);
	if (disk->opened) {
		disk_unlock(disk);
		if (text_r != NULL)
			*text_r = mem_strdup("the memory disk is in use by another engine");
		return TS_EXISTS;
	}
	disk->opened = true;
	disk_settle(disk);
	disk_unlock(disk);
	e = mem_zalloc(sizeof(*e));
	e->base.class = &engine_mem_class;
	e->disk = disk;
	e->own_disk = opt->own == NULL;
	e->read_only = opt->read_only;
	*engine_r = &e->base;
	return TS_OK;
}

static void
mem_close(struct engine *engine)
{
	struct mem_engine *e = (struct mem_engine *)engine;

	disk_lock(e->disk);
	TS_ASSERT(e->disk->iters == 0);
	e->disk->opened = false;
	disk_unlock(e->disk);
	if (e->own_disk)
		engine_mem_disk_free(&e->disk);
	mem_free(e);
}

/* The hook runs without the lock: it may hold the flush while others continue. */
static enum ts_err
mem_flush(struct mem_engine *e, const struct engine_batch *batch, bool *happened_r)
{
	struct engine_mem_disk *disk = e->disk;
	enum ts_err (*hook)(const struct engine_batch *, void *);
	enum ts_err err;
	void *arg;

	disk_lock(disk);
	err = disk_step(disk, ENGINE_MEM_COMMIT, happened_r);
	if (e->read_only || e->broken)
		err = e->broken ? TS_UNAVAILABLE : TS_DENIED;
	else if (err == TS_OK && disk->full)
		err = TS_FULL;
	hook = disk->hook;
	arg = disk->hook_arg;
	disk_unlock(disk);
	if (err == TS_OK && hook != NULL)
		err = hook(batch, arg);
	return err;
}

static enum ts_err
mem_commit(struct engine *engine, const struct engine_batch *batch)
{
	struct mem_engine *e = (struct mem_engine *)engine;
	uint64_t start = clock_mono_ns();
	bool happened = false;
	enum ts_err err = mem_flush(e, batch, &happened);

	disk_lock(e->disk);
	if (err == TS_OK && e->broken)
		err = TS_UNAVAILABLE; /* another commit failed while this one was held */
	if (err == TS_OK) {
		disk_apply(e->disk->maps, batch);
		e->stats.commits++;
		e->stats.commit_ops += engine_batch_count(batch);
		e->stats.commit_bytes += engine_batch_bytes(batch);
		e->stats.flush_ns_total += clock_mono_ns() - start;
	} else if (err == TS_UNKNOWN) {
		e->broken = true;
		if (happened && e->disk->limbo == NULL)
			e->disk->limbo = batch_copy(batch);
	}
	disk_unlock(e->disk);
	return err;
}

static enum ts_err
map_read(
    struct mem_engine *e, enum mem_map map, struct str key, struct tree **root_r, struct str *p_r)
{
	const struct tree_item *item;

	disk_lock(e->disk);
	*root_r = tree_ref(e->disk->maps[map]);
	disk_unlock(e->disk);
	item = tree_get(*root_r, key);
	if (item == NULL)
		return TS_NOT_FOUND;
	if (item->damaged)
		return TS_DAMAGED;
	*p_r = item->value;
	return TS_OK;
}

static enum ts_err
mem_get(struct engine *engine, struct str key, struct buf *value)
{
	struct mem_engine *e = (struct mem_engine *)engine;
	enum ts_err err = engine_step(e, ENGINE_MEM_GET);
	struct tree *root = NULL;
	struct str found = STR_NONE;

	if (err == TS_OK)
		err = map_read(e, MAP_KEYS, key, &root, &found);
	if (err == TS_OK)
		buf_str(value, found);
	tree_unref(&root);
	return err;
}

/* ---- iterators ---- */

static struct engine_iter *
mem_iter_new(struct engine *engine, struct str from, struct str end, bool reverse)
{
	struct mem_engine *e = (struct mem_engine *)engine;
	struct mem_iter *iter = mem_zalloc(sizeof(*iter));

	iter->base.class = engine->class;
	iter->engine = e;
	iter->reverse = reverse;
	buf_str(&iter->from, from);
	buf_str(&iter->end, end);
	disk_lock(e->disk);
	iter->root = tree_ref(e->disk->maps[MAP_KEYS]);
	e->disk->iters++;
	disk_unlock(e->disk);
	return &iter->base;
}

static const struct tree_item *
iter_step(const struct mem_iter *iter)
{
	struct str from = buf_as_str(&iter->from), end = buf_as_str(&iter->end);
	const struct tree_item *item;

	if (iter->reverse) {
		item = tree_last(iter->root, iter->at != NULL ? iter->at->key : end);
		return item != NULL && str_cmp(item->key, from) >= 0 ? item : NULL;
	}
	item = tree_first(iter->root, iter->at != NULL ? iter->at->key : from, iter->at != NULL);
	return item != NULL && (end.n == 0 || str_cmp(item->key, end) < 0) ? item : NULL;
}

static enum ts_err
mem_iter_next(struct engine_iter *base, struct str *key_r, struct str *value_r)
{
	struct mem_iter *iter = (struct mem_iter *)base;

	if (iter->over != TS_OK)
		return iter->over;
	iter->over = engine_step(iter->engine, ENGINE_MEM_ITER_NEXT);
	if (iter->over != TS_OK)
		return iter->over;
	iter->at = iter_step(iter);
	if (iter->at == NULL)
		return iter->over = TS_NOT_FOUND;
	if (iter->at->damaged)
		return iter->over = TS_DAMAGED;
	*key_r = iter->at->key;
	*value_r = iter->at->value;
	return TS_OK;
}

static void
mem_iter_free(struct engine_iter *base)
{
	struct mem_iter *iter = (struct mem_iter *)base;
	struct engine_mem_disk *disk = iter->engine->disk;

	tree_unref(&iter->root);
	buf_fini(&iter->from);
	buf_fini(&iter->end);
	disk_lock(disk);
	if (--disk->iters == 0)
		(void)pthread_cond_broadcast(&disk->idle);
	disk_unlock(disk);
	mem_free(iter);
}

/* ---- blobs ---- */

static enum ts_err
mem_blob_read(struct engine *engine, uint64_t blob, uint64_t off, uint64_t len, struct buf *value)
{
	struct mem_engine *e = (struct mem_engine *)engine;
	enum ts_err err = engine_step(e, ENGINE_MEM_BLOB_READ);
	struct tree *root = NULL;
	struct str found = STR_NONE;
	char key[8];

	if (err == TS_OK)
		err = map_read(e, blob_map_of(blob), blob_key(blob, key), &root, &found);
	if (err == TS_OK && off < found.n)
		buf_put(value, found.p + off, len < found.n - off ? (size_t)len : found.n - off);
	tree_unref(&root);
	return err;
}

static enum ts_err
mem_blob_size(struct engine *engine, uint64_t blob, uint64_t *size_r)
{
	struct mem_engine *e = (struct mem_engine *)engine;
	enum ts_err err = engine_step(e, ENGINE_MEM_BLOB_READ);
	struct tree *root = NULL;
	struct str found = STR_NONE;
	char key[8];

	if (err == TS_OK)
		err = map_read(e, blob_map_of(blob), blob_key(blob, key), &root, &found);
	if (err == TS_OK)
		*size_r = found.n;
	tree_unref(&root);
	return err;
}

static enum ts_err
mem_blob_create(struct engine *engine, uint64_t blob, struct engine_blob_writer **w_r)
{
	struct mem_engine *e = (struct mem_engine *)engine;
	enum ts_err err = engine_step(e, ENGINE_MEM_BLOB_CREATE);
	struct mem_writer *w;

	TS_ASSERT((blob & STORE_BLOB_FILE) != 0);
	*w_r = NULL;
	if (err == TS_OK && e->read_only)
		err = TS_DENIED;
	if (err != TS_OK)
		return err;
	w = mem_zalloc(sizeof(*w));
	w->base.class = engine->class;
	w->engine = e;
	w->blob = blob;
	*w_r = &w->base;
	return TS_OK;
}

static enum ts_err
mem_blob_write(struct engine_blob_writer *base, struct str bytes)
{
	struct mem_writer *w = (struct mem_writer *)base;
	enum ts_err err = engine_step(w->engine, ENGINE_MEM_BLOB_WRITE);

	if (err == TS_OK)
		buf_str(&w->bytes, bytes);
	return err;
}

static enum ts_err
mem_blob_map(struct engine_blob_writer *base, struct str *bytes_r)
{
	*bytes_r = buf_as_str(&((struct mem_writer *)base)->bytes);
	return TS_OK;
}

static void
mem_blob_abort(struct engine_blob_writer **base)
{
	struct mem_writer *w = (struct mem_writer *)*base;

	*base = NULL;
	buf_fini(&w->bytes);
	mem_free(w);
}

static enum ts_err
mem_blob_finish(struct engine_blob_writer **base)
{
	struct mem_writer *w = (struct mem_writer *)*base;
	struct engine_mem_disk *disk = w->engine->disk;
	enum ts_err err = engine_step(w->engine, ENGINE_MEM_BLOB_FINISH);
	char key[8];

	if (err == TS_OK) {
		disk_lock(disk);
		tree_put(
		    &disk->maps[MAP_FILES], blob_key(w->blob, key), buf_as_str(&w->bytes), false);
		disk_unlock(disk);
	}
	mem_blob_abort(base);
	return err;
}

static enum ts_err
each_in_map(struct engine *engine, int map, void (*fn)(uint64_t blob, void *arg), void *arg)
{
	struct engine_mem_disk *disk = ((struct mem_engine *)engine)->disk;
	const struct tree_item *item;
	struct tree *root;

	disk_lock(disk);
	root = tree_ref(disk->maps[map]);
	disk_unlock(disk);
	for (item = tree_first(root, STR_NONE, false); item != NULL;
	     item = tree_first(root, item->key, true)) {
		struct rd r = rd_of(item->key);

		fn(rd_be64(&r), arg);
	}
	tree_unref(&root);
	return TS_OK;
}

static enum ts_err
mem_blob_files(struct engine *engine, void (*fn)(uint64_t blob, void *arg), void *arg)
{
	return each_in_map(engine, MAP_FILES, fn, arg);
}

static enum ts_err
mem_blob_each(struct engine *engine, void (*fn)(uint64_t blob, void *arg), void *arg)
{
	return each_in_map(engine, MAP_BLOBS, fn, arg);
}

/* ---- the rest ---- */

static enum ts_err
mem_reopen(struct engine *engine, char **text_r)
{
	struct mem_engine *e = (struct mem_engine *)engine;
	struct engine_mem_disk *disk = e->disk;
	enum ts_err err;

	if (text_r != NULL)
		*text_r = NULL;
	disk_lock(disk);
	while (disk->iters > 0)
		TS_ASSERT(pthread_cond_wait(&disk->idle, &disk->lock) == 0);
	err = disk_step(disk, ENGINE_MEM_REOPEN, NULL);
	if (err == TS_OK)
		disk_settle(disk);
	e->closed = e->broken = err != TS_OK;
	disk_unlock(disk);
	if (err != TS_OK && text_r != NULL)
		*text_r = mem_strdup("reopening failed on demand");
	return err;
}

static void
mem_stats(struct engine *engine, struct engine_stats *stats_r)
{
	struct mem_engine *e = (struct mem_engine *)engine;

	disk_lock(e->disk);
	*stats_r = e->stats;
	disk_unlock(e->disk);
}

const struct engine_class engine_mem_class = {
    .name = "mem",
    .open = mem_open,
    .close = mem_close,
    .commit = mem_commit,
    .get = mem_get,
    .iter_new = mem_iter_new,
    .iter_next = mem_iter_next,
    .iter_free = mem_iter_free,
    .blob_read = mem_blob_read,
    .blob_size = mem_blob_size,
    .blob_create = mem_blob_create,
    .blob_write = mem_blob_write,
    .blob_map = mem_blob_map,
    .blob_finish = mem_blob_finish,
    .blob_abort = mem_blob_abort,
    .blob_files = mem_blob_files,
    .blob_each = mem_blob_each,
    .reopen = mem_reopen,
    .space = mem_space,
    .stats = mem_stats,
};
