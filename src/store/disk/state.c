/* SPDX-License-Identifier: Apache-2.0 */
/* A mailbox in memory: applying changes, and looking things up. */
#include "store/disk/state.h"

#include "base/mem.h"

struct state *
state_new(void)
{
	struct state *s = mem_zalloc(sizeof *s);

	s->uids = roaring_bitmap_create();
	s->flag_count = STORE_FIRST_KEYWORD;
	s->flag = mem_zalloc(s->flag_count * sizeof(roaring_bitmap_t *));
	s->keywords = keywords_new();
	s->counters.uidnext = 1;
	s->counters.modseq = 1;
	return s;
}

static void
drop_set(roaring_bitmap_t **set)
{
	if (*set != NULL)
		roaring_bitmap_free(*set);
	*set = NULL;
}

static void
chunk_free(struct chunk *c)
{
	mem_free(c->rec);
	mem_free(c);
}

static void
drop_ring(struct state *s)
{
	for (unsigned i = 0; s->ring != NULL && i < STATE_RING; i++)
		drop_set(&s->ring[i].uids);
	mem_free(s->ring);
	s->ring = NULL;
	s->ring_next = 0;
}

void
state_forget_changes(struct state *s)
{
	drop_ring(s);
	s->ring_floor = s->counters.modseq;
}

void
state_free(struct state **sp)
{
	struct state *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	drop_set(&s->uids);
	drop_set(&s->emptied);
	for (unsigned f = 0; f < s->flag_count; f++)
		drop_set(&s->flag[f]);
	for (size_t i = 0; i < s->chunk_count; i++)
		chunk_free(s->chunk[i]);
	for (size_t i = 0; i < s->expunged_count; i++)
		drop_set(&s->expunged[i].uids);
	drop_ring(s);
	store_keywords_unref(&s->keywords);
	mem_free(s->flag);
	mem_free(s->chunk);
	mem_free(s->expunged);
	mem_free(s);
}

static void
grow_flags(struct state *s, unsigned flag)
{
	s->flag = mem_realloc(s->flag, (flag + 1) * sizeof(roaring_bitmap_t *));
	memset(s->flag + s->flag_count, 0, (flag + 1 - s->flag_count) * sizeof(roaring_bitmap_t *));
	s->flag_count = flag + 1;
}

roaring_bitmap_t *
state_flag_set(struct state *s, unsigned flag)
{
	if (flag >= s->flag_count)
		grow_flags(s, flag);
	if (s->flag[flag] == NULL)
		s->flag[flag] = roaring_bitmap_create();
	return s->flag[flag];
}

