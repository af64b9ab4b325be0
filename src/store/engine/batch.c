/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches as bytes: one operation after the other, each a kind byte, the key or
 * blob id, and the value.  The format is private to this file and never stored;
 * an engine reads it with engine_batch_next().
 */
#include "base/mem.h"
#include "store/engine.h"

/* A lane keeps its batch for good, so a rare huge one must not pin its memory. */
#define BATCH_KEEP ((size_t)4 << 20)

struct engine_batch {
	struct buf bytes;
	size_t count;
};

struct engine_batch *
engine_batch_new(void)
{
	return mem_zalloc(sizeof(struct engine_batch));
}

void
engine_batch_free(struct engine_batch **batch)
{
	if (*batch == NULL)
		return;
	buf_fini(&(*batch)->bytes);
	mem_free(*batch);
	*batch = NULL;
}

void
engine_batch_clear(struct engine_batch *batch)
{
	if (batch->bytes.cap > BATCH_KEEP)
		buf_fini(&batch->bytes);
	batch->bytes.n = 0;
	batch->count = 0;
}

static void
batch_key_op(struct engine_batch *batch, enum engine_op_kind kind, struct str key, struct str value)
{
	buf_putc(&batch->bytes, (char)kind);
	buf_vstr(&batch->bytes, key);
	buf_vstr(&batch->bytes, value);
	batch->count++;
}

static void
batch_blob_op(struct engine_batch *batch, enum engine_op_kind kind, uint64_t blob, struct str value)
{
	buf_putc(&batch->bytes, (char)kind);
	buf_be64(&batch->bytes, blob);
	buf_vstr(&batch->bytes, value);
	batch->count++;
}

void
engine_batch_put(struct engine_batch *batch, struct str key, struct str value)
{
	TS_ASSERT(key.n > 0);
	batch_key_op(batch, ENGINE_PUT, key, value);
}

void
engine_batch_delete(struct engine_batch *batch, struct str key)
{
	TS_ASSERT(key.n > 0);
	batch_key_op(batch, ENGINE_DELETE, key, STR_NONE);
}

void
engine_batch_delete_range(struct engine_batch *batch, struct str from, struct str end)
{
	TS_ASSERT(end.n > 0);
	if (str_cmp(from, end) < 0)
		batch_key_op(batch, ENGINE_DELETE_RANGE, from, end);
}

void
engine_batch_put_blob(struct engine_batch *batch, uint64_t blob, struct str bytes)
{
	TS_ASSERT((blob & STORE_BLOB_FILE) == 0);
	batch_blob_op(batch, ENGINE_PUT_BLOB, blob, bytes);
}

void
engine_batch_delete_blob(struct engine_batch *batch, uint64_t blob)
{
	batch_blob_op(batch, ENGINE_DELETE_BLOB, blob, STR_NONE);
}

size_t
engine_batch_count(const struct engine_batch *batch)
{
	return batch->count;
}

size_t
engine_batch_bytes(const struct engine_batch *batch)
{
	return batch->bytes.n;
}

bool
engine_batch_next(const struct engine_batch *batch, size_t *at, struct engine_op *op_r)
{
	struct rd r;

	if (*at >= batch->bytes.n)
		return false;
	r = rd_of((struct str){batch->bytes.p + *at, batch->bytes.n - *at});
	*op_r = (struct engine_op){.kind = (enum engine_op_kind)rd_u8(&r)};
	if (op_r->kind == ENGINE_PUT_BLOB || op_r->kind == ENGINE_DELETE_BLOB)
		op_r->blob = rd_be64(&r);
	else
		op_r->key = rd_vstr(&r);
	op_r->value = rd_vstr(&r);
	TS_ASSERT(!r.bad);
	*at = batch->bytes.n - rd_left(&r);
	return true;
}
