/* SPDX-License-Identifier: Apache-2.0 */
/* What readers see of a mailbox. */
#include "store/read/read_int.h"

static pthread_rwlock_t *
mailbox_lock(const struct store_mailbox *mb)
{
	return (pthread_rwlock_t *)(uintptr_t)&mb->lock;
}

uint32_t
store_mailbox_id(const struct store_mailbox *mb)
{
	return mb->id;
}

struct store_account *
store_mailbox_account(const struct store_mailbox *mb)
{
	return mb->account;
}

void
store_mailbox_read_counters(const struct store_mailbox *mb, struct store_counters *c)
{
	const struct counters_row *s = &mb->state->counters;

	*c = (struct store_counters){.messages = s->messages,
	    .unseen = s->unseen,
	    .deleted = s->deleted,
	    .recent = s->recent,
	    .uidnext = s->uidnext,
	    .uidvalidity = atomic_load((_Atomic uint32_t *)(uintptr_t)&mb->uidvalidity),
	    .size = s->size,
	    .modseq = s->modseq,
	    .deleted_size = s->deleted_size};
}

void
store_mailbox_counters(const struct store_mailbox *mb, struct store_counters *c)
{
	store_mailbox_read_begin(mb);
	store_mailbox_read_counters(mb, c);
	store_mailbox_read_end(mb);
}

bool
store_mailbox_gone(const struct store_mailbox *mb)
{
	return atomic_load((_Atomic bool *)(uintptr_t)&mb->gone);
}

void
store_mailbox_read_begin(const struct store_mailbox *mb)
{
	pthread_rwlock_rdlock(mailbox_lock(mb));
}

void
store_mailbox_read_end(const struct store_mailbox *mb)
{
	pthread_rwlock_unlock(mailbox_lock(mb));
	store_looked(mb->account->store);
}

const roaring_bitmap_t *
store_mailbox_uids(const struct store_mailbox *mb)
{
	return mb->state->uids;
}

const roaring_bitmap_t *
store_mailbox_flagged(const struct store_mailbox *mb, unsigned flag)
{
	return state_flagged(mb->state, flag);
}

struct store_keywords *
store_mailbox_keywords(const struct store_mailbox *mb)
{
	return keywords_ref(mb->state->keywords);
}

bool
store_mailbox_keyword_room(const struct store_mailbox *mb)
{
	const struct store_keywords *t = mb->state->keywords;
	unsigned used = 0;

	if (t->count < mb->account->store->opt.max_keywords)
		return true;
	for (unsigned f = STORE_FIRST_KEYWORD; f < t->end; f++)
		used += state_flagged(mb->state, f) != NULL;
	return used < mb->account->store->opt.max_keywords;
}

int
store_mailbox_keyword_find(const struct store_mailbox *mb, struct str name)
{
	return store_keywords_find(mb->state->keywords, name);
}

bool
store_mailbox_message(const struct store_mailbox *mb, uint32_t uid, struct store_message *m)
{
	return state_message(mb->state, uid, m);
}

size_t
store_mailbox_window(const struct store_mailbox *mb, const roaring_bitmap_t *set, uint32_t from,
    struct store_message *out, size_t max)
{
	return state_window(mb->state, set, from, out, max);
}

void
store_mailbox_changed_since(const struct store_mailbox *mb, uint64_t since, roaring_bitmap_t *set)
{
	state_changed_since(mb->state, since, set);
}

uint64_t
store_mailbox_expunged_since(const struct store_mailbox *mb, uint64_t since, roaring_bitmap_t *set)
{
	return state_expunged_since(mb->state, since, set);
}

uint64_t
store_mailbox_highest(const struct store_mailbox *mb, const roaring_bitmap_t *uids)
{
	return state_highest(mb->state, uids);
}

uint64_t
store_mailbox_modseq(const struct store_mailbox *mb)
{
	return mb->state->counters.modseq;
}

uint32_t
store_mailbox_recent_mark(const struct store_mailbox *mb)
{
	return mb->state->counters.recent_mark;
}

uint32_t
store_mailbox_claim_begin(struct store_mailbox *mb)
{
	pthread_rwlock_wrlock(&mb->lock);

	struct counters_row *c = &mb->state->counters;
	uint32_t mark = c->recent_mark;

	/* The next change of the mailbox writes it to disk, and a state that is loaded again starts
	 * from there. */
	c->recent_mark = c->uidnext - 1;
	c->recent = 0;
	mailbox_list_counters(mb, c);
	return mark;
}

void
store_mailbox_claim_end(struct store_mailbox *mb)
{
	pthread_rwlock_unlock(&mb->lock);
	store_looked(mb->account->store);
}
