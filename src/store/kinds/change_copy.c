/* SPDX-License-Identifier: Apache-2.0 */
/*
 * COPY and MOVE within an account, in pieces, so that other changes of the lane
 * get their turns in between.  For each piece the copier's thread reads summaries
 * from disk; then a change goes through the lane.
 *
 * A MOVE moves piece by piece: each message is in one place or the other (RFC
 * 6851).  So does a RENAME of INBOX, whose first piece also makes the mailbox.  A
 * COPY is seen whole or not at all (RFC 9051 section 6.4.7).  If it has several
 * pieces:
 *
 *   stage   puts references and summaries under the UIDs from UIDNEXT on, and a
 *           record of them ('S', keys.h); nobody sees anything yet
 *   show    turns them into messages with one change record; the records of
 *           pieces are removed
 *   unstage on failure: UIDNEXT moves past the UIDs that were used, and the
 *           background removes what was put (a record 'P' for each 'S')
 *
 * From the first stage to the end the mailbox is held: changes that give UIDs in
 * it wait, since new messages must have higher UIDs than those seen before.  A
 * crash before the show leaves records 'S'; what they name is removed when the
 * account is loaded, before UIDs are given in it (staged_recover).
 */
#include "base/mem.h"
#include "store/kinds/steps_int.h"

/* Limits of one piece: messages, and bytes of summaries. */
#define PIECE EXPUNGE_INLINE
#define PIECE_BYTES ((size_t)256 << 10)
/* Bytes that a message takes until it is shown, and how often a summary is in memory. */
#define STAGED_COST 400
#define MOVED_COST 24
#define SUMMARY_COPIES 3

struct piece { /* a staged piece */
	uint32_t uid;
	size_t end; /* in message */
};

struct copying {
	struct errand errand;
	struct store *store;
	struct store_change *user;             /* NULL: it has been answered */
	struct store_mailbox *source, *target; /* referenced; RENAME: target NULL at first */
	roaring_bitmap_t *left;                /* not looked at yet; NULL: not begun */
	uint64_t total, total_bytes;
	bool roomy;           /* there is room for all of it */
	struct room reserved; /* for what is not put yet, if it takes several pieces */
	struct gathered g;    /* the current piece */
	bool move, pieces;    /* pieces: a COPY with more than one */
	bool begun;           /* a piece is durable */
	struct store_uid_pair *pairs;
	size_t pair_count, pair_cap;
	size_t pairs_durable;
	/* staged */
	struct store_message *message; /* flags are indexes into name */
	size_t count, cap;
	char *name[STORE_FLAGS_MAX];
	unsigned names;
	struct piece *piece;
	size_t piece_count;
	uint32_t first, next_uid;
};

static void after_copy_step(struct store_change *c);

static void
copying_free(struct copying *t)
{
	if (t->target != NULL)
		room_give_back(t->target, &t->reserved, UINT64_MAX, UINT64_MAX);
	gathered_fini(&t->g);
	for (unsigned f = 0; f < STORE_FLAGS_MAX; f++)
		mem_free(t->name[f]);
	if (t->left != NULL)
		roaring_bitmap_free(t->left);
	mem_free(t->message);
	mem_free(t->piece);
	mem_free(t->pairs);
	store_mailbox_unref(&t->source);
	store_mailbox_unref(&t->target);
	mem_free(t);
}

/* Lets the changes that waited for it have their turn. */
static void
let_waiting_go(struct copying *t)
{
	if (t->target != NULL)
		gate_open(lane_of_account(t->target->account), &t->target->gate, t);
}

/* ---- reading a piece; on the copier's thread ---- */

/* Returns the bytes of the messages left; counts those expunged meanwhile, too, though they need no
 * room. */
static uint64_t
bytes_of(const struct copying *t)
{
	struct store_message m[256];
	uint64_t bytes = 0;
	uint32_t from = 1;
	size_t n;

	do {
		store_mailbox_read_begin(t->source);
		n = store_mailbox_window(t->source, t->left, from, m, 256);
		store_mailbox_read_end(t->source);
		for (size_t i = 0; i < n; i++)
			bytes += m[i].size;
		from = n > 0 ? m[n - 1].uid + 1 : 0;
	} while (n == 256 && from != 0);
	return bytes;
}

