/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head of a mailbox: what is published, plus the effects of the batch under
 * flush and of the batch being prepared.  A pend holds, for each flag, the
 * messages that got it and those that lost it.  So a look-up in the head is a
 * look-up in the state, corrected twice.
 */
#include "base/mem.h"
#include "store/change/batch_int.h"

static void
pend_grow(struct pend *p, unsigned flag)
{
	unsigned cap = p->flag_cap;

	if (flag < cap)
		return;
	p->flag_cap = flag + 8;
	p->set = mem_realloc(p->set, p->flag_cap * sizeof(roaring_bitmap_t *));
	p->clear = mem_realloc(p->clear, p->flag_cap * sizeof(roaring_bitmap_t *));
	for (; cap < p->flag_cap; cap++)
		p->set[cap] = p->clear[cap] = NULL;
}

static void
or_into(roaring_bitmap_t **set, const roaring_bitmap_t *more)
{
	if (*set == NULL)
		*set = roaring_bitmap_copy(more);
	else
		roaring_bitmap_or_inplace(*set, more);
}

static void
pend_flag(struct pend *p, unsigned flag, bool on, const roaring_bitmap_t *uids)
{
	pend_grow(p, flag);

	roaring_bitmap_t **to = on ? &p->set[flag] : &p->clear[flag];
	roaring_bitmap_t *other = on ? p->clear[flag] : p->set[flag];

	or_into(to, uids);
	if (other != NULL)
		roaring_bitmap_andnot_inplace(other, uids);
}

static void
pend_message(struct pend *p, const struct store_message *m)
{
	if (p->message_count == p->message_cap) {
		p->message_cap = p->message_cap > 0 ? p->message_cap * 2 : 1;
		p->message = mem_realloc(p->message, p->message_cap * sizeof *p->message);
	}
	p->message[p->message_count++] = *m;
	if (p->added == NULL)
		p->added = roaring_bitmap_create();
	roaring_bitmap_add(p->added, m->uid);
	for (unsigned w = 0; w < STORE_FLAG_WORDS; w++)
		for (uint64_t bits = m->flags.w[w]; bits != 0; bits &= bits - 1) {
			unsigned flag = w * 64 + (unsigned)__builtin_ctzll(bits);

			pend_grow(p, flag);
			if (p->set[flag] == NULL)
				p->set[flag] = roaring_bitmap_create();
			roaring_bitmap_add(p->set[flag], m->uid);
		}
}

/* Takes over the delta and shows it to all later look-ups in the head. */
static void
pend_delta(struct pend *p, struct delta *d)
{
	for (size_t i = 0; i < d->added_count; i++)
		pend_message(p, &d->added[i]);
	for (size_t i = 0; i < d->flag_count; i++)
		pend_flag(p, d->flags[i].flag, d->flags[i].on, d->flags[i].uids);
	if (d->expunged != NULL)
		or_into(&p->expunged, d->expunged);
	*p->last = d;
	p->last = &d->next;
}

/* ---- look-ups ---- */

void
head_view_of(struct head_view *v, const struct batch *b, struct store_mailbox *mb)
{
	v->mailbox = mb;
	v->state = mb->state;
	v->pend[0] = mb->pend[1 - b->index];
	v->pend[1] = mb->pend[b->index];
}

roaring_bitmap_t *
head_existing(const struct head_view *v, const roaring_bitmap_t *among, bool durable)
{
	roaring_bitmap_t *set = among != NULL ? roaring_bitmap_and(v->state->uids, among)
	                                      : roaring_bitmap_copy(v->state->uids);

	for (unsigned i = 0; i < 2; i++) {
		const struct pend *p = v->pend[i];

		if (p == NULL)
			continue;
		if (p->added != NULL && !durable) {
			roaring_bitmap_t *more = among != NULL ? roaring_bitmap_and(p->added, among)
			                                       : roaring_bitmap_copy(p->added);

			roaring_bitmap_or_inplace(set, more);
			roaring_bitmap_free(more);
		}
		if (p->expunged != NULL)
			roaring_bitmap_andnot_inplace(set, p->expunged);
	}
	return set;
}

