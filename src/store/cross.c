/* SPDX-License-Identifier: Apache-2.0 */
/*
 * COPY and MOVE between accounts.  The two accounts may be in two lanes (and,
 * on another engine, on two machines), so it takes two or three batches:
 *
 *   export  source's lane: the intent, and a claim on each blob
 *   import  target's lane: the messages with their references; claims go; COPY:
 *           the intent goes; MOVE: it says that the target is durable
 *   finish  source's lane, MOVE: the messages go, the intent goes
 *   abort   when the import was refused: intent and claims go
 *
 * A crash (or a flush of unknown outcome) leaves an intent.  One whose target
 * is not durable is undone, one whose target is durable is finished: neither
 * loss nor duplicate.
 *
 * Intent: durable:1 move:1 source account:8 mailbox:4 target account:8
 * mailbox:4 count:varint, then uid:varint blob:varint for each message.
 */
#include "base/log.h"
#include "base/mem.h"
#include "store/inside.h"

struct transfer {
	struct link link; /* in store.transfer_list */
	struct store *store;
	struct store_change *user;             /* NULL: finishing what was left */
	struct store_mailbox *source, *target; /* referenced */
	bool move, durable;
	uint64_t intent;
	struct gathered g;
	struct store_uid_pair *pairs;
};

static void
transfer_free(struct transfer *t)
{
	pthread_mutex_lock(&t->store->transfers);
	list_remove(&t->link);
	pthread_mutex_unlock(&t->store->transfers);
	gathered_fini(&t->g);
	mem_free(t->pairs);
	store_mailbox_unref(&t->source);
	store_mailbox_unref(&t->target);
	mem_free(t);
}

static struct transfer *
transfer_new(struct store *store, uint64_t intent)
{
	struct transfer *t = mem_zalloc(sizeof *t);

	t->store = store;
	t->intent = intent;
	pthread_mutex_lock(&store->transfers);
	list_push_back(&store->transfer_list, &t->link);
	pthread_mutex_unlock(&store->transfers);
	return t;
}

static bool
under_way(struct store *store, uint64_t intent)
{
	struct transfer *t;
	bool yes = false;

	pthread_mutex_lock(&store->transfers);
	LIST_EACH (t, &store->transfer_list, link)
		yes |= t->intent == intent;
	pthread_mutex_unlock(&store->transfers);
	return yes;
}

/* ---- records ---- */

static void
intent_key(struct key *k, uint64_t intent)
{
	key_begin(k, 0, KEY_INTENT);
	key_be64(k, intent);
}

static void
claim_key(struct key *k, uint64_t intent, uint64_t blob)
{
	key_ref(k, KEY_REF, blob, 0, (uint32_t)(intent >> 32), (uint32_t)intent);
}

static void
put_intent(const struct transfer *t, struct engine_batch *batch, struct buf *b)
{
	struct key k;

	intent_key(&k, t->intent);
	value_begin(b);
	buf_putc(b, t->durable);
	buf_putc(b, t->move);
	buf_le64(b, t->source->account->id);
	buf_le32(b, t->source->id);
	buf_le64(b, t->target->account->id);
	buf_le32(b, t->target->id);
	buf_varint(b, t->g.count);
	for (size_t i = 0; i < t->g.count; i++) {
		buf_varint(b, t->g.message[i].uid);
		buf_varint(b, t->g.message[i].blob);
	}
	batch_put_value(batch, &k, b);
}

static void
delete_intent(uint64_t intent, struct engine_batch *batch)
{
	struct key k;

	intent_key(&k, intent);
	engine_batch_delete(batch, key_str(&k));
}

/* Claims go; queue: and the blobs may be without references now. */
static void
delete_claims(uint64_t intent, const struct store_message *m, size_t n, bool queue,
    struct engine_batch *batch)
{
	struct key k;

	for (size_t i = 0; i < n; i++) {
		claim_key(&k, intent, m[i].blob);
		engine_batch_delete(batch, key_str(&k));
		if (!queue)
			continue;
		key_ref(&k, KEY_QUEUE, m[i].blob, 0, (uint32_t)(intent >> 32), (uint32_t)intent);
		batch_put_empty(batch, &k);
	}
}

/* ---- preparing the steps ---- */

