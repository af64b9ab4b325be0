/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes to the head of the list of mailboxes that several kinds need.
 *
 * UIDVALIDITY: the account's values only grow, so a new mailbox never gets one
 * that was used before.  A renamed mailbox keeps its own unless another mailbox
 * had its new name, or may have had it (there is a tombstone, or some were
 * forgotten, see tombs.c); then it gets a new one too.  An imported mailbox may
 * bring a lower value than the account's last one; values still grow per name,
 * since it must be above the tombstone.  A value under which no UID was ever
 * given does not count: nobody can know a message by it (RFC 9051 section
 * 2.3.1.1).
 */
#include "store/kinds/steps_int.h"

bool
names_numbers_left(const struct store_account *a, size_t mailboxes, size_t uidvalidities)
{
	return mailboxes <= UINT32_MAX - a->next_mailbox &&
	       uidvalidities <= UINT32_MAX - a->last_uidvalidity;
}

uint32_t
names_next_uidvalidity(struct store_account *a)
{
	int64_t now = store_wall(a->store);

	if (now > a->last_uidvalidity && now < UINT32_MAX)
		a->last_uidvalidity = (uint32_t)now;
	else
		a->last_uidvalidity++;
	return a->last_uidvalidity;
}

/* Returns the requested value if the name may have it, else a new one. */
static uint32_t
wished_uidvalidity(struct store_account *a, const struct entry *e, uint32_t wish)
{
	if (wish == 0 || wish > STORE_UIDVALIDITY_WISH_MAX || wish <= tombs_highest(a, e))
		return names_next_uidvalidity(a);
	if (wish > a->last_uidvalidity)
		a->last_uidvalidity = wish;
	return wish;
}

struct entry *
names_find(struct store_account *a, struct str name)
{
	pthread_rwlock_rdlock(&a->lock);

	struct entry *e = account_entry(a, name);

	pthread_rwlock_unlock(&a->lock);
	return e;
}

struct entry *
names_make(struct store_account *a, struct str name)
{
	pthread_rwlock_wrlock(&a->lock);

	struct entry *e = account_entry_add(a, name);

	pthread_rwlock_unlock(&a->lock);
	return e;
}

void
names_set_head(struct batch *b, struct store_account *a, struct entry *e, struct store_mailbox *mb)
{
	struct list_op *op = batch_list_op(b, e, a);

	e->head = mb;
	if (mb == NULL)
		return;
	op->mailbox = store_mailbox_ref(mb);
	op->uidvalidity = mb->head.uidvalidity;
}

/* Makes the state of a mailbox that starts at a given UIDNEXT and MODSEQ.  Its index header says
 * that earlier expunges are unknown, so that QRESYNC with an older MODSEQ gets everything. */
static struct state *
begin_state(struct batch *b, struct store_mailbox *mb, const struct store_change *c)
{
	struct state *s = state_new();
	struct key k;

	if (c->wish_uidnext > s->counters.uidnext)
		s->counters.uidnext = c->wish_uidnext;
	if (c->wish_modseq <= s->counters.modseq)
		return s;
	s->counters.modseq = s->snapshot = s->expunge_floor = s->ring_floor = c->wish_modseq;
	key_index(&k, mb->account->id, mb->id, KEY_HEADER);
	value_begin(&b->value);
	state_put_header(s, s->snapshot, s->expunge_floor, &b->value);
	batch_put_value(b->ops, &k, &b->value);
	return s;
}

struct store_mailbox *
names_create(struct batch *b, const struct store_change *c, struct str name, unsigned use)
{
	struct store_account *a = c->account;
	struct store_mailbox *mb = mailbox_new(a, a->next_mailbox++);

	mb->head.uidvalidity = wished_uidvalidity(a, names_find(a, name), c->wish_uidvalidity);
	mb->head.use = mb->use = use;
	mb->head.created = store_wall(a->store);
	atomic_store(&mb->uidvalidity, mb->head.uidvalidity);
	mailbox_install(mb, begin_state(b, mb, c));
	mailbox_reset_head(mb);
	account_put_row(a, b->ops);
	mailbox_put_info(mb, name, b->ops);
	mailbox_put_counters(mb, b->ops);
	names_set_head(b, a, names_make(a, name), mb);
	b->list[b->list_count - 1].created = true;
	a->head_mailboxes++;
	a->head_usage.mailboxes++;
	return mb;
}

/* Removes the mailbox from its account's sums. */
static void
leave_sums(struct store_mailbox *mb)
{
	static const struct counters_row none = {0};
	struct store_account *a = mb->account;

	pthread_rwlock_rdlock(&a->lock);
	usage_change(&a->head_usage, mb->state != NULL ? &mb->head.c : &mb->counters, &none);
	pthread_rwlock_unlock(&a->lock);
	a->head_usage.mailboxes--;
}

void
names_remove_rows(struct batch *b, struct store_mailbox *mb)
{
	const struct store_account *a = mb->account;
	struct key k;

	key_begin(&k, a->id, KEY_INFO);
	key_be32(&k, mb->id);
	engine_batch_delete(b->ops, key_str(&k));
	key_begin(&k, a->id, KEY_COUNTERS);
	key_be32(&k, mb->id);
	engine_batch_delete(b->ops, key_str(&k));
	key_job(&k, KEY_PURGE, a->id, mb->id, 0);
	batch_put_empty(b->ops, &k);
	properties_delete_rows(b, mb);
	leave_sums(mb);
	mb->head.gone = true;
	batch_job(b, a->id, BG_PURGE);
}

enum ts_err
names_usable(const struct store_change *c)
{
	if (c->account == NULL)
		return TS_INVALID;
	if (c->account->head_gone)
		return TS_NOT_FOUND;
	return c->account->stale ? TS_UNAVAILABLE : TS_OK;
}
