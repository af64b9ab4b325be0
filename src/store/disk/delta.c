/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Change records.  A record is a sequence of items, each a letter and its data:
 *   'k' flag:varint                         no message has the keyword: it is forgotten
 *   'K' flag:varint length:varint name      a new keyword
 *   'A' count:varint, then per message      new messages
 *       uid:varint (less the one before) size:varint blob:varint
 *       internaldate:z savedate:z zone:z flags:varint (count), flag:varint ...
 *   '+' flag:varint set                     messages that got the flag
 *   '-' flag:varint set                     messages that lost it
 *   'E' set                                 expunged
 */
#include "store/disk/delta.h"

#include "base/mem.h"

struct delta *
delta_new(uint64_t modseq)
{
	struct delta *d = mem_zalloc(sizeof *d);

	d->modseq = modseq;
	return d;
}

void
delta_free(struct delta **dp)
{
	struct delta *d = *dp;

	*dp = NULL;
	if (d == NULL)
		return;
	for (size_t i = 0; i < d->flag_count; i++)
		roaring_bitmap_free(d->flags[i].uids);
	for (size_t i = 0; i < d->keyword_count; i++)
		mem_free(d->keywords[i].name);
	if (d->expunged != NULL)
		roaring_bitmap_free(d->expunged);
	mem_free(d->added);
	mem_free(d->flags);
	mem_free(d->keywords);
	mem_free(d);
}

struct store_message *
delta_add_message(struct delta *d)
{
	if (d->added_count == d->added_cap) {
		d->added_cap = d->added_cap > 0 ? d->added_cap * 2 : 1;
		d->added = mem_realloc(d->added, d->added_cap * sizeof *d->added);
	}

	struct store_message *m = &d->added[d->added_count++];

	*m = (struct store_message){.modseq = d->modseq};
	return m;
}

void
delta_add_flag(struct delta *d, unsigned flag, bool on, roaring_bitmap_t *uids)
{
	if (roaring_bitmap_is_empty(uids)) {
		roaring_bitmap_free(uids);
		return;
	}
	roaring_bitmap_run_optimize(uids);
	d->flags = mem_realloc(d->flags, (d->flag_count + 1) * sizeof *d->flags);
	d->flags[d->flag_count++] = (struct delta_flag){flag, on, uids};
}

void
delta_add_keyword(struct delta *d, unsigned flag, struct str name)
{
	char *z = mem_zalloc(name.n + 1);

	if (name.n > 0)
		memcpy(z, name.p, name.n);
	d->keywords = mem_realloc(d->keywords, (d->keyword_count + 1) * sizeof *d->keywords);
	d->keywords[d->keyword_count++] = (struct delta_keyword){flag, z};
}

roaring_bitmap_t *
delta_touched(const struct delta *d)
{
	roaring_bitmap_t *set = roaring_bitmap_create();

	for (size_t i = 0; i < d->flag_count; i++)
		roaring_bitmap_or_inplace(set, d->flags[i].uids);
	for (size_t i = 0; i < d->added_count; i++)
		roaring_bitmap_add(set, d->added[i].uid);
	return set;
}

static void
encode_message(const struct store_message *m, uint32_t before, struct buf *b)
{
	unsigned n = 0;

	buf_varint(b, m->uid - before);
	buf_varint(b, m->size);
	buf_varint(b, m->blob);
	buf_varint(b, zigzag(m->internaldate));
	buf_varint(b, zigzag(m->savedate));
	buf_varint(b, zigzag(m->zone));
	for (unsigned w = 0; w < STORE_FLAG_WORDS; w++)
		n += (unsigned)__builtin_popcountll(m->flags.w[w]);
	buf_varint(b, n);
	STORE_EACH_FLAG (f, &m->flags, 0)
		buf_varint(b, f);
}

void
delta_encode(const struct delta *d, struct buf *b)
{
	uint32_t before = 0;

	STORE_EACH_FLAG (f, &d->forgotten, STORE_FIRST_KEYWORD) {
		buf_putc(b, 'k');
		buf_varint(b, f);
	}
	for (size_t i = 0; i < d->keyword_count; i++) {
		buf_putc(b, 'K');
		buf_varint(b, d->keywords[i].flag);
		buf_vstr(b, str_of(d->keywords[i].name));
	}
	if (d->added_count > 0) {
		buf_putc(b, 'A');
		buf_varint(b, d->added_count);
	}
	for (size_t i = 0; i < d->added_count; i++) {
		encode_message(&d->added[i], before, b);
		before = d->added[i].uid;
	}
	for (size_t i = 0; i < d->flag_count; i++) {
		buf_putc(b, d->flags[i].on ? '+' : '-');
		buf_varint(b, d->flags[i].flag);
		value_put_set(b, d->flags[i].uids);
	}
	if (d->expunged != NULL) {
		buf_putc(b, 'E');
		value_put_set(b, d->expunged);
	}
}

static unsigned
take_flag(struct rd *r)
{
	uint64_t flag = rd_varint(r);

	if (flag >= STORE_FLAGS_MAX) {
		r->bad = true;
		flag = 0;
	}
	return (unsigned)flag;
}

static void
decode_messages(struct delta *d, struct rd *r)
{
	uint64_t n = rd_varint(r), uid = 0;

	if (d->added_count > 0)
		r->bad = true; /* UIDs ascend, so each comes once */
	for (uint64_t i = 0; i < n && !r->bad; i++) {
		struct store_message *m = delta_add_message(d);
		uint64_t step = rd_varint(r);

		uid += step;
		if (step == 0 || step > UINT32_MAX || uid > UINT32_MAX)
			r->bad = true;
		m->uid = (uint32_t)uid;
		m->size = (uint32_t)rd_varint(r);
		m->blob = rd_varint(r);
		m->internaldate = unzigzag(rd_varint(r));
		m->savedate = unzigzag(rd_varint(r));
		m->zone = (int16_t)unzigzag(rd_varint(r));
		for (uint64_t k = rd_varint(r); k > 0 && !r->bad; k--)
			store_flags_set(&m->flags, take_flag(r));
	}
}

/* System flags have no names. */
static unsigned
take_keyword(struct rd *r)
{
	unsigned flag = take_flag(r);

	r->bad |= flag < STORE_FIRST_KEYWORD;
	return flag;
}

static void
decode_item(struct delta *d, struct rd *r)
{
	uint8_t kind = rd_u8(r);
	roaring_bitmap_t *set;
	unsigned flag;

	switch (kind) {
	case 'k':
		store_flags_set(&d->forgotten, take_keyword(r));
		break;
	case 'K':
		flag = take_keyword(r);
		delta_add_keyword(d, flag, rd_vstr(r));
		break;
	case 'A':
		decode_messages(d, r);
		break;
	case '+':
	case '-':
		flag = take_flag(r);
		set = value_take_set(r);
		if (set != NULL)
			delta_add_flag(d, flag, kind == '+', set);
		break;
	case 'E':
		set = value_take_set(r);
		if (d->expunged != NULL || set == NULL) {
			r->bad = true;
			if (set != NULL)
				roaring_bitmap_free(set);
		} else {
			d->expunged = set;
		}
		break;
	default:
		r->bad = true;
	}
}

struct delta *
delta_decode(uint64_t modseq, struct str body)
{
	struct delta *d = delta_new(modseq);
	struct rd r = rd_of(body);

	while (rd_left(&r) > 0 && !r.bad)
		decode_item(d, &r);
	if (r.bad)
		delta_free(&d);
	return d;
}
