/* SPDX-License-Identifier: Apache-2.0 */
/* A restore, user by user, mailbox by mailbox; ops_restore.c writes. */
#include "app/restore_run.h"

#include <errno.h>
#include <unistd.h>

#include "base/mem.h"

#define BATCH ((size_t)512 * 1024)
#define BATCH_ITEMS 500

struct there { /* a message of the mailbox as it is */
	uint32_t uid, size;
	int64_t internaldate;
	uint64_t flags[BACKUP_FLAG_WORDS];
	bool matched;
};

struct rest {
	struct restore_job *job;
	struct dialogue *d;
	const struct backup_mailbox *mb;
	struct buf target; /* the mailbox's name here */
	uint32_t uidvalidity, uidnext;
	bool same; /* UIDVALIDITY */
	struct there *list;
	size_t count, cap;
	struct buf keywords;             /* vstr each */
	int map[64 * BACKUP_FLAG_WORDS]; /* flags of the run to those here; -1: none */

	struct backup_message chunk[BACKUP_CHUNK_UIDS];
	struct buf batch, flags, flags_head;
	size_t items;
	struct backup_hash sum;
};

static bool
none(char type, struct str bytes, void *arg)
{
	(void)type;
	(void)bytes;
	(void)arg;
	return true;
}

static bool
tell(struct rest *r, const struct buf *question)
{
	return dialogue_ask(r->d, buf_as_str(question), none, r);
}

static void
damaged(struct rest *r, struct buf *what)
{
	r->job->damaged++;
	r->job->damage(buf_cstr(what), r->job->arg);
	what->n = 0;
}

/* ---- what is there ---- */

static bool
take_there(char type, struct str bytes, void *arg)
{
	struct rest *r = arg;
	struct rd rd = rd_of(bytes);

	if (type == 'm') {
		r->uidvalidity = (uint32_t)rd_varint(&rd);
		r->uidnext = (uint32_t)rd_varint(&rd);
	} else if (type == 'w') {
		buf_vstr(&r->keywords, bytes);
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
		for (int i = BACKUP_SYSTEM_FLAGS; rd_left(&rd) > 0; i++)
			if (str_ieq(rd_vstr(&rd), r->mb->keywords[f - BACKUP_SYSTEM_FLAGS]))
				r->map[f] = i;
	}
}

static bool
open_mailbox(struct rest *r)
{
	struct buf q = {0};
	bool ok;

	r->count = r->keywords.n = 0;
	buf_putc(&q, 'M');
	buf_vstr(&q, buf_as_str(&r->target));
	buf_varint(&q, r->job->into == NULL ? r->mb->use : 0);
	buf_varint(&q, r->mb->subscribed && r->job->into == NULL ? 1 : 0);
	buf_varint(&q, r->mb->uidvalidity);
	buf_varint(&q, r->mb->uidnext);
	buf_varint(&q, r->mb->modseq);
	ok = dialogue_ask(r->d, buf_as_str(&q), take_there, r);
	r->same = r->uidvalidity == r->mb->uidvalidity;
	map_keywords(r);
	buf_fini(&q);
	return ok;
}

static struct there *
by_uid(struct rest *r, uint32_t uid)
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

static bool
take_sum(char type, struct str bytes, void *arg)
{
	struct rest *r = arg;

	if (type != 'h' || bytes.n != sizeof(r->sum.b))
		return false;
	memcpy(r->sum.b, bytes.p, bytes.n);
	return true;
}

/* One with the same date and bytes that is nobody's yet. */
static bool
by_content(struct rest *r, const struct backup_message *m, struct there **t_r)
{
	struct buf q = {0};
	bool ok = true;

	*t_r = NULL;
	for (size_t i = 0; ok && *t_r == NULL && i < r->count; i++) {
		struct there *t = &r->list[i];

		if (t->matched || t->size != m->size || t->internaldate != m->internaldate)
			continue;
		q.n = 0;
		buf_putc(&q, 'H');
		buf_varint(&q, t->uid);
		ok = dialogue_ask(r->d, buf_as_str(&q), take_sum, r);
		if (ok && backup_hash_eq(&r->sum, &m->hash))
			*t_r = t;
	}
	buf_fini(&q);
	return ok;
}

/* ---- adding ---- */

