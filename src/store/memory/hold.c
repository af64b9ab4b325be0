/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Holds: a command goes on reading the messages it found, even if they are expunged meanwhile.
 *
 * A hold is a set of UIDs next to the mailbox's state, and costs no more while nothing happens.
 * When a change takes messages out of the state, those that somebody holds are kept: the record
 * next to the mailbox, the blob in a table that the collector consults.  The summary's row is
 * deleted when the collector takes the message off its queue, so it lives as long as the blob.  A
 * kept message is dropped with the last hold that has it.
 *
 * The collector reads the queue on disk first, then waits until every batch that may have put
 * something there is published (lanes_settle()), then consults the table.  So either a blob is in
 * the table, or nobody can find its message.
 */
#include "base/mem.h"
#include "store/memory/memory_int.h"

#define WINDOW 256

struct kept { /* a message that has left the state */
	UT_hash_handle hh;
	struct store_message message;
	struct store_keywords *keywords; /* for its flags */
	unsigned holds;                  /* number of holds that have it */
};

struct held_blob {
	UT_hash_handle hh;
	uint64_t blob;
	unsigned kept;
	bool skipped; /* the collector has passed over it */
};

struct store_hold {
	struct link link; /* mailbox.holds */
	struct store_mailbox *mailbox;
	roaring_bitmap_t *uids;
	roaring_bitmap_t *kept; /* those of uids that are kept for this hold */
	bool all;               /* the mailbox is gone; all were kept */
};

static struct kept *
kept_of(const struct store_mailbox *mb, uint32_t uid)
{
	struct kept *k;

	HASH_FIND(hh, mb->kept, &uid, sizeof uid, k);
	TS_ASSERT(k != NULL);
	return k;
}

/* ---- blobs ---- */

bool
hold_has_blob(struct store *store, uint64_t blob)
{
	struct held_blob *b;

	pthread_mutex_lock(&store->held_mutex);
	HASH_FIND(hh, store->held, &blob, sizeof blob, b);
	if (b != NULL)
		b->skipped = true;
	pthread_mutex_unlock(&store->held_mutex);
	return b != NULL;
}

/* Returns false if there is no room for it. */
static bool
blob_hold(struct store *store, const struct store_message *m)
{
	struct held_blob *b;
	bool room;

	pthread_mutex_lock(&store->held_mutex);
	room = m->size <= store->opt.held_bytes &&
	       store->held_bytes <= store->opt.held_bytes - m->size;
	if (room) {
		HASH_FIND(hh, store->held, &m->blob, sizeof m->blob, b);
		if (b == NULL) {
			b = mem_zalloc(sizeof *b);
			b->blob = m->blob;
			HASH_ADD(hh, store->held, blob, sizeof b->blob, b);
		}
		b->kept++;
		atomic_fetch_add(&store->held_bytes, m->size);
		atomic_fetch_add(&store->held_messages, 1);
	} else {
		atomic_fetch_add(&store->held_refused, 1);
	}
	pthread_mutex_unlock(&store->held_mutex);
	return room;
}

/* Returns true if the collector waits for it. */
static bool
blob_release(struct store *store, const struct store_message *m)
{
	struct held_blob *b;
	bool wake = false;

	pthread_mutex_lock(&store->held_mutex);
	HASH_FIND(hh, store->held, &m->blob, sizeof m->blob, b);
	TS_ASSERT(b != NULL);
	if (--b->kept == 0) {
		wake = b->skipped;
		HASH_DEL(store->held, b);
		mem_free(b);
	}
	atomic_fetch_sub(&store->held_bytes, m->size);
	atomic_fetch_sub(&store->held_messages, 1);
	pthread_mutex_unlock(&store->held_mutex);
	return wake;
}

/* ---- keeping; mailbox.lock and mailbox.holds_mutex are held ---- */

static void
keep_one(struct store_hold *h, const struct state *state, const struct store_message *m)
{
	struct store_mailbox *mb = h->mailbox;
	struct kept *k;

	HASH_FIND(hh, mb->kept, &m->uid, sizeof m->uid, k);
	if (k == NULL) {
		if (!blob_hold(mb->account->store, m))
			return;
		k = mem_zalloc(sizeof *k);
		k->message = *m;
		k->keywords = keywords_ref(state->keywords);
		HASH_ADD(hh, mb->kept, message.uid, sizeof k->message.uid, k);
	}
	k->holds++;
	roaring_bitmap_add(h->kept, m->uid);
}

/* Keeps those of set that the hold has and the state still has. */
static void
keep_messages(struct store_hold *h, const struct state *state, const roaring_bitmap_t *set)
{
	roaring_bitmap_t *mine = roaring_bitmap_and(h->uids, set);
	struct store_message m[WINDOW];
	uint32_t from = 1;
	size_t n;

	do {
		n = state_window(state, mine, from, m, WINDOW);
		for (size_t i = 0; i < n; i++)
			if (!roaring_bitmap_contains(h->kept, m[i].uid))
				keep_one(h, state, &m[i]);
		from = n > 0 ? m[n - 1].uid + 1 : 0;
	} while (n == WINDOW && from != 0);
	roaring_bitmap_free(mine);
}

void
holds_keep(struct store_mailbox *mb, const struct state *state, const roaring_bitmap_t *gone)
{
	struct store_hold *h;

	pthread_mutex_lock(&mb->holds_mutex);
	LIST_EACH (h, &mb->holds, link)
		if (!h->all)
			keep_messages(h, state, gone);
	pthread_mutex_unlock(&mb->holds_mutex);
}

