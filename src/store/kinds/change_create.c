/* SPDX-License-Identifier: Apache-2.0 */
/* CREATE: makes a mailbox, perhaps in place of one that never had a message. */
#include "store/kinds/steps_int.h"

/* The new mailbox, which nobody knows yet, takes over the properties of the one it replaces. */
static void
inherit_properties(struct batch *b, struct store_mailbox *mb, const struct store_mailbox *old)
{
	mb->properties = properties_ref(old->head_properties);
	mb->head_properties = properties_ref(old->head_properties);
	quota_read_head(mb->account, mb);
	properties_put_rows(b, mb);
}

/* Returns whether the new mailbox may replace the one with this name. */
static enum ts_err
replaceable(const struct entry *e, const struct store_mailbox *mb)
{
	if (mb == NULL)
		return TS_EXISTS;
	if (e->head != mb)
		return TS_NOT_FOUND;

	enum ts_err err = prepare_usable(mb);

	if (err == TS_OK && (mb->head.c.messages > 0 || mb->head.c.uidnext > 1))
		err = TS_EXISTS;
	return err;
}

enum ts_err
create_prepare(struct batch *b, struct store_change *c)
{
	struct store_account *a = c->account;
	struct store_mailbox *old = NULL;
	struct entry *e;
	enum ts_err err = names_usable(c);

	if (err != TS_OK)
		return err;
	if (!mailbox_name_ok(c->name) || c->wish_modseq > STORE_MODSEQ_WISH_MAX)
		return TS_INVALID;
	e = names_find(a, c->name);
	if (e != NULL && e->head != NULL) {
		err = replaceable(e, c->mailbox);
		if (err != TS_OK)
			return err;
		old = e->head;
	} else if (a->head_mailboxes >= a->store->opt.max_mailboxes) {
		return TS_LIMIT;
	} else {
		err = room_for_mailbox(c, a);
	}
	if (err != TS_OK)
		return err;
	if (!names_numbers_left(a, 1, 1))
		return TS_LIMIT;
	if (old != NULL) {
		names_remove_rows(b, old);
		a->head_mailboxes--;
	}

	struct store_mailbox *mb = names_create(b, c, c->name, c->use);

	if (old != NULL) {
		b->list[b->list_count - 1].gone = store_mailbox_ref(old);
		inherit_properties(b, mb, old);
	}
	c->mailbox_id = mb->id;
	c->uidvalidity = mb->head.uidvalidity;
	return TS_OK;
}
