/* SPDX-License-Identifier: Apache-2.0 */
/* OWN: what a user has read in a mailbox of another account. */
#include "base/mem.h"
#include "store/kinds/steps_int.h"

struct own_op {                 /* a new value to be published */
	struct store_own *own;  /* referenced */
	struct own_seen *value; /* referenced */
	bool rooted;            /* the header is on disk */
};

/* ---- rows ---- */

static void
delete_rows(struct batch *b, const struct store_own *own, unsigned from, unsigned end)
{
	struct key k, last;

	own_key(&k, own->account->id, own->id.owner, own->id.mailbox, from);
	own_key(&last, own->account->id, own->id.owner, own->id.mailbox, end);
	engine_batch_delete_range(b->ops, key_str(&k), key_str(&last));
}

static void
put_own_header(struct batch *b, const struct store_own *own, const struct own_seen *value)
{
	struct key k;

	own_key(&k, own->account->id, own->id.owner, own->id.mailbox, OWN_HEADER);
	value_begin(&b->value);
	own_put_header(value, &b->value);
	batch_put_value(b->ops, &k, &b->value);
}

static void
change_key(struct key *k, const struct store_own *own, uint64_t u)
{
	own_key(k, own->account->id, own->id.owner, own->id.mailbox, OWN_CHANGE);
	key_be64(k, u);
}

static void
put_step(struct batch *b, const struct store_own *own, const struct own_seen *value, size_t i)
{
	struct key k;

	change_key(&k, own, value->floor_u + i + 1);
	value_begin(&b->value);
	own_put_step(value, value->step[i], &b->value);
	batch_put_value(b->ops, &k, &b->value);
}

/* Puts the header and all changes, replacing whatever exists. */
static void
put_all(struct batch *b, const struct store_own *own, const struct own_seen *value)
{
	delete_rows(b, own, OWN_HEADER, OWN_CHANGE + 1);
	put_own_header(b, own, value);
	for (size_t i = 0; i < value->count; i++)
		put_step(b, own, value, i);
}

/* Puts the last change; if older ones were trimmed, the header covers them. */
static void
put_last(struct batch *b, const struct store_own *own, const struct own_seen *value, bool trimmed)
{
	struct key from, end;

	if (trimmed) {
		change_key(&from, own, 0);
		change_key(&end, own, value->floor_u + 1);
		engine_batch_delete_range(b->ops, key_str(&from), key_str(&end));
		put_own_header(b, own, value);
	}
	put_step(b, own, value, value->count - 1);
}

/* ---- the change ---- */

/* Later changes see it from now on. */
static void
show_own(struct store_change *c, struct store_own *own, struct own_seen *value_take, bool rooted)
{
	struct own_op *op = mem_zalloc(sizeof *op);

	*op = (struct own_op){
	    .own = store_own_ref(own), .value = own_ref(value_take), .rooted = rooted};
	own_unref(&own->head);
	own->head = value_take;
	own->head_rooted = rooted;
	c->priv->own_op = op;
}

static enum ts_err
mark(struct batch *b, struct store_change *c, struct store_own *own)
{
	bool trimmed;
	struct own_seen *value;

	if (c->uids == NULL || c->mode == STORE_FLAGS_REPLACE)
		return TS_INVALID;
	value = own_change(own->head, c->own_s, c->mode == STORE_FLAGS_ADD, c->uids, &trimmed);
	c->modseq = own_highest(value != NULL ? value : own->head, c->own_s);
	c->affected = value != NULL ? roaring_bitmap_copy(value->step[value->count - 1]->uids)
	                            : roaring_bitmap_create();
	if (value == NULL)
		return TS_OK;
	value->recent_mark = atomic_load(&own->mark);
	if (own->head_rooted)
		put_last(b, own, value, trimmed);
	else
		put_all(b, own, value);
	show_own(c, own, value, true);
	return TS_OK;
}

static enum ts_err
start(struct batch *b, struct store_change *c, struct store_own *own)
{
	struct own_seen *value;

	if (own->head_rooted || own->head->u > 0)
		return TS_EXISTS;
	value = own_new(c->uids != NULL ? roaring_bitmap_copy(c->uids) : roaring_bitmap_create(),
	    atomic_load(&own->mark));
	put_all(b, own, value);
	show_own(c, own, value, true);
	return TS_OK;
}

static enum ts_err
retain(struct batch *b, struct store_change *c, struct store_own *own)
{
	struct own_seen *value;

	if (c->uids == NULL)
		return TS_INVALID;
	if (!own->head_rooted)
		return TS_OK;
	value = own_retain(own->head, c->uids, atomic_load(&own->mark));
	put_all(b, own, value);
	show_own(c, own, value, true);
	return TS_OK;
}

static enum ts_err
forget(struct batch *b, struct store_change *c, struct store_own *own)
{
	delete_rows(b, own, 0, 0xff);
	atomic_store(&own->mark, 0);
	show_own(c, own, own_new(roaring_bitmap_create(), 0), false);
	return TS_OK;
}

enum ts_err
own_prepare(struct batch *b, struct store_change *c)
{
	struct store_own *own = c->own;

	if (own == NULL || own->account != c->account)
		return TS_INVALID;
	if (c->account->head_gone)
		return TS_NOT_FOUND;
	if (c->account->stale || own->stale)
		return TS_UNAVAILABLE;
	switch (c->own_kind) {
	case STORE_OWN_MARK:
		return mark(b, c, own);
	case STORE_OWN_START:
		return start(b, c, own);
	case STORE_OWN_RETAIN:
		return retain(b, c, own);
	case STORE_OWN_FORGET:
		return forget(b, c, own);
	}
	return TS_INVALID;
}

static void
own_op_free(struct store_change *c)
{
	struct own_op *op = c->priv->own_op;

	c->priv->own_op = NULL;
	own_unref(&op->value);
	store_own_unref(&op->own);
	mem_free(op);
}

void
own_apply(struct batch *b, struct store_change *c)
{
	struct own_op *op = c->priv->own_op;

	(void)b;
	if (op == NULL)
		return;
	own_publish(op->own, op->value, op->rooted);
	watch_notify(op->own->account, STORE_WATCH_OWN);
	own_op_free(c);
}

void
own_undo(struct batch *b, struct store_change *c, bool doubt)
{
	struct own_op *op = c->priv->own_op;

	if (op == NULL)
		return;
	own_reset_head(op->own);
	if (doubt) {
		op->own->stale = true;
		lane_doubt(b->lane, op->own->account);
	}
	own_op_free(c);
}
