/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gates.  A COPY in several pieces closes the gate of its mailbox, since others would get UIDs
 * among its own.  A RENAME of very many closes that of its account's list.  Changes that arrive
 * meanwhile wait at the gate, in order, and go before all others when it opens.  A gate that is
 * stuck refuses all.
 */
#include "store/change/batch_int.h"

/* Needs lane.mutex.  The change was taken out of its queue. */
static void
gate_keep(struct change_gate *gate, struct store_change_priv *priv)
{
	priv->next = NULL;
	if (gate->first == NULL)
		gate->tail = &gate->first;
	*gate->tail = priv;
	gate->tail = &priv->next;
}

/* Needs lane.mutex. */
static void
gate_let_go(struct lane *lane, struct change_gate *gate)
{
	struct store_change_priv *first = gate->first;

	gate->first = NULL;
	if (first != NULL)
		lane_put_back(lane, first);
}

static enum hold
gate_ask(struct lane *lane, struct change_gate *gate, struct store_change_priv *priv)
{
	enum hold hold = HOLD_GO;

	pthread_mutex_lock(&lane->mutex);
	if (gate->by != NULL && gate->by != priv->holder)
		hold = gate->stuck ? HOLD_REFUSE : HOLD_WAIT;
	else if (priv->closes)
		gate->by = priv->holder;
	if (hold == HOLD_WAIT)
		gate_keep(gate, priv);
	pthread_mutex_unlock(&lane->mutex);
	return hold;
}

enum hold
hold_for_uids(struct lane *lane, struct store_change *c)
{
	struct store_mailbox *mb = c->mailbox;

	if (mb == NULL)
		return HOLD_GO;
	/* Leftovers of a COPY before a crash occupy UIDs that nobody else may get. */
	if (atomic_load(&mb->account->staged_left)) {
		if (staged_recover(mb->account->store, mb->account->id) != TS_OK)
			return HOLD_REFUSE;
		atomic_store(&mb->account->staged_left, false);
	}
	return gate_ask(lane, &mb->gate, c->priv);
}

enum hold
hold_for_list(struct lane *lane, struct store_change *c)
{
	return c->account != NULL ? gate_ask(lane, &c->account->gate, c->priv) : HOLD_GO;
}

void
gate_close(struct lane *lane, struct change_gate *gate, const void *by)
{
	pthread_mutex_lock(&lane->mutex);
	gate->by = by;
	pthread_mutex_unlock(&lane->mutex);
}

void
gate_open(struct lane *lane, struct change_gate *gate, const void *by)
{
	pthread_mutex_lock(&lane->mutex);
	if (gate->by == by) {
		gate->by = NULL;
		gate->stuck = false;
		gate_let_go(lane, gate);
	}
	pthread_mutex_unlock(&lane->mutex);
}

void
gate_stick(struct lane *lane, struct change_gate *gate, const void *by)
{
	pthread_mutex_lock(&lane->mutex);
	if (gate->by == by) {
		gate->stuck = true;
		gate_let_go(lane, gate);
	}
	pthread_mutex_unlock(&lane->mutex);
}
