/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages on their way in.  Up to the threshold the bytes stay in memory;
 * above it they go into a blob file: the loop fills one buffer while a worker
 * writes the other; each takes at most half of what may be in flight.
 */
#include "base/mem.h"
#include "mail/summary.h"
#include "store/memory/memory_int.h"

#define FLIGHT ((size_t)512 << 10)
#define PIECE ((size_t)64 << 10) /* do not bother a worker with less */
#define STEPS_ON_LOOP 4          /* of a summary: less than a millisecond each */

static void next(struct store_upload *u);

struct store_upload *
store_upload_new(
    struct store *store, struct work_pool *pool, struct loop *loop, struct work_who who)
{
	struct store_upload *u = mem_zalloc(sizeof *u);

	u->store = store;
	u->pool = pool;
	u->loop = loop;
	u->work.who = who;
	return u;
}

void
store_upload_restored(struct store_upload *u, const struct store_message_ids *ids)
{
	TS_ASSERT(u->size == 0 && !u->finishing);
	u->marks = STORE_BLOB_IDS;
	u->ids = *ids;
}

/* The summary is whole. */
static void
note_ids(struct store_upload *u)
{
	if (u->marks != 0)
		mail_summary_add_note(
		    &u->summary, 0, (struct str){(const char *)&u->ids, sizeof(u->ids)});
}

size_t
store_upload_memory(const struct store_upload *u)
{
	if (u->large && !u->finished)
		return STORE_UPLOAD_MEMORY;
	return sizeof *u + u->bytes.cap + u->summary.cap;
}

/* ---- several handles on the same bytes ---- */

struct store_upload *
store_upload_share(struct store_upload *upload)
{
	struct store_upload *origin = upload_origin(upload), *u = mem_zalloc(sizeof *u);
	struct store *store = origin->store;

	TS_ASSERT(upload->finished && upload->err == TS_OK && !upload->taken && !upload->freed);
	u->store = store;
	u->pool = origin->pool;
	u->loop = origin->loop;
	u->origin = origin;
	u->size = origin->size;
	u->blob = origin->blob;
	u->large = origin->large;
	u->in_file = origin->in_file;
	u->finishing = u->finished = true;
	if (origin->handles == 0) {
		origin->handles = 1;
		pthread_mutex_lock(&store->shared_mutex);
		list_push_back(&store->shared, &origin->shared);
		pthread_mutex_unlock(&store->shared_mutex);
	}
	origin->handles++;
	return u;
}

bool
upload_shares(struct store *store, uint64_t blob)
{
	struct store_upload *u;
	bool found = false;

	pthread_mutex_lock(&store->shared_mutex);
	LIST_EACH (u, &store->shared, shared) {
		if (u->blob == blob) {
			u->skipped = found = true;
			break;
		}
	}
	pthread_mutex_unlock(&store->shared_mutex);
	return found;
}

static void
end_sharing(struct store_upload *origin)
{
	struct store *store = origin->store;
	bool skipped;

	pthread_mutex_lock(&store->shared_mutex);
	list_remove(&origin->shared);
	skipped = origin->skipped;
	pthread_mutex_unlock(&store->shared_mutex);
	if (skipped)
		background_wake(store, BG_COLLECT);
}

static void destroy_upload(struct store_upload *u);

/* Drops a handle, on whichever thread the change ended.  The last one frees the first. */
static void
drop_handle(struct store_upload *u)
{
	struct store_upload *origin = upload_origin(u);

	if (u->taken)
		origin->any_taken = true;
	if (u->tried != 0)
		origin->tried = u->tried;
	if (u != origin)
		mem_free(u);
	if (atomic_fetch_sub(&origin->handles, 1) > 1)
		return;
	end_sharing(origin);
	origin->taken = origin->any_taken;
	destroy_upload(origin);
}

static void
destroy_upload(struct store_upload *u)
{
	mail_summarizer_free(&u->summarizer);
	if (u->in_file && !u->taken && u->finished && u->err == TS_OK)
		background_drop_blob(u->store, u->blob, u->tried);
	buf_fini(&u->bytes);
	buf_fini(&u->flight);
	buf_fini(&u->summary);
	mem_free(u);
}

/* ---- on a worker ---- */

static enum ts_err
open_file(struct store_upload *u)
{
	uint64_t id = store_id_new(u->store, ID_BLOB);

	if (id == 0)
		return store_id_err(u->store);
	u->blob = id | STORE_BLOB_FILE | u->marks;
	u->in_file = true;
	return engine_blob_create(u->store->engine, u->blob, &u->writer);
}

static enum ts_err
write_flight(struct store_upload *u)
{
	enum ts_err err = u->writer == NULL ? open_file(u) : TS_OK;

	TS_ASSERT(err != TS_OK || u->writer != NULL);
	if (err == TS_OK && u->flight.n > 0)
		err = engine_blob_write(u->writer, buf_as_str(&u->flight));
	return err;
}

static enum ts_err
begin_summary(struct store_upload *u)
{
	struct str all;
	enum ts_err err = engine_blob_map(u->writer, &all);

	if (err == TS_OK)
		u->summarizer = mail_summarizer_new(all, &u->store->opt.mail, &u->summary);
	return err;
}

/* Makes the summary in slices.  Returns true when it is done and the file is whole. */
static bool
go_on(struct store_upload *u)
{
	while (!mail_summarizer_step(u->summarizer, MAIL_SUMMARIZER_STEP))
		if (work_should_stop(&u->work))
			return false;
	mail_summarizer_free(&u->summarizer); /* before the bytes that it reads */
	note_ids(u);
	if (u->writer != NULL)
		u->io_err = engine_blob_finish(&u->writer);
	return true;
}

