/* SPDX-License-Identifier: Apache-2.0 */
/* A user's own \Seen: see own_seen.h. */
#include "store/own_seen.h"

#include "base/mem.h"
#include "store/disk/keys.h"

/* ---- values ---- */

static void
step_unref(struct own_step *step)
{
	if (atomic_fetch_sub(&step->refs, 1) > 1)
		return;
	roaring_bitmap_free(step->uids);
	mem_free(step);
}

struct own_seen *
own_new(roaring_bitmap_t *seen, uint32_t recent_mark)
{
	struct own_seen *o = mem_zalloc(sizeof *o);

	o->refs = 1;
	o->seen = seen;
	o->recent_mark = recent_mark;
	return o;
}

struct own_seen *
own_ref(struct own_seen *o)
{
	if (o != NULL)
		atomic_fetch_add(&o->refs, 1);
	return o;
}

void
own_unref(struct own_seen **op)
{
	struct own_seen *o = *op;

	*op = NULL;
	if (o == NULL || atomic_fetch_sub(&o->refs, 1) > 1)
		return;
	for (size_t i = 0; i < o->count; i++)
		step_unref(o->step[i]);
	mem_free(o->step);
	roaring_bitmap_free(o->seen);
	mem_free(o);
}

/* Returns a copy with the same steps and room for one more.  Takes over the set. */
static struct own_seen *
copy_own(const struct own_seen *from, roaring_bitmap_t *seen)
{
	struct own_seen *o = own_new(seen, from->recent_mark);

	o->u = from->u;
	o->floor_s = from->floor_s;
	o->floor_u = from->floor_u;
	o->count = from->count;
	o->bytes = from->bytes;
	o->step = mem_zalloc((o->count + 1) * sizeof(struct own_step *));
	for (size_t i = 0; i < o->count; i++) {
		o->step[i] = from->step[i];
		atomic_fetch_add(&o->step[i]->refs, 1);
	}
	return o;
}

/* ---- numbers ---- */

uint64_t
own_highest(const struct own_seen *o, uint64_t s)
{
	return s + o->u;
}

