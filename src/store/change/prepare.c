/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preparing changes of messages: conditions are checked against the head, the
 * MODSEQ and UIDs are given, records go into the batch.  Everything that can
 * be refused is refused before the first record is put.
 */
#include "base/mem.h"
#include "store/change/change_int.h"

enum ts_err
prepare_usable(const struct store_mailbox *mb)
{
	if (mb == NULL)
		return TS_INVALID;
	if (mb->head.gone || mb->account->head_gone)
		return TS_NOT_FOUND;
	if (mb->stale || mb->account->stale || mb->state == NULL)
		return TS_UNAVAILABLE;
	/* RFC 7162 section 3.1: a MODSEQ has 63 bits. */
	return mb->head.c.modseq < INT64_MAX ? TS_OK : TS_LIMIT;
}

/* ---- bounds ---- */

static bool
may_touch(const struct store_flag_bounds *bounds, unsigned flag)
{
	if (!bounds->bounded)
		return true;
	return flag >= STORE_FIRST_KEYWORD ? bounds->keywords : (bounds->system >> flag & 1) != 0;
}

void
flags_bound(const struct store_flag_bounds *bounds, struct store_flags *flags)
{
	const uint64_t system = ((uint64_t)1 << STORE_FIRST_KEYWORD) - 1;

	if (!bounds->bounded)
		return;
	flags->w[0] &= (bounds->system & system) | (bounds->keywords ? ~system : 0);
	for (unsigned w = 1; w < STORE_FLAG_WORDS && !bounds->keywords; w++)
		flags->w[w] = 0;
}

/* ---- limits ---- */

enum ts_err
refuse(struct store_change *c, enum store_limit limit)
{
	c->limit = limit;
	return TS_LIMIT;
}

enum ts_err
keyword_refused(struct store_change *c, const struct change_delta *cd, struct str name)
{
	struct rd lost = rd_of(buf_as_str(&c->lost));

	if (!c->restoring)
		return keyword_ok(name) ? refuse(c, cd->limit) : TS_INVALID;
	while (rd_left(&lost) > 0)
		if (str_ieq(rd_vstr(&lost), name))
			return TS_OK;
	buf_vstr(&c->lost, name);
	return TS_OK;
}

/* ---- APPEND ---- */

static enum ts_err
item_flags(struct change_delta *cd, const struct store_append_item *item, struct store_change *c,
    struct store_flags *flags)
{
	enum ts_err err = TS_OK;

	flags->w[0] = item->flags.w[0] & ((1u << STORE_FIRST_KEYWORD) - 1);
	flags_bound(&c->bounds, flags);
	for (size_t i = 0;
	     i < item->keyword_count && err == TS_OK && may_touch(&c->bounds, STORE_FIRST_KEYWORD);
	     i++) {
		int flag = delta_keyword(cd, item->keywords[i]);

		if (flag < 0)
			err = keyword_refused(c, cd, item->keywords[i]);
		else
			store_flags_set(flags, (unsigned)flag);
	}
	return err;
}

static enum ts_err
append_flags(struct change_delta *cd, struct store_change *c, struct store_flags *flags)
{
	uint32_t next = cd->c.uidnext;

	for (size_t i = 0; i < c->item_count; i++) {
		const struct store_upload *u = c->items[i].upload;
		enum ts_err err = item_flags(cd, &c->items[i], c, &flags[i]);

		if (err == TS_OK && c->items[i].uid != 0) {
			err = c->items[i].uid < next ? TS_INVALID : TS_OK;
			next = c->items[i].uid;
		}
		if (err == TS_OK && next++ == UINT32_MAX)
			err = refuse(c, STORE_LIMIT_UIDS);
		if (err == TS_OK && (u == NULL || !u->finished || u->taken))
			err = TS_INVALID;
		if (err == TS_OK)
			err = u->err;
		if (err == TS_OK && u->size > UINT32_MAX)
			err = TS_LIMIT;
		if (err != TS_OK)
			return err;
	}
	return TS_OK;
}