static enum work_end
work_run(struct work *work)
{
	struct store_upload *u = list_entry(work, struct store_upload, work);

	if (u->summarizer == NULL && u->io_err == TS_OK) {
		u->io_err = write_flight(u);
		u->flight.n = 0;
		if (u->io_err == TS_OK && u->last)
			u->io_err = begin_summary(u);
	}
	if (u->summarizer != NULL && u->io_err == TS_OK && !go_on(u))
		return WORK_AGAIN;
	if (u->io_err != TS_OK) {
		mail_summarizer_free(&u->summarizer);
		engine_blob_abort(&u->writer);
		u->writer = NULL;
	}
	return WORK_DONE;
}

/* ---- on the loop ---- */

static void work_done(struct work *work);

static void
submit(struct store_upload *u, enum work_kind kind)
{
	u->working = true;
	u->work.run = work_run;
	u->work.done = work_done;
	u->work.loop = u->loop;
	u->work.kind = kind;
	work_submit(u->pool, &u->work);
}

/* Nobody waits for the upload and no work is running: removes its file, if any, on a worker. */
static void
abandon(struct store_upload *u)
{
	if (u->writer == NULL) {
		destroy_upload(u);
		return;
	}
	u->err = u->io_err = TS_UNAVAILABLE;
	submit(u, WORK_SHORT);
}

static void
work_done(struct work *work)
{
	struct store_upload *u = list_entry(work, struct store_upload, work);

	u->working = false;
	u->err = u->io_err;
	/* One that was cancelled still has its writer. */
	u->finished = u->last && u->writer == NULL;
	if (u->finished && u->large) {
		buf_fini(&u->bytes);
		buf_fini(&u->flight);
	}
	if (u->freed) {
		abandon(u);
		return;
	}
	if (u->err != TS_OK)
		u->bytes.n = 0;
	next(u);
	if (u->finished && u->done != NULL)
		u->done(u->done_arg, u->err);
	else if (u->ready != NULL && u->bytes.n < FLIGHT) {
		void (*ready)(void *) = u->ready;

		u->ready = NULL;
		ready(u->ready_arg);
	}
}

/* Gives a worker what there is to do, if it is worth it. */
static void
next(struct store_upload *u)
{
	if (u->working || u->finished)
		return;
	if (!u->finishing && u->bytes.n < PIECE)
		return;

	struct buf swap = u->flight;

	u->flight = u->bytes;
	u->bytes = swap;
	u->bytes.n = 0;
	u->last = u->finishing;
	/* The end of a file: a summary of all of it, and a flush. */
	submit(u, u->last ? WORK_LONG : WORK_SHORT);
}

bool
store_upload_write(struct store_upload *u, struct str bytes, void (*ready)(void *arg), void *arg)
{
	TS_ASSERT(!u->finishing);
	u->size += bytes.n;
	if (u->err == TS_OK)
		buf_str(&u->bytes, bytes);
	if (u->size > u->store->opt.blob_threshold)
		u->large = true;
	if (!u->large)
		return true;
	next(u);
	if (u->bytes.n < FLIGHT)
		return true;
	u->ready = ready;
	u->ready_arg = arg;
	return false;
}

static void
small_done(struct loop_task *task)
{
	struct store_upload *u = list_entry(task, struct store_upload, task);

	u->working = false;
	u->finished = true;
	if (u->freed)
		destroy_upload(u);
	else
		u->done(u->done_arg, u->err);
}

/* Returns true if a few steps are enough, as for nearly all mail.  Otherwise a worker does the
 * rest. */
static bool
summarize_now(struct store_upload *u)
{
	u->summarizer =
	    mail_summarizer_new(buf_as_str(&u->bytes), &u->store->opt.mail, &u->summary);
	for (int i = 0; i < STEPS_ON_LOOP; i++)
		if (mail_summarizer_step(u->summarizer, MAIL_SUMMARIZER_STEP)) {
			mail_summarizer_free(&u->summarizer);
			note_ids(u);
			return true;
		}
	return false;
}

static void
finish_small(struct store_upload *u)
{
	bool made = summarize_now(u);

	u->blob = store_id_take(u->store, ID_BLOB);
	if (u->blob == 0)
		u->err = u->io_err = store_id_err(u->store);
	u->blob |= u->marks;
	if (u->err == TS_OK && !made) {
		u->last = true;
		submit(u, WORK_LONG);
		return;
	}
	u->working = u->posted = true;
	u->task.fn = small_done;
	loop_post(u->loop, &u->task);
}

void
store_upload_finish(struct store_upload *u, void (*done)(void *arg, enum ts_err err), void *arg)
{
	TS_ASSERT(!u->finishing);
	u->finishing = true;
	u->done = done;
	u->done_arg = arg;
	u->ready = NULL;
	if (u->large)
		next(u);
	else
		finish_small(u);
}

struct str
store_upload_summary(const struct store_upload *u)
{
	return buf_as_str(u->origin != NULL ? &u->origin->summary : &u->summary);
}

void
store_upload_free(struct store_upload **up)
{
	struct store_upload *u = *up;

	*up = NULL;
	if (u == NULL)
		return;
	if (u->origin != NULL || u->handles > 0) {
		drop_handle(u);
		return;
	}
	u->freed = true;
	u->done = NULL;
	u->ready = NULL;
	if (!u->working)
		abandon(u);
	else if (!u->posted) /* goes on in work_done(), or else in small_done() */
		work_cancel(&u->work);
}
