/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that a restore appends: uploaded as they arrive, one change per question. */
#include "control/dialogue.h"
#include "control/ops/ops.h"
#include "control/ops/restore_int.h"
#include "control/ops/seen.h"

#define ITEMS 1024

struct waiter {
	bool done;
	enum ts_err err;
};

static void
ready(void *arg)
{
	(void)arg;
}

static void
upload_done(void *arg, enum ts_err err)
{
	struct waiter *waiter = arg;

	waiter->done = true;
	waiter->err = err;
}

static struct store_change *
append_change(struct writer *w, size_t items)
{
	struct store_change *c =
	    store_change_new(w->account, STORE_CHANGE_APPEND, NULL, NULL, NULL);

	c->mailbox = w->mailbox;
	c->restoring = true;
	c->items = arena_array(c->arena, items, sizeof(*c->items));
	return c;
}

static void
batch_begin(struct writer *w)
{
	if (w->batch == NULL)
		w->batch = append_change(w, ITEMS);
}

static void
batch_free(struct writer *w)
{
	for (size_t i = 0; w->batch != NULL && i < w->batch->item_count; i++)
		store_upload_free(&w->batch->items[i].upload);
	store_change_free(&w->batch);
	loop_fake_run(w->loop);
}

/* Adds a message of the batch by itself, if there is room for it. */
static bool
append_alone(struct writer *w, struct store_append_item *item, uint64_t *unfit)
{
	struct store_change *c = append_change(w, 1);
	enum ts_err err;
	bool ok = true;

	c->items[0] = *item;
	c->item_count = 1;
	item->upload = NULL;
	err = seen_append(c);
	if (ops_quota_text(err, c->limit) != NULL)
		++*unfit;
	else
		ok = err == TS_OK ? restore_send_lost(w, c) : restore_say(w, "a message", err);
	store_upload_free(&c->items[0].upload);
	store_change_free(&c);
	loop_fake_run(w->loop);
	return ok;
}

static bool
append_what_fits(struct writer *w)
{
	uint64_t unfit = 0;
	bool ok = true;

	for (size_t i = 0; ok && i < w->batch->item_count; i++)
		ok = append_alone(w, &w->batch->items[i], &unfit);
	batch_free(w);
	return ok && restore_send_unfit(w, unfit);
}

static bool
batch_end(struct writer *w)
{
	uint32_t next;
	enum ts_err err;
	bool ok;

	if (w->batch == NULL || w->batch->item_count == 0)
		return true;
	err = seen_append(w->batch);
	if (ops_quota_text(err, w->batch->limit) != NULL)
		return append_what_fits(w);
	if (err != TS_OK) {
		batch_free(w);
		return restore_say(w, "the messages", err);
	}
	w->scratch.n = 0;
	next = w->batch->first_uid;
	for (size_t i = 0; i < w->batch->item_count; i++) {
		if (w->batch->items[i].uid != 0)
			next = w->batch->items[i].uid;
		buf_varint(&w->scratch, next++);
	}
	ok = restore_send_lost(w, w->batch);
	store_change_free(&w->batch);
	loop_fake_run(w->loop);
	return ok && dialogue_send(w->io, 'p', buf_as_str(&w->scratch));
}

/* The ids that the message had, if the backup knows them. */
static void
take_ids(struct writer *w, struct rd *r)
{
	struct store_message_ids ids;
	bool has = rd_u8(r) != 0;
	struct str bytes = rd_bytes(r, has ? sizeof(ids) : 0);

	if (!has || r->bad)
		return;
	memcpy(&ids, bytes.p, sizeof(ids));
	store_upload_restored(w->upload, &ids);
}

static bool
message_begin(struct writer *w, struct rd *r)
{
	struct store_append_item item = {.dated = true};

	batch_begin(w);
	item.uid = (uint32_t)rd_varint(r);
	item.internaldate = (int64_t)rd_le64(r);
	item.savedate = (int64_t)rd_le64(r);
	item.zone = (int16_t)rd_le32(r);
	item.flags.w[0] = rd_varint(r);
	if (!restore_take_words(w, r, w->batch->arena, &item.keywords, &item.keyword_count) ||
	    w->batch->item_count == ITEMS)
		return false;
	w->item = item;
	w->upload = store_upload_new(w->ops->store, w->pool, w->loop, (struct work_who){0});
	take_ids(w, r);
	w->left = rd_varint(r);
	return !r->bad;
}

static bool
message_end(struct writer *w)
{
	struct waiter waiter = {0};

	store_upload_finish(w->upload, upload_done, &waiter);
	while (!waiter.done)
		loop_fake_run(w->loop);
	if (waiter.err != TS_OK)
		return restore_say(w, "a message", waiter.err);
	w->item.upload = w->upload;
	w->upload = NULL;
	w->batch->items[w->batch->item_count++] = w->item;
	return true;
}

static bool
message_bytes(struct writer *w, struct rd *r)
{
	size_t n = rd_left(r) < w->left ? rd_left(r) : (size_t)w->left;

	if (!store_upload_write(w->upload, rd_bytes(r, n), ready, NULL))
		loop_fake_run(w->loop);
	w->left -= n;
	return w->left > 0 || message_end(w);
}

bool
restore_put_messages(struct writer *w, struct rd *r, bool first)
{
	if (w->mailbox == NULL || first == (w->upload != NULL))
		return restore_bad_question(w);
	while (rd_left(r) > 0) {
		if (w->upload == NULL && !message_begin(w, r))
			return restore_bad_question(w);
		if (!message_bytes(w, r))
			return false;
	}
	return w->upload != NULL || batch_end(w);
}

void
restore_append_fini(struct writer *w)
{
	store_upload_free(&w->upload);
	batch_free(w);
}