static void
append_item(struct change_delta *cd, const struct store_append_item *item,
    const struct store_flags *flags, int64_t now)
{
	struct store_upload *u = item->upload, *origin = upload_origin(u);
	struct store_message m = {.size = (uint32_t)u->size,
	    .blob = u->blob,
	    .internaldate = item->internaldate != 0 || item->dated ? item->internaldate : now,
	    .savedate = item->savedate != 0 ? item->savedate : now,
	    .zone = item->zone,
	    .flags = *flags};

	if (!u->in_file && !origin->stored)
		engine_batch_put_blob(cd->b->ops, u->blob, buf_as_str(&origin->bytes));
	if (item->uid != 0)
		cd->c.uidnext = item->uid;
	delta_message(cd, &m, buf_as_str(&origin->summary));
	u->taken = true;
}

static enum ts_err
prepare_append(struct batch *b, struct store_change *c)
{
	enum ts_err err = prepare_usable(c->mailbox);

	/* By itself: what makes room shall not be refused along with it. */
	if (err == TS_OK && c->item_count > 0 && engine_full(b->lane->store->engine))
		err = TS_FULL;
	if (err != TS_OK)
		return err;

	struct store_flags *flags = mem_zalloc((c->item_count + 1) * sizeof *flags);
	struct change_delta cd;

	delta_begin(&cd, b, c->mailbox);
	cd.any_length = c->restoring;
	err = append_flags(&cd, c, flags);
	c->uidvalidity = c->mailbox->head.uidvalidity;
	c->first_uid = c->item_count > 0 && c->items[0].uid != 0 ? c->items[0].uid : cd.c.uidnext;
	c->modseq = cd.c.modseq;
	if (err != TS_OK || c->item_count == 0) {
		delta_abort(&cd);
		mem_free(flags);
		return err;
	}
	for (size_t i = 0; i < c->item_count; i++)
		append_item(&cd, &c->items[i], &flags[i], store_wall(b->lane->store));
	delta_commit(&cd);
	c->modseq = c->mailbox->head.c.modseq;
	mem_free(flags);
	return TS_OK;
}

/* ---- RAISE ---- */

static enum ts_err
prepare_raise(struct batch *b, struct store_change *c)
{
	enum ts_err err = prepare_usable(c->mailbox);
	struct change_delta cd;

	if (err != TS_OK)
		return err;
	if (c->wish_modseq > STORE_MODSEQ_WISH_MAX)
		return TS_INVALID;
	c->uidvalidity = c->mailbox->head.uidvalidity;
	c->modseq = c->mailbox->head.c.modseq;
	if (c->wish_uidnext <= c->mailbox->head.c.uidnext && c->wish_modseq <= c->modseq)
		return TS_OK;
	delta_begin(&cd, b, c->mailbox);
	if (c->wish_uidnext > cd.c.uidnext)
		cd.c.uidnext = c->wish_uidnext;
	/* A record without contents: the records lead up to the counters' MODSEQ. */
	if (c->wish_modseq > cd.delta->modseq)
		cd.delta->modseq = c->wish_modseq;
	delta_commit(&cd);
	c->modseq = c->mailbox->head.c.modseq;
	return TS_OK;
}

/* ---- FLAGS ---- */

/* The flags that are named; new keywords are made, unless they are to be removed. */
static enum ts_err
named_flags(struct change_delta *cd, struct store_change *c, struct store_flags *flags)
{
	enum ts_err err = TS_OK;

	*flags = (struct store_flags){0};
	flags->w[0] = c->flags.w[0] & ((1u << STORE_FIRST_KEYWORD) - 1);
	for (size_t i = 0;
	     i < c->keyword_count && err == TS_OK && may_touch(&c->bounds, STORE_FIRST_KEYWORD);
	     i++) {
		int flag = c->mode == STORE_FLAGS_REMOVE
		               ? store_keywords_find(cd->keywords, c->keywords[i])
		               : delta_keyword(cd, c->keywords[i]);

		if (flag >= 0)
			store_flags_set(flags, (unsigned)flag);
		else if (c->mode != STORE_FLAGS_REMOVE)
			err = keyword_refused(c, cd, c->keywords[i]);
	}
	return err;
}