void
holds_keep_all(struct store_mailbox *mb)
{
	struct store_hold *h;

	pthread_rwlock_rdlock(&mb->lock);
	pthread_mutex_lock(&mb->holds_mutex);
	LIST_EACH (h, &mb->holds, link) {
		if (mb->state != NULL && !h->all)
			keep_messages(h, mb->state, h->uids);
		h->all = true;
	}
	pthread_mutex_unlock(&mb->holds_mutex);
	pthread_rwlock_unlock(&mb->lock);
}

/* ---- what commands do ---- */

struct store_hold *
store_hold_begin(struct store_mailbox *mb, const roaring_bitmap_t *uids)
{
	struct store_hold *h = mem_zalloc(sizeof *h);

	h->mailbox = store_mailbox_ref(mb);
	h->uids = roaring_bitmap_and(uids, mb->state->uids);
	h->kept = roaring_bitmap_create();
	pthread_mutex_lock(&mb->holds_mutex);
	list_push_back(&mb->holds, &h->link);
	/* Deleting a mailbox keeps its messages for existing holds; this one is too late. */
	h->all = atomic_load(&mb->gone);
	if (h->all)
		keep_messages(h, mb->state, h->uids);
	pthread_mutex_unlock(&mb->holds_mutex);
	atomic_fetch_add(&mb->account->store->holds, 1);
	return h;
}

const roaring_bitmap_t *
store_hold_uids(const struct store_hold *h)
{
	return h->uids;
}

bool
store_hold_has(struct store_hold *h, uint32_t uid)
{
	struct store_mailbox *mb = h->mailbox;
	bool has;

	pthread_rwlock_rdlock(&mb->lock);
	pthread_mutex_lock(&mb->holds_mutex);
	has = roaring_bitmap_contains(h->kept, uid) ||
	      (!atomic_load(&mb->gone) && roaring_bitmap_contains(mb->state->uids, uid));
	pthread_mutex_unlock(&mb->holds_mutex);
	pthread_rwlock_unlock(&mb->lock);
	return has;
}

bool
store_hold_touched(struct store_hold *h)
{
	bool touched;

	pthread_rwlock_rdlock(&h->mailbox->lock);
	touched = !roaring_bitmap_is_subset(h->uids, h->mailbox->state->uids);
	pthread_rwlock_unlock(&h->mailbox->lock);
	store_looked(h->mailbox->account->store);
	return touched;
}

/* Copies kept messages of set from `from` on that the state no longer has. */
static size_t
kept_window(struct store_hold *h, const roaring_bitmap_t *set, uint32_t from,
    struct store_message *out, size_t max)
{
	const struct store_mailbox *mb = h->mailbox;
	roaring_uint32_iterator_t it;
	size_t n = 0;

	roaring_init_iterator(h->kept, &it);
	(void)roaring_move_uint32_iterator_equalorlarger(&it, from);
	for (; it.has_value && n < max; roaring_advance_uint32_iterator(&it)) {
		uint32_t uid = it.current_value;

		if (!roaring_bitmap_contains(set, uid) ||
		    roaring_bitmap_contains(mb->state->uids, uid))
			continue;

		const struct kept *k = kept_of(mb, uid);

		out[n] = k->message;
		out[n++].flags =
		    store_keywords_translate(&k->message.flags, k->keywords, mb->state->keywords);
	}
	return n;
}

/* Merges two windows in ascending order; keeps the first max. */
static size_t
merge_windows(
    struct store_message *out, size_t n, const struct store_message *more, size_t m, size_t max)
{
	struct store_message first[WINDOW];
	size_t i = 0, j = 0, k = 0;

	memcpy(first, out, n * sizeof *out);
	while (k < max && (i < n || j < m))
		if (j == m || (i < n && first[i].uid < more[j].uid))
			out[k++] = first[i++];
		else
			out[k++] = more[j++];
	return k;
}

size_t
store_hold_window(struct store_hold *h, const roaring_bitmap_t *set, uint32_t from,
    struct store_message *out, size_t max)
{
	struct store_mailbox *mb = h->mailbox;
	struct store_message more[WINDOW];
	size_t n, m;

	TS_ASSERT(max <= WINDOW);
	if (set == NULL)
		set = h->uids;
	n = state_window(mb->state, set, from, out, max);
	pthread_mutex_lock(&mb->holds_mutex);
	m = roaring_bitmap_is_empty(h->kept) ? 0 : kept_window(h, set, from, more, max);
	pthread_mutex_unlock(&mb->holds_mutex);
	return m > 0 ? merge_windows(out, n, more, m, max) : n;
}

void
store_hold_end(struct store_hold **hp)
{
	struct store_hold *h = *hp;
	roaring_uint32_iterator_t it;
	struct store_mailbox *mb;
	struct store *store;
	bool wake = false;

	*hp = NULL;
	if (h == NULL)
		return;
	mb = h->mailbox;
	store = mb->account->store;
	pthread_mutex_lock(&mb->holds_mutex);
	list_remove(&h->link);
	roaring_init_iterator(h->kept, &it);
	for (; it.has_value; roaring_advance_uint32_iterator(&it)) {
		struct kept *k = kept_of(mb, it.current_value);

		if (--k->holds > 0)
			continue;
		wake = blob_release(store, &k->message) || wake;
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): it is in the table */
		HASH_DEL(mb->kept, k);
		store_keywords_unref(&k->keywords);
		mem_free(k);
	}
	pthread_mutex_unlock(&mb->holds_mutex);
	if (wake)
		background_wake(store, BG_COLLECT);
	atomic_fetch_sub(&store->holds, 1);
	roaring_bitmap_free(h->uids);
	roaring_bitmap_free(h->kept);
	mem_free(h);
	store_mailbox_unref(&mb);
}
