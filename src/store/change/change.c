/* SPDX-License-Identifier: Apache-2.0 */
/* Changes: making, submitting and ending them. */
#include "base/mem.h"
#include "store/change/batch_int.h"

struct waiter {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	bool done;
};

static void
destroy_change(struct store_change *c)
{
	struct store_change_priv *priv = c->priv;

	for (size_t i = 0; i < c->item_count; i++)
		store_upload_free(&c->items[i].upload);
	if (c->uids != NULL)
		roaring_bitmap_free(c->uids);
	if (c->seen != NULL)
		roaring_bitmap_free(c->seen);
	if (c->affected != NULL)
		roaring_bitmap_free(c->affected);
	if (c->failed != NULL)
		roaring_bitmap_free(c->failed);
	mem_free(c->pairs);
	buf_fini(&c->lost);
	store_mailbox_unref(&priv->held[0]);
	store_mailbox_unref(&priv->held[1]);
	store_mailbox_unref(&priv->shared);
	store_own_unref(&priv->own);
	store_account_unref(&c->account);
	mem_free(priv);

	struct arena *arena = c->arena;

	arena_free(&arena);
}

static void
finished(struct loop_task *task)
{
	struct store_change_priv *priv = list_entry(task, struct store_change_priv, task);

	priv->finished = true;
	if (priv->abandoned)
		destroy_change(priv->change);
	else if (priv->change->done != NULL)
		priv->change->done(priv->change);
}

static struct store_change *
change_new(struct store *store, struct store_account *account, int kind)
{
	/* No pool: the lane uses the arena while the caller's loop goes on counting. */
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 512);
	struct store_change *c = arena_new_object(arena, struct store_change);

	c->arena = arena;
	c->kind = (enum store_change_kind)kind;
	c->account = account != NULL ? store_account_ref(account) : NULL;
	c->priv = mem_zalloc(sizeof *c->priv);
	c->priv->change = c;
	c->priv->store = store;
	c->priv->task.fn = finished;
	return c;
}

struct store_change *
change_new_asked(struct store *store, struct store_account *account, int kind, struct loop *loop,
    void (*done)(struct store_change *change), void *arg)
{
	struct store_change *c = change_new(store, account, kind);

	c->loop = loop;
	c->done = done;
	c->arg = arg;
	return c;
}

struct store_change *
store_change_new(struct store_account *account, enum store_change_kind kind, struct loop *loop,
    void (*done)(struct store_change *change), void *arg)
{
	return change_new_asked(account->store, account, (int)kind, loop, done, arg);
}

struct store_change *
change_new_inner(struct store *store, struct store_account *account, int kind,
    void (*complete)(struct store_change *change), void *arg)
{
	struct store_change *c = change_new(store, account, kind);

	c->priv->complete = complete;
	c->priv->complete_arg = arg;
	return c;
}

void
store_change_free(struct store_change **cp)
{
	struct store_change *c = *cp;

	*cp = NULL;
	if (c == NULL)
		return;
	if (c->priv->submitted && !c->priv->finished)
		c->priv->abandoned = true;
	else
		destroy_change(c);
}

static void
wake(struct store_change *c)
{
	struct waiter *w = c->priv->complete_arg;

	pthread_mutex_lock(&w->mutex);
	w->done = true;
	pthread_cond_signal(&w->cond);
	pthread_mutex_unlock(&w->mutex);
}

const struct str *
store_change_names(struct store_change *c, const struct str *names, size_t n)
{
	struct str *own;

	if (n == 0)
		return NULL;
	own = arena_array(c->arena, n, sizeof *own);
	for (size_t i = 0; i < n; i++)
		own[i] = arena_str(c->arena, names[i]);
	return own;
}

#ifdef TS_DEBUG
/* All that the change refers to must live as long as the change, perhaps longer than its caller. */
static bool
owns_names(const struct store_change *c, const struct str *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (names[i].n > 0 && !arena_holds(c->arena, names[i].p))
			return false;
	return n == 0 || arena_holds(c->arena, names);
}

