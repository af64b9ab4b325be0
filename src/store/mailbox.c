/* SPDX-License-Identifier: Apache-2.0 */
/* Mailboxes: references, loading, rows on disk, and what readers see of a state. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/store_int.h"

struct store_mailbox *
mailbox_new(struct store_account *account, uint32_t id)
{
	struct store_mailbox *mb = mem_zalloc(sizeof *mb);
	pthread_rwlockattr_t attr;

	mb->account = account;
	mb->id = id;
	pthread_rwlockattr_init(&attr);
	/* Readers hold it for microseconds; a change must not wait behind a stream of them. */
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&mb->lock, &attr);
	pthread_rwlockattr_destroy(&attr);
	pthread_mutex_init(&mb->holds_mutex, NULL);
	list_init(&mb->holds);
	return mb;
}

void
mailbox_drop_state(struct store_mailbox *mb)
{
	struct store *store = mb->account->store;

	if (mb->state != NULL)
		atomic_fetch_sub(&store->mailboxes_loaded, 1);
	state_free(&mb->state);
	store_keywords_unref(&mb->head.keywords);
	atomic_fetch_sub(&store->state_bytes, mb->counted);
	mb->counted = 0;
}

void
mailbox_free(struct store_mailbox *mb)
{
	mailbox_drop_state(mb);
	store_properties_unref(&mb->properties);
	store_properties_unref(&mb->head_properties);
	pthread_rwlock_destroy(&mb->lock);
	TS_ASSERT(list_empty(&mb->holds) && mb->kept == NULL);
	pthread_mutex_destroy(&mb->holds_mutex);
	mem_free(mb);
}

struct store_mailbox *
store_mailbox_ref(struct store_mailbox *mb)
{
	atomic_fetch_add(&mb->account->refs, 1);
	atomic_fetch_add(&mb->refs, 1);
	return mb;
}

void
store_mailbox_unref(struct store_mailbox **mbp)
{
	struct store_mailbox *mb = *mbp;

	*mbp = NULL;
	if (mb == NULL)
		return;

	struct store_account *account = mb->account;

	atomic_store(&mb->used, clock_mono_ms());
	if (atomic_fetch_sub(&mb->refs, 1) == (REFS_GONE | 1))
		mailbox_free(mb);
	store_account_unref(&account);
}

/* TS_UNAVAILABLE: it is not loaded.  A reference then, too. */
static enum ts_err
find(struct store_account *account, struct str name, struct store_mailbox **mailbox_r)
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

	*err_r = find(account, name, &mb);
	if (*err_r != TS_OK)
		store_mailbox_unref(&mb);
	return mb;
}

/* ---- rows ---- */

void
mailbox_put_info(struct store_mailbox *mb, struct str name, struct engine_batch *batch)
{
	struct key k;
	struct buf b = {0};

	key_begin(&k, mb->account->id, KEY_INFO);
	key_be32(&k, mb->id);
	value_begin(&b);
	buf_le32(&b, mb->head.uidvalidity);
	buf_le32(&b, mb->head.use);
	buf_le64(&b, (uint64_t)mb->head.created);
	buf_str(&b, name);
	batch_put_value(batch, &k, &b);
	buf_fini(&b);
}

void
usage_change(struct store_usage *u, const struct counters_row *old, const struct counters_row *now)
{
	u->messages += (uint64_t)now->messages - old->messages;
	u->bytes += now->size - old->size;
	u->deleted += (uint64_t)now->deleted - old->deleted;
	u->deleted_bytes += now->deleted_size - old->deleted_size;
}

void
mailbox_list_counters(struct store_mailbox *mb, const struct counters_row *counters)
{
	pthread_mutex_lock(&mb->account->counting);
	if (mb->summed)
		usage_change(&mb->account->usage, &mb->counters, counters);
	mb->counters = *counters;
	pthread_mutex_unlock(&mb->account->counting);
}

void
mailbox_sum(struct store_mailbox *mb, bool summed)
{
	static const struct counters_row none = {0};
	struct store_usage *u = &mb->account->usage;

	pthread_mutex_lock(&mb->account->counting);
	if (mb->summed != summed) {
		u->mailboxes += summed ? 1 : -(uint64_t)1;
		usage_change(u, summed ? &none : &mb->counters, summed ? &mb->counters : &none);
		mb->summed = summed;
	}
	pthread_mutex_unlock(&mb->account->counting);
}

struct counters_row
mailbox_listed(const struct store_mailbox *mb)
{
	struct counters_row counters;

	pthread_mutex_lock(&mb->account->counting);
	counters = mb->counters;
	pthread_mutex_unlock(&mb->account->counting);
	return counters;
}

