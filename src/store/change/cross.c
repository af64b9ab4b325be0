/* SPDX-License-Identifier: Apache-2.0 */
/*
 * COPY and MOVE between accounts.  No batch has keys of two accounts, so a
 * transfer takes several:
 *
 *   read    the copier's thread: messages of the source, held, with their summaries
 *   export  account 0: a note of the transfer; holders of each blob, and a claim
 *           of the target
 *   import  target: the messages with their references; MOVE: an intent, which
 *           names those of the source.  COPY: the user has the answer
 *   finish  source, MOVE: the messages go.  The user has the answer
 *   forget  target, MOVE: the intent goes
 *   ended   account 0: the note goes
 *
 * A crash (or a flush of unknown outcome) leaves the note, which leads to the
 * target.  With an intent there, the messages are durable there, and finish
 * follows; without one nothing has to be done: neither loss nor duplicate.
 * Claims are settled by themselves (upkeep/settle.c).
 */
#include "base/log.h"
#include "base/mem.h"
#include "store/change/change_int.h"

struct transfer {
	struct errand errand;
	struct link link; /* in store.transfer_list */
	struct store *store;
	struct store_change *user;             /* NULL: it has its answer, or there was none */
	struct store_mailbox *source, *target; /* referenced; the latter NULL: of an earlier run */
	struct store_hold *hold;
	bool move, claimed;
	uint64_t intent;
	struct gathered g;
	struct store_uid_pair *pairs;
};

static void
transfer_free(struct transfer *t)
{
	struct store *store = t->store;

	pthread_mutex_lock(&store->transfers);
	list_remove(&t->link);
	pthread_mutex_unlock(&store->transfers);
	for (size_t i = 0; i < t->g.count && t->claimed; i++)
		background_settle(store, t->g.message[i].blob, t->target->account->id);
	store_hold_end(&t->hold);
	/* What had to wait for these messages. */
	background_wake(store, BG_COLLECT);
	gathered_fini(&t->g);
	mem_free(t->pairs);
	store_mailbox_unref(&t->source);
	store_mailbox_unref(&t->target);
	mem_free(t);
	copier_end(store);
}

