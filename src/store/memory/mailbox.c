/* SPDX-License-Identifier: Apache-2.0 */
/* Mailboxes in memory: finding, loading and rereading. */
#include "base/log.h"
#include "store/memory/memory_int.h"

/* Returns TS_UNAVAILABLE, with a reference as well, if the mailbox is not loaded. */
static enum ts_err
find_loaded(struct store_account *account, struct str name, struct store_mailbox **mailbox_r)
{
	enum ts_err err = TS_NOT_FOUND;

	*mailbox_r = NULL;
	pthread_rwlock_rdlock(&account->lock);

	struct entry *e = account_entry(account, name);

	if (e != NULL && e->pub != NULL && !atomic_load(&account->gone)) {
		err = e->pub->state != NULL ? TS_OK : TS_UNAVAILABLE;
		*mailbox_r = store_mailbox_ref(e->pub);
	}
	pthread_rwlock_unlock(&account->lock);
	store_looked(account->store);
	return err;
}

struct store_mailbox *
store_mailbox_find(struct store_account *account, struct str name, enum ts_err *err_r)
{
	struct store_mailbox *mb;

	*err_r = find_loaded(account, name, &mb);
	if (*err_r != TS_OK)
		store_mailbox_unref(&mb);
	return mb;
}

/* Keeps messages for holds that the new state no longer has. */
static void
keep_lost(struct store_mailbox *mb, const struct state *state)
{
	roaring_bitmap_t *lost = roaring_bitmap_andnot(mb->state->uids, state->uids);

	holds_keep(mb, mb->state, lost);
	roaring_bitmap_free(lost);
}

void
mailbox_install(struct store_mailbox *mb, struct state *state)
{
	pthread_rwlock_wrlock(&mb->account->lock);
	pthread_rwlock_wrlock(&mb->lock);
	if (mb->state != NULL) {
		/* What was claimed since the last change is not on disk. */
		if (state->counters.recent_mark < mb->state->counters.recent_mark) {
			state->counters.recent_mark = mb->state->counters.recent_mark;
			state->counters.recent =
			    state_count_above(state, state->counters.recent_mark);
		}
		keep_lost(mb, state);
		keywords_follow(&state->keywords, mb->state->keywords);
		state_free(&mb->state);
	} else {
		atomic_fetch_add(&mb->account->store->mailboxes_loaded, 1);
	}
	mb->state = state;
	mailbox_list_counters(mb, &state->counters);
	mailbox_count_bytes(mb);
	atomic_store(&mb->log_weight, state->counters.modseq - state->snapshot);
	pthread_rwlock_unlock(&mb->lock);
	pthread_rwlock_unlock(&mb->account->lock);
}

/* Needs the lock, unless nobody else knows the state. */
static void
head_follow(struct store_mailbox *mb, const struct state *state)
{
	mb->head.c = state->counters;
	store_keywords_unref(&mb->head.keywords);
	mb->head.keywords = keywords_ref(state->keywords);
}

void
mailbox_reset_head(struct store_mailbox *mb)
{
	pthread_rwlock_rdlock(&mb->lock);
	if (mb->state != NULL)
		head_follow(mb, mb->state);
	pthread_rwlock_unlock(&mb->lock);
	mb->head.uidvalidity = atomic_load(&mb->uidvalidity);
	mb->head.gone = atomic_load(&mb->gone);
}

static enum ts_err
read_counters(struct store_mailbox *mb, struct counters_row *c)
{
	struct key k;
	struct buf b = {0};
	struct str body = STR_NONE;

	key_begin(&k, mb->account->id, KEY_COUNTERS);
	key_be32(&k, mb->id);

	enum ts_err err = store_get(mb->account->store, &k, &b, &body);
	struct rd r = rd_of(body);

	if (err == TS_OK) {
		value_take_counters(&r, c);
		if (r.bad)
			err =
			    TS_FAIL(TS_DAMAGED, "store: account %llu mailbox %u: counters damaged",
			        (unsigned long long)mb->account->id, mb->id);
	}
	buf_fini(&b);
	return err;
}

/* After a flush of unknown outcome it may have become so. */
static enum ts_err
reload_own(struct store_mailbox *mb)
{
	enum ts_err err;

	pthread_mutex_lock(&mb->account->load);
	err = own_load_of(mb);
	pthread_mutex_unlock(&mb->account->load);
	return err;
}

enum ts_err
mailbox_reread(struct store_mailbox *mb)
{
	struct counters_row c;
	struct state *state = NULL;
	enum ts_err err = read_counters(mb, &c);

	if (err == TS_OK)
		err = mailbox_read(mb->account->store, mb->account->id, mb->id, &c, &state);
	if (err == TS_OK)
		err = reload_own(mb);
	if (err != TS_OK && err != TS_NOT_FOUND && err != TS_DAMAGED)
		return err;

	bool back = state != NULL && mb->state != NULL &&
	            state->counters.modseq < mb->state->counters.modseq;

	if (back)
		log_msg(LOG_ERROR, NULL,
		    "store: account %llu mailbox %u: changes that were acknowledged are missing",
		    (unsigned long long)mb->account->id, mb->id);
	if (state == NULL || back) {
		state_free(&state);
		atomic_store(&mb->gone, true);
		holds_keep_all(mb);
		mb->head.gone = true;
		return TS_OK;
	}
	mailbox_install(mb, state);
	mailbox_reset_head(mb);
	account_reset_usage(mb->account);
	return TS_OK;
}

/* Needs account.load. */
static enum ts_err
load_state(struct store_account *account, struct store_mailbox *mb)
{
	/* It does not change while it is not loaded. */
	struct counters_row c = mailbox_listed(mb);
	struct state *state;
	enum ts_err err = own_load_of(mb);

	if (err == TS_OK)
		err = mailbox_read(account->store, account->id, mb->id, &c, &state);
	if (err != TS_OK)
		return err;
	head_follow(mb, state);
	mailbox_install(mb, state);
	return TS_OK;
}

enum ts_err
store_mailbox_load(struct store_account *account, struct str name, struct store_mailbox **mailbox_r)
{
	enum ts_err err;

	block_here("store_mailbox_load");
	pthread_mutex_lock(&account->load);
	/* Whatever the name means from here on, nobody else loads this mailbox. */
	err = find_loaded(account, name, mailbox_r);
	if (err == TS_UNAVAILABLE)
		err = load_state(account, *mailbox_r);
	if (err != TS_OK && *mailbox_r != NULL && atomic_load(&(*mailbox_r)->gone))
		err = TS_NOT_FOUND; /* deleted meanwhile, and half of what was read is gone */
	if (err != TS_OK)
		store_mailbox_unref(mailbox_r);
	pthread_mutex_unlock(&account->load);
	account_ask_eviction(account->store);
	return err;
}
