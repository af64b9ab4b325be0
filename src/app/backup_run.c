/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run.  For each user: what does the last run know, what happened since, then
 * chunk by chunk (1,024 UIDs) the new list, made of the old one and what
 * changed; messages that are new are fetched and stored under their checksum.
 * So memory holds the changed messages' records of one mailbox, never bodies.
 */
#include "app/backup_run.h"

#include <inttypes.h>
#include <roaring/roaring.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"

#define CACHE 65536 /* power of two */

struct cached { /* messages that many users have are fetched once */
	uint64_t blob;
	struct backup_hash hash;
};

struct base { /* runs to go on from: the last ones, the newest first, and the one cut off */
	struct backup_run *runs;
	size_t count;
};

struct head { /* a mailbox, as the operation gives it */
	struct backup_mailbox mb;
	bool same;
	uint64_t since;
	unsigned err;
};

struct run {
	struct backup_job *job;
	struct dialogue *d;
	struct backup_run_writer *w;
	struct arena *arena; /* of the run */
	struct base base;
	struct buf store, names;
	size_t name_count;
	struct cached *cache;

	struct arena *user_arena; /* of the user */
	struct str user;
	struct head *heads;
	size_t head_count;
	bool gone;
	struct buf refused;

	/* the mailbox */
	struct buf keywords; /* vstr each */
	size_t keyword_count;
	roaring_bitmap_t *uids;
	struct backup_message *changed;
	size_t changed_count, changed_cap;

	/* the chunk */
	struct backup_message old[BACKUP_CHUNK_UIDS], now[BACKUP_CHUNK_UIDS];
	size_t old_count, now_count;
	size_t wanted[BACKUP_CHUNK_UIDS], wanted_count, wanted_at;
	bool writing;
};

static bool
fail(struct run *r, const char *text)
{
	buf_puts(&r->job->why, text);
	return false;
}

static bool
note_damage(struct run *r, struct str text)
{
	struct buf copy = {0};
	bool ok = backup_run_damaged(r->w, text, &r->job->why);

	buf_str(&copy, text);
	r->job->damaged++;
	r->job->damage(buf_cstr(&copy), r->job->arg);
	buf_fini(&copy);
	return ok;
}

/* ---- names and records ---- */

static bool
take_name(char type, struct str bytes, void *arg)
{
	struct run *r = arg;

	if (type == 'i') {
		buf_str(&r->store, bytes);
	} else {
		buf_vstr(&r->names, bytes);
		r->name_count++;
	}
	return true;
}

static bool
take_record(char type, struct str bytes, void *arg)
{
	(void)type;
	buf_str(arg, bytes);
	return true;
}

static bool
save_records(struct run *r)
{
	struct buf all = {0}, list = {0};
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 4096);
	struct backup_record *records = NULL;
	struct backup_hash hash;
	size_t n = 0;
	bool ok = dialogue_ask(r->d, STR("R"), take_record, &all);
	struct rd rd = rd_of(buf_as_str(&all));

	arena_wipe_on_free(arena);
	while (ok && rd_left(&rd) > 0 && !rd.bad) {
		records = mem_realloc(records, (n + 1) * sizeof(*records));
		records[n].key = rd_vstr(&rd);
		records[n++].value = rd_vstr(&rd);
	}
	if (ok && !rd.bad) {
		backup_records_print(records, n, &list);
		ok = backup_object_put(r->job->folder, buf_as_str(&list), &hash, &r->job->why) &&
		     backup_run_records(r->w, &hash, &r->job->why);
	}
	mem_free(records);
	buf_wipe_fini(&all);
	buf_wipe_fini(&list);
	arena_free(&arena);
	return ok;
}

/* ---- what the last run knows ---- */

/* Runs of this store; those of others have other numbers for everything. */
static bool
load_base(struct run *r)
{
	struct str *ids;
	size_t n;
	struct buf what = {0};
	struct backup_run run;

	if (r->job->full)
		return true;
	if (!backup_run_ids(r->job->folder, r->arena, &ids, &n, &r->job->why))
		return false;
	r->base.runs = arena_array(r->arena, n + 1, sizeof(*r->base.runs));
	if (backup_run_unfinished(r->job->folder, r->arena, &run) == TS_OK &&
	    str_eq(run.store, buf_as_str(&r->store)))
		r->base.runs[r->base.count++] = run;
	/* A few: a run of some users only may stand before one of all. */
	for (size_t i = n; i-- > 0 && i + 8 >= n;) {
		what.n = 0;
		if (backup_run_get(r->job->folder, ids[i], r->arena, &run, &what) != TS_OK)
			r->job->damage(buf_cstr(&what), r->job->arg);
		else if (str_eq(run.store, buf_as_str(&r->store)))
			r->base.runs[r->base.count++] = run;
	}
	buf_fini(&what);
	return true;
}

