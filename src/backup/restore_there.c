/* SPDX-License-Identifier: Apache-2.0 */
/* What is in the mailbox already, looked up by UID and by content. */
#include "backup/restore_int.h"

#include "base/clock.h"
#include "base/mem.h"
#include "store/store.h"

static bool
take_there(char type, struct str bytes, void *arg)
{
	struct rest *r = arg;
	struct rd rd = rd_of(bytes);

	if (type == 'm') {
		r->uidvalidity = (uint32_t)rd_varint(&rd);
		r->uidnext = (uint32_t)rd_varint(&rd);
	} else if (type == 'q') {
		r->refused = true;
	} else if (type == 'w') {
		buf_vstr(&r->keywords, bytes);
	} else if (type == 'y') {
		buf_str(&r->properties, bytes);
	}
	while (type == 'l' && rd_left(&rd) > 0 && !rd.bad) {
		if (r->count == r->cap) {
			r->cap = r->cap > 0 ? 2 * r->cap : 1024;
			r->list = mem_realloc(r->list, r->cap * sizeof(*r->list));
		}

		struct there *t = &r->list[r->count++];

		*t = (struct there){0};
		t->uid = (uint32_t)rd_varint(&rd);
		t->size = (uint32_t)rd_varint(&rd);
		t->internaldate = (int64_t)rd_le64(&rd);
		for (unsigned w = 0; w < BACKUP_FLAG_WORDS; w++)
			t->flags[w] = rd_varint(&rd);
	}
	return !rd.bad;
}

static void
map_keywords(struct rest *r)
{
	for (unsigned f = 0; f < 64 * BACKUP_FLAG_WORDS; f++) {
		struct rd rd = rd_of(buf_as_str(&r->keywords));

		r->map[f] = f < BACKUP_SYSTEM_FLAGS ? (int)f : -1;
		if (f < BACKUP_SYSTEM_FLAGS || f - BACKUP_SYSTEM_FLAGS >= r->mb->keyword_count)
			continue;
		if (r->mb->keywords[f - BACKUP_SYSTEM_FLAGS].n == 0)
			continue;
		for (int i = BACKUP_SYSTEM_FLAGS; rd_left(&rd) > 0; i++)
			if (str_ieq(rd_vstr(&rd), r->mb->keywords[f - BACKUP_SYSTEM_FLAGS]))
				r->map[f] = i;
	}
}

/* The id that it had: only where it comes back as what it was. */
static void
put_object_id(const struct rest *r, struct buf *q)
{
	const struct backup_properties *all = &r->mb->properties;
	struct str stored = STR_NONE;
	char id[STORE_OBJECT_ID];

	for (size_t i = 0; i < all->count; i++)
		if (store_property_is_object_id(all->one[i].name))
			stored = all->one[i].value;
	if (stored.n == 0 && r->job->run->own.n > 0 && r->account != 0)
		stored = store_other_object_id(r->job->run->own, r->account, r->mb->id, id);
	if (r->job->into != NULL || r->job->as_user != NULL)
		stored = STR_NONE;
	buf_vstr(q, stored);
}

bool
restore_open_mailbox(struct rest *r)
{
	struct buf q = {0};
	bool ok;

	r->count = r->keywords.n = r->properties.n = 0;
	r->told_count = 0;
	r->refused = false;
	for (size_t i = 0; i < sizeof(r->told) / sizeof(*r->told); i++)
		r->told[i] = -1;
	r->chained = false;
	buf_putc(&q, 'M');
	buf_vstr(&q, buf_as_str(&r->target));
	buf_varint(&q, r->job->into == NULL ? r->mb->use : 0);
	buf_varint(&q, r->mb->subscribed && r->job->into == NULL ? 1 : 0);
	buf_varint(&q, r->mb->uidvalidity);
	buf_varint(&q, r->mb->uidnext);
	buf_varint(&q, r->mb->modseq);
	put_object_id(r, &q);
	ok = dialogue_ask(r->d, buf_as_str(&q), take_there, r);
	r->same = r->uidvalidity == r->mb->uidvalidity;
	map_keywords(r);
	buf_fini(&q);
	return ok;
}

struct there *
restore_by_uid(struct rest *r, uint32_t uid)
{
	size_t low = 0, high = r->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (r->list[mid].uid < uid)
			low = mid + 1;
		else
			high = mid;
	}
	return low < r->count && r->list[low].uid == uid ? &r->list[low] : NULL;
}

/* ---- by content ---- */

/* Chains are made of positions in the list; each message is in at most one. */
#define NOBODY UINT32_MAX
#define SUMS_AT_ONCE 4096