size_t
state_chunk_at(const struct state *s, uint32_t number)
{
	size_t lo = 0, hi = s->chunk_count;

	if (hi > 0 && s->chunk[hi - 1]->number <= number)
		return s->chunk[hi - 1]->number == number ? hi - 1 : hi;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (s->chunk[mid]->number < number)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct chunk *
state_chunk(const struct state *s, uint32_t number)
{
	size_t at = state_chunk_at(s, number);

	return at < s->chunk_count && s->chunk[at]->number == number ? s->chunk[at] : NULL;
}

struct chunk *
state_chunk_add(struct state *s, size_t at, uint32_t number, uint32_t cap)
{
	struct chunk *c = mem_zalloc(sizeof *c);

	if (s->chunk_count == s->chunk_cap) {
		s->chunk_cap = s->chunk_cap > 0 ? s->chunk_cap * 2 : 1;
		s->chunk = mem_realloc(s->chunk, s->chunk_cap * sizeof(struct chunk *));
	}
	memmove(s->chunk + at + 1, s->chunk + at, (s->chunk_count - at) * sizeof(struct chunk *));
	s->chunk[at] = c;
	s->chunk_count++;
	c->number = number;
	c->cap = cap;
	c->rec = mem_realloc(NULL, cap * sizeof *c->rec);
	s->record_bytes += cap * sizeof *c->rec;
	return c;
}

/* Returns the index of the UID in the chunk, or where it would be inserted. */
static uint32_t
record_at(const struct chunk *c, uint32_t off)
{
	uint32_t lo = 0, hi = c->n;

	if (hi == 0 || c->rec[hi - 1].off < off)
		return hi;
	/* If there are no gaps before it, the index is known. */
	if (off >= c->rec[0].off && off - c->rec[0].off < hi &&
	    c->rec[off - c->rec[0].off].off == off)
		return off - c->rec[0].off;
	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (c->rec[mid].off < off)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct record *
record_in(const struct chunk *c, uint32_t uid)
{
	uint32_t off = uid & (CHUNK_UIDS - 1), i = record_at(c, off);

	return i < c->n && c->rec[i].off == off ? &c->rec[i] : NULL;
}

const struct record *
state_record(const struct state *s, uint32_t uid)
{
	const struct chunk *c = state_chunk(s, uid >> CHUNK_BITS);

	return c != NULL ? record_in(c, uid) : NULL;
}

static struct record *
record_insert(struct state *s, struct chunk *c, uint32_t uid)
{
	uint32_t off = uid & (CHUNK_UIDS - 1), i = record_at(c, off);

	if (c->n == c->cap) {
		uint32_t cap = c->cap * 2 < CHUNK_UIDS ? c->cap * 2 : CHUNK_UIDS;

		s->record_bytes += (cap - c->cap) * sizeof *c->rec;
		c->cap = cap;
		c->rec = mem_realloc(c->rec, cap * sizeof *c->rec);
	}
	memmove(c->rec + i + 1, c->rec + i, (c->n - i) * sizeof *c->rec);
	c->n++;
	c->rec[i] = (struct record){.off = (uint16_t)off};
	return &c->rec[i];
}

static void
add_message(struct state *s, const struct store_message *m)
{
	if (!roaring_bitmap_add_checked(s->uids, m->uid))
		return; /* replayed over a block that includes it already */

	uint32_t number = m->uid >> CHUNK_BITS;
	size_t at = state_chunk_at(s, number);
	struct chunk *c = at < s->chunk_count && s->chunk[at]->number == number
	                      ? s->chunk[at]
	                      : state_chunk_add(s, at, number, at == 0 ? 4 : 64);
	struct record *r = record_insert(s, c, m->uid);

	r->zone = m->zone;
	r->size = m->size;
	r->modseq = m->modseq;
	r->blob = m->blob;
	r->internaldate = m->internaldate;
	r->savedate = m->savedate;
	if (c->changed < m->modseq)
		c->changed = m->modseq;
	STORE_EACH_FLAG (f, &m->flags, 0)
		roaring_bitmap_add(state_flag_set(s, f), m->uid);
}

/* Sets the messages' MODSEQ. */
static void
touch(struct state *s, const roaring_bitmap_t *uids, uint64_t modseq)
{
	roaring_uint32_iterator_t it;
	struct chunk *c = NULL;

	roaring_init_iterator(uids, &it);
	while (it.has_value) {
		uint32_t uid = it.current_value;

		if (c == NULL || c->number != uid >> CHUNK_BITS)
			c = state_chunk(s, uid >> CHUNK_BITS);

		struct record *r = c != NULL ? record_in(c, uid) : NULL;

		if (r != NULL) {
			r->modseq = modseq;
			c->changed = modseq;
		}
		roaring_advance_uint32_iterator(&it);
	}
}

static void
shrink_chunk(struct chunk *c, const roaring_bitmap_t *uids, uint64_t modseq)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < c->n; i++)
		if (!roaring_bitmap_contains(uids, c->number << CHUNK_BITS | c->rec[i].off))
			c->rec[kept++] = c->rec[i];
	if (kept != c->n)
		c->changed = modseq;
	c->n = kept;
}