static void
set_flags(struct change_delta *cd, const struct store_change *c, const struct store_flags *flags,
    const roaring_bitmap_t *uids)
{
	for (unsigned f = 0; f < store_keywords_end(cd->keywords); f++) {
		bool named = store_flags_has(flags, f);
		bool on = named && c->mode != STORE_FLAGS_REMOVE;

		if ((!named && c->mode != STORE_FLAGS_REPLACE) || !may_touch(&c->bounds, f))
			continue;

		roaring_bitmap_t *have = head_flagged(&cd->head, f, uids);

		if (on) {
			roaring_bitmap_t *get = roaring_bitmap_andnot(uids, have);

			roaring_bitmap_free(have);
			delta_flag(cd, f, true, get);
		} else {
			delta_flag(cd, f, false, have);
		}
	}
}

static enum ts_err
prepare_flags(struct batch *b, struct store_change *c)
{
	enum ts_err err = prepare_usable(c->mailbox);
	struct change_delta cd;
	struct store_flags flags;

	if (err != TS_OK)
		return err;
	delta_begin(&cd, b, c->mailbox);
	cd.any_length = c->restoring;

	roaring_bitmap_t *uids = head_existing(&cd.head, c->uids, false);

	if (c->check_unchanged) {
		c->failed = head_changed(&cd.head, c->unchanged_since, uids);
		roaring_bitmap_andnot_inplace(uids, c->failed);
	}
	c->modseq = cd.c.modseq;
	if (!roaring_bitmap_is_empty(uids)) {
		err = named_flags(&cd, c, &flags);
		if (err == TS_OK)
			set_flags(&cd, c, &flags, uids);
	}
	roaring_bitmap_free(uids);
	c->affected = delta_touched(cd.delta);
	if (err != TS_OK || roaring_bitmap_is_empty(c->affected)) {
		delta_abort(&cd);
		return err;
	}
	c->prior_modseq = head_highest(&cd.head, c->affected);
	delta_commit(&cd);
	c->modseq = c->mailbox->head.c.modseq;
	return TS_OK;
}

/* ---- EXPUNGE ---- */

/* Of one batch */
#define EXPUNGE_PIECE 4096

/* The first ones of a set; true: it has more. */
static bool
first_ones(roaring_bitmap_t *set, uint32_t n)
{
	uint32_t behind;

	if (!roaring_bitmap_select(set, n, &behind))
		return false;
	roaring_bitmap_remove_range_closed(set, behind, roaring_bitmap_maximum(set));
	return true;
}

/* Which go now, out of all that the change is about; what is to come is remembered. */
static roaring_bitmap_t *
expunge_piece(const struct head_view *v, struct store_change *c)
{
	struct store_change_priv *priv = c->priv;
	roaring_bitmap_t *all = head_existing(v, priv->left != NULL ? priv->left : c->uids, false);
	roaring_bitmap_t *uids = head_flagged(v, STORE_DELETED, all);

	roaring_bitmap_free(all);
	if (priv->left != NULL)
		roaring_bitmap_free(priv->left);
	priv->left = roaring_bitmap_copy(uids);
	priv->again = first_ones(uids, EXPUNGE_PIECE);
	roaring_bitmap_andnot_inplace(priv->left, uids);
	return uids;
}

static enum ts_err
prepare_expunge(struct batch *b, struct store_change *c)
{
	enum ts_err err = prepare_usable(c->mailbox);
	struct change_delta cd;
	roaring_bitmap_t *uids;

	if (c->affected == NULL)
		c->affected = roaring_bitmap_create();
	if (err != TS_OK)
		return err;
	delta_begin(&cd, b, c->mailbox);
	c->modseq = cd.c.modseq;
	uids = expunge_piece(&cd.head, c);
	if (roaring_bitmap_is_empty(uids)) {
		roaring_bitmap_free(uids);
		delta_abort(&cd);
		return TS_OK;
	}
	roaring_bitmap_run_optimize(uids);
	c->priv->piece = roaring_bitmap_copy(uids);
	delta_expunge(&cd, uids);
	delta_commit(&cd);
	c->modseq = c->mailbox->head.c.modseq;
	return TS_OK;
}

/* ---- messages on their way from one mailbox to another ---- */

void
gather_messages(
    struct gathered *g, struct batch *b, struct store_mailbox *source, const roaring_bitmap_t *uids)
{
	struct head_view v;
	roaring_uint32_iterator_t it;

	pthread_rwlock_rdlock(&source->lock);
	head_view_of(&v, b, source);