static enum ts_err
begin_copy(struct copying *t)
{
	struct store_mailbox *mb = t->source;
	const roaring_bitmap_t *uids = t->user->uids;

	store_mailbox_read_begin(mb);
	t->left = uids != NULL ? roaring_bitmap_and(store_mailbox_uids(mb), uids)
	                       : roaring_bitmap_copy(store_mailbox_uids(mb));
	store_mailbox_read_end(mb);
	t->total = roaring_bitmap_get_cardinality(t->left);
	t->pieces = !t->move && t->total > PIECE;
	t->total_bytes = t->total > 0 ? bytes_of(t) : 0;
	return t->user->all_or_none && t->total < roaring_bitmap_get_cardinality(uids)
	           ? TS_CONDITION
	           : TS_OK;
}

static bool
gather_summary(uint32_t uid, enum ts_err err, struct str summary, void *arg)
{
	struct gathered *g = arg;

	gathered_read(g, uid, err == TS_OK ? summary : STR_NONE);
	return g->summaries.n < PIECE_BYTES;
}

/* Renamed or restored keywords are not new. */
static bool
any_length(const struct copying *t)
{
	return t->user->restoring || t->user->kind == STORE_CHANGE_RENAME;
}

static enum ts_err
read_copies(struct copying *t)
{
	uint64_t limit = t->store->opt.copy_memory;
	uint64_t whole = t->total * (t->move ? MOVED_COST : STAGED_COST);
	uint32_t uids[PIECE];
	roaring_uint32_iterator_t it;
	size_t n = 0;

	if (whole > limit)
		return refuse(t->user, STORE_LIMIT_MEMORY);
	for (roaring_init_iterator(t->left, &it); it.has_value && n < PIECE;
	     roaring_advance_uint32_iterator(&it))
		uids[n++] = it.current_value;
	gathered_fini(&t->g);
	t->g = (struct gathered){
	    .bounds = t->user->bounds, .any_length = any_length(t), .seen = t->user->seen};
	store_read_summaries(t->source, uids, n, gather_summary, &t->g);
	for (size_t i = 0; i < t->g.read_count; i++)
		roaring_bitmap_remove(t->left, t->g.read[i]);
	t->pieces |= !t->move && t->g.read_count < n; /* the summaries are long */
	return whole + t->g.summaries.n * SUMMARY_COPIES > limit
	           ? refuse(t->user, STORE_LIMIT_MEMORY)
	           : TS_OK;
}

/* ---- from step to step ---- */

static void
next_copy_step(struct copying *t, enum inner_kind kind)
{
	struct store_change *c =
	    change_new_inner(t->store, t->source->account, (int)kind, after_copy_step, t);

	c->priv->copying = t;
	c->priv->holder = t;
	c->priv->closes = t->pieces;
	c->mailbox = t->target;
	change_submit_inner(c);
}

/* Answers the user with what is durable.  The rest, if any, is internal. */
static void
answer_copy(struct copying *t, enum ts_err err)
{
	struct store_change *user = t->user;

	/* Nothing more is put: gives back the room before the answer. */
	if (t->target != NULL)
		room_give_back(t->target, &t->reserved, UINT64_MAX, UINT64_MAX);
	t->user = NULL;
	user->err = err;
	if (!t->begun)
		user->mailbox_id = 0;
	if (err == TS_OK || t->move) {
		user->pairs = t->pairs;
		user->pair_count = t->pairs_durable;
		t->pairs = NULL;
	}
	if (t->move) {
		user->affected = roaring_bitmap_create();
		for (size_t i = 0; i < user->pair_count; i++)
			roaring_bitmap_add(user->affected, user->pairs[i].source);
	}
	change_complete(user);
}

static void
done(struct copying *t)
{
	struct store *store = t->store;

	let_waiting_go(t);
	copying_free(t);
	copier_end(store);
}

static void
end_copy(struct copying *t, enum ts_err err)
{
	answer_copy(t, err);
	if (err != TS_OK && t->piece_count > 0)
		next_copy_step(t, INNER_UNSTAGE);
	else
		done(t);
}

/* What was put could not be removed: the background retries.  Until then nobody waits. */
static void
put_off(struct copying *t)
{
	gate_stick(lane_of_account(t->target->account), &t->target->gate, t);
	copier_put_off(&t->errand);
}

