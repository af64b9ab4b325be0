/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of an import: uploaded, and added in large batches.  A message with a keyword that is
 * new to the mailbox is a change of its own, so that a refusal affects no other message.
 */
#include "control/ops/import_int.h"
#include "control/ops/ops.h"
#include "control/ops/seen.h"
#include "net/loop.h"

#define BATCH_ITEMS 200
#define BATCH_BYTES ((uint64_t)4 << 20)

static enum ts_err
submit_batch(struct import *im, enum store_limit *limit_r)
{
	enum ts_err err = TS_OK;

	if (im->batch != NULL) {
		size_t n = im->batch->item_count;

		err = seen_append(im->batch);
		if (err == TS_OK)
			im->added += n;
		*limit_r = im->batch->limit;
		store_change_free(&im->batch);
	}
	im->batch_bytes = 0;
	im->io->progress(im->io, "messages", im->added + im->known, im->total);
	return err;
}

/* It ends here: there is no room for the rest, either. */
static bool
refused(struct import *im, const char *what, enum ts_err err, enum store_limit limit)
{
	const char *quota = ops_quota_text(err, limit);

	if (quota == NULL)
		return import_fail(im, what, err);
	buf_printf(im->out, "%s %.*s: %s\n", what, STR_ARG(buf_as_str(&im->name)), quota);
	return false;
}

bool
import_flush(struct import *im)
{
	enum store_limit limit;
	enum ts_err err = submit_batch(im, &limit);

	return err == TS_OK || refused(im, "messages for", err, limit);
}

static void
ready(void *arg)
{
	(void)arg;
}

struct waiter {
	bool done;
	enum ts_err err;
};

static void
upload_done(void *arg, enum ts_err err)
{
	struct waiter *w = arg;

	w->done = true;
	w->err = err;
}

static void
begin_upload(struct import *im)
{
	if (im->summing)
		return;
	if (!im->dry)
		im->upload =
		    store_upload_new(im->ops->store, im->pool, im->loop, (struct work_who){0});
	TS_ASSERT(EVP_DigestInit_ex(im->md, EVP_sha256(), NULL) == 1);
	im->summing = true;
}

/* They come before the message's bytes. */
void
import_take_ids(struct import *im, struct str bytes)
{
	struct store_message_ids ids;

	_Static_assert(sizeof(ids) == MAILSTREAM_IDS_BYTES, "a record holds the ids of a message");
	begin_upload(im);
	memcpy(&ids, bytes.p, sizeof(ids));
	if (!im->dry)
		store_upload_restored(im->upload, &ids);
}

void
import_take_data(struct import *im, struct str data)
{
	begin_upload(im);
	TS_ASSERT(EVP_DigestUpdate(im->md, data.p, data.n) == 1);
	if (!im->dry && !store_upload_write(im->upload, data, ready, NULL))
		loop_fake_run(im->loop);
}

void
import_drop_message(struct import *im)
{
	im->summing = false;
	store_upload_free(&im->upload);
	loop_fake_run(im->loop);
}

uint32_t
import_uid_of(struct import *im, const struct mailstream_message *m)
{
	uint32_t uid = im->keep_uids && m->uid >= im->next && m->uid < UINT32_MAX ? m->uid : 0;

	im->renumbered += m->uid != 0 && uid == 0;
	im->next = (uid != 0 ? uid : im->next) + 1;
	return uid;
}

static void
add_to_batch(struct import *im, const struct mailstream_message *m)
{
	struct rd words = rd_of(m->keywords);
	struct str *keyword = NULL;
	size_t n = 0;

	if (im->batch == NULL) {
		im->batch = store_change_new(im->account, STORE_CHANGE_APPEND, NULL, NULL, NULL);
		im->batch->mailbox = im->mailbox;
		im->batch->items =
		    arena_array(im->batch->arena, BATCH_ITEMS, sizeof *im->batch->items);
	}
	while (rd_left(&words) > 0) {
		rd_vstr(&words);
		n++;
	}
	if (n > 0)
		keyword = arena_array(im->batch->arena, n, sizeof *keyword);
	words = rd_of(m->keywords);
	for (size_t i = 0; i < n; i++)
		keyword[i] = arena_str(im->batch->arena, rd_vstr(&words));

	im->batch->items[im->batch->item_count++] = (struct store_append_item){.upload = im->upload,
	    .internaldate = m->internaldate,
	    .dated = true,
	    .zone = m->zone,
	    .uid = import_uid_of(im, m),
	    .savedate = m->savedate,
	    .flags.w = {m->flags},
	    .keywords = keyword,
	    .keyword_count = n};
	im->upload = NULL;
	im->batch_bytes += m->size;
}

static bool
brings_keyword(const struct import *im, struct str keywords)
{
	struct rd words = rd_of(keywords);
	bool any = false;

	store_mailbox_read_begin(im->mailbox);
	while (!any && rd_left(&words) > 0)
		any = store_mailbox_keyword_find(im->mailbox, rd_vstr(&words)) < 0;
	store_mailbox_read_end(im->mailbox);
	return any;
}

/* In a change of its own; if its keywords are refused, it is left out. */
static bool
put_alone(struct import *im, const struct mailstream_message *m)
{
	enum store_limit limit;
	uint32_t next;
	uint64_t renumbered;
	enum ts_err err;

	if (!import_flush(im))
		return false;
	next = im->next;
	renumbered = im->renumbered;
	add_to_batch(im, m);
	err = submit_batch(im, &limit);
	if (err == TS_OK)
		return true;
	if (err != TS_LIMIT || ops_quota_text(err, limit) != NULL)
		return refused(im, "a message for", err, limit);
	im->next = next;
	im->renumbered = renumbered;
	import_leave_out(im, m,
	    limit == STORE_LIMIT_KEYWORD_BYTES ? IMPORT_LONG_KEYWORD
	    : limit == STORE_LIMIT_KEYWORDS    ? IMPORT_MANY_KEYWORDS
	                                       : "the mailbox has no UIDs left");
	return true;
}

bool
import_take_message(struct import *im, const struct mailstream_message *m)
{
	unsigned char sum[IMPORT_SUM];
	struct waiter w = {0};

	begin_upload(im);
	TS_ASSERT(EVP_DigestFinal_ex(im->md, sum, NULL) == 1);
	im->summing = false;
	if (m->bare || m->size > UINT32_MAX) {
		import_drop_message(im);
		import_leave_out(im, m, "its bytes are missing, or 4 GiB and more");
		return true;
	}
	if (import_is_known(im, m, sum)) {
		import_drop_message(im);
		im->known++;
		im->dryness.known++;
		if (im->known % IMPORT_WINDOW == 0)
			im->io->progress(im->io, "messages", im->added + im->known, im->total);
		return true;
	}
	if (im->dry) {
		import_dry_message(im, m);
		return true;
	}
	store_upload_finish(im->upload, upload_done, &w);
	while (!w.done)
		loop_fake_run(im->loop);
	if (w.err != TS_OK) {
		import_drop_message(im);
		return import_fail(im, "a message for", w.err);
	}
	if (brings_keyword(im, m->keywords))
		return put_alone(im, m);
	add_to_batch(im, m);
	return (im->batch->item_count < BATCH_ITEMS && im->batch_bytes < BATCH_BYTES) ||
	       import_flush(im);
}