static void
check_texts(const struct store_change *c, const struct str *texts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		TS_ASSERT(texts[i].n == 0 || arena_holds(c->arena, texts[i].p));
}

static void
check_owned(const struct store_change *c)
{
	if (c->priv->complete == wake) /* the waiting caller keeps its texts */
		return;
	check_texts(c, (const struct str[]){c->name, c->new_name, c->wish_object_id}, 3);
	TS_ASSERT(owns_names(c, c->keywords, c->keyword_count));
	TS_ASSERT(c->item_count == 0 || arena_holds(c->arena, c->items));
	for (size_t i = 0; i < c->item_count; i++)
		TS_ASSERT(owns_names(c, c->items[i].keywords, c->items[i].keyword_count));
	TS_ASSERT(c->record_count == 0 || arena_holds(c->arena, c->records));
	for (size_t i = 0; i < c->record_count; i++) {
		const struct store_record_op *op = &c->records[i];

		check_texts(c, (const struct str[]){op->key, op->value, op->must_be}, 3);
	}
	TS_ASSERT(c->property_count == 0 || arena_holds(c->arena, c->properties));
	for (size_t i = 0; i < c->property_count; i++) {
		const struct store_property_op *op = &c->properties[i];

		check_texts(c, (const struct str[]){op->name, op->value, op->must_be}, 3);
	}
}

#else
#define check_owned(c) ((void)0)
#endif

static void
take_over(struct store_change *c)
{
	struct store_change_priv *priv = c->priv;

	TS_ASSERT(!priv->submitted && change_kind_of(c)->prepare != NULL);
	check_owned(c);
	priv->submitted = true;
	if (c->mailbox != NULL)
		priv->held[0] = store_mailbox_ref(c->mailbox);
	if (c->source != NULL)
		priv->held[1] = store_mailbox_ref(c->source);
	if (c->own != NULL)
		priv->own = store_own_ref(c->own);
	atomic_fetch_add(&priv->store->pending, 1);
}

static void
send(struct store_change *c)
{
	if (change_kind_of(c)->send != NULL)
		change_kind_of(c)->send(c);
	else
		lane_enqueue(c);
}

/* lanes 0: runs the change inside a task, with whatever else waits by then. */
static void
run_here(struct loop_task *task)
{
	struct store_change_priv *priv = list_entry(task, struct store_change_priv, task);

	bool was = block_on_loop(false); /* this thread now acts as the lane's and the copier's */

	priv->task.fn = finished;
	send(priv->change);
	lane_run(priv->store->lane);
	(void)block_on_loop(was);
}

void
store_submit(struct store_change *c)
{
	take_over(c);
	if (c->priv->store->opt.lanes > 0) {
		send(c);
		return;
	}
	c->priv->task.fn = run_here;
	loop_post(c->loop, &c->priv->task);
}

static void
end_alone(struct store_change *c)
{
	void (*ended)(const struct store_change *change) = c->priv->ended;

	if (ended != NULL)
		ended(c);
	store_change_free(&c);
}

void
store_submit_alone(struct store_change *c, void (*ended)(const struct store_change *change))
{
	struct lane *lane = c->priv->store->lane;

	TS_ASSERT(c->done == NULL);
	c->priv->complete = end_alone;
	c->priv->ended = ended;
	take_over(c);
	send(c);
	if (lane->store->opt.lanes == 0)
		lane_run(lane);
}

enum ts_err
store_submit_wait(struct store_change *c)
{
	struct waiter w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};

	block_for_flush("store_submit_wait");
	TS_ASSERT(c->done == NULL);
	c->priv->complete = wake;
	c->priv->complete_arg = &w;
	take_over(c);
	send(c);
	if (c->priv->store->opt.lanes == 0)
		lane_run(c->priv->store->lane);
	pthread_mutex_lock(&w.mutex);
	while (!w.done)
		pthread_cond_wait(&w.cond, &w.mutex);
	pthread_mutex_unlock(&w.mutex);
	pthread_mutex_destroy(&w.mutex);
	pthread_cond_destroy(&w.cond);
	return c->err;
}

void
change_submit_inner(struct store_change *c)
{
	take_over(c);
	send(c);
}
