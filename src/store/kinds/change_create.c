/* SPDX-License-Identifier: Apache-2.0 */
/* CREATE: makes a mailbox, perhaps in place of one that never had a message. */
#include "store/kinds/steps_int.h"
#include "store/shares.h"

/* The new mailbox, which nobody knows yet, takes over the properties of the one it replaces: all
 * but its id, and that \Seen is each user's own, which begins anew. */
static void
inherit_properties(struct store_mailbox *mb, const struct store_mailbox *old)
{
	mb->head_properties = properties_ref(old->head_properties);
	properties_remove(&mb->head_properties, STR(STORE_OBJECT_ID_PROPERTY));
	properties_remove(&mb->head_properties, STR(STORE_OWN_SEEN_PROPERTY));
	quota_read_head(mb->account, mb);
}

/* Returns the nearest mailbox above a name; NULL: there is none. */
static const struct store_mailbox *
mailbox_above(struct store_account *a, struct str name)
{
	for (size_t k = name.n; k-- > 1;) {
		const struct entry *e =
		    name.p[k] == '/' ? names_find(a, (struct str){name.p, k}) : NULL;

		if (e != NULL && e->head != NULL)
			return e->head;
	}
	return NULL;
}

/* The rights that others have on the mailbox above are those on the new one (doc/admin.md). */
static void
inherit_rights(struct store_mailbox *mb, const struct store_properties *above)
{
	struct str name, value;

	for (size_t i = store_properties_from(above, STR(STORE_SHARE_PREFIX));
	     i < store_properties_count(above); i++) {
		store_properties_at(above, i, &name, &value);
		if (shares_name(name))
			properties_put(&mb->head_properties, name, value);
	}
}

static bool
has_rights(const struct store_mailbox *mb)
{
	struct str name, value;
	size_t i = store_properties_from(mb->head_properties, STR(STORE_SHARE_PREFIX));

	if (i == store_properties_count(mb->head_properties))
		return false;
	store_properties_at(mb->head_properties, i, &name, &value);
	return shares_name(name);
}

/* Returns whether another mailbox of the account has the id, as it will be after this change. */
static bool
id_in_use(struct store_account *a, const struct store_mailbox *mb, struct str wish)
{
	uint32_t number = object_id_mailbox(a, wish);
	bool used = false;

	pthread_rwlock_rdlock(&a->lock);
	for (size_t i = 0; i < a->entry_count && !used; i++) {
		const struct store_mailbox *other = a->entry[i]->head;
		char id[STORE_OBJECT_ID];

		if (other == NULL || other == mb)
			continue;
		object_id_stored(other->head_properties, id);
		used = id[0] != 0 ? str_eq((struct str){id, sizeof(id)}, wish)
		                  : number != 0 && other->id == number;
	}
	pthread_rwlock_unlock(&a->lock);
	return used;
}

/* Keeps the id that the mailbox had where it comes from, if clients can take it for the same. */
static void
keep_object_id(struct store_mailbox *mb, const struct store_change *c)
{
	if (c->wish_object_id.n == 0 || mb->head.uidvalidity != c->wish_uidvalidity ||
	    id_in_use(c->account, mb, c->wish_object_id))
		return;
	properties_put(&mb->head_properties, STR(STORE_OBJECT_ID_PROPERTY), c->wish_object_id);
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
	const struct store_mailbox *above;
	struct entry *e;
	enum ts_err err;

	if (c->priv->shared != NULL)
		return shares_prepare(b, c);
	err = names_usable(c);
	if (err != TS_OK)
		return err;
	if (!mailbox_name_ok(c->name) || c->wish_modseq > STORE_MODSEQ_WISH_MAX ||
	    (c->wish_object_id.n > 0 && !store_object_id_ok(STORE_ID_MAILBOX, c->wish_object_id)))
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
	above = c->inherits ? mailbox_above(a, c->name) : NULL;
	if (above != NULL && !properties_room(a, above->head_properties))
		return refuse(c, STORE_LIMIT_PROPERTY_TOTAL);
	if (old != NULL) {
		names_remove_rows(b, old);
		a->head_mailboxes--;
	}

	struct store_mailbox *mb = names_create(b, c, c->name, c->use);

	if (old != NULL) {
		b->list[b->list_count - 1].gone = store_mailbox_ref(old);
		inherit_properties(mb, old);
	}
	if (above != NULL)
		inherit_rights(mb, above->head_properties);
	keep_object_id(mb, c);
	if (own_follows(mb, mb->head_properties))
		own_become(b, c, mb, &mb->head_properties);
	mb->properties = properties_ref(mb->head_properties);
	properties_put_rows(b, mb);
	c->mailbox_id = mb->id;
	c->uidvalidity = mb->head.uidvalidity;
	if (has_rights(mb))
		shares_follow(c, mb);
	return TS_OK;
}
