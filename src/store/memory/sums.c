/* SPDX-License-Identifier: Apache-2.0 */
/* The counters in the list, an account's sums, and bytes of memory. */
#include "store/memory/memory_int.h"

void
mailbox_list_counters(struct store_mailbox *mb, const struct counters_row *counters)
{
	pthread_mutex_lock(&mb->account->counting);
	if (mb->summed)
		usage_change(&mb->account->usage, &mb->counters, counters);
	mb->counters = *counters;
	pthread_mutex_unlock(&mb->account->counting);
}

void
mailbox_sum(struct store_mailbox *mb, bool summed)
{
	static const struct counters_row none = {0};
	struct store_usage *u = &mb->account->usage;

	pthread_mutex_lock(&mb->account->counting);
	if (mb->summed != summed) {
		u->mailboxes += summed ? 1 : -(uint64_t)1;
		usage_change(u, summed ? &none : &mb->counters, summed ? &mb->counters : &none);
		mb->summed = summed;
	}
	pthread_mutex_unlock(&mb->account->counting);
}

struct counters_row
mailbox_listed(const struct store_mailbox *mb)
{
	struct counters_row counters;

	pthread_mutex_lock(&mb->account->counting);
	counters = mb->counters;
	pthread_mutex_unlock(&mb->account->counting);
	return counters;
}

void
account_reset_usage(struct store_account *a)
{
	static const struct counters_row none = {0};
	struct store_usage *u = &a->head_usage;

	*u = (struct store_usage){0};
	pthread_rwlock_rdlock(&a->lock);
	for (size_t i = 0; i < a->entry_count; i++) {
		const struct store_mailbox *mb = a->entry[i]->head;
		struct counters_row listed;

		if (mb == NULL)
			continue;
		listed = mailbox_listed(mb);
		usage_change(u, &none, mb->state != NULL ? &mb->head.c : &listed);
		u->mailboxes++;
	}
	pthread_rwlock_unlock(&a->lock);
}

void
mailbox_count_bytes(struct store_mailbox *mb)
{
	size_t now = mb->state->record_bytes + mb->state->set_bytes;

	if (now >= mb->counted)
		atomic_fetch_add(&mb->account->store->state_bytes, now - mb->counted);
	else
		atomic_fetch_sub(&mb->account->store->state_bytes, mb->counted - now);
	mb->counted = now;
}