void
mailbox_put_counters(struct store_mailbox *mb, struct engine_batch *batch)
{
	struct key k;
	struct buf b = {0};

	key_begin(&k, mb->account->id, KEY_COUNTERS);
	key_be32(&k, mb->id);
	value_begin(&b);
	value_put_counters(&b, &mb->head.c);
	batch_put_value(batch, &k, &b);
	buf_fini(&b);
}

/* ---- loading ---- */

static bool
take_header(struct state *s, struct str body)
{
	struct rd r = rd_of(body);

	s->snapshot = rd_le64(&r);
	s->expunge_floor = rd_le64(&r);
	for (uint64_t n = rd_varint(&r); n > 0 && !r.bad; n--) {
		uint64_t flag = rd_varint(&r);
		struct str v = rd_vstr(&r);

		if (r.bad || flag < STORE_FIRST_KEYWORD || flag >= STORE_FLAGS_MAX) {
			r.bad = true;
			break;
		}
		keywords_put(&s->keywords, (unsigned)flag, v);
	}
	return !r.bad && rd_left(&r) == 0;
}

static bool
take_change(struct state *s, uint64_t modseq, struct str body)
{
	struct delta *d = delta_decode(modseq, body);

	if (d == NULL)
		return false;
	s->counters.modseq = modseq; /* so that expunges are remembered in order */
	state_apply(s, d);
	delta_free(&d);
	return true;
}

bool
mailbox_take_item(struct state *s, struct str key, struct str body)
{
	/* account:8 'x' mailbox:4 kind, then the number */
	struct rd k = rd_of((struct str){key.p + 14, key.n - 14}), r = rd_of(body);
	roaring_bitmap_t *set;

	switch (key.p[13]) {
	case KEY_HEADER:
		return take_header(s, body);
	case KEY_BLOCK:
		return block_decode(s, rd_be32(&k), body);
	case KEY_EXPUNGED:
		set = value_take_set(&r);
		if (set != NULL)
			state_push_expunged(s, rd_be64(&k), set);
		return set != NULL && !r.bad;
	case KEY_CHANGE:
		return take_change(s, rd_be64(&k), body);
	default:
		return false;
	}
}

/* What was put together from header, blocks and changes must agree with the counters. */
static bool
agrees(struct state *s, const struct counters_row *c)
{
	uint64_t all = roaring_bitmap_get_cardinality(s->uids);
	const roaring_bitmap_t *seen = state_flagged(s, STORE_SEEN);
	const roaring_bitmap_t *deleted = state_flagged(s, STORE_DELETED);
	uint64_t n_seen = seen != NULL ? roaring_bitmap_get_cardinality(seen) : 0;
	uint64_t n_deleted = deleted != NULL ? roaring_bitmap_get_cardinality(deleted) : 0;

	if (state_nameless(s) < STORE_FLAGS_MAX)
		return false;
	return all == c->messages && all - n_seen == c->unseen && n_deleted == c->deleted &&
	       s->counters.modseq == c->modseq &&
	       (all == 0 || roaring_bitmap_maximum(s->uids) < c->uidnext);
}

enum ts_err
mailbox_read(struct store *store, uint64_t account, uint32_t id,
    const struct counters_row *counters, struct state **state_r)
{
	struct state *s = state_new();
	struct key from, end;
	struct scan scan;
	enum ts_err err;

	key_index(&from, account, id, KEY_HEADER);
	key_index(&end, account, id, KEY_SUMMARY);
	scan_begin_range(&scan, store, &from, &end);
	while ((err = scan_next(&scan)) == TS_OK) {
		if (!mailbox_take_item(s, scan.key, scan.body)) {
			err = TS_DAMAGED;
			break;
		}
		if (s->counters.modseq < s->snapshot)
			s->counters.modseq = s->snapshot;
	}

	char kind = scan.key.n > 13 ? scan.key.p[13] : '?';

	scan_end(&scan);
	if (err == TS_NOT_FOUND)
		err = counters == NULL || agrees(s, counters) ? TS_OK : TS_DAMAGED;
	if (err != TS_OK) {
		log_msg(LOG_ERROR, NULL,
		    "store: account %llu mailbox %u cannot be read: %s (record of kind '%c')",
		    (unsigned long long)account, id, ts_err_name(err), kind);
		state_free(&s);
		return err;
	}
	if (counters != NULL)
		s->counters = *counters;
	state_forget_changes(s);
	state_measure(s);
	*state_r = s;
	return TS_OK;
}

void
mailbox_count_bytes(struct store_mailbox *mb)
{
	size_t now = mb->state->record_bytes + mb->state->set_bytes;

	if (now >= mb->counted)
		atomic_fetch_add(&mb->account->store->state_bytes, now - mb->counted);
	else
		atomic_fetch_sub(&mb->account->store->state_bytes, mb->counted - now);
	mb->counted = now;
}

/* What another state does not have any more. */
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