static bool
flush(struct rest *r)
{
	bool ok = r->items == 0 || tell(r, &r->batch);

	r->batch.n = r->items = 0;
	return ok;
}

static void
put_keywords(struct rest *r, const struct backup_message *m, struct buf *q)
{
	struct buf names = {0};
	size_t n = 0;

	buf_varint(q, m->flags[0] & ((1u << BACKUP_SYSTEM_FLAGS) - 1));
	for (unsigned f = BACKUP_SYSTEM_FLAGS;
	     f - BACKUP_SYSTEM_FLAGS < r->mb->keyword_count && f < 64 * BACKUP_FLAG_WORDS; f++)
		if ((m->flags[f / 64] >> f % 64 & 1) != 0) {
			buf_vstr(&names, r->mb->keywords[f - BACKUP_SYSTEM_FLAGS]);
			n++;
		}
	buf_varint(q, n);
	buf_str(q, buf_as_str(&names));
	buf_fini(&names);
}

static void
put_head(struct rest *r, const struct backup_message *m, uint64_t size)
{
	bool wished = r->same && m->uid >= r->uidnext;

	if (r->items == 0)
		buf_putc(&r->batch, 'P');
	buf_varint(&r->batch, wished ? m->uid : 0);
	r->uidnext = wished ? m->uid + 1 : r->uidnext + 1;
	buf_le64(&r->batch, (uint64_t)m->internaldate);
	buf_le64(&r->batch, (uint64_t)m->savedate);
	buf_le32(&r->batch, (uint32_t)(int32_t)m->zone);
	put_keywords(r, m, &r->batch);
	buf_varint(&r->batch, size);
	r->items++;
}

/* A large one goes alone, in pieces. */
static bool
add_large(struct rest *r, const struct backup_message *m, uint64_t size)
{
	int fd = backup_object_open(r->job->folder, &m->hash);
	uint64_t left = size;
	bool ok = fd >= 0 && flush(r);

	if (ok)
		put_head(r, m, size);
	while (ok && left > 0) {
		ssize_t n = read(fd, buf_room(&r->batch, BATCH), BATCH);

		if (n < 0 && errno == EINTR)
			continue;
		ok = n > 0;
		if (!ok)
			break;
		r->batch.n += (size_t)n;
		left -= (uint64_t)n < left ? (uint64_t)n : left;
		ok = tell(r, &r->batch);
		r->batch.n = 0;
		buf_putc(&r->batch, 'D');
	}
	r->batch.n = r->items = 0;
	if (!ok && r->job->why.n == 0 && fd < 0)
		buf_puts(&r->job->why, "a message of the backup cannot be read");
	if (fd >= 0)
		(void)close(fd);
	return ok;
}

static bool
add(struct rest *r, const struct backup_message *m)
{
	struct buf what = {0}, bytes = {0};
	uint64_t size = m->size;
	enum ts_err err = m->size < BATCH
	                      ? backup_object_get(r->job->folder, &m->hash, BATCH, &bytes, &what)
	                      : backup_object_check(r->job->folder, &m->hash, &size, &what);
	bool ok = true;

	if (err != TS_OK) {
		buf_printf(&what, " (mailbox %.*s, UID %u)", STR_ARG(r->mb->name), m->uid);
		damaged(r, &what);
	} else if (m->size >= BATCH) {
		ok = add_large(r, m, size);
		r->job->added++;
	} else {
		put_head(r, m, bytes.n);
		buf_str(&r->batch, buf_as_str(&bytes));
		r->job->added++;
		if (r->batch.n >= BATCH - 65536 || r->items == BATCH_ITEMS)
			ok = flush(r);
		/* The next one may be as large as a batch: together they stay below a piece. */
	}
	buf_fini(&what);
	buf_fini(&bytes);
	return ok;
}

/* ---- exact ---- */

static bool
flush_flags(struct rest *r)
{
	bool ok = r->flags.n == 0 || tell(r, &r->flags);

	r->flags.n = r->flags_head.n = 0;
	return ok;
}