static enum ts_err
prepare_export(struct batch *b, struct transfer *t)
{
	enum ts_err err = prepare_usable(t->source);
	struct key k;

	if (err != TS_OK)
		return err;
	t->g.bounds = t->user->bounds;
	gather_messages(&t->g, b, t->source, t->user->uids);
	if (!all_gathered(&t->g, t->user))
		return TS_CONDITION;
	if (t->g.count == 0)
		return TS_OK;
	err = gather_summaries(&t->g, t->source);
	if (err != TS_OK) {
		t->user->limit = STORE_LIMIT_MEMORY;
		return err;
	}
	put_intent(t, b->ops, &b->value);
	for (size_t i = 0; i < t->g.count; i++) {
		claim_key(&k, t->intent, t->g.message[i].blob);
		batch_put_empty(b->ops, &k);
	}
	return TS_OK;
}

static enum ts_err
prepare_import(struct batch *b, struct transfer *t)
{
	enum ts_err err = prepare_usable(t->target);

	if (err != TS_OK)
		return err;
	t->pairs = mem_zalloc(t->g.count * sizeof *t->pairs);
	err = put_copies(b, t->target, &t->g, t->pairs, t->user);
	if (err != TS_OK)
		return err;
	delete_claims(t->intent, t->g.message, t->g.count, false, b->ops);
	t->durable = true;
	if (t->move)
		put_intent(t, b->ops, &b->value);
	else
		delete_intent(t->intent, b->ops);
	t->user->uidvalidity = t->target->head.uidvalidity;
	t->user->modseq = t->target->head.c.modseq;
	return TS_OK;
}

static enum ts_err
prepare_finish(struct batch *b, struct transfer *t)
{
	enum ts_err err = prepare_usable(t->source);
	roaring_bitmap_t *uids = roaring_bitmap_create();
	struct change_delta cd;

	if (err != TS_OK && err != TS_NOT_FOUND) {
		roaring_bitmap_free(uids);
		return err;
	}
	delete_intent(t->intent, b->ops);
	for (size_t i = 0; i < t->g.count; i++)
		roaring_bitmap_add(uids, t->g.message[i].uid);
	if (t->user != NULL)
		t->user->affected = roaring_bitmap_copy(uids);
	if (err == TS_OK) {
		delta_begin(&cd, b, t->source);

		roaring_bitmap_t *left = view_existing(&cd.view, uids, false);

		if (roaring_bitmap_is_empty(left)) {
			roaring_bitmap_free(left);
			delta_abort(&cd);
		} else {
			delta_expunge(&cd, left);
			delta_commit(&cd);
		}
	}
	roaring_bitmap_free(uids);
	return TS_OK;
}

enum ts_err
cross_prepare(struct batch *b, struct store_change *c)
{
	struct transfer *t = c->priv->transfer;

	switch ((int)c->kind) {
	case INNER_EXPORT:
		return prepare_export(b, t);
	case INNER_IMPORT:
		return prepare_import(b, t);
	case INNER_FINISH:
		return prepare_finish(b, t);
	default:
		delete_intent(t->intent, b->ops);
		delete_claims(t->intent, t->g.message, t->g.count, true, b->ops);
		b->collect = true;
		return TS_OK;
	}
}

/* ---- from step to step ---- */

static void advance(struct store_change *c);

static void
go(struct transfer *t, enum inner_kind kind)
{
	struct store_mailbox *mb = kind == INNER_IMPORT ? t->target : t->source;
	struct store_change *c = change_new_inner(t->store, mb->account, (int)kind, advance, t);

	c->priv->transfer = t;
	c->mailbox = mb;
	change_submit_inner(c);
}

static void
end(struct transfer *t, enum ts_err err)
{
	struct store_change *user = t->user;

	user->err = err;
	if (err == TS_OK) {
		user->pairs = t->pairs;
		user->pair_count = t->pairs != NULL ? t->g.count : 0;
		t->pairs = NULL;
		if (t->move && user->affected == NULL)
			user->affected = roaring_bitmap_create();
	}
	transfer_free(t);
	change_complete(user);
}

/* Something is left that only the disk knows. */
static void
leave(struct transfer *t, enum ts_err err)
{
	struct store *store = t->store;

	end(t, err);
	background_wake(store, BG_INTENTS);
}

