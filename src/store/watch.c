/* SPDX-License-Identifier: Apache-2.0 */
/* Watches: who wants to know that something changed.  One pending call at a time. */
#include "base/mem.h"
#include "store/inside.h"

struct store_watch {
	struct link link; /* in account.watch_list, under account.watches */
	struct store_account *account;
	uint32_t mailbox_id;
	struct loop *loop;
	struct loop_task task;
	_Atomic bool pending; /* the task is posted and has not run */
	bool freed;
	void (*fn)(void *arg);
	void *arg;
};

static void
destroy_watch(struct store_watch *w)
{
	atomic_fetch_sub(&w->account->store->watches, 1);
	store_account_unref(&w->account);
	mem_free(w);
}

static void
call_watcher(struct loop_task *task)
{
	struct store_watch *w = list_entry(task, struct store_watch, task);

	/* Before fn: what is changed while it looks makes another call. */
	atomic_store(&w->pending, false);
	if (w->freed)
		destroy_watch(w);
	else
		w->fn(w->arg);
}

struct store_watch *
store_watch_new(struct store_account *account, uint32_t mailbox_id, struct loop *loop,
    void (*fn)(void *arg), void *arg)
{
	struct store_watch *w = mem_zalloc(sizeof *w);

	w->account = store_account_ref(account);
	w->mailbox_id = mailbox_id;
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
store_watch_free(struct store_watch **wp)
{
	struct store_watch *w = *wp;

	*wp = NULL;
	if (w == NULL)
		return;
	pthread_mutex_lock(&w->account->watches);
	list_remove(&w->link);
	pthread_mutex_unlock(&w->account->watches);
	/* From here on nobody posts it; a task that is posted already frees it. */
	w->freed = true;
	if (!atomic_load(&w->pending))
		destroy_watch(w);
}

void
watch_notify(struct store_account *account, uint32_t mailbox_id)
{
	struct store_watch *w;

	pthread_mutex_lock(&account->watches);
	LIST_EACH (w, &account->watch_list, link)
		if ((w->mailbox_id == 0 || w->mailbox_id == mailbox_id) &&
		    !atomic_exchange(&w->pending, true))
			loop_post(w->loop, &w->task);
	pthread_mutex_unlock(&account->watches);
}