static bool
base_user(struct run *r, struct backup_user *user)
{
	struct buf what = {0};
	bool found = false;

	for (size_t i = 0; i < r->base.count && !found; i++) {
		const struct backup_run_user *u = backup_run_user(&r->base.runs[i], r->user);

		found = u != NULL && backup_user_get(r->job->folder, &u->hash, r->user_arena, user,
		                         &what) == TS_OK;
	}
	buf_fini(&what);
	return found;
}

/* ---- a chunk ---- */

static struct cached *
cache_of(struct run *r, uint64_t blob)
{
	return &r->cache[(blob * 0x9E3779B97F4A7C15u) >> 48 & (CACHE - 1)];
}

static bool
message_lost(struct run *r, const struct head *h, const struct backup_message *m, unsigned err)
{
	struct buf text = {0};
	bool ok;

	buf_printf(&text, "user %.*s, mailbox %.*s, UID %u: %s", STR_ARG(r->user),
	    STR_ARG(h->mb.name), m->uid, ts_err_name((enum ts_err)err));
	ok = note_damage(r, buf_as_str(&text));
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
	if (err == TS_NOT_FOUND) { /* expunged just now: not there at this moment */
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
		return fail(r, "the server sent more messages than were asked for");
	if (!r->writing && !backup_object_begin(r->job->folder, &r->job->why))
		return false;
	r->writing = true;
	if (type == 'd')
		return backup_object_write(r->job->folder, bytes, &r->job->why);
	if (type != 'e' || bytes.n != 1)
		return fail(r, "the server answered what was not asked");
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
			ok = fail(r, "the server sent fewer messages than were asked for");
	}
	buf_fini(&q);
	return ok;
}

static const struct backup_message *
find(const struct backup_message *list, size_t n, uint32_t uid)
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

	*m_r = find(list, n, uid);
	return *m_r < list + before && (*m_r)->uid == uid;
}

/* The list of now: what changed, else what was.  False: the old one lacks something. */
static bool
merge(struct run *r, uint32_t number)
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
		bool is = has(r->changed, r->changed_count, it.current_value, &new);
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

/* ---- a mailbox ---- */

static int64_t
take_i64(struct rd *rd)
{
	return (int64_t)rd_le64(rd);
}

static bool
take_changed(struct run *r, struct rd *rd)
{
	while (rd_left(rd) > 0) {
		if (r->changed_count == r->changed_cap) {
			r->changed_cap = r->changed_cap > 0 ? 2 * r->changed_cap : 1024;
			r->changed = mem_realloc(r->changed, r->changed_cap * sizeof(*r->changed));
		}

		struct backup_message *m = &r->changed[r->changed_count];

		*m = (struct backup_message){0};
		m->uid = (uint32_t)rd_varint(rd);
		m->size = (uint32_t)rd_varint(rd);
		m->modseq = rd_varint(rd);
		m->blob = rd_varint(rd);
		m->internaldate = take_i64(rd);
		m->savedate = take_i64(rd);
		m->zone = (int16_t)rd_le32(rd);
		for (unsigned w = 0; w < BACKUP_FLAG_WORDS; w++)
			m->flags[w] = rd_varint(rd);
		if (rd->bad ||
		    (r->changed_count > 0 && m->uid <= r->changed[r->changed_count - 1].uid))
			return fail(r, "the server sent a list that is not in order");
		r->changed_count++;
	}
	return true;
}

static bool
take_mailbox_item(char type, struct str bytes, void *arg)
{
	struct run *r = arg;
	struct rd rd = rd_of(bytes);

	switch (type) {
	case 'k':
		buf_vstr(&r->keywords, bytes);
		r->keyword_count++;
		return true;
	case 'u':
		if (r->uids != NULL)
			roaring_bitmap_free(r->uids);
		r->uids = roaring_bitmap_portable_deserialize_safe(bytes.p, bytes.n);
		return r->uids != NULL || fail(r, "the server sent no set of UIDs");
	case 'c':
		return take_changed(r, &rd);
	default:
		return fail(r, "the server answered what was not asked");
	}
}

