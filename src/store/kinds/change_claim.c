/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages for several recipients: before each one's change, puts the holders of their blobs, and
 * claims, in a batch of account 0 (core/holders.c).
 */
#include "base/mem.h"
#include "store/kinds/steps_int.h"

struct claims {
	struct store_change *user;
	uint64_t account;
	size_t n;
	struct store_upload *origin[];
};

static bool
is_shared(const struct store_append_item *item)
{
	return item->upload != NULL && atomic_load(&upload_origin(item->upload)->handles) > 0;
}

bool
claims_needed(const struct store_change *c)
{
	if (c->mailbox == NULL)
		return false;
	for (size_t i = 0; i < c->item_count; i++)
		if (is_shared(&c->items[i]))
			return true;
	return false;
}

/* Runs on the thread of account 0's lane: now submit the messages. */
static void
claimed(struct store_change *c)
{
	struct claims *cl = c->priv->complete_arg;
	struct store_change *user = cl->user;
	enum ts_err err = c->err;

	store_change_free(&c);
	for (size_t i = 0; i < cl->n && err == TS_OK; i++)
		atomic_store(&cl->origin[i]->stored, true);
	if (err == TS_OK) {
		lane_enqueue(user);
		return;
	}
	user->err = err;
	change_complete(user);
}

void
claims_submit(struct store_change *user)
{
	struct store *store = user->priv->store;
	struct claims *cl =
	    mem_zalloc(sizeof *cl + user->item_count * sizeof(struct store_upload *));
	struct store_change *c = change_new_inner(store, NULL, INNER_CLAIM, claimed, cl);

	cl->user = user;
	cl->account = user->mailbox->account->id;
	for (size_t i = 0; i < user->item_count; i++)
		if (is_shared(&user->items[i]))
			cl->origin[cl->n++] = upload_origin(user->items[i].upload);
	user->priv->claims = cl;
	change_submit_inner(c);
}

enum ts_err
claim_prepare(struct batch *b, struct store_change *c)
{
	struct claims *cl = c->priv->complete_arg;

	/* Refused by itself, so that changes that free space are not refused along with it. */
	if (engine_full(b->lane->store->engine))
		return TS_FULL;
	for (size_t i = 0; i < cl->n; i++) {
		const struct store_upload *o = cl->origin[i];

		/* All recipients are usually in one batch, which needs the bytes only once. */
		if (!o->in_file && !atomic_load(&cl->origin[i]->stored) && b->put_blob != o->blob)
			engine_batch_put_blob(b->ops, o->blob, buf_as_str(&o->bytes));
		b->put_blob = o->blob;
		holder_put(b->ops, o->blob, cl->account);
		claim_put(b->ops, o->blob, cl->account);
	}
	return TS_OK;
}

void
claims_ended(struct store_change *user)
{
	struct claims *cl = user->priv->claims;

	if (cl == NULL)
		return;
	for (size_t i = 0; i < cl->n; i++)
		background_settle(user->priv->store, cl->origin[i]->blob, cl->account);
	user->priv->claims = NULL;
	mem_free(cl);
}