static struct transfer *
transfer_new(struct store *store, uint64_t intent)
{
	struct transfer *t = mem_zalloc(sizeof *t);

	t->store = store;
	t->intent = intent;
	copier_begin(store);
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

bool
cross_comes(struct store *store, uint64_t account)
{
	struct transfer *t;
	bool yes = false;

	pthread_mutex_lock(&store->transfers);
	LIST_EACH (t, &store->transfer_list, link)
		yes |= t->target != NULL && t->target->account->id == account;
	pthread_mutex_unlock(&store->transfers);
	return yes;
}

/* ---- records ---- */

static void
intent_key(struct key *k, uint64_t account, uint64_t intent)
{
	key_begin(k, account, KEY_INTENT);
	key_be64(k, intent);
}

static void
delete_intent(uint64_t account, uint64_t intent, struct engine_batch *batch)
{
	struct key k;

	intent_key(&k, account, intent);
	engine_batch_delete(batch, key_str(&k));
}

static void
put_note(const struct transfer *t, struct engine_batch *batch, struct buf *b)
{
	struct key k;

	intent_key(&k, 0, t->intent);
	value_begin(b);
	buf_le64(b, t->target->account->id);
	batch_put_value(batch, &k, b);
}

static void
put_intent(const struct transfer *t, struct engine_batch *batch, struct buf *b)
{
	struct key k;

	intent_key(&k, t->target->account->id, t->intent);
	value_begin(b);
	buf_le64(b, t->source->account->id);
	buf_le32(b, t->source->id);
	for (size_t i = 0; i < t->g.count; i++) {
		buf_varint(b, t->g.message[i].uid);
		buf_varint(b, t->g.message[i].blob);
	}
	batch_put_value(batch, &k, b);
}

/* ---- reading; the copier's thread ---- */

#define WINDOW 256

static void
add_window(struct gathered *g, const struct store_message *m, size_t n)
{
	g->message = mem_realloc(g->message, (g->count + n + 1) * sizeof *g->message);
	for (size_t i = 0; i < n; i++) {
		struct store_message *to = &g->message[g->count++];

		*to = m[i];
		flags_bound(&g->bounds, &to->flags);
		for (unsigned w = 0; w < STORE_FLAG_WORDS; w++)
			g->used.w[w] |= to->flags.w[w];
	}
}

/* Those that are there: all in one look. */
static enum ts_err
read_messages(struct transfer *t)
{
	const struct store_change *user = t->user;
	struct store_mailbox *mb = t->source;
	struct store_message m[WINDOW];
	uint32_t from = 1;
	size_t n;

	if (store_mailbox_gone(mb))
		return TS_NOT_FOUND;
	if (atomic_load(&lane_of_account(mb->account)->in_doubt))
		return TS_UNAVAILABLE;
	t->g = (struct gathered){.bounds = user->bounds, .any_length = user->restoring};
	store_mailbox_read_begin(mb);
	t->hold = store_hold_begin(mb, user->uids != NULL ? user->uids : store_mailbox_uids(mb));
	t->g.keywords = store_mailbox_keywords(mb);
	do {
		n = store_mailbox_window(mb, store_hold_uids(t->hold), from, m, WINDOW);
		add_window(&t->g, m, n);
		from = n > 0 ? m[n - 1].uid + 1 : 0;
	} while (n == WINDOW && from != 0);
	store_mailbox_read_end(mb);
	return all_gathered(&t->g, user) ? TS_OK : TS_CONDITION;
}

/* ---- preparing the steps ---- */

static enum ts_err
prepare_export(struct batch *b, struct transfer *t)
{
	uint64_t source = t->source->account->id, target = t->target->account->id;

	put_note(t, b->ops, &b->value);
	for (size_t i = 0; i < t->g.count; i++) {
		holder_put(b->ops, t->g.message[i].blob, source);
		holder_put(b->ops, t->g.message[i].blob, target);
		claim_put(b->ops, t->g.message[i].blob, target);
	}
	return TS_OK;
}

static enum ts_err
prepare_import(struct batch *b, struct transfer *t)
{
	enum ts_err err = prepare_usable(t->target);

	if (err != TS_OK)
		return err;
	t->pairs = mem_zalloc((t->g.count + 1) * sizeof *t->pairs);
	err = put_copies(b, t->target, &t->g, t->pairs, t->user);
	if (err != TS_OK)
		return err;
	if (t->move)
		put_intent(t, b->ops, &b->value);
	t->user->uidvalidity = t->target->head.uidvalidity;
	t->user->modseq = t->target->head.c.modseq;
	return TS_OK;
}

static enum ts_err
prepare_finish(struct batch *b, struct transfer *t)
{
	enum ts_err err = prepare_usable(t->source);
	roaring_bitmap_t *uids;
	struct change_delta cd;

	if (err != TS_OK && err != TS_NOT_FOUND)
		return err;
	uids = roaring_bitmap_create();
	for (size_t i = 0; i < t->g.count; i++)
		roaring_bitmap_add(uids, t->g.message[i].uid);
	if (t->user != NULL)
		t->user->affected = roaring_bitmap_copy(uids);
	if (err == TS_OK) {
		delta_begin(&cd, b, t->source);

		roaring_bitmap_t *left = head_existing(&cd.head, uids, false);

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
	case INNER_FORGET:
		delete_intent(t->target->account->id, t->intent, b->ops);
		return TS_OK;
	default:
		delete_intent(0, t->intent, b->ops);
		return TS_OK;
	}
}

/* ---- from step to step ---- */

static void after_transfer_step(struct store_change *c);

static void
next_transfer_step(struct transfer *t, enum inner_kind kind)
{
	struct store_mailbox *mb = kind == INNER_IMPORT   ? t->target
	                           : kind == INNER_FINISH ? t->source
	                                                  : NULL;
	struct store_account *a = mb != NULL             ? mb->account
	                          : kind == INNER_FORGET ? t->target->account
	                                                 : NULL; /* account 0 */
	struct store_change *c = change_new_inner(t->store, a, (int)kind, after_transfer_step, t);

	c->priv->transfer = t;
	c->mailbox = mb;
	change_submit_inner(c);
}

/* The user's answer; what follows is ours. */
static void
answer_transfer(struct transfer *t, enum ts_err err)
{
	struct store_change *user = t->user;

	t->user = NULL;
	user->err = err;
	if (err == TS_OK) {
		user->pairs = t->pairs;
		user->pair_count = t->pairs != NULL ? t->g.count : 0;
		t->pairs = NULL;
		if (t->move && user->affected == NULL)
			user->affected = roaring_bitmap_create();
	}
	change_complete(user);
}

static void
end_transfer(struct transfer *t, enum ts_err err)
{
	answer_transfer(t, err);
	transfer_free(t);
}

/* Something is left that only the disk knows. */
static void
leave(struct transfer *t, enum ts_err err)
{
	struct store *store = t->store;

	if (t->user != NULL)
		answer_transfer(t, err);
	transfer_free(t);
	background_wake(store, BG_INTENTS);
}

static void
imported(struct transfer *t, enum ts_err err)
{
	if (err == TS_UNKNOWN) {
		leave(t, err);
	} else if (err != TS_OK || !t->move) {
		answer_transfer(t, err);
		next_transfer_step(t, INNER_ENDED);
	} else {
		next_transfer_step(t, INNER_FINISH);
	}
}

static void
finished(struct transfer *t, enum ts_err err)
{
	/* The target has them, and the background goes on: not what err says. */
	if (err != TS_OK) {
		leave(t, TS_UNKNOWN);
		return;
	}
	answer_transfer(t, err);
	next_transfer_step(t, INNER_FORGET);
}

/* On a lane's thread, after a step's batch. */
static void
after_transfer_step(struct store_change *c)
{
	struct transfer *t = c->priv->complete_arg;
	int kind = (int)c->kind;
	enum ts_err err = c->err;

	store_change_free(&c);
	switch (kind) {
	case INNER_EXPORT:
		t->claimed = err == TS_OK || err == TS_UNKNOWN;
		if (err == TS_OK)
			next_transfer_step(t, INNER_IMPORT);
		else
			leave(t, err);
		break;
	case INNER_IMPORT:
		imported(t, err);
		break;
	case INNER_FINISH:
		finished(t, err);
		break;
	case INNER_FORGET:
		if (err == TS_OK)
			next_transfer_step(t, INNER_ENDED);
		else
			leave(t, err);
		break;
	default:
		if (err == TS_OK)
			transfer_free(t);
		else
			leave(t, err);
	}
}

static void
read_and_go(struct errand *errand)
{
	struct transfer *t = (struct transfer *)(void *)errand;
	enum ts_err err = read_messages(t);

	if (err == TS_OK && t->g.count > 0) {
		err = gather_summaries(&t->g, t->source);
		if (err == TS_LIMIT)
			t->user->limit = STORE_LIMIT_MEMORY;
	}
	if (err != TS_OK || t->g.count == 0)
		end_transfer(t, err);
	else
		next_transfer_step(t, INNER_EXPORT);
}

void
cross_submit(struct store_change *user)
{
	struct store *store = user->priv->store;
	uint64_t intent = store_id_take(store, ID_INTENT);
	struct transfer *t;

	if (intent == 0) {
		user->err = store_id_err(store);
		change_complete(user);
		return;
	}
	t = transfer_new(store, intent);
	t->errand = (struct errand){.store = store, .run = read_and_go};
	t->user = user;
	t->source = store_mailbox_ref(user->source);
	pthread_mutex_lock(&store->transfers);
	t->target = store_mailbox_ref(user->mailbox);
	pthread_mutex_unlock(&store->transfers);
	t->move = user->kind == STORE_CHANGE_MOVE;
	copier_put(&t->errand);
}

/* ---- what was left ---- */

struct left {
	bool found, moves;
	uint64_t source, target, intent;
	uint32_t mailbox;
	struct store_message *message; /* uid and blob only */
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

/* What the target has of it: nothing says that nothing is to be done. */
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

	delete_intent(account, intent, batch);
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

/* Intent and note go one after the other: what is left of them is found again. */
static enum ts_err
end_left(struct store *store, struct left *l)
{
	enum ts_err err = read_intent(store, l);

	if (err == TS_DAMAGED) {
		log_msg(LOG_ERROR, NULL, "store: the record of move %llu is damaged",
		    (unsigned long long)l->intent);
		return TS_OK; /* it stays, named in the log */
	}
	if (err == TS_OK && l->moves)
		err = finish_left(store, l);
	if (err == TS_OK && l->moves)
		err = forget_left(store, l->target, l->intent);
	return err == TS_OK ? forget_left(store, 0, l->intent) : err;
}

/* The first note above `after` that nobody works on.  A damaged one says no target, and the intent
 * is found by the check. */
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
		if (r.bad || rd_left(&r) > 0 || under_way(store, l->intent))
			continue; /* one of another form is the check's */
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
			err = l.found ? TS_OK : TS_NOT_FOUND; /* it stays, named in the log */
		after = l.intent;
		mem_free(l.message);
		if (err != TS_OK)
			break;
	}
	return err == TS_NOT_FOUND ? TS_OK : err;
}
