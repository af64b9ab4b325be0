/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operation `import`: takes a mailstream into an account.
 *
 * It may be interrupted at any instant and run again: a message that the
 * mailbox has already (same size, INTERNALDATE and SHA-256 of the bytes, each
 * one counted once) is left out.  So nothing has to be remembered elsewhere, and
 * what is not acknowledged is simply sent again.  Only messages whose size and
 * date agree are read for that.
 *
 * A mailbox or a message that the store refuses is named, counted and left out;
 * the rest goes on.  A message that brings a keyword new to its mailbox is a
 * change by itself, so that no other one is refused with it.
 */
#include <openssl/evp.h>
#include <stdlib.h>

#include "app/mailstream.h"
#include "app/ops.h"
#include "auth/users.h"
#include "base/mem.h"
#include "net/loop.h"
#include "net/work.h"

#define BATCH_ITEMS 200
#define BATCH_BYTES ((uint64_t)4 << 20)
#define WINDOW 512
#define SUM 32
#define READ_STEP ((uint64_t)256 << 10)
#define NAMED_MAX 1000 /* of what is left out; the rest is only counted */

struct have { /* a message that was there before */
	int64_t date;
	uint64_t blob;
	uint32_t size;
	bool taken, summed;
	unsigned char sum[SUM];
};

struct import {
	const struct ops *ops;
	struct op_io *io;
	struct buf *out;
	struct store_account *account;
	struct store_mailbox *mailbox; /* NULL: between mailboxes */
	struct buf name;
	struct loop *loop;
	struct work_pool *pool;
	EVP_MD_CTX *md;
	struct mailstream_in in;
	struct store_upload *upload;
	struct store_change *batch;
	uint64_t batch_bytes;
	uint32_t next; /* the UIDNEXT that the batch leads to */
	uint32_t uidnext;
	bool keep_uids;
	bool skipping; /* the messages of a mailbox that was left out */
	struct have *have;
	size_t have_count;
	uint64_t total, added, known, renumbered, left_out;
};

static const char *
reason(enum ts_err err)
{
	return err == TS_LIMIT     ? "a limit is reached (store.max_keywords, "
	                             "store.max_mailboxes, or no UIDs are left)"
	       : err == TS_FULL    ? "the disk of the store is full"
	       : err == TS_UNKNOWN ? "it may or may not be on disk: run it again"
	       : err == TS_INVALID ? "the name is not allowed, or somebody else "
	                             "delivered into the mailbox: run it again"
	                           : ts_err_name(err);
}

static bool
fail(struct import *im, const char *what, enum ts_err err)
{
	buf_printf(im->out, "%s %.*s: %s\n", what, STR_ARG(buf_as_str(&im->name)), reason(err));
	return false;
}

static void
leave_out(struct import *im, const struct mailstream_message *m, const char *why)
{
	struct str name = buf_as_str(&im->name);

	if (im->left_out++ >= NAMED_MAX)
		return;
	buf_printf(im->out, "left out: mailbox %.*s", STR_ARG(name));
	if (m != NULL)
		buf_printf(im->out, ", a message of %llu bytes", (unsigned long long)m->size);
	if (m != NULL && m->uid != 0)
		buf_printf(im->out, " with UID %u", m->uid);
	buf_printf(im->out, ": %s\n", why);
}

/* ---- what is there already ---- */

static int
by_size(const void *a, const void *b)
{
	const struct have *x = a, *y = b;

	if (x->size != y->size)
		return x->size < y->size ? -1 : 1;
	return x->date == y->date ? 0 : x->date < y->date ? -1 : 1;
}

static void
find_have(struct import *im)
{
	struct store_message *w = mem_zalloc(WINDOW * sizeof *w);
	uint32_t from = 0;
	size_t n;

	do {
		store_mailbox_read_begin(im->mailbox);
		n = store_mailbox_window(im->mailbox, NULL, from, w, WINDOW);
		store_mailbox_read_end(im->mailbox);
		im->have = mem_realloc(im->have, (im->have_count + n + 1) * sizeof *im->have);
		for (size_t i = 0; i < n; i++)
			im->have[im->have_count++] = (struct have){
			    .date = w[i].internaldate, .blob = w[i].blob, .size = w[i].size};
		if (n > 0)
			from = w[n - 1].uid + 1;
	} while (n == WINDOW);
	if (im->have_count > 0)
		qsort(im->have, im->have_count, sizeof *im->have, by_size);
	mem_free(w);
}

