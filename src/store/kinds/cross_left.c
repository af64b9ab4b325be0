/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transfers between accounts (change_cross.c) that a crash, or a flush of unknown outcome, left
 * unfinished: their notes tell what to do.
 */
#include "base/log.h"
#include "base/mem.h"
#include "store/kinds/steps_int.h"

struct left {
	bool found, moves;
	uint64_t source, target, intent;
	uint32_t mailbox;
	struct store_message *message; /* only uid and blob are set */
	size_t count;
};

static bool
take_intent(struct left *l, struct str body)
{
	struct rd r = rd_of(body);
	size_t cap = 0;

	l->source = rd_le64(&r);
	l->mailbox = rd_le32(&r);
	while (!r.bad && rd_left(&r) > 0) {
		if (l->count == cap) {
			cap = cap > 0 ? 2 * cap : 16;
			l->message = mem_realloc(l->message, cap * sizeof *l->message);
		}
		l->message[l->count] = (struct store_message){.uid = (uint32_t)rd_varint(&r)};
		l->message[l->count].blob = rd_varint(&r);
		l->count += !r.bad;
	}
	return !r.bad;
}

/* Reads what the target has of it.  Without an intent there is nothing to do. */
static enum ts_err
read_intent(struct store *store, struct left *l)
{
	struct key k;
	struct buf b = {0};
	struct str body = STR_NONE;
	enum ts_err err;

	intent_key(&k, l->target, l->intent);
	err = store_get(store, &k, &b, &body);
	l->moves = err == TS_OK;
	if (err == TS_OK && !take_intent(l, body))
		err = TS_DAMAGED;
	buf_fini(&b);
	return err == TS_NOT_FOUND ? TS_OK : err;
}

static enum ts_err
forget_left(struct store *store, uint64_t account, uint64_t intent)
{
	struct engine_batch *batch = engine_batch_new();
	enum ts_err err;

	intent_delete(account, intent, batch);
	err = store_commit(store, batch);
	engine_batch_free(&batch);
	return err;
}

static enum ts_err
account_name_by_id(struct store *store, uint64_t id, struct buf *name)
{
	struct key k;
	struct buf b = {0};
	struct str body = STR_NONE;

	key_begin(&k, id, KEY_ACCOUNT);

	enum ts_err err = store_get(store, &k, &b, &body);

	if (err == TS_OK && body.n > 16)
		buf_put(name, body.p + 16, body.n - 16);
	buf_fini(&b);
	return err;
}

struct by_id {
	uint32_t id;
	struct buf name;
};

static bool
match_id(const struct store_mailbox_info *info, void *arg)
{
	struct by_id *want = arg;

	if (info->id != want->id)
		return true;
	buf_str(&want->name, info->name);
	return false;
}

/* Loads the source mailbox.  TS_NOT_FOUND: it is gone, and the messages with it. */
static enum ts_err
load_source(struct store *store, const struct left *l, struct store_mailbox **mailbox_r)
{
	struct buf name = {0};
	struct store_account *a = NULL;
	struct by_id want = {.id = l->mailbox};
	enum ts_err err = account_name_by_id(store, l->source, &name);

	if (err == TS_OK)
		err = store_account_load(store, buf_as_str(&name), false, &a);
	if (err == TS_OK && a->id != l->source)
		err = TS_NOT_FOUND;
	if (err == TS_OK) {
		store_account_list(a, match_id, &want);
		err = want.name.n == 0 ? TS_NOT_FOUND
		                       : store_mailbox_load(a, buf_as_str(&want.name), mailbox_r);
	}
	store_account_unref(&a);
	buf_fini(&name);
	buf_fini(&want.name);
	return err;
}

static enum ts_err
finish_left(struct store *store, struct left *l)
{
	struct store_mailbox *mb = NULL;
	enum ts_err err = load_source(store, l, &mb);
	struct store_change *c;
	struct transfer *t;

	if (err != TS_OK)
		return err == TS_NOT_FOUND ? TS_OK : err;
	t = transfer_new(store, l->intent);
	c = change_new_inner(store, mb->account, INNER_FINISH, NULL, NULL);
	t->source = mb;
	t->g.message = l->message;
	t->g.count = l->count;
	l->message = NULL;
	c->priv->transfer = t;
	c->mailbox = mb;
	err = store_submit_wait(c);
	store_change_free(&c);
	transfer_free(t);
	return err;
}

/* Removes the intent, then the note: if one is left, it is found again. */
static enum ts_err
end_left(struct store *store, struct left *l)
{
	enum ts_err err = read_intent(store, l);

	if (err == TS_DAMAGED) {
		log_msg(LOG_ERROR, NULL, "store: the record of move %llu is damaged",
		    (unsigned long long)l->intent);
		return TS_OK; /* the note stays and is logged */
	}
	if (err == TS_OK && l->moves)
		err = finish_left(store, l);
	if (err == TS_OK && l->moves)
		err = forget_left(store, l->target, l->intent);
	return err == TS_OK ? forget_left(store, 0, l->intent) : err;
}

/* Finds the first note above `after` that nobody works on.  A damaged note names no target; the
 * check finds its intent. */
static enum ts_err
next_left(struct store *store, uint64_t after, struct left *l)
{
	struct key from, end;
	struct scan scan;
	enum ts_err err;

	intent_key(&from, 0, after + 1);
	key_begin(&end, 0, KEY_INTENT);
	key_after(&end);
	scan_begin_range(&scan, store, &from, &end);
	while ((err = scan_next(&scan)) == TS_OK || scan.key.n > 0) {
		struct rd r = rd_of((struct str){scan.key.p + 9, scan.key.n - 9});
		struct rd v = rd_of(err == TS_OK ? scan.body : STR_NONE);

		l->intent = rd_be64(&r);
		if (r.bad || rd_left(&r) > 0 || transfer_under_way(store, l->intent))
			continue; /* left to the check */
		l->found = true;
		l->target = rd_le64(&v);
		if (v.bad)
			err = TS_FAIL(TS_DAMAGED, "store: the note of move %llu is damaged",
			    (unsigned long long)l->intent);
		break;
	}
	scan_end(&scan);
	if (err == TS_DAMAGED && !l->found)
		log_msg(LOG_ERROR, NULL,
		    "store: moves between accounts that a crash left behind move %llu cannot be "
		    "read",
		    (unsigned long long)after);
	return err;
}

enum ts_err
cross_recover(struct store *store)
{
	uint64_t after = 0;
	enum ts_err err;

	for (;;) {
		struct left l = {0};

		err = next_left(store, after, &l);
		if (err == TS_OK)
			err = end_left(store, &l);
		else if (err == TS_DAMAGED)
			err = l.found ? TS_OK : TS_NOT_FOUND; /* the note stays and is logged */
		after = l.intent;
		mem_free(l.message);
		if (err != TS_OK)
			break;
	}
	return err == TS_NOT_FOUND ? TS_OK : err;
}