static void
read_and_go(struct errand *errand)
{
	struct copying *t = (struct copying *)(void *)errand;
	enum ts_err err = TS_OK;

	if (t->left == NULL)
		err = begin_copy(t);
	if (err == TS_OK && t->total > 0)
		err = read_copies(t);
	if (err != TS_OK)
		end_copy(t, err);
	else
		next_copy_step(t, INNER_PIECE);
}

/* Runs on a lane's thread, after a step's batch. */
static void
after_copy_step(struct store_change *c)
{
	struct copying *t = c->priv->complete_arg;
	int kind = (int)c->kind;
	enum ts_err err = c->err;

	store_change_free(&c);
	if (kind == INNER_UNSTAGE && err == TS_OK)
		done(t);
	else if (kind == INNER_UNSTAGE)
		put_off(t);
	else if (err != TS_OK)
		end_copy(t, err);
	else {
		t->begun = true;
		t->pairs_durable = t->pair_count;
		if (!roaring_bitmap_is_empty(t->left))
			copier_put(&t->errand);
		else if (kind == INNER_PIECE && t->pieces)
			next_copy_step(t, INNER_SHOW);
		else
			end_copy(t, TS_OK);
	}
}

static void
unstage_again(struct errand *errand)
{
	next_copy_step((struct copying *)(void *)errand, INNER_UNSTAGE);
}

static void
drop_copy(struct errand *errand)
{
	copying_free((struct copying *)(void *)errand);
}

void
copy_submit(struct store_change *user)
{
	struct copying *t = mem_zalloc(sizeof *t);

	t->store = user->priv->store;
	t->errand = (struct errand){
	    .store = t->store, .run = read_and_go, .again = unstage_again, .drop = drop_copy};
	t->user = user;
	t->source = store_mailbox_ref(user->source);
	if (user->mailbox != NULL)
		t->target = store_mailbox_ref(user->mailbox);
	t->move = user->kind != STORE_CHANGE_COPY;
	copier_begin(t->store);
	copier_put(&t->errand);
}

void
transfer_send(struct store_change *c)
{
	if (c->source == NULL || c->mailbox == NULL)
		lane_enqueue(c); /* which refuses it */
	else if (c->source->account != c->mailbox->account)
		cross_submit(c);
	else
		copy_submit(c);
}

enum ts_err
transfer_prepare(struct batch *b, struct store_change *c)
{
	(void)b;
	(void)c;
	return TS_INVALID;
}

enum hold
piece_hold(struct lane *lane, struct store_change *c)
{
	/* The first piece of a RENAME of INBOX makes the mailbox. */
	return c->mailbox != NULL ? hold_for_uids(lane, c) : hold_for_list(lane, c);
}

bool
copy_fits(const struct store *store, uint64_t messages)
{
	return messages * MOVED_COST <= store->opt.copy_memory;
}

/* ---- preparing; in the lane ---- */

static void
add_pairs(struct copying *t, size_t n)
{
	if (t->pair_count + n <= t->pair_cap)
		return;
	t->pair_cap = 2 * t->pair_cap + n;
	t->pairs = mem_realloc(t->pairs, t->pair_cap * sizeof *t->pairs);
}

/* Returns a keyword's number among those of the copy; 0: there are too many. */
static unsigned
name_index(struct copying *t, struct str name)
{
	char *z;

	for (unsigned i = 0; i < t->names; i++)
		if (str_ieq(str_of(t->name[STORE_FIRST_KEYWORD + i]), name))
			return STORE_FIRST_KEYWORD + i;
	if (t->names == STORE_KEYWORDS_MAX)
		return 0;
	z = mem_zalloc(name.n + 1);
	memcpy(z, name.p, name.n);
	t->name[STORE_FIRST_KEYWORD + t->names] = z;
	return STORE_FIRST_KEYWORD + t->names++;
}

static enum ts_err
map_names(struct copying *t, int *map)
{
	for (unsigned f = 0; f < STORE_FLAGS_MAX; f++) {
		struct str name = store_keywords_name(t->g.keywords, f);

		map[f] = f < STORE_FIRST_KEYWORD ? (int)f : -1;
		if (name.p == NULL || !store_flags_has(&t->g.used, f))
			continue;
		map[f] = (int)name_index(t, name);
		if (map[f] == 0)
			return refuse(t->user, STORE_LIMIT_KEYWORDS);
	}
	return TS_OK;
}

