/* SPDX-License-Identifier: Apache-2.0 */
/* EXPUNGE: removes messages that are \Deleted, very many in several batches. */
#include "store/kinds/steps_int.h"

/* Messages per batch. */
#define EXPUNGE_PIECE 4096

/* Keeps the first n of a set.  Returns true if it has more. */
static bool
first_ones(roaring_bitmap_t *set, uint32_t n)
{
	uint32_t behind;

	if (!roaring_bitmap_select(set, n, &behind))
		return false;
	roaring_bitmap_remove_range_closed(set, behind, roaring_bitmap_maximum(set));
	return true;
}

/* Returns those to remove now, and remembers the rest. */
static roaring_bitmap_t *
expunge_piece(const struct head_view *v, struct store_change *c)
{
	struct store_change_priv *priv = c->priv;
	roaring_bitmap_t *all = head_existing(v, priv->left != NULL ? priv->left : c->uids, false);
	roaring_bitmap_t *uids = head_flagged(v, STORE_DELETED, all);

	roaring_bitmap_free(all);
	if (priv->left != NULL)
		roaring_bitmap_free(priv->left);
	priv->left = roaring_bitmap_copy(uids);
	priv->again = first_ones(uids, EXPUNGE_PIECE);
	roaring_bitmap_andnot_inplace(priv->left, uids);
	return uids;
}

enum ts_err
expunge_prepare(struct batch *b, struct store_change *c)
{
	enum ts_err err = prepare_usable(c->mailbox);
	struct change_delta cd;
	roaring_bitmap_t *uids;

	if (c->affected == NULL)
		c->affected = roaring_bitmap_create();
	if (err != TS_OK)
		return err;
	delta_begin(&cd, b, c->mailbox);
	c->modseq = cd.c.modseq;
	uids = expunge_piece(&cd.head, c);
	if (roaring_bitmap_is_empty(uids)) {
		roaring_bitmap_free(uids);
		delta_abort(&cd);
		return TS_OK;
	}
	roaring_bitmap_run_optimize(uids);
	c->priv->piece = roaring_bitmap_copy(uids);
	delta_expunge(&cd, uids);
	delta_commit(&cd);
	c->modseq = c->mailbox->head.c.modseq;
	return TS_OK;
}

static void
piece_fini(struct store_change_priv *priv)
{
	if (priv->piece != NULL)
		roaring_bitmap_free(priv->piece);
	priv->piece = NULL;
}

void
expunge_apply(struct batch *b, struct store_change *c)
{
	(void)b;
	if (c->priv->piece != NULL)
		roaring_bitmap_or_inplace(c->affected, c->priv->piece);
	piece_fini(c->priv);
}

void
expunge_undo(struct batch *b, struct store_change *c, bool doubt)
{
	(void)b;
	(void)doubt;
	piece_fini(c->priv);
}

void
expunge_ended(struct store_change *c)
{
	if (c->priv->left != NULL)
		roaring_bitmap_free(c->priv->left);
	c->priv->left = NULL;
}
