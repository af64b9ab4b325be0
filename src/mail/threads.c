/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads of messages: see threads.h.  Numbers below n are messages, from n on dummies (RFC 5256
 * section 3).  It works in stages, each a pass over messages or dummies that can stop after each
 * piece.
 */
#include "mail/threads.h"

#include <string.h>

#include <xxhash.h>

#include "base/mem.h"
#include "mail/forest.h"

#define PIECE 4096u
#define NONE MAIL_NO_THREAD

enum piece { PIECE_MORE, PIECE_LAST, PIECE_ROOM };
typedef enum piece stage_f(struct mail_threads *t);

struct mail_threads {
	enum mail_threads_by by;
	struct mail_threads_input in;
	uint64_t room, needs, held;
	stage_f *const *stage; /* NULL: not begun */
	size_t at;             /* position in the stage */

	struct forest forest; /* links; later only its parents are used */
	uint64_t *hash;       /* of ids */
	uint32_t *slot;       /* numbers plus one, by ids; a power of two of them */
	size_t slots;
	size_t ref;    /* of the message at `at` */
	uint32_t last; /* and what the previous reference stands for */

	uint32_t *order;   /* messages by date, then by number */
	uint32_t *by_rank; /* n + 1, of dates or subjects */
	uint32_t *root;    /* those of step 4 */
	size_t roots;
	uint32_t *first, *tail,
	    *next; /* of children; before, first counts them or has the oldest */
	uint32_t first_root, last_root;
};

static bool
is_dummy(const struct mail_threads *t, uint32_t m)
{
	return m >= t->in.n;
}

/* Returns false if there is no room. */
static bool
take(struct mail_threads *t, uint64_t bytes)
{
	t->needs = t->held + bytes;
	if (t->needs > t->room)
		return false;
	t->held = t->needs;
	return true;
}

static void
give(struct mail_threads *t, uint64_t bytes)
{
	t->held -= bytes;
	t->needs = t->held;
}

/* Returns where a piece that begins at t->at ends. */
static size_t
piece_end(const struct mail_threads *t, size_t n)
{
	return n - t->at > PIECE ? t->at + PIECE : n;
}

static enum piece
end_piece(const struct mail_threads *t, size_t n)
{
	return t->at == n ? PIECE_LAST : PIECE_MORE;
}

static void
fill_none(uint32_t *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		v[i] = NONE;
}

/* ---- room for messages and dummies ---- */

static uint64_t
bytes_for(size_t cap)
{
	return forest_bytes(cap) + cap * (sizeof(uint64_t) + 3 * sizeof(uint32_t));
}

static bool
grow(struct mail_threads *t, size_t cap)
{
	uint64_t old = bytes_for(t->forest.cap);

	if (cap <= t->forest.cap)
		return true;
	if (!take(t, bytes_for(cap)))
		return false;
	forest_grow(&t->forest, cap);
	t->hash = mem_realloc(t->hash, cap * sizeof(*t->hash));
	t->first = mem_realloc(t->first, cap * sizeof(*t->first));
	t->tail = mem_realloc(t->tail, cap * sizeof(*t->tail));
	t->next = mem_realloc(t->next, cap * sizeof(*t->next));
	give(t, old);
	return true;
}

/* Returns the place of an id: where it is, or would be. */
static size_t
slot_of(const struct mail_threads *t, uint64_t hash)
{
	size_t at = (size_t)XXH3_64bits_withSeed(&hash, sizeof hash, t->in.secret) & (t->slots - 1);

	while (t->slot[at] != 0 && t->hash[t->slot[at] - 1] != hash)
		at = (at + 1) & (t->slots - 1);
	return at;
}

/* At most half of the slots are used. */
static bool
grow_table(struct mail_threads *t, size_t cap)
{
	size_t slots = t->slots > 0 ? t->slots : 64, old = t->slots;
	uint32_t *slot = t->slot;

	while (slots < 2 * cap)
		slots *= 2;
	if (slots == old)
		return true;
	if (!take(t, slots * sizeof(*slot)))
		return false;
	t->slot = mem_zalloc(slots * sizeof(*slot));
	t->slots = slots;
	for (size_t i = 0; i < old; i++)
		if (slot[i] != 0)
			t->slot[slot_of(t, t->hash[slot[i] - 1])] = slot[i];
	mem_free(slot);
	give(t, old * sizeof(*slot));
	return true;
}

