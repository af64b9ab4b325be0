/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blobs that several accounts have.  Each of these has a holder, a row of
 * account 0; a blob without any is one account's own.
 *
 *   claim   account 0: holders, and a claim for each new one
 *   use     the account: messages with their references
 *   settle  account 0: the claim goes; without a reference the holder goes with
 *           it, and the blob with the last one
 *
 * Holders are durable before the first reference, and go after the last one
 * (collect.c), so a blob is never freed under a message.  What a crash leaves is
 * a claim, and claims are settled when the store is opened.  Nobody settles one
 * whose messages are on their way: a handle of the upload, or the transfer, says
 * so until its change has ended.
 */
#include "base/log.h"
#include "base/mem.h"
#include "store/store_int.h"

/* ---- rows ---- */

void
holder_put(struct engine_batch *batch, uint64_t blob, uint64_t account)
{
	struct key k;

	key_holder(&k, KEY_HOLDER, blob, account);
	batch_put_empty(batch, &k);
}

void
claim_put(struct engine_batch *batch, uint64_t blob, uint64_t account)
{
	struct key k;

	key_holder(&k, KEY_CLAIM, blob, account);
	batch_put_empty(batch, &k);
}

void
claim_delete(struct engine_batch *batch, uint64_t blob, uint64_t account)
{
	struct key k;

	key_holder(&k, KEY_CLAIM, blob, account);
	engine_batch_delete(batch, key_str(&k));
}

enum ts_err
holders_look(struct store *store, uint64_t blob, uint64_t account, struct holders *h)
{
	struct key k;
	struct scan scan;
	enum ts_err err;

	*h = (struct holders){0};
	key_begin(&k, 0, KEY_HOLDER);
	key_be64(&k, blob);
	scan_begin(&scan, store, &k);
	/* One whose value is damaged is one all the same. */
	while ((err = scan_next(&scan)) == TS_OK || scan.key.n > 0) {
		struct rd r = rd_of((struct str){scan.key.p + 17, scan.key.n - 17});

		h->count++;
		h->has |= rd_be64(&r) == account && account != 0;
		if (h->count > 1 && (h->has || account == 0))
			break; /* more need not be known */
	}
	scan_end(&scan);
	h->unknown = err == TS_DAMAGED && scan.key.n == 0;
	return err == TS_OK || err == TS_NOT_FOUND || err == TS_DAMAGED ? TS_OK : err;
}

enum ts_err
account_refers(struct store *store, uint64_t account, uint64_t blob, bool *yes_r)
{
	struct key k;
	struct scan scan;

	key_begin(&k, account, KEY_REF);
	key_be64(&k, blob);
	scan_begin(&scan, store, &k);

	enum ts_err err = scan_next(&scan);

	/* A reference whose value is damaged is one all the same, and where references cannot be
	 * read there may be one: such a blob stays, and does not hold up the others. */
	*yes_r = scan.key.n > 0 || err == TS_DAMAGED;
	scan_end(&scan);
	return err == TS_NOT_FOUND || *yes_r ? TS_OK : err;
}

/* ---- settling ---- */

/* The account never came to have it. */
static enum ts_err
give_up_claim(struct store *store, uint64_t blob, uint64_t account)
{
	struct engine_batch *batch = engine_batch_new();
	struct holders h;
	struct key k;
	enum ts_err err = holders_look(store, blob, account, &h);

	claim_delete(batch, blob, account);
	if (err == TS_OK && !h.unknown) {
		key_holder(&k, KEY_HOLDER, blob, account);
		engine_batch_delete(batch, key_str(&k));
		/* Where the account has no holder, the claim never came to the disk: whose the blob
		 * is has not changed. */
		if (h.has && h.count == 1)
			engine_batch_delete_blob(batch, blob);
	}
	/* At once: the next one counts what is on disk. */
	if (err == TS_OK)
		err = background_commit(store, batch);
	engine_batch_free(&batch);
	return err;
}

enum ts_err
claim_settle(
    struct store *store, uint64_t blob, uint64_t account, struct engine_batch *batch, bool *wait_r)
{
	/* First of all: once nobody holds it, all references to come are on disk. */
	bool held = upload_shares(store, blob) || cross_comes(store, account), yes;
	enum ts_err err = account_refers(store, account, blob, &yes);

	*wait_r = false;
	if (err != TS_OK)
		return err;
	if (yes)
		claim_delete(batch, blob, account);
	/* It may have come and gone already, and a command goes on reading it: behind the lanes a
	 * hold has it then. */
	else if (held || !lanes_settle(store) || hold_has_blob(store, blob))
		*wait_r = true;
	else
		err = give_up_claim(store, blob, account);
	return err;
}

enum ts_err
claims_recover(struct store *store)
{
	struct key k;
	struct scan scan;
	enum ts_err err;

	key_begin(&k, 0, KEY_CLAIM);
	scan_begin(&scan, store, &k);
	while ((err = scan_next(&scan)) == TS_OK || scan.key.n > 0) {
		struct rd r = rd_of((struct str){scan.key.p + 9, scan.key.n - 9});
		uint64_t blob = rd_be64(&r), account = rd_be64(&r);

		if (!r.bad && rd_left(&r) == 0 && account != 0)
			background_settle(store, blob, account);
	}
	scan_end(&scan);
	return err == TS_NOT_FOUND ? TS_OK : err;
}

/* ---- messages that several recipients get ---- */

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
	if (c->kind != STORE_CHANGE_APPEND || c->mailbox == NULL)
		return false;
	for (size_t i = 0; i < c->item_count; i++)
		if (is_shared(&c->items[i]))
			return true;
	return false;
}

/* On the thread of the lane of account 0: now the messages. */
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
		lane_enqueue(lane_for(user), user->priv);
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
claims_prepare(struct batch *b, struct store_change *c)
{
	struct claims *cl = c->priv->complete_arg;

	/* By itself: what makes room shall not be refused along with it. */
	if (engine_full(b->lane->store->engine))
		return TS_FULL;
	for (size_t i = 0; i < cl->n; i++) {
		const struct store_upload *o = cl->origin[i];

		/* Those of all recipients are mostly in one batch, which needs the bytes once. */
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