/* Counts the steps made below s. */
static size_t
steps_below(const struct own_seen *o, uint64_t s)
{
	size_t lo = 0, hi = o->count;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (o->step[mid]->s < s)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

uint64_t
own_to(const struct own_seen *o, uint64_t s)
{
	if (s <= o->floor_s)
		return o->floor_s + o->floor_u;
	return s + o->floor_u + steps_below(o, s);
}

uint64_t
own_from(const struct own_seen *o, uint64_t v)
{
	size_t lo = 0, hi = o->count;

	if (v < o->floor_s + o->floor_u)
		return 0;
	/* Find the first step not made before the change in question. */
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (v - o->floor_u > o->step[mid]->s + mid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return v - o->floor_u - lo;
}

uint64_t
own_number(const struct own_seen *o, size_t i)
{
	return o->step[i]->s + o->floor_u + i + 1;
}

uint64_t
own_highest_of(const struct own_seen *o, uint64_t s, const roaring_bitmap_t *uids)
{
	uint64_t highest = own_to(o, s);

	for (size_t i = o->count; i-- > 0 && own_number(o, i) > highest;)
		if (roaring_bitmap_intersect(o->step[i]->uids, uids))
			return own_number(o, i);
	return highest;
}

/* Returns the index of the first step with a number above v. */
static size_t
first_above(const struct own_seen *o, uint64_t v)
{
	size_t lo = 0, hi = o->count;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (own_number(o, mid) <= v)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

void
own_changed_since(const struct own_seen *o, uint64_t v, roaring_bitmap_t *set)
{
	for (size_t i = first_above(o, v); i < o->count; i++)
		roaring_bitmap_or_inplace(set, o->step[i]->uids);
}

/* Raises the MODSEQs of the messages that the step changed. */
static void
raise(
    const struct own_step *step, uint64_t number, const uint32_t *uids, uint64_t *modseq, size_t n)
{
	roaring_uint32_iterator_t it;
	size_t i = 0;

	roaring_init_iterator(step->uids, &it);
	while (i < n && roaring_move_uint32_iterator_equalorlarger(&it, uids[i])) {
		while (i < n && uids[i] < it.current_value)
			i++;
		if (i < n && uids[i] == it.current_value) {
			modseq[i] = modseq[i] < number ? number : modseq[i];
			i++;
		}
	}
}

void
own_modseqs(const struct own_seen *o, const uint32_t *uids, uint64_t *modseq, size_t n)
{
	for (size_t i = 0; i < n; i++)
		modseq[i] = own_to(o, modseq[i]);
	for (size_t i = 0; i < o->count; i++)
		raise(o->step[i], own_number(o, i), uids, modseq, n);
}

uint64_t
own_unseen(const struct own_seen *o, const roaring_bitmap_t *uids)
{
	return roaring_bitmap_andnot_cardinality(uids, o->seen);
}

/* ---- changes ---- */

struct own_seen *
own_forgotten(const struct own_seen *own, uint64_t s)
{
	struct own_seen *o = own_new(roaring_bitmap_create(), own->recent_mark);

	o->u = o->floor_u = own->u + 1;
	o->floor_s = s > own->floor_s ? s : own->floor_s;
	if (own->count > 0 && own->step[own->count - 1]->s > o->floor_s)
		o->floor_s = own->step[own->count - 1]->s;
	return o;
}

static struct own_step *
step_new(uint64_t s, bool on, roaring_bitmap_t *uids)
{
	struct own_step *step = mem_zalloc(sizeof *step);

	step->refs = 1;
	step->s = s;
	step->on = on;
	step->uids = uids;
	step->bytes = roaring_bitmap_portable_size_in_bytes(uids);
	return step;
}

static void
push(struct own_seen *o, struct own_step *step)
{
	o->step[o->count++] = step;
	o->bytes += step->bytes;
	o->u++;
	if (step->on)
		roaring_bitmap_or_inplace(o->seen, step->uids);
	else
		roaring_bitmap_andnot_inplace(o->seen, step->uids);
}

/* Drops the oldest steps, but always keeps one. */
static bool
trim(struct own_seen *o)
{
	size_t n = 0;

	if (o->count <= OWN_STEPS + OWN_STEPS_MORE && o->bytes <= OWN_STEP_BYTES)
		return false;
	for (; o->count - n > 1 && (o->count - n > OWN_STEPS || o->bytes > OWN_STEP_BYTES / 2);
	     n++) {
		o->floor_s = o->step[n]->s;
		o->floor_u++;
		o->bytes -= o->step[n]->bytes;
		step_unref(o->step[n]);
	}
	o->count -= n;
	memmove(o->step, o->step + n, o->count * sizeof(struct own_step *));
	return n > 0;
}

struct own_seen *
own_change(
    const struct own_seen *from, uint64_t s, bool on, const roaring_bitmap_t *uids, bool *trimmed_r)
{
	roaring_bitmap_t *really =
	    on ? roaring_bitmap_andnot(uids, from->seen) : roaring_bitmap_and(uids, from->seen);
	struct own_seen *o;

	*trimmed_r = false;
	if (roaring_bitmap_is_empty(really)) {
		roaring_bitmap_free(really);
		return NULL;
	}
	(void)roaring_bitmap_run_optimize(really);
	o = copy_own(from, roaring_bitmap_copy(from->seen));
	/* A mailbox never goes back; if it seems to, the numbers still grow. */
	if (o->count > 0 && s < o->step[o->count - 1]->s)
		s = o->step[o->count - 1]->s;
	if (s < o->floor_s)
		s = o->floor_s;
	push(o, step_new(s, on, really));
	*trimmed_r = trim(o);
	return o;
}

struct own_seen *
own_without(const struct own_seen *from, const roaring_bitmap_t *gone)
{
	struct own_seen *o = copy_own(from, roaring_bitmap_andnot(from->seen, gone));

	o->bytes = 0;
	for (size_t i = 0; i < o->count; i++) {
		struct own_step *old = o->step[i];

		o->step[i] = step_new(old->s, old->on, roaring_bitmap_andnot(old->uids, gone));
		o->bytes += o->step[i]->bytes;
		step_unref(old);
	}
	return o;
}

/* ---- rows ---- */

void
own_put_header(const struct own_seen *o, struct buf *b)
{
	buf_le32(b, o->recent_mark);
	buf_le64(b, o->floor_s);
	buf_le64(b, o->floor_u);
	value_put_set(b, o->seen);
}

void
own_put_step(const struct own_seen *o, const struct own_step *step, struct buf *b)
{
	buf_le64(b, step->s);
	buf_le32(b, o->recent_mark);
	buf_putc(b, step->on);
	value_put_set(b, step->uids);
}

struct own_seen *
own_take_header(struct str body)
{
	struct rd r = rd_of(body);
	uint32_t mark = rd_le32(&r);
	uint64_t s = rd_le64(&r), u = rd_le64(&r);
	roaring_bitmap_t *seen = value_take_set(&r);
	struct own_seen *o;

	if (seen == NULL || r.bad || rd_left(&r) > 0 || s > UINT64_MAX / 4 || u > UINT64_MAX / 4) {
		if (seen != NULL)
			roaring_bitmap_free(seen);
		return NULL;
	}
	o = own_new(seen, mark);
	o->floor_s = s;
	o->floor_u = o->u = u;
	return o;
}

bool
own_take_step(struct own_seen *o, uint64_t u, struct str body)
{
	struct rd r = rd_of(body);
	uint64_t s = rd_le64(&r), least = o->count > 0 ? o->step[o->count - 1]->s : o->floor_s;
	uint32_t mark = rd_le32(&r);
	uint8_t on = rd_u8(&r);
	roaring_bitmap_t *uids = value_take_set(&r);

	if (uids == NULL || r.bad || rd_left(&r) > 0 || on > 1 || u != o->u + 1 || s < least ||
	    s > UINT64_MAX / 4) {
		if (uids != NULL)
			roaring_bitmap_free(uids);
		return false;
	}
	/* Double the room. */
	if ((o->count & (o->count - 1)) == 0)
		o->step = mem_realloc(o->step, (2 * o->count + 1) * sizeof(struct own_step *));
	push(o, step_new(s, on != 0, uids));
	if (mark > o->recent_mark)
		o->recent_mark = mark;
	return true;
}

size_t
own_cost(const struct own_seen *o)
{
	return mem_cost(sizeof *o) + mem_cost(o->count * (sizeof(struct own_step *))) +
	       o->count * mem_cost(sizeof(struct own_step)) + 2 * o->bytes +
	       roaring_bitmap_portable_size_in_bytes(o->seen);
}
