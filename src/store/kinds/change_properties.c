/* SPDX-License-Identifier: Apache-2.0 */
/* PROPERTIES of an account or a mailbox, and NOTICE. */
#include "base/mem.h"
#include "store/kinds/steps_int.h"

/* ---- rows ---- */

static void
put_row(struct batch *b, uint64_t account, uint32_t mailbox, struct str name, struct str value)
{
	struct key k;

	property_key(&k, account, mailbox, name);
	value_begin(&b->value);
	buf_str(&b->value, value);
	batch_put_value(b->ops, &k, &b->value);
}

void
properties_put_rows(struct batch *b, const struct store_mailbox *mb)
{
	const struct store_properties *t = mb->head_properties;

	for (size_t i = 0; i < store_properties_count(t); i++) {
		struct str name, value;

		store_properties_at(t, i, &name, &value);
		put_row(b, mb->account->id, mb->id, name, value);
	}
}

void
properties_delete_rows(struct batch *b, const struct store_mailbox *mb)
{
	const struct store_properties *t = mb->head_properties;

	for (size_t i = 0; i < store_properties_count(t); i++) {
		struct str name, value;
		struct key k;

		store_properties_at(t, i, &name, &value);
		property_key(&k, mb->account->id, mb->id, name);
		engine_batch_delete(b->ops, key_str(&k));
	}
}

/* ---- the change ---- */

struct prop_op {                        /* a new table to be published */
	struct store_account *account;  /* referenced */
	struct store_mailbox *mailbox;  /* referenced; NULL: the account itself */
	struct store_properties *table; /* referenced */
};

static struct store_properties **
head_of(struct store_account *a, struct store_mailbox *mb)
{
	return mb != NULL ? &mb->head_properties : &a->head_properties;
}

static struct store_properties **
published_of(const struct prop_op *op)
{
	return op->mailbox != NULL ? &op->mailbox->properties : &op->account->properties;
}

/* Finds the account, and the mailbox, or NULL for the account itself. */
static enum ts_err
find_target(const struct store_change *c, struct store_account **a_r, struct store_mailbox **mb_r)
{
	struct store_account *a = c->account;
	struct entry *e;

	*a_r = a;
	*mb_r = c->mailbox;
	if (a == NULL || (c->mailbox != NULL && c->mailbox->account != a))
		return TS_INVALID;
	if (a->head_gone || a->stale)
		return a->head_gone ? TS_NOT_FOUND : TS_UNAVAILABLE;
	if (c->mailbox != NULL && c->quiet)
		return c->mailbox->head.gone ? TS_NOT_FOUND : TS_OK;
	if (c->mailbox != NULL)
		return prepare_usable(c->mailbox);
	if (c->name.n == 0)
		return TS_OK;
	pthread_rwlock_rdlock(&a->lock);
	e = account_entry(a, c->name);
	*mb_r = e != NULL ? e->head : NULL;
	pthread_rwlock_unlock(&a->lock);
	if (*mb_r == NULL)
		return TS_NOT_FOUND;
	return c->quiet ? TS_OK : TS_INVALID; /* nobody holds its state */
}

static enum ts_err
apply_op(const struct store_property_op *op, struct store_properties **table)
{
	struct str old = store_properties_get(*table, op->name);

	if (!store_property_name_ok(op->name) || store_property_is_reserved(op->name))
		return TS_INVALID;
	if (op->must_be_new && old.p != NULL)
		return TS_EXISTS;
	if (op->must_be.p != NULL && (old.p == NULL || !str_eq(old, op->must_be)))
		return TS_CONDITION;
	if (op->remove)
		properties_remove(table, op->name);
	else if (old.p == NULL || !str_eq(old, op->value))
		properties_put(table, op->name, op->value);
	return TS_OK;
}

/* Counts the bytes of all properties in the account's head. */
static size_t
bytes_of_all(struct store_account *a)
{
	size_t n = a->head_properties != NULL ? a->head_properties->bytes : 0;

	pthread_rwlock_rdlock(&a->lock);
	for (size_t i = 0; i < a->entry_count; i++) {
		const struct store_mailbox *mb = a->entry[i]->head;

		if (mb != NULL && mb->head_properties != NULL)
			n += mb->head_properties->bytes;
	}
	pthread_rwlock_unlock(&a->lock);
	return n;
}