/* The lock is held, or nobody else knows the state. */
static void
head_follow(struct store_mailbox *mb)
{
	mb->head.c = mb->state->counters;
	store_keywords_unref(&mb->head.keywords);
	mb->head.keywords = keywords_ref(mb->state->keywords);
}

void
mailbox_reset_head(struct store_mailbox *mb)
{
	pthread_rwlock_rdlock(&mb->lock);
	if (mb->state != NULL)
		head_follow(mb);
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

enum ts_err
mailbox_reread(struct store_mailbox *mb)
{
	struct counters_row c;
	struct state *state = NULL;
	enum ts_err err = read_counters(mb, &c);

	if (err == TS_OK)
		err = mailbox_read(mb->account->store, mb->account->id, mb->id, &c, &state);
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

/* account.load is held. */
static enum ts_err
load_state(struct store_account *account, struct store_mailbox *mb)
{
	/* Nobody changes it while it is not loaded. */
	struct counters_row c = mailbox_listed(mb);
	struct state *state;
	enum ts_err err = mailbox_read(account->store, account->id, mb->id, &c, &state);

	if (err != TS_OK)
		return err;
	mb->head.c = state->counters;
	store_keywords_unref(&mb->head.keywords);
	mb->head.keywords = keywords_ref(state->keywords);
	mailbox_install(mb, state);
	return TS_OK;
}

/* Looking through all accounts takes milliseconds when there are many: once a second. */
void
account_ask_eviction(struct store *store)
{
	uint64_t now = clock_mono_ms(), last = atomic_load(&store->evicted_at);

	if (atomic_load(&store->state_bytes) <= store->opt.state_budget ||
	    (last != 0 && now < last + 1000))
		return;
	if (atomic_compare_exchange_strong(&store->evicted_at, &last, now))
		background_wake(store, BG_EVICT);
}

enum ts_err
store_mailbox_load(struct store_account *account, struct str name, struct store_mailbox **mailbox_r)
{
	enum ts_err err;

	block_here("store_mailbox_load");
	pthread_mutex_lock(&account->load);
	/* Whatever the name means from here on, this one is not loaded by anybody else. */
	err = find(account, name, mailbox_r);
	if (err == TS_UNAVAILABLE)
		err = load_state(account, *mailbox_r);
	if (err != TS_OK && *mailbox_r != NULL && store_mailbox_gone(*mailbox_r))
		err = TS_NOT_FOUND; /* deleted meanwhile, and what was read half gone */
	if (err != TS_OK)
		store_mailbox_unref(mailbox_r);
	pthread_mutex_unlock(&account->load);
	account_ask_eviction(account->store);
	return err;
}

/* ---- what readers see ---- */

static pthread_rwlock_t *
mailbox_lock(const struct store_mailbox *mb)
{
	return (pthread_rwlock_t *)(uintptr_t)&mb->lock;
}

uint32_t
store_mailbox_id(const struct store_mailbox *mb)
{
	return mb->id;
}

struct store_account *
store_mailbox_account(const struct store_mailbox *mb)
{
	return mb->account;
}

void
store_mailbox_read_counters(const struct store_mailbox *mb, struct store_counters *c)
{
	const struct counters_row *s = &mb->state->counters;

	*c = (struct store_counters){.messages = s->messages,
	    .unseen = s->unseen,
	    .deleted = s->deleted,
	    .recent = s->recent,
	    .uidnext = s->uidnext,
	    .uidvalidity = atomic_load((_Atomic uint32_t *)(uintptr_t)&mb->uidvalidity),
	    .size = s->size,
	    .modseq = s->modseq,
	    .deleted_size = s->deleted_size};
}

void
store_mailbox_counters(const struct store_mailbox *mb, struct store_counters *c)
{
	store_mailbox_read_begin(mb);
	store_mailbox_read_counters(mb, c);
	store_mailbox_read_end(mb);
}

bool
store_mailbox_gone(const struct store_mailbox *mb)
{
	return atomic_load((_Atomic bool *)(uintptr_t)&mb->gone);
}

void
store_mailbox_read_begin(const struct store_mailbox *mb)
{
	pthread_rwlock_rdlock(mailbox_lock(mb));
}

void
store_mailbox_read_end(const struct store_mailbox *mb)
{
	pthread_rwlock_unlock(mailbox_lock(mb));
	store_looked(mb->account->store);
}

const roaring_bitmap_t *
store_mailbox_uids(const struct store_mailbox *mb)
{
	return mb->state->uids;
}

const roaring_bitmap_t *
store_mailbox_flagged(const struct store_mailbox *mb, unsigned flag)
{
	return state_flagged(mb->state, flag);
}

struct store_keywords *
store_mailbox_keywords(const struct store_mailbox *mb)
{
	return keywords_ref(mb->state->keywords);
}

uint64_t
store_mailbox_keywords_id(const struct store_mailbox *mb)
{
	return mb->state->keywords->id;
}

bool
store_mailbox_keyword_room(const struct store_mailbox *mb)
{
	const struct store_keywords *t = mb->state->keywords;
	unsigned used = 0;

	if (t->count < mb->account->store->opt.max_keywords)
		return true;
	for (unsigned f = STORE_FIRST_KEYWORD; f < t->end; f++)
		used += state_flagged(mb->state, f) != NULL;
	return used < mb->account->store->opt.max_keywords;
}

int
store_mailbox_keyword_find(const struct store_mailbox *mb, struct str name)
{
	return store_keywords_find(mb->state->keywords, name);
}

bool
store_mailbox_message(const struct store_mailbox *mb, uint32_t uid, struct store_message *m)
{
	return state_message(mb->state, uid, m);
}

size_t
store_mailbox_window(const struct store_mailbox *mb, const roaring_bitmap_t *set, uint32_t from,
    struct store_message *out, size_t max)
{
	return state_window(mb->state, set, from, out, max);
}

void
store_mailbox_changed_since(const struct store_mailbox *mb, uint64_t since, roaring_bitmap_t *set)
{
	state_changed_since(mb->state, since, set);
}

uint64_t
store_mailbox_expunged_since(const struct store_mailbox *mb, uint64_t since, roaring_bitmap_t *set)
{
	return state_expunged_since(mb->state, since, set);
}

uint64_t
store_mailbox_modseq(const struct store_mailbox *mb)
{
	return mb->state->counters.modseq;
}

uint32_t
store_mailbox_recent_mark(const struct store_mailbox *mb)
{
	return mb->state->counters.recent_mark;
}

uint32_t
store_mailbox_claim_begin(struct store_mailbox *mb)
{
	pthread_rwlock_wrlock(&mb->lock);

	struct counters_row *c = &mb->state->counters;
	uint32_t mark = c->recent_mark;

	/* It reaches the disk with the mailbox's next change; a state that is loaded again begins
	 * with it. */
	c->recent_mark = c->uidnext - 1;
	c->recent = 0;
	mailbox_list_counters(mb, c);
	return mark;
}

void
store_mailbox_claim_end(struct store_mailbox *mb)
{
	pthread_rwlock_unlock(&mb->lock);
	store_looked(mb->account->store);
}

/* ---- summaries ---- */

static void
summary_key(struct key *k, const struct store_mailbox *mb, uint32_t uid)
{
	key_index(k, mb->account->id, mb->id, KEY_SUMMARY);
	key_be32(k, uid);
}

static uint32_t
uid_of_key(struct str key)
{
	struct rd r = rd_of((struct str){key.p + 14, key.n - 14});

	return rd_be32(&r);
}

/* Most of the UIDs of the range are asked for: one scan.  Returns how many were told. */
static size_t
summaries_by_scan(struct store_mailbox *mb, const uint32_t *uids, size_t n,
    bool (*fn)(uint32_t, enum ts_err, struct str, void *), void *arg)
{
	struct key from, end;
	struct scan scan;
	size_t i = 0;
	bool go = true;
	enum ts_err err;

	summary_key(&from, mb, uids[0]);
	summary_key(&end, mb, uids[n - 1]);
	end.p[end.n++] = 0; /* the first key behind it */
	scan_begin_range(&scan, mb->account->store, &from, &end);
	while (go && i < n &&
	       ((err = scan_next(&scan)) == TS_OK || (err == TS_DAMAGED && scan.key.n > 0))) {
		uint32_t uid = uid_of_key(scan.key);

		while (go && i < n && uids[i] < uid)
			go = fn(uids[i++], TS_NOT_FOUND, STR_NONE, arg);
		if (go && i < n && uids[i] == uid)
			go = fn(uids[i++], err, err == TS_OK ? scan.body : STR_NONE, arg);
	}
	scan_end(&scan);
	return go ? i : n;
}

void
store_read_summaries(struct store_mailbox *mb, const uint32_t *uids, size_t n,
    bool (*fn)(uint32_t uid, enum ts_err err, struct str summary, void *arg), void *arg)
{
	struct buf value = {0};
	size_t i = 0;

	block_here("store_read_summaries");
	if (n > 4 && uids[n - 1] - uids[0] < 8 * n)
		i = summaries_by_scan(mb, uids, n, fn, arg);
	for (; i < n; i++) {
		struct key k;
		struct str body = STR_NONE;

		summary_key(&k, mb, uids[i]);

		enum ts_err err = store_get(mb->account->store, &k, &value, &body);

		if (!fn(uids[i], err, err == TS_OK ? body : STR_NONE, arg))
			break;
	}
	buf_fini(&value);
}
