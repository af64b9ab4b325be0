/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A batch failed.  Take back what it did to heads, and the batch on top of it.  If the outcome is
 * unknown, reopen the engine and read again what the batch touched.  What cannot be read then stays
 * in doubt, and is tried again before the next batch.
 */
#include "base/log.h"
#include "base/mem.h"
#include "store/change/batch_int.h"

static void
doubt_mailbox(struct lane *lane, struct store_mailbox *mb)
{
	if (mb->stale)
		return;
	mb->stale = true;
	lane->doubt =
	    mem_realloc(lane->doubt, (lane->doubt_count + 1) * sizeof(struct store_mailbox *));
	lane->doubt[lane->doubt_count++] = store_mailbox_ref(mb);
}

void
lane_doubt(struct lane *lane, struct store_account *a)
{
	if (a->stale)
		return;
	a->stale = true;
	lane->doubt_account = mem_realloc(
	    lane->doubt_account, (lane->doubt_account_count + 1) * sizeof(struct store_account *));
	lane->doubt_account[lane->doubt_account_count++] = store_account_ref(a);
}

/* Resets the heads to what is published. */
static void
drop_list_op(struct list_op *op)
{
	struct store_account *a = op->account;
	struct entry *e = op->entry;

	pthread_rwlock_wrlock(&a->lock);
	e->ops--;
	e->head = e->pub;
	e->sub_head = e->sub_pub;
	if (op->gone != NULL)
		op->gone->head.gone = false;
	if (op->mailbox != NULL)
		op->mailbox->head.uidvalidity = atomic_load(&op->mailbox->uidvalidity);
	if (op->created && !atomic_load(&op->mailbox->gone)) {
		atomic_store(&op->mailbox->gone, true);
		atomic_fetch_or(&op->mailbox->refs, REFS_GONE);
	}
	pthread_rwlock_unlock(&a->lock);
}

static void
count_head_mailboxes(struct store_account *a)
{
	pthread_rwlock_rdlock(&a->lock);
	a->head_mailboxes = 0;
	for (size_t i = 0; i < a->entry_count; i++)
		a->head_mailboxes += a->entry[i]->pub != NULL;
	pthread_rwlock_unlock(&a->lock);
}

/* Resets the sums of the accounts in the batch. */
static void
reset_usages(struct batch *b)
{
	for (struct pend *p = b->pends; p != NULL; p = p->next)
		account_reset_usage(p->mailbox->account);
	for (size_t i = 0; i < b->list_count; i++)
		account_reset_usage(b->list[i].account);
}

static void
drop_batch(struct batch *b, enum ts_err err, bool doubt)
{
	struct lane *lane = b->lane;

	for (struct pend *p = b->pends; p != NULL; p = p->next) {
		pthread_rwlock_wrlock(&p->mailbox->lock);
		p->mailbox->pend[b->index] = NULL;
		pthread_rwlock_unlock(&p->mailbox->lock);
	}
	for (size_t i = 0; i < b->list_count; i++)
		drop_list_op(&b->list[i]);
	for (size_t i = 0; i < b->list_count; i++)
		if (i == 0 || b->list[i].account != b->list[i - 1].account)
			count_head_mailboxes(b->list[i].account);
	for (struct pend *p = b->pends; p != NULL; p = p->next) {
		mailbox_reset_head(p->mailbox);
		if (doubt && !atomic_load(&p->mailbox->gone))
			doubt_mailbox(lane, p->mailbox);
	}
	reset_usages(b);
	for (size_t i = 0; i < b->list_count && doubt; i++)
		lane_doubt(lane, b->list[i].account);
	for (struct store_change_priv *p = b->first; p != NULL; p = p->next) {
		struct store_change *c = p->change;

		if (c->err != TS_OK)
			continue;
		if (change_kind_of(c)->undo != NULL)
			change_kind_of(c)->undo(b, c, doubt);
		c->err = err;
	}
}

/* Checks whether the account's name still exists, after a removal of unknown outcome. */
static enum ts_err
account_still_there(struct store_account *a)
{
	struct key k;
	struct buf b = {0};
	struct str body;

	key_begin(&k, 0, KEY_NAME);
	key_bytes(&k, a->name);

	enum ts_err err = store_get(a->store, &k, &b, &body);

	buf_fini(&b);
	return err;
}

static enum ts_err
resolve_account(struct store_account *a)
{
	if (atomic_load(&a->gone))
		return TS_OK;

	enum ts_err err = account_still_there(a);

	if (err == TS_NOT_FOUND) {
		a->head_gone = true;
		account_publish_gone(a);
		background_wake(a->store, BG_DROPPED);
		return TS_OK;
	}
	return err == TS_OK ? account_read(a) : err;
}

/* Reads again what is in doubt.  Returns false if that is not possible yet. */
static bool
resolve(struct lane *lane)
{
	while (lane->doubt_account_count > 0) {
		struct store_account *a = lane->doubt_account[lane->doubt_account_count - 1];

		if (resolve_account(a) != TS_OK)
			return false;
		a->stale = false;
		lane->doubt_account_count--;
		watch_notify(a, 0);
		store_account_unref(&a);
	}
	while (lane->doubt_count > 0) {
		struct store_mailbox *mb = lane->doubt[lane->doubt_count - 1];

		if (!atomic_load(&mb->gone) && mailbox_reread(mb) != TS_OK)
			return false;
		mb->stale = false;
		lane->doubt_count--;
		watch_notify(mb->account, mb->id);
		store_mailbox_unref(&mb);
	}
	return true;
}

static void
note_doubt(struct lane *lane)
{
	atomic_store(&lane->in_doubt,
	    lane->refused || lane->doubt_count > 0 || lane->doubt_account_count > 0);
}

void
lane_retry(struct lane *lane)
{
	if (lane->refused &&
	    store_reopen(lane->store, atomic_load(&lane->store->generation)) == TS_OK)
		lane->refused = false;
	if (!lane->refused && (lane->doubt_count > 0 || lane->doubt_account_count > 0))
		(void)resolve(lane);
	note_doubt(lane);
}

void
lane_take_back(struct batch *b, enum ts_err err, uint64_t generation)
{
	struct lane *lane = b->lane;
	struct batch *other = &lane->batch[1 - b->index];
	/* With TS_FULL and TS_UNAVAILABLE nothing was written. */
	bool doubt = err != TS_FULL && err != TS_UNAVAILABLE;

	if (doubt)
		err = TS_UNKNOWN;
	log_msg(LOG_ERROR, NULL,
	    "store: a batch of %zu changes failed: %s; %zu prepared ones go too", b->changes,
	    ts_err_name(err), other->changes);
	/* The newer batch first, since its heads lie on top. */
	drop_batch(other, err, false);
	drop_batch(b, err, doubt);
	if (err != TS_FULL) {
		lane->refused = store_reopen(lane->store, generation) != TS_OK;
		if (!lane->refused)
			(void)resolve(lane);
		note_doubt(lane);
		batch_tell_jobs(other);
		batch_tell_jobs(b);
		background_wake(lane->store, BG_COLLECT | BG_INTENTS);
	}
	batch_clear(other);
	batch_clear(b);
}