static bool
begin(struct mail_threads *t)
{
	size_t n = t->in.n;

	if (t->order == NULL) {
		if (!take(t, sizeof(*t) + (3 * n + 1) * sizeof(uint32_t)))
			return false;
		t->order = mem_zalloc((n + 1) * sizeof(*t->order));
		t->root = mem_zalloc((n + 1) * sizeof(*t->root));
		t->by_rank = mem_zalloc((n + 2) * sizeof(*t->by_rank));
	}
	if (!grow(t, n + 64))
		return false;
	if (t->by != MAIL_THREADS_ORDEREDSUBJECT && !grow_table(t, n + 64))
		return false;
	while (t->forest.n < n)
		(void)forest_add(&t->forest);
	return true;
}

/* ---- by date ---- */

static enum piece
count_dates(struct mail_threads *t)
{
	size_t end = piece_end(t, t->in.n);
	uint32_t sum = 0;

	for (; t->at < end; t->at++)
		t->by_rank[t->in.date[t->at]]++;
	if (t->at < t->in.n)
		return PIECE_MORE;
	for (size_t i = 0; i <= t->in.n; i++) {
		uint32_t here = t->by_rank[i];

		t->by_rank[i] = sum;
		sum += here;
	}
	return PIECE_LAST;
}

static enum piece
place_dates(struct mail_threads *t)
{
	for (size_t end = piece_end(t, t->in.n); t->at < end; t->at++)
		t->order[t->by_rank[t->in.date[t->at]]++] = (uint32_t)t->at;
	if (t->at == t->in.n)
		fill_none(t->by_rank, t->in.n + 1);
	return end_piece(t, t->in.n);
}

/* ---- ORDEREDSUBJECT ---- */

/* The first message of a subject gets all others below it. */
static enum piece
group_subjects(struct mail_threads *t)
{
	for (size_t end = piece_end(t, t->in.n); t->at < end; t->at++) {
		uint32_t m = t->order[t->at], *head = &t->by_rank[t->in.subject[m]];

		t->forest.parent[m] = *head;
		if (*head == NONE)
			*head = m;
	}
	return end_piece(t, t->in.n);
}

/* ---- REFERENCES, step 1 ---- */

/* If several messages have the same id, the first one counts. */
static enum piece
add_ids(struct mail_threads *t)
{
	for (size_t end = piece_end(t, t->in.n); t->at < end; t->at++) {
		const uint64_t *refs;
		size_t n, at;
		uint64_t hash = t->in.ids(t->in.arg, t->at, &refs, &n);

		t->hash[t->at] = hash;
		if (hash == 0)
			continue;
		at = slot_of(t, hash);
		if (t->slot[at] == 0)
			t->slot[at] = (uint32_t)t->at + 1;
	}
	t->last = NONE;
	return end_piece(t, t->in.n);
}

/* Finds what an id stands for.  Returns false if there is no room for a dummy. */
static bool
find_id(struct mail_threads *t, uint64_t hash, uint32_t *m_r)
{
	size_t at = slot_of(t, hash);

	if (t->slot[at] == 0) {
		if (t->forest.n == t->forest.cap) {
			if (!grow_table(t, 2 * t->forest.cap) || !grow(t, 2 * t->forest.cap))
				return false;
			at = slot_of(t, hash);
		}
		*m_r = forest_add(&t->forest);
		t->hash[*m_r] = hash;
		t->slot[at] = *m_r + 1;
	}
	*m_r = t->slot[at] - 1;
	return true;
}

/* (B): the last reference becomes the parent, whatever others said. */
static void
end_message(struct mail_threads *t)
{
	uint32_t m = (uint32_t)t->at;

	forest_cut(&t->forest, m);
	if (t->last != NONE)
		(void)forest_link(&t->forest, m, t->last);
	t->last = NONE;
	t->ref = 0;
	t->at++;
}

/* (A): each reference becomes the parent of the next one without a parent. */
static enum piece
link_references(struct mail_threads *t)
{
	for (size_t i = 0; i < PIECE && t->at < t->in.n; i++) {
		const uint64_t *refs;
		size_t n;
		uint32_t m;

		(void)t->in.ids(t->in.arg, t->at, &refs, &n);
		if (t->ref == n) {
			end_message(t);
			continue;
		}
		if (!find_id(t, refs[t->ref], &m))
			return PIECE_ROOM;
		if (t->last != NONE && t->forest.parent[m] == FOREST_NONE)
			(void)forest_link(&t->forest, m, t->last);
		t->last = m;
		t->ref++;
	}
	return end_piece(t, t->in.n);
}

/* ---- step 3 ---- */