static void
set_keywords(struct run *r, struct backup_mailbox *mb)
{
	struct rd rd = rd_of(buf_as_str(&r->keywords));

	mb->keyword_count = r->keyword_count;
	mb->keywords = arena_array(r->user_arena, r->keyword_count, sizeof(*mb->keywords));
	for (size_t i = 0; i < r->keyword_count; i++)
		mb->keywords[i] = arena_str(r->user_arena, rd_vstr(&rd));
}

static const struct backup_chunk *
old_chunk(const struct backup_mailbox *old, uint32_t number)
{
	for (size_t i = 0; old != NULL && i < old->chunk_count; i++)
		if (old->chunks[i].number == number)
			return &old->chunks[i];
	return NULL;
}

static bool
chunk_changed(struct run *r, uint32_t number)
{
	uint32_t from = number * BACKUP_CHUNK_UIDS;
	const struct backup_message *m = find(r->changed, r->changed_count, from);

	return m < r->changed + r->changed_count && m->uid / BACKUP_CHUNK_UIDS == number;
}

enum outcome { DONE, AGAIN, FAILED }; /* AGAIN: what the last run knows is not enough */

static enum outcome
do_chunk(
    struct run *r, struct head *h, size_t place, const struct backup_mailbox *old, uint32_t number)
{
	const struct backup_chunk *c = old_chunk(old, number);
	uint64_t from = (uint64_t)number * BACKUP_CHUNK_UIDS;
	uint64_t count = roaring_bitmap_range_cardinality(r->uids, from, from + BACKUP_CHUNK_UIDS);
	struct buf what = {0};
	bool ok;

	r->old_count = 0;
	ok =
	    c == NULL || backup_chunk_get(r->job->folder, c, r->old, &r->old_count, &what) == TS_OK;
	buf_fini(&what);
	if (!ok)
		return AGAIN;
	if (c != NULL && !chunk_changed(r, number) && c->count == count) {
		for (size_t i = 0; i < r->old_count; i++)
			h->mb.bytes += r->old[i].size;
		h->mb.messages += c->count;
		h->mb.chunks[h->mb.chunk_count++] = *c;
		return DONE;
	}
	if (!merge(r, number))
		return AGAIN;
	return fetch(r, h, place) && save_chunk(r, h, number) ? DONE : FAILED;
}

static enum outcome
do_chunks(struct run *r, struct head *h, size_t place, const struct backup_mailbox *old)
{
	uint64_t total = roaring_bitmap_get_cardinality(r->uids);
	uint64_t most = (uint64_t)UINT32_MAX / BACKUP_CHUNK_UIDS + 1;
	roaring_uint32_iterator_t it;
	enum outcome out = DONE;

	h->mb.chunks = arena_array(
	    r->user_arena, (size_t)(total < most ? total : most), sizeof(*h->mb.chunks));
	roaring_init_iterator(r->uids, &it);
	while (it.has_value && out == DONE) {
		uint32_t number = it.current_value / BACKUP_CHUNK_UIDS;

		out = do_chunk(r, h, place, old, number);
		r->job->progress("messages", r->job->messages + h->mb.messages, 0, r->job->arg);
		if (number == UINT32_MAX / BACKUP_CHUNK_UIDS)
			break;
		(void)roaring_move_uint32_iterator_equalorlarger(
		    &it, (number + 1) * BACKUP_CHUNK_UIDS);
	}
	return out;
}

static enum outcome
do_mailbox(struct run *r, size_t place, const struct backup_mailbox *old)
{
	struct head *h = &r->heads[place];
	struct buf q = {0};
	enum outcome out;

	r->keywords.n = r->keyword_count = r->changed_count = 0;
	if (r->uids != NULL)
		roaring_bitmap_free(r->uids);
	r->uids = NULL;
	buf_putc(&q, 'M');
	buf_varint(&q, place);
	out = dialogue_ask(r->d, buf_as_str(&q), take_mailbox_item, r) && r->uids != NULL ? DONE
	                                                                                  : FAILED;
	buf_fini(&q);
	if (out != DONE)
		return out;
	set_keywords(r, &h->mb);
	return do_chunks(r, h, place, h->since > 0 ? old : NULL);
}

