/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a batch collects besides its rows: deltas of mailboxes, changes of lists, work for the
 * background.
 */
#include "base/mem.h"
#include "store/change/batch_int.h"

struct pend *
batch_pend(struct batch *b, struct store_mailbox *mb)
{
	struct pend *p = mb->pend[b->index];

	if (p != NULL)
		return p;
	p = mem_zalloc(sizeof *p);
	p->mailbox = store_mailbox_ref(mb);
	p->last = &p->first;
	*b->pends_last = p;
	b->pends_last = &p->next;
	return mb->pend[b->index] = p;
}

static void
pend_free(struct pend **pp)
{
	struct pend *p = *pp;

	*pp = NULL;
	for (struct delta *d = p->first, *next; d != NULL; d = next) {
		next = d->next;
		delta_free(&d);
	}
	for (unsigned f = 0; f < p->flag_cap; f++) {
		if (p->set[f] != NULL)
			roaring_bitmap_free(p->set[f]);
		if (p->clear[f] != NULL)
			roaring_bitmap_free(p->clear[f]);
	}
	if (p->added != NULL)
		roaring_bitmap_free(p->added);
	if (p->expunged != NULL)
		roaring_bitmap_free(p->expunged);
	mem_free(p->set);
	mem_free(p->clear);
	mem_free(p->message);
	store_mailbox_unref(&p->mailbox);
	mem_free(p);
}

struct list_op *
batch_list_op(struct batch *b, struct entry *entry, struct store_account *account)
{
	if (b->list_count == b->list_cap) {
		b->list_cap = b->list_cap > 0 ? b->list_cap * 2 : 4;
		b->list = mem_realloc(b->list, b->list_cap * sizeof *b->list);
	}

	struct list_op *op = &b->list[b->list_count++];

	pthread_rwlock_wrlock(&account->lock);
	entry->ops++;
	pthread_rwlock_unlock(&account->lock);
	*op = (struct list_op){.account = store_account_ref(account), .entry = entry};
	return op;
}

static void
list_op_fini(struct list_op *op)
{
	store_mailbox_unref(&op->mailbox);
	store_mailbox_unref(&op->gone);
	store_account_unref(&op->account);
}

void
batch_job(struct batch *b, uint64_t account, unsigned jobs)
{
	for (size_t i = b->job_count; i-- > 0;)
		if (b->job[i].account == account) {
			b->job[i].jobs |= jobs;
			return;
		}
	if (b->job_count == b->job_cap) {
		b->job_cap = b->job_cap > 0 ? 2 * b->job_cap : 8;
		b->job = mem_realloc(b->job, b->job_cap * sizeof *b->job);
	}
	b->job[b->job_count++] = (struct batch_job){account, jobs};
}

void
batch_clear(struct batch *b)
{
	while (b->pends != NULL) {
		struct pend *p = b->pends;

		b->pends = p->next;
		pend_free(&p);
	}
	b->pends_last = &b->pends;
	for (size_t i = 0; i < b->list_count; i++)
		list_op_fini(&b->list[i]);
	b->list_count = 0;
	store_account_unref(&b->gone);
	b->job_count = 0;
	b->put_blob = 0;
	engine_batch_clear(b->ops);
	if (engine_batch_count(b->records) > 0) {
		pthread_mutex_lock(&b->lane->mutex);
		engine_batch_clear(b->records);
		pthread_mutex_unlock(&b->lane->mutex);
	}
}

void
account_put_row(struct store_account *a, struct engine_batch *batch)
{
	struct key k;
	struct buf b = {0};

	key_begin(&k, a->id, KEY_ACCOUNT);
	value_begin(&b);
	buf_le32(&b, a->next_mailbox);
	buf_le32(&b, a->last_uidvalidity);
	buf_le64(&b, (uint64_t)a->created);
	buf_str(&b, a->name);
	batch_put_value(batch, &k, &b);
	buf_fini(&b);
}

void
mailbox_put_info(struct store_mailbox *mb, struct str name, struct engine_batch *batch)
{
	struct key k;
	struct buf b = {0};

	key_begin(&k, mb->account->id, KEY_INFO);
	key_be32(&k, mb->id);
	value_begin(&b);
	buf_le32(&b, mb->head.uidvalidity);
	buf_le32(&b, mb->head.use);
	buf_le64(&b, (uint64_t)mb->head.created);
	buf_str(&b, name);
	batch_put_value(batch, &k, &b);
	buf_fini(&b);
}

void
mailbox_put_counters(struct store_mailbox *mb, struct engine_batch *batch)
{
	struct key k;
	struct buf b = {0};

	key_begin(&k, mb->account->id, KEY_COUNTERS);
	key_be32(&k, mb->id);
	value_begin(&b);
	value_put_counters(&b, &mb->head.c);
	batch_put_value(batch, &k, &b);
	buf_fini(&b);
}