/* On a lane's thread, after a step's batch. */
static void
advance(struct store_change *c)
{
	struct transfer *t = c->priv->complete_arg;
	int kind = (int)c->kind;
	enum ts_err err = c->err;

	store_change_free(&c);
	switch (kind) {
	case INNER_EXPORT:
		if (err == TS_UNKNOWN)
			leave(t, err);
		else if (err != TS_OK || t->g.count == 0)
			end(t, err);
		else
			go(t, INNER_IMPORT);
		break;
	case INNER_IMPORT:
		if (err == TS_UNKNOWN) {
			leave(t, err);
		} else if (err != TS_OK) {
			t->user->err = err;
			go(t, INNER_ABORT);
		} else if (t->move) {
			go(t, INNER_FINISH);
		} else {
			end(t, err);
		}
		break;
	case INNER_FINISH:
		/* The target has them, and the background goes on: not what err says. */
		if (err == TS_OK)
			end(t, err);
		else
			leave(t, TS_UNKNOWN);
		break;
	default:
		if (err == TS_OK)
			end(t, t->user->err);
		else
			leave(t, t->user->err);
	}
}

void
cross_submit(struct store_change *user)
{
	struct store *store = user->priv->store;
	uint64_t intent = store_id_take(store, ID_INTENT);

	if (intent == 0) {
		user->err = store_id_err(store);
		change_complete(user);
		return;
	}

	struct transfer *t = transfer_new(store, intent);

	t->user = user;
	t->source = store_mailbox_ref(user->source);
	t->target = store_mailbox_ref(user->mailbox);
	t->move = user->kind == STORE_CHANGE_MOVE;
	go(t, INNER_EXPORT);
}

/* ---- what was left ---- */

struct left {
	bool found, durable;
	uint64_t source, intent;
	uint32_t mailbox;
	struct store_message *message; /* uid and blob only */
	size_t count;
};

static bool
take_left(struct left *l, struct str body)
{
	struct rd r = rd_of(body);

	l->durable = rd_u8(&r) != 0;
	(void)rd_u8(&r);
	l->source = rd_le64(&r);
	l->mailbox = rd_le32(&r);
	(void)rd_bytes(&r, 12);

	uint64_t n = rd_varint(&r);

	if (r.bad || n > rd_left(&r))
		return false;
	l->message = mem_zalloc((n + 1) * sizeof *l->message);
	for (; l->count < n && !r.bad; l->count++) {
		l->message[l->count].uid = (uint32_t)rd_varint(&r);
		l->message[l->count].blob = rd_varint(&r);
	}
	return !r.bad;
}

static enum ts_err
undo(struct store *store, const struct left *l)
{
	struct engine_batch *batch = engine_batch_new();

	delete_intent(l->intent, batch);
	delete_claims(l->intent, l->message, l->durable ? 0 : l->count, true, batch);

	enum ts_err err = background_commit(store, batch);

	engine_batch_free(&batch);
	background_wake(store, BG_COLLECT);
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

/* The source mailbox, loaded.  TS_NOT_FOUND: it is gone, and the messages with it. */
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

	if (err == TS_NOT_FOUND)
		return undo(store, l);
	if (err != TS_OK)
		return err;

	struct transfer *t = transfer_new(store, l->intent);
	struct store_change *c = change_new_inner(store, mb->account, INNER_FINISH, NULL, NULL);

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

/* The first intent above `after` that nobody works on. */
static enum ts_err
next_left(struct store *store, uint64_t after, struct left *l)
{
	struct key from, end;
	struct scan scan;
	enum ts_err err;

	intent_key(&from, after + 1);
	key_begin(&end, 0, KEY_INTENT);
	key_after(&end);
	scan_begin_range(&scan, store, &from, &end);
	while ((err = scan_next(&scan)) == TS_OK || scan.key.n > 0) {
		struct rd r = rd_of((struct str){scan.key.p + 9, scan.key.n - 9});

		l->intent = rd_be64(&r);
		if (under_way(store, l->intent))
			continue;
		l->found = true;
		if (err != TS_OK || !take_left(l, scan.body))
			err = TS_FAIL(TS_DAMAGED, "store: the record of move %llu is damaged",
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
			err = l.durable ? finish_left(store, &l) : undo(store, &l);
		else if (err == TS_DAMAGED)
			err = l.found ? TS_OK : TS_NOT_FOUND; /* it stays, named in the log */
		after = l.intent;
		mem_free(l.message);
		if (err != TS_OK)
			break;
	}
	return err == TS_NOT_FOUND ? TS_OK : err;
}