static void
remove_messages(struct state *s, const roaring_bitmap_t *uids, uint64_t modseq)
{
	uint32_t first = roaring_bitmap_minimum(uids) >> CHUNK_BITS;
	uint32_t last = roaring_bitmap_maximum(uids) >> CHUNK_BITS;
	size_t from = state_chunk_at(s, first), kept = from, i = from;

	for (; i < s->chunk_count && s->chunk[i]->number <= last; i++) {
		struct chunk *c = s->chunk[i];

		shrink_chunk(c, uids, modseq);
		if (c->n > 0) {
			s->chunk[kept++] = c;
			continue;
		}
		if (s->emptied == NULL)
			s->emptied = roaring_bitmap_create();
		roaring_bitmap_add(s->emptied, c->number);
		s->record_bytes -= c->cap * sizeof *c->rec;
		chunk_free(c);
	}
	if (kept != i) {
		memmove(
		    s->chunk + kept, s->chunk + i, (s->chunk_count - i) * sizeof(struct chunk *));
		s->chunk_count -= i - kept;
	}
	roaring_bitmap_andnot_inplace(s->uids, uids);
	for (unsigned f = 0; f < s->flag_count; f++)
		if (s->flag[f] != NULL)
			roaring_bitmap_andnot_inplace(s->flag[f], uids);
	for (unsigned k = 0; s->ring != NULL && k < STATE_RING; k++)
		if (s->ring[k].uids != NULL)
			roaring_bitmap_andnot_inplace(s->ring[k].uids, uids);
}

void
state_push_expunged(struct state *s, uint64_t modseq, roaring_bitmap_t *uids)
{
	if (s->expunged_count > 0 && s->expunged[s->expunged_count - 1].modseq >= modseq) {
		roaring_bitmap_free(uids); /* found in the log of expunges instead */
		return;
	}
	if (s->expunged_count == s->expunged_cap) {
		s->expunged_cap = s->expunged_cap > 0 ? s->expunged_cap * 2 : 4;
		s->expunged = mem_realloc(s->expunged, s->expunged_cap * sizeof *s->expunged);
	}
	s->expunged[s->expunged_count++] = (struct state_change){modseq, uids};
}

static void
ring_push(struct state *s, uint64_t modseq, roaring_bitmap_t *uids)
{
	struct state_change *e;

	if (s->ring == NULL)
		s->ring = mem_zalloc(STATE_RING * sizeof *s->ring);
	e = &s->ring[s->ring_next];

	s->ring_next = (s->ring_next + 1) % STATE_RING;
	if (e->uids != NULL) {
		s->ring_floor = e->modseq;
		roaring_bitmap_free(e->uids);
	}
	*e = (struct state_change){modseq, uids};
}

void
state_apply(struct state *s, struct delta *d)
{
	STORE_EACH_FLAG (f, &d->forgotten, STORE_FIRST_KEYWORD)
		keywords_drop(&s->keywords, f);
	for (size_t i = 0; i < d->keyword_count; i++)
		keywords_put(&s->keywords, d->keywords[i].flag, str_of(d->keywords[i].name));
	for (size_t i = 0; i < d->added_count; i++)
		add_message(s, &d->added[i]);
	for (size_t i = 0; i < d->flag_count; i++) {
		struct delta_flag *f = &d->flags[i];
		roaring_bitmap_t *set = state_flag_set(s, f->flag);

		if (f->on)
			roaring_bitmap_or_inplace(set, f->uids);
		else
			roaring_bitmap_andnot_inplace(set, f->uids);
		touch(s, f->uids, d->modseq);
	}
	if (d->added_count > 0 || d->flag_count > 0)
		ring_push(s, d->modseq, delta_touched(d));
	if (d->expunged != NULL && !roaring_bitmap_is_empty(d->expunged)) {
		remove_messages(s, d->expunged, d->modseq);
		state_push_expunged(s, d->modseq, d->expunged);
		d->expunged = NULL;
	}
}

/* ---- what it costs ---- */

/* Memory of a set's containers: the container and its values. */
#define CONTAINER_COST 32
#define ARRAY_SLACK 3 /* a grown array has room for a third more, roughly */
#define BITSET_COST (8192 + 64)

static size_t
set_cost(const roaring_bitmap_t *set)
{
	roaring_statistics_t st;
	size_t n;

	if (set == NULL)
		return 0;
	roaring_bitmap_statistics(set, &st);
	n = mem_cost(sizeof *set) + st.n_containers * CONTAINER_COST;
	n += mem_cost((size_t)set->high_low_container.allocation_size *
	              (sizeof(void *) + sizeof(uint16_t) + sizeof(uint8_t)));
	n += st.n_array_containers * mem_cost(0) + st.n_bytes_array_containers +
	     st.n_bytes_array_containers / ARRAY_SLACK;
	n += st.n_run_containers * mem_cost(0) + st.n_bytes_run_containers;
	return n + st.n_bitset_containers * BITSET_COST;
}