static size_t
date_bucket(const struct rest *r, uint32_t size, int64_t date)
{
	uint64_t h = ((uint64_t)date ^ r->seed) * 0x9E3779B97F4A7C15u;

	h = (h ^ h >> 32 ^ size) * 0x9E3779B97F4A7C15u;
	return (size_t)(h >> 32) & r->mask;
}

/* Includes the date, so that a chain holds only equal messages, and the first is as good as any. */
static size_t
sum_bucket(const struct rest *r, const struct backup_hash *sum, int64_t date)
{
	struct rd rd = rd_of((struct str){(const char *)sum->b, sizeof(sum->b)});

	return date_bucket(r, (uint32_t)rd_le64(&rd), date);
}

static void
push_place(struct rest *r, uint32_t *head, uint32_t place)
{
	r->list[place].next = *head;
	*head = place;
}

/* Chains all unmatched messages, the first one at the head of its chain. */
static void
chain_by_date(struct rest *r)
{
	size_t n = 64;

	while (n < r->count)
		n *= 2;
	r->mask = n - 1;
	random_bytes(&r->seed, sizeof(r->seed));
	r->by_date = mem_realloc(r->by_date, n * sizeof(*r->by_date));
	r->by_sum = mem_realloc(r->by_sum, n * sizeof(*r->by_sum));
	for (size_t i = 0; i < n; i++)
		r->by_date[i] = r->by_sum[i] = NOBODY;
	for (size_t i = r->count; i-- > 0;)
		if (!r->list[i].matched)
			push_place(r,
			    &r->by_date[date_bucket(r, r->list[i].size, r->list[i].internaldate)],
			    (uint32_t)i);
	r->chained = true;
}

static void
add_to_group(struct rest *r, uint32_t place)
{
	if (r->group_count == r->group_cap) {
		r->group_cap = r->group_cap > 0 ? 2 * r->group_cap : 64;
		r->group = mem_realloc(r->group, r->group_cap * sizeof(*r->group));
	}
	r->group[r->group_count++] = place;
}

/* Takes all messages of that size and date out of their chain. */
static void
take_group(struct rest *r, uint32_t size, int64_t date)
{
	uint32_t *link = &r->by_date[date_bucket(r, size, date)];

	r->group_count = r->group_at = 0;
	while (*link != NOBODY) {
		struct there *t = &r->list[*link];

		if (t->size == size && t->internaldate == date) {
			add_to_group(r, *link);
			*link = t->next;
		} else {
			link = &t->next;
		}
	}
}

static bool
take_sum(char type, struct str bytes, void *arg)
{
	struct rest *r = arg;
	struct there *t;

	if (type != 'h' || bytes.n != BACKUP_HASH_BYTES || r->group_at == r->group_count)
		return false;
	t = &r->list[r->group[r->group_at++]];
	memcpy(t->sum.b, bytes.p, bytes.n);
	return true;
}

/* Asks for the checksums of the group: once for each message in a restore. */
static bool
ask_sums(struct rest *r)
{
	struct buf q = {0};
	bool ok = true;

	while (ok && r->group_at < r->group_count) {
		size_t end = r->group_at + SUMS_AT_ONCE;

		if (end > r->group_count)
			end = r->group_count;
		q.n = 0;
		buf_putc(&q, 'H');
		for (size_t i = r->group_at; i < end; i++)
			buf_varint(&q, r->list[r->group[i]].uid);
		ok = dialogue_ask(r->d, buf_as_str(&q), take_sum, r) && r->group_at == end;
	}
	buf_fini(&q);
	return ok;
}

static bool
sum_group(struct rest *r, const struct backup_message *m)
{
	take_group(r, m->size, m->internaldate);
	if (!ask_sums(r))
		return false;
	for (size_t i = r->group_count; i-- > 0;) {
		const struct there *t = &r->list[r->group[i]];

		if (!backup_hash_none(&t->sum))
			push_place(
			    r, &r->by_sum[sum_bucket(r, &t->sum, t->internaldate)], r->group[i]);
	}
	return true;
}

bool
restore_by_content(struct rest *r, const struct backup_message *m, struct there **t_r)
{
	*t_r = NULL;
	if (r->count == 0)
		return true;
	if (!r->chained)
		chain_by_date(r);
	if (!sum_group(r, m))
		return false;
	for (uint32_t *link = &r->by_sum[sum_bucket(r, &m->hash, m->internaldate)]; *link != NOBODY;
	     link = &r->list[*link].next) {
		struct there *t = &r->list[*link];

		if (t->internaldate == m->internaldate && backup_hash_eq(&t->sum, &m->hash)) {
			*link = t->next;
			*t_r = t;
			break;
		}
	}
	return true;
}

void
restore_there_fini(struct rest *r)
{
	mem_free(r->list);
	mem_free(r->by_date);
	mem_free(r->by_sum);
	mem_free(r->group);
	buf_fini(&r->keywords);
}