	/* Only what is on disk: nobody can have seen anything else, and the summaries are read. */
	roaring_bitmap_t *set = head_existing(&v, uids, true);

	g->message = mem_zalloc((roaring_bitmap_get_cardinality(set) + 1) * sizeof *g->message);
	for (roaring_init_iterator(set, &it); it.has_value; roaring_advance_uint32_iterator(&it)) {
		struct store_message *m = &g->message[g->count];

		if (!head_message(&v, it.current_value, m))
			continue;
		flags_bound(&g->bounds, &m->flags);
		for (unsigned w = 0; w < STORE_FLAG_WORDS; w++)
			g->used.w[w] |= m->flags.w[w];
		g->count++;
	}
	g->keywords = keywords_ref(source->head.keywords);
	pthread_rwlock_unlock(&source->lock);
	roaring_bitmap_free(set);
}

bool
all_gathered(const struct gathered *g, const struct store_change *c)
{
	return !c->all_or_none || g->count == roaring_bitmap_get_cardinality(c->uids);
}

/* Bytes of a message in what is gathered, its pair and the batch, and how often its summary is in
 * memory: here, where the buffer doubles, and in the batch. */
#define GATHERED (sizeof(struct store_message) + 128)
#define SUMMARY_COPIES 3

void
gathered_read(struct gathered *g, uint32_t uid, struct str summary)
{
	if (g->read_count == g->read_cap) {
		g->read_cap = g->read_cap > 0 ? 2 * g->read_cap : 16;
		g->read = mem_realloc(g->read, g->read_cap * sizeof *g->read);
		g->end = mem_realloc(g->end, g->read_cap * sizeof *g->end);
	}
	/* A summary that is damaged here is damaged there, too; the message goes all the same. */
	buf_str(&g->summaries, summary);
	g->read[g->read_count] = uid;
	g->end[g->read_count++] = g->summaries.n;
}

struct str
gathered_summary(const struct gathered *g, size_t *at, uint32_t uid)
{
	size_t from;

	while (*at < g->read_count && g->read[*at] < uid)
		++*at;
	if (*at == g->read_count || g->read[*at] != uid)
		return STR_NONE;
	from = *at > 0 ? g->end[*at - 1] : 0;
	return g->end[*at] > from ? (struct str){g->summaries.p + from, g->end[*at] - from}
	                          : STR_NONE;
}

static bool
gather_summary(uint32_t uid, enum ts_err err, struct str summary, void *arg)
{
	struct gathered *g = arg;

	gathered_read(g, uid, err == TS_OK ? summary : STR_NONE);
	return g->read_count * GATHERED + g->summaries.n * SUMMARY_COPIES <= g->limit;
}

enum ts_err
gather_summaries(struct gathered *g, struct store_mailbox *source)
{
	uint32_t *uids = mem_zalloc((g->count + 1) * sizeof *uids);

	for (size_t i = 0; i < g->count; i++)
		uids[i] = g->message[i].uid;
	g->limit = source->account->store->opt.copy_memory;
	store_read_summaries(source, uids, g->count, gather_summary, g);
	mem_free(uids);
	return g->read_count == g->count ? TS_OK : TS_LIMIT;
}

void
gathered_fini(struct gathered *g)
{
	store_keywords_unref(&g->keywords);
	mem_free(g->message);
	mem_free(g->read);
	mem_free(g->end);
	buf_fini(&g->summaries);
}

static enum ts_err
map_flags(struct change_delta *cd, const struct gathered *g, int *map, struct store_change *c)
{
	enum ts_err err = TS_OK;

	if (g->count > UINT32_MAX - cd->c.uidnext)
		return refuse(c, STORE_LIMIT_UIDS);
	for (unsigned f = 0; f < STORE_FLAGS_MAX && err == TS_OK; f++) {
		struct str name = store_keywords_name(g->keywords, f);

		map[f] = f < STORE_FIRST_KEYWORD ? (int)f : -1;
		if (name.p == NULL || !store_flags_has(&g->used, f))
			continue;
		map[f] = delta_keyword(cd, name);
		if (map[f] < 0)
			err = keyword_refused(c, cd, name);
	}
	return err;
}