/* One that the server cannot read: as it was in the last run, if it was. */
static bool
keep_old(struct run *r, struct head *h, const struct backup_mailbox *old)
{
	struct buf text = {0};
	bool ok;

	buf_printf(&text, "user %.*s, mailbox %.*s: %s%s", STR_ARG(r->user), STR_ARG(h->mb.name),
	    ts_err_name((enum ts_err)h->err), old != NULL ? "; kept as the last run has it" : "");
	ok = note_damage(r, buf_as_str(&text));
	buf_fini(&text);
	if (old != NULL)
		h->mb = *old;
	return ok;
}

/* ---- a user ---- */

static bool
take_user_item(char type, struct str bytes, void *arg)
{
	struct run *r = arg;
	struct rd rd = rd_of(bytes);
	struct head *h;

	if (type == 'x') {
		r->gone = true;
		buf_str(&r->refused, bytes);
		return true;
	}
	if (type != 'm')
		return fail(r, "the server answered what was not asked");
	r->heads = mem_realloc(r->heads, (r->head_count + 1) * sizeof(*r->heads));
	h = &r->heads[r->head_count++];
	*h = (struct head){0};
	h->mb.id = (uint32_t)rd_varint(&rd);
	h->mb.name = arena_str(r->user_arena, rd_vstr(&rd));
	h->mb.use = (unsigned)rd_varint(&rd);
	h->mb.subscribed = rd_varint(&rd) != 0;
	h->mb.uidvalidity = (uint32_t)rd_varint(&rd);
	h->mb.uidnext = (uint32_t)rd_varint(&rd);
	h->mb.modseq = rd_varint(&rd);
	h->same = rd_varint(&rd) != 0;
	h->since = rd_varint(&rd);
	h->err = (unsigned)rd_varint(&rd);
	return !rd.bad || fail(r, "the server sent half a mailbox");
}

static bool
ask_user(struct run *r, const struct backup_user *base)
{
	struct buf q = {0};
	bool ok;

	r->head_count = 0;
	r->gone = false;
	buf_putc(&q, 'U');
	buf_vstr(&q, r->user);
	/* What does not fit is read whole. */
	for (size_t i = 0; i < base->mailbox_count && q.n < DIALOGUE_PIECE - 64; i++) {
		if (base->mailboxes[i].id == 0)
			continue;
		buf_varint(&q, base->mailboxes[i].id);
		buf_varint(&q, base->mailboxes[i].uidvalidity);
		buf_varint(&q, base->mailboxes[i].modseq);
	}
	ok = dialogue_ask(r->d, buf_as_str(&q), take_user_item, r);
	buf_fini(&q);
	return ok;
}

static const struct backup_mailbox *
old_mailbox(const struct backup_user *base, uint32_t id)
{
	for (size_t i = 0; i < base->mailbox_count; i++)
		if (base->mailboxes[i].id == id)
			return &base->mailboxes[i];
	return NULL;
}

/* Takes over what does not change with messages. */
static void
keep_same(struct head *h, const struct backup_mailbox *old)
{
	struct backup_mailbox now = h->mb;

	h->mb = *old;
	h->mb.name = now.name;
	h->mb.use = now.use;
	h->mb.subscribed = now.subscribed;
	h->mb.uidnext = now.uidnext;
}

static enum outcome
do_mailboxes(struct run *r, const struct backup_user *base)
{
	enum outcome out = DONE;

	for (size_t i = 0; i < r->head_count && out == DONE; i++) {
		struct head *h = &r->heads[i];
		const struct backup_mailbox *old =
		    h->mb.id != 0 ? old_mailbox(base, h->mb.id) : NULL;

		if (h->mb.id == 0)
			continue;
		if (h->err != TS_OK)
			out = keep_old(r, h, old) ? DONE : FAILED;
		else if (h->same && old != NULL)
			keep_same(h, old);
		else
			out = do_mailbox(r, i, old);
	}
	return out;
}

static bool
save_user(struct run *r)
{
	struct backup_user user = {.name = r->user, .mailbox_count = r->head_count};
	struct backup_run_user line = {.name = r->user};
	struct buf list = {0};
	bool ok;

	user.mailboxes = mem_zalloc((r->head_count + 1) * sizeof(*user.mailboxes));
	for (size_t i = 0; i < r->head_count; i++) {
		user.mailboxes[i] = r->heads[i].mb;
		line.messages += r->heads[i].mb.messages;
		line.bytes += r->heads[i].mb.bytes;
	}
	backup_user_print(&user, &list);
	ok = backup_object_put(r->job->folder, buf_as_str(&list), &line.hash, &r->job->why) &&
	     backup_run_add(r->w, &line, &r->job->why);
	r->job->users++;
	r->job->messages += line.messages;
	mem_free(user.mailboxes);
	buf_fini(&list);
	return ok;
}

