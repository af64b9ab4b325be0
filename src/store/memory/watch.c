/* SPDX-License-Identifier: Apache-2.0 */
/* Watches: who is told when something changes.  At most one call is pending for each. */
#include "base/mem.h"
#include "store/memory/memory_int.h"

/* A set of ids that usually has one member, but may have very many. */
struct few {
	uint32_t one;
	bool any;
	roaring_bitmap_t *more; /* NULL: only `one`, if any */
};

struct store_watch {
	struct link link; /* in account.watch_list */
	struct store_account *account;
	struct loop *loop;
	struct loop_task task;
	_Atomic bool pending; /* the task is posted and has not run yet */
	bool freed;
	void (*fn)(void *arg);
	void *arg;
	/* these and link are guarded by account.watches */
	bool all;
	struct few wanted, changed;
};

/* ---- sets of ids ---- */

static bool
few_have(const struct few *few, uint32_t id)
{
	return few->more != NULL ? roaring_bitmap_contains(few->more, id)
	                         : few->any && few->one == id;
}

static void
few_add(struct few *few, uint32_t id)
{
	if (few->more == NULL && (!few->any || few->one == id)) {
		few->one = id;
		few->any = true;
		return;
	}
	if (few->more == NULL) {
		few->more = roaring_bitmap_create();
		roaring_bitmap_add(few->more, few->one);
	}
	roaring_bitmap_add(few->more, id);
}

static void
few_remove(struct few *few, uint32_t id)
{
	if (few->more != NULL)
		roaring_bitmap_remove(few->more, id);
	else if (few->one == id)
		few->any = false;
}

static void
few_fini(struct few *few)
{
	if (few->more != NULL)
		roaring_bitmap_free(few->more);
	*few = (struct few){.any = false};
}

/* ---- watches ---- */

static void
destroy_watch(struct store_watch *w)
{
	atomic_fetch_sub(&w->account->store->watches, 1);
	store_account_unref(&w->account);
	few_fini(&w->wanted);
	few_fini(&w->changed);
	mem_free(w);
}

static void
call_watcher(struct loop_task *task)
{
	struct store_watch *w = list_entry(task, struct store_watch, task);

	/* Before fn, so that a change made while it looks causes another call. */
	atomic_store(&w->pending, false);
	if (w->freed)
		destroy_watch(w);
	else
		w->fn(w->arg);
}

struct store_watch *
store_watch_new(struct store_account *account, struct loop *loop, void (*fn)(void *arg), void *arg)
{
	struct store_watch *w = mem_zalloc(sizeof *w);

	w->account = store_account_ref(account);
	w->loop = loop;
	w->task.fn = call_watcher;
	w->fn = fn;
	w->arg = arg;
	atomic_fetch_add(&account->store->watches, 1);
	pthread_mutex_lock(&account->watches);
	list_push_back(&account->watch_list, &w->link);
	pthread_mutex_unlock(&account->watches);
	return w;
}

void
store_watch_add(struct store_watch *w, uint32_t mailbox_id)
{
	pthread_mutex_lock(&w->account->watches);
	few_add(&w->wanted, mailbox_id);
	pthread_mutex_unlock(&w->account->watches);
}

void
store_watch_add_all(struct store_watch *w)
{
	pthread_mutex_lock(&w->account->watches);
	w->all = true;
	pthread_mutex_unlock(&w->account->watches);
}

void
store_watch_remove(struct store_watch *w, uint32_t mailbox_id)
{
	pthread_mutex_lock(&w->account->watches);
	few_remove(&w->wanted, mailbox_id);
	few_remove(&w->changed, mailbox_id);
	pthread_mutex_unlock(&w->account->watches);
}

void
store_watch_take(struct store_watch *w, roaring_bitmap_t *changed)
{
	pthread_mutex_lock(&w->account->watches);
	if (w->changed.more != NULL)
		roaring_bitmap_or_inplace(changed, w->changed.more);
	else if (w->changed.any)
		roaring_bitmap_add(changed, w->changed.one);
	few_fini(&w->changed);
	pthread_mutex_unlock(&w->account->watches);
}

void
store_watch_free(struct store_watch **wp)
{
	struct store_watch *w = *wp;

	*wp = NULL;
	if (w == NULL)
		return;
	pthread_mutex_lock(&w->account->watches);
	list_remove(&w->link);
	pthread_mutex_unlock(&w->account->watches);
	/* From here on nobody posts the task; if it is posted already, it frees the watch. */
	w->freed = true;
	if (!atomic_load(&w->pending))
		destroy_watch(w);
}

void
watch_notify(struct store_account *account, uint32_t mailbox_id)
{
	struct store_watch *w;

	pthread_mutex_lock(&account->watches);
	LIST_EACH (w, &account->watch_list, link) {
		if (!w->all && !few_have(&w->wanted, mailbox_id))
			continue;
		few_add(&w->changed, mailbox_id);
		if (!atomic_exchange(&w->pending, true))
			loop_post(w->loop, &w->task);
	}
	pthread_mutex_unlock(&account->watches);
}
