/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index of what is shared with whom (shares.h): the last batch of a change that put or removed
 * "acl/…" properties of a mailbox.
 *
 * The rows belong to account 0, but only the lane of the mailbox's account writes them, and it goes
 * by the head: so of two changes of one identifier the later one decides, whatever the order of
 * their batches.
 */
#include "store/kinds/steps_int.h"
#include "store/shares.h"

bool
shares_name(struct str property)
{
	return shares_identifier(property).p != NULL;
}

/* Returns whether the mailbox's list has the identifier, with or without '-'. */
static bool
has_identifier(const struct store_properties *table, struct str who)
{
	struct buf b = {0};
	bool has;

	buf_puts(&b, STORE_SHARE_PREFIX);
	buf_str(&b, who);
	has = store_properties_get(table, buf_as_str(&b)).p != NULL;
	b.n = sizeof(STORE_SHARE_PREFIX) - 1;
	buf_putc(&b, '-');
	buf_str(&b, who);
	has = has || store_properties_get(table, buf_as_str(&b)).p != NULL;
	buf_fini(&b);
	return has;
}

static void
put_or_delete(struct batch *b, const struct store_mailbox *mb, struct str who)
{
	const struct store_account *a = mb->account;
	struct key k;

	key_shared(&k, who, a->id, mb->id);
	if (mb->head.gone || a->head_gone || !has_identifier(mb->head_properties, who)) {
		engine_batch_delete(b->ops, key_str(&k));
		return;
	}
	value_begin(&b->value);
	buf_str(&b->value, a->name);
	batch_put_value(b->ops, &k, &b->value);
	atomic_store(&a->store->shares_any, true);
}

void
shares_follow(struct store_change *c, struct store_mailbox *mb)
{
	c->priv->shared = store_mailbox_ref(mb);
	c->priv->again = true;
}

enum ts_err
shares_prepare(struct batch *b, struct store_change *c)
{
	struct store_mailbox *mb = c->priv->shared;
	const struct store_properties *t = mb->head_properties;
	struct str name, value;

	for (size_t i = 0; i < c->property_count; i++)
		if (shares_name(c->properties[i].name))
			put_or_delete(b, mb, shares_identifier(c->properties[i].name));
	for (size_t i = store_properties_from(t, STR(STORE_SHARE_PREFIX));
	     c->kind == STORE_CHANGE_CREATE && i < store_properties_count(t); i++) {
		store_properties_at(t, i, &name, &value);
		if (shares_name(name))
			put_or_delete(b, mb, shares_identifier(name));
	}
	return TS_OK;
}

/* ---- by itself, for the background ---- */

static struct store_mailbox *
head_mailbox(struct store_account *a, uint32_t id)
{
	struct store_mailbox *found = NULL;

	pthread_rwlock_rdlock(&a->lock);
	for (size_t i = 0; i < a->entry_count && found == NULL; i++)
		if (a->entry[i]->head != NULL && a->entry[i]->head->id == id)
			found = a->entry[i]->head;
	pthread_rwlock_unlock(&a->lock);
	return found;
}

enum ts_err
shared_row_prepare(struct batch *b, struct store_change *c)
{
	struct store_account *a = c->account;
	const struct store_mailbox *mb;
	struct key k;

	if (a->stale)
		return TS_UNAVAILABLE;
	mb = head_mailbox(a, c->mailbox_id);
	if (mb != NULL) {
		put_or_delete(b, mb, c->name);
		return TS_OK;
	}
	key_shared(&k, c->name, a->id, c->mailbox_id);
	engine_batch_delete(b->ops, key_str(&k));
	return TS_OK;
}

enum ts_err
shares_mend_row(struct store_account *a, uint32_t mailbox, struct str who)
{
	struct store_change *c = change_new_inner(a->store, a, INNER_SHARED_ROW, NULL, NULL);
	enum ts_err err;

	c->name = arena_str(c->arena, who);
	c->mailbox_id = mailbox;
	err = store_submit_wait(c);
	store_change_free(&c);
	return err;
}