/* Returns the next message above, or the dummy without a parent; dummies in between remember it. */
static uint32_t
above(struct mail_threads *t, uint32_t m)
{
	uint32_t *parent = t->forest.parent, to = parent[m];

	while (to != NONE && is_dummy(t, to) && parent[to] != NONE)
		to = parent[to];
	for (uint32_t at = parent[m]; at != to;) {
		uint32_t up = parent[at];

		parent[at] = to;
		at = up;
	}
	return to;
}

static enum piece
prune(struct mail_threads *t)
{
	if (t->at == 0)
		memset(t->first, 0, t->forest.n * sizeof(*t->first));
	for (size_t end = piece_end(t, t->in.n); t->at < end; t->at++) {
		uint32_t to = above(t, (uint32_t)t->at);

		t->forest.parent[t->at] = to;
		if (to != NONE && is_dummy(t, to))
			t->first[to]++;
	}
	return end_piece(t, t->in.n);
}

/* A dummy with a single message below it is replaced by that message. */
static enum piece
prune_single(struct mail_threads *t)
{
	uint32_t *parent = t->forest.parent;

	for (size_t end = piece_end(t, t->in.n); t->at < end; t->at++)
		if (parent[t->at] != NONE && is_dummy(t, parent[t->at]) &&
		    t->first[parent[t->at]] == 1)
			parent[t->at] = NONE;
	if (t->at == t->in.n)
		fill_none(t->first, t->forest.n);
	return end_piece(t, t->in.n);
}

/* ---- steps 4 and 5 ---- */

static enum piece
list_roots(struct mail_threads *t)
{
	for (size_t end = piece_end(t, t->in.n); t->at < end; t->at++) {
		uint32_t m = t->order[t->at], up = t->forest.parent[m];

		if (up == NONE) {
			t->root[t->roots++] = m;
		} else if (is_dummy(t, up) && t->first[up] == NONE) {
			t->root[t->roots++] = up;
			t->first[up] = m;
		}
	}
	return end_piece(t, t->in.n);
}

/* Returns the place of a thread's subject in the table; NULL: it has none. */
static uint32_t *
subject_of(const struct mail_threads *t, uint32_t root)
{
	uint32_t m = is_dummy(t, root) ? t->first[root] : root;

	return t->in.has_subject(t->in.arg, m) ? &t->by_rank[t->in.subject[m]] : NULL;
}

static bool
is_reply(const struct mail_threads *t, uint32_t m)
{
	return !is_dummy(t, m) && t->in.is_reply(t->in.arg, m);
}

static enum piece
fill_subjects(struct mail_threads *t)
{
	for (size_t end = piece_end(t, t->roots); t->at < end; t->at++) {
		uint32_t m = t->root[t->at], *there = subject_of(t, m);

		if (there == NULL)
			continue;
		if (*there == NONE ||
		    (!is_dummy(t, *there) &&
		        (is_dummy(t, m) || (is_reply(t, *there) && !is_reply(t, m)))))
			*there = m;
	}
	return end_piece(t, t->roots);
}

/* (C)(iv); a dummy below a dummy counts as deleted. */
static void
merge(struct mail_threads *t, uint32_t m, uint32_t *there)
{
	uint32_t *parent = t->forest.parent, dummy;

	if (is_dummy(t, *there) || (is_reply(t, m) && !is_reply(t, *there))) {
		parent[m] = *there;
		return;
	}
	dummy = forest_add(&t->forest);
	t->first[dummy] = NONE;
	parent[m] = parent[*there] = dummy;
	*there = dummy;
}

static enum piece
merge_subjects(struct mail_threads *t)
{
	if (t->at == 0 && !grow(t, t->forest.n + t->roots / 2 + 1))
		return PIECE_ROOM;
	for (size_t end = piece_end(t, t->roots); t->at < end; t->at++) {
		uint32_t m = t->root[t->at], *there = subject_of(t, m);

		if (there != NULL && *there != m && t->forest.parent[m] == NONE)
			merge(t, m, there);
	}
	return end_piece(t, t->roots);
}

/* ---- step 6 ---- */

static void
add_root(struct mail_threads *t, uint32_t m)
{
	if (t->by == MAIL_THREADS_REFS)
		return; /* they have an order of their own */
	if (t->last_root == NONE)
		t->first_root = m;
	else
		t->next[t->last_root] = m;
	t->last_root = m;
}

static void
add_child(struct mail_threads *t, uint32_t up, uint32_t m)
{
	if (t->first[up] == NONE) {
		if (is_dummy(t, up))
			add_root(t, up);
		t->first[up] = m;
	} else {
		t->next[t->tail[up]] = m;
	}
	t->tail[up] = m;
}

