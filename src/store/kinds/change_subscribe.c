/* SPDX-License-Identifier: Apache-2.0 */
/* SUBSCRIBE and UNSUBSCRIBE. */
#include "store/kinds/steps_int.h"

static enum ts_err
prepare_subscribe(struct batch *b, struct store_change *c, bool on)
{
	struct store_account *a = c->account;
	enum ts_err err = names_usable(c);
	struct entry *e;
	struct key k;

	if (err != TS_OK)
		return err;
	e = names_find(a, c->name);
	if (!mailbox_name_ok(c->name))
		return TS_INVALID;
	if ((e != NULL && e->sub_head) == on)
		return TS_OK;
	if (e == NULL) {
		size_t most = 2 * (size_t)a->store->opt.max_mailboxes + 1000;

		if (a->entry_count >= most)
			account_tidy(a);
		if (on && a->entry_count >= most)
			return TS_LIMIT;
		e = names_make(a, c->name);
	}
	key_begin(&k, a->id, KEY_SUBSCRIBED);
	key_bytes(&k, c->name);
	if (on)
		batch_put_empty(b->ops, &k);
	else
		engine_batch_delete(b->ops, key_str(&k));
	e->sub_head = on;

	struct list_op *op = batch_list_op(b, e, a);

	op->subscription = true;
	op->subscribed = on;
	return TS_OK;
}

enum ts_err
subscribe_prepare(struct batch *b, struct store_change *c)
{
	return prepare_subscribe(b, c, true);
}

enum ts_err
unsubscribe_prepare(struct batch *b, struct store_change *c)
{
	return prepare_subscribe(b, c, false);
}
