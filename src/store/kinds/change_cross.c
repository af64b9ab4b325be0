/* SPDX-License-Identifier: Apache-2.0 */
/*
 * COPY and MOVE between accounts.  No batch may have keys of two accounts, so a transfer takes
 * several:
 *
 *   read    on the copier's thread: the source's messages, held, with their summaries
 *   export  account 0: a note of the transfer; holders of each blob, and a claim
 *           of the target
 *   import  target: the messages with their references; MOVE: an intent, which names the source's
 *           messages.  COPY: the user gets the answer
 *   finish  source, MOVE: removes the messages.  The user gets the answer
 *   forget  target, MOVE: removes the intent
 *   ended   account 0: removes the note
 *
 * A crash (or a flush of unknown outcome) leaves the note, which leads to the target.  If there is
 * an intent, the messages are durable there, and finish follows; without one there is nothing to
 * do.  Nothing is lost or duplicated either way.  Claims are settled separately (upkeep/settle.c).
 */
#include "base/mem.h"
#include "store/kinds/steps_int.h"

void
transfer_free(struct transfer *t)
{
	struct store *store = t->store;

	pthread_mutex_lock(&store->transfers);
	list_remove(&t->link);
	pthread_mutex_unlock(&store->transfers);
	for (size_t i = 0; i < t->g.count && t->claimed; i++)
		background_settle(store, t->g.message[i].blob, t->target->account->id);
	store_hold_end(&t->hold);
	/* Wake what had to wait for these messages. */
	background_wake(store, BG_COLLECT);
	gathered_fini(&t->g);
	mem_free(t->pairs);
	store_mailbox_unref(&t->source);
	store_mailbox_unref(&t->target);
	mem_free(t);
	copier_end(store);
}

struct transfer *
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

bool
transfer_under_way(struct store *store, uint64_t intent)
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
cross_keep_off(struct store *store, uint64_t account)
{
	struct transfer *t;
	bool comes = false;

	pthread_mutex_lock(&store->transfers);
	LIST_EACH (t, &store->transfer_list, link)
		comes |= t->target != NULL && t->target->account->id == account;
	if (!comes)
		store->kept_off = account;
	pthread_mutex_unlock(&store->transfers);
	return !comes;
}

/* Takes a transfer that was kept off and may go on now; NULL: there is none. */
static struct transfer *
take_kept_off(struct store *store)
{
	struct transfer *t, *found = NULL;

	pthread_mutex_lock(&store->transfers);
	store->kept_off = 0;
	LIST_EACH (t, &store->transfer_list, link)
		if (found == NULL && t->kept_off)
			found = t;
	if (found != NULL)
		found->kept_off = false;
	pthread_mutex_unlock(&store->transfers);
	return found;
}

void
cross_let_in(struct store *store)
{
	struct transfer *t;

	while ((t = take_kept_off(store)) != NULL) {
		copier_put(&t->errand);
		if (store->opt.lanes == 0)
			lane_run(store->lane);
	}
}

/* ---- records ---- */

void
intent_key(struct key *k, uint64_t account, uint64_t intent)
{
	key_begin(k, account, KEY_INTENT);
	key_be64(k, intent);
}

void
intent_delete(uint64_t account, uint64_t intent, struct engine_batch *batch)
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

/* ---- reading; on the copier's thread ---- */

#define WINDOW 256

static void
add_window(struct gathered *g, const struct store_message *m, size_t n)
{
	g->message = mem_realloc(g->message, (g->count + n + 1) * sizeof *g->message);
	for (size_t i = 0; i < n; i++) {
		struct store_message *to = &g->message[g->count++];

		*to = m[i];
		gathered_flags(g, to);
		for (unsigned w = 0; w < STORE_FLAG_WORDS; w++)
			g->used.w[w] |= to->flags.w[w];
	}
}

/* Takes the messages that exist, all in one read. */
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
	t->g = (struct gathered){
	    .bounds = user->bounds, .any_length = user->restoring, .seen = user->seen};
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

enum ts_err
export_prepare(struct batch *b, struct store_change *c)
{
	struct transfer *t = c->priv->transfer;
	uint64_t source = t->source->account->id, target = t->target->account->id;

	put_note(t, b->ops, &b->value);
	for (size_t i = 0; i < t->g.count; i++) {
		holder_put(b->ops, t->g.message[i].blob, source);
		holder_put(b->ops, t->g.message[i].blob, target);
		claim_put(b->ops, t->g.message[i].blob, target);
	}
	return TS_OK;
}

enum ts_err
import_prepare(struct batch *b, struct store_change *c)
{
	struct transfer *t = c->priv->transfer;
	enum ts_err err = prepare_usable(t->target);

	if (err != TS_OK)
		return err;
	err = room_for(t->user, t->target,
	    &(struct room){gathered_bytes(&t->g), t->g.count, .same_account = false});
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

enum ts_err
finish_prepare(struct batch *b, struct store_change *c)
{
	struct transfer *t = c->priv->transfer;
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
forget_prepare(struct batch *b, struct store_change *c)
{
	const struct transfer *t = c->priv->transfer;

	intent_delete(t->target->account->id, t->intent, b->ops);
	return TS_OK;
}

enum ts_err
ended_prepare(struct batch *b, struct store_change *c)
{
	intent_delete(0, c->priv->transfer->intent, b->ops);
	return TS_OK;
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

/* Answers the user; what follows is internal. */
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

/* Something is left that only the disk knows about. */
static void
leave_transfer(struct transfer *t, enum ts_err err)
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
		leave_transfer(t, err);
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
	/* The target has the messages, and the background continues, whatever err says. */
	if (err != TS_OK) {
		leave_transfer(t, TS_UNKNOWN);
		return;
	}
	answer_transfer(t, err);
	next_transfer_step(t, INNER_FORGET);
}

/* Runs on a lane's thread, after a step's batch. */
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
			leave_transfer(t, err);
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
			leave_transfer(t, err);
		break;
	default:
		if (err == TS_OK)
			transfer_free(t);
		else
			leave_transfer(t, err);
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
	bool kept_off;

	if (intent == 0) {
		user->err = store_id_err(store);
		change_complete(user);
		return;
	}
	t = transfer_new(store, intent);
	t->errand = (struct errand){.store = store, .run = read_and_go};
	t->user = user;
	t->source = store_mailbox_ref(user->source);
	t->move = user->kind == STORE_CHANGE_MOVE;
	pthread_mutex_lock(&store->transfers);
	t->target = store_mailbox_ref(user->mailbox);
	t->kept_off = kept_off = store->kept_off == t->target->account->id;
	pthread_mutex_unlock(&store->transfers);
	if (!kept_off)
		copier_put(&t->errand);
}