roaring_bitmap_t *
head_flagged(const struct head_view *v, unsigned flag, const roaring_bitmap_t *among)
{
	const roaring_bitmap_t *base = state_flagged(v->state, flag);
	roaring_bitmap_t *set =
	    base != NULL ? roaring_bitmap_and(base, among) : roaring_bitmap_create();

	for (unsigned i = 0; i < 2; i++) {
		const struct pend *p = v->pend[i];

		if (p == NULL || flag >= p->flag_cap)
			continue;
		if (p->clear[flag] != NULL)
			roaring_bitmap_andnot_inplace(set, p->clear[flag]);
		if (p->set[flag] != NULL) {
			roaring_bitmap_t *more = roaring_bitmap_and(p->set[flag], among);

			roaring_bitmap_or_inplace(set, more);
			roaring_bitmap_free(more);
		}
	}
	return set;
}

static const struct store_message *
pend_find(const struct pend *p, uint32_t uid)
{
	size_t lo = 0, hi = p->message_count;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (p->message[mid].uid < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < p->message_count && p->message[lo].uid == uid ? &p->message[lo] : NULL;
}

static void
pend_flags_of(const struct pend *p, uint32_t uid, struct store_flags *flags)
{
	for (unsigned f = 0; f < p->flag_cap; f++) {
		if (p->clear[f] != NULL && roaring_bitmap_contains(p->clear[f], uid))
			flags->w[f / 64] &= ~((uint64_t)1 << (f % 64));
		if (p->set[f] != NULL && roaring_bitmap_contains(p->set[f], uid))
			store_flags_set(flags, f);
	}
}

bool
head_message(const struct head_view *v, uint32_t uid, struct store_message *m)
{
	bool found = state_message(v->state, uid, m);

	for (unsigned i = 0; i < 2; i++) {
		const struct pend *p = v->pend[i];
		const struct store_message *new = p != NULL && !found ? pend_find(p, uid) : NULL;

		if (new != NULL) {
			*m = *new;
			memset(&m->flags, 0, sizeof m->flags);
			found = true;
		}
		if (p != NULL && found)
			pend_flags_of(p, uid, &m->flags);
	}
	return found;
}

roaring_bitmap_t *
head_changed(const struct head_view *v, uint64_t since, const roaring_bitmap_t *among)
{
	roaring_bitmap_t *set = roaring_bitmap_create();

	state_changed_since(v->state, since, set);
	for (unsigned i = 0; i < 2; i++)
		for (const struct delta *d = v->pend[i] != NULL ? v->pend[i]->first : NULL;
		     d != NULL; d = d->next)
			if (d->modseq > since) {
				roaring_bitmap_t *touched = delta_touched(d);

				roaring_bitmap_or_inplace(set, touched);
				roaring_bitmap_free(touched);
			}
	roaring_bitmap_and_inplace(set, among);
	return set;
}

uint64_t
head_highest(const struct head_view *v, const roaring_bitmap_t *among)
{
	uint64_t highest = state_highest(v->state, among);

	for (unsigned i = 0; i < 2; i++)
		for (const struct delta *d = v->pend[i] != NULL ? v->pend[i]->first : NULL;
		     d != NULL; d = d->next) {
			if (d->modseq <= highest)
				continue;

			roaring_bitmap_t *touched = delta_touched(d);

			if (roaring_bitmap_intersect(touched, among))
				highest = d->modseq;
			roaring_bitmap_free(touched);
		}
	return highest;
}

static uint32_t
head_count_above(const struct head_view *v, uint32_t mark)
{
	roaring_bitmap_t *above = roaring_bitmap_create();
	uint64_t n = 0;

	/* Stop at the last UID: a range up to the maximum costs 65,536 containers. */
	if (mark + (uint64_t)1 < v->mailbox->head.c.uidnext) {
		roaring_bitmap_add_range_closed(above, mark + 1, v->mailbox->head.c.uidnext - 1);

		roaring_bitmap_t *set = head_existing(v, above, false);

		n = roaring_bitmap_get_cardinality(set);
		roaring_bitmap_free(set);
	}
	roaring_bitmap_free(above);
	return (uint32_t)n;
}

/* ---- making deltas ---- */

void
delta_begin(struct change_delta *cd, struct batch *b, struct store_mailbox *mb)
{
	pthread_rwlock_rdlock(&mb->lock);
	*cd = (struct change_delta){.b = b,
	    .mailbox = mb,
	    .delta = delta_new(mb->head.c.modseq + 1),
	    .c = mb->head.c,
	    .keywords = keywords_ref(mb->head.keywords)};
	head_view_of(&cd->head, b, mb);
}

void
delta_abort(struct change_delta *cd)
{
	pthread_rwlock_unlock(&cd->mailbox->lock);
	store_keywords_unref(&cd->keywords);
	delta_free(&cd->delta);
}

void
delta_commit(struct change_delta *cd)
{
	struct store_mailbox *mb = cd->mailbox;
	struct key k;

	pthread_rwlock_unlock(&mb->lock);
	key_index(&k, mb->account->id, mb->id, KEY_CHANGE);
	key_be64(&k, cd->delta->modseq);
	value_begin(&cd->b->value);
	delta_encode(cd->delta, &cd->b->value);
	batch_put_value(cd->b->ops, &k, &cd->b->value);
	cd->c.modseq = cd->delta->modseq;
	usage_change(&mb->account->head_usage, &mb->head.c, &cd->c);
	mb->head.c = cd->c;
	store_keywords_unref(&mb->head.keywords);
	mb->head.keywords = cd->keywords;
	cd->keywords = NULL;
	pend_delta(batch_pend(cd->b, mb), cd->delta);
	cd->delta = NULL;
}

/* Returns whether any of the messages, which must all exist, has the flag. */
static bool
has_any(const struct head_view *v, unsigned flag, const roaring_bitmap_t *among)
{
	const roaring_bitmap_t *base = state_flagged(v->state, flag);
	bool pending = false, any;

	for (unsigned i = 0; i < 2; i++)
		pending |= v->pend[i] != NULL && flag < v->pend[i]->flag_cap;
	if (!pending) /* the most frequent case needs no set */
		return base != NULL && roaring_bitmap_intersect(base, among);

	roaring_bitmap_t *have = head_flagged(v, flag, among);

	any = !roaring_bitmap_is_empty(have);
	roaring_bitmap_free(have);
	return any;
}

unsigned
head_keywords(const struct batch *b, struct store_mailbox *mb)
{
	roaring_bitmap_t *all;
	unsigned n = 0;
	struct head_view v;

	pthread_rwlock_rdlock(&mb->lock);
	head_view_of(&v, b, mb);
	all = head_existing(&v, NULL, false);
	for (unsigned f = STORE_FIRST_KEYWORD; f < store_keywords_end(mb->head.keywords); f++)
		n += has_any(&v, f, all);
	pthread_rwlock_unlock(&mb->lock);
	roaring_bitmap_free(all);
	return n;
}

/* Drops keywords that no message has and that this change does not set. */
static void
forget_keywords(struct change_delta *cd)
{
	roaring_bitmap_t *all = head_existing(&cd->head, NULL, false);

	for (unsigned f = STORE_FIRST_KEYWORD; f < store_keywords_end(cd->keywords); f++) {
		if (keywords_stored(cd->keywords, f).p == NULL || store_flags_has(&cd->named, f) ||
		    has_any(&cd->head, f, all))
			continue;
		keywords_drop(&cd->keywords, f);
		store_flags_set(&cd->delta->forgotten, f);
	}
	roaring_bitmap_free(all);
}

int
delta_keyword_flag(struct change_delta *cd, struct str name)
{
	const struct store_options *opt = &cd->mailbox->account->store->opt;
	int flag = store_keywords_find(cd->keywords, name);

	if (!keyword_ok(name))
		return -1;
	if (flag < 0 && name.n > opt->keyword_bytes && !cd->any_length) {
		cd->limit = STORE_LIMIT_KEYWORD_BYTES;
		return -1;
	}
	if (flag < 0 && cd->keywords->count >= opt->max_keywords)
		forget_keywords(cd);
	if (flag < 0 && cd->keywords->count >= opt->max_keywords) {
		cd->limit = STORE_LIMIT_KEYWORDS;
		return -1;
	}
	if (flag < 0) {
		flag = (int)keywords_free_number(cd->keywords);
		keywords_put(&cd->keywords, (unsigned)flag, name);
		delta_add_keyword(cd->delta, (unsigned)flag, name);
	}
	store_flags_set(&cd->named, (unsigned)flag);
	return flag;
}

void
message_put(struct batch *b, const struct store_mailbox *mb, const struct store_message *m,
    struct str summary)
{
	struct key k;

	key_ref(&k, KEY_REF, mb->account->id, m->blob, mb->id, m->uid);
	batch_put_empty(b->ops, &k);
	if (summary.p == NULL)
		return;
	key_index(&k, mb->account->id, mb->id, KEY_SUMMARY);
	key_be32(&k, m->uid);
	value_begin(&b->value);
	buf_str(&b->value, summary);
	batch_put_value(b->ops, &k, &b->value);
}

void
delta_show(struct change_delta *cd, struct store_message *m)
{
	m->uid = cd->c.uidnext++;
	m->modseq = cd->delta->modseq;
	*delta_add_message(cd->delta) = *m;
	cd->c.messages++;
	cd->c.recent++;
	cd->c.size += m->size;
	if (!store_flags_has(&m->flags, STORE_SEEN))
		cd->c.unseen++;
	if (store_flags_has(&m->flags, STORE_DELETED)) {
		cd->c.deleted++;
		cd->c.deleted_size += m->size;
	}
}

void
delta_message(struct change_delta *cd, struct store_message *m, struct str summary)
{
	delta_show(cd, m);
	message_put(cd->b, cd->mailbox, m, summary);
}

void
delta_put_flag(struct change_delta *cd, unsigned flag, bool on, roaring_bitmap_t *uids)
{
	uint32_t n = (uint32_t)roaring_bitmap_get_cardinality(uids);
	uint64_t size = 0;

	if (flag == STORE_SEEN)
		cd->c.unseen += on ? -n : n;
	if (flag == STORE_DELETED) {
		roaring_uint32_iterator_t it;
		struct store_message m;

		for (roaring_init_iterator(uids, &it); it.has_value;
		     roaring_advance_uint32_iterator(&it)) {
			const struct record *r = state_record(cd->head.state, it.current_value);

			if (r != NULL)
				size += r->size;
			else if (head_message(&cd->head, it.current_value, &m))
				size += m.size;
		}
		cd->c.deleted += on ? n : -n;
		cd->c.deleted_size += on ? size : -size;
	}
	delta_add_flag(cd->delta, flag, on, uids);
}

static void
forget_message(struct change_delta *cd, const struct store_message *m)
{
	struct store_mailbox *mb = cd->mailbox;
	struct key k;

	key_ref(&k, KEY_REF, mb->account->id, m->blob, mb->id, m->uid);
	engine_batch_delete(cd->b->ops, key_str(&k));
	key_ref(&k, KEY_QUEUE, mb->account->id, m->blob, mb->id, m->uid);
	batch_put_queue(cd->b->ops, &k);
	batch_job(cd->b, mb->account->id, BG_COLLECT);
}

void
delta_expunge(struct change_delta *cd, roaring_bitmap_t *uids)
{
	bool later = roaring_bitmap_get_cardinality(uids) > EXPUNGE_INLINE;
	struct buf *job = &cd->b->value;
	roaring_uint32_iterator_t it;
	struct key k;

	value_begin(job);
	for (roaring_init_iterator(uids, &it); it.has_value; roaring_advance_uint32_iterator(&it)) {
		struct store_message m;

		if (!head_message(&cd->head, it.current_value, &m))
			continue;
		cd->c.messages--;
		cd->c.size -= m.size;
		if (!store_flags_has(&m.flags, STORE_SEEN))
			cd->c.unseen--;
		if (store_flags_has(&m.flags, STORE_DELETED)) {
			cd->c.deleted--;
			cd->c.deleted_size -= m.size;
		}
		if (later) {
			buf_varint(job, m.uid);
			buf_varint(job, m.blob);
		} else {
			forget_message(cd, &m);
		}
	}
	if (later) {
		key_job(
		    &k, KEY_PURGE, cd->mailbox->account->id, cd->mailbox->id, cd->delta->modseq);
		batch_put_value(cd->b->ops, &k, job);
		batch_job(cd->b, cd->mailbox->account->id, BG_PURGE);
	}
	cd->delta->expunged = uids;
}

/* ---- the end of a batch ---- */

void
head_close(struct batch *b)
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