/* Builds each level, older ones first. */
static enum piece
build(struct mail_threads *t)
{
	uint32_t *parent = t->forest.parent;

	if (t->at == 0) {
		fill_none(t->first, t->forest.n);
		fill_none(t->next, t->forest.n);
	}
	for (size_t end = piece_end(t, t->in.n); t->at < end; t->at++) {
		uint32_t m = t->order[t->at], up = parent[m];

		if (up != NONE && is_dummy(t, up) && parent[up] != NONE)
			up = parent[m] = parent[up];
		if (up == NONE)
			add_root(t, m);
		else
			add_child(t, up, m);
	}
	return end_piece(t, t->in.n);
}

/* ---- REFS: the roots ---- */

/* t->tail holds parents, or what is above them; a root that has its place is above itself. */
static uint32_t
root_of(struct mail_threads *t, uint32_t m)
{
	uint32_t root = m;

	while (t->tail[root] != NONE && t->tail[root] != root)
		root = t->tail[root];
	while (m != root) {
		uint32_t up = t->tail[m];

		t->tail[m] = root;
		m = up;
	}
	return root;
}

/* Newest message first: puts each thread before the existing ones. */
static enum piece
order_by_newest(struct mail_threads *t)
{
	if (t->at == 0)
		memcpy(t->tail, t->forest.parent, t->forest.n * sizeof(*t->tail));
	for (size_t end = piece_end(t, t->in.n); t->at < end; t->at++) {
		uint32_t root = root_of(t, t->order[t->in.n - 1 - t->at]);

		if (t->tail[root] == root)
			continue;
		t->tail[root] = root;
		t->next[root] = t->first_root;
		t->first_root = root;
	}
	return end_piece(t, t->in.n);
}

/* ---- stages ---- */

static stage_f *const stages_of[][13] = {
    [MAIL_THREADS_ORDEREDSUBJECT] = {count_dates, place_dates, group_subjects, build},
    [MAIL_THREADS_REFERENCES] = {count_dates, place_dates, add_ids, link_references, prune,
        prune_single, list_roots, fill_subjects, merge_subjects, build},
    [MAIL_THREADS_REFS] = {count_dates, place_dates, add_ids, link_references, prune, prune_single,
        build, order_by_newest},
};

struct mail_threads *
mail_threads_new(enum mail_threads_by by, const struct mail_threads_input *input)
{
	struct mail_threads *t = mem_zalloc(sizeof(*t));

	t->by = by;
	t->in = *input;
	t->first_root = t->last_root = NONE;
	return t;
}

void
mail_threads_free(struct mail_threads **tp)
{
	struct mail_threads *t = *tp;

	*tp = NULL;
	if (t == NULL)
		return;
	forest_fini(&t->forest);
	mem_free(t->hash);
	mem_free(t->slot);
	mem_free(t->order);
	mem_free(t->by_rank);
	mem_free(t->root);
	mem_free(t->first);
	mem_free(t->tail);
	mem_free(t->next);
	mem_free(t);
}

enum mail_threads_state
mail_threads_step(struct mail_threads *t, uint64_t room, bool (*enough)(void *arg), void *arg)
{
	t->room = room;
	if (t->stage == NULL) {
		if (!begin(t))
			return MAIL_THREADS_ROOM;
		t->stage = stages_of[t->by];
	}
	while (*t->stage != NULL) {
		enum piece piece = (*t->stage)(t);

		if (piece == PIECE_ROOM)
			return MAIL_THREADS_ROOM;
		if (piece == PIECE_LAST) {
			t->stage++;
			t->at = 0;
		}
		if (enough != NULL && enough(arg))
			return MAIL_THREADS_AGAIN;
	}
	return MAIL_THREADS_DONE;
}

uint64_t
mail_threads_needs(const struct mail_threads *t)
{
	return t->needs;
}

uint32_t
mail_threads_first(const struct mail_threads *t)
{
	return t->first_root;
}

uint32_t
mail_threads_next(const struct mail_threads *t, uint32_t m)
{
	return t->next[m];
}

uint32_t
mail_threads_child(const struct mail_threads *t, uint32_t m)
{
	return t->first[m];
}

uint32_t
mail_threads_parent(const struct mail_threads *t, uint32_t m)
{
	return t->forest.parent[m];
}

bool
mail_threads_is_dummy(const struct mail_threads *t, uint32_t m)
{
	return is_dummy(t, m);
}