bool
properties_room(struct store_account *a, const struct store_properties *more)
{
	return more == NULL || bytes_of_all(a) + more->bytes <= a->store->opt.property_total;
}

/* Without those that the store itself put. */
static size_t
count_of(const struct store_properties *t)
{
	return store_properties_count(t) -
	       (store_properties_get(t, STR(STORE_OBJECT_ID_PROPERTY)).p != NULL) -
	       (store_properties_get(t, STR(STORE_OWN_SEEN_PROPERTY)).p != NULL);
}

/* What exceeds a limit already may still shrink. */
static enum ts_err
check_limits(struct store_change *c, struct store_account *a, const struct store_properties *old,
    const struct store_properties *new)
{
	const struct store_options *opt = &a->store->opt;
	size_t had = count_of(old), has = count_of(new);
	size_t bytes = old != NULL ? old->bytes : 0, now = new != NULL ? new->bytes : 0;

	for (size_t i = 0; i < c->property_count; i++)
		if (!c->properties[i].remove && c->properties[i].value.n > opt->property_bytes)
			return refuse(c, STORE_LIMIT_PROPERTY_BYTES);
	if (has > had && has > opt->max_properties)
		return refuse(c, STORE_LIMIT_PROPERTIES);
	if (now > bytes && bytes_of_all(a) - bytes + now > opt->property_total)
		return refuse(c, STORE_LIMIT_PROPERTY_TOTAL);
	return TS_OK;
}

static void
put_changed(struct batch *b, const struct store_change *c, struct store_account *a,
    const struct store_mailbox *mb, const struct store_properties *table)
{
	uint32_t id = mb != NULL ? mb->id : 0;

	for (size_t i = 0; i < c->property_count; i++) {
		struct str name = c->properties[i].name, value = store_properties_get(table, name);
		struct key k;

		property_key(&k, a->id, id, name);
		if (value.p != NULL)
			put_row(b, a->id, id, name, value);
		else
			engine_batch_delete(b->ops, key_str(&k));
	}
}

/* Later changes see the table from now on. */
static void
show_table(struct store_change *c, struct store_account *a, struct store_mailbox *mb,
    struct store_properties *table_take)
{
	struct prop_op *op = mem_zalloc(sizeof *op);
	struct store_properties **head = head_of(a, mb);

	*op = (struct prop_op){.account = store_account_ref(a),
	    .mailbox = mb != NULL ? store_mailbox_ref(mb) : NULL,
	    .table = properties_ref(table_take)};
	store_properties_unref(head);
	*head = table_take;
	quota_read_head(a, mb);
	c->priv->properties = op;
}

/* Puts a record without contents, because the mailbox has changed. */
static void
raise_modseq(struct batch *b, struct store_change *c)
{
	struct change_delta cd;

	delta_begin(&cd, b, c->mailbox);
	delta_commit(&cd);
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): only called for a mailbox */
	c->modseq = c->mailbox->head.c.modseq;
}

/* The table as the change wants it; TS_OK: it may be so. */
static enum ts_err
make_table(struct store_change *c, struct store_account *a, struct store_mailbox *mb,
    struct store_properties **table_r)
{
	enum ts_err err = TS_OK;

	*table_r = properties_ref(*head_of(a, mb));
	for (size_t i = 0; i < c->property_count && err == TS_OK; i++)
		err = apply_op(&c->properties[i], table_r);
	return err == TS_OK ? check_limits(c, a, *head_of(a, mb), *table_r) : err;
}

static bool
gives_rights(const struct store_change *c)
{
	for (size_t i = 0; i < c->property_count; i++)
		if (shares_name(c->properties[i].name))
			return true;
	return false;
}