static size_t
keywords_cost(const struct store_keywords *t)
{
	size_t each = mem_cost(sizeof(void *) + sizeof(size_t) + 1);

	return mem_cost(sizeof *t) + mem_cost(t->cap * sizeof(void *)) + t->bytes + t->count * each;
}

/* There may be many expunges, so each is measured only once. */
static size_t
expunged_cost(struct state *s)
{
	if (s->expunged_measured > s->expunged_count)
		s->expunged_measured = s->expunged_bytes = 0;
	while (s->expunged_measured < s->expunged_count)
		s->expunged_bytes += set_cost(s->expunged[s->expunged_measured++].uids);
	return s->expunged_bytes + mem_cost(s->expunged_cap * sizeof *s->expunged);
}

static size_t
ring_cost(const struct state *s)
{
	size_t n = s->ring != NULL ? mem_cost(STATE_RING * sizeof *s->ring) : 0;

	for (unsigned k = 0; s->ring != NULL && k < STATE_RING; k++)
		n += set_cost(s->ring[k].uids);
	return n;
}

#define MEASURE_EVERY 16

void
state_measure(struct state *s)
{
	size_t n = mem_cost(sizeof *s) + set_cost(s->uids) + set_cost(s->emptied);

	n += mem_cost(s->flag_count * sizeof(roaring_bitmap_t *));
	for (unsigned f = 0; f < s->flag_count; f++)
		n += set_cost(s->flag[f]);
	n += keywords_cost(s->keywords) + expunged_cost(s) + ring_cost(s);
	n += mem_cost(s->chunk_cap * sizeof(struct chunk *));
	s->set_bytes = n + s->chunk_count * (mem_cost(sizeof(struct chunk)) + mem_cost(0) / 2);
	s->changes = 0;
}

void
state_measure_some(struct state *s)
{
	/* The first change allocates what a state that was only read does not have. */
	if (s->changes++ % MEASURE_EVERY == 0) {
		state_measure(s);
		s->changes = 1;
	}
}

/* ---- look-ups ---- */

const roaring_bitmap_t *
state_flagged(const struct state *s, unsigned flag)
{
	const roaring_bitmap_t *set = flag < s->flag_count ? s->flag[flag] : NULL;

	return set != NULL && !roaring_bitmap_is_empty(set) ? set : NULL;
}

static void
fill_message(struct store_message *m, uint32_t uid, const struct record *r)
{
	*m = (struct store_message){.uid = uid,
	    .size = r->size,
	    .modseq = r->modseq,
	    .blob = r->blob,
	    .internaldate = r->internaldate,
	    .savedate = r->savedate,
	    .zone = r->zone};
}

bool
state_message(const struct state *s, uint32_t uid, struct store_message *m)
{
	const struct record *r = state_record(s, uid);

	if (r == NULL)
		return false;
	fill_message(m, uid, r);
	for (unsigned f = 0; f < s->flag_count; f++)
		if (s->flag[f] != NULL && roaring_bitmap_contains(s->flag[f], uid))
			store_flags_set(&m->flags, f);
	return true;
}

/* Sets the flag in the window's messages that are in the set. */
static void
fill_flag(const roaring_bitmap_t *set, unsigned flag, struct store_message *out, size_t n)
{
	roaring_uint32_iterator_t it;

	roaring_init_iterator(set, &it);
	for (size_t i = 0; i < n && it.has_value; i++) {
		if (it.current_value < out[i].uid)
			roaring_advance_uint32_iterator(&it);
		if (it.has_value && it.current_value < out[i].uid)
			roaring_move_uint32_iterator_equalorlarger(&it, out[i].uid);
		if (it.has_value && it.current_value == out[i].uid)
			store_flags_set(&out[i].flags, flag);
	}
}

size_t
state_window(const struct state *s, const roaring_bitmap_t *set, uint32_t from,
    struct store_message *out, size_t max)
{
	roaring_uint32_iterator_t it;
	const struct chunk *c = NULL;
	size_t n = 0;