static void
staged_key(struct key *k, enum key_kind kind, const struct copying *t, uint64_t which)
{
	key_job(k, kind, t->target->account->id, t->target->id, which);
}

static void
stage_one(struct batch *b, struct copying *t, const struct store_message *from, size_t *at,
    const int *map)
{
	struct store_message *m;

	if (t->count == t->cap) {
		t->cap = 2 * t->cap + PIECE;
		t->message = mem_realloc(t->message, t->cap * sizeof *t->message);
	}
	m = &t->message[t->count++];
	*m = *from;
	m->uid = t->next_uid++;
	m->flags = flags_mapped(&from->flags, map);
	message_put(b, t->target, m, gathered_summary(&t->g, at, from->uid));
	add_pairs(t, 1);
	t->pairs[t->pair_count++] = (struct store_uid_pair){from->uid, m->uid};
}

/* Puts the record of a piece: the messages from `at` to `end`. */
static void
put_piece(struct batch *b, const struct copying *t, const struct key *k, size_t at, size_t end)
{
	value_begin(&b->value);
	for (; at < end; at++) {
		buf_varint(&b->value, t->message[at].uid);
		buf_varint(&b->value, t->message[at].blob);
	}
	batch_put_value(b->ops, k, &b->value);
}

static enum ts_err
stage(struct batch *b, struct copying *t)
{
	size_t first = t->count, at = 0;
	int map[STORE_FLAGS_MAX];
	struct key k;

	if (t->piece_count == 0)
		t->first = t->next_uid = t->target->head.c.uidnext;
	if (t->g.count > UINT32_MAX - t->next_uid)
		return refuse(t->user, STORE_LIMIT_UIDS);

	enum ts_err err = map_names(t, map);

	if (err != TS_OK)
		return err;
	t->piece = mem_realloc(t->piece, (t->piece_count + 1) * sizeof *t->piece);
	t->piece[t->piece_count].uid = t->next_uid;
	for (size_t i = 0; i < t->g.count; i++)
		stage_one(b, t, &t->g.message[i], &at, map);
	t->piece[t->piece_count].end = t->count;
	staged_key(&k, KEY_STAGED, t, t->piece[t->piece_count++].uid);
	put_piece(b, t, &k, first, t->count);
	return TS_OK;
}

static enum ts_err
put_now(struct batch *b, struct copying *t)
{
	enum ts_err err;

	add_pairs(t, t->g.count);
	err = put_copies(b, t->target, &t->g, t->pairs + t->pair_count, t->user);
	if (err != TS_OK)
		return err;
	if (t->move)
		remove_moved(b, t->source, &t->g);
	room_give_back(t->target, &t->reserved, gathered_bytes(&t->g), t->g.count);
	t->pair_count += t->g.count;
	return TS_OK;
}

static enum ts_err
prepare_target(struct batch *b, struct copying *t)
{
	struct store_change *user = t->user;
	enum ts_err err;

	if (user->kind == STORE_CHANGE_RENAME && t->target == NULL) {
		err = change_kind_of(user)->prepare(b, user);
		if (err != TS_OK)
			return err;
		t->target = store_mailbox_ref(user->priv->move_to);
	}
	return prepare_usable(t->target);
}

/* Checks before the first piece whether there is room for all.  A RENAME makes its mailbox; the
 * account already holds the messages. */
static enum ts_err
find_room(struct copying *t)
{
	struct room more = {t->total_bytes, t->total, .same_account = t->move};
	enum ts_err err = TS_OK;

	if (t->roomy || t->user->kind == STORE_CHANGE_RENAME || (t->move && t->source == t->target))
		return TS_OK;
	if (!t->pieces && roaring_bitmap_is_empty(t->left)) {
		more.bytes = gathered_bytes(&t->g);
		more.messages = t->g.count;
		err = room_for(t->user, t->target, &more);
	} else {
		err = room_reserve(t->user, t->target, &more);
		if (err == TS_OK)
			t->reserved = more;
	}
	t->roomy = err == TS_OK;
	return err;
}