static bool
same_flags(struct rest *r, const struct backup_message *m, const struct there *t)
{
	uint64_t want[BACKUP_FLAG_WORDS] = {0};

	for (unsigned f = 0; f < 64 * BACKUP_FLAG_WORDS; f++)
		if ((m->flags[f / 64] >> f % 64 & 1) != 0) {
			if (r->map[f] < 0)
				return false;
			want[r->map[f] / 64] |= (uint64_t)1 << r->map[f] % 64;
		}
	return memcmp(want, t->flags, sizeof(want)) == 0;
}

/* Messages with the same flags go together. */
static bool
set_flags(struct rest *r, const struct backup_message *m, const struct there *t)
{
	struct buf head = {0};
	bool ok = true;

	if (same_flags(r, m, t))
		return true;
	buf_putc(&head, 'F');
	put_keywords(r, m, &head);
	if (!str_eq(buf_as_str(&head), buf_as_str(&r->flags_head)) || r->flags.n > BATCH) {
		ok = flush_flags(r);
		buf_str(&r->flags, buf_as_str(&head));
		buf_str(&r->flags_head, buf_as_str(&head));
	}
	buf_varint(&r->flags, t->uid);
	r->job->flagged++;
	buf_fini(&head);
	return ok;
}

static bool
set_aside(struct rest *r)
{
	struct buf q = {0}, name = {0};
	size_t n = 0;
	bool ok = true;

	buf_printf(&name, "%.*s (set aside %.*s)", STR_ARG(buf_as_str(&r->target)),
	    STR_ARG(r->job->run->id));
	for (size_t i = 0; ok && i <= r->count; i++) {
		if (i < r->count && !r->list[i].matched) {
			if (n++ == 0) {
				buf_putc(&q, 'V');
				buf_vstr(&q, buf_as_str(&name));
			}
			buf_varint(&q, r->list[i].uid);
		}
		if (n > 0 && (i == r->count || q.n > BATCH)) {
			ok = tell(r, &q);
			r->job->aside += n;
			q.n = n = 0;
		}
	}
	buf_fini(&q);
	buf_fini(&name);
	return ok;
}

/* ---- a mailbox ---- */

static bool
get_chunk(struct rest *r, size_t i, size_t *n_r)
{
	struct buf what = {0};

	*n_r = 0;
	if (backup_chunk_get(r->job->folder, &r->mb->chunks[i], r->chunk, n_r, &what) != TS_OK)
		damaged(r, &what);
	buf_fini(&what);
	return *n_r > 0;
}

/* Those that have their UID still are nobody else's. */
static bool
match_uids(struct rest *r)
{
	bool ok = true;
	size_t n;

	for (size_t i = 0; ok && i < r->mb->chunk_count && r->same && r->count > 0; i++) {
		if (!get_chunk(r, i, &n))
			continue;
		for (size_t j = 0; ok && j < n; j++) {
			struct there *t = by_uid(r, r->chunk[j].uid);

			if (t == NULL || t->size != r->chunk[j].size)
				continue;
			t->matched = true;
			r->job->there++;
			ok = !r->job->exact || set_flags(r, &r->chunk[j], t);
		}
	}
	return ok && flush_flags(r);
}

static bool
do_message(struct rest *r, const struct backup_message *m)
{
	struct there *t = r->same ? by_uid(r, m->uid) : NULL;

	if ((t != NULL && t->size == m->size) || backup_hash_none(&m->hash))
		return true;
	if (!by_content(r, m, &t))
		return false;
	if (t == NULL)
		return add(r, m);
	t->matched = true;
	r->job->there++;
	return !r->job->exact || set_flags(r, m, t);
}

static bool
do_messages(struct rest *r)
{
	uint64_t done = 0;
	bool ok = true;
	size_t n;

	for (size_t i = 0; ok && i < r->mb->chunk_count; i++) {
		if (!get_chunk(r, i, &n))
			continue;
		for (size_t j = 0; ok && j < n; j++)
			ok = do_message(r, &r->chunk[j]);
		done += n;
		r->job->progress("messages", done, r->mb->messages, r->job->arg);
	}
	return ok && flush(r) && flush_flags(r);
}

static bool
raise_mailbox(struct rest *r)
{
	struct buf q = {0};
	bool ok;

	if (!r->same)
		return true;
	buf_putc(&q, 'R');
	buf_varint(&q, r->mb->uidnext);
	buf_varint(&q, r->mb->modseq);
	ok = tell(r, &q);
	buf_fini(&q);
	return ok;
}

