/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A batch is durable.  Show what it did to messages and names, under one lock per mailbox and per
 * account; then apply the other effects of its changes (change_kind.apply) and notify watches.
 */
#include "store/change/batch_int.h"

static void
publish_pend(struct batch *b, struct pend *p)
{
	struct store_mailbox *mb = p->mailbox;
	struct store *store = mb->account->store;
	uint64_t weight = 0;

	pthread_rwlock_wrlock(&mb->lock);

	struct state *s = mb->state;
	uint32_t mark = s->counters.recent_mark;

	for (struct delta *d = p->first; d != NULL; d = d->next) {
		weight += 1 + d->added_count / 32;
		if (d->expunged != NULL)
			holds_keep(mb, s, d->expunged);
		state_apply(s, d);
	}
	s->counters = p->after;
	if (mark > s->counters.recent_mark) { /* claimed meanwhile */
		s->counters.recent_mark = mark;
		s->counters.recent = state_count_above(s, mark);
	}
	mb->pend[b->index] = NULL;
	state_measure_some(s);
	mailbox_count_bytes(mb);
	mailbox_list_counters(mb, &s->counters);
	pthread_rwlock_unlock(&mb->lock);
	if (atomic_fetch_add(&mb->log_weight, weight) + weight > store->opt.fold_after)
		mailbox_ask_fold(mb);
}

static void
publish_list_op(struct list_op *op)
{
	struct entry *e = op->entry;

	e->ops--;
	if (op->subscription) {
		e->sub_pub = op->subscribed;
		return;
	}
	e->pub = op->mailbox;
	if (op->mailbox != NULL)
		atomic_store(&op->mailbox->uidvalidity, op->uidvalidity);
	if (op->created)
		mailbox_sum(op->mailbox, true);
	if (op->gone != NULL) {
		mailbox_sum(op->gone, false);
		atomic_store(&op->gone->gone, true);
		atomic_fetch_or(&op->gone->refs, REFS_GONE);
	}
}

static void
publish_list(struct batch *b)
{
	/* All of an account under one lock, so that a RENAME is seen whole. */
	for (size_t i = 0; i < b->list_count;) {
		struct store_account *a = b->list[i].account;

		pthread_rwlock_wrlock(&a->lock);
		for (; i < b->list_count && b->list[i].account == a; i++)
			publish_list_op(&b->list[i]);
		pthread_rwlock_unlock(&a->lock);
		atomic_fetch_add(&a->list_version, 1);
		watch_notify(a, 0);
	}
	for (size_t i = 0; i < b->list_count; i++)
		if (b->list[i].gone != NULL) {
			holds_keep_all(b->list[i].gone);
			watch_notify(b->list[i].account, b->list[i].gone->id);
		}
}

void
batch_tell_jobs(struct batch *b)
{
	for (size_t i = 0; i < b->job_count; i++)
		background_account(b->lane->store, b->job[i].account, b->job[i].jobs);
	if (b->gone != NULL)
		background_wake(b->lane->store, BG_DROPPED);
}

void
batch_publish(struct batch *b)
{
	for (struct pend *p = b->pends; p != NULL; p = p->next)
		publish_pend(b, p);
	publish_list(b);
	for (struct store_change_priv *p = b->first; p != NULL; p = p->next)
		if (p->change->err == TS_OK && change_kind_of(p->change)->apply != NULL)
			change_kind_of(p->change)->apply(b, p->change);
	for (struct pend *p = b->pends; p != NULL; p = p->next) {
		watch_notify(p->mailbox->account, p->mailbox->id);
		quota_note(p->mailbox->account);
	}
	for (size_t i = 0; i < b->list_count; i++)
		if (i == 0 || b->list[i].account != b->list[i - 1].account)
			quota_note(b->list[i].account);
	if (b->gone != NULL)
		watch_notify(b->gone, 0);
	batch_tell_jobs(b);
}