static bool
sum_blob(struct import *im, struct have *h)
{
	struct buf b = {0};
	bool ok = EVP_DigestInit_ex(im->md, EVP_sha256(), NULL) == 1;

	for (uint64_t at = 0; ok && at < h->size; at += READ_STEP) {
		b.n = 0;
		ok = store_read_blob(im->ops->store, h->blob, at, READ_STEP, &b) == TS_OK &&
		     EVP_DigestUpdate(im->md, b.p, b.n) == 1;
	}
	h->summed = ok && EVP_DigestFinal_ex(im->md, h->sum, NULL) == 1;
	buf_fini(&b);
	return h->summed;
}

static bool
is_known(struct import *im, const struct mailstream_message *m, const unsigned char *sum)
{
	size_t lo = 0, hi = im->have_count;
	struct have want = {.size = (uint32_t)m->size, .date = m->internaldate};

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (by_size(&im->have[mid], &want) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < im->have_count && by_size(&im->have[lo], &want) == 0; lo++) {
		struct have *h = &im->have[lo];

		if (h->taken || (!h->summed && !sum_blob(im, h)) || memcmp(h->sum, sum, SUM) != 0)
			continue;
		h->taken = true;
		return true;
	}
	return false;
}

/* ---- messages ---- */

static enum ts_err
submit(struct import *im)
{
	enum ts_err err = TS_OK;

	if (im->batch != NULL) {
		size_t n = im->batch->item_count;

		err = store_submit_wait(im->batch);
		if (err == TS_OK)
			im->added += n;
		store_change_free(&im->batch);
	}
	im->batch_bytes = 0;
	im->io->progress(im->io, "messages", im->added + im->known, im->total);
	return err;
}