	roaring_init_iterator(set != NULL ? set : s->uids, &it);
	if (it.has_value && it.current_value < from)
		roaring_move_uint32_iterator_equalorlarger(&it, from);
	while (it.has_value && n < max) {
		uint32_t uid = it.current_value, number = uid >> CHUNK_BITS;

		if (c == NULL || c->number != number) {
			size_t at = state_chunk_at(s, number);

			if (at == s->chunk_count)
				break;
			c = s->chunk[at];
			if (c->number != number) {
				/* The set may have UIDs that do not exist. */
				roaring_move_uint32_iterator_equalorlarger(
				    &it, c->number << CHUNK_BITS);
				continue;
			}
		}

		const struct record *r = record_in(c, uid);

		if (r != NULL)
			fill_message(&out[n++], uid, r);
		roaring_advance_uint32_iterator(&it);
	}
	for (unsigned f = 0; f < s->flag_count; f++)
		if (s->flag[f] != NULL)
			fill_flag(s->flag[f], f, out, n);
	return n;
}

static void
changed_in_chunk(const struct chunk *c, uint64_t since, roaring_bitmap_t *set)
{
	uint32_t uids[CHUNK_UIDS], n = 0;

	for (uint32_t i = 0; i < c->n; i++)
		if (c->rec[i].modseq > since)
			uids[n++] = c->number << CHUNK_BITS | c->rec[i].off;
	roaring_bitmap_add_many(set, n, uids);
}

void
state_changed_since(const struct state *s, uint64_t since, roaring_bitmap_t *set)
{
	if (since >= s->counters.modseq)
		return;
	if (since >= s->ring_floor) {
		for (unsigned k = 0; s->ring != NULL && k < STATE_RING; k++)
			if (s->ring[k].uids != NULL && s->ring[k].modseq > since)
				roaring_bitmap_or_inplace(set, s->ring[k].uids);
		return;
	}
	for (size_t i = 0; i < s->chunk_count; i++)
		if (s->chunk[i]->changed > since)
			changed_in_chunk(s->chunk[i], since, set);
}

uint64_t
state_highest(const struct state *s, const roaring_bitmap_t *set)
{
	roaring_uint32_iterator_t it;
	uint64_t highest = 0;

	roaring_init_iterator(set, &it);
	while (it.has_value) {
		uint32_t number = it.current_value >> CHUNK_BITS;
		const struct chunk *c = state_chunk(s, number);

		/* Most chunks of a large set have nothing newer than what was found. */
		if (c == NULL || c->changed <= highest) {
			if (number == UINT32_MAX >> CHUNK_BITS)
				break;
			roaring_move_uint32_iterator_equalorlarger(&it, (number + 1) << CHUNK_BITS);
			continue;
		}
		for (; it.has_value && it.current_value >> CHUNK_BITS == number;
		     roaring_advance_uint32_iterator(&it)) {
			const struct record *r = record_in(c, it.current_value);

			if (r != NULL && r->modseq > highest)
				highest = r->modseq;
		}
	}
	return highest;
}

uint64_t
state_expunged_since(const struct state *s, uint64_t since, roaring_bitmap_t *set)
{
	for (size_t i = s->expunged_count; i-- > 0 && s->expunged[i].modseq > since;)
		roaring_bitmap_or_inplace(set, s->expunged[i].uids);
	return s->expunge_floor;
}

unsigned
state_nameless(const struct state *s)
{
	for (unsigned f = STORE_FIRST_KEYWORD; f < s->flag_count; f++)
		if (state_flagged(s, f) != NULL && keywords_stored(s->keywords, f).p == NULL)
			return f;
	return STORE_FLAGS_MAX;
}

void
state_put_header(const struct state *s, uint64_t snapshot, uint64_t floor, struct buf *b)
{
	buf_le64(b, snapshot);
	buf_le64(b, floor);
	buf_varint(b, s->keywords->count);
	for (unsigned f = STORE_FIRST_KEYWORD; f < s->keywords->end; f++) {
		struct str name = keywords_stored(s->keywords, f);

		if (name.p == NULL)
			continue;
		buf_varint(b, f);
		buf_vstr(b, name);
	}
}

uint32_t
state_count_above(const struct state *s, uint32_t mark)
{
	return (
	    uint32_t)(roaring_bitmap_get_cardinality(s->uids) - roaring_bitmap_rank(s->uids, mark));
}