static bool
user_refused(struct run *r)
{
	struct buf text = {0};
	bool ok = true;

	if (r->refused.n > 0) {
		buf_printf(
		    &text, "user %.*s: %.*s", STR_ARG(r->user), STR_ARG(buf_as_str(&r->refused)));
		ok = note_damage(r, buf_as_str(&text));
	} else if (r->job->only_count > 0) {
		buf_printf(&text, "user %.*s: has no mail here", STR_ARG(r->user));
		ok = note_damage(r, buf_as_str(&text));
	}
	r->refused.n = 0;
	buf_fini(&text);
	return ok;
}

static bool
do_user(struct run *r, struct str name)
{
	struct backup_user base = {0}, none = {0};
	enum outcome out;

	r->user_arena = arena_new(NULL, ARENA_OTHER, 16384);
	r->user = arena_str(r->user_arena, name);
	if (!base_user(r, &base))
		base = none;
	out = ask_user(r, &base) ? DONE : FAILED;
	if (out == DONE && !r->gone)
		out = do_mailboxes(r, &base);
	if (out == AGAIN) {
		out = ask_user(r, &none) ? DONE : FAILED;
		if (out == DONE && !r->gone)
			out = do_mailboxes(r, &none);
		if (out == AGAIN)
			(void)fail(r, "the server sent a list in which messages are missing");
	}
	if (out == DONE)
		out = (r->gone ? user_refused(r) : save_user(r)) ? DONE : FAILED;
	arena_free(&r->user_arena);
	return out == DONE;
}

/* ---- the run ---- */

static void
bad_object(const struct backup_hash *hash, const char *what, void *arg)
{
	struct run *r = arg;

	(void)hash;
	(void)note_damage(r, str_of(what));
}

static void
check_progress(uint64_t done, uint64_t total, void *arg)
{
	struct run *r = arg;

	r->job->progress("checksums", done, total, r->job->arg);
}

static bool
do_users(struct run *r)
{
	struct rd names = rd_of(buf_as_str(&r->names));
	size_t n = 0;
	bool ok = true;

	for (size_t i = 0; ok && i < r->job->only_count; i++)
		ok = do_user(r, str_of(r->job->only[i]));
	while (ok && r->job->only_count == 0 && rd_left(&names) > 0) {
		ok = do_user(r, rd_vstr(&names));
		r->job->progress("users", ++n, r->name_count, r->job->arg);
	}
	return ok;
}

static bool
read_all(struct run *r)
{
	struct buf *why = &r->job->why;

	if (!dialogue_ask(r->d, STR("L"), take_name, r) || !load_base(r) ||
	    !backup_run_begin(r->job->folder, clock_wall_s(), buf_as_str(&r->store), &r->w, why))
		return false;
	buf_str(&r->job->id, backup_run_id(r->w));
	return save_records(r) && do_users(r) && backup_flush(r->job->folder, why);
}

void
backup_job_read(struct backup_job *job, struct dialogue *d)
{
	struct run *r = mem_zalloc(sizeof(*r));

	job->run = r;
	r->job = job;
	r->d = d;
	r->arena = arena_new(NULL, ARENA_OTHER, 65536);
	r->cache = mem_zalloc(CACHE * sizeof(*r->cache));
	if (job->full)
		backup_distrust(job->folder);
	job->done = read_all(r);
}

bool
backup_job_end(struct backup_job *job)
{
	struct run *r = job->run;
	struct backup_checking checking = {bad_object, check_progress, r};

	if (job->done && job->verify)
		job->done = backup_check_new(job->folder, &checking, &job->why);
	job->done = job->done && backup_run_end(&r->w, clock_wall_s(), &job->why);
	return job->done;
}

void
backup_job_fini(struct backup_job *job)
{
	struct run *r = job->run;

	buf_fini(&job->why);
	buf_fini(&job->id);
	if (r == NULL)
		return;
	backup_run_abort(&r->w);
	if (r->uids != NULL)
		roaring_bitmap_free(r->uids);
	mem_free(r->cache);
	mem_free(r->heads);
	mem_free(r->changed);
	buf_fini(&r->store);
	buf_fini(&r->names);
	buf_fini(&r->keywords);
	buf_fini(&r->refused);
	arena_free(&r->arena);
	mem_free(r);
}
