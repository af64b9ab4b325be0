/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The embedded engine over RocksDB's C API: commits, reads, iterators, blobs.
 * For opening, and how far to trust the log, see rocks_open.c.
 *
 * A commit is one write batch with a synced log write; commits of several
 * threads share a flush (RocksDB's write groups).  Keys live in the column
 * family "default", blobs in "blobs" under their id (8 bytes big-endian), where
 * RocksDB keeps the values in blob files.
 *
 * Every call runs between engine_enter() and engine_leave(), an iterator from
 * its creation to its end; reopening waits until nobody is inside.  While it
 * waits, callers stay outside, unless an iterator is open: its owner may need
 * more calls to finish.
 */
#include "store/engine/rocks/rocks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/engine/large.h"
#include "store/engine/rocks/rocks_int.h"

/* After this much time or this many bytes, ask for the free space again. */
#define SPACE_MS 100
#define SPACE_BYTES ((uint64_t)4 << 20)

struct rocks_space {
	pthread_mutex_t lock;
	uint64_t mark, checked_ms, written, free;
	bool full;
	pthread_mutex_t refused_lock; /* held briefly; no other lock is taken inside */
	struct engine_space refused;
};

struct rocks_engine {
	struct engine base;
	struct rocks_config config;
	int dir, lock_fd, large;
	struct rocks_db db;
	struct rocks_mark mark;
	struct rocks_space space;
	rocksdb_readoptions_t *read;
	rocksdb_writeoptions_t *write;

	pthread_mutex_t gate;
	pthread_cond_t moved;
	unsigned users, iters; /* callers inside; an iterator counts in both */
	bool reopening;

	struct rocks_rescue *rescue; /* made when first needed */

	atomic_bool broken; /* a commit's outcome is unknown, or it is read-only */
	uint64_t failed_ms; /* time of the last failed reopen; of the thread that reopens */
	atomic_uint_fast64_t commits, commit_ops, commit_bytes, flush_ns;
};

struct rocks_iter {
	struct engine_iter base;
	struct rocks_engine *engine;
	rocksdb_readoptions_t *read; /* points into from and end */
	rocksdb_iterator_t *it;
	struct buf from, end;
	bool reverse, started;
	enum ts_err over; /* stays once it is not TS_OK */
};

struct rocks_writer {
	struct engine_blob_writer base;
	struct rocks_engine *engine;
	struct large_writer *file;
};

/* ---- the gate ---- */

static void
gate_lock(struct rocks_engine *e)
{
	TS_ASSERT(pthread_mutex_lock(&e->gate) == 0);
}

static void
gate_unlock(struct rocks_engine *e)
{
	TS_ASSERT(pthread_mutex_unlock(&e->gate) == 0);
}

/* Returns false if closed because a reopen failed; then do not call engine_leave(). */
static bool
engine_enter(struct rocks_engine *e, bool iter)
{
	bool open;

	gate_lock(e);
	/* The owner of an iterator may read on, but nobody begins a new one: overlapping readers
	 * would delay a reopen forever. */
	while (e->reopening && (iter || e->iters == 0))
		TS_ASSERT(pthread_cond_wait(&e->moved, &e->gate) == 0);
	open = e->db.db != NULL;
	if (open) {
		e->users++;
		e->iters += iter;
	}
	gate_unlock(e);
	return open;
}

static void
engine_leave(struct rocks_engine *e, bool iter)
{
	gate_lock(e);
	e->users--;
	e->iters -= iter;
	if (e->reopening)
		(void)pthread_cond_broadcast(&e->moved);
	gate_unlock(e);
}

/* ---- free space ---- */

static uint64_t
free_bytes(const struct rocks_engine *e)
{
	struct statvfs st;

	return fstatvfs(e->dir, &st) == 0 ? (uint64_t)st.f_bavail * st.f_frsize : UINT64_MAX;
}

/* Returns how much there is above what must stay free; asks the system only now and then. */
static uint64_t
space_now(struct rocks_engine *e, uint64_t bytes)
{
	struct rocks_space *s = &e->space;
	uint64_t now = clock_mono_ms();

	if (now - s->checked_ms >= SPACE_MS || s->written + bytes > SPACE_BYTES ||
	    s->checked_ms == 0) {
		s->free = free_bytes(e);
		s->checked_ms = now;
		s->written = 0;
	}
	return s->free > s->written ? s->free - s->written : 0;
}

/* Logs what is free, needed and lacking: a device may have more free than the mark, and too
 * little. */
static void
log_space(const struct rocks_engine *e, bool full, uint64_t left, uint64_t bytes)
{
	uint64_t mark = e->space.mark;
	struct buf text = {0};

	buf_size(&text, left);
	buf_puts(&text, " free, ");
	if (full && bytes > 0) {
		buf_size(&text, bytes);
		buf_puts(&text, " needed and ");
	}
	buf_size(&text, mark);
	buf_puts(&text, " to be left free (store.free_space)");
	if (full) {
		buf_puts(&text, ": ");
		buf_size(&text, mark + bytes - left);
		buf_puts(&text, " lacking; make room on the device");
	}
	log_msg(full ? LOG_ERROR : LOG_WARNING, NULL, "%s: %s: %s", e->config.path,
	    full ? "no more messages are taken" : "messages are taken again", buf_cstr(&text));
	buf_fini(&text);
}

/* People want room for messages, so note that, whatever was refused. */
static void
note_refusal(struct rocks_engine *e, uint64_t left, uint64_t bytes)
{
	struct rocks_space *s = &e->space;

	TS_ASSERT(pthread_mutex_lock(&s->refused_lock) == 0);
	s->refused = (struct engine_space){.free = left, .needed = bytes, .mark = s->mark};
	TS_ASSERT(pthread_mutex_unlock(&s->refused_lock) == 0);
}

static void
rocks_space(struct engine *engine, struct engine_space *space_r)
{
	struct rocks_space *s = &((struct rocks_engine *)engine)->space;

	TS_ASSERT(pthread_mutex_lock(&s->refused_lock) == 0);
	*space_r = s->refused;
	TS_ASSERT(pthread_mutex_unlock(&s->refused_lock) == 0);
}

/*
 * RocksDB must never meet a full device: its log would need a reopen to recover.  Messages are
 * refused below the mark.  Small changes, and above all those that free space (flags, expunges, the
 * background's removals), are refused below a quarter of it.
 */
static bool
space_left(struct rocks_engine *e, uint64_t bytes, bool message)
{
	struct rocks_space *s = &e->space;
	bool full, small_full, refused;
	uint64_t left;

	if (s->mark == 0)
		return true;
	TS_ASSERT(pthread_mutex_lock(&s->lock) == 0);
	left = space_now(e, bytes);
	full = left < s->mark || left - s->mark < (message ? bytes : 0);
	small_full = left < s->mark / 4 || left - s->mark / 4 < bytes;
	if (full != s->full)
		log_space(e, full, left, message ? bytes : 0);
	s->full = full;
	refused = message ? full : small_full;
	if (refused)
		note_refusal(e, left, bytes);
	else
		s->written += bytes;
	TS_ASSERT(pthread_mutex_unlock(&s->lock) == 0);
	return !refused;
}

static bool
rocks_full(struct engine *engine)
{
	return !space_left((struct rocks_engine *)engine, 0, true);
}

static bool
brings_messages(const struct engine_batch *batch)
{
	struct engine_op op;

	for (size_t at = 0; engine_batch_next(batch, &at, &op);)
		if (op.kind == ENGINE_PUT_BLOB)
			return true;
	return false;
}

/* ---- opening and closing ---- */

static void
config_read(struct rocks_config *config, const struct engine_options *opt)
{
	struct str rest = opt->text, word;
	bool more = rest.n > 0;

	config->path = mem_strdup(opt->path);
	config->cache_bytes = opt->cache_bytes;
	config->write_buffer_bytes = opt->write_buffer_bytes;
	config->read_only = opt->read_only;
	config->whole = opt->whole;
	while (more) {
		more = str_split(&rest, ' ', &word);
		if (str_eq(word, STR("recover")))
			config->recover = true;
		else if (str_eq(word, STR("salvage")))
			config->salvage = true;
		else if (word.n > 0)
			log_msg(LOG_WARNING, NULL, "engine option \"%.*s\" is not known",
			    STR_ARG(word));
	}
}

static enum ts_err
engine_start(struct rocks_engine *e, char **text_r)
{
	enum ts_err err = rocks_dir_open(&e->config, &e->dir, &e->lock_fd, text_r);

	if (err == TS_OK)
		err = rocks_db_open(&e->config, e->dir, &e->mark, &e->db, text_r);
	e->config.salvage = false; /* not when it is reopened */
	if (err == TS_OK)
		err = large_dir_open(e->config.path, e->config.read_only, true, &e->large, text_r);
	return err;
}

static void
rocks_close(struct engine *engine)
{
	struct rocks_engine *e = (struct rocks_engine *)engine;

	TS_ASSERT(e->users == 0);
	rocks_db_close(&e->db, !e->config.read_only && !atomic_load(&e->broken));
	rocks_mark_close(&e->mark);
	rocks_rescue_free(&e->rescue);
	rocksdb_readoptions_destroy(e->read);
	rocksdb_writeoptions_destroy(e->write);
	for (size_t i = 0; i < 3; i++) {
		int fd = i == 0 ? e->large : i == 1 ? e->lock_fd : e->dir;

		if (fd >= 0)
			(void)close(fd);
	}
	(void)pthread_mutex_destroy(&e->gate);
	(void)pthread_mutex_destroy(&e->mark.lock);
	(void)pthread_mutex_destroy(&e->space.lock);
	(void)pthread_mutex_destroy(&e->space.refused_lock);
	(void)pthread_cond_destroy(&e->moved);
	mem_free(e->config.path);
	mem_free(e);
}

static enum ts_err
rocks_open(const struct engine_options *opt, struct engine **engine_r, char **text_r)
{
	struct rocks_engine *e = mem_zalloc(sizeof(*e));
	char *text = NULL;
	enum ts_err err;

	e->base.class = &engine_rocks_class;
	e->dir = e->lock_fd = e->large = e->mark.fd = -1;
	e->space.mark = opt->free_space_mark;
	TS_ASSERT(pthread_mutex_init(&e->gate, NULL) == 0);
	TS_ASSERT(pthread_mutex_init(&e->mark.lock, NULL) == 0);
	TS_ASSERT(pthread_mutex_init(&e->space.lock, NULL) == 0);
	TS_ASSERT(pthread_mutex_init(&e->space.refused_lock, NULL) == 0);
	TS_ASSERT(pthread_cond_init(&e->moved, NULL) == 0);
	e->read = rocksdb_readoptions_create();
	e->write = rocksdb_writeoptions_create();
	rocksdb_writeoptions_set_sync(e->write, 1);
	config_read(&e->config, opt);
	err = engine_start(e, &text);
	*engine_r = NULL;
	if (text_r != NULL)
		*text_r = text;
	else
		mem_free(text);
	if (err != TS_OK)
		rocks_close(&e->base);
	else
		*engine_r = &e->base;
	return err;
}

enum { REOPEN_MS = 500 }; /* readers wait meanwhile, so not for each attempt to write */

/* It cannot be written; opens it for reading only. */
static void
read_on(struct rocks_engine *e, char **text_r)
{
	struct rocks_config config = e->config;
	char *failed = *text_r, *text = NULL;
	enum ts_err err;

	config.read_only = true;
	err = rocks_db_open(&config, e->dir, &e->mark, &e->db, &text);
	*text_r = rocks_text("%s; %s%s", failed != NULL ? failed : "it cannot be written",
	    err == TS_OK ? "reading goes on" : "nor can it be read: ", text != NULL ? text : "");
	mem_free(failed);
	mem_free(text);
}

/*
 * Closes the old database without a flush: after a failed write its log, not
 * its memory, has the truth.
 */
static enum ts_err
rocks_reopen(struct engine *engine, char **text_r)
{
	struct rocks_engine *e = (struct rocks_engine *)engine;
	char *text = NULL;
	enum ts_err err;

	gate_lock(e);
	while (e->reopening)
		TS_ASSERT(pthread_cond_wait(&e->moved, &e->gate) == 0);
	if (e->failed_ms != 0 && clock_mono_ms() - e->failed_ms < REOPEN_MS) {
		gate_unlock(e);
		return TS_UNAVAILABLE;
	}
	e->reopening = true;
	while (e->users > 0)
		TS_ASSERT(pthread_cond_wait(&e->moved, &e->gate) == 0);
	gate_unlock(e);

	rocks_db_close(&e->db, false);
	err = rocks_db_open(&e->config, e->dir, &e->mark, &e->db, &text);
	atomic_store(&e->broken, err != TS_OK);
	if (err != TS_OK)
		read_on(e, &text);
	e->failed_ms = err != TS_OK ? clock_mono_ms() : 0;

	gate_lock(e);
	e->reopening = false;
	(void)pthread_cond_broadcast(&e->moved);
	gate_unlock(e);
	if (text_r != NULL)
		*text_r = text;
	else
		mem_free(text);
	return err;
}

/* ---- commits ---- */

static struct str
blob_key(uint64_t blob, char key[8])
{
	for (int i = 7; i >= 0; i--, blob >>= 8)
		key[i] = (char)(blob & 0xFF);
	return (struct str){key, 8};
}

static void
batch_add(struct rocks_engine *e, rocksdb_writebatch_t *wb, const struct engine_op *op)
{
	char id[8];
	struct str key = op->key;

	switch (op->kind) {
	case ENGINE_PUT:
		rocksdb_writebatch_put_cf(
		    wb, e->db.cf[ROCKS_KEYS], key.p, key.n, op->value.p, op->value.n);
		break;
	case ENGINE_DELETE:
		rocksdb_writebatch_delete_cf(wb, e->db.cf[ROCKS_KEYS], key.p, key.n);
		break;
	case ENGINE_DELETE_RANGE:
		rocksdb_writebatch_delete_range_cf(
		    wb, e->db.cf[ROCKS_KEYS], key.p, key.n, op->value.p, op->value.n);
		break;
	case ENGINE_PUT_BLOB:
		key = blob_key(op->blob, id);
		rocksdb_writebatch_put_cf(
		    wb, e->db.cf[ROCKS_BLOBS], key.p, key.n, op->value.p, op->value.n);
		break;
	case ENGINE_DELETE_BLOB:
		key = blob_key(op->blob, id);
		if ((op->blob & STORE_BLOB_FILE) == 0)
			rocksdb_writebatch_delete_cf(wb, e->db.cf[ROCKS_BLOBS], key.p, key.n);
		break;
	}
}

/* Returns TS_UNKNOWN for any failure: a write that failed half-way looks like any other. */
static enum ts_err
batch_write(struct rocks_engine *e, const struct engine_batch *batch)
{
	rocksdb_writebatch_t *wb = rocksdb_writebatch_create();
	uint64_t start = clock_mono_ns();
	struct engine_op op;
	char *text = NULL;
	enum ts_err err = TS_OK;

	for (size_t at = 0; engine_batch_next(batch, &at, &op);)
		batch_add(e, wb, &op);
	if (rocksdb_writebatch_count(wb) > 0)
		rocksdb_write(e->db.db, e->write, wb, &text);
	if (text != NULL) {
		atomic_store(&e->broken, true);
		err = TS_FAIL(TS_UNKNOWN, "%s: a commit failed: %s", e->config.path, text);
		rocksdb_free(text);
	} else {
		rocks_mark_set(&e->mark, rocksdb_get_latest_sequence_number(e->db.db));
		atomic_fetch_add(&e->flush_ns, clock_mono_ns() - start);
	}
	rocksdb_writebatch_destroy(wb);
	return err;
}

static void
remove_files(struct rocks_engine *e, const struct engine_batch *batch)
{
	struct engine_op op;

	for (size_t at = 0; engine_batch_next(batch, &at, &op);) {
		if (op.kind == ENGINE_DELETE_BLOB && (op.blob & STORE_BLOB_FILE) != 0)
			large_remove(e->large, op.blob);
	}
}

static enum ts_err
rocks_commit(struct engine *engine, const struct engine_batch *batch)
{
	struct rocks_engine *e = (struct rocks_engine *)engine;
	enum ts_err err;

	if (e->config.read_only)
		return TS_DENIED;
	if (!engine_enter(e, false))
		return TS_UNAVAILABLE;
	if (atomic_load(&e->broken))
		err = TS_UNAVAILABLE;
	else if (!space_left(e, engine_batch_bytes(batch), brings_messages(batch)))
		err = TS_FULL;
	else
		err = batch_write(e, batch);
	if (err == TS_OK) {
		remove_files(e, batch);
		atomic_fetch_add(&e->commits, 1);
		atomic_fetch_add(&e->commit_ops, engine_batch_count(batch));
		atomic_fetch_add(&e->commit_bytes, engine_batch_bytes(batch));
	}
	engine_leave(e, false);
	return err;
}

/* ---- reading ---- */

/* RocksDB's message names the file and the place, if known.  A missing file is damage to what it
 * held. */
static enum ts_err
read_failed(const struct rocks_engine *e, enum rocks_cf cf, struct str key, char *words)
{
	bool damaged =
	    strncmp(words, "Corruption", 10) == 0 || strstr(words, "No such file") != NULL;
	char hex[2 * 20 + 1] = "";
	enum ts_err err;

	for (size_t i = 0; i < key.n && i < 20; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", (unsigned char)key.p[i]);
	err = TS_FAIL(damaged ? TS_DAMAGED : TS_IO, "%s: reading %s %s: %s", e->config.path,
	    cf == ROCKS_BLOBS ? "blob" : "key", hex, words);
	rocksdb_free(words);
	return err;
}

/* On TS_OK the caller must destroy *slice_r. */
static enum ts_err
get_pinned(struct rocks_engine *e, enum rocks_cf cf, struct str key,
    rocksdb_pinnableslice_t **slice_r, struct str *value_r)
{
	char *text = NULL;

	*slice_r = rocksdb_get_pinned_cf(e->db.db, e->read, e->db.cf[cf], key.p, key.n, &text);
	if (text != NULL)
		return read_failed(e, cf, key, text);
	if (*slice_r == NULL)
		return TS_NOT_FOUND;
	value_r->p = rocksdb_pinnableslice_value(*slice_r, &value_r->n);
	return TS_OK;
}

static enum ts_err
rocks_get(struct engine *engine, struct str key, struct buf *value)
{
	struct rocks_engine *e = (struct rocks_engine *)engine;
	rocksdb_pinnableslice_t *slice;
	struct str found = STR_NONE;
	enum ts_err err;

	if (!engine_enter(e, false))
		return TS_UNAVAILABLE;
	err = get_pinned(e, ROCKS_KEYS, key, &slice, &found);
	if (err == TS_OK) {
		buf_str(value, found);
		rocksdb_pinnableslice_destroy(slice);
	}
	engine_leave(e, false);
	return err;
}

static struct engine_iter *
rocks_iter_new(struct engine *engine, struct str from, struct str end, bool reverse)
{
	struct rocks_engine *e = (struct rocks_engine *)engine;
	struct rocks_iter *iter = mem_zalloc(sizeof(*iter));

	iter->base.class = engine->class;
	iter->reverse = reverse;
	if (end.n > 0 && str_cmp(from, end) >= 0) {
		iter->over = TS_NOT_FOUND;
		return &iter->base;
	}
	if (!engine_enter(e, true)) {
		iter->over = TS_UNAVAILABLE;
		return &iter->base;
	}
	iter->engine = e;
	buf_str(&iter->from, from);
	buf_str(&iter->end, end);
	iter->read = rocksdb_readoptions_create();
	if (from.n > 0)
		rocksdb_readoptions_set_iterate_lower_bound(iter->read, iter->from.p, iter->from.n);
	if (end.n > 0)
		rocksdb_readoptions_set_iterate_upper_bound(iter->read, iter->end.p, iter->end.n);
	iter->it = rocksdb_create_iterator_cf(e->db.db, iter->read, e->db.cf[ROCKS_KEYS]);
	return &iter->base;
}

static void
iter_step(struct rocks_iter *iter)
{
	if (!iter->started && iter->reverse)
		rocksdb_iter_seek_to_last(iter->it);
	else if (!iter->started)
		rocksdb_iter_seek_to_first(iter->it);
	else if (iter->reverse)
		rocksdb_iter_prev(iter->it);
	else
		rocksdb_iter_next(iter->it);
	iter->started = true;
}

static enum ts_err
rocks_iter_next(struct engine_iter *base, struct str *key_r, struct str *value_r)
{
	struct rocks_iter *iter = (struct rocks_iter *)base;
	char *text = NULL;

	if (iter->over != TS_OK)
		return iter->over;
	iter_step(iter);
	if (rocksdb_iter_valid(iter->it)) {
		key_r->p = rocksdb_iter_key(iter->it, &key_r->n);
		value_r->p = rocksdb_iter_value(iter->it, &value_r->n);
		return TS_OK;
	}
	rocksdb_iter_get_error(iter->it, &text);
	iter->over = text != NULL
	                 ? read_failed(iter->engine, ROCKS_KEYS, buf_as_str(&iter->from), text)
	                 : TS_NOT_FOUND;
	return iter->over;
}

static void
rocks_iter_free(struct engine_iter *base)
{
	struct rocks_iter *iter = (struct rocks_iter *)base;

	if (iter->it != NULL) {
		rocksdb_iter_destroy(iter->it);
		rocksdb_readoptions_destroy(iter->read);
		engine_leave(iter->engine, true);
	}
	buf_fini(&iter->from);
	buf_fini(&iter->end);
	mem_free(iter);
}

/* ---- blobs ---- */

static enum ts_err
rocks_blob_read(struct engine *engine, uint64_t blob, uint64_t off, uint64_t len, struct buf *value)
{
	struct rocks_engine *e = (struct rocks_engine *)engine;
	rocksdb_pinnableslice_t *slice;
	struct str found = STR_NONE;
	char key[8];
	enum ts_err err;

	if ((blob & STORE_BLOB_FILE) != 0)
		return large_read(e->large, blob, off, len, value);
	if (!engine_enter(e, false))
		return TS_UNAVAILABLE;
	err = get_pinned(e, ROCKS_BLOBS, blob_key(blob, key), &slice, &found);
	if (err == TS_OK) {
		if (off < found.n)
			buf_put(value, found.p + off,
			    len < found.n - off ? (size_t)len : found.n - (size_t)off);
		rocksdb_pinnableslice_destroy(slice);
	}
	engine_leave(e, false);
	return err;
}

static enum ts_err
rocks_blob_size(struct engine *engine, uint64_t blob, uint64_t *size_r)
{
	struct rocks_engine *e = (struct rocks_engine *)engine;
	rocksdb_pinnableslice_t *slice;
	struct str found = STR_NONE;
	char key[8];
	enum ts_err err;

	if ((blob & STORE_BLOB_FILE) != 0)
		return large_size(e->large, blob, size_r);
	if (!engine_enter(e, false))
		return TS_UNAVAILABLE;
	err = get_pinned(e, ROCKS_BLOBS, blob_key(blob, key), &slice, &found);
	if (err == TS_OK) {
		*size_r = found.n;
		rocksdb_pinnableslice_destroy(slice);
	}
	engine_leave(e, false);
	return err;
}

static enum ts_err
rocks_blob_create(struct engine *engine, uint64_t blob, struct engine_blob_writer **w_r)
{
	struct rocks_engine *e = (struct rocks_engine *)engine;
	struct rocks_writer *w;
	struct large_writer *file;
	enum ts_err err;

	TS_ASSERT((blob & STORE_BLOB_FILE) != 0);
	*w_r = NULL;
	if (e->config.read_only)
		return TS_DENIED;
	if (!space_left(e, 0, true))
		return TS_FULL;
	err = large_create(e->large, blob, &file);
	if (err != TS_OK)
		return err;
	w = mem_zalloc(sizeof(*w));
	w->base.class = engine->class;
	w->engine = e;
	w->file = file;
	*w_r = &w->base;
	return TS_OK;
}

static enum ts_err
rocks_blob_write(struct engine_blob_writer *base, struct str bytes)
{
	struct rocks_writer *w = (struct rocks_writer *)base;

	enum ts_err err;

	if (!space_left(w->engine, bytes.n, true))
		return TS_FULL;
	err = large_write(w->file, bytes);
	if (err == TS_FULL)
		note_refusal(w->engine, free_bytes(w->engine), bytes.n);
	return err;
}

static enum ts_err
rocks_blob_map(struct engine_blob_writer *base, struct str *bytes_r)
{
	return large_map(((struct rocks_writer *)base)->file, bytes_r);
}

static enum ts_err
rocks_blob_finish(struct engine_blob_writer **base)
{
	struct rocks_writer *w = (struct rocks_writer *)*base;
	enum ts_err err = large_finish(&w->file);

	mem_free(w);
	*base = NULL;
	return err;
}

static void
rocks_blob_abort(struct engine_blob_writer **base)
{
	struct rocks_writer *w = (struct rocks_writer *)*base;

	large_abort(&w->file);
	mem_free(w);
	*base = NULL;
}

static enum ts_err
rocks_blob_files(struct engine *engine, void (*fn)(uint64_t blob, void *arg), void *arg)
{
	return large_list(((struct rocks_engine *)engine)->large, fn, arg);
}

/* ---- check and repair ---- */

static enum ts_err
rocks_verify(struct engine *engine, char **text_r)
{
	struct rocks_engine *e = (struct rocks_engine *)engine;
	char *words;

	if (!engine_enter(e, false))
		return TS_UNAVAILABLE;
	words = rocks_extra_verify(e->db.db);
	engine_leave(e, false);
	if (words == NULL)
		return TS_OK;
	*text_r = rocks_text("%s: %s", e->config.path, words);
	free(words);
	return strncmp(*text_r + strlen(e->config.path) + 2, "Corruption", 10) == 0 ? TS_DAMAGED
	                                                                            : TS_IO;
}

static struct rocks_rescue *
rescue_of(struct rocks_engine *e)
{
	if (e->rescue == NULL)
		e->rescue = rocks_rescue_new(e->dir);
	return e->rescue;
}

static enum ts_err
rocks_blob_rescue(struct engine *engine, uint64_t blob)
{
	struct rocks_engine *e = (struct rocks_engine *)engine;
	struct engine_batch *batch;
	struct buf bytes = {0};
	const char *file;
	enum ts_err err = TS_NOT_FOUND;

	if ((blob & STORE_BLOB_FILE) == 0 && rocks_rescue_find(rescue_of(e), blob, &bytes, &file)) {
		batch = engine_batch_new();
		engine_batch_put_blob(batch, blob, buf_as_str(&bytes));
		err = engine_commit(engine, batch);
		engine_batch_free(&batch);
		if (err == TS_OK)
			log_msg(LOG_WARNING, NULL, "%s: blob %016llx is put back from %s",
			    e->config.path, (unsigned long long)blob, file);
	}
	buf_fini(&bytes);
	return err;
}

struct each {
	void (*fn)(uint64_t blob, void *arg);
	void *arg;
	struct engine *engine;
};

static void
each_key(const unsigned char key[8], void *arg)
{
	struct each *each = arg;
	struct rd r = rd_of((struct str){(const char *)key, 8});

	each->fn(rd_be64(&r), each->arg);
}

static enum ts_err
rocks_blob_each(struct engine *engine, void (*fn)(uint64_t blob, void *arg), void *arg)
{
	struct rocks_engine *e = (struct rocks_engine *)engine;
	struct each each = {fn, arg, engine};
	bool all;

	if (!engine_enter(e, false))
		return TS_UNAVAILABLE;
	all = rocks_extra_keys(e->db.db, e->db.cf[ROCKS_BLOBS], each_key, &each);
	engine_leave(e, false);
	return all ? TS_OK
	           : TS_FAIL(TS_DAMAGED, "%s: the pointers to messages cannot all be read",
	                 e->config.path);
}

static void
each_stray(uint64_t blob, void *arg)
{
	struct each *each = arg;
	uint64_t size;

	if (engine_blob_size(each->engine, blob, &size) != TS_OK)
		each->fn(blob, each->arg);
}

static enum ts_err
rocks_blob_each_stray(struct engine *engine, void (*fn)(uint64_t blob, void *arg), void *arg)
{
	struct rocks_engine *e = (struct rocks_engine *)engine;
	struct each each = {fn, arg, engine};

	if (rocks_recovered_says(e->dir, ROCKS_BOTH_LOST))
		rocks_rescue_each(rescue_of(e), each_stray, &each);
	return TS_OK;
}

/* Keeps what is left of a damaged small message, for people. */
static enum ts_err
keep_rest(struct rocks_engine *e, uint64_t blob)
{
	struct buf bytes = {0}, name = {0};
	enum ts_err err = TS_OK;

	if (rocks_rescue_rest(rescue_of(e), blob, &bytes)) {
		buf_printf(&name, "damaged/%016llx", (unsigned long long)blob);
		if ((mkdirat(e->dir, "damaged", 0700) != 0 && errno != EEXIST) ||
		    !rocks_file_replace(e->dir, buf_cstr(&name), buf_as_str(&bytes)))
			err = TS_FAIL(TS_IO, "%s/%s cannot be written: %s", e->config.path,
			    buf_cstr(&name), strerror(errno));
	}
	buf_fini(&bytes);
	buf_fini(&name);
	return err;
}

static enum ts_err
rocks_blob_set_aside(struct engine *engine, uint64_t blob, enum engine_aside why)
{
	struct rocks_engine *e = (struct rocks_engine *)engine;

	if ((blob & STORE_BLOB_FILE) == 0)
		return why == ENGINE_ASIDE_DAMAGED ? keep_rest(e, blob) : TS_OK;
	return large_set_aside(
	    e->large, e->dir, why == ENGINE_ASIDE_LOST ? "lost" : "damaged", blob);
}

static bool
rocks_was_recovered(struct engine *engine)
{
	return rocks_recovered(((struct rocks_engine *)engine)->dir);
}

static enum ts_err
rocks_end_recovered(struct engine *engine)
{
	return rocks_recovered_end(((struct rocks_engine *)engine)->dir);
}

/* Noted first: without a reference they must not be taken for leftovers. */
static enum ts_err
rocks_blob_take_back(struct engine *engine)
{
	struct rocks_engine *e = (struct rocks_engine *)engine;
	enum ts_err err;

	if (!large_has_aside(e->dir, "lost"))
		return TS_OK;
	err = rocks_recovered_note(e->dir, "large messages were taken back from lost/");
	return err == TS_OK ? large_take_back(e->large, e->dir, "lost") : err;
}

/* ---- statistics ---- */

static uint64_t
property(struct rocks_engine *e, enum rocks_cf cf, const char *name)
{
	uint64_t value = 0;

	return rocksdb_property_int_cf(e->db.db, e->db.cf[cf], name, &value) == 0 ? value : 0;
}

/* used_bytes counts tables and blob files, but not blobs with files of their own. */
static void
rocks_stats(struct engine *engine, struct engine_stats *stats_r)
{
	struct rocks_engine *e = (struct rocks_engine *)engine;

	*stats_r = (struct engine_stats){
	    .commits = atomic_load(&e->commits),
	    .commit_ops = atomic_load(&e->commit_ops),
	    .commit_bytes = atomic_load(&e->commit_bytes),
	    .flush_ns_total = atomic_load(&e->flush_ns),
	    .free_bytes = free_bytes(e),
	};
	if (!engine_enter(e, false))
		return;
	for (int i = 0; i < ROCKS_CFS; i++) {
		stats_r->used_bytes += property(e, i, "rocksdb.total-sst-files-size");
		stats_r->used_bytes += property(e, i, "rocksdb.total-blob-file-size");
		stats_r->memtable_bytes += property(e, i, "rocksdb.size-all-mem-tables");
		stats_r->index_bytes += property(e, i, "rocksdb.estimate-table-readers-mem");
	}
	stats_r->cache_bytes = property(e, 0, "rocksdb.block-cache-usage"); /* one cache for all */
	engine_leave(e, false);
}

const struct engine_class engine_rocks_class = {
    .name = "rocks",
    .open = rocks_open,
    .close = rocks_close,
    .commit = rocks_commit,
    .full = rocks_full,
    .space = rocks_space,
    .get = rocks_get,
    .iter_new = rocks_iter_new,
    .iter_next = rocks_iter_next,
    .iter_free = rocks_iter_free,
    .blob_read = rocks_blob_read,
    .blob_size = rocks_blob_size,
    .blob_create = rocks_blob_create,
    .blob_write = rocks_blob_write,
    .blob_map = rocks_blob_map,
    .blob_finish = rocks_blob_finish,
    .blob_abort = rocks_blob_abort,
    .blob_files = rocks_blob_files,
    .blob_set_aside = rocks_blob_set_aside,
    .blob_take_back = rocks_blob_take_back,
    .verify = rocks_verify,
    .blob_rescue = rocks_blob_rescue,
    .blob_each = rocks_blob_each,
    .blob_each_stray = rocks_blob_each_stray,
    .recovered = rocks_was_recovered,
    .recovered_end = rocks_end_recovered,
    .reopen = rocks_reopen,
    .stats = rocks_stats,
};
