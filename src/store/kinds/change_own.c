/* SPDX-License-Identifier: Apache-2.0 */
/* OWN: what a user has read in a mailbox of another account. */
#include "base/mem.h"
#include "store/kinds/steps_int.h"
#include "store/shares.h"

enum { GONE_KEPT = 1024 };

struct own_op {                        /* a new value to be published */
	struct store_own *own;         /* referenced */
	struct own_seen *value;        /* referenced */
	bool rooted;                   /* the header is on disk */
	bool pending;                  /* own_settled() must be called */
	struct store_mailbox *becomes; /* referenced: it becomes so with this; NULL: none */
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

/* What was changed after the mailbox was at own_s counts as changed then: some of these messages
 * may have been changed before as well. */
static uint64_t
prior_modseq(const struct store_change *c, const struct own_seen *before)
{
	uint64_t s;

	if (c->source == NULL || roaring_bitmap_is_empty(c->affected))
		return 0;
	pthread_rwlock_rdlock(&c->source->lock);
	s = state_highest(c->source->state, c->affected);
	pthread_rwlock_unlock(&c->source->lock);
	return s == 0 ? 0 : own_highest_of(before, s < c->own_s ? s : c->own_s, c->affected);
}

/* Of UIDs that the mailbox had, those that are gone.  NULL: too few to be worth it. */
static roaring_bitmap_t *
long_gone(const struct own_seen *value, struct store_mailbox *mb)
{
	uint64_t there, seen = roaring_bitmap_get_cardinality(value->seen);
	roaring_bitmap_t *gone = NULL;

	pthread_rwlock_rdlock(&mb->lock);
	there = roaring_bitmap_get_cardinality(mb->state->uids);
	if (seen > 2 * there + GONE_KEPT) {
		gone = roaring_bitmap_andnot(value->seen, mb->state->uids);
		roaring_bitmap_remove_range(
		    gone, mb->state->counters.uidnext, (uint64_t)UINT32_MAX + 1);
	}
	pthread_rwlock_unlock(&mb->lock);
	return gone;
}

/* Messages come and go, and the set would keep them all.  Returns whether some went. */
static bool
drop_gone(struct own_seen **value, struct store_mailbox *mb)
{
	roaring_bitmap_t *gone = long_gone(*value, mb);
	struct own_seen *all = *value;

	if (gone == NULL)
		return false;
	*value = own_without(all, gone);
	own_unref(&all);
	roaring_bitmap_free(gone);
	return true;
}

static enum ts_err
mark(struct batch *b, struct store_change *c, struct store_own *own)
{
	bool trimmed, dropped;
	struct own_seen *value;

	if (c->uids == NULL || c->mode == STORE_FLAGS_REPLACE)
		return TS_INVALID;
	if (c->source != NULL)
		c->own_s = own_pending(own, c->source);
	value = own_change(own->head, c->own_s, c->mode == STORE_FLAGS_ADD, c->uids, &trimmed);
	c->modseq = own_highest(value != NULL ? value : own->head, c->own_s);
	c->affected = value != NULL ? roaring_bitmap_copy(value->step[value->count - 1]->uids)
	                            : roaring_bitmap_create();
	c->prior_modseq = prior_modseq(c, own->head);
	if (value == NULL && c->source != NULL)
		own_settled(own);
	if (value == NULL)
		return TS_OK;
	dropped = c->source != NULL && drop_gone(&value, c->source);
	value->recent_mark = atomic_load(&own->mark);
	if (own->head_rooted && !dropped)
		put_last(b, own, value, trimmed);
	else
		put_all(b, own, value);
	show_own(c, own, value, true);
	c->priv->own_op->pending = c->source != NULL;
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

/* The count stays, and is one more: numbers that the user was shown never come again. */
static enum ts_err
forget(struct batch *b, struct store_change *c, struct store_own *own)
{
	struct own_seen *value;

	if (!own->head_rooted && own->head->u == 0 && roaring_bitmap_is_empty(own->head->seen))
		return TS_OK;
	value = own_forgotten(own->head, c->own_s);
	put_all(b, own, value);
	show_own(c, own, value, true);
	return TS_OK;
}

/* ---- a mailbox becomes so ---- */

bool
own_follows(const struct store_mailbox *mb, const struct store_properties *table)
{
	struct str name, value;
	size_t i;

	if (!mb->account->store->opt.own_seen || store_properties_count(table) == 0 ||
	    store_properties_get(table, STR(STORE_OWN_SEEN_PROPERTY)).p != NULL)
		return false;
	i = store_properties_from(table, STR(STORE_SHARE_PREFIX));
	if (i == store_properties_count(table))
		return false;
	store_properties_at(table, i, &name, &value);
	return shares_name(name);
}

/* The messages that are \Seen in the head, and what was claimed as \Recent so far. */
static roaring_bitmap_t *
seen_in_head(struct batch *b, struct store_mailbox *mb, uint32_t *mark_r)
{
	roaring_bitmap_t *uids, *seen;
	struct head_view v;

	pthread_rwlock_rdlock(&mb->lock);
	*mark_r = mb->head.c.recent_mark;
	if (*mark_r < mb->state->counters.recent_mark)
		*mark_r = mb->state->counters.recent_mark;
	head_view_of(&v, b, mb);
	uids = head_existing(&v, NULL, false);
	seen = head_flagged(&v, STORE_SEEN, uids);
	pthread_rwlock_unlock(&mb->lock);
	roaring_bitmap_free(uids);
	return seen;
}

void
own_become(struct batch *b, struct store_change *c, struct store_mailbox *mb,
    struct store_properties **table)
{
	struct store_own *own = own_new_of(mb);
	uint32_t mark;
	roaring_bitmap_t *seen = seen_in_head(b, mb, &mark);
	struct own_seen *value = own_new(seen, mark);

	properties_put(table, STR(STORE_OWN_SEEN_PROPERTY), STR("1"));
	put_all(b, own, value);
	show_own(c, own, value, true);
	c->priv->own_op->becomes = store_mailbox_ref(mb);
	store_own_unref(&own);
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
	if (c->source != NULL &&
	    (c->source->account->id != own->id.owner || c->source->id != own->id.mailbox))
		return TS_INVALID;
	if (c->source != NULL && store_mailbox_gone(c->source))
		return TS_NOT_FOUND;
	switch (c->own_kind) {
	case STORE_OWN_MARK:
		return mark(b, c, own);
	case STORE_OWN_START:
		return start(b, c, own);
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
	store_mailbox_unref(&op->becomes);
	own_unref(&op->value);
	store_own_unref(&op->own);
	mem_free(op);
}

/* Under the lock, so that no read begins with the mailbox's \Seen and ends with the owner's; and
 * what was claimed as \Recent until now, stays so. */
static void
become(struct store_mailbox *mb, struct store_own *own)
{
	struct store_own *take = store_own_ref(own);

	pthread_rwlock_wrlock(&mb->lock);
	if (mb->state != NULL)
		(void)store_own_claim(own, mb->state->counters.recent_mark + 1);
	atomic_store(&mb->has_own, true);
	own_attach(mb, &take);
	pthread_rwlock_unlock(&mb->lock);
}

void
own_apply(struct batch *b, struct store_change *c)
{
	struct own_op *op = c->priv->own_op;

	(void)b;
	if (op == NULL)
		return;
	own_publish(op->own, op->value, op->rooted);
	if (op->pending)
		own_settled(op->own);
	if (op->becomes != NULL)
		become(op->becomes, op->own);
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
	if (op->pending)
		own_settled(op->own);
	if (doubt) {
		op->own->stale = true;
		lane_doubt(b->lane, op->own->account);
	}
	own_op_free(c);
}