struct store_flags
flags_mapped(const struct store_flags *flags, const int *map)
{
	struct store_flags out = {0};

	for (unsigned w = 0; w < STORE_FLAG_WORDS; w++)
		for (uint64_t bits = flags->w[w]; bits != 0; bits &= bits - 1) {
			int to = map[w * 64 + (unsigned)__builtin_ctzll(bits)];

			if (to >= 0)
				store_flags_set(&out, (unsigned)to);
		}
	return out;
}

enum ts_err
put_copies(struct batch *b, struct store_mailbox *target, const struct gathered *g,
    struct store_uid_pair *pairs, struct store_change *c)
{
	int map[STORE_FLAGS_MAX];
	struct change_delta cd;
	size_t at = 0;

	delta_begin(&cd, b, target);
	cd.any_length = g->any_length;

	enum ts_err err = map_flags(&cd, g, map, c);

	if (err != TS_OK) {
		delta_abort(&cd);
		return err;
	}
	for (size_t i = 0; i < g->count; i++) {
		struct store_message m = g->message[i];
		struct str summary = gathered_summary(g, &at, m.uid);

		m.flags = flags_mapped(&g->message[i].flags, map);
		m.savedate = store_wall(b->lane->store);
		delta_message(&cd, &m, summary);
		pairs[i] = (struct store_uid_pair){g->message[i].uid, m.uid};
	}
	delta_commit(&cd);
	return TS_OK;
}

void
remove_moved(struct batch *b, struct store_mailbox *source, const struct gathered *g)
{
	roaring_bitmap_t *uids = roaring_bitmap_create();
	struct change_delta cd;

	for (size_t i = 0; i < g->count; i++)
		roaring_bitmap_add(uids, g->message[i].uid);
	roaring_bitmap_run_optimize(uids);
	delta_begin(&cd, b, source);
	delta_expunge(&cd, uids);
	delta_commit(&cd);
}

/* ---- all ---- */

enum ts_err
prepare_change(struct batch *b, struct store_change *c)
{
	if (b->lane->store->opt.engine_options.read_only)
		return TS_DENIED;
	switch ((int)c->kind) {
	case STORE_CHANGE_APPEND:
		return prepare_append(b, c);
	case STORE_CHANGE_RAISE:
		return prepare_raise(b, c);
	case STORE_CHANGE_FLAGS:
		return prepare_flags(b, c);
	case STORE_CHANGE_EXPUNGE:
		return prepare_expunge(b, c);
	case STORE_CHANGE_COPY:
	case STORE_CHANGE_MOVE:
		return TS_INVALID; /* without its mailboxes */
	case STORE_CHANGE_RECORDS:
		return prepare_records(b, c);
	case STORE_CHANGE_PROPERTIES:
		return prepare_properties(b, c);
	case STORE_CHANGE_OWN:
		return prepare_own(b, c);
	case INNER_NEW_ACCOUNT:
	case INNER_NEW_BARE:
		return prepare_new_account(b, c, (int)c->kind == INNER_NEW_BARE);
	case INNER_DROP_ACCOUNT:
		return prepare_drop_account(b, c);
	case INNER_EXPORT:
	case INNER_IMPORT:
	case INNER_FINISH:
	case INNER_FORGET:
	case INNER_ENDED:
		return cross_prepare(b, c);
	case INNER_CLAIM:
		return claims_prepare(b, c);
	case INNER_PIECE:
	case INNER_SHOW:
	case INNER_UNSTAGE:
		return copy_prepare(b, c);
	case INNER_RENAME_BEGIN:
	case INNER_RENAME_SHOW:
		return rename_prepare(b, c);
	default:
		return prepare_list_change(b, c);
	}
}

void
prepare_close(struct batch *b)
{
	for (struct pend *p = b->pends; p != NULL; p = p->next) {
		struct store_mailbox *mb = p->mailbox;
		struct head_view v;

		pthread_rwlock_rdlock(&mb->lock);
		head_view_of(&v, b, mb);
		if (mb->head.c.recent_mark < mb->state->counters.recent_mark)
			mb->head.c.recent_mark = mb->state->counters.recent_mark;
		mb->head.c.recent = head_count_above(&v, mb->head.c.recent_mark);
		pthread_rwlock_unlock(&mb->lock);
		p->after = mb->head.c;
		if (!mb->head.gone)
			mailbox_put_counters(mb, b->ops);
	}
}