enum ts_err
properties_prepare(struct batch *b, struct store_change *c)
{
	struct store_properties *table;
	struct store_account *a;
	struct store_mailbox *mb;
	enum ts_err err;

	if (c->priv->shared != NULL)
		return shares_prepare(b, c);
	err = find_target(c, &a, &mb);
	if (err != TS_OK)
		return err;
	err = make_table(c, a, mb, &table);
	/* Whose \Seen it has been is in its state. */
	if (err == TS_OK && mb != NULL && table != mb->head_properties && own_follows(mb, table) &&
	    mb->state == NULL)
		err = TS_UNAVAILABLE;
	if (mb != NULL && c->mailbox != NULL && mb->state != NULL)
		c->modseq = mb->head.c.modseq;
	if (err != TS_OK || table == *head_of(a, mb)) {
		store_properties_unref(&table);
		return err;
	}
	put_changed(b, c, a, mb, table);
	if (mb != NULL && own_follows(mb, table)) {
		own_become(b, c, mb, &table);
		put_row(b, a->id, mb->id, STR(STORE_OWN_SEEN_PROPERTY), STR("1"));
	}
	show_table(c, a, mb, table);
	if (mb != NULL && !c->quiet)
		raise_modseq(b, c);
	if (mb != NULL && gives_rights(c))
		shares_follow(c, mb);
	return TS_OK;
}

static void
prop_op_free(struct store_change *c)
{
	struct prop_op *op = c->priv->properties;

	c->priv->properties = NULL;
	store_properties_unref(&op->table);
	store_mailbox_unref(&op->mailbox);
	store_account_unref(&op->account);
	mem_free(op);
}

void
properties_apply(struct batch *b, struct store_change *c)
{
	struct prop_op *op = c->priv->properties;
	struct store_properties **pub, *old;
	struct store_account *a;

	(void)b;
	if (op == NULL)
		return;
	a = op->account;
	pub = published_of(op);
	pthread_rwlock_wrlock(&a->lock);
	old = *pub;
	*pub = properties_ref(op->table);
	account_count_properties(a, old, op->table);
	pthread_rwlock_unlock(&a->lock);
	store_properties_unref(&old);
	atomic_fetch_add(&a->list_version, 1);
	own_apply(b, c);
	watch_notify(a, op->mailbox != NULL ? op->mailbox->id : 0);
	quota_note(a);
	prop_op_free(c);
}

void
properties_undo(struct batch *b, struct store_change *c, bool doubt)
{
	struct prop_op *op = c->priv->properties;
	struct store_properties **head;

	own_undo(b, c, doubt);
	if (op == NULL)
		return;
	head = head_of(op->account, op->mailbox);
	store_properties_unref(head);
	pthread_rwlock_rdlock(&op->account->lock);
	*head = properties_ref(*published_of(op));
	pthread_rwlock_unlock(&op->account->lock);
	quota_read_head(op->account, op->mailbox);
	if (doubt)
		lane_doubt(b->lane, op->account);
	prop_op_free(c);
}

/* ---- with a message ---- */

enum hold
notice_hold(struct lane *lane, struct store_change *c)
{
	enum hold hold = hold_for_list(lane, c);

	return hold == HOLD_GO ? hold_for_uids(lane, c) : hold;
}

enum ts_err
notice_prepare(struct batch *b, struct store_change *c)
{
	struct store_account *a = c->account;
	struct store_properties *table;
	enum ts_err err = names_usable(c);

	if (err == TS_OK && (c->mailbox == NULL || c->mailbox->account != a))
		err = TS_INVALID;
	if (err != TS_OK)
		return err;
	err = make_table(c, a, NULL, &table);
	if (err == TS_OK)
		err = append_prepare(b, c);
	if (err != TS_OK || table == a->head_properties) {
		store_properties_unref(&table);
		return err;
	}
	put_changed(b, c, a, NULL, table);
	show_table(c, a, NULL, table);
	return TS_OK;
}

void
notice_apply(struct batch *b, struct store_change *c)
{
	append_apply(b, c);
	properties_apply(b, c);
}

void
notice_undo(struct batch *b, struct store_change *c, bool doubt)
{
	append_undo(b, c, doubt);
	properties_undo(b, c, doubt);
}
