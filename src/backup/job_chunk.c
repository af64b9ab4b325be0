/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A chunk of a mailbox: its list is made from the old one and the changes; new
 * messages are fetched and stored under their checksums.
 */
#include "backup/job_int.h"

/* ---- messages ---- */

static struct cached *
cache_of(struct run *r, uint64_t blob)
{
	return &r->cache[(blob * 0x9E3779B97F4A7C15u) >> 48 & (BACKUP_CACHE - 1)];
}

static bool
message_lost(struct run *r, const struct head *h, const struct backup_message *m, unsigned err)
{
	struct buf text = {0};
	bool ok;

	buf_printf(&text, "user %.*s, mailbox %.*s, UID %u: %s", STR_ARG(r->user),
	    STR_ARG(h->mb.name), m->uid, ts_err_name((enum ts_err)err));
	ok = run_note_damage(r, buf_as_str(&text));
	buf_fini(&text);
	return ok;
}

struct fetching {
	struct run *r;
	struct head *head;
};

static bool
fetched(struct run *r, struct head *h, struct backup_message *m, unsigned err)
{
	r->writing = false;
	if (err == TS_OK) {
		if (!backup_object_end(r->job->folder, &m->hash, &r->job->why))
			return false;
		*cache_of(r, m->blob) = (struct cached){m->blob, m->hash};
		r->job->read_messages++;
		return true;
	}
	backup_object_abort(r->job->folder);
	memset(&m->hash, 0, sizeof(m->hash));
	if (err == TS_NOT_FOUND) { /* expunged just now */
		m->uid = 0;
		return true;
	}
	return message_lost(r, h, m, err);
}

static bool
take_blob(char type, struct str bytes, void *arg)
{
	struct fetching *f = arg;
	struct run *r = f->r;

	if (r->wanted_at == r->wanted_count)
		return run_fail(r, "the server sent more messages than were asked for");
	if (!r->writing && !backup_object_begin(r->job->folder, &r->job->why))
		return false;
	r->writing = true;
	if (type == 'd')
		return backup_object_write(r->job->folder, bytes, &r->job->why);
	if (type != 'e' || bytes.n != 1)
		return run_fail(r, "the server answered what was not asked");
	return fetched(r, f->head, &r->now[r->wanted[r->wanted_at++]], (unsigned char)bytes.p[0]);
}

static bool
fetch(struct run *r, struct head *h, size_t place)
{
	struct fetching f = {r, h};
	struct buf q = {0};
	bool ok = true;

	if (r->wanted_count > 0) {
		buf_putc(&q, 'B');
		buf_varint(&q, place);
		for (size_t i = 0; i < r->wanted_count; i++) {
			buf_varint(&q, r->now[r->wanted[i]].uid);
			buf_varint(&q, r->now[r->wanted[i]].blob);
		}
		r->wanted_at = 0;
		ok = dialogue_ask(r->d, buf_as_str(&q), take_blob, &f);
		if (ok && r->wanted_at < r->wanted_count)
			ok = run_fail(r, "the server sent fewer messages than were asked for");
	}
	buf_fini(&q);
	return ok;
}

/* ---- what changed ---- */

static void
parse_message(struct rd *rd, struct backup_message *m)
{
	*m = (struct backup_message){0};
	m->uid = (uint32_t)rd_varint(rd);
	m->size = (uint32_t)rd_varint(rd);
	m->modseq = rd_varint(rd);
	m->blob = rd_varint(rd);
	m->internaldate = (int64_t)rd_le64(rd);
	m->savedate = (int64_t)rd_le64(rd);
	m->zone = (int16_t)rd_le32(rd);
	for (unsigned w = 0; w < BACKUP_FLAG_WORDS; w++)
		m->flags[w] = rd_varint(rd);
}

/* Takes its ids, if they are stored.  They come in the order of the messages. */
static void
take_ids(struct run *r, struct backup_message *m)
{
	struct rd next = r->ids_rd;
	uint64_t uid = rd_left(&next) > 0 ? rd_varint(&next) : 0;
	struct str ids = rd_bytes(&next, uid == m->uid ? sizeof(m->ids) : 0);

	m->has_ids = uid == m->uid && !next.bad;
	if (!m->has_ids)
		return;
	memcpy(m->ids, ids.p, sizeof(m->ids));
	r->ids_rd = next;
}

/* Takes the changes of this chunk; skips those before it, leaves those after it. */
static bool
take_fresh(struct run *r, uint32_t number)
{
	r->fresh_count = 0;
	while (rd_left(&r->changed_rd) > 0) {
		struct rd before = r->changed_rd;
		struct backup_message m;

		parse_message(&r->changed_rd, &m);
		if (r->changed_rd.bad || m.uid <= r->changed_uid)
			return run_fail(r, "the server sent a list that is not in order");
		if (m.uid / BACKUP_CHUNK_UIDS > number) {
			r->changed_rd = before;
			break;
		}
		r->changed_uid = m.uid;
		take_ids(r, &m);
		if (m.uid / BACKUP_CHUNK_UIDS == number)
			r->fresh[r->fresh_count++] = m;
	}
	return true;
}

