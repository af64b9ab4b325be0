/* SPDX-License-Identifier: Apache-2.0 */
/* See seen.h. */
#include "control/ops/seen.h"

#include "store/own.h"

/* Marks for the owner, whose account has the mailbox.  Takes over the set. */
static enum ts_err
mark(struct store_mailbox *mb, roaring_bitmap_t *uids_take, enum store_flag_mode mode)
{
	struct store_reader reader = {.mailbox = mb};
	struct store_own *own = store_reader_own(&reader);
	struct store_change *c;
	enum ts_err err;

	if (own == NULL || roaring_bitmap_is_empty(uids_take)) {
		store_own_unref(&own);
		roaring_bitmap_free(uids_take);
		return TS_OK;
	}
	c = store_change_new(store_mailbox_account(mb), STORE_CHANGE_OWN, NULL, NULL, NULL);
	c->own = own;
	c->own_kind = STORE_OWN_MARK;
	c->source = mb;
	c->mode = mode;
	c->uids = uids_take;
	err = store_submit_wait(c);
	store_change_free(&c);
	store_own_unref(&own);
	return err;
}

enum ts_err
seen_append(struct store_change *c)
{
	roaring_bitmap_t *uids;
	uint32_t uid;

	if (store_submit_wait(c) != TS_OK)
		return c->err;
	uids = roaring_bitmap_create();
	uid = c->first_uid;
	for (size_t i = 0; i < c->item_count; i++, uid++) {
		if (c->items[i].uid != 0)
			uid = c->items[i].uid;
		if (store_flags_has(&c->items[i].flags, STORE_SEEN))
			roaring_bitmap_add(uids, uid);
	}
	return c->err = mark(c->mailbox, uids, STORE_FLAGS_ADD);
}

enum ts_err
seen_replace(struct store_change *c)
{
	bool seen = store_flags_has(&c->flags, STORE_SEEN);

	c->own_split = true;
	if (store_submit_wait(c) != TS_OK)
		return c->err;
	return c->err = mark(c->mailbox, roaring_bitmap_copy(c->uids),
	           seen ? STORE_FLAGS_ADD : STORE_FLAGS_REMOVE);
}

enum ts_err
seen_forget(struct store_mailbox *mb, struct str user)
{
	struct store_account *owner = store_mailbox_account(mb), *account = NULL;
	struct store_own *own = NULL;
	struct store_counters counters;
	struct store_change *c;
	enum ts_err err;

	if (!store_mailbox_has_own(mb))
		return TS_OK;
	err = store_account_load(store_account_store(owner), user, false, &account);
	if (err == TS_OK)
		err = store_own_load(account, store_account_id(owner), store_mailbox_id(mb), &own);
	if (err == TS_OK) {
		store_mailbox_counters(mb, &counters);
		c = store_change_new(account, STORE_CHANGE_OWN, NULL, NULL, NULL);
		c->own = own;
		c->own_kind = STORE_OWN_FORGET;
		c->own_s = counters.modseq;
		err = store_submit_wait(c);
		store_change_free(&c);
	}
	store_own_unref(&own);
	store_account_unref(&account);
	return err == TS_NOT_FOUND ? TS_OK : err;
}
