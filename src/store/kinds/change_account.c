/* SPDX-License-Identifier: Apache-2.0 */
/* Making and removing accounts. */
#include "store/kinds/steps_int.h"

/* Puts the rows of an account whose name exists.  Pending operations are durable when this batch
 * is. */
static enum ts_err
prepare_fill_account(struct batch *b, struct store_change *c, bool bare)
{
	struct store *store = b->lane->store;
	bool there, pending;
	struct str body;
	struct key k;
	enum ts_err err;

	key_begin(&k, c->priv->new_account, KEY_ACCOUNT);
	err = record_look(b, &k, &there, &pending, &body);
	if (err != TS_OK || there)
		return err != TS_OK ? err : TS_EXISTS;
	account_put_new(c->priv->new_account, c->name, store_wall(store), store->opt.defaults,
	    bare ? 0 : store->opt.default_count, b->ops);
	engine_batch_put(b->records, key_str(&k), STR_NONE);
	return TS_OK;
}

/* Somebody else is making it, or a crash came before its rows: look at the rows, or make them, in a
 * separate batch, and tell nobody before they exist. */
static enum ts_err
follow_name(struct store_change *c, bool pending, struct str body)
{
	struct rd r = rd_of(body);

	c->priv->again = true;
	if (!pending)
		c->priv->new_account = rd_le64(&r);
	return r.bad || (!pending && c->priv->new_account == 0) ? TS_DAMAGED : TS_OK;
}

/* In two batches, one of account 0 and one of the new account. */
static enum ts_err
prepare_new_account(struct batch *b, struct store_change *c, bool bare)
{
	struct store *store = b->lane->store;
	bool there, pending;
	struct str body;
	struct key k;
	uint64_t id;
	enum ts_err err;

	if (c->priv->new_account != 0)
		return prepare_fill_account(b, c, bare);
	if (!account_name_ok(c->name))
		return TS_INVALID;
	key_begin(&k, 0, KEY_NAME);
	key_bytes(&k, c->name);
	err = record_look(b, &k, &there, &pending, &body);
	if (err != TS_OK || there)
		return err != TS_OK ? err : follow_name(c, pending, body);
	id = store_id_new(store, ID_ACCOUNT);
	if (id == 0)
		return store_id_err(store);
	account_put_name(id, c->name, b->ops);
	engine_batch_put(b->records, key_str(&k), STR_NONE);
	c->priv->new_account = id;
	c->priv->again = true;
	return TS_OK;
}

enum ts_err
new_account_prepare(struct batch *b, struct store_change *c)
{
	return prepare_new_account(b, c, false);
}

enum ts_err
new_bare_prepare(struct batch *b, struct store_change *c)
{
	return prepare_new_account(b, c, true);
}

enum ts_err
drop_account_prepare(struct batch *b, struct store_change *c)
{
	struct store_account *a = c->account;
	struct key k;

	if (a->head_gone)
		return TS_NOT_FOUND;
	if (b->gone != NULL)
		return TS_UNAVAILABLE; /* one per batch */
	key_begin(&k, 0, KEY_NAME);
	key_bytes(&k, a->name);
	engine_batch_delete(b->ops, key_str(&k));
	key_begin(&k, 0, KEY_DROPPED);
	key_be64(&k, a->id);
	batch_put_empty(b->ops, &k);
	a->head_gone = true;
	b->gone = store_account_ref(a);
	return TS_OK;
}

void
drop_account_apply(struct batch *b, struct store_change *c)
{
	(void)b;
	account_publish_gone(c->account);
}

void
drop_account_undo(struct batch *b, struct store_change *c, bool doubt)
{
	c->account->head_gone = false;
	if (doubt)
		lane_doubt(b->lane, c->account);
}

/* ---- for callers ---- */

struct store_change *
store_change_new_account(struct store *store, struct str name, struct loop *loop,
    void (*done)(struct store_change *change), void *arg)
{
	struct store_change *c = change_new_asked(store, NULL, INNER_NEW_ACCOUNT, loop, done, arg);

	c->name = arena_str(c->arena, name);
	return c;
}

static enum ts_err
create(struct store *store, struct str name, bool bare)
{
	struct store_change *c = store_change_new_account(store, name, NULL, NULL, NULL);
	enum ts_err err;

	if (bare)
		c->kind = (enum store_change_kind)INNER_NEW_BARE;
	err = store_submit_wait(c);
	store_change_free(&c);
	return err == TS_EXISTS ? TS_OK : err;
}

enum making { MAKE_NOT, MAKE_WHOLE, MAKE_BARE }; /* if there is none */

static enum ts_err
find_or_make(
    struct store *store, struct str name, enum making make, struct store_account **account_r)
{
	enum ts_err err;

	*account_r = NULL;
	if (!account_name_ok(name))
		return TS_INVALID;
	err = account_find_or_load(store, name, account_r);
	/* Without a lock, so that others of the shard do not wait for the flush. */
	if (err == TS_NOT_FOUND && make != MAKE_NOT)
		err = create(store, name, make == MAKE_BARE);
	if (err == TS_OK && *account_r == NULL)
		err = account_find_or_load(store, name, account_r);
	account_ask_eviction(store);
	return err;
}

enum ts_err
store_account_load(
    struct store *store, struct str name, bool make, struct store_account **account_r)
{
	block_here("store_account_load");
	return find_or_make(store, name, make ? MAKE_WHOLE : MAKE_NOT, account_r);
}

enum ts_err
store_account_load_bare(struct store *store, struct str name, struct store_account **account_r)
{
	block_here("store_account_load_bare");
	return find_or_make(store, name, MAKE_BARE, account_r);
}

enum ts_err
store_account_delete(struct store *store, struct str name)
{
	struct store_account *a;
	enum ts_err err = store_account_load(store, name, false, &a);

	if (err != TS_OK)
		return err;

	struct store_change *c = change_new_inner(store, a, INNER_DROP_ACCOUNT, NULL, NULL);

	err = store_submit_wait(c);
	store_change_free(&c);
	store_account_unref(&a);
	return err;
}