static void
name_target(struct rest *r)
{
	r->target.n = 0;
	if (r->job->into != NULL)
		buf_puts(&r->target, r->job->into);
	if (r->job->into != NULL && r->job->mailbox == NULL)
		buf_putc(&r->target, '/');
	if (r->job->into == NULL || r->job->mailbox == NULL)
		buf_str(&r->target, r->mb->name);
}

static bool
do_mailbox(struct rest *r, const struct backup_mailbox *mb)
{
	struct buf q = {0};
	bool ok;

	r->mb = mb;
	name_target(r);
	if (mb->id == 0) {
		buf_putc(&q, 'S');
		buf_vstr(&q, mb->name);
		ok = r->job->into != NULL || tell(r, &q);
		buf_fini(&q);
		return ok;
	}
	ok = open_mailbox(r) && match_uids(r) && do_messages(r) &&
	     (!r->job->exact || set_aside(r)) && raise_mailbox(r);
	r->job->mailboxes += ok;
	return ok;
}

/* ---- a user ---- */

static bool
do_records(struct rest *r)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 4096);
	struct backup_record *records = NULL;
	struct buf what = {0}, q = {0}, key = {0};
	size_t n = 0;
	bool ok = true;

	arena_wipe_on_free(arena);
	if (r->job->user != NULL)
		buf_printf(&key, "user/%s", r->job->user);
	if (backup_records_get(r->job->folder, &r->job->run->records, arena, &records, &n, &what) !=
	    TS_OK)
		damaged(r, &what);
	for (size_t i = 0; ok && i < n; i++) {
		if (key.n > 0 && !str_eq(records[i].key, buf_as_str(&key)))
			continue;
		q.n = 0;
		buf_putc(&q, 'K');
		buf_vstr(&q, records[i].key);
		buf_vstr(&q, records[i].value);
		ok = tell(r, &q);
	}
	buf_wipe_fini(&q);
	buf_fini(&what);
	buf_fini(&key);
	arena_free(&arena);
	return ok;
}

static bool
do_user(struct rest *r, const struct backup_run_user *u)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 65536);
	struct backup_user user;
	struct buf q = {0}, what = {0};
	bool ok = true, found = r->job->mailbox == NULL;

	if (backup_user_get(r->job->folder, &u->hash, arena, &user, &what) != TS_OK) {
		damaged(r, &what);
		user.mailbox_count = 0;
		found = true;
	} else {
		buf_putc(&q, 'A');
		buf_vstr(&q, r->job->as_user != NULL ? str_of(r->job->as_user) : u->name);
		ok = tell(r, &q);
	}
	for (size_t i = 0; ok && i < user.mailbox_count; i++) {
		if (r->job->mailbox != NULL &&
		    !str_eq(user.mailboxes[i].name, str_of(r->job->mailbox)))
			continue;
		found = true;
		ok = do_mailbox(r, &user.mailboxes[i]);
	}
	if (ok && !found) {
		buf_printf(&r->job->why, "the run %.*s has no mailbox %s of %.*s",
		    STR_ARG(r->job->run->id), r->job->mailbox, STR_ARG(u->name));
		ok = false;
	}
	r->job->users += ok;
	buf_fini(&q);
	buf_fini(&what);
	arena_free(&arena);
	return ok;
}

static bool
do_all(struct rest *r)
{
	const struct backup_run *run = r->job->run;
	bool ok = r->job->as_user != NULL || r->job->mailbox != NULL ||
	          backup_hash_none(&run->records) || do_records(r);

	for (size_t i = 0; ok && i < run->user_count; i++)
		if (r->job->user == NULL || str_eq(run->users[i].name, str_of(r->job->user)))
			ok = do_user(r, &run->users[i]);
	return ok;
}

void
restore_job_run(struct restore_job *job, struct dialogue *d)
{
	struct rest *r = mem_zalloc(sizeof(*r));

	r->job = job;
	r->d = d;
	job->done = do_all(r);
	buf_fini(&r->target);
	buf_fini(&r->keywords);
	buf_fini(&r->batch);
	buf_fini(&r->flags);
	buf_fini(&r->flags_head);
	mem_free(r->list);
	mem_free(r);
}