static bool
flush(struct import *im)
{
	enum ts_err err = submit(im);

	return err == TS_OK || fail(im, "messages for", err);
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
begin_message(struct import *im)
{
	if (im->upload != NULL)
		return;
	im->upload = store_upload_new(im->ops->store, im->pool, im->loop);
	TS_ASSERT(EVP_DigestInit_ex(im->md, EVP_sha256(), NULL) == 1);
}

static void
take_data(struct import *im, struct str data)
{
	begin_message(im);
	TS_ASSERT(EVP_DigestUpdate(im->md, data.p, data.n) == 1);
	if (!store_upload_write(im->upload, data, ready, NULL))
		loop_fake_run(im->loop);
}

static void
drop_message(struct import *im)
{
	store_upload_free(&im->upload);
	loop_fake_run(im->loop);
}

static void
put_item(struct import *im, const struct mailstream_message *m)
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

	uint32_t uid = im->keep_uids && m->uid >= im->next && m->uid < UINT32_MAX ? m->uid : 0;

	im->renumbered += m->uid != 0 && uid == 0;
	im->next = (uid != 0 ? uid : im->next) + 1;
	im->batch->items[im->batch->item_count++] = (struct store_append_item){.upload = im->upload,
	    .internaldate = m->internaldate,
	    .dated = true,
	    .zone = m->zone,
	    .uid = uid,
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

/* By itself; refused for its keywords, it is left out. */
static bool
put_alone(struct import *im, const struct mailstream_message *m)
{
	uint32_t next;
	uint64_t renumbered;
	enum ts_err err;

	if (!flush(im))
		return false;
	next = im->next;
	renumbered = im->renumbered;
	put_item(im, m);
	err = submit(im);
	if (err == TS_OK)
		return true;
	if (err != TS_LIMIT)
		return fail(im, "a message for", err);
	im->next = next;
	im->renumbered = renumbered;
	leave_out(im, m, "the mailbox has all the keywords that store.max_keywords allows");
	return true;
}

static bool
take_message(struct import *im, const struct mailstream_message *m)
{
	unsigned char sum[SUM];
	struct waiter w = {0};

	begin_message(im);
	TS_ASSERT(EVP_DigestFinal_ex(im->md, sum, NULL) == 1);
	if (m->bare || m->size > UINT32_MAX) {
		drop_message(im);
		leave_out(im, m, "its bytes are missing, or 4 GiB and more");
		return true;
	}
	if (is_known(im, m, sum)) {
		drop_message(im);
		im->known++;
		if (im->known % WINDOW == 0)
			im->io->progress(im->io, "messages", im->added + im->known, im->total);
		return true;
	}
	store_upload_finish(im->upload, upload_done, &w);
	while (!w.done)
		loop_fake_run(im->loop);
	if (w.err != TS_OK) {
		drop_message(im);
		return fail(im, "a message for", w.err);
	}
	if (brings_keyword(im, m->keywords))
		return put_alone(im, m);
	put_item(im, m);
	return (im->batch->item_count < BATCH_ITEMS && im->batch_bytes < BATCH_BYTES) || flush(im);
}

/* ---- mailboxes ---- */

static enum ts_err
list_change(struct import *im, enum store_change_kind kind, const struct mailstream_mailbox *m,
    struct store_mailbox *old, uint32_t *uidvalidity_r)
{
	struct store_change *c = store_change_new(im->account, kind, NULL, NULL, NULL);
	enum ts_err err;

	c->name = arena_str(c->arena, m->name);
	c->use = m->use;
	c->mailbox = old;
	c->wish_uidvalidity = m->uidvalidity;
	c->wish_modseq = m->modseq;
	err = store_submit_wait(c);
	*uidvalidity_r = c->uidvalidity;
	store_change_free(&c);
	return err;
}

/* Makes the mailbox, or finds it; says what identity it cannot have. */
static enum ts_err
find_mailbox(struct import *im, const struct mailstream_mailbox *m)
{
	struct store_counters c = {0};
	uint32_t given = 0;
	enum ts_err err = store_mailbox_load(im->account, m->name, &im->mailbox);

	if (err == TS_OK)
		store_mailbox_counters(im->mailbox, &c);
	if (err == TS_OK && c.uidvalidity != m->uidvalidity && c.messages == 0 && c.uidnext == 1 &&
	    (m->uidvalidity != 0 || m->use != 0)) {
		err = list_change(im, STORE_CHANGE_CREATE, m, im->mailbox, &given);
		store_mailbox_unref(&im->mailbox);
	} else if (err == TS_NOT_FOUND) {
		err = list_change(im, STORE_CHANGE_CREATE, m, NULL, &given);
	} else if (err == TS_OK) {
		given = c.uidvalidity;
	}
	if (err == TS_OK && im->mailbox == NULL)
		err = store_mailbox_load(im->account, m->name, &im->mailbox);
	if (err != TS_OK)
		return err;
	store_mailbox_counters(im->mailbox, &c);
	im->next = c.uidnext;
	im->keep_uids = given == m->uidvalidity || c.uidnext == 1;
	if (m->uidvalidity != 0 && given != m->uidvalidity)
		buf_printf(im->out,
		    "note: %.*s has UIDVALIDITY %u, not %u: the name has had mail already\n",
		    STR_ARG(m->name), given, m->uidvalidity);
	return TS_OK;
}

static bool
end_mailbox(struct import *im)
{
	bool ok = im->mailbox == NULL || flush(im);

	if (ok && im->mailbox != NULL && im->keep_uids && im->uidnext > im->next) {
		struct store_change *c =
		    store_change_new(im->account, STORE_CHANGE_RAISE, NULL, NULL, NULL);

		c->mailbox = im->mailbox;
		c->wish_uidnext = im->uidnext;
		ok = store_submit_wait(c) == TS_OK || fail(im, "UIDNEXT of", c->err);
		store_change_free(&c);
	}
	store_mailbox_unref(&im->mailbox);
	mem_free(im->have);
	im->have = NULL;
	im->have_count = 0;
	return ok;
}

static bool
begin_mailbox(struct import *im, const struct mailstream_mailbox *m)
{
	enum ts_err err = TS_OK;
	uint32_t none;

	if (!end_mailbox(im))
		return false;
	im->name.n = 0;
	buf_str(&im->name, m->name);
	im->total += m->messages;
	im->uidnext = m->uidnext;
	im->skipping = false;
	if (m->exists)
		err = find_mailbox(im, m);
	if (err == TS_OK && m->subscribed)
		err = list_change(im, STORE_CHANGE_SUBSCRIBE, m, NULL, &none);
	if (err == TS_INVALID || err == TS_LIMIT) {
		store_mailbox_unref(&im->mailbox);
		im->skipping = true;
		leave_out(im, NULL,
		    err == TS_INVALID ? "the name is not allowed"
		                      : "there are as many as store.max_mailboxes allows");
		return true;
	}
	if (err != TS_OK)
		return fail(im, "mailbox", err);
	if (m->exists)
		find_have(im);
	return true;
}

/* ---- all ---- */

static bool
take(struct import *im, const struct mailstream_record *rec)
{
	if (im->skipping && rec->tag != MAILSTREAM_MAILBOX) {
		im->left_out += rec->tag == MAILSTREAM_MESSAGE;
		return true;
	}
	switch (rec->tag) {
	case MAILSTREAM_MAILBOX:
		return begin_mailbox(im, &rec->mailbox);
	case MAILSTREAM_DATA:
		take_data(im, rec->data);
		return true;
	case MAILSTREAM_MESSAGE:
		return take_message(im, &rec->message);
	case MAILSTREAM_DROP:
		drop_message(im);
		return true;
	case MAILSTREAM_VERSION_TAG:
	case MAILSTREAM_END:
		return true;
	}
	return false;
}

static bool
run(struct import *im)
{
	struct mailstream_record rec;

	while (!im->in.ended) {
		enum mailstream_got got = mailstream_next(&im->in, &rec);

		if (got == MAILSTREAM_BAD) {
			buf_puts(im->out, "the stream of messages is damaged\n");
			return false;
		}
		if (got == MAILSTREAM_GOT) {
			if (!take(im, &rec))
				return false;
		} else if (!im->io->receive(im->io, &im->in.bytes)) {
			(void)flush(im); /* what is whole is kept */
			buf_puts(im->out, "ended early: run it again to go on\n");
			return false;
		}
	}
	return end_mailbox(im);
}

/* The account of a user; made when the user has no mail yet. */
static bool
find_account(struct import *im, const struct request *req)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	struct auth_user user = {0};
	const char *why = NULL;
	struct str name = request_get(req, "name");
	enum ts_err err = auth_users_get(im->ops->auth, name, arena, &user, &why);

	if (err == TS_OK)
		err = store_account_load(im->ops->store, user.name, true, &im->account);
	if (err == TS_NOT_FOUND)
		buf_printf(im->out, "there is no user %.*s\n", STR_ARG(name));
	else if (err != TS_OK)
		buf_printf(im->out, "%s\n", why != NULL ? why : ts_err_name(err));
	arena_free(&arena);
	return err == TS_OK;
}

static bool
import(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	struct import im = {.ops = ops, .io = io, .out = out};
	bool ok;

	im.loop = loop_new_fake();
	im.pool = work_pool_new(0);
	im.md = EVP_MD_CTX_new();
	TS_ASSERT(im.md != NULL);
	ok = find_account(&im, req) && run(&im);
	store_upload_free(&im.upload);
	store_change_free(&im.batch);
	store_mailbox_unref(&im.mailbox);
	loop_fake_run(im.loop);
	if (ok)
		buf_printf(out,
		    "messages: %llu\nthere already: %llu\nnew uids: %llu\n"
		    "not imported: %llu\n",
		    (unsigned long long)im.added, (unsigned long long)im.known,
		    (unsigned long long)im.renumbered, (unsigned long long)im.left_out);
	mem_free(im.have);
	mailstream_in_fini(&im.in);
	buf_fini(&im.name);
	EVP_MD_CTX_free(im.md);
	store_account_unref(&im.account);
	work_pool_free(&im.pool);
	loop_free(&im.loop);
	return ok;
}

const struct op ops_import[] = {{.verb = "import", .run = import}, {.verb = NULL}};