enum ts_err
piece_prepare(struct batch *b, struct store_change *c)
{
	struct copying *t = c->priv->copying;
	enum ts_err err = prepare_target(b, t);

	if (err == TS_OK)
		err = prepare_usable(t->source);
	if (err != TS_OK)
		return err;

	roaring_bitmap_t *uids = roaring_bitmap_of_ptr(t->g.read_count, t->g.read);

	/* INBOX's messages go to a mailbox where \Seen is as in the mailbox again. */
	if (t->user->kind == STORE_CHANGE_RENAME && own_of_mailbox(t->source) != NULL)
		t->g.seen = own_of_mailbox(t->source)->head->seen;
	gather_messages(&t->g, b, t->source, uids);
	roaring_bitmap_free(uids);
	/* What a MOVE has already moved stays moved (RFC 6851 section 3.3). */
	if (t->user->all_or_none && t->g.count < t->g.read_count &&
	    (!t->move || t->pair_count == 0))
		return TS_CONDITION;
	if (t->g.count > 0)
		err = find_room(t);
	if (t->g.count > 0 && err == TS_OK)
		err = t->pieces ? stage(b, t) : put_now(b, t);
	t->user->uidvalidity = t->target->head.uidvalidity;
	t->user->modseq = t->target->head.c.modseq;
	return err;
}

static enum ts_err
show_all(struct change_delta *cd, struct copying *t)
{
	int map[STORE_FLAGS_MAX];
	int64_t now = store_wall(t->store);

	for (unsigned f = 0; f < STORE_FLAGS_MAX; f++) {
		enum ts_err err = TS_OK;

		map[f] = f < STORE_FIRST_KEYWORD ? (int)f : -1;
		if (t->name[f] != NULL)
			map[f] = delta_keyword_flag(cd, str_of(t->name[f]));
		if (t->name[f] != NULL && map[f] < 0)
			err = keyword_refused(t->user, cd, str_of(t->name[f]));
		if (err != TS_OK)
			return err;
	}
	TS_ASSERT(cd->c.uidnext == t->first || t->count == 0);
	for (size_t i = 0; i < t->count; i++) {
		struct store_message m = t->message[i];

		m.flags = flags_mapped(&m.flags, map);
		m.savedate = now;
		delta_show(cd, &m);
	}
	return TS_OK;
}

enum ts_err
show_prepare(struct batch *b, struct store_change *c)
{
	struct copying *t = c->priv->copying;
	enum ts_err err = prepare_usable(t->target);
	struct change_delta cd;
	struct key k;

	if (err != TS_OK || t->count == 0)
		return err;
	delta_begin(&cd, b, t->target);
	cd.any_length = any_length(t);
	err = show_all(&cd, t);
	if (err != TS_OK) {
		delta_abort(&cd);
		return err;
	}
	for (size_t i = 0; i < t->piece_count; i++) {
		staged_key(&k, KEY_STAGED, t, t->piece[i].uid);
		engine_batch_delete(b->ops, key_str(&k));
	}
	delta_commit(&cd);
	room_give_back(t->target, &t->reserved, UINT64_MAX, UINT64_MAX);
	t->user->modseq = t->target->head.c.modseq;
	return TS_OK;
}

enum ts_err
unstage_prepare(struct batch *b, struct store_change *c)
{
	struct copying *t = c->priv->copying;
	enum ts_err err = prepare_usable(t->target);
	struct change_delta cd;
	struct key k;

	if (err != TS_OK && err != TS_NOT_FOUND && err != TS_LIMIT)
		return err;
	/* Nobody else gave UIDs, so a show, or an earlier attempt, did reach the disk. */
	if (err == TS_OK && t->target->head.c.uidnext > t->first)
		return TS_OK;
	if (err == TS_OK) {
		delta_begin(&cd, b, t->target);
		cd.c.uidnext = t->next_uid;
		delta_commit(&cd);
	}
	for (size_t i = 0; i < t->piece_count; i++) {
		staged_key(&k, KEY_STAGED, t, t->piece[i].uid);
		engine_batch_delete(b->ops, key_str(&k));
		staged_key(&k, KEY_PURGE, t, PURGE_STAGED | t->piece[i].uid);
		put_piece(b, t, &k, i > 0 ? t->piece[i - 1].end : 0, t->piece[i].end);
	}
	batch_job(b, t->target->account->id, BG_PURGE);
	return TS_OK;
}