/* ---- the list ---- */

static const struct backup_message *
at_or_after(const struct backup_message *list, size_t n, uint32_t uid)
{
	size_t low = 0;

	while (low < n) {
		size_t mid = low + (n - low) / 2;

		if (list[mid].uid < uid)
			low = mid + 1;
		else
			n = mid;
	}
	return &list[low];
}

static bool
has(const struct backup_message *list, size_t n, uint32_t uid, const struct backup_message **m_r)
{
	size_t before = n;

	*m_r = at_or_after(list, n, uid);
	return *m_r < list + before && (*m_r)->uid == uid;
}

/* Makes the new list: changes where there are any, else the old entries.  Returns false if the old
 * list lacks something. */
static bool
merge_chunk(struct run *r, uint32_t number)
{
	uint32_t from = number * BACKUP_CHUNK_UIDS;
	roaring_uint32_iterator_t it;

	r->now_count = r->wanted_count = 0;
	roaring_init_iterator(r->uids, &it);
	(void)roaring_move_uint32_iterator_equalorlarger(&it, from);
	for (; it.has_value && it.current_value / BACKUP_CHUNK_UIDS == number;
	     roaring_advance_uint32_iterator(&it)) {
		const struct backup_message *old, *new;
		bool was = has(r->old, r->old_count, it.current_value, &old);
		bool is = has(r->fresh, r->fresh_count, it.current_value, &new);
		struct backup_message *m = &r->now[r->now_count];

		if (!was && !is)
			return false;
		*m = is ? *new : *old;
		if (is && was && old->blob == new->blob)
			m->hash = old->hash;
		if (backup_hash_none(&m->hash) && cache_of(r, m->blob)->blob == m->blob)
			m->hash = cache_of(r, m->blob)->hash;
		if (backup_hash_none(&m->hash))
			r->wanted[r->wanted_count++] = r->now_count;
		r->now_count++;
	}
	return true;
}

static bool
save_chunk(struct run *r, struct head *h, uint32_t number)
{
	struct buf list = {0};
	struct backup_chunk *c = &h->mb.chunks[h->mb.chunk_count];
	size_t n = 0;
	bool ok = true;

	for (size_t i = 0; i < r->now_count; i++)
		if (r->now[i].uid != 0)
			r->now[n++] = r->now[i];
	for (size_t i = 0; i < n && r->job->without_properties; i++)
		r->now[i].has_ids = false;
	if (n == 0)
		return true;
	for (size_t i = 0; i < n; i++)
		h->mb.bytes += r->now[i].size;
	backup_chunk_print(r->now, n, &list);
	*c = (struct backup_chunk){.number = number, .count = (uint32_t)n};
	ok = backup_object_put(r->job->folder, buf_as_str(&list), &c->hash, &r->job->why);
	h->mb.chunk_count++;
	h->mb.messages += (uint32_t)n;
	buf_fini(&list);
	return ok;
}

static const struct backup_chunk *
old_chunk(const struct backup_mailbox *old, uint32_t number)
{
	for (size_t i = 0; old != NULL && i < old->chunk_count; i++)
		if (old->chunks[i].number == number)
			return &old->chunks[i];
	return NULL;
}

enum outcome
run_do_chunk(
    struct run *r, struct head *h, size_t place, const struct backup_mailbox *old, uint32_t number)
{
	const struct backup_chunk *c = old_chunk(old, number);
	uint64_t from = (uint64_t)number * BACKUP_CHUNK_UIDS;
	uint64_t count = roaring_bitmap_range_cardinality(r->uids, from, from + BACKUP_CHUNK_UIDS);
	struct buf what = {0};
	bool ok;

	if (!take_fresh(r, number))
		return FAILED;
	r->old_count = 0;
	ok =
	    c == NULL || backup_chunk_get(r->job->folder, c, r->old, &r->old_count, &what) == TS_OK;
	buf_fini(&what);
	if (!ok)
		return AGAIN;
	if (c != NULL && r->fresh_count == 0 && c->count == count &&
	    !(r->job->without_properties && backup_chunk_has_ids(r->old, r->old_count))) {
		for (size_t i = 0; i < r->old_count; i++)
			h->mb.bytes += r->old[i].size;
		h->mb.messages += c->count;
		h->mb.chunks[h->mb.chunk_count++] = *c;
		return DONE;
	}
	if (!merge_chunk(r, number))
		return AGAIN;
	return fetch(r, h, place) && save_chunk(r, h, number) ? DONE : FAILED;
}
