/* SPDX-License-Identifier: Apache-2.0 */
/* Adds messages to a mailbox: many small ones at a time, a large one in pieces. */
#include <errno.h>
#include <unistd.h>

#include "backup/restore_int.h"
#include "store/store.h"

#define BATCH_ITEMS 500
#define NEVER (-2)
#define HEAD_MAX 1024 /* bytes before a message's own; flags take two per keyword */

bool
restore_flush(struct rest *r)
{
	bool ok = r->items == 0 || restore_tell(r, &r->batch);

	r->batch.n = r->items = 0;
	return ok;
}

/* For a flag without a name in the list, or a name too long for a question: reports it once and
 * leaves it out. */
static bool
fits(struct rest *r, unsigned place)
{
	struct str name = r->mb->keywords[place];
	struct buf what = {0};

	if (name.n > 0 && name.n < DIALOGUE_PIECE - 16)
		return true;
	if (r->told[place] == NEVER)
		return false;
	r->told[place] = NEVER;
	buf_printf(&what, "mailbox %.*s: keyword number %u %s", STR_ARG(r->mb->name), place,
	    name.n > 0 ? "is too long" : "has no name");
	restore_damaged(r, &what);
	buf_fini(&what);
	return false;
}

/* Returns the keyword's number in questions, after sending its name if new.  -1: that failed. */
static int
keyword_number(struct rest *r, unsigned place)
{
	struct buf q = {0};
	bool ok;

	if (r->told[place] >= 0)
		return r->told[place];
	buf_putc(&q, 'W');
	buf_vstr(&q, r->mb->keywords[place]);
	ok = restore_tell(r, &q);
	buf_fini(&q);
	return ok ? r->told[place] = r->told_count++ : -1;
}

/* Names are sent once for each mailbox, so flags are short however long the names are. */
bool
restore_put_flags(struct rest *r, const struct backup_message *m, struct buf *q)
{
	int numbers[64 * BACKUP_FLAG_WORDS];
	size_t n = 0;

	buf_varint(q, m->flags[0] & ((1u << BACKUP_SYSTEM_FLAGS) - 1));
	for (unsigned f = BACKUP_SYSTEM_FLAGS;
	     f - BACKUP_SYSTEM_FLAGS < r->mb->keyword_count && f < 64 * BACKUP_FLAG_WORDS; f++) {
		unsigned place = f - BACKUP_SYSTEM_FLAGS;

		if ((m->flags[f / 64] >> f % 64 & 1) == 0 || !fits(r, place))
			continue;
		numbers[n] = keyword_number(r, place);
		if (numbers[n++] < 0)
			return false;
	}
	buf_varint(q, n);
	for (size_t i = 0; i < n; i++)
		buf_varint(q, (uint64_t)numbers[i]);
	return true;
}

/* The ids that it had: its own, or those of its number there; or none are known. */
static void
put_ids(struct rest *r, const struct backup_message *m)
{
	struct str own = r->job->run->own;
	struct store_message_ids ids;

	buf_putc(&r->batch, m->has_ids || own.n > 0);
	if (m->has_ids) {
		buf_put(&r->batch, m->ids, sizeof(m->ids));
	} else if (own.n > 0) {
		store_other_message_ids(own, m->blob, &ids);
		buf_put(&r->batch, &ids, sizeof(ids));
	}
}

static bool
put_message_head(struct rest *r, const struct backup_message *m, uint64_t size)
{
	bool wished = r->same && m->uid >= r->uidnext;

	if (r->items == 0)
		buf_putc(&r->batch, 'P');
	buf_varint(&r->batch, wished ? m->uid : 0);
	r->uidnext = wished ? m->uid + 1 : r->uidnext + 1;
	buf_le64(&r->batch, (uint64_t)m->internaldate);
	buf_le64(&r->batch, (uint64_t)m->savedate);
	buf_le32(&r->batch, (uint32_t)(int32_t)m->zone);
	if (!restore_put_flags(r, m, &r->batch))
		return false;
	put_ids(r, m);
	buf_varint(&r->batch, size);
	r->items++;
	return true;
}

/* Sends a large message alone, in pieces. */
static bool
add_large(struct rest *r, const struct backup_message *m, uint64_t size)
{
	int fd = backup_object_open(r->job->folder, &m->hash);
	uint64_t left = size;
	bool ok = fd >= 0 && restore_flush(r);

	ok = ok && put_message_head(r, m, size);
	while (ok && left > 0) {
		ssize_t n = read(fd, buf_room(&r->batch, RESTORE_BATCH), RESTORE_BATCH);

		if (n < 0 && errno == EINTR)
			continue;
		ok = n > 0;
		if (!ok)
			break;
		r->batch.n += (size_t)n;
		left -= (uint64_t)n < left ? (uint64_t)n : left;
		ok = restore_tell(r, &r->batch);
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

/* Asks whether it could be added. */
static void
add_dry(struct rest *r, const struct backup_message *m)
{
	struct buf what = {0};
	uint64_t size;

	if (backup_object_check(r->job->folder, &m->hash, &size, &what) == TS_OK) {
		r->job->added++;
	} else {
		buf_printf(&what, " (mailbox %.*s, UID %u)", STR_ARG(r->mb->name), m->uid);
		restore_damaged(r, &what);
	}
	buf_fini(&what);
}

bool
restore_add(struct rest *r, const struct backup_message *m)
{
	struct buf what = {0}, bytes = {0};
	uint64_t size = m->size;
	bool ok = true, large = m->size >= RESTORE_BATCH;
	enum ts_err err = TS_OK;

	if (r->job->dry) {
		add_dry(r, m);
		return true;
	}
	if (large)
		err = backup_object_check(r->job->folder, &m->hash, &size, &what);
	/* A list that says a small message is large may come from a hostile folder. */
	large = large && size >= RESTORE_BATCH;
	if (err == TS_OK && !large)
		err = backup_object_get(r->job->folder, &m->hash, RESTORE_BATCH, &bytes, &what);

	if (err != TS_OK) {
		buf_printf(&what, " (mailbox %.*s, UID %u)", STR_ARG(r->mb->name), m->uid);
		restore_damaged(r, &what);
	} else if (large) {
		ok = add_large(r, m, size);
		r->job->added++;
	} else {
		if (r->batch.n + HEAD_MAX + bytes.n > DIALOGUE_PIECE)
			ok = restore_flush(r);
		ok = ok && put_message_head(r, m, bytes.n);
		buf_str(&r->batch, buf_as_str(&bytes));
		r->job->added += ok;
		if (ok && (r->batch.n >= RESTORE_BATCH || r->items == BATCH_ITEMS))
			ok = restore_flush(r);
	}
	buf_fini(&what);
	buf_fini(&bytes);
	return ok;
}
